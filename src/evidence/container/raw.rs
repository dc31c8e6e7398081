//! A regular file or block device as the bytes of a medium, and as a segment of other containers;
//! also an object inside evidence that is read as one.
//!
//! Read by positional reads, never mapped. Reading keeps no state, so that any number of threads
//! read and the same bytes are missing whoever asks: where a read fails, its bytes are asked for
//! again in pages of 4 KiB, and a page that fails in sectors of 512 bytes, each once a call. A
//! sector that fails is a hole; the call says how far the hole goes within what it was asked for.
//!
//! A file that is shorter than it was when it was opened says so; no byte of it is made up.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{ReadAt, Unreadable};
use crate::problem::Code;
use crate::sys::{self, Errno, File, Kernel, OpenedAs, Stat};

/// Bytes asked for at a time where a read failed.
const PAGE: u64 = 4096;
/// Bytes asked for at a time where a page failed.
const SECTOR: u64 = 512;

/// An open file or block device, or an object inside evidence.
pub struct ImageFile {
    source: Source,
    path: PathBuf,
    size: u64,
}

/// What gives the bytes.
enum Source {
    System(System),
    /// An object inside evidence, told from the other ones by a number.
    Inside {
        bytes: Arc<dyn ReadAt>,
        number: u64,
    },
}

/// What the operating system opened.
struct System {
    kernel: Kernel,
    file: File,
    stat: Stat,
    how: OpenedAs,
}

impl fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path.display(), self.size)
    }
}

impl ImageFile {
    /// Takes what was opened; `size` is where it ends.
    pub(in crate::evidence) fn new(
        kernel: Kernel,
        (file, how): (File, OpenedAs),
        path: PathBuf,
        stat: Stat,
        size: u64,
    ) -> Self {
        Self { source: Source::System(System { kernel, file, stat, how }), path, size }
    }

    /// Takes an object inside evidence.
    ///
    /// - `path`: its name there; nothing is opened by it.
    /// - `number`: tells it from every other object of the same chain of images.
    pub(super) fn inside(bytes: Arc<dyn ReadAt>, path: PathBuf, number: u64) -> Self {
        let size = bytes.len();
        Self { source: Source::Inside { bytes, number }, path, size }
    }

    const fn system(&self) -> Option<&System> {
        match &self.source {
            Source::System(system) => Some(system),
            Source::Inside { .. } => None,
        }
    }

    /// What tells it from other files, whatever its path.
    pub(super) fn identity(&self) -> (u64, u64) {
        match &self.source {
            Source::System(System { stat, .. }) => (stat.device, stat.inode),
            Source::Inside { number, .. } => (u64::MAX, *number),
        }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was known of it when it was opened; `None` of an object inside evidence.
    pub fn stat(&self) -> Option<&Stat> {
        self.system().map(|system| &system.stat)
    }

    /// With or without `O_NOATIME`; `None` of an object inside evidence.
    pub fn opened_as(&self) -> Option<OpenedAs> {
        self.system().map(|system| system.how)
    }

    /// What is known of it now; `None` of an object inside evidence.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_now(&self) -> Option<Result<Stat, Errno>> {
        self.system().map(|system| system.kernel.stat_file(&system.file))
    }

    /// True where the machine does not list the device any more that the file is on.
    pub(super) fn is_unplugged(&self) -> bool {
        self.stat().is_some_and(|stat| {
            !sys::is_anonymous(stat.device) && !sys::device_is_listed(stat.device)
        })
    }

    /// Lets time pass, as the way to the kernel does it.
    pub(super) fn wait(&self, time: std::time::Duration) {
        if let Some(system) = self.system() {
            system.kernel.wait(time);
        }
    }
}

impl System {
    /// Reads a piece as far as it goes; fewer bytes than asked only before an error or the end.
    fn piece(&self, at: u64, buf: &mut [u8]) -> (usize, Option<Errno>) {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.kernel.read_at(&self.file, after(at, done), rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }

    /// Reads pages and sectors of what failed as a whole.
    fn in_pieces(&self, at: u64, buf: &mut [u8], error: Errno, size: u64) -> io::Result<usize> {
        let mut done = 0_usize;
        while done < buf.len() {
            let (n, failed) = self.next_piece(after(at, done), buf, done, PAGE);
            done = done.saturating_add(n);
            if failed.is_none() && n > 0 {
                continue;
            }
            let Some(failed) = failed else { break };
            if !sys::is_unreadable(failed) {
                return if done > 0 { Ok(done) } else { Err(failed.into()) };
            }
            let page_end = next_multiple(after(at, done), PAGE);
            while done < buf.len() && after(at, done) < page_end {
                match self.next_piece(after(at, done), buf, done, SECTOR) {
                    (0, Some(_)) if done > 0 => return Ok(done),
                    (0, Some(error)) => return Err(self.hole(at, buf, error, size)),
                    (0, None) => return if done > 0 { Ok(done) } else { Err(cut_short(at, size)) },
                    (n, _) => done = done.saturating_add(n),
                }
            }
        }
        if done == 0 && !buf.is_empty() { Err(error.into()) } else { Ok(done) }
    }

    /// Reads from `position` to the next multiple of `size`, into `buf` from `done` on.
    fn next_piece(
        &self,
        position: u64,
        buf: &mut [u8],
        done: usize,
        size: u64,
    ) -> (usize, Option<Errno>) {
        let most = next_multiple(position, size).saturating_sub(position);
        let rest = buf.get_mut(done..).unwrap_or_default();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(rest.len());
        self.piece(position, rest.get_mut(..most).unwrap_or_default())
    }

    /// How far the bytes that cannot be read go, sector by sector, within what was asked for.
    fn hole(&self, at: u64, buf: &mut [u8], error: Errno, size: u64) -> io::Error {
        let asked = after(at, buf.len()).min(size);
        let mut end = next_multiple(at, SECTOR).min(asked);
        while end < asked {
            let (n, failed) = self.next_piece(end, buf, 0, SECTOR);
            if n > 0 || !failed.is_some_and(sys::is_unreadable) {
                break;
            }
            end = next_multiple(end, SECTOR).min(asked);
        }
        let detail = format!("reading: {}", sys::symbol(error));
        Unreadable { range: at..end, code: Code::IoError, detail }.into_error()
    }
}

impl ReadAt for ImageFile {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        let Some(buf) = buf.get_mut(..most).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        let system = match &self.source {
            Source::System(system) => system,
            Source::Inside { bytes, .. } => return bytes.read_at(at, buf),
        };
        match system.piece(at, buf) {
            (0, None) => Err(cut_short(at, self.size)),
            (0, Some(error)) if sys::is_unreadable(error) => {
                system.in_pieces(at, buf, error, self.size)
            }
            (0, Some(error)) => Err(error.into()),
            (n, _) => Ok(n),
        }
    }

    fn announce(&self, at: u64, bytes: u64) {
        let bytes = bytes.min(self.size.saturating_sub(at));
        match &self.source {
            Source::System(system) => system.kernel.will_need(&system.file, at, bytes),
            Source::Inside { bytes: inside, .. } => inside.announce(at, bytes),
        }
    }
}

fn cut_short(at: u64, size: u64) -> io::Error {
    let detail = format!("ends at byte {at}; it had {size} bytes when it was opened");
    Unreadable { range: at..size, code: Code::ChangedDuringRead, detail }.into_error()
}

/// The place `done` bytes after `at`.
fn after(at: u64, done: usize) -> u64 {
    at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))
}

/// The first multiple of `size` that is greater than `at`.
fn next_multiple(at: u64, size: u64) -> u64 {
    let whole = at.checked_div(size).unwrap_or_default();
    whole.saturating_add(1).saturating_mul(size)
}
