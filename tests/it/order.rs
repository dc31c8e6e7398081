//! The order in which a folder is read: it is the disk's, and no table shows it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::scan::{Counters, Follow, ScanPlan};
use assay::sys::{Kernel, Seam};

use crate::runs::{self, cells, tables};
use crate::support;
use crate::tree::{Mounted, Tree};

/// Objects that are put into order together.
const WINDOW: usize = 512;

/// A plan that reads one object after the other, from a disk that turns or does not.
fn plan(evidence: &Path, out: &Path, turns: bool) -> ScanPlan {
    let seam = Seam { turns: Some(turns), ..Seam::default() };
    let kernel = Kernel::through(Arc::new(seam));
    let threads = std::num::NonZeroUsize::MIN;
    ScanPlan { kernel, threads, computing: threads, streams: 1, ..runs::plan(evidence, out) }
}

/// Carries a plan out; gives the inode numbers of files in the order in which they were read.
fn read(plan: &ScanPlan) -> Vec<u64> {
    let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let mut read = Vec::new();
    let mut record = |record: &assay::report::Record| {
        read.push(record.meta.fs_ref.trim_start_matches("ino:").parse().unwrap());
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut record };
    assay::scan::run(plan, follow, None).unwrap();
    read
}

/// Files whose names are in another order than their numbers, in many folders.
fn fill(root: &Path) {
    for n in 0..1300_u32 {
        let mixed = n.wrapping_mul(2_654_435_761);
        let folder = root.join(format!("d{}", mixed % 37)).join(format!("{}", mixed % 3));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{mixed}")), n.to_le_bytes()).unwrap();
    }
}

fn check(root: &Path, tree: &Tree) {
    fill(root);
    let listed = read(&plan(root, &tree.beside("listed"), false));
    let rows = cells(&tree.beside("listed"), "files.csv", ["fs_ref"]);
    let rows: Vec<u64> = rows.iter().map(|[said]| said[4..].parse().unwrap()).collect();
    assert!(rows.len() >= 1300 && listed == rows, "one after the other, as they are listed");
    let mut sorted = rows;
    sorted.chunks_mut(WINDOW).for_each(<[u64]>::sort_unstable);
    assert!(sorted != listed);
    assert_eq!(read(&plan(root, &tree.beside("sorted"), true)), sorted);
    let many = plan(root, &tree.beside("many"), true);
    let many = ScanPlan { threads: 3.try_into().unwrap(), streams: 8, ..many };
    assert_eq!(read(&many).len(), listed.len());
    for out in ["sorted", "many"] {
        assert!(tables(&tree.beside(out)) == tables(&tree.beside("listed")), "{out}");
    }
}

#[test]
fn a_folder_on_a_disk_that_turns_is_read_by_inode_numbers_in_windows() {
    let tree = Tree::new();
    check(&tree.path(), &tree);
}

#[test]
fn a_mounted_ext4_is_read_so_too() {
    let tree = Tree::new();
    let Some(_) = support::tool("mkfs.ext4", &["-V"]) else { return };
    let image = tree.beside("image");
    std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let made = std::process::Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap();
    assert!(made.success());
    let mounted = support::is_root().then(|| Mounted::new(&["-o", "loop"], &image, &tree.path()));
    let Some(_mounted) = mounted.flatten() else {
        return support::skip("cannot mount an image");
    };
    check(&tree.path(), &tree);
}

#[test]
fn large_files_on_a_disk_that_turns_are_the_same_bytes() {
    let tree = Tree::new();
    for n in 0..3_u8 {
        let content: Vec<u8> = (0..(9 << 20) + 17_u32).map(|k| (k / 5) as u8 ^ n).collect();
        tree.file(format!("{n}"), content);
    }
    for turns in [false, true] {
        let many = plan(&tree.path(), &tree.beside(if turns { "turns" } else { "not" }), turns);
        read(&ScanPlan { streams: 8, ..many });
    }
    assert!(tables(&tree.beside("turns")) == tables(&tree.beside("not")));
}

#[test]
fn long_files_that_a_thread_without_a_core_opened_give_the_same_tables() {
    let tree = Tree::new();
    for n in 0..60_u8 {
        tree.file(format!("s{n}"), [n; 3000]);
    }
    for n in 0..4_u8 {
        let long = std::fs::File::create(tree.path().join(format!("long{n}"))).unwrap();
        std::os::unix::fs::FileExt::write_at(&long, &[n; 9000], 1 << 20).unwrap();
        long.set_len((32 << 20) + u64::from(n)).unwrap();
    }
    for (threads, computing) in [(1_usize, 1_usize), (6, 1), (6, 2)] {
        let out = tree.beside(&format!("{threads}-{computing}"));
        let (threads, computing) = (threads.try_into().unwrap(), computing.try_into().unwrap());
        let digests = assay::digest::Selection::parse("md5").unwrap();
        let many =
            ScanPlan { threads, computing, streams: 4, digests, ..plan(&tree.path(), &out, false) };
        read(&many);
    }
    for out in ["6-1", "6-2"] {
        assert!(tables(&tree.beside(out)) == tables(&tree.beside("1-1")), "{out}");
    }
}
