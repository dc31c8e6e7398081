//! One value a line: digests of one algorithm, or PDQ hashes with an optional `,quality`.
//!
//! Space around a value, blank lines and `#` lines are allowed. 32 hex digits are MD5 and 40 are
//! SHA-1; 64 may be three things, so somebody has to say which.

use super::{Cell, Reading, Settled, trim};
use crate::hashset::encoding::Line;
use crate::hashset::{ListAlgorithm, SetEntry, SetError, value};

/// Reads the whole list.
pub(super) fn read(list: &mut Reading<'_>) -> Result<(), SetError> {
    let mut settled: Option<Settled> = None;
    for line in list.rows() {
        let row = row(list, line?, &mut settled);
        list.judge(row)?;
    }
    Ok(())
}

fn row(
    list: &mut Reading<'_>,
    line: Line<'_>,
    settled: &mut Option<Settled>,
) -> Result<(), SetError> {
    let (record, mut entry) = list.tally.row();
    let all = Cell { at: line.at, line: line.number, record, bytes: line.bytes };
    let comma = memchr::memchr(b',', line.bytes);
    let (first, rest) = line.bytes.split_at(comma.unwrap_or(line.bytes.len()));
    let digest = Cell { bytes: first.trim_ascii_end(), ..all };
    let is = match *settled {
        Some(is) => is,
        None => *settled.insert(list.settle(digest)?),
    };
    list.put(&mut entry, is, digest)?;
    if let Some(rest) = rest.get(1..) {
        let at = line.at.saturating_add(first.len()).saturating_add(1);
        let (at, bytes) = trim(at, rest);
        quality(list, &mut entry, is, Cell { at, bytes, ..all })?;
    }
    list.push(entry, line.number)
}

/// What stands behind a comma: the quality of a PDQ hash, and nothing else.
fn quality(
    list: &Reading<'_>,
    entry: &mut SetEntry,
    is: Settled,
    cell: Cell<'_>,
) -> Result<(), SetError> {
    if is.algorithm != ListAlgorithm::Pdq {
        let expected = "one digest a line, or a header row that names the columns";
        return Err(SetError::bad(list.place(cell), "a comma after the digest", expected));
    }
    let number = value::quality(cell.bytes);
    let quality = number.ok_or_else(|| {
        SetError::bad(list.place(cell), "something else", "a quality of 0 to 100 after the comma")
    })?;
    if let Some(perceptual) = &mut entry.perceptual {
        perceptual.pdq_quality = Some(quality);
    }
    Ok(())
}
