//! What a scan writes of one object, as soon as the object is done.

use crate::digest::{Digests, LowInformation};
use crate::item::{ItemMeta, OrderKey, Status};
use crate::matching::{Disposition, Finding};
use crate::problem::{Code, Problem};
use crate::report::ready::{Brief, Ready};
use crate::report::tables::Cells;
use crate::report::{ReportError, compact, ready};

/// One object: the source of its row in files.csv, of its findings and of its problems.
///
/// It holds bytes and facts, not cells: escaping is the work of the tables.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Where its row stands. It and the digests stay the first fields: the sort reads them alone.
    #[serde(with = "compact::key")]
    pub key: OrderKey,
    /// Digests of its whole content; none where it was not read whole.
    #[serde(with = "compact::digests")]
    pub digests: Digests,
    /// The key of the object it lies in, where that object has a row.
    pub parent: Option<OrderKey>,
    /// Number of the evidence item, from 1.
    pub evidence: u32,
    /// [`crate::item::ObjectPath::text`]: already inert.
    pub path: String,
    /// Its name as the evidence has it.
    #[serde(with = "compact::bytes")]
    pub file_name: Vec<u8>,
    /// What is known of it beside its content.
    pub meta: ItemMeta,
    /// What its content is.
    pub detected_type: Option<String>,
    /// True where the content is not what the name's extension says.
    pub type_mismatch: Option<bool>,
    /// Where it is a picture.
    pub pictures: Option<PictureFacts>,
    /// What became of it.
    pub status: Status,
    /// Why, where it was not hashed.
    pub reason: Option<Code>,
    /// Number of bytes read and hashed.
    pub bytes_hashed: u64,
    /// Set where its content says next to nothing.
    pub low_information: Option<LowInformation>,
    /// Its agreements with entries.
    pub findings: Vec<Finding>,
    /// What it is by its findings.
    pub disposition: Disposition,
    /// What went wrong, in the order it was met.
    pub problems: Vec<Problem>,
    /// True for a disk image or what may be a part of one: whoever takes the run up looks at it again.
    pub image: bool,
}

/// What decoding a picture gave. Hashes are hex, empty where not computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PictureFacts {
    /// PDQ, 64 hex digits.
    pub pdq: String,
    /// PDQ of the 512-pixel nearest-neighbour reduction, 64 hex digits.
    pub pdq_nn512: String,
    /// Quality of `pdq`, 0 to 100.
    pub pdq_quality: Option<u8>,
    /// pHash, 16 hex digits.
    pub phash: String,
    /// dHash, 16 hex digits.
    pub dhash: String,
    /// aHash, 16 hex digits.
    pub ahash: String,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// `ok`, `partial`, `damaged`, `unsupported`, `crashed`, `timeout`, `memory` or `too_large`.
    pub media_status: String,
    /// What the decoder said.
    pub media_detail: String,
}

impl Record {
    /// True where the object is not to be tried again in this run.
    pub fn is_given_up(&self) -> bool {
        self.reason == Some(Code::CrashedBefore)
    }

    /// True where what it says stays true as long as the object does not change; what a passing
    /// trouble may have caused is to be tried again.
    pub fn is_lasting(&self) -> bool {
        is_lasting(self.status)
    }

    /// Appends the record as it stands in a journal frame, behind what is ready of it.
    ///
    /// # Errors
    /// [`ReportError::Encode`].
    pub(super) fn encode(&self, cells: &mut Cells, out: &mut Vec<u8>) -> Result<(), ReportError> {
        ready::append(self, cells, out)?;
        *out = postcard::to_extend(self, std::mem::take(out)).map_err(ReportError::Encode)?;
        Ok(())
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// [`ReportError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReportError> {
        postcard::from_bytes(ready::split(bytes)?.1).map_err(ReportError::Decode)
    }

    /// What has to hold for an encoded record to be still true, without the rest of it.
    ///
    /// # Errors
    /// [`ReportError::Decode`].
    pub fn outline(bytes: &[u8]) -> Result<Outline<'_>, ReportError> {
        let Brief { status, disposition, image, .. } = Ready::of(bytes)?.brief;
        let record = ready::split(bytes)?.1;
        let (front, _): (Front<'_>, _) =
            postcard::take_from_bytes(record).map_err(ReportError::Decode)?;
        let Front { path, meta, .. } = front;
        Ok(Outline { path, meta, lasting: is_lasting(status), disposition, image })
    }

    /// The order key of an encoded record.
    ///
    /// # Errors
    /// [`ReportError::Decode`].
    pub fn key_of(bytes: &[u8]) -> Result<OrderKey, ReportError> {
        Head::of(bytes).map(|head| OrderKey::from_bytes(head.key))
    }
}

/// As [`Record::is_lasting`].
const fn is_lasting(status: Status) -> bool {
    matches!(status, Status::Hashed | Status::Special)
}

/// What an encoded record says of its object, as far as it takes to see whether that is the same.
pub struct Outline<'a> {
    /// [`Record::path`].
    pub path: &'a str,
    /// [`Record::meta`].
    pub meta: ItemMeta,
    /// [`Record::is_lasting`].
    pub lasting: bool,
    /// [`Record::disposition`].
    pub disposition: Disposition,
    /// [`Record::image`].
    pub image: bool,
}

/// The fields of a record up to what is known of it beside its content, in their order.
#[derive(serde::Deserialize)]
struct Front<'a> {
    #[serde(borrow)]
    _key: &'a [u8],
    _digests: &'a [u8],
    _parent: Option<&'a [u8]>,
    _evidence: u32,
    path: &'a str,
    _file_name: &'a [u8],
    meta: ItemMeta,
}

/// What the sort has to know of an encoded record.
#[derive(serde::Deserialize)]
pub(super) struct Head<'a> {
    /// The bytes of its order key.
    #[serde(borrow)]
    pub(super) key: &'a [u8],
    #[serde(with = "compact::digests")]
    pub(super) digests: Digests,
}

impl<'a> Head<'a> {
    /// Reads it, and nothing after it.
    pub(super) fn of(encoded: &'a [u8]) -> Result<Self, ReportError> {
        let (_, record) = ready::split(encoded)?;
        postcard::take_from_bytes(record).map(|(head, _)| head).map_err(ReportError::Decode)
    }
}
