//! Paths of directories: from the root, and of those that nothing leads to.

use std::collections::{HashMap, HashSet};

use super::names::Name;
use super::survey::{ROOT, Survey};
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

/// The path of every directory that exists.
pub(super) struct Folders {
    paths: HashMap<u32, ObjectPath>,
    /// Where objects without a name go.
    pub(super) orphans: ObjectPath,
}

impl Folders {
    /// Follows all names of directories from `root`, each directory once.
    pub(super) fn new(survey: &mut Survey<'_>, root: &ObjectPath) -> Self {
        let mut below: Vec<Name> = Vec::new();
        for name in survey.names.all() {
            if survey.folders.contains_key(&name.inode) && name.inode != ROOT {
                below.push(*name);
            }
        }
        // Stable: names of one directory stay in order of inode.
        below.sort_by_key(|name| name.parent);
        let orphans = root.given_below("$Orphans");
        let mut folders = Self { paths: HashMap::new(), orphans };
        let mut again = Vec::new();
        folders.grow(survey, &below, ROOT, root.clone(), &mut again);
        let mut lost: Vec<u32> = survey
            .folders
            .keys()
            .copied()
            .filter(|inode| !folders.paths.contains_key(inode))
            .collect();
        lost.sort_unstable();
        for inode in lost {
            if folders.paths.contains_key(&inode) {
                continue;
            }
            let top = folders.topmost(survey, inode);
            let path = folders.orphans.given_below(&format!("ino-{top}"));
            folders.grow(survey, &below, top, path, &mut again);
            let detail = format!("the folder that is inode {top} has no name that leads to it");
            survey.problem(Problem::new(Code::FilesystemDamaged, Stage::Enumerate, detail));
        }
        for inode in again {
            let detail = format!("more than one name leads to the folder that is inode {inode}");
            survey.problem(Problem::new(Code::FilesystemDamaged, Stage::Enumerate, detail));
        }
        folders
    }

    /// The path of a directory.
    pub(super) fn path(&self, inode: u32) -> Option<&ObjectPath> {
        self.paths.get(&inode)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Gives paths to all directories below one.
    fn grow(
        &mut self,
        survey: &Survey<'_>,
        below: &[Name],
        top: u32,
        path: ObjectPath,
        again: &mut Vec<u32>,
    ) {
        self.paths.insert(top, path);
        let mut todo = vec![top];
        while let Some(parent) = todo.pop() {
            let from = below.partition_point(|name| name.parent < parent);
            let names = below.get(from..).unwrap_or_default().iter();
            for name in names.take_while(|name| name.parent == parent) {
                let Some(folder) = self.paths.get(&parent) else { continue };
                if self.paths.contains_key(&name.inode) {
                    again.push(name.inode);
                    continue;
                }
                let path = survey.names.path(folder, name);
                self.paths.insert(name.inode, path);
                todo.push(name.inode);
            }
        }
    }

    /// The highest directory without a path that the parents of `inode` lead to.
    fn topmost(&self, survey: &Survey<'_>, inode: u32) -> u32 {
        let mut seen = HashSet::new();
        let mut top = inode;
        while seen.insert(top) {
            let parent = survey.folders.get(&top).copied().unwrap_or(0);
            let leads = survey.folders.contains_key(&parent)
                && !self.paths.contains_key(&parent)
                && survey.names.of(top).iter().any(|name| name.parent == parent);
            if !leads {
                break;
            }
            top = parent;
        }
        top
    }
}
