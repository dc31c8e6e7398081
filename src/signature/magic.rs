//! Marks strong enough to stand alone: at least four bytes that are neither text nor likely zeros,
//! or longer ones.
//!
//! A chance match of four bytes in random data is 1 in 4,294,967,296. Marks that are shorter, or
//! that ordinary text could hold, stand in the other files of this folder with a check of what
//! follows them. Sources: the formats' own documents; where there is none, the marks were read off
//! files of that type.

use super::FileType;

/// A mark and the byte at which it stands.
struct Mark {
    kind: FileType,
    at: usize,
    bytes: &'static [u8],
}

const fn mark(kind: FileType, at: usize, bytes: &'static [u8]) -> Mark {
    Mark { kind, at, bytes }
}

/// The type whose mark the head has.
pub(super) fn detect(head: &[u8]) -> Option<FileType> {
    MARKS.iter().find(|mark| stands(head, mark.at, mark.bytes)).map(|mark| mark.kind)
}

/// ISO 9660 and UDF: the standard identifier of the first volume descriptor, with the descriptor's
/// type before and its version behind. Source: ECMA-119, 8.1; ECMA-167, 2/9.1.
pub(super) fn at_iso_sector(head: &[u8]) -> Option<FileType> {
    let known = [b"\x01CD001\x01", b"\x00CD001\x01", b"\x02CD001\x01", b"\x00BEA01\x01"];
    known.iter().any(|mark| stands(head, 32_768, *mark)).then_some(FileType::Iso9660)
}

fn stands(head: &[u8], at: usize, bytes: &[u8]) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(bytes))
}

const MARKS: &[Mark] = &[
    // Pictures.
    mark(FileType::Png, 0, b"\x89PNG\r\n\x1a\n"),
    mark(FileType::Gif, 0, b"GIF87a"),
    mark(FileType::Gif, 0, b"GIF89a"),
    mark(FileType::Tiff, 0, b"II*\0"),
    mark(FileType::Tiff, 0, b"MM\0*"),
    mark(FileType::Tiff, 0, b"II+\0\x08\0\0\0"),
    mark(FileType::Tiff, 0, b"MM\0+\0\x08\0\0"),
    mark(FileType::Orf, 0, b"IIRO\x08\0\0\0"),
    mark(FileType::Orf, 0, b"IIRS\x08\0\0\0"),
    mark(FileType::Orf, 0, b"MMOR\0\0\0\x08"),
    mark(FileType::Rw2, 0, b"IIU\0"),
    mark(FileType::Raf, 0, b"FUJIFILMCCD-RAW "),
    mark(FileType::Jxl, 0, b"\0\0\0\x0cJXL \r\n\x87\n"),
    mark(FileType::Jp2, 0, b"\0\0\0\x0cjP  \r\n\x87\n"),
    mark(FileType::Jp2, 0, b"\xff\x4f\xff\x51\0"),
    mark(FileType::Psd, 0, b"8BPS\0\x01"),
    mark(FileType::Psd, 0, b"8BPS\0\x02"),
    mark(FileType::Dds, 0, b"DDS \x7c\0\0\0"),
    mark(FileType::Djvu, 0, b"AT&TFORM"),
    // Films and sound.
    mark(FileType::Mkv, 0, b"\x1a\x45\xdf\xa3"),
    mark(FileType::Asf, 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"),
    mark(FileType::RealMedia, 0, b".RMF\0\0\0"),
    mark(FileType::RealMedia, 0, b".ra\xfd\0"),
    mark(FileType::Flac, 0, b"fLaC\0\0\0\x22"),
    mark(FileType::Flac, 0, b"fLaC\x80\0\0\x22"),
    mark(FileType::Ogg, 0, b"OggS\0"),
    mark(FileType::Amr, 0, b"#!AMR\n"),
    mark(FileType::Amr, 0, b"#!AMR-WB\n"),
    mark(FileType::Midi, 0, b"MThd\0\0\0\x06"),
    // Archives.
    mark(FileType::Zip, 0, b"PK\x03\x04"),
    mark(FileType::Zip, 0, b"PK\x05\x06"),
    mark(FileType::Zip, 0, b"PK00PK\x03\x04"),
    mark(FileType::Zip, 0, b"PK\x07\x08PK\x03\x04"),
    mark(FileType::Xz, 0, b"\xfd7zXZ\0"),
    mark(FileType::Zstd, 0, b"\x28\xb5\x2f\xfd"),
    mark(FileType::Lz4, 0, b"\x04\x22\x4d\x18"),
    mark(FileType::SevenZ, 0, b"7z\xbc\xaf\x27\x1c"),
    mark(FileType::Rar, 0, b"Rar!\x1a\x07\0"),
    mark(FileType::Rar, 0, b"Rar!\x1a\x07\x01\0"),
    mark(FileType::Tar, 257, b"ustar\0"),
    mark(FileType::Tar, 257, b"ustar  \0"),
    mark(FileType::Cab, 0, b"MSCF\0\0\0\0"),
    mark(FileType::Ar, 0, b"!<arch>\n"),
    mark(FileType::Rpm, 0, b"\xed\xab\xee\xdb"),
    // Documents.
    mark(FileType::Ole, 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    mark(FileType::PostScript, 0, b"\xc5\xd0\xd3\xc6"),
    // Disk images.
    mark(FileType::Ewf, 0, b"EVF\x09\r\n\xff\0"),
    mark(FileType::Ewf, 0, b"LVF\x09\r\n\xff\0"),
    mark(FileType::Ewf2, 0, b"EVF2\r\n\x81\0"),
    mark(FileType::Ewf2, 0, b"LEF2\r\n\x81\0"),
    mark(FileType::Vhd, 0, b"conectix\0\0\0"),
    mark(FileType::Vhdx, 0, b"vhdxfile"),
    mark(FileType::Vmdk, 0, b"KDMV\x01\0\0\0"),
    mark(FileType::Vmdk, 0, b"KDMV\x02\0\0\0"),
    mark(FileType::Vmdk, 0, b"KDMV\x03\0\0\0"),
    mark(FileType::Vmdk, 0, b"COWD\x01\0\0\0"),
    mark(FileType::Qcow2, 0, b"QFI\xfb\0\0\0"),
    mark(FileType::Vdi, 64, b"\x7f\x10\xda\xbe"),
    mark(FileType::Aff, 0, b"AFF10\r\n\0"),
    mark(FileType::Wim, 0, b"MSWIM\0\0\0"),
    mark(FileType::EncryptedDmg, 0, b"encrcdsa\0\0\0"),
    mark(FileType::Luks, 0, b"LUKS\xba\xbe\0"),
    mark(FileType::BitLocker, 3, b"-FVE-FS-\0\x02"),
    // Programs.
    mark(FileType::Dex, 0, b"dex\n03"),
    mark(FileType::Dex, 0, b"dex\n04"),
    mark(FileType::Wasm, 0, b"\0asm\x01\0\0\0"),
    mark(FileType::MachO, 0, b"\xce\xfa\xed\xfe"),
    mark(FileType::MachO, 0, b"\xcf\xfa\xed\xfe"),
    mark(FileType::MachO, 0, b"\xfe\xed\xfa\xce"),
    mark(FileType::MachO, 0, b"\xfe\xed\xfa\xcf"),
    // Others.
    mark(FileType::Sqlite, 0, b"SQLite format 3\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x14\0\0\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x15\0\0\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x1a\0\0\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x1e\0\0\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x1f\0\0\0"),
    mark(FileType::Thumbcache, 0, b"CMMM\x20\0\0\0"),
    mark(FileType::Plist, 0, b"bplist00"),
    mark(FileType::Lnk, 0, b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"),
    mark(FileType::Font, 0, b"ttcf\0\x01\0\0"),
    mark(FileType::Font, 0, b"ttcf\0\x02\0\0"),
    mark(FileType::Woff, 0, b"wOFF\0\x01\0\0"),
    mark(FileType::Woff, 0, b"wOF2\0\x01\0\0"),
    mark(FileType::Woff, 0, b"wOFFOTTO"),
    mark(FileType::Woff, 0, b"wOF2OTTO"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_strong_and_reachable() {
        for (i, mark) in MARKS.iter().enumerate() {
            assert!(mark.bytes.len() >= 4, "{i}");
            let mut head = vec![0xaa; mark.at];
            head.extend(mark.bytes);
            assert_eq!(detect(&head), Some(mark.kind), "{i}");
        }
    }
}
