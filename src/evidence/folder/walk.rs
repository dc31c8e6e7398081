//! The walk: depth first by raw name bytes, on one thread, without recursion.
//!
//! Each folder is listed whole, then its names are taken in order; a folder among them is entered
//! at once. The walker keeps the nearest [`LEVELS`] folders open; the way back up is `..`, and
//! every folder opened on the way, up or down, must have the device and inode it was listed with.
//! Where a folder is lost meanwhile, each of its names still gets its row.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::listing::{Listing, Name};
use super::object::{FolderObject, Listed, trouble};
use super::place::{Claim, Place};
use super::{Folder, Ground, access};
use crate::item::{Item, ObjectPath, OrderKey, Status};
use crate::problem::{Code, Problem, Stage};
use crate::sys::{self, Dir, Errno, FileKind, Stat};

/// How many folders the walker itself keeps open.
const LEVELS: usize = 16;

/// What a walk met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalkSummary {
    /// Objects that were given out: everything but readable folders.
    pub seen: u64,
    /// Folders whose names could all be read, the root included.
    pub directories: u64,
    /// True where the walk was stopped before its end.
    pub stopped: bool,
}

impl Folder {
    /// Lists every object below the folder and gives each to `emit`, in the order of the report.
    ///
    /// `evidence` is the number of the evidence item. The walk ends early when `cancel` is set or
    /// `emit` breaks. Items may be examined on any thread, at any time, in any order; while many
    /// of them wait unexamined, folders are closed and found again, which costs time only.
    pub fn walk(
        &self,
        evidence: u32,
        cancel: &AtomicBool,
        emit: impl FnMut(Item) -> ControlFlow<()>,
    ) -> WalkSummary {
        let key = OrderKey::evidence(evidence).child(0);
        let mut walker = Walker {
            ground: &self.0,
            cancel,
            emit,
            key,
            levels: Vec::new(),
            buffer: Vec::new(),
            summary: WalkSummary::default(),
        };
        let ended = walker.run(ObjectPath::evidence(evidence));
        walker.summary.stopped = ended.is_break();
        walker.summary
    }
}

struct Walker<'a, E> {
    ground: &'a Arc<Ground>,
    cancel: &'a AtomicBool,
    emit: E,
    key: OrderKey,
    levels: Vec<Level>,
    /// Room for names as the kernel gives them.
    buffer: Vec<u8>,
    summary: WalkSummary,
}

/// A folder whose names are being taken.
struct Level {
    place: Arc<Place>,
    /// Held while the walker wants the folder open.
    claim: Option<Claim>,
    listing: Listing,
    next: usize,
    /// How often the name taken last came, where a damaged folder repeats names.
    repeats: u32,
}

/// Why a folder is not entered.
struct Refusal(Status, Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::MountPoint => Self(Status::Skipped, problem),
            _ => Self(Status::Unread, problem),
        }
    }
}

/// A folder, open and known.
type Entered = (Dir, Stat);

impl<E: FnMut(Item) -> ControlFlow<()>> Walker<'_, E> {
    fn run(&mut self, root: ObjectPath) -> ControlFlow<()> {
        self.enter(None, root)?;
        while let Some(level) = self.levels.last_mut() {
            if self.cancel.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            match level.take() {
                Some((path, kind, number)) => self.object(path, kind, number)?,
                None => self.ascend()?,
            }
        }
        ControlFlow::Continue(())
    }

    fn object(&mut self, path: ObjectPath, kind: FileKind, number: Option<u64>) -> ControlFlow<()> {
        let Some(level) = self.levels.last() else { return ControlFlow::Continue(()) };
        let place = Arc::clone(&level.place);
        let name = path.name().unwrap_or_default();
        if name.is_empty() || name.contains(&b'/') {
            let problem =
                Problem::new(Code::IoError, Stage::Enumerate, "this is no name of a file");
            return self.emit(Some(&place), path, Listed::Decided(Status::Unread, problem));
        }
        let kind = match kind {
            FileKind::Unknown => self.kind_of(&place, name),
            kind => Ok(kind),
        };
        let listed = match kind {
            Ok(FileKind::Dir) => return self.enter(Some(&place), path),
            Ok(FileKind::File) => Listed::File,
            Ok(FileKind::Unknown) => {
                let detail = "it is of a kind this program does not know";
                let problem = Problem::new(Code::IoError, Stage::Enumerate, detail);
                Listed::Decided(Status::Unread, problem)
            }
            Ok(kind) => Listed::Without(kind),
            Err(problem) => Listed::Decided(Status::Unread, problem),
        };
        self.give(Some(&place), path, listed, number)
    }

    fn kind_of(&self, place: &Arc<Place>, name: &[u8]) -> Result<FileKind, Problem> {
        let asked = place.with(self.ground, |dir| self.ground.kernel.stat_at(dir, name))?;
        let stat =
            asked.map_err(|error| trouble(error, Stage::Enumerate, "asking for its kind"))?;
        Ok(stat.kind)
    }

    /// Lists a folder and goes on in it; where that fails, it becomes an object itself.
    fn enter(&mut self, parent: Option<&Arc<Place>>, path: ObjectPath) -> ControlFlow<()> {
        let Some(permit) = self.ground.descriptors.acquire(self.cancel) else {
            return ControlFlow::Break(());
        };
        let mut entered = self.open(parent, &path);
        // Whatever went wrong may be the loss of the whole, which is no fault of this folder.
        if entered.is_err() && self.ground.is_back() {
            entered = self.open(parent, &path);
        }
        let (dir, stat) = match entered {
            Ok(entered) => entered,
            Err(Refusal(status, problem)) => {
                drop(permit);
                return self.emit(parent, path, Listed::Decided(status, problem));
            }
        };
        let (listing, ended) =
            Listing::read(&self.ground.kernel, &dir, self.ground.turns, &mut self.buffer);
        if ended.is_some() {
            self.ground.is_back();
        }
        match ended {
            None => self.summary.directories = self.summary.directories.saturating_add(1),
            Some(error) => {
                let detail = format!("reading its names: {}", sys::symbol(error));
                let problem = Problem::new(Code::SubtreeIncomplete, Stage::Enumerate, detail);
                self.emit(parent, path.clone(), Listed::Decided(Status::Unread, problem))?;
            }
        }
        let place = Place::new(parent.cloned(), path, stat, dir, permit);
        let claim = Some(Claim::of_walker(&place));
        self.levels.push(Level { place, claim, listing, next: 0, repeats: 0 });
        self.let_go();
        ControlFlow::Continue(())
    }

    fn open(&self, parent: Option<&Arc<Place>>, path: &ObjectPath) -> Result<Entered, Refusal> {
        match parent {
            Some(parent) => self.open_below(parent, path),
            None => self.open_root(),
        }
    }

    /// Gives up the shallowest folder that is kept open, once there are too many.
    fn let_go(&mut self) {
        let Some(index) = self.levels.len().checked_sub(LEVELS.saturating_add(1)) else { return };
        if let Some(level) = self.levels.get_mut(index) {
            level.claim = None;
            self.left(index);
        }
    }

    /// A folder that objects still hold open may be closed when descriptors are short.
    fn left(&self, index: usize) {
        if let Some(level) = self.levels.get(index).filter(|level| level.place.is_open()) {
            self.ground.descriptors.may_close(&level.place);
        }
    }

    /// Leaves a folder whose names are all taken, and opens the one above where it was closed.
    fn ascend(&mut self) -> ControlFlow<()> {
        let Some(done) = self.levels.pop() else { return ControlFlow::Continue(()) };
        let Some(above) = self.levels.last_mut().filter(|level| level.claim.is_none()) else {
            self.closed(done);
            return ControlFlow::Continue(());
        };
        above.claim = Some(Claim::of_walker(&above.place));
        let place = Arc::clone(&above.place);
        if !place.is_open() {
            let Some(permit) = self.ground.descriptors.acquire(self.cancel) else {
                return ControlFlow::Break(());
            };
            if let Some(dir) = self.open_above(&done.place, &place) {
                place.reopened(dir, permit);
            }
        }
        self.closed(done);
        ControlFlow::Continue(())
    }

    fn closed(&self, mut done: Level) {
        done.claim = None;
        if done.place.is_open() {
            self.ground.descriptors.may_close(&done.place);
        }
    }

    /// The folder above by `..`, if it is still the one that was listed; else it is found again
    /// from the root when it is needed.
    fn open_above(&self, from: &Arc<Place>, above: &Place) -> Option<Dir> {
        let ground = self.ground;
        let opened =
            from.with(ground, |dir| ground.open(|| ground.kernel.open_parent(dir, ground.atime)));
        let dir = opened.ok()?.ok()?;
        let stat = ground.kernel.stat_dir(&dir).ok()?;
        above.is(&stat).then_some(dir)
    }

    fn open_root(&self) -> Result<Entered, Refusal> {
        let ground = self.ground;
        let failed = |error| trouble(error, Stage::Enumerate, "opening the folder");
        let opened = ground.open(|| ground.kernel.open_root(&ground.root, ground.atime));
        let dir = opened.map_err(failed)?;
        let stat = ground.kernel.stat_dir(&dir).map_err(failed)?;
        self.same(&ground.stat, &stat)?;
        Ok((dir, stat))
    }

    /// Opens a folder once it is clear that no mount starts there and none would be made.
    fn open_below(&self, parent: &Arc<Place>, path: &ObjectPath) -> Result<Entered, Refusal> {
        let ground = self.ground;
        let name = path.name().unwrap_or_default();
        let failed = |error| trouble(error, Stage::Enumerate, "opening the folder");
        let before =
            parent.with(ground, |dir| ground.kernel.stat_at(dir, name))?.map_err(failed)?;
        if starts_mount(ground, &before) {
            return Err(mounted(&before));
        }
        if before.kind != FileKind::Dir {
            return Err(failed(Errno::NOTDIR).into());
        }
        let opened = parent
            .with(ground, |dir| ground.open(|| ground.kernel.open_dir(dir, name, ground.atime)))?;
        let dir = opened.map_err(failed)?;
        let stat = ground.kernel.stat_dir(&dir).map_err(failed)?;
        self.same(&before, &stat)?;
        Ok((dir, stat))
    }

    fn same(&self, before: &Stat, opened: &Stat) -> Result<(), Problem> {
        if before.is_same_object(opened) && before.mount == opened.mount {
            return Ok(());
        }
        let detail = "the folder was exchanged while it was opened";
        Err(Problem::new(Code::Replaced, Stage::Enumerate, detail))
    }

    fn emit(
        &mut self,
        folder: Option<&Arc<Place>>,
        path: ObjectPath,
        listed: Listed,
    ) -> ControlFlow<()> {
        self.give(folder, path, listed, None)
    }

    fn give(
        &mut self,
        folder: Option<&Arc<Place>>,
        path: ObjectPath,
        listed: Listed,
        number: Option<u64>,
    ) -> ControlFlow<()> {
        let key = self.key.child(self.summary.seen);
        self.summary.seen = self.summary.seen.saturating_add(1);
        let found = FolderObject {
            ground: Arc::clone(self.ground),
            folder: folder.map(|place| Claim::of_object(self.ground, place)),
            path: path.clone(),
            listed,
            number,
        };
        (self.emit)(Item { path, key, found: Box::new(found) })
    }
}

impl Level {
    /// The next name in order, as a path, what it stands for, and its number where it has one.
    fn take(&mut self) -> Option<(ObjectPath, FileKind, Option<u64>)> {
        let Name { bytes, kind, number } = self.listing.get(self.next)?;
        let before = self.next.checked_sub(1).and_then(|index| self.listing.get(index));
        let again = before.is_some_and(|before| before.bytes == bytes);
        self.repeats = if again { self.repeats.saturating_add(1) } else { 1 };
        let path = self.place.child(bytes);
        self.next = self.next.saturating_add(1);
        Some((if again { path.marked(&self.repeats.to_string()) } else { path }, kind, number))
    }
}

/// True where another mount starts at this object, or would be made by opening it.
fn starts_mount(ground: &Ground, stat: &Stat) -> bool {
    stat.automount
        || stat.mount_root == Some(true)
        || ground.is_elsewhere(stat) && (stat.mount.is_some() || stat.mount_root.is_none())
}

fn mounted(stat: &Stat) -> Refusal {
    let fs_type = access::mounted_as(stat).unwrap_or_else(|| "another file system".to_owned());
    let refused = access::is_refused(&fs_type, 0);
    let code = if refused { Code::RefusedFilesystem } else { Code::MountPoint };
    let detail = format!("mounted here: {fs_type}");
    Refusal(Status::Skipped, Problem::new(code, Stage::Enumerate, detail))
}
