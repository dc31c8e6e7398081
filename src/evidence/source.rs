//! What every kind of evidence offers a scan.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use super::filesystem::ByteClasses;
use super::image::Image;
use crate::item::{Item, OrderKey};
use crate::problem::{Code, Problem, words};

/// Evidence that may be read: a folder or an image.
pub trait EvidenceSource: Send + Sync {
    /// Gives every object to `emit`, in the order of the report, on the calling thread.
    ///
    /// - `number`: of the evidence item, from 1.
    ///
    /// The walk ends early when `cancel` is set or `emit` breaks. Items may be examined on any
    /// thread, at any time, in any order.
    fn walk(
        &self,
        number: u32,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Walked;

    /// The image, where it is one.
    fn image(&self) -> Option<&Image> {
        None
    }

    /// `folder`, or the format of the image.
    fn format(&self) -> String;

    /// What tells this evidence from other evidence, on any machine.
    fn identity(&self) -> String;

    /// What tells this evidence from other evidence on this machine.
    fn place(&self) -> String;

    /// What belongs in the record of the run, by name.
    fn facts(&self) -> Vec<(String, String)>;

    /// Why reading changes no access time, that somebody consented, or `plain` for a device whose
    /// node was opened without `O_NOATIME`: its own access time is none of the evidence.
    fn access(&self) -> String;

    /// True once [`EvidenceSource::lost`] says why.
    fn is_lost(&self) -> bool {
        false
    }

    /// Why nothing of it can be read any more, once that is certain: what is asked for after it
    /// fails at once, and says nothing of the objects.
    fn lost(&self) -> Option<String> {
        None
    }

    /// How often something of it was opened, for the record.
    fn opened(&self) -> String;
}

/// What a walk met.
#[derive(Debug, Clone, Default)]
pub struct Walked {
    /// Objects that were given out: everything but readable folders.
    pub seen: u64,
    /// Folders whose names could all be read, the root included.
    pub directories: u64,
    /// True where the walk was stopped before its end.
    pub stopped: bool,
    /// Bytes of the medium, where it is an image.
    pub media: u64,
    /// Volumes and the gaps between them, in the order of the medium's table.
    pub volumes: Vec<VolumeRow>,
    /// What is wrong with the medium or a volume as a whole.
    pub problems: Vec<Located>,
    /// The media of images inside it, in the order of their files. Their bytes are those of objects
    /// of the evidence and are no part of `media`.
    pub inside: Vec<Medium>,
}

impl Walked {
    /// Adds what a walk of an image inside met.
    pub fn add_inside(&mut self, walked: Self) {
        let Self { seen, directories, stopped, media: len, volumes, problems, inside } = walked;
        self.seen = self.seen.saturating_add(seen);
        self.directories = self.directories.saturating_add(directories);
        self.stopped |= stopped;
        self.problems.extend(problems);
        if !volumes.is_empty() || len > 0 {
            self.inside.push(Medium { len, volumes, whole: !stopped });
        }
        self.inside.extend(inside);
    }
}

/// The medium of an image inside evidence.
#[derive(Debug, Clone)]
pub struct Medium {
    /// Its bytes.
    pub len: u64,
    /// Its volumes and the gaps between them, in the order of its table.
    pub volumes: Vec<VolumeRow>,
    /// False where the walk was stopped before its end.
    pub whole: bool,
}

/// A problem that belongs to no object.
#[derive(Debug, Clone)]
pub struct Located {
    /// Where its row stands among the rows of objects.
    pub key: OrderKey,
    /// The path of what it concerns, as it stands in the report.
    pub path: String,
    /// The problem.
    pub problem: Problem,
}

words! {
    /// What was done with a volume.
    Action {
        /// Its file system was read.
        Examined = "examined",
        /// Nothing in it was read.
        NotExamined = "not_examined",
        /// It is no volume: space between volumes, or the tables that tell of them.
        Gap = "gap",
    }
}

/// One row of volumes.csv but for its evidence item.
#[derive(Debug, Clone)]
pub struct VolumeRow {
    /// The segment of the path: `p0`, `p1`, `gap1`; of an image inside evidence the whole path.
    pub volume: String,
    /// Its first byte in the decoded image.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Bytes of it that belong to a volume that stands earlier in the partition table.
    pub shared: u64,
    /// Bytes of a sector of the medium.
    pub sector_size: u32,
    /// The partition scheme that lists it.
    pub scheme: String,
    /// Its type by that scheme.
    pub type_id: String,
    /// Its file system, or what was recognised instead.
    pub fs_type: String,
    /// Its label, in bytes.
    pub label: Vec<u8>,
    /// Its serial number.
    pub serial: String,
    /// Bytes of a cluster.
    pub cluster_size: Option<u64>,
    /// How it is encrypted, where that was recognised.
    pub encryption: String,
    /// To which class each byte belongs that it owns.
    pub bytes: ByteClasses,
    /// Objects by the file system's own count.
    pub fs_object_count: Option<u64>,
    /// Rows of files.csv that lie in it.
    pub objects_found: u64,
    /// What was done with it.
    pub action: Action,
    /// Why nothing was done with it.
    pub reason: Option<Code>,
}

impl VolumeRow {
    /// Bytes of it that are no other volume's.
    pub fn owned(&self) -> u64 {
        self.length.saturating_sub(self.shared)
    }

    /// True where every byte that it owns has its class.
    pub fn is_balanced(&self) -> bool {
        self.bytes.total() == self.owned()
    }

    /// True where nothing of it, or not everything, was examined.
    pub fn is_incomplete(&self) -> bool {
        let ByteClasses { unread, unexamined, .. } = self.bytes;
        self.action == Action::NotExamined || unread > 0 || unexamined > 0
    }
}
