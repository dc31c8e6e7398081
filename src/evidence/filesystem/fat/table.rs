//! The file allocation table: what follows each cluster.
//!
//! The table of a large volume does not fit the memory budget, so pages of it are kept. The copy in
//! force is read; where it cannot be read, another copy is.

use std::ops::{ControlFlow, Range};

use super::boot::{Kind, Layout};
use super::read::{fill, lost_bytes};
use crate::bytes::{Block, ReadAt};

/// What the table says of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Free,
    Next(u32),
    End,
    Bad,
    /// A number that is no cluster of the volume.
    Invalid(u32),
    /// No copy of the table can be read here.
    Unknown,
}

/// Bytes of a page: whole sectors, and no entry of any kind crosses its end.
const PAGE: usize = 49_152;
/// How many pages are kept: 6 MiB.
const PAGES: u64 = 128;

struct Page {
    number: u64,
    bytes: Vec<u8>,
    bad: Vec<Range<usize>>,
}

/// The table of a volume, read page by page.
pub(super) struct Table<'a> {
    layout: &'a Layout,
    volume: &'a dyn ReadAt,
    pages: Vec<Option<Page>>,
}

/// How the copies of the table differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Entries that are not the same in all copies.
    pub(super) entries: u64,
    /// Byte of the first of them, in the copy that differs.
    pub(super) first: Option<u64>,
    /// Bytes of all copies that cannot be read.
    pub(super) unread: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(layout: &'a Layout, volume: &'a dyn ReadAt) -> Self {
        Self { layout, volume, pages: (0..PAGES).map(|_| None).collect() }
    }

    /// What the table says of this cluster; `Invalid` for one that the volume does not have.
    pub(super) fn get(&mut self, cluster: u32) -> Entry {
        if !self.layout.all_clusters().contains(&cluster) {
            return Entry::Invalid(cluster);
        }
        let (number, within) = self.place(cluster);
        let (kind, clusters) = (self.layout.kind, self.layout.all_clusters());
        let Some(page) = self.page(number) else { return Entry::Unknown };
        let width = if kind == Kind::Fat32 { 4 } else { 2 };
        let end = within.saturating_add(width);
        if page.bad.iter().any(|bad| bad.start < end && within < bad.end) {
            return Entry::Unknown;
        }
        match raw(&page.bytes, kind, within, cluster) {
            Some(value) => entry(value, kind, &clusters),
            None => Entry::Unknown,
        }
    }

    /// Compares every copy with the one in force, and reads all of each.
    ///
    /// - `go_on`: asked once a page.
    pub(super) fn compare(&mut self, go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Differences {
        let mut found = Differences::default();
        let pages = self.layout.table_len.div_ceil(u64::try_from(PAGE).unwrap_or(u64::MAX));
        for number in 0..pages {
            if go_on().is_break() {
                break;
            }
            let Some(own) = self.read(self.layout.active, number) else { continue };
            found.unread = found.unread.saturating_add(self.lost(self.layout.active, &own));
            for copy in (0..self.layout.tables.len()).filter(|copy| *copy != self.layout.active) {
                let Some(other) = self.read(copy, number) else { continue };
                found.unread = found.unread.saturating_add(self.lost(copy, &other));
                if self.layout.mirrored && own.bytes != other.bytes {
                    self.differences(&own, &other, copy, &mut found);
                }
            }
        }
        found
    }

    /// Counts the entries of a page in which another copy differs, where both can be read.
    fn differences(&self, own: &Page, other: &Page, copy: usize, found: &mut Differences) {
        let kind = self.layout.kind;
        for cluster in self.clusters_of(own.number) {
            let (number, within) = self.place(cluster);
            if number != own.number {
                continue;
            }
            let lost = |page: &Page| page.bad.iter().any(|bad| bad.contains(&within));
            let value = |page: &Page| raw(&page.bytes, kind, within, cluster);
            if lost(own) || lost(other) || value(own) == value(other) {
                continue;
            }
            found.entries = found.entries.saturating_add(1);
            let at = self.position(copy, number).unwrap_or_default();
            let at = at.saturating_add(u64::try_from(within).unwrap_or_default());
            found.first = found.first.or(Some(at));
        }
    }

    /// Clusters whose entries may lie in this page.
    fn clusters_of(&self, number: u64) -> Range<u32> {
        let entries = |bytes: u64| match self.layout.kind {
            Kind::Fat12 => bytes.saturating_mul(2) / 3,
            Kind::Fat16 => bytes / 2,
            Kind::Fat32 => bytes / 4,
        };
        let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
        let all = self.layout.all_clusters();
        let cluster = |page_number: u64| {
            let entry = entries(page_number.saturating_mul(page));
            u32::try_from(entry).unwrap_or(u32::MAX).clamp(all.start, all.end)
        };
        cluster(number)..cluster(number.saturating_add(1))
    }

    /// Page, and byte in it, of a cluster's entry.
    fn place(&self, cluster: u32) -> (u64, usize) {
        let cluster = u64::from(cluster);
        let at = match self.layout.kind {
            Kind::Fat12 => cluster.saturating_add(cluster / 2),
            Kind::Fat16 => cluster.saturating_mul(2),
            Kind::Fat32 => cluster.saturating_mul(4),
        };
        let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
        let within = at.checked_rem(page).and_then(|within| usize::try_from(within).ok());
        (at.checked_div(page).unwrap_or(0), within.unwrap_or(0))
    }

    /// The page from memory, else from the volume.
    fn page(&mut self, number: u64) -> Option<&Page> {
        let slot = usize::try_from(number.checked_rem(PAGES)?).ok()?;
        if !matches!(self.pages.get(slot), Some(Some(page)) if page.number == number) {
            let mut page = self.read(self.layout.active, number)?;
            for copy in 0..self.layout.tables.len() {
                if !page.bad.is_empty() && self.layout.mirrored && copy != self.layout.active {
                    self.mend(&mut page, copy);
                }
            }
            if let Some(slot) = self.pages.get_mut(slot) {
                *slot = Some(page);
            }
        }
        self.pages.get(slot)?.as_ref()
    }

    /// Fills what a page lacks from another copy.
    fn mend(&self, page: &mut Page, copy: usize) {
        let Some(other) = self.read(copy, page.number) else { return };
        let lost = std::mem::take(&mut page.bad);
        for part in lost {
            if other.bad.iter().any(|bad| bad.start < part.end && part.start < bad.end) {
                page.bad.push(part);
                continue;
            }
            let from = other.bytes.get(part.clone());
            if let (Some(to), Some(from)) = (page.bytes.get_mut(part), from) {
                to.copy_from_slice(from);
            }
        }
    }

    /// Where a page of a copy begins.
    fn position(&self, copy: usize, number: u64) -> Option<u64> {
        let within = number.checked_mul(u64::try_from(PAGE).ok()?)?;
        self.layout.tables.get(copy)?.checked_add(within)
    }

    fn read(&self, copy: usize, number: u64) -> Option<Page> {
        let within = number.checked_mul(u64::try_from(PAGE).ok()?)?;
        let left = usize::try_from(self.layout.table_len.checked_sub(within)?).ok()?;
        let mut bytes = vec![0; left.min(PAGE)];
        let bad = fill(self.volume, self.position(copy, number)?, &mut bytes);
        Some(Page { number, bytes, bad })
    }

    fn lost(&self, copy: usize, page: &Page) -> u64 {
        let at = self.position(copy, page.number).unwrap_or(u64::MAX);
        lost_bytes(self.volume, at, &page.bad)
    }
}

/// The number in an entry, without the four bits that FAT32 reserves.
fn raw(bytes: &[u8], kind: Kind, within: usize, cluster: u32) -> Option<u32> {
    let block = Block::new(bytes, 0);
    match kind {
        Kind::Fat12 => {
            let pair = u32::from(block.u16_le(within).ok()?);
            Some(if cluster & 1 == 0 { pair & 0xFFF } else { pair >> 4 })
        }
        Kind::Fat16 => block.u16_le(within).ok().map(u32::from),
        Kind::Fat32 => block.u32_le(within).ok().map(|value| value & 0x0FFF_FFFF),
    }
}

/// What a number in an entry means.
fn entry(value: u32, kind: Kind, clusters: &Range<u32>) -> Entry {
    let bad = match kind {
        Kind::Fat12 => 0xFF7,
        Kind::Fat16 => 0xFFF7,
        Kind::Fat32 => 0x0FFF_FFF7,
    };
    match value {
        0 => Entry::Free,
        _ if clusters.contains(&value) => Entry::Next(value),
        _ if value == bad => Entry::Bad,
        _ if value > bad => Entry::End,
        _ => Entry::Invalid(value),
    }
}
