//! VHD and VHDX that were changed or cut: never a panic, and where a check sum covers what was
//! changed, no other byte than the medium's.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, ContainerError};
use assay::problem::Code;

use super::vhd::{medium, unpack};
use super::{decode, open};

/// Makes the sum of a VHD's structure hold.
pub(super) fn seal_be(block: &mut [u8], at: usize) {
    block[at..at + 4].fill(0);
    let sum = !block.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    block[at..at + 4].copy_from_slice(&sum.to_be_bytes());
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Makes the sum of a VHDX's structure hold.
fn seal_le(block: &mut [u8]) {
    block[4..8].fill(0);
    let sum = crc32c(block);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}

fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ (z >> 27)) >> 16) as usize
}

/// A byte as a damaged or hostile image may have it.
fn other(byte: u8, state: &mut u64) -> u8 {
    match random(state) % 5 {
        0 => 0,
        1 => 0xff,
        2 => byte ^ 1 << (random(state) % 8),
        3 => byte.wrapping_add(1),
        _ => (random(state) % 256) as u8,
    }
}

/// Reads some places; what cannot be read must say so and name bytes that were asked for.
fn touch(container: &Container, state: &mut u64) {
    let len = container.facts().media_size;
    let mut buf = vec![0; 9_000];
    for n in 0..8 {
        let at = if n == 0 { 0 } else { random(state) as u64 % len.clamp(1, 6 << 20) };
        match container.read_at(at, &mut buf) {
            Ok(n) => assert!(n > 0 || at >= len),
            Err(error) => {
                let hole = Unreadable::of(&error).unwrap_or_else(|| panic!("{error}"));
                assert!(hole.range.contains(&at) && hole.range.end <= len, "{at} {hole:?}");
            }
        }
    }
}

#[test]
fn a_changed_byte_under_a_sum_is_told_and_changes_no_byte_of_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    for (names, summed) in [
        (&["dynamic.vhd"][..], vec![0..512, 512..1_536]),
        (&["child.vhd", "base.vhd"], vec![0..512, 512..1_536]),
        (&["dynamic.vhdx"], vec![65_536..69_632, 131_072..135_168, 196_608..197_632]),
        (&["log.vhdx"], vec![65_536..69_632, 262_144..263_168]),
    ] {
        let path = unpack(folder.path(), names);
        let good = medium(&path);
        let file = fs::OpenOptions::new().write(true).read(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        let ends = path.extension().is_some_and(|end| end == "vhd").then(|| len - 512..len);
        let mut state = 5;
        for range in summed.into_iter().chain(ends) {
            let step = if range.end - range.start > 1_024 { 61 } else { 3 };
            for at in range.step_by(step) {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ 1 << (random(&mut state) % 8)], at).unwrap();
                match open(&path) {
                    // Its own mark is what an image is known by.
                    Ok(container)
                        if container.facts().format == assay::evidence::container::Format::Raw =>
                    {
                        assert!(at < 8, "{names:?} {at}");
                    }
                    Ok(container) => {
                        assert!(!container.problems().is_empty(), "{names:?} {at}: not told");
                        assert!(decode(&container, 1 << 20) == (good.clone(), vec![]), "{at}");
                    }
                    // The last: by another identifier there is no parent.
                    Err(ContainerError::Damaged { .. } | ContainerError::MissingParent { .. }) => {}
                    Err(error) => panic!("{names:?} {at}: {error}"),
                }
                file.write_all_at(&byte, at).unwrap();
            }
        }
        medium(&path);
    }
}

/// Changes metadata at random, makes the sums hold, and reads.
fn mutated(path: &Path, rounds: usize, places: &[std::ops::Range<u64>], seal: &dyn Fn(&fs::File)) {
    let file = fs::OpenOptions::new().write(true).read(true).open(path).unwrap();
    let mut kept = Vec::new();
    let (mut state, mut opened) = (11, 0);
    // Everything that sealing may write is kept as it was.
    for range in [0..1_536, 65_536..69_632, 131_072..135_168, 196_608..327_680, 1 << 20..2 << 20] {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let n = file.read_at(&mut bytes, range.start).unwrap();
        bytes.truncate(n);
        kept.push((range.start, bytes));
    }
    for _ in 0..rounds {
        let mut changed = Vec::new();
        for _ in 0..1 + random(&mut state) % 3 {
            let range = &places[random(&mut state) % places.len()];
            let at = range.start + random(&mut state) as u64 % (range.end - range.start);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            changed.push((at, byte));
            file.write_all_at(&[other(byte[0], &mut state)], at).unwrap();
        }
        seal(&file);
        if let Ok(container) = open(path) {
            opened += 1;
            touch(&container, &mut state);
        }
        for (at, byte) in changed.iter().rev() {
            file.write_all_at(byte, *at).unwrap();
        }
        seal(&file);
    }
    assert!(
        opened > rounds / 10,
        "only {opened} of {rounds} could be opened: the test tests little"
    );
    for (at, bytes) in kept {
        file.write_all_at(&bytes, at).unwrap();
    }
    medium(path);
}

#[test]
fn random_changes_of_metadata_with_sums_that_hold_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let part = |file: &fs::File, at: u64, len: usize, seal: &dyn Fn(&mut [u8])| {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, at).unwrap();
        seal(&mut bytes);
        file.write_all_at(&bytes, at).unwrap();
    };
    let vhd = |file: &fs::File| {
        let len = file.metadata().unwrap().len();
        let mut footer = [0; 512];
        file.read_exact_at(&mut footer, 0).unwrap();
        seal_be(&mut footer, 64);
        file.write_all_at(&footer, 0).unwrap();
        file.write_all_at(&footer, len - 512).unwrap();
        part(file, 512, 1_024, &|bytes| seal_be(bytes, 36));
    };
    for names in [&["dynamic.vhd"][..], &["child.vhd", "base.vhd"]] {
        let path = unpack(folder.path(), names);
        // Fields of the footer, of the header, the names, the table and the first bitmap.
        let places = [8..85, 520..640, 1_088..1_280, 2_560..2_600, 3_072..3_200];
        mutated(&path, 3_500, &places, &vhd);
    }
    let vhdx = |file: &fs::File| {
        part(file, 65_536, 4_096, &seal_le);
        part(file, 131_072, 4_096, &seal_le);
        // The tables of regions: one is enough.
        part(file, 196_608, 65_536, &seal_le);
    };
    let path = unpack(folder.path(), &["child-512.vhdx", "base-512.vhdx"]);
    let mib = 1_u64 << 20;
    let places = [
        65_540..65_620,
        131_080..131_152,
        196_616..196_680,
        2 * mib..2 * mib + 232,
        2 * mib + 65_536..2 * mib + 66_000,
        3 * mib..3 * mib + 48,
        3 * mib + 65_536..3 * mib + 65_544,
    ];
    mutated(&path, 1_500, &places, &vhdx);
    let log = |file: &fs::File| {
        part(file, (2 << 20) - 8_192, 8_192, &seal_le);
        part(file, 1 << 20, 8_192, &seal_le);
        part(file, (1 << 20) + 8_192, 12_288, &seal_le);
    };
    let path = unpack(folder.path(), &["log-around.vhdx"]);
    let ring = 1_u64 << 20;
    let places = [2 * ring - 8_192..2 * ring - 8_096, ring..ring + 128, ring + 8_192..ring + 8_320];
    mutated(&path, 1_500, &places, &log);
}

#[test]
fn every_prefix_is_an_error_a_told_loss_or_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    for (names, step) in [
        (&["dynamic.vhd"][..], 37),
        (&["grandchild.vhd", "child.vhd", "base.vhd"], 1_777),
        (&["child-512.vhdx", "base-512.vhdx"], 60_013),
        (&["log.vhdx"], 60_013),
    ] {
        let path = unpack(folder.path(), names);
        let good = medium(&path);
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        let dense = (0..6_000).step_by(step.min(311)).chain((6_000..len).step_by(step));
        for cut in dense.collect::<Vec<_>>().into_iter().rev() {
            file.set_len(cut).unwrap();
            let Ok(container) = open(&path) else { continue };
            if container.facts().format == assay::evidence::container::Format::Raw {
                assert!(cut < 9, "{names:?} {cut}");
                continue;
            }
            let (bytes, holes) = decode(&container, 65_536);
            let mut expected = good.clone();
            for (start, end, code) in &holes {
                assert_eq!(*code, Code::ImageDamaged);
                expected[*start as usize..*end as usize].fill(0);
            }
            assert!(bytes == expected, "{names:?}: wrong bytes of the first {cut}");
            let told = !container.problems().is_empty() || !holes.is_empty();
            assert!(told || names[0].ends_with('x'), "{names:?} {cut}: not told");
        }
    }
}

#[test]
fn blocks_that_share_bytes_of_the_file_are_not_given() {
    let folder = tempfile::tempdir().unwrap();
    for (name, table, entry, shared) in [
        ("dynamic.vhd", 2_560_usize, 4_usize, [0_u64, 3 * 4_096]),
        ("dynamic.vhdx", 3 << 20, 8, [0, 3 << 20]),
    ] {
        let path = unpack(folder.path(), &[name]);
        let good = medium(&path);
        let mut bytes = fs::read(&path).unwrap();
        let first = bytes[table..table + entry].to_vec();
        let third = table + 3 * entry;
        bytes[third..third + entry].copy_from_slice(&first);
        fs::write(&path, &bytes).unwrap();
        let container = open(&path).unwrap();
        assert_eq!(container.problems()[0].code, Code::ImageDamaged);
        let (bytes, holes) = decode(&container, 1 << 20);
        let block = if entry == 4 { 4_096 } else { 1 << 20 };
        let lost = shared.map(|start| (start, start + block, Code::ImageDamaged));
        assert_eq!(holes, lost, "{name}");
        let sound = good.len() - 2_000..;
        assert!(bytes[sound.clone()] == good[sound]);
    }
}

#[test]
fn a_log_that_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpack(folder.path(), &["log.vhdx"]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1 << 20..2 << 20].fill(0);
    fs::write(&path, &bytes).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, ContainerError::Damaged { detail, .. } if detail.contains("log")));
}
