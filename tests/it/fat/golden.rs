//! The images of our own: objects, contents, names and byte classes against what was written.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use assay::item::{AllocStatus, NameAttribution, ObjectKind, RecoveryBasis};
use assay::problem::Code;

#[test]
fn live_files_are_what_was_written() {
    for name in ALL {
        let (volume, nodes, listing) = list_image(name);
        let truth = truth(name);
        let live: BTreeMap<String, &Node> = nodes
            .iter()
            .filter(|node| node.meta.alloc == AllocStatus::Allocated)
            .filter(|node| node.meta.kind == ObjectKind::File)
            .map(|node| (path(node), node))
            .collect();
        let wanted: BTreeSet<&str> = truth.live.iter().map(|file| &*file.path).collect();
        let got: BTreeSet<&str> = live.keys().map(|path| &**path).collect();
        assert_eq!(got, wanted, "{name}");
        for file in &truth.live {
            let node = live[&file.path];
            assert_eq!(node.meta.size, Some(file.size), "{name} {}", file.path);
            assert_eq!(missing(node), file.fault, "{name} {}", file.path);
            if file.fault.is_none() {
                let found = sha256(&*volume, node);
                assert_eq!(found.as_deref(), Some(&*file.sha256), "{name} {}", file.path);
            }
            assert_eq!(node.meta.basis, Some(RecoveryBasis::Live));
            assert_eq!(node.problems, []);
        }
        assert!(!listing.stopped);
        if SOUND.contains(&name) {
            assert!(listing.directories >= truth.folders, "{name}");
            assert_eq!(listing.existing, truth.live.len() as u64 + truth.folders - 1, "{name}");
        }
    }
}

/// Whether a path is that of a deleted file: first letters may be lost, and the folder.
fn is_name_of(found: &str, written: &str) -> bool {
    if found.starts_with("/$Orphans/") {
        return true; // judged by its content alone
    }
    let names = found.split('/').zip(written.split('/'));
    let is = |(found, written): (&str, &str)| {
        let rest: String = written.chars().skip(1).collect();
        found == written || found == format!("_{rest}")
    };
    found.matches('/').count() == written.matches('/').count() && names.into_iter().all(is)
}

#[test]
fn deleted_files_come_back_and_no_wrong_one_is_said_to_be_whole() {
    for name in ALL {
        let (volume, nodes, _) = list_image(name);
        let truth = truth(name);
        let deleted: Vec<&Node> =
            nodes.iter().filter(|node| node.meta.alloc != AllocStatus::Allocated).collect();
        let mut whole = 0;
        for file in truth.deleted.iter().filter(|file| file.fate.as_deref() == Some("whole")) {
            let is = |node: &&&Node| {
                is_name_of(&path(node), &file.path)
                    && sha256(&*volume, node).as_deref() == Some(&*file.sha256)
            };
            let found = deleted.iter().find(is);
            let found = found.unwrap_or_else(|| panic!("{name} {}", file.path));
            let basis = match file.size {
                0 => RecoveryBasis::MetadataExtents,
                _ => RecoveryBasis::ContiguousAssumed,
            };
            assert_eq!(found.meta.basis, Some(basis), "{}", file.path);
            whole += 1;
        }
        assert!(whole > 0 || name == "fat12" || !SOUND.contains(&name));
        for node in deleted {
            let Some(digest) = sha256(&*volume, node) else { continue };
            let right = truth.deleted.iter().any(|file| file.sha256 == digest);
            let assumed = node.meta.basis == Some(RecoveryBasis::ContiguousAssumed);
            assert!(right || assumed, "{name} {}", path(node));
        }
    }
}

#[test]
fn what_two_deleted_files_claim_belongs_to_neither() {
    let (_, nodes, _) = list_image("overwritten");
    let fate = |name: &str| {
        let node = nodes.iter().find(|node| path(node) == name).unwrap();
        (node.meta.basis, missing(node))
    };
    let overwritten = (Some(RecoveryBasis::PartlyOverwritten), Some("overwritten".to_owned()));
    assert_eq!(fate("/long gone.jpg"), overwritten);
    assert_eq!(fate("/_EW.JPG"), overwritten);
    assert_eq!(fate("/_SED.JPG"), overwritten);
    assert_eq!(fate("/_NDS.JPG"), overwritten);
    assert_eq!(fate("/_OWHERE.JPG"), (None, Some("chain_broken".to_owned())));
}

#[test]
fn long_names_of_deleted_files_are_certain_and_short_ones_are_not() {
    let (_, nodes, _) = list_image("fat16");
    let attribution = |name: &str| {
        let node = nodes
            .iter()
            .find(|node| path(node) == name && node.meta.alloc == AllocStatus::Deleted)
            .unwrap_or_else(|| panic!("{name}"));
        node.meta.attribution.unwrap()
    };
    for name in [
        "/A holiday picture with a long name.jpg",
        "/Überraschung für später.jpg",
        "/日本の写真集と名前.jpg",
        "/gone folder/memory number 07.jpg",
    ] {
        assert_eq!(attribution(name), NameAttribution::Certain, "{name}");
    }
    assert_eq!(attribution("/_HORT.JPG"), NameAttribution::Uncertain);
}

#[test]
fn every_byte_has_one_class() {
    for name in ALL {
        let (volume, nodes, listing) = list_image(name);
        assert_eq!(listing.bytes.total(), volume.len(), "{name} {:?}", listing.bytes);
        if SOUND.contains(&name) {
            let sizes: u64 = truth(name).live.iter().map(|file| file.size).sum();
            assert_eq!(listing.bytes.allocated, sizes, "{name}");
            assert_eq!((listing.bytes.unread, listing.bytes.unexamined), (0, 0), "{name}");
            assert_eq!(listing.problems, [], "{name}");
        }
        let lengths_are_sizes = nodes.iter().all(|node| match &node.content {
            NodeContent::Extents(extents) => {
                Some(extents.iter().map(|extent| extent.len).sum()) == node.meta.size
            }
            NodeContent::Nothing { .. } => true,
        });
        assert!(lengths_are_sizes, "{name}");
    }
}

#[test]
fn a_cancelled_listing_stops_and_says_so() {
    let fat = Fat::open(Arc::new(Memory(image("fat12"))), CodePage::new(437).unwrap()).unwrap();
    let nobody = &mut |_| panic!("nothing is given after a cancel");
    assert!(fat.list(&root(), &AtomicBool::new(true), nobody).stopped);
    let mut count = 0;
    let listing = fat.list(&root(), &AtomicBool::new(false), &mut |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((count, listing.stopped), (3, true));
}

#[test]
fn facts_are_those_of_the_boot_record() {
    for (name, fs_type, cluster) in
        [("fat12", "fat12", 512), ("fat16", "fat16", 2048), ("fat32", "fat32", 512)]
    {
        let volume = Arc::new(Memory(image(name)));
        let fat = Fat::open(volume, CodePage::new(437).unwrap()).unwrap();
        let facts = fat.facts();
        assert_eq!((&*facts.fs_type, facts.cluster_size), (fs_type, cluster));
        assert_eq!(facts.label, name.to_uppercase().as_bytes());
        assert_eq!(facts.serial, "1234-ABCD", "the constant of mkfs.vfat --invariant");
    }
    let error = Fat::open(Arc::new(Memory(vec![0; 4096])), CodePage::new(437).unwrap());
    assert_eq!(error.err().map(|problem| problem.code), Some(Code::FilesystemDamaged));
}
