//! From an inode to the blocks of its content, whichever way it names them.

use std::collections::HashSet;

use super::disk::Disk;
use super::inode::{Inode, flag};
use super::{blocks, extents};
use crate::item::{Extent, Place};
use crate::problem::{Code, Problem};

/// Most runs of one inode: a tree that states more is not followed further.
pub(super) const MOST_RUNS: usize = 1 << 22;
/// Most problems of one tree that are told one by one.
pub(super) const MOST_PROBLEMS: usize = 16;

/// Blocks of content that lie together.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Number of the first block within the content.
    pub(super) logical: u64,
    pub(super) blocks: u64,
    pub(super) place: RunPlace,
}

/// Where a run is.
#[derive(Debug, Clone)]
pub(super) enum RunPlace {
    /// In the volume, from this block on.
    Written(u64),
    /// The same, but reserved only: it reads as zeros.
    Reserved(u64),
    /// What says where it is cannot be had.
    Lost(Code, String),
}

/// All blocks of an inode.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    /// By logical number; they do not overlap.
    pub(super) runs: Vec<Run>,
    /// Blocks of the tree that names them.
    pub(super) nodes: Vec<u64>,
    pub(super) problems: Vec<Problem>,
}

/// Gives blocks of trees: each is asked for once an inode, and none any more where the tree has
/// stated as many runs as the volume has blocks.
pub(super) struct Nodes<'a> {
    read: &'a mut dyn FnMut(u64) -> Result<Vec<u8>, Problem>,
    seen: HashSet<u64>,
    most: usize,
    /// Blocks of the file system: none lies behind.
    pub(super) limit: u64,
}

impl Nodes<'_> {
    /// A block of a tree.
    pub(super) fn read(&mut self, number: u64, map: &mut Map) -> Result<Vec<u8>, (Code, String)> {
        if number == 0 || number >= self.limit {
            let detail = format!("block {number} of its tree lies outside the volume");
            return Err((Code::ChainBroken, detail));
        }
        if !self.seen.insert(number) {
            return Err((Code::ChainBroken, format!("its tree leads to block {number} again")));
        }
        if map.runs.len() > self.most {
            let detail = format!("its tree states more than {} pieces", self.most);
            return Err((Code::LimitReached, detail));
        }
        let bytes = (self.read)(number).map_err(|problem| (problem.code, problem.detail))?;
        map.nodes.push(number);
        Ok(bytes)
    }
}

/// The blocks of an inode, by trees whose blocks `read` gives.
pub(super) fn map(
    disk: &Disk,
    inode: &Inode,
    read: &mut dyn FnMut(u64) -> Result<Vec<u8>, Problem>,
) -> Map {
    let mut map = Map::default();
    if inode.has(flag::INLINE_DATA) {
        return map;
    }
    let most = usize::try_from(disk.held).unwrap_or(MOST_RUNS).min(MOST_RUNS);
    let mut nodes = Nodes { read, seen: HashSet::new(), most, limit: disk.superblock.blocks };
    if inode.has(flag::EXTENTS) {
        extents::walk(disk, inode, &mut nodes, &mut map);
    } else {
        blocks::walk(disk, inode, &mut nodes, &mut map);
    }
    map.runs.sort_by_key(|run| run.logical);
    let mut next = 0_u64;
    for run in &mut map.runs {
        if run.logical < next {
            // Two runs for the same part of the content: neither is certain.
            let end = run.logical.saturating_add(run.blocks).max(next);
            run.blocks = end.saturating_sub(next);
            run.logical = next;
            run.place = RunPlace::Lost(Code::ChainBroken, "two places for the same bytes".into());
        }
        next = run.logical.saturating_add(run.blocks);
    }
    map.runs.retain(|run| run.blocks > 0);
    map
}

impl Map {
    /// Blocks of content in the volume, with their logical number and whether they are written.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u64, u64, u64, bool)> {
        self.runs.iter().filter_map(|run| match run.place {
            RunPlace::Written(at) => Some((run.logical, at, run.blocks, true)),
            RunPlace::Reserved(at) => Some((run.logical, at, run.blocks, false)),
            RunPlace::Lost(..) => None,
        })
    }

    /// The content as runs of bytes whose lengths sum to `size`.
    ///
    /// - `verdict`: what stands against blocks from one on, and for how many of them it stands.
    /// - `deleted`: the state is an old one, so what was reserved then may have been written since.
    pub(super) fn content(
        &self,
        disk: &Disk,
        size: u64,
        deleted: bool,
        verdict: &dyn Fn(u64, u64) -> (Option<(Code, &'static str)>, u64),
    ) -> Vec<Extent> {
        let unit = disk.superblock.block_size;
        let mut out = Vec::new();
        let mut at = 0_u64;
        for run in &self.runs {
            let start = run.logical.saturating_mul(unit);
            if start >= size {
                break;
            }
            Extent { len: start.saturating_sub(at), place: Place::Hole }.append_to(&mut out);
            let end = start.saturating_add(run.blocks.saturating_mul(unit)).min(size);
            let len = end.saturating_sub(start);
            match &run.place {
                RunPlace::Reserved(_) if deleted => {
                    let detail = "reserved, and not known whether written before it was deleted";
                    Extent::missing(len, Code::ContentNotRead, detail).append_to(&mut out);
                }
                RunPlace::Reserved(_) => {
                    Extent { len, place: Place::Hole }.append_to(&mut out);
                }
                RunPlace::Lost(code, detail) => {
                    Extent::missing(len, *code, detail).append_to(&mut out);
                }
                RunPlace::Written(block) => {
                    written(disk, *block, len, verdict, &mut out);
                }
            }
            at = end;
        }
        Extent { len: size.saturating_sub(at), place: Place::Hole }.append_to(&mut out);
        out
    }
}

/// Appends `len` bytes that lie from `block` on, as far as nothing stands against them.
fn written(
    disk: &Disk,
    block: u64,
    len: u64,
    verdict: &dyn Fn(u64, u64) -> (Option<(Code, &'static str)>, u64),
    out: &mut Vec<Extent>,
) {
    let unit = disk.superblock.block_size;
    let (mut block, mut left) = (block, len);
    while left > 0 {
        let blocks = left.div_ceil(unit);
        let (against, same) = verdict(block, blocks);
        let same = same.clamp(1, blocks);
        let bytes = same.saturating_mul(unit).min(left);
        match against {
            None => Extent::disk(block.saturating_mul(unit), bytes).append_to(out),
            Some((code, detail)) => Extent::missing(bytes, code, detail).append_to(out),
        }
        block = block.saturating_add(same);
        left = left.saturating_sub(bytes);
    }
}
