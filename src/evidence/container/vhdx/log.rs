//! The log of a VHDX, replayed in memory: the file is never written.
//!
//! A header that names a log says that the file was not closed in order. The log is a ring of
//! entries of whole sectors of 4 KiB. Of the sequences of sound entries whose numbers follow one
//! another, the one that ends in the highest number counts, from the place that its last entry
//! names as the tail. A data descriptor stands for one sector, of which the descriptor keeps the
//! first eight and the last four bytes; a zero descriptor for any number of them.
//!
//! Source: [MS-VHDX], section 2.3.

use std::sync::Arc;

use super::guid::Guid;
use super::header::{Region, summed};
use super::overlay::Overlay;
use crate::bytes::{Block, ReadAt, Truncated};

/// Bytes of a sector of the log.
const SECTOR: usize = 4096;
/// The largest log that is read; writers make 1 MiB.
pub(super) const LARGEST: u64 = 64 << 20;
/// Bytes that are summed at most while entries are looked for, in lengths of the log and beside.
const MOST_SUMMED: (usize, usize) = (8, 64 << 20);

/// An entry that is sound by itself.
struct Entry {
    at: usize,
    len: usize,
    tail: usize,
    sequence: u64,
    descriptors: u32,
    /// How long the file was when the entry was written.
    flushed: u64,
}

/// A log in memory.
struct Log<'a> {
    ring: &'a [u8],
    id: Guid,
    /// Bytes that may still be summed.
    budget: usize,
}

/// Puts what the log says over the file; the number of entries.
pub(super) fn replay(
    file: Arc<dyn ReadAt>,
    region: Region,
    id: Guid,
) -> Result<(Overlay, usize), String> {
    let len = usize::try_from(region.len).unwrap_or(usize::MAX);
    let end = region.at.checked_add(region.len);
    if end.is_none_or(|end| end > file.len()) || len == 0 || !len.is_multiple_of(SECTOR) {
        return Err("the log reaches past the end of the file".to_owned());
    }
    let mut ring = vec![0; len];
    let n = file.fill_at(region.at, &mut ring).map_err(|error| format!("the log: {error}"))?;
    if n < len {
        return Err("the log reaches past the end of the file".to_owned());
    }
    let (times, more) = MOST_SUMMED;
    let mut log = Log { ring: &ring, id, budget: len.saturating_mul(times).saturating_add(more) };
    let sequence = log.active()?;
    let last = sequence.last().ok_or_else(|| {
        "the file was not closed, and its log has no sequence of sound entries".to_owned()
    })?;
    if last.flushed > file.len() {
        let (had, has) = (last.flushed, file.len());
        return Err(format!("the log was written when the file had {had} bytes; it has {has}"));
    }
    let mut overlay = Overlay::new(file);
    for entry in &sequence {
        log.apply(entry, &mut overlay).map_err(|error| format!("the log: {error}"))?;
    }
    Ok((overlay, sequence.len()))
}

impl Log<'_> {
    /// Bytes of the ring from `at` on, past its end if need be.
    fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let at = at.checked_rem(self.ring.len()).unwrap_or_default();
        let (before, after) = self.ring.split_at_checked(at).unwrap_or_default();
        after.iter().chain(before).take(len).copied().collect()
    }

    /// The entry at `at`, where a sound one of this log is.
    fn entry(&mut self, at: usize) -> Result<Option<Entry>, String> {
        let head = self.bytes(at, 64);
        let block = Block::new(&head, 0);
        if !head.starts_with(b"loge") || block.array(32).map(Guid) != Ok(self.id) {
            return Ok(None);
        }
        let parsed = || {
            Ok::<_, Truncated>(Entry {
                at,
                len: usize::try_from(block.u32_le(8)?).unwrap_or(usize::MAX),
                tail: usize::try_from(block.u32_le(12)?).unwrap_or(usize::MAX),
                sequence: block.u64_le(16)?,
                descriptors: block.u32_le(24)?,
                flushed: block.u64_le(48)?,
            })
        };
        let entry = parsed().map_err(|error| error.to_string())?;
        let is_whole = entry.len >= SECTOR && entry.len <= self.ring.len();
        if !is_whole || !entry.len.is_multiple_of(SECTOR) || entry.sequence == 0 {
            return Ok(None);
        }
        let left = self.budget.checked_sub(entry.len);
        self.budget = left.ok_or_else(|| "the log has more entries than are read".to_owned())?;
        let is_sound = summed(&self.bytes(at, entry.len), b"loge") && self.is_consistent(&entry);
        Ok(is_sound.then_some(entry))
    }

    /// True where every descriptor and every sector of the entry is of this entry.
    fn is_consistent(&self, entry: &Entry) -> bool {
        let mut nothing = |_: u64, _: Piece<'_>| {};
        self.each(entry, &mut nothing).is_ok()
    }

    /// The entries to replay, in order.
    fn active(&mut self) -> Result<Vec<Entry>, String> {
        let mut best: Vec<Entry> = Vec::new();
        let mut at = 0;
        while at < self.ring.len() {
            let sequence = self.sequence(at)?;
            let Some(last) = sequence.last() else {
                at = at.saturating_add(SECTOR);
                continue;
            };
            let used: usize = sequence.iter().map(|entry| entry.len).sum();
            let tail = sequence.iter().position(|entry| entry.at == last.tail);
            let is_newer = best.last().is_none_or(|known| last.sequence > known.sequence);
            if let Some(tail) = tail.filter(|_| is_newer) {
                best = sequence.into_iter().skip(tail).collect();
            }
            at = at.saturating_add(used);
        }
        Ok(best)
    }

    /// The sound entries from `at` on whose numbers follow one another, once around at most.
    fn sequence(&mut self, at: usize) -> Result<Vec<Entry>, String> {
        let mut found: Vec<Entry> = Vec::new();
        let mut next = at;
        let mut used = 0_usize;
        while used < self.ring.len() {
            let place = next.checked_rem(self.ring.len()).unwrap_or_default();
            let Some(entry) = self.entry(place)? else { break };
            let follows = found
                .last()
                .is_none_or(|last| last.sequence.checked_add(1) == Some(entry.sequence));
            used = used.saturating_add(entry.len);
            if !follows || used > self.ring.len() {
                break;
            }
            next = next.saturating_add(entry.len);
            found.push(entry);
        }
        Ok(found)
    }

    fn apply(&self, entry: &Entry, overlay: &mut Overlay) -> Result<(), String> {
        self.each(entry, &mut |at, piece| match piece {
            Piece::Zeros(len) => overlay.clear(at..at.saturating_add(len)),
            Piece::Sector(bytes) => overlay.write(at, bytes),
        })
    }

    /// Gives every change of an entry: where, and what.
    fn each(&self, entry: &Entry, give: &mut dyn FnMut(u64, Piece<'_>)) -> Result<(), String> {
        let bytes = self.bytes(entry.at, entry.len);
        let count = usize::try_from(entry.descriptors).unwrap_or(usize::MAX);
        let table = count.saturating_mul(32).saturating_add(64);
        let mut data = table.checked_next_multiple_of(SECTOR).unwrap_or(usize::MAX);
        let block = Block::new(&bytes, 0);
        let short = |error: Truncated| error.to_string();
        if data > bytes.len() {
            return Err("more descriptors than the entry has room for".to_owned());
        }
        for number in 0..count {
            let at = number.saturating_mul(32).saturating_add(64);
            let descriptor = block.slice(at, 32).map_err(short)?;
            let place = descriptor.u64_le(16).map_err(short)?;
            let sector = u64::try_from(SECTOR).unwrap_or(u64::MAX);
            if descriptor.u64_le(24) != Ok(entry.sequence) || !place.is_multiple_of(sector) {
                return Err("a descriptor that is not of its entry".to_owned());
            }
            if descriptor.bytes().starts_with(b"zero") {
                let len = descriptor.u64_le(8).map_err(short)?;
                if !len.is_multiple_of(sector) || place.checked_add(len).is_none() {
                    return Err("a descriptor of a length that is none".to_owned());
                }
                give(place, Piece::Zeros(len));
                continue;
            }
            let from = block.slice(data, SECTOR).map_err(short)?;
            data = data.saturating_add(SECTOR);
            let sector = sector_of(&descriptor, &from, entry.sequence).map_err(short)?;
            let sector = sector.ok_or_else(|| "a sector that is not of its entry".to_owned())?;
            give(place, Piece::Sector(&sector));
        }
        Ok(())
    }
}

/// What a descriptor changes.
enum Piece<'a> {
    Zeros(u64),
    Sector(&'a [u8]),
}

/// The sector that a data descriptor and its data make together; `None` where they do not belong
/// together.
fn sector_of(
    descriptor: &Block<'_>,
    data: &Block<'_>,
    sequence: u64,
) -> Result<Option<Vec<u8>>, Truncated> {
    let stated = u64::from(data.u32_le(4)?) << 32 | u64::from(data.u32_le(4092)?);
    let is_data = descriptor.bytes().starts_with(b"desc") && data.bytes().starts_with(b"data");
    if !is_data || stated != sequence {
        return Ok(None);
    }
    let first: [u8; 8] = descriptor.array(8)?;
    let last: [u8; 4] = descriptor.array(4)?;
    Ok(Some([&first, data.slice(8, 4084)?.bytes(), &last].concat()))
}
