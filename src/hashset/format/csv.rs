//! Header CSV with any of `,` `;` tab `|` between cells.
//!
//! Read by our own code, because a place is told to the byte and because a quote too many or too
//! few must not make rows vanish into a cell: a quote that is never closed, text behind a closing
//! quote, and a cell of several lines that holds what looks like a digest are errors.
//! Source: RFC 4180.

use super::Reading;
use super::column::{Columns, Field};
use crate::hashset::SetError;
use crate::hashset::encoding::{LONGEST_LINE, Line, Text, too_long, wide};

/// Reads the header row and every row after it.
pub(super) fn read(
    list: &mut Reading<'_>,
    header: Line<'_>,
    delimiter: u8,
) -> Result<(), SetError> {
    let text = list.text;
    let mut records = Records { text, delimiter, at: header.at, line: header.number };
    let mut fields = Vec::new();
    records.next(&mut fields)?;
    let mut columns = Columns::read(&fields, text.place(header.at, None))?;
    while records.next(&mut fields)? {
        // A sheet saved as CSV may end in rows of nothing.
        if fields.iter().any(|field| !field.bytes.trim_ascii().is_empty()) {
            let row = columns.take(list, &fields);
            list.judge(row)?;
        }
    }
    Ok(())
}

/// Rows of cells, one after the other.
struct Records<'a> {
    text: &'a Text,
    delimiter: u8,
    at: usize,
    line: u64,
}

impl<'a> Records<'a> {
    /// Reads the next row into `fields`; false at the end.
    fn next(&mut self, fields: &mut Vec<Field<'a>>) -> Result<bool, SetError> {
        fields.clear();
        let start = self.at;
        if start >= self.text.bytes().len() {
            return Ok(false);
        }
        loop {
            let (field, more) = self.field()?;
            fields.push(field);
            if self.at.saturating_sub(start) > LONGEST_LINE {
                return Err(too_long(self.text, start));
            }
            if !more {
                return Ok(true);
            }
        }
    }

    /// Reads one cell; true where the row goes on after it.
    fn field(&mut self) -> Result<(Field<'a>, bool), SetError> {
        let rest = self.text.bytes().get(self.at..).unwrap_or_default();
        if rest.first() == Some(&b'"') { self.quoted(rest) } else { Ok(self.bare(rest)) }
    }

    fn bare(&mut self, rest: &'a [u8]) -> (Field<'a>, bool) {
        let end = memchr::memchr2(self.delimiter, self.text.line_end(), rest);
        let end = end.unwrap_or(rest.len());
        let more = rest.get(end) == Some(&self.delimiter);
        let mut bytes = rest.get(..end).unwrap_or_default();
        if !more {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        let field = Field { at: self.at, line: self.line, bytes, quoted: false };
        self.pass(end, more);
        (field, more)
    }

    fn quoted(&mut self, rest: &'a [u8]) -> Result<(Field<'a>, bool), SetError> {
        let inner = rest.get(1..).unwrap_or_default();
        let mut close = None;
        let mut quotes = memchr::memchr_iter(b'"', inner).peekable();
        while let Some(quote) = quotes.next() {
            if quotes.next_if_eq(&quote.saturating_add(1)).is_none() {
                close = Some(quote);
                break;
            }
        }
        let Some(close) = close else {
            let place = self.text.place(self.at, None);
            return Err(SetError::bad(place, "a quote that is never closed", "its closing quote"));
        };
        let bytes = inner.get(..close).unwrap_or_default();
        let after = inner.get(close.saturating_add(1)..).unwrap_or_default();
        let end = after.strip_prefix(b"\r").unwrap_or(after);
        let more = after.first() == Some(&self.delimiter);
        let line_end = self.text.line_end();
        let ends = |rest: &[u8]| rest.first().is_none_or(|c| *c == line_end);
        if !more && !ends(after) && !ends(end) {
            let place = self.text.place(self.at, None);
            let expected = "a delimiter or the line's end after a closing quote";
            return Err(SetError::bad(place, "text after a closing quote", expected));
        }
        let field = Field { at: self.at.saturating_add(1), line: self.line, bytes, quoted: true };
        let lines = memchr::memchr_iter(line_end, bytes).count();
        if lines > 0 && holds_digest(bytes) {
            let place = self.text.place(self.at, None);
            let expected = "a closing quote on the same line";
            return Err(SetError::bad(place, "a cell that runs over further rows", expected));
        }
        self.line = self.line.saturating_add(wide(lines));
        let behind = if ends(after) || more { after } else { end };
        self.pass(rest.len().saturating_sub(behind.len()), more);
        Ok((field, more))
    }

    /// Goes past a cell and what ends it.
    fn pass(&mut self, length: usize, more: bool) {
        self.at = self.at.saturating_add(length).saturating_add(1);
        if !more {
            self.line = self.line.saturating_add(1);
        }
    }
}

/// Whether a text has a run of hex digits as long as a digest.
fn holds_digest(text: &[u8]) -> bool {
    text.split(|c| !c.is_ascii_hexdigit()).any(|run| matches!(run.len(), 32 | 40 | 64))
}
