//! Whether an output path lies inside evidence, whatever way it is written.
//!
//! The path is resolved name by name without opening anything, also where its end does not exist
//! yet. Every folder on the way is compared with the evidence by device and inode; a path that only
//! passes through evidence is inside too, since following a link there would change the link. What
//! remains is the same folder under another mount: both are then named by file system and path in
//! it, as the table of mounts has them; and a file system in an image file of the evidence.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::{FolderError, shown};
use crate::sys::{self, Errno, FileKind, Kernel, Mount, Stat};

/// Links that are followed before a path is taken for endless, as the kernel does.
const MOST_LINKS: usize = 40;

/// Image files mounted from inside each other that are looked through.
const MOST_IMAGES: usize = 16;

/// True where something made at `out` would lie in the folder `evidence`, or the way there leads
/// through it.
///
/// # Errors
/// Where the paths or the table of mounts cannot be looked at; nothing may be written then either.
///
/// ```
/// use assay::evidence::folder::output_inside;
/// # use std::path::Path;
/// assert!(output_inside(Path::new("/usr"), Path::new("/tmp/../usr/new/report"))?);
/// assert!(!output_inside(Path::new("/usr"), Path::new("/tmp/new/report"))?);
/// # Ok::<(), assay::evidence::folder::FolderError>(())
/// ```
pub fn output_inside(evidence: &Path, out: &Path) -> Result<bool, FolderError> {
    let kernel = Kernel::default();
    let root = kernel.stat_path(evidence).map_err(|error| FolderError::stat(evidence, error))?;
    let real = evidence.canonicalize().map_err(|_| FolderError::stat(evidence, Errno::NOENT))?;
    let mounts = sys::mounts().map_err(FolderError::Mounts)?;
    let folder = location(&mounts, &real, &root);
    let mut out = std::path::absolute(out).map_err(|_| FolderError::stat(out, Errno::INVAL))?;
    for _ in 0..MOST_IMAGES {
        let Some((deepest, stat)) = resolve(&kernel, &root, &out)? else { return Ok(true) };
        let Some((device, path)) = location(&mounts, &deepest, &stat) else { return Ok(false) };
        if folder
            .as_ref()
            .is_some_and(|(other, folder)| *other == device && path.starts_with(folder))
        {
            return Ok(true);
        }
        // a file system in an image file: what is written to it is written where the image lies
        match sys::loop_image(device).and_then(|image| image.parent().map(Path::to_owned)) {
            Some(image_folder) => out = image_folder,
            None => return Ok(false),
        }
    }
    Err(FolderError::stat(&out, Errno::LOOP))
}

/// The deepest folder of `path` that exists, by its real path; `None` where the way there meets
/// the evidence.
fn resolve(
    kernel: &Kernel,
    evidence: &Stat,
    path: &Path,
) -> Result<Option<(PathBuf, Stat)>, FolderError> {
    let mut here = Deepest::root(kernel)?;
    let mut todo: VecDeque<OsString> = steps(path).collect();
    let mut links = 0_usize;
    loop {
        if here.stat.is_same_object(evidence) {
            return Ok(None);
        }
        let Some(step) = todo.pop_front() else { return Ok(Some((here.path, here.stat))) };
        if step == ".." {
            here.up(kernel)?;
        } else if let Some(target) = here.down(kernel, &step)? {
            links = links.saturating_add(1);
            if links > MOST_LINKS {
                return Err(FolderError::stat(path, Errno::LOOP));
            }
            if target.is_absolute() {
                here = Deepest::root(kernel)?;
            }
            for step in steps(&target).collect::<Vec<_>>().into_iter().rev() {
                todo.push_front(step);
            }
        }
    }
}

/// The names and `..` of a path, in order.
fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    })
}

/// An existing folder by its real path, and how many names below it do not exist yet.
struct Deepest {
    path: PathBuf,
    stat: Stat,
    missing: usize,
}

impl Deepest {
    fn root(kernel: &Kernel) -> Result<Self, FolderError> {
        let path = PathBuf::from("/");
        let stat = look(kernel, &path)?;
        Ok(Self { path, stat, missing: 0 })
    }

    fn up(&mut self, kernel: &Kernel) -> Result<(), FolderError> {
        if let Some(missing) = self.missing.checked_sub(1) {
            self.missing = missing;
        } else if self.path.pop() {
            self.stat = look(kernel, &self.path)?;
        }
        Ok(())
    }

    /// Goes to `name`; where that is a link, stays and gives its target.
    fn down(&mut self, kernel: &Kernel, name: &OsStr) -> Result<Option<PathBuf>, FolderError> {
        let next = self.path.join(name);
        let found = match self.missing {
            0 => kernel.stat_path_itself(&next),
            _ => Err(Errno::NOENT),
        };
        match found {
            Ok(stat) if stat.kind == FileKind::Dir => {
                (self.path, self.stat) = (next, stat);
                Ok(None)
            }
            Ok(stat) if stat.kind == FileKind::Symlink => {
                let target = sys::path_link_target(&next);
                target.map(Some).map_err(|error| FolderError::stat(&next, error))
            }
            Ok(_) => Err(FolderError::NotAFolder { path: shown(&next) }),
            Err(Errno::NOENT) => {
                self.missing = self.missing.saturating_add(1);
                Ok(None)
            }
            Err(error) => Err(FolderError::stat(&next, error)),
        }
    }
}

fn look(kernel: &Kernel, path: &Path) -> Result<Stat, FolderError> {
    kernel.stat_path_itself(path).map_err(|error| FolderError::stat(path, error))
}

/// Where in which file system a real path leads.
fn location<'a>(mounts: &'a [Mount], path: &Path, stat: &Stat) -> Option<(&'a [u8], PathBuf)> {
    let by_number = || mounts.iter().find(|mount| Some(mount.id) == stat.mount);
    let by_path = || {
        let holds = mounts.iter().filter(|mount| path.starts_with(&mount.at));
        holds.max_by_key(|mount| mount.at.components().count())
    };
    let mount = by_number().filter(|mount| path.starts_with(&mount.at)).or_else(by_path)?;
    let below = path.strip_prefix(&mount.at).ok()?;
    Some((&mount.device, mount.root.join(below)))
}
