//! A file of a folder once more, for reading at any place: an image that lies in it.
//!
//! The file is found again by its name in the folder that was listed, as every object is, and has to
//! be the very one that was read before. It stays open as long as its bytes are wanted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Ground;
use super::object::trouble;
use super::place::Place;
use crate::bytes::{ReadAt, Unreadable};
use crate::evidence::container::ImageFile;
use crate::item::{ObjectPath, Whole};
use crate::problem::{Code, Problem, Stage};
use crate::sys::Stat;

/// The way to a file that was opened before.
#[derive(Clone)]
pub(super) struct FileWhole {
    ground: Arc<Ground>,
    place: Arc<Place>,
    path: ObjectPath,
    before: Stat,
}

impl FileWhole {
    /// - `before`: what it was when it was opened.
    pub(super) fn new(
        ground: &Arc<Ground>,
        place: &Arc<Place>,
        path: &ObjectPath,
        before: Stat,
    ) -> Self {
        let (ground, place) = (Arc::clone(ground), Arc::clone(place));
        Self { ground, place, path: path.clone(), before }
    }
}

impl Whole for FileWhole {
    fn open(&self) -> Result<Arc<dyn ReadAt>, Problem> {
        let ground = &*self.ground;
        let name = self.path.name().unwrap_or_default();
        let mut how = None;
        let open = || {
            self.place.with(ground, |dir| {
                ground.open(|| {
                    let opened = ground.kernel.open_file(dir, name, ground.atime);
                    how = opened.as_ref().ok().map(|(_, how)| *how);
                    opened
                })
            })
        };
        let failed = |error| trouble(error, Stage::Open, "opening it again");
        let file = ground.patiently(open)?.map_err(failed)?;
        let stat = ground.kernel.stat_file(&file).map_err(failed)?;
        let (false, true, Some(how)) =
            (ground.is_elsewhere(&stat), stat.is_same_object(&self.before), how)
        else {
            let detail = "it is another file than the one that was read";
            return Err(Problem::new(Code::Replaced, Stage::Open, detail));
        };
        let kernel = ground.kernel.clone();
        let file = ImageFile::new(kernel, (file, how), PathBuf::new(), stat, stat.size);
        Ok(Arc::new(FileBytes { file, ground: Arc::clone(&self.ground) }))
    }

    fn state(&self) -> String {
        let name = self.path.name().unwrap_or_default();
        let ground = &*self.ground;
        match self.place.with(ground, |dir| ground.kernel.stat_at(dir, name)) {
            Ok(Ok(stat)) => state(&stat),
            Ok(Err(error)) => trouble(error, Stage::Open, "asking for it").detail,
            Err(problem) => problem.detail,
        }
    }

    fn state_before(&self) -> String {
        state(&self.before)
    }
}

fn state(stat: &Stat) -> String {
    let Stat { device, inode, size, modified, changed, .. } = stat;
    format!("device {device} inode {inode} size {size} {modified} {changed}")
}

/// The bytes of an open file.
struct FileBytes {
    file: ImageFile,
    ground: Arc<Ground>,
}

impl ReadAt for FileBytes {
    fn len(&self) -> u64 {
        self.file.len()
    }

    /// What cannot be read while the evidence is away is asked for again.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.file.read_at(at, buf) {
            Err(error) => {
                let changed = Unreadable::of(&error).is_some_and(|u| u.code != Code::IoError);
                if !changed && self.ground.is_back() {
                    return self.file.read_at(at, buf);
                }
                Err(error)
            }
            read => read,
        }
    }
}
