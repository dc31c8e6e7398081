//! Reparse points: objects that a driver shows as something else than they hold.
//!
//! What the driver would give cannot be told from the stored bytes, so that the content of such an
//! object is named and not read, unless the object stands for no content at all.
//!
//! Source: Microsoft, MS-FSCC, section 2.1.2 "Reparse Point Data Structures" and 2.1.2.1 "Reparse
//! Tags"; the Linux subsystem's tags as in the Linux kernel's ntfs3 driver.

use super::attribute::utf16;
use super::content::not_read;

use crate::bytes::{Block, Truncated};
use crate::problem::{Code, Problem};

const MOUNT_POINT: u32 = 0xA000_0003;
const SYMLINK: u32 = 0xA000_000C;
const LX_SYMLINK: u32 = 0xA000_001D;
/// The bit of tags that stand for another object.
const SURROGATE: u32 = 0x2000_0000;

/// The largest reparse data that a system accepts.
pub(super) const MOST_BYTES: u64 = 16 << 10;

/// What a reparse point makes of its object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It stands for another object, here the target's name.
    Link(Option<Vec<u8>>),
    /// It is no stored object.
    Special(Code, &'static str),
    /// Its content is kept elsewhere or otherwise, here how.
    NotRead(Problem),
}

/// What the bytes of a reparse point mean.
pub(super) fn meaning(bytes: &[u8]) -> Meaning {
    let block = Block::new(bytes, 0);
    let Ok(tag) = block.u32_le(0) else {
        return Meaning::NotRead(not_read(Code::ContentNotRead, "a reparse point without a tag"));
    };
    let target = match tag {
        MOUNT_POINT => windows_target(block, 16),
        SYMLINK => windows_target(block, 20),
        LX_SYMLINK => {
            bytes.get(12..).map(<[u8]>::to_vec).ok_or(Truncated { at: block.position(12), need: 1 })
        }
        _ => return other(tag),
    };
    Meaning::Link(target.ok())
}

fn other(tag: u32) -> Meaning {
    let how = match tag {
        0x8000_0023 => return Meaning::Special(Code::Socket, "a socket"),
        0x8000_0024 => return Meaning::Special(Code::Fifo, "a named pipe"),
        0x8000_0025 => return Meaning::Special(Code::CharDevice, "a character device"),
        0x8000_0026 => return Meaning::Special(Code::BlockDevice, "a block device"),
        0x8000_001B => return Meaning::Special(Code::Symlink, "a link to an installed program"),
        tag if tag & 0xFFFF_0FFF == 0x9000_001A => "kept in the cloud (Cloud Files)",
        0x8000_0021 => "kept in the cloud (OneDrive)",
        0x8000_001E => "kept elsewhere (Storage Sync)",
        0x8000_0017 => "compressed by Windows Overlay Filter",
        0x8000_0008 => "kept in a Windows image (WIM)",
        0x8000_0013 => "deduplicated",
        0x8000_0007 => "kept in a single-instance store",
        0xC000_0004 | 0x8000_0006 => "kept in slower storage (HSM)",
        0x9000_001C => "projected by a program (ProjFS)",
        tag if tag & SURROGATE != 0 => return Meaning::Link(None),
        _ => "a reparse point of a kind that is not known",
    };
    Meaning::NotRead(not_read(Code::ContentNotRead, &format!("{how}, tag 0x{tag:08x}")))
}

/// The name shown for a target, or the one used where none is shown; names begin at `names`.
fn windows_target(block: Block<'_>, names: usize) -> Result<Vec<u8>, Truncated> {
    let name = |at: usize| -> Result<Vec<u8>, Truncated> {
        let start = names.saturating_add(usize::from(block.u16_le(at)?));
        let len = usize::from(block.u16_le(at.saturating_add(2))?);
        Ok(utf16(block.slice(start, len)?.bytes()))
    };
    let shown = name(12)?;
    if shown.is_empty() { name(8) } else { Ok(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_shown_is_the_target() {
        let mut bytes = vec![0x0C, 0, 0, 0xA0, 16, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 1, 0, 0, 0];
        bytes.extend(b"x\0y\0");
        assert_eq!(meaning(&bytes), Meaning::Link(Some(b"y".to_vec())));
        bytes[14] = 0;
        assert_eq!(meaning(&bytes), Meaning::Link(Some(b"x".to_vec())));
        assert_eq!(meaning(&bytes[..20]), Meaning::Link(None));
    }

    #[test]
    fn every_cloud_tag_is_kept_in_the_cloud() {
        for n in 0..16_u32 {
            let tag = 0x9000_001A | n << 12;
            let Meaning::NotRead(problem) = meaning(&tag.to_le_bytes()) else { panic!() };
            assert!(problem.detail.contains("cloud"), "{tag:x}");
        }
    }
}
