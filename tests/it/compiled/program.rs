//! `assay hashset` as it is run, and scans with a compiled set instead of its list.

use super::{build_lists, facts, mixed, pool};
use crate::runs::{cells, list, plan, run, tables};
use crate::tree::Tree;
use assay::hashset::compiled::{Access, BuildError, Builder, CompiledSet};
use assay::hashset::{ListOptions, SetKind, load};
use assay::output::{Effect, Fault, Faults, Operation, OutputDir};
use assay::report::RunManifest;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72"; // of "abc"

fn assay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("hashset").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it in a folder; code, standard output, standard error.
pub(super) fn hashset(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = assay(arguments).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[track_caller]
pub(super) fn good(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, errors) = hashset(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    out
}

fn options(path: &Path) -> ListOptions {
    ListOptions { accept_polarity: true, ..list(SetKind::Alert, path) }
}

/// A list with codes, and its scheme.
fn rich(folder: &Path) {
    let scheme = "name = \"s\"\n[codes.1]\nkind = \"alert\"\nlabel = \"one\"\n\
                  [codes.2]\nkind = \"info\"\nlabel = \"two\"\n";
    std::fs::write(folder.join("s.toml"), scheme).unwrap();
    let mut rows =
        "id,md5,sha1,sha256,pdq,pdq_quality,phash,category,series,size,photodna\n".to_owned();
    for n in 1..40_u32 {
        let hex = |digits: usize| format!("{n:0>digits$x}");
        let pdq = if n % 3 == 0 { hex(64) } else { String::new() };
        let quality = if n % 3 == 0 { "90" } else { "" };
        rows += &format!(
            "\"id, {n}\",{},{},{},{pdq},{quality},{},{},\"a \"\"series\"\"\",{n},{}\n",
            hex(32),
            hex(40),
            hex(64),
            hex(16),
            n % 2 + 1,
            hex(288)
        );
    }
    std::fs::write(folder.join("rich.csv"), rows).unwrap();
}

#[test]
fn each_form_of_list_comes_back_from_a_compiled_set_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    rich(folder);
    let other = "fedcba9876543210fedcba9876543210";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    std::fs::write(folder.join("plain.txt"), format!("{MD5}\n\n{other}\n")).unwrap();
    std::fs::write(folder.join("sums.txt"), format!("{MD5}  a\n{other} *b\n")).unwrap();
    std::fs::write(folder.join("bsd.txt"), format!("SHA256 (a) = {sha256}\n")).unwrap();
    let deep = format!("%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n3,{MD5},{sha256},x,y\n");
    std::fs::write(folder.join("deep.txt"), deep).unwrap();
    for (name, form) in [
        ("plain.txt", "csv"),
        ("plain.txt", "md5sum"),
        ("sums.txt", "md5sum"),
        ("bsd.txt", "csv"),
        ("deep.txt", "hashdeep"),
        ("deep.txt", "sha256sum"),
        ("rich.csv", "csv"),
    ] {
        let (set, back) = (format!("{name}-{form}.ahs"), format!("{name}-{form}.out"));
        let scheme: &[&str] = if name == "rich.csv" { &["--scheme", "./s.toml"] } else { &[] };
        let build = ["build", name, "--kind", "alert", "--name", "n", "--out", &set];
        good(folder, &[&build, scheme].concat());
        good(folder, &["export", &set, "--format", form, "--out", &back]);
        let read = |file: &str| {
            let mut options = options(&folder.join(file));
            options.algorithm =
                (form == "sha256sum").then_some(assay::hashset::ListAlgorithm::Sha256);
            if name == "rich.csv" {
                let scheme = folder.join("s.toml");
                let scheme = assay::hashset::Scheme::read(scheme.to_str().unwrap()).unwrap();
                options.scheme = Some(scheme.into());
            }
            if file == name {
                options.algorithm = None;
            }
            load(&options, &pool(1)).unwrap().entries
        };
        let (mut went, mut came) = (read(name), read(&back));
        for entry in went.iter_mut().chain(&mut came) {
            // These forms have no identifiers of entries; a CSV has them.
            if form != "csv" {
                entry.id = Box::default();
            }
            if form == "sha256sum" {
                let sha256 = entry.digests.get(assay::digest::Algorithm::Sha256).unwrap();
                entry.digests = assay::digest::Digests::default();
                entry.digests.set(assay::digest::Algorithm::Sha256, sha256);
                entry.size = None;
            }
        }
        assert_eq!(went, came, "{name} as {form}");
    }
    good(folder, &["export", "rich.csv-csv.ahs", "--format", "vics", "--out", "v.json"]);
    let vics: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("v.json")).unwrap()).unwrap();
    let media = &vics["value"][1];
    assert!(vics["@odata.context"].as_str().unwrap().ends_with("2.0.xml/Default/$metadata#Media"));
    assert_eq!(vics["value"].as_array().unwrap().len(), 39);
    assert_eq!((&media["MD5"], &media["MediaSize"]), (&format!("{:0>32X}", 2).into(), &2.into()));
    assert_eq!((&media["Category"], &media["MediaID"]), (&1.into(), &"id, 2".into()));
    assert_eq!(media["PhotoDNA"].as_str().unwrap().len(), 192);
    let (code, _, errors) =
        hashset(folder, &["export", "plain.txt-csv.ahs", "--format", "hashdeep", "--out", "h"]);
    assert_eq!(code, 3);
    assert!(errors.contains("2 entries"), "{errors}");
}

#[test]
fn a_lookup_answers_each_digest_on_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("l.csv"), format!("id,md5\nA,{MD5}\n\"B,1\",{MD5}\n")).unwrap();
    good(folder, &["build", "l.csv", "--kind", "info", "--name", "a, b", "--out", "l.ahs"]);
    let upper = MD5.to_uppercase();
    let absent = "00000000000000000000000000000001";
    let want = format!("{MD5},info,\"a, b\",\"A;B,1\"\n{absent},none,,\n");
    assert_eq!(good(folder, &["lookup", "l.ahs", &upper, absent]), want);
    assert_eq!(good(folder, &["lookup", "l.ahs", "--in-memory", &upper, absent]), want);
    std::fs::write(folder.join("q"), format!("{MD5}\r\n\n  {absent}")).unwrap();
    let mut command = assay(&["lookup", "l.ahs"]);
    let input = std::fs::File::open(folder.join("q")).unwrap();
    let output = command.current_dir(folder).stdin(input).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want);
    // Many lines, some of which reach from one read of the input into the next.
    let (mut lines, mut answers) = (String::new(), String::new());
    for n in 0..9_000_u32 {
        let (hash, answer) = match n % 3 {
            0 => (upper.clone(), ",info,\"a, b\",\"A;B,1\"\n"),
            _ => (format!("{n:032x}"), ",none,,\n"),
        };
        lines += &format!("{hash}{}", ["\n", "\r\n", "  \n\n"][n as usize % 3]);
        answers += &format!("{}{answer}", hash.to_lowercase());
    }
    std::fs::write(folder.join("q"), lines.trim_end()).unwrap();
    let input = std::fs::File::open(folder.join("q")).unwrap();
    let output = assay(&["lookup", "l.ahs"]).current_dir(folder).stdin(input).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap() == answers, "{} bytes", lines.len());
    std::fs::write(folder.join("q"), format!("{lines}\nnothing\n{MD5}\n")).unwrap();
    let input = std::fs::File::open(folder.join("q")).unwrap();
    let output = assay(&["lookup", "l.ahs"]).current_dir(folder).stdin(input).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("standard input, line 12002:"), "{errors}");
    // Not "none": nothing was looked for.
    for hash in ["xyz", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "0x12"] {
        let (code, out, errors) = hashset(folder, &["lookup", "l.ahs", MD5, hash]);
        assert_eq!(code, 2, "{out}");
        assert!(errors.contains("argument 2") && !errors.contains(hash), "{errors}");
    }
    let (code, _, errors) = hashset(folder, &["lookup", "l.csv", MD5]);
    assert!(code == 2 && errors.contains("no compiled set"), "{errors}");
}

#[test]
fn a_set_is_verified_signed_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("l.txt"), format!("{MD5}\n")).unwrap();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = [
        b"untrusted comment: k\n",
        pair.sk.to_box(None).unwrap().to_string().lines().nth(1).unwrap().as_bytes(),
        b"\n",
    ]
    .concat();
    std::fs::write(folder.join("k"), key).unwrap();
    let build =
        ["build", "l.txt", "--kind", "alert", "--name", "n", "--out", "l.ahs", "--sign", "k"];
    let root = good(folder, &build);
    let public = pair.pk.to_base64();
    let told = good(folder, &["verify", "l.ahs", "--key", &public]);
    assert!(told.contains(root.trim()), "{told}");
    assert!(good(folder, &["info", "l.ahs"]).contains(root.trim()));
    let (code, _, errors) = hashset(folder, &build);
    assert!(code == 2 && errors.contains("there is one already"), "{errors}");
    let mut file = std::fs::read(folder.join("l.ahs")).unwrap();
    let last = file.len() - 100;
    file[last] ^= 1;
    std::fs::write(folder.join("l.ahs"), &file).unwrap();
    for command in ["verify", "audit", "lookup"] {
        let (code, _, errors) = hashset(folder, &[command, "l.ahs"]);
        let want = if command == "verify" { 4 } else { 2 };
        let looked = command == "lookup" && code == 0; // records are no part of the tables
        assert!(looked || code == want && errors.contains("l.ahs"), "{command}: {code} {errors}");
    }
}

#[test]
fn an_audit_names_contradictions_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    rich(folder);
    let zero = "93b885adfe0da089cdf634904fd59f71"; // one byte of 0
    let list = format!("id,md5,size\nA,{MD5},3\nB,{MD5},4\nC,{zero},1\n");
    std::fs::write(folder.join("a.csv"), list).unwrap();
    std::fs::write(folder.join("b.txt"), format!("{MD5}\n")).unwrap();
    good(folder, &["build", "a.csv", "--kind", "alert", "--name", "a", "--out", "a.ahs"]);
    good(folder, &["build", "b.txt", "--kind", "ignore", "--name", "b", "--out", "b.ahs"]);
    let (code, out, _) = hashset(folder, &["audit", "a.ahs", "b.ahs"]);
    assert_eq!(code, 4);
    for words in [
        "entries of one digest differ in another digest or size: set a: A and B by md5",
        "trivial content: set a: C, 1 bytes",
        "line:1 of set b is ignore, A of set a is alert",
        "sets differ in what a digest is: 2",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(!out.contains(&MD5[..8]) && !out.contains(&zero[..8]));
    assert_eq!(hashset(folder, &["audit", "b.ahs"]).0, 0);
    good(
        folder,
        &[
            "build", "rich.csv", "--scheme", "./s.toml", "--kind", "alert", "--name", "r", "--out",
            "r.ahs",
        ],
    );
    let out = good(folder, &["audit", "r.ahs"]);
    assert!(out.contains("set r: code 2 of s: info, 20"), "{out}");
}

#[test]
fn a_list_that_is_refused_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("l.txt"), format!("{MD5}\n{}\n", &MD5[1..])).unwrap();
    let (code, _, errors) =
        hashset(folder, &["build", "l.txt", "--kind", "alert", "--name", "n", "--out", "l.ahs"]);
    assert!(code == 2 && errors.contains("line 2"), "{errors}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn a_scan_with_a_compiled_set_is_a_scan_with_its_list() {
    let tree = Tree::new();
    for n in 0..50_u32 {
        tree.file(format!("{n}"), n.to_be_bytes().repeat(20));
    }
    let picture = image::RgbImage::from_fn(300, 200, |x, y| {
        image::Rgb([(x * x / 99 + y) as u8, (y * 3) as u8, (x ^ y) as u8])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    tree.file("p.png", png.into_inner());
    let first = tree.beside("first");
    run(&plan(&tree.path(), &first)).unwrap();
    let rows = cells(&first, "files.csv", ["md5", "sha1", "size_bytes", "pdq"]);
    let mut text = "md5,sha1,size,pdq,pdq_quality\n".to_owned();
    for (n, [md5, sha1, size, pdq]) in rows.iter().enumerate() {
        let wrong = "0123456789".repeat(4);
        text += &match (n % 4, pdq.is_empty()) {
            (_, false) => {
                // Another picture's digest, and a hash some bits away.
                let last = if pdq.ends_with('0') { "3" } else { "0" };
                format!(",{wrong},,{}{last},100\n", &pdq[..63])
            }
            (0, _) => format!("{md5},,,,\n{md5},{sha1},,,\n"),
            (1, _) => format!("{md5},{wrong},,,\n"),
            (2, _) => format!(",{sha1},{size},,\n"),
            _ => continue,
        };
    }
    let raw = tree.beside("known.csv");
    std::fs::write(&raw, text).unwrap();
    let folder = raw.parent().unwrap();
    good(
        folder,
        &["build", "known.csv", "--kind", "alert", "--name", "known.csv", "--out", "known.ahs"],
    );
    let scan = |out: &str, set: &str, access| {
        let mut plan = plan(&tree.path(), &tree.beside(out));
        plan.lists = vec![list(SetKind::Alert, tree.beside(set))];
        plan.set_access = access;
        run(&plan).unwrap();
        let run = std::fs::read(tree.beside(out).join("run.json")).unwrap();
        let run: RunManifest = serde_json::from_slice(&run).unwrap();
        let sets = run.sets[0].clone();
        let mut looked = (sets.counts, sets.incomparable, sets.info.sha256, sets.info.name);
        looked.0.rejected = 0;
        (tables(&tree.beside(out)), looked, sets.compiled)
    };
    let (want, counts, none) = scan("raw", "known.csv", Access::Mapped);
    let kinds = cells(&tree.beside("raw"), "matches.csv", ["match_kind"]);
    for kind in ["exact", "near", "digest_conflict"] {
        assert!(kinds.iter().any(|row| row[0] == kind), "{kind}");
    }
    assert!(none.is_none());
    for (out, access) in [("mapped", Access::Mapped), ("held", Access::InMemory)] {
        let (have, have_counts, compiled) = scan(out, "known.ahs", access);
        assert!(have == want, "{out}: tables differ");
        assert_eq!(have_counts, counts);
        assert_eq!(compiled.unwrap().sources[0].file, "known.csv");
    }
    // Either verifies the report of the other.
    for (out, set) in [("raw", "known.ahs"), ("mapped", "known.csv"), ("held", "known.ahs")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.arg("verify").arg(tree.beside(out)).arg("--sets").arg(tree.beside(set));
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(
            !told.contains(" 0 findings by digest, ") && !told.contains(" 0 distances"),
            "{told}"
        );
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("scan").arg(tree.path()).arg("--ignore").arg(tree.beside("known.ahs"));
    let output = command.arg("--out").arg(tree.beside("no")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("built as a set of kind alert"));
}

#[test]
fn a_build_killed_at_any_moment_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String =
        (1..120_000_u32).map(|n| format!("{:0>32x}\n", n.wrapping_mul(0x9e37_79b9))).collect();
    std::fs::write(folder.join("l.txt"), rows).unwrap();
    let path = folder.join("l.ahs");
    let (mut killed, mut whole) = (0, 0);
    for n in 0..40_u64 {
        let build =
            ["build", "l.txt", "--kind", "alert", "--name", "n", "--out", "l.ahs", "--memory", "1"];
        let mut command = assay(&build);
        command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 * n));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        if path.exists() {
            let set = CompiledSet::open(&path, Access::Mapped).unwrap();
            set.verify(&pool(2)).unwrap();
            whole += 1;
            std::fs::remove_file(&path).unwrap();
        }
    }
    assert!(killed > 0, "{whole} whole");
    good(folder, &["build", "l.txt", "--kind", "alert", "--name", "n", "--out", "l.ahs"]);
}

#[test]
fn a_disk_that_fails_gives_an_error_and_no_file() {
    let entries = mixed(3_000);
    for operation in [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename] {
        for nth in [1, 2, 3, 7, 12, 25, 40] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("set.ahs");
            let fault = Fault { operation, name: None, nth, effect: Effect::From(28) };
            let build = || -> Result<(), BuildError> {
                let out = OutputDir::of_file(&path, Faults::new(vec![fault]))?;
                let mut builder = Builder::new(&out, facts(), super::LITTLE, pool(1))?;
                for (line, entry) in (1..).zip(&entries) {
                    builder.push(entry, line)?;
                }
                builder.finish("set.ahs").map(|_| ())
            };
            match build() {
                Ok(()) => assert!(path.exists()),
                // The name may be there where only making it durable failed: then it is whole.
                Err(BuildError::Output(_)) if path.exists() => {
                    assert_eq!(operation, Operation::Sync);
                    CompiledSet::open(&path, Access::Mapped).unwrap().verify(&pool(1)).unwrap();
                }
                Err(error) => assert!(matches!(error, BuildError::Output(_)), "{error}"),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    build_lists(&folder.path().join("set.ahs"), &[&entries], facts(), (super::LITTLE, 1));
}
