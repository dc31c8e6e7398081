//! A list's bytes as text, with every place still told in bytes of the file.
//!
//! UTF-8 and UTF-16 with a byte order mark, and anything without one as bytes: names need not be
//! UTF-8. A lone surrogate of UTF-16 stays three bytes of the UTF-8 pattern. Source: the Unicode
//! Standard, sections 3.9 and 23.8.

use super::{Place, SetError};
use crate::bytes::ByteOffset;
use std::path::{Path, PathBuf};

/// Longest line that is read.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// A file's text, in memory.
pub(super) struct Text {
    file: PathBuf,
    bytes: Vec<u8>,
    mark: usize,
    utf16: Option<&'static str>,
    line_end: u8,
}

/// One line, without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The first is 1.
    pub(super) number: u64,
    /// Place of its first byte in the text.
    pub(super) at: usize,
    /// Its bytes.
    pub(super) bytes: &'a [u8],
}

impl Text {
    /// Takes a file's bytes.
    ///
    /// # Errors
    /// UTF-16 that ends within a character; a NUL.
    pub(super) fn decode(file: &Path, raw: Vec<u8>) -> Result<Self, SetError> {
        let file = file.to_owned();
        let Mark { len: mark, utf16 } = Mark::of(&raw);
        let (pairs, odd) = raw.as_chunks::<2>();
        let bytes = match utf16 {
            Some("utf-16le") => from_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair))),
            Some(_) => from_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair))),
            None => Vec::new(),
        };
        let cut = utf16.is_some() && !odd.is_empty();
        // The mark itself decodes to U+FEFF, three bytes of UTF-8.
        let (bytes, mark) = if utf16.is_some() { (bytes, 3) } else { (raw, mark) };
        let rest = bytes.get(mark..).unwrap_or_default();
        let line_end = if memchr::memchr(b'\n', rest).is_some() { b'\n' } else { b'\r' };
        let text = Self { file, bytes, mark, utf16, line_end };
        if let Some(at) = memchr::memchr(0, text.bytes()) {
            let expected = "text without NUL (UTF-16 only with a byte order mark)";
            return Err(SetError::bad(text.place(at, None), "a NUL", expected));
        }
        if cut {
            let end = text.place(text.bytes().len(), None);
            return Err(SetError::bad(
                end,
                "half a character",
                "two bytes a character, as UTF-16 has",
            ));
        }
        Ok(text)
    }

    /// The text, without a byte order mark.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.mark..).unwrap_or_default()
    }

    /// The name of its encoding where that is not UTF-8 or plain bytes.
    pub(super) const fn utf16(&self) -> Option<&'static str> {
        self.utf16
    }

    /// What ends a line: LF, also of CR LF; CR where there is no LF in the whole text.
    pub(super) const fn line_end(&self) -> u8 {
        self.line_end
    }

    /// Place in the file of the byte at `at` in the text.
    pub(super) fn offset(&self, at: usize) -> ByteOffset {
        if self.utf16.is_none() {
            return ByteOffset(wide(self.mark.saturating_add(at)));
        }
        let before = self.bytes().get(..at).unwrap_or(self.bytes());
        ByteOffset(utf16_len(before).saturating_add(2))
    }

    /// The place of the byte at `at`; counts the lines before it.
    pub(super) fn place(&self, at: usize, record: Option<u64>) -> Place {
        let before = self.bytes().get(..at).unwrap_or(self.bytes());
        let line = wide(memchr::memchr_iter(self.line_end, before).count()).saturating_add(1);
        Place { file: self.file.clone(), line, offset: self.offset(at), record }
    }

    /// The place of a value in a row, of which the line is known.
    pub(super) fn place_in_row(&self, at: usize, line: u64, record: u64) -> Place {
        Place { file: self.file.clone(), line, offset: self.offset(at), record: Some(record) }
    }

    /// Its lines. An end at the end of the text starts no further line.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { text: self, at: 0, number: 0 }
    }

    /// An upper bound of its rows, for a first reservation.
    pub(super) fn row_estimate(&self) -> usize {
        let lines = memchr::memchr_iter(self.line_end, self.bytes()).count().saturating_add(1);
        // The shortest row is an MD5 and a line end.
        lines.min(self.bytes().len() / 33)
    }
}

/// Lines of a [`Text`], each within [`LONGEST_LINE`].
pub(super) struct Lines<'a> {
    text: &'a Text,
    at: usize,
    number: u64,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.bytes().get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(self.text.line_end, rest);
        let length = end.unwrap_or(rest.len());
        let mut bytes = rest.get(..length).unwrap_or_default();
        if let Some((b'\r', head)) = bytes.split_last().map(|(last, head)| (*last, head)) {
            bytes = head;
        }
        self.number = self.number.saturating_add(1);
        let line = Line { number: self.number, at: self.at, bytes };
        self.at = self.at.saturating_add(length).saturating_add(1);
        Some(if length > LONGEST_LINE { Err(too_long(self.text, line.at)) } else { Ok(line) })
    }
}

/// The error of a line or row that is longer than any real one.
pub(super) fn too_long(text: &Text, at: usize) -> SetError {
    let expected = format!("at most {LONGEST_LINE}");
    SetError::bad(text.place(at, None), "a longer line", expected + " bytes in a line")
}

/// UTF-16 as UTF-8; a lone surrogate becomes the three bytes that its number would have.
fn from_utf16(units: impl ExactSizeIterator<Item = u16>) -> Vec<u8> {
    let mut out = Vec::with_capacity(units.len());
    for c in char::decode_utf16(units) {
        match c {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => out.extend_from_slice(&lone_surrogate(lone.unpaired_surrogate())),
        }
    }
    out
}

fn lone_surrogate(unit: u16) -> [u8; 3] {
    let low = |unit: u16| u8::try_from(unit & 0x3f).unwrap_or(0) | 0x80;
    [0xed, low(unit >> 6), low(unit)]
}

/// What a text's first bytes say of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Length of the byte order mark.
    pub(super) len: usize,
    /// The name of the encoding where it is UTF-16.
    pub(super) utf16: Option<&'static str>,
}

impl Mark {
    /// Looks at the first bytes.
    pub(super) const fn of(head: &[u8]) -> Self {
        let (len, utf16) = match head {
            [0xef, 0xbb, 0xbf, ..] => (3, None),
            [0xff, 0xfe, ..] => (2, Some("utf-16le")),
            [0xfe, 0xff, ..] => (2, Some("utf-16be")),
            _ => (0, None),
        };
        Self { len, utf16 }
    }
}

/// UTF-16 that comes in blocks, cut anywhere.
pub(super) struct Utf16Blocks {
    big: bool,
    odd: Option<u8>,
    high: Option<u16>,
}

impl Utf16Blocks {
    /// For the bytes behind a mark.
    pub(super) fn new(mark: Mark) -> Self {
        Self { big: mark.utf16 == Some("utf-16be"), odd: None, high: None }
    }

    /// The next bytes as UTF-8, but for a character that they do not end.
    pub(super) fn decode(&mut self, block: &[u8]) -> Vec<u8> {
        let bytes = self.odd.take().into_iter().chain(block.iter().copied());
        let bytes: Vec<u8> = bytes.collect();
        let (pairs, odd) = bytes.as_chunks::<2>();
        self.odd = odd.first().copied();
        let unit = |pair: &[u8; 2]| {
            if self.big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }
        };
        let units = self.high.take().into_iter().chain(pairs.iter().map(unit));
        let mut units: Vec<u16> = units.collect();
        self.high = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        from_utf16(units.into_iter())
    }

    /// What is left at the end: a lone surrogate. `Err` where half a unit is.
    pub(super) fn finish(self) -> Result<Vec<u8>, ()> {
        match self.odd {
            Some(_) => Err(()),
            None => Ok(self.high.map(|unit| lone_surrogate(unit).to_vec()).unwrap_or_default()),
        }
    }
}

/// How many bytes a part of a text takes in a file of UTF-16.
pub(super) fn utf16_len(text: &[u8]) -> u64 {
    let starts = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    let pairs = text.iter().filter(|byte| **byte >= 0xf0).count();
    wide(starts.saturating_add(pairs).saturating_mul(2))
}

/// A length as a 64-bit number.
pub(super) fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn places_are_those_of_the_file_as_it_lies_on_the_disk() {
        let story = "aé\u{1f600}€b";
        for big in [false, true] {
            let text = Text::decode(Path::new("l"), utf16(story, big)).unwrap();
            assert_eq!(text.bytes(), story.as_bytes());
            for (at, _) in story.char_indices() {
                let units = story[..at].encode_utf16().count() as u64;
                assert_eq!(text.offset(at), ByteOffset(2 + 2 * units), "{at}");
            }
        }
        let marked = Text::decode(Path::new("l"), b"\xef\xbb\xbfab".to_vec()).unwrap();
        assert_eq!((marked.bytes(), marked.offset(1)), (&b"ab"[..], ByteOffset(4)));
    }

    #[test]
    fn a_lone_surrogate_is_three_bytes_and_one_unit() {
        let raw = vec![0xff, 0xfe, 0x00, 0xd8, b'a', 0];
        let text = Text::decode(Path::new("l"), raw).unwrap();
        assert_eq!(text.bytes(), b"\xed\xa0\x80a");
        assert_eq!(text.offset(3), ByteOffset(4));
    }

    #[test]
    fn lines_end_in_lf_crlf_or_in_a_text_without_lf_cr() {
        for (raw, want) in [
            ("a\nb\n", vec!["a", "b"]),
            ("a\r\n\r\nb", vec!["a", "", "b"]),
            ("a\rb\r", vec!["a", "b"]),
            ("a\rb\n", vec!["a\rb"]),
            ("", vec![]),
        ] {
            let text = Text::decode(Path::new("l"), raw.into()).unwrap();
            let lines: Vec<_> = text.lines().map(|line| line.unwrap().bytes).collect();
            assert_eq!(lines, want.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        }
    }
}
