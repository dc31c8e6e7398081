//! The headers of a VHDX and its tables of regions, two of each.
//!
//! Of the headers the sound one with the higher sequence number counts; the two tables of regions
//! are copies. Every structure has a CRC-32C over itself with the sum's own four bytes zero.
//!
//! Source: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format", sections 2.2.2 and 2.2.3.

use super::guid::Guid;
use crate::bytes::{Block, ReadAt};
use crate::evidence::crc32c::crc32c;

/// Where the headers and the tables of regions are, and how many bytes of each are summed.
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const HEADER: usize = 4096;
const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
const REGION_TABLE: usize = 64 << 10;
/// Entries of a table of regions.
const MOST_REGIONS: u32 = 2047;
/// Bytes of the file that the format keeps for these structures.
pub(super) const RESERVED: u64 = 1 << 20;

const BAT: Guid = Guid::new(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
const METADATA: Guid = Guid::new(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);

/// What the current header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    sequence: u64,
    /// What a differencing image names its parent by.
    pub(super) data_write: Guid,
    /// Which log must be replayed; zero for none.
    pub(super) log: Guid,
    pub(super) log_length: u64,
    pub(super) log_at: u64,
}

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) at: u64,
    pub(super) len: u64,
}

impl Region {
    pub(super) const fn range(self) -> std::ops::Range<u64> {
        self.at..self.at.saturating_add(self.len)
    }
}

/// The regions that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Regions {
    pub(super) bat: Region,
    pub(super) metadata: Region,
}

/// The bytes of a structure, where its signature and its sum are right.
pub(super) fn summed(bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(stored) = Block::new(bytes, 0).u32_le(4) else { return false };
    let state = crc32c(!0, bytes.get(..4).unwrap_or_default());
    let state = crc32c(state, &[0; 4]);
    let sum = !crc32c(state, bytes.get(8..).unwrap_or_default());
    bytes.starts_with(signature) && sum == stored
}

/// The bytes of a structure; `None` where they are not all there.
fn whole(file: &dyn ReadAt, at: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    // A structure that the drive does not give is one that is damaged: there is another one.
    let n = file.fill_at(at, &mut bytes).ok()?;
    (n == len).then_some(bytes)
}

impl Header {
    /// Reads both headers; the current one, and what is wrong with the other.
    pub(super) fn read(file: &dyn ReadAt) -> Result<(Self, Option<String>), (u64, String)> {
        let [first, second] = HEADERS.map(|at| Self::parse(&whole(file, at, HEADER)?));
        match (first, second) {
            (Some(first), Some(second)) if second.sequence > first.sequence => Ok((second, None)),
            (Some(first), Some(second)) if second.sequence == first.sequence && second != first => {
                let why = "two headers of one number that say different things";
                Err((HEADERS[0], why.to_owned()))
            }
            (Some(first), Some(_)) => Ok((first, None)),
            (Some(one), None) => Ok((one, Some("the second header is damaged".to_owned()))),
            (None, Some(one)) => Ok((one, Some("the first header is damaged".to_owned()))),
            (None, None) => Err((HEADERS[0], "no header has a check sum that holds".to_owned())),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let block = Block::new(bytes, 0);
        let is_known = summed(bytes, b"head") && block.u16_le(66) == Ok(1);
        is_known.then_some(())?;
        Some(Self {
            sequence: block.u64_le(8).ok()?,
            data_write: Guid(block.array(32).ok()?),
            log: Guid(block.array(48).ok()?),
            log_length: u64::from(block.u32_le(68).ok()?),
            log_at: block.u64_le(72).ok()?,
        })
    }

    /// Where the log is.
    pub(super) const fn log_region(&self) -> Region {
        Region { at: self.log_at, len: self.log_length }
    }
}

impl Regions {
    /// Reads both tables; what they say, and what is wrong with one of them.
    pub(super) fn read(file: &dyn ReadAt) -> Result<(Self, Option<String>), (u64, String)> {
        let sound = |at| whole(file, at, REGION_TABLE).filter(|bytes| summed(bytes, b"regi"));
        let [first, second] = REGIONS.map(sound);
        let told = match (&first, &second) {
            (Some(first), Some(second)) if first != second => {
                Some("the two tables of regions say different things; the first is used")
            }
            (Some(_), None) => Some("the second table of regions is damaged"),
            (None, Some(_)) => Some("the first table of regions is damaged"),
            _ => None,
        };
        let none = || (REGIONS[0], "no table of regions has a check sum that holds".to_owned());
        let bytes = first.or(second).ok_or_else(none)?;
        let regions = Self::parse(&bytes).map_err(|why| (REGIONS[0], why))?;
        for region in [regions.bat, regions.metadata] {
            if region.at < RESERVED || region.at.checked_add(region.len).is_none() {
                return Err((REGIONS[0], "a region lies where none can be".to_owned()));
            }
        }
        Ok((regions, told.map(str::to_owned)))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let block = Block::new(bytes, REGIONS[0]);
        let short = |error: crate::bytes::Truncated| error.to_string();
        let count = block.u32_le(8).map_err(short)?;
        if count > MOST_REGIONS {
            return Err(format!("a table of {count} regions"));
        }
        let (mut bat, mut metadata) = (None, None);
        for number in 0..usize::try_from(count).unwrap_or_default() {
            let entry = block.slice(number.saturating_mul(32).saturating_add(16), 32);
            let entry = entry.map_err(short)?;
            let id = Guid(entry.array(0).map_err(short)?);
            let region = Region {
                at: entry.u64_le(16).map_err(short)?,
                len: u64::from(entry.u32_le(24).map_err(short)?),
            };
            let place = match id {
                BAT => &mut bat,
                METADATA => &mut metadata,
                _ if entry.u32_le(28).map_err(short)? & 1 == 1 => {
                    return Err(format!("it needs a region of the unknown kind {id}"));
                }
                _ => continue,
            };
            if place.replace(region).is_some() {
                return Err(format!("two regions of the kind {id}"));
            }
        }
        let missing = |what| format!("no region has its {what}");
        Ok(Self {
            bat: bat.ok_or_else(|| missing("table of blocks"))?,
            metadata: metadata.ok_or_else(|| missing("metadata"))?,
        })
    }
}
