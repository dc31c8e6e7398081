//! Raw images: one file, several, and formats that only look so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, ContainerError, Format, OpenOptions};
use assay::problem::Code;
use assay::sys::{Call, Errno, Fault, Kernel, Seam};

use super::{decode, open, public};

/// Bytes that differ from one another everywhere: the place in them can be told.
fn content(len: usize) -> Vec<u8> {
    (0..len.div_ceil(8) as u64)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(len)
        .collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_raw_image_reads_as_it_is_and_keeps_its_access_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = content(100_000);
    let path = write(folder.path(), "disk.dd", &data);
    assert!(
        crate::support::tool("touch", &["-a", "-d", "2001-02-03", path.to_str().unwrap()])
            .is_some()
    );
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let before = fs::metadata(&path).unwrap();
    let container = open(&link).unwrap();
    assert_eq!(container.facts().format, Format::Raw);
    assert_eq!(container.facts().media_size, 100_000);
    assert!(decode(&container, 7_777) == (data, vec![]));
    assert_eq!(container.changes(), []);
    assert_eq!(fs::metadata(&path).unwrap().atime(), before.atime());
}

#[test]
fn an_image_that_is_written_meanwhile_is_told_and_one_cut_short_is_not_padded() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "disk.dd", &content(10_000));
    let container = open(&path).unwrap();
    fs::write(&path, content(5_000)).unwrap();
    assert_eq!(container.changes()[0].code, Code::ChangedDuringRead);
    assert_eq!(decode(&container, 999).1, [(5_000, 10_000, Code::ChangedDuringRead)]);
}

/// A disk of 64 KiB of which the named sectors fail, seen through faults of the kernel.
#[test]
fn bytes_that_the_drive_does_not_give_are_a_hole_of_whole_sectors() {
    let folder = tempfile::tempdir().unwrap();
    let data = content(65_536);
    let path = write(folder.path(), "disk.dd", &data);
    // Reads 1 and 2 are those that tell the format. Then: the block, its first page, one sector,
    // the next sector, fail; the third sector comes.
    let faults =
        (3..=6).map(|nth| Fault { call: Call::Read, nth, for_ever: false, error: Errno::IO });
    let seam = Arc::new(Seam { faults: faults.collect(), ..Seam::default() });
    let options = OpenOptions { kernel: Kernel::through(seam), ..OpenOptions::default() };
    let container = Container::open(&path, &options).unwrap();
    let mut buf = vec![0; 32_768];
    let error = container.read_at(4_196, &mut buf).unwrap_err();
    let hole = Unreadable::of(&error).unwrap();
    assert_eq!((hole.range.clone(), hole.code), (4_196..5_120, Code::IoError));
    assert_eq!(container.read_at(5_120, &mut buf).unwrap(), 32_768);
    assert!(buf == data[5_120..37_888]);
}

#[test]
fn a_lost_device_is_an_error_and_no_hole() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "disk.dd", &content(65_536));
    let fault = Fault { call: Call::Read, nth: 3, for_ever: true, error: Errno::NODEV };
    let seam = Arc::new(Seam { faults: vec![fault], ..Seam::default() });
    let options = OpenOptions { kernel: Kernel::through(seam), ..OpenOptions::default() };
    let container = Container::open(&path, &options).unwrap();
    let error = container.read_at(0, &mut [0; 100]).unwrap_err();
    assert!(Unreadable::of(&error).is_none());
    assert_eq!(error.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
}

#[test]
fn segments_of_a_split_image_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = content(10_500);
    for names in
        [["d.001", "d.002", "d.003"], ["e.000", "e.001", "e.002"], ["f.aa", "f.ab", "f.ac"]]
    {
        for (name, part) in names.iter().zip(data.chunks(4_096)) {
            write(folder.path(), name, part);
        }
        let container = open(&folder.path().join(names[0])).unwrap();
        assert_eq!(container.facts().format, Format::SplitRaw);
        assert_eq!(container.facts().segments.len(), 3);
        for step in [1_000, 4_096, 100_000] {
            assert!(decode(&container, step) == (data.clone(), vec![]), "{names:?} {step}");
        }
        for middle in &names[1..] {
            let error = open(&folder.path().join(middle)).unwrap_err();
            assert!(
                matches!(&error, ContainerError::NotTheFirst { first, .. } if first.ends_with(names[0])),
                "{error}"
            );
        }
    }
}

#[test]
fn a_gap_between_segments_names_the_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["d.001", "d.002", "d.005", "e.aa", "e.ac", "f.003", "f.004"] {
        write(folder.path(), name, &content(512));
    }
    for (named, gap) in [("d.001", "d.003"), ("e.aa", "e.ab"), ("f.003", "f.002")] {
        let error = open(&folder.path().join(named)).unwrap_err();
        assert!(
            matches!(&error, ContainerError::MissingSegment { missing } if missing.ends_with(gap)),
            "{error}"
        );
    }
}

#[test]
fn a_segment_of_another_size_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, size) in
        [("d.001", 512), ("d.002", 511), ("d.003", 512), ("e.001", 512), ("e.002", 513)]
    {
        write(folder.path(), name, &content(size));
    }
    for (named, wrong) in [("d.001", "d.002"), ("e.001", "e.002")] {
        let error = open(&folder.path().join(named)).unwrap_err();
        assert!(
            matches!(&error, ContainerError::SegmentSize { path, .. } if path.ends_with(wrong)),
            "{error}"
        );
    }
}

#[test]
fn a_lone_file_is_raw_whatever_its_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.001", "b.dd", "c.100", "d.aa"] {
        let path = write(folder.path(), name, &content(512));
        assert_eq!(open(&path).unwrap().facts().format, Format::Raw, "{name}");
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (start, word) in [
        (&b"LVF\x09\x0d\x0a\xff\x00\x01"[..], "L01"),
        (b"EVF2\x0d\x0a\x81\x00", "Ex01"),
        (b"LEF2\x0d\x0a\x81\x00", "Lx01"),
        (b"ADSEGMENTEDFILE\0", "AD1"),
        (b"ADCRYPT\0", "encryption"),
        (b"COWD", "VMDK"),
        (b"encrcdsa", "DMG"),
    ] {
        let path = write(folder.path(), "named.dd", start);
        let error = open(&path).unwrap_err();
        assert!(
            matches!(&error, ContainerError::Unsupported { format, .. } if format.contains(word)),
            "{error}"
        );
    }
    assert!(matches!(open(folder.path()), Err(ContainerError::NotAnImage { .. })));
}

#[test]
fn a_public_image_of_another_format_is_named() {
    let Some(path) = public("hfsplus_zlib.dmg") else { return };
    let error = open(&path).unwrap_err();
    assert!(
        matches!(&error, ContainerError::Unsupported { format, .. } if format.contains("DMG")),
        "{error}"
    );
}

#[test]
fn a_list_of_bad_sectors_is_never_given_as_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "disk.dd", &content(65_536));
    let list = write(folder.path(), "bad.txt", b"# sectors\n10 2\n127 9\n");
    let options = OpenOptions { bad_map: Some(list.clone()), ..OpenOptions::default() };
    let container = Container::open(&path, &options).unwrap();
    let holes = [(5_120, 6_144, Code::BadSectors), (65_024, 65_536, Code::BadSectors)];
    assert_eq!(decode(&container, 4_096).1, holes);
    assert_eq!(decode(&*container.stored(), 4_096).1, []);
    fs::write(&list, b"10 2\nten two\n").unwrap();
    assert!(matches!(
        Container::open(&path, &options),
        Err(ContainerError::BadMap { line: 2, .. })
    ));
}
