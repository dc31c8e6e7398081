//! VHD and VHDX, whole: our own images, those that `qemu-img` writes, public ones, chains of parents.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay::bytes::ReadAt as _;
use assay::digest::{Algorithm, Hasher, Selection};
use assay::evidence::container::{Container, ContainerError, Format, OpenOptions};

use super::{decode, open, public};

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

/// Puts golden images into a folder.
pub(super) fn unpack(folder: &Path, names: &[&str]) -> PathBuf {
    for name in names {
        let packed = fs::read(images().join(format!("{name}.gz"))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder.join(names[0])
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    hasher.update(bytes);
    hasher.finish().get(Algorithm::Sha256).unwrap().to_string()
}

/// The medium of an image, which must be the one that make-images-vhd.py put into it.
pub(super) fn medium(path: &Path) -> Vec<u8> {
    let container = open(path).unwrap();
    assert_eq!(container.problems(), [], "{path:?}");
    let (bytes, holes) = decode(&container, 100_000);
    assert_eq!(holes, []);
    let name = path.file_name().unwrap().to_str().unwrap();
    let line = format!("{name} {} {}", bytes.len(), sha256(&bytes));
    let sums = fs::read_to_string(images().join("vhd.sums")).unwrap();
    assert!(sums.lines().any(|known| known == line), "{line}");
    bytes
}

fn detail(container: &Container, name: &str) -> String {
    container.facts().details.get(name).cloned().unwrap_or_default()
}

#[test]
fn golden_images_give_what_was_put_into_them() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format, kind, block_size) in [
        ("fixed.vhd", Format::Vhd, "fixed", ""),
        ("dynamic.vhd", Format::Vhd, "dynamic", "4096"),
        ("dynamic.vhdx", Format::Vhdx, "dynamic", "1048576"),
        ("log.vhdx", Format::Vhdx, "dynamic", "1048576"),
        ("log-around.vhdx", Format::Vhdx, "dynamic", "1048576"),
    ] {
        let path = unpack(folder.path(), &[name]);
        let whole = medium(&path);
        let container = open(&path).unwrap();
        assert!(decode(&container, 777).0 == whole, "{name}");
        let facts = container.facts();
        assert_eq!((facts.format, facts.sector_size), (format, 512), "{name}");
        assert_eq!(detail(&container, "type"), kind, "{name}");
        assert_eq!(detail(&container, "block_size"), block_size, "{name}");
        assert!(detail(&container, "creator").ends_with("test"), "{name}");
        let replayed = if name.starts_with("log") { "3" } else { "" };
        assert_eq!(detail(&container, "log_entries_replayed_in_memory"), replayed, "{name}");
    }
}

#[test]
fn an_image_is_never_written_though_its_log_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpack(folder.path(), &["log.vhdx"]);
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    medium(&path);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn parents_beside_the_image_are_found_and_are_segments_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for (names, depth) in [
        (&["grandchild.vhd", "child.vhd", "base.vhd"][..], 2),
        (&["child-512.vhdx", "base-512.vhdx"], 1),
        (&["child-4096.vhdx", "base-4096.vhdx"], 1),
    ] {
        let path = unpack(folder.path(), names);
        let whole = medium(&path);
        let container = open(&path).unwrap();
        for step in [511, 65_536, 1 << 22] {
            assert!(decode(&container, step).0 == whole, "{path:?} {step}");
        }
        assert_eq!(detail(&container, "type"), "differencing");
        assert_eq!(container.facts().segments.len(), depth + 1);
        let parents: Vec<_> = names[1..].iter().map(|name| folder.path().join(name)).collect();
        assert_eq!(container.facts().parents, parents);
        fs::write(&parents[0], b"").unwrap();
        assert_eq!(container.changes().len(), 1, "{path:?}");
    }
}

#[test]
fn a_parent_elsewhere_is_named_by_the_operator_and_a_missing_one_by_us() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, parent) in [("child.vhd", "base.vhd"), ("child-512.vhdx", "base-512.vhdx")] {
        let path = unpack(folder.path(), &[name]);
        let beside = unpack(other.path(), &[parent]);
        let whole = {
            let copy = unpack(other.path(), &[name]);
            medium(&copy)
        };
        let error = open(&path).unwrap_err();
        assert!(matches!(&error, ContainerError::MissingParent { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains(parent) && told.contains("--parent"), "{told}");
        // A file of the name that is another image is not taken, nor is one named by mistake.
        fs::copy(&path, folder.path().join(parent)).unwrap();
        fs::write(folder.path().join(parent), b"no image").unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("another image"));
        let parents = vec![folder.path().join(parent), beside.clone()];
        let options = OpenOptions { parents, ..OpenOptions::default() };
        let container = Container::open(&path, &options).unwrap();
        assert!(decode(&container, 65_536) == (whole, vec![]));
        assert_eq!(container.facts().parents, [beside]);
    }
}

#[test]
fn a_chain_that_leads_back_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpack(folder.path(), &["child.vhd"]);
    // The identifier of the parent becomes the image's own; sums are made to hold.
    let mut bytes = fs::read(&path).unwrap();
    let id: Vec<u8> = bytes[68..84].to_vec();
    bytes[512 + 40..512 + 56].copy_from_slice(&id);
    super::vhd_damage::seal_be(&mut bytes[512..1536], 36);
    fs::write(&path, &bytes).unwrap();
    fs::hard_link(&path, folder.path().join("base.vhd")).unwrap();
    assert!(matches!(open(&path), Err(ContainerError::ParentLoop { .. })));
}

/// A medium with stretches of zeros, whose last bytes are no whole block.
fn varied(len: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let word = |n: usize| {
        if n / 40_000 % 3 == 1 {
            return [0; 8];
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n as u64);
        state.to_be_bytes()
    };
    (0..len / 8).flat_map(word).collect()
}

/// A dynamic image with the check sums of its footers and header made to hold.
fn with_sums(mut image: Vec<u8>) -> Vec<u8> {
    let end = image.len() - 512;
    for (at, len, sum_at) in [(0, 512, 64), (512, 1024, 36), (end, 512, 64)] {
        let part = &mut image[at..at + len];
        part[sum_at..sum_at + 4].fill(0);
        let sum = !part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        part[sum_at..sum_at + 4].copy_from_slice(&sum.to_be_bytes());
    }
    image
}

fn qemu_img(arguments: &[&str]) -> Option<()> {
    let output = crate::support::tool("qemu-img", arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[test]
fn images_that_qemu_img_writes_are_read_as_qemu_img_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, back) = (folder.path().join("raw"), folder.path().join("back"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (len, round) in [(5 << 20, 0), ((9 << 20) + 4_608, 1), (17 << 10, 2)] {
        fs::write(&raw, varied(len)).unwrap();
        for (format, options) in [
            ("vpc", "subformat=dynamic"),
            ("vpc", "subformat=fixed"),
            ("vpc", "subformat=dynamic,force_size=on"),
            ("vpc", "subformat=fixed,force_size=on"),
            ("vhdx", "subformat=dynamic,block_size=1M"),
            ("vhdx", "subformat=dynamic"),
            ("vhdx", "subformat=fixed,block_size=2M"),
        ] {
            let image = folder.path().join(format!("{round}.{format}"));
            let (from, to) = (text(&raw), text(&image));
            let arguments = ["convert", "-f", "raw", "-O", format, "-o", options, &from, &to];
            if qemu_img(&arguments).is_none() {
                return;
            }
            let arguments = ["convert", "-f", format, "-O", "raw", &to, &text(&back)];
            qemu_img(&arguments).unwrap();
            let container = open(&image).unwrap();
            assert_eq!(container.problems(), [], "{format} {options} {len}");
            let (bytes, holes) = decode(&container, 1 << 20);
            assert_eq!(holes, []);
            assert!(bytes == fs::read(&back).unwrap(), "{format} {options} {len}");
        }
    }
}

/// QEMU does not hold a sequence of entries against its tail, and so misreads one that goes around
/// the end of the log; the medium of `log-around.vhdx` is the same as this one's.
#[test]
fn what_qemu_img_makes_of_a_log_is_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpack(folder.path(), &["log.vhdx"]);
    let whole = medium(&path);
    if qemu_img(&["check", "-q", "-r", "all", path.to_str().unwrap()]).is_none() {
        return;
    }
    let container = open(&path).unwrap();
    assert_eq!(detail(&container, "log_entries_replayed_in_memory"), "");
    assert!(decode(&container, 1 << 20) == (whole, vec![]));
}

#[test]
fn public_images_are_read_with_their_parents_or_name_them() {
    let Some(image) = public("image.vhd") else { return };
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("image-differential.vhd");
    fs::copy(public("image-differential.vhd").unwrap(), &child).unwrap();
    let error = open(&child).unwrap_err().to_string();
    assert!(error.contains("image.vhd") && error.contains("--parent"), "{error}");
    fs::copy(&image, folder.path().join("image.vhd")).unwrap();
    let container = open(&child).unwrap();
    // Whoever made the pair gave both an identifier and no new check sums.
    let told: Vec<_> = container.problems().iter().map(|one| one.detail.as_str()).collect();
    let has = |what: &str| told.iter().any(|one| one.contains(what));
    assert!(has("both are the same") && has("header of the table of blocks"), "{told:?}");
    assert_eq!(container.facts().parents.len(), 1);
    assert_eq!(decode(&container, 65_536).1, []);
    let error = open(&public("fat-differential.vhd").unwrap()).unwrap_err();
    assert!(
        matches!(&error, ContainerError::MissingParent { wanted, .. }
        if wanted.contains("fat-parent.vhd")),
        "{error}"
    );
    for name in ["ext2.vhd", "image.vhd"] {
        let path = public(name).unwrap();
        let back = folder.path().join("back");
        let container = open(&path).unwrap();
        let bytes = decode(&container, 1 << 20);
        // The other program refuses sums that do not hold.
        let sealed = folder.path().join("sealed.vhd");
        fs::write(&sealed, with_sums(fs::read(&path).unwrap())).unwrap();
        let (from, to) = (sealed.to_str().unwrap(), back.to_str().unwrap());
        if qemu_img(&["convert", "-f", "vpc", "-O", "raw", from, to]).is_none() {
            return;
        }
        assert!(bytes == (fs::read(&back).unwrap(), vec![]), "{name}");
    }
}

#[test]
fn reads_at_every_place_agree_and_end_where_the_medium_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpack(folder.path(), &["grandchild.vhd", "child.vhd", "base.vhd"]);
    let (whole, container) = (medium(&path), open(&path).unwrap());
    for at in (0..whole.len() + 2_000).step_by(997) {
        for len in [1, 700, 40_000] {
            let mut buf = vec![1; len];
            let n = container.read_at(at as u64, &mut buf).unwrap();
            let rest = whole.get(at..).unwrap_or_default();
            assert!(buf[..n] == rest[..rest.len().min(len)], "{at} {len}");
        }
    }
}
