//! Opening a file or device that an image consists of, once it is known that this alters nothing.
//!
//! A file's access time must not change: `O_NOATIME`, or a mount that keeps none. The node of a
//! block device keeps a time too, which is this machine's and no evidence; but a device of which
//! something is mounted writable changes while it is read. What was consented to is allowed.
//!
//! An image inside evidence consists of objects of the same folder of the same evidence: they are
//! given, by name, by whoever found it, and nothing of it is asked of the operating system.
//!
//! Source: open(2), mount(2); the decision for files is that of folders.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::raw::ImageFile;
use super::{ContainerError, OpenOptions, shown};
use crate::bytes::ReadAt;
use crate::evidence::folder::{Access, access};
use crate::sys::{self, Atime, Device, Errno, FileKind, Kernel, OpenedAs};

/// The files in the folder of an image that lies inside evidence.
pub trait Beside {
    /// True where a file has this name.
    fn has(&self, name: &[u8]) -> bool;

    /// The bytes of the file of this name, and a number that tells it from the others; `None` where
    /// there is none.
    fn open(&self, name: &[u8]) -> Option<std::io::Result<(u64, Arc<dyn ReadAt>)>>;
}

/// What opened one image, all its segments and parents in the same way.
pub(super) struct Opener<'a> {
    way: Way<'a>,
    /// The image that was named, then its parents.
    chain: RefCell<Vec<Link>>,
}

/// Where names lead.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// To what the operating system has.
    System(&'a OpenOptions),
    /// To objects of evidence.
    Inside(&'a dyn Beside),
}

/// An image of a chain: where it is, and what tells it from others whatever its path.
struct Link {
    path: PathBuf,
    identity: (u64, u64),
}

/// A file or device that was opened.
pub(super) struct Opened {
    pub(super) file: Arc<ImageFile>,
    /// Why reading changes no access time; `None` for the node of a device.
    pub(super) access: Option<Access>,
    pub(super) device: Option<Device>,
}

impl<'a> Opener<'a> {
    pub(super) const fn new(options: &'a OpenOptions) -> Self {
        Self { way: Way::System(options), chain: RefCell::new(Vec::new()) }
    }

    /// For an image inside evidence.
    pub(super) const fn inside(beside: &'a dyn Beside) -> Self {
        Self { way: Way::Inside(beside), chain: RefCell::new(Vec::new()) }
    }

    /// The files that the operator named as parents: of images that he named, not of those found.
    pub(super) fn named_parents(&self) -> &[PathBuf] {
        match self.way {
            Way::System(options) => &options.parents,
            Way::Inside(_) => &[],
        }
    }

    /// Notes an image as the next one of the chain.
    pub(super) fn add_to_chain(&self, opened: &Opened) {
        let (path, identity) = (opened.file.path().to_owned(), opened.file.identity());
        self.chain.borrow_mut().push(Link { path, identity });
    }

    /// True where this file is the image that was named, or one of its parents so far.
    pub(super) fn is_in_chain(&self, opened: &Opened) -> bool {
        let identity = opened.file.identity();
        self.chain.borrow().iter().any(|link| link.identity == identity)
    }

    /// Images of the chain so far.
    pub(super) fn chain_len(&self) -> usize {
        self.chain.borrow().len()
    }

    /// The paths of the parents so far, from the image's own to the last.
    pub(super) fn parents(&self) -> Vec<PathBuf> {
        self.chain.borrow().iter().skip(1).map(|link| link.path.clone()).collect()
    }

    /// True where a regular file stands under this path; nothing is opened.
    pub(super) fn is_file(&self, path: &Path) -> Result<bool, ContainerError> {
        let options = match self.way {
            Way::System(options) => options,
            Way::Inside(beside) => return Ok(beside.has(name(path))),
        };
        match options.kernel.stat_path(path) {
            Ok(stat) => Ok(stat.kind == FileKind::File),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Ok(false),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// True where something stands under this path; nothing is opened.
    pub(super) fn exists(&self, path: &Path) -> Result<bool, ContainerError> {
        let options = match self.way {
            Way::System(options) => options,
            Way::Inside(beside) => return Ok(beside.has(name(path))),
        };
        match options.kernel.stat_path(path) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Ok(false),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Decides whether the path may be read, then opens it.
    pub(super) fn open(&self, path: &Path) -> Result<Opened, ContainerError> {
        let options = match self.way {
            Way::System(options) => options,
            Way::Inside(beside) => return given(beside, path),
        };
        let failed = |error| failed(path, error);
        let stat = options.kernel.stat_path(path).map_err(failed)?;
        match stat.kind {
            FileKind::File => {
                let system = options.kernel.file_system(path).map_err(failed)?;
                let verdict = access::decide(&stat, system, options.accept_alteration)
                    .map_err(|why| ContainerError::WouldAlter { path: shown(path), why })?;
                let file = opened(&options.kernel, path, verdict.atime)?;
                Ok(Opened { file, access: Some(verdict.access), device: None })
            }
            FileKind::BlockDevice => device(options, path),
            _ => Err(ContainerError::NotAnImage { path: shown(path) }),
        }
    }

    /// Reads a small file of the operator's own whole, such as a map of bad sectors.
    pub(super) fn read_whole(&self, path: &Path, most: u64) -> Result<Vec<u8>, ContainerError> {
        let file = self.open(path)?.file;
        let size = usize::try_from(file.len().min(most)).unwrap_or_default();
        if file.len() > most {
            return Err(ContainerError::TooLarge { path: shown(path), what: "file", most });
        }
        let mut bytes = vec![0; size];
        let n = file.fill_at(0, &mut bytes).map_err(|error| ContainerError::read(path, &error))?;
        bytes.truncate(n);
        Ok(bytes)
    }
}

/// Takes an object inside evidence by its name.
fn given(beside: &dyn Beside, path: &Path) -> Result<Opened, ContainerError> {
    let opened = beside.open(name(path)).unwrap_or_else(|| Err(Errno::NOENT.into()));
    let (number, bytes) = opened.map_err(|error| ContainerError::read(path, &error))?;
    Ok(Opened::inside(bytes, path.to_owned(), number))
}

/// The bytes of a path, all of which is a name where it leads to an object.
fn name(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

impl Opened {
    /// An object inside evidence.
    pub(super) fn inside(bytes: Arc<dyn ReadAt>, path: PathBuf, number: u64) -> Self {
        let file = Arc::new(ImageFile::inside(bytes, path, number));
        Self { file, access: None, device: None }
    }
}

fn device(options: &OpenOptions, path: &Path) -> Result<Opened, ContainerError> {
    let device = options.kernel.device(path).map_err(|error| failed(path, error))?;
    let accepted = options.accept_alteration;
    if let Some(at) = mounted_writable(&device.number)?.filter(|_| !accepted) {
        return Err(ContainerError::MountedWritable { path: shown(path), at: shown(&at) });
    }
    let file = opened(&options.kernel, path, Atime::PlainIfRefused)?;
    let access = (file.opened_as() == Some(OpenedAs::Noatime)).then_some(Access::Noatime);
    Ok(Opened { file, access, device: Some(device) })
}

fn opened(kernel: &Kernel, path: &Path, atime: Atime) -> Result<Arc<ImageFile>, ContainerError> {
    let failed = |error| failed(path, error);
    let opened = kernel.open_image(path, atime).map_err(failed)?;
    let stat = kernel.stat_file(&opened.0).map_err(failed)?;
    let size = match stat.kind {
        FileKind::File => stat.size,
        FileKind::BlockDevice => kernel.end_of(&opened.0).map_err(failed)?,
        _ => return Err(ContainerError::NotAnImage { path: shown(path) }),
    };
    Ok(Arc::new(ImageFile::new(kernel.clone(), opened, path.to_owned(), stat, size)))
}

/// Where this device, or anything on it, is mounted writable.
fn mounted_writable(number: &str) -> Result<Option<PathBuf>, ContainerError> {
    let devices = sys::devices_on(number);
    let mounts = sys::mounts().map_err(ContainerError::Mounts)?;
    let writable = |mount: &&sys::Mount| {
        let device = std::str::from_utf8(&mount.device).unwrap_or_default();
        devices.contains(device) && !mount.options.split(',').any(|option| option == "ro")
    };
    Ok(mounts.iter().find(writable).map(|mount| mount.at.clone()))
}

fn failed(path: &Path, error: Errno) -> ContainerError {
    ContainerError::Open { path: shown(path), symbol: sys::symbol(error) }
}
