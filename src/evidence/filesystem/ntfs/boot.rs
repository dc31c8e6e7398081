//! The boot sector of NTFS: sizes, and where the master file table is.
//!
//! Its copy is the last sector of the volume. Every number is checked here once, so that the other
//! files of this folder may rely on the sizes.
//!
//! Source: Linux-NTFS project documentation, "File - $Boot"; read and compared with volumes that
//! mkntfs and Windows made.

use crate::bytes::{Block, ReadAt, Truncated};

/// Bytes of the boot sector that are looked at, and of a sector of the smallest disk.
pub(super) const BOOT_BYTES: usize = 512;

/// What the boot sector says, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot {
    /// Bytes of a cluster: a power of two, 256 to 2 MiB.
    pub(super) cluster: u64,
    /// Bytes of a record of the master file table: 512 to 65,536, a power of two.
    pub(super) record: usize,
    /// Bytes of the file system, its boot sector's copy behind it left out.
    pub(super) bytes: u64,
    /// Cluster where the master file table begins.
    pub(super) mft: u64,
    /// Cluster where the copy of its first records begins.
    pub(super) mirror: u64,
    /// The volume's serial number.
    pub(super) serial: u64,
}

impl Boot {
    /// Reads the boot sector; where it makes no sense, its copy. True where that was so.
    pub(super) fn read(volume: &dyn ReadAt) -> Result<(Self, bool), String> {
        let first = match Self::at(volume, 0) {
            Ok(boot) => return Ok((boot, false)),
            Err(why) => why,
        };
        let sectors = volume.len() >> 9;
        let copy = sectors.saturating_sub(1).saturating_mul(512);
        Self::at(volume, copy).map(|boot| (boot, true)).map_err(|_| first)
    }

    fn at(volume: &dyn ReadAt, at: u64) -> Result<Self, String> {
        let mut bytes = [0; BOOT_BYTES];
        match volume.fill_at(at, &mut bytes) {
            Ok(n) if n == bytes.len() => {}
            Ok(_) => return Err("the boot sector is not there whole".to_owned()),
            Err(error) => return Err(format!("the boot sector cannot be read: {error}")),
        }
        match Self::parse(Block::new(&bytes, at)) {
            Ok(boot) => boot.map_err(str::to_owned),
            Err(Truncated { .. }) => Err("the boot sector is cut".to_owned()),
        }
    }

    fn parse(block: Block<'_>) -> Result<Result<Self, &'static str>, Truncated> {
        if block.array::<8>(3)? != *b"NTFS    " || block.u16_le(510)? != 0xAA55 {
            return Ok(Err("this is no NTFS boot sector"));
        }
        let sector = u64::from(block.u16_le(11)?);
        if !sector.is_power_of_two() || !(256..=4096).contains(&sector) {
            return Ok(Err("its sector size is impossible"));
        }
        let Some(per_cluster) = power(block.u8(13)?) else {
            return Ok(Err("its cluster size is impossible"));
        };
        let cluster = sector.saturating_mul(per_cluster);
        let sectors = block.u64_le(40)?;
        let record = match block.u8(64)? {
            exponent @ 0x80.. => 1_u64.checked_shl(u32::from(exponent.wrapping_neg())),
            clusters => cluster.checked_mul(u64::from(clusters)),
        };
        let record = record.filter(|size| size.is_power_of_two() && (512..=65_536).contains(size));
        let (Some(record), true) = (record, cluster <= 2 << 20) else {
            return Ok(Err("its cluster or record size is impossible"));
        };
        let Some(bytes) = sectors.checked_mul(sector).filter(|bytes| *bytes >= cluster) else {
            return Ok(Err("its number of sectors is impossible"));
        };
        Ok(Ok(Self {
            cluster,
            record: usize::try_from(record).unwrap_or(1024),
            bytes,
            mft: block.u64_le(48)?,
            mirror: block.u64_le(56)?,
            serial: block.u64_le(72)?,
        }))
    }
}

/// Sectors of a cluster: a power of two, or, above 128, the negative of its exponent.
fn power(byte: u8) -> Option<u64> {
    match byte {
        0x81.. => 1_u64.checked_shl(u32::from(byte.wrapping_neg())),
        _ => Some(u64::from(byte)).filter(|n| n.is_power_of_two()),
    }
}
