//! From an inode and a name to an object of the report.

use super::disk::Disk;
use super::inode::{Inode, Kind, flag};
use super::map::{Map, RunPlace};
use super::space::Space;
use crate::evidence::filesystem::{Node, NodeContent};
use crate::item::{
    Extent, ItemMeta, LinkIdentity, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis,
    Status, TimeSource,
};
use crate::problem::{Code, Problem, Stage};

/// The reference of an inode in its file system.
pub(super) fn reference(number: u32, generation: u32) -> String {
    format!("ino:{number}-{generation}")
}

/// What is known of an inode beside its content.
pub(super) fn meta(inode: &Inode) -> ItemMeta {
    let kind = match inode.kind() {
        Kind::File => ObjectKind::File,
        Kind::Symlink => ObjectKind::Symlink,
        _ => ObjectKind::Special,
    };
    let mut meta = ItemMeta::new(kind);
    meta.basis = Some(RecoveryBasis::Live);
    meta.attribution = Some(NameAttribution::Certain);
    meta.size = Some(inode.size);
    meta.fs_ref = reference(inode.number, inode.generation);
    meta.link_count = Some(inode.links.into());
    meta.owner_id = format!("{}:{}", inode.user, inode.group);
    meta.attributes = format!("{:04o}", inode.mode & 0o7777);
    meta.times = inode.times;
    meta.time_source = Some(TimeSource::Ext);
    let shared = inode.kind() == Kind::File && inode.links > 1;
    meta.link = shared.then_some(LinkIdentity { device: 0, inode: inode.number.into() });
    meta
}

/// What is wrong with an inode although it can be read.
pub(super) fn problems(inode: &Inode, map: &Map) -> Vec<Problem> {
    let mut problems: Vec<Problem> = map.problems.clone();
    if !inode.holds {
        let detail = format!("inode {} at byte {} of the volume", inode.number, inode.position);
        problems.push(Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail));
    }
    problems
}

/// Nothing to read, for a reason.
pub(super) fn nothing(status: Status, code: Code, detail: &str) -> NodeContent {
    NodeContent::Nothing { status, problem: Problem::new(code, Stage::Enumerate, detail) }
}

/// The content of an object that exists. Its `map` is that of its inode.
pub(super) fn content(disk: &Disk, space: &Space<'_>, inode: &Inode, map: &Map) -> NodeContent {
    let special = |code| nothing(Status::Special, code, "");
    let encrypted = || nothing(Status::Unread, Code::Encrypted, "encrypted by the file system");
    match inode.kind() {
        Kind::Fifo => special(Code::Fifo),
        Kind::Socket => special(Code::Socket),
        Kind::CharDevice => special(Code::CharDevice),
        Kind::BlockDevice => special(Code::BlockDevice),
        Kind::Symlink if inode.has(flag::ENCRYPT) => {
            nothing(Status::Special, Code::Symlink, "its target is encrypted")
        }
        Kind::Symlink => special(Code::Symlink),
        Kind::File if inode.has(flag::ENCRYPT) => encrypted(),
        Kind::File if inode.has(flag::INLINE_DATA) => resident(inode),
        Kind::File if inode.size > largest(disk) => {
            let detail = format!("its size of {} bytes is more than a file can have", inode.size);
            nothing(Status::Unread, Code::FilesystemDamaged, &detail)
        }
        Kind::File => {
            let shares = disk.superblock.has_ro_compat(super::superblock::ro_compat::SHARED_BLOCKS);
            let verdict = |block, blocks| {
                let (contested, same) = space.contested(block, blocks);
                let code = (Code::CrossLinked, "the blocks belong to another object too");
                ((contested && !shares).then_some(code), same)
            };
            NodeContent::Extents(map.content(disk, inode.size, false, &verdict))
        }
        Kind::Directory => encrypted(),
        Kind::Unknown => {
            let detail = format!("its mode {:#o} is of no kind", inode.mode);
            nothing(Status::Unread, Code::FilesystemDamaged, &detail)
        }
    }
}

/// Content in the inode itself.
pub(super) fn resident(inode: &Inode) -> NodeContent {
    let mut bytes = inode.inline_content();
    let held = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    bytes.truncate(usize::try_from(inode.size).unwrap_or(usize::MAX));
    let len = inode.size.min(held);
    let mut extents = Vec::new();
    Extent { len, place: Place::Resident(bytes.into()) }.append_to(&mut extents);
    let detail = "its inode holds fewer bytes than its size";
    let rest = inode.size.saturating_sub(held);
    Extent::missing(rest, Code::FilesystemDamaged, detail).append_to(&mut extents);
    NodeContent::Extents(extents)
}

/// The target of a symbolic link, where it can be read.
pub(super) fn target(disk: &Disk, inode: &Inode, map: &Map) -> Option<Vec<u8>> {
    if inode.kind() != Kind::Symlink || inode.has(flag::ENCRYPT) {
        return None;
    }
    if let Some(target) = inode.fast_target() {
        return Some(target.to_vec());
    }
    let len =
        usize::try_from(inode.size).ok().filter(|_| inode.size <= disk.superblock.block_size)?;
    let mut bytes = match map.runs.first().map(|run| &run.place) {
        _ if inode.has(flag::INLINE_DATA) => inode.inline_content(),
        Some(RunPlace::Written(block)) => disk.block(*block).ok()?,
        _ => return None,
    };
    bytes.truncate(len);
    (bytes.len() == len).then_some(bytes)
}

/// The largest size that block numbers of 32 bits within a file allow.
pub(super) fn largest(disk: &Disk) -> u64 {
    disk.superblock.block_size.saturating_mul(1 << 32)
}

/// A name that leads to no inode that can be read.
pub(super) fn dangling(path: ObjectPath, inode: u32, detail: &str) -> Node {
    let mut meta = ItemMeta::new(ObjectKind::Special);
    meta.basis = Some(RecoveryBasis::Live);
    meta.attribution = Some(NameAttribution::Certain);
    meta.fs_ref = format!("ino:{inode}");
    let content = nothing(Status::Unread, Code::FilesystemDamaged, detail);
    Node { path, meta, content, problems: Vec::new() }
}
