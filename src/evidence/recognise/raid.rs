//! Superblocks of Linux software RAID, which stand at the start or at the end of its members.
//!
//! Source: Linux, include/uapi/linux/raid/md_p.h (formats 0.90 and 1.x).

use crate::bytes::{Block, ReadAt, Truncated};

use super::{Recognised, bytes};

/// What a member is called.
pub(super) const NAME: Recognised = Recognised::Unsupported("mdraid");

const MAGIC: u32 = 0xA92B_4EFC;

/// How members of an array relate to what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Each member holds all of it.
    Mirror,
    /// A member alone holds a part of it.
    Other,
}

/// True where a volume has a superblock of format 1.1 or 1.2.
pub(super) fn at_start(volume: &dyn ReadAt) -> bool {
    [0, 4096].into_iter().any(|at| format_1(volume, at).is_some())
}

/// The level of an array whose superblock, of format 1.0 or 0.90, is at the end of the volume.
pub(super) fn at_end(volume: &dyn ReadAt) -> Option<Level> {
    // 1.0: at least 8 KiB before the end, on a border of 4 KiB.
    let before = |distance: u64, border: u64| {
        let at = volume.len().checked_sub(distance)?;
        Some(at.saturating_sub(at.rem_euclid(border)))
    };
    let format_1 = before(8192, 4096).and_then(|at| format_1(volume, at));
    // 0.90: at least 64 KiB before the end, on a border of 64 KiB.
    format_1.or_else(|| before(65_536, 65_536).and_then(|at| format_0(volume, at)))
}

fn level(number: u32) -> Level {
    if number == 1 { Level::Mirror } else { Level::Other }
}

/// A superblock of format 1.x counts where it says that it is here and its check sum holds.
fn format_1(volume: &dyn ReadAt, at: u64) -> Option<Level> {
    // Nearly everything asked about is no member: a look at the mark is cheaper than at a page.
    let mark = bytes::<4>(volume, at)?;
    if mark != MAGIC.to_le_bytes() {
        return None;
    }
    let bytes = bytes::<4096>(volume, at)?;
    read_1(&Block::new(&bytes, at)).ok().flatten()
}

fn read_1(block: &Block<'_>) -> Result<Option<Level>, Truncated> {
    if block.u32_le(0)? != MAGIC || block.u32_le(4)? != 1 {
        return Ok(None);
    }
    let here = block.u64_le(144)?.saturating_mul(512) == block.position(0).0;
    let devices = usize::try_from(block.u32_le(220)?).unwrap_or(usize::MAX);
    let size = devices.saturating_mul(2).saturating_add(256);
    let Ok(whole) = block.slice(0, size) else { return Ok(None) };
    Ok((here && whole.u32_le(216)? == checksum_1(&whole)).then_some(level(block.u32_le(72)?)))
}

/// The sum of the 32-bit words, the check sum's own field as zero, its carries added again.
fn checksum_1(block: &Block<'_>) -> u32 {
    let mut sum = 0_u64;
    for (place, word) in (0_usize..).zip(block.bytes().chunks(4)) {
        let mut full = [0; 4];
        if place == 54 {
            continue;
        }
        full.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        sum = sum.saturating_add(u64::from(u32::from_le_bytes(full)));
    }
    let folded = (sum & 0xFFFF_FFFF).saturating_add(sum >> 32);
    u32::try_from(folded & 0xFFFF_FFFF).unwrap_or_default()
}

/// A superblock of format 0.90, written in the order of bytes of its machine.
fn format_0(volume: &dyn ReadAt, at: u64) -> Option<Level> {
    let bytes = bytes::<64>(volume, at)?;
    let block = Block::new(&bytes, at);
    let read = |field: fn(&Block<'_>, usize) -> Result<u32, Truncated>| {
        let known = field(&block, 0).ok()? == MAGIC
            && field(&block, 4).ok()? == 0
            && field(&block, 8).ok()? >= 90;
        known.then(|| field(&block, 28).ok()).flatten()
    };
    let le = |block: &Block<'_>, at: usize| block.u32_le(at);
    let be = |block: &Block<'_>, at: usize| block.u32_be(at);
    read(le).or_else(|| read(be)).map(level)
}
