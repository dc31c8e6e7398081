//! The volume as blocks: reading them, and where each group keeps its structures.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Layout" and "Flexible Block Groups".

use std::ops::Range;
use std::sync::Arc;

use super::group::Group;
use super::inode::Inode;
use super::superblock::Superblock;
use crate::bytes::{ReadAt, Unreadable};
use crate::problem::{Code, Problem, Stage};

/// A volume with its geometry.
pub(super) struct Disk {
    pub(super) volume: Arc<dyn ReadAt>,
    pub(super) superblock: Superblock,
    pub(super) groups: Vec<Group>,
    /// Blocks that the file system states and the volume holds, the last perhaps in part.
    pub(super) held: u64,
}

impl Disk {
    /// The bytes of a block.
    ///
    /// # Errors
    /// Where the volume does not give all of them.
    pub(super) fn block(&self, number: u64) -> Result<Vec<u8>, Problem> {
        self.blocks(number, 1)
    }

    /// The bytes of blocks that lie together; `count` is a number of the program, not of the disk.
    pub(super) fn blocks(&self, number: u64, count: u64) -> Result<Vec<u8>, Problem> {
        let size = self.superblock.block_size;
        let (at, len) = (number.saturating_mul(size), count.saturating_mul(size));
        if number.saturating_add(count) > self.held {
            let detail = format!("block {number} lies behind the end of the volume");
            return Err(
                Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail).at(at, len)
            );
        }
        self.bytes(at, len)
    }

    /// Bytes of the volume; `len` is bounded by the caller.
    pub(super) fn bytes(&self, at: u64, len: u64) -> Result<Vec<u8>, Problem> {
        let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
        match self.volume.fill_at(at, &mut buf) {
            Ok(got) if got == buf.len() => Ok(buf),
            Ok(_) => {
                let detail = "the volume ends inside it";
                Err(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail).at(at, len))
            }
            Err(error) => {
                let code = Unreadable::of(&error).map_or(Code::IoError, |bad| bad.code);
                Err(Problem::new(code, Stage::Filesystem, format!("reading: {error}")).at(at, len))
            }
        }
    }

    /// The first block of a group.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        let blocks = group.saturating_mul(self.superblock.group_blocks);
        self.superblock.first_block.saturating_add(blocks)
    }

    /// The blocks of a group that the volume holds.
    pub(super) fn group_range(&self, group: u64) -> Range<u64> {
        let start = self.group_start(group).min(self.held);
        start..start.saturating_add(self.superblock.group_blocks).min(self.held)
    }

    /// Blocks that hold the inodes of a group.
    pub(super) fn table_blocks(&self) -> u64 {
        let size = u64::try_from(self.superblock.inode_size).unwrap_or(0);
        let bytes = u64::from(self.superblock.group_inodes).saturating_mul(size);
        bytes.div_ceil(self.superblock.block_size)
    }

    /// Where in the volume an inode stands; `None` where there is no such inode.
    pub(super) fn inode_position(&self, number: u32) -> Option<u64> {
        let index = number.checked_sub(1).filter(|_| number <= self.superblock.inodes)?;
        let group = index.checked_div(self.superblock.group_inodes)?;
        let within = index.checked_rem(self.superblock.group_inodes)?;
        let group = self.groups.get(usize::try_from(group).ok()?)?;
        let size = u64::try_from(self.superblock.inode_size).ok()?;
        let table = group.inode_table.checked_mul(self.superblock.block_size)?;
        table.checked_add(u64::from(within).checked_mul(size)?)
    }

    /// An inode by its number.
    pub(super) fn inode(&self, number: u32) -> Result<Inode, Problem> {
        let Some(at) = self.inode_position(number) else {
            let detail = format!("there is no inode {number}");
            return Err(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        };
        let bytes = self.bytes(at, u64::try_from(self.superblock.inode_size).unwrap_or(0))?;
        Inode::parse(&self.superblock, number, &bytes, at).ok_or_else(|| {
            Problem::new(Code::FilesystemDamaged, Stage::Filesystem, "an inode is cut short")
        })
    }

    /// Blocks of superblock, descriptors and those reserved for more of them in a group.
    pub(super) fn backup_blocks(&self, group: u64) -> Range<u64> {
        let superblock = &self.superblock;
        let start = self.group_start(group);
        let copy = superblock.is_backup(group);
        // With blocks of 1 KiB and clusters, the superblock stands in block 1 of group 0.
        let shift = u64::from(group == 0 && superblock.block_size == 1024 && start == 0);
        let per_block = self.descriptors_per_block();
        let in_meta = superblock.has_incompat(super::superblock::incompat::META_BG);
        let meta_from = superblock.first_meta_group.saturating_mul(per_block);
        let descriptors = if in_meta && group >= meta_from {
            let place = group.checked_rem(per_block).unwrap_or(0);
            u64::from(place <= 1 || place.saturating_add(1) == per_block)
        } else if !copy {
            0
        } else if in_meta {
            superblock.first_meta_group.saturating_add(superblock.reserved_descriptor_blocks)
        } else {
            let all = superblock.groups().div_ceil(per_block.max(1));
            all.saturating_add(superblock.reserved_descriptor_blocks)
        };
        let blocks = u64::from(copy).saturating_add(descriptors).saturating_add(shift);
        start..start.saturating_add(blocks).min(self.group_range(group).end.max(start))
    }

    /// Group descriptors that one block holds.
    pub(super) fn descriptors_per_block(&self) -> u64 {
        let size = u64::try_from(self.superblock.descriptor_size).unwrap_or(32).max(1);
        self.superblock.block_size.checked_div(size).unwrap_or(1).max(1)
    }
}
