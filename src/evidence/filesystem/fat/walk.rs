//! The tree of folders, twice: one pass claims clusters, the next gives the objects.
//!
//! Both passes go the same way, so that of two folders that share a cluster the same one is listed
//! in both. The way is a stack of folders, not a recursion; what is on it is bounded.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::boot::Kind;
use super::codepage::CodePage;
use super::directory::{Directory, Read, Window};
use super::entry::{ENTRY, Short, Slot};
use super::ground::Ground;
use super::name::{Name, Pieces};
use crate::evidence::filesystem::{Listing, Node, NodeContent};
use crate::item::{
    AllocStatus, ItemMeta, NameAttribution, ObjectKind, ObjectPath, RecoveryBasis, Status,
    TimeSource,
};
use crate::problem::{Code, Problem, Stage};

/// Folders inside each other.
const MOST_LEVELS: usize = 256;
/// Bytes of all folders on the way.
const MOST_BYTES: u64 = 256 << 20;

/// Where objects go; `None` in the pass that claims.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Node) -> ControlFlow<()>;

/// A folder on the way, and how far its entries were read.
struct Frame {
    folder: Directory,
    window: Window,
    at: u64,
    /// No entry was ever made behind here.
    ended: bool,
    /// Whether it exists; if not, nothing in it does.
    alloc: AllocStatus,
    pieces: Pieces,
    path: ObjectPath,
    /// How often each name was given, by its hash: to tell equal siblings apart.
    names: HashMap<u64, u64>,
}

/// An entry that names an object.
struct Found {
    short: Short,
    name: Name,
    /// Byte of the entry in the volume.
    at: u64,
    alloc: AllocStatus,
    /// It stands in a cluster that was assumed to be of its folder.
    assumed: bool,
}

impl Found {
    fn exists(&self) -> bool {
        self.alloc == AllocStatus::Allocated
    }
}

/// One pass.
pub(super) struct Walk<'a, 'b, 'c> {
    pub(super) ground: &'b mut Ground<'a>,
    pub(super) page: CodePage,
    pub(super) cancel: &'b AtomicBool,
    pub(super) listing: &'b mut Listing,
    pub(super) emit: Option<Emit<'c>>,
}

impl Walk<'_, '_, '_> {
    /// Goes through all folders. Stops where it is cancelled or the receiver wants no more.
    pub(super) fn run(&mut self, root: &ObjectPath) -> ControlFlow<()> {
        self.ground.begin_pass();
        let mut folder = self.ground.root();
        self.note_lost(&mut folder, false);
        self.take_chain_of_root();
        if let Some((code, why)) = &folder.incomplete
            && self.emit.is_some()
        {
            let why = format!("root folder: {why}");
            self.listing.problems.push(Problem::new(*code, Stage::Enumerate, why));
        }
        let first = self.frame(folder, root.clone(), AllocStatus::Allocated);
        self.tree(first)?;
        self.orphans(&root.given_below("$Orphans"))
    }

    /// Goes through a folder and all below it.
    fn tree(&mut self, first: Frame) -> ControlFlow<()> {
        let mut way = vec![first];
        let mut held = 0_u64;
        while let Some(frame) = way.last_mut() {
            if self.cancel.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            let Some(found) = self.next(frame) else {
                held = held.saturating_sub(frame.folder.len);
                way.pop();
                continue;
            };
            if !found.short.is_directory() {
                self.file(frame, &found)?;
                continue;
            }
            frame.window.release();
            let room = way.len() < MOST_LEVELS && held < MOST_BYTES;
            let Some(frame) = way.last_mut() else { break };
            if let Some(next) = self.folder(frame, &found, room)? {
                held = held.saturating_add(next.folder.len);
                way.push(next);
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes through free clusters that hold entries and nothing else and that no folder led to:
    /// parts of deleted folders.
    fn orphans(&mut self, path: &ObjectPath) -> ControlFlow<()> {
        for cluster in self.ground.layout.all_clusters() {
            if cluster % (1 << 12) == 0 && self.cancel.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            if let Some(folder) = self.ground.orphan(cluster) {
                self.claim_free(&folder);
                let first = self.frame(folder, path.clone(), AllocStatus::Orphan);
                self.tree(first)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// In the first pass, claims the clusters of a deleted folder.
    fn claim_free(&mut self, folder: &Directory) {
        if self.emit.is_none() {
            for cluster in self.ground.clusters_of(folder) {
                self.ground.claims.add(cluster);
            }
        }
    }

    fn take_chain_of_root(&mut self) {
        if let super::boot::Root::Chain(cluster) = self.ground.layout.root {
            self.take_chain(cluster, None);
        }
    }

    /// Claims a chain, or in the second pass counts it.
    fn take_chain(&mut self, cluster: u32, size: Option<u64>) {
        match self.emit {
            None => self.ground.claim_chain(cluster),
            Some(_) => self.ground.count_chain(cluster, size),
        }
    }

    /// A folder to go on with; in the second pass it is counted.
    fn frame(&mut self, folder: Directory, path: ObjectPath, alloc: AllocStatus) -> Frame {
        if self.emit.is_some() {
            self.listing.directories = self.listing.directories.saturating_add(1);
        }
        Frame {
            folder,
            window: Window::default(),
            at: 0,
            ended: false,
            alloc,
            pieces: match alloc {
                AllocStatus::Orphan => Pieces::torn(),
                _ => Pieces::default(),
            },
            path,
            names: HashMap::new(),
        }
    }

    /// In the second pass, notes the bytes of a folder that cannot be read. Those of a deleted one
    /// lie in free clusters and are counted there.
    fn note_lost(&mut self, folder: &mut Directory, deleted: bool) {
        let lost = match self.emit {
            Some(_) => folder.lost(self.ground.volume),
            None => return,
        };
        if lost == 0 {
            return;
        }
        if !deleted {
            let before = self.ground.unread_folders;
            self.ground.unread_folders = before.saturating_add(lost);
        }
        let why = format!("{lost} of its bytes cannot be read");
        folder.incomplete.get_or_insert((Code::SubtreeIncomplete, why));
    }

    /// The next entry of a folder that names an object.
    fn next(&self, frame: &mut Frame) -> Option<Found> {
        let wide = self.ground.layout.kind == Kind::Fat32;
        loop {
            let at = frame.at;
            frame.at = at.saturating_add(ENTRY);
            let (place, short) =
                match frame.window.slot(&frame.folder, at, wide, self.ground.volume) {
                    Read::Slot(place, Slot::Short(short)) => (place, short),
                    Read::Slot(_, Slot::Long(piece)) => {
                        frame.pieces.push(piece);
                        continue;
                    }
                    Read::Slot(_, Slot::End) => {
                        frame.ended = true;
                        frame.pieces.clear();
                        continue;
                    }
                    Read::Lost => {
                        frame.pieces.clear();
                        continue;
                    }
                    Read::Past => return None,
                };
            let assumed = at >= frame.folder.assumed_from;
            let known = !frame.ended && !assumed;
            if (short.is_dot() && at < ENTRY.saturating_mul(2))
                || short.is_label()
                || (short.is_deleted() && !short.was_entry())
                || (!known && !short.is_plausible(&self.ground.layout.all_clusters()))
            {
                frame.pieces.clear();
                continue;
            }
            let name = frame.pieces.name(&short, self.page);
            frame.pieces.clear();
            let gone = frame.ended || short.is_deleted();
            let alloc = match frame.alloc {
                AllocStatus::Allocated if gone => AllocStatus::Deleted,
                alloc => alloc,
            };
            return Some(Found { short, name, at: place, alloc, assumed });
        }
    }

    fn file(&mut self, frame: &mut Frame, found: &Found) -> ControlFlow<()> {
        let (cluster, size) = (found.short.cluster, u64::from(found.short.size));
        if self.emit.is_none() {
            match found.exists() {
                false => self.ground.claim_deleted(cluster, size),
                true => self.ground.claim_chain(cluster),
            }
            return ControlFlow::Continue(());
        }
        let mut meta = meta(ObjectKind::File, found);
        meta.size = Some(size);
        let extents = if !found.exists() {
            let recovered = self.ground.deleted_extents(cluster, size);
            meta.basis = recovered.basis;
            if self.may_lack_high_word(cluster) && size > 0 {
                meta.attribution = Some(NameAttribution::Uncertain);
            }
            recovered.extents
        } else {
            meta.basis = Some(RecoveryBasis::Live);
            let extents = self.ground.live_extents(cluster, size);
            self.ground.count_chain(cluster, Some(size));
            self.listing.existing = self.listing.existing.saturating_add(1);
            extents
        };
        self.give(frame, found, meta, NodeContent::Extents(extents))
    }

    /// Lists a folder, or says why not; returns it where there is something in it to read.
    ///
    /// - `room`: whether the way may grow.
    fn folder(
        &mut self,
        frame: &mut Frame,
        found: &Found,
        room: bool,
    ) -> ControlFlow<(), Option<Frame>> {
        let cluster = found.short.cluster;
        if found.exists() {
            self.take_chain(cluster, None);
            if self.emit.is_some() {
                self.listing.existing = self.listing.existing.saturating_add(1);
            }
        }
        let mut folder = match (room, !found.exists()) {
            (false, _) => {
                Directory::refused(Code::LimitReached, "too many folders inside each other")
            }
            (true, false) => self.ground.directory(cluster),
            (true, true) => match self.ground.deleted_directory(cluster) {
                Ok(folder) => folder,
                Err(why) => Directory::refused(Code::SubtreeIncomplete, &why),
            },
        };
        if !found.exists() {
            self.claim_free(&folder);
        }
        self.note_lost(&mut folder, !found.exists());
        let path = match self.emit {
            Some(_) => path_of(frame, found),
            None => frame.path.clone(),
        };
        if let Some((code, why)) = folder.incomplete.take()
            && self.emit.is_some()
        {
            let problem = Problem::new(code, Stage::Enumerate, why).at(found.at, ENTRY);
            let content = NodeContent::Nothing { status: Status::Unread, problem };
            self.send(path.clone(), found, meta(ObjectKind::Special, found), content)?;
        }
        let next = (folder.len > 0).then(|| self.frame(folder, path, found.alloc));
        ControlFlow::Continue(next)
    }

    fn give(
        &mut self,
        frame: &mut Frame,
        found: &Found,
        meta: ItemMeta,
        content: NodeContent,
    ) -> ControlFlow<()> {
        let path = path_of(frame, found);
        self.send(path, found, meta, content)
    }

    fn send(
        &mut self,
        path: ObjectPath,
        found: &Found,
        meta: ItemMeta,
        content: NodeContent,
    ) -> ControlFlow<()> {
        let problems = found.name.wrong.map(|why| {
            Problem::new(Code::ChecksumMismatch, Stage::Enumerate, why).at(found.at, ENTRY)
        });
        let node = Node { path, meta, content, problems: problems.into_iter().collect() };
        match &mut self.emit {
            Some(emit) => emit(node),
            None => ControlFlow::Continue(()),
        }
    }

    /// Some systems clear the upper half of the first cluster's number when they delete; where the
    /// volume has clusters with an upper half, a number without one may be another's.
    fn may_lack_high_word(&self, cluster: u32) -> bool {
        let layout = self.ground.layout;
        layout.kind == Kind::Fat32 && layout.clusters > 0xFFFF && cluster <= 0xFFFF
    }
}

/// What an entry says of its object.
fn meta(kind: ObjectKind, found: &Found) -> ItemMeta {
    let certain = found.name.certain && !found.assumed;
    ItemMeta {
        alloc: found.alloc,
        attribution: Some(match certain {
            true => NameAttribution::Certain,
            false => NameAttribution::Uncertain,
        }),
        fs_ref: reference(found),
        attributes: found.short.attribute_words(),
        times: found.short.times(),
        time_source: Some(TimeSource::FatLocal),
        ..ItemMeta::new(kind)
    }
}

/// How the object is referred to: by the byte of its entry.
fn reference(found: &Found) -> String {
    format!("dirent:{}", found.at)
}

/// The path of an object: a deleted one is marked with its entry, the second of equal siblings
/// with `2` and so on.
fn path_of(frame: &mut Frame, found: &Found) -> ObjectPath {
    let path = frame.path.below(&found.name.bytes);
    if !found.exists() {
        return path.marked(&reference(found));
    }
    let mut hasher = DefaultHasher::new();
    found.name.bytes.hash(&mut hasher);
    let count = frame.names.entry(hasher.finish()).or_insert(0);
    *count = count.saturating_add(1);
    if *count > 1 { path.marked(&count.to_string()) } else { path }
}
