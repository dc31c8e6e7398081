//! What a volume holds, by its signatures: a file system that is read, something that is known by
//! name only, or nothing that is known.
//!
//! The input is untrusted; only bytes at fixed places are read. Remnants of older file systems
//! must not win, so what is tried follows from what a new formatting overwrites:
//!
//! 1. Linux RAID with a sound superblock near the start: it stands where every file system that
//!    begins before it has structures of its own, so none of those is the newer one.
//! 2. Boot sectors (FAT, exFAT, NTFS, ReFS, BitLocker), of which byte 0 can hold only one, each
//!    by fields beyond its name.
//! 3. Other signatures by their place, the first place first: makers of file systems write or
//!    clear the start of a volume, so a signature further in may be older than one before it.
//! 4. Linux RAID at the end of the volume; a mirror (level 1) of which holds a file system as it
//!    is, which then is what counts.
//! 5. Backups, where the start of the volume was destroyed.
//! 6. The type that the partition table states, for what keeps no signature in the volume.
//! 7. Statistics: bytes that cannot be told from random ones are possibly encrypted.

mod boot;
mod entropy;
mod raid;
mod signatures;

use crate::bytes::ReadAt;
use crate::problem::{Code, Problem, Stage};

pub use boot::boot_sector;

/// What a volume was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    Exfat,
    /// NTFS.
    Ntfs,
    /// ext2, ext3 or ext4.
    Ext,
    /// ISO 9660.
    Iso9660 {
        /// UDF lies beside it, which shows what ISO 9660 may not.
        udf: bool,
    },
    /// A file system, swap space or volume manager known by this name and not read.
    Unsupported(&'static str),
    /// An encrypted volume of this kind.
    Encrypted(&'static str),
    /// Nothing is recognised, and its bytes cannot be told from random ones.
    PossiblyEncrypted,
    /// Nothing is recognised.
    Nothing,
}

impl Recognised {
    /// The word for `fs_type` or `encryption` of the report; empty where nothing is recognised.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fat => "fat",
            Self::Exfat => "exfat",
            Self::Ntfs => "ntfs",
            Self::Ext => "ext",
            Self::Iso9660 { udf: false } => "iso9660",
            Self::Iso9660 { udf: true } => "iso9660+udf",
            Self::Unsupported(name) | Self::Encrypted(name) => name,
            Self::PossiblyEncrypted => "possibly",
            Self::Nothing => "",
        }
    }

    /// What the report says of a volume that is not read; `None` for file systems that may be.
    pub fn problem(self) -> Option<Problem> {
        let (code, detail) = match self {
            Self::Fat | Self::Exfat | Self::Ntfs | Self::Ext | Self::Iso9660 { udf: false } => {
                return None;
            }
            Self::Iso9660 { udf: true } => (
                Code::UnsupportedVolume,
                "UDF lies beside ISO 9660; what only UDF shows is not read".to_owned(),
            ),
            Self::Unsupported(name) => {
                (Code::UnsupportedVolume, format!("{name} is recognised and not read"))
            }
            Self::Encrypted(name) => (Code::Encrypted, format!("encrypted by {name}")),
            Self::PossiblyEncrypted => (Code::Encrypted, entropy::DETAIL.to_owned()),
            Self::Nothing => (
                Code::NotRecognised,
                "no file system, encryption or volume manager that is known".to_owned(),
            ),
        };
        Some(Problem::new(code, Stage::Filesystem, detail))
    }
}

/// What a volume holds.
///
/// - `type_id`: the type of its partition as [`crate::evidence::partition::Part`] has it; empty
///   where there is none. It counts only where the bytes say nothing.
///
/// ```
/// use assay::evidence::recognise::{Recognised, recognise};
/// let mut volume = vec![0; 1 << 16];
/// volume[..8].copy_from_slice(b"LUKS\xba\xbe\0\x02");
/// let volume: std::sync::Arc<[u8]> = volume.into();
/// assert_eq!(recognise(&volume, ""), Recognised::Encrypted("luks2"));
/// ```
pub fn recognise(volume: &dyn ReadAt, type_id: &str) -> Recognised {
    by_signature(volume)
        .or_else(|| signatures::backups(volume))
        .or_else(|| signatures::by_type(type_id))
        .or_else(|| entropy::looks_random(volume).then_some(Recognised::PossiblyEncrypted))
        .unwrap_or(Recognised::Nothing)
}

/// What the signatures of a volume say, without backups, types and statistics.
pub fn by_signature(volume: &dyn ReadAt) -> Option<Recognised> {
    if raid::at_start(volume) {
        return Some(raid::NAME);
    }
    let here = boot_sector(volume).or_else(|| signatures::first(volume));
    match raid::at_end(volume) {
        Some(raid::Level::Mirror) => here.or(Some(raid::NAME)),
        Some(raid::Level::Other) => Some(raid::NAME),
        None => here,
    }
}

/// Fills `N` bytes from `at`; `None` where they are not all there.
fn bytes<const N: usize>(volume: &dyn ReadAt, at: u64) -> Option<[u8; N]> {
    let mut out = [0; N];
    (volume.fill_at(at, &mut out).ok()? == N).then_some(out)
}
