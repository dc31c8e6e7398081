//! Every single-byte change, and every deleted, swapped or truncated line, of a small report.
//!
//! Each is tried twice: as it is, and with the manifest made anew. All must be found, and for a
//! table the first difference of the file that was changed must be the row that was: the place of
//! the changed byte, of the first line that was removed, or of the first of two that were swapped.

use super::report::{LISTED, Report, parts};
use assay::report::verify::{VerifyOptions, verify_source};
use rayon::prelude::*;

const VALUES: [fn(u8) -> u8; 5] =
    [|byte| byte ^ 1, |byte| byte ^ 0x20, |byte| byte ^ 0x80, |_| 0, |_| b'\n'];

/// One changed file of the report, and the line the change begins at (0 is the first).
struct Change {
    name: &'static str,
    bytes: Vec<u8>,
    line: u64,
    what: String,
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn line_of(bytes: &[u8], at: usize) -> u64 {
    u64::try_from(bytes[..at].iter().filter(|byte| **byte == b'\n').count()).unwrap()
}

fn changes(name: &'static str, bytes: &[u8]) -> Vec<Change> {
    let mut all = Vec::new();
    let mut push = |bytes, line, what| all.push(Change { name, bytes, line, what });
    for at in 0..bytes.len() {
        for value in VALUES {
            let mut changed = bytes.to_vec();
            changed[at] = value(bytes[at]);
            if changed != bytes {
                push(changed, line_of(bytes, at), format!("byte {at}"));
            }
        }
        push(bytes[..at].to_vec(), line_of(bytes, at), format!("cut at {at}"));
    }
    let split = lines(bytes);
    for at in 0..split.len() {
        let line = u64::try_from(at).unwrap();
        let without: Vec<_> = split.iter().enumerate().filter(|(n, _)| *n != at).collect();
        push(without.iter().flat_map(|(_, l)| l.to_vec()).collect(), line, format!("no line {at}"));
        let twice = [&split[..=at], &split[at..]].concat().concat();
        push(twice, line + 1, format!("line {at} twice"));
        if at + 1 < split.len() && split[at] != split[at + 1] {
            let mut swapped = split.clone();
            swapped.swap(at, at + 1);
            push(swapped.concat(), line, format!("lines {at} and {} swapped", at + 1));
        }
    }
    all
}

/// Verifies a changed report; gives what is wrong with the answer.
fn judge(intact: &Report, change: &Change, manifest_anew: bool) -> Option<String> {
    let mut report = intact.clone();
    report.0.insert(change.name.to_owned(), change.bytes.clone());
    if manifest_anew {
        report.rewrite_manifest();
    }
    let answer = verify_source(&report, &VerifyOptions::default()).unwrap();
    let of_file = answer.differences.iter().find(|d| d.file == change.name);
    let right = match of_file {
        None => false,
        Some(first) if change.name.ends_with(".csv") => first.record == Some(change.line),
        Some(_) => true,
    };
    let Change { name, what, line, .. } = change;
    (!right).then(|| format!("{name}, {what}, line {line}, {manifest_anew}: {of_file:?}"))
}

#[test]
fn every_change_is_found_and_the_changed_row_is_named() {
    let intact = parts().write();
    let names = LISTED.into_iter().chain(["manifest.sha256"]);
    let all: Vec<_> = names.flat_map(|name| changes(name, &intact.0[name])).collect();
    let tries = |change| {
        let anew = [false, true].into_iter().filter(|anew| !anew || change_is_listed(change));
        anew.filter_map(|anew| judge(&intact, change, anew)).collect::<Vec<_>>()
    };
    let wrong: Vec<_> = all.par_iter().flat_map_iter(tries).collect();
    println!("{} changes, each plainly and with the manifest made anew", all.len());
    assert!(all.len() > 40_000, "the report has become too small to be a test");
    assert!(wrong.is_empty(), "{} wrong, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(9)]);
}

/// The manifest itself cannot be changed and made anew.
fn change_is_listed(change: &Change) -> bool {
    change.name != "manifest.sha256"
}
