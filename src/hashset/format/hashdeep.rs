//! The format of hashdeep: two header lines, then cells that nothing quotes.
//!
//! The file's name is the last column, so every comma too many belongs to it. `#` lines are
//! comments. Source: FILEFORMAT of the hashdeep distribution.

use super::Reading;
use super::column::{Columns, Field};
use crate::hashset::SetError;
use crate::hashset::encoding::Line;

/// Reads the header and every row.
pub(super) fn read(list: &mut Reading<'_>) -> Result<(), SetError> {
    let text = list.text;
    let mut lines = list.rows();
    let first = lines.next().transpose()?;
    if first.is_none_or(|line| line.bytes.trim_ascii_end() != b"%%%% HASHDEEP-1.0") {
        let place = text.place(0, None);
        return Err(SetError::bad(place, "another version", "%%%% HASHDEEP-1.0"));
    }
    let Some(header) = lines.next().transpose()? else { return Ok(()) };
    let place = || text.place(header.at, None);
    let names = header.bytes.trim_ascii_end();
    let Some(names) = names.strip_prefix(b"%%%% ").filter(|names| names.ends_with(b",filename"))
    else {
        let expected = "%%%% and the names of the columns, filename being the last";
        return Err(SetError::bad(place(), "another second line", expected));
    };
    let header = Line { bytes: names, ..header };
    let mut columns = Columns::read(&cells(header, usize::MAX), place())?;
    for line in lines {
        let line = line?;
        let row = columns.take(list, &cells(line, columns.len()));
        list.judge(row)?;
    }
    Ok(())
}

/// The cells of a line; the last takes what is left.
fn cells(line: Line<'_>, columns: usize) -> Vec<Field<'_>> {
    let mut at = line.at;
    let mut cells = Vec::with_capacity(columns.min(16));
    for bytes in line.bytes.splitn(columns, |c| *c == b',') {
        cells.push(Field { at, line: line.number, bytes, quoted: false });
        at = at.saturating_add(bytes.len()).saturating_add(1);
    }
    cells
}
