//! What statx(2) and statfs(2) say, in the program's own types.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp};

use super::{Errno, FileSystem, WANTED};
use crate::item::Timestamp;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Not said by the folder, or unknown to this program.
    Unknown,
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Dir,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Unknown => Self::Unknown,
        }
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, the lowest twelve of the mode.
    pub mode: u16,
    /// Size in bytes.
    pub size: u64,
    /// Bytes of the blocks that are kept for it; fewer than its size where it has holes.
    pub stored: u64,
    /// Device number.
    pub device: u64,
    /// File number on the device.
    pub inode: u64,
    /// Number of names.
    pub links: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// When it was made, where the file system keeps that.
    pub created: Option<Timestamp>,
    /// When its content was last written.
    pub modified: Timestamp,
    /// When it was last read.
    pub accessed: Timestamp,
    /// When its metadata was last written.
    pub changed: Timestamp,
    /// Number of the mount it was reached through, where the kernel says so (5.8).
    pub mount: Option<u64>,
    /// True where a mount starts here, where the kernel says so (5.8).
    pub mount_root: Option<bool>,
    /// True where opening it would mount something.
    pub automount: bool,
}

impl Stat {
    /// True where both describe one object.
    pub fn is_same_object(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<Statx> for Stat {
    fn from(x: Statx) -> Self {
        let given = StatxFlags::from_bits_retain(x.stx_mask);
        let knows_mounts = x.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        let has = |attribute| x.stx_attributes.contains(attribute);
        Self {
            kind: FileType::from_raw_mode(x.stx_mode.into()).into(),
            mode: x.stx_mode & 0o7777,
            size: x.stx_size,
            stored: x.stx_blocks.saturating_mul(512), // whatever the file system's own block is
            device: rustix::fs::makedev(x.stx_dev_major, x.stx_dev_minor),
            inode: x.stx_ino,
            links: x.stx_nlink,
            user: x.stx_uid,
            group: x.stx_gid,
            created: given.contains(StatxFlags::BTIME).then(|| time(x.stx_btime)),
            modified: time(x.stx_mtime),
            accessed: time(x.stx_atime),
            changed: time(x.stx_ctime),
            mount: given.contains(StatxFlags::MNT_ID).then_some(x.stx_mnt_id),
            mount_root: knows_mounts.then(|| has(StatxAttributes::MOUNT_ROOT)),
            automount: has(StatxAttributes::AUTOMOUNT),
        }
    }
}

fn time(x: StatxTimestamp) -> Timestamp {
    Timestamp { seconds: x.tv_sec, nanos: x.tv_nsec, digits: 9, utc: true }
}

pub(super) fn statx(
    dir: impl AsFd,
    name: impl rustix::path::Arg,
    flags: AtFlags,
) -> Result<Stat, Errno> {
    rustix::fs::statx(dir, name, flags, WANTED).map(Stat::from)
}

/// Flags of statfs(2), not in `rustix` for this call.
const ST_RDONLY: i64 = 1;
const ST_NOATIME: i64 = 1024;

#[allow(clippy::useless_conversion, reason = "the fields are 32 bits wide on some machines")]
pub(super) fn file_system(path: &Path) -> Result<FileSystem, Errno> {
    let said = rustix::fs::statfs(path)?;
    let (magic, flags) = (i64::from(said.f_type), i64::from(said.f_flags));
    Ok(FileSystem {
        magic: u32::try_from(magic & i64::from(u32::MAX)).unwrap_or_default(),
        read_only: flags & ST_RDONLY != 0,
        noatime: flags & ST_NOATIME != 0,
    })
}
