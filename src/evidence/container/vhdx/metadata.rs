//! The metadata of a VHDX: sizes, identifiers, and how the parent is known.
//!
//! A table of entries, each the kind of an item and where it is in the region. No sum covers it, so
//! that every value is checked for what the format allows.
//!
//! Source: [MS-VHDX], section 2.6.

use std::collections::BTreeMap;

use super::guid::Guid;
use super::header::Region;
use crate::bytes::{Block, ReadAt};

/// Bytes of the table, and the most entries in it.
const TABLE: usize = 64 << 10;
const MOST_ENTRIES: u16 = 2047;
/// Most bytes of a list of the parent's names, and most names in it.
const LARGEST_LOCATOR: usize = 64 << 10;
const MOST_NAMES: u16 = 64;
/// The largest medium of the format.
const LARGEST_MEDIUM: u64 = 64 << 40;

const FILE_PARAMETERS: Guid = Guid::new(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
const SIZE: Guid = Guid::new(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
const DISK_ID: Guid = Guid::new(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746);
const LOGICAL: Guid = Guid::new(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);
const PHYSICAL: Guid = Guid::new(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556);
const LOCATOR: Guid = Guid::new(0xa8d3_5f2d, 0xb30b, 0x454d, 0xabf7_d3d8_4834_ab0c);
/// The one kind of list of names.
const VHDX_PARENT: Guid = Guid::new(0xb04a_efb7, 0xd19e, 0x4a81, 0xb789_25b8_e944_5913);

/// What the metadata say.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// Bytes of a block: a power of two from 1 MiB to 256 MiB.
    pub(super) block_size: u64,
    /// Whether every block is meant to stay in the file.
    pub(super) is_fixed: bool,
    /// Bytes of the medium.
    pub(super) size: u64,
    /// Bytes of a sector: 512 or 4096.
    pub(super) sector_size: u64,
    pub(super) physical_sector_size: Option<u32>,
    pub(super) disk_id: Option<Guid>,
    /// The names and identifiers of the parent, where there is one.
    pub(super) parent: Option<BTreeMap<String, String>>,
}

/// The items of a region.
struct Items<'a> {
    file: &'a dyn ReadAt,
    region: Region,
    found: Vec<(Guid, u32, u32)>,
}

impl Items<'_> {
    /// Reads the table.
    fn read(file: &dyn ReadAt, region: Region) -> Result<Items<'_>, String> {
        let mut bytes = vec![0; TABLE];
        let n = file.fill_at(region.at, &mut bytes).map_err(|error| error.to_string())?;
        let block = Block::new(&bytes, region.at);
        if n < TABLE || !bytes.starts_with(b"metadata") {
            return Err("no table of metadata stands here".to_owned());
        }
        let short = |error: crate::bytes::Truncated| error.to_string();
        let count = block.u16_le(10).map_err(short)?;
        if count > MOST_ENTRIES {
            return Err(format!("a table of {count} items of metadata"));
        }
        let mut items = Items { file, region, found: Vec::new() };
        for number in 1..=usize::from(count) {
            let entry = block.slice(number.saturating_mul(32), 32).map_err(short)?;
            let id = Guid(entry.array(0).map_err(short)?);
            let (at, len) = (entry.u32_le(16).map_err(short)?, entry.u32_le(20).map_err(short)?);
            let flags = entry.u32_le(24).map_err(short)?;
            let is_user = flags & 1 == 1;
            let is_known =
                [FILE_PARAMETERS, SIZE, DISK_ID, LOGICAL, PHYSICAL, LOCATOR].contains(&id);
            if !is_user && !is_known && flags & 4 == 4 {
                return Err(format!("it needs an item of metadata of the unknown kind {id}"));
            }
            if is_known && !is_user && items.found.iter().any(|(known, ..)| *known == id) {
                return Err(format!("two items of metadata of the kind {id}"));
            }
            if is_known && !is_user {
                items.found.push((id, at, len));
            }
        }
        Ok(items)
    }

    /// The bytes of an item, of which at most `most` are read; `None` where there is no such item.
    fn item(&self, id: Guid, most: usize) -> Result<Option<Vec<u8>>, String> {
        let Some((_, at, len)) = self.found.iter().find(|(known, ..)| *known == id) else {
            return Ok(None);
        };
        let table = u32::try_from(TABLE).unwrap_or(u32::MAX);
        let end = u64::from(*at).saturating_add(u64::from(*len));
        let len = usize::try_from(*len).unwrap_or(usize::MAX);
        if *at < table || end > self.region.len || len > most {
            return Err(format!("the item of metadata {id} lies where it cannot be"));
        }
        let mut bytes = vec![0; len];
        let at = self.region.at.saturating_add(u64::from(*at));
        let n = self.file.fill_at(at, &mut bytes).map_err(|error| error.to_string())?;
        bytes.truncate(n);
        Ok(Some(bytes))
    }

    fn needed(&self, id: Guid, most: usize, what: &str) -> Result<Vec<u8>, String> {
        self.item(id, most)?.ok_or_else(|| format!("no item of metadata says the {what}"))
    }
}

impl Metadata {
    /// Reads every item that is known.
    pub(super) fn read(file: &dyn ReadAt, region: Region) -> Result<Self, String> {
        let items = Items::read(file, region)?;
        let short = |error: crate::bytes::Truncated| error.to_string();
        let u32_of = |bytes: &[u8], at| Block::new(bytes, 0).u32_le(at).map_err(short);
        let parameters = items.needed(FILE_PARAMETERS, 8, "size of blocks")?;
        let (block_size, flags) = (u32_of(&parameters, 0)?, u32_of(&parameters, 4)?);
        let size = items.needed(SIZE, 8, "size of the medium")?;
        let size = Block::new(&size, 0).u64_le(0).map_err(short)?;
        let sector_size = u32_of(&items.needed(LOGICAL, 4, "size of sectors")?, 0)?;
        let physical = items.item(PHYSICAL, 4)?.map(|bytes| u32_of(&bytes, 0)).transpose()?;
        let disk_id = items.item(DISK_ID, 16)?;
        let disk_id = disk_id.and_then(|bytes| Block::new(&bytes, 0).array(0).ok()).map(Guid);
        if !block_size.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block_size) {
            return Err(format!("blocks of {block_size} bytes, which is no size of a block"));
        }
        if ![512, 4096].contains(&sector_size) {
            return Err(format!("sectors of {sector_size} bytes, which is no size of a sector"));
        }
        let sector_size = u64::from(sector_size);
        if size == 0 || size > LARGEST_MEDIUM || !size.is_multiple_of(sector_size) {
            return Err(format!("a medium of {size} bytes, which is no size of one"));
        }
        let parent = match flags & 2 {
            0 => None,
            _ => Some(names(&items.needed(LOCATOR, LARGEST_LOCATOR, "parent")?)?),
        };
        Ok(Self {
            block_size: u64::from(block_size),
            is_fixed: flags & 1 == 1,
            size,
            sector_size,
            physical_sector_size: physical,
            disk_id,
            parent,
        })
    }
}

/// Reads the list of the parent's names.
fn names(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let block = Block::new(bytes, 0);
    let short = |error: crate::bytes::Truncated| error.to_string();
    let kind = Guid(block.array(0).map_err(short)?);
    let count = block.u16_le(18).map_err(short)?;
    if kind != VHDX_PARENT || count > MOST_NAMES {
        return Err(format!("its parent is named in the unknown way {kind}"));
    }
    let mut names = BTreeMap::new();
    for number in 0..usize::from(count) {
        let entry = number.saturating_mul(12).saturating_add(20);
        let entry = block.slice(entry, 12).map_err(short)?;
        let text = |at: usize, len: usize| {
            let at = usize::try_from(entry.u32_le(at)?).unwrap_or(usize::MAX);
            block.slice(at, usize::from(entry.u16_le(len)?)).map(|text| utf16(text.bytes()))
        };
        names.insert(text(0, 8).map_err(short)?, text(4, 10).map_err(short)?);
    }
    Ok(names)
}

/// Text up to the first zero.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
