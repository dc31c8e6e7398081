//! A regular file or block device as the bytes of a medium, and as a segment of other containers.
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

use crate::bytes::{ReadAt, Unreadable};
use crate::problem::Code;
use crate::sys::{self, Errno, File, Kernel, OpenedAs, Stat};

/// Bytes asked for at a time where a read failed.
const PAGE: u64 = 4096;
/// Bytes asked for at a time where a page failed.
const SECTOR: u64 = 512;

/// An open file or block device.
pub struct ImageFile {
    kernel: Kernel,
    file: File,
    path: PathBuf,
    stat: Stat,
    size: u64,
    how: OpenedAs,
}

impl fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path.display(), self.size)
    }
}

impl ImageFile {
    /// Takes what was opened; `size` is where it ends.
    pub(super) fn new(
        kernel: Kernel,
        (file, how): (File, OpenedAs),
        path: PathBuf,
        stat: Stat,
        size: u64,
    ) -> Self {
        Self { kernel, file, path, stat, size, how }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was known of it when it was opened.
    pub const fn stat(&self) -> &Stat {
        &self.stat
    }

    /// With or without `O_NOATIME`.
    pub const fn opened_as(&self) -> OpenedAs {
        self.how
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_now(&self) -> Result<Stat, Errno> {
        self.kernel.stat_file(&self.file)
    }

    /// True where the machine does not list the device any more that the file is on.
    pub(super) fn is_unplugged(&self) -> bool {
        let device = self.stat.device;
        !sys::is_anonymous(device) && !sys::device_is_listed(device)
    }

    /// Lets time pass, as the way to the kernel does it.
    pub(super) fn wait(&self, time: std::time::Duration) {
        self.kernel.wait(time);
    }

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
    fn in_pieces(&self, at: u64, buf: &mut [u8], error: Errno) -> io::Result<usize> {
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
                    (0, Some(error)) => return Err(self.hole(at, buf, error)),
                    (0, None) => return if done > 0 { Ok(done) } else { Err(self.cut_short(at)) },
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
    fn hole(&self, at: u64, buf: &mut [u8], error: Errno) -> io::Error {
        let asked = after(at, buf.len()).min(self.size);
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

    fn cut_short(&self, at: u64) -> io::Error {
        let detail = format!("ends at byte {at}; it had {} bytes when it was opened", self.size);
        Unreadable { range: at..self.size, code: Code::ChangedDuringRead, detail }.into_error()
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
        match self.piece(at, buf) {
            (0, None) => Err(self.cut_short(at)),
            (0, Some(error)) if sys::is_unreadable(error) => self.in_pieces(at, buf, error),
            (0, Some(error)) => Err(error.into()),
            (n, _) => Ok(n),
        }
    }
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
