//! Reads that go on after bytes which cannot be read.

use std::ops::Range;

use crate::bytes::ReadAt;

/// The step by which a run that fails is tried again.
const STEP: usize = 512;

/// Fills `buf` from `at`; what cannot be read, or lies past the end, is zero.
///
/// Returns which parts of `buf` that is.
pub(super) fn fill(volume: &dyn ReadAt, at: u64, buf: &mut [u8]) -> Vec<Range<usize>> {
    match volume.fill_at(at, buf) {
        Ok(n) if n == buf.len() => return Vec::new(),
        Ok(n) => {
            let len = buf.len();
            buf.iter_mut().skip(n).for_each(|byte| *byte = 0);
            return std::iter::once(n..len).collect();
        }
        Err(_) => {}
    }
    let mut bad: Vec<Range<usize>> = Vec::new();
    let mut done = 0_usize;
    for part in buf.chunks_mut(STEP) {
        let end = done.saturating_add(part.len());
        let place = u64::try_from(done).unwrap_or(u64::MAX).saturating_add(at);
        let got = volume.fill_at(place, part).unwrap_or(0);
        if got < part.len() {
            part.iter_mut().skip(got).for_each(|byte| *byte = 0);
            let start = done.saturating_add(got);
            match bad.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => bad.push(start..end),
            }
        }
        done = end;
    }
    bad
}

/// Bytes of such parts that the volume has: those past its end are not counted.
pub(super) fn lost_bytes(volume: &dyn ReadAt, at: u64, bad: &[Range<usize>]) -> u64 {
    let place = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).saturating_add(at);
    bad.iter().map(|part| present(place(part.start), place(part.end), volume.len())).sum()
}

/// Bytes from `start` to `end` that a volume of `len` bytes has.
pub(super) fn present(start: u64, end: u64, len: u64) -> u64 {
    end.min(len).saturating_sub(start)
}
