//! Whole runs: one row an object, the same bytes whatever the threads, refusals before the start.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::hashset::SetKind;
use assay::item::escape;
use assay::report::RunManifest;
use assay::scan::{Counters, Follow, Outcome, ScanError};
use assay::sys::{Kernel, Seam};

use crate::runs::{cells, list, plan, run, tables};
use crate::tree::{Tree, find};

#[test]
fn every_object_of_a_hostile_tree_has_one_row_that_gives_its_name_back() {
    let tree = Tree::new();
    tree.hostile();
    let out = tree.beside("out");
    let summary = run(&plan(&tree.path(), &out)).unwrap();
    let rows = cells(&out, "files.csv", ["object_path", "status", "reason", "object_kind"]);
    let mut named = BTreeSet::new();
    for [path, ..] in &rows {
        let inside = path.strip_prefix("E1!/").unwrap();
        let names = inside.split('/').map(|name| escape::unescape(name).unwrap());
        let joined = names.collect::<Vec<_>>().join(&b'/');
        assert!(named.insert(joined), "{path} is there twice");
    }
    let listed = find(&tree.path(), &["!", "-type", "d"]);
    assert_eq!(named, listed.into_iter().collect::<BTreeSet<_>>());
    let balance = summary.built.balance;
    assert!(balance.holds);
    assert_eq!(balance.seen, rows.len() as u64);
    let specials = rows.iter().filter(|row| row[1] == "special").count();
    assert_eq!(balance.special, specials as u64);
    assert!(rows.iter().any(|row| row[2] == "fifo") && rows.iter().any(|row| row[2] == "socket"));
}

#[test]
fn threads_and_the_order_of_listing_change_no_byte() {
    let tree = Tree::new();
    tree.hostile();
    for n in 0..500_u32 {
        tree.file(format!("many/{}/{n}", n % 7), n.to_be_bytes().repeat((n % 90) as usize));
    }
    let known = tree.beside("known.csv");
    let digests = cells_of_a_first_run(&tree);
    fs::write(&known, format!("md5\n{}\n", digests.join("\n"))).unwrap();
    let mut first = None;
    for (n, (threads, shuffle)) in
        [(1, None), (3, Some(1)), (8, Some(2)), (8, None), (1, Some(3))].into_iter().enumerate()
    {
        let out = tree.beside(&format!("out{n}"));
        let mut plan = plan(&tree.path(), &out);
        plan.threads = NonZeroUsize::new(threads).unwrap();
        plan.lists = vec![list(SetKind::Alert, &known)];
        plan.kernel =
            Kernel::through(Arc::new(Seam { shuffle, hide_kinds: n % 2 == 1, ..Seam::default() }));
        run(&plan).unwrap();
        let tables = tables(&out);
        assert!(tables[1].len() > 10_000, "the lists are compared");
        assert_eq!(first.get_or_insert_with(|| tables.clone()), &tables, "{threads} {shuffle:?}");
    }
}

/// The MD5 of every third file, so that a second run has something to find.
fn cells_of_a_first_run(tree: &Tree) -> Vec<String> {
    let out = tree.beside("first");
    run(&plan(&tree.path(), &out)).unwrap();
    let cells = cells(&out, "files.csv", ["md5", "low_information"]);
    let known = cells.into_iter().filter(|[md5, low]| !md5.is_empty() && low != "empty");
    known.map(|[md5, _]| md5).step_by(3).collect()
}

#[test]
fn names_of_one_content_are_rows_with_the_same_digests_and_one_read() {
    let tree = Tree::new();
    let content = vec![7; 3_000_000];
    tree.file("a/0", &content);
    for n in 1..200 {
        fs::hard_link(tree.path().join("a/0"), tree.path().join(format!("a/{n}"))).unwrap();
    }
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    plan.threads = NonZeroUsize::new(8).unwrap();
    let counters = Counters::default();
    let cancel = std::sync::Arc::new(AtomicBool::new(false));
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut |_| Ok(()) };
    let summary = assay::scan::run(&plan, follow, None).unwrap();
    assert_eq!(counters.bytes.load(Ordering::Relaxed), 3_000_000, "the content is read once");
    assert_eq!(summary.built.balance.hashed, 200);
    let rows = cells(&out, "files.csv", ["sha256", "fs_ref", "link_count", "first_copy"]);
    assert!(rows.iter().all(|row| row == &rows[0]) && rows[0][2] == "200");
}

#[test]
fn a_run_that_is_stopped_keeps_its_journal_and_states_no_seal() {
    let tree = Tree::new();
    for n in 0..3_000 {
        tree.file(format!("{n}"), "x".repeat(n));
    }
    let out = tree.beside("out");
    let counters = Counters::default();
    let cancel = std::sync::Arc::new(AtomicBool::new(false));
    let mut count = 0;
    let mut stop = |_: &assay::report::Record| {
        count += 1;
        cancel.store(count >= 20, Ordering::Relaxed);
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut stop };
    let summary = assay::scan::run(&plan(&tree.path(), &out), follow, None).unwrap();
    assert_eq!(summary.outcome, Outcome::Interrupted);
    assert!(summary.built.seal.is_empty());
    let names: BTreeSet<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in ["files.incomplete.csv", "matches.incomplete.csv", "journal", "run.json"] {
        assert!(names.iter().any(|have| have.as_bytes() == name.as_bytes()), "{name} is missing");
    }
    for name in ["files.csv", "manifest.sha256", "summary.txt"] {
        assert!(!names.iter().any(|have| have.as_bytes() == name.as_bytes()), "{name} is there");
    }
    let run: RunManifest =
        serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(run.state.as_str(), "interrupted");
    let custody = fs::read_to_string(out.join("custody.csv")).unwrap();
    assert!(custody.lines().last().unwrap().contains("run_interrupted"));
}

#[test]
fn a_list_that_no_computed_digest_can_be_compared_with_stops_the_run_before_it_begins() {
    let tree = Tree::new();
    tree.file("a", "a");
    let known = tree.beside("known.sha1");
    fs::write(&known, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\n").unwrap();
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    plan.lists = vec![list(SetKind::Alert, &known)];
    plan.digests = assay::digest::Selection::parse("md5").unwrap();
    let error = run(&plan).unwrap_err();
    assert!(matches!(error, ScanError::NothingComparable { .. }) && error.is_usage(), "{error}");
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn a_report_inside_the_evidence_is_refused_before_it_is_made() {
    let tree = Tree::new();
    tree.file("a", "a");
    let out = tree.path().join("report");
    let error = run(&plan(&tree.path(), &out)).unwrap_err();
    assert!(matches!(error, ScanError::OutputInside { .. }) && error.is_usage(), "{error}");
    assert!(!out.exists());
}

#[test]
fn trivial_contents_are_marked_and_still_matched() {
    let tree = Tree::new();
    tree.file("tiny", "abc");
    tree.file("uniform", vec![0; 4096]);
    tree.file("plain", (0..200).collect::<Vec<u8>>());
    let known = tree.beside("known.md5");
    fs::write(&known, "900150983cd24fb0d6963f7d28e17f72\n620f0b67a91f7f74151bc5be745b7110\n")
        .unwrap();
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    plan.lists = vec![list(SetKind::Alert, &known)];
    run(&plan).unwrap();
    let rows = cells(&out, "files.csv", ["file_name", "low_information", "disposition"]);
    let told: Vec<_> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    assert_eq!(
        told,
        [["plain", "", "none"], ["tiny", "tiny", "alert"], ["uniform", "uniform", "alert"]]
    );
    let matches = cells(&out, "matches.csv", ["low_information", "weak", "match_kind"]);
    assert_eq!(matches, [["tiny", "yes", "exact"], ["uniform", "yes", "exact"]]);
}

#[test]
fn python_gives_the_bytes_of_every_path_back_ten_thousand_levels_deep() {
    let tree = Tree::new();
    tree.hostile();
    tree.chain("deep", 10_000, |_, dir| {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
        rustix::fs::openat(dir, "f", flags, rustix::fs::Mode::RUSR).unwrap();
    });
    let out = tree.beside("out");
    let summary = run(&plan(&tree.path(), &out)).unwrap();
    assert!(summary.built.balance.holds && summary.built.balance.hashed > 10_000);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/paths.py");
    let (report, folder) = (out.to_str().unwrap().to_owned(), tree.path());
    let Some(output) =
        crate::support::tool("python3", &[script, &report, folder.to_str().unwrap()])
    else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_level_of_the_sandbox_stands_in_the_record_and_pictures_are_read_through_it() {
    let tree = Tree::new();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/demo/pictures");
    let mut pictures = 0;
    for entry in fs::read_dir(demo).unwrap() {
        let path = entry.unwrap().path();
        tree.file(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
        pictures += 1;
    }
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    plan.workers.require_sandbox = false;
    run(&plan).unwrap();
    let record: RunManifest =
        serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert!(record.tool.sandbox.contains("seccomp"), "{}", record.tool.sandbox);
    let summary = std::fs::read_to_string(plan.out.join("summary.txt")).unwrap();
    let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = format!("Decoders ran confined by: {}.", record.tool.sandbox);
    assert!(summary.contains(&sentence), "{sentence}");
    let limits = assay::media::Limits::default();
    let rows = cells(&out, "files.csv", ["file_name", "media_status", "pdq", "phash"]);
    assert_eq!(rows.len(), pictures);
    for [name, status, pdq, phash] in rows {
        let bytes = fs::read(tree.path().join(&name)).unwrap();
        let answer = assay::worker::read_picture(&bytes, &limits);
        let hashes = answer.hashes.map(|h| (h.pdq.to_string(), h.phash.to_string()));
        assert_eq!(status, answer.status.as_str(), "{name}");
        assert_eq!((pdq, phash), hashes.unwrap_or_default(), "{name}");
    }
}

#[test]
fn workers_that_cannot_be_started_are_refused_before_the_report_folder_is_made() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    plan.workers.program = assay::worker::Program::File("/no/such/program".into());
    let error = run(&plan).unwrap_err();
    assert!(matches!(error, ScanError::Worker(_)) && error.is_usage(), "{error}");
    assert!(!out.exists());
}
