//! exceptions.csv: one row a problem, in the order of the record's.

use super::TableWriter;
use crate::report::{Record, ReportError};

/// Writes the rows of one record.
pub(in crate::report) fn exceptions(
    table: &mut TableWriter<'_>,
    record_no: u64,
    record: &Record,
) -> Result<(), ReportError> {
    for problem in &record.problems {
        let number = table.next_number();
        let cells = &mut table.cells;
        cells.number(number);
        cells.number(record_no);
        cells.safe(&record.path);
        cells.word(problem.stage.as_str());
        cells.word(problem.code.as_str());
        cells.some(problem.offset);
        cells.some(problem.length);
        cells.text(&problem.detail);
        cells.safe(problem.code.consequence());
        table.end_row()?;
    }
    Ok(())
}
