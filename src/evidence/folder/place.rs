//! A folder on the way: open, or to be found again by its names, checked by device and inode.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Ground;
use super::descriptors::{Permit, lock};
use super::object::trouble;
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};
use crate::sys::{Dir, Stat};

/// A folder that was listed.
pub(super) struct Place {
    parent: Option<Arc<Place>>,
    path: ObjectPath,
    stat: Stat,
    /// How many still need it: the walker and the objects that wait to be examined.
    claims: AtomicUsize,
    open: Mutex<Option<Arc<OpenDir>>>,
}

/// An open folder and the right to hold it open.
pub(super) struct OpenDir {
    dir: Dir,
    _permit: Permit,
}

/// The wish that a folder stays open. The last one that goes closes it.
pub(super) struct Claim {
    place: Arc<Place>,
    /// Who is told that examining went on; the walker's own claims tell nobody.
    ground: Option<Arc<Ground>>,
}

impl Claim {
    /// The claim of an object that waits to be examined.
    pub(super) fn of_object(ground: &Arc<Ground>, place: &Arc<Place>) -> Self {
        place.claims.fetch_add(1, Ordering::AcqRel);
        Self { place: Arc::clone(place), ground: Some(Arc::clone(ground)) }
    }

    /// The claim of the walker.
    pub(super) fn of_walker(place: &Arc<Place>) -> Self {
        place.claims.fetch_add(1, Ordering::AcqRel);
        Self { place: Arc::clone(place), ground: None }
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let closed = self.place.claims.fetch_sub(1, Ordering::AcqRel) == 1 && self.place.close();
        if let Some(ground) = self.ground.as_ref().filter(|_| closed) {
            ground.descriptors.progressed();
        }
    }
}

/// Lets go of a long chain link by link: the derived drop would recurse as deep as the folders are.
impl Drop for Place {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut place) = parent.and_then(Arc::into_inner) {
            parent = place.parent.take();
        }
    }
}

impl Place {
    /// The folder `path` below `parent`, which `dir` holds open.
    pub(super) fn new(
        parent: Option<Arc<Self>>,
        path: ObjectPath,
        stat: Stat,
        dir: Dir,
        permit: Permit,
    ) -> Arc<Self> {
        let open = Mutex::new(Some(Arc::new(OpenDir { dir, _permit: permit })));
        Arc::new(Self { parent, path, stat, claims: AtomicUsize::new(0), open })
    }

    /// The path of `name` in this folder.
    pub(super) fn child(&self, name: &[u8]) -> ObjectPath {
        if self.parent.is_some() { self.path.below(name) } else { self.path.inside(name) }
    }

    pub(super) fn is_open(&self) -> bool {
        lock(&self.open).is_some()
    }

    /// Closes the folder as soon as no call uses it; false where it was closed.
    pub(super) fn close(&self) -> bool {
        lock(&self.open).take().is_some()
    }

    /// Takes over an open descriptor of this very folder, unless it has one.
    pub(super) fn reopened(&self, dir: Dir, permit: Permit) {
        lock(&self.open).get_or_insert_with(|| Arc::new(OpenDir { dir, _permit: permit }));
    }

    /// True where `stat` is of this folder.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        self.stat.is_same_object(stat)
    }

    /// Does something with the open folder; finds it again where it was closed.
    pub(super) fn with<T>(
        self: &Arc<Self>,
        ground: &Ground,
        act: impl FnOnce(&Dir) -> T,
    ) -> Result<T, Problem> {
        let open = lock(&self.open).clone();
        let open = match open {
            Some(open) => open,
            None => self.find_again(ground)?,
        };
        Ok(act(&open.dir))
    }

    /// Opens the folder again from the nearest one above that is open, else from the root.
    fn find_again(self: &Arc<Self>, ground: &Ground) -> Result<Arc<OpenDir>, Problem> {
        let passing = ground.descriptors.pass();
        let mut closed = vec![self];
        let mut above = None;
        while let Some(parent) = closed.last().and_then(|place| place.parent.as_ref()) {
            above = lock(&parent.open).clone();
            if above.is_some() {
                break;
            }
            closed.push(parent);
        }
        let mut dir = None;
        for place in closed.into_iter().rev() {
            let from = dir.as_ref().or(above.as_ref().map(|open| &open.dir));
            dir = Some(place.open_from(ground, from)?);
            above = None;
        }
        let gone = || Problem::new(Code::Vanished, Stage::Open, "its folder is gone");
        let dir = dir.ok_or_else(gone)?;
        let Some(permit) = ground.descriptors.try_acquire() else {
            return Ok(Arc::new(OpenDir { dir, _permit: passing }));
        };
        let fresh = Arc::new(OpenDir { dir, _permit: permit });
        let open = Arc::clone(lock(&self.open).get_or_insert(fresh));
        ground.descriptors.may_close(self);
        Ok(open)
    }

    /// Opens this folder below `from`, or as the root, and makes sure that it is the one listed.
    fn open_from(&self, ground: &Ground, from: Option<&Dir>) -> Result<Dir, Problem> {
        let (kernel, atime) = (&ground.kernel, ground.atime);
        let name = self.path.name().unwrap_or_default();
        let opened = match (from, &self.parent) {
            (Some(above), Some(_)) => ground.open(|| kernel.open_dir(above, name, atime)),
            _ => ground.open(|| kernel.open_root(&ground.root, atime)),
        };
        let failed = |error| trouble(error, Stage::Open, "opening its folder again");
        let dir = opened.map_err(failed)?;
        let stat = kernel.stat_dir(&dir).map_err(failed)?;
        if !self.is(&stat) {
            let detail = "its folder is another one than the one listed";
            return Err(Problem::new(Code::Replaced, Stage::Open, detail));
        }
        Ok(dir)
    }
}
