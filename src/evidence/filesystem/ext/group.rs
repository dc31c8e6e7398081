//! Group descriptors: where each group keeps its bitmaps and inodes.
//!
//! A descriptor that contradicts its check sum, or points out of the volume, is taken from a copy
//! that holds; the copies keep places, not counters.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Block Group Descriptors", "Meta Block
//! Groups".

use super::checksum::{crc16, crc32c};
use super::disk::Disk;
use super::superblock::{incompat, ro_compat};
use crate::bytes::Block;
use crate::problem::{Code, Problem, Stage};

/// One group of blocks and inodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
    /// Inodes not in use; `None` where the descriptor is a copy.
    pub(super) free_inodes: Option<u32>,
    /// The block bitmap was never written: all is free but the file system's own.
    pub(super) blocks_unwritten: bool,
    /// No inode was ever in use.
    pub(super) inodes_unwritten: bool,
    /// Inodes at the end of the table that never were in use.
    pub(super) inodes_never_used: u32,
    /// Check sums of both bitmaps, blocks first; `None` without such sums or from a copy.
    pub(super) sums: Option<[BitmapSum; 2]>,
}

/// The check sum of a bitmap; short descriptors keep its lower half.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitmapSum {
    sum: u32,
    mask: u32,
}

impl BitmapSum {
    /// True where it is that of these bytes.
    pub(super) fn holds(self, seed: u32, bytes: &[u8]) -> bool {
        (crc32c(seed, bytes) ^ self.sum) & self.mask == 0
    }
}

/// All descriptors of a volume, in order.
pub(super) fn read(disk: &Disk, problems: &mut Vec<Problem>) -> Vec<Group> {
    let superblock = &disk.superblock;
    let within = disk.held.saturating_sub(superblock.first_block);
    let count = within.div_ceil(superblock.group_blocks);
    let per_block = disk.descriptors_per_block();
    let mut groups = Vec::new();
    for index in 0..count.div_ceil(per_block) {
        let first = index.saturating_mul(per_block);
        let here = per_block.min(count.saturating_sub(first));
        let mut copies = places(disk, index).into_iter();
        let primary = read_block(disk, copies.next(), first, here);
        let mut found = primary.unwrap_or_else(|| vec![None; usize::try_from(here).unwrap_or(0)]);
        for place in copies {
            if found.iter().all(|group| matches!(group, Some((_, true)))) {
                break;
            }
            let Some(copy) = read_block(disk, Some(place), first, here) else { continue };
            for (group, copy) in found.iter_mut().zip(copy) {
                if let (None | Some((_, false)), Some((copy, true))) = (&group, copy) {
                    *group = Some((from_copy(copy), false));
                }
            }
        }
        for (group, number) in found.into_iter().zip(first..) {
            if !matches!(group, Some((_, true))) {
                let detail = match &group {
                    Some((used, _)) if used.free_inodes.is_none() => "a copy is used",
                    Some(_) => "no copy is better",
                    None => "no copy can be read",
                };
                let detail = format!("the descriptor of group {number} is damaged; {detail}");
                let code =
                    if group.is_some() { Code::ChecksumMismatch } else { Code::FilesystemDamaged };
                if problems.len() < 1000 {
                    problems.push(Problem::new(code, Stage::Filesystem, detail));
                }
            }
            groups.push(group.map_or_else(Group::default, |(group, _)| group));
        }
    }
    groups
}

/// What a copy says of places holds; what it says of counters and states is old.
fn from_copy(copy: Group) -> Group {
    let Group { block_bitmap, inode_bitmap, inode_table, .. } = copy;
    Group { block_bitmap, inode_bitmap, inode_table, ..Group::default() }
}

/// Where a block of descriptors stands, and where its copies do.
fn places(disk: &Disk, index: u64) -> Vec<u64> {
    let superblock = &disk.superblock;
    let shift = u64::from(superblock.block_size == 1024 && superblock.first_block == 0);
    let after_superblock = |group: u64| {
        let start = disk.group_start(group).saturating_add(if group == 0 { shift } else { 0 });
        start.saturating_add(u64::from(superblock.is_backup(group)))
    };
    let last = superblock.groups().saturating_sub(1);
    if superblock.has_incompat(incompat::META_BG) && index >= superblock.first_meta_group {
        let per_block = disk.descriptors_per_block();
        let first = index.saturating_mul(per_block);
        let ends =
            [first, first.saturating_add(1), first.saturating_add(per_block.saturating_sub(1))];
        return ends.into_iter().filter(|group| *group <= last).map(after_superblock).collect();
    }
    let candidates = [0, 1, 3, 5, 7, 9, 25, 27, 49, 81].into_iter();
    let backups = superblock.backup_groups.into_iter().map(u64::from).filter(|group| *group > 0);
    let copies =
        candidates.chain(backups).filter(|group| *group <= last && superblock.is_backup(*group));
    copies.map(|group| after_superblock(group).saturating_add(index)).collect()
}

/// The descriptors of one block, each with whether it holds.
fn read_block(
    disk: &Disk,
    place: Option<u64>,
    first: u64,
    count: u64,
) -> Option<Vec<Option<(Group, bool)>>> {
    let bytes = disk.block(place?).ok()?;
    let size = disk.superblock.descriptor_size;
    let groups = bytes.chunks_exact(size).zip(first..).take(usize::try_from(count).ok()?);
    Some(groups.map(|(bytes, number)| parse(disk, bytes, number)).collect())
}

fn parse(disk: &Disk, bytes: &[u8], number: u64) -> Option<(Group, bool)> {
    let block = Block::new(bytes, 0);
    let wide = bytes.len() >= 64;
    let place = |low: usize, high: usize| {
        let high = if wide { block.u32_le(high).ok()? } else { 0 };
        Some(u64::from(high) << 32 | u64::from(block.u32_le(low).ok()?))
    };
    let count = |low: usize, high: usize| {
        let high = if wide { block.u16_le(high).ok()? } else { 0 };
        Some(u32::from(high) << 16 | u32::from(block.u16_le(low).ok()?))
    };
    let sum = |low, high| {
        let mask = if wide { u32::MAX } else { 0xFFFF };
        Some(BitmapSum { sum: count(low, high)?, mask })
    };
    let sums = match disk.superblock.has_checksums() {
        true => Some([sum(0x18, 0x38)?, sum(0x1A, 0x3A)?]),
        false => None,
    };
    let flags = block.u16_le(0x12).ok()?;
    let counted = disk.superblock.has_ro_compat(ro_compat::GDT_CSUM | ro_compat::METADATA_CSUM);
    let group = Group {
        block_bitmap: place(0, 0x20)?,
        inode_bitmap: place(0x4, 0x24)?,
        inode_table: place(0x8, 0x28)?,
        free_inodes: Some(count(0xE, 0x2E)?),
        blocks_unwritten: counted && flags & 2 != 0,
        inodes_unwritten: counted && flags & 1 != 0,
        inodes_never_used: if counted { count(0x1C, 0x32)? } else { 0 },
        sums,
    };
    let held = disk.held;
    let table_end = group.inode_table.saturating_add(disk.table_blocks());
    let inside = (1..held).contains(&group.inode_table)
        && table_end <= disk.superblock.blocks
        && (1..held).contains(&group.block_bitmap)
        && (1..held).contains(&group.inode_bitmap);
    // In a volume that was cut off, what lies behind its end is not damage of the descriptor.
    let behind = group.inode_table >= held && group.inode_table < disk.superblock.blocks;
    let holds = sum_holds(disk, bytes, number) && (inside || behind);
    Some((group, holds))
}

fn sum_holds(disk: &Disk, bytes: &[u8], number: u64) -> bool {
    let superblock = &disk.superblock;
    let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let (before, rest) = bytes.split_at_checked(0x1E).unwrap_or_default();
    let (stored, after) = rest.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
    let sum = if superblock.has_checksums() {
        let crc = crc32c(crc32c(superblock.seed, &number), before);
        let [low, high, ..] = crc32c(crc32c(crc, &[0, 0]), after).to_le_bytes();
        [low, high]
    } else if superblock.has_ro_compat(ro_compat::GDT_CSUM) {
        let crc = crc16(crc16(crc16(!0, &superblock.uuid), &number), before);
        crc16(crc, after).to_le_bytes()
    } else {
        return true;
    };
    sum == *stored
}
