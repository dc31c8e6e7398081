//! Single values of a list: hex, Base64, numbers, yes and no. Surrounding space is the caller's.
//!
//! Nothing here puts a value into a message: [`described`] says only what kind of text it is.
//! Source of Base64: RFC 4648, section 4.

use crate::digest::{Algorithm, Digest, hex_value};
use crate::item::escape;

/// Exactly `N` bytes from twice as many hex digits of either case.
pub(super) fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return None;
    }
    let mut out = [0; N];
    // One look at the end keeps the loop without a branch.
    let mut all = 0_u8;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (hex_value(*high), hex_value(*low));
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all < 16).then_some(out)
}

/// A digest of the algorithm's length.
pub(super) fn digest(text: &[u8], algorithm: Algorithm) -> Option<Digest> {
    match algorithm {
        Algorithm::Md5 => Digest::new(&hex::<16>(text)?),
        Algorithm::Sha1 => Digest::new(&hex::<20>(text)?),
        Algorithm::Sha256 | Algorithm::Blake3 => Digest::new(&hex::<32>(text)?),
    }
}

/// What kind of text stands where hex digits should.
pub(super) fn described(text: &[u8]) -> String {
    let digits = text.iter().take_while(|c| hex_value(**c) < 16).count();
    let s = if text.len() == 1 { "" } else { "s" };
    match text {
        b"" => "nothing".into(),
        [b'0', b'x' | b'X', ..] => "a 0x prefix".into(),
        _ if digits == text.len() => format!("{digits} hex digit{s}"),
        _ => format!(
            "{} byte{s} of which number {} is no hex digit",
            text.len(),
            digits.saturating_add(1)
        ),
    }
}

/// 144 bytes as 288 hex digits or as Base64.
pub(super) fn photodna(text: &[u8]) -> Option<Box<[u8]>> {
    if let Some(bytes) = hex::<{ super::PHOTODNA_BYTES }>(text) {
        return Some(bytes.into());
    }
    let (groups, rest) = text.as_chunks::<4>();
    // 144 is a multiple of 3: whole groups, no padding.
    if !rest.is_empty() || groups.len().saturating_mul(3) != super::PHOTODNA_BYTES {
        return None;
    }
    let mut out = [0; super::PHOTODNA_BYTES];
    // One look at the end keeps the loop without a branch.
    let mut all = 0_u8;
    for (bytes, [a, b, c, d]) in out.as_chunks_mut::<3>().0.iter_mut().zip(groups) {
        let (a, b, c, d) = (base64_digit(*a), base64_digit(*b), base64_digit(*c), base64_digit(*d));
        all |= a | b | c | d;
        *bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    (all < 64).then(|| out.into())
}

/// Base64 of bytes that come in groups of three, as those of PhotoDNA do; others are filled up with
/// zeros.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(4).div_ceil(3));
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three.iter_mut().zip(group).for_each(|(to, from)| *to = *from);
        let [a, b, c] = three;
        for digit in [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63] {
            text.push(BASE64.get(usize::from(digit)).copied().map_or('=', char::from));
        }
    }
    text
}

/// The digits of Base64 by their value. RFC 4648, section 4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The values of Base64 digits; 255 for what is none.
const FROM_BASE64: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0_u8;
    while value < 64 {
        #[expect(clippy::as_conversions, reason = "widens; `From` is no const function")]
        #[expect(clippy::indexing_slicing, reason = "const")]
        {
            table[BASE64[value as usize] as usize] = value;
            value += 1;
        }
    }
    table
};

fn base64_digit(c: u8) -> u8 {
    FROM_BASE64.get(usize::from(c)).copied().unwrap_or(255)
}

/// A number in decimal digits alone.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// A PDQ quality, 0 to 100.
pub(super) fn quality(text: &[u8]) -> Option<u8> {
    number(text).and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100)
}

/// Yes or no.
pub(super) fn flag(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"y" | b"yes" | b"true" | b"1" => Some(true),
        b"n" | b"no" | b"false" | b"0" => Some(false),
        _ => None,
    }
}

/// A cell as text. Bytes that are no UTF-8 become the reversible escapes of the report.
pub(super) fn text(cell: &[u8]) -> Box<str> {
    std::str::from_utf8(cell).map_or_else(|_| escape::cell(cell).into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_hex_of_the_length_is_a_value() {
        assert_eq!(hex::<2>(b"aBF0"), Some([0xab, 0xf0]));
        for text in ["", "aBF", "aBF0a", "aBF0a0", "aBFg", "0xab", "aB\u{ff}"] {
            assert_eq!(hex::<2>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn photodna_is_read_from_both_forms() {
        let want: Vec<u8> = (0_u8..144).map(|n| n.wrapping_mul(73)).collect();
        let as_hex: String = want.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(photodna(as_hex.as_bytes()).unwrap(), want.clone().into());
        let as_base64 = by_bits(&want);
        assert_eq!(base64(&want), as_base64);
        assert_eq!(photodna(as_base64.as_bytes()).unwrap(), want.into());
        assert_eq!(photodna(&as_base64.as_bytes()[4..]), None);
        assert_eq!(photodna(as_base64.replace('A', "=").as_bytes()), None);
    }

    /// Bit by bit, unlike the reader.
    fn by_bits(bytes: &[u8]) -> String {
        let digits: Vec<char> =
            ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let bits: Vec<u8> =
            bytes.iter().flat_map(|b| (0..8).rev().map(move |n| b >> n & 1)).collect();
        bits.chunks(6)
            .map(|six| digits[six.iter().fold(0, |n, bit| n * 2 + *bit as usize)])
            .collect()
    }

    #[test]
    fn descriptions_hold_no_value() {
        assert_eq!(described(b"deadbeef0"), "9 hex digits");
        assert_eq!(described(b"dexdbeef"), "8 bytes of which number 3 is no hex digit");
        assert_eq!(described(b"0xdeadbeef"), "a 0x prefix");
        assert_eq!(described(b""), "nothing");
    }
}
