//! Sets of byte ranges, and a range of a disk as a stream without owning the disk.
//!
//! Ranges come from tables of hostile disks; no sum wraps and no length is trusted.

use std::io;

use crate::bytes::ReadAt;
use crate::problem::{Problem, Stage};

use super::Code;

/// A range of a borrowed disk.
pub(super) struct Window<'a> {
    disk: &'a dyn ReadAt,
    start: u64,
    len: u64,
}

impl<'a> Window<'a> {
    /// All of it.
    pub(super) fn whole(disk: &'a dyn ReadAt) -> Self {
        Self { disk, start: 0, len: disk.len() }
    }

    /// A part of this one, cut at its end.
    pub(super) fn part(&self, start: u64, len: u64) -> Self {
        let len = len.min(self.len.saturating_sub(start));
        Self { disk: self.disk, start: self.start.saturating_add(start), len }
    }

    /// Number of bytes.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `at`; a problem where bytes cannot be read, or are not there.
    pub(super) fn read_exact(&self, at: u64, buf: &mut [u8]) -> Result<(), Problem> {
        let want = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let problem =
            |code, detail: &str| Problem::new(code, Stage::Partition, detail).at(at, want);
        match self.fill_at(at, buf) {
            Ok(n) if n == buf.len() => Ok(()),
            Ok(_) => Err(problem(Code::PartitionTableDamaged, "it lies past the end of the disk")),
            Err(error) => Err(problem(Code::IoError, &error.to_string())),
        }
    }
}

impl ReadAt for Window<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let place = self.start.checked_add(at);
        match (place, buf.get_mut(..left.min(buf.len()))) {
            (Some(place), Some(buf)) if !buf.is_empty() => self.disk.read_at(place, buf),
            _ => Ok(0),
        }
    }
}

/// Ranges of first byte and length, in any order, that may overlap.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<(u64, u64)>);

impl Spans {
    pub(super) fn push(&mut self, span: (u64, u64)) {
        self.0.push(span);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Adds a range to a set that only this made, whose ranges so have no byte in common. Returns the
    /// parts of the range that were in it already, in order.
    pub(super) fn claim(&mut self, (start, len): (u64, u64)) -> Vec<(u64, u64)> {
        let end = start.saturating_add(len);
        let (mut from, mut to, mut there) = (start, end, Vec::new());
        self.0.retain(|&(at, length)| {
            let last = at.saturating_add(length);
            if last < start || at > end {
                return true;
            }
            let both = at.max(start)..last.min(end);
            if !both.is_empty() {
                there.push((both.start, both.end.saturating_sub(both.start)));
            }
            (from, to) = (from.min(at), to.max(last));
            false
        });
        self.0.push((from, to.saturating_sub(from)));
        there.sort_unstable();
        there
    }

    /// What lies between the ranges in a stream of `len` bytes.
    pub(super) fn gaps(&self, len: u64) -> Vec<(u64, u64)> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let mut out = Vec::new();
        let mut reached = 0_u64;
        for (start, length) in sorted {
            let start = start.min(len);
            if start > reached {
                out.push((reached, start.saturating_sub(reached)));
            }
            reached = reached.max(start.saturating_add(length).min(len));
        }
        if reached < len {
            out.push((reached, len.saturating_sub(reached)));
        }
        out
    }

    /// How many bytes of `span` are in any of the ranges.
    pub(super) fn covered(&self, (start, len): (u64, u64)) -> u64 {
        let end = start.saturating_add(len);
        let inside = |&(from, length): &(u64, u64)| {
            let to = from.saturating_add(length).clamp(start, end);
            let from = from.clamp(start, end);
            (from.saturating_sub(start), to.saturating_sub(from))
        };
        let cut = Self(self.0.iter().map(inside).collect());
        let free = cut.gaps(len).iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.1));
        len.saturating_sub(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_tells_what_was_claimed_before() {
        let mut spans = Spans::default();
        assert_eq!(spans.claim((10, 10)), []);
        assert_eq!(spans.claim((30, 10)), []);
        assert_eq!(spans.claim((20, 5)), [], "beside another");
        assert_eq!(spans.claim((5, 30)), [(10, 15), (30, 5)]);
        assert_eq!(spans.claim((0, u64::MAX)), [(5, 35)]);
        assert_eq!(spans.claim((7, 0)), []);
        assert_eq!(spans.0, [(0, u64::MAX)]);
    }

    #[test]
    fn gaps_and_what_is_covered_sum_to_the_whole() {
        let spans = Spans(vec![(10, 5), (0, 2), (12, 10), (90, 100), (u64::MAX, u64::MAX)]);
        assert_eq!(spans.gaps(100), [(2, 8), (22, 68)]);
        assert_eq!(spans.covered((0, 100)), 2 + 12 + 10);
        assert_eq!(spans.covered((11, 3)), 3);
        assert_eq!(Spans::default().gaps(0), []);
    }
}
