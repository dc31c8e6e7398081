//! What a set holds.

use super::compiled::CompiledSet;
use crate::digest::{Algorithm, Digests};
use crate::problem::words;
use std::sync::Arc;

words! {
    /// What a match with a set means. Kinds say polarity and nothing of law.
    SetKind {
        /// Material the examination looks for.
        Alert = "alert",
        /// Material that needs no look.
        Ignore = "ignore",
        /// Material that is worth knowing of.
        Info = "info",
    }
}

words! {
    /// What a list says, or is told, of digests that do not say it themselves.
    ListAlgorithm {
        /// 32 hex digits.
        Md5 = "md5",
        /// 40 hex digits.
        Sha1 = "sha1",
        /// 64 hex digits.
        Sha256 = "sha256",
        /// 64 hex digits.
        Blake3 = "blake3",
        /// 64 hex digits, perceptual.
        Pdq = "pdq",
    }
}

impl ListAlgorithm {
    /// The exact digest it is, where it is one.
    pub const fn exact(self) -> Option<Algorithm> {
        match self {
            Self::Md5 => Some(Algorithm::Md5),
            Self::Sha1 => Some(Algorithm::Sha1),
            Self::Sha256 => Some(Algorithm::Sha256),
            Self::Blake3 => Some(Algorithm::Blake3),
            Self::Pdq => None,
        }
    }

    /// Number of hex digits of one value.
    pub const fn hex_digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 | Self::Blake3 | Self::Pdq => 64,
        }
    }
}

/// Number of bytes of a PhotoDNA hash.
pub const PHOTODNA_BYTES: usize = 144;

/// What an entry is compared by where no digest agrees. Bits are in the order of the hex digits.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PerceptualEntry {
    /// PDQ, 256 bits.
    pub pdq: Option<[u8; 32]>,
    /// Quality of the picture that the PDQ hash is of, 0 to 100.
    pub pdq_quality: Option<u8>,
    /// pHash, 64 bits; the first hex digit is the most significant.
    pub phash: Option<u64>,
    /// dHash, likewise.
    pub dhash: Option<u64>,
    /// aHash, likewise.
    pub ahash: Option<u64>,
    /// PhotoDNA, [`PHOTODNA_BYTES`]; carried for those who can compare it, never computed.
    pub photodna: Option<Box<[u8]>>,
}

impl PerceptualEntry {
    /// One without any hash.
    pub const NONE: Self = Self {
        pdq: None,
        pdq_quality: None,
        phash: None,
        dhash: None,
        ahash: None,
        photodna: None,
    };

    /// True where it has no hash at all. A quality alone is none.
    pub const fn is_empty(&self) -> bool {
        self.pdq.is_none()
            && self.phash.is_none()
            && self.dhash.is_none()
            && self.ahash.is_none()
            && self.photodna.is_none()
    }
}

impl std::fmt::Debug for PerceptualEntry {
    /// Says which hashes there are and shows none: a value of a set is sensitive.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerceptualEntry")
            .field("pdq", &self.pdq.is_some())
            .field("phash", &self.phash.is_some())
            .field("dhash", &self.dhash.is_some())
            .field("ahash", &self.ahash.is_some())
            .field("photodna", &self.photodna.is_some())
            .finish_non_exhaustive()
    }
}

/// A code that a set gives an entry, with what the scheme says it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Category {
    /// Name of the scheme.
    pub scheme: String,
    /// The code as the list has it.
    pub code: String,
    /// The scheme's words for it; empty where the scheme does not map it.
    pub label: String,
    /// What an entry with this code is.
    pub kind: SetKind,
}

/// One entry of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetEntry {
    /// The list's own identifier, else `line:N`.
    pub id: Box<str>,
    /// What the entry is: the set's kind, or its category's.
    pub kind: SetKind,
    /// The digests it carries.
    pub digests: Digests,
    /// Its perceptual hashes, where it has any.
    pub perceptual: Option<Box<PerceptualEntry>>,
    /// The size it states.
    pub size: Option<u64>,
    /// Its category.
    pub category: Option<Arc<Category>>,
    /// The series it belongs to.
    pub series: Option<Box<str>>,
    /// Whether the list says that the victim is identified.
    pub victim_identified: Option<bool>,
}

/// Where a set comes from and what it is used as. Text is as the examiner or the list wrote it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SetInfo {
    /// Name; the file's name where nothing states one.
    pub name: String,
    /// Who publishes it; `unstated` where nothing says.
    pub publisher: String,
    /// Its version; `unstated` where nothing says.
    pub version: String,
    /// Who handed it over; `unstated` where nothing says.
    pub received_from: String,
    /// When; `unstated` where nothing says.
    pub received_at: String,
    /// What a match with it means.
    pub kind: SetKind,
    /// Name of the scheme in use, where it carries categories.
    pub scheme: Option<String>,
    /// SHA-256 of the scheme file in use.
    pub scheme_sha256: Option<String>,
    /// The file it was read from.
    pub path: String,
    /// The format its content has.
    pub format: String,
    /// SHA-256 of the file as read.
    pub sha256: String,
}

/// What became of a set's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SetCounts {
    /// Rows that could have been entries.
    pub rows_read: u64,
    /// Rows that became entries.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows equal to an earlier one.
    pub duplicates: u64,
    /// Digests dropped because every empty file has them.
    pub empty_digests_dropped: u64,
    /// Digests and perceptual hashes dropped because all their bytes are zero.
    pub zero_digests_dropped: u64,
    /// Rows left without any value after such digests were dropped.
    pub rows_emptied: u64,
    /// Entries with a code that the scheme does not map.
    pub unmapped_codes: u64,
}

/// A list or a compiled set, checked whole.
#[derive(Debug, Clone)]
pub struct ReferenceSet {
    /// Where it comes from.
    pub info: SetInfo,
    /// Its entries, in the list's order; none where it is compiled: [`ReferenceSet::entry`] gives
    /// them of either.
    pub entries: Vec<SetEntry>,
    /// What became of its rows.
    pub counts: SetCounts,
    /// The file its entries stay in, where it is compiled.
    pub compiled: Option<Arc<CompiledSet>>,
}
