//! Every call on evidence fails in turn: only what it was made for changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use assay::scan::{Outcome, ScanPlan};
use assay::sys::{Call, Errno, Fault, Kernel, Seam};

use crate::child::{evidence, planned, run, take_up};
use crate::runs::{cells, tables};
use crate::tree::Tree;

type Rows = BTreeMap<String, [String; 4]>;

fn rows(tree: &Tree, out: &str) -> Rows {
    let columns = ["object_path", "sha256", "status", "reason", "size_bytes"];
    let rows = cells(&tree.beside(out), "files.csv", columns);
    rows.into_iter().map(|[path, row @ ..]| (path, row)).collect()
}

fn faulty(tree: &Tree, out: &str, fault: Fault) -> (ScanPlan, Arc<Seam>) {
    let seam = Arc::new(Seam { faults: vec![fault], ..Seam::default() });
    let mut plan = planned(tree, out);
    plan.kernel = Kernel::through(Arc::clone(&seam));
    plan.threads = std::num::NonZeroUsize::MIN;
    (plan, seam)
}

#[test]
fn a_call_that_fails_once_changes_one_object_or_nothing() {
    let tree = evidence(24);
    run(&planned(&tree, "good")).unwrap();
    let good = rows(&tree, "good");
    for call in [Call::Open, Call::Stat, Call::Names, Call::Read] {
        // the first two looks belong to the check, which refuses the whole folder
        for nth in if call == Call::Stat { 3.. } else { 1.. } {
            let error = Errno::IO;
            let out = format!("{call:?}{nth}");
            let (plan, seam) = faulty(&tree, &out, Fault { call, nth, for_ever: false, error });
            let summary = run(&plan).unwrap();
            let met = rows(&tree, &out);
            let odd: Vec<_> =
                met.iter().filter(|(path, row)| good.get(*path) != Some(row)).collect();
            let unread =
                met.values().any(|[_, status, ..]| status == "partial" || status == "unread");
            let incomplete = summary.outcome == Outcome::Incomplete;
            assert_eq!(incomplete, unread, "{call:?} {nth}: {odd:?}");
            // two names of one content share what becomes of it
            let contents: BTreeSet<_> = odd.iter().map(|(_, [.., size])| size).collect();
            assert!(contents.len() <= 1 && odd.len() <= 2, "{call:?} {nth}: {odd:?}");
            for (_, [sha256, status, reason, _]) in odd {
                assert!(sha256.is_empty() && !reason.is_empty(), "{call:?} {nth}: {status}");
            }
            if seam.count(call) < nth {
                assert_eq!(met, good);
                break;
            }
        }
    }
}

#[test]
fn a_call_that_fails_for_ever_is_rows_or_a_pause_and_never_a_wrong_digest() {
    let tree = evidence(12);
    run(&planned(&tree, "good")).unwrap();
    let (good, whole) = (rows(&tree, "good"), tables(&tree.beside("good")));
    let mut paused = 0;
    for error in [Errno::IO, Errno::STALE] {
        for call in [Call::Open, Call::Stat, Call::Names, Call::Read] {
            for nth in if call == Call::Stat { 3.. } else { 1.. } {
                let out = format!("{call:?}{nth}-{}", error.raw_os_error());
                let fault = Fault { call, nth, for_ever: true, error };
                let (plan, seam) = faulty(&tree, &out, fault);
                let summary = run(&plan).unwrap();
                if summary.outcome == Outcome::Interrupted {
                    paused += 1;
                    assert!(summary.lost.is_some());
                    let custody =
                        fs::read_to_string(tree.beside(&out).join("custody.csv")).unwrap();
                    assert!(custody.contains("evidence_lost"), "{custody}");
                    let mut healthy = planned(&tree, &out);
                    healthy.threads = plan.threads;
                    assert_eq!(take_up(&healthy).unwrap().outcome, Outcome::Complete);
                    assert_eq!(tables(&tree.beside(&out)), whole, "{out}");
                } else {
                    for (path, [sha256, ..]) in rows(&tree, &out) {
                        let same = good.get(&path).is_some_and(|[good, ..]| *good == sha256);
                        assert!(sha256.is_empty() || same, "{out} {path}");
                    }
                }
                if seam.count(call) < nth {
                    break;
                }
            }
        }
    }
    assert!(paused > 10, "{paused}");
}

#[test]
fn where_nobody_tells_of_the_holes_of_a_file_they_are_read() {
    let tree = evidence(12);
    let file = fs::File::create(tree.path().join("sparse")).unwrap();
    file.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 300_000], 1 << 20).unwrap();
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    for for_ever in [false, true] {
        for nth in 1.. {
            let error = [Errno::INVAL, Errno::IO][nth as usize % 2];
            let out = format!("{nth}{for_ever}");
            let (plan, seam) =
                faulty(&tree, &out, Fault { call: Call::Seek, nth, for_ever, error });
            assert_eq!(run(&plan).unwrap().outcome, Outcome::Complete);
            assert!(tables(&tree.beside(&out)) == good, "{out}");
            if seam.count(Call::Seek) < nth {
                break;
            }
        }
    }
}

#[test]
fn sectors_that_fail_are_holes_that_are_told_and_the_rest_is_read() {
    let tree = Tree::new();
    tree.file("f", vec![7; 1 << 20]);
    fs::write(tree.beside("known.md5"), "md5\n").unwrap();
    let holes = |faults: Vec<Fault>| {
        let seam = Arc::new(Seam { faults, ..Seam::default() });
        let mut plan = crate::runs::plan(&tree.path(), &tree.beside("out"));
        plan.kernel = Kernel::through(seam);
        run(&plan).unwrap();
        let status = cells(&tree.beside("out"), "files.csv", ["status", "bytes_hashed", "sha256"]);
        let told = cells(&tree.beside("out"), "exceptions.csv", ["code", "offset", "length"]);
        fs::remove_dir_all(tree.beside("out")).unwrap();
        (status[0].clone(), told)
    };
    let read = |nth| Fault { call: Call::Read, nth, for_ever: false, error: Errno::IO };
    // After two reads that look whether it is an image, the first read of the file fails, its first
    // page, and of that the second and third sector.
    let (status, told) = holes([3, 4, 6, 7].map(read).into());
    assert_eq!(status, ["partial".to_owned(), ((1 << 20) - 1024).to_string(), String::new()]);
    assert_eq!(told, [["io_error", "512", "1024"]]);
    // pages and sectors that can be read after all are no hole
    let (status, told) = holes([3, 4].map(read).into());
    assert_eq!((status[0].as_str(), told.len()), ("hashed", 0));
    // the look is repeated where a read of it fails
    let (status, told) = holes([1, 3].map(read).into());
    assert_eq!((status[0].as_str(), told.len()), ("hashed", 0));
    // nothing can be read: one hole of the whole file
    let for_ever = Fault { for_ever: true, ..read(1) };
    let (status, told) = holes(vec![for_ever]);
    assert_eq!(&status[..2], ["partial", "0"]);
    assert_eq!(told, [["io_error", "0", "1048576"]]);
}

#[test]
fn a_shortage_that_lasts_pauses_the_run_and_blames_no_object() {
    let tree = evidence(12);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    let errors = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    for (nth, error) in (1..).zip(errors.into_iter().cycle()) {
        let call = Call::Open;
        let once = format!("once{nth}");
        let (plan, seam) = faulty(&tree, &once, Fault { call, nth, for_ever: false, error });
        assert_eq!(run(&plan).unwrap().outcome, Outcome::Complete);
        assert_eq!(tables(&tree.beside(&once)), good, "{once}");
        if seam.count(call) < nth {
            assert!(nth > 20, "{nth}");
            break;
        }
        let ever = format!("ever{nth}");
        let (plan, _) = faulty(&tree, &ever, Fault { call, nth, for_ever: true, error });
        let summary = run(&plan).unwrap();
        assert_eq!(summary.outcome, Outcome::Interrupted, "{ever}");
        let why = summary.lost.unwrap();
        assert!(why.contains("short of descriptors or memory for 60 s"), "{why}");
        let told = tree.beside(&ever).join("exceptions.incomplete.csv");
        assert_eq!(fs::read_to_string(told).unwrap().lines().count(), 1, "{ever}");
        let mut healthy = planned(&tree, &ever);
        healthy.threads = plan.threads;
        assert_eq!(take_up(&healthy).unwrap().outcome, Outcome::Complete);
        assert_eq!(tables(&tree.beside(&ever)), good, "{ever}");
    }
}

#[test]
fn bytes_read_before_an_error_in_the_same_call_are_counted() {
    let tree = Tree::new();
    let size = 20_000;
    tree.file("f", (0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let mut whole = BTreeSet::new();
    for error in [Errno::IO, Errno::INVAL, Errno::STALE] {
        for (nth, for_ever) in (1..=29).flat_map(|nth| [(nth, false), (nth, true)]) {
            let faults = vec![Fault { call: Call::Read, nth, for_ever, error }];
            // a call for many bytes takes several reads, so that one fails after others gave bytes
            let seam = Arc::new(Seam { faults, read_cap: Some(700), ..Seam::default() });
            let mut plan = crate::runs::plan(&tree.path(), &tree.beside("out"));
            plan.kernel = Kernel::through(seam);
            fs::write(tree.beside("known.md5"), "md5\n").unwrap();
            run(&plan).unwrap();
            let row = cells(&tree.beside("out"), "files.csv", ["status", "bytes_hashed", "sha256"]);
            let holes = cells(&tree.beside("out"), "exceptions.csv", ["offset", "length"]);
            let sum: u64 = holes.iter().map(|[_, length]| length.parse::<u64>().unwrap()).sum();
            let [status, bytes, sha256] = &row[0];
            assert_eq!(bytes.parse::<u64>().unwrap() + sum, size, "{error:?} {nth} {for_ever}");
            assert_eq!(sha256.is_empty(), sum > 0, "{status}");
            whole.extend((sum == 0).then(|| sha256.clone()));
            fs::remove_dir_all(tree.beside("out")).unwrap();
        }
    }
    assert_eq!(whole.len(), 1, "a second try that reads it gives the same digest");
}
