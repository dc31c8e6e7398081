//! A seam for tests: orders, short reads and errors that a healthy machine does not give.
//!
//! It needs no privilege and no global: a test makes one, hands it to [`super::Kernel::through`]
//! and keeps its own handle. The command line never makes one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Errno;

/// A group of system calls that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Opening a file or folder.
    Open,
    /// Asking what is known of an object or file system.
    Stat,
    /// Reading names of a folder.
    Names,
    /// Reading bytes.
    Read,
    /// Reading the target of a link.
    ReadLink,
    /// Asking where the holes of a file are.
    Seek,
}

/// An error that a call gives instead of being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which calls.
    pub call: Call,
    /// Which of them, counted from 1.
    pub nth: u64,
    /// True where every later one fails too.
    pub for_ever: bool,
    /// The error.
    pub error: Errno,
}

/// What is done to the system calls of one test.
#[derive(Debug, Default)]
pub struct Seam {
    /// Gives the names of a folder in an order made from this number.
    pub shuffle: Option<u64>,
    /// Withholds what each name stands for, as some file systems do.
    pub hide_kinds: bool,
    /// Does without `openat2`, as before Linux 5.6.
    pub no_openat2: bool,
    /// Gives at most so many bytes for each read; more than 0.
    pub read_cap: Option<usize>,
    /// Whether evidence lies on a disk that turns, whatever the machine says.
    pub turns: Option<bool>,
    /// Ends the process when a file of this name is opened, as a fault in a decoder would.
    pub deadly: Option<Vec<u8>>,
    /// Errors to give.
    pub faults: Vec<Fault>,
    /// How often each kind of call was about to be made.
    pub counts: [AtomicU64; 6],
    /// Bytes that were read of files.
    pub bytes: AtomicU64,
}

impl Seam {
    /// How many calls of this kind there were.
    pub fn count(&self, call: Call) -> u64 {
        self.counter(call).load(Ordering::Relaxed)
    }

    fn counter(&self, call: Call) -> &AtomicU64 {
        let [open, stat, names, read, link, seek] = &self.counts;
        match call {
            Call::Open => open,
            Call::Stat => stat,
            Call::Names => names,
            Call::Read => read,
            Call::ReadLink => link,
            Call::Seek => seek,
        }
    }

    pub(super) fn count_bytes(&self, read: usize) {
        self.bytes.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn before(&self, call: Call) -> Result<(), Errno> {
        let number = self.counter(call).fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let hits = |fault: &&Fault| {
            fault.call == call && (fault.nth == number || (fault.for_ever && fault.nth < number))
        };
        self.faults.iter().find(hits).map_or(Ok(()), |fault| Err(fault.error))
    }

    /// Puts names into an order that depends on the seed and their number alone.
    pub(super) fn reorder<T>(&self, names: &mut [T]) {
        let Some(seed) = self.shuffle else { return };
        let mut state = seed | 1;
        for last in (1..names.len()).rev() {
            // xorshift64: any fair-looking order will do
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let choices = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
            let other = usize::try_from(state % choices).unwrap_or_default();
            names.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_call_fails_once_or_for_ever() {
        let fault = |for_ever| Fault { call: Call::Read, nth: 2, for_ever, error: Errno::IO };
        for for_ever in [false, true] {
            let seam = Seam { faults: vec![fault(for_ever)], ..Seam::default() };
            let failed: Vec<bool> = (0..4).map(|_| seam.before(Call::Read).is_err()).collect();
            assert_eq!(failed, [false, true, for_ever, for_ever]);
            assert_eq!((seam.count(Call::Read), seam.before(Call::Open)), (4, Ok(())));
        }
    }

    #[test]
    fn another_order_has_the_same_names() {
        let seam = Seam { shuffle: Some(7), ..Seam::default() };
        let mut names: Vec<u32> = (0..100).collect();
        seam.reorder(&mut names);
        assert!(!names.is_sorted());
        names.sort_unstable();
        assert!(names.into_iter().eq(0..100));
    }
}
