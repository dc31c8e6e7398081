//! Where the bytes of a VHDX's medium are.
//!
//! An entry of the table has a state and the mebibyte of the file where the block begins. After
//! every `ratio` entries of blocks stands one of their bitmap, which a differencing image has: a
//! bit says whether a sector is this image's or the parent's, the first one in the lowest bit.
//!
//! Entries that share bytes of the file, or lie on other structures, are not believed.
//!
//! Source: [MS-VHDX], sections 2.4 and 2.5.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::header::Region;
use super::metadata::Metadata;
use crate::bytes::{ReadAt, Unreadable};
use crate::evidence::container::layer::{Blocks, Source, overlapping};

/// The most entries that are read: 16 TiB in blocks of 1 MiB, far more in those of writers.
pub(super) const MOST_ENTRIES: u64 = 1 << 24;
/// Sectors that the bits of one bitmap stand for.
const CHUNK_SECTORS: u64 = 1 << 23;
/// Bytes of a bitmap.
const BITMAP: u64 = 1 << 20;
/// Bytes of a bitmap that are looked at in one read: 4096 sectors.
const BITMAP_PIECE: usize = 512;

/// A table of blocks.
pub(super) struct Table {
    file: Arc<dyn ReadAt>,
    entries: Vec<u64>,
    /// Entries that are not believed, sorted.
    doubtful: Vec<u32>,
    block_size: u64,
    sector_size: u64,
    /// Blocks that have one bitmap.
    ratio: u64,
    differencing: bool,
}

/// The states of an entry.
const ABSENT: u64 = 0;
const PRESENT: u64 = 6;
const PARTLY: u64 = 7;

const fn state(entry: u64) -> u64 {
    entry & 7
}

/// Where the block begins in the file.
const fn place(entry: u64) -> u64 {
    entry & !0xf_ffff
}

impl Table {
    /// The number of entries that a medium needs.
    pub(super) fn needed(metadata: &Metadata) -> u64 {
        let blocks = metadata.size.div_ceil(metadata.block_size);
        let ratio = ratio(metadata);
        let last = blocks.saturating_sub(1);
        let chunk = last.checked_div(ratio).unwrap_or_default();
        match metadata.parent {
            Some(_) => chunk.saturating_add(1).saturating_mul(ratio.saturating_add(1)),
            None => blocks.saturating_add(chunk),
        }
    }

    /// Reads the entries that the medium needs, which the caller has held against the limit.
    pub(super) fn read(
        file: &Arc<dyn ReadAt>,
        region: Region,
        metadata: &Metadata,
        reserved: &[Range<u64>],
    ) -> Result<Self, String> {
        let needed = Self::needed(metadata);
        let bytes = needed.saturating_mul(8);
        let end = region.at.checked_add(bytes).filter(|end| *end <= file.len());
        if bytes > region.len || end.is_none() || needed > MOST_ENTRIES {
            return Err(format!("the table of blocks has no room for {needed} entries"));
        }
        let mut raw = vec![0; usize::try_from(bytes).unwrap_or_default()];
        let n = file.fill_at(region.at, &mut raw).map_err(|error| error.to_string())?;
        if n < raw.len() {
            return Err("the table of blocks reaches past the end of the file".to_owned());
        }
        let (raw, _) = raw.as_chunks::<8>();
        let mut table = Self {
            file: Arc::clone(file),
            entries: raw.iter().map(|entry| u64::from_le_bytes(*entry)).collect(),
            doubtful: Vec::new(),
            block_size: metadata.block_size,
            sector_size: metadata.sector_size,
            ratio: ratio(metadata),
            differencing: metadata.parent.is_some(),
        };
        table.doubtful = overlapping(table.parts(), reserved);
        Ok(table)
    }

    /// The parts of the file that the entries name, each with its number.
    fn parts(&self) -> impl Iterator<Item = (u32, Range<u64>)> {
        let numbered = (0_u32..).zip(&self.entries);
        numbered.filter_map(|(number, entry)| {
            let is_bitmap = self.is_bitmap(number);
            let is_there = match state(*entry) {
                PRESENT => true,
                PARTLY => !is_bitmap,
                _ => false,
            };
            let len = if is_bitmap { BITMAP } else { self.block_size };
            let at = place(*entry);
            (is_there && (self.differencing || !is_bitmap))
                .then(|| (number, at..at.saturating_add(len)))
        })
    }

    fn is_bitmap(&self, number: u32) -> bool {
        let cycle = self.ratio.saturating_add(1);
        u64::from(number).checked_rem(cycle) == Some(self.ratio)
    }

    /// Entries that are not believed.
    pub(super) fn doubtful(&self) -> &[u32] {
        &self.doubtful
    }

    /// The entry of this number, or why it is none.
    fn entry(&self, number: u64) -> Result<u64, String> {
        let entry = usize::try_from(number).ok().and_then(|number| self.entries.get(number));
        let is_doubtful =
            u32::try_from(number).is_ok_and(|number| self.doubtful.binary_search(&number).is_ok());
        match entry {
            None => Err(format!("the table has no entry {number}")),
            Some(_) if is_doubtful => {
                Err(format!("entry {number} lies on another one or on a structure"))
            }
            Some(entry) => Ok(*entry),
        }
    }

    /// The run of sectors from `at` on that are all here or all in the parent, as far as one look
    /// at the bitmap goes.
    fn by_sector(
        &self,
        stored: u64,
        block: &Range<u64>,
        at: u64,
    ) -> io::Result<(Source, Range<u64>)> {
        let whole = |why: String| Ok((Source::Lost(why), block.clone()));
        let number = block.start.checked_div(self.block_size).unwrap_or_default();
        let chunk = number.checked_div(self.ratio).unwrap_or_default();
        let cycle = self.ratio.saturating_add(1);
        let entry = chunk.saturating_mul(cycle).saturating_add(self.ratio);
        let bitmap = match self.entry(entry) {
            Ok(entry) if state(entry) == PRESENT => place(entry),
            Ok(_) => return whole(format!("block {number} has sectors and no bitmap")),
            Err(why) => return whole(why),
        };
        let sector = at.checked_div(self.sector_size).unwrap_or_default();
        let first = sector.checked_rem(CHUNK_SECTORS).unwrap_or_default();
        let mut bits = [0; BITMAP_PIECE];
        let left = usize::try_from(BITMAP.saturating_sub(first >> 3)).unwrap_or(usize::MAX);
        let bits = bits.get_mut(..left.min(BITMAP_PIECE)).unwrap_or_default();
        match self.file.fill_at(bitmap.saturating_add(first >> 3), bits) {
            Ok(n) if n == bits.len() => {}
            Ok(_) => return whole("the bitmap of the block lies past the end".to_owned()),
            Err(error) => match Unreadable::of(&error) {
                Some(hole) => return whole(format!("the bitmap of the block: {}", hole.detail)),
                None => return Err(error),
            },
        }
        let skip = usize::try_from(first & 7).unwrap_or_default();
        let mut sectors =
            bits.iter().flat_map(|byte| (0..8_u32).map(move |bit| byte >> bit & 1 == 1)).skip(skip);
        let here = sectors.next().unwrap_or_default();
        let same = sectors.take_while(|bit| *bit == here).count();
        let same = u64::try_from(same).unwrap_or_default().saturating_add(1);
        let end = sector.saturating_add(same).saturating_mul(self.sector_size).min(block.end);
        let source = if here { Source::Stored(stored) } else { Source::Parent };
        Ok((source, at..end))
    }
}

/// Blocks that have one bitmap.
fn ratio(metadata: &Metadata) -> u64 {
    let chunk = CHUNK_SECTORS.saturating_mul(metadata.sector_size);
    chunk.checked_div(metadata.block_size).unwrap_or_default().max(1)
}

impl Blocks for Table {
    fn run(&self, at: u64) -> io::Result<(Source, Range<u64>)> {
        let number = at.checked_div(self.block_size).unwrap_or_default();
        let start = number.saturating_mul(self.block_size);
        let block = start..start.saturating_add(self.block_size);
        let chunk = number.checked_div(self.ratio).unwrap_or_default();
        let entry = match self.entry(number.saturating_add(chunk)) {
            Ok(entry) => entry,
            Err(why) => return Ok((Source::Lost(why), block)),
        };
        let stored = place(entry).saturating_add(at.saturating_sub(start));
        match state(entry) {
            ABSENT if self.differencing => Ok((Source::Parent, block)),
            // Zero, and what the format leaves open: not defined, and given back by the system.
            0..=3 => Ok((Source::Zeros, block)),
            PRESENT => Ok((Source::Stored(stored), at..block.end)),
            PARTLY if self.differencing => self.by_sector(stored, &block, at),
            other => {
                let why = format!("block {number} is in the state {other}, which is none");
                Ok((Source::Lost(why), block))
            }
        }
    }
}
