//! NTFS: the file system of Windows.
//!
//! The master file table is read in its own order, not through folders: every record is met once,
//! whatever the folders' indexes say, and a deleted object is met as an existing one is. A first
//! pass keeps what is needed of other records (folders, owners of clusters), a second one gives the
//! objects. A volume is hostile: every number is checked, no list is followed in circles, and work
//! and memory are bounded by the lengths of the table and of the volume.
//!
//! Read: resident, plain, sparse and LZNT1-compressed content, named streams, attribute lists,
//! deleted records. Named and not read: encrypted content, and content that a reparse point says is
//! kept elsewhere or otherwise (compressed by an overlay, deduplicated, in the cloud). The log is
//! not replayed. The indexes of folders are a second witness: where they contradict the table that
//! is a problem, and names in their unused space are given for what the table no longer names.
//!
//! Sources: Linux-NTFS project documentation; Microsoft MS-FSCC and MS-XCA; volumes that mkntfs,
//! ntfs-3g and Windows made.

mod attribute;
mod balance;
mod bitmap;
mod boot;
mod clusters;
mod content;
mod gather;
mod index;
mod indexes;
mod judge;
mod known;
mod links;
mod list;
mod listing;
pub(in crate::evidence::filesystem) mod lznt1;
mod mapped;
mod mft;
mod object;
mod problems;
mod record;
mod remnant;
mod reparse;
mod row;
mod runlist;
mod secure;
mod stamp;
mod survey;
mod system;
mod tree;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use self::attribute::{Attributes, Body, VOLUME_NAME, utf16};
use self::boot::Boot;
use self::mft::Mft;
use self::record::{Record, State};

use super::{FileSystem, FilesystemFacts, Listing, Node};
use crate::bytes::ReadAt;
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

/// Sizes that everything is checked against.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    /// Bytes of a cluster.
    cluster: u64,
    /// Clusters of the file system that the volume has room for, the last perhaps cut.
    clusters: u64,
    /// Bytes of the volume.
    bytes: u64,
}

impl Geometry {
    fn new(boot: &Boot, bytes: u64) -> Self {
        let stated = boot.bytes.checked_div(boot.cluster).unwrap_or(0);
        let clusters = stated.min(bytes.div_ceil(boot.cluster.max(1)));
        Self { cluster: boot.cluster, clusters, bytes }
    }

    /// The clusters that bytes of the volume touch.
    fn covering(&self, at: u64, len: u64) -> Range<u64> {
        let start = at.checked_div(self.cluster).unwrap_or(0);
        start..at.saturating_add(len).div_ceil(self.cluster.max(1))
    }
}

/// An NTFS volume.
pub struct Ntfs {
    volume: Arc<dyn ReadAt>,
    geometry: Geometry,
    mft: Mft,
    facts: FilesystemFacts,
    /// What was wrong when it was opened.
    problems: Vec<Problem>,
}

impl Ntfs {
    /// Finds the master file table of a volume.
    ///
    /// # Errors
    /// A problem that says why nothing of the volume can be listed: no boot sector nor its copy, or
    /// no first record of the table nor its copy.
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self, Problem> {
        let (boot, copy) = Boot::read(&*volume)
            .map_err(|why| Problem::new(Code::NotRecognised, Stage::Filesystem, why))?;
        let mut problems = Vec::new();
        if copy {
            problems.push(damaged("the boot sector is damaged; its copy was read").at(0, 512));
        }
        let geometry = Geometry::new(&boot, volume.len());
        if boot.bytes > volume.len() {
            let (stated, there) = (boot.bytes, volume.len());
            let detail = format!("the file system has {stated} bytes, the volume {there}");
            problems.push(damaged(&detail).at(there, stated.saturating_sub(there)));
        }
        let mft = Mft::open(&volume, &boot, geometry, &mut problems)?;
        let facts = FilesystemFacts {
            fs_type: "ntfs".to_owned(),
            label: label(&mft),
            serial: format!("{:016X}", boot.serial),
            cluster_size: boot.cluster,
            object_count: None,
        };
        Ok(Self { volume, geometry, mft, facts, problems })
    }
}

impl FileSystem for Ntfs {
    fn facts(&self) -> &FilesystemFacts {
        &self.facts
    }

    fn list(
        &self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> Listing {
        listing::list(self, root, cancel, emit)
    }
}

/// The label that the volume's own record holds.
fn label(mft: &Mft) -> Vec<u8> {
    let mut bytes = vec![0; mft.record_size()];
    if mft.records() <= system::VOLUME || mft.read(system::VOLUME, &mut bytes) != State::Whole {
        return Vec::new();
    }
    let Ok(record) = Record::parse(&bytes) else { return Vec::new() };
    let mut attributes = Attributes::new(record.attributes).map_while(Result::ok);
    match attributes.find(|attribute| attribute.kind == VOLUME_NAME).map(|found| found.body) {
        Some(Body::Resident(name)) => utf16(name),
        _ => Vec::new(),
    }
}

fn damaged(detail: &str) -> Problem {
    Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail)
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
