//! Whole runs over disk images: the same rows from every container, nothing altered, every byte in
//! one class, and what a digest, a list of bad sectors or a damaged chunk does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::digest::{Algorithm, Digest, Hasher, Selection};
use assay::hashset::SetKind;
use assay::report::RunManifest;
use assay::scan::{Counters, Follow, Outcome, ScanError};

use crate::runs::{cells, list, plan, run, tables};
use crate::support::tool;
use crate::tree::Tree;

const SECTOR: usize = 512;
/// First sectors of the two partitions.
const FIRST: usize = 2048;

/// A volume of `tests/data/images`.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name);
    let mut volume = Vec::new();
    let packed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut volume).unwrap();
    volume.resize(volume.len().next_multiple_of(SECTOR), 0);
    volume
}

/// A disk with a master boot record, a FAT16 and an exFAT volume, and a gap behind them.
pub(crate) fn disk() -> Vec<u8> {
    disk_of(&[("fat16.img.gz", 0x06), ("exfat-tree.raw.gz", 0x07)])
}

/// A disk with a master boot record, these volumes with their types, and a gap behind them.
fn disk_of(volumes: &[(&str, u8)]) -> Vec<u8> {
    let mut disk = vec![0; FIRST * SECTOR];
    for (n, (name, kind)) in volumes.iter().enumerate() {
        let volume = golden(name);
        let entry = 446 + 16 * n;
        let (start, count) = (disk.len() / SECTOR, volume.len() / SECTOR);
        disk[entry + 4] = *kind;
        disk[entry + 8..entry + 12].copy_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
        disk.extend(volume);
    }
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk.extend([0; 100 * SECTOR]);
    disk
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Selection::only(algorithm));
    hasher.update(bytes);
    hasher.finish().get(algorithm).unwrap()
}

/// Writes the disk as one file; gives its path.
fn raw(tree: &Tree) -> PathBuf {
    let path = tree.beside("disk.dd");
    fs::write(&path, disk()).unwrap();
    path
}

/// Runs `ewfacquire` on a disk; `None` where it is not installed.
pub(crate) fn acquire(tree: &Tree, from: &Path, name: &str, segment: &str) -> Option<PathBuf> {
    let target = tree.beside(name);
    let (target_text, from) = (target.to_str().unwrap(), from.to_str().unwrap());
    let arguments = [
        "-u",
        "-q",
        "-t",
        target_text,
        "-f",
        "encase6",
        "-c",
        "fast",
        "-S",
        segment,
        "-m",
        "fixed",
        "-M",
        "physical",
        "-C",
        "C1",
        "-D",
        "d",
        "-E",
        "E1",
        "-e",
        "x",
        "-N",
        "n",
        from,
    ];
    let output = tool("ewfacquire", &arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(target.with_extension("E01"))
}

/// The disk as `qemu-img` writes it in every format that is read; none where it is not installed.
fn virtual_disks(tree: &Tree, from: &Path) -> Vec<PathBuf> {
    let kinds: [(&str, &str, &[&str]); 13] = [
        ("fixed.vhd", "vpc", &["-o", "subformat=fixed,force_size=on"]),
        ("dynamic.vhd", "vpc", &["-o", "subformat=dynamic,force_size=on"]),
        ("fixed.vhdx", "vhdx", &["-o", "subformat=fixed"]),
        ("dynamic.vhdx", "vhdx", &["-o", "subformat=dynamic"]),
        ("old.qcow2", "qcow2", &["-o", "compat=0.10"]),
        ("new.qcow2", "qcow2", &["-o", "compat=1.1,cluster_size=4096"]),
        ("deflate.qcow2", "qcow2", &["-c"]),
        ("zstd.qcow2", "qcow2", &["-c", "-o", "compression_type=zstd"]),
        ("sparse.vmdk", "vmdk", &["-o", "subformat=monolithicSparse"]),
        ("flat.vmdk", "vmdk", &["-o", "subformat=monolithicFlat"]),
        ("twogbsparse.vmdk", "vmdk", &["-o", "subformat=twoGbMaxExtentSparse"]),
        ("twogbflat.vmdk", "vmdk", &["-o", "subformat=twoGbMaxExtentFlat"]),
        ("stream.vmdk", "vmdk", &["-o", "subformat=streamOptimized"]),
    ];
    let convert = |(name, format, options): &(&str, &str, &[&str])| {
        let to = tree.beside(name);
        let (from, target) = (from.to_str()?, to.to_str()?);
        let head = ["convert", "-f", "raw", "-O", format];
        let output = tool("qemu-img", &[&head, *options, &[from, target]].concat())?;
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Some(to)
    };
    kinds.iter().map_while(convert).collect()
}

/// The table without the named columns.
fn without(table: &[u8], left_out: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table);
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap);
    let keep = |row: csv::StringRecord| {
        let cells = header.iter().zip(row.iter()).filter(|(name, _)| !left_out.contains(name));
        cells.map(|(_, cell)| cell.to_owned()).collect()
    };
    rows.map(keep).collect()
}

#[test]
fn one_disk_in_every_container_gives_the_same_tables() {
    let tree = Tree::new();
    let whole = raw(&tree);
    let bytes = fs::read(&whole).unwrap();
    for (n, part) in bytes.chunks(1 << 20).enumerate() {
        fs::write(tree.beside(&format!("split.{:03}", n + 1)), part).unwrap();
    }
    let mut images = vec![whole.clone(), tree.beside("split.001")];
    images.extend(acquire(&tree, &whole, "one", "1400MiB"));
    images.extend(acquire(&tree, &whole, "many", "1MiB"));
    images.extend(virtual_disks(&tree, &whole));
    let known = tree.beside("known.csv");
    let first = tree.beside("first");
    run(&plan(&whole, &first)).unwrap();
    let known_digests: Vec<_> = cells(&first, "files.csv", ["md5"])
        .into_iter()
        .map(|[md5]| md5)
        .filter(|md5| !md5.is_empty())
        .step_by(5)
        .collect();
    fs::write(&known, format!("md5\n{}\n", known_digests.join("\n"))).unwrap();
    let mut expected = None;
    for (n, image) in images.iter().enumerate() {
        let out = tree.beside(&format!("out{n}"));
        let mut plan = plan(image, &out);
        plan.lists = vec![list(SetKind::Alert, &known)];
        let summary = run(&plan).unwrap();
        assert!(summary.built.balance.holds && summary.built.alerts > 10, "{image:?}");
        let [files, matches, exceptions, volumes] = tables(&out);
        let matches = without(&matches, &["source_identity", "source_verdict", "row_chain"]);
        let found = (files, matches, exceptions, volumes);
        assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{image:?}");
    }
    let states = |n: usize| {
        let run: RunManifest = serde_json::from_slice(
            &fs::read(tree.beside(&format!("out{n}")).join("run.json")).unwrap(),
        )
        .unwrap();
        run.sources[0].verdict.as_str()
    };
    assert_eq!(states(0), "none_supplied");
    if images.len() > 2 {
        assert_eq!((states(2), states(3)), ("match", "match"));
    }
}

#[test]
fn threads_change_no_byte_and_the_image_stays_as_it_is() {
    let tree = Tree::new();
    let image = raw(&tree);
    let before = fs::read(&image).unwrap();
    let stat = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        let stat = fs::metadata(path).unwrap();
        (stat.atime(), stat.atime_nsec(), stat.mtime(), stat.ctime(), stat.ctime_nsec())
    };
    let looked = stat(&image);
    let mut expected = None;
    for threads in [1, 8, 2] {
        let out = tree.beside(&format!("out{threads}"));
        let mut plan = plan(&image, &out);
        plan.threads = NonZeroUsize::new(threads).unwrap();
        run(&plan).unwrap();
        let found = tables(&out);
        assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{threads}");
    }
    assert_eq!(stat(&image), looked);
    assert!(fs::read(&image).unwrap() == before, "the image is as it was");
}

#[test]
fn every_byte_of_the_disk_is_in_one_class() {
    let tree = Tree::new();
    let image = raw(&tree);
    let out = tree.beside("out");
    run(&plan(&image, &out)).unwrap();
    let columns = [
        "start_offset",
        "length_bytes",
        "bytes_metadata",
        "bytes_allocated",
        "bytes_slack",
        "bytes_unallocated",
        "bytes_unread",
        "bytes_unexamined",
    ];
    let rows = cells(&out, "volumes.csv", columns);
    let mut end = 0;
    for row in rows.iter().map(|row| row.each_ref().map(|cell| cell.parse::<u64>().unwrap())) {
        assert_eq!(row[0], end, "the rows lie side by side");
        assert_eq!(row[2..].iter().sum::<u64>(), row[1]);
        end = row[0] + row[1];
    }
    assert_eq!(end, fs::metadata(&image).unwrap().len());
    let names: Vec<_> = cells(&out, "volumes.csv", ["volume", "fs_type", "action"]);
    let names: Vec<_> = names.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    assert_eq!(
        names,
        [
            ["gap1", "", "gap"],
            ["p1", "fat16", "examined"],
            ["p2", "exfat", "examined"],
            ["gap2", "", "gap"]
        ]
    );
    let volumes: BTreeSet<_> = cells(&out, "files.csv", ["volume"]).into_iter().collect();
    assert_eq!(volumes.len(), 2);
}

#[test]
fn a_run_over_an_image_that_was_stopped_ends_as_one_that_was_not() {
    let tree = Tree::new();
    let image = raw(&tree);
    let whole = tree.beside("whole");
    run(&plan(&image, &whole)).unwrap();
    for stop_after in [1, 20, 90] {
        let out = tree.beside(&format!("out{stop_after}"));
        let mut plan = plan(&image, &out);
        let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
        let mut count = 0;
        let mut stop = |_: &assay::report::Record| {
            count += 1;
            cancel.store(count >= stop_after, Ordering::Relaxed);
            Ok(())
        };
        let follow = Follow { counters: &counters, cancel: &cancel, record: &mut stop };
        let summary = assay::scan::run(&plan, follow, None).unwrap();
        assert_eq!(summary.outcome, Outcome::Interrupted);
        plan.resume = true;
        run(&plan).unwrap();
        assert_eq!(tables(&out), tables(&whole), "stopped after {stop_after}");
    }
}

#[test]
fn volumes_with_the_same_numbers_of_files_do_not_mix() {
    let tree = Tree::new();
    let names = ["ext4-4k.img.gz", "ext2-1k.img.gz", "ext4-4k.img.gz"];
    let image = tree.beside("disk.dd");
    fs::write(&image, disk_of(&names.map(|name| (name, 0x83)))).unwrap();
    let out = tree.beside("out");
    run(&plan(&image, &out)).unwrap();
    let columns = ["volume", "object_path", "sha256", "status", "link_count"];
    let rows = cells(&out, "files.csv", columns);
    assert!(rows.iter().any(|row| row[4] == "3"), "a content with three names");
    for (n, name) in names.iter().enumerate() {
        let single = tree.beside(&format!("single{n}.dd"));
        fs::write(&single, golden(name)).unwrap();
        let out = tree.beside(&format!("single{n}"));
        run(&plan(&single, &out)).unwrap();
        let volume = format!("p{}", n + 1);
        let inside = |row: &[String; 5]| {
            let path = row[1].splitn(3, '/').nth(2).unwrap().to_owned();
            (path, row[2].clone(), row[3].clone())
        };
        let there: Vec<_> = rows.iter().filter(|row| row[0] == volume).map(inside).collect();
        let alone: Vec<_> = cells(&out, "files.csv", columns).iter().map(inside).collect();
        assert_eq!(there, alone, "{name}");
    }
}

#[test]
fn another_digest_than_supplied_is_told_first_and_decides_the_outcome() {
    let tree = Tree::new();
    let image = raw(&tree);
    let sha1 = digest(Algorithm::Sha1, &fs::read(&image).unwrap());
    let wrong = digest(Algorithm::Sha1, b"another image");
    for (name, supplied, verdict) in [("good", sha1, "match"), ("bad", wrong, "mismatch")] {
        let out = tree.beside(name);
        let mut plan = plan(&image, &out);
        plan.sources[0].image_hash = Some((Algorithm::Sha1, supplied));
        let summary = run(&plan).unwrap();
        assert_eq!(summary.outcome == Outcome::Mismatch, name == "bad");
        let run: RunManifest =
            serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
        assert_eq!(run.sources[0].verdict.as_str(), verdict);
        assert_eq!(run.sources[0].image_digests["computed_sha1"], sha1.to_string());
        let text = fs::read_to_string(out.join("summary.txt")).unwrap();
        let told = text.lines().next().unwrap().contains("IMAGE DIGEST MISMATCH");
        let codes: Vec<_> = cells(&out, "exceptions.csv", ["code", "object_path", "record_no"]);
        let row = codes.iter().find(|[code, ..]| code == "image_digest_mismatch");
        assert_eq!(told, name == "bad");
        assert_eq!(row.is_some(), name == "bad");
        assert!(row.is_none_or(|[_, path, record]| path == "E1" && record.is_empty()));
    }
}

#[test]
fn sectors_that_the_imaging_could_not_read_cost_the_objects_on_them_and_no_other() {
    let tree = Tree::new();
    let image = raw(&tree);
    let whole = tree.beside("whole");
    run(&plan(&image, &whole)).unwrap();
    let columns = ["object_path", "disk_offset", "size_bytes", "status", "sha256", "alloc_status"];
    let rows = cells(&whole, "files.csv", columns);
    let victim = rows.iter().find(|[path, at, size, status, _, alloc]| {
        let long = size.parse().is_ok_and(|size: u64| size > 1024);
        !at.is_empty()
            && long
            && status == "hashed"
            && alloc == "allocated"
            && path.contains("/p2/")
    });
    let [path, at, ..] = victim.expect("a file of the exFAT volume of more than two sectors");
    let map = tree.beside("bad.txt");
    fs::write(&map, format!("{} 1\n", at.parse::<u64>().unwrap() / 512 + 1)).unwrap();
    let out = tree.beside("out");
    let mut plan = plan(&image, &out);
    plan.sources[0].bad_map = Some(map);
    assert_eq!(run(&plan).unwrap().outcome, Outcome::Incomplete);
    let changed: Vec<_> = rows
        .iter()
        .zip(cells(&out, "files.csv", columns))
        .filter(|(before, after)| *before != after)
        .map(|(_, after)| after)
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!((&changed[0][0], &*changed[0][3], &*changed[0][4]), (path, "partial", ""));
    let exceptions = cells(&out, "exceptions.csv", ["object_path", "code", "offset", "length"]);
    let told = exceptions.iter().find(|row| &row[0] == path).unwrap();
    assert_eq!(
        told[1..].iter().map(String::as_str).collect::<Vec<_>>(),
        ["bad_sectors", "512", "512"]
    );
}

#[test]
fn list_and_object_show_what_the_report_says() {
    let tree = Tree::new();
    let image = raw(&tree);
    let out = tree.beside("out");
    run(&plan(&image, &out)).unwrap();
    let assay = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_assay")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (image, out_text) = (image.to_str().unwrap(), out.to_str().unwrap());
    let (_, volumes, _) = assay(&["list", image]);
    assert_eq!(volumes.lines().count(), 5, "{volumes}");
    let (_, objects, _) = assay(&["list", image, "-r"]);
    let listed: Vec<_> = objects.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    let rows = cells(&out, "files.csv", ["object_path", "sha256", "status"]);
    let paths: Vec<_> = rows.iter().map(|[path, ..]| path.as_str()).collect();
    assert_eq!(listed, paths);

    let [path, sha256, _] = rows.iter().find(|[_, _, status]| status == "hashed").unwrap();
    let (code, text, told) = assay(&["object", image, path, "--row", out_text]);
    assert_eq!(code, Some(0), "{told}");
    assert!(text.contains(sha256) && text.contains("extent"), "{text}");
    let files = fs::read_to_string(out.join("files.csv")).unwrap();
    fs::write(out.join("files.csv"), files.replace(sha256.as_str(), &"0".repeat(64))).unwrap();
    assert_eq!(assay(&["object", image, path, "--row", out_text]).0, Some(4));
    assert_eq!(assay(&["object", image, "E1!/p1/not there"]).0, Some(1));
    assert_eq!(assay(&["object", image, "p1/x"]).0, Some(2));
}

#[test]
fn verify_holds_volumes_and_problems_without_an_object_too() {
    let tree = Tree::new();
    let image = tree.beside("nothing.dd");
    fs::write(&image, vec![b'x'; 1 << 20]).unwrap();
    let out = tree.beside("out");
    run(&plan(&image, &out)).unwrap();
    let verify = || {
        let assay = Command::new(env!("CARGO_BIN_EXE_assay")).arg("verify").arg(&out).output();
        let assay = assay.unwrap();
        (assay.status.code(), String::from_utf8_lossy(&assay.stderr).into_owned())
    };
    assert_eq!(verify().0, Some(0), "{}", verify().1);
    for (file, from, to) in [
        ("volumes.csv", "not_examined", "examined"),
        ("exceptions.csv", "not_recognised", "encrypted"),
    ] {
        let path = out.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let (code, told) = verify();
        assert_eq!(code, Some(4), "{told}");
        assert!(told.contains(file), "{told}");
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn an_image_that_is_written_during_the_run_is_told() {
    let tree = Tree::new();
    let image = raw(&tree);
    let out = tree.beside("out");
    let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let mut touched = false;
    let mut touch = |_: &assay::report::Record| {
        if !std::mem::replace(&mut touched, true) {
            let file = fs::File::options().write(true).open(&image).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut touch };
    let mut plan = plan(&image, &out);
    plan.verify_image = Some(assay::scan::VerifyImage::Off);
    let summary = assay::scan::run(&plan, follow, None).unwrap();
    assert_eq!(summary.outcome, Outcome::Incomplete);
    let told = cells(&out, "exceptions.csv", ["object_path", "code"]);
    assert!(told.iter().any(|[path, code]| path == "E1" && code == "changed_during_read"));
}

#[test]
fn bytes_of_an_image_that_no_object_owns_and_nobody_can_read_are_told() {
    let tree = Tree::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/fast.E01");
    let mut bytes = fs::read(golden).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let image = tree.beside("damaged.E01");
    fs::write(&image, bytes).unwrap();
    let out = tree.beside("out");
    run(&plan(&image, &out)).unwrap();
    let told = cells(&out, "exceptions.csv", ["object_path", "code", "detail"]);
    let unread = told.iter().find(|[path, code, _]| path == "E1" && code == "image_damaged");
    assert!(unread.is_some_and(|[.., detail]| detail.contains("cannot be read")), "{told:?}");
    let run: RunManifest =
        serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(run.sources[0].verdict.as_str(), "not_verified");
}

#[test]
fn an_image_named_twice_or_of_an_unread_kind_is_refused() {
    let tree = Tree::new();
    let image = raw(&tree);
    let mut twice = plan(&image, &tree.beside("out"));
    twice.sources.push(twice.sources[0].clone());
    let error = run(&twice).unwrap_err();
    assert!(matches!(error, ScanError::SameEvidence { .. }) && error.is_usage(), "{error}");
    let logical = tree.beside("a.ad1");
    fs::write(&logical, [&b"ADSEGMENTEDFILE\0"[..], &[0; 100_000]].concat()).unwrap();
    let error = run(&plan(&logical, &tree.beside("out"))).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("AD1"), "{error}");
    assert!(!tree.beside("out").exists());
}

#[test]
fn a_medium_in_which_nothing_is_recognised_is_an_exception() {
    let tree = Tree::new();
    let image = tree.beside("nothing.dd");
    fs::write(&image, vec![b'x'; 1 << 20]).unwrap();
    let out = tree.beside("out");
    let summary = run(&plan(&image, &out)).unwrap();
    assert_eq!(summary.outcome, Outcome::Incomplete);
    let [row] = &*cells(&out, "volumes.csv", ["volume", "action", "reason", "bytes_unexamined"])
    else {
        panic!("one volume")
    };
    assert_eq!(
        row.each_ref().map(String::as_str),
        ["p0", "not_examined", "not_recognised", "1048576"]
    );
    let codes: BTreeMap<_, _> = cells(&out, "exceptions.csv", ["code", "object_path"])
        .into_iter()
        .map(|[c, p]| (c, p))
        .collect();
    assert_eq!(codes["not_recognised"], "E1!/p0");
}
