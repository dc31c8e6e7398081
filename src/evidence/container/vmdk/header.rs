//! The header of a sparse extent, and the footer that takes its place where it was written as a
//! stream.
//!
//! Source: VMware, Virtual Disk Format 5.0, "Hosted Sparse Extents", "Stream-Optimized Compressed
//! Sparse Extents".

use crate::bytes::{Block, ReadAt as _, Truncated};
use crate::evidence::container::raw::ImageFile;
use crate::evidence::container::{ContainerError, shown};

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;
/// `KDMV`, read as a little-endian number.
const MAGIC: u32 = 0x564d_444b;
/// The place of a grain directory that stands in the footer.
const AT_END: u64 = u64::MAX;
/// The marker before the footer.
const FOOTER_MARKER: u32 = 3;
/// Bits of the flags.
const NEW_LINES: u32 = 1;
const REDUNDANT: u32 = 1 << 1;
const ZERO_GRAINS: u32 = 1 << 2;
const COMPRESSED: u32 = 1 << 16;
const MARKERS: u32 = 1 << 17;
/// Largest grain that is read, in sectors: 16 MiB.
const LARGEST_GRAIN: u64 = 1 << 15;
/// Most entries of a grain table; tools write 512.
const LARGEST_TABLE: u32 = 1 << 14;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    /// Sectors of the extent.
    pub(super) capacity: u64,
    /// Bytes of a grain.
    pub(super) grain: u64,
    /// Entries of a grain table.
    pub(super) per_table: u32,
    /// Bytes of the file at which the grain directory and its copy begin.
    pub(super) directory: u64,
    pub(super) redundant: Option<u64>,
    /// Bytes of the file that are the descriptor, where it has one.
    pub(super) descriptor: Option<(u64, u64)>,
    pub(super) compressed: bool,
    pub(super) markers: bool,
    /// An entry of 1 means zeros.
    pub(super) zero_grains: bool,
    pub(super) unclean: bool,
    /// The characters that a transfer as text would have changed are as they were.
    pub(super) new_lines_hold: bool,
}

impl Header {
    /// Reads it and refuses what is not read, by name.
    pub(super) fn read(file: &ImageFile) -> Result<Self, ContainerError> {
        let first = sector(file, 0)?;
        let header = Self::parse(file, &Block::new(&first, 0))?;
        if header.directory != AT_END {
            return Ok(header);
        }
        let at = file.len().saturating_sub(2 * SECTOR);
        let before = sector(file, at.saturating_sub(SECTOR))?;
        let marker = Block::new(&before, 0);
        if (marker.u32_le(8), marker.u32_le(12)) != (Ok(0), Ok(FOOTER_MARKER)) {
            let why = "no footer stands at the end of this stream; it is cut off";
            return Err(ContainerError::damaged(file.path(), at, why));
        }
        let last = sector(file, at)?;
        let footer = Self::parse(file, &Block::new(&last, at))?;
        let same = |header: &Self| (header.capacity, header.grain, header.per_table);
        if footer.directory == AT_END || same(&footer) != same(&header) {
            let why = "the footer contradicts the header";
            return Err(ContainerError::damaged(file.path(), at, why));
        }
        Ok(Self { descriptor: header.descriptor, ..footer })
    }

    fn parse(file: &ImageFile, block: &Block<'_>) -> Result<Self, ContainerError> {
        let path = file.path();
        let short = |at: Truncated| ContainerError::damaged(path, at.at.0, "the header is cut off");
        let wrong =
            |at: usize, why: String| Err(ContainerError::damaged(path, block.position(at).0, why));
        if block.u32_le(0).map_err(short)? != MAGIC {
            return wrong(0, "a sparse extent begins in another way".to_owned());
        }
        let refused = |what: String| {
            let advice = "convert it with `qemu-img convert -O raw`";
            Err(ContainerError::Feature { path: shown(path), what, advice })
        };
        let version = block.u32_le(4).map_err(short)?;
        if !(1..=3).contains(&version) {
            return refused(format!("version {version} of sparse VMDK"));
        }
        let flags = block.u32_le(8).map_err(short)?;
        let algorithm = block.u16_le(77).map_err(short)?;
        let compressed = flags & COMPRESSED != 0;
        if algorithm > 1 || (algorithm == 0) == compressed {
            return refused(format!("compression {algorithm} of VMDK with flags {flags:#x}"));
        }
        let number = |at: usize| block.u64_le(at).map_err(short);
        let (capacity, grain) = (number(12)?, number(20)?);
        if !grain.is_power_of_two() || grain > LARGEST_GRAIN {
            return wrong(20, format!("it states grains of {grain} sectors"));
        }
        let per_table = block.u32_le(44).map_err(short)?;
        if !(1..=LARGEST_TABLE).contains(&per_table) {
            return wrong(44, format!("it states grain tables of {per_table} entries"));
        }
        let place = |sector: u64| match sector {
            AT_END => AT_END,
            sector => sector.saturating_mul(SECTOR).min(AT_END.saturating_sub(1)),
        };
        let (text_at, text_len) = (place(number(28)?), place(number(36)?));
        let directory = place(number(56)?);
        let redundant = Some(place(number(48)?)).filter(|place| !matches!(*place, 0 | AT_END));
        if directory == 0 {
            return wrong(56, "it has no grain directory".to_owned());
        }
        Ok(Self {
            version,
            capacity,
            grain: grain.saturating_mul(SECTOR),
            per_table,
            directory,
            redundant: redundant.filter(|_| flags & REDUNDANT != 0),
            descriptor: (text_at != 0 && text_len != 0).then_some((text_at, text_len)),
            compressed,
            markers: flags & MARKERS != 0,
            zero_grains: flags & ZERO_GRAINS != 0,
            unclean: block.u8(72).map_err(short)? != 0,
            new_lines_hold: flags & NEW_LINES == 0 || block.array(73) == Ok(*b"\n \r\n"),
        })
    }

    /// Number of grain tables.
    pub(super) fn tables(&self) -> u64 {
        let grains = self.capacity.saturating_mul(SECTOR).div_ceil(self.grain.max(1));
        grains.div_ceil(u64::from(self.per_table).max(1))
    }

    /// Bytes of the extent that one table is for.
    pub(super) fn table_bytes(&self) -> u64 {
        self.grain.saturating_mul(u64::from(self.per_table))
    }
}

/// One sector of a file, or as much as there is.
fn sector(file: &ImageFile, at: u64) -> Result<Vec<u8>, ContainerError> {
    let mut bytes = vec![0; usize::try_from(SECTOR).unwrap_or_default()];
    let n = file.fill_at(at, &mut bytes);
    let n = n.map_err(|error| ContainerError::read(file.path(), &error))?;
    bytes.truncate(n);
    Ok(bytes)
}
