//! The files of a layer that are images or may belong to one, by folder.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::{Kept, LeftOut, Reading, Role};
use crate::bytes::ReadAt;
use crate::evidence::image::{Beside, Image, ImageError, Inside};
use crate::item::OrderKey;
use crate::problem::{Code, Problem, Stage};

/// The remembered files of a layer, in the order of their rows.
pub(in crate::scan) struct Batch {
    pub(super) all: Vec<Kept>,
    pub(super) left_out: BTreeMap<u32, LeftOut>,
    /// The places of the files of each folder, by their names in lower case.
    folders: BTreeMap<String, Names>,
}

type Names = BTreeMap<Vec<u8>, Vec<usize>>;

impl Batch {
    pub(super) fn new(all: Vec<Kept>, left_out: BTreeMap<u32, LeftOut>) -> Self {
        let mut folders = BTreeMap::<String, Names>::new();
        for (place, kept) in all.iter().enumerate() {
            let names = folders.entry(folder_of(kept)).or_default();
            names.entry(name_of(kept).to_ascii_lowercase()).or_default().push(place);
        }
        Self { all, left_out, folders }
    }

    /// Leaves only the image of this path to be opened, with the files beside it.
    pub(in crate::scan) fn only(mut self, path: &str) -> Self {
        for kept in &mut self.all {
            if kept.found.path.text() != path {
                kept.role = Role::Part;
            }
        }
        self
    }

    /// The files in the folder of one of them.
    pub(super) fn beside(&self, kept: &Kept) -> Folder<'_> {
        let names = self.folders.get(&folder_of(kept));
        Folder { all: &self.all, names, opened: RefCell::default() }
    }

    /// The flat extents of VMDKs: no images by themselves.
    pub(super) fn extents(&self, reading: &Reading) -> BTreeSet<OrderKey> {
        let mut extents = BTreeSet::new();
        for kept in &self.all {
            if kept.role == Role::Image(Inside::Descriptor) {
                let folder = self.beside(kept);
                if folder.open_image(kept, reading).is_ok() {
                    let parts = folder.opened.borrow();
                    let parts = parts.iter().filter_map(|part| self.all.get(part.place));
                    // Sparse extents say it themselves; parents are images all the same.
                    let flat = parts.filter(|part| part.role == Role::Image(Inside::Raw));
                    extents.extend(flat.map(|part| part.found.key.clone()));
                }
            }
        }
        extents
    }
}

fn folder_of(kept: &Kept) -> String {
    kept.found.path.folder().map(|folder| folder.text()).unwrap_or_default()
}

fn name_of(kept: &Kept) -> &[u8] {
    kept.found.path.name().unwrap_or_default()
}

/// The files in one folder, and which of them were opened.
pub(super) struct Folder<'a> {
    all: &'a [Kept],
    names: Option<&'a Names>,
    pub(super) opened: RefCell<Vec<Part>>,
}

/// Why an image was not opened.
pub(super) struct NotOpened {
    pub(super) problem: Problem,
    /// The first file of the image, or what it is, where this is a later one.
    first: Option<String>,
}

impl From<Problem> for NotOpened {
    fn from(problem: Problem) -> Self {
        Self { problem, first: None }
    }
}

/// A file that an image was opened with.
pub(super) struct Part {
    pub(super) place: usize,
    pub(super) bytes: Arc<dyn ReadAt>,
}

impl Folder<'_> {
    /// Opens an image of this folder; our own failing on it is a problem of it.
    pub(super) fn open_image(&self, kept: &Kept, reading: &Reading) -> Result<Image, NotOpened> {
        let opened = catch_unwind(AssertUnwindSafe(|| self.try_open(kept, reading)));
        opened.unwrap_or_else(|_| {
            let detail = "the program failed on this image; report the defect";
            Err(Problem::new(Code::InternalError, Stage::Container, detail).into())
        })
    }

    fn try_open(&self, kept: &Kept, reading: &Reading) -> Result<Image, NotOpened> {
        let bytes = kept.whole.open()?;
        let itself =
            |place: &usize| self.all.get(*place).is_some_and(|one| one.found.key == kept.found.key);
        let place = self.named(name_of(kept)).find(itself).unwrap_or(usize::MAX);
        self.opened.borrow_mut().push(Part { place, bytes: Arc::clone(&bytes) });
        let first = (number(place), bytes);
        let name = Path::new(OsStr::from_bytes(name_of(kept)));
        let Reading { carve, filesystem } = reading;
        let opened = Image::open_inside(name, first, self, *carve, filesystem);
        opened.map_err(|error| NotOpened {
            first: match &error {
                ImageError::NotTheFirst { first, .. } => Some(first.clone()),
                _ => None,
            },
            problem: not_opened(&error),
        })
    }

    /// True where the file that a later part of an image names as the first is there and an image: it
    /// is opened with this one, or says why it is not. A part of a VMDK names its descriptor, whatever
    /// that is called.
    pub(super) fn has_first(&self, why: &NotOpened) -> bool {
        let Some(first) = &why.first else { return false };
        let role = |place: usize| self.all.get(place).map(|kept| kept.role);
        let is_image = |place| matches!(role(place), Some(Role::Image(_)));
        if self.named(first.as_bytes()).any(is_image) {
            return true;
        }
        let mut all = self.names.into_iter().flat_map(BTreeMap::values).flatten();
        first.starts_with("the descriptor")
            && all.any(|place| role(*place) == Some(Role::Image(Inside::Descriptor)))
    }

    /// The files of this name, in whatever case.
    fn named(&self, name: &[u8]) -> impl Iterator<Item = usize> + '_ {
        let places = self.names.and_then(|names| names.get(&name.to_ascii_lowercase()));
        places.into_iter().flatten().copied()
    }

    /// The existing file of this name; names that differ in case alone are the same where there is
    /// only one.
    fn find(&self, name: &[u8]) -> Option<usize> {
        let all = || {
            let kept = |place: usize| Some((place, self.all.get(place)?));
            self.named(name).filter_map(kept).filter(|(_, kept)| kept.exists)
        };
        let same = all().find(|(_, kept)| name_of(kept) == name);
        let mut like = all();
        let (place, _) = same.or_else(|| like.next().filter(|_| like.next().is_none()))?;
        Some(place)
    }
}

impl Beside for Folder<'_> {
    fn has(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    fn open(&self, name: &[u8]) -> Option<io::Result<(u64, Arc<dyn ReadAt>)>> {
        let place = self.find(name)?;
        let opened = self.all.get(place)?.whole.open();
        let opened = opened.map_err(|problem| io::Error::other(problem.detail));
        Some(opened.map(|bytes| {
            self.opened.borrow_mut().push(Part { place, bytes: Arc::clone(&bytes) });
            (number(place), bytes)
        }))
    }
}

fn number(place: usize) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX)
}

/// What the row of a file says that is an image and could not be opened.
fn not_opened(error: &ImageError) -> Problem {
    let export = "export it with the files it needs and scan it by itself";
    let detail = match error {
        ImageError::MissingParent { path, wanted } => format!(
            "{path} keeps only what changed since its parent {wanted}, which is not in its folder; \
             {export}"
        ),
        ImageError::MissingSegment { missing } => {
            format!("{missing} is missing in its folder; {export}")
        }
        ImageError::NotTheFirst { path, first } => {
            format!("{path} is a part of an image; {first} is not in its folder")
        }
        other => other.to_string(),
    };
    Problem::new(Code::ImageNotOpened, Stage::Container, detail)
}
