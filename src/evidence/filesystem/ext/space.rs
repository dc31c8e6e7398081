//! Whose each block is: what the groups, the existing objects and the bitmaps say.
//!
//! Every class of bytes is counted from its own source while blocks are claimed. A block that two
//! objects claim is certain for neither.

use std::ops::Range;

use super::disk::Disk;
use super::group::BitmapSum;
use super::map::Map;
use crate::evidence::filesystem::blockset::BlockSet;
use crate::evidence::filesystem::{ByteClasses, Unowned};
use crate::problem::{Code, Problem, Stage};

/// Most problems of bitmaps that are told one by one.
const MOST_PROBLEMS: usize = 1000;

/// Who claims blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The file system, in the places that groups name: claimed as often as they are named.
    Layout,
    /// A structure that belongs to one object.
    Structure,
    /// A structure that cannot be read, or blocks marked as bad.
    Unread,
}

/// Whose each block of a volume is.
pub(super) struct Space<'a> {
    disk: &'a Disk,
    claimed: BlockSet,
    /// Claimed by more than one.
    twice: BlockSet,
    /// In use by the block bitmaps.
    used: BlockSet,
    /// Inodes in use by the inode bitmaps.
    inodes: BlockSet,
    /// Groups whose table of inodes is that of an earlier group.
    shared_tables: Vec<u64>,
    bytes: ByteClasses,
    unowned: Unowned,
}

impl<'a> Space<'a> {
    /// Claims what the groups name and reads their bitmaps.
    pub(super) fn new(disk: &'a Disk, problems: &mut Vec<Problem>) -> Self {
        let mut space = Self {
            disk,
            claimed: BlockSet::new(disk.held),
            twice: BlockSet::new(disk.held),
            used: BlockSet::new(disk.held),
            inodes: BlockSet::new(u64::from(disk.superblock.inodes).saturating_add(1)),
            shared_tables: Vec::new(),
            bytes: ByteClasses::default(),
            unowned: Unowned::default(),
        };
        space.claim(0..disk.superblock.first_block, Claim::Layout);
        let mmp = disk.superblock.mmp_block;
        if mmp != 0 {
            space.claim(mmp..mmp.saturating_add(1), Claim::Layout);
        }
        let mut tables = BlockSet::new(disk.held);
        for (group, number) in disk.groups.iter().zip(0_u64..) {
            space.claim(disk.backup_blocks(number), Claim::Layout);
            let table = group.inode_table..group.inode_table.saturating_add(disk.table_blocks());
            if tables.runs(table.clone()).any(|(within, _)| within) {
                space.shared_tables.push(number);
                let detail = format!("group {number} states the inodes of another group");
                problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
            }
            tables.insert(table.clone());
            if group.inode_table != 0 {
                space.claim(table, Claim::Layout);
            }
        }
        for number in 0..u64::try_from(disk.groups.len()).unwrap_or(u64::MAX) {
            space.block_bitmap(number, problems);
            space.inode_bitmap(number, problems);
        }
        space
    }

    /// False where an earlier group has the same table.
    pub(super) fn has_own_table(&self, group: u64) -> bool {
        self.shared_tables.binary_search(&group).is_err()
    }

    /// True where the inode bitmap says that it is in use.
    pub(super) fn inode_in_use(&self, number: u32) -> bool {
        self.inodes.contains(number.into())
    }

    /// Counts blocks that have no owner yet in the class of `claim`.
    pub(super) fn claim(&mut self, blocks: Range<u64>, claim: Claim) {
        let blocks = blocks.start.min(self.disk.held)..blocks.end.min(self.disk.held);
        for (taken, run) in self.claimed.runs(blocks.clone()) {
            if !taken {
                let bytes = bytes_of(self.disk, run);
                let class = match claim {
                    Claim::Unread => &mut self.bytes.unread,
                    Claim::Layout | Claim::Structure => &mut self.bytes.metadata,
                };
                *class = class.saturating_add(bytes);
            } else if claim == Claim::Structure {
                self.twice.insert(run);
            }
        }
        self.claimed.insert(blocks);
    }

    /// Claims what an object owns, `size` bytes of which are its content.
    pub(super) fn claim_object(&mut self, map: &Map, size: u64) {
        let unit = self.disk.superblock.block_size;
        for (logical, at, blocks, is_written) in map.placed() {
            let range = at.min(self.disk.held)..at.saturating_add(blocks).min(self.disk.held);
            for (taken, run) in self.claimed.runs(range.clone()) {
                if taken {
                    self.twice.insert(run);
                    continue;
                }
                let before = run.start.saturating_sub(at).saturating_add(logical);
                let left = size.saturating_sub(before.saturating_mul(unit));
                let start = run.start.saturating_mul(unit);
                let bytes = bytes_of(self.disk, run);
                let content = if is_written { left.min(bytes) } else { 0 };
                self.bytes.allocated = self.bytes.allocated.saturating_add(content);
                let rest = bytes.saturating_sub(content);
                self.bytes.slack = self.bytes.slack.saturating_add(rest);
                self.unowned.slack.push(start.saturating_add(content), rest);
            }
            self.claimed.insert(range);
        }
        self.claim_nodes(map);
    }

    /// Claims the blocks of an object's tree.
    pub(super) fn claim_nodes(&mut self, map: &Map) {
        for node in &map.nodes {
            self.claim(*node..node.saturating_add(1), Claim::Structure);
        }
    }

    /// A block of the layout turned out unreadable: it changes its class.
    pub(super) fn turned_unread(&mut self, blocks: Range<u64>) {
        let blocks = blocks.start.min(self.disk.held)..blocks.end.min(self.disk.held);
        let bytes = bytes_of(self.disk, blocks).min(self.bytes.metadata);
        self.bytes.metadata = self.bytes.metadata.saturating_sub(bytes);
        self.bytes.unread = self.bytes.unread.saturating_add(bytes);
    }

    /// True where nothing has claimed the block yet.
    pub(super) fn is_unclaimed(&self, block: u64) -> bool {
        !self.claimed.contains(block)
    }

    /// True where more than one has claimed the block.
    pub(super) fn is_contested(&self, block: u64) -> bool {
        self.twice.contains(block)
    }

    /// Whether blocks from `block` on are claimed by more than one, and how many are the same.
    pub(super) fn contested(&self, block: u64, blocks: u64) -> (bool, u64) {
        let (within, end) = self.twice.run(block, block.saturating_add(blocks));
        (within, end.saturating_sub(block))
    }

    /// Whether blocks from `block` on are in nobody's use, and how many are the same.
    pub(super) fn free(&self, block: u64, blocks: u64) -> (bool, u64) {
        let end = block.saturating_add(blocks);
        if block >= self.disk.held {
            return (false, blocks);
        }
        let (claimed, a) = self.claimed.run(block, end.min(self.disk.held));
        let (used, b) = self.used.run(block, end.min(self.disk.held));
        (!claimed && !used, a.min(b).saturating_sub(block))
    }

    /// The classes of all bytes, where nobody's bytes are, and what is wrong with the sums.
    pub(super) fn finish(mut self, problems: &mut Vec<Problem>) -> (ByteClasses, Unowned) {
        let disk = self.disk;
        let ratio = disk.superblock.cluster_blocks;
        let mut first = None;
        for group in 0..u64::try_from(disk.groups.len()).unwrap_or(u64::MAX) {
            let range = disk.group_range(group);
            let mut at = range.start;
            while at < range.end {
                let (claimed, end) = self.claimed.run(at, range.end);
                if !claimed {
                    self.unclaimed(at..end, (range.start, ratio), &mut first);
                }
                at = end;
            }
        }
        let stated = disk.held.saturating_mul(disk.superblock.block_size);
        let behind = disk.volume.len().saturating_sub(stated);
        self.bytes.slack = self.bytes.slack.saturating_add(behind);
        self.unowned.slack.push(stated, behind);
        if let Some(at) = first {
            let detail = "blocks that the bitmaps say are in use and that no object owns";
            problems.push(
                Problem::new(Code::SpaceWithoutOwner, Stage::Filesystem, detail)
                    .at(at, self.bytes.unexamined),
            );
        }
        (self.bytes, self.unowned)
    }

    /// Counts blocks without owner by the bitmaps. In a cluster of which an object owns other
    /// blocks they are its slack.
    fn unclaimed(&mut self, run: Range<u64>, (start, ratio): (u64, u64), first: &mut Option<u64>) {
        for (used, part) in self.used.runs(run.clone()) {
            let bytes = bytes_of(self.disk, part.clone());
            let at = part.start.saturating_mul(self.disk.superblock.block_size);
            self.unowned.free.push(at, bytes);
            if !used {
                self.bytes.unallocated = self.bytes.unallocated.saturating_add(bytes);
                continue;
            }
            let clusters = |block: u64| block.saturating_sub(start).div_euclid(ratio);
            let edge = |cluster: u64| cluster.saturating_mul(ratio).saturating_add(start);
            // Only the first and the last cluster of a run can have other blocks that are owned.
            let head = edge(clusters(part.start)).max(start);
            let last = edge(clusters(part.end.saturating_sub(1)));
            let owned = |from: u64| {
                let cluster = from..from.saturating_add(ratio).min(self.disk.held);
                ratio > 1 && self.claimed.runs(cluster).any(|(claimed, _)| claimed)
            };
            let head_end = head.saturating_add(ratio).min(part.end);
            let in_head = part.start..head_end;
            let in_last = last.max(head_end).min(part.end)..part.end;
            let mut slack = 0_u64;
            if owned(head) {
                slack = slack.saturating_add(bytes_of(self.disk, in_head));
            }
            if last > head && owned(last) {
                slack = slack.saturating_add(bytes_of(self.disk, in_last));
            }
            let rest = bytes.saturating_sub(slack);
            self.bytes.slack = self.bytes.slack.saturating_add(slack);
            self.bytes.unexamined = self.bytes.unexamined.saturating_add(rest);
            if rest > 0 {
                first.get_or_insert(part.start.saturating_mul(self.disk.superblock.block_size));
            }
        }
    }

    fn block_bitmap(&mut self, number: u64, problems: &mut Vec<Problem>) {
        let disk = self.disk;
        let Some(group) = usize::try_from(number).ok().and_then(|n| disk.groups.get(n)) else {
            return;
        };
        let place = group.block_bitmap..group.block_bitmap.saturating_add(1);
        let range = disk.group_range(number);
        if group.blocks_unwritten {
            return self.claim(place, Claim::Layout);
        }
        match disk.block(group.block_bitmap) {
            Ok(bytes) => {
                self.claim(place, Claim::Layout);
                let ratio = disk.superblock.cluster_blocks;
                let bits = disk.superblock.group_blocks.div_euclid(ratio);
                let sum = group.sums.map(|[blocks, _]| blocks);
                check_sum(disk, sum, (group.block_bitmap, &bytes, bits), "block", problems);
                set_bits(&bytes, &mut |bits| {
                    let at = |bit: u64| bit.saturating_mul(ratio).saturating_add(range.start);
                    self.used.insert(at(bits.start)..at(bits.end).min(range.end));
                });
            }
            Err(problem) => {
                self.claim(place, Claim::Unread);
                self.used.insert(range); // nothing of it can be said to be free
                let detail = format!("the block bitmap of group {number}: {}", problem.detail);
                problems.push(Problem { detail, ..problem });
            }
        }
    }

    fn inode_bitmap(&mut self, number: u64, problems: &mut Vec<Problem>) {
        let disk = self.disk;
        let Some(group) = usize::try_from(number).ok().and_then(|n| disk.groups.get(n)) else {
            return;
        };
        let place = group.inode_bitmap..group.inode_bitmap.saturating_add(1);
        if group.inodes_unwritten {
            return self.claim(place, Claim::Layout);
        }
        match disk.block(group.inode_bitmap) {
            Ok(bytes) => {
                self.claim(place, Claim::Layout);
                let count = u64::from(disk.superblock.group_inodes);
                let sum = group.sums.map(|[_, inodes]| inodes);
                check_sum(disk, sum, (group.inode_bitmap, &bytes, count), "inode", problems);
                let first = number.saturating_mul(count).saturating_add(1);
                set_bits(&bytes, &mut |bits| {
                    let end = bits.end.min(count).saturating_add(first);
                    self.inodes.insert(bits.start.saturating_add(first)..end);
                });
            }
            Err(problem) => {
                self.claim(place, Claim::Unread);
                let detail = format!("the inode bitmap of group {number}: {}", problem.detail);
                problems.push(Problem { detail, ..problem });
            }
        }
    }
}

/// Tells a bitmap whose check sum does not hold; it covers the bits that stand for something.
fn check_sum(
    disk: &Disk,
    sum: Option<BitmapSum>,
    (block, bytes, bits): (u64, &[u8], u64),
    what: &str,
    problems: &mut Vec<Problem>,
) {
    let covered = usize::try_from(bits.div_euclid(8)).ok().and_then(|len| bytes.get(..len));
    let holds = sum.zip(covered).is_none_or(|(sum, bytes)| sum.holds(disk.superblock.seed, bytes));
    if !holds && problems.len() < MOST_PROBLEMS {
        let size = disk.superblock.block_size;
        let detail = format!("the {what} bitmap in block {block}");
        problems.push(
            Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail)
                .at(block.saturating_mul(size), size),
        );
    }
}

/// Bytes of blocks that the volume holds.
fn bytes_of(disk: &Disk, blocks: Range<u64>) -> u64 {
    let edge = |block: u64| block.saturating_mul(disk.superblock.block_size).min(disk.volume.len());
    edge(blocks.end).saturating_sub(edge(blocks.start))
}

/// Gives the runs of bits that are set.
fn set_bits(bytes: &[u8], give: &mut dyn FnMut(Range<u64>)) {
    let mut start = None;
    let mut at = 0_u64;
    for byte in bytes {
        if matches!((byte, start), (0, None) | (0xFF, Some(_))) {
            at = at.saturating_add(8);
            continue;
        }
        for bit in 0..8 {
            match (byte >> bit & 1, start) {
                (1, None) => start = Some(at),
                (0, Some(from)) => {
                    give(from..at);
                    start = None;
                }
                _ => {}
            }
            at = at.saturating_add(1);
        }
    }
    if let Some(from) = start {
        give(from..at);
    }
}
