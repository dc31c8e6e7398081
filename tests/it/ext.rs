//! ext2, ext3 and ext4: golden images that the kernel wrote, other readers, hostile volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::ext::Ext;
use assay::evidence::filesystem::{ExtentStream, FileSystem, Listing, Node, NodeContent};
use assay::item::{
    AllocStatus, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis, Status, Stream,
};
use assay::problem::{Code, Problem};
use sha2::{Digest as _, Sha256};

const IMAGES: [&str; 8] = [
    "ext2-1k",
    "ext3-1k",
    "ext3-4k",
    "ext4-1k",
    "ext4-4k",
    "ext4-inline",
    "ext4-bigalloc",
    "ext4-index",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

fn image(name: &str) -> Vec<u8> {
    let packed = std::fs::read(folder().join(format!("{name}.img.gz"))).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes).unwrap();
    bytes
}

/// Kind (`live` or `deleted`), path and SHA-256 of every regular file that was in the mount.
fn sums(name: &str) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.sums"))).unwrap();
    let line = |line: &str| {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (sum, path) = rest.split_once(' ').unwrap();
        (kind.to_owned(), path.to_owned(), sum.to_owned())
    };
    text.lines().map(line).collect()
}

fn volume(bytes: Vec<u8>) -> Arc<dyn ReadAt> {
    Arc::new(Arc::<[u8]>::from(bytes))
}

fn root() -> ObjectPath {
    ObjectPath::evidence(1).given_inside("p0")
}

/// All objects of a volume, no more than `most`.
fn list(volume: &Arc<dyn ReadAt>, most: usize) -> Result<(Ext, Vec<Node>, Listing), Problem> {
    let ext = Ext::open(Arc::clone(volume))?;
    let mut nodes = Vec::new();
    let listing = ext.list(&root(), &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        assert!(nodes.len() <= most, "more objects than the volume can hold");
        ControlFlow::Continue(())
    });
    Ok((ext, nodes, listing))
}

/// The bytes of an object; `None` where some of them are not to be had.
fn read(volume: &Arc<dyn ReadAt>, node: &Node) -> Option<Vec<u8>> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut stream = ExtentStream::new(Arc::clone(volume), extents.clone());
    let (mut bytes, mut buf) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.fill(&mut buf) {
            Ok(0) => return Some(bytes),
            Ok(n) => bytes.extend_from_slice(&buf[..n]),
            Err(_) => return None,
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path below the volume.
fn path(node: &Node) -> String {
    node.path.text().strip_prefix("E1!/p0/").unwrap().to_owned()
}

#[test]
fn existing_files_are_exactly_those_of_the_mount() {
    for name in IMAGES {
        let volume = volume(image(name));
        let (ext, nodes, listing) = list(&volume, 10_000).unwrap();
        let want: BTreeMap<String, String> = sums(name)
            .into_iter()
            .filter(|(kind, ..)| kind == "live")
            .map(|(_, path, sum)| (path, sum))
            .collect();
        let live = nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Allocated);
        let files = live.filter(|node| node.meta.kind == ObjectKind::File);
        let got: BTreeMap<String, String> = files
            .map(|node| (path(node), sha256(&read(&volume, node).unwrap_or_default())))
            .collect();
        assert_eq!(got, want, "{name}");
        assert_eq!(ext.facts().object_count, Some(listing.existing), "{name}");
        assert_eq!(listing.bytes.total(), volume.len(), "{name}: {:?}", listing.bytes);
        assert_eq!(listing.bytes.unexamined, 0, "{name}: {:?}", listing.bytes);
        assert_eq!(listing.problems, [], "{name}");
        assert_eq!(ext.facts().fs_type, name[..4], "{name}");
        for node in &nodes {
            assert_eq!(node.problems, [], "{name} {}", node.path.text());
        }
    }
}

#[test]
fn show() {
    for name in IMAGES {
        let volume = volume(image(name));
        let (_, nodes, listing) = list(&volume, 10_000).unwrap();
        println!(
            "== {name} {:?} dirs {} existing {}",
            listing.bytes, listing.directories, listing.existing
        );
        for node in nodes.iter().filter(|n| n.meta.alloc != AllocStatus::Allocated) {
            let read = read(&volume, node).map(|b| sha256(&b)[..8].to_owned());
            println!(
                "{} {:?} {:?} {:?} {:?}",
                node.path.text(),
                node.meta.size,
                node.meta.basis,
                node.meta.attribution,
                read
            );
            if read.is_none() {
                println!("      {:?}", node.content)
            }
        }
    }
}
