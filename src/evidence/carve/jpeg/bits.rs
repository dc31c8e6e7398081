//! Bits of an entropy-coded segment, with the place each comes from.
//!
//! A stuffed zero behind 0xFF is left out; any other marker ends the segment.
//!
//! Source: ITU-T T.81 (09/92), F.2.2.5 and B.1.1.5.

use std::io::ErrorKind;

use crate::bytes::ReadAt;
use crate::evidence::carve::view::wide;

/// Bytes read first: a trial of a wrong fragment needs no more.
const FIRST_READ: usize = 2 * 1024;
/// Bytes read at once later.
const LONGEST_READ: usize = 64 * 1024;
/// Bytes before the reading position that the bits not yet used can come from, each stuffed.
const LOOK_BACK: usize = 32;

/// Bytes of the longest code.
const LONGEST_CODE: u64 = 2;

/// A place among the bits: what was read of the bytes, and how many bits of it are left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    read_to: u64,
    left: u32,
}

/// Bits, most significant first.
pub(super) struct Bits<'a> {
    source: &'a dyn ReadAt,
    buffer: Vec<u8>,
    /// Where the buffer begins in the source.
    start: u64,
    /// How far it was used.
    used: usize,
    filled: usize,
    /// The next bits, left-aligned; zeros behind them.
    held: u64,
    count: u32,
    /// A marker, or the end of the source, is next.
    ended: bool,
}

impl<'a> Bits<'a> {
    /// Bits from the byte at `at` on.
    pub(super) fn new(source: &'a dyn ReadAt, at: u64) -> Self {
        let buffer = Vec::new();
        Self { source, buffer, start: at, used: 0, filled: 0, held: 0, count: 0, ended: false }
    }

    /// Bits from a place on that was met earlier, in a source with the same bytes before it.
    pub(super) fn resumed(source: &'a dyn ReadAt, at: u64, skip: u32) -> Self {
        let mut bits = Self::new(source, at);
        bits.refill();
        bits.skip(skip);
        bits
    }

    /// Where reading stands, cheaply.
    pub(super) fn place(&self) -> Place {
        Place { read_to: self.read_to(), left: self.count }
    }

    /// How far bytes were taken from the source.
    pub(super) fn read_to(&self) -> u64 {
        self.start.saturating_add(wide(self.used))
    }

    /// The byte that holds the first unused bit, and how many bits of it were used.
    pub(super) fn exact(source: &dyn ReadAt, place: Place) -> (u64, u32) {
        let mut raw = [0_u8; LOOK_BACK];
        let from = place.read_to.saturating_sub(wide(LOOK_BACK));
        let len = usize::try_from(place.read_to.saturating_sub(from)).unwrap_or(0);
        let filled = raw.get_mut(..len).map(|raw| source.fill_at(from, raw));
        let mut before = match filled {
            Some(Ok(n)) if n == len => raw.get(..len).unwrap_or_default(),
            _ => &[],
        };
        let mut at = place.read_to;
        for _ in 0..place.left.div_ceil(8) {
            let back = if before.ends_with(&[0xff, 0]) { 2 } else { 1 };
            before = before.get(..before.len().saturating_sub(back)).unwrap_or_default();
            at = at.saturating_sub(wide(back));
        }
        (at, place.left.div_ceil(8).wrapping_mul(8).wrapping_sub(place.left))
    }

    /// At least 32 bits where so many are left before a marker.
    #[inline]
    pub(super) fn refill(&mut self) {
        if self.count > 32 {
            return;
        }
        let next = self.buffer.get(self.used..self.filled).and_then(|rest| rest.first_chunk::<4>());
        if let Some(bytes) = next {
            let value = u32::from_be_bytes(*bytes);
            let inverted = !value;
            let has_ff = inverted.wrapping_sub(0x0101_0101) & value & 0x8080_8080 != 0;
            if !has_ff {
                self.held |= u64::from(value).wrapping_shl(32_u32.wrapping_sub(self.count));
                self.count = self.count.wrapping_add(32);
                self.used = self.used.wrapping_add(4);
                return;
            }
        }
        self.refill_slowly();
    }

    fn refill_slowly(&mut self) {
        while self.count <= 56 && !self.ended {
            let Some(byte) = self.byte(0) else {
                self.ended = true;
                return;
            };
            if byte == 0xff && self.byte(1) != Some(0) {
                self.ended = true;
                return;
            }
            self.used = self.used.saturating_add(if byte == 0xff { 2 } else { 1 });
            let shift = 56_u32.wrapping_sub(self.count);
            self.held |= u64::from(byte).wrapping_shl(shift);
            self.count = self.count.wrapping_add(8);
        }
    }

    /// A byte not yet used, read if need be.
    fn byte(&mut self, ahead: usize) -> Option<u8> {
        let index = self.used.checked_add(ahead)?;
        if index >= self.filled {
            self.read_more()?;
        }
        let index = self.used.checked_add(ahead)?;
        self.buffer.get(..self.filled)?.get(index).copied()
    }

    /// Drops what was used and reads on.
    fn read_more(&mut self) -> Option<()> {
        let kept = self.filled.checked_sub(self.used)?;
        let size = self.buffer.len().saturating_mul(4).clamp(FIRST_READ, LONGEST_READ);
        self.buffer.copy_within(self.used..self.filled, 0);
        self.buffer.resize(size, 0);
        self.start = self.read_to();
        (self.used, self.filled) = (0, kept);
        loop {
            let at = self.start.saturating_add(wide(kept));
            match self.source.read_at(at, self.buffer.get_mut(kept..)?) {
                Ok(0) => return None,
                Ok(n) => {
                    self.filled = kept.saturating_add(n);
                    return Some(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// The next bits, left-aligned, zeros behind the last.
    #[inline]
    pub(super) const fn ahead(&self) -> u64 {
        self.held
    }

    /// Uses `n` bits, at most 32; false where there are not so many.
    #[inline]
    pub(super) fn skip(&mut self, n: u32) -> bool {
        if n > self.count {
            return false;
        }
        self.held = self.held.wrapping_shl(n);
        self.count = self.count.wrapping_sub(n);
        true
    }

    /// The next `n` bits, at most 16, as a number.
    #[inline]
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        if n == 0 {
            return Some(0);
        }
        if self.count < n {
            self.refill();
        }
        let value = self.held.wrapping_shr(64_u32.wrapping_sub(n));
        self.skip(n).then_some(u32::try_from(value).ok()?)
    }

    /// The byte at which following failed. Of a marker that comes too early it is the second one:
    /// the first may be the last before foreign bytes, as may the beginning of a code that stands
    /// for nothing.
    pub(super) fn failed_at(&self) -> u64 {
        let marker = self.read_to().saturating_add(1);
        if self.ended && self.count < 32 {
            return marker;
        }
        let (at, _) = Self::exact(self.source, self.place());
        at.saturating_add(LONGEST_CODE).min(marker)
    }

    /// Where the marker stands that ends the segment, once fewer than eight bits are left before
    /// it; at most `slack` whole bytes are passed over to get there.
    pub(super) fn marker(&mut self, slack: u32) -> Option<u64> {
        for _ in 0..=slack {
            self.refill();
            if self.ended && self.count < 8 {
                return self.byte(0).map(|_| self.read_to());
            }
            let whole = self.count & 7;
            self.skip(if whole == 0 { 8 } else { whole });
        }
        None
    }

    /// Uses up the restart marker that comes next and gives its code.
    pub(super) fn restart(&mut self, slack: u32) -> Option<u8> {
        self.marker(slack)?;
        self.skip(self.count);
        for _ in 0..=slack {
            match self.byte(1)? {
                0xff => self.used = self.used.saturating_add(1),
                code @ 0xd0..=0xd7 => {
                    self.used = self.used.saturating_add(2);
                    self.ended = false;
                    return Some(code);
                }
                _ => return None,
            }
        }
        None
    }
}
