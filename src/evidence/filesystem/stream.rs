//! The bytes of an object by its extents.
//!
//! A run that is not to be had, and bytes that the image cannot give, are a problem with their
//! place in the object, after which reading goes on behind them. Bytes that cannot be given and
//! touch are one problem. The image has retried what can be retried: nothing is asked for twice.

use std::io;
use std::sync::Arc;

use super::whole::{self, ExtentWhole};
use crate::bytes::{ReadAt, Unreadable};
use crate::evidence::filesystem::ntfs::lznt1;
use crate::item::{Extent, Place, Stream, Whole};
use crate::problem::{Code, Problem, Stage};

/// Bytes that are passed over where an error does not say how many are concerned.
const SECTOR: u64 = 512;

/// Bytes on end that a drive does not give before the rest of the object is given up: each costs a
/// dying drive seconds.
const HOPELESS: u64 = 2 << 20;

/// Bytes that are fetched before they are asked for. Objects are announced in the order of their
/// place: a folder of fragments is fetched from the front to the back of the medium.
const ANNOUNCED: u64 = 1 << 20;

/// Bytes of the largest compressed unit.
const MOST_UNIT: u32 = 1 << 20;

pub(super) const OUTSIDE: &str = "the bytes lie behind the end of the volume";

/// The bytes of an object in a volume.
pub struct ExtentStream {
    volume: Arc<dyn ReadAt>,
    extents: std::vec::IntoIter<Extent>,
    /// The run being read, and how much of it was given.
    run: Option<(Extent, u64)>,
    /// Bytes given or passed over so far.
    at: u64,
    /// Bytes that cannot be given, up to `at`.
    hole: Option<Hole>,
    /// The compressed unit being read, unpacked.
    unit: Option<Unpacked>,
}

/// What unpacking a unit gave: its bytes, or why there are none.
pub(super) type Unpacked = Result<Vec<u8>, (Code, Arc<str>)>;

struct Hole {
    start: u64,
    code: Code,
    detail: Arc<str>,
}

/// What one step of reading gave.
enum Step {
    /// This many bytes.
    Bytes(usize),
    /// This many bytes are not to be had.
    Hole(u64, Code, Arc<str>),
}

impl ExtentStream {
    /// Reads these runs of the volume, one after the other.
    pub fn new(volume: Arc<dyn ReadAt>, extents: Vec<Extent>) -> Self {
        Self { volume, extents: extents.into_iter(), run: None, at: 0, hole: None, unit: None }
    }

    /// Takes up the run that the next byte lies in; `None` at the end.
    fn take_up(&mut self) -> Option<()> {
        while self.run.as_ref().is_none_or(|(run, done)| *done >= run.len) {
            self.run = Some((self.extents.next()?, 0));
            self.unit = None;
        }
        Some(())
    }

    /// Reads as much of the current run as there is room for; `None` at the end.
    fn step(&mut self, buf: &mut [u8]) -> Option<Step> {
        let volume = Arc::clone(&self.volume);
        self.take_up()?;
        let (run, done) = self.run.as_ref().map(|(run, done)| (run, *done))?;
        let left = run.len.saturating_sub(done);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let room = buf.get_mut(..room).unwrap_or_default();
        Some(match &run.place {
            Place::Missing(code, detail) => Step::Hole(left, *code, Arc::clone(detail)),
            Place::Hole => {
                room.fill(0);
                Step::Bytes(room.len())
            }
            Place::Resident(bytes) => resident(bytes, done, left, room),
            Place::Lznt1 { runs, unit_len } => {
                let unpack = || unpack(&*volume, runs, *unit_len, run.len);
                match self.unit.get_or_insert_with(unpack) {
                    Ok(bytes) => resident(bytes, done, left, room),
                    Err((code, why)) => Step::Hole(left, *code, Arc::clone(why)),
                }
            }
            Place::Disk(start) => match start.checked_add(done) {
                Some(from) => on_disk(&*volume, from, left, room),
                None => outside(left),
            },
        })
    }

    fn advance(&mut self, bytes: u64) {
        if let Some((_, done)) = &mut self.run {
            *done = done.saturating_add(bytes);
        }
        self.at = self.at.saturating_add(bytes);
    }

    /// Takes all that is left into the hole.
    fn give_up(&mut self) {
        while self.take_up().is_some() {
            let left = self.run.as_ref().map_or(0, |(run, done)| run.len.saturating_sub(*done));
            self.advance(left);
        }
    }

    /// The hole so far as a problem.
    fn told(&mut self) -> Option<Problem> {
        let Hole { start, code, detail } = self.hole.take()?;
        let length = self.at.saturating_sub(start);
        Some(Problem::new(code, Stage::Read, &*detail).at(start, length))
    }

    /// True where these bytes belong to the hole that ends here.
    fn goes_on(&self, code: Code, detail: &str) -> bool {
        self.hole.as_ref().is_none_or(|hole| hole.code == code && *hole.detail == *detail)
    }
}

impl Stream for ExtentStream {
    fn announce(&self) {
        let mut left = ANNOUNCED;
        for extent in self.extents.as_slice() {
            if left == 0 {
                break;
            }
            let bytes = extent.len.min(left);
            if let Place::Disk(start) = extent.place {
                self.volume.announce(start, bytes);
            }
            left = left.saturating_sub(bytes);
        }
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, Problem> {
        let mut filled = 0_usize;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                None => break,
                // What was read behind a hole is read again once the hole is told.
                Some(Step::Bytes(_)) if self.hole.is_some() => break,
                Some(Step::Bytes(n)) => {
                    self.advance(u64::try_from(n).unwrap_or(u64::MAX));
                    filled = filled.saturating_add(n);
                }
                // Bytes before the hole are given first; the hole is met again.
                Some(Step::Hole(..)) if filled > 0 => return Ok(filled),
                Some(Step::Hole(bytes, code, detail)) => {
                    if !self.goes_on(code, &detail) {
                        break;
                    }
                    let start = self.at;
                    let start = self.hole.get_or_insert(Hole { start, code, detail }).start;
                    self.advance(bytes.max(1));
                    if code == Code::IoError && self.at.saturating_sub(start) >= HOPELESS {
                        self.give_up();
                    }
                }
            }
        }
        match self.told() {
            Some(problem) => Err(problem),
            None => Ok(filled),
        }
    }

    fn peek(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        whole::peek(&*self.volume, self.extents.as_slice(), at, buf)
    }

    fn whole(&self) -> Option<Arc<dyn Whole>> {
        let extents = self.extents.as_slice().into();
        Some(Arc::new(ExtentWhole(Arc::clone(&self.volume), extents)))
    }

    fn finish(self: Box<Self>) -> Result<(), Problem> {
        Ok(())
    }
}

fn resident(bytes: &[u8], done: u64, left: u64, room: &mut [u8]) -> Step {
    let from = usize::try_from(done).ok().and_then(|done| bytes.get(done..)).unwrap_or_default();
    let n = from.len().min(room.len());
    match (room.get_mut(..n), from.get(..n)) {
        (Some(to), Some(from)) if n > 0 => {
            to.copy_from_slice(from);
            Step::Bytes(n)
        }
        _ => outside(left),
    }
}

fn on_disk(volume: &dyn ReadAt, from: u64, left: u64, room: &mut [u8]) -> Step {
    let error = loop {
        match volume.read_at(from, room) {
            Ok(0) => return outside(left),
            Ok(n) => return Step::Bytes(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    match Unreadable::of(&error) {
        Some(Unreadable { range, code, detail }) => {
            let bytes = range.end.saturating_sub(from).clamp(1, left.max(1));
            Step::Hole(bytes, *code, detail.as_str().into())
        }
        None => {
            let to_next = SECTOR.saturating_sub(from.checked_rem(SECTOR).unwrap_or(0));
            Step::Hole(to_next.min(left), Code::IoError, format!("reading: {error}").into())
        }
    }
}

/// Reads a compressed unit and unpacks its first `len` bytes.
pub(super) fn unpack(
    volume: &dyn ReadAt,
    runs: &[(u64, u64)],
    unit_len: u32,
    len: u64,
) -> Unpacked {
    let damaged = || (Code::FilesystemDamaged, Arc::from("a compressed unit does not unpack"));
    let unit_len = u64::from(unit_len.min(MOST_UNIT));
    let len = usize::try_from(len.min(unit_len)).map_err(|_| damaged())?;
    let mut packed = Vec::new();
    for (at, bytes) in runs {
        let room = usize::try_from((*bytes).min(unit_len)).map_err(|_| damaged())?;
        let done = packed.len();
        if u64::try_from(done.saturating_add(room)).is_ok_and(|sum| sum > unit_len) {
            return Err(damaged());
        }
        packed.resize(done.saturating_add(room), 0);
        let n = volume.fill_at(*at, packed.get_mut(done..).unwrap_or_default());
        let n = n.map_err(|error| match Unreadable::of(&error) {
            Some(Unreadable { code, detail, .. }) => (*code, detail.as_str().into()),
            None => (Code::IoError, format!("reading: {error}").into()),
        })?;
        if n < room {
            return Err((Code::ChainBroken, OUTSIDE.into()));
        }
    }
    lznt1::unpack(&packed, len).map_err(|_| damaged())
}

/// The volume ends before the run does.
fn outside(left: u64) -> Step {
    Step::Hole(left, Code::ChainBroken, OUTSIDE.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume whose byte at `n` is `n` modulo 251, with sectors that cannot be read.
    struct Bad(Vec<u64>);

    impl ReadAt for Bad {
        fn len(&self) -> u64 {
            8 * SECTOR
        }

        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            let sector = at / SECTOR;
            if self.0.contains(&sector) {
                let range = sector * SECTOR..(sector + 1) * SECTOR;
                let detail = "sector".to_owned();
                return Err(Unreadable { range, code: Code::IoError, detail }.into_error());
            }
            let good = (sector..8).find(|s| self.0.contains(s)).unwrap_or(8) * SECTOR - at;
            let n = buf.len().min(usize::try_from(good).unwrap());
            for (byte, at) in buf.iter_mut().zip(at..).take(n) {
                *byte = u8::try_from(at % 251).unwrap();
            }
            Ok(n)
        }
    }

    fn read(bad: &[u64], extents: Vec<Extent>, step: usize) -> (Vec<u8>, Vec<Problem>) {
        let mut stream = ExtentStream::new(Arc::new(Bad(bad.to_vec())), extents);
        let (mut bytes, mut problems, mut buf) = (Vec::new(), Vec::new(), vec![0; step]);
        loop {
            match stream.fill(&mut buf) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
                Err(problem) => problems.push(problem),
            }
            assert!(problems.len() < 100);
        }
        (bytes, problems)
    }

    #[test]
    fn every_kind_of_run_gives_its_bytes_in_any_steps() {
        let runs = vec![
            Extent::disk(700, 300),
            Extent { len: 40, place: Place::Hole },
            Extent { len: 5, place: Place::Resident(b"abcde"[..].into()) },
            Extent::disk(10, 1),
        ];
        let mut want: Vec<u8> = (700..1000_u64).map(|n| u8::try_from(n % 251).unwrap()).collect();
        want.extend([0; 40]);
        want.extend(b"abcde");
        want.push(10);
        for step in [1, 7, 64, 4096] {
            assert_eq!(read(&[], runs.clone(), step), (want.clone(), vec![]), "{step}");
        }
    }

    #[test]
    fn bad_sectors_that_touch_are_one_problem_with_its_place_in_the_object() {
        for step in [1, 100, 512, 5000] {
            let runs = vec![Extent::disk(256, 2048), Extent::disk(3584, 512)];
            let (bytes, problems) = read(&[1, 2, 7], runs, step);
            assert_eq!(bytes.len(), 256 + 2048 - 256 - 1024, "{step}");
            let places: Vec<_> = problems.iter().map(|p| (p.offset, p.length)).collect();
            assert_eq!(places, [(Some(256), Some(1024)), (Some(2048), Some(512))], "{step}");
        }
    }

    #[test]
    fn a_drive_that_gives_nothing_is_given_up() {
        struct Dead;
        impl ReadAt for Dead {
            fn len(&self) -> u64 {
                u64::MAX
            }
            fn read_at(&self, at: u64, _: &mut [u8]) -> io::Result<usize> {
                assert!(at < 2 * HOPELESS, "read on");
                let range = at..at + SECTOR;
                let detail = "EIO".to_owned();
                Err(Unreadable { range, code: Code::IoError, detail }.into_error())
            }
        }
        let mut stream = ExtentStream::new(Arc::new(Dead), vec![Extent::disk(0, 1 << 40)]);
        let problem = stream.fill(&mut [0; 4096]).unwrap_err();
        assert_eq!((problem.offset, problem.length), (Some(0), Some(1 << 40)));
        assert_eq!(stream.fill(&mut [0; 4096]), Ok(0));
    }

    #[test]
    fn what_is_missing_or_outside_is_said_once() {
        let runs = vec![
            Extent::missing(100, Code::Overwritten, "taken"),
            Extent::missing(50, Code::Overwritten, "taken"),
            Extent::disk(8 * SECTOR - 10, 30),
        ];
        let (bytes, problems) = read(&[], runs, 64);
        assert_eq!(bytes.len(), 10);
        assert_eq!(problems[0].code, Code::Overwritten);
        assert_eq!((problems[0].offset, problems[0].length), (Some(0), Some(150)));
        assert_eq!(problems[1].code, Code::ChainBroken);
        assert_eq!((problems[1].offset, problems[1].length), (Some(160), Some(20)));
    }
}
