//! The differences met so far, bounded and put in order.

use super::Difference;
use crate::item::escape;
use crate::report::schema;
use std::collections::BTreeMap;

/// How many differences of one file are told; the rest are counted.
const TOLD_PER_FILE: u64 = 100;

/// The order in which files are told.
const ORDER: [&str; 9] = [
    schema::JOURNAL,
    schema::CUSTODY.file,
    schema::RUN_JSON,
    schema::VOLUMES.file,
    schema::FILES.file,
    schema::MATCHES.file,
    schema::EXCEPTIONS.file,
    schema::SUMMARY,
    schema::MANIFEST,
];

/// Differences of one kind.
#[derive(Default)]
struct Told {
    differences: Vec<Difference>,
    per_file: BTreeMap<String, u64>,
    of_rows: bool,
}

impl Told {
    fn push(&mut self, file: &str, record: Option<u64>, detail: String) {
        let count = self.per_file.entry(file.to_owned()).or_default();
        *count += 1;
        self.of_rows |= record.is_some();
        if *count <= TOLD_PER_FILE {
            self.differences.push(Difference { file: file.to_owned(), record, detail });
        }
    }

    fn total(&self) -> u64 {
        self.per_file.values().sum()
    }
}

/// The differences met so far.
///
/// A row that was changed also disagrees with rows of other tables, which were not. So those that
/// lie between tables are told only where no row of any table is wrong by itself.
#[derive(Default)]
pub(super) struct Found {
    own: Told,
    between: Told,
}

impl Found {
    /// A difference that one file shows by itself, or against its digest.
    pub(super) fn own(&mut self, file: &str, record: Option<u64>, detail: impl Into<String>) {
        self.own.push(file, record, detail.into());
    }

    /// A difference between two tables, named where the reader should look first.
    pub(super) fn between(&mut self, file: &str, record: Option<u64>, detail: impl Into<String>) {
        self.between.push(file, record, detail.into());
    }

    /// Whether `file` is named, by itself, or a row of it beside another table.
    pub(super) fn names(&self, file: &str) -> bool {
        let between = &self.between.differences;
        self.own.per_file.contains_key(file)
            || between.iter().any(|told| told.file == file && told.record.is_some())
    }

    /// All that are told, and how many there are in all.
    pub(super) fn finish(mut self) -> (Vec<Difference>, u64) {
        let mut total = self.own.total();
        let mut told = self.own.differences;
        if !self.own.of_rows {
            total += self.between.total();
            told.append(&mut self.between.differences);
        }
        let rank = |d: &Difference| ORDER.iter().position(|file| *file == d.file);
        told.sort_by_key(|d| (rank(d).unwrap_or(ORDER.len()), d.record.unwrap_or(u64::MAX)));
        (told, total)
    }
}

/// A cell's text for a message: one inert line of bounded length.
pub(super) fn shown(cell: &str) -> String {
    const LONGEST: usize = 100;
    let mut text: String = cell.chars().take(LONGEST).collect();
    if text.len() < cell.len() {
        text.push('…');
    }
    escape::cell(text.as_bytes())
}
