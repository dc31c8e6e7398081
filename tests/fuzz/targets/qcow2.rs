//! A QCOW2 of any bytes, opened, with a raw file as its parent where it wants one, and read in two
//! ways that must agree. Every other change is one of the numbers of the header or of a table.

#![no_main]

mod fields;

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, OpenOptions};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Bytes of a medium that are read at most; the length of one is whatever the image says.
const MOST: u64 = 1 << 20;

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

/// Numbers of the header: version, the backing file's name, clusters, size, encryption, tables,
/// snapshots, features, its length.
const HEADER: [fields::Field; 16] = [
    (4, 4),
    (8, 8),
    (16, 4),
    (20, 4),
    (24, 8),
    (32, 4),
    (36, 4),
    (40, 8),
    (48, 8),
    (56, 4),
    (60, 4),
    (64, 8),
    (72, 8),
    (96, 4),
    (100, 4),
    (104, 1),
];
/// What decides together where a table is.
const TABLES: [fields::Field; 3] = [(20, 4), (36, 4), (40, 8)];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut entries = Vec::new();
    match seed % 6 {
        1 => fields::change(&mut data[..size], &HEADER, seed),
        3 => fields::change(&mut data[..size], &TABLES, seed),
        5 => {
            // Entries of the first tables, which begin with whole clusters.
            entries.extend((512..size.min(8192)).step_by(8).map(|at| (at, 8)));
            fields::change(&mut data[..size], &entries, seed);
        }
        _ => return fuzzer_mutate(data, size, max_size),
    }
    size
});

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(b"QFI\xfb") {
        return;
    }
    let folder = std::env::temp_dir();
    let path = folder.join(format!("assay-fuzz-{}.qcow2", std::process::id()));
    let parent = folder.join(format!("assay-fuzz-{}.parent", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder for temporary files is writable");
    if !parent.exists() {
        let lines: String = (0..3000).map(|n| format!("line {n} of the parent\n")).collect();
        std::fs::write(&parent, lines).expect("the folder for temporary files is writable");
    }
    let options = OpenOptions { parents: vec![parent], ..OpenOptions::default() };
    let Ok(container) = Container::open(&path, &options) else { return };
    // What `--features planted` adds: a claim that fails once the size of clusters was changed.
    #[cfg(feature = "planted")]
    if let Some(size) = container.facts().details.get("cluster_size") {
        assert!(
            ["512", "1024", "2048"].contains(&size.as_str()),
            "planted: clusters of {size} bytes"
        );
    }
    let whole = read(&container, 1 << 16);
    assert!(whole == read(&container, 777), "two ways of reading disagree");
    if let Some(far) = container.len().checked_sub(3000) {
        let _ = container.read_at(far, &mut [0; 4000]);
    }
});
