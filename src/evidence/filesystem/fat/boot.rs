//! The boot record: where tables, root folder and clusters lie.
//!
//! Every field is hostile. A record is taken only if its numbers make one layout that begins
//! inside the volume; what reaches past the volume's end is left to the readers, which say so.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, 2000, sections
//! "Boot Sector and BPB", "FAT Type Determination", "FAT32 Extended".

use crate::bytes::{Block, ReadAt, Truncated};
use crate::problem::{Code, Problem, Stage};

/// How wide an entry of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fat12,
    Fat16,
    Fat32,
}

impl Kind {
    /// Its name in the report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fat12 => "fat12",
            Self::Fat16 => "fat16",
            Self::Fat32 => "fat32",
        }
    }

    /// Number of clusters that its entries can tell from their marks.
    const fn most_clusters(self) -> u64 {
        match self {
            Self::Fat12 => 0xFF4,
            Self::Fat16 => 0xFFF4,
            Self::Fat32 => 0x0FFF_FFF4,
        }
    }

    /// Number of entries in a table of `bytes`.
    const fn entries(self, bytes: u64) -> u64 {
        match self {
            Self::Fat12 => bytes.saturating_mul(2) / 3,
            Self::Fat16 => bytes / 2,
            Self::Fat32 => bytes / 4,
        }
    }
}

/// Where the root folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A fixed run of bytes (FAT12, FAT16).
    Region { at: u64, len: u64 },
    /// A chain that starts with this cluster (FAT32).
    Chain(u32),
}

/// The layout that a boot record states, in bytes of the volume.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    /// Where each copy of the table begins; never empty.
    pub(super) tables: Vec<u64>,
    /// The copy in force, and whether the others follow it.
    pub(super) active: usize,
    pub(super) mirrored: bool,
    /// Bytes of one copy.
    pub(super) table_len: u64,
    pub(super) root: Root,
    /// Where cluster 2 begins.
    pub(super) data_at: u64,
    /// Number of clusters.
    pub(super) clusters: u32,
    /// Label and serial number of the boot record.
    pub(super) label: [u8; 11],
    pub(super) serial: Option<u32>,
    pub(super) problems: Vec<Problem>,
}

/// The record's own numbers, as they stand.
struct Fields {
    sector: u64,
    cluster_sectors: u64,
    reserved: u64,
    tables: u64,
    root_entries: u64,
    sectors: u64,
    table_sectors16: u64,
    table_sectors: u64,
}

/// Sector sizes that exist.
const SECTORS: [u64; 4] = [512, 1024, 2048, 4096];
/// The sector that keeps the copy of a FAT32 boot record.
const BACKUP: u64 = 6;
/// Bytes of a boot record that are looked at.
const RECORD: usize = 512;

impl Layout {
    /// Reads the boot record, or its copy where it is damaged.
    ///
    /// # Errors
    /// Why neither is one.
    pub(super) fn read(volume: &dyn ReadAt) -> Result<Self, Problem> {
        let first = match record(volume, 0).and_then(|bytes| Self::parse(&bytes, volume.len())) {
            Ok(layout) => return Ok(layout),
            Err(why) => why,
        };
        for sector in SECTORS {
            let at = sector.saturating_mul(BACKUP);
            let copy = record(volume, at).and_then(|bytes| Self::parse(&bytes, volume.len()));
            if let Ok(mut layout) = copy
                && layout.kind == Kind::Fat32
                && layout.sector_is(sector)
            {
                let detail =
                    format!("boot record is damaged ({first}); its copy at byte {at} is used");
                layout.problems.push(damaged(detail).at(0, 512));
                return Ok(layout);
            }
        }
        Err(damaged(format!("no boot record of a FAT file system: {first}")).at(0, 512))
    }

    /// The layout of one record, for a volume of `volume_len` bytes.
    fn parse(bytes: &[u8], volume_len: u64) -> Result<Self, String> {
        let block = Block::new(bytes, 0);
        let fields = Fields::read(&block).map_err(|short| short.to_string())?;
        fields.check(&block)?;
        let mut problems = Vec::new();
        let table_len = fields.table_sectors.saturating_mul(fields.sector);
        let tables = fields.table_places();
        let root_at = fields.tables_at().saturating_add(fields.tables.saturating_mul(table_len));
        let root_len = fields.root_bytes();
        let data_at = root_at.saturating_add(root_len);
        let (kind, clusters) = fields.clusters(&mut problems)?;
        let cluster = fields.cluster_sectors.saturating_mul(fields.sector);
        let clusters = clusters.min(clusters_within(volume_len, data_at, cluster)?);
        fields.compare_with(volume_len, &mut problems);
        let ending = Ending::read(&block, kind).map_err(|short| short.to_string())?;
        if ending.active >= tables.len() {
            let (active, count) = (ending.active, tables.len());
            return Err(format!("table {active} is in force and there are {count}"));
        }
        let root = match ending.root_cluster {
            Some(first) => Root::Chain(first),
            None => Root::Region { at: root_at, len: root_len },
        };
        Ok(Self {
            kind,
            cluster,
            tables,
            active: ending.active,
            mirrored: ending.mirrored,
            table_len,
            root,
            data_at,
            clusters,
            label: ending.label,
            serial: ending.serial,
            problems,
        })
    }

    /// Where the cluster begins; `None` where the volume has no such cluster.
    pub(super) fn cluster_at(&self, cluster: u32) -> Option<u64> {
        let index = cluster.checked_sub(2).filter(|index| *index < self.clusters)?;
        u64::from(index).checked_mul(self.cluster)?.checked_add(self.data_at)
    }

    /// The numbers of all clusters.
    pub(super) fn all_clusters(&self) -> std::ops::Range<u32> {
        2..self.clusters.saturating_add(2)
    }

    /// Where the last cluster ends.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.clusters).saturating_mul(self.cluster).saturating_add(self.data_at)
    }

    /// True where the layout may be of sectors of this size.
    fn sector_is(&self, sector: u64) -> bool {
        self.tables.first().is_some_and(|at| at.checked_rem(sector) == Some(0))
    }
}

/// Clusters that a volume has room for behind `data_at`, the last perhaps in part: what lies wholly
/// past the end is no cluster, so no loop is longer than the volume.
fn clusters_within(volume_len: u64, data_at: u64, cluster: u64) -> Result<u32, String> {
    let Some(room @ 1..) = volume_len.checked_sub(data_at) else {
        return Err("its first cluster lies past the end of the volume".to_owned());
    };
    Ok(u32::try_from(room.div_ceil(cluster.max(1))).unwrap_or(u32::MAX))
}

/// The fields behind those that all kinds have in the same place.
struct Ending {
    /// The table in force, and whether all are kept alike.
    active: usize,
    mirrored: bool,
    /// Where the root is a chain of clusters, its first.
    root_cluster: Option<u32>,
    label: [u8; 11],
    serial: Option<u32>,
}

impl Ending {
    fn read(block: &Block<'_>, kind: Kind) -> Result<Self, Truncated> {
        let wide = kind == Kind::Fat32;
        let extended: usize = if wide { 66 } else { 38 };
        let signature = block.u8(extended)?;
        let serial = block.u32_le(extended.saturating_add(1))?;
        let label = block.array(extended.saturating_add(5))?;
        let flags = block.u16_le(40)?;
        let mirrored = !wide || flags & 0x80 == 0;
        Ok(Self {
            active: if mirrored { 0 } else { usize::from(flags & 0x0F) },
            mirrored,
            root_cluster: if wide { Some(block.u32_le(44)?) } else { None },
            label: if signature == 0x29 { label } else { [b' '; 11] },
            serial: matches!(signature, 0x28 | 0x29).then_some(serial),
        })
    }
}

impl Fields {
    /// Where the first table begins.
    fn tables_at(&self) -> u64 {
        self.reserved.saturating_mul(self.sector)
    }

    /// Where each table begins.
    fn table_places(&self) -> Vec<u64> {
        let len = self.table_sectors.saturating_mul(self.sector);
        let place = |n: u64| self.tables_at().saturating_add(n.saturating_mul(len));
        (0..self.tables).map(place).collect()
    }

    /// Tells where the record states more bytes than the volume has.
    fn compare_with(&self, volume_len: u64, problems: &mut Vec<Problem>) {
        let stated = self.sectors.saturating_mul(self.sector);
        if stated > volume_len {
            let detail = format!("states {stated} bytes, the volume has {volume_len}");
            problems.push(damaged(detail).at(volume_len, stated.saturating_sub(volume_len)));
        }
    }

    fn read(block: &Block<'_>) -> Result<Self, Truncated> {
        let small = u64::from(block.u16_le(19)?);
        let table_sectors16 = u64::from(block.u16_le(22)?);
        let wide = u64::from(block.u32_le(36)?);
        Ok(Self {
            sector: u64::from(block.u16_le(11)?),
            cluster_sectors: u64::from(block.u8(13)?),
            reserved: u64::from(block.u16_le(14)?),
            tables: u64::from(block.u8(16)?),
            root_entries: u64::from(block.u16_le(17)?),
            sectors: if small == 0 { u64::from(block.u32_le(32)?) } else { small },
            table_sectors16,
            table_sectors: if table_sectors16 == 0 { wide } else { table_sectors16 },
        })
    }

    /// Whether the numbers are such as a FAT boot record may have.
    fn check(&self, block: &Block<'_>) -> Result<(), String> {
        let signed = block.array::<2>(510).is_ok_and(|mark| mark == [0x55, 0xAA]);
        let jumps = matches!(block.array::<3>(0), Ok([0xEB, _, 0x90] | [0xE9, _, _]));
        let media = block.u8(21).is_ok_and(|media| media == 0xF0 || media >= 0xF8);
        if !(signed || jumps) {
            return Err("neither jump nor signature".to_owned());
        }
        if !SECTORS.contains(&self.sector) {
            return Err(format!("sectors of {} bytes", self.sector));
        }
        if !self.cluster_sectors.is_power_of_two() {
            return Err(format!("clusters of {} sectors", self.cluster_sectors));
        }
        if self.reserved == 0 || !(1..=8).contains(&self.tables) || self.table_sectors == 0 {
            let Self { reserved, tables, table_sectors, .. } = self;
            return Err(format!(
                "{reserved} reserved sectors, {tables} tables of {table_sectors} sectors"
            ));
        }
        if !media {
            return Err("no media byte".to_owned());
        }
        if (self.table_sectors16 == 0) != (self.root_entries == 0) {
            return Err(format!("a root folder of {} entries", self.root_entries));
        }
        Ok(())
    }

    /// Bytes of a root folder that is no chain, in whole sectors.
    fn root_bytes(&self) -> u64 {
        let bytes = self.root_entries.saturating_mul(32);
        bytes.checked_next_multiple_of(self.sector).unwrap_or(bytes)
    }

    /// Kind and number of clusters.
    ///
    /// The count decides between FAT12 and FAT16. A record without a 16-bit table length can only
    /// be read as FAT32, and that is how every system reads it, even where there are fewer than the
    /// 65,525 clusters that the specification asks for, as on small volumes of mkfs.vfat.
    fn clusters(&self, problems: &mut Vec<Problem>) -> Result<(Kind, u32), String> {
        let table_sectors = self.tables.saturating_mul(self.table_sectors);
        let root_sectors = self.root_bytes().checked_div(self.sector).unwrap_or(0);
        let before = self.reserved.saturating_add(table_sectors).saturating_add(root_sectors);
        let data =
            self.sectors.checked_sub(before).and_then(|n| n.checked_div(self.cluster_sectors));
        let Some(stated @ 1..) = data else {
            return Err(format!(
                "{} sectors, of which {before} precede the clusters",
                self.sectors
            ));
        };
        let kind = match stated {
            _ if self.table_sectors16 == 0 => Kind::Fat32,
            0..4085 => Kind::Fat12,
            _ => Kind::Fat16,
        };
        let table_len = self.table_sectors.saturating_mul(self.sector);
        let held = kind.entries(table_len).saturating_sub(2).min(kind.most_clusters());
        if held < stated {
            let detail =
                format!("{stated} clusters, the {} table has room for {held}", kind.name());
            problems.push(damaged(detail));
        }
        let clusters = u32::try_from(stated.min(held)).unwrap_or(0);
        if clusters == 0 { Err("a table without entries".to_owned()) } else { Ok((kind, clusters)) }
    }
}

/// True where `first`, the first bytes of a volume (at least 512; 28 KiB reach every copy), hold
/// the boot record of a FAT file system or the copy that FAT32 keeps of it.
///
/// ```
/// assert!(!assay::evidence::filesystem::fat::recognise(&[0; 512]));
/// ```
pub fn recognise(first: &[u8]) -> bool {
    let whole = |bytes: &[u8]| Layout::parse(bytes, u64::MAX).is_ok();
    let copies = SECTORS.iter().filter_map(|sector| {
        let at = usize::try_from(sector.checked_mul(BACKUP)?).ok()?;
        first.get(at..at.checked_add(RECORD)?)
    });
    let wide = |bytes: &&[u8]| bytes.get(82..87) == Some(b"FAT32");
    first.get(..RECORD).is_some_and(whole) || copies.filter(wide).any(whole)
}

fn record(volume: &dyn ReadAt, at: u64) -> Result<[u8; RECORD], String> {
    let mut bytes = [0; RECORD];
    match volume.fill_at(at, &mut bytes) {
        Ok(RECORD) => Ok(bytes),
        Ok(n) => Err(format!("{n} bytes where a boot record has {RECORD}")),
        Err(error) => Err(error.to_string()),
    }
}

fn damaged(detail: String) -> Problem {
    Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail)
}
