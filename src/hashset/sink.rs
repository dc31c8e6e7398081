//! Where the rows of a list go, one at a time, while it is read.

use super::{Place, SetEntry, SetError};
use crate::item::escape::cell;
use std::{fmt, io};

/// What takes the rows of a list, in the list's order.
///
/// An error of either function ends the reading; nothing further is given.
pub trait RowSink {
    /// Told at most once, before the first row: no more than `rows` will come. For a reservation.
    fn expect_at_most(&mut self, rows: usize) {
        let _ = rows;
    }

    /// Takes an entry. Its `id` is empty where the list has none: [`RowName`] then stands for it.
    ///
    /// # Errors
    /// The sink's own, such as no more memory.
    fn entry(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError>;

    /// Takes a row that is no entry. `Ok` says that the reading goes on.
    ///
    /// # Errors
    /// [`Reject::into_error`] where no row, or no further one, may be lost.
    fn reject(&mut self, reject: Reject) -> Result<(), SetError>;
}

/// Which row of its list an entry was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowName {
    /// The line on which it begins, the first being 1.
    Line(u64),
    /// Its number among the records of a list in which lines say nothing, the first being 1.
    Record(u64),
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line:{number}"),
            Self::Record(number) => write!(f, "record:{number}"),
        }
    }
}

/// A row that cannot be an entry. It holds nothing of the row's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where the value that is wrong begins.
    pub place: Place,
    /// The column or member that it stands in, as this program calls it; empty where it is the
    /// row as a whole.
    pub column: &'static str,
    /// What kind of thing is there.
    pub found: String,
    /// What has to be there.
    pub expected: String,
}

impl Reject {
    /// The error that ends the reading because of this row.
    #[must_use]
    pub fn into_error(self) -> SetError {
        SetError::bad(self.place, self.found, self.expected)
    }
}

/// The rows that were left out of a list, as CSV: where each is and why. Nothing of what stands in
/// them.
///
/// # Errors
/// Where memory does not hold the text.
pub fn rejects_csv(rejects: &[Reject]) -> io::Result<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new();
    let mut csv = csv.terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    csv.write_record(["file", "line", "record", "offset", "column", "reason"])?;
    for reject in rejects {
        let Place { file, line, offset, record } = &reject.place;
        let file = cell(file.file_name().unwrap_or_default().as_encoded_bytes());
        let record = record.map(|record| record.to_string()).unwrap_or_default();
        let reason = format!("found {}, expected {}", reject.found, reject.expected);
        let place = [&file, &line.to_string(), &record, &offset.0.to_string()];
        let place = place.map(String::as_str);
        csv.write_record(place.into_iter().chain([reject.column, &cell(reason.as_bytes())]))?;
    }
    csv.into_inner().map_err(|error| error.into_error())
}
