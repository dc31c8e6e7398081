//! What an object says of itself and what its names say: times, attribute letters, owner, parent.
//!
//! Source: Linux-NTFS project documentation, "$STANDARD_INFORMATION" and "$FILE_NAME".

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::attribute::utf16;
use super::record::Reference;

use crate::bytes::{Block, Truncated};
use crate::item::Timestamp;

/// Between 1601-01-01 and 1970-01-01.
const EPOCH_SECONDS: i64 = 11_644_473_600;
const TICKS_A_SECOND: u64 = 10_000_000;

/// Attribute bits and their letters, in the order they are shown.
const LETTERS: &[(u32, char)] = &[
    (0x1, 'r'),
    (0x2, 'h'),
    (0x4, 's'),
    (0x20, 'a'),
    (0x100, 't'),
    (0x200, 'p'),
    (0x400, 'l'),
    (0x800, 'c'),
    (0x1000, 'o'),
    (0x2000, 'i'),
    (ATTRIBUTE_ENCRYPTED, 'e'),
    (0x4_0000, 'R'),
    (0x8_0000, 'P'),
    (0x10_0000, 'U'),
    (0x40_0000, 'D'),
];

/// The object, or what is made in the folder, is encrypted.
pub(super) const ATTRIBUTE_ENCRYPTED: u32 = 0x4000;

/// An alias of eight and three letters for another name.
const DOS_ALIAS: u8 = 2;

/// What an object says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StandardInformation {
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    pub(super) changed: Option<Timestamp>,
    pub(super) accessed: Option<Timestamp>,
    /// Attribute bits.
    pub(super) attributes: u32,
    /// The number under which owner and rights are stored, from version 3 on.
    pub(super) security: Option<u32>,
}

impl StandardInformation {
    /// Reads the attribute's bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let block = Block::new(bytes, 0);
        Ok(Self {
            created: time(block.u64_le(0)?),
            modified: time(block.u64_le(8)?),
            changed: time(block.u64_le(16)?),
            accessed: time(block.u64_le(24)?),
            attributes: block.u32_le(32)?,
            security: block.u32_le(52).ok(),
        })
    }

    /// The attribute bits as letters, `d` for a folder among them: `r` read-only, `h` hidden,
    /// `s` system, `d` folder, `a` archive, `t` temporary, `p` sparse, `l` reparse point,
    /// `c` compressed, `o` offline, `i` not indexed, `e` encrypted, `R` recalled when opened,
    /// `P` pinned, `U` unpinned, `D` recalled when read.
    pub(super) fn letters(&self, directory: bool) -> String {
        let mut out = String::new();
        for (bit, letter) in LETTERS {
            if self.attributes & bit != 0 {
                out.push(*letter);
            }
            if *letter == 's' && directory {
                out.push('d');
            }
        }
        out
    }
}

/// A name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    /// The folder.
    pub(super) parent: Reference,
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    /// The name, as bytes.
    pub(super) name: Vec<u8>,
    /// True for an alias of eight and three letters.
    pub(super) is_alias: bool,
    /// The same for every such name in the same folder.
    pub(super) key: u64,
}

impl FileName {
    /// Reads the attribute's bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let block = Block::new(bytes, 0);
        let len = usize::from(block.u8(64)?).saturating_mul(2);
        Ok(Self {
            parent: Reference::from_raw(block.u64_le(0)?),
            created: time(block.u64_le(8)?),
            modified: time(block.u64_le(16)?),
            name: utf16(block.slice(66, len)?.bytes()),
            is_alias: block.u8(65)? == DOS_ALIAS,
            key: Self::key(bytes)?,
        })
    }

    /// A number that stands for the name and the number of its folder's record.
    pub(super) fn key(bytes: &[u8]) -> Result<u64, Truncated> {
        let block = Block::new(bytes, 0);
        let len = usize::from(block.u8(64)?).saturating_mul(2);
        let mut hasher = DefaultHasher::new();
        Reference::from_raw(block.u64_le(0)?).record.hash(&mut hasher);
        block.slice(66, len)?.bytes().hash(&mut hasher);
        Ok(hasher.finish())
    }
}

/// 100 ns since 1601, universal time; 0 is no time.
fn time(ticks: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(ticks.checked_div(TICKS_A_SECOND)?).ok()?;
    let rest = u32::try_from(ticks.checked_rem(TICKS_A_SECOND)?).ok()?;
    (ticks != 0).then_some(Timestamp {
        seconds: seconds.saturating_sub(EPOCH_SECONDS),
        nanos: rest.saturating_mul(100),
        digits: 7,
        utc: true,
    })
}
