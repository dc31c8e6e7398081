//! The formats of lists: content decides which one, one file reads each.

mod checksum;
mod column;
mod csv;
#[cfg(feature = "nsrl")]
pub(super) mod database;
mod detect;
mod hashdeep;
pub(super) mod nsrl;
mod plain;
pub(super) mod vics;

#[cfg(feature = "nsrl")]
pub(super) use detect::SQLITE;
pub(super) use detect::refuse_binary;

use super::category::Categories;
use super::encoding::{Line, Text};
use super::tally::Tally;
use super::{ListAlgorithm, Reject, RowName, RowSink, SetEntry, SetError, value};
use detect::Format;

/// One list while it is read.
pub(super) struct Reading<'a> {
    pub(super) text: &'a Text,
    /// What the sidecar or the command line says that digests are which do not say it themselves.
    pub(super) stated: Option<ListAlgorithm>,
    pub(super) tally: Tally,
    pub(super) sink: &'a mut dyn RowSink,
    pub(super) categories: Categories,
    /// The column that is read, as a reject names it.
    pub(super) column: &'static str,
}

/// What all digests of a list without column names are.
#[derive(Clone, Copy)]
struct Settled {
    algorithm: ListAlgorithm,
    /// The line of the first.
    line: u64,
}

/// A value of the list with its place.
#[derive(Clone, Copy)]
struct Cell<'a> {
    at: usize,
    line: u64,
    record: u64,
    bytes: &'a [u8],
}

impl<'a> Reading<'a> {
    /// Reads all rows; returns the word for the format.
    ///
    /// # Errors
    /// The first thing that is not as the format has it.
    pub(super) fn read(&mut self) -> Result<&'static str, SetError> {
        let Some((format, line)) = detect::detect(self.text)? else { return Ok("empty") };
        match format {
            Format::Hashdeep => hashdeep::read(self)?,
            Format::Csv { delimiter } => csv::read(self, line, delimiter)?,
            Format::GnuChecksum => checksum::read_gnu(self)?,
            Format::BsdChecksum => checksum::read_bsd(self)?,
            Format::Plain => plain::read(self)?,
        }
        Ok(format.as_str())
    }

    /// Lines that are neither blank nor comments, from their first character.
    fn rows(&self) -> impl Iterator<Item = Result<Line<'a>, SetError>> + use<'a> {
        Self::rows_of(self.text)
    }

    fn rows_of(text: &'a Text) -> impl Iterator<Item = Result<Line<'a>, SetError>> + use<'a> {
        text.lines().map(|line| line.map(indented)).filter(|line| {
            !line.as_ref().is_ok_and(|line| matches!(line.bytes.first(), None | Some(b'#')))
        })
    }

    /// Finds what the digests of this list are by its first one.
    fn settle(&self, cell: Cell<'_>) -> Result<Settled, SetError> {
        let settled = |algorithm| Ok(Settled { algorithm, line: cell.line });
        let hex = cell.bytes.iter().all(u8::is_ascii_hexdigit);
        match (hex, cell.bytes.len(), self.stated) {
            (true, n, Some(stated)) if n == stated.hex_digits() => settled(stated),
            (true, 32, None) => settled(ListAlgorithm::Md5),
            (true, 40, None) => settled(ListAlgorithm::Sha1),
            (true, 64, None) => Err(SetError::Ambiguous { place: self.place(cell) }),
            (true, _, Some(stated)) => Err(SetError::NotAsStated {
                place: self.place(cell),
                found: value::described(cell.bytes),
                stated,
            }),
            _ => Err(self.bad(cell, "32, 40 or 64 hex digits")),
        }
    }

    /// Puts one value of a list without column names into an entry.
    fn put(&mut self, entry: &mut SetEntry, is: Settled, cell: Cell<'_>) -> Result<(), SetError> {
        let put = match is.algorithm.exact() {
            Some(algorithm) => value::digest(cell.bytes, algorithm)
                .map(|digest| self.tally.digest(entry, algorithm, digest)),
            None => value::hex::<32>(cell.bytes).map(|pdq| {
                if !self.tally.is_zero(&pdq) {
                    entry.perceptual.get_or_insert_default().pdq = Some(pdq);
                }
            }),
        };
        put.ok_or_else(|| {
            let digits = is.algorithm.hex_digits();
            let expected =
                format!("{digits} hex digits ({}), as on line {}", is.algorithm, is.line);
            let another = matches!(cell.bytes.len(), 32 | 40 | 64) && cell.bytes.len() != digits;
            if another && cell.bytes.iter().all(u8::is_ascii_hexdigit) {
                let found = value::described(cell.bytes);
                return SetError::Mixed { place: self.place(cell), found, expected };
            }
            self.bad(cell, expected)
        })
    }

    /// Ends a row that began on `line`.
    fn push(&mut self, entry: SetEntry, line: u64) -> Result<(), SetError> {
        self.tally.push(self.sink, entry, RowName::Line(line))
    }

    /// Goes on behind a row that cannot be an entry, where the sink allows it. What is wrong with
    /// more than the row ends the reading.
    fn judge(&mut self, row: Result<(), SetError>) -> Result<(), SetError> {
        let column = std::mem::take(&mut self.column);
        match row {
            Err(SetError::Bad { place, found, expected }) => {
                self.tally.reject(self.sink, Reject { place, column, found, expected })
            }
            row => row,
        }
    }

    fn place(&self, cell: Cell<'_>) -> super::Place {
        self.text.place_in_row(cell.at, cell.line, cell.record)
    }

    /// The error of a value, which is described and not shown.
    fn bad(&self, cell: Cell<'_>, expected: impl Into<String>) -> SetError {
        SetError::bad(self.place(cell), value::described(cell.bytes), expected)
    }
}

/// A line without the space before it. What ends a line may belong to a name.
fn indented(line: Line<'_>) -> Line<'_> {
    let bytes = line.bytes.trim_ascii_start();
    let space = line.bytes.len().saturating_sub(bytes.len());
    Line { at: line.at.saturating_add(space), bytes, ..line }
}

/// Text without the space around it, and the place of what is left.
fn trim(at: usize, bytes: &[u8]) -> (usize, &[u8]) {
    let left = bytes.trim_ascii_start();
    (at.saturating_add(bytes.len().saturating_sub(left.len())), left.trim_ascii_end())
}
