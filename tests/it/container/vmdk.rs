//! VMDK images that QEMU wrote, and two of our own that QEMU reads: every byte, and no path.

use std::fs;
use std::path::Path;

use assay::evidence::container::{ContainerError, Format};
use assay::problem::Code;

use super::virtual_disk::{
    bytes, converted, every_prefix, holds, medium, mutations, open_with, qemu, reads, seen, small,
    unpacked, written,
};
use super::{decode, open, public};

#[test]
fn every_golden_image_gives_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    for (names, kind) in [
        (&["sparse.vmdk"][..], "monolithicSparse"),
        (&["stream.vmdk"], "streamOptimized"),
        (&["split.vmdk", "split-s001.vmdk"], "twoGbMaxExtentSparse"),
        (&["flat.vmdk", "flat-flat.vmdk"], "monolithicFlat"),
    ] {
        let path = unpacked(folder.path(), names);
        holds(&path, &medium());
        let container = open(&path).unwrap();
        assert_eq!(container.facts().format, Format::Vmdk);
        assert_eq!(container.facts().details["create_type"], kind);
        assert_eq!(container.facts().segments.len(), names.len());
    }
    for name in ["tiny.vmdk", "tiny-stream.vmdk"] {
        holds(&unpacked(folder.path(), &[name]), &small());
    }
}

#[test]
fn an_extent_alone_and_a_missing_extent_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let extent = unpacked(folder.path(), &["split-s001.vmdk"]);
    let error = open(&extent).unwrap_err();
    assert!(matches!(error, ContainerError::NotTheFirst { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = open(&unpacked(folder.path(), &["flat.vmdk"])).unwrap_err();
    assert!(
        matches!(&error, ContainerError::MissingSegment { missing } if missing.ends_with("flat-flat.vmdk")),
        "{error}"
    );
}

#[test]
fn a_renamed_image_in_one_file_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exhibit 7");
    fs::write(&path, bytes("tiny.vmdk")).unwrap();
    holds(&path, &small());
}

/// Writes a descriptor with these extents.
fn descriptor(folder: &Path, extents: &str) -> std::path::PathBuf {
    let path = folder.join("disk.vmdk");
    let head = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n";
    fs::write(&path, format!("{head}createType=\"custom\"\n{extents}")).unwrap();
    path
}

#[test]
fn extents_of_every_kind_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    unpacked(folder.path(), &["tiny.vmdk", "tiny-stream.vmdk"]);
    let flat: Vec<u8> = (0..20_u8).flat_map(|n| [n; 512]).collect();
    fs::write(folder.path().join("a b.raw"), &flat).unwrap();
    let extents = "RW 100 SPARSE \"tiny.vmdk\"\nRW 9 FLAT \"a b.raw\" 3\nRW 7 ZERO\n\
        RDONLY 100 SPARSE \"tiny-stream.vmdk\"\nRW 1 VMFS \"a b.raw\"\n";
    let path = descriptor(folder.path(), extents);
    let parts = [&small()[..], &flat[1536..6144], &[0; 3584], &small(), &flat[..512]];
    holds(&path, &parts.concat());
}

#[test]
fn an_extent_at_a_path_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "/etc/shadow",
        "../x.raw",
        r"\\server\share\x.raw",
        r"\\.\PhysicalDrive0",
        r"C:\x.raw",
        "C:x.raw",
        "..",
        ".",
        "",
    ] {
        let path = descriptor(folder.path(), &format!("RW 1 FLAT \"{name}\" 0\n"));
        let error = open(&path).unwrap_err();
        assert!(matches!(error, ContainerError::Feature { .. }), "{name}: {error}");
    }
    for kind in ["VMFSSPARSE", "SESPARSE", "VMFSRDM", "VMFSRAW", "\u{1b}[2J"] {
        let path = descriptor(folder.path(), &format!("RW 1 {kind} \"x.raw\"\n"));
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("kind") && !error.contains('\u{1b}'), "{error}");
    }
    let path = descriptor(folder.path(), "RW 36028797018963968 ZERO\n");
    assert!(matches!(open(&path), Err(ContainerError::TooLarge { .. })));
}

#[test]
fn a_flat_extent_that_is_too_short_is_told_and_never_filled_up() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.raw"), [1; 1000]).unwrap();
    let path = descriptor(folder.path(), "RW 4 FLAT \"x.raw\" 0\nRW 1 ZERO\n");
    let container = open(&path).unwrap();
    assert_eq!(container.problems().len(), 1);
    let (bytes, holes) = decode(&container, 512);
    assert_eq!(holes, [(1000, 2048, Code::ImageDamaged)]);
    assert!(bytes[..1000].iter().all(|byte| *byte == 1));
}

#[test]
fn a_parent_must_have_the_stated_identifier() {
    let folder = tempfile::tempdir().unwrap();
    let child = unpacked(folder.path(), &["child.vmdk", "sparse.vmdk", "tiny.vmdk"]);
    let expected = written(&medium(), 599_552, &[(1000, b'c', 300)]);
    holds(&child, &expected);
    // Elsewhere only what is named counts, and only the right image does.
    let parent = folder.path().join("moved");
    fs::rename(folder.path().join("sparse.vmdk"), &parent).unwrap();
    let error = open(&child).unwrap_err();
    assert!(matches!(error, ContainerError::MissingParent { .. }), "{error}");
    let other = folder.path().join("tiny.vmdk");
    assert!(matches!(open_with(&child, &[&other]), Err(ContainerError::MissingParent { .. })));
    reads(&open_with(&child, &[&other, &parent]).unwrap(), &expected);
    // The right name and another state of the parent.
    fs::copy(&other, folder.path().join("sparse.vmdk")).unwrap();
    let error = open(&child).unwrap_err().to_string();
    assert!(error.contains("another image"), "{error}");
}

#[test]
fn no_hostile_path_of_a_parent_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.vmdk");
    let bait = folder.path().join("bait");
    fs::write(&bait, "# Disk DescriptorFile\nCID=7\nparentCID=ffffffff\nRW 1 ZERO\n").unwrap();
    let child = |hint: &str| {
        let text = "# Disk DescriptorFile\nCID=7\nparentCID=7\nRW 1 ZERO\n";
        fs::write(&path, format!("{text}parentFileNameHint=\"{hint}\"\n")).unwrap();
        open(&path).unwrap_err()
    };
    for hint in ["/etc/shadow", r"\\server\share\x", "../x", "", "..", r#"json:{"file":"bait"}"#] {
        let error = child(hint);
        assert!(matches!(error, ContainerError::MissingParent { .. }), "{hint}: {error}");
        assert!(error.to_string().contains("00000007"), "{error}");
    }
    assert!(matches!(child("/vm/disk.vmdk"), ContainerError::ParentLoop { .. }));
    assert!(open_with(&path, &[&bait]).is_ok());
}

#[test]
fn images_that_qemu_makes_now_are_what_qemu_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("medium"), medium()).unwrap();
    for kind in [
        "monolithicSparse",
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
        "streamOptimized",
    ] {
        let image = at(&format!("{kind}.vmdk"));
        let options = format!("subformat={kind}");
        let (source, target) = (at("medium"), image.clone());
        let convert = ["convert", "-f", "raw", "-O", "vmdk", "-o", &options, &source, &target];
        let Some(()) = qemu("qemu-img", &convert) else { return };
        holds(image.as_ref(), &medium());
    }
    let image = at("zeroed.vmdk");
    let options = ["create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", &image, "1000000"];
    qemu("qemu-img", &options).unwrap();
    let writes = ["write -P 7 3000 200000", "write -z 65536 65536", "write -P 8 999000 1000"];
    let mut arguments = vec!["-f", "vmdk"];
    arguments.extend(writes.iter().flat_map(|write| ["-c", write]));
    arguments.push(&image);
    qemu("qemu-io", &arguments).unwrap();
    let container = open(image.as_ref()).unwrap();
    assert_eq!(container.problems(), []);
    reads(&container, &converted(image.as_ref()).unwrap());
}

#[test]
fn a_public_image_is_what_qemu_says() {
    let Some(path) = public("ext2.vmdk") else { return };
    let Some(expected) = converted(&path) else { return };
    holds(&path, &expected);
}

/// The image after a change of `tiny.vmdk`: its directory is sector 8, its table 9; the copies are
/// 3 and 4.
fn changed(change: impl Fn(&mut Vec<u8>)) -> (Vec<u8>, Vec<(u64, u64, Code)>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.vmdk");
    let mut image = bytes("tiny.vmdk");
    change(&mut image);
    fs::write(&path, image).unwrap();
    seen(&path, &[]).unwrap()
}

#[test]
fn a_damaged_directory_or_table_is_replaced_by_its_copy() {
    for (at, problems) in [(8 * 512 + 3, 1), (9 * 512 + 3, 1), (3 * 512 + 3, 1), (4 * 512 + 3, 1)] {
        let (bytes, holes, told) = changed(|image| image[at] = 0x7f);
        assert!(bytes == small() && holes.is_empty(), "{at}: {holes:?}");
        assert!(told >= problems || at / 512 == 3, "{at}: nothing told");
    }
}

#[test]
fn sectors_that_the_descriptor_gives_and_the_extent_has_not_are_a_hole() {
    let (bytes, holes, told) = changed(|image| {
        let at = image.windows(7).position(|text| text == b"RW 100 ").unwrap();
        image[at..at + 7].copy_from_slice(b"RW 101 ");
    });
    assert_eq!((holes, told), (vec![(51_200, 51_712, Code::ImageDamaged)], 1));
    assert!(bytes[..51_200] == small());
}

#[test]
fn a_grain_about_which_the_copies_disagree_is_not_given() {
    let (bytes, holes, told) = changed(|image| image[9 * 512] += 8);
    assert_eq!((holes, told), (vec![(0, 4096, Code::ImageDamaged)], 1));
    assert!(bytes[4096..] == small()[4096..]);
    // A copy that was never filled is no copy.
    let (bytes, holes, told) = changed(|image| image[3 * 512..4 * 512].fill(0));
    assert!(bytes == small() && holes.is_empty() && told == 1);
}

#[test]
fn a_compressed_grain_with_a_wrong_marker_or_byte_is_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.vmdk");
    for at in [16 * 512, 16 * 512 + 30, 16 * 512 + 100] {
        let mut image = bytes("tiny-stream.vmdk");
        image[at] ^= 1;
        fs::write(&path, image).unwrap();
        let (bytes, holes, _) = seen(&path, &[]).unwrap();
        assert_eq!(holes, [(0, 4096, Code::ImageDamaged)], "{at}");
        assert!(bytes[4096..] == small()[4096..]);
    }
}

#[test]
fn every_prefix_is_an_error_or_gives_no_wrong_byte() {
    every_prefix("tiny.vmdk", 97, &small());
    every_prefix("tiny-stream.vmdk", 97, &small());
}

#[test]
fn mutations_never_panic() {
    let (mut opened, mut holed) = (0, 0);
    let stream = bytes("tiny-stream.vmdk").len();
    for (name, structures) in [
        ("tiny.vmdk", vec![(0, 80), (512, 700), (3 * 512, 3 * 512 + 8), (4 * 512, 14 * 512)]),
        ("tiny-stream.vmdk", vec![(0, 80), (512, 700), (16 * 512, stream)]),
    ] {
        let (o, h) = mutations(name, 5_000, &structures);
        (opened, holed) = (opened + o, holed + h);
    }
    assert!(opened > 1_000 && holed > 100, "{opened} {holed}");
}
