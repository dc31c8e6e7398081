//! What volumes hold, by what makers of file systems write, by public data and by bytes of our own.

use crate::partition::*;

/// Makes a volume of `mib` MiB by a program of the system and says what it is.
fn made(program: &str, arguments: &[&str], mib: u64) -> Option<(Vec<u8>, Recognised)> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("volume");
    std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
    let arguments = [arguments, &[image.to_str().unwrap()]].concat();
    let output = tool(program, &arguments)?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(&image).unwrap();
    let is = recognise(&Lent(&bytes), "");
    Some((bytes, is))
}

#[test]
fn what_makers_of_file_systems_write_is_recognised() {
    let key = tempfile::NamedTempFile::new().unwrap();
    let key = key.path().to_str().unwrap();
    let luks = |kind| {
        ["-q", "luksFormat", "--type", kind, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations"]
            .into_iter()
            .chain(["1000", "--key-file", key])
            .collect::<Vec<_>>()
    };
    std::fs::write(key, "0123456789").unwrap();
    let cases: [(&str, Vec<&str>, u64, Recognised); 9] = [
        ("mkfs.vfat", vec!["-F", "12"], 2, Recognised::Fat),
        ("mkfs.vfat", vec!["-F", "16"], 16, Recognised::Fat),
        ("mkfs.vfat", vec!["-F", "32"], 40, Recognised::Fat),
        ("mkfs.exfat", vec![], 4, Recognised::Exfat),
        ("mkntfs", vec!["-F", "-q", "-f"], 4, Recognised::Ntfs),
        ("mke2fs", vec!["-q", "-t", "ext4"], 4, Recognised::Ext),
        ("mkswap", vec!["-q"], 4, Recognised::Unsupported("swap")),
        ("cryptsetup", luks("luks1"), 8, Recognised::Encrypted("luks1")),
        ("cryptsetup", luks("luks2"), 24, Recognised::Encrypted("luks2")),
    ];
    for (program, arguments, mib, expected) in cases {
        if let Some((mut bytes, is)) = made(program, &arguments, mib) {
            assert_eq!(is, expected, "{program} {arguments:?}");
            if matches!(expected, Recognised::Exfat | Recognised::Ntfs) || arguments.contains(&"32")
            {
                bytes[..512].fill(0);
                assert_eq!(recognise(&Lent(&bytes), ""), expected, "{program}: by its backup");
            }
        }
    }
}

#[test]
fn what_was_there_before_does_not_win() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("volume");
    let path = image.to_str().unwrap();
    std::fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
    let makers: [(&str, &[&str], Recognised); 5] = [
        ("mke2fs", &["-F", "-q"], Recognised::Ext),
        ("mkntfs", &["-F", "-q", "-f"], Recognised::Ntfs),
        ("mkfs.exfat", &[], Recognised::Exfat),
        ("mkfs.vfat", &["-F", "32"], Recognised::Fat),
        ("mkswap", &["-f"], Recognised::Unsupported("swap")),
    ];
    for (first, options, _) in &makers {
        for (second, more, expected) in &makers {
            if tool(first, &[*options, &[path]].concat()).is_none() {
                return;
            }
            if tool(second, &[*more, &[path]].concat()).is_none() {
                return;
            }
            let bytes = std::fs::read(&image).unwrap();
            let is = recognise(&Lent(&bytes), "");
            assert_eq!(is, *expected, "{second} after {first}");
        }
    }
}

#[test]
fn public_volumes_are_recognised() {
    for (name, expected) in [
        ("dfvfs/apfs.raw", Recognised::Unsupported("apfs")),
        ("dfvfs/hfsplus.raw", Recognised::Unsupported("hfsplus")),
        ("dfvfs/iso9660.raw", Recognised::Iso9660 { udf: false }),
        ("dfvfs/ext2.splitraw.000", Recognised::Ext),
        ("dfvfs/bogus.001", Recognised::Nothing),
    ] {
        let Some(path) = corpus(name) else { return };
        let disk = std::fs::read(path).unwrap();
        let found = layout(&disk, 512);
        let part = found.parts.iter().find(|part| part.role == Role::Volume).unwrap();
        let volume = Section::new(Arc::new(shared(disk)), part.start, part.len);
        assert_eq!(recognise(&volume, &part.type_id), expected, "{name}");
    }
}

/// A volume with these bytes at these places, zeros elsewhere.
fn with(parts: &[(usize, &[u8])]) -> Recognised {
    let mut volume = vec![0; 2 << 20];
    parts.iter().for_each(|(at, bytes)| put(&mut volume, *at, bytes));
    recognise(&Lent(&volume), "")
}

#[test]
fn signatures_of_volumes_that_are_not_read_are_named() {
    let encrypted = Recognised::Encrypted;
    let known = Recognised::Unsupported;
    assert_eq!(with(&[(3, b"-FVE-FS-")]), encrypted("bitlocker"));
    let guid = [0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39];
    let to_go = [&guid[..], &[0xe3, 0xd0, 0x01]].concat();
    assert_eq!(with(&[(3, b"MSWIN4.1"), (424, &to_go)]), encrypted("bitlocker-to-go"));
    assert_eq!(with(&[(3, b"ReFS\0\0\0\0"), (16, b"FSRS")]), known("refs"));
    assert_eq!(with(&[(512, b"LABELONE"), (536, b"LVM2 001")]), known("lvm2"));
    assert_eq!(with(&[(0, b"XFSB\0\0\x10\0")]), known("xfs"));
    assert_eq!(with(&[(65_600, b"_BHRfS_M")]), known("btrfs"));
    assert_eq!(with(&[(1024, b"\x10\x20\xf5\xf2")]), known("f2fs"));
    assert_eq!(with(&[(32_769, b"CD001"), (38_913, b"NSR02")]), Recognised::Iso9660 { udf: true });
    assert_eq!(with(&[(32_769, b"BEA01")]), known("udf"));
    assert_eq!(with(&[(3072, b"PRIVHEAD")]), known("ldm"));
    assert_eq!(with(&[(1024, b"BD"), (1148, b"H+")]), known("hfsplus"));
    assert_eq!(with(&[]), Recognised::Nothing);
    let typed = |id| recognise(&Lent(&[0; 4096]), id);
    assert_eq!(typed("0x42"), known("ldm"));
    assert_eq!(typed("e75caf8f-f680-4cee-afa3-b001e56efc2d"), known("storage-spaces"));
    assert_eq!(typed("0x07"), Recognised::Nothing);
}

/// A superblock of Linux RAID, format 1.x, as its kernel header lays it out.
fn raid_1(at: u64, level: u32) -> Vec<u8> {
    let mut block = vec![0; 256 + 2 * 4];
    put(&mut block, 0, &0xA92B_4EFC_u32.to_le_bytes());
    put(&mut block, 4, &1_u32.to_le_bytes());
    put(&mut block, 72, &level.to_le_bytes());
    put(&mut block, 144, &(at / 512).to_le_bytes());
    put(&mut block, 220, &4_u32.to_le_bytes());
    let sum: u64 =
        block.chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap()))).sum();
    put(&mut block, 216, &u32::try_from((sum & 0xFFFF_FFFF) + (sum >> 32)).unwrap().to_le_bytes());
    block
}

#[test]
fn members_of_an_array_are_named_and_a_mirror_is_read() {
    let raid = Recognised::Unsupported("mdraid");
    let ext: (usize, &[u8]) = (1080, &[0x53, 0xEF]);
    assert_eq!(with(&[(4096, &raid_1(4096, 5)), ext]), raid);
    assert_eq!(with(&[(4096, &raid_1(0, 5)), ext]), Recognised::Ext, "it says it is elsewhere");
    let end = (2 << 20) - 8192;
    assert_eq!(with(&[(end, &raid_1(end as u64, 5)), ext]), raid);
    assert_eq!(with(&[(end, &raid_1(end as u64, 1)), ext]), Recognised::Ext);
    assert_eq!(with(&[(end, &raid_1(end as u64, 1))]), raid);
    let old = [0xFC, 0x4E, 0x2B, 0xA9, 0, 0, 0, 0, 90, 0, 0, 0];
    assert_eq!(with(&[((2 << 20) - 65_536, &old), ext]), raid);
}

#[test]
fn only_bytes_that_look_random_everywhere_are_possibly_encrypted() {
    let mut random = Random(3);
    let mut bytes: Vec<u8> = (0..2 << 20).map(|_| random.below(256) as u8).collect();
    assert_eq!(recognise(&Lent(&bytes), ""), Recognised::PossiblyEncrypted);
    assert_eq!(recognise(&Lent(&bytes[..1 << 19]), ""), Recognised::Nothing, "too small to say");
    bytes[4096 * 256..4096 * 257].fill(7);
    assert_eq!(recognise(&Lent(&bytes), ""), Recognised::Nothing);
    assert_eq!(recognise(&Lent(&vec![0; 2 << 20]), ""), Recognised::Nothing);
    let counter: Vec<u8> = (0..2_u32 << 20).map(|n| n as u8).collect();
    assert_eq!(recognise(&Lent(&counter), ""), Recognised::Nothing, "too even to be random");
}

#[test]
fn every_prefix_of_every_signature_is_read_without_a_panic() {
    let mut random = Random(9);
    let mut bytes = vec![0; 70_000];
    for _ in 0..2_000 {
        let at = random.below(8192);
        bytes[at] = random.byte();
        let len = random.below(bytes.len());
        recognise(&Lent(&bytes[..len]), "0x07");
    }
}
