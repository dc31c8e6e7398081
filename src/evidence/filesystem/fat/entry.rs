//! Entries of a folder: 32 bytes each, a short name or a piece of a long one.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, "FAT Directory
//! Structure" and "FAT Long Directory Entries".

use super::time;
use crate::bytes::{Block, Truncated};
use crate::item::Times;

/// Bytes of an entry.
pub(super) const ENTRY: u64 = 32;
/// First byte of an entry that was deleted.
pub(super) const DELETED: u8 = 0xE5;

const READ_ONLY: u8 = 0x01;
const HIDDEN: u8 = 0x02;
const SYSTEM: u8 = 0x04;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// Attributes by which a piece of a long name is told; two more bits are reserved.
const LONG: u8 = 0x0F;
const RESERVED: u8 = 0xC0;

/// One entry of a folder.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// No entry was ever made here or after.
    End,
    Long(Piece),
    Short(Short),
}

/// A piece of a long name.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Its place in the name, counted from 1; 0x40 marks the last; lost in a deleted one.
    pub(super) order: u8,
    /// Sum of the short name that it belongs to.
    pub(super) sum: u8,
    pub(super) units: [u16; 13],
    /// What the format sets to zero is zero.
    pub(super) sound: bool,
}

/// An entry with a short name.
#[derive(Debug, Clone)]
pub(super) struct Short {
    /// Name and extension, padded with spaces.
    pub(super) name: [u8; 11],
    pub(super) attributes: u8,
    /// Which parts of the short name are in lower case.
    pub(super) lower: u8,
    pub(super) cluster: u32,
    pub(super) size: u32,
    created: (u16, u16, u8),
    modified: (u16, u16),
    accessed: u16,
}

impl Slot {
    /// Reads an entry; `wide` where the volume is FAT32 and cluster numbers have 32 bits.
    pub(super) fn read(bytes: &[u8; 32], wide: bool) -> Result<Self, Truncated> {
        let block = Block::new(bytes, 0);
        let attributes = block.u8(11)?;
        if block.u8(0)? == 0 {
            return Ok(Self::End);
        }
        if attributes & 0x3F == LONG {
            return Piece::read(&block).map(Self::Long);
        }
        let high = if wide { u32::from(block.u16_le(20)?) << 16 } else { 0 };
        Ok(Self::Short(Short {
            name: block.array(0)?,
            attributes,
            lower: block.u8(12)?,
            cluster: high | u32::from(block.u16_le(26)?),
            size: block.u32_le(28)?,
            created: (block.u16_le(16)?, block.u16_le(14)?, block.u8(13)?),
            modified: (block.u16_le(24)?, block.u16_le(22)?),
            accessed: block.u16_le(18)?,
        }))
    }
}

impl Piece {
    fn read(block: &Block<'_>) -> Result<Self, Truncated> {
        let mut units = [0; 13];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
        for (unit, at) in units.iter_mut().zip(places) {
            *unit = block.u16_le(at)?;
        }
        let sound = block.u8(12)? == 0 && block.u16_le(26)? == 0;
        Ok(Self { order: block.u8(0)?, sum: block.u8(13)?, units, sound })
    }
}

impl Short {
    pub(super) fn is_deleted(&self) -> bool {
        self.name.first() == Some(&DELETED)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.attributes & (DIRECTORY | VOLUME) == DIRECTORY
    }

    /// The volume's label: it names nothing that has content.
    pub(super) fn is_label(&self) -> bool {
        self.attributes & VOLUME != 0 && self.cluster == 0 && self.size == 0
    }

    /// `.` or `..`, which lead back.
    pub(super) fn is_dot(&self) -> bool {
        self.is_directory() && (self.is_self() || &self.name == b"..         ")
    }

    /// `.`
    pub(super) fn is_self(&self) -> bool {
        &self.name == b".          "
    }

    /// False for filler and other bytes that no system writes as an entry: what is not known to be
    /// an entry is only taken for one if this holds.
    ///
    /// - `clusters`: the numbers that clusters of the volume have.
    pub(super) fn is_plausible(&self, clusters: &std::ops::Range<u32>) -> bool {
        let valid = |byte: &u8| *byte >= 0x20 && !br#""*+,/:;<=>?[\]|"#.contains(byte);
        let name = self.name.iter().skip(1).all(valid);
        let first = self.name.first().is_some_and(|first| match *first {
            0x05 | DELETED => true,
            b' ' => false,
            byte => valid(&byte),
        });
        let placed = self.cluster == 0 || clusters.contains(&self.cluster);
        let folder = self.is_directory() && (self.size != 0 || self.cluster == 0);
        let times = self.times();
        let dated = self.modified.0 == 0 || times.modified.is_some();
        let made = self.created.0 == 0 || times.created.is_some();
        self.attributes & RESERVED == 0 && name && first && placed && !folder && dated && made
    }

    /// True for what is an entry by itself, where no folder says so: plausible, with a date, and
    /// with nothing in the bits that no system uses. Text never is.
    pub(super) fn is_convincing(&self, clusters: &std::ops::Range<u32>) -> bool {
        let dated = self.times().modified.is_some();
        self.is_plausible(clusters) && dated && self.lower & !0x18 == 0
    }

    /// False for a deleted entry that is filler rather than the rest of an entry.
    pub(super) fn was_entry(&self) -> bool {
        self.attributes & RESERVED == 0
    }

    /// Its times; what is no date or time is none.
    pub(super) fn times(&self) -> Times {
        let (made, at, hundredths) = self.created;
        let (written, when) = self.modified;
        Times {
            created: time::created(made, at, hundredths),
            modified: time::modified(written, when),
            accessed: time::accessed(self.accessed),
            ..Times::default()
        }
    }

    /// Its attributes as words.
    pub(super) fn attribute_words(&self) -> String {
        let words = [
            (READ_ONLY, "read_only"),
            (HIDDEN, "hidden"),
            (SYSTEM, "system"),
            (VOLUME, "volume_label"),
            (DIRECTORY, "directory"),
            (ARCHIVE, "archive"),
        ];
        let set = words.iter().filter(|(bit, _)| self.attributes & bit != 0);
        set.map(|(_, word)| *word).collect::<Vec<_>>().join(";")
    }
}
