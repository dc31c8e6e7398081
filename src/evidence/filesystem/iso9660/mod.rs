//! ISO 9660 with Rock Ridge and Joliet: optical discs and their images.
//!
//! One row an object. Names come from Rock Ridge where the volume has it, else from Joliet, else
//! from the primary tree, without `;1`. The other tree is walked too: content that only it names is
//! listed after the rest. The last session is read; that there are earlier ones is told. Every
//! directory is listed once, so that trees that lead in circles end. There are no deleted objects
//! and no counters. El Torito is not read: boot images that no file names are unexamined.
//!
//! Trusted: nothing. Facts: ECMA-119 and what each file names.

mod record;
mod rockridge;
mod space;
mod volume;
mod walk;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use record::Record;
use space::Space;
use volume::{Tree, Volume};
use walk::Walk;

use super::{FileSystem, FilesystemFacts, Listing, Node};
use crate::bytes::{Block, ReadAt};
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

/// An ISO 9660 file system.
pub struct Iso9660 {
    volume: Volume,
    facts: FilesystemFacts,
    /// Bytes of system use fields to pass over, where there is Rock Ridge.
    skip: Option<usize>,
    problems: Vec<Problem>,
}

impl Iso9660 {
    /// Reads the descriptors of the newest session.
    ///
    /// # Errors
    /// [`Code::NotRecognised`] where there is no primary volume descriptor in sector 16;
    /// [`Code::IoError`] where it cannot be read.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use assay::{evidence::filesystem::iso9660::Iso9660, problem::Code};
    /// let zeros: Arc<[u8]> = Arc::from([0; 40_000]);
    /// let problem = Iso9660::open(Arc::new(zeros)).err();
    /// assert_eq!(problem.map(|problem| problem.code), Some(Code::NotRecognised));
    /// ```
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self, Problem> {
        let mut problems = Vec::new();
        let volume = volume::open(volume, &mut problems)?;
        let skip = rock_ridge(&volume);
        if volume.blocks.saturating_mul(volume.block) > volume.bytes.len() {
            let detail = format!(
                "the volume states {} blocks of {} bytes and ends before",
                volume.blocks, volume.block
            );
            problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        }
        let facts = FilesystemFacts {
            fs_type: "iso9660".to_owned(),
            label: volume.label.clone(),
            serial: String::new(),
            cluster_size: volume.block,
            object_count: None,
        };
        Ok(Self { volume, facts, skip, problems })
    }

    /// The tree that names come from, and all others.
    fn trees(&self) -> (&Tree, Vec<&Tree>) {
        let Volume { primary, joliet, others, .. } = &self.volume;
        match joliet {
            Some(joliet) if self.skip.is_none() => {
                (joliet, std::iter::once(primary).chain(others).collect())
            }
            joliet => (primary, joliet.iter().chain(others).collect()),
        }
    }
}

/// The sign of Rock Ridge in the primary root's record of itself.
fn rock_ridge(volume: &Volume) -> Option<usize> {
    let at = u64::from(volume.primary.root).saturating_mul(volume.block);
    let mut sector = [0; 2048];
    volume.bytes.fill_at(at, &mut sector).ok()?;
    let (record, _) = Record::parse(&Block::new(&sector, at), 0).ok()??;
    rockridge::skip(record.system)
}

impl FileSystem for Iso9660 {
    fn facts(&self) -> &FilesystemFacts {
        &self.facts
    }

    fn list(
        &self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> Listing {
        let mut problems = self.problems.clone();
        let (first, others) = self.trees();
        let mut space = Space::new(&self.volume);
        let (mut known, mut taken) = (HashSet::new(), HashMap::new());
        let mut existing = 0_u64;
        let mut counted = |node: Node| {
            existing = existing.saturating_add(1);
            emit(node)
        };
        let mut walk = Walk::new(&self.volume, first, &mut space, &mut known, &mut taken);
        walk.skip = self.skip.filter(|_| !first.is_joliet);
        let mut flow = walk.run(root, cancel, &mut counted);
        let directories = walk.directories;
        for (other, number) in others.into_iter().zip(2..) {
            if flow.is_break() {
                break;
            }
            let mut walk = Walk::new(&self.volume, other, &mut space, &mut known, &mut taken);
            walk.is_second = true;
            flow = walk.run(root, cancel, &mut counted);
            if walk.extra_objects > 0 {
                let (count, kind) =
                    (walk.extra_objects, if other.is_joliet { "Joliet" } else { "plain" });
                let detail =
                    format!("{count} objects are only in tree {number} of its names, a {kind} one");
                problems.push(Problem::new(Code::CountMismatch, Stage::Enumerate, detail));
            }
        }
        let (bytes, unowned) = space.finish(&self.volume, &mut problems);
        let existing = existing.saturating_add(directories);
        let stopped = flow.is_break();
        Listing { directories, existing, bytes, unowned, problems, stopped }
    }
}
