//! Trees and folders that lead in circles, sizes and extents that no volume can hold.

use std::time::{Duration, Instant};

use super::patch::{Patched, Structure};
use super::*;

/// What must hold of every volume here: it ends soon, its bytes are all accounted for, and the files
/// that were left alone are as they were. Gives all rows and the problems of the volume.
fn listed(name: &str, image: Patched, changed: &[&str]) -> (Vec<Node>, Listing) {
    let started = Instant::now();
    let whole = volume(image.bytes);
    let (_, nodes, listing) = list(&whole, 10_000).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(listing.bytes.total(), whole.len());
    let got: BTreeMap<String, &Node> = nodes.iter().map(|node| (path(node), node)).collect();
    for (kind, path, sum) in sums(name) {
        if kind == "live" && !changed.iter().any(|changed| path.starts_with(changed)) {
            let bytes = got.get(&path).and_then(|node| read(&whole, node));
            assert_eq!(bytes.map(|bytes| sha256(&bytes)), Some(sum), "{path}");
        }
    }
    (nodes, listing)
}

fn row<'n>(nodes: &'n [Node], wanted: &str) -> &'n Node {
    nodes.iter().find(|node| path(node) == wanted).unwrap_or_else(|| panic!("no row {wanted}"))
}

/// Bytes of an object that are missing, and why.
fn missing(node: &Node) -> BTreeMap<String, u64> {
    let NodeContent::Extents(extents) = &node.content else { panic!("{:?}", node.content) };
    let mut missing = BTreeMap::new();
    for extent in extents {
        if let Place::Missing(code, detail) = &extent.place {
            *missing.entry(format!("{code}: {detail}")).or_default() += extent.len;
        }
    }
    missing
}

/// The header of a node of an extent tree and its entries: first logical block, blocks or 0, place.
fn node(depth: u16, entries: &[(u32, u16, usize)]) -> Vec<u8> {
    let count = u16::try_from(entries.len()).unwrap();
    let mut bytes = Vec::new();
    for field in [0xF30A, count, count.max(4), depth, 0, 0] {
        bytes.extend(u16::to_le_bytes(field));
    }
    for (logical, blocks, place) in entries {
        let place = u32::try_from(*place).unwrap().to_le_bytes();
        bytes.extend(logical.to_le_bytes());
        if depth == 0 {
            bytes.extend(blocks.to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(place);
        } else {
            bytes.extend(place);
            bytes.extend([0; 4]);
        }
    }
    bytes
}

/// `big.txt` with a tree whose nodes lie in its own first blocks.
fn tree(top: &dyn Fn(&[usize]) -> Vec<u8>, nodes: &dyn Fn(&[usize]) -> Vec<Vec<u8>>) -> Patched {
    let mut image = Patched::of("ext4-4k");
    let number = image.find("big.txt");
    let blocks = image.blocks_of(number);
    let structures = image.structures();
    let map = image.inode(number) + 0x28;
    image.put(map, &top(&blocks));
    let mut nodes_at = Vec::new();
    for (block, bytes) in blocks.iter().zip(nodes(&blocks)) {
        image.put(block * image.block, &bytes);
        nodes_at.push(Structure::Node(number, *block));
    }
    image.seal(&nodes_at);
    image.seal(&structures);
    image
}

#[test]
fn an_extent_tree_that_leads_to_itself_ends() {
    let itself = tree(&|b| node(2, &[(0, 0, b[0])]), &|b| vec![node(1, &[(0, 0, b[0])])]);
    let parent = tree(&|b| node(3, &[(0, 0, b[0])]), &|b| {
        vec![node(2, &[(0, 0, b[1])]), node(1, &[(0, 0, b[0])])]
    });
    let deep = tree(&|b| node(6, &[(0, 0, b[0])]), &|_| Vec::new());
    let wrong = tree(&|b| node(1, &[(0, 0, b[0])]), &|b| vec![node(3, &[(0, 0, b[0])])]);
    let said = [
        (itself, "its tree leads to block"),
        (parent, "its tree leads to block"),
        (deep, "a node of depth 6 in the wrong place"),
        (wrong, "a node of depth 3 in the wrong place"),
    ];
    for (image, said) in said {
        let (nodes, _) = listed("ext4-4k", image, &["big.txt"]);
        let missing = missing(row(&nodes, "big.txt"));
        let [(why, len)] = Vec::from_iter(&missing)[..] else { panic!("{missing:?}") };
        assert_eq!((*len, why.contains(said)), (350_000, true), "{why}");
    }
}

#[test]
fn an_extent_tree_of_five_levels_is_read_to_its_end() {
    let image = tree(&|b| node(5, &[(0, 0, b[0])]), &|b| {
        let leaf = node(0, &[(0, 80, b[5])]);
        let levels = (0..4_u16).zip(1..).map(|(level, next)| node(4 - level, &[(0, 0, b[next])]));
        levels.chain([leaf]).collect()
    });
    let want = {
        let whole = Patched::of("ext4-4k");
        let from = whole.first_block_of(whole.find("big.txt")) * 4096 + 5 * 4096;
        sha256(&whole.bytes[from..from + 80 * 4096])
    };
    let bytes = image.bytes.clone();
    let (nodes, _) = listed("ext4-4k", image, &["big.txt"]);
    let got = read(&volume(bytes), row(&nodes, "big.txt")).unwrap();
    assert_eq!(sha256(&got[..80 * 4096]), want);
    assert_eq!(row(&nodes, "big.txt").problems, []);
}

#[test]
fn extents_that_lie_over_one_another_are_not_taken_twice() {
    // 340 times the same 32,768 blocks in a leaf, and 340 times the same leaf above it.
    let image = tree(&|b| node(2, &[(0, 0, b[0]), (1 << 30, 0, b[0]), (1 << 31, 0, b[0])]), &|b| {
        let above: Vec<_> = (0..340).map(|n| (n << 20, 0, b[1])).collect();
        let below: Vec<_> = (0..340).map(|n| (n * 32_768, 32_768, b[2])).collect();
        vec![node(1, &above), node(0, &below)]
    });
    let (nodes, listing) = listed("ext4-4k", image, &["big.txt"]);
    assert_eq!(missing(row(&nodes, "big.txt")).into_values().sum::<u64>(), 350_000);
    assert!(listing.bytes.allocated < 10 << 20);
}

#[test]
fn a_tree_of_pointers_that_leads_to_itself_ends() {
    let mut image = Patched::of("ext3-1k");
    let number = image.find("big.txt");
    let map = image.inode(number) + 0x28;
    let own = image.u32(map + 12 * 4);
    let at = usize::try_from(own).unwrap() * image.block;
    for n in 0..256 {
        image.put32(at + n * 4, own);
    }
    image.put32(map + 13 * 4, own);
    image.put32(map + 14 * 4, own);
    image.put32(image.inode(number) + 4, u32::MAX);
    let (nodes, _) = listed("ext3-1k", image, &["big.txt"]);
    let lost = missing(row(&nodes, "big.txt"));
    assert!(lost.keys().any(|why| why.contains("its tree leads to block")), "{lost:?}");
    assert!(lost.values().sum::<u64>() > u64::from(u32::MAX) - 350_000);
}

/// Makes the entry of a name lead elsewhere.
fn lead(image: &mut Patched, folder: &str, name: &str, inode: u32, kind: u8) {
    let structures = image.structures();
    let (at, _) = image.entry(image.find(folder), name);
    image.put32(at, inode);
    image.bytes[at + 7] = kind;
    image.seal(&structures);
}

#[test]
fn a_folder_below_itself_is_listed_once_and_told() {
    let mut image = Patched::of("ext4-4k");
    let top = image.find("a");
    lead(&mut image, "a/b/c", "deep.txt", top, 2);
    let (nodes, listing) = listed("ext4-4k", image, &["a/b/c/deep.txt"]);
    let told = format!("more than one name leads to the folder that is inode {top}");
    assert!(listing.problems.iter().any(|problem| problem.detail == told));
    let orphan = nodes.iter().find(|node| node.meta.alloc == AllocStatus::Orphan).unwrap();
    assert_eq!(orphan.meta.size, Some(20_000), "the file whose name was taken");
}

#[test]
fn two_folders_that_name_each_other_are_listed_once_and_told() {
    let mut image = Patched::of("ext4-4k");
    let (outer, file) = (image.find("a/b"), image.find("big.txt"));
    lead(&mut image, "a/b/c", "deep.txt", outer, 2);
    lead(&mut image, "a", "b", file, 1);
    let (nodes, listing) = listed("ext4-4k", image, &["a/b"]);
    let told = listing.problems.iter().find(|p| p.detail.contains("has no name that leads to it"));
    assert!(told.is_some(), "{:?}", listing.problems);
    let edge = nodes.iter().filter(|node| path(node).ends_with("/edge")).count();
    assert_eq!(edge, 1, "the files below are there");
}

#[test]
fn a_folder_whose_names_all_lead_to_one_file_gives_each_name_once_and_tells_the_count() {
    let mut image = Patched::of("ext4-4k");
    let (one, structures) = (image.find("a/one"), image.structures());
    for n in 1..=60 {
        let (at, _) = image.entry(image.find("many"), &format!("file-{n}.dat"));
        image.put32(at, one);
    }
    image.seal(&structures);
    let (nodes, _) = listed("ext4-4k", image, &["many/"]);
    let names: Vec<_> = nodes.iter().filter(|node| path(node).starts_with("many/file")).collect();
    assert_eq!(names.len(), 60);
    for node in names {
        assert_eq!((node.meta.size, node.meta.link.unwrap().inode), (Some(1), one.into()));
        let told = "its inode counts 3 names and 63 lead to it";
        assert!(node.problems.iter().any(|problem| problem.detail == told), "{:?}", node.problems);
    }
    let orphans = nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Orphan).count();
    assert_eq!(orphans, 60, "the files whose names were taken");
}

#[test]
fn sizes_that_no_file_can_have_are_told_and_not_read() {
    for size in [u64::MAX, i64::MAX.unsigned_abs(), 1 << 63, (1 << 44) + 1] {
        let mut image = Patched::of("ext4-4k");
        let structures = image.structures();
        let at = image.inode(image.find("big.txt"));
        let (low, high) = (size.to_le_bytes(), 4..8);
        image.put(at + 4, &low[..4]);
        image.put(at + 0x6C, &low[high]);
        image.seal(&structures);
        let (nodes, _) = listed("ext4-4k", image, &["big.txt"]);
        let big = row(&nodes, "big.txt");
        assert!(
            matches!(&big.content, NodeContent::Nothing { status: Status::Unread, problem }
                if problem.code == Code::FilesystemDamaged),
            "{size}: {:?}",
            big.content
        );
    }
}

#[test]
fn a_hash_index_that_leads_to_itself_changes_no_row() {
    let mut image = Patched::of("ext4-index");
    let (structures, rows) = (image.structures(), list(&volume(image.bytes.clone()), 10_000));
    let root = image.first_block_of(image.find("index")) * image.block;
    let count = image.u16(root + 0x22);
    assert!(count > 10, "{count}");
    for entry in 0..count {
        image.put32(root + 0x24 + entry * 8, 0);
    }
    image.seal(&structures);
    let (nodes, listing) = listed("ext4-index", image, &[]);
    assert_eq!(nodes.len(), rows.unwrap().1.len());
    assert_eq!(listing.problems, []);
}

/// A volume of 64 MiB in whose free space one tree of extents lies, 340 leaves of 340 extents, and
/// in which `dead` deleted inodes and, with `live`, one existing one name it.
fn explosive(dead: u32, live: bool) -> Option<Patched> {
    let file = std::env::temp_dir().join(format!("assay-ext-many-{}-{dead}", std::process::id()));
    std::fs::write(&file, vec![0; 64 << 20]).unwrap();
    let features = "^metadata_csum,^uninit_bg,^has_journal,^resize_inode";
    let path = file.to_str().unwrap();
    let arguments = ["-q", "-F", "-t", "ext4", "-b", "4096", "-N", "16384", "-O", features, path];
    crate::support::tool("mke2fs", &arguments)?;
    let mut image = Patched::new(std::fs::read(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    let (top, first, data) = (8000_usize, 8001_usize, 12_000_usize);
    let leaves: Vec<_> = (0..340_u32).zip(first..).map(|(n, at)| (n * 1000, 0, at)).collect();
    image.put(top * 4096, &node(1, &leaves));
    for (from, _, at) in &leaves {
        let extents: Vec<_> =
            (0..340_u32).zip(data..).map(|(n, at)| (from + 2 * n, 1, at)).collect();
        image.put(at * 4096, &node(0, &extents));
    }
    for number in 12..12 + dead + u32::from(live) {
        let (at, is_live) = (image.inode(number), live && number == 12);
        image.put(at, &0o100_644_u16.to_le_bytes());
        image.put32(at + 4, 1 << 30);
        image.put32(at + 0x14, u32::from(!is_live));
        image.put(at + 0x1A, &[u8::from(is_live), 0]);
        image.put32(at + 0x1C, 681 * 8);
        image.put32(at + 0x20, 0x8_0000);
        image.put(at + 0x28, &node(2, &[(0, 0, top)]));
        image.put32(at + 0x64, number);
    }
    if live {
        let bitmap = image.size(4096 + 4) * 4096;
        image.bytes[bitmap + 1] |= 1 << 3;
    }
    Some(image)
}

#[test]
fn a_tree_that_thousands_of_deleted_inodes_name_is_not_read_thousands_of_times() {
    let Some(image) = explosive(3000, false) else { return };
    let (started, whole) = (Instant::now(), volume(image.bytes));
    let (_, nodes, listing) = list(&whole, 3000).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(listing.bytes.total(), 64 << 20);
    assert!((100..=3000).contains(&nodes.len()), "{}", nodes.len());
    assert!(listing.problems.iter().any(|problem| problem.code == Code::LimitReached));
    for node in &nodes {
        assert_eq!(node.meta.basis, Some(RecoveryBasis::PartlyOverwritten));
    }
}

#[test]
fn a_file_with_more_pieces_than_the_volume_has_blocks_is_cut_and_told() {
    let Some(image) = explosive(0, true) else { return };
    let (started, whole) = (Instant::now(), volume(image.bytes));
    let (_, nodes, listing) = list(&whole, 1).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!((nodes.len(), listing.bytes.total()), (1, 64 << 20));
    let why = missing(&nodes[0]);
    assert!(why.keys().any(|why| why.contains("more than 16384 pieces")), "{why:?}");
}
