//! A finished report that was changed is told, and the row that was changed is named.

mod built;
mod report;
mod signed;
mod sweep;

use crate::support::tool;
use assay::digest::{Algorithm, Digests, Hasher, Selection};
use assay::hashset::{ReferenceSet, SetCounts, SetEntry, SetInfo, SetKind};
use assay::matching::Index;
use assay::problem::Code;
use assay::report::verify::{
    Difference, Verification, VerifyError, VerifyOptions, verify, verify_source,
};
use report::{Parts, Report, parts, set};
use std::path::Path;

fn check(report: &Report) -> Verification {
    verify_source(report, &VerifyOptions::default()).unwrap()
}

/// The one difference of a report whose chains and digests are all in order.
fn only(parts: &Parts) -> (String, Option<u64>, String) {
    let verification = check(&parts.write());
    let [Difference { file, record, detail }] = &*verification.differences else {
        panic!("{:#?}", verification.differences);
    };
    (file.clone(), *record, detail.clone())
}

#[track_caller]
fn assert_only(parts: &Parts, file: &str, record: u64, words: &str) {
    let (have_file, have_record, detail) = only(parts);
    assert_eq!((&*have_file, have_record), (file, Some(record)), "{detail}");
    assert!(detail.contains(words), "{detail}");
}

#[test]
fn an_intact_report_has_no_difference() {
    let report = parts().write();
    let verification = check(&report);
    assert_eq!(verification.differences, []);
    assert!(verification.is_good());
    let checked = verification.checked;
    assert_eq!((checked.volumes, checked.files, checked.matches), (2, 6, 3));
    assert_eq!((checked.exceptions, checked.custody, checked.first_copies), (2, 3, 4));
    assert_eq!(verification.seal, report.seal());
}

#[test]
fn a_report_without_rows_has_no_difference() {
    let mut parts = parts();
    (parts.files, parts.matches) = (Vec::new(), Vec::new());
    (parts.exceptions, parts.volumes) = (Vec::new(), Vec::new());
    for status in ["seen", "hashed", "unread", "special"] {
        parts.run["balance"][status] = 0.into();
    }
    parts.count_rows();
    assert_eq!(check(&parts.write()).differences, []);
}

/// What the verifier in Python says of a report: whether it is good, and its lines.
fn oracle(report: &Path) -> Option<(bool, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/verify.py");
    let output = tool("python3", &[script, report.to_str().unwrap()])?;
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[test]
fn the_python_oracle_agrees_with_the_writer_and_finds_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = parts().write();
    report.save(folder.path());
    let Some((good, text)) = oracle(folder.path()) else { return };
    assert!(good && text.contains(&report.seal()), "{text}");
    let files = report.0.get_mut("files.csv").unwrap();
    let at = files.iter().rposition(|byte| *byte == b'.').unwrap();
    files[at] = b'!';
    report.save(folder.path());
    let (good, text) = oracle(folder.path()).unwrap();
    assert!(!good && text.contains("files.csv, row 6"), "{text}");
}

#[test]
fn a_folder_on_a_disk_is_read_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let report = parts().write();
    report.save(folder.path());
    std::fs::write(folder.path().join("reviews.csv"), "x").unwrap();
    std::fs::write(folder.path().join(".lock"), "").unwrap();
    std::fs::write(folder.path().join("matches (2).csv"), "x").unwrap();
    let verification = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(verification.differences, []);
    assert_eq!(verification.not_covered, ["matches (2).csv", "reviews.csv"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), report.0.len() + 3);
    for (name, bytes) in &report.0 {
        assert_eq!(&std::fs::read(folder.path().join(name)).unwrap(), bytes);
    }
}

#[test]
fn a_folder_that_is_no_report_is_an_error_and_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let error = verify(folder.path(), &VerifyOptions::default()).unwrap_err();
    assert!(matches!(error, VerifyError::NotAReport(_)), "{error}");
    let error = verify(&folder.path().join("no"), &VerifyOptions::default()).unwrap_err();
    assert!(matches!(error, VerifyError::List { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    parts().write().save(folder.path());
    let (there, away) = (folder.path().join("summary.txt"), folder.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    std::os::unix::fs::symlink(&away, &there).unwrap();
    let error = verify(folder.path(), &VerifyOptions::default()).unwrap_err();
    assert!(error.to_string().contains("summary.txt"), "{error}");
}

#[test]
fn a_missing_file_and_a_journal_are_named() {
    for name in report::LISTED.into_iter().chain(["manifest.sha256"]) {
        let mut report = parts().write();
        report.0.remove(name);
        let told = check(&report).differences;
        assert!(told.iter().any(|d| d.file == name && d.detail.contains("missing")), "{told:?}");
    }
    let mut report = parts().write();
    report.0.insert("journal".to_owned(), Vec::new());
    assert_eq!(check(&report).differences[0].file, "journal");
}

#[test]
fn only_the_noted_seal_tells_a_report_written_anew() {
    let (report, mut forged) = (parts().write(), parts());
    set(&mut forged.files[1], "file_name", "harmless.jpg");
    let forged = forged.write();
    assert!(check(&forged).is_good(), "chains alone cannot tell");
    let with_seal = |report: &Report, seal: String| {
        let options = VerifyOptions { seal: Some(seal), ..VerifyOptions::default() };
        verify_source(report, &options)
    };
    assert!(with_seal(&report, report.seal().to_uppercase()).unwrap().is_good());
    let told = with_seal(&forged, report.seal()).unwrap();
    assert_eq!(told.differences[0].file, "custody.csv");
    assert!(matches!(with_seal(&report, "12".to_owned()), Err(VerifyError::Seal(_))));
}

#[test]
fn a_table_whose_chain_was_made_anew_is_not_the_sealed_one() {
    let (mut report, mut forged) = (parts().write(), parts());
    set(&mut forged.exceptions[0], "detail", "nothing of note");
    report.0.insert("exceptions.csv".to_owned(), forged.write().0["exceptions.csv"].clone());
    report.rewrite_manifest();
    let told = check(&report).differences;
    assert_eq!((&*told[0].file, told[0].record), ("exceptions.csv", None));
    assert!(told[0].detail.contains("not the one that custody.csv seals"), "{}", told[0].detail);
}

#[test]
fn cells_that_no_writer_makes_are_named_though_every_chain_holds() {
    for (column, cell) in [
        ("status", "fine"),
        ("object_kind", ""),
        ("alloc_status", "Allocated"),
        ("time_source", "guess"),
        ("size_bytes", "013"),
        ("md5", "AA0000000000000000000000000000AA"),
        ("sha1", "aa"),
        ("reason", "bad_luck"),
        ("media_status", "maybe"),
        ("low_information", "dull"),
    ] {
        let mut parts = parts();
        set(&mut parts.files[5], column, cell);
        let told = check(&parts.write()).differences;
        let row = told.iter().find(|d| d.record == Some(6)).unwrap();
        assert!(row.file == "files.csv" && row.detail.starts_with(column), "{row}");
    }
}

#[test]
fn rows_of_one_table_must_agree_among_themselves() {
    let change = |row: usize, column, cell: &str| {
        let mut parts = parts();
        set(&mut parts.files[row], column, cell);
        parts
    };
    assert_only(&change(3, "parent_record_no", "4"), "files.csv", 4, "parent_record_no");
    assert_only(&change(3, "first_copy", "5"), "files.csv", 4, "first_copy");
    assert_only(&change(3, "first_copy", "2"), "files.csv", 4, "first row with this content is 1");
    assert_only(&change(3, "first_copy", "4"), "files.csv", 4, "first row with this content is 1");
    assert_only(&change(3, "first_copy", ""), "files.csv", 4, "first_copy is empty");
    let mut unread = parts();
    set(&mut unread.files[2], "md5", "0".repeat(32));
    let (_, record, detail) = first(&unread);
    assert_eq!(record, Some(3), "{detail}");
    let mut gap = parts();
    set(&mut gap.exceptions[1], "exception_no", 3);
    assert_only(&gap, "exceptions.csv", 2, "numbered 3, not 2");
    let mut wording = parts();
    set(&mut wording.exceptions[1], "consequence", "none");
    assert_only(&wording, "exceptions.csv", 2, "consequence");
}

fn first(parts: &Parts) -> (String, Option<u64>, String) {
    let told = check(&parts.write()).differences;
    (told[0].file.clone(), told[0].record, told[0].detail.clone())
}

#[test]
fn rows_of_two_tables_must_agree() {
    let mut other = parts();
    set(&mut other.matches[2], "object_path", "E1!/elsewhere.jpg");
    assert_only(&other, "matches.csv", 3, "object_path");
    let mut other = parts();
    set(&mut other.matches[2], "size_bytes", 12);
    assert_only(&other, "matches.csv", 3, "size_bytes");
    let mut other = parts();
    set(&mut other.exceptions[1], "object_path", "E1!/elsewhere.jpg");
    assert_only(&other, "exceptions.csv", 2, "object_path");
    let mut other = parts();
    set(&mut other.files[3], "match_count", 2);
    assert_only(&other, "files.csv", 4, "match_count is 2");
    let mut other = parts();
    set(&mut other.files[3], "disposition", "none");
    assert_only(&other, "files.csv", 4, "disposition");
    let mut other = parts();
    set(&mut other.matches[2], "set_sha256", "ab".repeat(32));
    assert_only(&other, "matches.csv", 3, "no set of run.json");
    let mut other = parts();
    other.exceptions.push(report::exception(3, &other.files[5], Code::IoError));
    set(&mut other.exceptions[2], "record_no", 7);
    other.count_rows();
    assert_only(&other, "exceptions.csv", 3, "no row of files.csv");
}

#[test]
fn a_row_removed_before_sealing_fails_the_balance() {
    let mut parts = parts();
    parts.files.pop();
    parts.count_rows();
    let (file, record, detail) = only(&parts);
    assert_eq!((&*file, record), ("files.csv", None));
    assert!(detail.contains("3 rows `hashed`, the balance of run.json 4"), "{detail}");
}

#[test]
fn a_table_must_have_the_rows_that_run_json_counts() {
    let mut parts = parts();
    parts.exceptions.pop();
    let (file, record, detail) = only(&parts);
    assert_eq!(
        (&*file, record, &*detail),
        ("exceptions.csv", None, "it has 1 rows, by run.json 2")
    );
}

#[test]
fn a_million_wrong_rows_do_not_fill_the_memory() {
    let mut report = parts().write();
    let files = report.0.get_mut("files.csv").unwrap();
    for n in 0..20_000 {
        files.extend_from_slice(format!("{n}\n").as_bytes());
    }
    let told = check(&report);
    assert!(told.difference_count >= 40_000, "{}", told.difference_count);
    assert!(told.differences.len() < 300);
    assert_eq!(told.differences[0].record, Some(7));
}

fn digests_of(content: &[u8], selection: Selection) -> Digests {
    let mut hasher = Hasher::new(selection);
    hasher.update(content);
    hasher.finish()
}

/// The set of the small report: two entries of one content, then one that nothing has.
fn index(contents: &[&[u8]]) -> Index {
    let entry = |(n, content): (usize, &&[u8])| SetEntry {
        id: format!("line:{n}").into(),
        kind: SetKind::Alert,
        digests: digests_of(content, Selection::ALL),
        perceptual: None,
        size: None,
        category: None,
        series: None,
        victim_identified: None,
    };
    let unstated = || "unstated".to_owned();
    let info = SetInfo {
        name: "a set".to_owned(),
        publisher: unstated(),
        version: unstated(),
        received_from: unstated(),
        received_at: unstated(),
        kind: SetKind::Alert,
        scheme: None,
        scheme_sha256: None,
        path: "a.txt".to_owned(),
        format: "text".to_owned(),
        sha256: report::SET_SHA256.to_owned(),
    };
    let entries = (1..).zip(contents).map(entry).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    Index::build(
        vec![ReferenceSet { info, entries, counts: SetCounts::default(), compiled: None }],
        &pool,
    )
    .unwrap()
}

fn check_with(parts: &Parts, index: &Index) -> Verification {
    let options = VerifyOptions { sets: Some(index), ..VerifyOptions::default() };
    verify_source(&parts.write(), &options).unwrap()
}

/// The small report with exactly the matches that a set gives.
fn matched(index: &Index) -> Parts {
    let mut parts = parts();
    parts.matches.clear();
    for row in &mut parts.files {
        let cell = |name: &str| row.iter().find(|(have, _)| *have == name).map(|(_, cell)| cell);
        let mut digests = Digests::default();
        for algorithm in Algorithm::ALL {
            let Some(hex) = cell(algorithm.as_str()) else { continue };
            digests.set(*algorithm, assay::digest::Digest::from_hex(hex.as_bytes()).unwrap());
        }
        let size = cell("size_bytes").unwrap().parse().unwrap();
        let findings = index.look_up(&digests, size);
        set(row, "match_count", findings.len());
        set(row, "disposition", if findings.is_empty() { "none" } else { "alert" });
        for finding in &findings {
            let mut cells = report::match_row(parts.matches.len() + 1, row);
            cells.extend(report::match_cells(finding, report::SET_SHA256));
            parts.matches.push(cells);
        }
    }
    parts.count_rows();
    parts
}

#[test]
fn every_exact_finding_is_computed_again() {
    let index = index(&[report::KNOWN, report::KNOWN, b"nowhere"]);
    let parts = matched(&index);
    assert_eq!(parts.matches.len(), 4);
    let told = check_with(&parts, &index);
    assert_eq!(told.differences, []);
    let compared = told.sets.unwrap();
    assert_eq!((compared.findings, compared.near), (4, 0));
    assert_eq!(compared.sets_not_given, [""; 0]);
}

#[test]
fn a_finding_without_its_row_and_a_row_without_its_finding_are_named() {
    let (less, more) = (index(&[report::KNOWN]), index(&[report::KNOWN, b"last content"]));
    let told = check_with(&matched(&less), &more).differences;
    assert_eq!((told.len(), &*told[0].file, told[0].record), (1, "files.csv", Some(6)));
    assert!(told[0].detail.contains("no row for its exact finding with entry line:2"));
    let told = check_with(&matched(&more), &less).differences;
    assert_eq!((told.len(), &*told[0].file, told[0].record), (1, "matches.csv", Some(3)));
    assert!(told[0].detail.contains("no finding of the sets given"));
}

#[test]
fn a_set_that_the_run_did_not_have_is_named_and_one_not_given_is_counted() {
    let mut parts = parts();
    parts.run["sets"][0]["sha256"] = "ab".repeat(32).into();
    parts.run["sets"][0]["name"] = "another set".into();
    for row in &mut parts.matches {
        set(row, "set_sha256", "ab".repeat(32));
    }
    let told = check_with(&parts, &index(&[b"nowhere"]));
    assert_eq!((told.differences.len(), &*told.differences[0].file), (1, "run.json"));
    let compared = told.sets.unwrap();
    assert_eq!((compared.of_other_sets, &*compared.sets_not_given[0]), (3, "another set"));
}
