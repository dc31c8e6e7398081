//! exFAT: existing and deleted objects of a volume.
//!
//! The volume is hostile: nothing is trusted before it was checked against the volume's length,
//! memory grows with what was read and never by a number that is stated, chains and folders are
//! each followed once. A check sum that does not hold is said and stops nothing.
//!
//! Deleted sets keep their entries and so their clusters; these are given where they are free now
//! and no other deleted object claims them. Times with a stated offset are universal, others local.
//!
//! Classes of bytes: both boot regions, FATs, bitmap, table of upper-case letters and folders are
//! metadata; what a file wrote is allocated, what lies behind that in its clusters slack, as are the
//! gaps before and behind the FAT, whose content the format does not define, and what is behind
//! the last cluster. A cluster with two owners counts for the one that comes first.
//!
//! Source: Microsoft, "exFAT file system specification", 2019.

mod balance;
mod boot;
mod clusters;
mod content;
mod directory;
mod entries;
mod fat;
mod node;
mod special;
mod walk;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::bytes::ReadAt;
use crate::item::ObjectPath;
use crate::problem::Problem;

use super::{FileSystem, FilesystemFacts, Listing, Node};

use boot::Geometry;
use clusters::ClusterSet;
use directory::{Directory, LARGEST, Reader};
use fat::Fat;
use special::Special;
use walk::{Receiver, Walk};

/// An exFAT volume.
pub struct Exfat {
    volume: Arc<dyn ReadAt>,
    shape: Geometry,
    special: Special,
    facts: FilesystemFacts,
    /// What opening it found wrong.
    problems: Vec<Problem>,
}

impl Exfat {
    /// Reads the boot region and what the root folder says of the volume.
    ///
    /// # Errors
    /// What is wrong with the boot region where neither it nor its backup is usable.
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self, Problem> {
        let (shape, problems) = boot::read(&volume)?;
        let special = {
            let mut fat = Fat::new(&volume, &shape);
            let most = shape.clusters(LARGEST);
            let (runs, _) = fat.follow(shape.root, most, &ClusterSet::default());
            let mut root = Directory::new(runs, u64::MAX, None);
            special::read(&mut root, &mut Reader::new(&volume, &shape), shape.second_fat)
        };
        let facts = FilesystemFacts {
            fs_type: "exfat".to_owned(),
            label: special.label.clone(),
            serial: serial(shape.serial),
            cluster_size: shape.cluster,
            object_count: None,
        };
        Ok(Self { volume, shape, special, facts, problems })
    }
}

/// A serial number as it is shown to users.
fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xFFFF)
}

impl FileSystem for Exfat {
    fn facts(&self) -> &FilesystemFacts {
        &self.facts
    }

    fn list(
        &self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> Listing {
        Walk::new(&self.volume, self).list(Receiver { root, cancel, emit })
    }
}
