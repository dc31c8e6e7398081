//! Where each grain of a sparse extent is: a directory of tables, mostly kept twice.
//!
//! Both copies are read together. Where one of them cannot be right, the other is taken; where both
//! could and they differ, nobody knows, and the grain is not given.
//!
//! Source: VMware, Virtual Disk Format 5.0, "Grain Directory", "Grain Table".

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::header::{Header, SECTOR};
use crate::bytes::{Block, ReadAt as _, Unreadable};
use crate::evidence::container::cache::Cache;
use crate::evidence::container::inflate::{Packing, inflate};
use crate::evidence::container::mapped::{Place, Run, damaged, hangs_on};
use crate::evidence::container::pages::Pages;
use crate::evidence::container::raw::ImageFile;
use crate::problem::Code;

/// The entry of a grain that nobody knows.
const LOST: u32 = u32::MAX;
/// The entry of a grain of zeros, where the flags allow it.
const ZERO: u32 = 1;
/// Tables kept.
const SHARDS: usize = 4;
const KEPT: usize = 16;
/// Entries that are compared when the extent is opened: 4 TiB of usual grains. Those behind them
/// are compared when they are needed.
const COMPARED: u64 = 1 << 26;
const TABLES: u64 = 1 << 20;

/// A sparse extent.
pub(super) struct Grains {
    file: Arc<ImageFile>,
    /// Which of the image's files it is.
    number: usize,
    /// The bytes of the medium that it is for.
    range: Range<u64>,
    header: Header,
    pages: Pages,
    tables: Cache<[u32]>,
}

/// Where a compressed grain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    at: u64,
}

/// What the two copies of the tables say of each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Entries taken from the redundant copy.
    pub(super) replaced: u64,
    /// Entries of the redundant copy that cannot be right.
    pub(super) wrong_copy: u64,
    /// Entries of which nobody knows which copy is right.
    pub(super) disputed: u64,
    /// Entries of a grain in the first and in the redundant copy.
    stored: (u64, u64),
}

/// One copy of a table.
enum Copy {
    /// The directory has no table there: every grain is absent.
    Empty,
    Entries(Vec<u32>),
    Unread(io::Error),
}

impl Copy {
    fn entry(&self, index: usize) -> Option<u32> {
        match self {
            Self::Empty => Some(0),
            Self::Entries(entries) => entries.get(index).copied(),
            Self::Unread(_) => None,
        }
    }
}

impl Grains {
    pub(super) fn new(
        file: Arc<ImageFile>,
        number: usize,
        range: Range<u64>,
        header: Header,
    ) -> Self {
        let pages = Pages::new(Arc::clone(&file));
        Self { file, number, range, header, pages, tables: Cache::new(SHARDS, KEPT) }
    }

    pub(super) const fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// Compares the copies as far as limits go. A redundant copy that was never filled is dropped;
    /// then true.
    pub(super) fn compare(&mut self) -> (Compared, bool) {
        let mut all = Compared::default();
        let Some(redundant) = self.header.redundant else { return (all, false) };
        let per_table = u64::from(self.header.per_table).max(1);
        let first = redundant.min(self.header.directory);
        let most = COMPARED.checked_div(per_table).unwrap_or_default().min(TABLES);
        let most = most.min(self.file.len().saturating_sub(first) >> 2);
        for number in 0..self.header.tables().min(most) {
            if let Ok((_, of)) = self.merged(number) {
                all.replaced = all.replaced.saturating_add(of.replaced);
                all.wrong_copy = all.wrong_copy.saturating_add(of.wrong_copy);
                all.disputed = all.disputed.saturating_add(of.disputed);
                all.stored.0 = all.stored.0.saturating_add(of.stored.0);
                all.stored.1 = all.stored.1.saturating_add(of.stored.1);
            }
        }
        let never_filled = all.stored.0 > 0 && all.stored.1 == 0 && all.wrong_copy == 0;
        if never_filled {
            self.header.redundant = None;
            return (Compared::default(), true);
        }
        (all, false)
    }

    fn copy(&self, directory: u64, number: u64) -> Copy {
        let entry = self.pages.u32_le(directory.saturating_add(number.saturating_mul(4)));
        let at = match entry {
            Ok(0) => return Copy::Empty,
            Ok(sector) => u64::from(sector).saturating_mul(SECTOR),
            Err(error) => return Copy::Unread(error),
        };
        let len = usize::try_from(self.header.per_table).unwrap_or_default().saturating_mul(4);
        let mut bytes = vec![0; len];
        match self.file.fill_at(at, &mut bytes) {
            Ok(n) if n == len => {
                let entries = bytes.as_chunks::<4>().0.iter();
                Copy::Entries(entries.map(|entry| u32::from_le_bytes(*entry)).collect())
            }
            Ok(_) => {
                let range = at..at.saturating_add(1);
                let detail = format!("a grain table at byte {at} is past the end of the file");
                Copy::Unread(Unreadable { range, code: Code::ImageDamaged, detail }.into_error())
            }
            Err(error) => Copy::Unread(error),
        }
    }

    /// True where an entry can be right.
    fn is_possible(&self, entry: u32) -> bool {
        match entry {
            0 => true,
            ZERO => self.header.zero_grains,
            sector => u64::from(sector).saturating_mul(SECTOR) < self.file.len(),
        }
    }

    /// A table out of both copies.
    fn merged(&self, number: u64) -> io::Result<(Vec<u32>, Compared)> {
        let first = self.copy(self.header.directory, number);
        let Some(redundant) = self.header.redundant else {
            return match first {
                Copy::Unread(error) => Err(error),
                _ => {
                    Ok((self.all(|index| first.entry(index).unwrap_or(LOST)), Compared::default()))
                }
            };
        };
        let second = self.copy(redundant, number);
        if let (Copy::Unread(_), Copy::Unread(_)) = (&first, &second) {
            let Copy::Unread(error) = first else { return Ok(Default::default()) };
            return Err(error);
        }
        let mut of = Compared::default();
        let table = self.all(|index| {
            let (one, two) = (first.entry(index), second.entry(index));
            let count = |entry: Option<u32>| u64::from(entry.is_some_and(|entry| entry != 0));
            of.stored.0 = of.stored.0.saturating_add(count(one));
            of.stored.1 = of.stored.1.saturating_add(count(two));
            if one == two {
                return one.unwrap_or(LOST);
            }
            let possible = |entry: Option<u32>| entry.filter(|entry| self.is_possible(*entry));
            let (counted, entry) = match (possible(one), possible(two)) {
                (Some(one), None) => (&mut of.wrong_copy, one),
                (None, Some(two)) => (&mut of.replaced, two),
                _ => (&mut of.disputed, LOST),
            };
            *counted = counted.saturating_add(1);
            entry
        });
        Ok((table, of))
    }

    fn all(&self, entry: impl FnMut(usize) -> u32) -> Vec<u32> {
        (0..usize::try_from(self.header.per_table).unwrap_or_default()).map(entry).collect()
    }

    fn table(&self, number: u64) -> io::Result<Arc<[u32]>> {
        if let Some(table) = self.tables.get(number) {
            return Ok(table);
        }
        let table: Arc<[u32]> = self.merged(number)?.0.into();
        self.tables.put(number, &table);
        Ok(table)
    }

    /// Bytes of the medium from `start` within the extent on, as far as the extent goes.
    fn bytes(&self, start: u64, len: u64) -> Range<u64> {
        let at = |within: u64| self.range.start.saturating_add(within).min(self.range.end);
        at(start)..at(start.saturating_add(len))
    }

    /// The run that the byte `at` of the medium is in.
    pub(super) fn run(&self, at: u64) -> io::Result<Run<Packed>> {
        let within = at.saturating_sub(self.range.start);
        let end = self.header.capacity.saturating_mul(SECTOR);
        if within >= end {
            let why = format!("VMDK: the sparse extent ends at its byte {end}");
            return Err(damaged(self.bytes(end, u64::MAX), why));
        }
        let grain = within.checked_div(self.header.grain).unwrap_or_default();
        let per_table = u64::from(self.header.per_table);
        let number = grain.checked_div(per_table).unwrap_or_default();
        let table = self.table(number).map_err(|error| {
            let len = self.header.table_bytes();
            let tabled = self.bytes(number.saturating_mul(len), len);
            hangs_on(error, tabled, &format!("VMDK grain table {number}"))
        })?;
        let index = grain.checked_rem(per_table).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| table.get(index)).copied().unwrap_or(LOST);
        // A grain may reach past the last sector that the extent is for.
        let start = grain.saturating_mul(self.header.grain);
        let range = self.bytes(start, self.header.grain.min(end.saturating_sub(start)));
        let place = match entry {
            0 => Place::Absent,
            ZERO if self.header.zero_grains => Place::Zeros,
            LOST => {
                let why = format!("VMDK: two copies of the entry of grain {grain} differ");
                return Err(damaged(range, why));
            }
            sector if !self.is_possible(sector) => {
                let why = format!("VMDK: grain {grain} is said to be at sector {sector}");
                return Err(damaged(range, why));
            }
            sector => {
                let at = u64::from(sector).saturating_mul(SECTOR);
                match self.header.compressed {
                    true => Place::Packed(Packed { at }),
                    false => Place::Stored(self.number, at),
                }
            }
        };
        Ok(Run { range, place })
    }

    pub(super) const fn grain(&self) -> u64 {
        self.header.grain
    }

    /// Inflates the grain of these bytes of the medium.
    pub(super) fn unpack(&self, packed: Packed, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let within = range.start.saturating_sub(self.range.start);
        let grain = within.checked_div(self.header.grain).unwrap_or_default();
        let what = format!("VMDK grain {grain}");
        let wrong = |why: &str| damaged(range.clone(), format!("{what}: {why}"));
        let most = self.header.grain.saturating_add(self.header.grain >> 3).saturating_add(1024);
        let read = |at: u64, len: u64| {
            let mut bytes = vec![0; usize::try_from(len.min(most)).unwrap_or_default()];
            let n = self.file.fill_at(at, &mut bytes);
            bytes.truncate(n.map_err(|error| hangs_on(error, range.clone(), &what))?);
            Ok::<_, io::Error>(bytes)
        };
        let bytes = if self.header.markers {
            let marker = read(packed.at, 12)?;
            let marker = Block::new(&marker, packed.at);
            let (Ok(sector), Ok(len)) = (marker.u64_le(0), marker.u32_le(8)) else {
                return Err(wrong("its marker is cut off"));
            };
            if sector.checked_mul(SECTOR) != Some(within) {
                return Err(wrong(&format!("its marker is of sector {sector}")));
            }
            if u64::from(len) > most {
                return Err(wrong(&format!("its marker states {len} bytes")));
            }
            read(packed.at.saturating_add(12), u64::from(len))?
        } else {
            read(packed.at, most)?
        };
        let full = usize::try_from(self.header.grain).unwrap_or_default();
        let least = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(full);
        inflate(Packing::Zlib, &bytes, full, least).map_err(|why| wrong(&why))
    }
}
