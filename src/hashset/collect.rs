//! Rows become entries: digests that say nothing are dropped, equal rows collapse, all is counted.

use super::encoding::wide;
use super::{PerceptualEntry, SetCounts, SetEntry, SetKind};
use crate::digest::{Algorithm, Digest, Digests};
use rayon::prelude::*;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Entries in the list's order, and what became of the rows.
pub(super) struct Collector {
    kind: SetKind,
    /// Identifiers are empty until the end where the list has none.
    entries: Vec<SetEntry>,
    lines: Vec<u64>,
    counts: SetCounts,
    nothing: [Digest; 4],
}

impl Collector {
    /// For entries of `kind`, of which there may be `estimate`.
    pub(super) fn new(kind: SetKind, estimate: usize) -> Self {
        use Algorithm::{Blake3, Md5, Sha1, Sha256};
        let (mut entries, mut lines) = (Vec::new(), Vec::new());
        // A reservation that fails is no error: the list may have fewer rows than it seems.
        let _ = entries.try_reserve_exact(estimate);
        let _ = lines.try_reserve_exact(estimate);
        let nothing = [Md5, Sha1, Sha256, Blake3].map(Algorithm::of_nothing);
        Self { kind, entries, lines, counts: SetCounts::default(), nothing }
    }

    /// Starts a row; returns its number and an entry without content.
    pub(super) fn row(&mut self) -> (u64, SetEntry) {
        self.counts.rows_read = self.counts.rows_read.saturating_add(1);
        let entry = SetEntry {
            id: Box::default(),
            kind: self.kind,
            digests: Digests::default(),
            perceptual: None,
            size: None,
            category: None,
            series: None,
            victim_identified: None,
        };
        (self.counts.rows_read, entry)
    }

    /// Puts a digest in, unless it is that of an empty file or all zero.
    pub(super) fn digest(&mut self, entry: &mut SetEntry, algorithm: Algorithm, digest: Digest) {
        if self.nothing.contains(&digest) {
            let dropped = &mut self.counts.empty_digests_dropped;
            *dropped = dropped.saturating_add(1);
        } else if !self.is_zero(digest.bytes()) {
            entry.digests.set(algorithm, digest);
        }
    }

    /// Whether a value is all zero, in which case it is counted as dropped.
    pub(super) fn is_zero(&mut self, value: &[u8]) -> bool {
        let zero = value.iter().all(|byte| *byte == 0);
        if zero {
            let dropped = &mut self.counts.zero_digests_dropped;
            *dropped = dropped.saturating_add(1);
        }
        zero
    }

    /// Ends a row that began on `line`. False where memory does not hold it.
    pub(super) fn push(&mut self, entry: SetEntry, line: u64) -> bool {
        let perceptual = entry.perceptual.as_ref().is_some_and(|hashes| !hashes.is_empty());
        if entry.digests == Digests::default() && !perceptual {
            self.counts.rows_emptied = self.counts.rows_emptied.saturating_add(1);
            return true;
        }
        if self.entries.try_reserve(1).and_then(|()| self.lines.try_reserve(1)).is_err() {
            return false;
        }
        self.entries.push(entry);
        self.lines.push(line);
        true
    }

    /// The entries, each once, in the order of their first row.
    pub(super) fn finish(mut self, pool: &rayon::ThreadPool) -> (Vec<SetEntry>, SetCounts) {
        let repeated = pool.install(|| repeated(&self.entries));
        if !repeated.is_empty() {
            drop_at(&mut self.entries, &repeated);
            drop_at(&mut self.lines, &repeated);
        }
        let rows = self.entries.par_iter_mut().zip(&self.lines);
        let name = |(entry, line): (&mut SetEntry, &u64)| {
            if entry.id.is_empty() {
                entry.id = format!("line:{line}").into();
            }
        };
        pool.install(|| rows.for_each(name));
        // A scheme's labels are never empty.
        let unmapped =
            |entry: &&SetEntry| entry.category.as_ref().is_some_and(|c| c.label.is_empty());
        self.counts.unmapped_codes = wide(self.entries.iter().filter(unmapped).count());
        self.counts.duplicates = wide(repeated.len());
        self.counts.accepted = wide(self.entries.len());
        (self.entries, self.counts)
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

    #[test]
    fn equal_rows_collapse_and_the_first_stays() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut rows = Collector::new(SetKind::Alert, 0);
        for (n, (byte, id)) in
            [(1, ""), (2, ""), (1, ""), (1, "a"), (1, "b"), (2, "")].iter().enumerate()
        {
            let (_, mut entry) = rows.row();
            rows.digest(&mut entry, Algorithm::Md5, Digest::new(&[*byte; 16]).unwrap());
            entry.id = (*id).into();
            assert!(rows.push(entry, n as u64 + 1));
        }
        let (entries, counts) = rows.finish(&pool);
        let ids: Vec<_> = entries.iter().map(|entry| &*entry.id).collect();
        assert_eq!(ids, ["line:1", "line:2", "a", "b"]);
        assert_eq!((counts.rows_read, counts.accepted, counts.duplicates), (6, 4, 2));
    }
}
