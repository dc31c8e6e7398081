//! What becomes of rows: digests that say nothing are dropped, all is counted.

use super::{Reject, RowName, RowSink, SetCounts, SetEntry, SetError, SetKind};
use crate::digest::{Algorithm, Digest, Digests};

/// Starts rows and counts what is dropped from them.
#[derive(Clone)]
pub(super) struct Tally {
    kind: SetKind,
    pub(super) counts: SetCounts,
    nothing: [Digest; 4],
}

impl Tally {
    /// For entries of `kind`.
    pub(super) fn new(kind: SetKind) -> Self {
        use Algorithm::{Blake3, Md5, Sha1, Sha256};
        let nothing = [Md5, Sha1, Sha256, Blake3].map(Algorithm::of_nothing);
        Self { kind, counts: SetCounts::default(), nothing }
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

    /// One that has counted nothing, for rows that are read on another thread.
    pub(super) fn fresh(&self) -> Self {
        Self { counts: SetCounts::default(), ..self.clone() }
    }

    /// Adds what another one counted while rows were read; what became of them is counted here.
    pub(super) fn add(&mut self, other: &Self) {
        let (own, other) = (&mut self.counts, &other.counts);
        for (own, other) in [
            (&mut own.rows_read, other.rows_read),
            (&mut own.empty_digests_dropped, other.empty_digests_dropped),
            (&mut own.zero_digests_dropped, other.zero_digests_dropped),
        ] {
            *own = own.saturating_add(other);
        }
    }

    /// Counts a row that is equal to the one before it.
    pub(super) fn repeated(&mut self) {
        self.counts.duplicates = self.counts.duplicates.saturating_add(1);
    }

    /// Counts a row that is no entry and tells the sink.
    ///
    /// # Errors
    /// The sink's, where no further row may be lost.
    pub(super) fn reject(
        &mut self,
        sink: &mut dyn RowSink,
        reject: Reject,
    ) -> Result<(), SetError> {
        self.counts.rejected = self.counts.rejected.saturating_add(1);
        sink.reject(reject)
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

    /// Ends a row: gives the entry to the sink, unless nothing is left to compare by.
    ///
    /// # Errors
    /// The sink's.
    pub(super) fn push(
        &mut self,
        sink: &mut dyn RowSink,
        entry: SetEntry,
        row: RowName,
    ) -> Result<(), SetError> {
        let perceptual = entry.perceptual.as_ref().is_some_and(|hashes| !hashes.is_empty());
        let counts = &mut self.counts;
        if entry.digests == Digests::default() && !perceptual {
            counts.rows_emptied = counts.rows_emptied.saturating_add(1);
            return Ok(());
        }
        // A scheme's labels are never empty.
        if entry.category.as_ref().is_some_and(|category| category.label.is_empty()) {
            counts.unmapped_codes = counts.unmapped_codes.saturating_add(1);
        }
        counts.accepted = counts.accepted.saturating_add(1);
        sink.entry(entry, row)
    }
}
