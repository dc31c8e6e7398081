//! What the root folder says of the volume itself: label, identifier, allocation bitmap, table of
//! upper-case letters.
//!
//! Source: Microsoft, "exFAT file system specification", sections 7.1 "Allocation Bitmap", 7.2
//! "Up-case Table", 7.3 "Volume Label" and 7.5 "Volume GUID".

use crate::bytes::{Block, ReadAt, Truncated};
use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

use super::boot::Geometry;
use super::clusters::{ClusterSet, Run};
use super::directory::{Directory, Reader};
use super::entries::Stream;
use super::fat::Fat;

/// The largest table of upper-case letters: one for each unit of UTF-16.
const LARGEST_TABLE: u64 = 1 << 17;

/// Bytes of the bitmap that are read at once.
const PART: usize = 1 << 16;

/// What the root folder says of the volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) label: Vec<u8>,
    pub(super) guid: Option<[u8; 16]>,
    pub(super) bitmap: Option<Stream>,
    /// Clusters of the bitmap that is not in use, on a volume with two.
    pub(super) other_bitmap: Option<Stream>,
    /// Its clusters and its check sum.
    pub(super) table: Option<(Stream, u32)>,
}

/// Reads them from the root folder; the first of each kind counts.
pub(super) fn read(root: &mut Directory, reader: &mut Reader<'_>, second_fat: bool) -> Special {
    let mut special = Special::default();
    while let Some(bytes) = root.next_entry(reader) {
        let entry = Block::new(&bytes, 0);
        if entry.u8(0) == Ok(0) {
            break;
        }
        // An entry has all its fields: nothing here fails.
        let _never = note(&entry, &mut special, second_fat);
    }
    special
}

fn note(entry: &Block<'_>, special: &mut Special, second_fat: bool) -> Result<(), Truncated> {
    let len = entry.u64_le(24)?;
    let stream = Stream { contiguous: false, first: entry.u32_le(20)?, len, valid: len };
    match entry.u8(0)? {
        0x81 if (entry.u8(1)? & 1 == 1) == second_fat => {
            special.bitmap.get_or_insert(stream);
        }
        0x81 => {
            special.other_bitmap.get_or_insert(stream);
        }
        0x82 => {
            special.table.get_or_insert((stream, entry.u32_le(4)?));
        }
        0x83 if special.label.is_empty() => {
            let count = usize::from(entry.u8(1)?).min(11);
            let units =
                (0..count).map_while(|i| entry.u16_le(i.saturating_mul(2).saturating_add(2)).ok());
            special.label = escape::utf16_name(units);
        }
        0xA0 => {
            special.guid.get_or_insert(entry.array(6)?);
        }
        _ => {}
    }
    Ok(())
}

/// The clusters that the bitmap says are in use. What it does not say, because it is too short or
/// cannot be read, counts as in use: nothing is recovered from there.
pub(super) fn bitmap(
    volume: &dyn ReadAt,
    shape: &Geometry,
    fat: &mut Fat<'_>,
    stream: Option<Stream>,
) -> (ClusterSet, Vec<Problem>) {
    let mut set = ClusterSet::default();
    let mut problems = Vec::new();
    let Some(stream) = stream else {
        set.insert(shape.present);
        let detail = "there is no allocation bitmap; all clusters count as in use";
        problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        return (set, problems);
    };
    let need = u64::from(shape.stated.len).div_ceil(8);
    if stream.len < need {
        let detail = "the allocation bitmap is too short; what it leaves out counts as in use";
        problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
    }
    let want = need.min(stream.len);
    let (runs, _) = fat.follow(stream.first, shape.clusters(want), &ClusterSet::default());
    let mut bits = Bits { shape, set: &mut set, at: shape.present.first, open: None };
    let mut left = want;
    'runs: for run in runs {
        let mut place = shape.place(run.first);
        let mut bytes = u64::from(run.len).saturating_mul(shape.cluster).min(left);
        left = left.saturating_sub(bytes);
        while bytes > 0 {
            let mut part = vec![0; PART.min(usize::try_from(bytes).unwrap_or(PART))];
            let len = u64::try_from(part.len()).unwrap_or_default();
            match volume.fill_at(place, &mut part) {
                Ok(n) if n == part.len() => {}
                Ok(_) => break 'runs,
                Err(error) => {
                    part.fill(0xFF);
                    let problem = Problem::new(Code::IoError, Stage::Filesystem, error.to_string());
                    problems.push(problem.at(place, len));
                }
            }
            part.iter().for_each(|byte| bits.push(*byte));
            place = place.saturating_add(len);
            bytes = bytes.saturating_sub(len);
        }
    }
    let said = bits.finish();
    if u64::from(said) < u64::from(shape.present.len).min(want.saturating_mul(8)) {
        let detail = "the clusters of the allocation bitmap break off; the rest counts as in use";
        problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
    }
    (set, problems)
}

/// Puts the clusters whose bits are set into a set, in runs.
struct Bits<'a> {
    shape: &'a Geometry,
    set: &'a mut ClusterSet,
    /// The cluster of the next bit.
    at: u32,
    /// Where a run that is not yet in the set began.
    open: Option<u32>,
}

impl Bits<'_> {
    fn push(&mut self, byte: u8) {
        match (byte, self.open) {
            (0, None) | (0xFF, Some(_)) => self.at = self.at.saturating_add(8),
            _ => {
                for bit in 0..8_u32 {
                    match (byte >> bit & 1 == 1, self.open) {
                        (true, None) => self.open = Some(self.at),
                        (false, Some(first)) => self.close(first, self.at),
                        _ => {}
                    }
                    self.at = self.at.saturating_add(1);
                }
            }
        }
    }

    fn close(&mut self, first: u32, end: u32) {
        let run = Run { first, len: end.saturating_sub(first) };
        self.set.insert(run.common(self.shape.present));
        self.open = None;
    }

    /// Ends the last run, counts what was not said as in use; returns how many clusters were said.
    fn finish(mut self) -> u32 {
        let present = self.shape.present;
        if let Some(first) = self.open {
            self.close(first, self.at);
        }
        let said = self.at.min(present.end());
        self.set.insert(Run { first: said, len: present.end().saturating_sub(said) });
        said.saturating_sub(present.first)
    }
}

/// What is wrong with the table of upper-case letters. Names are not compared here, so its content
/// does not matter; that it was changed may.
pub(super) fn check_table(
    volume: &dyn ReadAt,
    shape: &Geometry,
    fat: &mut Fat<'_>,
    table: Option<(Stream, u32)>,
) -> Option<Problem> {
    let problem = |code, detail: &str| Some(Problem::new(code, Stage::Filesystem, detail));
    let Some((stream, expected)) = table else {
        return problem(Code::FilesystemDamaged, "there is no table of upper-case letters");
    };
    let need = shape.clusters(stream.len.min(LARGEST_TABLE));
    let (runs, _) = fat.follow(stream.first, need, &ClusterSet::default());
    let mut left = stream.len.min(LARGEST_TABLE);
    let mut sum = 0_u32;
    for run in runs {
        let bytes = u64::from(run.len).saturating_mul(shape.cluster).min(left);
        left = left.saturating_sub(bytes);
        let mut part = vec![0; usize::try_from(bytes).unwrap_or_default()];
        if !volume.fill_at(shape.place(run.first), &mut part).is_ok_and(|n| n == part.len()) {
            return problem(Code::IoError, "the table of upper-case letters cannot be read");
        }
        for byte in part {
            sum = sum.rotate_right(1).wrapping_add(u32::from(byte));
        }
    }
    if left > 0 || sum != expected || stream.len > LARGEST_TABLE {
        let detail = "the check sum of the table of upper-case letters does not hold";
        return problem(Code::ChecksumMismatch, detail);
    }
    None
}
