//! The bytes of an object by its extents, at any place: an image that lies in a file system.
//!
//! Runs that are not to be had are errors that say which bytes of the object they are.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::stream::{self, Unpacked};
use crate::bytes::{ReadAt, Unreadable};
use crate::item::{Extent, Place, Whole};
use crate::problem::{Code, Problem};

/// An object in a volume.
#[derive(Clone)]
pub(super) struct ExtentWhole(pub(super) Arc<dyn ReadAt>, pub(super) Arc<[Extent]>);

impl Whole for ExtentWhole {
    fn open(&self) -> Result<Arc<dyn ReadAt>, Problem> {
        let mut end = 0_u64;
        let runs = self.1.iter().map(|extent| {
            let start = end;
            end = end.saturating_add(extent.len);
            (start, extent.clone())
        });
        let runs: Vec<_> = runs.filter(|(_, extent)| extent.len > 0).collect();
        let volume = Arc::clone(&self.0);
        Ok(Arc::new(ExtentBytes { volume, runs, len: end, unit: Mutex::default() }))
    }
}

/// The bytes of an object.
struct ExtentBytes {
    volume: Arc<dyn ReadAt>,
    /// Every run with its first byte in the object, in order.
    runs: Vec<(u64, Extent)>,
    len: u64,
    /// The compressed unit that was read last, by its first byte, unpacked.
    unit: Mutex<Option<(u64, Unpacked)>>,
}

impl ReadAt for ExtentBytes {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let next = self.runs.partition_point(|(start, _)| *start <= at);
        let run = next.checked_sub(1).and_then(|number| self.runs.get(number));
        let Some((start, extent)) = run else { return Ok(0) };
        let Place::Lznt1 { runs, unit_len } = &extent.place else {
            return read_run(&*self.volume, extent, *start, at, buf);
        };
        let mut unit = self.unit.lock().unwrap_or_else(PoisonError::into_inner);
        if unit.as_ref().is_none_or(|(first, _)| first != start) {
            let unpacked = stream::unpack(&*self.volume, runs, *unit_len, extent.len);
            *unit = Some((*start, unpacked));
        }
        match unit.as_ref() {
            Some((_, unpacked)) => given(unpacked, extent, *start, at, buf),
            None => Ok(0),
        }
    }
}

/// Fills `buf` from byte `at` of an object whose runs these are, as far as they go.
pub(super) fn peek(
    volume: &dyn ReadAt,
    runs: &[Extent],
    at: u64,
    buf: &mut [u8],
) -> io::Result<usize> {
    let (mut start, mut done) = (0_u64, 0_usize);
    for extent in runs.iter().filter(|extent| extent.len > 0) {
        let end = start.saturating_add(extent.len);
        loop {
            let place = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) else {
                return Ok(done);
            };
            if place >= end {
                break;
            }
            let n = read_run(volume, extent, start, place, rest)?;
            done = done.saturating_add(n.max(1)); // none is an error
        }
        start = end;
    }
    Ok(done)
}

/// Reads bytes of the run that begins with byte `start` of its object; at least one, or an error.
fn read_run(
    volume: &dyn ReadAt,
    extent: &Extent,
    start: u64,
    at: u64,
    buf: &mut [u8],
) -> io::Result<usize> {
    let done = at.saturating_sub(start);
    let end = start.saturating_add(extent.len);
    let left = extent.len.saturating_sub(done);
    let room = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    let Some(room) = buf.get_mut(..room).filter(|room| !room.is_empty()) else { return Ok(0) };
    match &extent.place {
        Place::Missing(code, detail) => Err(missing(at..end, *code, detail)),
        Place::Hole => {
            room.fill(0);
            Ok(room.len())
        }
        Place::Resident(bytes) => copied(bytes, done, room).ok_or_else(|| outside(at..end)),
        Place::Lznt1 { runs, unit_len } => {
            let unpacked = stream::unpack(volume, runs, *unit_len, extent.len);
            given(&unpacked, extent, start, at, room)
        }
        Place::Disk(place) => {
            let from = place.checked_add(done).ok_or_else(|| outside(at..end))?;
            match volume.read_at(from, room) {
                Ok(0) => Err(outside(at..end)),
                Ok(n) => Ok(n),
                Err(error) => Err(moved(error, from, at, end)),
            }
        }
    }
}

/// Bytes of a unit that was unpacked.
fn given(
    unpacked: &Unpacked,
    extent: &Extent,
    start: u64,
    at: u64,
    buf: &mut [u8],
) -> io::Result<usize> {
    let end = start.saturating_add(extent.len);
    match unpacked {
        Ok(bytes) => {
            let done = at.saturating_sub(start);
            copied(bytes, done, buf).ok_or_else(|| outside(at..end))
        }
        Err((code, detail)) => Err(missing(at..end, *code, detail)),
    }
}

fn missing(range: Range<u64>, code: Code, detail: &str) -> io::Error {
    Unreadable { range, code, detail: detail.to_owned() }.into_error()
}

/// The volume ends before the run does.
fn outside(range: Range<u64>) -> io::Error {
    missing(range, Code::ChainBroken, stream::OUTSIDE)
}

/// The same error with bytes of the object in place of the volume's.
fn moved(error: io::Error, from: u64, at: u64, end: u64) -> io::Error {
    let Some(Unreadable { range, code, detail }) = Unreadable::of(&error) else { return error };
    let len = range.end.saturating_sub(from).max(1);
    let range = at..at.saturating_add(len).min(end);
    Unreadable { range, code: *code, detail: detail.clone() }.into_error()
}

fn copied(bytes: &[u8], done: u64, room: &mut [u8]) -> Option<usize> {
    let from = usize::try_from(done).ok().and_then(|done| bytes.get(done..))?;
    let n = from.len().min(room.len());
    room.get_mut(..n)?.copy_from_slice(from.get(..n)?);
    (n > 0).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::filesystem::ExtentStream;
    use crate::item::Stream as _;

    #[test]
    fn any_place_gives_what_reading_from_the_start_gives() {
        let bytes: Vec<u8> = (0..4000_u64).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let volume: Arc<dyn ReadAt> = Arc::new(Arc::<[u8]>::from(bytes));
        let runs = vec![
            Extent::disk(700, 300),
            Extent { len: 40, place: Place::Hole },
            Extent { len: 5, place: Place::Resident(b"abcde"[..].into()) },
            Extent::disk(10, 1),
        ];
        let mut all = vec![0; 346];
        let mut stream = ExtentStream::new(Arc::clone(&volume), runs.clone());
        assert_eq!(stream.fill(&mut all), Ok(346));
        let whole = ExtentWhole(Arc::clone(&volume), runs.clone().into()).open().unwrap();
        assert_eq!(whole.len(), 346);
        for at in 0..346_usize {
            for len in [1, 7, 346] {
                let mut buf = vec![0; len];
                let n = whole.fill_at(u64::try_from(at).unwrap(), &mut buf).unwrap();
                assert_eq!(buf[..n], all[at..346.min(at + len)], "{at} {len}");
                let n = peek(&*volume, &runs, u64::try_from(at).unwrap(), &mut buf).unwrap();
                assert_eq!(buf[..n], all[at..346.min(at + len)], "{at} {len}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_to_be_had_are_named_as_the_objects() {
        let volume: Arc<dyn ReadAt> = Arc::new(Arc::<[u8]>::from(vec![7; 512]));
        let runs = [
            Extent::disk(0, 100),
            Extent::missing(50, Code::Overwritten, "taken"),
            Extent::disk(500, 30),
        ];
        let whole = ExtentWhole(volume, runs.into()).open().unwrap();
        let error = whole.fill_at(120, &mut [0; 8]).unwrap_err();
        let hole = Unreadable::of(&error).unwrap();
        assert_eq!((hole.range.clone(), hole.code), (120..150, Code::Overwritten));
        let error = whole.fill_at(150, &mut [0; 30]).unwrap_err();
        assert_eq!(Unreadable::of(&error).unwrap().range, 162..180, "behind the volume's end");
    }
}
