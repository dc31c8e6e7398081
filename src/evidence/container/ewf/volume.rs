//! How an EWF image is laid out: sectors, chunks, and the identifier of its set of segments.
//!
//! The structure stands in sections named `volume`, `disk` and `data`, in 1052 bytes as EnCase
//! writes it or in 94 as SMART does, with an Adler-32 at its end.
//!
//! Source: libewf documentation, "Volume section", "Data section".

use std::collections::BTreeMap;

use super::section::adler;
use crate::bytes::Block;
use crate::digest::Digest;

/// Bytes of the structure as EnCase writes it.
const ENCASE: usize = 1052;
/// Bytes of it as SMART writes it.
const SMART: usize = 94;
/// Bytes of a chunk: the largest that libewf writes, 32,768 sectors of 512 bytes.
const LARGEST_CHUNK: u64 = 16 << 20;
/// Bytes of a medium: beyond it positions no longer fit into signed 64-bit offsets.
const LARGEST_MEDIUM: u64 = 1 << 62;

/// What the structure says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) smart: bool,
    /// Number of chunks as stated.
    pub(super) chunks: u32,
    pub(super) sectors_per_chunk: u32,
    pub(super) sector_size: u32,
    /// Bytes of a chunk.
    pub(super) chunk_size: u64,
    /// Bytes of the medium.
    pub(super) len: u64,
    /// What all segments of one image share; zeros where it is not set.
    pub(super) set: [u8; 16],
    media_type: u8,
    media_flags: u8,
    compression: u8,
    error_granularity: u32,
}

impl Volume {
    /// Reads the structure from a section's data.
    pub(super) fn parse(data: &[u8]) -> Result<Self, String> {
        let smart = data.len() < ENCASE;
        let size = if smart { SMART } else { ENCASE };
        let block = Block::new(data, 0);
        let cut = |_| format!("{} bytes are no volume section", data.len());
        let sum_at = size.saturating_sub(4);
        let summed = block.slice(0, sum_at).map_err(cut)?;
        if adler(summed.bytes()) != block.u32_le(sum_at).map_err(cut)? {
            return Err("the Adler-32 of the volume section does not hold".to_owned());
        }
        Self::fields(block, smart).map_err(cut)?
    }

    fn fields(
        block: Block<'_>,
        smart: bool,
    ) -> Result<Result<Self, String>, crate::bytes::Truncated> {
        let sectors = if smart { u64::from(block.u32_le(16)?) } else { block.u64_le(16)? };
        let (sectors_per_chunk, sector_size) = (block.u32_le(8)?, block.u32_le(12)?);
        let chunk_size = u64::from(sectors_per_chunk).saturating_mul(u64::from(sector_size));
        let len = sectors.checked_mul(u64::from(sector_size)).filter(|len| *len <= LARGEST_MEDIUM);
        if !sector_size.is_power_of_two() || !(128..=65_536).contains(&sector_size) {
            return Ok(Err(format!("{sector_size} bytes a sector make no sense")));
        }
        if chunk_size == 0 || chunk_size > LARGEST_CHUNK {
            return Ok(Err(format!("chunks of {sectors_per_chunk} sectors are not read")));
        }
        let Some(len) = len.filter(|len| *len > 0) else {
            return Ok(Err(format!("{sectors} sectors make no sense")));
        };
        let encase = |at| if smart { Ok(0) } else { block.u8(at) };
        Ok(Ok(Self {
            smart,
            chunks: block.u32_le(4)?,
            sectors_per_chunk,
            sector_size,
            chunk_size,
            len,
            set: if smart { [0; 16] } else { block.array(64)? },
            media_type: encase(0)?,
            media_flags: encase(36)?,
            compression: encase(52)?,
            error_granularity: if smart { 0 } else { block.u32_le(56)? },
        }))
    }

    /// Number of chunks that the medium has.
    pub(super) fn chunk_count(&self) -> u64 {
        self.len.div_ceil(self.chunk_size.max(1))
    }

    /// True where another copy lays the image out in the same way.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let layout = |v: &Self| (v.len, v.chunk_size, v.sector_size, v.chunks);
        layout(self) == layout(other)
    }

    /// True where both name a set, and not the same one.
    pub(super) fn is_of_another_set(&self, other: &Self) -> bool {
        let none = [0; 16];
        self.set != other.set && self.set != none && other.set != none
    }

    /// The rest of it, for the record of the run.
    pub(super) fn details(&self) -> BTreeMap<String, String> {
        let mut details = BTreeMap::new();
        let mut put = |name: &str, value: String| details.insert(name.to_owned(), value);
        put("sectors_per_chunk", self.sectors_per_chunk.to_string());
        if !self.smart {
            put(
                "media_type",
                match self.media_type {
                    0 => "removable".to_owned(),
                    1 => "fixed".to_owned(),
                    3 => "optical".to_owned(),
                    14 => "logical".to_owned(),
                    16 => "memory".to_owned(),
                    other => format!("{other:#x}"),
                },
            );
            put(
                "compression",
                match self.compression {
                    0 => "none".to_owned(),
                    1 => "fast".to_owned(),
                    2 => "best".to_owned(),
                    other => format!("{other:#x}"),
                },
            );
            put("physical", (self.media_flags & 2 != 0).to_string());
            put("error_granularity", self.error_granularity.to_string());
            put(
                "segment_set",
                Digest::new(&self.set).map(|set| set.to_string()).unwrap_or_default(),
            );
        }
        details
    }
}
