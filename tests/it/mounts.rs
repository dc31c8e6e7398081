//! Mounts inside a folder are not entered, and output never lands in evidence by any way.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay::evidence::folder::{Folder, FolderError, Options, WalkSummary, output_inside};
use assay::item::Status;
use assay::problem::Code;
use assay::sys::{Call, Kernel, Seam};

use crate::folder::{Row, scan};
use crate::support;
use crate::tree::{Mounted, Tree};

/// A bind mount of one folder or file on another.
fn bind(what: &Path, at: &Path) -> Option<Mounted> {
    let mounted = support::is_root().then(|| Mounted::new(&["--bind"], what, at)).flatten();
    if mounted.is_none() {
        support::skip("cannot make a bind mount");
    }
    mounted
}

#[test]
fn mounts_are_rows_and_are_not_entered() {
    let tree = Tree::new();
    for name in ["a/x", "b/hidden", "f", "k/x", "p/x", "t/x"] {
        tree.file(name, name);
    }
    let at = |name: &str| tree.path().join(name);
    let file = tree.file("other", "bound file");
    let Some(_folder) = bind(&at("a"), &at("b")) else { return };
    let Some(_file) = bind(&file, &at("f")) else { return };
    let Some(_null) = bind(Path::new("/dev/null"), &at("k/x")) else { return };
    let _proc = Mounted::new(&["-t", "proc"], Path::new("proc"), &at("p")).unwrap();
    let _memory = Mounted::new(&["-t", "tmpfs"], Path::new("tmpfs"), &at("t")).unwrap();
    for no_openat2 in [false, true] {
        let kernel = Kernel::through(Arc::new(Seam { no_openat2, ..Seam::default() }));
        check_mounts(&scan(&tree.path(), Options { kernel, ..Options::default() }));
    }
}

fn check_mounts((rows, summary): &(Vec<Row>, WalkSummary)) {
    let said: Vec<_> = rows.iter().map(|row| (&row.path[4..], row.status, row.code())).collect();
    let expected = [
        ("a/x", Status::Hashed, None),
        ("b", Status::Skipped, Some(Code::MountPoint)),
        ("f", Status::Skipped, Some(Code::MountPoint)),
        ("k/x", Status::Skipped, Some(Code::MountPoint)),
        ("other", Status::Hashed, None),
        ("p", Status::Skipped, Some(Code::RefusedFilesystem)),
        ("t", Status::Skipped, Some(Code::MountPoint)),
    ];
    assert_eq!(said, expected);
    assert_eq!(summary.directories, 3);
    let detail = |row: &Row| row.problem.as_ref().unwrap().detail.clone();
    assert_eq!(detail(&rows[6]), "mounted here: tmpfs");
}

#[test]
fn a_mounted_root_is_read_as_what_it_is() {
    let tree = Tree::new();
    if !support::is_root() {
        return;
    }
    let Some(_memory) = Mounted::new(&["-t", "tmpfs"], Path::new("tmpfs"), &tree.path()) else {
        return support::skip("cannot mount a tmpfs");
    };
    tree.file("a/b", "content");
    let (rows, _) = scan(&tree.path(), Options::default());
    assert_eq!((rows.len(), rows[0].meta.fs_type.as_str()), (1, "tmpfs"));
    assert_eq!(rows[0].content.as_deref(), Some(&b"content"[..]));
}

#[test]
fn a_link_named_as_evidence_is_followed() {
    let tree = Tree::new();
    tree.file("x", "content");
    symlink(tree.path(), tree.beside("link")).unwrap();
    let (rows, _) = scan(&tree.beside("link"), Options::default());
    assert_eq!(rows[0].content.as_deref(), Some(&b"content"[..]));
}

/// Asks for a path that lies beside the evidence, and for itself and below itself.
fn asks(evidence: &Path, out: &Path) -> [bool; 2] {
    [out.to_owned(), out.join("new/report")].map(|out| output_inside(evidence, &out).unwrap())
}

#[test]
fn output_in_evidence_is_found_in_every_disguise() {
    let tree = Tree::new();
    tree.file("sub/deep/x", "");
    let (evidence, beside) = (tree.path(), |name: &str| tree.beside(name));
    for name in ["out", "outer/in"] {
        std::fs::create_dir_all(beside(name)).unwrap();
    }
    symlink("ev", beside("to-evidence")).unwrap();
    symlink("ev/sub", beside("to-sub")).unwrap();
    symlink("ev/not-there-yet", beside("dangling")).unwrap();
    symlink("to-sub", beside("twice")).unwrap();
    symlink(beside("out"), evidence.join("leads-out")).unwrap();
    let dotted = |path: &str| beside("out").join(path);
    let disguises: Vec<PathBuf> = vec![
        evidence.clone(),
        evidence.join("sub"),
        evidence.join("new"),
        dotted("../ev/sub"),
        dotted("missing/../../ev"),
        beside("outer/in/../../ev/./sub//deep"),
        beside("to-evidence"),
        beside("to-sub"),
        beside("dangling"),
        beside("twice"),
        evidence.join("leads-out"),
        evidence.join("../ev"),
    ];
    for out in disguises {
        assert_eq!(asks(&evidence, &out), [true; 2], "{}", out.display());
    }
    assert_eq!(asks(&beside("to-evidence"), &evidence.join("sub")), [true; 2]);
    for out in ["out", "outer/in", "not-there/at-all", "evil", "out/../outer"] {
        assert_eq!(asks(&evidence, &beside(out)), [false; 2], "{out}");
    }
    assert_eq!(asks(&evidence.join("sub"), &beside("to-sub/..")), [true; 2]);
}

#[test]
fn output_in_evidence_is_found_through_bind_mounts() {
    let tree = Tree::new();
    tree.file("sub/deep dir/x", "");
    let [whole, part, below, other] = ["whole", "a part", "below", "other"].map(|name| {
        let path = tree.beside(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    let evidence = tree.path();
    let Some(_whole) = bind(&evidence, &whole) else { return };
    let Some(_part) = bind(&evidence.join("sub"), &part) else { return };
    let Some(_below) = bind(&part.join("deep dir"), &below) else { return };
    for out in [&whole, &part, &below] {
        assert_eq!(asks(&evidence, out), [true; 2], "{}", out.display());
    }
    assert_eq!(asks(&evidence, &other), [false; 2]);
    // the evidence may be named by its bind mount, and the output by the real folder
    assert_eq!(asks(&part, &evidence.join("sub")), [true; 2]);
    assert_eq!(asks(&below, &evidence.join("sub/deep dir")), [true; 2]);
    assert_eq!(asks(&below, &evidence.join("sub")), [false; 2]);
}

#[test]
fn output_in_an_image_that_lies_in_evidence_is_found() {
    let tree = Tree::new();
    let [inside, outside] = [tree.path().join("image"), tree.beside("image")];
    let mounted = tree.beside("mounted");
    std::fs::create_dir(&mounted).unwrap();
    if !support::is_root() {
        return;
    }
    for (image, found) in [(&inside, true), (&outside, false)] {
        std::fs::File::create(image).unwrap().set_len(8 << 20).unwrap();
        if support::tool("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]).is_none() {
            return;
        }
        let Some(_loop) = Mounted::new(&["-o", "loop"], image, &mounted) else {
            return support::skip("cannot mount a loop device");
        };
        assert_eq!(asks(&tree.path(), &mounted), [found; 2]);
    }
}

#[test]
fn an_endless_or_impossible_output_path_is_an_error() {
    let tree = Tree::new();
    let file = tree.beside("a file");
    std::fs::write(&file, "").unwrap();
    symlink("b", tree.beside("a")).unwrap();
    symlink("a", tree.beside("b")).unwrap();
    let error = |out: &Path| output_inside(&tree.path(), out).unwrap_err();
    assert!(matches!(error(&tree.beside("a/out")), FolderError::Stat { .. }));
    assert!(matches!(error(&file.join("out")), FolderError::NotAFolder { .. }));
}

#[test]
fn a_check_opens_nothing() {
    let tree = Tree::new();
    let seam = Arc::new(Seam::default());
    let kernel = Kernel::through(seam.clone());
    Folder::check(&tree.path(), Options { kernel, ..Options::default() }).unwrap();
    assert_eq!((seam.count(Call::Open), seam.count(Call::Names)), (0, 0));
}
