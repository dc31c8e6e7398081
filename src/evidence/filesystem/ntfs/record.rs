//! A record of the master file table: its check of whole sectors, and its header.
//!
//! The last two bytes of every 512 bytes of a record were replaced by a number that grows with each
//! write; what they replaced stands in the header. A sector that does not end in that number was
//! written at another time than the others: the record is torn, and what it says is not certain.
//!
//! Source: Linux-NTFS project documentation, "FILE Record" and "Fixup".

use crate::bytes::{Block, Truncated};

/// Every so many bytes of a record end in its update number, whatever the disk's sector size is.
const STRIDE: usize = 512;

const IN_USE: u16 = 1;
const DIRECTORY: u16 = 2;

/// A record by its number, and which use of that number is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Reference {
    /// Number of the record.
    pub(super) record: u64,
    /// How often the record was used; 0 where nobody counts.
    pub(super) sequence: u16,
}

impl Reference {
    /// A reference as it stands on disk.
    pub(super) fn from_raw(raw: u64) -> Self {
        Self { record: raw & 0xFFFF_FFFF_FFFF, sequence: u16::try_from(raw >> 48).unwrap_or(0) }
    }

    /// The same, as it stands on disk.
    pub(super) fn raw(self) -> u64 {
        self.record & 0xFFFF_FFFF_FFFF | u64::from(self.sequence) << 48
    }
}

/// What the bytes of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Zeros, or never written.
    Unused,
    /// A record whose sectors belong together; they were put in order.
    Whole,
    /// A record whose sectors do not belong together.
    Torn,
    /// No record, for this reason.
    Damaged(&'static str),
    /// The image does not give its bytes.
    Unreadable,
}

/// Puts back the bytes that the check replaced, and says what the record is.
pub(super) fn restore(bytes: &mut [u8]) -> State {
    restore_of(bytes, *b"FILE")
}

/// The same of any structure that is checked so, by its signature.
pub(super) fn restore_of(bytes: &mut [u8], signature: [u8; 4]) -> State {
    match bytes.first_chunk::<4>() {
        Some(found) if *found == signature => {}
        Some(b"BAAD") => return State::Damaged("it is marked as damaged"),
        Some([0, 0, 0, 0]) | None => return State::Unused,
        Some(_) => return State::Damaged("it has no signature"),
    }
    let header = Block::new(bytes, 0);
    let (Ok(at), Ok(count)) = (header.u16_le(4), header.u16_le(6)) else {
        return State::Damaged("it is too short");
    };
    let (at, sectors) = (usize::from(at), usize::from(count).saturating_sub(1));
    let bad = State::Damaged("its update sequence does not fit its size");
    let table_end = at.saturating_add(usize::from(count).saturating_mul(2));
    if sectors.saturating_mul(STRIDE) != bytes.len() || at < 0x28 || table_end > STRIDE - 2 {
        return bad;
    }
    let Some(table) = bytes.get(at..table_end).map(<[u8]>::to_vec) else { return bad };
    let mut numbers = table.chunks_exact(2);
    let Some(number) = numbers.next() else { return bad };
    let mut torn = false;
    for (sector, original) in bytes.chunks_exact_mut(STRIDE).zip(numbers) {
        let Some((_, end)) = sector.split_last_chunk_mut::<2>() else { return bad };
        if end == number {
            end.copy_from_slice(original);
        } else {
            torn = true;
        }
    }
    if torn { State::Torn } else { State::Whole }
}

/// A record whose sectors were put in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// How often the record was used.
    pub(super) sequence: u16,
    flags: u16,
    /// The record that this one belongs to, where it only continues another.
    pub(super) base: Option<Reference>,
    /// Where what it holds ends.
    pub(super) used: usize,
    /// Its attributes, to the end that the header states.
    pub(super) attributes: Block<'a>,
}

impl<'a> Record<'a> {
    /// Reads the header of a restored record.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let block = Block::new(bytes, 0);
        let first = usize::from(block.u16_le(20)?);
        let used = usize::try_from(block.u32_le(24)?).unwrap_or(usize::MAX).min(bytes.len());
        let base = Some(Reference::from_raw(block.u64_le(32)?)).filter(|base| base.raw() != 0);
        Ok(Self {
            sequence: block.u16_le(16)?,
            flags: block.u16_le(22)?,
            base,
            used,
            attributes: block.slice(first, used.saturating_sub(first))?,
        })
    }

    /// False where it was freed.
    pub(super) const fn is_in_use(&self) -> bool {
        self.flags & IN_USE != 0
    }

    /// True for a folder.
    pub(super) const fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }
}
