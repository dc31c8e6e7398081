//! Files that were cut, edited or forged.

use super::{build, mixed, pool};
use assay::hashset::compiled::{Access, CompiledSet, Fault, is_compiled};
use assay::hashset::{SetError, compiled_kind};

fn small() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ahs");
    build(&path, &mixed(12));
    std::fs::read(path).unwrap()
}

/// Opens and verifies; what is wrong where.
fn check(bytes: &[u8]) -> Result<(), String> {
    let set = CompiledSet::from_bytes(bytes.to_vec()).map_err(|fault| fault.to_string())?;
    set.verify(&pool(1)).map_err(|error| error.to_string())
}

#[test]
fn every_prefix_is_refused() {
    let file = small();
    check(&file).unwrap();
    for len in 0..file.len() {
        assert!(CompiledSet::from_bytes(file[..len].to_vec()).is_err(), "{len}");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(CompiledSet::from_bytes(longer).is_err());
}

#[test]
fn every_flipped_byte_is_refused() {
    let mut file = small();
    for at in 0..file.len() {
        file[at] ^= 1 << (at % 8);
        let told = check(&file).expect_err(&format!("byte {at} of {} does not count", file.len()));
        assert!(told.contains("byte "), "{told}");
        file[at] ^= 1 << (at % 8);
    }
    check(&file).unwrap();
}

/// Puts the header's digest right after a change.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let header = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    let root = *blake3::hash(&file[..header - 32]).as_bytes();
    file[header - 32..header].copy_from_slice(&root);
    file
}

fn refused(file: Vec<u8>) -> Fault {
    CompiledSet::from_bytes(file).unwrap_err()
}

#[test]
fn another_version_is_named() {
    let mut file = small();
    file[8] = 2;
    let fault = refused(sealed(file));
    assert_eq!(fault.to_string(), "byte 8: version 2; this program reads version 1");
}

#[test]
fn sections_that_overlap_or_reach_out_of_the_file_are_refused() {
    let file = small();
    // The second section of the directory: its offset, then its length.
    for (field, value) in [
        (32 + 64 + 8, 0_u64),
        (32 + 64 + 8, 64),
        (32 + 64 + 8, u64::MAX),
        (32 + 64 + 8, u64::MAX - 63),
        (32 + 64 + 16, 0),
        (32 + 64 + 16, 1 << 40),
        (32 + 64 + 16, u64::MAX),
        (32 + 64 + 24, 0),
        (32 + 8, 4096),
    ] {
        let mut file = file.clone();
        file[field..field + 8].copy_from_slice(&value.to_le_bytes());
        if field == 32 + 64 + 24 {
            continue; // items of a table are told by the description
        }
        let fault = refused(sealed(file));
        assert!(!fault.detail.contains("BLAKE3"), "{field} {value}: {fault}");
    }
    let mut twice = file.clone();
    let first: Vec<u8> = twice[32..40].to_vec();
    twice[96..104].copy_from_slice(&first);
    assert!(refused(sealed(twice)).detail.contains("more than once"));
}

#[test]
fn a_message_names_the_file_and_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ahs");
    let mut file = small();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    std::fs::write(&path, &file).unwrap();
    assert!(is_compiled(&path).unwrap());
    let set = CompiledSet::open(&path, Access::Mapped).unwrap();
    let error = set.verify(&pool(2)).unwrap_err();
    assert!(matches!(error, SetError::Compiled { .. }));
    let told = error.to_string();
    assert!(
        told.contains("set.ahs") && told.contains("byte ") && told.contains("section"),
        "{told}"
    );
    std::fs::write(&path, &file[..100]).unwrap();
    let told = compiled_kind(&path).unwrap_err().to_string();
    assert!(told.contains("set.ahs") && told.contains("byte 16"), "{told}");
}
