//! Partition tables of disk images: which bytes of a disk belong to which volume.
//!
//! The table is hostile: every place is checked against the length of the disk, chains are bounded
//! and circles end them. Damage is a [`Problem`], after which what can still be read is read. The
//! parts that are found and the gaps between them cover every byte of the disk.
//!
//! Names: primary partitions of a master boot record are `p1` to `p4` by their slot, logical ones
//! `p5` and on in the order of their chain, as Linux counts them; those of a GUID partition table
//! are numbered by slot; entries that only the master boot record of such a disk has are numbered
//! after the last slot. An extended partition is a container and no part. `p0` is a disk without a
//! table.
//!
//! Sources: UEFI Specification 2.10, chapter 5; Microsoft, "Master Boot Record" (EBR chain).

mod gpt;
mod mbr;
mod span;

use crate::bytes::ReadAt;
use crate::evidence::recognise;
use crate::problem::{Code, Problem, Stage, words};

use span::{Spans, Window};

words! {
    /// Which table divides a disk.
    Scheme {
        /// There is no table: the disk is one volume.
        None = "none",
        /// A master boot record.
        Mbr = "mbr",
        /// A GUID partition table.
        Gpt = "gpt",
        /// A GUID partition table whose master boot record lists partitions as well.
        Hybrid = "gpt+mbr",
    }
}

/// What a part of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A partition, or the whole of a disk without a table.
    Volume,
    /// Bytes that no partition claims.
    Gap,
}

/// A part of a disk: a partition or what lies between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `p0`, `p1`, `gap1` and so on; the first segment of the paths of its objects.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its first byte.
    pub start: u64,
    /// Number of bytes, never past the end of the disk.
    pub len: u64,
    /// Of a gap: how many of its bytes are records of the partition table. 0 for a volume.
    pub table_bytes: u64,
    /// Where bytes of it belong to a partition that stands earlier in the table: first byte in it
    /// and length, in order, apart from each other. What it counts as its own is the rest.
    pub shared: Vec<(u64, u64)>,
    /// The type that the table states: `0x0c`, or a GUID in lower case. Empty for a gap.
    pub type_id: String,
    /// The name that the table states, as bytes of UTF-8.
    pub label: Vec<u8>,
}

/// How a disk is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Which table it has.
    pub scheme: Scheme,
    /// Bytes of a sector as the table counts them.
    pub sector_size: u32,
    /// Partitions and gaps by their first byte; those of the same first byte in table order. Every
    /// byte of the disk is in one of them, and in more than one only where partitions overlap: then
    /// it belongs to the one that stands first in the table.
    pub parts: Vec<Part>,
    /// What is wrong with the table.
    pub problems: Vec<Problem>,
}

/// A partition as a table states it, in bytes, not yet checked against others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    number: u32,
    start: u64,
    len: u64,
    type_id: String,
    label: Vec<u8>,
}

/// What one table says.
#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    /// Bytes of the records themselves.
    records: Spans,
    problems: Vec<Problem>,
}

/// Sizes of a sector that disks have.
const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// Reads the partition table of a disk.
///
/// - `sector_size`: bytes of a sector as the device or the container states it, 512 where nothing
///   does. Another size is tried where this one finds nothing, and a problem says so.
///
/// ```
/// use assay::evidence::partition::{Scheme, read};
/// let disk: std::sync::Arc<[u8]> = [0; 4096].into();
/// let layout = read(&disk, 512);
/// assert_eq!((layout.scheme, layout.parts[0].name.as_str()), (Scheme::None, "p0"));
/// ```
pub fn read(disk: &dyn ReadAt, sector_size: u32) -> Layout {
    let disk = Window::whole(disk);
    let sector_size = if SECTOR_SIZES.contains(&sector_size) { sector_size } else { 512 };
    let sizes = [sector_size, if sector_size == 512 { 4096 } else { 512 }];
    let first = mbr::read(&disk, sizes[0]);
    let gpt = sizes.iter().find_map(|&size| gpt::read(&disk, size).map(|table| (size, table)));
    match (first, gpt) {
        (mbr::Found::Protective(protective), Some((size, table))) => {
            let protective = if size == sector_size { protective } else { reread(&disk, size) };
            with_gpt(&disk, (sector_size, size), table, protective)
        }
        (mbr::Found::Nothing(mut problems), Some((size, table))) if !mbr::is_volume(&disk) => {
            problems.push(damaged("sector 0 has no protective record; the GUID table is used"));
            let protective = Table { problems, ..Table::default() };
            with_gpt(&disk, (sector_size, size), table, protective)
        }
        (mbr::Found::Nothing(problems), gpt) => {
            let mut layout = whole(&disk, sector_size, problems);
            layout.problems.extend(gpt.map(|_| {
                damaged("a GUID partition table is there too; sector 0 is a file system's")
            }));
            layout
        }
        (mbr::Found::Table(table), gpt) => {
            let mut layout = with_mbr(&disk, sizes, table);
            layout.problems.extend(gpt.map(|_| {
                damaged("a GUID partition table is there too, and sector 0 does not point to it")
            }));
            layout
        }
        (mbr::Found::Protective(mut table), None) => {
            let detail = "sector 0 points to a GUID partition table; neither it nor its copy is \
                          there";
            table.problems.push(damaged(detail));
            finish(&disk, Scheme::Mbr, sector_size, table)
        }
    }
}

/// The protective record again, its sectors counted in another size.
fn reread(disk: &Window<'_>, size: u32) -> Table {
    match mbr::read(disk, size) {
        mbr::Found::Protective(table) | mbr::Found::Table(table) => table,
        mbr::Found::Nothing(problems) => Table { problems, ..Table::default() },
    }
}

fn with_gpt(
    disk: &Window<'_>,
    (stated, size): (u32, u32),
    mut table: Table,
    protective: Table,
) -> Layout {
    if stated != size {
        table.problems.push(other_size(stated, size));
    }
    let slots = table.entries.iter().map(|entry| entry.number).max().unwrap_or(0).max(128);
    table.problems.extend(protective.problems);
    protective.records.iter().for_each(|span| table.records.push(span));
    let mut scheme = Scheme::Gpt;
    for mut entry in protective.entries {
        if entry.type_id == mbr::PROTECTIVE {
            continue;
        }
        scheme = Scheme::Hybrid;
        let known = |other: &Entry| (other.start, other.len) == (entry.start, entry.len);
        if !table.entries.iter().any(known) {
            let detail = format!("slot {} of sector 0 is not in the GUID table", entry.number);
            table.problems.push(damaged(&detail).at(entry.start, entry.len));
            entry.number = entry.number.saturating_add(slots);
            table.entries.push(entry);
        }
    }
    finish(disk, scheme, size, table)
}

/// A master boot record, with the sector size under which its partitions begin with something.
fn with_mbr(disk: &Window<'_>, [stated, other]: [u32; 2], mut table: Table) -> Layout {
    if recognised(disk, &table) == 0
        && let mbr::Found::Table(again) = mbr::read(disk, other)
        && recognised(disk, &again) > 0
    {
        table = again;
        table.problems.push(other_size(stated, other));
        return finish(disk, Scheme::Mbr, other, table);
    }
    finish(disk, Scheme::Mbr, stated, table)
}

/// How many partitions of a table begin with something that is recognised.
fn recognised(disk: &Window<'_>, table: &Table) -> usize {
    let known = |entry: &&Entry| {
        let window = disk.part(entry.start, entry.len);
        entry.start > 0 && recognise::by_signature(&window).is_some()
    };
    table.entries.iter().filter(known).count()
}

fn other_size(stated: u32, found: u32) -> Problem {
    damaged(&format!("the table counts sectors of {found} bytes, the device {stated}"))
}

fn damaged(detail: &str) -> Problem {
    Problem::new(Code::PartitionTableDamaged, Stage::Partition, detail)
}

fn whole(disk: &Window<'_>, sector_size: u32, problems: Vec<Problem>) -> Layout {
    let part = Part {
        name: "p0".to_owned(),
        role: Role::Volume,
        start: 0,
        len: disk.len(),
        table_bytes: 0,
        shared: Vec::new(),
        type_id: String::new(),
        label: Vec::new(),
    };
    Layout { scheme: Scheme::None, sector_size, parts: vec![part], problems }
}

/// Checks the entries against the disk and each other and fills the gaps between them.
fn finish(disk: &Window<'_>, scheme: Scheme, sector_size: u32, mut table: Table) -> Layout {
    table.entries.retain_mut(|entry| clip(entry, disk.len(), &mut table.problems));
    let mut parts: Vec<(u32, Part)> = table.entries.into_iter().map(volume).collect();
    parts.sort_by_key(|(number, _)| *number);
    let mut claimed = Spans::default();
    for (_, part) in &mut parts {
        let there = claimed.claim((part.start, part.len)).into_iter();
        part.shared = there.map(|(at, len)| (at.saturating_sub(part.start), len)).collect();
    }
    parts.sort_by_key(|(number, part)| (part.start, *number));
    overlaps(&parts, &mut table.problems);

    for (number, (start, len)) in (1_u32..).zip(claimed.gaps(disk.len())) {
        let part = Part {
            name: format!("gap{number}"),
            role: Role::Gap,
            start,
            len,
            table_bytes: table.records.covered((start, len)),
            shared: Vec::new(),
            type_id: String::new(),
            label: Vec::new(),
        };
        parts.push((number, part));
    }
    parts.sort_by_key(|(number, part)| (part.start, *number));
    let parts = parts.into_iter().map(|(_, part)| part).collect();
    Layout { scheme, sector_size, parts, problems: table.problems }
}

/// Cuts an entry at the end of the disk; false where nothing is left of it.
fn clip(entry: &mut Entry, disk: u64, problems: &mut Vec<Problem>) -> bool {
    let left = disk.saturating_sub(entry.start);
    if entry.len <= left {
        return true;
    }
    let Entry { number, start, len, .. } = *entry;
    let detail = format!("partition {number} ends past the end of the disk at {disk}");
    problems.push(damaged(&detail).at(start, len));
    entry.len = left;
    left > 0
}

fn volume(entry: Entry) -> (u32, Part) {
    let Entry { number, start, len, type_id, label } = entry;
    let (name, shared) = (format!("p{number}"), Vec::new());
    (number, Part { name, role: Role::Volume, start, len, table_bytes: 0, shared, type_id, label })
}

/// One problem for each partition that begins before an earlier one has ended.
fn overlaps(parts: &[(u32, Part)], problems: &mut Vec<Problem>) {
    let mut reach: Option<(u64, &str)> = None;
    for (_, part) in parts {
        let end = part.start.saturating_add(part.len);
        if let Some((reached, name)) = reach
            && part.start < reached
        {
            let detail = format!("{} and {name} claim the same bytes", part.name);
            let len = reached.min(end).saturating_sub(part.start);
            let problem = Problem::new(Code::PartitionsOverlap, Stage::Partition, detail);
            problems.push(problem.at(part.start, len));
        }
        if reach.is_none_or(|(reached, _)| end > reached) {
            reach = Some((end, &part.name));
        }
    }
}
