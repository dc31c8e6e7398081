//! What each worker has in progress, so that a later process knows it where this one ends without
//! a word: a fault in a decoder, memory that ran out, a kill.
//!
//! One slot of 128 bytes a worker, changed in place by one small write before each object, without
//! fsync: it outlives the process, and where the machine goes down the objects are not to blame.
//! The first slot holds a magic word and the number of times the run had been taken up; slots of
//! another number say nothing. A slot is the length of the key, the CRC-32 of the object's name
//! (u32, little-endian) and the key.

use crate::item::OrderKey;
use crate::output::{FixedFile, OutputDir};
use crate::report::{ReportError, journal};
use std::collections::BTreeMap;

const SLOT: usize = 128;
const MAGIC: [u8; 16] = *b"assay-begun-1\0\0\0";
/// Length and checksum before the key.
const HEAD: usize = 5;

/// The slots of a running scan.
#[derive(Debug)]
pub struct InProgress {
    file: FixedFile,
    slots: usize,
}

impl InProgress {
    /// Makes empty slots.
    ///
    /// - `attempt`: how often the run was taken up so far.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub(super) fn create(out: &OutputDir, slots: usize, attempt: u64) -> Result<Self, ReportError> {
        let file = out.fixed(journal::BEGUN, SLOT.saturating_mul(slots.saturating_add(1)))?;
        let first = [&MAGIC[..], &attempt.to_le_bytes()].concat();
        let begun = Self { file, slots };
        begun.write(0, &first);
        Ok(begun)
    }

    /// Says that the worker of this number begins an object.
    pub fn begin(&self, worker: usize, key: &OrderKey, name: &[u8]) {
        let key = key.as_bytes();
        let mut slot = [0; SLOT];
        // An object so deep inside others has no slot of its own; those it lies in have.
        let Ok(length) = u8::try_from(key.len()) else { return };
        let Some(room) = slot.get_mut(HEAD..HEAD + key.len()) else { return };
        room.copy_from_slice(key);
        let (head, _) = slot.split_at_mut(HEAD);
        head.copy_from_slice(&[&[length][..], &crc32fast::hash(name).to_le_bytes()].concat());
        let (used, _) = slot.split_at(HEAD + key.len());
        self.write(worker + 1, used);
    }

    /// Says that nothing is in progress.
    pub fn clear(&self) {
        for slot in 1..=self.slots {
            self.write(slot, &[0]);
        }
    }

    /// A disk that does not take this will not take the journal either, which is not silent.
    fn write(&self, slot: usize, bytes: &[u8]) {
        let at = u64::try_from(slot * SLOT).unwrap_or(u64::MAX);
        let _told_by_the_journal = self.file.write_at(at, bytes);
    }
}

/// Key and checksum of the name of every object that was in progress at this attempt.
pub(super) fn read(out: &OutputDir, attempt: u64) -> Result<BTreeMap<OrderKey, u32>, ReportError> {
    let bytes = out.read(journal::BEGUN)?.unwrap_or_default();
    let first = [&MAGIC[..], &attempt.to_le_bytes()].concat();
    if !bytes.starts_with(&first) {
        return Ok(BTreeMap::new());
    }
    let slot = |slot: &[u8]| {
        let (length, rest) = slot.split_first()?;
        let (name, rest) = rest.split_first_chunk::<4>()?;
        let key = rest.get(..usize::from(*length)).filter(|key| !key.is_empty())?;
        Some((OrderKey::from_bytes(key), u32::from_le_bytes(*name)))
    };
    Ok(bytes.chunks_exact(SLOT).skip(1).filter_map(slot).collect())
}

/// The checksum by which an object is known to be the one that was in progress.
pub fn name_sum(name: &[u8]) -> u32 {
    crc32fast::hash(name)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own folder")]
mod tests {
    use super::*;
    use crate::output::Faults;

    #[test]
    fn what_was_in_progress_is_read_back_by_the_next_attempt_only() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutputDir::create(&dir.path().join("r"), Faults::default()).unwrap();
        out.make_folder("journal").unwrap();
        let begun = InProgress::create(&out, 3, 2).unwrap();
        let key = OrderKey::evidence(1).child(0).child(7);
        begun.begin(2, &key, b"a.jpg");
        assert_eq!(read(&out, 2).unwrap(), [(key, name_sum(b"a.jpg"))].into());
        assert!(read(&out, 3).unwrap().is_empty());
        begun.clear();
        assert!(read(&out, 2).unwrap().is_empty());
    }
}
