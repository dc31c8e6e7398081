//! Files with holes: the bytes are those that reading gives, and the holes are not read.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use assay::evidence::folder::{Folder, Options};
use assay::item::Contents;
use assay::sys::{Call, Errno, Fault, Kernel, Seam};

use crate::folder::{Row, collect, scan};
use crate::runs::{self, cells, tables};
use crate::support::skip;
use crate::tree::Tree;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A file of this length that is stored nowhere but in these runs of bytes.
fn holed(tree: &Tree, name: &str, size: u64, stored: &[(u64, u64)]) -> PathBuf {
    let path = tree.file(name, "");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    for (at, len) in stored {
        let bytes: Vec<u8> = (*at..at + len).map(|n| (n / 7 % 251) as u8 | 1).collect();
        file.write_all_at(&bytes, *at).unwrap();
    }
    path
}

/// Files with holes everywhere that matters.
fn many(tree: &Tree) {
    holed(tree, "start", 3 * MIB, &[(2 * MIB, MIB)]);
    holed(tree, "middle", 3 * MIB, &[(0, MIB), (2 * MIB, MIB)]);
    holed(tree, "end", 3 * MIB, &[(0, 300 * KIB)]);
    holed(tree, "odd", 5 * MIB + 1234, &[(MIB + 77, 99), (4 * MIB - 1, 2)]);
    holed(tree, "last byte", 2 * MIB + 1, &[(2 * MIB, 1)]);
    let every = |step: u64, count: u64| (0..count).map(move |n| (n * step, 4 * KIB));
    let [wide, narrow] = [(256, 32), (8, 600)].map(|(step, n)| every(step * KIB, n).collect());
    let (wide, narrow): (Vec<_>, Vec<_>) = (wide, narrow);
    holed(tree, "alternating", 8 * MIB, &wide);
    holed(tree, "many small", 5 * MIB, &narrow);
    holed(tree, "nothing", 2 * MIB, &[]);
    holed(tree, "ordinary", 600 * KIB, &[(0, 600 * KIB)]);
}

fn through(seam: Seam) -> (Arc<Seam>, Options) {
    let seam = Arc::new(seam);
    let kernel = Kernel::through(Arc::clone(&seam));
    (seam, Options { kernel, ..Options::default() })
}

/// No question where holes are is answered: everything is read.
fn unanswered() -> Seam {
    let fault = Fault { call: Call::Seek, nth: 1, for_ever: true, error: Errno::INVAL };
    Seam { faults: vec![fault], ..Seam::default() }
}

/// True where the evidence lies on a file system whose holes are asked for.
fn asks(tree: &Tree) -> bool {
    let folder = Folder::check(&tree.path(), Options::default()).unwrap();
    let asks = ["ext4", "xfs", "tmpfs"].contains(&folder.fs_type());
    if !asks {
        skip("the file system of the temporary folder is not asked for holes");
    }
    asks
}

#[test]
fn a_file_with_holes_has_the_bytes_that_reading_gives() {
    let tree = Tree::new();
    many(&tree);
    let (rows, _) = scan(&tree.path(), Options::default());
    let (plain, _) = scan(&tree.path(), through(unanswered()).1);
    assert_eq!(rows.len(), 9);
    let contents = |rows: &[Row]| -> Vec<_> {
        rows.iter().map(|row| (row.path.clone(), row.status, row.content.clone())).collect()
    };
    assert!(contents(&rows) == contents(&plain));
    for row in rows {
        let real = tree.path().join(row.path.trim_start_matches("E1!/"));
        assert!(row.content == Some(std::fs::read(real).unwrap()), "{}", row.path);
    }
}

#[test]
fn the_tables_are_the_same_bytes_whether_holes_are_read_or_not() {
    let tree = Tree::new();
    many(&tree);
    runs::run(&runs::plan(&tree.path(), &tree.beside("asked"))).unwrap();
    let mut plan = runs::plan(&tree.path(), &tree.beside("read"));
    plan.kernel = through(unanswered()).1.kernel;
    runs::run(&plan).unwrap();
    assert!(tables(&tree.beside("asked")) == tables(&tree.beside("read")));
    let rows = cells(&tree.beside("asked"), "files.csv", ["file_name", "sha256"]);
    for [name, sha256] in rows {
        let told = Command::new("sha256sum").arg(tree.path().join(&name)).output().unwrap();
        assert!(String::from_utf8(told.stdout).unwrap().starts_with(&sha256), "{name}");
    }
}

#[test]
fn no_read_is_made_in_a_hole() {
    let tree = Tree::new();
    let reads = |name: &str, size, stored: &[(u64, u64)]| {
        let path = holed(&tree, name, size, stored);
        let (seam, options) = through(Seam::default());
        scan(&tree.path(), options);
        std::fs::remove_file(path).unwrap();
        // each read is of 8 KiB at most, and the last one finds the end
        (seam.count(Call::Read), seam.count(Call::Seek))
    };
    if !asks(&tree) {
        return;
    }
    let plain = reads("plain", MIB, &[(0, MIB)]);
    assert_eq!(plain, (129, 0), "an ordinary file is not asked about");
    assert_eq!(reads("small", 200 * KIB, &[]), (26, 0), "nor is a small one");
    assert_eq!(reads("one", 64 * MIB, &[(8 * MIB, MIB)]), (129, 6));
    assert_eq!(reads("nothing", 64 * MIB + 5, &[]), (1, 2));
    let (many, asked) =
        reads("many", 4 * MIB, &(0..256).map(|n| (n * 16 * KIB, 4 * KIB)).collect::<Vec<_>>());
    assert!(many > 512 && asked < 80, "{many} {asked}: holes that are too small are read");
}

#[test]
fn a_gigabyte_of_nothing_is_zeros_and_read_nowhere() {
    let tree = Tree::new();
    holed(&tree, "nothing", 1 << 30, &[]);
    if !asks(&tree) {
        return;
    }
    let (seam, options) = through(Seam::default());
    let (_folder, mut items) = collect(&tree.path(), options);
    let Contents::Stream(mut stream) = items.pop().unwrap().found.examine().contents else {
        panic!("it is a file")
    };
    let (mut buf, mut len) = (vec![1; MIB as usize], 0);
    loop {
        match stream.fill(&mut buf).unwrap() {
            0 => break,
            n => {
                assert!(buf[..n].iter().all(|byte| *byte == 0));
                buf.fill(1);
                len += n;
            }
        }
    }
    assert_eq!((len, stream.finish()), (1 << 30, Ok(())));
    assert_eq!(seam.count(Call::Read), 1);
}

#[test]
fn sectors_that_fail_between_holes_are_told_as_ever() {
    let tree = Tree::new();
    holed(&tree, "f", 3 * MIB, &[(MIB, MIB)]);
    if !asks(&tree) {
        return;
    }
    let fault = Fault { call: Call::Read, nth: 1, for_ever: true, error: Errno::IO };
    let mut plan = runs::plan(&tree.path(), &tree.beside("out"));
    plan.kernel = through(Seam { faults: vec![fault], ..Seam::default() }).1.kernel;
    runs::run(&plan).unwrap();
    let row = cells(&tree.beside("out"), "files.csv", ["status", "bytes_hashed", "sha256"]);
    assert_eq!(row, [["partial", "2097152", ""]]);
    let told = cells(&tree.beside("out"), "exceptions.csv", ["code", "offset", "length"]);
    assert_eq!(told, [["io_error", "1048576", "1048576"]]);
}

#[test]
fn a_hole_that_is_filled_or_cut_off_meanwhile_is_a_change() {
    for cut in [false, true] {
        let tree = Tree::new();
        let path = holed(&tree, "f", 3 * MIB, &[(0, MIB)]);
        let (_folder, mut items) = collect(&tree.path(), Options::default());
        let Contents::Stream(mut stream) = items.pop().unwrap().found.examine().contents else {
            panic!("it is a file")
        };
        assert_eq!(stream.fill(&mut vec![0; 3 << 19]), Ok(3 << 19));
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        if cut { file.set_len(2 * MIB) } else { file.write_all_at(b"new", 2 * MIB) }.unwrap();
        while stream.fill(&mut [0; 8192]).unwrap() > 0 {}
        let problem = stream.finish().unwrap_err();
        assert_eq!(problem.code, assay::problem::Code::ChangedDuringRead);
    }
}
