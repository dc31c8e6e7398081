//! The header of a dynamic or differencing VHD: 1024 bytes that say where the table of blocks is,
//! and how the parent is known.
//!
//! Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, 2006, "Dynamic
//! Disk Header Format".

use super::footer::sum_holds;
use crate::bytes::{Block, ReadAt};

/// Bytes of a header.
pub(super) const SIZE: usize = 1024;
/// Most bytes of a parent's name that are read.
const LONGEST_NAME: usize = 4096;
/// Places for names of the parent.
const LOCATORS: usize = 8;
/// Blocks that are read are at most so long; images in use have 512 KiB and 2 MiB.
const LARGEST_BLOCK: u32 = 256 << 20;

/// What a header says.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Whether its check sum holds.
    pub(super) is_sound: bool,
    /// Where the table of blocks begins.
    pub(super) table_at: u64,
    /// Its number of entries.
    pub(super) entries: u32,
    /// Bytes of a block without its bitmap: a power of two.
    pub(super) block_size: u32,
    pub(super) parent_id: [u8; 16],
    /// Names of the parent as they stand in the file, the relative one first.
    pub(super) parent_names: Vec<String>,
}

impl Header {
    /// Reads the header and the names of the parent.
    pub(super) fn read(file: &dyn ReadAt, at: u64) -> Result<Self, String> {
        let mut bytes = vec![0; SIZE];
        let n = file.fill_at(at, &mut bytes).map_err(|error| error.to_string())?;
        if n < SIZE {
            return Err("the header of the table of blocks lies past the end".to_owned());
        }
        if !bytes.starts_with(b"cxsparse") {
            return Err("no header of a table of blocks stands here".to_owned());
        }
        let block = Block::new(&bytes, at);
        let parsed = || {
            Ok(Self {
                is_sound: sum_holds(&bytes, 36),
                table_at: block.u64_be(16)?,
                entries: block.u32_be(28)?,
                block_size: block.u32_be(32)?,
                parent_id: block.array(40)?,
                parent_names: names(file, &block),
            })
        };
        let header = parsed().map_err(|error: crate::bytes::Truncated| error.to_string())?;
        let size = header.block_size;
        if !size.is_power_of_two() || !(512..=LARGEST_BLOCK).contains(&size) {
            return Err(format!("blocks of {size} bytes, which is no size of a block"));
        }
        Ok(header)
    }

    /// Bytes of the bitmap before each block: a bit a sector, in whole sectors.
    pub(super) fn bitmap_size(&self) -> u64 {
        u64::from(self.block_size >> 9).div_ceil(8).next_multiple_of(512)
    }
}

/// The parent's names: of Windows in Unicode, relative and absolute, then the one in the header.
fn names(file: &dyn ReadAt, header: &Block<'_>) -> Vec<String> {
    let locator = |number: usize| {
        let entry = header.slice(number.checked_mul(24)?.checked_add(576)?, 24).ok()?;
        let code: [u8; 4] = entry.array(0).ok()?;
        let rank = [*b"W2ru", *b"W2ku"].iter().position(|known| *known == code)?;
        let len = usize::try_from(entry.u32_be(8).ok()?).ok()?.min(LONGEST_NAME);
        let mut bytes = vec![0; len];
        // A name that cannot be read is none: the next one may do.
        let n = file.fill_at(entry.u64_be(16).ok()?, &mut bytes).ok()?;
        Some((rank, utf16(bytes.get(..n)?, u16::from_le_bytes)))
    };
    let mut found: Vec<_> = (0..LOCATORS).filter_map(locator).collect();
    found.sort();
    let own = header.slice(64, 512).map(|name| utf16(name.bytes(), u16::from_be_bytes));
    let mut names: Vec<String> = found.into_iter().map(|(_, name)| name).chain(own).collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// Text up to the first zero.
fn utf16(bytes: &[u8], from: fn([u8; 2]) -> u16) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| from(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
