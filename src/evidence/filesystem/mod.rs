//! File systems of disk images: from the bytes of a volume to its objects.
//!
//! One folder a file system. Each parses its volume once into something immutable that any number
//! of threads may read through, and lists its objects on one thread in the order of the report. A
//! volume is hostile: nothing is allocated by a length it states, every loop is bounded by what the
//! volume can hold, and damage is a [`Problem`] with its place, after which what is still readable
//! is read.
//!
//! What an object's bytes are is said by its extents. A byte whose place is not certain is
//! [`crate::item::Place::Missing`], which makes its object partial: no digest is stated of guesses.

mod blockset;
pub mod exfat;
pub mod ext;
pub mod fat;
pub mod iso9660;
pub mod ntfs;
mod stream;
mod unowned;
mod whole;

pub use stream::ExtentStream;
pub use unowned::{Runs, Unowned};

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use crate::item::{Extent, ItemMeta, ObjectPath, Status};
use crate::problem::Problem;

/// How file systems are read, where they do not say it themselves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Code page of short names on FAT; code page 437 where none is stated.
    pub codepage: Option<fat::CodePage>,
}

/// What a file system says of itself. Empty = it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesystemFacts {
    /// `fat12`, `fat16`, `fat32`, `exfat`, `ntfs`, `ext2` and so on.
    pub fs_type: String,
    /// Its label, as bytes of UTF-8 where the file system stores another encoding.
    pub label: Vec<u8>,
    /// Serial number or UUID, as other tools print it.
    pub serial: String,
    /// Bytes of a cluster or block.
    pub cluster_size: u64,
    /// Objects by the file system's own count, where it keeps one that covers all of them.
    pub object_count: Option<u64>,
}

/// An object as the file system lists it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its path; that of a deleted object ends in the mark of its `fs_ref`.
    pub path: ObjectPath,
    /// Everything but `volume`, `fs_type`, `disk_offset` and `extent_count`, which the image fills
    /// in from what it knows.
    pub meta: ItemMeta,
    /// Its content.
    pub content: NodeContent,
    /// What is wrong with it although its content can be read.
    pub problems: Vec<Problem>,
}

/// The content of an object, or why there is none.
#[derive(Debug, Clone)]
pub enum NodeContent {
    /// All its bytes in order; their lengths sum to its size.
    Extents(Vec<Extent>),
    /// Not to be read, for the reason the problem's code names.
    Nothing {
        /// What the row says.
        status: Status,
        /// Why.
        problem: Problem,
    },
}

/// What listing a volume gave beside its objects.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Folders that were listed; they have no row.
    pub directories: u64,
    /// Objects that the file system lists as existing, folders included, counted as
    /// [`FilesystemFacts::object_count`] counts them.
    pub existing: u64,
    /// To which class each byte of the volume belongs.
    pub bytes: ByteClasses,
    /// Where its bytes are no content of an existing object.
    pub unowned: Unowned,
    /// What is wrong with the volume as a whole; offsets are bytes of the volume.
    pub problems: Vec<Problem>,
    /// True where it was cancelled, or the receiver wanted no more.
    pub stopped: bool,
}

/// Every byte of a volume belongs to one class, and each class is counted from its own source,
/// none as what is left of the others: that the sum is the volume's length is a test of the
/// reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteClasses {
    /// Structures of the file system: boot records, tables, bitmaps, folders, journal.
    pub metadata: u64,
    /// Content of existing objects, from their extents: sizes, not whole clusters.
    pub allocated: u64,
    /// After the end of a content in its last clusters, and clusters that an object owns beyond its
    /// size; also the bytes of the volume behind its last cluster.
    pub slack: u64,
    /// Clusters that bitmap or table says are free.
    pub unallocated: u64,
    /// Bytes of structures that could not be read, and clusters marked as bad.
    pub unread: u64,
    /// Clusters that bitmap or table says are in use and that no object owns.
    pub unexamined: u64,
}

impl ByteClasses {
    /// The sum of all classes.
    pub fn total(&self) -> u64 {
        let Self { metadata, allocated, slack, unallocated, unread, unexamined } = *self;
        [metadata, allocated, slack, unallocated, unread, unexamined]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// A file system that was parsed: immutable, read by any number of threads.
pub trait FileSystem: Send + Sync {
    /// What it says of itself.
    fn facts(&self) -> &FilesystemFacts;

    /// Gives every object to `emit` in the order of the report, on the calling thread.
    ///
    /// Folders that can be read are counted and not given; one that cannot be read, or not to its
    /// end, is given as an object. No two objects have the same path.
    ///
    /// - `root`: the path of the volume; objects of its root folder lie below it.
    /// - `cancel`: asked at least once a folder.
    fn list(
        &self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> Listing;

    /// True where blocks between the data of an object can hold the map of its blocks, so that its
    /// remains are only in one piece without them.
    fn leaves_maps(&self) -> bool {
        false
    }

    /// True where a free block can hold the map of a deleted object's blocks.
    ///
    /// - `at`: its first byte in the volume.
    fn is_leftover_map(&self, at: u64, block: &[u8]) -> bool {
        let _ = (at, block);
        false
    }
}
