//! The system calls that evidence is read with: the only opener of evidence.
//!
//! Everything here is read-only. A file or folder is opened with `O_RDONLY`, `O_NOATIME`,
//! `O_NOFOLLOW`, `O_NONBLOCK` and `O_CLOEXEC`, so that neither its access time changes nor a link
//! is followed nor a pipe waited for; without `O_NOATIME` only where the caller asks for
//! [`Atime::PlainIfRefused`]. Names are bytes relative to an open folder, never joined to paths.
//!
//! Linux 5.8 or newer is assumed; without `openat2` (5.6) a mount is found after opening instead
//! of before. Other systems are not supported yet.
//!
//! Source: Linux manual pages open(2), openat2(2), statx(2), getdents64(2), statfs(2).

#![cfg(target_os = "linux")]

mod image;
mod mounts;
mod seam;
mod span;
mod spindle;
mod stat;

use std::ffi::CStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, StatxFlags};

pub use image::{Device, devices_on};
pub use mounts::{Mount, loop_image, mounts};
pub use rustix::io::Errno;
pub use seam::{Call, Fault, Seam};
pub use span::Span;
pub use stat::{FileKind, Stat};

/// Room for one call that reads names: the kernel's own limit for a name is 255 bytes.
const NAMES_BUFFER: usize = 32 * 1024;

/// Longest target of a symbolic link (`PATH_MAX`).
const LONGEST_TARGET: usize = 4096;

/// How often, and how long, an opener waits while the system is short of descriptors or memory.
const SHORTAGES: u32 = 100;
const SHORTAGE: std::time::Duration = std::time::Duration::from_millis(10);
/// How long an opener waits in all before it gives the error of a shortage.
pub const SHORTAGE_WAIT: std::time::Duration = SHORTAGE.saturating_mul(SHORTAGES);

/// A kind of system error by its symbol, the same text on every machine.
///
/// ```
/// assert_eq!(assay::sys::symbol(assay::sys::Errno::ACCESS), "EACCES");
/// ```
pub fn symbol(error: Errno) -> String {
    let name = match error {
        Errno::BADMSG => "EBADMSG",
        Errno::HOSTDOWN => "EHOSTDOWN",
        Errno::HOSTUNREACH => "EHOSTUNREACH",
        Errno::NETDOWN => "ENETDOWN",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::NODEV => "ENODEV",
        Errno::NOMEDIUM => "ENOMEDIUM",
        Errno::NOTCONN => "ENOTCONN",
        Errno::REMOTEIO => "EREMOTEIO",
        Errno::SHUTDOWN => "ESHUTDOWN",
        Errno::UCLEAN => "EUCLEAN",
        Errno::ACCESS => "EACCES",
        Errno::AGAIN => "EAGAIN",
        Errno::INVAL => "EINVAL",
        Errno::IO => "EIO",
        Errno::ISDIR => "EISDIR",
        Errno::LOOP => "ELOOP",
        Errno::MFILE => "EMFILE",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::NFILE => "ENFILE",
        Errno::NOENT => "ENOENT",
        Errno::NOKEY => "ENOKEY",
        Errno::NOMEM => "ENOMEM",
        Errno::NOTDIR => "ENOTDIR",
        Errno::NXIO => "ENXIO",
        Errno::OVERFLOW => "EOVERFLOW",
        Errno::PERM => "EPERM",
        Errno::STALE => "ESTALE",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::XDEV => "EXDEV",
        other => return format!("errno {}", other.raw_os_error()),
    };
    name.to_owned()
}

/// True for errors that a lost device or share gives, whatever object is asked for.
///
/// `ENXIO` is left out: opening a socket gives it too.
pub fn is_loss(error: Errno) -> bool {
    matches!(
        error,
        Errno::STALE
            | Errno::NODEV
            | Errno::NOMEDIUM
            | Errno::SHUTDOWN
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::NETUNREACH
    )
}

/// True for errors that say that the system is short of descriptors or memory, whatever object is
/// asked for.
pub fn is_shortage(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// Raises the number of descriptors that this process may have to the most it may raise it to.
/// Where that fails the limit stays as it is, and what it is too low for waits.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _as_it_was = setrlimit(Resource::Nofile, limit);
}

/// Processor time that the calling thread has had.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Number of descriptors that this process may have.
pub fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// True for errors that say that stored bytes cannot be read, so that bytes near them still may.
pub fn is_unreadable(error: Errno) -> bool {
    matches!(error, Errno::IO | Errno::BADMSG | Errno::UCLEAN | Errno::REMOTEIO)
}

/// True where the machine lists the device of this number, as long as it is plugged in. File
/// systems without a device of their own are not listed.
pub fn device_is_listed(device: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    std::path::Path::new(&format!("/sys/dev/block/{major}:{minor}")).exists()
}

/// True for a number that the kernel gives to a mount without a device of its own: it changes with
/// each mount.
pub fn is_anonymous(device: u64) -> bool {
    rustix::fs::major(device) == 0
}

/// What to do where an object cannot be opened with `O_NOATIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atime {
    /// Do not open it: the error is `EPERM`.
    Keep,
    /// Open it without: the mount keeps no access times, or the change was consented to.
    PlainIfRefused,
}

/// How an object was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedAs {
    /// With `O_NOATIME`.
    Noatime,
    /// Without it.
    Plain,
}

/// An open folder.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// An open regular file, or whatever stood under its name.
#[derive(Debug)]
pub struct File(OwnedFd);

/// What a mount says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// The number of the file system's kind, as in `linux/magic.h`.
    pub magic: u32,
    /// Nothing can be written through this mount.
    pub read_only: bool,
    /// Reading changes no access time on this mount.
    pub noatime: bool,
}

/// The way to the kernel, with a seam for tests that costs one branch where there is none.
#[derive(Clone, Default)]
pub struct Kernel {
    seam: Option<Arc<Seam>>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.seam.is_some() { "Kernel (with a seam)" } else { "Kernel" })
    }
}

impl Kernel {
    /// The kernel seen through `seam`. Only tests do this.
    pub fn through(seam: Arc<Seam>) -> Self {
        Self { seam: Some(seam) }
    }

    /// What is known of the object at `path`, links followed, nothing opened.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_path(&self, path: &Path) -> Result<Stat, Errno> {
        self.before(Call::Stat)?;
        stat::statx(CWD, path, AtFlags::empty())
    }

    /// What is known of the object at `path` itself, be it a link; nothing opened.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_path_itself(&self, path: &Path) -> Result<Stat, Errno> {
        self.before(Call::Stat)?;
        stat::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    /// What is known of `name` in `dir`, be it a link; nothing opened, nothing mounted by it.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_at(&self, dir: &Dir, name: &[u8]) -> Result<Stat, Errno> {
        self.before(Call::Stat)?;
        stat::statx(&dir.0, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    /// What is known of an open file.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_file(&self, file: &File) -> Result<Stat, Errno> {
        self.before(Call::Stat)?;
        stat::statx(&file.0, c"", AtFlags::EMPTY_PATH)
    }

    /// What is known of an open folder.
    ///
    /// # Errors
    /// As statx(2).
    pub fn stat_dir(&self, dir: &Dir) -> Result<Stat, Errno> {
        self.before(Call::Stat)?;
        stat::statx(&dir.0, c"", AtFlags::EMPTY_PATH)
    }

    /// The file system that holds `path`, links followed, nothing opened.
    ///
    /// # Errors
    /// As statfs(2).
    pub fn file_system(&self, path: &Path) -> Result<FileSystem, Errno> {
        self.before(Call::Stat)?;
        stat::file_system(path)
    }

    /// Opens the folder that evidence starts at; a link there is followed.
    ///
    /// # Errors
    /// As open(2); `EPERM` where `O_NOATIME` is refused and `atime` is [`Atime::Keep`].
    pub fn open_root(&self, path: &Path, atime: Atime) -> Result<(Dir, OpenedAs), Errno> {
        let open = |flags: OFlags| open_plainly(CWD, path, flags - OFlags::NOFOLLOW);
        self.open(atime, OFlags::DIRECTORY, open).map(|(fd, how)| (Dir(fd), how))
    }

    /// Opens the folder `name` in `dir`; never a link, never another mount.
    ///
    /// # Errors
    /// As openat2(2); `EXDEV` for a mount, `ENOTDIR` for a link, `EPERM` as
    /// [`Kernel::open_root`].
    pub fn open_dir(&self, dir: &Dir, name: &[u8], atime: Atime) -> Result<(Dir, OpenedAs), Errno> {
        let open = |flags| self.open_on_this_mount(dir, name, flags);
        self.open(atime, OFlags::DIRECTORY, open).map(|(fd, how)| (Dir(fd), how))
    }

    /// Opens the file `name` in `dir`; never a link, never another mount, never waiting.
    ///
    /// # Errors
    /// As openat2(2); `EXDEV` for a mount, `ELOOP` for a link, `EPERM` as [`Kernel::open_root`].
    pub fn open_file(
        &self,
        dir: &Dir,
        name: &[u8],
        atime: Atime,
    ) -> Result<(File, OpenedAs), Errno> {
        if self.seam.as_ref().and_then(|seam| seam.deadly.as_deref()) == Some(name) {
            std::process::abort();
        }
        let open = |flags| self.open_on_this_mount(dir, name, flags);
        self.open(atime, OFlags::empty(), open).map(|(fd, how)| (File(fd), how))
    }

    /// Opens the folder that holds `dir`. The caller compares device and inode with those it knows.
    ///
    /// # Errors
    /// As open(2).
    pub fn open_parent(&self, dir: &Dir, atime: Atime) -> Result<(Dir, OpenedAs), Errno> {
        let open = |flags| open_plainly(&dir.0, c"..", flags);
        self.open(atime, OFlags::DIRECTORY, open).map(|(fd, how)| (Dir(fd), how))
    }

    /// Gives each name of an open folder but `.` and `..`, in the order the file system keeps them,
    /// with what it stands for and its file number.
    ///
    /// # Errors
    /// As getdents64(2); the names given before it stand.
    pub fn names(
        &self,
        dir: &Dir,
        buffer: &mut Vec<u8>,
        mut each: impl FnMut(&CStr, FileKind, u64),
    ) -> Result<(), Errno> {
        match self.seam.as_deref() {
            Some(seam) if seam.shuffle.is_some() || seam.hide_kinds => {
                let mut names = Vec::new();
                let mut keep =
                    |name: &CStr, kind, number| names.push((name.to_owned(), kind, number));
                let ended = self.list(dir, buffer, &mut keep);
                seam.reorder(&mut names);
                for (name, kind, number) in &names {
                    each(name, if seam.hide_kinds { FileKind::Unknown } else { *kind }, *number);
                }
                ended
            }
            _ => self.list(dir, buffer, &mut each),
        }
    }

    fn list(
        &self,
        dir: &Dir,
        buffer: &mut Vec<u8>,
        each: &mut impl FnMut(&CStr, FileKind, u64),
    ) -> Result<(), Errno> {
        buffer.clear();
        buffer.reserve(NAMES_BUFFER);
        let mut names = RawDir::new(&dir.0, buffer.spare_capacity_mut());
        loop {
            if names.is_buffer_empty() {
                self.before(Call::Names)?;
            }
            match names.next() {
                None => return Ok(()),
                Some(Err(Errno::INTR)) => {}
                Some(Err(error)) => return Err(error),
                Some(Ok(entry)) => match entry.file_name().to_bytes() {
                    b"." | b".." => {}
                    _ => each(entry.file_name(), entry.file_type().into(), entry.ino()),
                },
            }
        }
    }

    /// The target of the link `name` in `dir`. This changes the link's access time unless the
    /// mount keeps none.
    ///
    /// # Errors
    /// As readlink(2); `ENAMETOOLONG` for a target longer than the kernel itself follows.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads a link of evidence")]
    pub fn link_target(&self, dir: &Dir, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.before(Call::ReadLink)?;
        let target = rustix::fs::readlinkat(&dir.0, name, Vec::new())?.into_bytes();
        if target.len() > LONGEST_TARGET { Err(Errno::NAMETOOLONG) } else { Ok(target) }
    }

    /// Reads bytes at `at`; fewer than asked is no sign of the end, 0 is.
    ///
    /// # Errors
    /// As pread(2), `EINTR` excepted.
    pub fn read_at(&self, file: &File, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.before(Call::Read)?;
        let cap = self.seam.as_ref().and_then(|seam| seam.read_cap).unwrap_or(buf.len());
        let cap = cap.min(buf.len());
        let buf = buf.get_mut(..cap).unwrap_or_default();
        loop {
            match rustix::io::pread(&file.0, &mut *buf, at) {
                Err(Errno::INTR) => {}
                result => {
                    if let (Some(seam), Ok(n)) = (&self.seam, result) {
                        seam.count_bytes(n);
                    }
                    return result;
                }
            }
        }
    }

    /// Has bytes of a file fetched from `at` on, without waiting for them. It is advice: where the
    /// system does not take it, reading is slower.
    pub fn will_need(&self, file: &File, at: u64, bytes: u64) {
        if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
            let _only_advice =
                rustix::fs::fadvise(&file.0, at, Some(bytes), rustix::fs::Advice::WillNeed);
        }
    }

    /// Waits before a call is tried again; a seam of a test makes that no time.
    pub fn wait(&self, time: std::time::Duration) {
        if self.seam.is_none() {
            std::thread::sleep(time);
        }
    }

    fn before(&self, call: Call) -> Result<(), Errno> {
        self.seam.as_ref().map_or(Ok(()), |seam| seam.before(call))
    }

    /// Opens first with `O_NOATIME`, then perhaps without.
    ///
    /// Where the system is short of descriptors or memory for a moment, it is tried again for
    /// [`SHORTAGE_WAIT`].
    fn open(
        &self,
        atime: Atime,
        more: OFlags,
        open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
    ) -> Result<(OwnedFd, OpenedAs), Errno> {
        let flags = more | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut shortages = 0;
        let mut again = |flags: OFlags| loop {
            match self.before(Call::Open).and_then(|()| open(flags)) {
                Err(Errno::INTR) => {}
                Err(error) if is_shortage(error) && shortages < SHORTAGES => {
                    shortages += 1;
                    self.wait(SHORTAGE);
                }
                result => return result,
            }
        };
        match again(flags | OFlags::NOATIME) {
            Err(Errno::PERM) if atime == Atime::PlainIfRefused => {
                again(flags).map(|fd| (fd, OpenedAs::Plain))
            }
            result => result.map(|fd| (fd, OpenedAs::Noatime)),
        }
    }

    /// Opens with `openat2`, which refuses to enter a mount. Where the call does not exist or a
    /// filter forbids it, `openat` is used and the caller's comparison of mounts finds it.
    #[expect(clippy::disallowed_methods, reason = "the opener of evidence")]
    fn open_on_this_mount(&self, dir: &Dir, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.seam.as_ref().is_some_and(|seam| seam.no_openat2) {
            return open_plainly(&dir.0, name, flags);
        }
        match rustix::fs::openat2(&dir.0, name, flags, Mode::empty(), ResolveFlags::NO_XDEV) {
            Err(Errno::NOSYS | Errno::PERM) => open_plainly(&dir.0, name, flags),
            result => result,
        }
    }
}

/// The target of a link on the way to a path of the operator's own, never of evidence.
///
/// # Errors
/// As readlink(2).
#[expect(clippy::disallowed_methods, reason = "a link on the way to the output")]
pub fn path_link_target(path: &Path) -> Result<std::path::PathBuf, Errno> {
    use std::os::unix::ffi::OsStringExt;
    let target = rustix::fs::readlink(path, Vec::new())?.into_bytes();
    Ok(std::ffi::OsString::from_vec(target).into())
}

/// True where opening a file of `owner` with `O_NOATIME` is allowed: to its owner and to a process
/// with `CAP_FOWNER`.
///
/// A process in a user namespace may be told yes and still be refused; the refusal is then met at
/// the object and never worked around.
pub fn may_keep_atime(owner: u32) -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    rustix::process::geteuid().as_raw() == owner
        || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

#[expect(clippy::disallowed_methods, reason = "the opener of evidence")]
fn open_plainly(
    dir: impl std::os::fd::AsFd,
    name: impl rustix::path::Arg,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// What every `statx` asks for.
const WANTED: StatxFlags =
    StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);
