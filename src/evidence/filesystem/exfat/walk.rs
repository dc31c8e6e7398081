//! Walks the folders of a volume: first to learn who owns which clusters, then what deleted objects
//! claim, at last to give every object.
//!
//! The three passes take the same decisions, since each folder's clusters are read once a pass and
//! what is in use is known before the second. Folders are a stack, not a recursion.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bytes::ReadAt;
use crate::evidence::filesystem::{Listing, Node};
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

use super::Exfat;
use super::clusters::{ClusterSet, Run};
use super::content::{Owners, Piece};
use super::directory::{Directory, LARGEST, Reader};
use super::entries::{EntrySet, Stream};
use super::fat::{Fat, Link};
use super::node;

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Own,
    Claim,
    Emit,
}

/// A folder that is open.
struct Frame {
    path: ObjectPath,
    directory: Directory,
    /// True where what is in it is deleted, whatever its bits say.
    deleted: bool,
    /// The folder's own set; the root has none.
    set: Option<EntrySet>,
    /// How often each name of an existing object came.
    names: HashMap<Vec<u8>, u32>,
}

/// Who receives the objects.
pub(super) struct Receiver<'a> {
    pub(super) root: &'a ObjectPath,
    pub(super) cancel: &'a AtomicBool,
    pub(super) emit: &'a mut dyn FnMut(Node) -> ControlFlow<()>,
}

/// The state of all passes.
pub(super) struct Walk<'a> {
    pub(super) volume: &'a dyn ReadAt,
    pub(super) fs: &'a Exfat,
    pub(super) owners: Owners<'a>,
    pub(super) reader: Reader<'a>,
    /// Clusters of folders that were read in this pass.
    folders: ClusterSet,
    pub(super) listing: Listing,
}

impl<'a> Walk<'a> {
    pub(super) fn new(volume: &'a dyn ReadAt, fs: &'a Exfat) -> Self {
        let shape = &fs.shape;
        Self {
            volume,
            fs,
            owners: Owners::new(shape, Fat::new(volume, shape)),
            reader: Reader::new(volume, shape),
            folders: ClusterSet::default(),
            listing: Listing { problems: fs.problems.clone(), ..Listing::default() },
        }
    }

    /// All passes.
    pub(super) fn list(mut self, mut to: Receiver<'_>) -> Listing {
        self.own_structures();
        let done = self.pass(Pass::Own, &mut to).is_continue()
            && {
                self.balance();
                self.pass(Pass::Claim, &mut to).is_continue()
            }
            && self.pass(Pass::Emit, &mut to).is_continue();
        self.listing.stopped = !done;
        self.listing
    }

    fn own_structures(&mut self) {
        let special = &self.fs.special;
        let table = special.table.map(|(stream, _)| stream);
        let root = Stream { contiguous: false, first: self.fs.shape.root, len: 1, valid: 1 };
        for stream in [special.bitmap, special.other_bitmap, table, Some(root)].iter().flatten() {
            self.own_structure(stream);
        }
    }

    fn own_structure(&mut self, stream: &Stream) {
        let cluster = self.fs.shape.cluster;
        let metadata = &mut self.listing.bytes.metadata;
        self.owners.own(stream, |_, run| {
            *metadata = metadata.saturating_add(u64::from(run.len).saturating_mul(cluster));
        });
    }

    fn own_content(&mut self, stream: &Stream) {
        let cluster = self.fs.shape.cluster;
        let valid = stream.valid.min(stream.len);
        let shape = &self.fs.shape;
        let Listing { bytes, unowned, .. } = &mut self.listing;
        self.owners.own(stream, |index, run| {
            let len = u64::from(run.len).saturating_mul(cluster);
            let content = valid.saturating_sub(index.saturating_mul(cluster)).min(len);
            bytes.allocated = bytes.allocated.saturating_add(content);
            bytes.slack = bytes.slack.saturating_add(len.saturating_sub(content));
            let at = shape.place(run.first).saturating_add(content);
            unowned.slack.push(at, len.saturating_sub(content));
        });
    }

    fn pass(&mut self, pass: Pass, to: &mut Receiver<'_>) -> ControlFlow<()> {
        self.folders = ClusterSet::default();
        let (runs, fault) = self.chain(self.fs.shape.root, u64::MAX, false);
        let root = Frame {
            path: to.root.clone(),
            directory: Directory::new(runs, u64::MAX, fault),
            deleted: false,
            set: None,
            names: HashMap::new(),
        };
        let mut stack = vec![root];
        while let Some(frame) = stack.last_mut() {
            let Some((set, exists)) = frame.directory.next_set(&mut self.reader) else {
                if let Some(frame) = stack.pop() {
                    self.leave(frame, pass, to)?;
                }
                continue;
            };
            let live = exists && !frame.deleted;
            let path =
                if pass == Pass::Emit { path_of(frame, &set, live) } else { to.root.clone() };
            if set.is_folder() {
                if to.cancel.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                match self.enter(&set, live, pass) {
                    Ok(directory) => stack.push(Frame {
                        path,
                        directory,
                        deleted: !live,
                        set: Some(set),
                        names: HashMap::new(),
                    }),
                    Err(why) if pass == Pass::Emit => {
                        self.listing.existing =
                            self.listing.existing.saturating_add(u64::from(live));
                        (to.emit)(node::folder(path, &set, live, &why))?;
                    }
                    Err(_) => {}
                }
                continue;
            }
            match pass {
                Pass::Own if live => {
                    set.stream.iter().for_each(|stream| self.own_content(stream));
                    set.vendor.iter().for_each(|stream| self.own_structure(stream));
                }
                Pass::Claim if !live => self.claim(&set),
                Pass::Emit => (to.emit)(self.file(path, &set, live))?,
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Counts a folder that was read, or gives it where it was not read to its end.
    fn leave(&mut self, frame: Frame, pass: Pass, to: &mut Receiver<'_>) -> ControlFlow<()> {
        if pass != Pass::Emit {
            return ControlFlow::Continue(());
        }
        let Frame { path, directory, deleted, set, .. } = frame;
        if let Some(set) = &set {
            self.listing.existing = self.listing.existing.saturating_add(u64::from(!deleted));
            match directory.fault {
                Some(why) => (to.emit)(node::folder(path, set, !deleted, &why))?,
                None => self.listing.directories = self.listing.directories.saturating_add(1),
            }
        } else if let Some(why) = directory.fault {
            let detail = format!("root folder: {why}");
            let problem = Problem::new(Code::SubtreeIncomplete, Stage::Filesystem, detail);
            self.listing.problems.push(problem);
        } else {
            self.listing.directories = self.listing.directories.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    /// Opens a folder, or says why its entries are not to be had.
    fn enter(&mut self, set: &EntrySet, live: bool, pass: Pass) -> Result<Directory, String> {
        let stream = set.stream.ok_or("its entries say nothing of its clusters")?;
        match (pass, live) {
            (Pass::Own, true) => {
                self.own_structure(&stream);
                set.vendor.iter().for_each(|stream| self.own_structure(stream));
            }
            (Pass::Own, false) => return Err(String::new()),
            (Pass::Claim, false) => self.claim(set),
            _ => {}
        }
        if !live {
            return self.enter_deleted(&stream);
        }
        if stream.len == 0 {
            return Ok(Directory::new(Vec::new(), 0, None));
        }
        let (runs, mut fault) = self.chain(stream.first, stream.len, stream.contiguous);
        if stream.len > LARGEST {
            fault.get_or_insert_with(|| format!("it is larger than {LARGEST} bytes"));
        }
        match fault {
            Some(why) if runs.is_empty() => Err(why),
            fault => Ok(Directory::new(runs, stream.len, fault)),
        }
    }

    /// Opens a deleted folder as far as its clusters are free and hold entries.
    fn enter_deleted(&mut self, stream: &Stream) -> Result<Directory, String> {
        let stream = Stream { len: stream.len.min(LARGEST), ..*stream };
        let remains = self.owners.remains(&stream).ok_or("it names no cluster of the volume")?;
        let mut runs = Vec::new();
        let mut fault = None;
        for piece in remains.pieces {
            match piece {
                Piece::Clusters(run) => runs.push(run),
                Piece::Missing(0, ..) => {}
                Piece::Missing(_, _, why) => {
                    fault = Some(why.to_owned());
                    break;
                }
            }
        }
        let Some(first) = runs.first() else {
            return fault.map_or_else(|| Ok(Directory::new(runs, 0, None)), Err);
        };
        let mut first = Directory::new(vec![Run { len: 1, ..*first }], LARGEST, None);
        let kind = first.next_entry(&mut self.reader).map(|[kind, ..]| kind);
        if !matches!(kind, Some(0x00 | 0x05 | 0x85)) {
            return Err("its clusters do not hold entries of a folder any more".to_owned());
        }
        let (runs, again) = self.fresh(runs);
        Ok(Directory::new(runs, stream.len, fault.or(again)))
    }

    /// The clusters of an existing folder of so many bytes, and why they are not all there. None of
    /// them was read as a folder's before in this pass, so no volume has more of them than clusters.
    fn chain(&mut self, first: u32, len: u64, contiguous: bool) -> (Vec<Run>, Option<String>) {
        let shape = &self.fs.shape;
        let need = shape.clusters(len.min(LARGEST));
        if contiguous {
            let short = Some("its clusters lie past the end of the volume".to_owned());
            if !shape.present.contains(first) {
                return (Vec::new(), short);
            }
            let len = u32::try_from(need).unwrap_or(u32::MAX);
            let run = Run { first, len }.common(shape.present);
            let short = short.filter(|_| u64::from(run.len) < need);
            let (runs, again) = self.fresh(vec![run]);
            return (runs, short.or(again));
        }
        let (mut runs, mut at) = (Vec::new(), first);
        for count in 1..=need {
            if !shape.present.contains(at) {
                return (runs, Some("its chain leads to a cluster that does not exist".to_owned()));
            }
            if self.folders.contains(at) {
                return (runs, Some(AGAIN.to_owned()));
            }
            self.folders.insert(Run { first: at, len: 1 });
            Run::append(at, &mut runs);
            match self.owners.fat.link(at) {
                Some(Link::Next(next)) => at = next,
                Some(Link::End) if count == need || len == u64::MAX => return (runs, None),
                _ => return (runs, Some("the chain of its clusters breaks off".to_owned())),
            }
        }
        // A chain that goes on behind the size of a folder says nothing of its entries.
        (runs, None)
    }

    /// The clusters of a folder up to the first one that was read as a folder's in this pass.
    fn fresh(&mut self, runs: Vec<Run>) -> (Vec<Run>, Option<String>) {
        let mut out = Vec::new();
        for run in runs {
            let end = self.folders.find(run, true).unwrap_or(run.end());
            let kept = Run { first: run.first, len: end.saturating_sub(run.first) };
            self.folders.insert(kept);
            out.push(kept);
            if kept.len < run.len {
                return (out, Some(AGAIN.to_owned()));
            }
        }
        (out, None)
    }

    fn claim(&mut self, set: &EntrySet) {
        let remains = set.stream.and_then(|stream| self.owners.remains(&stream));
        if let Some(remains) = remains {
            self.owners.claim(&remains);
        }
    }

    fn file(&mut self, path: ObjectPath, set: &EntrySet, live: bool) -> Node {
        if !live {
            let remains = set.stream.and_then(|stream| self.owners.remains(&stream));
            let remains = remains.map(|remains| self.owners.undisputed(remains));
            return node::deleted(path, set, &self.fs.shape, remains);
        }
        self.listing.existing = self.listing.existing.saturating_add(1);
        let found = set.stream.map(|stream| self.owners.live(&stream));
        node::live(path, set, &self.fs.shape, found)
    }
}

const AGAIN: &str = "its clusters lead into a folder that was read before";

/// The path of an object in a folder: deleted ones are told apart by their place, existing ones of
/// one name by their number.
fn path_of(frame: &mut Frame, set: &EntrySet, live: bool) -> ObjectPath {
    let path = frame.path.below(&set.name);
    if !live {
        return path.marked(&node::reference(set));
    }
    let count = frame.names.entry(set.name.clone()).or_insert(0);
    *count = count.saturating_add(1);
    if *count > 1 { path.marked(&count.to_string()) } else { path }
}
