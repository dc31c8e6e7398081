//! Extent trees: runs of blocks, in the inode or in a tree of blocks below it.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Extent Tree".

use super::checksum::crc32c;
use super::disk::Disk;
use super::inode::Inode;
use super::map::{MOST_PROBLEMS, Map, Nodes, Run, RunPlace};
use crate::bytes::Block;
use crate::problem::{Code, Problem, Stage};

/// Levels below the inode that the format allows.
const DEEPEST: u16 = 5;
/// One more than the last block number within a content.
const END: u64 = 1 << 32;
/// Longest run that is written; longer ones are reserved.
const LONGEST: u16 = 32_768;

/// A node still to be read: the blocks of content below it, and how deep it must be.
struct Below {
    block: u64,
    logical: u64,
    end: u64,
    depth: u16,
}

/// Adds all runs of an inode to `map`.
pub(super) fn walk(disk: &Disk, inode: &Inode, nodes: &mut Nodes<'_>, map: &mut Map) {
    let mut todo = Vec::new();
    node(&Block::new(&inode.map, inode.position), (0, END, None), nodes.limit, &mut todo, map);
    while let Some(below) = todo.pop() {
        let Below { block, logical, end, depth } = below;
        match nodes.read(block, map) {
            Ok(bytes) => {
                if !sum_holds(disk, inode, &bytes) && map.problems.len() < MOST_PROBLEMS {
                    let at = block.saturating_mul(disk.superblock.block_size);
                    let detail = format!("block {block} of its extent tree");
                    map.problems.push(
                        Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail)
                            .at(at, disk.superblock.block_size),
                    );
                }
                let range = (logical, end, Some(depth));
                node(&Block::new(&bytes, 0), range, nodes.limit, &mut todo, map);
            }
            Err((code, detail)) => lost(logical, end, code, detail, map),
        }
    }
}

/// Reads the entries of one node. `depth` is what its parent says of it.
fn node(
    block: &Block<'_>,
    (logical, end, depth): (u64, u64, Option<u16>),
    limit: u64,
    todo: &mut Vec<Below>,
    map: &mut Map,
) {
    let (runs, nodes) = (map.runs.len(), todo.len());
    let lost = |detail: &str, todo: &mut Vec<Below>, map: &mut Map| {
        // What else this node said is no more certain than what is wrong with it.
        map.runs.truncate(runs);
        todo.truncate(nodes);
        lost(logical, end, Code::ChainBroken, detail.to_owned(), map);
    };
    let header = (block.u16_le(0), block.u16_le(2), block.u16_le(6));
    let (Ok(0xF30A), Ok(entries), Ok(found)) = header else {
        return lost("no node of an extent tree", todo, map);
    };
    if found > DEEPEST || depth.is_some_and(|depth| depth != found) {
        let detail = format!("a node of depth {found} in the wrong place of its extent tree");
        return lost(&detail, todo, map);
    }
    for index in 0..usize::from(entries) {
        let at = index.saturating_add(1).saturating_mul(12);
        let Ok(entry) = block.slice(at, 12) else {
            let detail = "a node of its extent tree states more entries than it holds";
            return lost(detail, todo, map);
        };
        let next = block.u32_le(at.saturating_add(12)).ok().map(u64::from);
        let last = index.saturating_add(1) == usize::from(entries);
        let next = if last { end } else { next.unwrap_or(end) };
        let done = match found {
            0 => leaf(&entry, (logical, end), limit, map),
            _ => branch(&entry, (logical, end), next, found, todo),
        };
        if done.is_none() {
            return lost("an entry of its extent tree is out of its limits", todo, map);
        }
    }
}

fn leaf(entry: &Block<'_>, (from, to): (u64, u64), limit: u64, map: &mut Map) -> Option<()> {
    let logical = u64::from(entry.u32_le(0).ok()?);
    let len = entry.u16_le(4).ok()?;
    let high = u64::from(entry.u16_le(6).ok()?);
    let start = high << 32 | u64::from(entry.u32_le(8).ok()?);
    let (blocks, reserved) = match len.checked_sub(LONGEST) {
        Some(rest) if rest > 0 => (u64::from(rest), true),
        _ => (u64::from(len), false),
    };
    let end = logical.checked_add(blocks)?;
    if blocks == 0 || logical < from || end > to {
        return None;
    }
    let place = if start == 0 || start.checked_add(blocks)? > limit {
        RunPlace::Lost(Code::ChainBroken, "an extent lies outside the volume".into())
    } else if reserved {
        RunPlace::Reserved(start)
    } else {
        RunPlace::Written(start)
    };
    map.runs.push(Run { logical, blocks, place });
    Some(())
}

fn branch(
    entry: &Block<'_>,
    (from, to): (u64, u64),
    next: u64,
    depth: u16,
    todo: &mut Vec<Below>,
) -> Option<()> {
    let logical = u64::from(entry.u32_le(0).ok()?);
    let block = u64::from(entry.u16_le(8).ok()?) << 32 | u64::from(entry.u32_le(4).ok()?);
    if logical < from || next > to || logical >= next {
        return None;
    }
    todo.push(Below { block, logical, end: next, depth: depth.checked_sub(1)? });
    Some(())
}

/// What lies below cannot be had.
fn lost(logical: u64, end: u64, code: Code, detail: String, map: &mut Map) {
    let blocks = end.saturating_sub(logical);
    map.runs.push(Run { logical, blocks, place: RunPlace::Lost(code, detail) });
}

/// True where the check sum behind the entries of a node holds, or there is none.
pub(super) fn sum_holds(disk: &Disk, inode: &Inode, bytes: &[u8]) -> bool {
    if !disk.superblock.has_checksums() {
        return true;
    }
    let block = Block::new(bytes, 0);
    let room = usize::from(block.u16_le(4).unwrap_or(0));
    let tail = room.saturating_add(1).saturating_mul(12);
    let (Ok(stored), Some(covered)) = (block.u32_le(tail), bytes.get(..tail)) else { return false };
    crc32c(inode.seed(&disk.superblock), covered) == stored
}
