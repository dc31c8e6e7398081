//! A section while it is made: an unnamed file that grows and knows its digest.

use super::BuildError;
use super::layout::{Section, SectionKind};
use crate::digest::Algorithm;
use crate::hashset::encoding::wide;
use crate::output::{OutputDir, SpillFile};
use std::io::Write;

/// Bytes held back before the file is written to, and read of it at once.
const BUFFER: usize = 256 << 10;

/// Bytes that are written once and read in order after that.
pub(super) struct Growing {
    spill: SpillFile,
    pending: Vec<u8>,
    len: u64,
    hasher: blake3::Hasher,
}

impl Growing {
    pub(super) fn new(out: &OutputDir) -> Result<Self, BuildError> {
        let (spill, pending) = (out.spill()?, Vec::with_capacity(BUFFER));
        Ok(Self { spill, pending, len: 0, hasher: blake3::Hasher::new() })
    }

    /// How many bytes were pushed.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        if self.pending.len().saturating_add(bytes.len()) > BUFFER {
            self.flush()?;
        }
        self.len = self.len.saturating_add(wide(bytes.len()));
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// `count` times the same bytes.
    pub(super) fn repeat(&mut self, bytes: &[u8], count: u64) -> Result<(), BuildError> {
        (0..count).try_for_each(|_| self.push(bytes))
    }

    fn flush(&mut self) -> Result<(), BuildError> {
        self.hasher.update(&self.pending);
        self.spill.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Ends the writing.
    pub(super) fn finish(mut self) -> Result<Grown, BuildError> {
        self.flush()?;
        let blake3 = *self.hasher.finalize().as_bytes();
        Ok(Grown { spill: self.spill, len: self.len, blake3 })
    }
}

/// Bytes that were written.
pub(super) struct Grown {
    spill: SpillFile,
    pub(super) len: u64,
    blake3: [u8; 32],
}

impl Grown {
    /// Digest of all of them.
    pub(super) const fn blake3(&self) -> [u8; 32] {
        self.blake3
    }

    /// Its place in a directory, not laid out yet.
    pub(super) const fn section(
        &self,
        kind: SectionKind,
        algorithm: Option<Algorithm>,
        items: u64,
    ) -> Section {
        Section { kind, algorithm, offset: 0, len: self.len, items, blake3: self.blake3 }
    }

    /// Reads them from the first.
    pub(super) fn reader(&self) -> GrownReader<'_> {
        GrownReader {
            grown: self,
            next: 0,
            buffer: Vec::new(),
            at: 0,
            hasher: blake3::Hasher::new(),
        }
    }

    /// Writes them to `to`; what comes back from the disk has to be what went there.
    pub(super) fn copy(
        &self,
        to: &mut dyn Write,
        failed: &dyn Fn(std::io::Error) -> BuildError,
    ) -> Result<(), BuildError> {
        let mut reader = self.reader();
        while reader.fill()? {
            to.write_all(&reader.buffer).map_err(failed)?;
            reader.at = reader.buffer.len();
        }
        Ok(())
    }
}

/// A pass over what was written.
pub(super) struct GrownReader<'a> {
    grown: &'a Grown,
    next: u64,
    buffer: Vec<u8>,
    at: usize,
    hasher: blake3::Hasher,
}

impl GrownReader<'_> {
    /// The next `N` bytes; `None` at the end.
    pub(super) fn take(&mut self, n: usize) -> Result<Option<&[u8]>, BuildError> {
        let left = self.buffer.len().saturating_sub(self.at);
        if left < n {
            self.buffer.drain(..self.at.min(self.buffer.len()));
            self.at = 0;
            if !self.more()? && left == 0 {
                return Ok(None);
            }
        }
        let start = self.at;
        self.at = start.saturating_add(n);
        let taken = self.buffer.get(start..self.at);
        taken.map(Some).ok_or(BuildError::SpillDamaged)
    }

    /// Fills an empty buffer; false at the end.
    fn fill(&mut self) -> Result<bool, BuildError> {
        self.buffer.clear();
        self.at = 0;
        self.more()
    }

    /// Reads on behind what the buffer holds; false at the end, where the digest is compared.
    fn more(&mut self) -> Result<bool, BuildError> {
        let left = self.grown.len.saturating_sub(self.next);
        let read = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        if read == 0 {
            return Ok(false);
        }
        let have = self.buffer.len();
        self.buffer.resize(have.saturating_add(read), 0);
        let into = self.buffer.get_mut(have..).unwrap_or_default();
        self.grown.spill.read_at(self.next, into)?;
        self.hasher.update(into);
        self.next = self.next.saturating_add(wide(read));
        if self.next == self.grown.len && *self.hasher.finalize().as_bytes() != self.grown.blake3 {
            return Err(BuildError::SpillDamaged);
        }
        Ok(true)
    }
}
