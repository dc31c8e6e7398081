//! NTFS volumes: what the script `tests/data/make-images-ntfs.py` wrote is what the reader gives,
//! The Sleuth Kit agrees, and no damage leads to wrong bytes, a panic or a walk without end.

mod hostile;
mod index;
mod limits;
mod tsk;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::ntfs::Ntfs;
use assay::evidence::filesystem::{ExtentStream, FileSystem as _, Listing, Node, NodeContent};
use assay::item::{
    AllocStatus, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis, Status, Stream as _,
};
use assay::problem::{Code, Problem};
use sha2::{Digest as _, Sha256};

/// The bytes of a packed image of `tests/data/images`.
fn image(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let packed = std::fs::read(path.join(format!("{name}.raw.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The list that was written beside an image: what, digest, size, path.
fn list(name: &str) -> Vec<(String, String, u64, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let text = std::fs::read_to_string(path.join(format!("{name}.tsv"))).unwrap();
    let rows = text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        (cells[0].into(), cells[1].into(), cells[2].parse().unwrap(), cells[3].into())
    });
    rows.collect()
}

fn root() -> ObjectPath {
    ObjectPath::evidence(1).given_inside("p0")
}

fn volume(bytes: Vec<u8>) -> Arc<dyn ReadAt> {
    let bytes: Arc<[u8]> = bytes.into();
    Arc::new(bytes)
}

/// Everything of a volume.
fn walk(volume: &Arc<dyn ReadAt>) -> Result<(Vec<Node>, Listing), Problem> {
    let ntfs = Ntfs::open(Arc::clone(volume))?;
    let mut nodes = Vec::new();
    let listing = ntfs.list(&root(), &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        ControlFlow::Continue(())
    });
    Ok((nodes, listing))
}

/// The bytes of a node and what was wrong with them; `None` where it has none.
fn read(volume: &Arc<dyn ReadAt>, node: &Node) -> Option<(Vec<u8>, Vec<Problem>)> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut stream = ExtentStream::new(Arc::clone(volume), extents.clone());
    let (mut bytes, mut problems, mut buf) = (Vec::new(), Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.fill(&mut buf) {
            Ok(0) => return Some((bytes, problems)),
            Ok(n) => bytes.extend_from_slice(&buf[..n]),
            Err(problem) => problems.push(problem),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path below the volume, without the mark of what is not allocated.
fn plain(node: &Node) -> String {
    let text = node.path.text();
    let text = text.strip_prefix("E1!/p0/").unwrap();
    let marked = node.meta.alloc != AllocStatus::Allocated;
    let text = if marked { text.rsplit_once('|').unwrap().0 } else { text };
    let unescaped = text.replace('\\', "\\\\").replace("\\\\x", "\\x");
    String::from_utf8(assay::item::escape::unescape(&unescaped).unwrap()).unwrap()
}

fn whole(volume: &Arc<dyn ReadAt>, node: &Node) -> Option<String> {
    let (bytes, problems) = read(volume, node)?;
    problems.is_empty().then(|| sha256(&bytes))
}

/// Checks everything a list says of its image, and that nothing else is there.
fn holds_what_was_written(name: &str) -> (Vec<Node>, Listing) {
    let volume = volume(image(name));
    let (nodes, listing) = walk(&volume).unwrap();
    assert_eq!(listing.bytes.total(), volume.len(), "{:?}", listing.bytes);
    assert_eq!(listing.bytes.unexamined, 0, "{:?}", listing.problems);
    assert_eq!(listing.problems, [], "{name}");
    let mut live: BTreeMap<String, &Node> = BTreeMap::new();
    let mut dead: BTreeMap<String, Vec<&Node>> = BTreeMap::new();
    for node in &nodes {
        if node.meta.alloc == AllocStatus::Allocated {
            assert!(live.insert(plain(node), node).is_none(), "{} twice", plain(node));
        } else {
            dead.entry(plain(node)).or_default().push(node);
        }
    }
    for (what, digest, size, path) in list(name) {
        let node = || live.get(&path).copied().unwrap_or_else(|| panic!("{path} is not there"));
        match what.as_str() {
            "file" => {
                assert_eq!(node().meta.size, Some(size), "{path}");
                assert_eq!(whole(&volume, node()), Some(digest), "{path}");
                live.remove(&path);
            }
            "unread" => {
                let NodeContent::Nothing { status, problem } = &node().content else {
                    panic!("{path} was read")
                };
                assert_eq!((*status, problem.code), (Status::Unread, Code::ContentNotRead));
                live.remove(&path);
            }
            "link" => {
                assert_eq!(node().meta.kind, ObjectKind::Symlink);
                assert_eq!(node().meta.link_target.as_deref(), Some(digest.as_bytes()));
                live.remove(&path);
            }
            "deleted" => {
                let nodes = dead.get(&path).unwrap_or_else(|| panic!("{path} is not there"));
                assert_eq!(whole(&volume, nodes[0]), Some(digest), "{path}");
                assert_eq!(nodes[0].meta.basis, Some(RecoveryBasis::MetadataExtents));
            }
            "gone" => {
                for node in dead.get(&path).into_iter().flatten() {
                    if let Some(got) = whole(&volume, node) {
                        assert_eq!(got, digest, "{path} is given whole and is not");
                    }
                }
            }
            "left" => {
                let nodes = dead.get(&path).unwrap_or_else(|| panic!("{path} is not there"));
                assert_eq!(nodes.len(), 1, "{path}");
                let NodeContent::Nothing { status, problem } = &nodes[0].content else {
                    panic!("{path} has a content")
                };
                assert_eq!((*status, problem.code), (Status::Unread, Code::ContentNotRead));
                assert_eq!(nodes[0].meta.attribution, Some(NameAttribution::Uncertain));
            }
            "lost" => assert!(!dead.contains_key(&path), "{path}"),
            "folder" => assert_eq!(listing.directories, size),
            other => panic!("{other}"),
        }
    }
    assert_eq!(live.keys().collect::<Vec<_>>(), [] as [&String; 0], "not in the list");
    (nodes, listing)
}

#[test]
fn everything_that_was_written_is_found_with_its_bytes() {
    let (nodes, _) = holds_what_was_written("ntfs");
    let packed = nodes.iter().any(|node| match &node.content {
        NodeContent::Extents(runs) => runs.iter().any(|e| matches!(e.place, Place::Lznt1 { .. })),
        NodeContent::Nothing { .. } => false,
    });
    assert!(packed, "the image holds compressed units");
}

#[test]
fn records_and_sectors_of_4_kib_are_read() {
    holds_what_was_written("ntfs-4k");
}

#[test]
fn a_table_in_pieces_is_read_and_what_was_written_over_is_never_given_whole() {
    let (nodes, _) = holds_what_was_written("ntfs-fragmented");
    let partly = |node: &&Node| node.meta.basis == Some(RecoveryBasis::PartlyOverwritten);
    assert!(nodes.iter().filter(partly).count() > 5);
}

#[test]
fn a_label_a_serial_and_links_are_told() {
    let volume = volume(image("ntfs"));
    let ntfs = Ntfs::open(Arc::clone(&volume)).unwrap();
    assert_eq!(ntfs.facts().label, "Prüfung 試".as_bytes());
    assert_eq!(ntfs.facts().cluster_size, 4096);
    assert_eq!(ntfs.facts().serial.len(), 16);
    let (nodes, _) = walk(&volume).unwrap();
    let node = |path: &str| nodes.iter().find(|node| plain(node) == path).unwrap();
    let names: Vec<_> = ["linked.txt", "a/second name.txt", "a/b/third.txt"].map(node).into();
    assert!(names.iter().all(|node| node.meta.link == names[0].meta.link));
    assert_eq!((names[0].meta.link_count, names[0].meta.link.is_some()), (Some(3), true));
    assert!(node("one").meta.link.is_none());
    assert!(node("packed/text.txt").meta.attributes.contains('c'));
    assert!(node("one").meta.owner_id.starts_with("S-1-5-"), "{}", node("one").meta.owner_id);
    let attribution = node("gone-clusters.txt").meta.attribution;
    assert_eq!(attribution, Some(NameAttribution::Uncertain));
}

#[test]
fn rows_come_in_the_order_of_records_and_paths_are_unique() {
    for name in ["ntfs", "ntfs-4k", "ntfs-fragmented", "ntfs-index"] {
        let (nodes, _) = walk(&volume(image(name))).unwrap();
        // A name of which nobody knows the record comes last.
        let record = |node: &Node| -> u64 {
            let text = node.meta.fs_ref.strip_prefix("mft:");
            text.map_or(u64::MAX, |text| text.split_once('-').unwrap().0.parse().unwrap())
        };
        assert!(nodes.is_sorted_by_key(record), "{name}");
        let paths: std::collections::BTreeSet<_> = nodes.iter().map(|n| n.path.text()).collect();
        assert_eq!(paths.len(), nodes.len(), "{name}");
        for node in &nodes {
            let mark = format!("|{}", node.meta.fs_ref);
            let live = node.meta.alloc == AllocStatus::Allocated;
            assert_eq!(!live, node.path.text().ends_with(&mark), "{}", node.path.text());
        }
    }
}

#[test]
fn nothing_is_listed_after_the_receiver_has_enough() {
    let volume = volume(image("ntfs-4k"));
    let ntfs = Ntfs::open(volume).unwrap();
    let mut count = 0;
    let listing = ntfs.list(&root(), &AtomicBool::new(false), &mut |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((count, listing.stopped), (3, true));
    assert!(ntfs.list(&root(), &AtomicBool::new(true), &mut |_| panic!()).stopped);
}
