//! No access time of evidence changes, on a file system that keeps every one of them.
//!
//! An ext4 image made here is mounted with `strictatime`. The check itself is first shown to see
//! what a plain open, listing and readlink do.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay::evidence::folder::{Access, Folder, Options};

use crate::folder::scan;
use crate::support;
use crate::tree::{Mounted, Tree};

/// A fresh ext4 file system, mounted on the evidence folder of a tree.
struct Strict {
    /// First, so that it is unmounted before the tree is removed.
    mounted: Option<Mounted>,
    tree: Tree,
    image: PathBuf,
}

impl Strict {
    fn new() -> Option<Self> {
        if !support::is_root() {
            return None;
        }
        let tree = Tree::new();
        let image = tree.beside("image");
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let now = "lazy_itable_init=0,lazy_journal_init=0"; // nothing is written later by itself
        support::tool("mkfs.ext4", &["-q", "-F", "-E", now, image.to_str().unwrap()])?;
        let mut strict = Self { mounted: None, tree, image };
        if !strict.mount("loop,strictatime") {
            support::skip("cannot mount a loop device");
            return None;
        }
        strict.tree.hostile();
        for path in strict.objects() {
            let old =
                Command::new("touch").args(["-h", "-a", "-d", "2020-01-01"]).arg(path).status();
            assert!(old.unwrap().success());
        }
        Some(strict)
    }

    fn mount(&mut self, options: &str) -> bool {
        let wanted_read_only = options.split(',').any(|option| option == "ro");
        for _ in 0..50 {
            self.mounted = None;
            self.mounted = Mounted::new(&["-o", options], &self.image, &self.tree.path());
            let path = self.tree.path();
            let flags = rustix::fs::statvfs(&path).unwrap().f_flag;
            if flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) == wanted_read_only {
                return self.mounted.is_some();
            }
            // The loop device of the mount before is still there, and read-only.
            self.mounted = None;
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the loop device stays read-only");
    }

    /// Every object but `lost+found`. The caller undoes what this lister does to access times.
    fn objects(&self) -> Vec<PathBuf> {
        let found = crate::tree::find(&self.tree.path(), &["!", "-name", "lost+found"]);
        let names = found.iter().map(|name| self.tree.path().join(crate::tree::os(name)));
        std::iter::once(self.tree.path()).chain(names).collect()
    }
}

fn access_times(objects: &[PathBuf]) -> BTreeMap<PathBuf, (i64, i64)> {
    let time = |path: &PathBuf| {
        let stat = path.symlink_metadata().unwrap();
        (path.clone(), (stat.atime(), stat.atime_nsec()))
    };
    objects.iter().map(time).collect()
}

/// Reads a file, a folder or a link the ordinary way.
fn use_plainly(path: &Path) {
    let kind = path.symlink_metadata().unwrap().file_type();
    if kind.is_symlink() {
        std::fs::read_link(path).unwrap();
    } else if kind.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(drop);
    } else {
        std::fs::read(path).unwrap();
    }
}

#[test]
fn a_whole_scan_changes_no_access_time() {
    let Some(strict) = Strict::new() else { return };
    let root = strict.tree.path();
    let objects = strict.objects();
    let touch = |path: &Path| {
        Command::new("touch").args(["-h", "-a", "-d", "2020-01-01"]).arg(path).status().unwrap();
    };
    objects.iter().for_each(|path| touch(path));
    let before = access_times(&objects);

    // the control: each of these is seen
    for name in ["three", "sub", "dangling"] {
        use_plainly(&root.join(name));
        assert_ne!(access_times(&objects), before, "{name}");
        touch(&root.join(name));
        assert_eq!(access_times(&objects), before, "{name}");
    }

    let (rows, summary) = scan(&root, Options::default());
    assert!(rows.len() > 30 && summary.directories >= 4);
    assert_eq!(access_times(&objects), before);
    assert!(rows.iter().all(|row| row.meta.link_target.is_none()));

    let (rows, _) = scan(&root, Options { read_links: true, ..Options::default() });
    assert!(rows.iter().any(|row| row.meta.link_target.is_some()));
    assert_ne!(access_times(&objects), before);
}

#[test]
fn a_scan_writes_nothing_to_the_medium() {
    let Some(strict) = Strict::new() else { return };
    let root = strict.tree.path();
    let medium = || {
        assert!(Command::new("sync").arg("-f").arg(&root).status().unwrap().success());
        support::tool("sha256sum", &[strict.image.to_str().unwrap()]).unwrap().stdout
    };
    let before = medium();
    scan(&root, Options::default());
    assert_eq!(medium(), before);
    // the control: reading a file the ordinary way reaches the medium
    std::fs::read(root.join("three")).unwrap();
    assert_ne!(medium(), before);
}

#[test]
fn a_still_mount_needs_no_ownership() {
    let Some(mut strict) = Strict::new() else { return };
    for (options, access) in
        [("loop,ro", Access::ReadOnlyMount), ("loop,noatime", Access::NoatimeMount)]
    {
        assert!(strict.mount(options));
        let root = strict.tree.path();
        let (found, opened) = crate::folder::as_nobody(|| {
            let folder = Folder::check(&root, Options::default()).unwrap();
            folder.walk(1, &std::sync::atomic::AtomicBool::new(false), |item| {
                crate::folder::finish(item);
                std::ops::ControlFlow::Continue(())
            });
            (folder.access(), folder.opened())
        });
        assert_eq!(found, access);
        assert!(opened.plain > 30 && opened.noatime == 0, "{opened:?}");
    }
}
