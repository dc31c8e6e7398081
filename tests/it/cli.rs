//! The program as a user runs it: exit codes, words, signals.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::folder::as_nobody;
use crate::support::is_root;
use crate::tree::Tree;

fn assay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn scan(tree: &Tree, out: &str, arguments: &[&str]) -> Output {
    let mut command = assay();
    command.arg("scan").arg(tree.path()).arg("--out").arg(tree.beside(out)).args(arguments);
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_complete_run_ends_with_0_with_and_without_hits() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let known = tree.beside("known.md5");
    fs::write(&known, "900150983cd24fb0d6963f7d28e17f72\n").unwrap();
    let known = known.to_str().unwrap();
    assert_eq!(code(&scan(&tree, "none", &[])), 0);
    let output = scan(&tree, "hit", &["--alert", known]);
    assert_eq!(code(&output), 0);
    assert!(errors(&output).contains("alert 1 (exact)"), "{output:?}");
    assert_eq!(code(&scan(&tree, "code", &["--alert", known, "--exit-code-hits"])), 10);
    let verify = assay().arg("verify").arg(tree.beside("hit")).args(["--sets", known]).output();
    assert_eq!(code(&verify.unwrap()), 0);
}

#[test]
fn every_misuse_ends_with_2_says_why_and_writes_nothing() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let bad = tree.beside("bad.md5");
    fs::write(&bad, "900150983cd24fb0d6963f7d28e17f7\n").unwrap();
    let bad = bad.to_str().unwrap();
    let misuses: [(&[&str], &str); 9] = [
        (&["--alert", bad], "line 1"),
        (&["--alert", "/nowhere"], "/nowhere"),
        (&["--digests", "crc32"], "crc32"),
        (&["--digests", ""], "--digests"),
        (&["--threads", "0"], "--threads"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--exhibit", "A", "--exhibit", "B"], "--exhibit"),
        (&["--accept-alteration", " "], "--accept-alteration"),
        (&["--sign", "/nowhere.key"], "/nowhere.key"),
    ];
    for (arguments, word) in misuses {
        let output = scan(&tree, "out", arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(errors(&output).contains(word), "{arguments:?}: {}", errors(&output));
        assert!(!tree.beside("out").exists(), "{arguments:?}");
    }
    let output = assay().arg("scan").arg(tree.beside("missing")).args(["--out", "/x"]).output();
    assert_eq!(code(&output.unwrap()), 2);
    assert_eq!(code(&assay().arg("verify").arg(tree.path()).output().unwrap()), 2);
}

#[test]
fn a_folder_of_lists_is_every_list_in_it_but_not_their_sidecars() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let lists = tree.beside("lists");
    fs::create_dir_all(lists.join("deeper")).unwrap();
    let list = |name: &str, text: &str| fs::write(lists.join(name), text).unwrap();
    list("b.md5", "900150983cd24fb0d6963f7d28e17f72\n");
    list("b.md5.toml", "name = 'second'\n");
    list("deeper/c.sha1", "a9993e364706816aba3e25717850c26c9cd0d89d\n");
    list(".hidden", "no list at all\n");
    assert_eq!(code(&scan(&tree, "out", &["--alert", lists.to_str().unwrap()])), 0);
    let names = crate::runs::cells(&tree.beside("out"), "matches.csv", ["set_name"]);
    assert_eq!(names, [["second"], ["c.sha1"]]);
    fs::create_dir(tree.beside("empty")).unwrap();
    let empty = tree.beside("empty");
    assert_eq!(code(&scan(&tree, "none", &["--alert", empty.to_str().unwrap()])), 2);
}

#[test]
fn a_folder_that_is_not_empty_is_not_taken_for_a_report() {
    let tree = Tree::new();
    tree.file("a", "abc");
    fs::create_dir(tree.beside("out")).unwrap();
    fs::write(tree.beside("out").join("thesis.txt"), "mine").unwrap();
    assert_eq!(code(&scan(&tree, "out", &[])), 2);
    assert_eq!(fs::read_dir(tree.beside("out")).unwrap().count(), 1);
}

#[test]
fn a_changed_report_ends_with_4_and_the_row_is_named() {
    let tree = Tree::new();
    tree.file("a", "abc");
    tree.file("b", "abd");
    scan(&tree, "out", &[]);
    let files = tree.beside("out").join("files.csv");
    let text = fs::read_to_string(&files).unwrap().replace("E1!/b", "E1!/c");
    fs::write(&files, text).unwrap();
    let output = assay().arg("verify").arg(tree.beside("out")).output().unwrap();
    assert_eq!(code(&output), 4);
    assert!(errors(&output).contains("files.csv, row 2"), "{}", errors(&output));
}

#[test]
fn what_an_unprivileged_user_cannot_read_is_a_row_and_ends_with_3() {
    use std::os::unix::fs::PermissionsExt as _;
    if !is_root() {
        return;
    }
    let tree = Tree::new();
    tree.file("readable", "abc");
    let closed = tree.file("closed", "abc");
    let inner = tree.file("folder/inner", "abc");
    let mode = |path: &std::path::Path, bits| {
        fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
    };
    mode(&closed, 0);
    mode(inner.parent().unwrap(), 0);
    let beside = tree.beside("reports");
    fs::create_dir(&beside).unwrap();
    mode(&beside, 0o777);
    let binary = tree.beside("assay");
    fs::copy(env!("CARGO_BIN_EXE_assay"), &binary).unwrap();
    let run = |out: &str, arguments: &[&str]| {
        let out = beside.join(out);
        as_nobody(|| {
            let mut command = Command::new(&binary);
            command.arg("scan").arg(tree.path()).arg("--out").arg(out).args(arguments);
            command.output().unwrap()
        })
    };
    let refused = run("refused", &[]);
    assert_eq!(code(&refused), 2, "{refused:?}");
    assert!(errors(&refused).contains("would alter"), "{}", errors(&refused));
    assert!(!beside.join("refused").exists());
    let consented = run("consented", &["--accept-alteration", "order 7/26"]);
    assert_eq!(code(&consented), 3, "{consented:?}");
    let rows = crate::runs::cells(
        &beside.join("consented"),
        "files.csv",
        ["object_path", "status", "reason"],
    );
    assert_eq!(
        rows,
        [
            ["E1!/closed", "unread", "permission_denied"],
            ["E1!/folder", "unread", "permission_denied"],
            ["E1!/readable", "hashed", ""],
        ]
    );
    let custody = fs::read_to_string(beside.join("consented/custody.csv")).unwrap();
    assert!(custody.contains("alteration_accepted") && custody.contains("order 7/26"));
}

#[test]
fn json_events_are_one_object_a_line_and_nothing_else_on_standard_output() {
    let tree = Tree::new();
    tree.file("=cmd\u{1b}[2J", "abc");
    let known = tree.beside("known.md5");
    fs::write(&known, "900150983cd24fb0d6963f7d28e17f72\n").unwrap();
    let output = scan(&tree, "out", &["--json", "--quiet", "--alert", known.to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(output.stderr.is_empty(), "{}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "hit", "end"]);
    assert_eq!(events[1]["object_path"], "E1!/=cmd\\u{1b}[2J");
    assert_eq!(events[2]["seal"].as_str().unwrap().len(), 64);
}

#[test]
fn colour_appears_only_where_it_is_asked_for() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let error = |arguments: &[&str], no_color: bool| {
        let mut command = assay();
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.arg("verify").arg(tree.path()).args(arguments).output().unwrap();
        errors(&output).contains('\u{1b}')
    };
    assert!(!error(&[], false), "no terminal, no colour");
    assert!(error(&["--color", "always"], true), "asked for on the command line");
    assert!(!error(&["--color", "never"], false));
}

#[test]
fn an_interrupt_ends_with_130_and_keeps_the_journal() {
    let tree = Tree::new();
    let big = fs::File::create(tree.path().join("big")).unwrap();
    big.set_len(64 << 30).unwrap(); // sparse: reading it takes a minute, ending takes an instant
    for n in 0..50 {
        tree.file(format!("small{n}"), "x");
    }
    let out = tree.beside("out");
    let mut child = assay()
        .arg("scan")
        .arg(tree.path())
        .arg("--out")
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !out.join("custody.csv").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    assert!(run.contains("\"interrupted\""), "{run}");
    assert!(out.join("journal").exists() && out.join("files.incomplete.csv").exists());
    assert!(!out.join("manifest.sha256").exists());
}

#[test]
fn a_case_file_says_what_the_command_line_would() {
    let tree = Tree::new();
    tree.file("a", "abc");
    let case = tree.beside("case.toml");
    let text = format!(
        "case = '114/26'\nexaminer = 'A. Person'\nout = {:?}\n[[evidence]]\npath = {:?}\n\
         exhibit = 'EX1'\nwrite_blocker = 'T35 no 7'\n",
        tree.beside("out"),
        tree.path()
    );
    fs::write(&case, &text).unwrap();
    let run = || assay().arg("scan").arg("--case-file").arg(&case).output().unwrap();
    assert_eq!(code(&run()), 0);
    let json = fs::read_to_string(tree.beside("out").join("run.json")).unwrap();
    for word in ["114/26", "A. Person", "EX1", "T35 no 7"] {
        assert!(json.contains(word), "{word}");
    }
    fs::write(&case, text + "serial_number = '1'\n").unwrap();
    assert_eq!(code(&run()), 2, "an unknown key is refused");
}

#[test]
fn the_demonstration_finds_changed_copies_of_known_pictures_and_no_others() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = Tree::new();
    let list = root.join("hashsets/demo/alert-pictures.csv");
    let out = tree.beside("out");
    let run = |command: &mut Command| command.arg(&list).output().unwrap();
    let mut scan = assay();
    scan.arg("scan").arg(root.join("tests/data/demo")).arg("--out").arg(&out).arg("--alert");
    assert_eq!(code(&run(&mut scan)), 0);
    let columns = ["object_path", "entry_id", "transform", "match_kind", "fp_population"];
    let found = crate::runs::cells(&out, "matches.csv", columns);
    let expected = [
        ["IMG_2101.jpg", "PICTURE-0001", "identity"],
        ["IMG_2102_small.jpg", "PICTURE-0002", "identity"],
        ["avatar.webp", "PICTURE-0004", "flip_x"],
        ["cut.jpg", "PICTURE-0005", "identity"],
        ["scan0007.png", "PICTURE-0003", "rotate270"],
    ];
    for (row, [name, entry, transform]) in found.iter().zip(expected) {
        let path = format!("E1!/pictures/{name}");
        assert_eq!(row[..4], [&*path, entry, transform, "near"]);
        assert!(!row[4].is_empty(), "the strength is stated");
    }
    assert_eq!(found.len(), expected.len());
    let mut verify = assay();
    verify.arg("verify").arg(&out).arg("--sets");
    let verified = run(&mut verify);
    assert_eq!(code(&verified), 0, "{verified:?}");
    assert!(errors(&verified).contains("5 distances"), "{}", errors(&verified));
}

/// A differencing image and its parent elsewhere, from the golden images.
#[test]
fn a_parent_is_named_with_an_option_and_must_be_one() {
    let tree = Tree::new();
    let unpack = |name: &str, to: &str| {
        let path = format!("{}/tests/data/images/{name}.gz", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = Vec::new();
        let packed = fs::read(path).unwrap();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes)
            .unwrap();
        let path = tree.beside(to);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (child, parent) = (unpack("child.vhd", "child.vhd"), unpack("base.vhd", "elsewhere.vhd"));
    let list = |arguments: &[&std::path::Path]| {
        let mut command = assay();
        command.arg("list").arg(&child);
        for path in arguments {
            command.arg("--parent").arg(path);
        }
        command.output().unwrap()
    };
    let output = list(&[]);
    assert_eq!(code(&output), 2);
    assert!(errors(&output).contains("base.vhd"), "{output:?}");
    assert_eq!(code(&list(&[&parent])), 3); // a medium in which nothing is recognised
    let output = list(&[&parent, &child]);
    assert_eq!(code(&output), 2);
    assert!(errors(&output).contains("no image of the evidence has it"), "{output:?}");

    let out = tree.beside("out");
    let mut command = assay();
    command.arg("scan").arg(&child).arg("--parent").arg(&parent).arg("--out").arg(&out);
    assert_eq!(code(&command.output().unwrap()), 3);
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    assert!(run.contains("parent_1") && run.contains("elsewhere.vhd"), "{run}");
}
