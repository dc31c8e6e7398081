//! The bytes of a regular file by positional reads, and whether it was still meanwhile.
//!
//! Never mapped: a file cut short under a map would kill the process. One byte more than the
//! stated size is asked for, so that a file that grows is noticed and one that grows for ever ends.
//!
//! Where the device does not give a block, the block is asked for again in pages of 4 KiB, and a
//! page that fails in sectors of 512 bytes, each once. A sector that fails is a hole; holes that
//! touch are one problem. Where 2 MiB on end give no sector, or after 900 holes, the rest of the file is not tried: a
//! dead drive needs seconds for each failing read. The policy is fixed, so that two runs over the
//! same bad sectors say the same.
//!
//! What the file system keeps nowhere is not read: [`Sparse`] says which bytes are zeros.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::Ground;
use super::sparse::{Next, Sparse};
use super::whole::FileWhole;
use crate::item::{Stream, Timestamp, Whole};
use crate::problem::{Code, Problem, Stage};
use crate::sys::{self, Errno, File, Stat};

/// Bytes asked for at a time where a block failed.
const PAGE: u64 = 4096;
/// Bytes asked for at a time where a page failed.
const SECTOR: u64 = 512;
/// Bytes on end that fail before the rest is given up.
const HOPELESS: u64 = 2 << 20;
/// Holes of one file before the rest is given up.
const HOLES: usize = 900;

/// Bytes that are fetched before they are asked for. Behind them the system itself reads ahead.
const ANNOUNCED: u64 = 1 << 20;
/// The same behind these, where the disk turns: it serves many files at a time, and what it gives of
/// one before it goes to the next has to be worth the way.
const FETCHED: u64 = 4 << 20;

/// A regular file being read.
pub(super) struct FileStream {
    ground: Arc<Ground>,
    file: File,
    /// What was known of it when it was opened.
    before: Stat,
    at: u64,
    ended: bool,
    failed: bool,
    /// Up to here pages are read, because a block failed.
    pages_to: u64,
    /// Up to here sectors are read, because a page failed.
    sectors_to: u64,
    /// Bytes that need no reading.
    sparse: Sparse,
    /// Up to here bytes are being fetched.
    fetched_to: u64,
    /// The hole that ends where the next byte is to be read.
    hole: Option<Hole>,
    /// Problems to be told.
    told: VecDeque<Problem>,
    /// The way to it again.
    whole: FileWhole,
}

#[derive(Clone, Copy)]
struct Hole {
    start: u64,
    error: Errno,
}

impl FileStream {
    pub(super) fn new(ground: Arc<Ground>, file: File, before: Stat, whole: FileWhole) -> Self {
        let sparse = Sparse::of(&ground.fs_type, &before);
        Self {
            ground,
            file,
            before,
            sparse,
            fetched_to: ANNOUNCED,
            at: 0,
            ended: false,
            failed: false,
            pages_to: 0,
            sectors_to: 0,
            hole: None,
            told: VecDeque::new(),
            whole,
        }
    }

    /// The end of the piece to ask for next: a block, or what its failing leaves to try.
    fn piece_end(&self) -> u64 {
        let after = |size: u64| self.at.checked_div(size)?.checked_add(1)?.checked_mul(size);
        let end = if self.at < self.sectors_to {
            after(SECTOR)
        } else if self.at < self.pages_to {
            after(PAGE)
        } else {
            None
        };
        end.unwrap_or(u64::MAX)
    }

    /// What to do with the next bytes. Where a block failed, its pieces are read as they come.
    fn next(&mut self) -> Next {
        if self.at < self.pages_to.max(self.sectors_to) {
            return Next::Read(self.piece_end());
        }
        let (kernel, file) = (&self.ground.kernel, &self.file);
        self.sparse.next(self.at, |at| kernel.span_at(file, at))
    }

    /// Has the bytes before `end` fetched in one go where the disk turns, as long as it gives them.
    fn fetch(&mut self, end: u64) {
        if self.ground.turns && self.at >= self.fetched_to && self.pages_to == 0 {
            let bytes = end.min(self.before.size).saturating_sub(self.at).min(FETCHED);
            self.ground.kernel.will_need(&self.file, self.at, bytes);
            self.fetched_to = self.at.saturating_add(bytes);
        }
    }

    /// Reads a piece; what the device does not give while it is away is asked for again.
    fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        let kernel = &self.ground.kernel;
        match kernel.read_at(&self.file, self.at, buf) {
            Err(error)
                if (sys::is_loss(error) || sys::is_unreadable(error) || error == Errno::NXIO)
                    && self.ground.is_back() =>
            {
                kernel.read_at(&self.file, self.at, buf)
            }
            result => result,
        }
    }

    /// Makes smaller the piece that failed, or a hole of it.
    fn failed(&mut self, error: Errno, asked: u64) {
        let size = self.before.size;
        if self.at >= size {
            self.end(); // whether it grew is asked at the end, in another way
        } else if !sys::is_unreadable(error) || self.ground.loss.is_lost() {
            self.give_up(error);
        } else if self.at < self.sectors_to {
            let hole = *self.hole.get_or_insert(Hole { start: self.at, error });
            self.at = self.piece_end().min(size);
            self.failed = true;
            let hopeless = self.at.saturating_sub(hole.start) >= HOPELESS;
            if hopeless || self.told.len() >= HOLES {
                self.give_up(error);
            }
        } else if self.at < self.pages_to {
            self.sectors_to = self.piece_end();
        } else {
            self.pages_to = self.at.saturating_add(asked);
        }
    }

    /// Takes all that is left as one hole.
    fn give_up(&mut self, error: Errno) {
        self.hole.get_or_insert(Hole { start: self.at, error });
        self.failed = true;
        self.at = self.before.size.max(self.at);
        self.end();
    }

    fn end(&mut self) {
        self.ended = true;
        self.close_hole();
    }

    fn close_hole(&mut self) {
        let Some(Hole { start, error }) = self.hole.take() else { return };
        let detail = format!("reading: {}", sys::symbol(error));
        let problem = Problem::new(Code::IoError, Stage::Read, detail);
        self.told.push_back(problem.at(start, self.at.saturating_sub(start)));
    }
}

impl Stream for FileStream {
    fn announce(&self) {
        self.ground.kernel.will_need(&self.file, 0, self.before.size.min(ANNOUNCED));
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, Problem> {
        let mut done = 0_usize;
        while !self.ended {
            let left = self.before.size.saturating_add(1).saturating_sub(self.at);
            let next = self.next();
            let (Next::Read(end) | Next::Zeros(end)) = next;
            let piece = left.min(end.saturating_sub(self.at));
            let most = usize::try_from(piece).unwrap_or(usize::MAX);
            let rest = buf.get_mut(done..).unwrap_or_default();
            let most = most.min(rest.len());
            if left == 0 {
                self.end();
            }
            let Some(rest) = rest.get_mut(..most).filter(|rest| !rest.is_empty()) else { break };
            let read = match next {
                Next::Read(end) => {
                    self.fetch(end);
                    self.read(rest)
                }
                Next::Zeros(_) => {
                    rest.fill(0);
                    Ok(most)
                }
            };
            match read {
                Ok(0) => self.end(),
                Ok(n) => {
                    self.close_hole();
                    done = done.saturating_add(n);
                    self.at = self.at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
                    // Fewer than asked for, and as many as it has: the byte more was not there.
                    if n < most && self.at == self.before.size {
                        self.end();
                    }
                }
                Err(error) => self.failed(error, u64::try_from(most).unwrap_or(u64::MAX)),
            }
        }
        // Bytes first: none of them is lost to a problem that was met after them.
        if done > 0 {
            return Ok(done);
        }
        self.told.pop_front().map_or(Ok(0), Err)
    }

    fn peek(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.ground.kernel.read_at(&self.file, at, buf)?)
    }

    fn whole(&self) -> Option<Arc<dyn Whole>> {
        Some(Arc::new(self.whole.clone()))
    }

    fn finish(self: Box<Self>) -> Result<(), Problem> {
        let after = self.ground.kernel.stat_file(&self.file).map_err(|error| {
            let detail = format!("asking whether it was still: {}", sys::symbol(error));
            Problem::new(Code::IoError, Stage::Read, detail)
        })?;
        let read = (!self.failed).then_some(self.at);
        let changes = changes(&self.before, &after, read);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Problem::new(Code::ChangedDuringRead, Stage::Read, changes.join("; ")))
    }
}

/// What differs between two looks at a file, and whether as many bytes came as it has.
fn changes(before: &Stat, after: &Stat, read: Option<u64>) -> Vec<String> {
    let mut changes = Vec::new();
    if before.size != after.size {
        changes.push(format!("size {} -> {}", before.size, after.size));
    }
    let mut time = |name: &str, before: Timestamp, after: Timestamp| {
        if before != after {
            changes.push(format!("{name} {before} -> {after}"));
        }
    };
    time("modified", before.modified, after.modified);
    time("changed", before.changed, after.changed);
    if let Some(read) = read.filter(|read| *read != before.size) {
        changes.push(format!("{read} bytes read of {}", before.size));
    }
    changes
}
