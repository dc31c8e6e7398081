//! Full disks, limits of file sizes, closed pipes and signals, by the program itself.

use std::fs;
use std::process::{Command, Stdio};

use crate::child::{assay, code, errors, evidence};
use crate::runs::tables;
use crate::support::{is_root, skip, tool};
use crate::tree::{Mounted, Tree};

fn good(tree: &Tree) -> [Vec<u8>; 4] {
    assert_eq!(code(&assay(tree, "good", &[]).output().unwrap()), 0);
    tables(&tree.beside("good"))
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_when_there_is_room() {
    if !is_root() {
        return;
    }
    let tree = evidence(400);
    let good = good(&tree);
    fs::create_dir(tree.beside("small")).unwrap();
    let small = tree.beside("small");
    let tmpfs = ["-t", "tmpfs", "-o", "size=64k"];
    let Some(mounted) = Mounted::new(&tmpfs, "tmpfs".as_ref(), &small) else {
        return skip("mounting a tmpfs needs root of the machine");
    };
    let output = assay(&tree, "small/out", &[]).output().unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(errors(&output).contains("No space left"), "{}", errors(&output));
    assert!(errors(&output).contains("small/out/"), "it names the file: {}", errors(&output));
    assert!(!small.join("out/files.csv").exists());
    let grow = ["-o", "remount,size=64m"];
    let done = Command::new("mount").args(grow).arg(&small).status().unwrap();
    assert!(done.success());
    let output = assay(&tree, "small/out", &["--resume"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(tables(&small.join("out")), good);
    drop(mounted);
}

#[test]
fn a_limit_of_file_sizes_is_an_error_of_the_write() {
    let tree = evidence(700);
    let good = good(&tree);
    for blocks in [8, 64, 200] {
        let out = format!("out{blocks}");
        let inner = assay(&tree, &out, &[]);
        let mut limited = Command::new("bash");
        // bash counts blocks of 1 KiB
        limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(inner.get_program()).args(inner.get_args());
        let output = limited.stdin(Stdio::null()).output().unwrap();
        assert_eq!(code(&output), 1, "{blocks}: {output:?}");
        assert!(errors(&output).contains("File too large"), "{}", errors(&output));
        let output = assay(&tree, &out, &["--resume"]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", errors(&output));
        assert_eq!(tables(&tree.beside(&out)), good);
    }
}

#[test]
fn events_that_cannot_be_written_fail_the_run_and_it_goes_on() {
    let tree = evidence(700);
    let good = good(&tree);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = assay(&tree, "full", &["--json"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(errors(&output).contains("standard output"), "{}", errors(&output));

    let mut child = assay(&tree, "closed", &["--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut first, &mut String::new()).unwrap();
    drop(first);
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(errors(&output).contains("standard output"), "{}", errors(&output));
    let output = assay(&tree, "closed", &["--resume"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(tables(&tree.beside("closed")), good);
}

#[test]
fn a_signal_stops_the_run_within_seconds_and_it_goes_on() {
    use rustix::process::{Pid, Signal, kill_process};
    let tree = evidence(300);
    let good = good(&tree);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let out = format!("out{}", signal.as_raw());
        let big = tree.path().join("zz");
        fs::File::create(&big).unwrap().set_len(256 << 30).unwrap();
        let mut child = assay(&tree, &out, &[]).stderr(Stdio::null()).spawn().unwrap();
        while !tree.beside(&out).join("journal/begun").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        let clock = std::time::Instant::now();
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(clock.elapsed() < std::time::Duration::from_secs(5));
        fs::remove_file(&big).unwrap();
        let output = assay(&tree, &out, &["--resume"]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", errors(&output));
        assert_eq!(tables(&tree.beside(&out)), good);
    }
}

#[test]
fn a_signal_sent_twice_at_once_stops_the_run_in_order() {
    if tool("timeout", &["--version"]).is_none() {
        return;
    }
    let tree = evidence(300);
    let good = good(&tree);
    let big = tree.path().join("zz");
    fs::File::create(&big).unwrap().set_len(256 << 30).unwrap();
    let inner = assay(&tree, "out", &[]);
    // it signals the process and then the group that both are in
    let mut command = Command::new("timeout");
    command.arg("--preserve-status").arg("2").arg(inner.get_program()).args(inner.get_args());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(code(&output), 130, "{output:?}");
    let custody = fs::read_to_string(tree.beside("out/custody.csv")).unwrap();
    assert!(custody.contains("run_interrupted"), "it was not ended at once: {custody}");
    fs::remove_file(&big).unwrap();
    let output = assay(&tree, "out", &["--resume"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(tables(&tree.beside("out")), good);
}

#[test]
fn a_low_limit_of_descriptors_is_raised_as_far_as_it_may_be() {
    let tree = evidence(300);
    let good = good(&tree);
    let inner = assay(&tree, "out", &[]);
    let mut limited = Command::new("bash");
    limited.args(["-c", "ulimit -Sn 16; exec \"$0\" \"$@\""]);
    limited.arg(inner.get_program()).args(inner.get_args());
    let output = limited.stdin(Stdio::null()).output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(tables(&tree.beside("out")), good);
}
