//! files.csv: one row an object.

use super::{Cells, TableWriter};
use crate::digest::Algorithm;
use crate::item::ItemMeta;
use crate::report::{PictureFacts, Record, ReportError};

/// What the order of all rows says of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Place {
    /// Its number, from 1.
    pub(in crate::report) record_no: u64,
    /// The number of the object it lies in.
    pub(in crate::report) parent_record_no: Option<u64>,
    /// The lowest number with the same strongest digest.
    pub(in crate::report) first_copy: Option<u64>,
}

/// Cells that the order of all rows decides: two before those of the object, one after them.
const OF_PLACE: usize = 3;

/// Writes the row of one record.
///
/// - `object`: the cells of the object itself, as [`object_cells`] gives them.
pub(in crate::report) fn files(
    table: &mut TableWriter<'_>,
    place: Place,
    object: &[u8],
) -> Result<(), ReportError> {
    let cells = &mut table.cells;
    cells.number(place.record_no);
    cells.some_number(place.parent_record_no);
    cells.ready(object, cells.columns() - OF_PLACE);
    cells.some_number(place.first_copy);
    table.end_row()
}

/// The cells of an object, which nothing but the object decides: evidence_id to match_count.
pub(in crate::report) fn object_cells(cells: &mut Cells, record: &Record) {
    cells.evidence(record.evidence);
    cells.safe(&record.path);
    cells.bytes(&record.file_name);
    cells.bytes(&extension(&record.file_name));
    identity(cells, record);
    origin(cells, &record.meta);
    times(cells, &record.meta);
    for algorithm in Algorithm::ALL {
        cells.digest(record.digests.get(*algorithm));
    }
    match &record.pictures {
        Some(picture) => pictures(cells, picture),
        None => cells.blank(10),
    }
    cells.word(record.status.as_str());
    cells.some_word(record.reason.map(|reason| reason.as_str()));
    cells.number(record.bytes_hashed);
    cells.some_word(record.low_information.map(|low| low.as_str()));
    cells.word(record.disposition.as_str());
    cells.number(u64::try_from(record.findings.len()).unwrap_or(u64::MAX));
}

/// object_kind to size_bytes.
fn identity(cells: &mut Cells, record: &Record) {
    let meta = &record.meta;
    cells.word(meta.kind.as_str());
    cells.word(meta.alloc.as_str());
    cells.some_word(meta.container_alloc.map(|alloc| alloc.as_str()));
    cells.some_word(meta.basis.map(|basis| basis.as_str()));
    cells.some_word(meta.attribution.map(|attribution| attribution.as_str()));
    cells.text(record.detected_type.as_deref().unwrap_or_default());
    cells.some_flag(record.type_mismatch);
    cells.some_number(meta.size);
}

/// volume to attributes.
fn origin(cells: &mut Cells, meta: &ItemMeta) {
    cells.safe(&meta.volume);
    cells.text(&meta.fs_type);
    cells.text(&meta.fs_ref);
    cells.some_number(meta.disk_offset);
    cells.some_number(meta.extent_count);
    cells.some_number(meta.link_count);
    cells.bytes(meta.link_target.as_deref().unwrap_or_default());
    cells.text(&meta.owner_id);
    cells.text(&meta.attributes);
}

/// created_time to time_source.
fn times(cells: &mut Cells, meta: &ItemMeta) {
    let times = &meta.times;
    for time in [
        times.created,
        times.modified,
        times.accessed,
        times.changed,
        times.name_created,
        times.name_modified,
    ] {
        cells.time(time);
    }
    cells.some_word(meta.time_source.map(|source| source.as_str()));
}

/// pdq to media_detail.
fn pictures(cells: &mut Cells, picture: &PictureFacts) {
    cells.text(&picture.pdq);
    cells.text(&picture.pdq_nn512);
    cells.some_number(picture.pdq_quality);
    for hash in [&picture.phash, &picture.dhash, &picture.ahash] {
        cells.text(hash);
    }
    cells.some_number(picture.width);
    cells.some_number(picture.height);
    cells.text(&picture.media_status);
    cells.text(&picture.media_detail);
}

/// The bytes after the last dot of a name, in lower case; none where it has no dot.
fn extension(name: &[u8]) -> Vec<u8> {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let after = dot.and_then(|dot| name.get(dot + 1..)).unwrap_or_default();
    after.to_ascii_lowercase()
}
