//! A VHD of any bytes, its check sums made to hold first: else nearly every change would end at the
//! first sum. Opened beside itself as a parent, and read in two ways, which must agree. Every other
//! change is one of the numbers of footer, header and table of blocks.

#![no_main]

mod fields;

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, Format, OpenOptions};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Bytes of a medium that are read at most; the length of one is whatever the image says.
const MOST: u64 = 1 << 20;

/// Writes the complement of the sum of `len` bytes at the place `at` of them.
fn seal(bytes: &mut [u8], from: usize, len: usize, at: usize) {
    let Some(block) = from.checked_add(len).and_then(|end| bytes.get_mut(from..end)) else {
        return;
    };
    block[at..at + 4].fill(0);
    let sum = !block.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    block[at..at + 4].copy_from_slice(&sum.to_be_bytes());
}

/// What reading in steps gives, holes as what their errors say.
fn read(container: &Container, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = vec![0; step];
    let end = container.len().min(MOST);
    while (all.len() as u64) < end {
        let at = all.len() as u64;
        match container.read_at(at, &mut buf) {
            Ok(n) => {
                assert!(n > 0, "nothing came at {at} of {}", container.len());
                all.extend_from_slice(&buf[..n]);
            }
            Err(error) => {
                let hole = Unreadable::of(&error).expect("an error of the image names its bytes");
                assert!(hole.range.contains(&at), "a hole elsewhere than asked");
                all.resize(usize::try_from(hole.range.end.min(end)).unwrap(), 0xee);
            }
        }
    }
    all.truncate(usize::try_from(end).unwrap());
    all
}

/// Numbers of a footer by their place in it: features, version, the header's place, both sizes,
/// geometry, type.
const FOOTER: [fields::Field; 7] = [(8, 4), (12, 4), (16, 8), (40, 8), (48, 8), (56, 4), (60, 4)];
/// Numbers of a header by their place in it: the table's place, version, entries, block size, a locator.
const HEADER: [fields::Field; 6] = [(16, 8), (24, 4), (28, 4), (32, 4), (584, 4), (592, 8)];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let at = |from: usize, all: &[fields::Field]| -> Vec<fields::Field> {
        all.iter().map(|(at, len)| (from + at, *len)).collect()
    };
    let table: Vec<_> = (0..16).map(|entry| (1536 + 4 * entry, 4)).collect();
    let all = [at(0, &FOOTER), at(size.saturating_sub(512), &FOOTER), at(512, &HEADER), table];
    let group = &all[seed as usize / 2 % all.len()];
    fields::change(&mut data[..size], group, seed);
    size
});

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    let header = bytes.get(16..24).and_then(|field| field.try_into().ok()).map(u64::from_be_bytes);
    if let Some(at) = header.and_then(|at| usize::try_from(at).ok()) {
        seal(&mut bytes, at, 1024, 36);
    }
    seal(&mut bytes, 0, 512, 64);
    let last = bytes.len().saturating_sub(512);
    seal(&mut bytes, last, 512, 64);
    let folder = std::env::temp_dir();
    let path = folder.join(format!("assay-fuzz-{}.vhd", std::process::id()));
    std::fs::write(&path, &bytes).expect("the folder for temporary files is writable");
    // The parent of whatever names it: what is here without the type of a differencing image.
    let parent = folder.join(format!("assay-fuzz-{}-parent.vhd", std::process::id()));
    if let Some(id) = bytes.get(552..568).map(<[u8]>::to_vec) {
        let mut fixed = vec![7; 4_096];
        let mut footer = bytes[..512].to_vec();
        footer[48..56].copy_from_slice(&4_096_u64.to_be_bytes());
        footer[60..64].copy_from_slice(&2_u32.to_be_bytes());
        footer[68..84].copy_from_slice(&id);
        seal(&mut footer, 0, 512, 64);
        fixed.extend(footer);
        std::fs::write(&parent, &fixed).expect("the folder for temporary files is writable");
    }
    let options = OpenOptions { parents: vec![parent], ..OpenOptions::default() };
    let Ok(container) = Container::open(&path, &options) else { return };
    if container.facts().format != Format::Vhd {
        return;
    }
    // What `--features planted` adds: a claim that fails once a sealed header was changed.
    #[cfg(feature = "planted")]
    if let Some(size) = container.facts().details.get("block_size") {
        assert!(["4096", "65536", "32768"].contains(&&**size), "planted: blocks of {size} bytes");
    }
    let whole = read(&container, 1 << 16);
    assert!(whole == read(&container, 777), "two ways of reading disagree");
});
