//! gzip and zip around a list, written by Python's own libraries.

use super::{A, B, assert_no_value, md5s, options, pool};
use assay::hashset::{ReferenceSet, SetError, load};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

/// Writes a zip with Python; `script` is what is done with the open archive `z`.
fn zip(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("list.zip");
    let code = format!(
        "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n {script}"
    );
    let done = Command::new("python3").args(["-c", &code]).arg(&path).status().unwrap();
    assert!(done.success());
    path
}

fn read(path: &Path) -> Result<ReferenceSet, SetError> {
    let read = load(&options(path), pool());
    if let Err(error) = &read {
        assert_no_value(error, format!("{A} {B}").as_bytes());
    }
    read
}

#[test]
fn a_packed_list_is_the_list_inside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known.txt.gz");
    let vics = format!("{{\"value\":[{{\"MD5\":\"{A}\"}},{{\"MD5\":\"{B}\"}}]}}");
    for (list, format) in [(format!("{A}\n{B}\n"), "plain, gzip"), (vics.clone(), "vics, gzip")] {
        // Two members one after the other are one file.
        let (first, second) = list.as_bytes().split_at(20);
        std::fs::write(&path, [gzip(first), gzip(second)].concat()).unwrap();
        let set = read(&path).unwrap();
        assert_eq!((md5s(&set), &*set.info.format), (vec![A.into(), B.into()], format));
        let raw = std::fs::read(&path).unwrap();
        assert_eq!(set.info.sha256, assay::digest::Digest::sha256(&[&raw]).to_string());
    }
    for (script, format) in [
        (format!("z.writestr('d/', ''); z.writestr('d/list.txt', '{A}\\n{B}\\n')"), "plain, zip"),
        (
            format!("z.writestr('a.json', '{vics}'); z.writestr('__MACOSX/._a.json', 'x')"),
            "vics, zip",
        ),
        (format!("z.writestr('a', '{A}\\n{B}', compress_type=zipfile.ZIP_STORED)"), "plain, zip"),
        (
            format!("f = z.open('a', 'w', force_zip64=True); f.write(b'{A}\\n{B}'); f.close()"),
            "plain, zip",
        ),
    ] {
        let path = zip(folder.path(), &script);
        let set = read(&path).unwrap();
        assert_eq!((md5s(&set), &*set.info.format), (vec![A.into(), B.into()], format), "{script}");
    }
}

#[test]
fn a_place_in_a_packed_list_names_the_list_inside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known.txt.gz");
    std::fs::write(&path, gzip(format!("{A}\n{B}0\n").as_bytes())).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("known.txt.gz!/known.txt: line 2, byte 33"), "{error}");
    let path = zip(folder.path(), &format!("z.writestr('d/x.txt', '{A}\\n{B}0\\n')"));
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("list.zip!/d/x.txt: line 2, byte 33"), "{error}");
}

#[test]
fn a_zip_of_several_lists_names_them_and_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (script, says) in [
        ("z.writestr('a.txt', 'x'); z.writestr('b.txt', 'y')", "2 files (a.txt, b.txt)"),
        ("[z.writestr(f'{n:02}', '') for n in range(12)]", "12 files (00, 01"),
        ("z.writestr('d/', '')", "without a file"),
    ] {
        let error = read(&zip(folder.path(), script)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn every_prefix_of_a_package_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("{A}\n{B}\n");
    let path = folder.path().join("known.gz");
    let zip = std::fs::read(zip(folder.path(), &format!("z.writestr('a', '''{list}''')"))).unwrap();
    for whole in [gzip(list.as_bytes()), zip] {
        for end in 3..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read(&path).is_err(), "{end} of {}", whole.len());
        }
    }
}

#[test]
fn a_changed_byte_of_a_package_is_never_another_list() {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("{A}\n{B}\n");
    let path = folder.path().join("known.gz");
    let zip = std::fs::read(zip(folder.path(), &format!("z.writestr('a', '''{list}''')"))).unwrap();
    for whole in [gzip(list.as_bytes()), zip] {
        for at in 4..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&path, &changed).unwrap();
            // Times and comments may change; the list may not.
            if let Ok(set) = read(&path) {
                assert_eq!(md5s(&set), [A, B], "byte {at}");
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_while_it_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.gz");
    std::fs::write(&path, gzip(&vec![b'a'; 200 << 20])).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("for each packed byte"), "{error}");
    let path = folder.path().join("after.gz");
    std::fs::write(&path, [gzip(A.as_bytes()), b"more than a header".to_vec()].concat()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("followed by something else"));
}
