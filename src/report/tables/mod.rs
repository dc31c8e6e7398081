//! Tables: rows as CSV text with their chain, written whole or not at all.
//!
//! RFC 4180 with LF, UTF-8, no BOM, quotes only where needed. Every cell is one line; text of
//! hostile origin goes through [`escape::cell`].

mod exceptions;
mod files;
mod matches;

pub(super) use exceptions::exceptions;
pub(super) use files::{Place, files};
pub use matches::Conflict;
pub(super) use matches::matches;

use crate::digest::{Algorithm, Digest, Hasher, Selection};
use crate::item::escape;
use crate::output::{OutputDir, WholeFile};
use crate::report::schema::Table;
use crate::report::{Chain, ReportError, run};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The text that the CSV writer makes, where it can be read and taken.
#[derive(Debug, Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The cells of one row, one after the other.
pub(super) struct Cells {
    table: Table,
    writer: csv::Writer<Text>,
    text: Text,
    scratch: String,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cells of {}", self.table.file)
    }
}

impl Cells {
    pub(super) fn new(table: Table) -> Self {
        let text = Text::default();
        let writer = csv::WriterBuilder::new().has_headers(false).from_writer(text.clone());
        Self { table, writer, text, scratch: String::new() }
    }

    /// A cell that does not apply.
    pub(super) fn empty(&mut self) -> Result<(), ReportError> {
        self.raw(b"")
    }

    /// Empty cells.
    pub(super) fn blank(&mut self, count: usize) -> Result<(), ReportError> {
        (0..count).try_for_each(|_| self.empty())
    }

    /// A word of the report format.
    pub(super) fn word(&mut self, word: &str) -> Result<(), ReportError> {
        self.raw(word.as_bytes())
    }

    /// A word of the report format, or an empty cell.
    pub(super) fn some_word(&mut self, word: Option<&str>) -> Result<(), ReportError> {
        self.word(word.unwrap_or_default())
    }

    /// Text that is inert already.
    pub(super) fn safe(&mut self, text: &str) -> Result<(), ReportError> {
        self.raw(text.as_bytes())
    }

    /// Text of any origin.
    pub(super) fn text(&mut self, text: &str) -> Result<(), ReportError> {
        self.bytes(text.as_bytes())
    }

    /// Bytes of any origin.
    pub(super) fn bytes(&mut self, raw: &[u8]) -> Result<(), ReportError> {
        if is_plain(raw) { self.raw(raw) } else { self.raw(escape::cell(raw).as_bytes()) }
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) -> Result<(), ReportError> {
        self.shown(number)
    }

    /// Anything whose text form is inert, or an empty cell.
    pub(super) fn some(
        &mut self,
        value: Option<impl std::fmt::Display>,
    ) -> Result<(), ReportError> {
        match value {
            Some(value) => self.shown(value),
            None => self.empty(),
        }
    }

    /// True or false as `yes` and `no`, or an empty cell.
    pub(super) fn some_flag(&mut self, flag: Option<bool>) -> Result<(), ReportError> {
        self.some_word(flag.map(|flag| if flag { "yes" } else { "no" }))
    }

    /// Ends the row: appends its text, its chain value and a line feed to `out`.
    pub(super) fn end_row(
        &mut self,
        chain: &mut Chain,
        out: &mut Vec<u8>,
    ) -> Result<(), ReportError> {
        self.writer.write_record(None::<&[u8]>).map_err(|source| self.error(source))?;
        self.writer.flush().map_err(|source| self.error(source.into()))?;
        let mut text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = text.strip_suffix(b"\n").unwrap_or(&text);
        out.extend_from_slice(row);
        out.push(b',');
        out.extend_from_slice(chain.link(row).as_bytes());
        out.push(b'\n');
        text.clear();
        Ok(())
    }

    fn shown(&mut self, value: impl std::fmt::Display) -> Result<(), ReportError> {
        self.scratch.clear();
        let _never_fails = write!(self.scratch, "{value}");
        let written = self.writer.write_field(&self.scratch);
        written.map_err(|source| self.error(source))
    }

    fn raw(&mut self, cell: &[u8]) -> Result<(), ReportError> {
        self.writer.write_field(cell).map_err(|source| self.error(source))
    }

    fn error(&self, source: csv::Error) -> ReportError {
        ReportError::Row { file: self.table.file, source }
    }
}

/// True for what [`escape::cell`] leaves as it is, as far as a look at ASCII tells.
fn is_plain(raw: &[u8]) -> bool {
    !matches!(raw.first(), Some(b'=' | b'+' | b'-' | b'@'))
        && raw.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\')
}

/// One table on its way to the disk.
pub(super) struct TableWriter<'a> {
    pub(super) cells: Cells,
    name: String,
    file: WholeFile<'a>,
    chain: Chain,
    hasher: Hasher,
    row: Vec<u8>,
    rows: u64,
}

impl<'a> TableWriter<'a> {
    /// Begins the table's file, under its own name or that of an incomplete report.
    pub(super) fn begin(
        out: &'a OutputDir,
        table: Table,
        complete: bool,
    ) -> Result<Self, ReportError> {
        let name = if complete { table.file.to_owned() } else { incomplete(table) };
        let (file, cells) = (out.begin(&name)?, Cells::new(table));
        let hasher = Hasher::new(Selection::only(Algorithm::Sha256));
        let (chain, row) = (Chain::default(), Vec::new());
        let mut writer = Self { cells, name, file, chain, hasher, row, rows: 0 };
        writer.row = format!("{}\n", table.columns.join(",")).into_bytes();
        writer.write()?;
        Ok(writer)
    }

    /// Number of the next row, from 1.
    pub(super) const fn next_number(&self) -> u64 {
        self.rows + 1
    }

    /// Number of rows so far.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the row whose cells were given.
    pub(super) fn end_row(&mut self) -> Result<(), ReportError> {
        self.cells.end_row(&mut self.chain, &mut self.row)?;
        self.rows += 1;
        self.write()
    }

    /// Gives the file its name; returns that and the file's SHA-256.
    pub(super) fn commit(self) -> Result<(String, Digest), ReportError> {
        self.file.commit()?;
        Ok((self.name, run::finish(self.hasher)))
    }

    fn write(&mut self) -> Result<(), ReportError> {
        self.hasher.update(&self.row);
        let written = self.file.write_all(&self.row);
        written.map_err(|source| self.file.error("write", source))?;
        self.row.clear();
        Ok(())
    }
}

/// The name of a table in the report of a run that was not finished.
pub(super) fn incomplete(table: Table) -> String {
    format!("{}.incomplete.csv", table.file.trim_end_matches(".csv"))
}
