//! The bytes of a medium out of blocks of a file, zeros that are stored nowhere, and a parent.
//!
//! What tells where a run of bytes is belongs to the format; this puts the runs together. It keeps
//! nothing that changes, so that any number of threads read. Places of a file that a run says and
//! that the file does not have are an error that names the bytes of the medium.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::bytes::{ReadAt, Unreadable};
use crate::problem::Code;

/// Where a run of bytes of the medium is.
pub(super) enum Source {
    /// Zeros that are stored nowhere.
    Zeros,
    /// At the same place of the parent; zeros where there is none, or it is shorter.
    Parent,
    /// At this place of the file.
    Stored(u64),
    /// Nobody can say; why.
    Lost(String),
}

/// How a format tells where bytes are.
pub(super) trait Blocks: Send + Sync {
    /// Where the byte at `at` of the medium is, and the run of bytes that are in the same way, the
    /// stored ones one after the other. The run holds `at`.
    ///
    /// # Errors
    /// Where the system says nothing of the bytes, as of a device that is gone.
    fn run(&self, at: u64) -> io::Result<(Source, Range<u64>)>;
}

/// A medium kept in blocks.
pub(super) struct Layer<B> {
    pub(super) file: Arc<dyn ReadAt>,
    pub(super) blocks: B,
    pub(super) parent: Option<Arc<dyn ReadAt>>,
    /// Bytes of the medium.
    pub(super) len: u64,
}

impl<B: Blocks> Layer<B> {
    /// Reads from one place as far as one run goes.
    fn piece(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (source, run) = self.blocks.run(at)?;
        let run = run.start.min(at)..run.end.min(self.len);
        let left = usize::try_from(run.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        let buf = buf.get_mut(..most).unwrap_or_default();
        match source {
            Source::Lost(detail) => Err(lost(run, detail)),
            Source::Stored(place) => self.stored(place, at, &run, buf),
            Source::Parent => self.parents(at, &run, buf),
            Source::Zeros => {
                buf.fill(0);
                Ok(buf.len())
            }
        }
    }

    fn stored(&self, place: u64, at: u64, run: &Range<u64>, buf: &mut [u8]) -> io::Result<usize> {
        match self.file.read_at(place, buf) {
            Ok(0) => Err(lost(at..run.end, format!("the file ends before byte {place}"))),
            Ok(n) => Ok(n),
            Err(error) => Err(match Unreadable::of(&error) {
                Some(hole) => {
                    let after = hole.range.end.saturating_sub(place);
                    clipped(hole, at..at.saturating_add(after).min(run.end))
                }
                None => error,
            }),
        }
    }

    fn parents(&self, at: u64, run: &Range<u64>, buf: &mut [u8]) -> io::Result<usize> {
        let parent = self.parent.as_ref();
        let left = parent.map_or(0, |parent| parent.len().saturating_sub(at));
        let (Some(parent), true) = (parent, left > 0) else {
            buf.fill(0);
            return Ok(buf.len());
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let read = parent.read_at(at, buf.get_mut(..most).unwrap_or_default());
        read.map_err(|error| match Unreadable::of(&error) {
            Some(hole) => clipped(hole, at..hole.range.end.min(run.end)),
            None => error,
        })
    }
}

/// The same hole as the medium has it.
fn clipped(hole: &Unreadable, range: Range<u64>) -> io::Error {
    let Unreadable { code, ref detail, .. } = *hole;
    Unreadable { range, code, detail: detail.clone() }.into_error()
}

fn lost(range: Range<u64>, detail: String) -> io::Error {
    Unreadable { range, code: Code::ImageDamaged, detail }.into_error()
}

impl<B: Blocks> ReadAt for Layer<B> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            if position >= self.len {
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

/// Which of these numbered parts of a file share bytes with another one, or with what is reserved:
/// none of them is certain. Gives their numbers, sorted.
pub(super) fn overlapping(
    parts: impl Iterator<Item = (u32, Range<u64>)>,
    reserved: &[Range<u64>],
) -> Vec<u32> {
    let parts = parts.map(|(number, part)| (part.start, part.end, Some(number)));
    let reserved = reserved.iter().map(|part| (part.start, part.end, None));
    let mut sorted: Vec<(u64, u64, Option<u32>)> = parts.chain(reserved).collect();
    sorted.sort_unstable();
    let mut found = Vec::new();
    // The part before that reaches farthest: any part that begins before its end shares bytes.
    let mut farthest = (0, None);
    for (start, end, number) in sorted {
        if start < farthest.0 {
            found.extend([farthest.1, number].into_iter().flatten());
        }
        if end > farthest.0 {
            farthest = (end, number);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_share_bytes_or_lie_on_structures_are_named() {
        let places = [(0, 100), (1, 140), (2, 149), (3, 160), (4, 5), (5, 300), (6, 300)];
        let parts = places.map(|(number, at)| (number, at..at + 10));
        let reserved = std::slice::from_ref(&(0..6));
        assert_eq!(overlapping(parts.into_iter(), reserved), [1, 2, 4, 5, 6]);
        let reserved = [0..10, 5..10, 20..30];
        assert_eq!(overlapping([(7, 10..20)].into_iter(), &reserved), Vec::<u32>::new());
        let nested = [(1, 0..100), (2, 10..20), (3, 90..95), (4, 100..110)];
        assert_eq!(overlapping(nested.into_iter(), &[]), [1, 2, 3]);
    }
}
