//! What a resumed run takes over, what it reads again, and what it refuses.

use std::fs;
use std::sync::Arc;

use assay::report::RunManifest;
use assay::scan::{Outcome, ScanPlan};
use assay::sys::{Call, Kernel, Seam};

use crate::child::{assay, code, errors, evidence, planned, run, run_until, take_up};
use crate::runs::tables;

#[test]
fn a_run_stopped_anywhere_goes_on_to_the_same_bytes() {
    let tree = evidence(600);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    for (n, stops) in [&[1][..], &[300], &[600], &[200, 100, 50]].into_iter().enumerate() {
        let name = format!("out{n}");
        let plan = planned(&tree, &name);
        let again = ScanPlan { resume: true, ..plan.clone() };
        assert_eq!(run_until(&plan, stops[0]).unwrap().outcome, Outcome::Interrupted);
        for stop in &stops[1..] {
            run_until(&again, *stop).unwrap();
        }
        assert_eq!(run(&again).unwrap().outcome, Outcome::Complete);
        assert_eq!(tables(&tree.beside(&name)), good, "{stops:?}");
        let json = fs::read(tree.beside(&name).join("run.json")).unwrap();
        let manifest: RunManifest = serde_json::from_slice(&json).unwrap();
        assert_eq!(manifest.resumed.len(), stops.len());
        let custody = fs::read_to_string(tree.beside(&name).join("custody.csv")).unwrap();
        assert_eq!(custody.matches("run_resumed").count(), stops.len());
        assert!(custody.contains("confirmed="), "{custody}");
        let names = fs::read_dir(tree.beside(&name)).unwrap().map(|e| e.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        assert!(names.iter().all(|n| !n.contains("incomplete") && !n.contains("tmp")), "{names:?}");
        let verify = std::process::Command::new(env!("CARGO_BIN_EXE_assay"))
            .arg("verify")
            .arg(tree.beside(&name))
            .output()
            .unwrap();
        assert_eq!(code(&verify), 0, "{}", errors(&verify));
    }
}

#[test]
fn a_run_in_the_order_of_the_disk_goes_on_to_the_same_bytes() {
    let tree = evidence(1300);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    let turns = Kernel::through(Arc::new(Seam { turns: Some(true), ..Seam::default() }));
    for (n, stops) in [&[1][..], &[700, 100]].into_iter().enumerate() {
        let plan = ScanPlan { kernel: turns.clone(), ..planned(&tree, &format!("out{n}")) };
        let again = ScanPlan { resume: true, ..plan.clone() };
        assert_eq!(run_until(&plan, stops[0]).unwrap().outcome, Outcome::Interrupted);
        for stop in &stops[1..] {
            run_until(&again, *stop).unwrap();
        }
        assert_eq!(run(&again).unwrap().outcome, Outcome::Complete);
        assert_eq!(tables(&plan.out), good, "{stops:?}");
    }
}

#[test]
fn what_was_recorded_is_not_opened_again() {
    let tree = evidence(600);
    let plan = planned(&tree, "out");
    run_until(&plan, 400).unwrap();
    let seam = Arc::new(Seam::default());
    let kernel = Kernel::through(Arc::clone(&seam));
    run(&ScanPlan { resume: true, kernel, ..plan }).unwrap();
    let opened = seam.count(Call::Open);
    assert!(opened < 260, "{opened} opened of 643, 400 of which had a record");
}

#[test]
fn what_changed_since_is_read_again_and_nothing_is_doubled() {
    let tree = evidence(600);
    let plan = planned(&tree, "out");
    run_until(&plan, 500).unwrap();
    fs::write(tree.path().join("d1/f1"), "other bytes").unwrap();
    fs::remove_file(tree.path().join("d2/f13")).unwrap();
    fs::create_dir(tree.path().join("a new folder, before all others")).unwrap();
    tree.file("a new folder, before all others/new", "new");
    tree.file("d3/a", "new, shifts the numbers of all that follow");
    fs::rename(tree.path().join("d4/f4"), tree.path().join("d4/f4a")).unwrap();
    fs::remove_dir_all(tree.path().join("d5")).unwrap();
    fs::remove_file(tree.path().join("links/l1")).unwrap(); // one name fewer
    take_up(&plan).unwrap();
    run(&planned(&tree, "fresh")).unwrap();
    assert_eq!(tables(&tree.beside("out")), tables(&tree.beside("fresh")));
}

#[test]
fn another_run_is_refused_and_told_apart() {
    let tree = evidence(60);
    run_until(&planned(&tree, "out"), 20).unwrap();
    let before = fs::read(tree.beside("out/journal/records")).unwrap();
    // the plan of the tests states no tool, the program does; so does every other option
    let output = assay(&tree, "out", &["--resume", "--digests", "md5"]).output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    let text = errors(&output);
    assert!(text.contains("digests md5,sha1,sha256,blake3 -> digests md5"), "{text}");
    assert!(text.contains("tool"), "{text}");
    assert_eq!(fs::read(tree.beside("out/journal/records")).unwrap(), before);
    assert_eq!(code(&assay(&tree, "nothing", &["--resume"]).output().unwrap()), 2);
    assert!(!tree.beside("nothing").exists());
    fs::create_dir(tree.beside("mine")).unwrap();
    fs::write(tree.beside("mine/thesis.txt"), "mine").unwrap();
    assert_eq!(code(&assay(&tree, "mine", &["--resume"]).output().unwrap()), 2);
    assert_eq!(fs::read_dir(tree.beside("mine")).unwrap().count(), 1);
}

#[test]
fn a_complete_report_is_only_cleaned_up() {
    let tree = evidence(60);
    assert_eq!(code(&assay(&tree, "out", &[]).output().unwrap()), 0);
    let out = tree.beside("out");
    let seal = fs::read(out.join("custody.csv")).unwrap();
    fs::create_dir(out.join("journal")).unwrap();
    fs::write(out.join("journal/records"), "x").unwrap();
    fs::write(out.join(".lock"), "").unwrap();
    let output = assay(&tree, "out", &["--resume", "--exit-code-hits"]).output().unwrap();
    assert_eq!(code(&output), 10, "the exit code of the finished run: {output:?}");
    assert!(errors(&output).contains("was complete"), "{}", errors(&output));
    assert!(!out.join("journal").exists() && !out.join(".lock").exists());
    assert_eq!(fs::read(out.join("custody.csv")).unwrap(), seal);
}
