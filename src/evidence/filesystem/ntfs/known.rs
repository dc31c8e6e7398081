//! All names that the records of the master file table state, few bytes each: what the indexes of
//! folders are compared with.

use super::record::Record;

/// Whether the object of a name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// It does, and an index lists the name.
    Listed,
    /// It does.
    Existing,
    /// It is deleted.
    Deleted,
}

impl Use {
    /// That of a record.
    pub(super) const fn of(record: &Record<'_>) -> Self {
        if record.is_in_use() { Self::Existing } else { Self::Deleted }
    }
}

/// A name with its folder, as a number, and the object that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    key: u64,
    record: u32,
    state: Use,
}

/// Names by their keys.
#[derive(Debug, Default)]
pub(super) struct KnownNames(Vec<Known>);

impl KnownNames {
    /// Adds a name of a record.
    pub(super) fn add(&mut self, key: u64, record: u64, state: Use) {
        if let Ok(record) = u32::try_from(record) {
            self.0.push(Known { key, record, state });
        }
    }

    /// Puts the names in order, when all were added.
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by_key(|known| (known.key, known.record));
        self.0.shrink_to_fit();
    }

    /// Whose the name is, if the record has it.
    pub(super) fn of(&self, key: u64, record: u64) -> Option<Use> {
        self.0.get(self.index(key, record)?).map(|known| known.state)
    }

    /// Notes that an index lists the name of an existing object; false where there is none.
    pub(super) fn list(&mut self, key: u64, record: u64) -> bool {
        let index = self.index(key, record);
        let known = index.and_then(|index| self.0.get_mut(index));
        let Some(known) = known.filter(|known| known.state != Use::Deleted) else { return false };
        known.state = Use::Listed;
        true
    }

    /// True where any object has or had the name.
    pub(super) fn is_known(&self, key: u64) -> bool {
        let at = self.0.partition_point(|known| known.key < key);
        self.0.get(at).is_some_and(|known| known.key == key)
    }

    fn index(&self, key: u64, record: u64) -> Option<usize> {
        let record = u32::try_from(record).ok()?;
        self.0.binary_search_by_key(&(key, record), |known| (known.key, known.record)).ok()
    }
}
