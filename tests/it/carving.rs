//! What lies where no file lies, and what lies inside files: rows, places, resuming, replaying.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::digest::{Algorithm, Hasher, Selection};
use assay::hashset::SetKind;
use assay::scan::{Counters, Follow, Outcome, ScanPlan};

use crate::runs::{cells, list, plan, run, tables};
use crate::tree::Tree;

const SECTOR: usize = 512;
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";

/// A picture with some structure, as a PNG.
fn png(seed: u8) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let wave = (x * 7 + y * 3 + u32::from(seed)) ^ (x * y / 16);
        image::Rgb([wave as u8, (wave >> 2) as u8, (x + y) as u8])
    };
    let picture = image::RgbImage::from_fn(40, 40, pixel);
    let mut out = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    hasher.update(bytes);
    hasher.finish().get(Algorithm::Sha256).unwrap().to_string()
}

fn fat16() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/fat16.img.gz");
    let mut volume = Vec::new();
    flate2::read::GzDecoder::new(&fs::read(path).unwrap()[..]).read_to_end(&mut volume).unwrap();
    volume.resize(volume.len().next_multiple_of(SECTOR), 0);
    volume
}

/// First byte of each free cluster of a FAT16 volume, by its table, and the bytes of a cluster.
fn free_clusters(volume: &[u8]) -> (Vec<usize>, usize) {
    let word = |at: usize| usize::from(u16::from_le_bytes([volume[at], volume[at + 1]]));
    let (sector, cluster) = (word(11), word(11) * usize::from(volume[13]));
    let (reserved, tables, entries, table) =
        (word(14), usize::from(volume[16]), word(17), word(22));
    let data = (reserved + tables * table) * sector + (entries * 32).next_multiple_of(sector);
    let count = (volume.len() - data) / cluster;
    let free = (2..count + 2).filter(|number| word(reserved * sector + 2 * number) == 0);
    (free.map(|number| data + (number - 2) * cluster).collect(), cluster)
}

/// A disk: a FAT16 volume with pictures where it has no file, a volume that nobody knows, a gap.
/// Gives it and, by path, the SHA-256 of what was put there.
fn disk() -> (Vec<u8>, BTreeMap<String, String>) {
    let mut volume = fat16();
    let (free, cluster) = free_clusters(&volume);
    let together = free.windows(4).rfind(|four| four[3] == four[0] + 3 * cluster).unwrap()[0];
    let (first, second) = (png(1), png(2));
    let mut planted = BTreeMap::new();
    let mut put = |disk: &mut [u8], place: &str, at: usize, kind: &str, bytes: &[u8]| {
        disk[at..at + bytes.len()].copy_from_slice(bytes);
        planted.insert(format!("E1!/{place}/$Unallocated/{at}.{kind}"), sha256(bytes));
    };
    assert!(first.len() < 4 * cluster, "{} bytes, {cluster} a cluster", first.len());
    put(&mut volume, "p1", together, "png", &first);
    put(&mut volume, "p1", free[0] + 13, "gif", GIF);
    let mut unknown = vec![0x20; 300 * SECTOR];
    put(&mut unknown, "p2", 77_001, "png", &second);
    let mut gap = vec![0; 100 * SECTOR];
    put(&mut gap, "gap2", 5_000, "gif", GIF);

    let mut disk = vec![0; 2048 * SECTOR];
    for (n, (part, kind)) in [(volume, 0x06), (unknown, 0x83)].into_iter().enumerate() {
        let entry = 446 + 16 * n;
        let (start, count) = (disk.len() / SECTOR, part.len() / SECTOR);
        disk[entry + 4] = kind;
        disk[entry + 8..entry + 12].copy_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
        disk.extend(part);
    }
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk.extend(gap);
    (disk, planted)
}

/// Runs until so many records were made.
fn stopped(plan: &ScanPlan, records: usize) {
    let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let mut count = 0;
    let mut stop = |_: &assay::report::Record| {
        count += 1;
        cancel.store(count >= records, Ordering::Relaxed);
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut stop };
    assert_eq!(assay::scan::run(plan, follow, None).unwrap().outcome, Outcome::Interrupted);
}

#[test]
fn pictures_in_free_clusters_gaps_and_unread_volumes_are_rows() {
    let tree = Tree::new();
    let (disk, planted) = disk();
    let path = tree.beside("disk.dd");
    fs::write(&path, &disk).unwrap();
    let out = tree.beside("out");
    let whole = plan(&path, &out);
    let summary = run(&whole).unwrap();
    assert_eq!(summary.outcome, Outcome::Incomplete, "p2 is not examined, whatever is carved");
    let columns = ["object_path", "sha256", "alloc_status", "object_kind", "recovery_basis"];
    let rows = cells(&out, "files.csv", columns);
    let carved: Vec<_> = rows.iter().filter(|row| row[3] == "carved").collect();
    let found: BTreeMap<_, _> = carved.iter().map(|r| (r[0].clone(), r[1].clone())).collect();
    for (path, digest) in &planted {
        assert_eq!(found.get(path), Some(digest), "{path} of {found:#?}");
    }
    let ours = |row: &&&[String; 5]| planted.contains_key(&row[0]);
    for row in carved.iter().filter(ours) {
        assert_eq!((row[2].as_str(), row[4].as_str()), ("carved", "carved_validated"));
    }
    // The same with other threads, and taken up after an interruption.
    let good = tables(&out);
    let other = tree.beside("other");
    let mut plan = plan(&path, &other);
    plan.threads = NonZeroUsize::new(8).unwrap();
    stopped(&plan, 5);
    run(&ScanPlan { resume: true, ..plan }).unwrap();
    assert!(tables(&other) == good);
    assert_eq!(fs::read(&path).unwrap(), disk, "the image is untouched");
}

#[test]
fn bytes_that_several_volumes_claim_are_the_firsts_and_are_searched_once() {
    let tree = Tree::new();
    let (mut disk, planted) = disk();
    // Slot 3: from the middle of p1 into p2. Slot 4: p1 again.
    let word = |at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap());
    let (p1, p2) = ((word(454), word(458)), (word(470), word(474)));
    let p3 = (p1.0 + p1.1 / 2, p1.1 / 2 + p2.1 / 2);
    for (entry, (start, count)) in [(478, p3), (494, p1)] {
        disk[entry + 4] = 0x06;
        disk[entry + 8..entry + 12].copy_from_slice(&start.to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&count.to_le_bytes());
    }
    let path = tree.beside("disk.dd");
    fs::write(&path, &disk).unwrap();
    let out = tree.beside("out");
    assert_eq!(run(&plan(&path, &out)).unwrap().outcome, Outcome::Incomplete);

    // Who owns each sector, by the order of the table and nothing else.
    let mut owner = vec!["gap"; disk.len() / SECTOR];
    for (name, (start, count)) in [("p4", p1), ("p3", p3), ("p2", p2), ("p1", p1)] {
        owner[start as usize..(start + count) as usize].fill(name);
    }
    let columns = ["volume", "length_bytes", "bytes_metadata", "bytes_allocated", "bytes_slack"];
    let more = ["bytes_unallocated", "bytes_unread", "bytes_unexamined"];
    let rows =
        cells(&out, "volumes.csv", columns).into_iter().zip(cells(&out, "volumes.csv", more));
    let mut all = 0;
    for (row, more) in rows {
        let sum: usize =
            row[2..].iter().chain(&more).map(|cell| cell.parse::<usize>().unwrap()).sum();
        all += sum;
        if row[0].starts_with('p') {
            let owned = owner.iter().filter(|name| **name == row[0]).count() * SECTOR;
            assert_eq!(sum, owned, "{row:?} {more:?}");
        }
    }
    assert_eq!(all, disk.len(), "the volumes and gaps are the medium");

    let rows = cells(&out, "files.csv", ["volume", "object_path", "sha256", "object_kind"]);
    let files = |name: &str| {
        let of = rows.iter().filter(|row| row[0] == name && row[3] == "file");
        of.map(|row| row[2].clone()).collect::<Vec<_>>()
    };
    assert!(files("p1").len() > 3);
    assert_eq!(files("p4"), files("p1"), "the objects of both have rows");
    for (path, digest) in &planted {
        let of = rows.iter().filter(|row| row[2] == *digest && row[3] == "carved");
        let found: Vec<_> = of.collect();
        let same = planted.values().filter(|other| *other == digest).count();
        assert_eq!(found.len(), same, "{found:?}");
        assert!(found.iter().any(|row| row[1] == *path), "{path}: {found:?}");
    }
    let told = cells(&out, "exceptions.csv", ["code"]);
    assert!(told.contains(&["partitions_overlap".to_owned()]), "{told:?}");
    let summary = fs::read_to_string(out.join("summary.txt")).unwrap();
    assert!(summary.contains("counted in the first"), "{summary}");
    assert!(!summary.contains("FAILED"), "{summary}");
}

#[test]
fn a_carved_row_is_found_again_by_its_path() {
    let tree = Tree::new();
    let (disk, planted) = disk();
    let path = tree.beside("disk.dd");
    fs::write(&path, disk).unwrap();
    for (object, digest) in planted {
        let told = object_of(&path, &object);
        assert!(told.contains(&digest), "{object}: {told}");
        assert!(told.contains("extent"), "{told}");
    }
}

/// What the program says of one object.
fn object_of(evidence: &Path, object: &str) -> String {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_assay"));
    let output = program.arg("object").arg(evidence).arg(object).output().unwrap();
    assert!(output.status.success(), "{object}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_picture_inside_a_file_is_a_row_under_the_files_and_can_be_a_hit() {
    let tree = Tree::new();
    let inner = png(7);
    tree.file("a/report.doc", [&[0x44; 1_000][..], &inner, b" and text"].concat());
    tree.file("b/two.gif", [GIF, &inner].concat());
    for n in 0..300_u32 {
        tree.file(format!("c/{n}"), n.to_be_bytes());
    }
    fs::hard_link(tree.path().join("a/report.doc"), tree.path().join("d")).unwrap();
    let known = tree.beside("known.csv");
    fs::write(&known, format!("sha256\n{}\n", sha256(&inner))).unwrap();
    let out = tree.beside("out");
    let planned = |name: &str| {
        let mut plan = plan(&tree.path(), &tree.beside(name));
        plan.lists = vec![list(SetKind::Alert, &known)];
        plan
    };
    let summary = run(&planned("out")).unwrap();
    assert_eq!(summary.built.alerts, 3);
    assert!(summary.built.balance.holds);
    assert_eq!(summary.built.balance.seen, 303 + 3);

    let columns = ["object_path", "record_no", "parent_record_no", "object_kind", "sha256"];
    let rows = cells(&out, "files.csv", columns);
    let number: BTreeMap<_, _> = rows.iter().map(|r| (r[0].as_str(), r[1].as_str())).collect();
    for (child, parent) in [
        ("E1!/a/report.doc!/1000.png", "E1!/a/report.doc"),
        ("E1!/b/two.gif!/29.png", "E1!/b/two.gif"),
        ("E1!/d!/1000.png", "E1!/d"),
    ] {
        let row = rows.iter().find(|row| row[0] == child).unwrap_or_else(|| panic!("{child}"));
        assert_eq!((row[2].as_str(), row[3].as_str()), (number[parent], "embedded_picture"));
        assert_eq!(row[4], sha256(&inner));
    }

    for stop in [1, 100, 250] {
        let name = format!("stopped{stop}");
        let plan = planned(&name);
        stopped(&plan, stop);
        run(&ScanPlan { resume: true, ..plan }).unwrap();
        assert!(tables(&tree.beside(&name)) == tables(&out), "stopped after {stop}");
    }

    assert!(object_of(&tree.path(), "E1!/a/report.doc!/1000.png").contains(&sha256(&inner)));
}
