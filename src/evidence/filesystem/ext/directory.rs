//! Directory blocks: names and the inodes they stand for, and names left in unused space.
//!
//! Directories with a hash index are read like all others: their index lies in what looks like
//! unused space of ordinary blocks.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Linear (Classic) Directories", "Hash Tree
//! Directories".

use super::checksum::crc32c;
use super::disk::Disk;
use super::inode::{Inode, flag};
use super::superblock::incompat;
use crate::bytes::Block;

/// The kind that an entry states where it states one.
pub(super) const KIND_DIRECTORY: u8 = 2;
const HEADER: usize = 8;

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) inode: u32,
    /// Kind by its own numbers; 0 = not stated.
    pub(super) kind: u8,
    pub(super) name: &'a [u8],
    /// It stands in space that the directory does not use any more.
    pub(super) deleted: bool,
}

/// What of the volume the reading of entries depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    states_kind: bool,
    inodes: u32,
    first_inode: u32,
    indexed: bool,
}

impl Rules {
    /// The rules for a directory; `indexed` where it has a hash index.
    pub(super) fn of(disk: &Disk, indexed: bool) -> Self {
        Self {
            states_kind: disk.superblock.has_incompat(incompat::FILETYPE),
            inodes: disk.superblock.inodes,
            first_inode: disk.superblock.first_inode,
            indexed,
        }
    }
}

/// Gives all entries of a directory block in order, `.` and `..` included.
///
/// # Errors
/// Where the chain of entries breaks: its byte, after all entries before it were given.
pub(super) fn entries<'a>(
    bytes: &'a [u8],
    rules: Rules,
    give: &mut dyn FnMut(Entry<'a>),
) -> Result<(), usize> {
    let block = Block::new(bytes, 0);
    let mut at = 0;
    while at < bytes.len() {
        let step = length(&block, at).ok_or(at)?;
        let end = at.checked_add(step).filter(|end| *end <= bytes.len()).ok_or(at)?;
        let inode = block.u32_le(at).map_err(|_| at)?;
        let (name_len, kind) = shape(&block, at, rules).ok_or(at)?;
        let used = HEADER.saturating_add(name_len);
        if inode != 0 {
            if used > step {
                return Err(at);
            }
            let name = block.slice(at.saturating_add(HEADER), name_len).map_err(|_| at)?.bytes();
            give(Entry { inode, kind, name, deleted: false });
            if rules.indexed && name == b".." {
                return Ok(()); // behind it the index lies
            }
        }
        if !(rules.indexed && inode == 0 && is_index(&block, at, step)) {
            let from = if inode == 0 { HEADER } else { used.next_multiple_of(4) };
            left_over(&block, at.saturating_add(from)..end, rules, give);
        }
        at = end;
    }
    Ok(())
}

/// True where the check sum at the end of a block is that of this directory; `None` without one.
pub(super) fn sum_holds(disk: &Disk, inode: &Inode, bytes: &[u8]) -> Option<bool> {
    if !disk.superblock.has_checksums() || inode.has(flag::INLINE_DATA) {
        return None;
    }
    let tail = bytes.len().checked_sub(12)?;
    let block = Block::new(bytes, 0);
    let is_tail = block.u32_le(tail) == Ok(0)
        && block.u16_le(tail.saturating_add(4)) == Ok(12)
        && block.u16_le(tail.saturating_add(6)) == Ok(0xDE00);
    let last = bytes.len().saturating_sub(12);
    let is_root = block.u32_le(12).is_ok_and(|parent| parent != 0)
        && length(&block, 12) == Some(last)
        && block.slice(20, 2).is_ok_and(|name| name.bytes() == b"..");
    if !is_tail || inode.has(flag::INDEX) && (is_root || is_index(&block, 0, length(&block, 0)?)) {
        return None; // a block of the hash index, whose sum lies elsewhere
    }
    let covered = bytes.get(..tail).unwrap_or_default();
    let sum = crc32c(inode.seed(&disk.superblock), covered);
    Some(block.u32_le(tail.saturating_add(8)) == Ok(sum))
}

/// The length of an entry; blocks of 64 KiB need one more bit than the field has.
fn length(block: &Block<'_>, at: usize) -> Option<usize> {
    let field = usize::from(block.u16_le(at.checked_add(4)?).ok()?);
    let len = match (block.len() >= 65_536, field) {
        (true, 0 | 65_535) => 65_536,
        (true, field) => (field & 0xFFFC) | (field & 3) << 16,
        (false, field) => field,
    };
    (len >= HEADER && len.is_multiple_of(4)).then_some(len)
}

/// The length of a name, and the kind.
fn shape(block: &Block<'_>, at: usize, rules: Rules) -> Option<(usize, u8)> {
    let len = block.u8(at.checked_add(6)?).ok()?;
    let kind = block.u8(at.checked_add(7)?).ok()?;
    Some((len.into(), if rules.states_kind { kind & 7 } else { 0 }))
}

/// True for a block of the hash index: after its one empty entry come limit and count.
fn is_index(block: &Block<'_>, at: usize, step: usize) -> bool {
    let limits = block.u16_le(8).ok().map(usize::from).zip(block.u16_le(10).ok().map(usize::from));
    let most = block.len().saturating_sub(HEADER).div_euclid(8);
    at == 0
        && step == block.len()
        && block.u32_le(0) == Ok(0)
        && limits.is_some_and(|(limit, count)| {
            (most.saturating_sub(1)..=most).contains(&limit) && count <= limit
        })
}

/// Names in space that is not used: everything there that can be an entry.
fn left_over<'a>(
    block: &Block<'a>,
    space: std::ops::Range<usize>,
    rules: Rules,
    give: &mut dyn FnMut(Entry<'a>),
) {
    let mut at = space.start;
    while at.saturating_add(HEADER) < space.end {
        match old_entry(block, at, space.end, rules) {
            Some(entry) => {
                let used = HEADER.saturating_add(entry.name.len()).next_multiple_of(4);
                give(entry);
                at = at.saturating_add(used);
            }
            None => at = at.saturating_add(4),
        }
    }
}

fn old_entry<'a>(block: &Block<'a>, at: usize, end: usize, rules: Rules) -> Option<Entry<'a>> {
    let inode = block.u32_le(at).ok()?;
    let step = length(block, at)?;
    let (name_len, kind) = shape(block, at, rules)?;
    let used = HEADER.checked_add(name_len)?;
    let fits = name_len > 0
        && used <= step
        && at.checked_add(used)? <= end
        && at.checked_add(step)? <= block.len()
        && (rules.first_inode..=rules.inodes).contains(&inode)
        && (!rules.states_kind || block.u8(at.checked_add(7)?).is_ok_and(|k| (1..=7).contains(&k)));
    let name = block.slice(at.checked_add(HEADER)?, name_len).ok()?.bytes();
    let clean = !name.iter().any(|byte| matches!(byte, 0 | b'/')) && name != b"." && name != b"..";
    (fits && clean).then_some(Entry { inode, kind, name, deleted: true })
}
