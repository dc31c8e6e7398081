//! Folders and their paths, from the names in the master file table alone.
//!
//! A parent is believed where its record is still in the use that the child names: a record number
//! is used again after a deletion, and its sequence number then says so.

use std::collections::{HashMap, HashSet};

use super::record::Reference;
use super::survey::{Entry, Survey};
use super::system;

use crate::item::ObjectPath;

/// Deeper folders are listed as if they had no parent: no path that a system accepts is as deep.
const DEEPEST: u32 = 256;

/// How a folder is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// From the root, by existing folders.
    Existing,
    /// From the root, by folders one of which is deleted.
    Deleted,
    /// Not from the root.
    Orphan,
    /// It is part of the file system.
    System,
}

/// A folder with its path.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: ObjectPath,
    pub(super) standing: Standing,
    depth: u32,
}

/// Finds the paths of folders, each once.
pub(super) struct Tree<'a> {
    survey: &'a Survey,
    orphans: ObjectPath,
    known: HashMap<u64, Folder>,
    /// A folder was met that is deeper than the limit.
    pub(super) too_deep: bool,
}

impl<'a> Tree<'a> {
    /// The tree of the volume whose path is `root`.
    pub(super) fn new(survey: &'a Survey, root: &ObjectPath) -> Self {
        let mut known = HashMap::new();
        for record in 0..system::FIRST_FREE {
            let (path, standing) = match record {
                system::ROOT => (root.clone(), Standing::Existing),
                system::EXTEND => (root.below(b"$Extend"), Standing::System),
                _ => (root.clone(), Standing::System),
            };
            known.insert(record, Folder { path, standing, depth: 0 });
        }
        Self { survey, orphans: root.given_below("$Orphans"), known, too_deep: false }
    }

    /// The folder of objects without one.
    pub(super) const fn orphans(&self) -> &ObjectPath {
        &self.orphans
    }

    /// The folder that a child names; `None` where that folder is not there any more.
    pub(super) fn folder(&mut self, parent: Reference, child_in_use: bool) -> Option<Folder> {
        let entry = self.survey.entry(parent.record)?;
        fits(entry, parent, child_in_use).then(|| self.resolve(parent.record))
    }

    fn resolve(&mut self, record: u64) -> Folder {
        let (mut chain, mut met, mut at) = (Vec::new(), HashSet::new(), record);
        let mut above = loop {
            if let Some(folder) = self.known.get(&at) {
                break Some(folder.clone());
            }
            if !met.insert(at) {
                break None; // in circles: the last one met has no parent
            }
            chain.push(at);
            let Some(entry) = self.survey.entry(at) else { break None };
            let parent = Reference::from_raw(entry.parent);
            match self.survey.entry(parent.record) {
                Some(of) if fits(of, parent, entry.in_use) && self.survey.name(entry).is_some() => {
                    at = parent.record;
                }
                _ => break None,
            }
        };
        let mut last = None;
        for record in chain.into_iter().rev() {
            let folder = self.below(record, above.take());
            self.known.insert(record, folder.clone());
            above = Some(folder.clone());
            last = Some(folder);
        }
        last.or(above).unwrap_or_else(|| self.orphan(record, b"", 0))
    }

    /// The folder `record` below one that was found.
    fn below(&mut self, record: u64, above: Option<Folder>) -> Folder {
        let blank = Entry::default();
        let entry = self.survey.entry(record).unwrap_or(&blank);
        let name = self.survey.name(entry).unwrap_or_default();
        self.too_deep |= above.as_ref().is_some_and(|above| above.depth >= DEEPEST);
        let above = above.filter(|above| above.depth < DEEPEST);
        let Some(above) = above else { return self.orphan(record, name, entry.sequence) };
        let parent = Reference::from_raw(entry.parent);
        let mut path = above.path.below(name);
        if entry.in_use && self.survey.is_twin(parent, name) {
            let sequence = entry.sequence;
            path = path.marked(&system::fs_ref(Reference { record, sequence }));
        }
        let standing = match above.standing {
            Standing::System
                if parent.record == system::EXTEND && name == system::DELETED_WHILE_OPEN =>
            {
                Standing::Existing
            }
            Standing::Existing if !entry.in_use => Standing::Deleted,
            standing => standing,
        };
        Folder { path, standing, depth: above.depth.saturating_add(1) }
    }

    fn orphan(&self, record: u64, name: &[u8], sequence: u16) -> Folder {
        let mark = system::fs_ref(Reference { record, sequence });
        let path = self.orphans.below(name).marked(&mark);
        Folder { path, standing: Standing::Orphan, depth: 1 }
    }
}

/// True where a record is the folder that a child means. Freeing a record raises its number.
fn fits(entry: &Entry, parent: Reference, child_in_use: bool) -> bool {
    let same = entry.sequence == parent.sequence || parent.sequence == 0;
    let next = match parent.sequence {
        u16::MAX => 1,
        sequence => sequence.saturating_add(1),
    };
    let freed = !child_in_use && (same || entry.sequence == next);
    entry.directory && if entry.in_use { same } else { freed }
}
