//! Boot sectors: what byte 0 of a volume says of a file system that begins there.
//!
//! Sources: Microsoft, "FAT32 File System Specification" 1.03; Microsoft, "exFAT file system
//! specification"; B. Carrier, "File System Forensic Analysis", chapter 13 (NTFS); libyal, "BitLocker
//! Drive Encryption (BDE) format", section 3 (volume header) and "Resilient File System (ReFS)".

use crate::bytes::{Block, ReadAt, Truncated};

use super::{Recognised, bytes};

/// Identifiers in the boot sector of a volume encrypted by BitLocker To Go: of the metadata, and
/// of a volume of which only the used space is encrypted.
const BITLOCKER: [[u8; 16]; 2] = [
    [
        0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0,
        0x01,
    ],
    [
        0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae,
        0xd8,
    ],
];

/// What the boot sector of a volume says; `None` where it is that of no file system.
pub fn boot_sector(volume: &dyn ReadAt) -> Option<Recognised> {
    at(volume, 0)
}

/// As [`boot_sector`], of a copy of it elsewhere.
pub(super) fn at(volume: &dyn ReadAt, place: u64) -> Option<Recognised> {
    let sector = bytes::<512>(volume, place)?;
    read(&Block::new(&sector, place)).ok().flatten()
}

fn read(sector: &Block<'_>) -> Result<Option<Recognised>, Truncated> {
    let name = sector.array::<8>(3)?;
    if name == *b"-FVE-FS-" {
        return Ok(Some(Recognised::Encrypted("bitlocker")));
    }
    if BITLOCKER.contains(&sector.array::<16>(424)?) {
        return Ok(Some(Recognised::Encrypted("bitlocker-to-go")));
    }
    if name == *b"ReFS\0\0\0\0" && sector.array::<4>(16)? == *b"FSRS" {
        return Ok(Some(Recognised::Unsupported("refs")));
    }
    if name == *b"EXFAT   " && matches!(sector.u8(108)?, 9..=12) {
        return Ok(Some(Recognised::Exfat));
    }
    let signed = sector.u16_le(510)? == 0xAA55;
    let size = sector.u16_le(11)?;
    let per_cluster = sector.u8(13)?;
    if name == *b"NTFS    " && size.is_power_of_two() && size >= 256 {
        return Ok(Some(Recognised::Ntfs));
    }
    let named = sector.array::<3>(54)? == *b"FAT" || sector.array::<3>(82)? == *b"FAT";
    let fat = matches!(sector.array::<3>(0)?, [0xEB, _, 0x90] | [0xE9, _, _]) && (signed || named)
        || named && signed;
    let fields = matches!(size, 512 | 1024 | 2048 | 4096)
        && per_cluster.is_power_of_two()
        && sector.u16_le(14)? > 0
        && matches!(sector.u8(16)?, 1..=4)
        && matches!(sector.u8(21)?, 0xF0 | 0xF8..=0xFF)
        && (sector.u16_le(19)? > 0 || sector.u32_le(32)? > 0)
        && (sector.u16_le(22)? > 0 || sector.u32_le(36)? > 0);
    Ok((fat && fields).then_some(Recognised::Fat))
}
