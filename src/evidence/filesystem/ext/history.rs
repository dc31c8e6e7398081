//! Earlier states of inodes, from the copies of their tables in the journal.

use super::disk::Disk;
use super::inode::{Inode, Kind, flag};
use super::journal::Copy;
use super::map::{self, Map};
use super::survey::Survey;
use crate::problem::{Code, Problem, Stage};

/// Most states that are kept.
const MOST: usize = 1 << 23;

/// The state of an inode after a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) generation: u32,
    pub(super) sequence: u32,
    /// The inode existed in that state.
    pub(super) exists: bool,
    pub(super) is_directory: bool,
    /// Its content is kept in the inode itself.
    pub(super) is_inline: bool,
    copy: Copy,
    /// Byte of the copied block where it stands.
    offset: usize,
}

/// All earlier states, by number and then transaction.
#[derive(Default)]
pub(super) struct History(Vec<Version>);

impl History {
    /// Reads all copies of blocks that hold inodes.
    pub(super) fn read(survey: &Survey<'_>) -> Self {
        let disk = survey.disk;
        let blocks = disk.table_blocks();
        let mut tables: Vec<(u64, u64)> =
            disk.groups.iter().map(|group| group.inode_table).zip(0..).collect();
        tables.sort_unstable();
        let mut versions = Vec::new();
        for home in survey.journal.homes() {
            let index = tables.partition_point(|(start, _)| *start <= home).checked_sub(1);
            let Some((start, group)) = index.and_then(|index| tables.get(index)) else { continue };
            let within = home.saturating_sub(*start);
            if within >= blocks || !survey.space.has_own_table(*group) {
                continue;
            }
            for copy in survey.journal.of(home) {
                if versions.len() < MOST {
                    read_block(survey, (*group, within), copy, &mut versions);
                }
            }
        }
        versions.sort_by_key(|version| (version.number, version.sequence));
        Self(versions)
    }

    /// The states of an inode, oldest first.
    pub(super) fn of(&self, number: u32) -> &[Version] {
        let from = self.0.partition_point(|version| version.number < number);
        let rest = self.0.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|version| version.number == number)).unwrap_or_default()
    }

    /// All states.
    pub(super) fn all(&self) -> &[Version] {
        &self.0
    }

    /// The inodes of which there are states, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.chunk_by(|a, b| a.number == b.number).filter_map(|all| all.first().map(|v| v.number))
    }

    /// The state of an inode after a transaction, as far as it is known.
    pub(super) fn at(&self, number: u32, sequence: u32) -> Option<&Version> {
        self.of(number).iter().rev().find(|version| version.sequence <= sequence)
    }
}

fn read_block(
    survey: &Survey<'_>,
    (group, within): (u64, u64),
    copy: &Copy,
    versions: &mut Vec<Version>,
) {
    let disk = survey.disk;
    let Ok(bytes) = survey.journal.block(disk, copy) else { return };
    let size = disk.superblock.inode_size;
    let per_block = bytes.len().checked_div(size).and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
    let in_group = within.saturating_mul(per_block);
    let count = u64::from(disk.superblock.group_inodes);
    let first = group.saturating_mul(count).saturating_add(in_group).saturating_add(1);
    let room = usize::try_from(count.saturating_sub(in_group)).unwrap_or(0);
    let inodes = bytes.chunks_exact(size).zip(first..).take(room);
    for ((bytes, number), offset) in inodes.zip((0..).step_by(size)) {
        let Some(number) = u32::try_from(number).ok().filter(|n| *n <= disk.superblock.inodes)
        else {
            break;
        };
        let inode = Inode::parse(&disk.superblock, number, bytes, copy.place);
        if let Some(inode) = inode.filter(|inode| inode.mode != 0 && inode.holds) {
            versions.push(Version {
                number,
                generation: inode.generation,
                sequence: copy.sequence,
                exists: inode.exists(),
                is_directory: inode.kind() == Kind::Directory,
                is_inline: inode.has(flag::INLINE_DATA),
                copy: *copy,
                offset,
            });
        }
    }
}

impl Version {
    /// The inode in this state.
    pub(super) fn inode(&self, survey: &Survey<'_>) -> Option<Inode> {
        let bytes = survey.journal.block(survey.disk, &self.copy).ok()?;
        let end = self.offset.checked_add(survey.disk.superblock.inode_size)?;
        let bytes = bytes.get(self.offset..end)?;
        let place = self.copy.place.saturating_mul(survey.disk.superblock.block_size);
        let place = place.saturating_add(u64::try_from(self.offset).ok()?);
        Inode::parse(&survey.disk.superblock, self.number, bytes, place)
    }
}

/// The blocks of an inode in an earlier state: its tree as it was after transaction `sequence`, or,
/// with `None`, as far as nothing else uses its blocks now.
pub(super) fn map(survey: &Survey<'_>, inode: &Inode, sequence: Option<u32>) -> Map {
    map::map(survey.disk, inode, &mut |block| node(survey, block, sequence))
}

fn node(survey: &Survey<'_>, block: u64, sequence: Option<u32>) -> Result<Vec<u8>, Problem> {
    let gone = |detail: String| Err(Problem::new(Code::Overwritten, Stage::Filesystem, detail));
    if !survey.may_read_old() {
        let detail = "more blocks of trees of deleted objects than are read";
        return Err(Problem::new(Code::LimitReached, Stage::Filesystem, detail));
    }
    if let Some(sequence) = sequence {
        let copies = survey.journal.of(block);
        let old = copies.iter().rev().find(|copy| copy.sequence <= sequence);
        if let Some(bytes) = old.and_then(|copy| survey.journal.block(survey.disk, copy).ok()) {
            return Ok(bytes);
        }
        if copies.iter().any(|copy| copy.sequence > sequence) {
            return gone(format!("block {block} of its tree was written again"));
        }
    }
    if !survey.space.free(block, 1).0 {
        return gone(format!("block {block} of its tree is in use again"));
    }
    survey.disk.block(block)
}

/// True where an inode still says where content lies.
pub(super) fn has_content(inode: &Inode) -> bool {
    if inode.size == 0 || !matches!(inode.kind(), Kind::File | Kind::Symlink | Kind::Directory) {
        return false;
    }
    if inode.has(flag::EXTENTS) {
        return inode.map.get(2..4).is_some_and(|entries| entries != [0, 0]);
    }
    inode.map.iter().any(|byte| *byte != 0)
}

/// True where an inode counts as many blocks as its tree names: a tree that was emptied or written
/// over names others.
pub(super) fn counts_agree(disk: &Disk, inode: &Inode, map: &Map) -> bool {
    let ratio = disk.superblock.cluster_blocks;
    let mut clusters: Vec<(u64, u64)> = map
        .placed()
        .map(|(_, at, blocks, _)| (at, blocks))
        .chain(map.nodes.iter().map(|node| (*node, 1)))
        .chain((inode.attributes != 0).then_some((inode.attributes, 1)))
        .map(|(at, blocks)| {
            let last = at.saturating_add(blocks).saturating_sub(1);
            (at.div_euclid(ratio), last.div_euclid(ratio).saturating_add(1))
        })
        .collect();
    clusters.sort_unstable();
    let (mut total, mut next) = (0_u64, 0_u64);
    for (from, to) in clusters {
        total = total.saturating_add(to.saturating_sub(from.max(next)));
        next = next.max(to);
    }
    total.saturating_mul(ratio) == inode.blocks
}
