//! Trees to scan: ordinary, hostile and very deep ones, and their removal.
//!
//! `std::fs::remove_dir_all` runs out of descriptors at ten thousand levels, so [`Tree`] removes
//! itself by lifting every folder to the top first.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, FileType, Mode, OFlags};

/// A folder of its own that is removed at the end of the test, whatever is in it.
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty folder `ev` in a fresh place; the place itself is [`Tree::beside`].
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("assay-tree-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("ev")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    /// The evidence.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join("ev")
    }

    /// A path beside the evidence, not in it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file, and the folders it needs; returns its path.
    pub(crate) fn file(&self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(OsStr::from_bytes(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes `levels` folders named `d` inside each other, below `top`, and calls `each` in each.
    pub(crate) fn chain(&self, top: &str, levels: u32, mut each: impl FnMut(u32, &OwnedFd)) {
        fs::create_dir_all(self.path().join(top)).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |name: &Path| rustix::fs::openat(CWD, name, flags, Mode::empty()).unwrap();
        let mut dir = open(&self.path().join(top));
        for level in 1..=levels {
            rustix::fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, "d", flags, Mode::empty()).unwrap();
            each(level, &dir);
        }
    }

    /// Everything a hostile medium may hold that needs no privilege, and a device where it has it.
    pub(crate) fn hostile(&self) {
        let root = self.path();
        for (number, name) in NAMES.iter().enumerate() {
            self.file(name, format!("content {number}"));
        }
        self.file([b'n'; 255], "longest name");
        self.file("empty", "");
        self.file("$Orphans/inner", "not virtual");
        self.file("sub/one", "hard link");
        fs::hard_link(root.join("sub/one"), root.join("sub/two")).unwrap();
        fs::hard_link(root.join("sub/one"), root.join("three")).unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        };
        link("loop-b", "loop-a");
        link("loop-a", "loop-b");
        link("/nowhere/at all", "dangling");
        link("..", "up");
        link("/dev/zero", "zero");
        let make = |name: &str, kind, device| {
            rustix::fs::mknodat(CWD, root.join(name), kind, Mode::RUSR, device)
        };
        make("fifo", FileType::Fifo, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
        let _ = make("device", FileType::CharacterDevice, rustix::fs::makedev(1, 5));
        let sparse = fs::File::create(root.join("sparse")).unwrap();
        sparse.set_len(3 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (3 << 20) - 3).unwrap();
    }
}

/// Names that break text, terminals, spreadsheets and path syntax.
pub(crate) const NAMES: [&[u8]; 22] = [
    b"\xff\xfe.jpg",
    b"\xfe\xff.jpg",
    b"Latin-\xe9",
    b"lone-\xed\xa0\x80",
    b"new\nline",
    b"cr\r\nlf\ttab",
    b"=cmd|'/C calc'!A0.jpg" as &[u8],
    b"+1",
    b"-rf",
    b"@SUM(1)",
    "gpj.\u{202e}exe".as_bytes(),
    "\u{feff}bom".as_bytes(),
    b"esc\x1b[2J\x1b]8;;x",
    b"a!",
    b"a",
    b"A",
    b"with:colon",
    b"with|bar",
    b"with\\slash",
    b"quote\",semicolon;",
    b"CON",
    "e\u{301} and \u{e9}".as_bytes(),
];

impl Drop for Tree {
    /// Lifts each folder out of its parent, so that nothing is ever deep.
    fn drop(&mut self) {
        let aside = self.root.join("lifted");
        let _ = fs::create_dir(&aside);
        let mut number = 0_u64;
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path == aside {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    number += 1;
                    let lifted = aside.join(number.to_string());
                    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
                    if fs::rename(&path, &lifted).is_ok() {
                        folders.push(lifted);
                    }
                } else {
                    let _ = fs::remove_file(path);
                }
            }
            let _ = fs::remove_dir(&folder);
        }
        let _ = fs::remove_dir(&aside);
        let _ = fs::remove_dir(&self.root);
    }
}

/// What `find` lists below `root` by these tests: the paths relative to it, sorted.
pub(crate) fn find(root: &Path, tests: &[&str]) -> Vec<Vec<u8>> {
    let mut command = Command::new("find");
    command.arg(root).args(["-mindepth", "1"]).args(tests).args(["-printf", "%P\\0"]);
    let out = command.output().unwrap();
    let mut paths: Vec<Vec<u8>> = out.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(paths.pop(), Some(Vec::new()), "find ends each path with a NUL");
    paths.sort();
    paths
}

/// Something mounted, until the end of the test.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts `what` on `at`; `None` where the system does not allow that.
    pub(crate) fn new(options: &[&str], what: &Path, at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(options).arg(what).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A path from bytes.
pub(crate) fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[test]
fn a_tree_of_ten_thousand_levels_is_removed() {
    let tree = Tree::new();
    tree.chain("deep", 10_000, |_, _| {});
    let root = tree.root.clone();
    drop(tree);
    assert!(!root.exists());
}
