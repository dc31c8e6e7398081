//! A medium whose tables say where each run of its bytes is kept: in a file as it is, compressed,
//! nowhere (zeros), or in a parent.
//!
//! Bytes whose place makes no sense, and bytes that the file does not have, are errors that name
//! them; they are never taken for zeros. Compressed blocks are inflated on the thread that asks and
//! kept a while for reads of less than one.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::cache::Cache;
use super::raw::ImageFile;
use crate::bytes::{ReadAt, Unreadable};
use crate::problem::Code;

/// Blocks kept for reads of less than one, and most bytes of them. Some threads have dozens of
/// objects open, of each of which the first and last bytes were looked at and the next ones are wanted.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 16 << 20;

/// Where bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<P> {
    /// Nowhere; they are zeros.
    Zeros,
    /// Not in this image: the parent's, or zeros where there is no parent.
    Absent,
    /// As they are: the number of the file, and where in it.
    Stored(usize, u64),
    /// In a compressed block that begins where the run does.
    Packed(P),
}

/// Bytes of the medium that are kept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run<P> {
    /// Which bytes of the medium.
    pub(super) range: Range<u64>,
    /// Where the first of them is.
    pub(super) place: Place<P>,
}

/// The tables of a format.
pub(super) trait Map: Send + Sync {
    /// What tells where a compressed block is.
    type Packed: Copy;

    /// Bytes of the medium.
    fn len(&self) -> u64;

    /// Most bytes of a compressed block once it is inflated.
    fn block(&self) -> u64;

    /// The files that places count.
    fn files(&self) -> &[Arc<ImageFile>];

    /// The run that the byte `at` of the medium is in; `at` is less than the length.
    ///
    /// # Errors
    /// An [`Unreadable`] of the bytes that it is not known of, or the system's error.
    fn run(&self, at: u64) -> io::Result<Run<Self::Packed>>;

    /// Inflates a block of which the medium has these bytes.
    ///
    /// # Errors
    /// As [`Map::run`].
    fn unpack(&self, packed: Self::Packed, range: &Range<u64>) -> io::Result<Vec<u8>>;
}

/// The error of bytes of the medium about which the image makes no sense.
pub(super) fn damaged(range: Range<u64>, detail: impl Into<String>) -> io::Error {
    Unreadable { range, code: Code::ImageDamaged, detail: detail.into() }.into_error()
}

/// An error of reading a file as one of the bytes of the medium that hang on it.
pub(super) fn hangs_on(error: io::Error, range: Range<u64>, what: &str) -> io::Error {
    match Unreadable::of(&error) {
        Some(hole) => {
            let detail = format!("{what}: {}", hole.detail);
            Unreadable { range, code: hole.code, detail }.into_error()
        }
        None => error,
    }
}

/// A medium read through its tables.
pub(super) struct Mapped<M: Map> {
    map: M,
    parent: Option<Arc<dyn ReadAt>>,
    blocks: Cache<[u8]>,
}

impl<M: Map> Mapped<M> {
    /// The medium of these tables over `parent`, whose bytes show where they have none.
    pub(super) fn new(map: M, parent: Option<Arc<dyn ReadAt>>) -> Self {
        let size = usize::try_from(map.block()).unwrap_or(usize::MAX).max(1);
        let kept = KEPT_BYTES.checked_div(size).unwrap_or_default().clamp(2, KEPT);
        let shards = kept.div_ceil(8);
        Self { map, parent, blocks: Cache::new(shards, kept.div_ceil(shards)) }
    }

    /// Reads from one place as far as what is there lies together.
    fn piece(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let run = self.map.run(at)?;
        let skip = at.saturating_sub(run.range.start);
        match run.place {
            Place::Zeros => Ok(zeros(first(buf, at..run.range.end))),
            Place::Absent => self.absent(at, first(buf, at..run.range.end)),
            Place::Stored(file, from) => {
                let end = self.together(file, from, &run.range, after(at, buf.len()));
                let from = from.saturating_add(skip);
                self.stored(file, from, at..end, first(buf, at..end))
            }
            Place::Packed(packed) => self.kept(packed, &run.range)?.read_at(skip, buf),
        }
    }

    /// How far on, at least to `wanted`, the bytes lie together in their file.
    fn together(&self, file: usize, from: u64, range: &Range<u64>, wanted: u64) -> u64 {
        let mut end = range.end;
        while end < wanted.min(self.map.len()) {
            let next = from.checked_add(end.saturating_sub(range.start));
            match (self.map.run(end), next) {
                (Ok(Run { range, place: Place::Stored(other, at) }), Some(next))
                    if (other, at, range.start) == (file, next, end) && range.end > end =>
                {
                    end = range.end;
                }
                _ => break,
            }
        }
        end
    }

    fn stored(
        &self,
        file: usize,
        from: u64,
        range: Range<u64>,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        let Some(file) = self.map.files().get(file) else {
            return Err(damaged(range, "its file is not there"));
        };
        let name =
            || super::shown(std::path::Path::new(file.path().file_name().unwrap_or_default()));
        match file.read_at(from, buf) {
            Ok(0) => {
                let detail = format!("byte {from} of {} is past its end", name());
                Err(damaged(range, detail))
            }
            Err(error) => {
                let end = Unreadable::of(&error).map_or(range.end, |hole| {
                    let len = hole.range.end.saturating_sub(from).max(1);
                    range.start.saturating_add(len).min(range.end)
                });
                Err(hangs_on(error, range.start..end, &format!("byte {from} of {}", name())))
            }
            read => read,
        }
    }

    /// The parent's bytes; zeros where there is no parent, and past its end.
    fn absent(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(parent) = &self.parent else { return Ok(zeros(buf)) };
        let range = at..after(at, buf.len());
        match parent.read_at(at, buf) {
            Ok(0) => Ok(zeros(buf)),
            Err(error) => {
                let end = Unreadable::of(&error).map_or(range.end, |hole| hole.range.end);
                let end = end.clamp(range.start.saturating_add(1).min(range.end), range.end);
                Err(hangs_on(error, range.start..end, "in the parent"))
            }
            read => read,
        }
    }

    /// One compressed block through the cache.
    fn kept(&self, packed: M::Packed, range: &Range<u64>) -> io::Result<Arc<[u8]>> {
        if let Some(bytes) = self.blocks.get(self.key(range)) {
            return Ok(bytes);
        }
        let mut bytes = self.map.unpack(packed, range)?;
        let len = range.end.saturating_sub(range.start);
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        let bytes: Arc<[u8]> = bytes.into();
        self.blocks.put(self.key(range), &bytes);
        Ok(bytes)
    }

    /// The number of a block, so that neighbours fall into different parts of the cache.
    fn key(&self, range: &Range<u64>) -> u64 {
        range.start.checked_div(self.map.block()).unwrap_or(range.start)
    }
}

impl<M: Map> ReadAt for Mapped<M> {
    fn len(&self) -> u64 {
        self.map.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = after(at, done);
            if position >= self.map.len() {
                break;
            }
            match self.piece(position, rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// As much of a buffer as a range has bytes.
fn first(buf: &mut [u8], range: Range<u64>) -> &mut [u8] {
    let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let len = len.min(buf.len());
    buf.get_mut(..len).unwrap_or_default()
}

fn zeros(buf: &mut [u8]) -> usize {
    buf.fill(0);
    buf.len()
}

/// The place `count` bytes after `at`.
fn after(at: u64, count: usize) -> u64 {
    at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
}
