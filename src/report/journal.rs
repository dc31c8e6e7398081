//! The journal: records in the order their objects were done, kept until the report is complete.
//!
//! A frame is a length (u32, little-endian), the CRC-32 of the payload (u32, little-endian) and the
//! payload. The first frame holds the format version and the identity of the run, as text; each
//! frame after it holds one record. A killed run or a lost machine leaves at most a torn tail: the
//! reader stops there and says where. A frame that does not check ends the journal even where
//! others follow it, because after a power cut nothing says that they belong to it.

use crate::output::{AppendFile, OutputDir};
use crate::report::{Record, ReportError, schema};
use std::io::{BufReader, Read};

/// The journal's file in the output folder.
pub(super) const FILE: &str = "journal/records";

/// Bytes gathered before they are written.
const BATCH: usize = 256 * 1024;
/// Length and checksum before each payload.
const HEAD: usize = 8;
/// First word of the first frame.
const MAGIC: &str = "assay-journal";

/// The journal of a running scan.
///
/// Bytes are on their way to the disk at [`Journal::sync`], not before; nothing is written when the
/// value is dropped.
#[derive(Debug)]
pub struct Journal {
    file: AppendFile,
    pending: Vec<u8>,
    records: u64,
}

impl Journal {
    /// Starts the journal of a new run.
    ///
    /// - `identity`: what must be equal for a later run to go on with it: evidence, sets, settings.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn create(out: &OutputDir, identity: &str) -> Result<Self, ReportError> {
        out.make_folder(schema::JOURNAL)?;
        let file = out.append(FILE)?;
        let mut journal = Self { file, pending: Vec::new(), records: 0 };
        journal.frame(|out| {
            out.extend_from_slice(format!("{MAGIC} {} {identity}", schema::VERSION).as_bytes());
            Ok(())
        })?;
        journal.sync()?;
        Ok(journal)
    }

    /// Goes on with the journal of a run that was not finished, after cutting its torn tail.
    /// Returns the place of the cut, where there was one.
    ///
    /// # Errors
    /// [`ReportError::OtherRun`] where its identity is not `identity`; [`ReportError::Output`].
    pub fn resume(out: &OutputDir, identity: &str) -> Result<(Self, Option<u64>), ReportError> {
        let mut reader = JournalReader::open(out)?;
        if reader.identity() != identity {
            return Err(ReportError::OtherRun);
        }
        let (mut records, mut payload) = (0, Vec::new());
        while reader.next(&mut payload)? {
            records += 1;
        }
        let mut file = out.append_after(FILE, reader.position())?;
        file.sync()?;
        Ok((Self { file, pending: Vec::new(), records }, reader.torn_at()))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`ReportError::Output`] or [`ReportError::Encode`]; after an error of the disk every later
    /// call fails, so that no record follows a torn one.
    pub fn append(&mut self, record: &Record) -> Result<(), ReportError> {
        self.frame(|out| record.encode(out))?;
        self.records += 1;
        if self.pending.len() >= BATCH { self.write() } else { Ok(()) }
    }

    /// Makes every record so far durable.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn sync(&mut self) -> Result<(), ReportError> {
        self.write()?;
        Ok(self.file.sync()?)
    }

    /// Number of records in it.
    pub const fn records(&self) -> u64 {
        self.records
    }

    fn write(&mut self) -> Result<(), ReportError> {
        self.file.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn frame(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; HEAD]);
        let filled = fill(&mut self.pending);
        let length = self.pending.len().saturating_sub(start + HEAD);
        let (Ok(()), Ok(length)) = (&filled, u32::try_from(length)) else {
            self.pending.truncate(start);
            return filled.and(Err(ReportError::TooLong));
        };
        let (_, frame) = self.pending.split_at_mut(start);
        let (head, payload) = frame.split_at_mut(HEAD);
        let (length_at, checksum_at) = head.split_at_mut(4);
        length_at.copy_from_slice(&length.to_le_bytes());
        checksum_at.copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        Ok(())
    }
}

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
        if !reader.next(&mut payload)? {
            return Err(ReportError::NoJournal);
        }
        let start = format!("{MAGIC} {} ", schema::VERSION);
        let text = String::from_utf8(payload).map_err(|_| ReportError::NoJournal)?;
        text.strip_prefix(&start).ok_or(ReportError::NoJournal)?.clone_into(&mut reader.identity);
        Ok(reader)
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
        if left < 8 || size > left - 8 {
            self.torn = true;
            return Ok(false);
        }
        let read = (&mut self.file).take(size).read_to_end(payload);
        read.map_err(ReportError::JournalRead)?;
        if crc32fast::hash(payload) != u32::from_le_bytes(checksum) || size == 0 {
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
