//! A file with changes that were never written to it: what a log says, put over it in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::bytes::ReadAt;

/// Where the bytes of a change come from.
#[derive(Debug, Clone, Copy)]
enum Change {
    Zeros,
    /// From this place of the kept bytes on.
    Kept(usize),
}

/// A file with changes over it.
pub(super) struct Overlay {
    file: Arc<dyn ReadAt>,
    /// Changes by their start, none overlapping another: end and source.
    changes: BTreeMap<u64, (u64, Change)>,
    kept: Vec<u8>,
    len: u64,
}

impl Overlay {
    pub(super) fn new(file: Arc<dyn ReadAt>) -> Self {
        let len = file.len();
        Self { file, changes: BTreeMap::new(), kept: Vec::new(), len }
    }

    /// Puts bytes over the file; later changes win.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let change = Change::Kept(self.kept.len());
        self.kept.extend_from_slice(bytes);
        self.put(at..at.saturating_add(len), change);
    }

    /// Puts zeros over the file.
    pub(super) fn clear(&mut self, range: Range<u64>) {
        self.put(range, Change::Zeros);
    }

    fn put(&mut self, range: Range<u64>, change: Change) {
        if range.is_empty() {
            return;
        }
        let first = self.changes.range(..=range.start).next_back().map(|(start, _)| *start);
        let first = first.unwrap_or(range.start);
        let hit = self.changes.range(first..range.end);
        let hit: Vec<_> = hit.map(|(start, old)| (*start, *old)).collect();
        for (start, (end, old)) in hit {
            if end <= range.start {
                continue;
            }
            self.changes.remove(&start);
            if start < range.start {
                self.changes.insert(start, (range.start, old));
            }
            if end > range.end {
                let cut = usize::try_from(range.end.saturating_sub(start)).unwrap_or(usize::MAX);
                let rest = match old {
                    Change::Zeros => Change::Zeros,
                    Change::Kept(from) => Change::Kept(from.saturating_add(cut)),
                };
                self.changes.insert(range.end, (end, rest));
            }
        }
        self.len = self.len.max(range.end);
        self.changes.insert(range.start, (range.end, change));
    }
}

impl ReadAt for Overlay {
    fn len(&self) -> u64 {
        self.len
    }

    /// One run at a time: what is changed, or what is not.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let before = self.changes.range(..=at).next_back();
        let here = before.filter(|(_, (end, _))| *end > at);
        let next = self.changes.range(at.saturating_add(1)..).next().map(|(start, _)| *start);
        let end = here.map_or(next.unwrap_or(u64::MAX), |(_, (end, _))| *end);
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(buf.len());
        let buf = buf.get_mut(..most).unwrap_or_default();
        match here {
            None => self.file.read_at(at, buf),
            Some((_, (_, Change::Zeros))) => {
                buf.fill(0);
                Ok(buf.len())
            }
            Some((start, (_, Change::Kept(from)))) => {
                let skip = usize::try_from(at.saturating_sub(*start)).unwrap_or(usize::MAX);
                let from = self.kept.get(from.saturating_add(skip)..).unwrap_or_default();
                ReadAt::read_at(from, 0, buf)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Owned(Vec<u8>);
    impl ReadAt for Owned {
        fn len(&self) -> u64 {
            self.0.as_slice().len().try_into().unwrap()
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            ReadAt::read_at(self.0.as_slice(), at, buf)
        }
    }

    #[test]
    fn changes_in_any_order_read_as_if_they_had_been_written() {
        let mut expected: Vec<u8> = vec![7; 200];
        let mut overlay = Overlay::new(Arc::new(Owned(expected.clone())));
        let mut state = 1_u64;
        let mut random = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((state >> 33) % most).unwrap()
        };
        for round in 0..2_000 {
            let (at, len) = (random(180), random(20) + 1);
            let range = at..at + len;
            if round % 3 == 0 {
                overlay.clear(at.try_into().unwrap()..range.end.try_into().unwrap());
                expected[range].fill(0);
            } else {
                let bytes: Vec<u8> = (0..len).map(|_| random(256).try_into().unwrap()).collect();
                overlay.write(at.try_into().unwrap(), &bytes);
                expected[range].copy_from_slice(&bytes);
            }
            let from = random(200);
            let mut buf = vec![1; 200 - from];
            assert_eq!(overlay.fill_at(from.try_into().unwrap(), &mut buf).unwrap(), buf.len());
            assert!(buf == expected[from..], "round {round}");
        }
    }
}
