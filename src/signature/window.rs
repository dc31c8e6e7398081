//! A buffered view of a source from an object's start: small fields at any place, forward scans.
//!
//! Trusts nothing but `ReadAt::len`. A read that fails or comes back short ends the object there.

use std::io::ErrorKind;

use crate::bytes::{Block, ReadAt};

/// Bytes read at once while a structure is followed without a gap.
const SEQUENTIAL: usize = 64 * 1024;
/// Bytes read after a jump, where little of a larger piece would be used.
const AFTER_JUMP: usize = 4 * 1024;
/// Longest field asked for at once.
const LONGEST_FIELD: usize = 1024;
/// Reads in all: 64 Ki of 64 KiB are 4 GiB followed byte by byte, or 65,536 jumps.
const MOST_READS: u32 = 65_536;

/// Positions count from the object's start.
pub(super) struct Window<'a> {
    source: &'a dyn ReadAt,
    start: u64,
    len: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
    filled: usize,
    reads_left: u32,
}

impl<'a> Window<'a> {
    /// A window on `source` from `start`; `None` at or past its end.
    pub(super) fn new(source: &'a dyn ReadAt, start: u64) -> Option<Self> {
        let len = source.len().checked_sub(start).filter(|len| *len > 0)?;
        Some(Self {
            source,
            start,
            len,
            buffer: Vec::new(),
            buffer_at: 0,
            filled: 0,
            reads_left: MOST_READS,
        })
    }

    /// Number of bytes between the object's start and the source's end.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The `N` bytes at `at`; `None` where they are not all there.
    pub(super) fn array<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        self.block(at, N)?.array(0).ok()
    }

    /// The byte at `at`.
    pub(super) fn u8(&mut self, at: u64) -> Option<u8> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    /// A field of `len` bytes at `at`; `None` where it is not all there.
    pub(super) fn block(&mut self, at: u64, len: usize) -> Option<Block<'_>> {
        if self.buffered_at(at).is_none_or(|bytes| bytes.len() < len) {
            self.refill(at, len)?;
        }
        let bytes = self.buffered_at(at)?.get(..len)?;
        Some(Block::new(bytes, at))
    }

    /// Buffered bytes from `at` on, at least one; `None` at the end.
    pub(super) fn rest(&mut self, at: u64) -> Option<&[u8]> {
        if self.buffered_at(at).is_none_or(<[u8]>::is_empty) {
            self.refill(at, 1)?;
        }
        self.buffered_at(at).filter(|bytes| !bytes.is_empty())
    }

    fn buffered_at(&self, at: u64) -> Option<&[u8]> {
        let skip = usize::try_from(at.checked_sub(self.buffer_at)?).ok()?;
        self.buffer.get(..self.filled)?.get(skip..)
    }

    /// Reads from `at`; `None` where `need` bytes cannot be had.
    fn refill(&mut self, at: u64, need: usize) -> Option<()> {
        let left = self.len.checked_sub(at)?;
        if need > LONGEST_FIELD || left < u64::try_from(need).ok()? {
            return None;
        }
        self.reads_left = self.reads_left.checked_sub(1)?;
        let follows = self.filled > 0 && self.buffered_at(at).is_some();
        let want = if follows { SEQUENTIAL } else { AFTER_JUMP };
        let want = usize::try_from(left).map_or(want, |left| left.min(want));
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        let position = self.start.checked_add(at)?;
        self.buffer_at = at;
        self.filled = 0;
        self.fill(position, want);
        (self.filled >= need).then_some(())
    }

    /// Fills the buffer up to `want` bytes, keeping what came before a read error.
    fn fill(&mut self, position: u64, want: usize) {
        while let Some(rest) = self.buffer.get_mut(self.filled..want).filter(|r| !r.is_empty()) {
            let at = u64::try_from(self.filled).ok().and_then(|done| position.checked_add(done));
            let Some(at) = at else { return };
            match self.source.read_at(at, rest) {
                Ok(0) => return,
                Ok(n) => self.filled = self.filled.saturating_add(n).min(want),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Counts as long as `len` and cannot be read from `bad` on.
    struct BadFrom {
        len: u64,
        bad: u64,
    }

    impl ReadAt for BadFrom {
        fn len(&self) -> u64 {
            self.len
        }

        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            assert!(at + buf.len() as u64 <= self.len, "read past the end");
            if at >= self.bad {
                return Err(io::Error::other("bad sector"));
            }
            let n = usize::try_from(self.bad - at).unwrap().min(buf.len());
            buf[..n].fill(7);
            Ok(n)
        }
    }

    #[test]
    fn a_bad_sector_ends_the_window_and_costs_no_good_byte() {
        let source = BadFrom { len: 100_000, bad: 512 };
        let mut window = Window::new(&source, 10).unwrap();
        assert_eq!(window.u8(501), Some(7));
        assert_eq!(window.u8(502), None);
    }

    #[test]
    fn no_read_passes_the_end_of_the_source() {
        let source = BadFrom { len: 5000, bad: u64::MAX };
        let mut window = Window::new(&source, 4990).unwrap();
        assert_eq!(window.array::<10>(0), Some([7; 10]));
        assert_eq!(window.array::<11>(0), None);
        assert!(Window::new(&source, 5000).is_none());
        assert!(Window::new(&source, u64::MAX).is_none());
    }
}
