//! Evidence that goes away while it is read: a drawn cable, a share that no longer answers.
//!
//! An error that such a loss gives is taken as one of the object only where the root of the
//! evidence is still there. Where it is not, everybody waits for it to come back, for some seconds;
//! then the folder is lost: every later call fails at once, and whoever drives the run stops it.
//! A million objects thus never become a million rows of errors.
//!
//! Where the system is short of descriptors or memory, that too says nothing of the object: openers
//! wait for a minute, and then the folder counts as lost.
//!
//! Source: errno(3); the folder of block devices in sysfs(5).

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Ground;
use crate::problem::Problem;
use crate::sys::{self, Errno, OpenedAs, Stat};

/// How long to wait before each look for the evidence, ten seconds in all.
const WAITS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// How often an opener is tried while the system is short of descriptors or memory, each of which
/// takes [`sys::SHORTAGE_WAIT`].
const SHORTAGES: u32 = 60;

/// Whether a folder is lost.
pub(super) struct Loss {
    /// True where the machine listed the device at the start, so that its absence says something.
    listed: bool,
    lost: OnceLock<Errno>,
}

impl Loss {
    pub(super) fn new(root: &Stat) -> Self {
        Self { listed: sys::device_is_listed(root.device), lost: OnceLock::new() }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    pub(super) fn told(&self) -> Option<String> {
        let error = *self.lost.get()?;
        let symbol = sys::symbol(error);
        if sys::is_shortage(error) {
            let seconds = sys::SHORTAGE_WAIT.saturating_mul(SHORTAGES).as_secs();
            let what = "the system was short of descriptors or memory";
            return Some(format!("{symbol}: {what} for {seconds} s"));
        }
        let seconds = WAITS.iter().sum::<Duration>().as_secs();
        Some(format!("{symbol}: it did not come back within {seconds} s"))
    }
}

impl Ground {
    /// Opens something and counts how. While the system is short of descriptors or memory, folders
    /// that merely wait are closed and it is tried again; where that lasts, the folder is lost.
    pub(super) fn open<T>(
        &self,
        mut open: impl FnMut() -> Result<(T, OpenedAs), Errno>,
    ) -> Result<T, Errno> {
        let mut short = Errno::MFILE;
        for _ in 0..SHORTAGES {
            match open() {
                Err(error) if sys::is_shortage(error) => short = error,
                opened => {
                    let (opened, how) = opened?;
                    self.count(how);
                    return Ok(opened);
                }
            }
            if self.loss.is_lost() || self.cancel.load(Ordering::Relaxed) {
                return Err(short); // nobody asks for what becomes of the object
            }
            self.descriptors.close_oldest();
        }
        let _first_or_the_same = self.loss.lost.set(short);
        Err(short)
    }

    /// Does something again where what it met was the loss of the whole and the loss has ended.
    pub(super) fn patiently<T>(
        &self,
        mut act: impl FnMut() -> Result<Result<T, Errno>, Problem>,
    ) -> Result<Result<T, Errno>, Problem> {
        let tried = act();
        let suspicious = match &tried {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => sys::is_loss(*error) || sys::is_unreadable(*error),
            Err(_) => true,
        };
        if suspicious && self.is_back() { act() } else { tried }
    }

    /// Looks for the evidence after a call failed; waits where it is away. True where it was away
    /// and has come back: what failed may be tried again.
    pub(super) fn is_back(&self) -> bool {
        if self.loss.is_lost() {
            return false;
        }
        let Err(mut error) = self.look() else { return false };
        for wait in WAITS {
            self.kernel.wait(wait);
            match self.look() {
                Ok(()) => return true,
                Err(again) => error = again,
            }
        }
        let _first_or_the_same = self.loss.lost.set(error);
        false
    }

    /// The root as it was, on a device that is there.
    fn look(&self) -> Result<(), Errno> {
        let stat = self.kernel.stat_path(&self.root)?;
        self.kernel.file_system(&self.root)?;
        if self.loss.listed && !sys::device_is_listed(self.stat.device) {
            return Err(Errno::NODEV);
        }
        // Another folder under the root's path is what a mount leaves that is gone.
        if stat.is_same_object(&self.stat) { Ok(()) } else { Err(Errno::NODEV) }
    }
}
