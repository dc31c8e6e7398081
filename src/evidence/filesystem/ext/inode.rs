//! Inodes: what an object is, its times, and the 60 bytes that say where its content is.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Index Nodes", "Inode Timestamps",
//! "Inline Data".

use super::checksum::crc32c;
use super::superblock::{Superblock, incompat};
use crate::bytes::Block;
use crate::item::{Times, Timestamp};

/// What the kind bits of a mode say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fifo,
    CharDevice,
    Directory,
    BlockDevice,
    File,
    Symlink,
    Socket,
    /// No kind that exists.
    Unknown,
}

/// Flags of an inode.
pub(super) mod flag {
    pub(in crate::evidence::filesystem::ext) const ENCRYPT: u32 = 0x800;
    pub(in crate::evidence::filesystem::ext) const INDEX: u32 = 0x1000;
    pub(in crate::evidence::filesystem::ext) const EXTENTS: u32 = 0x8_0000;
    pub(in crate::evidence::filesystem::ext) const EA_INODE: u32 = 0x20_0000;
    pub(in crate::evidence::filesystem::ext) const INLINE_DATA: u32 = 0x1000_0000;
    pub(super) const HUGE_FILE: u32 = 0x4_0000;
}

/// An inode, as it stands in a table or in a copy of one.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) mode: u16,
    pub(super) size: u64,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) links: u16,
    /// Blocks it owns, extent trees and attributes included.
    pub(super) blocks: u64,
    pub(super) flags: u32,
    pub(super) generation: u32,
    /// Block of extended attributes; 0 without one.
    pub(super) attributes: u64,
    pub(super) deleted: u32,
    pub(super) times: Times,
    /// Block pointers, extent tree, target of a link or content.
    pub(super) map: [u8; 60],
    /// Content that follows what `map` holds; only with inline data.
    pub(super) inline: Vec<u8>,
    /// Its check sum holds, or it has none.
    pub(super) holds: bool,
    /// Byte of the volume where it stands.
    pub(super) position: u64,
}

impl Inode {
    /// The inode in these bytes; `None` where there are fewer than 128.
    pub(super) fn parse(
        superblock: &Superblock,
        number: u32,
        bytes: &[u8],
        position: u64,
    ) -> Option<Self> {
        let block = Block::new(bytes, position);
        let u16 = |at| block.u16_le(at).ok();
        let u32 = |at| block.u32_le(at).ok();
        let mode = u16(0)?;
        let flags = u32(0x20)?;
        let extra = if bytes.len() > 128 { usize::from(u16(0x80)?) } else { 0 };
        let extra = if extra.saturating_add(128) <= bytes.len() { extra } else { 0 };
        let wide = kind(mode) == Kind::File || superblock.has_incompat(incompat::LARGEDIR);
        let high = if wide { u64::from(u32(0x6C)?) << 32 } else { 0 };
        let sectors = u64::from(u16(0x74)?) << 32 | u64::from(u32(0x1C)?);
        let blocks = match flags & flag::HUGE_FILE {
            0 => sectors.checked_div(superblock.block_size.div_euclid(512))?,
            _ => sectors,
        };
        let inline = flags & flag::INLINE_DATA != 0;
        Some(Self {
            number,
            mode,
            size: high | u64::from(u32(0x4)?),
            user: u32::from(u16(0x78)?) << 16 | u32::from(u16(0x2)?),
            group: u32::from(u16(0x7A)?) << 16 | u32::from(u16(0x18)?),
            links: u16(0x1A)?,
            blocks,
            flags,
            generation: u32(0x64)?,
            attributes: u64::from(u16(0x76)?) << 32 | u64::from(u32(0x68)?),
            deleted: u32(0x14)?,
            times: times(&block, extra)?,
            map: block.array(0x28).ok()?,
            inline: if inline {
                inline_tail(&block, extra).unwrap_or_default()
            } else {
                Vec::new()
            },
            holds: sum_holds(superblock, number, bytes, extra),
            position,
        })
    }

    /// What it is.
    pub(super) const fn kind(&self) -> Kind {
        kind(self.mode)
    }

    /// True with any of these flags.
    pub(super) const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// True where the state that is written says that it exists.
    pub(super) const fn exists(&self) -> bool {
        self.mode != 0 && self.links > 0 && self.deleted == 0
    }

    /// Where the check sums of its directory and extent blocks start from.
    pub(super) fn seed(&self, superblock: &Superblock) -> u32 {
        let seed = crc32c(superblock.seed, &self.number.to_le_bytes());
        crc32c(seed, &self.generation.to_le_bytes())
    }

    /// The target of a link that is kept in the inode itself.
    pub(super) fn fast_target(&self) -> Option<&[u8]> {
        if self.kind() != Kind::Symlink || self.has(flag::EXTENTS | flag::INLINE_DATA) {
            return None;
        }
        let own = u64::from(self.attributes != 0);
        let len = usize::try_from(self.size).ok().filter(|len| *len < 60)?;
        if self.blocks > own { None } else { self.map.get(..len) }
    }

    /// Content that is kept in the inode itself.
    pub(super) fn inline_content(&self) -> Vec<u8> {
        let mut bytes = self.map.to_vec();
        bytes.extend_from_slice(&self.inline);
        bytes
    }
}

const fn kind(mode: u16) -> Kind {
    match mode >> 12 {
        1 => Kind::Fifo,
        2 => Kind::CharDevice,
        4 => Kind::Directory,
        6 => Kind::BlockDevice,
        8 => Kind::File,
        10 => Kind::Symlink,
        12 => Kind::Socket,
        _ => Kind::Unknown,
    }
}

/// Times with the bits that the larger inode adds: two of the epoch, thirty of nanoseconds.
fn times(block: &Block<'_>, extra: usize) -> Option<Times> {
    let read = |at: usize, more: usize| {
        let low = i32::from_le_bytes(block.array(at).ok()?);
        if more.saturating_sub(124) > extra {
            return Some(Timestamp { seconds: low.into(), nanos: 0, digits: 0, utc: true });
        }
        let more = block.u32_le(more).ok()?;
        let seconds = i64::from(low).saturating_add(i64::from(more & 3) << 32);
        Some(Timestamp { seconds, nanos: more >> 2, digits: 9, utc: true })
    };
    let created = if extra >= 24 { read(0x90, 0x94) } else { None };
    Some(Times {
        created,
        modified: Some(read(0x10, 0x88)?),
        accessed: Some(read(0x8, 0x8C)?),
        changed: Some(read(0xC, 0x84)?),
        ..Times::default()
    })
}

/// The value of the attribute `system.data` in the inode's own space for attributes.
fn inline_tail(block: &Block<'_>, extra: usize) -> Option<Vec<u8>> {
    let start = 128_usize.checked_add(extra)?;
    if block.u32_le(start).ok()? != 0xEA02_0000 {
        return None;
    }
    let first = start.checked_add(4)?;
    let mut at = first;
    // An entry has at least 16 bytes, so the loop ends with the inode.
    while block.u32_le(at).ok()? != 0 {
        let name_len = usize::from(block.u8(at).ok()?);
        let name = block.slice(at.checked_add(16)?, name_len).ok()?;
        if block.u8(at.checked_add(1)?).ok()? == 7 && name.bytes() == b"data" {
            let offset = usize::from(block.u16_le(at.checked_add(2)?).ok()?);
            let len = usize::try_from(block.u32_le(at.checked_add(8)?).ok()?).ok()?;
            return Some(block.slice(first.checked_add(offset)?, len).ok()?.bytes().to_vec());
        }
        at = at.checked_add(16)?.checked_add(name_len.checked_next_multiple_of(4)?)?;
    }
    None
}

fn sum_holds(superblock: &Superblock, number: u32, bytes: &[u8], extra: usize) -> bool {
    if !superblock.has_checksums() {
        return true;
    }
    let block = Block::new(bytes, 0);
    let Ok(generation) = block.array::<4>(0x64) else { return false };
    let mut crc = crc32c(superblock.seed, &number.to_le_bytes());
    crc = crc32c(crc, &generation);
    let wide = extra >= 4;
    let holes = if wide { [0x7C..0x7E, 0x82..0x84] } else { [0x7C..0x7E, 0x7C..0x7C] };
    let mut at = 0;
    for hole in holes.into_iter().filter(|hole| !hole.is_empty()) {
        crc = crc32c(crc, bytes.get(at..hole.start).unwrap_or_default());
        crc = crc32c(crc, &[0, 0]);
        at = hole.end;
    }
    crc = crc32c(crc, bytes.get(at..).unwrap_or_default());
    let low = u32::from(block.u16_le(0x7C).unwrap_or(0));
    let high = if wide { u32::from(block.u16_le(0x82).unwrap_or(0)) << 16 } else { 0 };
    let mask = if wide { u32::MAX } else { 0xFFFF };
    crc & mask == high | low
}
