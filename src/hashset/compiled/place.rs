//! Putting digests into the slots of a table, in one pass over them in order.

use super::BuildError;
use super::describe::TableFacts;
use super::section::{Growing, Grown};
use super::sort::sorter;
use super::table::{FARTHEST, FREE, Keys, NO_RECORD, wanted};
use crate::digest::{Algorithm, Digest};
use crate::output::OutputDir;
use std::sync::Arc;

/// Keys that are tried before a list is given up.
const ATTEMPTS: u8 = 16;

/// Different digests of one algorithm, in order: each with the value of its slot behind it.
pub(super) struct Distinct {
    pub(super) algorithm: Algorithm,
    pub(super) rows: Grown,
    pub(super) count: u64,
}

/// A table that is made.
pub(super) struct Placed {
    pub(super) facts: TableFacts,
    pub(super) hot: Grown,
    pub(super) cold: Grown,
}

/// Makes the table.
///
/// - `fast`: half of the slots are free, else a quarter.
pub(super) fn place(
    out: &OutputDir,
    distinct: &Distinct,
    fast: bool,
    budget: usize,
    pool: &Arc<rayon::ThreadPool>,
) -> Result<Placed, BuildError> {
    let width = distinct.algorithm.width();
    let home = match fast {
        true => distinct.count.saturating_mul(2),
        false => distinct.count.saturating_mul(4).div_ceil(3),
    };
    let mut filler = Filler::new(out, distinct, Keys::Leading, home.max(1))?;
    let mut rows = distinct.rows.reader();
    let mut fits = true;
    while fits && let Some(row) = rows.take(width.saturating_add(4))? {
        let (digest, value) = row.split_last_chunk().ok_or(BuildError::SpillDamaged)?;
        fits = filler.put(Keys::Leading.of(digest), digest, *value)?;
    }
    if fits {
        return filler.finish(distinct);
    }
    for attempt in 0..ATTEMPTS {
        // Of the digests themselves, so that the same lists give the same file.
        let named = Digest::sha256(&[b"assay table key", &distinct.rows.blake3(), &[attempt]]);
        let key = *named.bytes().first_chunk().ok_or(BuildError::NotSpread)?;
        let keys = Keys::Keyed(key);
        let mut sort =
            sorter(width.saturating_add(12), budget, pool).ok_or(BuildError::NotSpread)?;
        let mut rows = distinct.rows.reader();
        let mut keyed = Vec::new();
        while let Some(row) = rows.take(width.saturating_add(4))? {
            let digest = row.get(..width).unwrap_or_default();
            keyed.clear();
            keyed.extend_from_slice(&keys.of(digest).to_be_bytes());
            keyed.extend_from_slice(row);
            sort.push(out, &keyed)?;
        }
        let sorted = sort.finish(out)?;
        let mut filler = Filler::new(out, distinct, keys, home.max(1))?;
        let mut fits = true;
        sorted.each(&mut |row| {
            let (key, rest) = row.split_first_chunk().ok_or(BuildError::SpillDamaged)?;
            let (digest, value) = rest.split_last_chunk().ok_or(BuildError::SpillDamaged)?;
            fits = fits && filler.put(u64::from_be_bytes(*key), digest, *value)?;
            Ok(())
        })?;
        if fits {
            return filler.finish(distinct);
        }
    }
    Err(BuildError::NotSpread)
}

/// A table up to the slot that comes next.
struct Filler {
    keys: Keys,
    home: u64,
    next: u64,
    displacement: u64,
    hot: Growing,
    cold: Growing,
    free: Vec<u8>,
}

impl Filler {
    fn new(
        out: &OutputDir,
        distinct: &Distinct,
        keys: Keys,
        home: u64,
    ) -> Result<Self, BuildError> {
        let mut free = vec![0; keys.tail_len(distinct.algorithm.width())];
        free.extend_from_slice(&NO_RECORD.to_le_bytes());
        let (hot, cold) = (Growing::new(out)?, Growing::new(out)?);
        Ok(Self { keys, home, next: 0, displacement: 0, hot, cold, free })
    }

    /// Puts the next digest in; false where that is too far from the slot it wants.
    fn put(&mut self, key: u64, digest: &[u8], value: [u8; 4]) -> Result<bool, BuildError> {
        let wanted = wanted(key, self.home);
        self.leave_free(wanted)?;
        let away = self.next.saturating_sub(wanted);
        if away > FARTHEST {
            return Ok(false);
        }
        self.displacement = self.displacement.max(away);
        self.hot.push(&key.to_le_bytes())?;
        self.cold.push(self.keys.tail(digest))?;
        self.cold.push(&value)?;
        self.next = self.next.saturating_add(1);
        Ok(true)
    }

    /// Free slots up to this one.
    fn leave_free(&mut self, until: u64) -> Result<(), BuildError> {
        let free = until.saturating_sub(self.next);
        self.hot.repeat(&FREE.to_le_bytes(), free)?;
        self.cold.repeat(&self.free, free)?;
        self.next = self.next.max(until);
        Ok(())
    }

    fn finish(mut self, distinct: &Distinct) -> Result<Placed, BuildError> {
        // One free slot behind the last: every look ends.
        let slots = self.next.max(self.home).saturating_add(1);
        self.leave_free(slots)?;
        let key = match self.keys {
            Keys::Leading => None,
            Keys::Keyed(key) => Digest::new(&key).map(|key| key.to_string()),
        };
        let facts = TableFacts {
            algorithm: distinct.algorithm,
            digests: distinct.count,
            home: self.home,
            slots,
            displacement: self.displacement,
            key,
        };
        Ok(Placed { facts, hot: self.hot.finish()?, cold: self.cold.finish()? })
    }
}
