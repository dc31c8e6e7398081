//! Kills at random moments and at every call that changes the output.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::child::{assay, code, errors, evidence, planned, run, spawn, take_up};
use crate::runs::tables;
use crate::tree::Tree;

/// Starts the program, kills it after `delay`; true where it was still running.
fn start_and_kill(tree: &Tree, out: &str, resume: bool, delay: Duration) -> bool {
    let arguments: &[&str] = if resume { &["--resume"] } else { &[] };
    let mut command = assay(tree, out, arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

/// `tests/process/soak.sh` runs this test with 200.
#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    let kills = std::env::var("ASSAY_TEST_KILLS").map_or(24_u64, |text| text.parse().unwrap());
    let tree = evidence(2_500);
    let clock = Instant::now();
    assert_eq!(code(&assay(&tree, "good", &[]).output().unwrap()), 0);
    let whole = clock.elapsed();
    let good = tables(&tree.beside("good"));
    let (mut hit, mut second) = (0_u64, 0_u64);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: Duration| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        below.mul_f64(f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1 << 24))
    };
    let mut window = whole;
    for n in 0.. {
        if hit == kills {
            break;
        }
        assert!(n < 6 * kills + 20, "only {hit} of {n} starts were killed at work");
        let out = format!("out{n}");
        // The window follows the speed of the machine: about nine of ten kills hit a run at work.
        if start_and_kill(&tree, &out, false, random(window)) {
            hit += 1;
            window = window.mul_f64(1.02).min(whole);
            if second < hit.div_ceil(4) {
                second += u64::from(start_and_kill(&tree, &out, true, random(window)));
            }
        } else {
            window = window.mul_f64(0.85);
        }
        let mut output = assay(&tree, &out, &["--resume"]).output().unwrap();
        if code(&output) == 2 {
            // killed before it had made the folder its own
            assert!(!tree.beside(&out).join("journal").exists(), "{}", errors(&output));
            output = assay(&tree, &out, &[]).output().unwrap();
        }
        assert_eq!(code(&output), 0, "{n}: {}", errors(&output));
        assert_eq!(tables(&tree.beside(&out)), good, "kill {n}");
        std::fs::remove_dir_all(tree.beside(&out)).unwrap();
    }
    println!("{hit} killed at work, {second} of them again while they went on");
}

#[test]
fn a_run_that_ends_at_any_call_that_changes_the_output_goes_on_to_the_same_bytes() {
    let tree = evidence(700);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    let journal = Some("journal/records");
    let mut aborted = 0;
    for (operation, name) in
        [("write", journal), ("sync", journal), ("rename", None), ("create", None), ("sync", None)]
    {
        for nth in 1.. {
            let out = format!("{operation}{}-{nth}", name.is_some());
            let fault = json!({ "operation": operation, "name": name, "nth": nth });
            let status = spawn(&tree, &out, false, Some(fault), "");
            if status.code() == Some(0) {
                break;
            }
            assert_eq!(status.signal(), Some(6), "{out}");
            aborted += 1;
            take_up(&planned(&tree, &out)).unwrap_or_else(|error| panic!("{out}: {error}"));
            assert_eq!(tables(&tree.beside(&out)), good, "{out}");
        }
    }
    assert!(aborted > 40, "{aborted}");
}

#[test]
fn a_resumed_run_that_ends_at_any_write_goes_on_to_the_same_bytes() {
    let tree = evidence(300);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    for nth in 1.. {
        let out = format!("out{nth}");
        crate::child::run_until(&planned(&tree, &out), 150).unwrap();
        let fault = json!({ "operation": "write", "name": null, "nth": nth });
        let status = spawn(&tree, &out, true, Some(fault), "");
        if status.code() == Some(0) {
            break;
        }
        assert_eq!(status.signal(), Some(6), "{out}");
        take_up(&planned(&tree, &out)).unwrap_or_else(|error| panic!("{out}: {error}"));
        assert_eq!(tables(&tree.beside(&out)), good, "{out}");
    }
}
