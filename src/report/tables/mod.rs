//! Tables: rows as CSV text with their chain, written whole or not at all.
//!
//! RFC 4180 with LF, UTF-8, no BOM, quotes only where needed. Every cell is one line; text of
//! hostile origin goes through [`escape::cell`].

mod exceptions;
mod files;
mod matches;
mod volumes;

pub(super) use exceptions::{exception, exceptions};
pub(super) use files::{Place, files, object_cells};
pub use matches::Conflict;
pub(super) use matches::matches;
pub(super) use volumes::volumes;

use crate::digest::{Algorithm, Digest, Hasher, Selection};
use crate::item::{Timestamp, escape};
use crate::output::{OutputDir, WholeFile};
use crate::report::schema::Table;
use crate::report::{Chain, ReportError, run};
use std::fmt::Write as _;
use std::io::Write as _;

/// The cells of one row, one after the other, as CSV text.
pub(super) struct Cells {
    row: Vec<u8>,
    columns: usize,
    filled: usize,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} cells", self.filled, self.columns)
    }
}

/// Bytes of text that is being formatted.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Cells {
    pub(super) fn new(table: Table) -> Self {
        // The last column is the chain's.
        Self { row: Vec::new(), columns: table.columns.len().saturating_sub(1), filled: 0 }
    }

    /// Number of cells of a whole row, without that of the chain.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// So many cells that were put together before.
    pub(super) fn ready(&mut self, cells: &[u8], count: usize) {
        self.begin();
        self.row.extend_from_slice(cells);
        self.filled += count.saturating_sub(1);
    }

    /// Forgets the cells of the row so far.
    pub(super) fn clear(&mut self) {
        self.row.clear();
        self.filled = 0;
    }

    /// A cell that does not apply.
    pub(super) fn empty(&mut self) {
        self.begin();
    }

    /// Empty cells.
    pub(super) fn blank(&mut self, count: usize) {
        (0..count).for_each(|_| self.empty());
    }

    /// A word of the report format.
    pub(super) fn word(&mut self, word: &str) {
        debug_assert!(!needs_quotes(word.as_bytes()), "a word of the format in quotes: {word}");
        self.begin();
        self.row.extend_from_slice(word.as_bytes());
    }

    /// A word of the report format, or an empty cell.
    pub(super) fn some_word(&mut self, word: Option<&str>) {
        self.word(word.unwrap_or_default());
    }

    /// Text that is inert already.
    pub(super) fn safe(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    /// Text of any origin.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes of any origin.
    pub(super) fn bytes(&mut self, raw: &[u8]) {
        if is_plain(raw) { self.raw(raw) } else { self.raw(escape::cell(raw).as_bytes()) }
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) {
        self.begin();
        self.digits(number);
    }

    fn digits(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut rest = number;
        let mut start = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            start = at;
            if rest == 0 {
                break;
            }
        }
        self.row.extend_from_slice(digits.get(start..).unwrap_or_default());
    }

    /// A number, or an empty cell.
    pub(super) fn some_number(&mut self, number: Option<impl Into<u64>>) {
        match number {
            Some(number) => self.number(number.into()),
            None => self.empty(),
        }
    }

    /// Anything whose text form is inert, or an empty cell.
    pub(super) fn some(&mut self, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.shown(value),
            None => self.empty(),
        }
    }

    /// A time, or an empty cell.
    pub(super) fn time(&mut self, time: Option<Timestamp>) {
        self.begin();
        if let Some(time) = time {
            time.append_to(&mut self.row);
        }
    }

    /// The id of an evidence item.
    pub(super) fn evidence(&mut self, number: u32) {
        self.begin();
        self.row.push(b'E');
        self.digits(u64::from(number));
    }

    /// A digest in hex, or an empty cell.
    pub(super) fn digest(&mut self, digest: Option<Digest>) {
        self.begin();
        if let Some(digest) = digest {
            let mut text = [0; Digest::LONGEST_HEX];
            self.row.extend_from_slice(digest.hex(&mut text).as_bytes());
        }
    }

    /// True or false as `yes` and `no`, or an empty cell.
    pub(super) fn some_flag(&mut self, flag: Option<bool>) {
        self.some_word(flag.map(|flag| if flag { "yes" } else { "no" }))
    }

    /// Ends the row: appends its text, its chain value and a line feed to `out`.
    pub(super) fn end_row(&mut self, chain: &mut Chain, out: &mut Vec<u8>) {
        debug_assert_eq!(self.filled, self.columns, "a row with other columns than its table");
        out.extend_from_slice(&self.row);
        out.push(b',');
        out.extend_from_slice(chain.link(&self.row).as_bytes());
        out.push(b'\n');
        self.clear();
    }

    /// The text of the row so far.
    pub(super) fn row(&self) -> &[u8] {
        &self.row
    }

    fn shown(&mut self, value: impl std::fmt::Display) {
        let start = self.begin();
        let _never_fails = write!(Text(&mut self.row), "{value}");
        if needs_quotes(self.row.get(start..).unwrap_or_default()) {
            let cell = self.row.split_off(start);
            self.quoted(&cell);
        }
    }

    fn raw(&mut self, cell: &[u8]) {
        self.begin();
        if needs_quotes(cell) { self.quoted(cell) } else { self.row.extend_from_slice(cell) }
    }

    /// Begins a cell; gives its place in the row.
    fn begin(&mut self) -> usize {
        if self.filled > 0 {
            self.row.push(b',');
        }
        self.filled += 1;
        self.row.len()
    }

    fn quoted(&mut self, cell: &[u8]) {
        self.row.push(b'"');
        for byte in cell {
            if *byte == b'"' {
                self.row.push(b'"');
            }
            self.row.push(*byte);
        }
        self.row.push(b'"');
    }
}

/// True for a cell that RFC 4180 has in quotes.
fn needs_quotes(cell: &[u8]) -> bool {
    cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
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
        self.cells.end_row(&mut self.chain, &mut self.row);
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
