//! Folders as evidence: every object once, nothing altered, nothing guessed.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::evidence::folder::{Access, DESCRIPTORS, Folder, FolderError, Options, WalkSummary};
use assay::item::{Contents, Item, ItemMeta, Status, escape};
use assay::problem::{Code, Problem};
use assay::sys::{Call, Errno, Fault, Kernel, Seam};

use crate::support;
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
    pub(crate) fn code(&self) -> Option<Code> {
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
    if tree.path().join("device").symlink_metadata().is_ok() {
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

/// Walks and only collects.
pub(crate) fn collect(root: &Path, options: Options) -> (Folder, Vec<Item>) {
    let folder = Folder::check(root, options).unwrap();
    let mut items = Vec::new();
    folder.walk(1, &AtomicBool::new(false), |item| {
        items.push(item);
        ControlFlow::Continue(())
    });
    (folder, items)
}

/// Descriptors of this process that lead below `root`.
fn open_below(root: &Path) -> usize {
    let table = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = table.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.starts_with(root)).count()
}

#[test]
fn ten_thousand_levels_need_neither_stack_nor_descriptors() {
    let tree = Tree::new();
    let content = |level: u32| format!("level {level}");
    tree.chain("deep", 10_000, |level, dir| {
        if level % 500 == 0 {
            for name in ["a", "z"] {
                let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
                let file = rustix::fs::openat(dir, name, flags, rustix::fs::Mode::RUSR).unwrap();
                rustix::io::write(&file, content(level).as_bytes()).unwrap();
            }
        }
    });
    let root = tree.path();
    let small_stack = std::thread::Builder::new().stack_size(128 * 1024);
    let walk = move || {
        let begun = std::time::Instant::now();
        let scanned = scan(&root, Options::default());
        assert!(begun.elapsed().as_secs() < 20);
        scanned
    };
    let (rows, summary) = small_stack.spawn(walk).unwrap().join().unwrap();
    assert_eq!((summary.directories, summary.seen), (10_002, 40));
    for (index, row) in rows.iter().enumerate() {
        // `a` is met on the way down, `z` on the way up
        let level = if index < 20 { index + 1 } else { 40 - index } as u32 * 500;
        assert_eq!(row.content.as_deref(), Some(content(level).as_bytes()), "{}", row.key.len());
        assert_eq!(row.path.len(), "E1!/deep".len() + 2 * level as usize + 2);
    }
}

#[test]
fn items_that_wait_unexamined_hold_at_most_64_folders() {
    let tree = Tree::new();
    for number in 0..300 {
        tree.file(format!("{number:03}/sub/{}", number % 7), format!("{number}"));
    }
    tree.chain("deep", 200, |_, dir| {
        rustix::fs::symlinkat("x", dir, "link").unwrap();
    });
    let folder = Folder::check(&tree.path(), Options::default()).unwrap();
    let (mut items, mut most) = (Vec::new(), 0);
    folder.walk(1, &AtomicBool::new(false), |item| {
        items.push(item);
        most = most.max(open_below(&tree.path()));
        ControlFlow::Continue(())
    });
    assert!((32..=DESCRIPTORS).contains(&most), "{most}");
    let (sender, receiver) = crossbeam_channel::bounded(0);
    let done = AtomicBool::new(false);
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || receiver.iter().map(finish).collect::<Vec<Row>>())
            })
            .collect();
        let root = tree.path();
        let done = &done;
        let watch = scope.spawn(move || {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(open_below(&root));
            }
            most
        });
        items.into_iter().for_each(|item| sender.send(item).unwrap());
        drop(sender);
        let rows = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        let most = watch.join().unwrap();
        assert!(most <= DESCRIPTORS + 4, "{most} with the files being read");
        rows
    });
    let read = rows.iter().filter(|row| row.status == Status::Hashed).count();
    assert_eq!((read, rows.len()), (300, 500));
    assert_eq!(open_below(&tree.path()), 0);
}

#[test]
fn a_walk_stops_when_told() {
    let tree = Tree::new();
    tree.hostile();
    let folder = Folder::check(&tree.path(), Options::default()).unwrap();
    let broken = folder.walk(1, &AtomicBool::new(false), |_| ControlFlow::Break(()));
    assert_eq!((broken.seen, broken.stopped), (1, true));
    let cancel = AtomicBool::new(false);
    let cancelled = folder.walk(1, &cancel, |_| {
        cancel.store(true, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    assert_eq!((cancelled.seen, cancelled.stopped), (1, true));
}

#[test]
fn what_changes_between_listing_and_examining_is_a_status() {
    let tree = Tree::new();
    let [gone, linked, piped, folder, grown] =
        ["gone", "linked", "piped", "folder", "grown"].map(|name| tree.file(name, "12345"));
    let in_lost = tree.file("lost/file", "x");
    let (_folder, items) = collect(&tree.path(), Options::default());
    for path in [&gone, &linked, &piped, &folder] {
        std::fs::remove_file(path).unwrap();
    }
    std::os::unix::fs::symlink("grown", &linked).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &piped, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&grown, "1234567890").unwrap();
    std::fs::remove_file(&in_lost).unwrap();
    std::fs::remove_dir(in_lost.parent().unwrap()).unwrap();
    let rows: Vec<Row> = items.into_iter().map(finish).collect();
    let code =
        |name: &str| rows.iter().find(|row| row.path == path(name.as_bytes())).unwrap().code();
    assert_eq!(code("gone"), Some(Code::Vanished));
    assert_eq!(code("lost/file"), Some(Code::Vanished));
    assert_eq!(code("linked"), Some(Code::Replaced));
    assert_eq!(code("piped"), Some(Code::Replaced));
    assert_eq!(code("folder"), Some(Code::Replaced));
    assert_eq!(code("grown"), None);
    assert!(rows.iter().all(|row| row.problem.is_none() || row.status == Status::Unread));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_stated() {
    let change = |change: fn(&Path)| {
        let tree = Tree::new();
        let path = tree.file("f", [7; 5000]);
        let (_folder, mut items) = collect(&tree.path(), Options::default());
        let examined = items.pop().unwrap().found.examine();
        let Contents::Stream(mut stream) = examined.contents else { panic!("a file is read") };
        assert_eq!(stream.fill(&mut [0; 1000]), Ok(1000));
        change(&path);
        let mut total = 1000;
        loop {
            match stream.fill(&mut [0; 999]).unwrap() {
                0 => break,
                n => total += n,
            }
        }
        (total, stream.finish().map_err(|problem| (problem.code, problem.detail)))
    };
    assert_eq!(change(|_| ()), (5000, Ok(())));
    let (total, grown) = change(|path| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&[8; 100_000]).unwrap();
    });
    let (code, detail) = grown.unwrap_err();
    assert_eq!((total, code), (5001, Code::ChangedDuringRead));
    assert!(detail.starts_with("size 5000 -> 105000; modified "), "{detail}");
    assert!(detail.ends_with("; 5001 bytes read of 5000"), "{detail}");
    let (total, cut) = change(|path| {
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(2000).unwrap();
    });
    assert_eq!(total, 2000);
    assert!(cut.unwrap_err().1.ends_with("2000 bytes read of 5000"));
    let (total, deleted) = change(|path| std::fs::remove_file(path).unwrap());
    assert_eq!((total, deleted.unwrap_err().0), (5000, Code::ChangedDuringRead));
    let (total, same_size) = change(|path| std::fs::write(path, [9; 5000]).unwrap());
    assert_eq!((total, same_size.unwrap_err().0), (5000, Code::ChangedDuringRead));
}

#[test]
fn a_folder_that_changes_during_the_walk_costs_only_itself() {
    let tree = Tree::new();
    for name in ["0", "a/x", "gone/x", "link/x", "z/x"] {
        tree.file(name, name);
    }
    let (root, folder) = (tree.path(), Folder::check(&tree.path(), Options::default()).unwrap());
    let mut rows = Vec::new();
    let summary = folder.walk(1, &AtomicBool::new(false), |item| {
        if rows.is_empty() {
            std::fs::remove_dir_all(root.join("gone")).unwrap();
            std::fs::rename(root.join("link"), tree.beside("elsewhere")).unwrap();
            std::os::unix::fs::symlink(tree.beside("elsewhere"), root.join("link")).unwrap();
        }
        rows.push(finish(item));
        ControlFlow::Continue(())
    });
    let codes: Vec<_> = rows.iter().map(|row| (row.path.as_str(), row.code())).collect();
    let expected = [
        ("E1!/0", None),
        ("E1!/a/x", None),
        ("E1!/gone", Some(Code::Vanished)),
        ("E1!/link", Some(Code::Replaced)),
        ("E1!/z/x", None),
    ];
    assert_eq!(codes, expected);
    assert_eq!(summary.directories, 3);
}

#[test]
fn a_chain_moved_away_during_the_walk_loses_no_name() {
    let tree = Tree::new();
    tree.chain("top", 40, |_, dir| {
        rustix::fs::symlinkat("x", dir, "z").unwrap();
    });
    tree.file("top/zz", "still found");
    let (root, folder) = (tree.path(), Folder::check(&tree.path(), Options::default()).unwrap());
    let mut rows = Vec::new();
    folder.walk(1, &AtomicBool::new(false), |item| {
        if rows.is_empty() {
            // the walker is at the bottom; level 3 becomes a folder beside the evidence
            std::fs::rename(root.join("top/d/d/d"), tree.beside("moved")).unwrap();
        }
        rows.push(finish(item));
        ControlFlow::Continue(())
    });
    assert_eq!(rows.len(), 41);
    let last = rows.last().unwrap();
    assert_eq!(last.content.as_deref(), Some(&b"still found"[..]));
    // Levels that were closed meanwhile are found by `..` as long as that leads where it led.
    let lost = rows.iter().filter(|row| row.status == Status::Unread).count();
    assert!(lost <= 1, "{lost}");
}

#[test]
fn errors_of_the_device_are_rows_with_their_place() {
    let fault = |call, nth, for_ever, error| Fault { call, nth, for_ever, error };
    let scan_with = |tree: &Tree, fault| {
        scan(
            &tree.path(),
            seam(Seam { faults: vec![fault], read_cap: Some(1000), ..Seam::default() }),
        )
    };
    let tree = Tree::new();
    tree.file("f", [1; 5000]);
    let (rows, _) = scan_with(&tree, fault(Call::Read, 3, false, Errno::IO));
    assert_eq!(rows[0].status, Status::Hashed);
    let (rows, _) = scan_with(&tree, fault(Call::Read, 3, true, Errno::IO));
    let problem = rows[0].problem.clone().unwrap();
    assert_eq!(
        (problem.code, problem.offset, problem.length),
        (Code::IoError, Some(2000), Some(3000))
    );
    assert_eq!(problem.detail, "reading: EIO");
    let (rows, _) = scan_with(&tree, fault(Call::Open, 2, false, Errno::MFILE));
    assert_eq!(rows[0].status, Status::Hashed, "a shortage of a moment costs nothing");
    let (rows, summary) = scan_with(&tree, fault(Call::Open, 1, false, Errno::ACCESS));
    assert_eq!((rows[0].path.as_str(), rows[0].code()), ("E1", Some(Code::PermissionDenied)));
    assert_eq!((summary.seen, summary.directories), (1, 0));
}

#[test]
fn a_listing_that_fails_midway_keeps_the_names_before_it() {
    let tree = Tree::new();
    for number in 0..3000 {
        tree.file(format!("many/{number}"), "");
    }
    tree.file("other", "");
    let fault = Fault { call: Call::Names, nth: 4, for_ever: false, error: Errno::IO };
    let (rows, summary) = scan(&tree.path(), seam(Seam { faults: vec![fault], ..Seam::default() }));
    let many = rows.iter().find(|row| row.path == "E1!/many").unwrap();
    assert_eq!((many.status, many.code()), (Status::Unread, Some(Code::SubtreeIncomplete)));
    assert_eq!(summary.directories, 1);
    assert!((500..3000).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows.iter().filter(|row| row.path == "E1!/other").count(), 1);
}

#[test]
fn every_single_failing_call_leaves_each_object_one_row() {
    let tree = Tree::new();
    for name in ["a/b/c", "a/d", "e", "f/g/h"] {
        tree.file(name, name);
    }
    let (good, _) = scan(&tree.path(), Options::default());
    for call in [Call::Open, Call::Stat, Call::Names, Call::Read] {
        // the first two stats belong to the check, which refuses the whole folder
        for nth in if call == Call::Stat { 3.. } else { 1.. } {
            let fault = Fault { call, nth, for_ever: false, error: Errno::IO };
            let seam = Arc::new(Seam { faults: vec![fault], ..Seam::default() });
            let kernel = Kernel::through(Arc::clone(&seam));
            let (rows, summary) = scan(&tree.path(), Options { kernel, ..Options::default() });
            let mut paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
            paths.dedup();
            assert_eq!(paths.len(), summary.seen as usize);
            for row in rows.iter().filter(|row| row.status == Status::Hashed) {
                assert!(
                    good.iter()
                        .any(|same| (&same.path, &same.content) == (&row.path, &row.content))
                );
            }
            let bad = rows.iter().filter(|row| row.problem.is_some()).count();
            if seam.count(call) < nth {
                assert_eq!(bad, 0);
                break;
            }
            // a read is tried again, and what a file is before it is opened is asked once more
            // after; whatever else fails is said once
            let said = usize::from(call != Call::Read);
            assert!(bad == said || call == Call::Stat && bad == 0, "{call:?} {nth}");
        }
    }
}

/// Runs `act` on a thread that has given up every right of root.
pub(crate) fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            use rustix::process::{Gid, Uid};
            let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

#[test]
fn what_may_not_be_read_is_said_to_be_so() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !support::is_root() {
        return;
    }
    let tree = Tree::new();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let mine = tree.file("mine", "mine");
    let secret = tree.file("secret", "secret");
    let folder = tree.file("closed/inner", "x").parent().unwrap().to_owned();
    for path in [&tree.path(), &mine, &secret, &folder] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    mode(&secret, 0);
    mode(&folder, 0);
    let roots = tree.file("roots", "of root");
    mode(&roots, 0o644);
    let (rows, summary) = as_nobody(|| scan(&tree.path(), Options::default()));
    let row = |name: &str| rows.iter().find(|row| row.path == path(name.as_bytes())).unwrap();
    assert_eq!((rows.len(), summary.directories), (4, 1));
    assert_eq!(row("mine").content.as_deref(), Some(&b"mine"[..]));
    assert_eq!(row("secret").code(), Some(Code::PermissionDenied));
    assert_eq!(row("secret").meta.size, Some(6));
    assert_eq!(row("closed").code(), Some(Code::PermissionDenied));
    assert_eq!(row("closed").meta.attributes, "0000");
    assert_eq!(row("roots").code(), Some(Code::NoatimeRefused));
    assert_eq!(row("roots").meta.size, Some(7));
}

#[test]
fn altering_evidence_needs_consent_and_is_counted() {
    use std::os::unix::fs::PermissionsExt;
    if !support::is_root() {
        return;
    }
    let tree = Tree::new();
    let file = tree.file("roots", "of root");
    for (path, mode) in [(&tree.path(), 0o755), (&file, 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let refused = as_nobody(|| Folder::check(&tree.path(), Options::default()).err());
    assert!(matches!(refused, Some(FolderError::WouldAlter { .. })), "{refused:?}");
    let options = Options { accept_alteration: true, ..Options::default() };
    let (access, opened, rows) = as_nobody(|| {
        let folder = Folder::check(&tree.path(), options).unwrap();
        let mut rows = Vec::new();
        folder.walk(1, &AtomicBool::new(false), |item| {
            rows.push(finish(item));
            ControlFlow::Continue(())
        });
        (folder.access(), folder.opened(), rows)
    });
    assert_eq!(access, Access::Accepted);
    assert_eq!((opened.noatime, opened.plain), (0, 2));
    assert_eq!(rows[0].content.as_deref(), Some(&b"of root"[..]));
}
