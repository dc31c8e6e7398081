//! ext2, ext3 and ext4: inode tables, directories, journal.
//!
//! The state on the medium is read as it stands: the journal is never replayed, it is only a source
//! of older states, by which deleted objects are found. Objects come in order of inode number, each
//! with all its names. Check sums that do not hold are told and stop nothing. The reserved inodes 1
//! to 10, those of quota and of the orphan file have no rows; they count as existing objects, as in
//! the file system's own counters.
//!
//! Trusted: nothing. Facts: Linux kernel documentation, filesystems/ext4; each file names its part.

mod blocks;
mod checksum;
mod deleted;
mod directory;
mod disk;
mod extents;
mod folders;
mod group;
mod history;
mod inode;
mod journal;
mod leftover;
mod listing;
mod map;
mod names;
mod object;
mod space;
mod superblock;
mod survey;
mod traces;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use disk::Disk;

use super::{FileSystem, FilesystemFacts, Listing, Node};
use crate::bytes::ReadAt;
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

/// A file system of the ext family.
pub struct Ext {
    disk: Disk,
    facts: FilesystemFacts,
    problems: Vec<Problem>,
}

impl Ext {
    /// Reads superblock and group descriptors of a volume.
    ///
    /// # Errors
    /// [`Code::NotRecognised`] where the volume is none of the family;
    /// [`Code::UnsupportedVolume`] where it has features that are not read, which are named;
    /// otherwise what is wrong with it where no copy of the superblock can be used.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use assay::{evidence::filesystem::ext::Ext, problem::Code};
    /// let zeros: Arc<[u8]> = Arc::from([0; 4096]);
    /// let problem = Ext::open(Arc::new(zeros)).err();
    /// assert_eq!(problem.map(|problem| problem.code), Some(Code::NotRecognised));
    /// ```
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self, Problem> {
        let (superblock, mut problems) = superblock::find(&*volume)?;
        let held = volume.len().div_ceil(superblock.block_size).min(superblock.blocks);
        state(&superblock, held, &mut problems);
        let mut disk = Disk { volume, superblock, groups: Vec::new(), held };
        disk.groups = group::read(&disk, &mut problems);
        let facts = facts(&disk);
        Ok(Self { disk, facts, problems })
    }
}

impl FileSystem for Ext {
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

    fn leaves_maps(&self) -> bool {
        true
    }

    fn is_leftover_map(&self, at: u64, block: &[u8]) -> bool {
        let number = at.checked_div(self.disk.superblock.block_size).unwrap_or(0);
        leftover::is_map(number, block, self.disk.superblock.blocks)
    }
}

fn facts(disk: &Disk) -> FilesystemFacts {
    let superblock = &disk.superblock;
    let all = u64::from(superblock.inodes);
    let free = disk.groups.iter().map(|group| group.free_inodes.map(u64::from));
    let free: Option<u64> = free.sum();
    let is_whole = superblock.blocks == disk.held;
    FilesystemFacts {
        fs_type: superblock.kind().to_owned(),
        label: superblock.label.clone(),
        serial: superblock.serial(),
        cluster_size: superblock.block_size.saturating_mul(superblock.cluster_blocks),
        object_count: free.filter(|_| is_whole).map(|free| all.saturating_sub(free)),
    }
}

/// What the superblock says of the state of the volume.
fn state(superblock: &superblock::Superblock, held: u64, problems: &mut Vec<Problem>) {
    let mut tell =
        |code, detail: String| problems.push(Problem::new(code, Stage::Filesystem, detail));
    if superblock.blocks > held {
        let detail = format!(
            "the file system has {} blocks and the volume holds {held} of them",
            superblock.blocks
        );
        tell(Code::FilesystemDamaged, detail);
    }
    if superblock.has_incompat(superblock::incompat::RECOVER) {
        let detail = "not cleanly unmounted: its journal holds changes that were not replayed; \
                      the state on the medium is read as it stands";
        tell(Code::FilesystemDamaged, detail.to_owned());
    } else if !superblock.clean {
        tell(Code::FilesystemDamaged, "not cleanly unmounted; it is read as it stands".to_owned());
    }
    if superblock.errors {
        let detail = "it is marked as having errors that its driver met";
        tell(Code::FilesystemDamaged, detail.to_owned());
    }
    if superblock.compat & superblock::compat::FAST_COMMIT != 0 {
        let detail = "fast commits in its journal are not read";
        tell(Code::ContentNotRead, detail.to_owned());
    }
}
