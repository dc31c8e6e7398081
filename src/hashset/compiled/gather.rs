//! Which entries stay, and the different digests of those that do.

use super::BuildError;
use super::place::Distinct;
use super::section::{Growing, Grown};
use super::sort::SortedRows;
use super::table::MARK;
use crate::digest::Algorithm;
use crate::output::OutputDir;

/// Which of the entries pushed stay: all but those equal to an earlier one.
pub(super) struct Kept {
    dropped: Vec<u64>,
    /// Entries that stay before each word of `dropped`.
    before: Vec<u32>,
    pub(super) count: u64,
}

impl Kept {
    pub(super) fn of(
        sorted: &[Option<Box<dyn SortedRows>>],
        pushed: u32,
    ) -> Result<Self, BuildError> {
        let words = usize::try_from(pushed.div_ceil(64)).unwrap_or(usize::MAX);
        let mut dropped = vec![0_u64; words];
        // Equal entries have equal digests, so they stand together wherever they are sorted.
        for rows in sorted.iter().flatten() {
            let mut last = Vec::new();
            rows.each(&mut |row| {
                let (content, number) = row.split_last_chunk().ok_or(BuildError::SpillDamaged)?;
                if content == last {
                    let (word, bit) = place_of(u32::from_be_bytes(*number));
                    let word = dropped.get_mut(word).ok_or(BuildError::SpillDamaged)?;
                    *word |= bit;
                } else {
                    last.clear();
                    last.extend_from_slice(content);
                }
                Ok(())
            })?;
        }
        let mut before = Vec::with_capacity(words);
        let mut stay = 0_u32;
        for word in &dropped {
            before.push(stay);
            stay = stay.saturating_add(word.count_zeros());
        }
        let dropped_count: u64 = dropped.iter().map(|word| u64::from(word.count_ones())).sum();
        let count = u64::from(pushed).saturating_sub(dropped_count);
        Ok(Self { dropped, before, count })
    }

    /// The record that an entry becomes; `None` where it is dropped.
    pub(super) fn record(&self, number: u32) -> Option<u32> {
        let (at, bit) = place_of(number);
        let word = *self.dropped.get(at)?;
        let stay_before = (!word & bit.wrapping_sub(1)).count_ones();
        (word & bit == 0).then_some(self.before.get(at)?.saturating_add(stay_before))
    }
}

/// Word and bit of an entry.
fn place_of(number: u32) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1_u64.wrapping_shl(number % 64))
}

/// The different digests in order, each with its record, or with the place of its group; and the
/// groups.
pub(super) fn distinct(
    out: &OutputDir,
    rows: &dyn SortedRows,
    algorithm: Algorithm,
    kept: &Kept,
) -> Result<(Distinct, Grown), BuildError> {
    let width = algorithm.width();
    let mut gather = Gather {
        to: Growing::new(out)?,
        groups: Growing::new(out)?,
        digest: Vec::with_capacity(width),
        records: Vec::new(),
        count: 0,
    };
    rows.each(&mut |row| {
        let (digest, rest) = row.split_at_checked(width).ok_or(BuildError::SpillDamaged)?;
        let number = rest.last_chunk().ok_or(BuildError::SpillDamaged)?;
        match kept.record(u32::from_be_bytes(*number)) {
            Some(record) => gather.push(digest, record),
            None => Ok(()),
        }
    })?;
    gather.end_digest()?;
    let Gather { to, groups, count, .. } = gather;
    Ok((Distinct { algorithm, rows: to.finish()?, count }, groups.finish()?))
}

/// Records of one digest after the other.
struct Gather {
    to: Growing,
    groups: Growing,
    digest: Vec<u8>,
    /// Of the current digest.
    records: Vec<u32>,
    count: u64,
}

impl Gather {
    fn push(&mut self, digest: &[u8], record: u32) -> Result<(), BuildError> {
        if self.digest != digest {
            self.end_digest()?;
            self.digest.extend_from_slice(digest);
        }
        self.records.push(record);
        Ok(())
    }

    fn end_digest(&mut self) -> Result<(), BuildError> {
        self.records.sort_unstable();
        let value = match &*self.records {
            [] => return Ok(()),
            [record] => *record,
            [records @ .., last] => {
                let place = u32::try_from(self.groups.len() / 4).ok().filter(|at| *at < MARK - 1);
                let most = u64::from(MARK);
                let what = "entries with digests that are there more than once";
                let place = place.ok_or(BuildError::TooMany { what, most })?;
                for record in records {
                    self.groups.push(&record.to_le_bytes())?;
                }
                self.groups.push(&(last | MARK).to_le_bytes())?;
                place | MARK
            }
        };
        self.to.push(&self.digest)?;
        self.to.push(&value.to_le_bytes())?;
        self.count = self.count.saturating_add(1);
        self.digest.clear();
        self.records.clear();
        Ok(())
    }
}
