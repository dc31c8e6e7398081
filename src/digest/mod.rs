//! The four exact digests of a stream, from one read.
//!
//! MD5 and SHA-1 are broken against a forger and still what the sets carry; SHA-256 and BLAKE3 are
//! what a digest conflict is told by. Sources: RFC 1321, FIPS 180-4, the BLAKE3 paper.

pub mod lanes;
mod low;
mod md5;

use self::md5::Md5;
pub use low::{ContentWatch, LowInformation};

use crate::problem::words;
use sha1::Digest as _;

words! {
    /// An exact digest.
    Algorithm {
        /// RFC 1321, 16 bytes.
        Md5 = "md5",
        /// FIPS 180-4, 20 bytes.
        Sha1 = "sha1",
        /// FIPS 180-4, 32 bytes.
        Sha256 = "sha256",
        /// BLAKE3 with its default length, 32 bytes.
        Blake3 = "blake3",
    }
}

impl Algorithm {
    /// Number of bytes in a digest.
    pub const fn width(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
        }
    }

    /// The digest of no bytes at all, which every empty file shares.
    pub fn of_nothing(self) -> Digest {
        let mut hasher = Hasher::new(Selection::only(self));
        hasher.update(&[]);
        hasher.finish().get(self).unwrap_or(Digest([0; 32], 0))
    }
}

/// Which digests are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Selection(u8);

impl Selection {
    /// All four.
    pub const ALL: Self = Self(0b1111);
    /// None.
    pub const NONE: Self = Self(0);

    /// One alone.
    pub const fn only(algorithm: Algorithm) -> Self {
        Self(1 << algorithm as u8)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, algorithm: Algorithm) -> Self {
        Self(self.0 | 1 << algorithm as u8)
    }

    /// Whether one is among them.
    pub const fn has(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u8) != 0
    }

    /// Those among them, in the order of the report's columns.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.iter().copied().filter(move |algorithm| self.has(*algorithm))
    }

    /// Reads a list such as `md5,sha256`.
    ///
    /// # Errors
    /// The word that is no algorithm, or an empty text where there is no word at all.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut selection = Self::NONE;
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let algorithm = Algorithm::from_word(word).ok_or_else(|| word.to_owned())?;
            selection = selection.with(algorithm);
        }
        if selection == Self::NONE { Err(String::new()) } else { Ok(selection) }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.iter().map(Algorithm::as_str).collect();
        f.write_str(&words.join(","))
    }
}

/// Value of each hex digit, 255 for every other byte.
const HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0_u8;
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

/// The value of a hex digit of either case, 255 for every other byte.
pub fn hex_value(c: u8) -> u8 {
    HEX.get(usize::from(c)).copied().unwrap_or(255)
}

/// One digest of up to 32 bytes; shown as lower-case hex.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Digest([u8; 32], u8);

impl Digest {
    /// A digest from its bytes; `None` where there are more than 32.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; 32];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(all, u8::try_from(bytes.len()).ok()?))
    }

    /// Reads hex digits of either case; `None` where the text is anything else.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        if text.len() <= 32 { Self::from_digits::<32>(text) } else { Self::from_digits::<64>(text) }
    }

    /// As [`Digest::from_hex`], of up to `N` digits.
    fn from_digits<const N: usize>(text: &[u8]) -> Option<Self> {
        // Arithmetic on all digits whatever their number, and one look at the end: so it is done
        // sixteen at a time. A list has millions of these.
        let mut digits = [b'0'; N];
        digits.get_mut(..text.len())?.copy_from_slice(text);
        let mut worst = 0_u8;
        for digit in &mut digits {
            let (decimal, letter) = (digit.wrapping_sub(b'0'), (*digit | 0x20).wrapping_sub(b'a'));
            let letter = if letter < 6 { letter + 10 } else { u8::MAX };
            *digit = if decimal < 10 { decimal } else { letter };
            worst |= *digit;
        }
        let mut all = [0_u8; 32];
        let (pairs, _) = digits.as_chunks::<2>();
        for (byte, [high, low]) in all.iter_mut().zip(pairs) {
            *byte = high << 4 | low & 15;
        }
        let whole = worst < 16 && text.len().is_multiple_of(2);
        whole.then_some(Self(all, u8::try_from(text.len() / 2).ok()?))
    }

    /// The SHA-256 of some parts, one after the other.
    ///
    /// ```
    /// use assay::digest::Digest;
    /// let digest = Digest::sha256(&[b"a", b"bc"]).to_string();
    /// assert!(digest.starts_with("ba7816bf8f01cfea"));
    /// ```
    pub fn sha256(parts: &[&[u8]]) -> Self {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().into(), 32)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.get(..usize::from(self.1)).unwrap_or(&self.0)
    }
}

impl Digest {
    /// Hex digits of the longest digest.
    pub const LONGEST_HEX: usize = 64;

    /// Its text form, put together in `text`.
    pub fn hex<'a>(&self, text: &'a mut [u8; Self::LONGEST_HEX]) -> &'a str {
        std::str::from_utf8(self.hex_digits(text)).unwrap_or_default()
    }

    /// As [`Digest::hex`], as bytes.
    pub fn hex_digits<'a>(&self, text: &'a mut [u8; Self::LONGEST_HEX]) -> &'a [u8] {
        // Arithmetic instead of a table, on 16 or 32 bytes whatever the length: so it is done sixteen
        // digits at a time. A report has millions of these.
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let (pairs, _) = text.as_chunks_mut::<2>();
        let ((first, second), (low, high)) = (pairs.split_at_mut(16), self.0.split_at(16));
        let write = |pairs: &mut [[u8; 2]], bytes: &[u8]| {
            for (pair, byte) in pairs.iter_mut().zip(bytes) {
                *pair = [digit(byte >> 4), digit(byte & 15)];
            }
        };
        write(first, low);
        if self.1 > 16 {
            write(second, high);
        }
        text.get(..2 * usize::from(self.1)).unwrap_or_default()
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.hex(&mut [0; Self::LONGEST_HEX]))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The digests of one content; those that were not computed are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Digests {
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
    blake3: Option<[u8; 32]>,
}

impl Digests {
    /// The digest by one algorithm, where there is one.
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        match algorithm {
            Algorithm::Md5 => self.md5.as_ref().and_then(|d| Digest::new(d)),
            Algorithm::Sha1 => self.sha1.as_ref().and_then(|d| Digest::new(d)),
            Algorithm::Sha256 => self.sha256.as_ref().and_then(|d| Digest::new(d)),
            Algorithm::Blake3 => self.blake3.as_ref().and_then(|d| Digest::new(d)),
        }
    }

    /// Puts in a digest; false, and nothing changed, where its length is not the algorithm's.
    pub fn set(&mut self, algorithm: Algorithm, digest: Digest) -> bool {
        let bytes = digest.bytes();
        match algorithm {
            Algorithm::Md5 => bytes.try_into().map(|d| self.md5 = Some(d)).is_ok(),
            Algorithm::Sha1 => bytes.try_into().map(|d| self.sha1 = Some(d)).is_ok(),
            Algorithm::Sha256 => bytes.try_into().map(|d| self.sha256 = Some(d)).is_ok(),
            Algorithm::Blake3 => bytes.try_into().map(|d| self.blake3 = Some(d)).is_ok(),
        }
    }

    /// Which there are.
    pub fn selection(&self) -> Selection {
        Algorithm::ALL
            .iter()
            .filter(|algorithm| self.get(**algorithm).is_some())
            .fold(Selection::NONE, |selection, algorithm| selection.with(*algorithm))
    }

    /// The digest that two equal contents are told by: SHA-256, else BLAKE3, SHA-1, MD5.
    pub fn strongest(&self) -> Option<(Algorithm, Digest)> {
        [Algorithm::Sha256, Algorithm::Blake3, Algorithm::Sha1, Algorithm::Md5]
            .into_iter()
            .find_map(|algorithm| Some((algorithm, self.get(algorithm)?)))
    }
}

/// True where MD5 as it is computed here and the `md5` package give the same for contents of every
/// length around the ends of blocks: a control before each run.
pub fn md5_agrees() -> bool {
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(400).collect();
    (0..data.len()).all(|len| {
        let bytes = data.get(..len).unwrap_or_default();
        let mut own = Md5::new();
        own.update(bytes);
        own.finish() == ::md5::compute(bytes).0
    })
}

/// Length in bytes of the block that MD5, SHA-1 and SHA-256 share.
const BLOCK: usize = 64;

/// Computes the selected digests of one stream.
///
/// ```
/// use assay::digest::{Algorithm, Hasher, Selection};
/// let mut hasher = Hasher::new(Selection::only(Algorithm::Md5));
/// hasher.update(b"ab");
/// hasher.update(b"c");
/// let md5 = hasher.finish().get(Algorithm::Md5).unwrap();
/// assert_eq!(md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
/// ```
#[derive(Clone)]
pub struct Hasher {
    md5: Option<Md5>,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
    blake3: Option<Box<blake3::Hasher>>,
}

impl Hasher {
    /// Starts a stream.
    pub fn new(selection: Selection) -> Self {
        Self {
            md5: selection.has(Algorithm::Md5).then(Md5::new),
            sha1: selection.has(Algorithm::Sha1).then(sha1::Sha1::new),
            sha256: selection.has(Algorithm::Sha256).then(sha2::Sha256::new),
            blake3: selection.has(Algorithm::Blake3).then(Box::default),
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// MD5, SHA-1 and SHA-256 take it block by block in turn: MD5 waits for its own last step most of
    /// the time, and the processor does the other digest's instructions meanwhile. BLAKE3 wants many
    /// blocks at once and takes the whole.
    pub fn update(&mut self, bytes: &[u8]) {
        match (&mut self.md5, &mut self.sha1, &mut self.sha256) {
            (Some(md5), None, None) => md5.update(bytes),
            (None, Some(sha1), None) => sha1.update(bytes),
            (None, None, Some(sha256)) => sha256.update(bytes),
            (None, None, None) => {}
            _ => bytes.chunks(BLOCK).for_each(|block| self.update_block(block)),
        }
        if let Some(blake3) = &mut self.blake3 {
            blake3.update(bytes);
        }
    }

    #[inline]
    fn update_block(&mut self, block: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(block);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(block);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(block);
        }
    }

    /// Ends the stream.
    pub fn finish(self) -> Digests {
        Digests {
            md5: self.md5.map(Md5::finish),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
            sha256: self.sha256.map(|sha256| sha256.finalize().into()),
            blake3: self.blake3.map(|blake3| *blake3.finalize().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_digests_of_nothing_are_the_published_ones() {
        assert_eq!(Algorithm::Md5.of_nothing().to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            Algorithm::Sha1.of_nothing().to_string(),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert!(Algorithm::Sha256.of_nothing().to_string().starts_with("e3b0c44298fc1c14"));
        assert!(Algorithm::Blake3.of_nothing().to_string().starts_with("af1349b9f5f9a1a6"));
    }

    #[test]
    fn each_byte_is_a_hex_digit_or_none_as_the_table_says() {
        for byte in 0..=u8::MAX {
            for text in [[byte, b'7'], [b'7', byte]] {
                let [high, low] = text.map(hex_value);
                let expected = (high | low < 16).then_some([high << 4 | low & 15]);
                let have = Digest::from_hex(&text).map(|one| one.bytes().to_vec());
                assert_eq!(have.as_deref(), expected.as_ref().map(<[u8; 1]>::as_slice));
            }
        }
    }

    #[test]
    fn only_hex_of_whole_bytes_is_a_digest() {
        for text in ["0", "0g", "0x00", " 00", &"0".repeat(66)] {
            assert_eq!(Digest::from_hex(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Digest::from_hex(b"aAfF").unwrap().to_string(), "aaff");
    }

    #[test]
    fn a_digest_of_the_wrong_length_is_not_taken() {
        let mut digests = Digests::default();
        assert!(!digests.set(Algorithm::Sha1, Digest::new(&[1; 16]).unwrap()));
        assert_eq!(digests, Digests::default());
    }

    #[test]
    fn selections_read_back() {
        assert_eq!(Selection::parse("sha256, md5").unwrap().to_string(), "md5,sha256");
        assert_eq!(Selection::parse("md5,crc"), Err("crc".to_owned()));
        assert!(Selection::parse(",").is_err());
    }

    proptest! {
        #[test]
        fn cutting_a_stream_changes_nothing(
            data in proptest::collection::vec(any::<u8>(), 0..3000),
            cut in 0_usize..3000,
        ) {
            let (head, tail) = data.split_at(cut.min(data.len()));
            let (mut whole, mut parts) = (Hasher::new(Selection::ALL), Hasher::new(Selection::ALL));
            whole.update(&data);
            parts.update(head);
            parts.update(tail);
            prop_assert_eq!(whole.finish(), parts.finish());
        }
    }
}
