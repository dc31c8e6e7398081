//! The digests of real files against programs that others wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use assay::sys::{Kernel, Seam};

use crate::runs::{cells, plan, run};
use crate::support::skip;
use crate::tree::Tree;

/// Files of every length from 0 to 4097 and around every power of two up to 2^22.
fn lengths() -> Vec<usize> {
    let around = (12..=22).flat_map(|k| [(1 << k) - 1, 1 << k, (1 << k) + 1]);
    let mut all: Vec<usize> = (0..=4097).chain(around).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Bytes that repeat with no short period.
fn content(length: usize) -> Vec<u8> {
    let mut state = length as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Digest by file name, as a program prints them; `None`, and a word, where it is not there.
fn said_by(folder: &Path, program: &str, arguments: &[&str]) -> Option<BTreeMap<String, String>> {
    let line = format!("find . -type f -print0 | xargs -0 {program} {}", arguments.join(" "));
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    if text.is_empty() {
        skip(&format!("{program} is not installed"));
        return None;
    }
    let digest = |line: &str| {
        // `HEX  ./NAME` or `HEX *./NAME`
        let (hex, name) = line.split_once(' ').unwrap();
        (name.trim_start_matches([' ', '*', '.', '/']).to_owned(), hex.to_owned())
    };
    Some(text.lines().map(digest).collect())
}

#[test]
fn every_length_has_the_digests_that_other_programs_print() {
    let tree = Tree::new();
    for length in lengths() {
        tree.file(format!("{length}"), content(length));
    }
    let out = tree.beside("out");
    run(&plan(&tree.path(), &out)).unwrap();
    let rows = cells(&out, "files.csv", ["file_name", "md5", "sha1", "sha256", "blake3"]);
    assert_eq!(rows.len(), lengths().len());
    let programs: [(&str, &[&str], usize); 7] = [
        ("md5sum", &[], 1),
        ("sha1sum", &[], 2),
        ("sha256sum", &[], 3),
        ("b3sum", &["--num-threads", "1"], 4),
        ("openssl", &["dgst", "-md5", "-r"], 1),
        ("openssl", &["dgst", "-sha1", "-r"], 2),
        ("openssl", &["dgst", "-sha256", "-r"], 3),
    ];
    for (program, arguments, column) in programs {
        let Some(said) = said_by(&tree.path(), program, arguments) else { continue };
        for row in &rows {
            assert_eq!(said.get(&row[0]), Some(&row[column]), "{program} on {} bytes", row[0]);
        }
    }
}

#[test]
fn short_reads_change_no_digest() {
    let tree = Tree::new();
    for length in [0, 1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145, 1_000_000] {
        tree.file(format!("{length}"), content(length));
    }
    let whole = tree.beside("whole");
    run(&plan(&tree.path(), &whole)).unwrap();
    for cap in [1, 7, 511, 4096, 100_000] {
        let seam = Arc::new(Seam { read_cap: Some(cap), ..Seam::default() });
        let out = tree.beside(&format!("cap{cap}"));
        let mut plan = plan(&tree.path(), &out);
        plan.kernel = Kernel::through(seam);
        run(&plan).unwrap();
        let table = |out: &Path| fs::read(out.join("files.csv")).unwrap();
        assert_eq!(table(&out), table(&whole), "at most {cap} bytes a read");
    }
}
