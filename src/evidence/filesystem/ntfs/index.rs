//! The index of a folder: the names of its objects in order, in a tree of blocks.
//!
//! The root of the tree is in the folder's record, every other part is a block with the check that
//! records have. Behind the last entry of a part lies what earlier entries left.
//!
//! Sources: Linux-NTFS project documentation, "$INDEX_ROOT", "$INDEX_ALLOCATION", "Index Record" and
//! "Index Entry"; volumes that ntfs-3g and Windows wrote.

use super::record::Reference;
use super::stamp::FileName;

use crate::bytes::{Block, Truncated};

/// Bytes of an entry before its name.
const HEADER: usize = 16;
/// Bytes of a name attribute before its letters.
const NAME_HEADER: usize = 66;
/// The entry leads to a block.
const HAS_CHILD: u16 = 1;
/// The entry is the last and has no name.
const LAST: u16 = 2;
/// The name is that of a folder.
const FOLDER: u32 = 0x1000_0000;
/// No time of a name is after the year 2200: 100 ns since 1601.
const LATEST: u64 = 190_000_000_000_000_000;

/// Where an index block's own header of entries begins.
const BLOCK_ENTRIES: usize = 24;
/// The same in a root.
const ROOT_ENTRIES: usize = 16;

/// An entry that is in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The object; 0 of the last entry.
    pub(super) object: Reference,
    /// A name attribute; none in the last entry.
    pub(super) name: Option<&'a [u8]>,
    /// Where the block of smaller names is, in units of the index.
    pub(super) child: Option<u64>,
}

/// A root, or a block whose check was put right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    block: Block<'a>,
    at: usize,
    end: usize,
}

/// How long the blocks of an index are, by its root.
pub(super) fn block_size(root: &[u8]) -> Option<usize> {
    let size = Block::new(root, 0).u32_le(8).ok().and_then(|size| usize::try_from(size).ok());
    size.filter(|size| size.is_power_of_two() && (512..=65_536).contains(size))
}

/// Where a block says that it is, in units of the index.
pub(super) fn own_place(block: &[u8]) -> Option<u64> {
    Block::new(block, 0).u64_le(16).ok()
}

impl<'a> Part<'a> {
    /// The root of an index.
    pub(super) fn root(bytes: &'a [u8]) -> Result<Self, Truncated> {
        Self::new(bytes, ROOT_ENTRIES)
    }

    /// A block of an index.
    pub(super) fn block(bytes: &'a [u8]) -> Result<Self, Truncated> {
        Self::new(bytes, BLOCK_ENTRIES)
    }

    fn new(bytes: &'a [u8], header: usize) -> Result<Self, Truncated> {
        let block = Block::new(bytes, 0);
        let place = |at: usize| -> Result<usize, Truncated> {
            let into = usize::try_from(block.u32_le(at)?).unwrap_or(usize::MAX);
            Ok(header.saturating_add(into))
        };
        let (at, end) = (place(header)?, place(header.saturating_add(4))?);
        block.slice(at, end.saturating_sub(at))?;
        Ok(Self { block, at, end })
    }

    /// Gives every entry to `visit`. Returns where they end, and whether they end as they should.
    pub(super) fn entries(&self, mut visit: impl FnMut(Entry<'a>)) -> (usize, bool) {
        let mut at = self.at;
        loop {
            let Ok((entry, len, last)) = self.entry(at) else { return (at, false) };
            visit(entry);
            at = at.saturating_add(len);
            if last {
                return (at, true);
            }
        }
    }

    fn entry(&self, at: usize) -> Result<(Entry<'a>, usize, bool), Truncated> {
        let bad = || Truncated { at: self.block.position(at), need: HEADER };
        let len = usize::from(self.block.u16_le(at.saturating_add(8))?);
        let key = usize::from(self.block.u16_le(at.saturating_add(10))?);
        let flags = self.block.u16_le(at.saturating_add(12))?;
        let child = if flags & HAS_CHILD == 0 { 0 } else { 8 };
        let least = HEADER.saturating_add(child);
        if len < least || len & 7 != 0 || at.saturating_add(len) > self.end {
            return Err(bad());
        }
        let entry = self.block.slice(at, len)?;
        let child = match child {
            0 => None,
            _ => Some(entry.u64_le(len.saturating_sub(8))?),
        };
        if flags & LAST != 0 {
            let object = Reference::from_raw(0);
            return Ok((Entry { object, name: None, child }, len, true));
        }
        if key.saturating_add(least) > len {
            return Err(bad());
        }
        let name = entry.slice(HEADER, key)?.bytes();
        // The letters are inside, or the entry is none.
        FileName::key(name)?;
        let object = Reference::from_raw(entry.u64_le(0)?);
        Ok((Entry { object, name: Some(name), child }, len, false))
    }
}

/// A name that an earlier entry left.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// Where it begins, in the bytes that were searched.
    pub(super) at: usize,
    /// The object; `None` where that was written over.
    pub(super) object: Option<Reference>,
    /// The name and its times.
    pub(super) name: FileName,
    /// Bytes of the object by the entry.
    pub(super) size: u64,
    /// It was a folder.
    pub(super) directory: bool,
}

/// The names of a folder that earlier entries left in these bytes from `from` on.
///
/// An entry begins at every eighth byte or not at all. What is taken for one states this very
/// folder, in this use of its record, as its parent.
pub(super) fn left(bytes: &[u8], from: usize, folder: Reference) -> impl Iterator<Item = Left> {
    let block = Block::new(bytes, 0);
    let mut at = from.next_multiple_of(8);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let here = at;
            at = at.saturating_add(8);
            if block.u64_le(here.saturating_add(HEADER)) == Ok(folder.raw())
                && let Ok(Some(left)) = parse_left(block, here)
            {
                return Some(left);
            }
        }
        None
    })
}

fn parse_left(block: Block<'_>, at: usize) -> Result<Option<Left>, Truncated> {
    let start = at.saturating_add(HEADER);
    let rest = block.slice(start, block.len().saturating_sub(start))?;
    let letters = usize::from(rest.u8(64)?);
    let key = NAME_HEADER.saturating_add(letters.saturating_mul(2));
    let bytes = rest.slice(0, key)?.bytes();
    let name = Block::new(bytes, 0);
    let times = [name.u64_le(8)?, name.u64_le(16)?, name.u64_le(24)?, name.u64_le(32)?];
    let sizes = [name.u64_le(40)?, name.u64_le(48)?];
    let units = bytes.get(NAME_HEADER..).unwrap_or_default().chunks_exact(2);
    let sound = letters > 0
        && name.u8(65)? <= 3
        && times.iter().all(|time| *time <= LATEST)
        && times.iter().any(|time| *time > 0)
        && sizes.iter().all(|size| *size < 1 << 63)
        && !units.into_iter().any(|unit| matches!(unit, [0, 0] | [b'/', 0]));
    if !sound {
        return Ok(None);
    }
    Ok(Some(Left {
        at: start,
        object: object_left(block, at, key)?,
        name: FileName::parse(bytes)?,
        size: name.u64_le(48)?,
        directory: name.u32_le(56)? & FOLDER != 0,
    }))
}

/// The object of an entry that was left, where its header fits the name.
fn object_left(block: Block<'_>, at: usize, key: usize) -> Result<Option<Reference>, Truncated> {
    let object = Reference::from_raw(block.u64_le(at)?);
    let len = usize::from(block.u16_le(at.saturating_add(8))?);
    let stated = usize::from(block.u16_le(at.saturating_add(10))?);
    let least = HEADER.saturating_add(key);
    let fits = stated == key
        && len & 7 == 0
        && (least..least.saturating_add(16)).contains(&len)
        && block.u16_le(at.saturating_add(12))? <= HAS_CHILD;
    Ok(Some(object).filter(|object| fits && object.record != 0 && object.sequence != 0))
}
