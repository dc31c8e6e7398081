//! Hash values: their text forms and their distance.

use std::fmt;
use std::str::FromStr;

/// Text that is no hash: not the right number of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash has {expected} hexadecimal digits, this text is {found:?}")]
pub struct NotAHash {
    expected: usize,
    found: String,
}

/// A PDQ hash: 256 bits in four words, in the order they are printed.
///
/// Bit `16 * i + j` of the reference (coefficient row `i`, column `j`) is bit `k % 64` of word
/// `3 - k / 64`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct PdqHash(pub [u64; 4]);

impl PdqHash {
    /// Number of bits in which the two differ, 0 to 256.
    ///
    /// ```
    /// use assay::perceptual::PdqHash;
    /// assert_eq!(PdqHash([0; 4]).distance(PdqHash([1, 0, 0, u64::MAX])), 65);
    /// ```
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The 32 bytes in the order they are printed.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The hash whose printed bytes these are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        Self(std::array::from_fn(|i| words.get(i).map_or(0, |word| u64::from_be_bytes(*word))))
    }
}

impl fmt::Display for PdqHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl FromStr for PdqHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bad = || NotAHash { expected: 64, found: text.to_owned() };
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut words = [0; 4];
        for (i, word) in words.iter_mut().enumerate() {
            *word = hex(&text[16 * i..16 * i + 16]).ok_or_else(bad)?;
        }
        Ok(Self(words))
    }
}

/// A 64-bit hash in the bit order of Python ImageHash: the first pixel or coefficient is the
/// highest bit, and the text is `str(imagehash)`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Hash64(pub u64);

impl Hash64 {
    /// Number of bits in which the two differ, 0 to 64.
    pub const fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

impl fmt::Display for Hash64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Hash64 {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bad = || NotAHash { expected: 16, found: text.to_owned() };
        if text.len() != 16 {
            return Err(bad());
        }
        hex(text).map(Self).ok_or_else(bad)
    }
}

/// Digits only: `from_str_radix` alone would also take a sign.
fn hex(digits: &str) -> Option<u64> {
    let clean = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    clean.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// How much structure a picture has for PDQ: 0 (flat) to 100.
///
/// Source: the gradient sum of the reference; under 50 the reference advises to discard the hash.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct PdqQuality(pub u8);

impl PdqQuality {
    /// The least quality at which a hash says something about its picture.
    pub const LEAST: Self = Self(50);

    /// True where the picture is too flat for its PDQ hash to identify it.
    pub fn is_flat(self) -> bool {
        self < Self::LEAST
    }
}

impl fmt::Display for PdqQuality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_other_text_is_refused() {
        let text = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22";
        let hash: PdqHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(PdqHash::from_bytes(hash.to_bytes()), hash);
        assert_eq!(hash.to_bytes()[0], 0xf8);
        for bad in ["", "+8f8", &text[1..], &text.replace('f', "g"), &format!("+{}", &text[1..])] {
            assert!(bad.parse::<PdqHash>().is_err(), "{bad}");
            assert!(bad.parse::<Hash64>().is_err(), "{bad}");
        }
        assert!("ä".repeat(32).parse::<PdqHash>().is_err());
        assert_eq!("00000000000000ff".parse(), Ok(Hash64(255)));
    }
}
