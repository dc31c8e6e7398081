//! Identifiers as VHDX stores them: the first three fields little-endian.

use std::fmt;

/// An identifier, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guid(pub(super) [u8; 16]);

impl Guid {
    pub(super) const ZERO: Self = Self([0; 16]);

    /// The identifier whose text form has these fields, the last two as one.
    pub(super) const fn new(first: u32, second: u16, third: u16, rest: u64) -> Self {
        let [a, b, c, d] = first.to_le_bytes();
        let ([e, f], [g, h]) = (second.to_le_bytes(), third.to_le_bytes());
        let [i, j, k, l, m, n, o, p] = rest.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Reads the text form, in braces or not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let mut fields = text.split('-');
        let mut field = |digits: usize| {
            let field = fields.next().filter(|field| field.len() == digits)?;
            let is_hex = field.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(field, 16).ok()).flatten()
        };
        let first = u32::try_from(field(8)?).ok()?;
        let second = u16::try_from(field(4)?).ok()?;
        let third = u16::try_from(field(4)?).ok()?;
        let rest = field(4)? << 48 | field(12)?;
        fields.next().is_none().then(|| Self::new(first, second, third, rest))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let first = u32::from_le_bytes([a, b, c, d]);
        let (second, third) = (u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]));
        let rest = u64::from_be_bytes(rest);
        let (fourth, last) = (rest >> 48, rest & 0xffff_ffff_ffff);
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_of_one_identifier() {
        // A GUID of the format: its region of metadata, as MS-VHDX states it and as it is stored.
        let text = "8b7ca206-4790-4b9a-b8fe-575f050f886e";
        let stored = [
            0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f,
            0x88, 0x6e,
        ];
        assert_eq!(Guid::parse(&format!("{{{}}}", text.to_uppercase())), Some(Guid(stored)));
        assert_eq!(Guid(stored).to_string(), text);
        assert_eq!(Guid::parse("8b7ca206-4790-4b9a-b8fe-575f050f886"), None);
        assert_eq!(Guid::parse("+b7ca206-4790-4b9a-b8fe-575f050f886e"), None);
    }
}
