//! exceptions.csv: one row a problem, in the order of the objects; those of a volume or a medium as
//! a whole before its objects.

use super::TableWriter;
use crate::problem::Problem;
use crate::report::{Record, ReportError};

/// Writes the rows of one record.
pub(in crate::report) fn exceptions(
    table: &mut TableWriter<'_>,
    record_no: u64,
    record: &Record,
) -> Result<(), ReportError> {
    let mut problems = record.problems.iter();
    problems.try_for_each(|problem| exception(table, Some(record_no), &record.path, problem))
}

/// Writes the row of one problem.
///
/// - `path`: as it stands in the report.
pub(in crate::report) fn exception(
    table: &mut TableWriter<'_>,
    record_no: Option<u64>,
    path: &str,
    problem: &Problem,
) -> Result<(), ReportError> {
    let number = table.next_number();
    let cells = &mut table.cells;
    cells.number(number);
    cells.some(record_no);
    cells.safe(path);
    cells.word(problem.stage.as_str());
    cells.word(problem.code.as_str());
    cells.some(problem.offset);
    cells.some(problem.length);
    cells.text(&problem.detail);
    cells.safe(problem.code.consequence());
    table.end_row()
}
