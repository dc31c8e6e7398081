//! exFAT: golden volumes against what was written to them and against The Sleuth Kit, deleted
//! objects, and damage.

mod damage;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay::bytes::{ReadAt, Unreadable};
use assay::evidence::filesystem::exfat::Exfat;
use assay::evidence::filesystem::{FileSystem, Listing, Node, NodeContent};
use assay::item::{
    AllocStatus, Extent, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis, TimeSource,
};
use assay::problem::{Code, Problem};
use sha2::Digest as _;

use crate::partition::{Random, golden};
use crate::support::tool;

fn open(bytes: &[u8]) -> Result<Exfat, Problem> {
    let shared: Arc<[u8]> = bytes.into();
    Exfat::open(Arc::new(shared))
}

fn listed(fs: &Exfat) -> (Vec<Node>, Listing) {
    let mut nodes = Vec::new();
    let root = ObjectPath::evidence(1).given_inside("p0");
    let listing = fs.list(&root, &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        ControlFlow::Continue(())
    });
    assert!(!listing.stopped);
    (nodes, listing)
}

fn list(bytes: &[u8]) -> (Vec<Node>, Listing) {
    let (nodes, listing) = listed(&open(bytes).unwrap());
    assert_eq!(listing.bytes.total(), bytes.len() as u64, "{listing:?}");
    (nodes, listing)
}

/// The content by its extents; `None` where a byte is missing.
fn content(volume: &[u8], node: &Node) -> Option<Vec<u8>> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut out = Vec::new();
    for extent in extents {
        let len = usize::try_from(extent.len).unwrap();
        match &extent.place {
            Place::Disk(at) => {
                let at = usize::try_from(*at).unwrap();
                out.extend_from_slice(&volume[at..at + len]);
            }
            Place::Hole => out.resize(out.len() + len, 0),
            Place::Resident(bytes) => out.extend_from_slice(bytes),
            Place::Lznt1 { .. } => panic!("exFAT compresses nothing"),
            Place::Missing(..) => return None,
        }
    }
    Some(out)
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(node: &Node) -> String {
    node.path.text().strip_prefix("E1!/p0/").unwrap().to_owned()
}

/// The path without the marks of what is deleted.
fn plain(node: &Node) -> String {
    let path = text(node);
    let names: Vec<_> = path.split('/').map(|name| name.split('|').next().unwrap()).collect();
    names.join("/")
}

fn by_name<'a>(nodes: &'a [Node], name: &str) -> &'a Node {
    let found: Vec<_> = nodes.iter().filter(|node| plain(node).ends_with(name)).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]
}

struct Written {
    state: String,
    size: u64,
    digest: String,
    modified: i64,
    name: String,
}

/// What the script that made a golden volume wrote to it.
fn written(name: &str) -> Vec<Written> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        Written {
            state: cells[0].to_owned(),
            size: cells[1].parse().unwrap(),
            digest: cells[2].to_owned(),
            modified: cells[3].parse().unwrap(),
            name: cells[4].to_owned(),
        }
    };
    text.lines().map(row).collect()
}

fn tree() -> Vec<u8> {
    golden("exfat-tree.raw.gz")
}

fn put(volume: &mut [u8], at: usize, bytes: &[u8]) {
    volume[at..at + bytes.len()].copy_from_slice(bytes);
}

fn word(volume: &[u8], at: usize) -> usize {
    u32::from_le_bytes(volume[at..at + 4].try_into().unwrap()) as usize
}

/// The byte of the first entry of an object.
fn dirent(node: &Node) -> usize {
    node.meta.fs_ref.strip_prefix("dirent:").unwrap().parse().unwrap()
}

/// Makes the check sum of the set at a byte hold again.
fn mend_set(volume: &mut [u8], at: usize) {
    let count = usize::from(volume[at + 1]) + 1;
    let Some(set) = volume.get(at..at + count * 32) else { return };
    let mut sum = 0_u16;
    for (number, byte) in set.iter().enumerate() {
        let byte = if number % 32 == 0 { byte | 0x80 } else { *byte };
        if !matches!(number, 2 | 3) {
            sum = sum.rotate_right(1).wrapping_add(u16::from(byte));
        }
    }
    put(volume, at + 2, &sum.to_le_bytes());
}

/// Makes the check sums of both boot regions hold again.
fn mend_boot(volume: &mut [u8]) {
    for start in [0, 12 * 512] {
        let mut sum = 0_u32;
        for (at, byte) in volume[start..start + 11 * 512].iter().enumerate() {
            if !matches!(at, 106 | 107 | 112) {
                sum = sum.rotate_right(1).wrapping_add(u32::from(*byte));
            }
        }
        for at in (start + 11 * 512..start + 12 * 512).step_by(4) {
            put(volume, at, &sum.to_le_bytes());
        }
    }
}

/// The byte of a cluster, and of its entry in the FAT.
fn places(volume: &[u8], cluster: usize) -> (usize, usize) {
    let heap = word(volume, 88) * 512;
    let size = 512 << volume[109];
    (heap + (cluster - 2) * size, word(volume, 80) * 512 + cluster * 4)
}

fn codes(problems: &[Problem]) -> Vec<Code> {
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn existing_objects_are_what_was_written() {
    for name in ["exfat-tree", "exfat-full"] {
        let volume = golden(&format!("{name}.raw.gz"));
        let (nodes, listing) = list(&volume);
        assert_eq!(listing.problems, []);
        assert_eq!((listing.bytes.unexamined, listing.bytes.unread), (0, 0));
        let live: Vec<_> =
            nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Allocated).collect();
        let rows: Vec<_> =
            written(&format!("{name}.tsv")).into_iter().filter(|row| row.state == "live").collect();
        assert_eq!(live.len(), rows.len());
        // The root is a folder that no folder has; `old` was deleted and can still be read.
        let folders = listing.directories - 1 - u64::from(name == "exfat-tree");
        assert_eq!(listing.existing, folders + live.len() as u64);
        let sizes: u64 = rows.iter().map(|row| row.size).sum();
        assert_eq!(listing.bytes.allocated, sizes);
        for row in rows {
            let node = live.iter().find(|node| text(node) == row.name);
            let node = node.unwrap_or_else(|| panic!("{} is missing", row.name));
            assert_eq!(node.problems, [], "{}", row.name);
            assert_eq!(node.meta.size, Some(row.size));
            assert_eq!(sha256(&content(&volume, node).unwrap()), row.digest, "{}", row.name);
            assert_eq!(node.meta.basis, Some(RecoveryBasis::Live));
            let modified = node.meta.times.modified.unwrap();
            assert_eq!((modified.seconds, modified.nanos), (row.modified, 0), "{}", row.name);
        }
    }
}

#[test]
fn facts_and_order_are_those_of_the_volume() {
    let volume = tree();
    let fs = open(&volume).unwrap();
    let facts = fs.facts();
    assert_eq!(String::from_utf8(facts.label.clone()).unwrap(), "Prüf 写真");
    assert_eq!((facts.fs_type.as_str(), facts.cluster_size), ("exfat", 4096));
    let serial: Vec<String> =
        volume[100..104].iter().rev().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(facts.serial, format!("{}-{}", serial[..2].concat(), serial[2..].concat()));
    let (nodes, listing) = list(&volume);
    let paths: BTreeSet<_> = nodes.iter().map(|node| node.path.text()).collect();
    assert_eq!(paths.len(), nodes.len());
    assert_eq!(text(&nodes[0]), "size-0.bin");
    let at = |name: &str| nodes.iter().position(|node| plain(node) == name).unwrap();
    assert_eq!(at("DCIM/gone-small.jpg"), at("DCIM/100CANON/IMG_0059.JPG") + 1);
    assert_eq!(listing.directories, 17);
}

#[test]
fn no_deleted_content_is_given_as_sure_that_is_not_the_one_deleted() {
    let (mut right, mut assumed_wrong) = (0, 0);
    for name in ["exfat-tree", "exfat-full"] {
        let volume = golden(&format!("{name}.raw.gz"));
        let (nodes, _) = list(&volume);
        for row in written(&format!("{name}.tsv")) {
            if row.state == "live" {
                continue;
            }
            let node = by_name(&nodes, &row.name);
            assert_eq!(node.meta.alloc, AllocStatus::Deleted);
            assert_eq!(node.meta.attribution, Some(NameAttribution::Certain), "{}", row.name);
            assert_eq!(node.meta.size, Some(row.size));
            assert!(text(node).ends_with(&format!("|{}", node.meta.fs_ref)), "{}", text(node));
            let same = content(&volume, node).map(|bytes| sha256(&bytes) == row.digest);
            match node.meta.basis.unwrap() {
                RecoveryBasis::MetadataExtents => assert_eq!(same, Some(true), "{}", row.name),
                RecoveryBasis::ContiguousAssumed => assumed_wrong += i32::from(same == Some(false)),
                RecoveryBasis::PartlyOverwritten => assert_eq!(same, None, "{}", row.name),
                other => panic!("{other}"),
            }
            right += i32::from(same == Some(true));
            assert_eq!(row.state == "reused", same.is_none(), "{}", row.name);
        }
    }
    assert_eq!((right, assumed_wrong), (6, 0));
}

/// `fls -r -p -F`: the number of each file by its path, deleted ones too.
fn fls(image: &str) -> Option<BTreeMap<String, (String, bool)>> {
    let text = String::from_utf8(tool("fls", &["-r", "-p", "-F", image])?.stdout).unwrap();
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("r/r")) {
        let (head, name) = line.split_once(":\t").unwrap();
        let number = head.rsplit(' ').next().unwrap();
        if !name.starts_with('$') && !name.ends_with("(Volume Label Entry)") {
            out.insert(name.to_owned(), (number.to_owned(), head.contains('*')));
        }
    }
    Some(out)
}

#[test]
fn names_content_and_times_are_those_of_the_sleuth_kit() {
    for name in ["exfat-tree", "exfat-full"] {
        let volume = golden(&format!("{name}.raw.gz"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &volume).unwrap();
        let image = file.path().to_str().unwrap();
        let Some(theirs) = fls(image) else { return };
        let (nodes, _) = list(&volume);
        let ours: BTreeMap<_, _> = nodes.iter().map(|node| (plain(node), node)).collect();
        let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(ours.keys().collect()), names(theirs.keys().collect()));
        for (path, (number, deleted)) in theirs {
            let node = ours[&path];
            assert_eq!(node.meta.alloc == AllocStatus::Deleted, deleted, "{path}");
            let bytes = tool("icat", &[image, &number]).unwrap().stdout;
            if let Some(content) = content(&volume, node) {
                assert!(content == bytes, "{path}: {} and {} bytes", content.len(), bytes.len());
            }
            let facts = tool("istat", &["-z", "UTC", image, &number]).unwrap().stdout;
            let facts = String::from_utf8(facts).unwrap();
            let times = node.meta.times;
            for (label, ours) in [
                ("Written:", times.modified),
                ("Accessed:", times.accessed),
                ("Created:", times.created),
            ] {
                let line = facts.lines().find_map(|line| line.strip_prefix(label)).unwrap();
                let theirs = line.trim().replace(" (UTC)", "").replacen(' ', "T", 1);
                // It shows the field of two-second steps and not the hundredths beside it.
                let mut ours = ours.unwrap();
                ours.seconds -= ours.seconds.rem_euclid(2);
                let ours = ours.to_string();
                assert_eq!(ours.get(..19), theirs.get(..19), "{path} {label} {ours} {theirs}");
            }
        }
    }
}

#[test]
fn a_check_sum_that_does_not_hold_is_a_problem_of_the_row_alone() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    let at = dirent(by_name(&nodes, "size-4097.bin"));
    volume[at + 64 + 2] = b'S';
    let (again, listing) = list(&volume);
    assert_eq!((again.len(), listing.problems), (nodes.len(), Vec::new()));
    let node = by_name(&again, "Size-4097.bin");
    assert_eq!(codes(&node.problems), [Code::ChecksumMismatch]);
    assert_eq!(content(&volume, node).unwrap().len(), 4097);
}

#[test]
fn a_damaged_boot_region_is_read_from_its_backup() {
    let volume = tree();
    let (good, _) = list(&volume);
    for at in [3, 80, 88, 92, 96, 108, 109, 110, 510, 700, 11 * 512] {
        let mut volume = volume.clone();
        volume[at] ^= 0x7F;
        let (nodes, listing) = list(&volume);
        assert_eq!(nodes.len(), good.len(), "{at}");
        assert_eq!(codes(&listing.problems), [Code::FilesystemDamaged], "{at}");
        assert!(listing.problems[0].detail.contains("backup"));
        volume[12 * 512 + 3] = 0;
        volume[12 * 512 + 108] = 0;
        match open(&volume) {
            Ok(fs) => assert_eq!(codes(&listed(&fs).1.problems)[0], Code::ChecksumMismatch, "{at}"),
            Err(problem) => assert_eq!(problem.code, Code::FilesystemDamaged, "{at}"),
        }
    }
    let mut other = volume;
    other[12 * 512 + 1000] ^= 1;
    assert_eq!(codes(&list(&other).1.problems), [Code::FilesystemDamaged]);
}

#[test]
fn bytes_that_were_never_written_are_zeros() {
    let mut volume = tree();
    let (nodes, before) = list(&volume);
    for name in ["size-40000.bin", "several entries of fifteen letters each.jpeg"] {
        let at = dirent(by_name(&nodes, name));
        put(&mut volume, at + 40, &5000_u64.to_le_bytes());
        mend_set(&mut volume, at);
    }
    let (nodes, listing) = list(&volume);
    for name in ["size-40000.bin", "several entries of fifteen letters each.jpeg"] {
        let node = by_name(&nodes, name);
        let size = node.meta.size.unwrap();
        let NodeContent::Extents(extents) = &node.content else { panic!() };
        assert_eq!(extents.len(), 2);
        assert_eq!((extents[0].len, extents[1].len), (5000, size - 5000));
        assert_eq!(extents[1].place, Place::Hole);
    }
    assert_eq!(listing.bytes.allocated + 35_000, before.bytes.allocated);
    assert_eq!(listing.bytes.slack, before.bytes.slack + 35_000);
}

#[test]
fn a_chain_that_breaks_or_circles_ends_and_its_object_is_partial() {
    let volume = tree();
    let (nodes, _) = list(&volume);
    let first = word(&volume, dirent(by_name(&nodes, "turn-a.bin")) + 52);
    let other = word(&volume, dirent(by_name(&nodes, "turn-b.bin")) + 52);
    let (_, fat) = places(&volume, first);
    for (link, code) in [
        (0_usize, Code::ChainBroken),
        (1, Code::ChainBroken),
        (0xFFFF_FFFF, Code::ChainBroken),
        (0xFFFF_FFF7, Code::ChainBroken),
        (0x7FFF_FFFF, Code::ChainBroken),
        (first, Code::CrossLinked),
        (other, Code::CrossLinked),
    ] {
        let mut volume = volume.clone();
        put(&mut volume, fat, &u32::try_from(link).unwrap().to_le_bytes());
        let (again, listing) = list(&volume);
        assert_eq!(again.len(), nodes.len());
        let node = by_name(&again, "turn-a.bin");
        let NodeContent::Extents(extents) = &node.content else { panic!() };
        let last = &extents.last().unwrap().place;
        assert!(matches!(last, Place::Missing(found, _) if *found == code), "{link:x} {last:?}");
        assert_eq!(extents.iter().map(|extent| extent.len).sum::<u64>(), 6 * 4096);
        assert!(codes(&listing.problems).contains(&Code::SpaceWithoutOwner), "{link:x}");
        assert!(listing.bytes.unexamined >= 4 * 4096);
        let shared = content(&volume, by_name(&again, "turn-b.bin")).is_none();
        assert_eq!(shared, link == other, "both owners of a cluster lose it");
    }
}

#[test]
fn a_folder_that_leads_back_is_a_row_and_ends() {
    let volume = tree();
    let root = word(&volume, 96);
    let (nodes, good) = list(&volume);
    // The set of `level 0` stands behind that of `turn-b.bin`.
    let at = dirent(by_name(&nodes, "turn-b.bin")) + 96;
    assert_eq!((volume[at], volume[at + 4] & 0x10), (0x85, 0x10));
    let own = word(&volume, at + 52);
    for target in [root, own + 1, 1, 0, usize::try_from(u32::MAX).unwrap()] {
        let mut volume = volume.clone();
        put(&mut volume, at + 52, &u32::try_from(target).unwrap().to_le_bytes());
        volume[at + 33] |= 2;
        mend_set(&mut volume, at);
        let (again, listing) = list(&volume);
        if target != own + 1 {
            let node = by_name(&again, "level 0");
            assert_eq!(
                (node.meta.kind, node.meta.alloc),
                (ObjectKind::Special, AllocStatus::Allocated)
            );
            let NodeContent::Nothing { problem, .. } = &node.content else { panic!() };
            assert_eq!(problem.code, Code::SubtreeIncomplete);
        }
        assert!(listing.existing < good.existing);
        assert!(codes(&listing.problems).contains(&Code::SpaceWithoutOwner));
    }
}

#[test]
fn two_existing_objects_of_one_name_are_two_rows() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    for (from, to) in [("size-511.bin", "size-513.bin"), ("size-512.bin", "size-513.bin")] {
        let (from, to) = (dirent(by_name(&nodes, from)), dirent(by_name(&nodes, to)));
        volume.copy_within(to + 64..to + 96, from + 64);
        mend_set(&mut volume, from);
    }
    let (again, _) = list(&volume);
    let names: Vec<_> = again.iter().map(text).filter(|name| name.contains("513")).collect();
    assert_eq!(names, ["size-513.bin", "size-513.bin|2", "size-513.bin|3"]);
}

#[test]
fn clusters_claimed_by_two_deleted_objects_are_given_to_neither() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    let (one, two) = (by_name(&nodes, "old/one.jpg"), by_name(&nodes, "old/two.jpg"));
    assert_eq!(one.meta.basis, Some(RecoveryBasis::MetadataExtents));
    let (one, two) = (dirent(one), dirent(two));
    let first = word(&volume, one + 52) + 1;
    put(&mut volume, two + 52, &u32::try_from(first).unwrap().to_le_bytes());
    mend_set(&mut volume, two);
    let (again, _) = list(&volume);
    for (name, missing) in [("old/one.jpg", 6000 - 4096), ("old/two.jpg", 4096)] {
        let node = by_name(&again, name);
        assert_eq!(node.meta.basis, Some(RecoveryBasis::PartlyOverwritten), "{name}");
        let NodeContent::Extents(extents) = &node.content else { panic!() };
        let lost = |extent: &&Extent| matches!(extent.place, Place::Missing(Code::Overwritten, _));
        let lost: u64 = extents.iter().filter(lost).map(|extent| extent.len).sum();
        assert_eq!(lost, missing, "{name}");
    }
}

#[test]
fn a_deleted_set_whose_check_sum_does_not_hold_is_never_sure() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    let at = dirent(by_name(&nodes, "gone-small.jpg"));
    volume[at + 70] ^= 1;
    let (again, _) = list(&volume);
    let node = again.iter().find(|node| dirent(node) == at).unwrap();
    assert_eq!(node.meta.basis, Some(RecoveryBasis::ContiguousAssumed));
    assert_eq!(node.meta.attribution, Some(NameAttribution::Uncertain));
    assert_eq!(codes(&node.problems), [Code::ChecksumMismatch]);
}

#[test]
fn a_deleted_chain_that_is_whole_and_free_is_followed() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    // What another system leaves when it deletes `turn-a.bin`: types and bitmap change, the FAT not.
    let at = dirent(by_name(&nodes, "turn-a.bin"));
    let whole = content(&volume, by_name(&nodes, "turn-a.bin")).unwrap();
    let mut cluster = word(&volume, at + 52);
    let bitmap = (0..).map(|n| places(&volume, word(&volume, 96)).0 + n * 32);
    let entry = bitmap.into_iter().find(|&at| volume[at] == 0x81).unwrap();
    let bits = places(&volume, word(&volume, entry + 20)).0;
    for _ in 0..6 {
        volume[bits + (cluster - 2) / 8] &= !(1 << ((cluster - 2) % 8));
        let (_, fat) = places(&volume, cluster);
        cluster = word(&volume, fat);
    }
    for entry in [at, at + 32, at + 64] {
        volume[entry] &= 0x7F;
    }
    let (again, listing) = list(&volume);
    assert_eq!(listing.problems, []);
    let node = by_name(&again, "turn-a.bin");
    assert_eq!(node.meta.basis, Some(RecoveryBasis::MetadataExtents));
    assert_eq!(content(&volume, node).unwrap(), whole);
    let (_, fat) = places(&volume, word(&volume, at + 52));
    put(&mut volume, fat, &[0; 4]);
    let (again, _) = list(&volume);
    let node = by_name(&again, "turn-a.bin");
    assert_eq!(node.meta.basis, Some(RecoveryBasis::ContiguousAssumed));
    assert_eq!(content(&volume, node).unwrap(), whole, "free clusters between used ones");
}

#[test]
fn bad_clusters_and_folders_that_cannot_be_read_are_unread() {
    let mut volume = tree();
    let last = word(&volume, 92) + 1;
    let (_, fat) = places(&volume, last);
    put(&mut volume, fat, &0xFFFF_FFF7_u32.to_le_bytes());
    let (_, listing) = list(&volume);
    assert_eq!((listing.bytes.unread, codes(&listing.problems)), (4096, vec![Code::BadSectors]));

    struct Torn(Vec<u8>, Range<u64>);
    impl ReadAt for Torn {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            let end = at + buf.len() as u64;
            if at < self.1.end && end > self.1.start {
                let (range, detail) = (self.1.clone(), "EIO".to_owned());
                return Err(Unreadable { range, code: Code::IoError, detail }.into_error());
            }
            self.0.as_slice().read_at(at, buf)
        }
    }
    let volume = tree();
    let (nodes, good) = list(&volume);
    let lost = dirent(by_name(&nodes, "IMG_0030.JPG")) as u64 / 512 * 512;
    let fs = Exfat::open(Arc::new(Torn(volume.clone(), lost..lost + 512))).unwrap();
    let (again, listing) = listed(&fs);
    assert_eq!(listing.bytes.total(), volume.len() as u64);
    assert_eq!(listing.bytes.unread, 512);
    assert!(again.len() + 7 > nodes.len() && listing.existing < good.existing);
    let folder = by_name(&again, "DCIM/100CANON");
    assert_eq!(folder.meta.kind, ObjectKind::Special);
}

#[test]
fn a_time_says_whether_its_zone_is_known() {
    let mut volume = tree();
    let (nodes, _) = list(&volume);
    let at = dirent(by_name(&nodes, "size-1.bin"));
    put(&mut volume, at + 22, &[0x84, 0x84, 0x84]);
    mend_set(&mut volume, at);
    let (again, _) = list(&volume);
    let node = by_name(&again, "size-1.bin");
    assert_eq!(node.meta.time_source, Some(TimeSource::ExfatOffset));
    assert!(node.meta.times.created.unwrap().to_string().ends_with('Z'));
    put(&mut volume, at + 22, &[0, 0, 0]);
    put(&mut volume, at + 16, &u32::MAX.to_le_bytes());
    mend_set(&mut volume, at);
    let (again, _) = list(&volume);
    let node = by_name(&again, "size-1.bin");
    assert_eq!(node.meta.time_source, Some(TimeSource::ExfatLocal));
    assert!(!node.meta.times.created.unwrap().to_string().ends_with('Z'));
    assert_eq!((node.meta.times.accessed, node.problems.len()), (None, 1));
    assert_eq!(node.meta.attributes, "----a");
}

#[test]
fn cancelling_and_a_receiver_that_wants_no_more_stop_it() {
    let fs = open(&tree()).unwrap();
    let root = ObjectPath::evidence(1).given_inside("p0");
    let cancel = AtomicBool::new(true);
    let listing = fs.list(&root, &cancel, &mut |_| ControlFlow::Continue(()));
    assert!(listing.stopped);
    cancel.store(false, Ordering::Relaxed);
    assert!(fs.list(&root, &cancel, &mut |_| ControlFlow::Break(())).stopped);
}
