//! What a set holds.

use crate::digest::Digests;
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

/// A code that a set gives an entry, with what the scheme says it means.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    /// Digests dropped because all their bytes are zero.
    pub zero_digests_dropped: u64,
    /// Entries with a code that the scheme does not map.
    pub unmapped_codes: u64,
}

/// A list, read and checked whole.
#[derive(Debug, Clone)]
pub struct ReferenceSet {
    /// Where it comes from.
    pub info: SetInfo,
    /// Its entries, in the list's order.
    pub entries: Vec<SetEntry>,
    /// What became of its rows.
    pub counts: SetCounts,
}
