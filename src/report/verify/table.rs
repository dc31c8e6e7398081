//! One CSV file of a report, row by row: its header, its lines, its chain and its digest.
//!
//! A row is one line: every text of a report is escaped so that it has no line feed. The file is
//! read once; the same bytes are hashed, chained and taken apart.

use super::cells::{self, Rule};
use super::found::{Found, shown};
use super::source::Source;
use super::{VerifyError, hex64};
use crate::digest::{Algorithm, Digest, Hasher, Selection};
use crate::report::Chain;
use crate::report::schema::Table;
use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is taken apart.
const LONGEST_LINE: u64 = 64 << 20;
const BUFFER: usize = 64 << 10;

/// The cells of one row.
#[derive(Default)]
pub(super) struct Row {
    /// Its place in the file, the first after the header being 1.
    pub(super) number: u64,
    text: String,
    cells: Vec<(usize, usize)>,
}

impl Row {
    /// A cell's text, unquoted; empty where there is none.
    pub(super) fn cell(&self, column: usize) -> &str {
        let range = self.cells.get(column).copied().unwrap_or_default();
        self.text.get(range.0..range.1).unwrap_or_default()
    }

    /// A cell's number; `None` where it is empty or no number.
    pub(super) fn count(&self, column: usize) -> Option<u64> {
        self.cell(column).parse().ok()
    }

    /// Takes a line apart by RFC 4180.
    fn split(&mut self, line: &str) -> Result<(), &'static str> {
        self.text.clear();
        self.cells.clear();
        if line.contains('"') {
            return self.split_quoted(line);
        }
        self.text.push_str(line);
        let mut from = 0;
        for comma in memchr::memchr_iter(b',', line.as_bytes()) {
            self.cells.push((from, comma));
            from = comma + 1;
        }
        self.cells.push((from, line.len()));
        Ok(())
    }

    fn split_quoted(&mut self, line: &str) -> Result<(), &'static str> {
        let mut rest = line;
        loop {
            let from = self.text.len();
            let after = match rest.strip_prefix('"') {
                Some(quoted) => self.unquote(quoted)?,
                None => {
                    let (cell, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                    if cell.contains('"') {
                        return Err("a quotation mark stands inside a cell that is not quoted");
                    }
                    self.text.push_str(cell);
                    after
                }
            };
            self.cells.push((from, self.text.len()));
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(()),
                None => return Err("text follows the end of a quoted cell"),
            }
        }
    }

    /// Takes a quoted cell from after its first mark; gives what follows its last.
    fn unquote<'a>(&mut self, mut quoted: &'a str) -> Result<&'a str, &'static str> {
        loop {
            let (part, after) = quoted.split_once('"').ok_or("a quoted cell has no end")?;
            self.text.push_str(part);
            let Some(again) = after.strip_prefix('"') else { return Ok(after) };
            self.text.push('"');
            quoted = again;
        }
    }
}

/// A table being read.
pub(super) struct Rows<'a> {
    table: Table,
    rules: Vec<Rule>,
    input: BufReader<Box<dyn Read + 'a>>,
    hasher: Option<Hasher>,
    chain: Chain,
    line: Vec<u8>,
    row: Row,
    /// How many rows were read so far, whether or not they are in order.
    count: u64,
    /// The number the next row should carry, in a table that numbers its rows.
    expected: u64,
    present: bool,
}

impl<'a> Rows<'a> {
    /// Opens a table and checks its header.
    pub(super) fn open(
        source: &'a dyn Source,
        table: Table,
        found: &mut Found,
    ) -> Result<Self, VerifyError> {
        let read_error = |error| VerifyError::Read { file: table.file.to_owned(), source: error };
        let input = source.open(table.file).map_err(read_error)?;
        let present = input.is_some();
        let mut rows = Self {
            table,
            rules: cells::rules(&table),
            input: BufReader::with_capacity(BUFFER, input.unwrap_or(Box::new(io::empty()))),
            hasher: Some(Hasher::new(Selection::only(Algorithm::Sha256))),
            chain: Chain::default(),
            line: Vec::new(),
            row: Row::default(),
            count: 0,
            expected: 1,
            present,
        };
        if !present {
            found.own(table.file, None, "the file is missing");
        } else if !rows.read_line(0, found)? || rows.line != table.columns.join(",").as_bytes() {
            found.own(table.file, Some(0), "the header row is not the columns of this table");
        }
        Ok(rows)
    }

    /// Goes to the next row that can be taken apart; false at the end of the table. Whatever is
    /// wrong with a row by itself is told to `found`.
    pub(super) fn advance(&mut self, found: &mut Found) -> Result<bool, VerifyError> {
        loop {
            let number = self.count + 1;
            if !self.read_line(number, found)? {
                return Ok(false);
            }
            self.count = number;
            self.check_chain(found);
            if self.take_apart(found) {
                return Ok(true);
            }
        }
    }

    /// The row that [`Rows::advance`] went to.
    pub(super) fn row(&self) -> &Row {
        &self.row
    }

    /// How many rows were read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The place of a column of this table.
    pub(super) fn column(&self, name: &str) -> usize {
        self.table.column(name).unwrap_or(usize::MAX)
    }

    /// The chain value of the last row.
    pub(super) fn chain(&self) -> &str {
        self.chain.value()
    }

    /// Reads what is left; gives the SHA-256 of the whole file, `None` where there is no file.
    pub(super) fn finish(mut self) -> Result<Option<String>, VerifyError> {
        self.hash_rest()?;
        let digests = self.hasher.take().map(Hasher::finish).filter(|_| self.present);
        let sha256 = digests.and_then(|digests| digests.get(Algorithm::Sha256));
        Ok(sha256.as_ref().map(Digest::to_string))
    }

    /// Tells of this row.
    pub(super) fn tell(&self, found: &mut Found, detail: impl Into<String>) {
        found.own(self.table.file, Some(self.row.number), detail);
    }

    /// Reads a line without its line feed; false at the end of the file.
    fn read_line(&mut self, number: u64, found: &mut Found) -> Result<bool, VerifyError> {
        self.line.clear();
        let mut limited = (&mut self.input).take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|error| self.read_error(error))?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.line);
        }
        if self.line.is_empty() {
            return Ok(false);
        }
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            let what = if u64::try_from(self.line.len()).is_ok_and(|len| len < LONGEST_LINE) {
                "the last line is cut off: it has no line feed"
            } else {
                self.hash_rest()?;
                "the line is too long to be checked; the rest of the table was not"
            };
            found.own(self.table.file, Some(number), what);
        }
        Ok(true)
    }

    fn hash_rest(&mut self) -> Result<(), VerifyError> {
        loop {
            let bytes = match self.input.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.read_error(error)),
            };
            if let Some(hasher) = &mut self.hasher {
                hasher.update(bytes);
            }
            let length = bytes.len();
            self.input.consume(length);
        }
    }

    fn read_error(&self, source: io::Error) -> VerifyError {
        VerifyError::Read { file: self.table.file.to_owned(), source }
    }

    /// Computes the row's chain value and goes on from the one that stands there, so that one
    /// changed row is told once.
    fn check_chain(&mut self, found: &mut Found) {
        let (file, number) = (self.table.file, Some(self.count));
        let Some((text, [b',', stated @ ..])) = self.line.split_last_chunk::<65>() else {
            return found.own(file, number, "the row does not end in a chain value");
        };
        let computed = self.chain.link(text);
        if computed.as_bytes() != stated {
            let detail = format!("the row does not follow from the one before: chain {computed}");
            found.own(file, number, detail);
            if let Some(stated) = std::str::from_utf8(stated).ok().filter(|text| hex64(text)) {
                self.chain = Chain::resume(stated);
            }
        }
    }

    /// Splits the line into cells and checks each by itself.
    fn take_apart(&mut self, found: &mut Found) -> bool {
        self.row.number = self.count;
        let split = match std::str::from_utf8(&self.line) {
            Ok(line) => self.row.split(line),
            Err(_) => Err("the row is not UTF-8"),
        };
        if let Err(detail) = split {
            self.tell(found, detail);
            return false;
        }
        let (have, need) = (self.row.cells.len(), self.rules.len());
        if have != need {
            self.tell(found, format!("the row has {have} cells, the table has {need} columns"));
            return false;
        }
        for (column, rule) in self.rules.iter().enumerate() {
            let cell = self.row.cell(column);
            if !rule.allows(cell) {
                let name = self.table.columns.get(column).unwrap_or(&"");
                let detail = format!("{name} is `{}`, not {}", shown(cell), rule.wants());
                self.tell(found, detail);
            }
        }
        self.check_number(found);
        true
    }

    /// Rows of a numbered table run from 1 without a gap.
    fn check_number(&mut self, found: &mut Found) {
        if !cells::is_numbered(&self.table) {
            return;
        }
        let number = self.row.count(0);
        if number != Some(self.expected) {
            let detail =
                format!("the row is numbered {}, not {}", shown(self.row.cell(0)), self.expected);
            self.tell(found, detail);
        }
        self.expected = number.unwrap_or(self.expected).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(line: &str) -> Result<Vec<String>, &'static str> {
        let mut row = Row::default();
        row.split(line)?;
        Ok((0..row.cells.len()).map(|at| row.cell(at).to_owned()).collect())
    }

    #[test]
    fn lines_are_taken_apart_as_the_csv_package_does() {
        for line in ["", ",", "a", "a,b,", "\"a,b\",c", "\"\",\"\"\"\"", "é,\"ü\"\"x\"\"\",z"] {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(format!("{line}\n").into_bytes().leak() as &[u8]);
            let by_csv = reader.records().next().map(|record| record.unwrap());
            let expected = by_csv.map_or(vec![String::new()], |record| {
                record.iter().map(str::to_owned).collect::<Vec<_>>()
            });
            assert_eq!(cells(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn lines_that_have_no_one_reading_are_refused() {
        for line in ["a\"b", "\"a", "\"a\"b,c", "\"a\"\"", "x,\""] {
            assert!(cells(line).is_err(), "{line}");
        }
    }
}
