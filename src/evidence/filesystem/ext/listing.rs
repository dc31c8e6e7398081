//! The second pass: every object in order of its inode, its names in order, what was deleted after
//! what exists.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Ext;
use super::deleted::Deleted;
use super::disk::Disk;
use super::folders::Folders;
use super::inode::{Inode, Kind, flag};
use super::journal::Journal;
use super::map::Map;
use super::object;
use super::survey::{ROOT, Survey, each_inode};
use crate::evidence::filesystem::{Listing, Node, NodeContent};
use crate::item::{AllocStatus, LinkIdentity, NameAttribution, ObjectPath, RecoveryBasis, Status};
use crate::problem::{Code, Problem, Stage};

/// Most extents that the rows of one object have together: names and extents are both the disk's.
const MOST_EXTENTS: usize = 1 << 24;

type Emit<'e> = &'e mut dyn FnMut(Node) -> ControlFlow<()>;

/// Lists the volume.
pub(super) fn list(ext: &Ext, root: &ObjectPath, cancel: &AtomicBool, emit: Emit<'_>) -> Listing {
    let disk = &ext.disk;
    let mut problems = ext.problems.clone();
    let journal = journal(disk, &mut problems);
    let mut survey = Survey::new(disk, &journal, cancel);
    let folders = Folders::new(&mut survey, root);
    let mut listing = Listing { existing: survey.existing, ..Listing::default() };
    let rows = folders.len().saturating_sub(unlisted(&survey));
    listing.directories = u64::try_from(rows).unwrap_or(u64::MAX);
    let mut stopped = survey.stopped;
    if !stopped {
        let deleted = Deleted::new(&mut survey, &folders, cancel);
        let mut pass = Pass { survey: &survey, folders: &folders, deleted, emit };
        stopped = pass.run(cancel).is_break();
    }
    listing.stopped = stopped;
    problems.append(&mut survey.problems);
    (listing.bytes, listing.unowned) = survey.space.finish(&mut problems);
    listing.problems = problems;
    listing
}

/// Directories that are rows, because they cannot be read or not to their end.
fn unlisted(survey: &Survey<'_>) -> usize {
    survey.folders.keys().filter(|inode| is_row(survey, **inode)).count()
}

fn is_row(survey: &Survey<'_>, inode: u32) -> bool {
    survey.damaged.contains_key(&inode) || survey.encrypted.contains(&inode)
}

/// The journal of a volume; an empty one where there is none to be read.
fn journal(disk: &Disk, problems: &mut Vec<Problem>) -> Journal {
    let superblock = &disk.superblock;
    if superblock.compat & super::superblock::compat::HAS_JOURNAL == 0 {
        return Journal::default();
    }
    if superblock.journal_inode == 0 {
        let detail = "its journal is on another device: deleted objects are not sought in it";
        problems.push(Problem::new(Code::ContentNotRead, Stage::Filesystem, detail));
        return Journal::default();
    }
    let read = || {
        let inode = disk.inode(superblock.journal_inode)?;
        let map = super::map::map(disk, &inode, &mut |block| disk.block(block));
        Journal::read(disk, &map)
    };
    match read() {
        Ok(journal) => journal,
        Err(problem) => {
            let detail = format!("the journal: {}", problem.detail);
            problems.push(Problem { detail, ..problem });
            Journal::default()
        }
    }
}

struct Pass<'s, 'd, 'e> {
    survey: &'s Survey<'d>,
    folders: &'s Folders,
    deleted: Deleted,
    emit: Emit<'e>,
}

impl Pass<'_, '_, '_> {
    fn run(&mut self, cancel: &AtomicBool) -> ControlFlow<()> {
        let survey = self.survey;
        let mut flow = ControlFlow::Continue(());
        let mut next = 1_u32;
        let has_table = |group| survey.space.has_own_table(group);
        each_inode(survey.disk, &has_table, &mut |inode| {
            if let Ok(inode) = inode {
                flow = self.up_to(next, inode.number);
                next = inode.number.saturating_add(1);
                if flow.is_continue() {
                    flow = self.inode(&inode);
                }
            }
            if cancel.load(Ordering::Relaxed) {
                flow = ControlFlow::Break(());
            }
            flow.is_continue()
        });
        flow?;
        self.up_to(next, u32::MAX)
    }

    /// What is to be said of inodes that no table gives: names that lead to them, and deleted ones.
    fn up_to(&mut self, from: u32, to: u32) -> ControlFlow<()> {
        let survey = self.survey;
        let names = survey.names.all();
        let first = names.partition_point(|name| name.inode < from);
        let mut at = from;
        for name in names.iter().skip(first).take_while(|name| name.inode < to) {
            self.deleted_below(at, name.inode)?;
            at = name.inode;
            self.dangling(name, "no inode can be read there")?;
        }
        if to == u32::MAX {
            for name in names.iter().rev().take_while(|name| name.inode == to) {
                self.dangling(name, "there is no such inode")?;
            }
        }
        self.deleted_below(at, to)
    }

    fn dangling(&mut self, name: &super::names::Name, detail: &str) -> ControlFlow<()> {
        let survey = self.survey;
        let Some(folder) = self.folders.path(name.parent) else { return ControlFlow::Continue(()) };
        let path = survey.names.path(folder, name);
        (self.emit)(object::dangling(path, name.inode, detail))
    }

    fn deleted_below(&mut self, from: u32, to: u32) -> ControlFlow<()> {
        for node in self.deleted.nodes(from..to) {
            (self.emit)(node)?;
        }
        ControlFlow::Continue(())
    }

    fn inode(&mut self, inode: &Inode) -> ControlFlow<()> {
        let survey = self.survey;
        if survey.is_live(inode) {
            self.live(inode)?;
        } else {
            for name in survey.names.of(inode.number) {
                self.dangling(name, "the inode it leads to is deleted")?;
            }
        }
        let next = inode.number.saturating_add(1);
        for node in self.deleted.nodes(inode.number..next) {
            (self.emit)(node)?;
        }
        ControlFlow::Continue(())
    }

    fn live(&mut self, inode: &Inode) -> ControlFlow<()> {
        let survey = self.survey;
        if survey.is_own(inode) || inode.number == ROOT && !is_row(survey, ROOT) {
            return ControlFlow::Continue(());
        }
        if inode.kind() == Kind::Directory {
            return self.folder(inode);
        }
        let map = if inode.kind() == Kind::File || inode.fast_target().is_none() {
            survey.map(inode)
        } else {
            Map::default()
        };
        let mut meta = object::meta(inode);
        meta.link_target = object::target(survey.disk, inode, &map);
        let mut problems = object::problems(inode, &map);
        if survey.adopted.contains(&inode.number) {
            let detail = "the inode bitmap says that it is free";
            problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        }
        let content = object::content(survey.disk, &survey.space, inode, &map);
        let node = Node { path: self.folders.orphans.clone(), meta, content, problems };
        self.named(inode, node)
    }

    /// A row for each name of an object; one among the orphans where it has none.
    fn named(&mut self, inode: &Inode, mut node: Node) -> ControlFlow<()> {
        let survey = self.survey;
        let names = survey.names.of(inode.number);
        if names.len() > usize::from(inode.links) {
            let detail =
                format!("its inode counts {} names and {} lead to it", inode.links, names.len());
            node.problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
            node.meta.link = Some(LinkIdentity { device: 0, inode: inode.number.into() });
        }
        let extents = match &node.content {
            NodeContent::Extents(extents) => extents.len(),
            NodeContent::Nothing { .. } => 0,
        };
        let most = MOST_EXTENTS.checked_div(extents).unwrap_or(usize::MAX);
        let mut count = 0_usize;
        for name in names {
            let Some(folder) = self.folders.path(name.parent) else { continue };
            node.path = survey.names.path(folder, name);
            if count > most {
                let detail = "more names lead to it than are given its content; its first has it";
                node.content = object::nothing(Status::Unread, Code::LimitReached, detail);
            }
            count = count.saturating_add(1);
            (self.emit)(node.clone())?;
        }
        if count > 0 {
            return ControlFlow::Continue(());
        }
        node.meta.alloc = AllocStatus::Orphan;
        node.meta.basis = Some(RecoveryBasis::MetadataExtents);
        node.meta.attribution = Some(NameAttribution::None);
        let name = format!("ino-{}", inode.number);
        node.path = self.folders.orphans.given_below(&name).marked(&node.meta.fs_ref);
        (self.emit)(node)
    }

    /// A directory is a row only where it cannot be read, or not to its end.
    fn folder(&mut self, inode: &Inode) -> ControlFlow<()> {
        let survey = self.survey;
        let content = match survey.damaged.get(&inode.number) {
            Some(problem) => {
                NodeContent::Nothing { status: Status::Unread, problem: problem.clone() }
            }
            None if inode.has(flag::ENCRYPT) => {
                let detail = "names and content below are encrypted by the file system";
                object::nothing(Status::Unread, Code::Encrypted, detail)
            }
            None => return ControlFlow::Continue(()),
        };
        let Some(path) = self.folders.path(inode.number) else { return ControlFlow::Continue(()) };
        let problems = object::problems(inode, &Map::default());
        let meta = object::meta(inode);
        (self.emit)(Node { path: path.clone(), meta, content, problems })
    }
}
