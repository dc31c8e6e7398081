//! Volume descriptors: sessions, and the trees of names each offers.
//!
//! Source: ECMA-119, sections 8.4 and 8.5; Joliet Specification, "Escape Sequences".

use std::sync::Arc;

use crate::bytes::{Block, ReadAt};
use crate::item::escape::utf16_name;
use crate::problem::{Code, Problem, Stage};

/// Bytes of a logical sector; descriptors and directory records keep to it.
pub(super) const SECTOR: u64 = 2048;
/// The sector of the first descriptor within a session.
pub(super) const FIRST: u64 = 16;
/// Most descriptors of a session.
const MOST: u64 = 64;
/// How far behind the stated end of the volume further sessions are sought.
const FAR: u64 = 1 << 30;

/// A tree of directories.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Logical block of the root directory, and its bytes.
    pub(super) root: u32,
    pub(super) root_len: u32,
    /// Byte of the record that names the root.
    pub(super) record: u64,
    /// Names are UCS-2.
    pub(super) is_joliet: bool,
}

/// The newest session of a volume.
#[derive(Clone)]
pub(super) struct Volume {
    pub(super) bytes: Arc<dyn ReadAt>,
    pub(super) label: Vec<u8>,
    /// Bytes of a logical block: 512, 1,024 or 2,048.
    pub(super) block: u64,
    /// Logical blocks of the volume, as it states them.
    pub(super) blocks: u64,
    pub(super) primary: Tree,
    pub(super) joliet: Option<Tree>,
    /// The trees of all further supplementary descriptors.
    pub(super) others: Vec<Tree>,
    /// Sectors of the volume that hold descriptors of this session.
    pub(super) descriptors: Vec<u64>,
    /// Path tables: logical block and bytes.
    pub(super) path_tables: Vec<(u32, u32)>,
}

/// Reads the newest session.
///
/// # Errors
/// [`Code::NotRecognised`] without a primary descriptor.
pub(super) fn open(bytes: Arc<dyn ReadAt>, problems: &mut Vec<Problem>) -> Result<Volume, Problem> {
    let first = session(&bytes, FIRST, problems)?;
    let end = first.blocks.saturating_mul(first.block).div_ceil(SECTOR);
    let last = bytes.len().div_euclid(SECTOR).min(end.saturating_add(FAR.div_euclid(SECTOR)));
    let mut newest = first;
    let mut sector = end.max(FIRST.saturating_add(1));
    while sector < last {
        let mut buf = vec![0; 1 << 20];
        let got = bytes.fill_at(sector.saturating_mul(SECTOR), &mut buf).unwrap_or(0);
        for (chunk, number) in buf.chunks(2048).zip(sector..last) {
            if got > 0
                && chunk.starts_with(b"\x01CD001\x01")
                && let Ok(found) = session(&bytes, number, &mut Vec::new())
                && is_root(&found)
            {
                let detail = format!(
                    "an earlier session ends before sector {number}; what only it holds is not listed"
                );
                problems.push(Problem::new(Code::ContentNotRead, Stage::Filesystem, detail));
                newest = found;
            }
        }
        sector = sector.saturating_add(512);
    }
    Ok(newest)
}

/// True where the root directory begins with a record of itself.
fn is_root(volume: &Volume) -> bool {
    let mut record = [0; 34];
    let at = u64::from(volume.primary.root).saturating_mul(volume.block);
    let got = volume.bytes.fill_at(at, &mut record).unwrap_or(0);
    let root = Block::new(&record, at).u32_le(2);
    got == record.len() && root == Ok(volume.primary.root)
}

fn session(
    bytes: &Arc<dyn ReadAt>,
    first: u64,
    problems: &mut Vec<Problem>,
) -> Result<Volume, Problem> {
    let mut volume: Option<Volume> = None;
    let mut joliet = None;
    let mut others = Vec::new();
    let mut more_tables = Vec::new();
    let mut descriptors = Vec::new();
    for sector in first..first.saturating_add(MOST) {
        let at = sector.saturating_mul(SECTOR);
        let mut buf = [0; 2048];
        let got = bytes.fill_at(at, &mut buf).map_err(|error| {
            Problem::new(
                Code::IoError,
                Stage::Filesystem,
                format!("reading a volume descriptor: {error}"),
            )
            .at(at, SECTOR)
        })?;
        let block = Block::new(&buf, at);
        if got < buf.len() || block.array(1) != Ok(*b"CD001") {
            break;
        }
        descriptors.push(sector);
        match block.u8(0) {
            Ok(1) if volume.is_none() => volume = primary(bytes, &block, problems),
            Ok(2) => {
                match supplementary(&block, problems) {
                    Some(found) if joliet.is_none() && found.0.is_joliet => joliet = Some(found),
                    other => others.extend(other.map(|(tree, _)| tree)),
                }
                more_tables.append(&mut path_tables(&block).unwrap_or_default());
            }
            Ok(255) => break,
            _ => {}
        }
    }
    let Some(mut volume) = volume else {
        let detail = "no primary volume descriptor of ISO 9660";
        return Err(Problem::new(Code::NotRecognised, Stage::Filesystem, detail));
    };
    if let Some((tree, label)) = joliet {
        volume.label = label;
        volume.joliet = Some(tree);
    }
    volume.others = others;
    volume.path_tables.append(&mut more_tables);
    volume.descriptors = descriptors;
    Ok(volume)
}

fn primary(
    bytes: &Arc<dyn ReadAt>,
    block: &Block<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Volume> {
    let size = u64::from(both16(block, 128, "the logical block size", problems)?);
    let size = match size {
        512 | 1024 | 2048 => size,
        other => {
            let detail = format!("logical blocks of {other} bytes are not possible; 2048 is used");
            problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
            SECTOR
        }
    };
    let label: [u8; 32] = block.array(40).ok()?;
    Some(Volume {
        bytes: Arc::clone(bytes),
        label: label.trim_ascii_end().to_vec(),
        block: size,
        blocks: both32(block, 80, "the size of the volume", problems)?.into(),
        primary: tree(block, false, problems)?,
        joliet: None,
        others: Vec::new(),
        descriptors: Vec::new(),
        path_tables: path_tables(block)?,
    })
}

/// Where a tree's path tables are, in either byte order, and their bytes. Only their space counts.
fn path_tables(block: &Block<'_>) -> Option<Vec<(u32, u32)>> {
    let len = block.u32_le(132).ok()?;
    let little = [block.u32_le(140).ok()?, block.u32_le(144).ok()?];
    let big = [block.u32_be(148).ok()?, block.u32_be(152).ok()?];
    let places = little.into_iter().chain(big).filter(|at| *at != 0);
    Some(places.map(|at| (at, len)).collect())
}

/// The tree of a supplementary descriptor, and its label where its names are those of Joliet.
fn supplementary(block: &Block<'_>, problems: &mut Vec<Problem>) -> Option<(Tree, Vec<u8>)> {
    let escape: [u8; 3] = block.array(88).ok()?;
    if !matches!(&escape, b"%/@" | b"%/C" | b"%/E") {
        return Some((tree(block, false, problems)?, Vec::new()));
    }
    let label: [u8; 32] = block.array(40).ok()?;
    let units = label.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
    let label = utf16_name(units.take_while(|unit| *unit != 0));
    Some((tree(block, true, problems)?, label.trim_ascii_end().to_vec()))
}

fn tree(block: &Block<'_>, is_joliet: bool, problems: &mut Vec<Problem>) -> Option<Tree> {
    Some(Tree {
        root: both32(block, 158, "the place of the root directory", problems)?,
        root_len: both32(block, 166, "the size of the root directory", problems)?,
        record: block.position(156).0,
        is_joliet,
    })
}

/// A number that is stored in both byte orders. Where they differ it is told, and the little-endian
/// one is used.
pub(super) fn both32(
    block: &Block<'_>,
    at: usize,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<u32> {
    let (little, big) = (block.u32_le(at).ok()?, block.u32_be(at.checked_add(4)?).ok()?);
    if little != big {
        differ(block, at, what, (little, big), 8, problems);
    }
    Some(little)
}

fn both16(block: &Block<'_>, at: usize, what: &str, problems: &mut Vec<Problem>) -> Option<u16> {
    let (little, big) = (block.u16_le(at).ok()?, block.u16_be(at.checked_add(2)?).ok()?);
    if little != big {
        differ(block, at, what, (little.into(), big.into()), 4, problems);
    }
    Some(little)
}

fn differ(
    block: &Block<'_>,
    at: usize,
    what: &str,
    (little, big): (u32, u32),
    len: u64,
    problems: &mut Vec<Problem>,
) {
    let detail = format!(
        "{what} is {little} in one byte order and {big} in the other; the little-endian one is used"
    );
    problems.push(
        Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail)
            .at(block.position(at).0, len),
    );
}
