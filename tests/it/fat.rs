//! FAT volumes: what the images' maker wrote is what is read, and damage is said.
//!
//! The images in `tests/data/images` and the lists beside them come from `make-images-fat.py`;
//! the second opinion is The Sleuth Kit where it is installed.

mod damage;
mod golden;
mod peers;

use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::fat::{CodePage, Fat};
use assay::evidence::filesystem::{FileSystem, Listing, Node, NodeContent};
use assay::item::{ObjectPath, Place};
use sha2::{Digest as _, Sha256};

/// The images of which every file is whole.
const SOUND: [&str; 4] = ["fat12", "fat16", "fat16-4k", "fat32"];
/// All images.
const ALL: [&str; 6] = ["fat12", "fat16", "fat16-4k", "fat32", "overwritten", "damaged"];

/// A file that the maker of an image wrote.
#[derive(serde::Deserialize)]
struct Written {
    path: String,
    size: u64,
    sha256: String,
    fault: Option<String>,
    fate: Option<String>,
}

/// What the maker of an image wrote.
#[derive(serde::Deserialize)]
struct Truth {
    live: Vec<Written>,
    deleted: Vec<Written>,
    folders: u64,
    unowned: u64,
}

/// An image, unpacked.
fn image(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/images/{name}.img.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

fn truth(name: &str) -> Truth {
    let path = format!("{}/tests/data/images/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Bytes as a volume.
struct Memory(Vec<u8>);

impl ReadAt for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0[..].read_at(at, buf)
    }
}

/// The objects of a volume, and what else its listing says.
fn list(volume: &Arc<dyn ReadAt>) -> (Vec<Node>, Listing) {
    let fat = Fat::open(volume.clone(), CodePage::new(437).unwrap()).unwrap();
    let mut nodes = Vec::new();
    let listing = fat.list(&root(), &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        ControlFlow::Continue(())
    });
    (nodes, listing)
}

fn list_image(name: &str) -> (Arc<dyn ReadAt>, Vec<Node>, Listing) {
    let volume: Arc<dyn ReadAt> = Arc::new(Memory(image(name)));
    let (nodes, listing) = list(&volume);
    (volume, nodes, listing)
}

fn root() -> ObjectPath {
    ObjectPath::evidence(1).given_inside("p1")
}

/// The path of an object below the volume, as the maker writes it; without the marks of
/// deleted ones.
fn path(node: &Node) -> String {
    let text = node.path.text();
    let text = text.strip_prefix("E1!/p1").unwrap();
    text.split('/').map(|name| name.split('|').next().unwrap()).collect::<Vec<_>>().join("/")
}

/// SHA-256 of a content; `None` where a part of it is missing.
fn sha256(volume: &dyn ReadAt, node: &Node) -> Option<String> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut hasher = Sha256::new();
    for extent in extents {
        let Place::Disk(at) = extent.place else { return None };
        let mut buf = vec![0; usize::try_from(extent.len).unwrap()];
        assert_eq!(volume.fill_at(at, &mut buf).unwrap(), buf.len());
        hasher.update(&buf);
    }
    Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why a part of a content is missing.
fn missing(node: &Node) -> Option<String> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    extents.iter().find_map(|extent| match &extent.place {
        Place::Missing(code, _) => Some(code.as_str().to_owned()),
        _ => None,
    })
}

/// Public data outside the project.
fn corpora(name: &str) -> Option<std::path::PathBuf> {
    let Some(folder) = std::env::var_os("ASSAY_CORPORA") else {
        super::support::skip("ASSAY_CORPORA is not set");
        return None;
    };
    Some(Path::new(&folder).join(name))
}
