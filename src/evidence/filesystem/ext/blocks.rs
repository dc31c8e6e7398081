//! Block pointers of ext2 and ext3: twelve in the inode, then one, two and three levels of blocks.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Direct/Indirect Block Addressing".

use super::disk::Disk;
use super::inode::Inode;
use super::map::{Map, Nodes, Run, RunPlace};
use crate::bytes::Block;
use crate::problem::Code;

const DIRECT: u64 = 12;

/// Adds all runs of an inode to `map`.
pub(super) fn walk(disk: &Disk, inode: &Inode, nodes: &mut Nodes<'_>, map: &mut Map) {
    let width = disk.superblock.block_size.div_euclid(4);
    let block = Block::new(&inode.map, inode.position);
    let mut logical = 0_u64;
    for index in 0..15_usize {
        let pointer = block.u32_le(index.saturating_mul(4)).map_or(0, u64::from);
        let level = u32::try_from(index.saturating_sub(11)).unwrap_or(0);
        let span = width.saturating_pow(level);
        below(pointer, logical, (width, level), nodes, map);
        logical = logical.saturating_add(if u64::try_from(index).is_ok_and(|i| i < DIRECT) {
            1
        } else {
            span
        });
    }
}

/// Adds the runs below a pointer that stands `level` levels above the content.
///
/// The recursion is three levels deep at most; blocks of the tree are read once each.
fn below(
    pointer: u64,
    logical: u64,
    (width, level): (u64, u32),
    nodes: &mut Nodes<'_>,
    map: &mut Map,
) {
    if pointer == 0 {
        return;
    }
    if level == 0 {
        let place = if pointer >= nodes.limit {
            RunPlace::Lost(Code::ChainBroken, "a block lies outside the volume".into())
        } else {
            RunPlace::Written(pointer)
        };
        return push(Run { logical, blocks: 1, place }, map);
    }
    match nodes.read(pointer, map) {
        Ok(bytes) => {
            let level = level.saturating_sub(1);
            let span = width.saturating_pow(level);
            let mut logical = logical;
            for pointer in bytes.as_chunks::<4>().0 {
                below(u32::from_le_bytes(*pointer).into(), logical, (width, level), nodes, map);
                logical = logical.saturating_add(span);
            }
        }
        Err((code, detail)) => {
            let blocks = width.saturating_pow(level);
            push(Run { logical, blocks, place: RunPlace::Lost(code, detail) }, map);
        }
    }
}

/// Appends a run, joined with the last where both lie side by side.
fn push(run: Run, map: &mut Map) {
    if let Some(last) = map.runs.last_mut()
        && let (RunPlace::Written(a), RunPlace::Written(b)) = (&last.place, &run.place)
        && a.checked_add(last.blocks) == Some(*b)
        && last.logical.checked_add(last.blocks) == Some(run.logical)
    {
        last.blocks = last.blocks.saturating_add(run.blocks);
        return;
    }
    map.runs.push(run);
}
