//! What the report needs of a record, made ready when the record is written.
//!
//! An encoded record is a length (u32, little-endian), so many bytes of what stands here, and the
//! record itself. The cells of files.csv that the object alone decides are put together once, while
//! other threads read evidence; the build of the report copies them, and decodes the record itself
//! only where it has findings, problems or a parent. A run that is taken up again finds them ready.

use crate::digest::LowInformation;
use crate::item::{ObjectKind, Status};
use crate::matching::Disposition;
use crate::problem::Code;
use crate::report::tables::{self, Cells};
use crate::report::{Record, ReportError};

/// What the summary counts of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Brief<'a> {
    pub(super) status: Status,
    pub(super) reason: Option<Code>,
    pub(super) disposition: Disposition,
    pub(super) low_information: Option<LowInformation>,
    pub(super) kind: ObjectKind,
    pub(super) bytes_hashed: u64,
    pub(super) detected_type: Option<&'a str>,
    /// `media_status`, where it is a picture.
    pub(super) media_status: Option<&'a str>,
    pub(super) pdq_quality: Option<u8>,
    /// [`Record::image`].
    pub(super) image: bool,
    /// True where the record has more to say: findings, problems, a parent.
    pub(super) more: bool,
}

impl<'a> Brief<'a> {
    /// Of a record.
    pub(super) fn of(record: &'a Record) -> Self {
        let picture = record.pictures.as_ref();
        Self {
            status: record.status,
            reason: record.reason,
            disposition: record.disposition,
            low_information: record.low_information,
            kind: record.meta.kind,
            bytes_hashed: record.bytes_hashed,
            detected_type: record.detected_type.as_deref(),
            media_status: picture.map(|picture| &*picture.media_status),
            pdq_quality: picture.and_then(|picture| picture.pdq_quality),
            image: record.image,
            more: record.parent.is_some()
                || !record.findings.is_empty()
                || !record.problems.is_empty(),
        }
    }
}

/// What is ready of an encoded record.
pub(super) struct Ready<'a> {
    pub(super) brief: Brief<'a>,
    /// The cells of the object itself in its row of files.csv.
    pub(super) cells: &'a [u8],
}

impl<'a> Ready<'a> {
    /// Reads what stands before a record.
    pub(super) fn of(encoded: &'a [u8]) -> Result<Self, ReportError> {
        let (ready, _) = split(encoded)?;
        let (brief, cells) = postcard::take_from_bytes(ready).map_err(ReportError::Decode)?;
        Ok(Self { brief, cells })
    }
}

/// Appends what is ready of a record, with its length.
///
/// - `cells`: of a row of files.csv; what is in it is forgotten.
pub(super) fn append(
    record: &Record,
    cells: &mut Cells,
    out: &mut Vec<u8>,
) -> Result<(), ReportError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let brief = postcard::to_extend(&Brief::of(record), std::mem::take(out));
    *out = brief.map_err(ReportError::Encode)?;
    cells.clear();
    tables::object_cells(cells, record);
    out.extend_from_slice(cells.row());
    let length = out.len().saturating_sub(start + 4);
    let length = u32::try_from(length).map_err(|_| ReportError::TooLong)?;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

/// What is ready, and the record itself.
pub(super) fn split(encoded: &[u8]) -> Result<(&[u8], &[u8]), ReportError> {
    let cut = || ReportError::Decode(postcard::Error::DeserializeUnexpectedEnd);
    let (length, rest) = encoded.split_first_chunk().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    rest.split_at_checked(length).ok_or_else(cut)
}
