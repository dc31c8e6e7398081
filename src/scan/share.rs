//! Which thread takes the next object where few are waiting.
//!
//! A thread takes as many objects as it has room for, because digests side by side cost the least.
//! While many wait that is right for all. Where few do, at the end of a run or in a folder of some
//! films, the first thread that looks would take every one of them, and the other threads nothing,
//! for as long as it takes to read them. So a thread that has much to do then leaves the next object
//! to one that has less. Nothing but time depends on it, and no thread waits for another: one that
//! has little to do always takes what is there.

use std::sync::atomic::{AtomicU64, Ordering};

use super::flight::{LONG, MOST};

/// Waiting objects of which there are enough for any number of threads.
const PLENTY: usize = 512;

/// Bytes that each thread has to read, as far as it said.
pub(super) struct Loads(Vec<AtomicU64>);

impl Loads {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| AtomicU64::new(0)).collect())
    }

    /// Says what a thread has to read.
    pub(super) fn tell(&self, thread: usize, bytes: u64) {
        if let Some(load) = self.0.get(thread) {
            load.store(bytes, Ordering::Relaxed);
        }
    }

    /// True where this thread, which has so much to read, leaves the next object to another one.
    ///
    /// - `waiting`: objects that are listed and not taken.
    pub(super) fn leaves(&self, thread: usize, bytes: u64, waiting: usize) -> bool {
        let plenty = self.0.len().saturating_mul(MOST).min(PLENTY);
        let mut others = self.0.iter().enumerate().filter(|(other, _)| *other != thread);
        bytes >= LONG
            && waiting < plenty
            && others.any(|(_, load)| load.load(Ordering::Relaxed) < bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_long_objects_are_shared_out() {
        let loads = Loads::new(3);
        let mut taken = [0; 3];
        for waiting in (0..20).rev() {
            // whichever thread is first asks for every one of them
            let takes = (0..3).find(|&n| !loads.leaves(n, taken[n] * LONG, waiting)).unwrap();
            taken[takes] += 1;
            loads.tell(takes, taken[takes] * LONG);
        }
        taken.sort_unstable();
        assert_eq!(taken, [6, 7, 7]);
    }

    #[test]
    fn a_thread_takes_what_is_there_while_it_has_little_to_do_or_many_wait() {
        let loads = Loads::new(2);
        assert!(loads.leaves(0, LONG, 0), "the other one has nothing to do");
        assert!(!loads.leaves(0, LONG - 1, 0));
        assert!(!loads.leaves(0, LONG, 2 * MOST));
        loads.tell(1, LONG);
        assert!(!loads.leaves(0, LONG, 0), "it has as much to do");
        assert!(!Loads::new(1).leaves(0, u64::MAX, 0), "there is no other one");
    }
}
