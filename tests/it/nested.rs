//! Images inside evidence: every object of theirs has the row that it has where the image is scanned
//! by itself, whatever holds the image; nothing is followed out of the evidence; limits are told.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::report::Record;
use assay::scan::{Counters, Follow, Outcome, ScanPlan};
use assay::sys;

use crate::image::{disk, golden};
use crate::runs::{cells, plan, run, tables};
use crate::support::tool;
use crate::tree::Tree;

/// What has to be the same of an object, wherever the image is that it lies in.
const COLUMNS: [&str; 10] = [
    "object_path",
    "sha256",
    "size_bytes",
    "status",
    "reason",
    "alloc_status",
    "recovery_basis",
    "fs_ref",
    "disk_offset",
    "modified_time",
];

/// Runs a program that makes an image; false where it is not installed.
fn made(name: &str, arguments: &[&str]) -> bool {
    let Some(output) = tool(name, arguments) else { return false };
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The rows of an image scanned by itself, their paths without `E1!/`.
fn by_itself(tree: &Tree, image: &Path) -> Vec<[String; 10]> {
    let out = tree.beside(&format!("{}.alone", image.file_name().unwrap().to_str().unwrap()));
    if !out.exists() {
        run(&plan(image, &out)).unwrap();
    }
    let strip = |mut row: [String; 10]| {
        row[0] = row[0].strip_prefix("E1!/").unwrap().to_owned();
        row
    };
    cells(&out, "files.csv", COLUMNS).into_iter().map(strip).collect()
}

/// The rows of the objects in the image at a path, their paths without it.
fn inside(out: &Path, image: &str) -> Vec<[String; 10]> {
    let image = format!("{image}!/");
    let strip = |mut row: [String; 10]| {
        row[0] = row[0].strip_prefix(&image)?.to_owned();
        Some(row)
    };
    cells(out, "files.csv", COLUMNS).into_iter().filter_map(strip).collect()
}

/// Runs over evidence, and checks what every run must keep.
fn scanned(evidence: &Path, out: &Path) -> assay::scan::ScanSummary {
    let summary = run(&plan(evidence, out)).unwrap();
    assert!(summary.built.balance.holds);
    assert_ne!(summary.outcome, Outcome::Failed);
    let sums = cells(out, "volumes.csv", BYTES);
    for row in sums {
        let numbers = row.each_ref().map(|cell| cell.parse::<u64>().unwrap());
        assert_eq!(numbers[1..].iter().sum::<u64>(), numbers[0], "{row:?}");
    }
    summary
}

const BYTES: [&str; 7] = [
    "length_bytes",
    "bytes_metadata",
    "bytes_allocated",
    "bytes_slack",
    "bytes_unallocated",
    "bytes_unread",
    "bytes_unexamined",
];

/// Problems of images that were not opened, as path and detail.
fn not_opened(out: &Path, code: &str) -> Vec<(String, String)> {
    let rows = cells(out, "exceptions.csv", ["object_path", "code", "detail", "record_no"]);
    let of_code = rows.into_iter().filter(|row| row[1] == code);
    of_code
        .map(|[path, _, detail, record]| {
            assert!(!record.is_empty(), "{path}: it stands at its file's row");
            (path, detail)
        })
        .collect()
}

/// The disk with two volumes, as a file.
fn disk_file(tree: &Tree) -> PathBuf {
    let path = tree.beside("inner.dd");
    fs::write(&path, disk()).unwrap();
    path
}

/// The disk in another container, beside the evidence.
fn converted(tree: &Tree, from: &Path, name: &str, format: &str, options: &str) -> Option<PathBuf> {
    let to = tree.beside(name);
    let mut arguments = vec!["convert", "-f", "raw", "-O", format];
    if !options.is_empty() {
        arguments.extend(["-o", options]);
    }
    arguments.extend([text(from), text(&to)]);
    made("qemu-img", &arguments).then_some(to)
}

/// An ext4 volume that holds a folder.
fn ext4(tree: &Tree, folder: &Path, name: &str, megabytes: u32) -> Option<PathBuf> {
    let image = tree.beside(name);
    let (size, folder) = (format!("{megabytes}M"), text(folder));
    made("mkfs.ext4", &["-q", "-b", "1024", "-d", folder, text(&image), &size]).then_some(image)
}

#[test]
fn a_vhd_in_a_fat_volume_gives_the_rows_of_the_disk_in_it() {
    let tree = Tree::new();
    let inner = disk_file(&tree);
    let Some(vhd) = converted(&tree, &inner, "vm.vhd", "vpc", "subformat=dynamic,force_size=on")
    else {
        return;
    };
    let outer = tree.beside("outer.dd");
    if !made("mkfs.vfat", &["-C", text(&outer), "65536"])
        || !made("mmd", &["-i", text(&outer), "::/machines"])
        || !made("mcopy", &["-i", text(&outer), text(&vhd), "::/machines/vm.vhd"])
    {
        return;
    }
    let out = tree.beside("out");
    scanned(&outer, &out);
    let found = inside(&out, "E1!/p0/machines/vm.vhd");
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found, by_itself(&tree, &inner));

    let volumes =
        cells(&out, "volumes.csv", ["volume", "fs_type", "start_offset", "objects_found"]);
    let names: Vec<_> = volumes.iter().map(|row| row[0].as_str()).collect();
    let layer = |name: &str| format!("E1!/p0/machines/vm.vhd!/{name}");
    let wanted = ["p0".to_owned(), layer("gap1"), layer("p1"), layer("p2"), layer("gap2")];
    assert_eq!(names, wanted);
    let rows = cells(&out, "files.csv", ["record_no", "parent_record_no", "object_path", "volume"]);
    let vhd = rows.iter().find(|row| row[2].ends_with("/vm.vhd")).unwrap();
    let within: Vec<_> = rows.iter().filter(|row| row[2].contains("vm.vhd!/p")).collect();
    assert!(within.iter().all(|row| row[3] == wanted[2] || row[3] == wanted[3]));
    let direct = within.iter().filter(|row| row[2].matches("!/").count() == 2);
    assert!(direct.clone().count() > 100);
    assert!(direct.clone().all(|row| row[1] == vhd[0]), "they lie in the image's file");
    let summary = fs::read_to_string(out.join("summary.txt")).unwrap();
    assert!(summary.contains("images inside evidence, read too"), "{summary}");
}

#[test]
fn every_container_in_an_ext4_volume_is_opened() {
    let tree = Tree::new();
    let inner = disk_file(&tree);
    let kinds = [
        ("a.qcow2", "qcow2", ""),
        ("b.vhdx", "vhdx", "subformat=dynamic"),
        ("c.vmdk", "vmdk", "subformat=monolithicSparse"),
        ("d.vmdk", "vmdk", "subformat=monolithicFlat"),
        ("e.vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"),
        ("f.vhd", "vpc", "subformat=fixed,force_size=on"),
    ];
    let folder = tree.beside("content");
    fs::create_dir(&folder).unwrap();
    fs::create_dir(folder.join("vm")).unwrap();
    for (name, format, options) in kinds {
        let Some(image) = converted(&tree, &inner, &format!("content/vm/{name}"), format, options)
        else {
            return;
        };
        assert!(image.exists());
    }
    fs::copy(&inner, folder.join("vm/no name of an image")).unwrap();
    let Some(outer) = ext4(&tree, &folder, "outer.img", 96) else { return };
    let out = tree.beside("out");
    scanned(&outer, &out);
    let wanted = by_itself(&tree, &inner);
    for name in kinds.iter().map(|kind| kind.0).chain(["no name of an image"]) {
        assert_eq!(inside(&out, &format!("E1!/p0/vm/{name}")), wanted, "{name}");
    }
    let opened: Vec<_> = cells(&out, "volumes.csv", ["volume"]).into_iter().flatten().collect();
    assert_eq!(opened.len(), 1 + 7 * 4, "extents are no images by themselves: {opened:?}");
    assert_eq!(not_opened(&out, "image_not_opened"), []);
}

#[test]
fn segments_of_an_e01_in_an_ntfs_volume_are_read_together() {
    let tree = Tree::new();
    let inner = disk_file(&tree);
    let target = tree.beside("case");
    let arguments = [
        "-u",
        "-q",
        "-t",
        text(&target),
        "-f",
        "encase6",
        "-c",
        "none",
        "-S",
        "1MiB",
        "-m",
        "fixed",
        "-M",
        "physical",
        "-C",
        "1",
        "-D",
        "d",
        "-E",
        "1",
        "-e",
        "x",
        "-N",
        "n",
        text(&inner),
    ];
    let outer = tree.beside("outer.dd");
    fs::File::create(&outer).unwrap().set_len(48 << 20).unwrap();
    if !made("ewfacquire", &arguments) || !made("mkntfs", &["-F", "-q", "-f", text(&outer)]) {
        return;
    }
    let segments: Vec<_> = (1..100)
        .map(|n| tree.beside(&format!("case.E{n:02}")))
        .take_while(|path| path.exists())
        .collect();
    assert!(segments.len() > 2, "{}", segments.len());
    for segment in &segments {
        let name = segment.file_name().unwrap().to_str().unwrap();
        if !made("ntfscp", &["-f", text(&outer), text(segment), name]) {
            return;
        }
    }
    let out = tree.beside("out");
    scanned(&outer, &out);
    assert_eq!(inside(&out, "E1!/p0/case.E01"), by_itself(&tree, &inner));
    assert_eq!(not_opened(&out, "image_not_opened"), []);
}

#[test]
fn a_missing_segment_is_named_at_the_first_one_alone() {
    let tree = Tree::new();
    tree.file("two/segments.E02", golden("segments.E02.gz"));
    tree.file("two/segments.E03", golden("segments.E02.gz"));
    for name in ["segments.E02", "other.E01"] {
        let from = name.replace("other", "segments");
        tree.file(format!("ev/{name}"), golden(&format!("{from}.gz")));
    }
    let out = tree.beside("out");
    let summary = scanned(&tree.path(), &out);
    assert_eq!(summary.outcome, Outcome::Incomplete);
    let told = not_opened(&out, "image_not_opened");
    // Later segments do not vouch for each other.
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[2..].iter().all(|(path, _)| path.starts_with("E1!/two/")), "{told:?}");
    assert!(told[0].0.ends_with("other.E01") && told[0].1.contains("other.E02"), "{told:?}");
    assert!(told[1].0.ends_with("segments.E02"), "{told:?}");
    assert!(told[1].1.contains("segments.E01"), "{told:?}");
}

#[test]
fn an_image_in_an_image_in_an_image_is_read_to_the_limit() {
    let tree = Tree::new();
    let folder = tree.beside("content");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("deep.txt"), "the innermost content").unwrap();
    let mut image = None;
    for level in 1..=6 {
        let Some(made) = ext4(&tree, &folder, &format!("level{level}"), 1 + level) else { return };
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::copy(&made, folder.join(format!("in{level}"))).unwrap();
        image = Some(made);
        if level == 5 {
            // Four images inside the evidence: all are read.
            let out = tree.beside("four");
            scanned(image.as_deref().unwrap(), &out);
            assert_eq!(not_opened(&out, "limit_reached"), []);
            let [text] = cells(&out, "files.csv", ["object_path"])
                .into_iter()
                .find(|[path]| path.ends_with("deep.txt"))
                .unwrap();
            assert_eq!(text, "E1!/p0/in4!/p0/in3!/p0/in2!/p0/in1!/p0/deep.txt");
        }
    }
    let out = tree.beside("five");
    let summary = scanned(&image.unwrap(), &out);
    assert_eq!(summary.outcome, Outcome::Incomplete);
    let told = not_opened(&out, "limit_reached");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "E1!/p0/in5!/p0/in4!/p0/in3!/p0/in2!/p0/in1");
    assert!(told[0].1.contains("in 4 others"), "{told:?}");
}

#[test]
fn an_image_that_contains_itself_ends() {
    let tree = Tree::new();
    let image = tree.beside("loop.iso");
    fs::write(&image, itself()).unwrap();
    let out = tree.beside("out");
    scanned(&image, &out);
    let told = not_opened(&out, "limit_reached");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0.matches("!/p0/FIRST.TXT").count(), 5, "{told:?}");
}

/// An ISO 9660 volume the first file of which is the volume.
fn itself() -> Vec<u8> {
    let mut bytes = golden("iso-plain.iso.gz");
    let record = bytes.windows(11).position(|window| window == b"FIRST.TXT;1").unwrap() - 33;
    let len = u32::try_from(bytes.len()).unwrap();
    // Its place and its length, each in both orders of bytes.
    bytes[record + 2..record + 10].fill(0);
    bytes[record + 10..record + 14].copy_from_slice(&len.to_le_bytes());
    bytes[record + 14..record + 18].copy_from_slice(&len.to_be_bytes());
    bytes
}

#[test]
fn no_path_that_an_image_states_is_followed_out_of_the_evidence() {
    let tree = Tree::new();
    let bait = tree.beside("bait.vmdk");
    fs::write(&bait, disk()).unwrap();
    let sectors = fs::metadata(&bait).unwrap().len() / 512;
    let descriptor = |extent: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nCID=11111111\nparentCID=ffffffff\n\
             createType=\"monolithicFlat\"\nRW {sectors} FLAT \"{extent}\" 0\n"
        )
    };
    let hostile = ["/etc/shadow", "../bait.vmdk", text(&bait), "..", "C:bait.vmdk", r"\\host\bait"];
    for (n, extent) in hostile.iter().enumerate() {
        tree.file(format!("{n}.vmdk"), descriptor(extent));
    }
    // In another folder of the evidence is outside as well.
    tree.file("6.vmdk", descriptor("bait.vmdk"));
    tree.file("below/bait.vmdk", fs::read(&bait).unwrap());
    // A link of the evidence that bears the name of an extent is no file.
    tree.file("7.vmdk", descriptor("link.vmdk"));
    std::os::unix::fs::symlink(&bait, tree.path().join("link.vmdk")).unwrap();
    // Differences without their parent: VHD with a path of Windows, QCOW2 with a backing file that
    // is there and does not count.
    tree.file("8.vhd", golden("child.vhd.gz"));
    let child = golden("child.qcow2.gz");
    tree.file("9.qcow2", child);
    fs::write(tree.path().join("base.qcow2"), golden("tiny.qcow2.gz")).unwrap();
    let out = tree.beside("out");
    let summary = scanned(&tree.path(), &out);
    assert_eq!(summary.outcome, Outcome::Incomplete);
    let told = not_opened(&out, "image_not_opened");
    let names: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
    let wanted: Vec<_> = ["0.vmdk", "1.vmdk", "2.vmdk", "3.vmdk", "4.vmdk", "5.vmdk", "6.vmdk"]
        .into_iter()
        .chain(["7.vmdk", "8.vhd", "9.qcow2"])
        .map(|name| format!("E1!/{name}"))
        .collect();
    assert_eq!(names, wanted, "{told:?}");
    assert!(told[0].1.contains("/etc/shadow"), "{told:?}");
    assert!(told[7].1.contains("link.vmdk is missing in its folder"), "{told:?}");
    assert!(told[8].1.contains("its parent"), "{told:?}");
    assert!(told[9].1.contains("--parent"), "{told:?}");
    // The one below is an image by itself.
    assert!(!inside(&out, "E1!/below/bait.vmdk").is_empty());
    assert!(inside(&out, "E1!/6.vmdk").is_empty());
}

#[test]
fn a_parent_in_the_same_folder_of_the_evidence_is_taken() {
    let tree = Tree::new();
    let base = golden("base.vhd.gz");
    tree.file("vm/child.vhd", golden("child.vhd.gz"));
    tree.file("vm/base.vhd", base);
    let out = tree.beside("out");
    scanned(&tree.path(), &out);
    assert_eq!(not_opened(&out, "image_not_opened"), []);
    let volumes = cells(&out, "volumes.csv", ["volume", "length_bytes"]);
    let has = |name: &str| volumes.iter().any(|row| row[0].starts_with(name) && row[1] == "358400");
    assert!(has("E1!/vm/child.vhd!/") && has("E1!/vm/base.vhd!/"), "{volumes:?}");
}

/// A folder with images of several kinds, some in others.
fn mixed(tree: &Tree) -> bool {
    let inner = disk_file(tree);
    let content = tree.beside("content");
    fs::create_dir(&content).unwrap();
    fs::copy(&inner, content.join("inner.dd")).unwrap();
    fs::write(content.join("a.txt"), "beside it").unwrap();
    let Some(middle) = ext4(tree, &content, "middle.img", 24) else { return false };
    tree.file("one/middle.img", fs::read(&middle).unwrap());
    tree.file("one/plain.txt", "plain");
    let Some(vhd) = converted(tree, &inner, "vm.vhd", "vpc", "subformat=dynamic,force_size=on")
    else {
        return false;
    };
    tree.file("two/vm.vhd", fs::read(vhd).unwrap());
    fs::hard_link(tree.path().join("two/vm.vhd"), tree.path().join("two/z-same.vhd")).unwrap();
    tree.file("three.txt", "last");
    true
}

#[test]
fn threads_and_stops_change_no_byte() {
    let tree = Tree::new();
    if !mixed(&tree) {
        return;
    }
    let whole = tree.beside("whole");
    scanned(&tree.path(), &whole);
    assert!(!inside(&whole, "E1!/one/middle.img!/p0/inner.dd").is_empty());
    assert!(inside(&whole, "E1!/two/z-same.vhd").is_empty(), "opened under its first name");
    let good = tables(&whole);
    for threads in [1, 8] {
        let out = tree.beside(&format!("threads{threads}"));
        let mut plan = plan(&tree.path(), &out);
        plan.threads = NonZeroUsize::new(threads).unwrap();
        run(&plan).unwrap();
        assert_eq!(tables(&out), good, "{threads} threads");
    }
    for stop_after in [1, 5, 60, 200] {
        let out = tree.beside(&format!("stopped{stop_after}"));
        let mut plan = plan(&tree.path(), &out);
        assert_eq!(stopped(&plan, stop_after), Outcome::Interrupted, "{stop_after}");
        plan.resume = true;
        if stop_after == 60 {
            stopped(&plan, 150);
        }
        run(&plan).unwrap();
        assert_eq!(tables(&out), good, "stopped after {stop_after}");
    }
}

/// Stops a run after some records.
fn stopped(plan: &assay::scan::ScanPlan, after: u32) -> Outcome {
    let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let mut count = 0;
    let mut stop = |_: &Record| {
        count += 1;
        cancel.store(count >= after, Ordering::Relaxed);
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut stop };
    assay::scan::run(plan, follow, None).unwrap().outcome
}

#[test]
fn an_image_that_was_exchanged_between_two_attempts_is_read_anew() {
    let tree = Tree::new();
    if !mixed(&tree) {
        return;
    }
    let out = tree.beside("out");
    let mut plan = plan(&tree.path(), &out);
    assert_eq!(stopped(&plan, 200), Outcome::Interrupted);
    // The same names, sizes and times inside; other bytes.
    let path = tree.path().join("one/middle.img");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|window| window == b"beside it").unwrap();
    bytes[at..at + 9].copy_from_slice(b"BESIDE IT");
    fs::write(&path, bytes).unwrap();
    plan.resume = true;
    run(&plan).unwrap();
    let fresh = tree.beside("fresh");
    scanned(&tree.path(), &fresh);
    assert_eq!(tables(&out), tables(&fresh));
}

/// The read that fails is that of the look, and the one that repeats it; what is hashed is whole.
#[test]
fn an_image_that_could_not_be_looked_at_is_told() {
    for name in ["a.doc", "a.dd"] {
        not_looked_at(name);
    }
}

fn not_looked_at(name: &str) {
    let tree = Tree::new();
    tree.file(name, disk());
    let faults = [1, 2].map(|nth| sys::Fault {
        call: sys::Call::Read,
        nth,
        for_ever: false,
        error: sys::Errno::IO,
    });
    let seam = sys::Seam { faults: faults.to_vec(), ..sys::Seam::default() };
    let (told, out) = (Arc::new(seam), tree.beside("out"));
    let plan = plan(&tree.path(), &out);
    run(&ScanPlan { kernel: sys::Kernel::through(told), ..plan }).unwrap();
    assert_eq!(cells(&out, "files.csv", ["status"]), [["hashed"]]);
    let [(path, why)] = &not_opened(&out, "image_not_opened")[..] else { panic!("one row") };
    assert!(path.ends_with(name) && why.contains("could not be read"), "{path}: {why}");
}

#[test]
fn ordinary_files_are_no_images() {
    let tree = Tree::new();
    let volume = golden("fat16.img.gz");
    // A boot record alone, a record without partitions, one whose partitions hold nothing, text.
    tree.file("boot.bak", &volume[..512]);
    let mut record = vec![0; 512];
    record[510..].copy_from_slice(&[0x55, 0xAA]);
    tree.file("mbr.bin", &record);
    record[450] = 0x83;
    record[454..462].copy_from_slice(&[1, 0, 0, 0, 8, 0, 0, 0]);
    tree.file("loader", [&record[..], &[7; 8192]].concat());
    let mut text = b"# Disk Description of a file\n".repeat(100);
    text.extend([0; 512]);
    tree.file("notes.txt", text);
    tree.file("zeros", vec![0; 128 << 10]);
    let mut magic = vec![1; 8192];
    magic[1080..1082].copy_from_slice(&[0x53, 0xEF]);
    tree.file("magic", magic);
    let out = tree.beside("out");
    let summary = scanned(&tree.path(), &out);
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(cells(&out, "volumes.csv", ["volume"]).len(), 0);
    assert_eq!(cells(&out, "exceptions.csv", ["code"]).len(), 0);
}

fn assay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assay")).args(arguments).output().unwrap()
}

#[test]
fn an_object_in_an_image_inside_is_listed_read_again_and_verified() {
    let tree = Tree::new();
    if !mixed(&tree) {
        return;
    }
    let (evidence, out) = (tree.path(), tree.beside("out"));
    let (evidence, out) = (text(&evidence), text(&out));
    let scan = assay(&["scan", evidence, "--out", out, "--quiet"]);
    assert!(scan.status.code().is_some_and(|code| code == 0 || code == 3), "{scan:?}");
    assert_eq!(assay(&["verify", out]).status.code(), Some(0));

    let rows = cells(Path::new(out), "files.csv", ["object_path", "status"]);
    let hashed = |row: &&[String; 2]| row[1] == "hashed" && row[0].contains("inner.dd!/p2/");
    let path = &rows.iter().filter(hashed).nth(7).unwrap()[0];
    let again = assay(&["object", evidence, path, "--row", out]);
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(told.contains("sha256") && told.contains("extent"), "{told}");
    let none = assay(&["object", evidence, "E1!/one/middle.img!/p9/none"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");

    let middle = tree.path().join("one/middle.img");
    let list = assay(&["list", "-r", text(&middle)]);
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(listed.contains("\tE1!/p0/a.txt\n"), "{listed}");
    assert!(listed.contains("\tE1!/p0/inner.dd!/p2/"), "{listed}");
}
