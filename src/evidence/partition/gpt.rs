//! GUID partition table: header and array at the start of the disk, a copy of both at its end.
//!
//! The input is untrusted: the array is read in steps, never whole, and at most [`MAX_ARRAY`]
//! bytes of it. Check sums are compared and stop nothing while one of the two tables is there: the
//! better one is used and the damage said.
//!
//! Source: UEFI Specification 2.10, section 5.3 "GUID Partition Table (GPT) Disk Layout".

use crate::bytes::{Block, Truncated};
use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

use super::span::Window;
use super::{Entry, Table, damaged};

/// Bytes of an array that are read at most: 131,072 entries of the usual size.
const MAX_ARRAY: u64 = 16 << 20;

/// Entries that become partitions at most.
const MAX_PARTITIONS: usize = 4096;

/// Bytes of a header that are defined.
const HEADER: usize = 92;

/// A header, its array and what is wrong with them.
struct Copy {
    header: Header,
    table: Table,
    /// True where both check sums hold and the header stands where it says.
    sound: bool,
}

/// The fields of a header; places are sectors.
struct Header {
    size: u32,
    crc: u32,
    own: u64,
    other: u64,
    usable: (u64, u64),
    guid: [u8; 16],
    array: u64,
    count: u32,
    entry_size: u32,
    array_crc: u32,
}

/// The table of a disk; `None` where neither it nor its copy is there.
pub(super) fn read(disk: &Window<'_>, sector_size: u32) -> Option<Table> {
    let sector = u64::from(sector_size);
    let last = disk.len().div_euclid(sector).checked_sub(1).filter(|&last| last > 0)?;
    let first = copy(disk, 1, sector_size);
    let stated = first.as_ref().filter(|copy| copy.sound).map_or(last, |copy| copy.header.other);
    let mut second = copy(disk, stated, sector_size);
    if second.is_none() && stated != last {
        second = copy(disk, last, sector_size);
    }
    let said = |detail: &str, lba: u64| damaged(detail).at(lba.saturating_mul(sector), sector);
    let (used, unused, problem) = match (first, second) {
        (None, None) => return None,
        (Some(first), None) => {
            let detail = "the backup of the GUID partition table is not there";
            (first, None, Some(said(detail, stated)))
        }
        (None, Some(second)) => {
            let detail = "the GUID partition table is not there; its backup is used";
            (second, None, Some(said(detail, 1)))
        }
        (Some(first), Some(second)) if !first.sound && second.sound => {
            let detail = "the GUID partition table is damaged; its backup is used";
            (second, Some(first), Some(said(detail, 1)))
        }
        (Some(first), Some(second)) => {
            let detail = "the GUID partition table and its backup disagree";
            let problem = differ(&first, &second).then(|| said(detail, second.header.own));
            (first, Some(second), problem)
        }
    };
    let Table { entries, mut records, mut problems } = used.table;
    if let Some(unused) = unused {
        unused.table.records.iter().for_each(|span| records.push(span));
        problems.splice(0..0, unused.table.problems);
    }
    problems.splice(0..0, problem);
    records.push((0, sector));
    Some(Table { entries, records, problems })
}

/// True where two copies that are both sound, or both damaged, do not say the same.
fn differ(first: &Copy, second: &Copy) -> bool {
    first.header.guid != second.header.guid
        || first.header.usable != second.header.usable
        || first.table.entries != second.table.entries
}

/// The copy whose header is at sector `lba`; `None` where no header is there.
fn copy(disk: &Window<'_>, lba: u64, sector_size: u32) -> Option<Copy> {
    let sector = u64::from(sector_size);
    let at = lba.checked_mul(sector).filter(|&at| at < disk.len())?;
    let mut bytes = vec![0; usize::try_from(sector_size).ok()?];
    disk.read_exact(at, &mut bytes).ok()?;
    let block = Block::new(&bytes, at);
    let header = header(&block).ok().flatten()?;
    let mut problems = Vec::new();
    if header_crc(&block, &header) != Some(header.crc) {
        let detail = "check sum of the header of a GUID partition table does not hold";
        problems.push(mismatch(detail, at, sector));
    }
    if header.own != lba {
        let detail =
            format!("header of a GUID partition table says it is at sector {}", header.own);
        problems.push(damaged(&detail).at(at, sector));
    }
    let mut table = Table { problems, ..Table::default() };
    table.records.push((at, sector));
    read_array(disk, &header, sector, &mut table);
    let sound = table.problems.is_empty();
    check_entries(&header, sector, &mut table);
    Some(Copy { header, table, sound })
}

fn mismatch(detail: &str, at: u64, len: u64) -> Problem {
    Problem::new(Code::ChecksumMismatch, Stage::Partition, detail).at(at, len)
}

fn header(block: &Block<'_>) -> Result<Option<Header>, Truncated> {
    if block.array::<8>(0)? != *b"EFI PART" {
        return Ok(None);
    }
    Ok(Some(Header {
        size: block.u32_le(12)?,
        crc: block.u32_le(16)?,
        own: block.u64_le(24)?,
        other: block.u64_le(32)?,
        usable: (block.u64_le(40)?, block.u64_le(48)?),
        guid: block.array(56)?,
        array: block.u64_le(72)?,
        count: block.u32_le(80)?,
        entry_size: block.u32_le(84)?,
        array_crc: block.u32_le(88)?,
    }))
}

/// The check sum of a header as it should be: its own field counts as zeros.
fn header_crc(block: &Block<'_>, header: &Header) -> Option<u32> {
    let size = usize::try_from(header.size).ok().filter(|&size| size >= HEADER)?;
    let bytes = block.slice(0, size).ok()?.bytes();
    let mut crc = crc32fast::Hasher::new();
    crc.update(bytes.get(..16)?);
    crc.update(&[0; 4]);
    crc.update(bytes.get(20..)?);
    Some(crc.finalize())
}

/// Reads the array entry by entry, which gives partitions and its check sum.
fn read_array(disk: &Window<'_>, header: &Header, sector: u64, table: &mut Table) {
    let Header { array, count, entry_size, .. } = *header;
    let start = array.saturating_mul(sector);
    let len = u64::from(count).saturating_mul(u64::from(entry_size));
    if !(128..=4096).contains(&entry_size) {
        let detail =
            format!("entries of a GUID partition table are said to have {entry_size} bytes");
        return table.problems.push(damaged(&detail).at(start, len));
    }
    let steps = len.min(MAX_ARRAY).div_euclid(u64::from(entry_size));
    let mut bytes = vec![0; usize::try_from(entry_size).unwrap_or_default()];
    let mut crc = crc32fast::Hasher::new();
    for (number, step) in (1_u32..).zip(0..steps) {
        let at = start.saturating_add(step.saturating_mul(u64::from(entry_size)));
        if let Err(problem) = disk.read_exact(at, &mut bytes) {
            return table.problems.push(problem);
        }
        crc.update(&bytes);
        if let Ok(Some(entry)) = entry(&Block::new(&bytes, at), number, sector) {
            table.entries.push(entry);
        }
    }
    let whole = steps.saturating_mul(u64::from(entry_size));
    table.records.push((start, whole));
    if whole < len {
        let detail = format!("a GUID partition table of {count} entries is read in part");
        let problem = Problem::new(Code::LimitReached, Stage::Partition, detail);
        table.problems.push(problem.at(start, len));
    } else if crc.finalize() != header.array_crc {
        let detail = "check sum of the entries of a GUID partition table does not hold";
        table.problems.push(mismatch(detail, start, len));
    }
    if table.entries.len() > MAX_PARTITIONS {
        table.entries.truncate(MAX_PARTITIONS);
        let detail = format!("more than {MAX_PARTITIONS} partitions");
        let problem = Problem::new(Code::LimitReached, Stage::Partition, detail);
        table.problems.push(problem.at(start, len));
    }
}

/// One entry; `None` where its slot is not in use.
fn entry(block: &Block<'_>, number: u32, sector: u64) -> Result<Option<Entry>, Truncated> {
    let kind = block.array::<16>(0)?;
    if kind == [0; 16] {
        return Ok(None);
    }
    let (first, last) = (block.u64_le(32)?, block.u64_le(40)?);
    // A last sector before the first leaves nothing; `check_entries` says so.
    let sectors = last.checked_sub(first).map_or(0, |less| less.saturating_add(1));
    let name = block.slice(56, 72)?;
    let units = (0..36).map_while(|i: usize| name.u16_le(i.saturating_mul(2)).ok());
    Ok(Some(Entry {
        number,
        start: first.saturating_mul(sector),
        len: sectors.saturating_mul(sector),
        type_id: guid(&kind),
        label: escape::utf16_name(units.take_while(|&unit| unit != 0)),
    }))
}

/// Says which entries leave the room that the header gives them, and drops those without a byte.
fn check_entries(header: &Header, sector: u64, table: &mut Table) {
    let usable = header.usable.0.saturating_mul(sector);
    let end = header.usable.1.saturating_add(1).saturating_mul(sector);
    let problems = &mut table.problems;
    table.entries.retain(|entry| {
        let Entry { number, start, len, .. } = *entry;
        if len == 0 {
            let detail = format!("partition {number} ends before it begins");
            problems.push(damaged(&detail).at(start, 0));
        } else if start < usable || start.saturating_add(len) > end {
            let detail = format!("partition {number} leaves the sectors that the table may give");
            problems.push(damaged(&detail).at(start, len));
        }
        len > 0
    });
}

/// The text form of a GUID, whose first three fields are little-endian.
fn guid(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
    let time = u32::from_le_bytes([a, b, c, d]);
    let (mid, high) = (u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    let tail = u64::from_be_bytes([0, 0, k, l, m, n, o, p]);
    format!("{time:08x}-{mid:04x}-{high:04x}-{i:02x}{j:02x}-{tail:012x}")
}
