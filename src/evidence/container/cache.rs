//! A small cache that threads share: decoded chunks, entries of tables.
//!
//! A lock is held only to look and to put, never while something is read or inflated; two threads
//! that miss the same entry at once both make it, which is harmless.

use std::sync::{Arc, Mutex, PoisonError};

/// Entries in order of use, the newest first.
type Shard<T> = Mutex<Vec<(u64, Arc<T>)>>;

/// Least recently used first out, in shards so that threads rarely meet.
pub(super) struct Cache<T: ?Sized> {
    shards: Vec<Shard<T>>,
    each: usize,
}

impl<T: ?Sized> Cache<T> {
    /// A cache of `shards` parts of `each` entries.
    pub(super) fn new(shards: usize, each: usize) -> Self {
        let shards = (0..shards.max(1)).map(|_| Mutex::default()).collect();
        Self { shards, each: each.max(1) }
    }

    /// The entry of this key, if it is there.
    pub(super) fn get(&self, key: u64) -> Option<Arc<T>> {
        let mut shard = self.shard(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        let at = shard.iter().position(|(known, _)| *known == key)?;
        let found = shard.remove(at);
        let value = Arc::clone(&found.1);
        shard.insert(0, found);
        Some(value)
    }

    /// Puts an entry in; the one that was not asked for the longest goes.
    pub(super) fn put(&self, key: u64, value: &Arc<T>) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.iter().all(|(known, _)| *known != key) {
            shard.truncate(self.each.saturating_sub(1));
            shard.insert(0, (key, Arc::clone(value)));
        }
    }

    fn shard(&self, key: u64) -> Option<&Shard<T>> {
        let shards = u64::try_from(self.shards.len()).ok()?;
        self.shards.get(usize::try_from(key.checked_rem(shards)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_the_longest_goes() {
        let cache: Cache<u8> = Cache::new(1, 2);
        cache.put(1, &Arc::new(1));
        cache.put(2, &Arc::new(2));
        assert_eq!(cache.get(1).as_deref(), Some(&1));
        cache.put(3, &Arc::new(3));
        assert_eq!([1, 2, 3].map(|key| cache.get(key).is_some()), [true, false, true]);
    }
}
