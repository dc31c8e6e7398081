//! What a compiled file says of itself: whose set it is, of which lists, and how it is read.
//!
//! It is JSON, so that it can be read without this program.

use super::columns::Columns;
use crate::digest::{Algorithm, Digest};
use crate::hashset::{Category, SetCounts, SetInfo, SetKind};
use serde::{Deserialize, Serialize};

/// One list that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The list's file, without its folder.
    pub file: String,
    /// SHA-256 of the list as read.
    pub sha256: String,
    /// The format its content has.
    pub format: String,
    /// Its own name.
    pub name: String,
    /// Who publishes it; `unstated` where nothing says.
    pub publisher: String,
    /// Its version, likewise.
    pub version: String,
    /// Who handed it over, likewise.
    pub received_from: String,
    /// When, likewise.
    pub received_at: String,
    /// The scheme that its codes were read by.
    pub scheme: Option<String>,
    /// SHA-256 of that scheme's file.
    pub scheme_sha256: Option<String>,
    /// True where its rows are told by their number as records, not by their line.
    pub by_record: bool,
    /// What became of its rows.
    pub counts: SetCounts,
}

impl Source {
    /// What a list says of itself.
    pub fn of(info: &SetInfo, file: String, by_record: bool, counts: SetCounts) -> Self {
        Self {
            file,
            by_record,
            sha256: info.sha256.clone(),
            format: info.format.clone(),
            name: info.name.clone(),
            publisher: info.publisher.clone(),
            version: info.version.clone(),
            received_from: info.received_from.clone(),
            received_at: info.received_at.clone(),
            scheme: info.scheme.clone(),
            scheme_sha256: info.scheme_sha256.clone(),
            counts,
        }
    }
}

/// One table of digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFacts {
    /// Of what.
    pub algorithm: Algorithm,
    /// Different digests in it.
    pub digests: u64,
    /// Slots that a digest's leading bits are spread over.
    pub home: u64,
    /// All slots.
    pub slots: u64,
    /// Largest distance of a digest from the slot its bits lead to.
    pub displacement: u64,
    /// Key of the BLAKE3 that replaces the leading bits where those crowd; hex.
    pub key: Option<String>,
}

/// Entries that can be compared by the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparable {
    /// Bits: MD5, SHA-1, SHA-256, BLAKE3.
    pub(super) digests: u32,
    /// Bits: PDQ, pHash, dHash, aHash that pictures are compared with.
    pub(super) hashes: u32,
    pub(super) entries: u64,
}

/// The section "about".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) publisher: String,
    pub(super) version: String,
    pub(super) kind: SetKind,
    /// The program that made the file.
    pub(super) importer: String,
    pub(super) sources: Vec<Source>,
    /// Of all lists together.
    pub(super) counts: SetCounts,
    pub(super) categories: Vec<Category>,
    pub(super) records: u64,
    pub(super) columns: Columns,
    pub(super) tables: Vec<TableFacts>,
    pub(super) comparable: Vec<Comparable>,
}

impl About {
    /// The SHA-256 that names the content of the set: the list's where it is one, else of the
    /// lists' digests, a line each, in the order in which they went in.
    pub(super) fn sha256(&self) -> String {
        if let [source] = &*self.sources {
            return source.sha256.clone();
        }
        let lines: Vec<_> =
            self.sources.iter().map(|source| format!("{}\n", source.sha256)).collect();
        Digest::sha256(&[lines.concat().as_bytes()]).to_string()
    }

    /// The set as a report names it.
    pub(super) fn info(&self, path: String) -> SetInfo {
        let agreed = |of: fn(&Source) -> &str| {
            let mut values: Vec<_> = self.sources.iter().map(of).collect();
            values.dedup();
            values.join("; ")
        };
        let scheme = |of: fn(&Source) -> Option<&String>| {
            let mut values: Vec<_> = self.sources.iter().filter_map(of).cloned().collect();
            values.dedup();
            (!values.is_empty()).then(|| values.join("; "))
        };
        SetInfo {
            name: self.name.clone(),
            publisher: self.publisher.clone(),
            version: self.version.clone(),
            received_from: agreed(|source| &source.received_from),
            received_at: agreed(|source| &source.received_at),
            kind: self.kind,
            scheme: scheme(|source| source.scheme.as_ref()),
            scheme_sha256: scheme(|source| source.scheme_sha256.as_ref()),
            path,
            format: format!("compiled ({})", agreed(|source| &source.format)),
            sha256: self.sha256(),
        }
    }
}
