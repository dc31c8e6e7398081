//! Where each cluster of a QCOW2 is: two levels of tables, read as they are asked for.
//!
//! An entry with bits that the version does not know, or with a place that begins no cluster, is
//! damage: its bytes are not given.
//!
//! Source: QEMU, docs/interop/qcow2.txt, "Cluster mapping", "Extended L2 Entries".

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::header::Header;
use crate::bytes::ReadAt as _;
use crate::evidence::container::inflate::{Packing, inflate};
use crate::evidence::container::mapped::{Map, Place, Run, damaged, hangs_on};
use crate::evidence::container::pages::Pages;
use crate::evidence::container::raw::ImageFile;

/// The bits of an entry that are a place in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Exactly one reference is held: says nothing of the content.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// Bytes of a sector, in which compressed lengths are counted, as a power of two.
const SECTOR_BITS: u32 = 9;
/// Parts of a cluster with an extended entry, as a power of two.
const PARTS_BITS: u32 = 5;

/// The tables of a QCOW2.
pub(super) struct Clusters {
    files: [Arc<ImageFile>; 1],
    pages: Pages,
    header: Header,
}

/// Where the bytes of a compressed cluster are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    at: u64,
    end: u64,
}

impl Clusters {
    pub(super) fn new(file: Arc<ImageFile>, header: Header) -> Self {
        Self { pages: Pages::new(Arc::clone(&file)), files: [file], header }
    }

    /// Bytes of the medium from `start` on, as far as it goes.
    fn range(&self, start: u64, bits: u32) -> Range<u64> {
        let len = 1_u64.checked_shl(bits).unwrap_or(u64::MAX);
        start..start.saturating_add(len).min(self.header.size)
    }

    /// Bytes that one table of the second level is for, as a power of two.
    const fn table_bits(&self) -> u32 {
        self.header.cluster_bits.saturating_add(self.header.l2_bits())
    }

    /// The table of the second level for these bytes; `None` where there is none.
    fn table(&self, at: u64, range: &Range<u64>) -> io::Result<Option<u64>> {
        let index = at >> self.table_bits();
        let Header { l1_entries, l1_offset, .. } = self.header;
        if index >= l1_entries {
            let why = format!("QCOW2: the L1 table has {l1_entries} entries, needs number {index}");
            return Err(damaged(range.start..self.header.size, why));
        }
        let place = l1_offset.saturating_add(index.saturating_mul(8));
        let entry = self.pages.u64_be(place);
        let entry = entry.map_err(|error| hangs_on(error, range.clone(), "QCOW2 L1 table"))?;
        let table = entry & OFFSET;
        if entry & !(OFFSET | COPIED) != 0 || !self.begins_cluster(table) {
            let why = format!("QCOW2: entry {index} of the L1 table is {entry:#018x}");
            return Err(damaged(range.clone(), why));
        }
        Ok((table != 0).then_some(table))
    }

    const fn begins_cluster(&self, place: u64) -> bool {
        place & self.header.cluster_size().saturating_sub(1) == 0
    }

    /// What an entry of the second level says of its cluster.
    fn cluster(&self, entry: u64, index: u64, range: Range<u64>) -> io::Result<Run<Packed>> {
        let wrong = |why: &str| {
            let why = format!("QCOW2: entry {entry:#018x} of cluster {index} {why}");
            damaged(range.clone(), why)
        };
        if entry & COMPRESSED != 0 {
            let place = Place::Packed(self.packed(entry));
            return Ok(Run { range, place });
        }
        if entry & !(OFFSET | COPIED | ZERO) != 0 {
            return Err(wrong("has bits that mean nothing"));
        }
        let place = entry & OFFSET;
        if !self.begins_cluster(place) {
            return Err(wrong("leads to no start of a cluster"));
        }
        let place = match (entry & ZERO != 0, place) {
            (true, _) if self.header.version < 3 => {
                return Err(wrong("says zeros, which version 2 does not know"));
            }
            (true, _) => Place::Zeros,
            (false, 0) => Place::Absent,
            (false, place) => Place::Stored(0, place),
        };
        Ok(Run { range, place })
    }

    /// What an extended entry says of the part that `at` is in and of its like behind it.
    fn part(
        &self,
        (entry, bitmap): (u64, u64),
        index: u64,
        at: u64,
        range: Range<u64>,
    ) -> io::Result<Run<Packed>> {
        let wrong = |why: &str| {
            let why = format!("QCOW2: extended entry {entry:#018x} of cluster {index} {why}");
            damaged(range.clone(), why)
        };
        if entry & COMPRESSED != 0 {
            if bitmap != 0 {
                return Err(wrong("is compressed and has parts"));
            }
            return self.cluster(entry, index, range);
        }
        let place = entry & OFFSET;
        if entry & !(OFFSET | COPIED) != 0 || !self.begins_cluster(place) {
            return Err(wrong("makes no sense"));
        }
        // A bit each: stored in the lower half, zeros in the upper one.
        let kind = |part: u32| {
            let bit = |bit: u32| bitmap.checked_shr(bit).unwrap_or_default() & 1 == 1;
            (bit(part), bit(part.saturating_add(32)))
        };
        let part_bits = self.header.cluster_bits.saturating_sub(PARTS_BITS);
        let first = u32::try_from(at.saturating_sub(range.start) >> part_bits).unwrap_or(31);
        let this = kind(first);
        let like = (first..32).take_while(|part| kind(*part) == this).count();
        let like = u64::try_from(like).unwrap_or(1).max(1);
        let skip = u64::from(first) << part_bits;
        let start = range.start.saturating_add(skip);
        let run = start..start.saturating_add(like << part_bits).min(range.end);
        let place = match this {
            (true, true) => return Err(wrong("has a part that is both stored and zeros")),
            (true, false) if place == 0 => return Err(wrong("stores a part nowhere")),
            (true, false) => Place::Stored(0, place.saturating_add(skip)),
            (false, true) => Place::Zeros,
            (false, false) => Place::Absent,
        };
        Ok(Run { range: run, place })
    }

    /// Where a compressed cluster is: not more than what its entry counts, in whole sectors.
    const fn packed(&self, entry: u64) -> Packed {
        let bits = 62_u32.saturating_sub(self.header.cluster_bits.saturating_sub(8));
        let at = entry & mask(bits);
        let more = (entry & mask(62)) >> bits;
        let sectors = (at >> SECTOR_BITS).saturating_add(more).saturating_add(1);
        Packed { at, end: sectors.saturating_mul(1 << SECTOR_BITS) }
    }
}

/// The lowest `bits` bits, at most 62.
const fn mask(bits: u32) -> u64 {
    (1_u64 << if bits < 62 { bits } else { 62 }).wrapping_sub(1)
}

impl Map for Clusters {
    type Packed = Packed;

    fn len(&self) -> u64 {
        self.header.size
    }

    fn block(&self) -> u64 {
        self.header.cluster_size()
    }

    fn files(&self) -> &[Arc<ImageFile>] {
        &self.files
    }

    fn run(&self, at: u64) -> io::Result<Run<Packed>> {
        let bits = self.header.cluster_bits;
        let tabled = self.range((at >> self.table_bits()) << self.table_bits(), self.table_bits());
        let Some(table) = self.table(at, &tabled)? else {
            return Ok(Run { range: tabled, place: Place::Absent });
        };
        let index = at >> bits;
        let range = self.range(index << bits, bits);
        let within = index & mask(self.header.l2_bits());
        let number = |place: u64| {
            let number = self.pages.u64_be(place);
            number.map_err(|error| hangs_on(error, range.clone(), "QCOW2 L2 table"))
        };
        if !self.header.extended {
            let entry = number(table.saturating_add(within.saturating_mul(8)))?;
            return self.cluster(entry, index, range);
        }
        let place = table.saturating_add(within.saturating_mul(16));
        let pair = (number(place)?, number(place.saturating_add(8))?);
        self.part(pair, index, at, range)
    }

    fn unpack(&self, packed: Packed, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let [file] = &self.files;
        let what = || format!("QCOW2 cluster {}", range.start >> self.header.cluster_bits);
        let len = packed.end.min(file.len()).saturating_sub(packed.at);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let n = file
            .fill_at(packed.at, &mut bytes)
            .map_err(|error| hangs_on(error, range.clone(), &what()))?;
        bytes.truncate(n);
        let packing = if self.header.zstd { Packing::Zstd } else { Packing::Deflate };
        let full = usize::try_from(self.block()).unwrap_or_default();
        let least = range.end.saturating_sub(range.start);
        inflate(packing, &bytes, full, usize::try_from(least).unwrap_or(full))
            .map_err(|why| damaged(range.clone(), format!("{}: {why}", what())))
    }
}
