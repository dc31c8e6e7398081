//! Every single-byte change, and every deleted, swapped or truncated line, of a small report.
//!
//! Each is tried twice: as it is, and with the manifest made anew. All must be found, and for a
//! table the first difference of the file that was changed must be the row that was: the place of
//! the changed byte, of the first line that was removed, or of the first of two that were swapped.

use super::report::{LISTED, Report, parts};
use crate::changes::{Change, changes, judge};
use assay::report::verify::VerifyOptions;
use rayon::prelude::*;

/// Verifies a changed report; gives what is wrong with the answer.
fn tried(intact: &Report, change: &Change, manifest_anew: bool) -> Option<String> {
    let mut report = intact.clone();
    report.0.insert(change.name.clone(), change.bytes.clone());
    if manifest_anew {
        report.rewrite_manifest();
    }
    let wrong = judge(&report, &VerifyOptions::default(), change);
    wrong.map(|wrong| format!("{wrong}, manifest anew: {manifest_anew}"))
}

#[test]
fn every_change_is_found_and_the_changed_row_is_named() {
    let intact = parts().write();
    let names = LISTED.into_iter().chain(["manifest.sha256"]);
    let all: Vec<_> = names.flat_map(|name| changes(name, &intact.0[name])).collect();
    let tries = |change| {
        let anew = [false, true].into_iter().filter(|anew| !anew || change_is_listed(change));
        anew.filter_map(|anew| tried(&intact, change, anew)).collect::<Vec<_>>()
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
