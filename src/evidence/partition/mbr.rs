//! Master boot record: four primary partitions, and the chain of logical ones.
//!
//! The input is untrusted: the chain is bounded by a count and never read at one place twice.
//!
//! Sector 0 of a FAT, exFAT or NTFS volume ends in the same two bytes as a master boot record. It
//! is a file system's where its fields say so strictly and no partition of the table begins with
//! anything that is recognised; otherwise a table counts where each entry is empty or has a
//! status byte of 0x00 or 0x80 and at least one begins on the disk.
//!
//! Source: UEFI Specification 2.10, section 5.2.1 "Legacy Master Boot Record (MBR)"; for the chain
//! Microsoft, "Disk Concepts and Troubleshooting", extended boot records.

use std::collections::BTreeSet;

use crate::bytes::{Block, Truncated};
use crate::evidence::recognise;
use crate::problem::Problem;

use super::span::Window;
use super::{Entry, Table, damaged};

/// The type of an entry that stands for a GUID partition table.
pub(super) const PROTECTIVE: &str = "0xee";

/// Extended boot records that are read at most; Linux makes at most 60 partitions of them.
const MAX_CHAIN: usize = 1024;

/// Bytes of a boot record that matter, whatever the sector size.
const RECORD: usize = 512;

/// What sector 0 is.
pub(super) enum Found {
    /// A table of partitions.
    Table(Table),
    /// A table that points to a GUID partition table.
    Protective(Table),
    /// No table.
    Nothing(Vec<Problem>),
}

/// One entry as it stands in a record.
#[derive(Debug, Clone, Copy)]
struct Slot {
    status: u8,
    kind: u8,
    first: u32,
    sectors: u32,
}

impl Slot {
    const fn is_empty(&self) -> bool {
        self.sectors == 0
    }

    const fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

/// Reads sector 0 and the chains that begin there.
pub(super) fn read(disk: &Window<'_>, sector_size: u32) -> Found {
    let mut record = [0; RECORD];
    let slots = match disk.read_exact(0, &mut record) {
        Ok(()) => slots(&Block::new(&record, 0)),
        Err(_) if disk.len() < 512 => return Found::Nothing(Vec::new()),
        Err(problem) => return Found::Nothing(vec![problem]),
    };
    let Ok(Some(slots)) = slots else { return Found::Nothing(Vec::new()) };
    let sector = u64::from(sector_size);
    if !is_plausible(&slots, disk.len().div_euclid(sector)) {
        return Found::Nothing(Vec::new());
    }
    let mut problems = Vec::new();
    if is_volume(disk) {
        let inside = |slot: &&Slot| !slot.is_empty() && begins(disk, slot, sector);
        if slots.iter().find(inside).is_none() {
            if slots.iter().any(|slot| slot.first > 0 && !slot.is_empty()) {
                problems.push(damaged("sector 0 is a file system's and looks like a table too"));
            }
            return Found::Nothing(problems);
        }
        problems.push(damaged("sector 0 is a table and looks like a file system's too"));
    }
    let mut table = Table { problems, ..Table::default() };
    table.records.push((0, sector));
    primaries(disk, &slots, sector_size, &mut table);
    if slots.iter().any(|slot| slot.kind == 0xEE) {
        Found::Protective(table)
    } else {
        Found::Table(table)
    }
}

/// True where sector 0 is that of a file system that begins with a boot sector.
pub(super) fn is_volume(disk: &Window<'_>) -> bool {
    recognise::boot_sector(disk).is_some()
}

/// True where a partition begins with something that is recognised.
fn begins(disk: &Window<'_>, slot: &Slot, sector: u64) -> bool {
    let start = u64::from(slot.first).saturating_mul(sector);
    let len = u64::from(slot.sectors).saturating_mul(sector);
    slot.first > 0 && recognise::by_signature(&disk.part(start, len)).is_some()
}

/// The four entries of a record; `None` where it does not end as one.
fn slots(record: &Block<'_>) -> Result<Option<[Slot; 4]>, Truncated> {
    if record.u16_le(510)? != 0xAA55 {
        return Ok(None);
    }
    let slot = |at| -> Result<Slot, Truncated> {
        let entry = record.slice(at, 16)?;
        let (status, kind) = (entry.u8(0)?, entry.u8(4)?);
        Ok(Slot { status, kind, first: entry.u32_le(8)?, sectors: entry.u32_le(12)? })
    };
    Ok(Some([slot(446)?, slot(462)?, slot(478)?, slot(494)?]))
}

fn is_plausible(slots: &[Slot; 4], sectors: u64) -> bool {
    let begins = |slot: &Slot| !slot.is_empty() && u64::from(slot.first) < sectors;
    let marked = |slot: &Slot| slot.status & 0x7F == 0;
    slots.iter().all(marked) && slots.iter().any(begins)
}

fn primaries(disk: &Window<'_>, slots: &[Slot; 4], sector_size: u32, table: &mut Table) {
    let mut chains = Vec::new();
    for (number, slot) in (1_u32..).zip(slots) {
        if slot.is_empty() {
            continue;
        }
        if slot.is_extended() {
            chains.push((number, slot));
            continue;
        }
        if slot.kind == 0 {
            let detail = format!("slot {number} is marked as unused and has a place");
            table.problems.push(damaged(&detail).at(446, 64));
        }
        table.entries.push(entry(number, slot, 0, sector_size));
    }
    let mut next = 5;
    for (number, slot) in chains {
        if u64::from(slot.first).saturating_mul(u64::from(sector_size)) >= disk.len() {
            let detail = format!("extended partition {number} begins past the end of the disk");
            table.problems.push(damaged(&detail).at(446, 64));
            continue;
        }
        chain(disk, slot, sector_size, &mut next, table);
    }
}

fn entry(number: u32, slot: &Slot, base: u64, sector_size: u32) -> Entry {
    let sector = u64::from(sector_size);
    Entry {
        number,
        start: base.saturating_add(u64::from(slot.first).saturating_mul(sector)),
        len: u64::from(slot.sectors).saturating_mul(sector),
        type_id: format!("0x{:02x}", slot.kind),
        label: Vec::new(),
    }
}

/// Follows the records of an extended partition. Logical partitions count from their own record,
/// the next record from the first one.
fn chain(disk: &Window<'_>, outer: &Slot, sector_size: u32, next: &mut u32, table: &mut Table) {
    let sector = u64::from(sector_size);
    let base = u64::from(outer.first).saturating_mul(sector);
    let mut ahead = vec![base];
    let mut seen = BTreeSet::new();
    while let Some(at) = ahead.pop() {
        if !seen.insert(at) {
            let detail = "the chain of logical partitions leads back to a record it has passed";
            table.problems.push(damaged(detail).at(at, sector));
            continue;
        }
        if seen.len() > MAX_CHAIN {
            let detail = format!("more than {MAX_CHAIN} logical partitions");
            table.problems.push(damaged(&detail).at(at, sector));
            return;
        }
        let mut record = [0; RECORD];
        let slots = disk.read_exact(at, &mut record).map(|()| slots(&Block::new(&record, at)));
        let slots = match slots {
            Ok(Ok(Some(slots))) => slots,
            Err(problem) => {
                table.problems.push(problem);
                continue;
            }
            Ok(_) => {
                let detail = "the record of a logical partition does not end in 55 AA";
                table.problems.push(damaged(detail).at(at, sector));
                continue;
            }
        };
        table.records.push((at, sector));
        for slot in slots.iter().filter(|slot| !slot.is_empty()) {
            if slot.is_extended() {
                ahead.push(base.saturating_add(u64::from(slot.first).saturating_mul(sector)));
            } else {
                table.entries.push(entry(*next, slot, at, sector_size));
                *next = next.saturating_add(1);
            }
        }
    }
}
