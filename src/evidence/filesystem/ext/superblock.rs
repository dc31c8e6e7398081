//! The superblock: geometry, features and identity of the volume.
//!
//! Nothing in it is used before it was checked against the limits of the format and the length of
//! the volume. Where the first one is damaged a backup is used, and said so.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Super Block".

use super::checksum::crc32c;
use crate::bytes::{Block, ReadAt};
use crate::problem::{Code, Problem, Stage};

const MAGIC: u16 = 0xEF53;
const BYTES: usize = 1024;
/// Where the first superblock begins.
pub(super) const PRIMARY: u64 = 1024;

/// Features without which a reader goes wrong; the ones that are understood.
pub(super) mod incompat {
    pub(in crate::evidence::filesystem::ext) const FILETYPE: u32 = 0x2;
    pub(in crate::evidence::filesystem::ext) const RECOVER: u32 = 0x4;
    pub(in crate::evidence::filesystem::ext) const META_BG: u32 = 0x10;
    pub(in crate::evidence::filesystem::ext) const EXTENTS: u32 = 0x40;
    pub(in crate::evidence::filesystem::ext) const BITS64: u32 = 0x80;
    pub(in crate::evidence::filesystem::ext) const MMP: u32 = 0x100;
    pub(in crate::evidence::filesystem::ext) const FLEX_BG: u32 = 0x200;
    pub(in crate::evidence::filesystem::ext) const EA_INODE: u32 = 0x400;
    pub(in crate::evidence::filesystem::ext) const CSUM_SEED: u32 = 0x2000;
    pub(in crate::evidence::filesystem::ext) const LARGEDIR: u32 = 0x4000;
    pub(in crate::evidence::filesystem::ext) const INLINE_DATA: u32 = 0x8000;
    pub(in crate::evidence::filesystem::ext) const ENCRYPT: u32 = 0x1_0000;
    pub(in crate::evidence::filesystem::ext) const CASEFOLD: u32 = 0x2_0000;
    pub(super) const EXT3: u32 = FILETYPE | RECOVER | META_BG;
    pub(super) const KNOWN: u32 = EXT3
        | EXTENTS
        | BITS64
        | MMP
        | FLEX_BG
        | EA_INODE
        | CSUM_SEED
        | LARGEDIR
        | INLINE_DATA
        | ENCRYPT
        | CASEFOLD;
}

/// Features that a reader may ignore unless it counts space.
pub(super) mod ro_compat {
    pub(in crate::evidence::filesystem::ext) const SPARSE_SUPER: u32 = 0x1;
    pub(in crate::evidence::filesystem::ext) const GDT_CSUM: u32 = 0x10;
    pub(in crate::evidence::filesystem::ext) const BIGALLOC: u32 = 0x200;
    pub(in crate::evidence::filesystem::ext) const METADATA_CSUM: u32 = 0x400;
    pub(in crate::evidence::filesystem::ext) const SHARED_BLOCKS: u32 = 0x4000;
    /// `sparse_super`, `large_file`, `btree_dir`.
    pub(super) const EXT3: u32 = 0x7;
}

/// Features that change nothing for a reader.
pub(super) mod compat {
    pub(in crate::evidence::filesystem::ext) const HAS_JOURNAL: u32 = 0x4;
    pub(in crate::evidence::filesystem::ext) const SPARSE_SUPER2: u32 = 0x200;
    pub(in crate::evidence::filesystem::ext) const FAST_COMMIT: u32 = 0x400;
    pub(in crate::evidence::filesystem::ext) const ORPHAN_FILE: u32 = 0x1000;
}

/// What a superblock says, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// Bytes of a block: 1,024 to 65,536.
    pub(super) block_size: u64,
    /// Blocks of a cluster; 1 without `bigalloc`.
    pub(super) cluster_blocks: u64,
    /// Blocks of the file system, numbered from 0.
    pub(super) blocks: u64,
    /// The block that group 0 begins with.
    pub(super) first_block: u64,
    pub(super) group_blocks: u64,
    pub(super) inodes: u32,
    pub(super) group_inodes: u32,
    pub(super) inode_size: usize,
    /// The first inode number that is not reserved.
    pub(super) first_inode: u32,
    pub(super) descriptor_size: usize,
    pub(super) compat: u32,
    pub(super) incompat: u32,
    pub(super) ro_compat: u32,
    pub(super) uuid: [u8; 16],
    pub(super) label: Vec<u8>,
    /// Where all check sums of structures start from.
    pub(super) seed: u32,
    pub(super) reserved_descriptor_blocks: u64,
    pub(super) first_meta_group: u64,
    pub(super) backup_groups: [u32; 2],
    pub(super) journal_inode: u32,
    /// Inodes whose content is the file system's own, beside the reserved ones.
    pub(super) own_inodes: Vec<u32>,
    pub(super) mmp_block: u64,
    /// It was unmounted cleanly.
    pub(super) clean: bool,
    /// Errors were met when it was mounted last.
    pub(super) errors: bool,
}

impl Superblock {
    /// True with any of these features.
    pub(super) const fn has_incompat(&self, bits: u32) -> bool {
        self.incompat & bits != 0
    }

    /// True with any of these features.
    pub(super) const fn has_ro_compat(&self, bits: u32) -> bool {
        self.ro_compat & bits != 0
    }

    /// Structures carry CRC-32C check sums.
    pub(super) const fn has_checksums(&self) -> bool {
        self.has_ro_compat(ro_compat::METADATA_CSUM)
    }

    /// Groups of the file system.
    pub(super) fn groups(&self) -> u64 {
        self.blocks.saturating_sub(self.first_block).div_ceil(self.group_blocks.max(1))
    }

    /// `ext2`, `ext3` or `ext4`, by the features that each came with.
    pub(super) const fn kind(&self) -> &'static str {
        if self.incompat & !incompat::EXT3 != 0 || self.ro_compat & !ro_compat::EXT3 != 0 {
            "ext4"
        } else if self.compat & compat::HAS_JOURNAL != 0 {
            "ext3"
        } else {
            "ext2"
        }
    }

    /// The UUID in its usual text form.
    pub(super) fn serial(&self) -> String {
        let mut out = String::with_capacity(36);
        for (at, byte) in self.uuid.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push_str(&format!("{byte:02x}"));
        }
        out
    }

    /// True where this group holds copies of superblock and descriptors.
    pub(super) fn is_backup(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if self.compat & compat::SPARSE_SUPER2 != 0 {
            return self.backup_groups.iter().any(|backup| u64::from(*backup) == group);
        }
        if !self.has_ro_compat(ro_compat::SPARSE_SUPER) {
            return true;
        }
        let power_of = |base: u64| {
            let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(base));
            powers.take_while(|power| *power <= group).any(|power| power == group)
        };
        group == 1 || power_of(3) || power_of(5) || power_of(7)
    }
}

/// The superblock of a volume, and what is wrong with it.
///
/// # Errors
/// [`Code::NotRecognised`] where there is none; [`Code::UnsupportedVolume`] with features that are
/// not understood; the first damage where no copy can be used.
pub(super) fn find(volume: &dyn ReadAt) -> Result<(Superblock, Vec<Problem>), Problem> {
    let first = read(volume, PRIMARY, None);
    let damage = match first {
        Ok((superblock, true)) => return supported(superblock, Vec::new()),
        Ok((_, false)) => damaged(Code::ChecksumMismatch, PRIMARY, "its check sum does not hold"),
        Err(problem) => problem,
    };
    for (at, group) in backups() {
        if let Ok((superblock, true)) = read(volume, at, Some(group)) {
            let detail = format!(
                "the superblock is damaged ({}); its copy at byte {at} is used",
                damage.detail
            );
            let problem = Problem { detail, ..damage };
            return supported(superblock, vec![problem]);
        }
    }
    match read(volume, PRIMARY, None) {
        Ok((superblock, _)) => supported(superblock, vec![damage]),
        Err(_) => Err(damage),
    }
}

fn supported(
    superblock: Superblock,
    problems: Vec<Problem>,
) -> Result<(Superblock, Vec<Problem>), Problem> {
    let unknown = superblock.incompat & !incompat::KNOWN;
    if unknown == 0 {
        return Ok((superblock, problems));
    }
    let names = (0..32).map(|bit| unknown & (1 << bit)).filter(|bit| *bit != 0);
    let names = names.map(|bit| match bit {
        0x1 => "compression".to_owned(),
        0x8 => "journal_dev (a journal alone)".to_owned(),
        0x1000 => "dirdata".to_owned(),
        bit => format!("incompat {bit:#x}"),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let detail = format!("{} with features that are not read: {names}", superblock.kind());
    Err(Problem::new(Code::UnsupportedVolume, Stage::Filesystem, detail))
}

/// Where copies stand in a file system made with the usual group sizes, and their groups.
fn backups() -> impl Iterator<Item = (u64, u16)> {
    (0..7_u32).flat_map(|log| {
        let block = 1024_u64 << log;
        let group = block.saturating_mul(8);
        let first = u64::from(log == 0);
        [1_u16, 3, 5, 7, 9, 25, 27].into_iter().map(move |number| {
            let blocks = group.saturating_mul(number.into()).saturating_add(first);
            (blocks.saturating_mul(block), number)
        })
    })
}

fn damaged(code: Code, at: u64, detail: &str) -> Problem {
    Problem::new(code, Stage::Filesystem, detail).at(at, 1024)
}

/// A superblock and whether its check sum, if it has one, holds.
fn read(volume: &dyn ReadAt, at: u64, group: Option<u16>) -> Result<(Superblock, bool), Problem> {
    let mut bytes = [0; BYTES];
    let got = volume
        .fill_at(at, &mut bytes)
        .map_err(|error| damaged(Code::IoError, at, &format!("reading the superblock: {error}")))?;
    let block = Block::new(&bytes, at);
    if got < BYTES || block.u16_le(0x38) != Ok(MAGIC) {
        return Err(damaged(Code::NotRecognised, at, "no superblock of ext2, ext3 or ext4"));
    }
    let wrong = |detail: &str| damaged(Code::FilesystemDamaged, at, detail);
    let mut superblock = parse(&block).ok_or_else(|| wrong("a field is out of its limits"))?;
    if group.is_some_and(|group| block.u16_le(0x5A) != Ok(group)) {
        return Err(wrong("a copy that says it is of another group"));
    }
    check(&mut superblock, volume.len()).map_err(wrong)?;
    let covered = bytes.get(..0x3FC).unwrap_or_default();
    let holds = !superblock.has_checksums() || block.u32_le(0x3FC) == Ok(crc32c(!0, covered));
    Ok((superblock, holds))
}

fn parse(block: &Block<'_>) -> Option<Superblock> {
    let u16 = |at| block.u16_le(at).ok();
    let u32 = |at| block.u32_le(at).ok();
    let (log_block, log_cluster) = (u32(0x18)?, u32(0x1C)?);
    let block_size = 1024_u64.checked_shl(log_block).filter(|_| log_block <= 6)?;
    let (compat, incompat, ro_compat) = match u32(0x4C)? {
        0 => (0, 0, 0),
        _ => (u32(0x5C)?, u32(0x60)?, u32(0x64)?),
    };
    let is_first_revision = u32(0x4C)? == 0;
    let wide = incompat & incompat::BITS64 != 0;
    let high = if wide { u64::from(u32(0x150)?) << 32 } else { 0 };
    let bigalloc = ro_compat & ro_compat::BIGALLOC != 0;
    let cluster_blocks = match bigalloc {
        true => 1_u64.checked_shl(log_cluster.checked_sub(log_block)?).filter(|n| *n <= 1 << 20)?,
        false => 1,
    };
    let uuid = block.array(0x68).ok()?;
    let label: [u8; 16] = block.array(0x78).ok()?;
    let seed = match incompat & incompat::CSUM_SEED {
        0 => crc32c(!0, &uuid),
        _ => u32(0x270)?,
    };
    let state = u16(0x3A)?;
    Some(Superblock {
        block_size,
        cluster_blocks,
        blocks: high | u64::from(u32(0x4)?),
        first_block: u32(0x14)?.into(),
        group_blocks: u32(0x20)?.into(),
        inodes: u32(0)?,
        group_inodes: u32(0x28)?,
        inode_size: if is_first_revision { 128 } else { u16(0x58)?.into() },
        first_inode: if is_first_revision { 11 } else { u32(0x54)? },
        descriptor_size: if wide { u16(0xFE)?.into() } else { 32 },
        compat,
        incompat,
        ro_compat,
        uuid,
        label: label.into_iter().take_while(|byte| *byte != 0).collect(),
        seed,
        reserved_descriptor_blocks: u16(0xCE)?.into(),
        first_meta_group: u32(0x104)?.into(),
        backup_groups: [u32(0x24C)?, u32(0x250)?],
        journal_inode: u32(0xE0)?,
        own_inodes: [u32(0x240)?, u32(0x244)?, u32(0x26C)?, orphan_file(block, compat)?].into(),
        mmp_block: block.u64_le(0x168).ok().filter(|_| incompat & incompat::MMP != 0).unwrap_or(0),
        clean: state & 1 != 0,
        errors: state & 2 != 0,
    })
}

fn orphan_file(block: &Block<'_>, compat: u32) -> Option<u32> {
    if compat & compat::ORPHAN_FILE == 0 { Some(0) } else { block.u32_le(0x280).ok() }
}

/// Refuses what no file system of this format can be.
fn check(superblock: &mut Superblock, volume: u64) -> Result<(), &'static str> {
    let block = superblock.block_size;
    let bits = block.saturating_mul(8);
    if !(256..=bits.saturating_mul(superblock.cluster_blocks)).contains(&superblock.group_blocks) {
        return Err("blocks of a group out of their limits");
    }
    if !(1..=bits).contains(&u64::from(superblock.group_inodes)) {
        return Err("inodes of a group out of their limits");
    }
    let inode = u64::try_from(superblock.inode_size).unwrap_or(u64::MAX);
    if !inode.is_power_of_two() || !(128..=block).contains(&inode) {
        return Err("the size of an inode is not possible");
    }
    let size = superblock.descriptor_size;
    if !size.is_power_of_two() || !(32..=1024).contains(&size) {
        return Err("the size of a group descriptor is not possible");
    }
    if superblock.first_block > u64::from(block == 1024) {
        return Err("the first data block is not possible");
    }
    if superblock.blocks <= superblock.first_block {
        return Err("it has no blocks");
    }
    // Groups are counted by what the volume can hold, however many the superblock states.
    let held = volume.div_ceil(block).min(superblock.blocks);
    let groups = held.saturating_sub(superblock.first_block).div_ceil(superblock.group_blocks);
    let inodes = groups.saturating_mul(superblock.group_inodes.into());
    superblock.inodes = u32::try_from(inodes).unwrap_or(u32::MAX).min(superblock.inodes);
    if superblock.inodes < 2 || superblock.first_inode < 11 {
        return Err("it has no inodes that are not reserved");
    }
    Ok(())
}
