//! A folder as evidence: every object below it, each once, in the order of raw name bytes.
//!
//! [`Folder::check`] decides without opening anything whether the folder can be read without
//! altering it; [`Folder::walk`] then lists it on one thread and yields items, which other threads
//! examine and read. Names are bytes, links are not followed, mounts are not entered, pipes,
//! sockets and devices are not opened. At most [`DESCRIPTORS`] folders are open at any time,
//! whatever the depth and however slowly items are examined.
//!
//! Linux only: other systems have no `O_NOATIME`, and a folder there is not supported yet.
//!
//! Source: Linux manual pages open(2), path_resolution(7), inode(7), proc(5).

#![cfg(target_os = "linux")]

pub(in crate::evidence) mod access;
mod descriptors;
mod listing;
mod loss;
mod object;
mod output;
mod place;
mod source;
mod sparse;
mod stream;
mod walk;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::item::escape;
use crate::sys::{self, Atime, Errno, FileKind, Kernel, OpenedAs, Stat};

pub use access::Access;
pub use output::output_inside;
pub use walk::WalkSummary;

/// Most folders that are open at the same time, those that items wait for included.
pub const DESCRIPTORS: usize = 64;

/// Why a folder is not taken as evidence. Nothing was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system says nothing of the path.
    #[error("cannot look at {path}: {symbol}; check the path and the rights")]
    Stat {
        /// The path, escaped.
        path: String,
        /// The kind of error.
        symbol: String,
    },
    /// It is something else.
    #[error("{path} is no folder; disk images are not read by this version")]
    NotAFolder {
        /// The path, escaped.
        path: String,
    },
    /// It holds no stored files.
    #[error("{path} is on {fs_type}, which holds no stored files; name a folder of the evidence")]
    RefusedFilesystem {
        /// The path, escaped.
        path: String,
        /// The file system.
        fs_type: String,
    },
    /// Reading would change access times, and nobody consented.
    #[error(
        "reading {path} would alter it: {why}; mount it read-only, run as its owner or root, or \
         state consent with --accept-alteration TEXT"
    )]
    WouldAlter {
        /// The path, escaped.
        path: String,
        /// What stands against it.
        why: &'static str,
    },
    /// The kernel's table of mounts cannot be read.
    #[error("cannot read the table of mounts in /proc/self/mountinfo")]
    Mounts(#[source] std::io::Error),
}

impl FolderError {
    fn stat(path: &Path, error: Errno) -> Self {
        Self::Stat { path: shown(path), symbol: sys::symbol(error) }
    }
}

/// How a folder is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Somebody consented, with a stated reason, to changed access times.
    pub accept_alteration: bool,
    /// Read targets of symbolic links although that changes the links' access times.
    pub read_links: bool,
    /// The way to the kernel; tests put a seam in.
    pub kernel: Kernel,
    /// Set from outside to stop the run: nothing is waited for any more.
    pub cancel: Arc<AtomicBool>,
}

/// How often something was done to evidence so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Folders and files opened with `O_NOATIME`.
    pub noatime: u64,
    /// Folders and files opened without it.
    pub plain: u64,
    /// Links whose target was read.
    pub links: u64,
}

/// A folder that may be read as evidence.
#[derive(Clone)]
pub struct Folder(Arc<Ground>);

/// What all parts of a walk know of the evidence.
struct Ground {
    root: PathBuf,
    /// What the root was when it was checked.
    stat: Stat,
    fs_type: String,
    access: Access,
    read_only: bool,
    atime: Atime,
    read_links: bool,
    kernel: Kernel,
    cancel: Arc<AtomicBool>,
    descriptors: descriptors::Descriptors,
    /// Objects are best read in the order of their numbers: the disk turns.
    turns: bool,
    counts: Counts,
    loss: loss::Loss,
}

#[derive(Default)]
struct Counts {
    noatime: AtomicU64,
    plain: AtomicU64,
    links: AtomicU64,
}

impl Folder {
    /// Decides whether `root` may be read; a link there is followed. Opens nothing.
    ///
    /// # Errors
    /// Where it is no folder, holds no stored files, or cannot be read without altering it.
    ///
    /// ```
    /// use assay::evidence::folder::{Folder, FolderError, Options};
    /// let proc = Folder::check(std::path::Path::new("/proc"), Options::default());
    /// assert!(matches!(proc, Err(FolderError::RefusedFilesystem { .. })));
    /// ```
    pub fn check(root: &Path, options: Options) -> Result<Self, FolderError> {
        let kernel = options.kernel.clone();
        let stat = kernel.stat_path(root).map_err(|error| FolderError::stat(root, error))?;
        if stat.kind != FileKind::Dir {
            return Err(FolderError::NotAFolder { path: shown(root) });
        }
        let system = kernel.file_system(root).map_err(|error| FolderError::stat(root, error))?;
        let fs_type = access::fs_type(&stat, system.magic);
        if access::is_refused(&fs_type, system.magic) {
            return Err(FolderError::RefusedFilesystem { path: shown(root), fs_type });
        }
        let verdict = access::decide(&stat, system, options.accept_alteration)
            .map_err(|why| FolderError::WouldAlter { path: shown(root), why })?;
        let turns = kernel.turns(stat.device);
        Ok(Self(Arc::new(Ground {
            loss: loss::Loss::new(&stat),
            root: root.to_owned(),
            stat,
            fs_type,
            access: verdict.access,
            read_only: system.read_only,
            atime: verdict.atime,
            read_links: options.read_links || verdict.links_are_safe,
            kernel,
            cancel: options.cancel,
            turns,
            descriptors: descriptors::Descriptors::default(),
            counts: Counts::default(),
        })))
    }

    /// Why reading changes no access time, or that somebody consented.
    pub fn access(&self) -> Access {
        self.0.access
    }

    /// The file system of the root, as the kernel names it, or its number.
    pub fn fs_type(&self) -> &str {
        &self.0.fs_type
    }

    /// What tells this folder from others wherever it is mounted: file system and number of the
    /// root.
    pub fn identity(&self) -> String {
        format!("{} ino:{}", self.0.fs_type, self.0.stat.inode)
    }

    /// What tells this folder from others on this machine. A mount without a device of its own, as
    /// of a share, gets another number each time it is made, so that number says nothing.
    pub fn place(&self) -> String {
        let Stat { device, inode, .. } = self.0.stat;
        match sys::is_anonymous(device) {
            true => format!("inode {inode}"),
            false => format!("device {device} inode {inode}"),
        }
    }

    /// True once [`Folder::lost`] says why.
    pub fn is_lost(&self) -> bool {
        self.0.loss.is_lost()
    }

    /// Why nothing of this folder can be read any more, once that is certain: what is asked for
    /// after it fails at once, and says nothing of the objects.
    pub fn lost(&self) -> Option<String> {
        self.0.loss.told()
    }

    /// The mount that holds the root, as the kernel has it now; its options belong in the report.
    pub fn mount(&self) -> Option<sys::Mount> {
        access::mount_of(&self.0.stat)
    }

    /// True where the mount of the root is read-only.
    pub fn is_read_only(&self) -> bool {
        self.0.read_only
    }

    /// How often something was opened so far, by all threads.
    pub fn opened(&self) -> Opened {
        let Counts { noatime, plain, links } = &self.0.counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Opened { noatime: get(noatime), plain: get(plain), links: get(links) }
    }
}

impl Ground {
    fn count(&self, how: OpenedAs) {
        let count = match how {
            OpenedAs::Noatime => &self.counts.noatime,
            OpenedAs::Plain => &self.counts.plain,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// True where an object was reached through another mount than the root.
    fn is_elsewhere(&self, stat: &Stat) -> bool {
        match (self.stat.mount, stat.mount) {
            (Some(here), Some(there)) => here != there,
            _ => self.stat.device != stat.device,
        }
    }
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    escape::cell(path.as_os_str().as_bytes())
}
