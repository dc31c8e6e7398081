//! Permits for open folders: never more than [`super::DESCRIPTORS`], and never a deadlock.
//!
//! A folder stays open while listed objects of it wait to be examined. Where all permits are out,
//! the walker waits a moment for examining to free one; where nothing is freed, because nobody
//! examines now or all are busy with long files, the folders that merely wait are closed, oldest
//! first. Their objects find them again from the root. Only speed depends on this, never a row.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::DESCRIPTORS;
use super::place::Place;

/// Permits for finding a closed folder again, which needs two at a time.
const PASSING: usize = 12;

/// How long the walker waits for examining to free a permit.
const PATIENCE: Duration = Duration::from_millis(20);

/// How often a waiting walker looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Registered folders above which those already closed are forgotten.
const FORGET_ABOVE: usize = 4 * DESCRIPTORS;

/// The permits of one evidence folder.
pub(super) struct Descriptors {
    staying: Arc<Permits>,
    passing: Arc<Permits>,
    /// Open folders that the walker does not need, oldest first.
    idle: Mutex<VecDeque<Weak<Place>>>,
    /// True after a wait in vain, until a permit is given back by itself.
    stalled: AtomicBool,
}

struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to hold some folders open; dropping it gives it back.
pub(super) struct Permit {
    permits: Arc<Permits>,
    number: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut free = lock(&self.permits.free);
        *free = free.saturating_add(self.number);
        self.permits.freed.notify_all();
    }
}

impl Default for Descriptors {
    fn default() -> Self {
        let permits = |free| Arc::new(Permits { free: Mutex::new(free), freed: Condvar::new() });
        Self {
            staying: permits(DESCRIPTORS.saturating_sub(PASSING)),
            passing: permits(PASSING),
            idle: Mutex::default(),
            stalled: AtomicBool::new(false),
        }
    }
}

impl Descriptors {
    /// A permit to hold one folder open, for the walker; `None` once `cancel` is set.
    pub(super) fn acquire(&self, cancel: &AtomicBool) -> Option<Permit> {
        if let Some(permit) = self.staying.wait(1, Duration::ZERO) {
            return Some(permit);
        }
        if !self.stalled.load(Ordering::Relaxed) {
            if let Some(permit) = self.staying.wait(1, PATIENCE) {
                return Some(permit);
            }
            self.stalled.store(true, Ordering::Relaxed);
        }
        while self.close_oldest() {
            if let Some(permit) = self.staying.wait(1, Duration::ZERO) {
                return Some(permit);
            }
        }
        // What is still open is being used at this moment.
        while !cancel.load(Ordering::Relaxed) {
            if let Some(permit) = self.staying.wait(1, LOOK) {
                return Some(permit);
            }
        }
        None
    }

    /// A permit to hold one folder open, if one is free now.
    pub(super) fn try_acquire(&self) -> Option<Permit> {
        self.staying.wait(1, Duration::ZERO)
    }

    /// Permits for finding a closed folder again. They are held for a few system calls only.
    pub(super) fn pass(&self) -> Permit {
        loop {
            if let Some(permit) = self.passing.wait(2, LOOK) {
                return permit;
            }
        }
    }

    /// Says that examining an object closed a folder.
    pub(super) fn progressed(&self) {
        self.stalled.store(false, Ordering::Relaxed);
    }

    /// Says that `place` is open and may be closed when permits are short.
    pub(super) fn may_close(&self, place: &Arc<Place>) {
        let mut idle = lock(&self.idle);
        if idle.len() > FORGET_ABOVE {
            idle.retain(|place| place.upgrade().is_some_and(|place| place.is_open()));
        }
        idle.push_back(Arc::downgrade(place));
    }

    /// Closes a folder that merely waits; false where there is none.
    pub(super) fn close_oldest(&self) -> bool {
        loop {
            let Some(oldest) = lock(&self.idle).pop_front() else { return false };
            if oldest.upgrade().is_some_and(|place| place.close()) {
                return true;
            }
        }
    }
}

impl Permits {
    /// Takes `number` permits, waiting for at most `patience`.
    fn wait(self: &Arc<Self>, number: usize, patience: Duration) -> Option<Permit> {
        let free = lock(&self.free);
        let too_few = |free: &mut usize| *free < number;
        let (mut free, _) = self
            .freed
            .wait_timeout_while(free, patience, too_few)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(number)?;
        Some(Permit { permits: Arc::clone(self), number })
    }
}

/// The state behind these locks is whole between any two statements, so a panic elsewhere does
/// not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
