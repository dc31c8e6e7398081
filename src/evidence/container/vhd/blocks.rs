//! Where the bytes of a VHD's medium are.
//!
//! An entry of the table is the sector of the file where a block begins, with its bitmap first. In
//! a differencing image a bit says whether a sector is this image's or the parent's, the first
//! sector in the highest bit. In a dynamic image the bits say nothing more than the bytes do, and
//! writers differ in them: they are not asked, so that nothing that is stored is hidden.
//!
//! Entries that share bytes of the file, or lie on other structures, are not believed.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::header::Header;
use crate::bytes::{ReadAt, Unreadable};
use crate::evidence::container::layer::{Blocks, Source, overlapping};

/// The entry of a block that is not there.
const ABSENT: u32 = u32::MAX;
/// The most entries that are read: a medium of 2 TiB in blocks of 128 KiB.
pub(super) const MOST_ENTRIES: u32 = 1 << 24;
/// Bytes of a bitmap that are looked at in one read: 4096 sectors.
const BITMAP_PIECE: usize = 512;

/// The medium in one piece at the start of the file.
pub(super) struct Fixed;

impl Blocks for Fixed {
    fn run(&self, at: u64) -> io::Result<(Source, Range<u64>)> {
        Ok((Source::Stored(at), at..u64::MAX))
    }
}

/// A table of blocks.
pub(super) struct Table {
    file: Arc<dyn ReadAt>,
    entries: Vec<u32>,
    /// Blocks whose entries are not believed, sorted.
    doubtful: Vec<u32>,
    block_size: u64,
    bitmap_size: u64,
    differencing: bool,
}

impl Table {
    /// Reads the entries that a medium of `size` bytes needs.
    pub(super) fn read(
        file: &Arc<dyn ReadAt>,
        header: &Header,
        size: u64,
        mut reserved: Vec<Range<u64>>,
        differencing: bool,
    ) -> Result<Self, String> {
        let block_size = u64::from(header.block_size);
        let needed = size.div_ceil(block_size);
        if needed > u64::from(header.entries) {
            let has = header.entries;
            return Err(format!("the table has {has} blocks, {needed} are needed"));
        }
        let bytes = needed.saturating_mul(4);
        let end = header.table_at.checked_add(bytes).filter(|end| *end <= file.len());
        let (Some(end), true) = (end, needed <= u64::from(MOST_ENTRIES)) else {
            return Err("the table of blocks reaches past the end of the file".to_owned());
        };
        let mut raw = vec![0; usize::try_from(bytes).unwrap_or_default()];
        let n = file.fill_at(header.table_at, &mut raw).map_err(|error| error.to_string())?;
        if n < raw.len() {
            return Err("the table of blocks reaches past the end of the file".to_owned());
        }
        let (raw, _) = raw.as_chunks::<4>();
        let entries: Vec<u32> = raw.iter().map(|entry| u32::from_be_bytes(*entry)).collect();
        reserved.push(header.table_at..end);
        let bitmap_size = header.bitmap_size();
        let places = (0..).zip(&entries).filter(|(_, entry)| **entry != ABSENT);
        let parts = places.map(|(number, entry)| {
            let at = u64::from(*entry) << 9;
            (number, at..at.saturating_add(bitmap_size).saturating_add(block_size))
        });
        let doubtful = overlapping(parts, &reserved);
        let file = Arc::clone(file);
        Ok(Self { file, entries, doubtful, block_size, bitmap_size, differencing })
    }

    /// Blocks whose entries are not believed.
    pub(super) fn doubtful(&self) -> &[u32] {
        &self.doubtful
    }

    /// The run of sectors from `at` on that are all here or all in the parent, as far as one look
    /// at the bitmap goes.
    fn by_sector(
        &self,
        place: u64,
        block: &Range<u64>,
        at: u64,
    ) -> io::Result<(Source, Range<u64>)> {
        let within = at.saturating_sub(block.start);
        let first = within >> 9;
        let mut bits = [0; BITMAP_PIECE];
        let left = usize::try_from(self.bitmap_size.saturating_sub(first >> 3));
        let most = left.unwrap_or(usize::MAX).min(BITMAP_PIECE);
        let bits = bits.get_mut(..most).unwrap_or_default();
        let from = place.saturating_add(first >> 3);
        let whole = |why: String| Ok((Source::Lost(why), block.clone()));
        match self.file.fill_at(from, bits) {
            Ok(n) if n == bits.len() => {}
            Ok(_) => return whole("the bitmap of the block lies past the end".to_owned()),
            Err(error) => match Unreadable::of(&error) {
                Some(hole) => return whole(format!("the bitmap of the block: {}", hole.detail)),
                None => return Err(error),
            },
        }
        let skip = usize::try_from(first & 7).unwrap_or_default();
        let mut sectors = bits
            .iter()
            .flat_map(|byte| (0..8_u32).rev().map(move |bit| byte >> bit & 1 == 1))
            .skip(skip);
        let here = sectors.next().unwrap_or_default();
        let same = sectors.take_while(|bit| *bit == here).count();
        let same = u64::try_from(same).unwrap_or_default().saturating_add(1);
        let end = first.saturating_add(same) << 9;
        let end = block.start.saturating_add(end).min(block.end);
        let stored = place.saturating_add(self.bitmap_size).saturating_add(within);
        let source = if here { Source::Stored(stored) } else { Source::Parent };
        Ok((source, at..end))
    }
}

impl Blocks for Table {
    fn run(&self, at: u64) -> io::Result<(Source, Range<u64>)> {
        let number = at.checked_div(self.block_size).unwrap_or_default();
        let start = number.saturating_mul(self.block_size);
        let block = start..start.saturating_add(self.block_size);
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let entry = self.entries.get(index).copied();
        let is_doubtful =
            u32::try_from(number).is_ok_and(|number| self.doubtful.binary_search(&number).is_ok());
        let place = match entry {
            None => return Ok((Source::Lost("the table has no such block".to_owned()), block)),
            Some(ABSENT) if self.differencing => return Ok((Source::Parent, block)),
            Some(ABSENT) => return Ok((Source::Zeros, block)),
            Some(_) if is_doubtful => {
                let why = format!("block {number} lies on another one or on a structure");
                return Ok((Source::Lost(why), block));
            }
            Some(entry) => u64::from(entry) << 9,
        };
        if self.differencing {
            return self.by_sector(place, &block, at);
        }
        let within = at.saturating_sub(start);
        let stored = place.saturating_add(self.bitmap_size).saturating_add(within);
        Ok((Source::Stored(stored), at..block.end))
    }
}
