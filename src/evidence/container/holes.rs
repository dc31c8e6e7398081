//! Bytes of a medium that somebody said are not what was on it: those an acquisition could not
//! read and filled, those a list of bad sectors names.
//!
//! Such bytes are there in the image, mostly as zeros, and are never given out as content.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::bytes::{ReadAt, Unreadable};
use crate::problem::Code;

/// Ranges of one kind: sorted, merged where they touch, none empty, none past the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Brings ranges into order; what lies at or past `len` is left out.
    pub fn new(mut ranges: Vec<Range<u64>>, len: u64) -> Self {
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            let range = range.start..range.end.min(len);
            match merged.last_mut() {
                _ if range.is_empty() => {}
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The ranges, in order.
    pub fn as_slice(&self) -> &[Range<u64>] {
        &self.0
    }

    /// Number of bytes in all of them.
    pub fn bytes(&self) -> u64 {
        let len = |range: &Range<u64>| range.end.saturating_sub(range.start);
        self.0.iter().map(len).fold(0, u64::saturating_add)
    }

    /// The first range that ends after `at`.
    fn next(&self, at: u64) -> Option<&Range<u64>> {
        self.0.get(self.0.partition_point(|range| range.end <= at))
    }
}

/// A stream whose named ranges are not given.
pub(super) struct Masked {
    pub(super) whole: Arc<dyn ReadAt>,
    pub(super) ranges: Ranges,
    pub(super) code: Code,
    pub(super) detail: &'static str,
}

impl ReadAt for Masked {
    fn len(&self) -> u64 {
        self.whole.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(range) = self.ranges.next(at) else { return self.whole.read_at(at, buf) };
        if range.contains(&at) {
            let detail = self.detail.to_owned();
            return Err(Unreadable { range: range.clone(), code: self.code, detail }.into_error());
        }
        let most = usize::try_from(range.start.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = most.min(buf.len());
        self.whole.read_at(at, buf.get_mut(..most).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_merged_and_cut() {
        let ranges = Ranges::new(vec![50..60, 0..10, 10..20, 15..18, 90..200, 7..7, 300..400], 100);
        assert_eq!(ranges.as_slice(), [0..20, 50..60, 90..100]);
        assert_eq!(ranges.bytes(), 40);
    }

    #[test]
    fn a_read_stops_before_a_hole_and_fails_in_it() {
        let data: Arc<dyn ReadAt> = Arc::new(Whole);
        let ranges = Ranges::new(vec![10..15, 15..20], 100);
        let masked = Masked { whole: data, ranges, code: Code::BadSectors, detail: "listed" };
        let mut buf = [0; 64];
        assert_eq!(masked.read_at(4, &mut buf).unwrap(), 6);
        let error = masked.read_at(12, &mut buf).unwrap_err();
        assert_eq!(Unreadable::of(&error).unwrap().range, 10..20);
        assert_eq!(masked.read_at(20, &mut buf).unwrap(), 64);
    }

    struct Whole;
    impl ReadAt for Whole {
        fn len(&self) -> u64 {
            100
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            Ok(buf.len().min(usize::try_from(100 - at).unwrap()))
        }
    }
}
