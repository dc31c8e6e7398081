//! Boot region of an exFAT volume: where FAT and clusters are.
//!
//! The region stands twice, each closed by a sector of check sums. Every field is hostile: what
//! leaves the volume or overlaps makes a region unusable; a check sum alone does not.
//!
//! Source: Microsoft, "exFAT file system specification", section 3 "Main and Backup Boot Regions".

use crate::bytes::{Block, ReadAt, Truncated};
use crate::problem::{Code, Problem, Stage};

use super::clusters::Run;

/// Sectors of one boot region: boot sector, extended ones, parameters, reserved, check sums.
const REGION_SECTORS: u64 = 12;

/// Shape of a volume, checked: places and lengths are bytes of the volume and lie within it,
/// FAT behind both boot regions, clusters behind the FAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) sector: u64,
    pub(super) cluster: u64,
    /// Bytes of both boot regions.
    pub(super) boot: u64,
    /// First byte and length of the FAT in use.
    pub(super) fat: (u64, u64),
    /// Bytes of all FATs.
    pub(super) fats: u64,
    /// True where the second FAT is the one in use.
    pub(super) second_fat: bool,
    /// Byte of the first cluster, which has the number 2.
    pub(super) heap: u64,
    /// The clusters that the volume says it has.
    pub(super) stated: Run,
    /// Those of them that are there to their last byte.
    pub(super) present: Run,
    pub(super) root: u32,
    pub(super) serial: u32,
    /// Bytes that the volume says it has.
    pub(super) volume: u64,
}

impl Geometry {
    /// The byte at which a cluster begins.
    pub(super) fn place(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(2));
        self.heap.saturating_add(index.saturating_mul(self.cluster))
    }

    /// How many clusters hold `bytes` bytes.
    pub(super) const fn clusters(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster)
    }
}

/// The shape of a volume, from its main boot region or from the backup of that.
///
/// # Errors
/// What is wrong with the main one where neither is usable.
pub(super) fn read(volume: &dyn ReadAt) -> Result<(Geometry, Vec<Problem>), Problem> {
    let main = region(volume, 0, None);
    let backup = || {
        let stated = main.as_ref().ok().map(|(shape, _)| shape.sector);
        let sizes = [512, 1024, 2048, 4096].into_iter();
        let mut sizes = sizes.filter(|&size| stated.is_none_or(|stated| stated == size));
        sizes.find_map(|size: u64| {
            region(volume, REGION_SECTORS.saturating_mul(size), Some(size)).ok()
        })
    };
    let (shape, mut problems) = match (&main, backup()) {
        (Ok((main, true)), Some((backup, true))) => {
            let differ = damaged("main and backup boot region disagree; the main one is used", 0);
            let problem = (*main != backup).then_some(differ);
            (main.clone(), problem.into_iter().collect::<Vec<_>>())
        }
        (Ok((main, true)), _) => {
            let at = REGION_SECTORS.saturating_mul(main.sector);
            (main.clone(), vec![damaged("the backup boot region is damaged", at)])
        }
        (_, Some((backup, true))) => {
            (backup, vec![damaged("the main boot region is damaged; its backup is used", 0)])
        }
        (Ok((main, false)), _) => {
            let detail = "check sums of the boot region and of its backup do not hold";
            (main.clone(), vec![Problem::new(Code::ChecksumMismatch, Stage::Filesystem, detail)])
        }
        (Err(_), Some((backup, false))) => {
            let detail = "the main boot region is damaged; its backup is used, whose check sum \
                          does not hold";
            (backup, vec![damaged(detail, 0)])
        }
        (Err(problem), None) => return Err(problem.clone()),
    };
    if shape.volume > volume.len() || shape.stated != shape.present {
        let (says, is) = (shape.volume, volume.len());
        let detail = format!("the file system says it has {says} bytes, the volume has {is}");
        problems.push(damaged(&detail, is));
    }
    Ok((shape, problems))
}

fn damaged(detail: &str, at: u64) -> Problem {
    Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail).at(at, 512)
}

/// The region at a byte, and whether its check sum holds.
fn region(volume: &dyn ReadAt, at: u64, size: Option<u64>) -> Result<(Geometry, bool), Problem> {
    let mut bytes = [0; 512];
    match volume.fill_at(at, &mut bytes) {
        Ok(512) => {}
        Ok(_) => return Err(damaged("the boot sector lies past the end", at)),
        Err(error) => {
            let problem = Problem::new(Code::IoError, Stage::Filesystem, error.to_string());
            return Err(problem.at(at, 512));
        }
    }
    let shape = geometry(&Block::new(&bytes, at), volume.len());
    let shape = shape.ok().flatten().filter(|shape| size.is_none_or(|size| size == shape.sector));
    let shape = shape.ok_or_else(|| damaged("no usable boot sector of exFAT", at))?;
    let holds = checksum_holds(volume, at, shape.sector);
    Ok((shape, holds))
}

/// The shape that a boot sector states; `None` where its fields contradict each other or leave
/// the volume.
fn geometry(boot: &Block<'_>, len: u64) -> Result<Option<Geometry>, Truncated> {
    let (sector_shift, cluster_shift) = (boot.u8(108)?, boot.u8(109)?);
    let sane = (9..=12).contains(&sector_shift)
        && u16::from(sector_shift).saturating_add(u16::from(cluster_shift)) <= 25;
    if boot.array::<8>(3)? != *b"EXFAT   " || !sane {
        return Ok(None);
    }
    let sector = 1_u64 << sector_shift;
    let cluster = sector << cluster_shift;
    let sectors = |at| boot.u32_le(at).map(|count| u64::from(count).saturating_mul(sector));
    let (fat, fat_len, heap) = (sectors(80)?, sectors(84)?, sectors(88)?);
    let count = boot.u32_le(92)?.min(0xFFFF_FFF5);
    let fats = u64::from(boot.u8(110)?);
    let second_fat = fats == 2 && boot.u16_le(106)? & 1 == 1;
    let region = REGION_SECTORS.saturating_mul(2).saturating_mul(sector);
    let all = fat_len.saturating_mul(fats);
    let holds = u64::from(count).saturating_add(2).saturating_mul(4) <= fat_len;
    let ordered = fat >= region && fat.saturating_add(all) <= heap && heap < len;
    if !(holds && ordered && matches!(fats, 1 | 2)) {
        return Ok(None);
    }
    let there = u32::try_from(len.saturating_sub(heap).div_euclid(cluster)).unwrap_or(u32::MAX);
    let start = if second_fat { fat.saturating_add(fat_len) } else { fat };
    Ok(Some(Geometry {
        sector,
        cluster,
        boot: region,
        fat: (start, fat_len),
        fats: all,
        second_fat,
        heap,
        stated: Run { first: 2, len: count },
        present: Run { first: 2, len: count.min(there) },
        root: boot.u32_le(96)?,
        serial: boot.u32_le(100)?,
        volume: boot.u64_le(72)?.saturating_mul(sector),
    }))
}

/// The last sector of a region repeats a sum of the eleven before it, in which the flags and the
/// percentage of the boot sector, which change, do not count.
fn checksum_holds(volume: &dyn ReadAt, at: u64, sector: u64) -> bool {
    let Ok(size) = usize::try_from(sector) else { return false };
    let mut bytes = vec![0; size];
    let mut sum = 0_u32;
    for number in 0..11_u64 {
        let place = at.saturating_add(number.saturating_mul(sector));
        if !volume.fill_at(place, &mut bytes).is_ok_and(|n| n == size) {
            return false;
        }
        for (index, byte) in bytes.iter().enumerate() {
            if number > 0 || !matches!(index, 106 | 107 | 112) {
                sum = sum.rotate_right(1).wrapping_add(u32::from(*byte));
            }
        }
    }
    let place = at.saturating_add(sector.saturating_mul(11));
    volume.fill_at(place, &mut bytes).is_ok_and(|n| n == size)
        && bytes.chunks(4).all(|word| word == sum.to_le_bytes())
}
