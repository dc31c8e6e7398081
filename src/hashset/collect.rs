//! The sink that holds a list in memory: equal rows collapse, the rest gets its names.

use super::encoding::wide;
use super::{PerceptualEntry, Reject, RowName, RowSink, SetCounts, SetEntry, SetError};
use crate::digest::Algorithm;
use rayon::prelude::*;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::path::{Path, PathBuf};

/// Holds a list's entries in its order. Strict: the first row that is no entry ends the reading.
pub(super) struct Collector {
    file: PathBuf,
    /// Identifiers are empty until the end where the list has none.
    entries: Vec<SetEntry>,
    rows: Vec<RowName>,
}

impl Collector {
    /// For the entries of a file.
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), entries: Vec::new(), rows: Vec::new() }
    }

    fn full(&self) -> SetError {
        let size = wide(self.entries.len());
        SetError::TooManyEntries { file: self.file.clone(), entries: size }
    }

    /// The entries, each once, in the order of their first row; puts what became of them in `counts`.
    pub(super) fn finish(
        mut self,
        pool: &rayon::ThreadPool,
        counts: &mut SetCounts,
    ) -> Vec<SetEntry> {
        let repeated = pool.install(|| repeated(&self.entries));
        if !repeated.is_empty() {
            drop_at(&mut self.entries, &repeated);
            drop_at(&mut self.rows, &repeated);
        }
        let rows = self.entries.par_iter_mut().zip(&self.rows);
        let name = |(entry, row): (&mut SetEntry, &RowName)| {
            if entry.id.is_empty() {
                entry.id = row.to_string().into();
            }
        };
        pool.install(|| rows.for_each(name));
        // A scheme's labels are never empty.
        let unmapped =
            |entry: &&SetEntry| entry.category.as_ref().is_some_and(|c| c.label.is_empty());
        counts.unmapped_codes = wide(self.entries.iter().filter(unmapped).count());
        counts.duplicates = counts.duplicates.saturating_add(wide(repeated.len()));
        counts.accepted = wide(self.entries.len());
        self.entries
    }
}

impl RowSink for Collector {
    fn expect_at_most(&mut self, rows: usize) {
        // A reservation that fails is no error: the list may have fewer rows than it seems.
        let _ = self.entries.try_reserve_exact(rows);
        let _ = self.rows.try_reserve_exact(rows);
    }

    fn entry(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError> {
        if self.entries.try_reserve(1).and_then(|()| self.rows.try_reserve(1)).is_err() {
            return Err(self.full());
        }
        self.entries.push(entry);
        self.rows.push(row);
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), SetError> {
        Err(reject.into_error())
    }
}

/// Places of entries that are equal to an earlier one, ascending.
///
/// The hash is keyed at random, so that no list can make it slow, and decides nothing: only
/// entries that are equal in all they hold are repeated.
fn repeated(entries: &[SetEntry]) -> Vec<usize> {
    let state = RandomState::new();
    let keys = entries.par_iter().enumerate().map(|(at, entry)| (hash(&state, entry), at));
    let mut keys: Vec<(u64, usize)> = keys.collect();
    keys.par_sort_unstable();
    let mut repeated = Vec::new();
    for group in keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let mut kept: Vec<&SetEntry> = Vec::new();
        for (_, at) in group {
            let Some(entry) = entries.get(*at) else { continue };
            if kept.contains(&entry) {
                repeated.push(*at);
            } else {
                kept.push(entry);
            }
        }
    }
    repeated.sort_unstable();
    repeated
}

fn hash(state: &RandomState, entry: &SetEntry) -> u64 {
    let mut hasher = state.build_hasher();
    for algorithm in Algorithm::ALL {
        entry.digests.get(*algorithm).hash(&mut hasher);
    }
    let PerceptualEntry { pdq, pdq_quality, phash, dhash, ahash, photodna } =
        entry.perceptual.as_deref().unwrap_or(&PerceptualEntry::NONE);
    (pdq, pdq_quality, phash, dhash, ahash, photodna).hash(&mut hasher);
    let code = entry.category.as_ref().map(|category| &category.code);
    (&entry.id, entry.size, code, &entry.series, entry.victim_identified).hash(&mut hasher);
    hasher.finish()
}

/// Removes what stands at `places`, which ascend.
fn drop_at<T>(list: &mut Vec<T>, places: &[usize]) {
    let (mut at, mut places) = (0_usize, places.iter().peekable());
    list.retain(|_| {
        let drop = places.next_if(|place| **place == at).is_some();
        at = at.saturating_add(1);
        !drop
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::hashset::SetKind;
    use crate::hashset::tally::Tally;

    #[test]
    fn equal_rows_collapse_and_the_first_stays() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (mut tally, mut rows) = (Tally::new(SetKind::Alert), Collector::new(Path::new("l")));
        for (byte, id) in [(1, ""), (2, ""), (1, ""), (1, "a"), (1, "b"), (2, "")] {
            let (number, mut entry) = tally.row();
            tally.digest(&mut entry, Algorithm::Md5, Digest::new(&[byte; 16]).unwrap());
            entry.id = id.into();
            tally.push(&mut rows, entry, RowName::Line(number)).unwrap();
        }
        let mut counts = tally.counts;
        let entries = rows.finish(&pool, &mut counts);
        let ids: Vec<_> = entries.iter().map(|entry| &*entry.id).collect();
        assert_eq!(ids, ["line:1", "line:2", "a", "b"]);
        assert_eq!((counts.rows_read, counts.accepted, counts.duplicates), (6, 4, 2));
    }
}
