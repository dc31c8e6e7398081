//! QCOW2 images that QEMU wrote: every byte as qemu-img gives it, and no path that they name.

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
    for name in ["old.qcow2", "plain.qcow2", "zstd.qcow2", "parts.qcow2"] {
        let path = unpacked(folder.path(), &[name]);
        holds(&path, &medium());
        let container = open(&path).unwrap();
        let facts = container.facts();
        assert_eq!((facts.format, facts.media_size), (Format::Qcow2, 599_552), "{name}");
        let version = if name == "old.qcow2" { "2" } else { "3" };
        assert_eq!(facts.details["version"], version, "{name}");
        let zstd = facts.details["compression"] == "zstd";
        assert_eq!(zstd, name == "zstd.qcow2");
    }
    for name in ["tiny.qcow2", "packed.qcow2", "packed-zstd.qcow2"] {
        holds(&unpacked(folder.path(), &[name]), &small());
    }
}

#[test]
fn internal_snapshots_are_named_and_make_a_run_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let container = open(&unpacked(folder.path(), &["snapshots.qcow2"])).unwrap();
    let [problem] = container.problems() else { panic!("{:?}", container.problems()) };
    assert_eq!(problem.code, Code::ContentNotRead);
    assert!(problem.detail.contains(r"2 internal snapshots (before, \x3dafter)"), "{problem:?}");
    let details = &container.facts().details;
    assert_eq!(
        (&details["snapshots"][..], &details["snapshot_names"][..]),
        ("2", "before, =after")
    );
    let changes = [(1024, b'a', 3000), (0, b'b', 512), (4096, 0, 8192)];
    reads(&container, &written(&small(), 51_200, &changes));
}

#[test]
fn a_backing_file_comes_from_the_operator_alone() {
    let folder = tempfile::tempdir().unwrap();
    let child = unpacked(folder.path(), &["child.qcow2", "plain.qcow2", "old.qcow2"]);
    let error = open(&child).unwrap_err();
    assert!(matches!(error, ContainerError::MissingParent { .. }), "{error}");
    assert!(error.to_string().contains("/etc/shadow"), "{error}");

    let parent = folder.path().join("plain.qcow2");
    let container = open_with(&child, &[&parent]).unwrap();
    assert_eq!(container.problems(), []);
    assert_eq!(container.facts().parents, std::slice::from_ref(&parent));
    assert_eq!(container.facts().segments.len(), 2);
    let expected = written(&medium(), 700_416, &[(1000, b'c', 300), (65_536, 0, 65_536)]);
    reads(&container, &expected);

    // Its own file is no parent, and another format than the stated one is none.
    let error = open_with(&child, &[&child]).unwrap_err();
    assert!(matches!(error, ContainerError::ParentLoop { .. }), "{error}");
    let raw = folder.path().join("raw");
    fs::write(&raw, medium()).unwrap();
    let error = open_with(&child, &[&raw]).unwrap_err();
    assert!(matches!(error, ContainerError::MissingParent { .. }), "{error}");
}

/// Writes another path for the backing file, and no format of it.
fn backed_by(path: &str) -> Vec<u8> {
    let mut image = bytes("child.qcow2");
    let field = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    let (at, extensions) = (field(12), field(100));
    image[extensions..at].fill(0);
    image[at..at + 60].fill(0);
    image[at..at + path.len()].copy_from_slice(path.as_bytes());
    image[16..20].copy_from_slice(&u32::try_from(path.len()).unwrap().to_be_bytes());
    image
}

#[test]
fn no_hostile_backing_path_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child.qcow2");
    unpacked(folder.path(), &["plain.qcow2"]);
    let beside = folder.path().join("plain.qcow2");
    for path in [
        "/etc/shadow",
        r"\\server\share\disk",
        "child.qcow2",
        "plain.qcow2",
        "../../etc/passwd",
        r#"json:{"file.filename":"/etc/passwd"}"#,
        "nbd://127.0.0.1/disk",
        "",
    ] {
        fs::write(&child, backed_by(path)).unwrap();
        let error = open(&child).unwrap_err();
        assert!(matches!(error, ContainerError::MissingParent { .. }), "{path}: {error}");
        let named = open_with(&child, &[&beside]).unwrap();
        assert_eq!(named.facts().segments.len(), 2, "{path}");
    }
}

#[test]
fn what_is_not_read_is_refused_by_name_or_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.qcow2");
    let good = bytes("tiny.qcow2");
    let refused = |at: usize, value: u8| {
        let mut image = good.clone();
        image[at] = value;
        fs::write(&path, image).unwrap();
        open(&path).unwrap_err().to_string()
    };
    assert!(refused(35, 1).contains("AES encryption"));
    assert!(refused(35, 2).contains("LUKS encryption"));
    assert!(refused(79, 4).contains("external data file"));
    assert!(refused(72, 0x80).contains("bit 63"));
    assert!(refused(79, 0x20).contains("bit 5"));
    assert!(refused(7, 1).contains("version 1"));
    assert!(refused(23, 22).contains("byte 20"));
    assert!(refused(24, 0xff).contains("limit"));
}

#[test]
fn an_image_that_is_marked_dirty_or_corrupt_is_read_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.qcow2");
    for (bit, word) in [(1, "not closed"), (2, "corrupt")] {
        let mut image = bytes("tiny.qcow2");
        image[79] = bit;
        fs::write(&path, image).unwrap();
        let container = open(&path).unwrap();
        let [problem] = container.problems() else { panic!("{:?}", container.problems()) };
        assert!(problem.code == Code::ImageDamaged && problem.detail.contains(word), "{problem:?}");
        assert!(decode(&container, 4096).0 == small());
    }
}

#[test]
fn images_that_qemu_makes_now_are_what_qemu_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("medium"), medium()).unwrap();
    for (n, options) in [
        "compat=0.10",
        "compat=0.10,cluster_size=512",
        "compat=1.1,cluster_size=2097152",
        "compat=1.1,preallocation=metadata",
        "compat=1.1,cluster_size=512,refcount_bits=1",
        "compression_type=zstd,cluster_size=2097152",
        "extended_l2=on,cluster_size=2097152",
    ]
    .iter()
    .enumerate()
    {
        for packed in [true, false] {
            if packed && options.contains("preallocation") {
                continue;
            }
            let image = at(&format!("{n}{packed}.qcow2"));
            let mut arguments = vec!["convert", "-f", "raw", "-O", "qcow2", "-o", options];
            if packed {
                arguments.push("-c");
            }
            let (source, target) = (at("medium"), image.clone());
            arguments.extend([&source[..], &target[..]]);
            let Some(()) = qemu("qemu-img", &arguments) else { return };
            holds(image.as_ref(), &medium());
        }
    }
    // Overwritten parts of clusters over a raw parent, in an image with parts.
    let (child, parent) = (at("child.qcow2"), at("medium"));
    let options = "extended_l2=on,cluster_size=65536";
    let create = ["create", "-q", "-f", "qcow2", "-b", &parent, "-F", "raw", "-o", options, &child];
    qemu("qemu-img", &create).unwrap();
    let writes = ["write -P 7 3000 5000", "write -z 60000 9000", "discard 300000 70000"];
    let mut arguments = vec!["-f", "qcow2"];
    arguments.extend(writes.iter().flat_map(|write| ["-c", write]));
    arguments.push(&child);
    qemu("qemu-io", &arguments).unwrap();
    let container = open_with(child.as_ref(), &[parent.as_ref()]).unwrap();
    reads(&container, &converted(child.as_ref()).unwrap());
}

#[test]
fn a_chain_of_three_is_found_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (base, middle, top) = (at("base.qcow2"), at("middle.qcow2"), at("top.qcow2"));
    unpacked(folder.path(), &["tiny.qcow2"]);
    fs::rename(at("tiny.qcow2"), &base).unwrap();
    for (child, parent, write) in
        [(&middle, &base, "write -P 1 100 700"), (&top, &middle, "write -P 2 500 40000")]
    {
        let create = ["create", "-q", "-f", "qcow2", "-b", parent, "-F", "qcow2", child];
        let Some(()) = qemu("qemu-img", &create) else { return };
        qemu("qemu-io", &["-f", "qcow2", "-c", write, child]).unwrap();
    }
    let expected = converted(top.as_ref()).unwrap();
    for parents in [[&base, &middle], [&middle, &base]] {
        let parents = parents.map(Path::new);
        let container = open_with(top.as_ref(), &parents).unwrap();
        reads(&container, &expected);
    }
    let error = open_with(top.as_ref(), &[middle.as_ref()]).unwrap_err();
    assert!(matches!(
        error,
        ContainerError::ParentLoop { .. } | ContainerError::MissingParent { .. }
    ));
}

#[test]
fn public_images_are_what_qemu_says() {
    for name in ["ext2.qcow2", "windows_volume.qcow2"] {
        let Some(path) = public(name) else { return };
        let Some(expected) = converted(&path) else { return };
        holds(&path, &expected);
    }
}

#[test]
fn every_prefix_is_an_error_or_gives_no_wrong_byte() {
    every_prefix("tiny.qcow2", 97, &small());
    every_prefix("packed.qcow2", 97, &small());
    every_prefix("packed-zstd.qcow2", 97, &small());
}

#[test]
fn mutations_never_panic() {
    let (mut opened, mut holed) = (0, 0);
    for (name, structures) in [
        ("tiny.qcow2", vec![(0, 600), (1024, 2600)]),
        ("packed.qcow2", vec![(0, 120), (0, 5200)]),
        ("packed-zstd.qcow2", vec![(0, 120), (4096, 23_000)]),
        ("snapshots.qcow2", vec![(0, 120), (1024, 48_000)]),
    ] {
        let (o, h) = mutations(name, 2_500, &structures);
        (opened, holed) = (opened + o, holed + h);
    }
    assert!(opened > 1_000 && holed > 100, "{opened} {holed}");
}

#[test]
fn a_table_that_is_lost_costs_its_own_bytes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.qcow2");
    let mut image = bytes("tiny.qcow2");
    let field = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(field(40)).unwrap();
    image[l1 + 8 + 7] = 3; // the second of two: clusters 64 to 99
    fs::write(&path, &image).unwrap();
    let (bytes, holes, _) = seen(&path, &[]).unwrap();
    assert_eq!(holes, [(32_768, 51_200, Code::ImageDamaged)]);
    assert!(bytes[..32_768] == small()[..32_768]);
}
