//! The text of the NSRL Reference Data Set, version 2: `NSRLFile.txt`, also in part.
//!
//! A header row names the columns (v2, v1.5 and subsets of either); SHA-1, MD5, SHA-256 and the
//! file's size are read, by the header's names. Names of files are not reliably UTF-8 and are not
//! kept. A product has a row for each of its files, so equal rows are many: those that follow each
//! other go on once. Rows of a window are read in parallel and go on in their order.
//!
//! That a file is known says nothing of whether it is harmless: the NSRL lists tools of attackers
//! too. Source: the headers as public readers state them (see docs/hash-set-formats.md).

use crate::digest::Algorithm;
use crate::hashset::encoding::{LONGEST_LINE, wide};
use crate::hashset::stream::Window;
use crate::hashset::tally::Tally;
use crate::hashset::{Reject, RowName, RowSink, SetEntry, SetError, value};
use rayon::prelude::*;
use std::ops::Range;

/// How many lines a thread reads at a time.
const AT_A_TIME: usize = 4096;

/// Most columns that a header has.
const MOST_COLUMNS: usize = 64;

/// A list of the NSRL while it is read.
pub(in crate::hashset) struct NsrlText<'a> {
    pub(in crate::hashset) pool: &'a rayon::ThreadPool,
    pub(in crate::hashset) tally: &'a mut Tally,
    pub(in crate::hashset) sink: &'a mut dyn RowSink,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Digest(Algorithm),
    Size,
    Unused,
}

impl Column {
    fn named(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"sha-1" | b"sha1" => Self::Digest(Algorithm::Sha1),
            b"md5" => Self::Digest(Algorithm::Md5),
            b"sha-256" | b"sha256" => Self::Digest(Algorithm::Sha256),
            b"filesize" => Self::Size,
            _ => Self::Unused,
        }
    }
}

/// Why a line is no row; places count from the line's first byte.
struct Wrong {
    at: usize,
    column: &'static str,
    found: String,
    expected: String,
}

/// What a chunk of lines became.
struct Chunk {
    rows: Vec<Result<SetEntry, Wrong>>,
    tally: Tally,
}

/// Whether a text begins with the header of the NSRL: no other list has a `SpecialCode` or a
/// `ProductCode` beside a digest.
pub(in crate::hashset) fn is_text(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let line = head.split(|c| *c == b'\n').next().unwrap_or_default();
    let Some(cells) = cells(line.trim_ascii_end(), MOST_COLUMNS) else { return false };
    let is = |name: &[u8]| cells.iter().any(|(_, cell)| cell.eq_ignore_ascii_case(name));
    (is(b"SHA-1") || is(b"MD5")) && (is(b"SpecialCode") || is(b"ProductCode"))
}

impl NsrlText<'_> {
    /// Reads the header and every row.
    ///
    /// # Errors
    /// A text that is damaged, and what the sink refuses.
    pub(in crate::hashset) fn read(&mut self, text: &mut Window) -> Result<(), SetError> {
        let mut columns: Option<Vec<Column>> = None;
        let (mut number, mut last) = (0_u64, None);
        loop {
            let mut lines = Vec::new();
            let mut at = 0;
            let mut whole = memchr::memchr_iter(b'\n', text.bytes());
            while let Some(end) = whole.next().or_else(|| rest(text, at)) {
                lines.push(at..end);
                at = end.saturating_add(1);
            }
            let mut lines = lines.as_slice();
            if columns.is_none()
                && let Some((header, rows)) = lines.split_first()
            {
                columns = Some(header_columns(text, header)?);
                lines = rows;
                number = 1;
            }
            for line in lines {
                if line.len() > LONGEST_LINE {
                    let place = text.place(line.start, None);
                    return Err(SetError::bad(place, "a longer line", "at most 1048576 bytes"));
                }
            }
            if let Some(columns) = &columns {
                self.take(text, columns, lines, &mut number, &mut last)?;
            }
            let held = text.bytes().len();
            if text.ended() {
                return Ok(());
            }
            if held.saturating_sub(at) > LONGEST_LINE {
                let place = text.place(at, None);
                return Err(SetError::bad(place, "a longer line", "at most 1048576 bytes"));
            }
            text.more(at.min(held))?;
        }
    }

    /// Reads lines in parallel and gives their rows on in their order.
    fn take(
        &mut self,
        text: &Window,
        columns: &[Column],
        lines: &[Range<usize>],
        number: &mut u64,
        last: &mut Option<SetEntry>,
    ) -> Result<(), SetError> {
        let (fresh, bytes) = (self.tally.fresh(), text.bytes());
        let read = |lines: &[Range<usize>]| {
            let mut tally = fresh.clone();
            let row = |line: &Range<usize>| {
                let line = bytes.get(line.clone()).unwrap_or_default();
                row(line, columns, &mut tally)
            };
            Chunk { rows: lines.iter().map(row).collect(), tally }
        };
        let chunks: Vec<Chunk> =
            self.pool.install(|| lines.par_chunks(AT_A_TIME).map(read).collect());
        let mut lines = lines.iter();
        for chunk in chunks {
            let before = self.tally.counts.rows_read;
            self.tally.add(&chunk.tally);
            for (n, (row, line)) in chunk.rows.into_iter().zip(lines.by_ref()).enumerate() {
                *number = number.saturating_add(1);
                match row {
                    Ok(entry) if last.as_ref() == Some(&entry) => self.tally.repeated(),
                    Ok(entry) => {
                        *last = Some(entry.clone());
                        self.tally.push(self.sink, entry, RowName::Line(*number))?;
                    }
                    Err(Wrong { at, column, found, expected }) => {
                        let record = before.saturating_add(wide(n)).saturating_add(1);
                        let place = text.place(line.start.saturating_add(at), Some(record));
                        let reject = Reject { place, column, found, expected };
                        self.tally.reject(self.sink, reject)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The end of a last line that nothing ends.
fn rest(text: &Window, at: usize) -> Option<usize> {
    let len = text.bytes().len();
    (text.ended() && at < len).then_some(len)
}

fn header_columns(text: &Window, header: &Range<usize>) -> Result<Vec<Column>, SetError> {
    let line = text.bytes().get(header.clone()).unwrap_or_default();
    let cells = cells(line.trim_ascii_end(), MOST_COLUMNS).unwrap_or_default();
    let columns: Vec<Column> = cells.iter().map(|(_, cell)| Column::named(cell)).collect();
    let twice = |column: &Column| {
        *column != Column::Unused && columns.iter().filter(|other| *other == column).count() > 1
    };
    if columns.iter().any(twice) {
        let place = text.place(header.start, None);
        return Err(SetError::bad(place, "two columns of one name", "each column once"));
    }
    Ok(columns)
}

fn row(line: &[u8], columns: &[Column], tally: &mut Tally) -> Result<SetEntry, Wrong> {
    let (_, mut entry) = tally.row();
    let wrong = |at, column, found: String, expected: String| Wrong { at, column, found, expected };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if memchr::memchr(0, line).is_some() {
        return Err(wrong(0, "", "a NUL".into(), "text".into()));
    }
    let cells = cells(line, columns.len()).ok_or_else(|| {
        wrong(0, "", "a quote that is not closed, or text behind one".into(), "whole cells".into())
    })?;
    if cells.len() != columns.len() {
        let (found, expected) = (format!("{} columns", cells.len()), columns.len().to_string());
        return Err(wrong(0, "", found, expected));
    }
    let mut any = false;
    for (column, (at, cell)) in columns.iter().zip(&cells) {
        let cell = cell.trim_ascii();
        match column {
            _ if cell.is_empty() => {}
            Column::Digest(algorithm) => {
                any = true;
                let digest = value::digest(cell, *algorithm).ok_or_else(|| {
                    let digits = algorithm.width().saturating_mul(2);
                    let expected = format!("{digits} hex digits ({algorithm})");
                    wrong(*at, algorithm.as_str(), value::described(cell), expected)
                })?;
                tally.digest(&mut entry, *algorithm, digest);
            }
            Column::Size => {
                entry.size = Some(value::number(cell).ok_or_else(|| {
                    wrong(*at, "size", "another text".into(), "a size in bytes".into())
                })?);
            }
            Column::Unused => {}
        }
    }
    if any {
        return Ok(entry);
    }
    let expected = "a value in at least one of the columns for digests".into();
    Err(wrong(0, "", "a row without any digest".into(), expected))
}

/// The cells of a line and their places; `None` where quotes do not fit. No more than one cell
/// beyond `columns` is looked at.
fn cells(line: &[u8], columns: usize) -> Option<Vec<(usize, &[u8])>> {
    let mut cells = Vec::with_capacity(columns.min(MOST_COLUMNS));
    let mut at = 0_usize;
    loop {
        let rest = line.get(at..)?;
        let (start, len, end) = match rest.strip_prefix(b"\"") {
            Some(inner) => {
                let len = closing(inner)?;
                (at.saturating_add(1), len, at.saturating_add(len).saturating_add(2))
            }
            None => {
                let len = memchr::memchr(b',', rest).unwrap_or(rest.len());
                (at, len, at.saturating_add(len))
            }
        };
        cells.push((start, line.get(start..start.checked_add(len)?)?));
        match line.get(end) {
            None => return Some(cells),
            Some(b',') if cells.len() <= columns => at = end.saturating_add(1),
            Some(b',') => return Some(cells),
            Some(_) => return None,
        }
    }
}

/// The place of the quote that closes a cell; two quotes are one of its text.
fn closing(inner: &[u8]) -> Option<usize> {
    let mut quotes = memchr::memchr_iter(b'"', inner).peekable();
    while let Some(quote) = quotes.next() {
        if quotes.next_if_eq(&quote.saturating_add(1)).is_none() {
            return Some(quote);
        }
    }
    None
}
