//! Folders as evidence: every object once, nothing altered, nothing guessed.

#![allow(clippy::disallowed_methods, reason = "tests make and change their own trees")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::evidence::folder::{Folder, FolderError, Options, WalkSummary};
use assay::item::{Contents, Item, ItemMeta, Status, escape};
use assay::problem::{Code, Problem};
use assay::sys::{Kernel, Seam};

use crate::tree::{self, Tree};

/// What became of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) key: Vec<u8>,
    pub(crate) meta: ItemMeta,
    pub(crate) status: Status,
    pub(crate) problem: Option<Problem>,
    pub(crate) content: Option<Vec<u8>>,
}

impl Row {
    fn code(&self) -> Option<Code> {
        self.problem.as_ref().map(|problem| problem.code)
    }
}

/// Examines and reads an item to its end.
pub(crate) fn finish(item: Item) -> Row {
    let (path, key) = (item.path.text(), item.key.as_bytes().to_vec());
    let examined = item.found.examine();
    let meta = examined.meta;
    let row = |status, problem, content| Row {
        path: path.clone(),
        key: key.clone(),
        meta: meta.clone(),
        status,
        problem,
        content,
    };
    match examined.contents {
        Contents::Nothing { status, problem } => row(status, Some(problem), None),
        Contents::Stream(mut stream) => {
            let (mut content, mut buf) = (Vec::new(), vec![0; 8192]);
            loop {
                match stream.fill(&mut buf) {
                    Ok(0) => break,
                    Ok(n) => content.extend_from_slice(&buf[..n]),
                    Err(problem) => return row(Status::Partial, Some(problem), None),
                }
            }
            match stream.finish() {
                Ok(()) => row(Status::Hashed, None, Some(content)),
                Err(problem) => row(Status::Partial, Some(problem), None),
            }
        }
    }
}

/// Walks and examines on this thread.
pub(crate) fn scan(root: &Path, options: Options) -> (Vec<Row>, WalkSummary) {
    let folder = Folder::check(root, options).unwrap();
    let mut rows = Vec::new();
    let summary = folder.walk(1, &AtomicBool::new(false), |item| {
        rows.push(finish(item));
        ControlFlow::Continue(())
    });
    (rows, summary)
}

/// The path of an object of evidence 1 from its names.
fn path(relative: &[u8]) -> String {
    let names: Vec<String> = relative.split(|byte| *byte == b'/').map(escape::name).collect();
    format!("E1!/{}", names.join("/"))
}

fn seam(seam: Seam) -> Options {
    Options { kernel: Kernel::through(Arc::new(seam)), ..Options::default() }
}

#[test]
fn every_object_that_find_lists_is_given_once() {
    let tree = Tree::new();
    tree.hostile();
    let (rows, summary) = scan(&tree.path(), Options::default());
    let mut expected: Vec<String> =
        tree::find(&tree.path(), &["!", "-type", "d"]).iter().map(|name| path(name)).collect();
    let mut given: Vec<String> = rows.iter().map(|row| row.path.clone()).collect();
    expected.sort();
    given.sort();
    assert_eq!(given, expected);
    let folders = tree::find(&tree.path(), &["-type", "d"]).len() + 1;
    assert_eq!(summary.directories, folders as u64);
    assert_eq!(summary.seen, rows.len() as u64);
    assert!(rows.is_sorted_by(|a, b| a.key < b.key));
}

#[test]
fn content_and_metadata_are_those_of_the_system() {
    use std::os::unix::fs::MetadataExt;
    let tree = Tree::new();
    tree.hostile();
    let (rows, _) = scan(&tree.path(), Options::default());
    let files = tree::find(&tree.path(), &["-type", "f"]);
    assert!(files.len() > 25);
    for name in files {
        let row = rows.iter().find(|row| row.path == path(&name)).unwrap();
        let real = tree.path().join(tree::os(&name));
        let stat = std::fs::symlink_metadata(&real).unwrap();
        assert_eq!(row.content, Some(std::fs::read(&real).unwrap()), "{}", row.path);
        assert_eq!(row.meta.size, Some(stat.len()));
        assert_eq!(row.meta.fs_ref, format!("ino:{}", stat.ino()));
        assert_eq!(row.meta.link_count, Some(stat.nlink()));
        assert_eq!(row.meta.link.is_some(), stat.nlink() > 1);
        assert_eq!(row.meta.owner_id, format!("{}:{}", stat.uid(), stat.gid()));
        assert_eq!(row.meta.attributes, format!("{:04o}", stat.mode() & 0o7777));
        let modified = row.meta.times.modified.unwrap();
        assert_eq!(
            (modified.seconds, i64::from(modified.nanos)),
            (stat.mtime(), stat.mtime_nsec())
        );
    }
}

#[test]
fn what_has_no_content_is_named_and_not_opened() {
    let tree = Tree::new();
    tree.hostile();
    let (rows, _) = scan(&tree.path(), Options { read_links: true, ..Options::default() });
    let row = |name: &str| rows.iter().find(|row| row.path == format!("E1!/{name}")).unwrap();
    assert_eq!(row("fifo").code(), Some(Code::Fifo));
    assert_eq!(row("socket").code(), Some(Code::Socket));
    assert_eq!(row("loop-a").code(), Some(Code::Symlink));
    assert_eq!(row("loop-a").meta.link_target.as_deref(), Some(&b"loop-b"[..]));
    assert_eq!(row("dangling").meta.link_target.as_deref(), Some(&b"/nowhere/at all"[..]));
    if tree::is_root() {
        assert_eq!(row("device").code(), Some(Code::CharDevice));
    }
    assert!(rows.iter().all(|row| row.problem.is_none() || row.status == Status::Special));
}

#[test]
fn the_order_and_kinds_that_the_file_system_gives_change_nothing() {
    let tree = Tree::new();
    tree.hostile();
    let (plain, summary) = scan(&tree.path(), Options::default());
    for number in 1..20 {
        let other = Seam { shuffle: Some(number), hide_kinds: number % 2 == 0, ..Seam::default() };
        assert_eq!(scan(&tree.path(), seam(other)), (plain.clone(), summary));
    }
}

#[test]
fn short_reads_give_the_same_content() {
    let tree = Tree::new();
    tree.hostile();
    let (plain, _) = scan(&tree.path(), Options::default());
    let (short, _) = scan(&tree.path(), seam(Seam { read_cap: Some(7), ..Seam::default() }));
    assert_eq!(short, plain);
}

#[test]
fn a_file_or_a_made_up_file_system_is_no_folder() {
    let tree = Tree::new();
    let file = tree.file("f", "");
    let check = |path: &Path| Folder::check(path, Options::default()).err();
    assert!(matches!(check(&file), Some(FolderError::NotAFolder { .. })));
    assert!(matches!(check(Path::new("/sys")), Some(FolderError::RefusedFilesystem { .. })));
    assert!(matches!(check(&tree.path().join("no")), Some(FolderError::Stat { .. })));
}
