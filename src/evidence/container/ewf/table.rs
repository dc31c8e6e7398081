//! Where each chunk lies: `table` and its copy `table2`.
//!
//! A header of 24 bytes (count, base offset, Adler-32), then 32 bits a chunk: 31 of the offset from
//! the base, and one that says compressed. An Adler-32 follows, except in the layout of SMART,
//! which has no copy either and keeps the chunks behind the entries in the same section.
//!
//! EnCase 6.7 wrote segments of more than 2 GiB without a base that fits: from the entry on that
//! would pass bit 31, all 32 bits are offset, and whether the chunk is compressed is not said.
//!
//! Offsets must rise from entry to entry, since the next one says where a chunk ends. Where they do
//! not, or where both copies are sound and differ, the chunks concerned have no place.
//!
//! Source: libewf documentation, "Table section", "Table2 section".

use std::sync::Arc;

use super::section::{FILE_HEADER, Section, adler, read};
use crate::bytes::{Block, ReadAt as _};
use crate::evidence::container::raw::ImageFile;

/// Bytes before the entries.
const HEADER: u64 = 24;
/// Entries of one table; EnCase writes 16,375 or 65,534.
const MOST_ENTRIES: u64 = 4 << 20;
/// The bit that says compressed.
const COMPRESSED: u32 = 1 << 31;
/// How far before bit 31 an offset may be when the next one passes it.
const NEAR_OVERFLOW: u32 = COMPRESSED - (64 << 20);

/// A table that was read and found sound: enough to read it again.
#[derive(Debug)]
pub(super) struct Table {
    /// Which segment file it is in.
    pub(super) segment: usize,
    /// Number of chunks.
    pub(super) count: u64,
    base: u64,
    entries_at: u64,
    /// True where an Adler-32 follows the entries.
    summed: bool,
    section: Section,
    /// Entries that the copy contradicts.
    disputed: Vec<u32>,
}

/// How a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// A zlib stream.
    Zlib,
    /// The bytes and their Adler-32.
    Stored,
    /// One of the two; the image does not say.
    Unsaid,
}

/// Where a chunk lies in its segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    /// Where the next thing begins.
    pub(super) end: u64,
    pub(super) packing: Packing,
}

impl Table {
    /// Reads one copy and its entries.
    fn parse(
        file: &ImageFile,
        segment: usize,
        section: Section,
        smart: bool,
    ) -> Result<(Self, Arc<[u32]>), String> {
        let header = read(file, section.data(), HEADER)?;
        let header = Block::new(&header, section.data());
        let cut = |_| "its header is cut off".to_owned();
        let summed = header.slice(0, 20).map_err(cut)?;
        if adler(summed.bytes()) != header.u32_le(20).map_err(cut)? {
            return Err("the Adler-32 of its header does not hold".to_owned());
        }
        let count = u64::from(header.u32_le(0).map_err(cut)?);
        let needed = count.saturating_mul(4).saturating_add(HEADER);
        if count > MOST_ENTRIES || needed > section.len() {
            return Err(format!("{count} entries do not fit into it"));
        }
        let table = Self {
            segment,
            count,
            base: header.u64_le(8).map_err(cut)?,
            entries_at: section.data().saturating_add(HEADER),
            summed: !smart,
            section,
            disputed: Vec::new(),
        };
        let entries = table.entries(file)?;
        Ok((table, entries))
    }

    /// Reads the entries, as whenever they are needed again.
    pub(super) fn entries(&self, file: &ImageFile) -> Result<Arc<[u32]>, String> {
        let len = self.count.saturating_mul(4);
        let bytes = read(file, self.entries_at, len)?;
        if self.summed {
            let sum = read(file, self.entries_at.saturating_add(len), 4)?;
            if Block::new(&sum, 0).u32_le(0) != Ok(adler(&bytes)) {
                return Err("the Adler-32 of its entries does not hold".to_owned());
            }
        }
        let (entries, _) = bytes.as_chunks::<4>();
        Ok(entries.iter().map(|entry| u32::from_le_bytes(*entry)).collect())
    }

    /// Where the chunk of entry `index` lies; the error says why nobody knows.
    pub(super) fn place(
        &self,
        file: &ImageFile,
        entries: &[u32],
        index: usize,
        overflow: usize,
    ) -> Result<Place, String> {
        if u32::try_from(index).is_ok_and(|index| self.disputed.binary_search(&index).is_ok()) {
            return Err("table and table2 disagree about its place".to_owned());
        }
        let offset = |index: usize| {
            let entry = *entries.get(index)?;
            Some(u64::from(if index >= overflow { entry } else { entry & !COMPRESSED }))
        };
        let entry = entries.get(index).copied().unwrap_or_default();
        let at = offset(index).and_then(|offset| self.base.checked_add(offset));
        let at = at.filter(|at| *at >= FILE_HEADER).ok_or("its offset makes no sense")?;
        let before = index.checked_sub(1).and_then(offset);
        if before.and_then(|before| self.base.checked_add(before)).is_some_and(|b| b >= at) {
            return Err("its offset is not after that of the chunk before it".to_owned());
        }
        let end = match offset(index.saturating_add(1)) {
            Some(next) => self.base.saturating_add(next),
            None if at < self.section.at => self.section.at,
            None => self.section.end,
        };
        if end <= at {
            return Err("its offset is not before that of the chunk after it".to_owned());
        }
        if at >= file.len() {
            return Err(format!("it would lie past byte {}, where the file ends", file.len()));
        }
        let packing = if index >= overflow {
            Packing::Unsaid
        } else if entry & COMPRESSED != 0 {
            Packing::Zlib
        } else if self.summed {
            Packing::Stored
        } else {
            Packing::Unsaid // SMART compresses every chunk and does not always say so
        };
        Ok(Place { at, end, packing })
    }
}

/// The first entry whose offset needs all 32 bits; one past the last where none does.
pub(super) fn overflow(entries: &[u32]) -> usize {
    let passes = |pair: &[u32]| match pair {
        [a, b] => {
            let before = a & !COMPRESSED;
            before >= NEAR_OVERFLOW && (b & !COMPRESSED) < before && *b >= COMPRESSED
        }
        _ => false,
    };
    entries.windows(2).position(passes).map_or(entries.len(), |at| at.saturating_add(1))
}

/// Reads a table and its copy, and says what is wrong with them.
///
/// `None` where not even the number of its chunks is certain.
pub(super) fn cross_checked(
    file: &ImageFile,
    segment: usize,
    (table, copy): (Option<Section>, Option<Section>),
    smart: bool,
    told: &mut dyn FnMut(u64, &str),
) -> Option<Table> {
    let parse = |section: Option<Section>, name: &str, told: &mut dyn FnMut(u64, &str)| {
        let section = section?;
        let parsed = Table::parse(file, segment, section, smart);
        parsed.map_err(|why| told(section.at, &format!("{name}: {why}"))).ok()
    };
    let at = table.or(copy).map_or(0, |section| section.at);
    match (parse(table, "table", told), parse(copy, "table2", told)) {
        (Some((table, entries)), Some((copy, others))) => {
            if table.count != copy.count {
                told(at, "table and table2 count different numbers of chunks");
                return None;
            }
            let (more, offset) = (overflow(&entries), overflow(&others));
            let differ = |index: usize| {
                let a = table.place(file, &entries, index, more);
                let b = copy.place(file, &others, index, offset);
                a.map(|place| (place.at, place.packing)) != b.map(|place| (place.at, place.packing))
            };
            let same = entries == others && table.base == copy.base;
            let disputed: Vec<u32> = match same {
                true => Vec::new(),
                false => (0..entries.len())
                    .filter(|index| differ(*index))
                    .filter_map(|index| u32::try_from(index).ok())
                    .collect(),
            };
            if !disputed.is_empty() {
                told(at, &format!("table and table2 disagree about {} chunks", disputed.len()));
            }
            Some(Table { disputed, ..table })
        }
        (Some((table, _)), None) => {
            if copy.is_none() && !smart {
                told(at, "the table has no copy");
            }
            Some(table)
        }
        (None, Some((copy, _))) => {
            told(at, "table2 is used");
            Some(copy)
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_needs_bit_31_is_told_from_a_compressed_chunk() {
        let near = COMPRESSED - 1000;
        assert_eq!(overflow(&[near - 50_000, near, COMPRESSED + 31_772, COMPRESSED + 64_000]), 2);
        assert_eq!(overflow(&[(near - 50_000) | COMPRESSED, near | COMPRESSED]), 2);
        assert_eq!(overflow(&[100, 50 | COMPRESSED]), 2); // out of order, not near the end
    }
}
