//! Folders: from the clusters of one to its entry sets, read in order and in small parts.
//!
//! A folder is read on behind its end mark: what stands there was deleted, whatever its bits say.
//! Bytes that cannot be read are passed over and make the folder incomplete.

use std::collections::BTreeSet;

use crate::bytes::ReadAt;

use super::boot::Geometry;
use super::clusters::Run;
use super::entries::{self, ENTRY, EntrySet, FILE, IN_USE};

/// Bytes that are read at once.
const PART: u64 = 1 << 15;

/// The most bytes that a folder may have; section 7.4 "File" of the specification gives the limit.
pub(super) const LARGEST: u64 = 256 << 20;

/// A type that no entry has; it stands for what cannot be read.
const LOST: u8 = 0x2F;

/// Reads entries by their place, with the part of the volume that was read last.
pub(super) struct Reader<'a> {
    volume: &'a dyn ReadAt,
    shape: &'a Geometry,
    part: Vec<u8>,
    start: u64,
    /// First bytes of sectors of folders that cannot be read.
    pub(super) lost: BTreeSet<u64>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(volume: &'a dyn ReadAt, shape: &'a Geometry) -> Self {
        Self { volume, shape, part: Vec::new(), start: 0, lost: BTreeSet::new() }
    }

    /// The entry at a byte, of which `left` bytes of its run are left.
    fn entry(&mut self, at: u64, left: u64) -> [u8; ENTRY] {
        if let Some(entry) = self.cached(at) {
            return entry;
        }
        let before = at.rem_euclid(self.shape.sector);
        let sector = self.shape.sector;
        self.start = at.saturating_sub(before);
        let len = left.saturating_add(before).min(PART.max(sector));
        self.part = vec![0; usize::try_from(len).unwrap_or_default()];
        let whole = self.part.len();
        if !self.volume.fill_at(self.start, &mut self.part).is_ok_and(|n| n == whole) {
            let places = (self.start..).step_by(usize::try_from(sector).unwrap_or(512));
            let size = usize::try_from(sector).unwrap_or(512);
            for (place, bytes) in places.zip(self.part.chunks_mut(size)) {
                let whole = bytes.len();
                if !self.volume.fill_at(place, bytes).is_ok_and(|n| n == whole) {
                    bytes.fill(LOST);
                    self.lost.insert(place);
                }
            }
        }
        self.cached(at).unwrap_or([LOST; ENTRY])
    }

    fn cached(&self, at: u64) -> Option<[u8; ENTRY]> {
        let inside = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.part.get(inside..)?.first_chunk::<ENTRY>().copied()
    }
}

/// A folder that is being read.
#[derive(Debug)]
pub(super) struct Directory {
    runs: Vec<Run>,
    /// Bytes of it, of which `at` were read.
    len: u64,
    at: u64,
    /// The run that `at` is in, and how many bytes of the folder lie before that run.
    run: usize,
    before: u64,
    ended: bool,
    /// Why its list of entries is not complete.
    pub(super) fault: Option<String>,
}

impl Directory {
    /// The folder in these clusters, of which `len` bytes count.
    pub(super) fn new(runs: Vec<Run>, len: u64, fault: Option<String>) -> Self {
        Self { runs, len: len.min(LARGEST), at: 0, run: 0, before: 0, ended: false, fault }
    }

    /// The next file or folder and whether it exists by its bits and its place; `None` at the end.
    pub(super) fn next_set(&mut self, reader: &mut Reader<'_>) -> Option<(EntrySet, bool)> {
        loop {
            let (place, entry) = self.entry(reader)?;
            let [kind, count, ..] = entry;
            if kind == 0 {
                self.ended = true;
            }
            if kind & !IN_USE != FILE {
                self.note(kind);
                continue;
            }
            let mut set = vec![entry];
            for _ in 0..count {
                let back = (self.at, self.run, self.before);
                match self.entry(reader) {
                    Some((_, next)) if follows(kind, &next) => set.push(next),
                    _ => {
                        (self.at, self.run, self.before) = back;
                        break;
                    }
                }
            }
            if let Ok(set) = entries::parse(&set, place) {
                let exists = set.in_use && !self.ended;
                return Some((set, exists));
            }
        }
    }

    /// The next entry that is no set of its own, for the root folder; `None` at the end.
    pub(super) fn next_entry(&mut self, reader: &mut Reader<'_>) -> Option<[u8; ENTRY]> {
        self.entry(reader).map(|(_, entry)| entry)
    }

    /// What the type of an entry outside a set says of the folder.
    fn note(&mut self, kind: u8) {
        let stray = kind & IN_USE != 0 && entries::is_secondary(kind) && !self.ended;
        if kind == LOST {
            self.fault.get_or_insert_with(|| "some of its sectors cannot be read".to_owned());
        } else if stray {
            self.fault
                .get_or_insert_with(|| "it has entries in use that belong to no set".to_owned());
        }
    }

    /// The next entry and its place.
    fn entry(&mut self, reader: &mut Reader<'_>) -> Option<(u64, [u8; ENTRY])> {
        let size = u64::try_from(ENTRY).unwrap_or_default();
        loop {
            let run = *self.runs.get(self.run)?;
            let bytes = u64::from(run.len).saturating_mul(reader.shape.cluster);
            let inside = self.at.saturating_sub(self.before);
            if inside >= bytes {
                self.run = self.run.saturating_add(1);
                self.before = self.before.saturating_add(bytes);
                continue;
            }
            if self.at.saturating_add(size) > self.len {
                return None;
            }
            let place = reader.shape.place(run.first).saturating_add(inside);
            self.at = self.at.saturating_add(size);
            return Some((place, reader.entry(place, bytes.saturating_sub(inside))));
        }
    }
}

/// True for an entry that goes on with a set whose first entry has the type `kind`.
fn follows(kind: u8, [next, ..]: &[u8; ENTRY]) -> bool {
    next & IN_USE == kind & IN_USE && entries::is_secondary(*next)
}
