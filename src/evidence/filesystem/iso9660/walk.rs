//! Walking a tree: every directory once, in the order of its records.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::record::{DIRECTORY, HIDDEN, MORE, Record};
use super::rockridge::{self, Extra};
use super::space::Space;
use super::volume::{SECTOR, Tree, Volume};
use crate::bytes::Block;
use crate::evidence::filesystem::{Node, NodeContent};
use crate::item::escape::utf16_name;
use crate::item::{
    Extent, ItemMeta, LinkIdentity, NameAttribution, ObjectKind, ObjectPath, RecoveryBasis, Status,
    TimeSource, Times,
};
use crate::problem::{Code, Problem, Stage};

/// Where the objects of a walk go; what of them is new is decided there.
pub(super) type Emit<'e> = &'e mut dyn FnMut(Node) -> ControlFlow<()>;

/// One walk of a tree.
pub(super) struct Walk<'w> {
    pub(super) volume: &'w Volume,
    pub(super) tree: &'w Tree,
    /// Bytes of system use fields to pass over; `None` without Rock Ridge.
    pub(super) skip: Option<usize>,
    pub(super) space: &'w mut Space,
    /// Extents that another tree named: they are not given again.
    pub(super) known: &'w mut HashSet<(u32, u64)>,
    pub(super) is_second: bool,
    pub(super) taken: &'w mut HashMap<String, u32>,
    pub(super) directories: u64,
    pub(super) extra_objects: u64,
    /// Extents that only this tree names.
    fresh: Vec<(u32, u64)>,
    seen: HashSet<u32>,
    moved: Vec<(ObjectPath, u32, u32)>,
}

/// A directory still to be listed, or an object that stands between directories.
enum Step {
    Folder { path: ObjectPath, block: u32, len: u32, at: u64 },
    Object(Box<Node>, u32, u64),
}

/// A file as its records give it, one extent each.
struct File {
    path: ObjectPath,
    meta: ItemMeta,
    extents: Vec<Extent>,
    size: u64,
    first: u32,
    unread: Option<Problem>,
    problems: Vec<Problem>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        volume: &'w Volume,
        tree: &'w Tree,
        space: &'w mut Space,
        known: &'w mut HashSet<(u32, u64)>,
        taken: &'w mut HashMap<String, u32>,
    ) -> Self {
        Self {
            volume,
            tree,
            skip: None,
            space,
            known,
            is_second: false,
            taken,
            directories: 0,
            extra_objects: 0,
            fresh: Vec::new(),
            seen: HashSet::new(),
            moved: Vec::new(),
        }
    }

    /// Lists the tree.
    pub(super) fn run(
        &mut self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: Emit<'_>,
    ) -> ControlFlow<()> {
        let Tree { root: block, root_len: len, record, .. } = *self.tree;
        let mut todo = vec![Step::Folder { path: root.clone(), block, len, at: record }];
        loop {
            while let Some(step) = todo.pop() {
                if cancel.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                match step {
                    Step::Object(node, first, size) => self.give(*node, first, size, emit)?,
                    Step::Folder { path, block, len, at } => {
                        let mut steps = Vec::new();
                        if let Some(problem) = self.folder(&path, block, len, &mut steps) {
                            self.give(unlisted(path, at, problem), block, u64::MAX, emit)?;
                        }
                        steps.reverse();
                        todo.append(&mut steps);
                    }
                }
            }
            // Directories that say they were moved and that nothing led to.
            let Some((path, block, len)) = self.moved.pop() else { break };
            if !self.seen.contains(&block) {
                todo.push(Step::Folder { path, block, len, at: 0 });
            }
        }
        self.known.extend(self.fresh.drain(..));
        ControlFlow::Continue(())
    }

    fn give(&mut self, mut node: Node, first: u32, size: u64, emit: Emit<'_>) -> ControlFlow<()> {
        if self.is_second {
            let is_folder = size == u64::MAX;
            if size == 0 || is_folder || self.known.contains(&(first, size)) {
                return ControlFlow::Continue(());
            }
            self.extra_objects = self.extra_objects.saturating_add(1);
            self.fresh.push((first, size));
        } else {
            self.known.insert((first, size));
        }
        let count = self.taken.entry(node.path.text()).or_default();
        *count = count.saturating_add(1);
        if *count > 1 {
            node.path = node.path.marked(&count.to_string());
        }
        emit(node)
    }

    /// The objects of a directory in order; what is wrong where it cannot be read to its end.
    fn folder(
        &mut self,
        path: &ObjectPath,
        block: u32,
        len: u32,
        steps: &mut Vec<Step>,
    ) -> Option<Problem> {
        let trouble =
            |detail: String| Problem::new(Code::SubtreeIncomplete, Stage::Enumerate, detail);
        if !self.seen.insert(block) {
            return Some(trouble(format!(
                "it leads to the folder in block {block}, which was listed already"
            )));
        }
        let mut problem = None;
        let mut open: Option<File> = None;
        let start = u64::from(block).saturating_mul(self.volume.block);
        for index in 0..u64::from(len).div_ceil(SECTOR) {
            let at = start.saturating_add(index.saturating_mul(SECTOR));
            let bytes = match self.sector(at) {
                Ok(bytes) => bytes,
                Err(detail) => {
                    problem = Some(trouble(detail));
                    break;
                }
            };
            let sector = Block::new(&bytes, at);
            let mut offset = 0_usize;
            loop {
                match Record::parse(&sector, offset) {
                    Ok(None) => break,
                    Ok(Some((record, len))) => {
                        offset = offset.saturating_add(len);
                        self.record(path, record, &mut open, steps);
                    }
                    Err(()) => {
                        let detail = format!(
                            "the record at byte {} does not fit its sector",
                            sector.position(offset).0
                        );
                        problem = Some(trouble(detail));
                        break;
                    }
                }
            }
        }
        steps.extend(open.map(File::finish));
        if problem.is_none() {
            self.directories = self.directories.saturating_add(1);
        }
        problem
    }

    /// A sector of a directory; each is read once, whatever directories claim it.
    fn sector(&mut self, at: u64) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; 2048];
        match self.volume.bytes.fill_at(at, &mut bytes) {
            Ok(got) if got == bytes.len() => {}
            Ok(_) => return Err(format!("the volume ends before byte {at}")),
            Err(error) => {
                self.space.claim_unread(at, SECTOR);
                return Err(format!("reading at byte {at}: {error}"));
            }
        }
        if !self.space.claim_directory(at) {
            return Err(format!("the sector at byte {at} belongs to another folder too"));
        }
        Ok(bytes)
    }

    fn record(
        &mut self,
        folder: &ObjectPath,
        record: Record<'_>,
        open: &mut Option<File>,
        steps: &mut Vec<Step>,
    ) {
        let extra = match self.skip {
            Some(skip) => {
                rockridge::read(&*self.volume.bytes, self.volume.block, record.system, skip)
            }
            None => Extra::default(),
        };
        for (at, len) in &extra.areas {
            self.space.claim_structure(*at, (*len).into());
        }
        if record.is_self_or_parent() {
            return;
        }
        let path = folder.below(&self.name(&record, &extra));
        if let Some(child) = extra.child {
            let len = self.own_length(child);
            steps.extend(open.take().map(File::finish));
            return steps.push(Step::Folder { path, block: child, len, at: record.at });
        }
        if record.flags & DIRECTORY != 0 {
            steps.extend(open.take().map(File::finish));
            let (block, len) = (u32::try_from(record.block).unwrap_or(u32::MAX), record.len);
            if extra.is_moved {
                self.moved.push((path, block, len));
            } else {
                steps.push(Step::Folder { path, block, len, at: record.at });
            }
            return;
        }
        let goes_on = record.flags & MORE != 0;
        let same = open.as_ref().is_some_and(|file| file.path.name() == path.name());
        if !same {
            steps.extend(open.take().map(File::finish));
        }
        let file = open.get_or_insert_with(|| File::new(path, &record, &extra));
        file.add(&record, self.volume, self.space);
        if !goes_on {
            steps.extend(open.take().map(File::finish));
        }
    }

    /// The bytes that a directory's record of itself states.
    fn own_length(&self, block: u32) -> u32 {
        let mut record = [0; 34];
        let at = u64::from(block).saturating_mul(self.volume.block);
        match self.volume.bytes.fill_at(at, &mut record) {
            Ok(34) => Block::new(&record, at).u32_le(10).unwrap_or(0),
            _ => 2048,
        }
    }

    fn name(&self, record: &Record<'_>, extra: &Extra) -> Vec<u8> {
        if let Some(name) = &extra.name {
            return name.clone();
        }
        let name = match self.tree.is_joliet {
            true => utf16_name(
                record.name.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)),
            ),
            false => record.name.to_vec(),
        };
        let plain = name.strip_suffix(b";1").unwrap_or(&name);
        let plain =
            if self.tree.is_joliet { plain } else { plain.strip_suffix(b".").unwrap_or(plain) };
        plain.to_vec()
    }
}

impl File {
    fn new(path: ObjectPath, record: &Record<'_>, extra: &Extra) -> Self {
        let kind = extra.posix.map_or(0o100_000, |(mode, ..)| mode & 0o170_000);
        let special = match kind {
            0o120_000 => Some(Code::Symlink),
            0o010_000 => Some(Code::Fifo),
            0o140_000 => Some(Code::Socket),
            0o020_000 => Some(Code::CharDevice),
            0o060_000 => Some(Code::BlockDevice),
            _ => None,
        };
        let mut meta = ItemMeta::new(match special {
            None => ObjectKind::File,
            Some(Code::Symlink) => ObjectKind::Symlink,
            Some(_) => ObjectKind::Special,
        });
        meta.basis = Some(RecoveryBasis::Live);
        meta.attribution = Some(NameAttribution::Certain);
        meta.fs_ref = format!("dirent:{}", record.at);
        meta.time_source = Some(TimeSource::Iso);
        meta.times = match extra.times {
            times if times == Times::default() => Times { modified: record.time, ..times },
            times => times,
        };
        meta.link_target.clone_from(&extra.target);
        if record.flags & HIDDEN != 0 {
            "hidden".clone_into(&mut meta.attributes);
        }
        if let Some((mode, links, user, group)) = extra.posix {
            meta.attributes = format!("{:04o}", mode & 0o7777);
            meta.owner_id = format!("{user}:{group}");
            meta.link_count = Some(links.into());
            let shared = links > 1 && record.len > 0 && special.is_none();
            meta.link = shared.then_some(LinkIdentity { device: 0, inode: record.extent.into() });
        }
        let mut problems = Vec::new();
        if extra.is_damaged {
            let detail = "its Rock Ridge entries lead in circles or out of the volume";
            problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        }
        let unread = match special {
            Some(code) => Some(Problem::new(code, Stage::Enumerate, "")),
            None if extra.is_compressed => {
                Some(Problem::new(Code::ContentNotRead, Stage::Enumerate, "compressed as zisofs"))
            }
            None => None,
        };
        Self { path, meta, extents: Vec::new(), size: 0, first: record.extent, unread, problems }
    }

    /// Adds the extent of a record.
    fn add(&mut self, record: &Record<'_>, volume: &Volume, space: &mut Space) {
        self.problems.extend(record.problems.iter().cloned());
        if record.is_interleaved {
            let detail = "interleaved with other files";
            self.unread.get_or_insert(Problem::new(Code::ContentNotRead, Stage::Enumerate, detail));
        }
        let (at, len) = (record.block.saturating_mul(volume.block), u64::from(record.len));
        self.size = self.size.saturating_add(len);
        if self.unread.is_none() || !record.is_interleaved {
            space.claim_content(at, len);
        }
        Extent::disk(at, len).append_to(&mut self.extents);
    }

    fn finish(mut self) -> Step {
        self.meta.size = Some(self.size);
        let content = match self.unread {
            Some(problem) => {
                let is_special = self.meta.kind != ObjectKind::File;
                let status = if is_special { Status::Special } else { Status::Unread };
                NodeContent::Nothing { status, problem }
            }
            None => NodeContent::Extents(self.extents),
        };
        let Self { path, meta, problems, first, size, .. } = self;
        Step::Object(Box::new(Node { path, meta, content, problems }), first, size)
    }
}

/// A directory that could not be listed to its end.
fn unlisted(path: ObjectPath, at: u64, problem: Problem) -> Node {
    let mut meta = ItemMeta::new(ObjectKind::Special);
    meta.basis = Some(RecoveryBasis::Live);
    meta.attribution = Some(NameAttribution::Certain);
    meta.fs_ref = format!("dirent:{at}");
    let content = NodeContent::Nothing { status: Status::Unread, problem };
    Node { path, meta, content, problems: Vec::new() }
}
