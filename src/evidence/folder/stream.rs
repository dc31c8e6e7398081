//! The bytes of a regular file by positional reads, and whether it was still meanwhile.
//!
//! Never mapped: a file cut short under a map would kill the process. One byte more than the
//! stated size is asked for, so that a file that grows is noticed and one that grows for ever ends.

use crate::item::{Stream, Timestamp};
use crate::problem::{Code, Problem, Stage};
use crate::sys::{self, Errno, File, Kernel, Stat};

/// A regular file being read.
pub(super) struct FileStream {
    kernel: Kernel,
    file: File,
    /// What was known of it when it was opened.
    before: Stat,
    at: u64,
    ended: bool,
    failed: bool,
}

impl FileStream {
    pub(super) fn new(kernel: Kernel, file: File, before: Stat) -> Self {
        Self { kernel, file, before, at: 0, ended: false, failed: false }
    }

    /// A device may give at the second try what it did not at the first.
    fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        match self.kernel.read_at(&self.file, self.at, buf) {
            Err(Errno::IO) => self.kernel.read_at(&self.file, self.at, buf),
            result => result,
        }
    }

    fn fail(&mut self, error: Errno) -> Problem {
        (self.ended, self.failed) = (true, true);
        let rest = self.before.size.saturating_sub(self.at);
        let detail = format!("reading: {}", sys::symbol(error));
        Problem::new(Code::IoError, Stage::Read, detail).at(self.at, rest)
    }
}

impl Stream for FileStream {
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, Problem> {
        let mut done = 0_usize;
        while !self.ended {
            let left = self.before.size.saturating_add(1).saturating_sub(self.at);
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let rest = buf.get_mut(done..).unwrap_or_default();
            let most = most.min(rest.len());
            if left == 0 {
                self.ended = true;
            }
            let Some(rest) = rest.get_mut(..most).filter(|rest| !rest.is_empty()) else { break };
            match self.read(rest) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    done = done.saturating_add(n);
                    self.at = self.at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(done)
    }

    fn finish(self: Box<Self>) -> Result<(), Problem> {
        let after = self.kernel.stat_file(&self.file).map_err(|error| {
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
