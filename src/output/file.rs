//! The kinds of files a run writes: whole, growing, unnamed, fixed.

use super::{Faults, Operation, OutputDir, OutputError};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes held back before a whole file is written to.
const BUFFER: usize = 128 * 1024;

/// A file whose writes can be made to fail.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: File,
    pub(super) name: String,
    pub(super) faults: Faults,
}

impl Checked {
    pub(super) fn sync(&self) -> io::Result<()> {
        self.faults.hit(Operation::Sync, &self.name, || Ok(()))?;
        self.file.sync_all()
    }
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (half, _) = bytes.split_at(bytes.len() / 2);
        self.faults.hit(Operation::Write, &self.name, || (&self.file).write_all(half))?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that has its name only once it is whole and durable.
///
/// Nothing depends on its end of life: what was not [committed](Self::commit) never had the name.
#[derive(Debug)]
pub struct WholeFile<'a> {
    pub(super) dir: &'a OutputDir,
    pub(super) file: BufWriter<Checked>,
    pub(super) name: String,
    pub(super) temporary: String,
    pub(super) committed: bool,
}

impl<'a> WholeFile<'a> {
    pub(super) fn new(dir: &'a OutputDir, name: &str, temporary: String, file: Checked) -> Self {
        let file = BufWriter::with_capacity(BUFFER, file);
        Self { dir, file, name: name.to_owned(), temporary, committed: false }
    }

    /// Makes the bytes durable, gives them the name and makes the name durable.
    ///
    /// # Errors
    /// [`OutputError::Io`]; the name then leads to what it led to before.
    pub fn commit(mut self) -> Result<(), OutputError> {
        let flushed = self.file.flush();
        flushed.map_err(|source| self.error("write", source))?;
        let synced = self.file.get_ref().sync();
        synced.map_err(|source| self.error("make durable", source))?;
        self.dir.rename(&self.temporary, &self.name)?;
        self.committed = true;
        Ok(())
    }

    /// An error of this file, naming it.
    pub fn error(&self, action: &'static str, source: io::Error) -> OutputError {
        OutputError::Io { action, path: self.dir.path().join(&self.name), source }
    }
}

impl Write for WholeFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Gives back the space of a file that was not committed. A crash leaves it under its temporary
/// name, which the next attempt overwrites.
impl Drop for WholeFile<'_> {
    fn drop(&mut self) {
        if !self.committed {
            let _gone_or_harmless = self.dir.remove(&self.temporary);
        }
    }
}

/// A file that only grows.
///
/// After a write that failed every later call fails too: what was torn stays the last thing in it.
#[derive(Debug)]
pub struct AppendFile {
    file: Checked,
    path: PathBuf,
    torn: bool,
}

impl AppendFile {
    pub(super) const fn new(file: Checked, path: PathBuf) -> Self {
        Self { file, path, torn: false }
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// [`OutputError::Io`]; some of the bytes may then be in the file.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.attempt("write", |file| file.write_all(bytes))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`OutputError::Io`]; what became durable is then unknown, as after a failed write.
    pub fn sync(&mut self) -> Result<(), OutputError> {
        self.attempt("make durable", |file| file.sync())
    }

    fn attempt(
        &mut self,
        action: &'static str,
        call: impl FnOnce(&mut Checked) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let done = match self.torn {
            true => Err(io::Error::other("an earlier write failed")),
            false => call(&mut self.file),
        };
        self.torn = done.is_err();
        done.map_err(|source| OutputError::Io { action, path: self.path.clone(), source })
    }
}

/// An unnamed file: it ends with the process, whatever ends that.
#[derive(Debug)]
pub struct SpillFile {
    pub(super) file: Checked,
    pub(super) folder: PathBuf,
}

impl SpillFile {
    /// Writes at the end.
    ///
    /// # Errors
    /// [`OutputError::Io`], naming the folder that is full or failing.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.error("write a temporary file in", source))
    }

    /// Reads exactly `buf` at `at`.
    ///
    /// # Errors
    /// [`OutputError::Io`], also where the file ends before.
    pub fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<(), OutputError> {
        let read = self.file.file.read_exact_at(buf, at);
        read.map_err(|source| self.error("read a temporary file in", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> OutputError {
        OutputError::Io { action, path: self.folder.clone(), source }
    }
}

/// A file of fixed length whose parts are changed in place, by any thread.
///
/// It tells a later process what this one was doing when it ended; a lost machine may lose it.
#[derive(Debug)]
pub struct FixedFile {
    pub(super) file: File,
}

impl FixedFile {
    /// Writes at `at`.
    ///
    /// # Errors
    /// As pwrite(2).
    pub fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }
}
