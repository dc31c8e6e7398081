//! Positional reads and checked fields: the one place that touches raw slices.
//!
//! The input is untrusted everywhere above this module; nothing here trusts a length or a position
//! that was read from it. No function panics on any input.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::problem::Code;

/// A place in a stream, counted in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(pub u64);

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.0)
    }
}

/// Bytes that can be read at any place, by many threads at once.
///
/// There is no seek and no write: evidence has no cursor and is never changed.
pub trait ReadAt: Send + Sync {
    /// Number of bytes in the stream.
    fn len(&self) -> u64;

    /// Reads up to `buf.len()` bytes at `at`. Fewer only at the end of the stream or before bytes
    /// that cannot be read; 0 only at or past the end.
    ///
    /// # Errors
    /// The operating system's error for the first byte that could not be read.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Says that these bytes are about to be asked for, so that they may be fetched meanwhile. Does
    /// not wait for them.
    fn announce(&self, at: u64, bytes: u64) {
        let _ = (at, bytes);
    }

    /// True where there is no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `at` as far as the stream goes; returns the number of bytes filled.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    fn fill_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = u64::try_from(done).ok().and_then(|done| at.checked_add(done));
            let Some(position) = position else { break };
            match self.read_at(position, rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = from.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), from.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(at, buf)
    }

    fn announce(&self, at: u64, bytes: u64) {
        (**self).announce(at, bytes);
    }
}

/// Bytes of a stream that cannot be given, and which: an [`io::Error`] may carry one inside, and
/// its reader then knows where to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unreadable {
    /// The bytes concerned, counted as in the stream that was asked; never empty.
    pub range: Range<u64>,
    /// What it is in the report.
    pub code: Code,
    /// What was expected and what was found, for a person.
    pub detail: String,
}

impl Unreadable {
    /// The same as an error of reading.
    pub fn into_error(self) -> io::Error {
        io::Error::other(self)
    }

    /// What an error of reading carries inside, if it does.
    ///
    /// ```
    /// use assay::{bytes::Unreadable, problem::Code};
    /// let hole = Unreadable { range: 0..512, code: Code::IoError, detail: "EIO".to_owned() };
    /// assert_eq!(Unreadable::of(&hole.clone().into_error()), Some(&hole));
    /// ```
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

/// A part of a stream as a stream of its own, such as a partition of a disk.
#[derive(Clone)]
pub struct Section {
    whole: Arc<dyn ReadAt>,
    start: u64,
    len: u64,
}

impl Section {
    /// `len` bytes of `whole` from `start`, or as many of them as there are.
    pub fn new(whole: Arc<dyn ReadAt>, start: u64, len: u64) -> Self {
        let len = len.min(whole.len().saturating_sub(start));
        Self { whole, start, len }
    }

    /// Where it begins in the whole stream.
    pub const fn start(&self) -> u64 {
        self.start
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes from {}", self.len, ByteOffset(self.start))
    }
}

impl ReadAt for Section {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let (Some(position), Some(buf)) =
            (self.start.checked_add(at), buf.get_mut(..left.min(buf.len())))
        else {
            return Ok(0);
        };
        self.whole.read_at(position, buf).map_err(|error| match Unreadable::of(&error) {
            Some(Unreadable { range, code, detail }) => {
                let shift = |place: u64| place.saturating_sub(self.start).min(self.len);
                let range = shift(range.start)..shift(range.end);
                Unreadable { range, code: *code, detail: detail.clone() }.into_error()
            }
            None => error,
        })
    }

    fn announce(&self, at: u64, bytes: u64) {
        let bytes = bytes.min(self.len.saturating_sub(at));
        self.whole.announce(self.start.saturating_add(at), bytes);
    }
}

/// Bytes in memory as a stream, where `dyn ReadAt` asks for a type of known size.
///
/// ```
/// use assay::bytes::{ReadAt, Slice};
/// let stream: &dyn ReadAt = &Slice(b"abc");
/// assert_eq!(stream.len(), 3);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a>(pub &'a [u8]);

impl ReadAt for Slice<'_> {
    fn len(&self) -> u64 {
        ReadAt::len(self.0)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(self.0, at, buf)
    }
}

/// Fewer bytes are left than a field needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs {need} bytes at {at}, fewer are there")]
pub struct Truncated {
    /// Where the field starts in the stream.
    pub at: ByteOffset,
    /// How many bytes it has.
    pub need: usize,
}

/// A run of bytes that knows its place in the stream it came from.
///
/// ```
/// use assay::bytes::Block;
/// let block = Block::new(&[1, 0, 0, 0, 9], 512);
/// assert_eq!(block.u32_le(0), Ok(1));
/// assert!(block.u32_le(2).is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    bytes: &'a [u8],
    start: u64,
}

/// Reads fixed-width numbers at a place in the block.
macro_rules! fields {
    ($($name:ident: $type:ty, $from:ident, $what:literal;)+) => {$(
        #[doc = concat!("The ", $what, " found `at` bytes into the block.")]
        ///
        /// # Errors
        /// [`Truncated`] where it reaches past the block's end.
        pub fn $name(&self, at: usize) -> Result<$type, Truncated> {
            self.array(at).map(<$type>::$from)
        }
    )+};
}

impl<'a> Block<'a> {
    /// A block whose first byte stands at `start` in its stream.
    pub const fn new(bytes: &'a [u8], start: u64) -> Self {
        Self { bytes, start }
    }

    /// The bytes themselves.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of bytes in the block.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True where the block has no byte.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The place in the stream of the byte `at` bytes into the block.
    pub fn position(&self, at: usize) -> ByteOffset {
        ByteOffset(self.start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// Copies `N` bytes found `at` bytes into the block.
    ///
    /// # Errors
    /// [`Truncated`] where fewer than `N` bytes are left.
    pub fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Truncated> {
        self.bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or_else(|| Truncated { at: self.position(at), need: N })
    }

    /// The byte found `at` bytes into the block.
    ///
    /// # Errors
    /// [`Truncated`] past the block's end.
    pub fn u8(&self, at: usize) -> Result<u8, Truncated> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    fields! {
        u16_le: u16, from_le_bytes, "little-endian 16-bit number";
        u32_le: u32, from_le_bytes, "little-endian 32-bit number";
        u64_le: u64, from_le_bytes, "little-endian 64-bit number";
        u16_be: u16, from_be_bytes, "big-endian 16-bit number";
        u32_be: u32, from_be_bytes, "big-endian 32-bit number";
        u64_be: u64, from_be_bytes, "big-endian 64-bit number";
    }

    /// A part of the block.
    ///
    /// # Errors
    /// [`Truncated`] where it reaches past the block's end.
    pub fn slice(&self, at: usize, len: usize) -> Result<Block<'a>, Truncated> {
        let cut = at.checked_add(len).and_then(|end| self.bytes.get(at..end));
        cut.map(|bytes| Block { bytes, start: self.position(at).0 })
            .ok_or_else(|| Truncated { at: self.position(at), need: len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_past_the_end_names_its_place() {
        let block = Block::new(&[0; 6], 100);
        assert_eq!(block.u32_le(3), Err(Truncated { at: ByteOffset(103), need: 4 }));
        assert_eq!(block.u16_be(usize::MAX).unwrap_err().at, ByteOffset(u64::MAX));
        assert!(block.slice(4, usize::MAX).is_err());
    }

    #[test]
    fn fill_stops_at_the_end_of_the_stream() {
        let data: &[u8] = &[1, 2, 3];
        let mut buf = [0; 8];
        assert_eq!(data.fill_at(1, &mut buf).unwrap(), 2);
        assert_eq!(data.fill_at(u64::MAX, &mut buf).unwrap(), 0);
    }

    #[test]
    fn a_section_ends_where_it_ends_and_counts_from_its_start() {
        struct Torn;
        impl ReadAt for Torn {
            fn len(&self) -> u64 {
                100
            }
            fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
                let range = 48..64;
                if range.contains(&at) {
                    let detail = String::new();
                    return Err(Unreadable { range, code: Code::IoError, detail }.into_error());
                }
                buf.fill(u8::try_from(at).unwrap());
                Ok(buf.len())
            }
        }
        let section = Section::new(Arc::new(Torn), 40, 1_000);
        assert_eq!((section.len(), section.start()), (60, 40));
        let mut buf = [0; 80];
        assert_eq!(section.read_at(50, &mut buf).unwrap(), 10);
        assert_eq!((buf[0], buf[10]), (90, 0));
        assert_eq!(section.read_at(60, &mut buf).unwrap(), 0);
        assert_eq!(section.read_at(u64::MAX, &mut buf).unwrap(), 0);
        let error = section.read_at(8, &mut buf).unwrap_err();
        assert_eq!(Unreadable::of(&error).unwrap().range, 8..24);
    }
}
