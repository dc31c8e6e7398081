//! One row of files.csv by its path, and what an object's row would be: for comparing an object
//! with its report.

use std::collections::BTreeMap;
use std::path::Path;

use crate::report::tables::{self, Cells};
use crate::report::{Record, ReportError, schema};

/// The cells of an object's row, by column, without those that other rows decide.
///
/// # Errors
/// [`ReportError::Row`].
pub fn cells_of(record: &Record) -> Result<Vec<(&'static str, String)>, ReportError> {
    let mut cells = Cells::new(schema::FILES);
    tables::object_cells(&mut cells, record);
    let mut reader = reader(cells.row());
    let row = reader.records().next().transpose().map_err(error)?.unwrap_or_default();
    // The first two say where the row stands.
    let named = schema::FILES.columns.iter().skip(2).copied().zip(row.iter().map(str::to_owned));
    Ok(named.collect())
}

/// The cells of the row that a report has of the object at `path`, by column; `None` where it has
/// no such row.
///
/// # Errors
/// Where files.csv of the report cannot be read.
pub fn row_of(folder: &Path, path: &str) -> Result<Option<BTreeMap<String, String>>, ReportError> {
    #[expect(clippy::disallowed_methods, reason = "a report is our own output, not evidence")]
    let file = std::fs::File::open(folder.join(schema::FILES.file));
    let file = file.map_err(ReportError::ReadReport)?;
    let mut reader = reader(std::io::BufReader::new(file));
    let columns = schema::FILES.columns;
    let at = schema::FILES.column("object_path").unwrap_or_default();
    for row in reader.records() {
        let row = row.map_err(error)?;
        if row.get(at) == Some(path) {
            let named = columns.iter().map(|column| (*column).to_owned());
            return Ok(Some(named.zip(row.iter().map(str::to_owned)).collect()));
        }
    }
    Ok(None)
}

fn reader<R: std::io::Read>(from: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(from)
}

fn error(source: csv::Error) -> ReportError {
    ReportError::Row { file: schema::FILES.file, source }
}
