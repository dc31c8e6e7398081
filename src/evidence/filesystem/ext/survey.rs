//! The first pass over a volume: what exists, whose blocks they are, and all names.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::directory::{self, Entry, Rules};
use super::disk::Disk;
use super::history;
use super::inode::{Inode, Kind, flag};
use super::journal::Journal;
use super::map::{self, Map};
use super::names::Names;
use super::space::{Claim, Space};
use crate::problem::{Code, Problem, Stage};

/// The inode of the root folder.
pub(super) const ROOT: u32 = 2;
/// Most old names that are kept.
const MOST_TRACES: usize = 1 << 22;
/// Most problems of the volume that are told one by one.
const MOST_PROBLEMS: usize = 1000;
/// Most blocks of trees and directories that are read for deleted objects.
const MOST_OLD_BLOCKS: u64 = 1 << 20;
/// Blocks of inodes that are read at once.
const PIECE: u64 = 64;

/// A name that a directory holds in space it does not use, or held earlier.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) inode: u32,
    pub(super) parent: Parent,
    pub(super) name: Box<[u8]>,
    pub(super) kind: u8,
    /// The transaction that shows it; `None` = the directory as it is.
    pub(super) sequence: Option<u32>,
    /// It stood in use in that state.
    pub(super) in_use: bool,
}

/// The directory of an old name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Parent {
    /// One that exists.
    Live(u32),
    /// A deleted one, by number and generation.
    Gone(u32, u32),
}

/// What the first pass found.
pub(super) struct Survey<'a> {
    pub(super) disk: &'a Disk,
    pub(super) journal: &'a Journal,
    pub(super) space: Space<'a>,
    pub(super) names: Names,
    pub(super) traces: Vec<Trace>,
    /// Directories that exist, and what each says its parent is.
    pub(super) folders: HashMap<u32, u32>,
    /// Directories that could not be read to their end.
    pub(super) damaged: HashMap<u32, Problem>,
    /// Directories whose names are encrypted.
    pub(super) encrypted: HashSet<u32>,
    /// Inodes that exist although the bitmap says that they are free.
    pub(super) adopted: HashSet<u32>,
    /// Directories of the blocks of which the journal holds copies.
    pub(super) owners: HashMap<u64, u32>,
    /// Inodes of deleted objects that still name blocks.
    pub(super) dead: Vec<u32>,
    /// Inodes that exist, as the file system's counters count them.
    pub(super) existing: u64,
    pub(super) problems: Vec<Problem>,
    pub(super) stopped: bool,
    loose: HashSet<u32>,
    /// Blocks that may still be read for deleted objects.
    old_blocks: Cell<u64>,
}

/// Gives every inode of all tables that was ever used, in order; where a table cannot be read, its
/// blocks.
pub(super) fn each_inode(
    disk: &Disk,
    has_table: &dyn Fn(u64) -> bool,
    give: &mut dyn FnMut(Result<Inode, (u64, Problem)>) -> bool,
) {
    let size = u64::try_from(disk.superblock.inode_size).unwrap_or(128);
    let per_block = disk.superblock.block_size.checked_div(size).unwrap_or(1).max(1);
    for (group, number) in disk.groups.iter().zip(0_u64..) {
        if group.inodes_unwritten || !has_table(number) || group.inode_table == 0 {
            continue;
        }
        let used = disk.superblock.group_inodes.saturating_sub(group.inodes_never_used);
        let blocks = u64::from(used).div_ceil(per_block);
        let first = number.saturating_mul(disk.superblock.group_inodes.into()).saturating_add(1);
        let mut at = 0;
        while at < blocks {
            let count = PIECE.min(blocks.saturating_sub(at));
            let start = group.inode_table.saturating_add(at);
            let whole = disk.blocks(start, count);
            let pieces = match whole {
                Ok(bytes) => vec![(0, Ok(bytes))],
                Err(_) => (0..count).map(|n| (n, disk.block(start.saturating_add(n)))).collect(),
            };
            for (block, bytes) in pieces {
                let before = at.saturating_add(block).saturating_mul(per_block);
                let from = first.saturating_add(before);
                match bytes {
                    Ok(bytes) => {
                        let place =
                            start.saturating_add(block).saturating_mul(disk.superblock.block_size);
                        let room = u64::from(used).saturating_sub(before);
                        let chunks = bytes.chunks_exact(disk.superblock.inode_size);
                        let room = usize::try_from(room).unwrap_or(usize::MAX);
                        for ((bytes, number), index) in chunks.zip(from..).zip(0_u64..).take(room) {
                            let Some(number) = in_use(disk, bytes, number) else { continue };
                            let place = place.saturating_add(index.saturating_mul(size));
                            let inode = Inode::parse(&disk.superblock, number, bytes, place);
                            if let Some(inode) = inode
                                && !give(Ok(inode))
                            {
                                return;
                            }
                        }
                    }
                    Err(problem) => {
                        if !give(Err((start.saturating_add(block), problem))) {
                            return;
                        }
                    }
                }
            }
            at = at.saturating_add(count);
        }
    }
}

/// The number of an inode whose mode says that it was used.
fn in_use(disk: &Disk, bytes: &[u8], number: u64) -> Option<u32> {
    let number = u32::try_from(number).ok().filter(|number| *number <= disk.superblock.inodes)?;
    (bytes.first_chunk::<2>() != Some(&[0, 0])).then_some(number)
}

impl<'a> Survey<'a> {
    /// Looks at every inode and reads every directory.
    pub(super) fn new(disk: &'a Disk, journal: &'a Journal, cancel: &AtomicBool) -> Self {
        let mut problems = Vec::new();
        let space = Space::new(disk, &mut problems);
        let mut survey = Self {
            disk,
            journal,
            space,
            names: Names::default(),
            traces: Vec::new(),
            folders: HashMap::new(),
            damaged: HashMap::new(),
            encrypted: HashSet::new(),
            adopted: HashSet::new(),
            owners: HashMap::new(),
            dead: Vec::new(),
            existing: u64::from(disk.superblock.first_inode).saturating_sub(1),
            problems,
            stopped: false,
            loose: HashSet::new(),
            old_blocks: Cell::new(disk.held.clamp(1 << 12, MOST_OLD_BLOCKS)),
        };
        survey.scan(cancel);
        survey.adopt(cancel);
        survey.names.sort();
        if survey.names.cut {
            let detail = "more names than are kept; objects of the others have none";
            survey.problem(Problem::new(Code::LimitReached, Stage::Enumerate, detail));
        }
        survey
    }

    /// Tells a problem of the volume.
    pub(super) fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Counts one block of a tree or directory that does not exist any more; false where as many
    /// were read as the volume has: any number of deleted objects can name the same ones.
    pub(super) fn may_read_old(&self) -> bool {
        let left = self.old_blocks.get().checked_sub(1);
        self.old_blocks.set(left.unwrap_or(0));
        left.is_some()
    }

    /// True where no more blocks are read for deleted objects.
    pub(super) fn has_read_all_old(&self) -> bool {
        self.old_blocks.get() == 0
    }

    /// True for an inode that exists.
    pub(super) fn is_live(&self, inode: &Inode) -> bool {
        self.space.inode_in_use(inode.number) || self.adopted.contains(&inode.number)
    }

    /// True for inodes whose content is the file system's own.
    pub(super) fn is_own(&self, inode: &Inode) -> bool {
        let superblock = &self.disk.superblock;
        let number = inode.number;
        number != ROOT && number < superblock.first_inode
            || superblock.own_inodes.contains(&number)
            || number == superblock.journal_inode
            || inode.has(flag::EA_INODE)
    }

    /// The blocks of an inode that exists; blocks of trees that several claim are not read.
    pub(super) fn map(&self, inode: &Inode) -> Map {
        map::map(self.disk, inode, &mut |block| {
            if self.space.is_contested(block) {
                let detail = format!("block {block} of its tree belongs to another object too");
                return Err(Problem::new(Code::CrossLinked, Stage::Filesystem, detail));
            }
            self.disk.block(block)
        })
    }

    /// As [`Survey::map`], while claims are still made: a block is read for its first claimant.
    fn map_unclaimed(&self, inode: &Inode) -> Map {
        map::map(self.disk, inode, &mut |block| {
            if self.space.is_unclaimed(block) {
                return self.disk.block(block);
            }
            let detail = format!("block {block} of its tree belongs to another object");
            Err(Problem::new(Code::CrossLinked, Stage::Filesystem, detail))
        })
    }

    fn scan(&mut self, cancel: &AtomicBool) {
        let disk = self.disk;
        let own: HashSet<u64> = (0..u64::try_from(disk.groups.len()).unwrap_or(0))
            .filter(|group| self.space.has_own_table(*group))
            .collect();
        each_inode(disk, &|group| own.contains(&group), &mut |inode| {
            if let Ok(inode) = &inode {
                self.check(inode);
            }
            match inode {
                Ok(inode) if self.space.inode_in_use(inode.number) => self.take(&inode),
                Ok(inode) if inode.exists() => {
                    self.loose.insert(inode.number);
                }
                Ok(inode) => {
                    if self.dead.len() < MOST_TRACES && history::has_content(&inode) {
                        self.dead.push(inode.number);
                    }
                }
                Err((block, problem)) => {
                    self.space.turned_unread(block..block.saturating_add(1));
                    let detail = format!("inodes in block {block}: {}", problem.detail);
                    self.problem(Problem { detail, ..problem });
                }
            }
            self.stopped = cancel.load(Ordering::Relaxed);
            !self.stopped
        });
    }

    /// Tells an inode whose check sum does not hold where no row of its own says so: of a folder, of
    /// the file system itself, of what was deleted.
    fn check(&mut self, inode: &Inode) {
        let has_row = self.space.inode_in_use(inode.number)
            && inode.kind() != Kind::Directory
            && !self.is_own(inode);
        if !inode.holds && !has_row {
            let size = u64::try_from(self.disk.superblock.inode_size).unwrap_or(0);
            let detail = format!("inode {}", inode.number);
            let problem = Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail);
            self.problem(problem.at(inode.position, size));
        }
    }

    /// Inodes that the bitmap calls free and that a directory names exist all the same.
    fn adopt(&mut self, cancel: &AtomicBool) {
        let mut index = 0;
        while index < self.names.len() && !self.loose.is_empty() && !self.stopped {
            self.stopped = cancel.load(Ordering::Relaxed);
            if let Some(number) = self.names.inode_at(index)
                && self.loose.remove(&number)
                && let Ok(inode) = self.disk.inode(number)
            {
                self.adopted.insert(number);
                self.take(&inode);
            }
            index = index.saturating_add(1);
        }
        let mut rest: Vec<u32> = self.loose.drain().collect();
        rest.append(&mut self.dead);
        rest.sort_unstable();
        self.dead = rest; // free, unnamed and not marked as deleted: a deletion that was cut short
    }

    fn take(&mut self, inode: &Inode) {
        if inode.number >= self.disk.superblock.first_inode {
            self.existing = self.existing.saturating_add(1);
        }
        if inode.attributes != 0 && inode.attributes < self.disk.superblock.blocks {
            let block = inode.attributes..inode.attributes.saturating_add(1);
            self.space.claim(block, Claim::Layout); // several inodes may share it
        }
        if matches!(inode.kind(), Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice)
            || inode.fast_target().is_some()
        {
            return;
        }
        let map = self.map_unclaimed(inode);
        if inode.number == 1 {
            self.claim_all(&map, Claim::Unread); // the list of bad blocks
        } else if self.is_own(inode) {
            self.claim_all(&map, Claim::Layout);
        } else if inode.kind() == Kind::Directory {
            self.read_directory(inode, &map);
        } else if inode.kind() == Kind::Symlink {
            self.claim_all(&map, Claim::Structure);
        } else {
            self.space.claim_object(&map, inode.size);
        }
    }

    fn claim_all(&mut self, map: &Map, claim: Claim) {
        for (_, at, blocks, _) in map.placed() {
            self.space.claim(at..at.saturating_add(blocks), claim);
        }
        let nodes = if claim == Claim::Layout { claim } else { Claim::Structure };
        for node in &map.nodes {
            self.space.claim(*node..node.saturating_add(1), nodes);
        }
    }

    /// Reads a directory. Its blocks are read for their first claimant, so each is read once.
    fn read_directory(&mut self, inode: &Inode, map: &Map) {
        self.folders.insert(inode.number, 0);
        if inode.has(flag::ENCRYPT) {
            self.encrypted.insert(inode.number);
        }
        self.space.claim_nodes(map);
        let rules = Rules::of(self.disk, inode.has(flag::INDEX));
        if inode.has(flag::INLINE_DATA) {
            return self.read_inline(inode, rules);
        }
        for run in &map.runs {
            if let map::RunPlace::Lost(code, detail) = &run.place {
                self.damage(inode, &format!("{detail} ({code})"));
            }
        }
        for problem in &map.problems {
            self.problem(Problem { ..problem.clone() });
        }
        for (_, at, blocks, _) in map.placed() {
            for block in at..at.saturating_add(blocks).min(self.disk.held) {
                if !self.space.is_unclaimed(block) {
                    self.space.claim(block..block.saturating_add(1), Claim::Structure);
                    self.damage(inode, &format!("block {block} belongs to another object too"));
                    continue;
                }
                match self.disk.block(block) {
                    Ok(bytes) => self.read_block(inode, rules, block, &bytes),
                    Err(problem) => {
                        self.space.claim(block..block.saturating_add(1), Claim::Unread);
                        self.damage(inode, &format!("block {block}: {}", problem.detail));
                    }
                }
            }
            if at.saturating_add(blocks) > self.disk.held {
                self.damage(inode, "blocks lie behind the end of the volume");
            }
        }
    }

    fn read_block(&mut self, inode: &Inode, rules: Rules, block: u64, bytes: &[u8]) {
        self.space.claim(block..block.saturating_add(1), Claim::Structure);
        if self.journal.has(block) {
            self.owners.insert(block, inode.number);
        }
        if directory::sum_holds(self.disk, inode, bytes) == Some(false) {
            let size = self.disk.superblock.block_size;
            let detail = format!("block {block} of the folder that is inode {}", inode.number);
            let problem = Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail);
            self.problem(problem.at(block.saturating_mul(size), size));
        }
        let broken = directory::entries(bytes, rules, &mut |entry| self.entry(inode.number, entry));
        if let Err(at) = broken {
            self.damage(inode, &format!("the entries of block {block} break off at byte {at}"));
        }
    }

    /// A directory in its inode: the parent's number, then entries in two parts.
    fn read_inline(&mut self, inode: &Inode, rules: Rules) {
        let (parent, first) = inode.map.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        self.folders.insert(inode.number, u32::from_le_bytes(*parent));
        for part in [first, &inode.inline] {
            let broken =
                directory::entries(part, rules, &mut |entry| self.entry(inode.number, entry));
            if let Err(at) = broken {
                self.damage(inode, &format!("the entries in its inode break off at byte {at}"));
            }
        }
    }

    fn entry(&mut self, folder: u32, entry: Entry<'_>) {
        match entry {
            Entry { deleted: true, inode, name, kind, .. } => {
                if self.traces.len() < MOST_TRACES {
                    self.traces.push(Trace {
                        inode,
                        parent: Parent::Live(folder),
                        name: name.into(),
                        kind,
                        sequence: None,
                        in_use: false,
                    });
                }
            }
            Entry { name: b".", .. } => {}
            Entry { name: b"..", inode, .. } => {
                self.folders.insert(folder, inode);
            }
            _ => self.names.push(folder, entry),
        }
    }

    fn damage(&mut self, inode: &Inode, detail: &str) {
        let problem = || Problem::new(Code::SubtreeIncomplete, Stage::Enumerate, detail);
        self.damaged.entry(inode.number).or_insert_with(problem);
    }
}
