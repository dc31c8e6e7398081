//! Which bytes of a file need no reading, because its file system keeps them nowhere.
//!
//! What is kept nowhere is zeros by the file system's own account, whether it is read or asked for;
//! so only file systems are asked that answer both from the same map. A server or a FUSE program
//! could say one thing and give another, and some file systems called bytes a hole that had only
//! not reached the disk. Files that take about the room of their bytes are not asked about at all,
//! and whatever an answer leaves open is read.
//!
//! Source: lseek(2), stat(2). The list of file systems is a judgement: those whose driver looks
//! for holes in the same extents that its reads go by.

use crate::sys::{Errno, Span, Stat};

/// Bytes of a file that no block stands for before anybody asks where they are.
const WORTH_ASKING: u64 = 256 << 10;
/// Bytes of a hole below which it is read: they cost less than the questions.
const WORTH_SKIPPING: u64 = 64 << 10;
/// Questions that are free. From then on each has to be paid for by [`WORTH_SKIPPING`] bytes, so
/// that a file of many small holes is soon read like any other.
const FREE: u64 = 16;

/// File systems whose holes are those that reading goes by.
const TRUSTED: [&str; 5] = ["ext2", "ext3", "ext4", "xfs", "tmpfs"];

/// What is known of the holes of one file.
pub(super) struct Sparse {
    /// Bytes of the file; 0 where nobody asks any more.
    size: u64,
    asked: u64,
    /// What the last answer said of the bytes before its end.
    span: Span,
}

/// What to do with the next bytes, up to and without the one that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Read(u64),
    Zeros(u64),
}

impl Sparse {
    /// - `fs_type`: of the file system, as the kernel names it.
    pub(super) fn of(fs_type: &str, stat: &Stat) -> Self {
        let nowhere = stat.size.saturating_sub(stat.stored);
        let asks = nowhere >= WORTH_ASKING && TRUSTED.contains(&fs_type);
        let size = if asks { stat.size } else { 0 };
        Self { size, asked: 0, span: Span { end: 0, hole: false } }
    }

    /// What to do with the bytes from `at` on; `ask` says what lies at a place.
    pub(super) fn next(&mut self, at: u64, ask: impl FnOnce(u64) -> Result<Span, Errno>) -> Next {
        if at >= self.size {
            return Next::Read(u64::MAX); // what grew behind the end is no hole of this file
        }
        if at >= self.span.end {
            let paid = at.checked_div(WORTH_SKIPPING).unwrap_or_default().saturating_add(FREE);
            let span = if self.asked < paid { ask(at) } else { Err(Errno::AGAIN) };
            self.asked = self.asked.saturating_add(1);
            let Ok(mut span) = span else {
                self.size = 0;
                return Next::Read(u64::MAX);
            };
            span.end = span.end.min(self.size);
            span.hole &= span.end.saturating_sub(at) >= WORTH_SKIPPING;
            self.span = span;
        }
        if self.span.hole { Next::Zeros(self.span.end) } else { Next::Read(self.span.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sparse() -> Sparse {
        Sparse { size: 64 * MIB, asked: 0, span: Span { end: 0, hole: false } }
    }

    fn stored(end: u64) -> Result<Span, Errno> {
        Ok(Span { end, hole: false })
    }

    fn hole(end: u64) -> Result<Span, Errno> {
        Ok(Span { end, hole: true })
    }

    #[test]
    fn an_answer_holds_up_to_its_end_and_no_further_than_the_file() {
        let mut file = sparse();
        assert_eq!(file.next(0, |_| stored(MIB)), Next::Read(MIB));
        assert_eq!(file.next(MIB - 1, |_| panic!("it is known")), Next::Read(MIB));
        assert_eq!(file.next(MIB, |_| hole(u64::MAX)), Next::Zeros(64 * MIB));
        assert_eq!(file.next(64 * MIB, |_| panic!("it has ended")), Next::Read(u64::MAX));
    }

    #[test]
    fn after_an_error_everything_is_read() {
        let mut file = sparse();
        assert_eq!(file.next(0, |_| hole(MIB)), Next::Zeros(MIB));
        assert_eq!(file.next(MIB, |_| Err(Errno::INVAL)), Next::Read(u64::MAX));
        assert_eq!(file.next(2 * MIB, |_| panic!("nobody asks")), Next::Read(u64::MAX));
    }

    #[test]
    fn small_holes_are_read_and_soon_not_asked_for() {
        let (mut file, mut at, mut asked) = (sparse(), 0, 0);
        loop {
            let next = file.next(at, |at| {
                asked += 1;
                Ok(Span { end: at + 4096, hole: at % 8192 == 0 })
            });
            let Next::Read(end) = next else { panic!("{next:?}") };
            if end == u64::MAX {
                break;
            }
            at = end;
        }
        assert!((FREE..FREE + 4).contains(&asked), "{asked}");
    }
}
