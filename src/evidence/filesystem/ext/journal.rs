//! The journal: older copies of blocks of the file system, in transactions.
//!
//! It is never replayed. Only transactions that were committed count, and of these only blocks that
//! nothing newer was written over: descriptor, data and commit must follow each other, and no block
//! of the journal may belong to a newer transaction. Copies with a check sum are used where it
//! holds.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Journal (jbd2)".

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::checksum::crc32c;
use super::disk::Disk;
use super::map::Map;
use crate::bytes::Block;
use crate::problem::{Code, Problem, Stage};

const MAGIC: u32 = 0xC03B_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

/// An older copy of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    /// Number of its transaction; larger is newer.
    pub(super) sequence: u32,
    /// Block of the volume where the copy stands.
    pub(super) place: u64,
    /// Its first four bytes were taken out.
    escaped: bool,
    sum: Option<Sum>,
}

#[derive(Debug, Clone, Copy)]
enum Sum {
    Low(u16),
    Whole(u32),
}

/// All copies that can be used.
#[derive(Default)]
pub(super) struct Journal {
    copies: HashMap<u64, Vec<Copy>>,
    /// Every block written or given up as a structure, with the last transaction that did so.
    touched: Vec<(u64, u32)>,
    seed: u32,
    /// It holds what was not written to its place yet.
    pub(super) is_open: bool,
}

struct Format {
    block_size: usize,
    last: u64,
    first: u64,
    tag: usize,
    wide: bool,
    sums: u8,
}

/// A block of the journal that says what follows it.
struct Header {
    kind: u32,
    sequence: u32,
    tags: Vec<Tag>,
    revoked: Vec<u64>,
}

struct Tag {
    home: u64,
    escaped: bool,
    sum: Option<Sum>,
}

impl Journal {
    /// Reads the journal whose blocks `map` gives.
    ///
    /// # Errors
    /// Where it is no journal that is understood.
    pub(super) fn read(disk: &Disk, map: &Map) -> Result<Self, Problem> {
        let place = |number: u64| {
            let runs = &map.runs;
            let index =
                runs.partition_point(|run| run.logical.saturating_add(run.blocks) <= number);
            let run = runs.get(index).filter(|run| run.logical <= number)?;
            match run.place {
                super::map::RunPlace::Written(at) => {
                    at.checked_add(number.saturating_sub(run.logical))
                }
                _ => None,
            }
        };
        let first = disk.block(place(0).unwrap_or(u64::MAX))?;
        let damaged =
            |detail: &str| Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail);
        let end = map.runs.last().map_or(0, |run| run.logical.saturating_add(run.blocks));
        let (format, mut journal) = superblock(disk, &first, end)
            .ok_or_else(|| damaged("the journal's superblock is damaged"))?;
        let mut headers = HashMap::new();
        for number in format.first..format.last {
            let bytes = place(number).and_then(|at| disk.block(at).ok());
            if let Some(header) = bytes.and_then(|bytes| header(&bytes, &format)) {
                headers.insert(number, header);
            }
        }
        journal.collect(&format, &headers, &place);
        Ok(journal)
    }

    /// True where there are copies of this block.
    pub(super) fn has(&self, home: u64) -> bool {
        self.copies.contains_key(&home)
    }

    /// The blocks of which there are copies.
    pub(super) fn homes(&self) -> Vec<u64> {
        let mut homes: Vec<u64> = self.copies.keys().copied().collect();
        homes.sort_unstable();
        homes
    }

    /// The copies of a block, oldest first.
    pub(super) fn of(&self, home: u64) -> &[Copy] {
        self.copies.get(&home).map_or(&[], Vec::as_slice)
    }

    /// The first block of a range that was written or given up as a structure after a transaction.
    pub(super) fn touched_after(&self, blocks: Range<u64>, sequence: u32) -> Option<u64> {
        let from = self.touched.partition_point(|(block, _)| *block < blocks.start);
        let rest = self.touched.get(from..).unwrap_or_default().iter();
        let mut within = rest.take_while(|(block, _)| *block < blocks.end);
        within.find(|(_, newest)| *newest > sequence).map(|(block, _)| *block)
    }

    /// The bytes of a copy.
    ///
    /// # Errors
    /// Where they cannot be read or their check sum does not hold.
    pub(super) fn block(&self, disk: &Disk, copy: &Copy) -> Result<Vec<u8>, Problem> {
        let mut bytes = disk.block(copy.place)?;
        let crc = crc32c(crc32c(self.seed, &copy.sequence.to_be_bytes()), &bytes);
        let [low, high, ..] = crc.to_le_bytes();
        let holds = match copy.sum {
            None => true,
            Some(Sum::Low(sum)) => sum == u16::from_le_bytes([low, high]),
            Some(Sum::Whole(sum)) => sum == crc,
        };
        if !holds {
            let detail = format!("the copy in block {} of the journal", copy.place);
            return Err(Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail));
        }
        if let (true, Some(start)) = (copy.escaped, bytes.first_chunk_mut::<4>()) {
            *start = MAGIC.to_be_bytes();
        }
        Ok(bytes)
    }

    fn collect(
        &mut self,
        format: &Format,
        headers: &HashMap<u64, Header>,
        place: &dyn Fn(u64) -> Option<u64>,
    ) {
        let committed = committed(format, headers);
        // Whose data each block is; what a newer transaction wrote over is lost.
        let mut owners: HashMap<u64, (u32, u64)> = HashMap::new();
        for (number, header) in headers.iter().filter(|(number, _)| committed.contains(number)) {
            for at in data(format, *number, header.tags.len()) {
                let owner = owners.entry(at).or_insert((header.sequence, *number));
                *owner = (*owner).max((header.sequence, *number));
            }
        }
        let mut touched: HashMap<u64, u32> = HashMap::new();
        for (number, header) in headers.iter().filter(|(number, _)| committed.contains(number)) {
            for (at, tag) in data(format, *number, header.tags.len()).zip(&header.tags) {
                let is_own = owners.get(&at) == Some(&(header.sequence, *number));
                if let (true, false, Some(place)) = (is_own, headers.contains_key(&at), place(at)) {
                    let Tag { home, escaped, sum } = *tag;
                    let copy = Copy { sequence: header.sequence, place, escaped, sum };
                    self.copies.entry(home).or_default().push(copy);
                }
            }
            let homes = header.tags.iter().map(|tag| tag.home);
            for block in header.revoked.iter().copied().chain(homes) {
                let newest = touched.entry(block).or_insert(header.sequence);
                *newest = (*newest).max(header.sequence);
            }
        }
        self.touched = touched.into_iter().collect();
        self.touched.sort_unstable();
        for copies in self.copies.values_mut() {
            copies.sort_unstable_by_key(|copy| (copy.sequence, copy.place));
        }
    }
}

/// Blocks of the journal after `number`, in their circle.
fn data(format: &Format, number: u64, count: usize) -> impl Iterator<Item = u64> {
    let (first, span) = (format.first, format.last.saturating_sub(format.first).max(1));
    let from = number.saturating_sub(first);
    (1..=u64::try_from(count).unwrap_or(u64::MAX)).map(move |step| {
        from.wrapping_add(step).checked_rem(span).unwrap_or(0).saturating_add(first)
    })
}

/// The headers from which a commit block of the same transaction is reached.
fn committed(format: &Format, headers: &HashMap<u64, Header>) -> HashSet<u64> {
    let mut known: HashMap<u64, bool> = HashMap::new();
    for start in headers.keys() {
        let (mut at, mut path) = (*start, Vec::new());
        let holds = loop {
            let Some(header) = headers.get(&at) else { break false };
            let same = headers.get(start).is_some_and(|first| first.sequence == header.sequence);
            if !same || path.len() > headers.len() {
                break false;
            }
            if let Some(known) = known.get(&at) {
                break *known;
            }
            path.push(at);
            if header.kind == COMMIT {
                break true;
            }
            let steps = header.tags.len().saturating_add(1);
            at = data(format, at, steps).last().unwrap_or(at);
        };
        known.extend(path.into_iter().map(|at| (at, holds)));
    }
    known.into_iter().filter_map(|(at, holds)| holds.then_some(at)).collect()
}

fn superblock(disk: &Disk, bytes: &[u8], end: u64) -> Option<(Format, Journal)> {
    let block = Block::new(bytes, 0);
    let u32 = |at| block.u32_be(at).ok();
    let kind = u32(4)?;
    let size = u64::from(u32(0xC)?);
    if u32(0)? != MAGIC || !matches!(kind, 3 | 4) || size != disk.superblock.block_size {
        return None;
    }
    let features = if kind == 4 { u32(0x28)? } else { 0 };
    let fast = if features & 0x20 == 0 { 0 } else { u64::from(u32(0x54)?) };
    let blocks = u64::from(u32(0x10)?).min(end);
    let (v2, v3, wide) = (features & 8 != 0, features & 16 != 0, features & 2 != 0);
    let tag = match (v3, v2, wide) {
        (true, ..) => 16,
        (_, true, true) => 14,
        (_, true, false) => 10,
        (_, _, true) => 12,
        _ => 8,
    };
    let sums = if v3 { 3 } else { u8::from(v2).saturating_mul(2) };
    let first = u64::from(u32(0x14)?).max(1);
    let last = blocks.saturating_sub(fast);
    let format = Format { block_size: bytes.len(), last, first, tag, wide, sums };
    let uuid: [u8; 16] = block.array(0x30).ok()?;
    let journal =
        Journal { seed: crc32c(!0, &uuid), is_open: u32(0x1C)? != 0, ..Journal::default() };
    (first < last).then_some((format, journal))
}

fn header(bytes: &[u8], format: &Format) -> Option<Header> {
    let block = Block::new(bytes, 0);
    if block.u32_be(0) != Ok(MAGIC) {
        return None;
    }
    let (kind, sequence) = (block.u32_be(4).ok()?, block.u32_be(8).ok()?);
    let mut header = Header { kind, sequence, tags: Vec::new(), revoked: Vec::new() };
    match kind {
        DESCRIPTOR => header.tags = tags(&block, format),
        REVOKE => header.revoked = revoked(&block, format),
        COMMIT => {}
        _ => return None,
    }
    Some(header)
}

fn tags(block: &Block<'_>, format: &Format) -> Vec<Tag> {
    let mut tags = Vec::new();
    let end = format.block_size.saturating_sub(if format.sums > 0 { 4 } else { 0 });
    let mut at = 12_usize;
    while at.saturating_add(format.tag) <= end {
        let Some((tag, flags)) = tag(block, at, format) else { break };
        tags.push(tag);
        at = at.saturating_add(format.tag);
        if flags & 2 == 0 {
            at = at.saturating_add(16); // a UUID
        }
        if flags & 8 != 0 {
            break;
        }
    }
    tags
}

fn tag(block: &Block<'_>, at: usize, format: &Format) -> Option<(Tag, u32)> {
    let low = u64::from(block.u32_be(at).ok()?);
    let high =
        if format.wide { u64::from(block.u32_be(at.checked_add(8)?).ok()?) << 32 } else { 0 };
    let (flags, sum) = if format.sums == 3 {
        let sum = Sum::Whole(block.u32_be(at.checked_add(12)?).ok()?);
        (block.u32_be(at.checked_add(4)?).ok()?, Some(sum))
    } else {
        let sum = Sum::Low(block.u16_be(at.checked_add(4)?).ok()?);
        (block.u16_be(at.checked_add(6)?).ok()?.into(), (format.sums == 2).then_some(sum))
    };
    Some((Tag { home: high | low, escaped: flags & 1 != 0, sum }, flags))
}

fn revoked(block: &Block<'_>, format: &Format) -> Vec<u64> {
    let end = block.u32_be(12).map_or(0, |end| usize::try_from(end).unwrap_or(0));
    let end = end.min(format.block_size);
    let width = if format.wide { 8 } else { 4 };
    let numbers = (16..end).step_by(width).filter_map(|at| match format.wide {
        true => block.u64_be(at).ok(),
        false => block.u32_be(at).ok().map(u64::from),
    });
    numbers.collect()
}
