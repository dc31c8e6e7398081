//! volumes.csv: one row a volume, a gap between volumes, or a medium without a table.

use super::TableWriter;
use crate::evidence::VolumeRow;
use crate::report::ReportError;

/// Writes the row of one volume.
pub(in crate::report) fn volumes(
    table: &mut TableWriter<'_>,
    evidence: u32,
    row: &VolumeRow,
) -> Result<(), ReportError> {
    let cells = &mut table.cells;
    cells.evidence(evidence);
    cells.safe(&row.volume);
    cells.number(row.start);
    cells.number(row.length);
    cells.number(row.sector_size.into());
    cells.word(&row.scheme);
    cells.text(&row.type_id);
    cells.text(&row.fs_type);
    cells.bytes(&row.label);
    cells.text(&row.serial);
    cells.some(row.cluster_size);
    cells.text(&row.encryption);
    let bytes = &row.bytes;
    for class in [
        bytes.metadata,
        bytes.allocated,
        bytes.slack,
        bytes.unallocated,
        bytes.unread,
        bytes.unexamined,
    ] {
        cells.number(class);
    }
    cells.some(row.fs_object_count);
    cells.number(row.objects_found);
    cells.word(row.action.as_str());
    cells.some_word(row.reason.map(|reason| reason.as_str()));
    table.end_row()
}
