//! Which thread takes the next object.
//!
//! A thread takes as many objects as it has room for, because digests side by side cost the least.
//! While many wait that is right for all. Where few do, at the end of a run or in a folder of some
//! films, the first thread that looks would take every one of them, and the other threads nothing,
//! for as long as it takes to read them. So a thread that has much to do then leaves the next object
//! to one that has less. Nothing but time depends on it, and no thread waits for another: one that
//! has little to do always takes what is there.
//!
//! There may be more threads than cores, so that the device is asked for many small objects at a
//! time. A long one needs no company of that kind and much of a core: a thread beyond the number of
//! cores that opened one hands it to those that have one, whose digests run side by side. Where
//! these have enough of them it keeps it. A thread that takes ends when all that give have ended, and
//! these wait for nobody.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::flight::{LONG, MOST};
use super::object::Opened;
use super::resume::Job;
use crate::item::{ObjectPath, OrderKey};

/// Waiting objects of which there are enough for any number of threads.
const PLENTY: usize = 512;

/// An open object that another thread is to read.
pub(super) struct Long {
    pub(super) evidence: u32,
    pub(super) place: (ObjectPath, OrderKey),
    pub(super) opened: Opened,
}

/// What a thread is to do next.
pub(super) enum Next {
    /// A listed object.
    Job(Job),
    /// One that is open already.
    Long(Box<Long>),
}

/// Where one thread gets its objects from.
pub(super) struct Queue {
    items: Receiver<Job>,
    long: Side,
}

enum Side {
    Takes(Receiver<Box<Long>>),
    Gives(Sender<Box<Long>>),
}

impl Queue {
    /// One for each thread; the first `computing` of them take what is long.
    pub(super) fn for_each(items: &Receiver<Job>, threads: usize, computing: usize) -> Vec<Self> {
        let (long_in, long) = bounded(computing.saturating_mul(MOST / 2));
        let side = |number| match number < computing {
            true => Side::Takes(long.clone()),
            false => Side::Gives(long_in.clone()),
        };
        (0..threads).map(|number| Self { items: items.clone(), long: side(number) }).collect()
    }

    /// The next object; waits for one where the thread has nothing to do. `None` where it waited
    /// and there will be no more, or where none is there.
    pub(super) fn next(&self, idle: bool) -> Option<Next> {
        let job = |items: &Receiver<Job>| match idle {
            true => items.recv().ok().map(Next::Job),
            false => items.try_recv().ok().map(Next::Job),
        };
        let Side::Takes(long) = &self.long else { return job(&self.items) };
        if let Ok(long) = long.try_recv() {
            return Some(Next::Long(long));
        }
        if !idle {
            return job(&self.items);
        }
        select! {
            recv(self.items) -> item => match item {
                Ok(item) => Some(Next::Job(item)),
                Err(_) => long.recv().ok().map(Next::Long),
            },
            recv(long) -> open => match open {
                Ok(open) => Some(Next::Long(open)),
                Err(_) => job(&self.items),
            },
        }
    }

    /// Gives a long object away; back where there is nobody to take it.
    pub(super) fn hand_over(&self, open: Long) -> Option<Long> {
        match &self.long {
            Side::Gives(long) if open.opened.object.size() >= LONG => {
                long.try_send(Box::new(open)).err().map(|back| *back.into_inner())
            }
            _ => Some(open),
        }
    }

    /// Objects that wait for a thread.
    pub(super) fn len(&self) -> usize {
        match &self.long {
            Side::Takes(long) => self.items.len().saturating_add(long.len()),
            Side::Gives(_) => self.items.len(),
        }
    }
}

/// Bytes that each thread with a core has to read, as far as it said.
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
