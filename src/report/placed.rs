//! Records of the journal by their place in it.
//!
//! What is sorted are keys and places, not records: those stay in the journal and are read again
//! where they stand. They stand nearly in the order of their keys, because that is the order the
//! objects were listed in, so a few blocks kept in memory are nearly always the right ones; in any
//! other order each record costs a read of one block. A frame is checked by its checksum each time.

use crate::output::OutputDir;
use crate::report::{ReportError, journal};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes read at a time.
const BLOCK: usize = 16 * 1024;
/// Blocks kept, each in the slot of its number's remainder: 4 MiB.
const SLOTS: usize = 256;

/// The journal, to be read at any place.
pub(super) struct Placed {
    file: File,
    blocks: Vec<Block>,
    frame: Vec<u8>,
}

#[derive(Clone, Default)]
struct Block {
    number: Option<u64>,
    bytes: Vec<u8>,
}

impl Placed {
    pub(super) fn open(out: &OutputDir) -> Result<Self, ReportError> {
        let file = out.open(journal::FILE)?;
        Ok(Self { file, blocks: vec![Block::default(); SLOTS], frame: Vec::new() })
    }

    /// The record in the frame that starts at `place`.
    ///
    /// # Errors
    /// [`ReportError::JournalDamaged`] where no whole record is there any more.
    pub(super) fn record(&mut self, place: u64) -> Result<&[u8], ReportError> {
        self.read(place, journal::HEAD)?;
        let (length, checksum) = journal::head(&self.frame);
        let payload = place.checked_add(8).ok_or_else(|| damaged(place))?;
        self.read(payload, length)?;
        match self.frame.split_first() {
            Some((letter, record))
                if *letter == journal::Frame::Record.letter()
                    && crc32fast::hash(&self.frame) == checksum =>
            {
                Ok(record)
            }
            _ => Err(damaged(place)),
        }
    }

    /// Puts so many bytes from `at` into `frame`.
    fn read(&mut self, at: u64, length: usize) -> Result<(), ReportError> {
        self.frame.clear();
        let mut at = at;
        while self.frame.len() < length {
            let missing = length - self.frame.len();
            let size = u64::try_from(BLOCK).unwrap_or(u64::MAX);
            let within = usize::try_from(at % size).unwrap_or(BLOCK);
            let block = block(&mut self.blocks, &self.file, at / size, within)?;
            let part = block.get(within..).unwrap_or_default();
            let part = part.get(..missing).unwrap_or(part);
            if part.is_empty() {
                return Err(damaged(at));
            }
            self.frame.extend_from_slice(part);
            at += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

/// A frame that was whole before is not any more.
fn damaged(at: u64) -> ReportError {
    ReportError::JournalDamaged { at, found: 0, expected: 1 }
}

/// A block that holds more than `within` bytes, where the file does.
fn block<'a>(
    blocks: &'a mut [Block],
    file: &File,
    number: u64,
    within: usize,
) -> Result<&'a [u8], ReportError> {
    let slot = number % u64::try_from(SLOTS).unwrap_or(u64::MAX);
    let block = usize::try_from(slot).ok().and_then(|slot| blocks.get_mut(slot));
    let block = block.ok_or_else(|| damaged(number))?;
    // A block at the end of a journal that grew since is read again.
    if block.number != Some(number) || block.bytes.len() <= within {
        block.number = None;
        block.bytes.resize(BLOCK, 0);
        let start = number.saturating_mul(u64::try_from(BLOCK).unwrap_or(u64::MAX));
        let mut have = 0;
        while let Some(rest) = block.bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            let at = start.saturating_add(u64::try_from(have).unwrap_or(u64::MAX));
            match file.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReportError::JournalRead(error)),
            }
        }
        block.bytes.truncate(have);
        block.number = Some(number);
    }
    Ok(&block.bytes)
}
