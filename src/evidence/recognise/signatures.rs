//! Signatures at fixed places, by place, and what stands in for them where they were destroyed.
//!
//! Each row of [`TABLE`] cites where its place and bytes come from; a second set of bytes keeps
//! short signatures from matching by chance.

use crate::bytes::ReadAt;

use super::{Recognised, boot, bytes};
use Recognised::{Encrypted, Ext, Iso9660, Unsupported};

/// What stands at one place of a volume.
struct Signature {
    at: u64,
    bytes: &'static [u8],
    is: Recognised,
    also: Also,
}

/// What else must hold.
#[derive(Clone, Copy)]
enum Also {
    Nothing,
    /// These bytes at this place.
    Bytes(u64, &'static [u8]),
    /// The byte at this place is in this range.
    Range(u64, u8, u8),
    /// The little-endian 32-bit number at this place is not above this one.
    AtMost(u64, u32),
}

const fn row(at: u64, bytes: &'static [u8], is: Recognised, also: Also) -> Signature {
    Signature { at, bytes, is, also }
}

const TABLE: &[Signature] = &[
    // LUKS1 On-Disk Format Specification 1.2.3; LUKS2 On-Disk Format Specification 1.1.1.
    row(0, b"LUKS\xba\xbe\x00\x01", Encrypted("luks1"), Also::Nothing),
    row(0, b"LUKS\xba\xbe\x00\x02", Encrypted("luks2"), Also::Nothing),
    // XFS Algorithms & Data Structures, "Superblocks": block size from 512 bytes to 64 KiB.
    row(0, b"XFSB\x00", Unsupported("xfs"), Also::Bytes(7, b"\x00")),
    // Linux, Documentation/filesystems: squashfs, cramfs, romfs.
    row(0, b"hsqs", Unsupported("squashfs"), Also::Range(28, 1, 4)),
    row(0, b"sqsh", Unsupported("squashfs"), Also::Nothing),
    row(0, b"\x45\x3d\xcd\x28", Unsupported("cramfs"), Also::Bytes(16, b"Compressed ROMFS")),
    row(0, b"-rom1fs-", Unsupported("romfs"), Also::Nothing),
    // libyal, libfvde: physical volume header of Core Storage, check sum of kind 1.
    row(88, b"CS\x01\x00\x00\x00", Unsupported("corestorage"), Also::Bytes(8, b"\x01\x00\x10\x00")),
    // Apple File System Reference, nx_superblock_t: a block has 4096 to 65,536 bytes.
    row(32, b"NXSB\x00", Unsupported("apfs"), Also::Bytes(39, b"\x00")),
    // LVM2, lib/format_text/layout.h and lib/label/label.h: in one of the first four sectors.
    row(0, b"LABELONE", Unsupported("lvm2"), Also::Bytes(24, b"LVM2 001")),
    row(512, b"LABELONE", Unsupported("lvm2"), Also::Bytes(536, b"LVM2 001")),
    row(1024, b"LABELONE", Unsupported("lvm2"), Also::Bytes(1048, b"LVM2 001")),
    row(1536, b"LABELONE", Unsupported("lvm2"), Also::Bytes(1560, b"LVM2 001")),
    // Apple, Inside Macintosh: Devices, "The Partition Map"; Linux, block/partitions/mac.h.
    row(512, b"PM\x00\x00", Unsupported("apple-partition-map"), Also::Bytes(0, b"ER")),
    // Linux, Documentation/filesystems/ext4: s_magic, and s_log_block_size up to 64 KiB.
    row(1080, b"\x53\xef", Ext, Also::AtMost(1048, 6)),
    // Apple, TN1150 "HFS Plus Volume Format": signature and version; a wrapper names what it holds.
    row(1024, b"H+\x00\x04", Unsupported("hfsplus"), Also::Nothing),
    row(1024, b"HX\x00\x05", Unsupported("hfsx"), Also::Nothing),
    row(1024, b"BD", Unsupported("hfsplus"), Also::Bytes(1148, b"H+")),
    row(1024, b"BD", Unsupported("hfs"), Also::Bytes(1038, b"\x00\x03")),
    // Linux, include/linux/f2fs_fs.h; fs/erofs/erofs_fs.h; include/uapi/linux/nilfs2_ondisk.h.
    row(1024, b"\x10\x20\xf5\xf2", Unsupported("f2fs"), Also::Nothing),
    row(1024, b"\xe2\xe1\xf5\xe0", Unsupported("erofs"), Also::Nothing),
    row(1030, b"\x34\x34", Unsupported("nilfs2"), Also::Bytes(1024, b"\x02\x00\x00\x00")),
    // Linux-NTFS project, "LDM documentation": private header of a dynamic disk, sector 6.
    row(3072, b"PRIVHEAD", Unsupported("ldm"), Also::Nothing),
    // Seen in pools of Storage Spaces; the type of the partition says it too.
    row(0, b"SPACEDB ", Unsupported("storage-spaces"), Also::Nothing),
    // Linux, mm/swapfile.c: the last ten bytes of the first page; swsusp: an image of memory.
    row(4086, b"SWAPSPACE2", Unsupported("swap"), Also::Nothing),
    row(4086, b"SWAP-SPACE", Unsupported("swap"), Also::Nothing),
    row(4086, b"S1SUSPEND", Unsupported("swap-hibernation"), Also::Nothing),
    row(4096, b"SPACEDB ", Unsupported("storage-spaces"), Also::Nothing),
    // bcachefs, bcachefs_format.h: the magic of the superblock, new and old.
    row(
        4120,
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
        Unsupported("bcachefs"),
        Also::Nothing,
    ),
    // OCFS2, ocfs2_fs.h.
    row(8192, b"OCFSV2", Unsupported("ocfs2"), Also::Nothing),
    row(8182, b"SWAPSPACE2", Unsupported("swap"), Also::Nothing),
    // FreeBSD, sys/ufs/ffs/fs.h: fs_magic at 1372 of a superblock at 8 KiB, 64 KiB or 256 KiB.
    row(9564, b"\x54\x19\x01\x00", Unsupported("ufs1"), Also::Nothing),
    row(9564, b"\x00\x01\x19\x54", Unsupported("ufs1"), Also::Nothing),
    row(9564, b"\x19\x01\x54\x19", Unsupported("ufs2"), Also::Nothing),
    // ReiserFS, reiserfs_fs.h: at 8 KiB in the oldest format, else at 64 KiB.
    row(8192 + 52, b"ReIsErFs", Unsupported("reiserfs"), Also::Nothing),
    row(16_374, b"SWAPSPACE2", Unsupported("swap"), Also::Nothing),
    // Linux, fs/jfs/jfs_superblock.h.
    row(32_768, b"JFS1", Unsupported("jfs"), Also::Nothing),
    // ECMA-167 2/9.1: descriptors of 2048 bytes from byte 32,768; UDF beside ISO 9660 as well.
    row(32_769, b"BEA01", Unsupported("udf"), Also::Nothing),
    row(32_769, b"CD001", Iso9660 { udf: true }, Also::Bytes(38_913, b"NSR0")),
    row(32_769, b"CD001", Iso9660 { udf: true }, Also::Bytes(36_865, b"BEA01")),
    row(32_769, b"CD001", Iso9660 { udf: true }, Also::Bytes(38_913, b"BEA01")),
    row(32_769, b"CD001", Iso9660 { udf: false }, Also::Nothing),
    row(65_526, b"SWAPSPACE2", Unsupported("swap"), Also::Nothing),
    // Btrfs on-disk format: superblock at 64 KiB, magic 64 bytes into it.
    row(65_600, b"_BHRfS_M", Unsupported("btrfs"), Also::Nothing),
    row(65_536 + 52, b"ReIsErFs", Unsupported("reiserfs"), Also::Nothing),
    row(65_536 + 52, b"ReIsEr2Fs", Unsupported("reiserfs"), Also::Nothing),
    row(65_536 + 52, b"ReIsEr3Fs", Unsupported("reiserfs"), Also::Nothing),
    row(65_536, b"ReIsEr4\0", Unsupported("reiser4"), Also::Nothing),
    row(65_536, b"\x01\x16\x19\x70", Unsupported("gfs2"), Also::Nothing),
    row(66_908, b"\x19\x01\x54\x19", Unsupported("ufs2"), Also::Nothing),
    row(66_908, b"\x54\x19\x01\x00", Unsupported("ufs1"), Also::Nothing),
    // OpenZFS, uberblock_impl.h: the ring of uberblocks begins 128 KiB into the first label.
    row(131_072, b"\x0c\xb1\xba\x00\0\0\0\0", Unsupported("zfs"), Also::Nothing),
    row(131_072, b"\0\0\0\0\x00\xba\xb1\x0c", Unsupported("zfs"), Also::Nothing),
    row(263_516, b"\x19\x01\x54\x19", Unsupported("ufs2"), Also::Nothing),
    // VMFS, libvmfs: volume information at 1 MiB.
    row(1 << 20, b"\x0d\xd0\x01\xc0", Unsupported("vmfs"), Also::Nothing),
];

/// Partition types of what may keep no signature in the volume itself. MBR type 0x42 and the first
/// two GUIDs: Microsoft, "PARTITION_INFORMATION_GPT"; the last two: Apple, "Secrets of the GPT".
const TYPES: &[(&str, Recognised)] = &[
    ("0x42", Unsupported("ldm")),
    ("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", Unsupported("ldm")),
    ("af9b60a0-1431-4f62-bc68-3311714a69ad", Unsupported("ldm")),
    ("e75caf8f-f680-4cee-afa3-b001e56efc2d", Unsupported("storage-spaces")),
    ("53746f72-6167-11aa-aa11-00306543ecac", Unsupported("corestorage")),
    ("52414944-0000-11aa-aa11-00306543ecac", Unsupported("apple-raid")),
];

/// The signature that stands first in the volume.
pub(super) fn first(volume: &dyn ReadAt) -> Option<Recognised> {
    TABLE.iter().find(|row| holds(volume, row)).map(|row| row.is)
}

fn holds(volume: &dyn ReadAt, row: &Signature) -> bool {
    is_at(volume, row.at, row.bytes)
        && match row.also {
            Also::Nothing => true,
            Also::Bytes(at, expected) => is_at(volume, at, expected),
            Also::Range(at, low, high) => {
                bytes::<1>(volume, at).is_some_and(|[byte]| (low..=high).contains(&byte))
            }
            Also::AtMost(at, most) => {
                bytes::<4>(volume, at).is_some_and(|word| u32::from_le_bytes(word) <= most)
            }
        }
}

fn is_at(volume: &dyn ReadAt, at: u64, expected: &[u8]) -> bool {
    let mut found = [0; 16];
    let found = found.get_mut(..expected.len());
    found.is_some_and(|found| {
        volume.fill_at(at, found).is_ok_and(|n| n == expected.len()) && found == expected
    })
}

/// What copies of structures say where the start of a volume was destroyed: the boot sectors of
/// exFAT (sector 12), FAT32 (sector 6) and NTFS (the last one), the second superblock of ext
/// (blocks of 1, 2 and 4 KiB), the second header of LUKS2.
pub(super) fn backups(volume: &dyn ReadAt) -> Option<Recognised> {
    let last = |size: u64| volume.len().checked_sub(size);
    let only = |at: Option<u64>, is: Recognised| {
        at.and_then(|at| boot::at(volume, at)).filter(|found| *found == is)
    };
    only(Some(12 * 512), Recognised::Exfat)
        .or_else(|| only(Some(12 * 4096), Recognised::Exfat))
        .or_else(|| only(Some(6 * 512), Recognised::Fat))
        .or_else(|| only(last(512), Recognised::Ntfs))
        .or_else(|| only(last(4096), Recognised::Ntfs))
        .or_else(|| {
            let place = |&(block, log): &(u64, u8)| {
                let at = block.saturating_add(56);
                is_at(volume, at, b"\x53\xef")
                    && is_at(volume, block.saturating_add(24), &[log, 0, 0, 0])
            };
            let groups = [(8193 << 10, 0), (16_384 << 11, 1), (32_768 << 12, 2)];
            groups.iter().find(|group| place(group)).map(|_| Ext)
        })
        .or_else(|| is_at(volume, 0x4000, b"SKUL\xba\xbe").then_some(Encrypted("luks2")))
}

/// What the partition table alone says.
pub(super) fn by_type(type_id: &str) -> Option<Recognised> {
    TYPES.iter().find(|(id, _)| *id == type_id).map(|(_, is)| *is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_regions_that_formatting_overwrites() {
        let regions = |at: u64| [0, 4096, 32_768, 65_536, 131_072].partition_point(|&r| r <= at);
        let places: Vec<_> = TABLE.iter().map(|row| regions(row.at)).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(TABLE.iter().all(|row| row.bytes.len() <= 16));
    }
}
