//! A journal read from its start to its end or its torn tail.

use super::{BATCH, FILE, Frame, HEAD, LONGEST_FIRST, MAGIC};
use crate::output::OutputDir;
use crate::report::{ReportError, schema};
use std::io::{BufReader, Read};

/// Reads a journal from its start.
pub struct JournalReader {
    file: BufReader<std::fs::File>,
    length: u64,
    position: u64,
    torn: bool,
    identity: String,
}

impl JournalReader {
    /// Opens the journal of an output folder.
    ///
    /// # Errors
    /// [`ReportError::NoJournal`] where its first frame is not whole or of another format;
    /// [`ReportError::Output`].
    pub fn open(out: &OutputDir) -> Result<Self, ReportError> {
        let file = out.open(FILE)?;
        let length = file.metadata().map_err(ReportError::JournalRead)?.len();
        let file = BufReader::with_capacity(BATCH, file);
        let mut reader = Self { file, length, position: 0, torn: false, identity: String::new() };
        let mut payload = Vec::new();
        if !reader.payload(&mut [], &mut payload)? {
            return Err(ReportError::NoJournal);
        }
        let start = format!("{MAGIC} {} ", schema::VERSION);
        let text = String::from_utf8(payload).map_err(|_| ReportError::NoJournal)?;
        let identity = text.strip_prefix(&start);
        let other = || ReportError::OtherRun("its journal is of another version".to_owned());
        identity.ok_or_else(other)?.clone_into(&mut reader.identity);
        Ok(reader)
    }

    /// True where an output folder has no journal, or one of which not even the first frame was
    /// written whole: no evidence was opened then.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn is_unborn(out: &OutputDir) -> Result<bool, ReportError> {
        if !out.has(FILE) {
            return Ok(true);
        }
        match Self::open(out) {
            Err(ReportError::NoJournal) => {
                let length = out.open(FILE)?.metadata().map_err(ReportError::JournalRead)?.len();
                // A longer one had a first frame, so it is damaged and nothing to write over.
                Ok(length < LONGEST_FIRST)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        }
    }

    /// What the run that wrote it gave as its identity.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Puts the next encoded record in `payload`; false at the end or a torn tail.
    ///
    /// # Errors
    /// [`ReportError::JournalRead`] where the disk does not give the bytes.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<bool, ReportError> {
        while let Some(frame) = self.frame(payload)? {
            if frame == Frame::Record {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts what the next frame holds in `payload`, without its letter; `None` at the end or a torn
    /// tail.
    ///
    /// # Errors
    /// As [`JournalReader::next`].
    pub fn frame(&mut self, payload: &mut Vec<u8>) -> Result<Option<Frame>, ReportError> {
        let start = self.position;
        let mut letter = [0];
        if !self.payload(&mut letter, payload)? {
            return Ok(None);
        }
        let frame = Frame::of(letter[0]);
        if frame.is_none() {
            (self.torn, self.position) = (true, start);
        }
        Ok(frame)
    }

    /// Puts the next payload behind its first bytes.
    fn payload(&mut self, first: &mut [u8], payload: &mut Vec<u8>) -> Result<bool, ReportError> {
        payload.clear();
        let left = self.length.saturating_sub(self.position);
        if self.torn || left == 0 {
            return Ok(false);
        }
        let mut head = [0; HEAD];
        let [a, b, c, d, checksum @ ..] = match left {
            8.. => {
                self.file.read_exact(&mut head).map(|()| head).map_err(ReportError::JournalRead)?
            }
            _ => [u8::MAX; HEAD],
        };
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        let ahead = u64::try_from(first.len()).unwrap_or(u64::MAX);
        if left < 8 || size > left - 8 || size <= ahead.saturating_sub(1) || size == 0 {
            self.torn = true;
            return Ok(false);
        }
        self.file.read_exact(first).map_err(ReportError::JournalRead)?;
        let read = (&mut self.file).take(size - ahead).read_to_end(payload);
        read.map_err(ReportError::JournalRead)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(first);
        crc.update(payload);
        if crc.finalize() != u32::from_le_bytes(checksum) {
            self.torn = true;
            payload.clear();
            return Ok(false);
        }
        self.position += 8 + size;
        Ok(true)
    }

    /// The byte after the last whole frame that was read.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Where the torn tail starts, once the reader has met one.
    pub fn torn_at(&self) -> Option<u64> {
        self.torn.then_some(self.position)
    }
}
