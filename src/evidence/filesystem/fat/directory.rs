//! Folders as runs of bytes, and their entries one by one.
//!
//! A folder is never held whole: a window of it is. No cluster is listed twice in one pass, so
//! that neither a chain nor a tree of folders can circle.

use std::ops::Range;

use super::boot::{Kind, Root};
use super::entry::{DELETED, ENTRY, Slot};
use super::ground::Ground;
use super::read::{fill, lost_bytes, present};
use super::table::Entry;
use crate::bytes::ReadAt;
use crate::problem::Code;

/// A folder is read up to here. The specification allows 2 MiB.
const MOST_BYTES: u64 = 16 << 20;
/// A deleted folder is followed through at most so many free clusters.
const MOST_DELETED: usize = 64;
/// Bytes that are held of a folder.
const WINDOW: u64 = 64 << 10;

/// Where the bytes of a folder are.
#[derive(Debug, Default, Clone)]
pub(super) struct Directory {
    /// Byte in the volume and number of bytes; none is empty.
    runs: Vec<(u64, u64)>,
    pub(super) len: u64,
    /// From this byte on its clusters are assumed.
    pub(super) assumed_from: u64,
    /// Why there may be more of it.
    pub(super) incomplete: Option<(Code, String)>,
}

impl Directory {
    /// One of which nothing is read.
    pub(super) fn refused(code: Code, why: &str) -> Self {
        Self { incomplete: Some((code, why.to_owned())), ..Self::default() }
    }

    fn push(&mut self, at: u64, len: u64) {
        match self.runs.last_mut().filter(|(start, n)| start.checked_add(*n) == Some(at)) {
            Some((_, n)) => *n = n.saturating_add(len),
            None if len > 0 => self.runs.push((at, len)),
            None => {}
        }
        self.len = self.len.saturating_add(len);
    }

    /// The run that has this byte of the folder: place in the volume, bytes from there.
    fn run(&self, at: u64) -> Option<(u64, u64)> {
        let mut before = 0_u64;
        for (start, len) in &self.runs {
            let within = at.checked_sub(before)?;
            if within < *len {
                return Some((start.checked_add(within)?, len.saturating_sub(within)));
            }
            before = before.saturating_add(*len);
        }
        None
    }

    /// Counts what cannot be read of it.
    pub(super) fn lost(&self, volume: &dyn ReadAt) -> u64 {
        let mut lost = 0_u64;
        let mut window = Window::default();
        let mut at = 0;
        while at < self.len && window.load(self, at, volume) {
            lost = lost.saturating_add(lost_bytes(volume, window.place, &window.bad));
            at = window.range.end;
        }
        lost
    }
}

/// A part of a folder that is held.
#[derive(Debug, Default)]
pub(super) struct Window {
    range: Range<u64>,
    place: u64,
    bytes: Vec<u8>,
    bad: Vec<Range<usize>>,
}

/// An entry of a folder.
pub(super) enum Read {
    /// Its place in the volume.
    Slot(u64, Slot),
    /// It cannot be read.
    Lost,
    /// There are no more.
    Past,
}

impl Window {
    /// Lets go of the bytes; they are read again when needed.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    /// The entry at this byte of the folder.
    pub(super) fn slot(
        &mut self,
        folder: &Directory,
        at: u64,
        wide: bool,
        volume: &dyn ReadAt,
    ) -> Read {
        if !self.range.contains(&at) && !self.load(folder, at, volume) {
            return Read::Past;
        }
        let within = usize::try_from(at.saturating_sub(self.range.start)).unwrap_or(usize::MAX);
        let Some(bytes) = self.bytes.get(within..).and_then(|rest| rest.first_chunk::<32>()) else {
            return Read::Past;
        };
        let end = within.saturating_add(32);
        if self.bad.iter().any(|bad| bad.start < end && within < bad.end) {
            return Read::Lost;
        }
        let place = at.saturating_sub(self.range.start).saturating_add(self.place);
        Slot::read(bytes, wide).map_or(Read::Lost, |slot| Read::Slot(place, slot))
    }

    fn load(&mut self, folder: &Directory, at: u64, volume: &dyn ReadAt) -> bool {
        let Some((place, left)) = folder.run(at) else { return false };
        let len = left.min(WINDOW);
        self.bytes.clear();
        self.bytes.resize(usize::try_from(len).unwrap_or(0), 0);
        self.bad = fill(volume, place, &mut self.bytes);
        self.place = place;
        self.range = at..at.saturating_add(len);
        len > 0
    }
}

impl Ground<'_> {
    /// The root folder.
    pub(super) fn root(&mut self) -> Directory {
        match self.layout.root {
            Root::Chain(cluster) => self.directory(cluster),
            Root::Region { at, len } => {
                let mut folder = Directory::default();
                folder.push(at, present(at, at.saturating_add(len), self.volume.len()));
                if folder.len < len {
                    let why = "the root folder reaches past the end of the volume";
                    folder.incomplete = Some((Code::SubtreeIncomplete, why.to_owned()));
                }
                folder.assumed_from = folder.len;
                folder
            }
        }
    }

    /// The folder that starts with this cluster, of which no cluster was listed before.
    pub(super) fn directory(&mut self, start: u32) -> Directory {
        let mut folder = Directory::default();
        let mut cluster = start;
        let why = loop {
            let Some(at) = self.layout.cluster_at(cluster) else {
                break Some(format!("its first cluster is stated as {cluster}"));
            };
            let entry = self.table.get(cluster);
            if matches!(entry, Entry::Free | Entry::Bad) {
                break Some(format!("cluster {cluster} is free or bad by the table"));
            }
            if folder.len >= MOST_BYTES {
                break Some(format!("only its first {MOST_BYTES} bytes are read"));
            }
            if !self.claims.list(cluster) {
                break Some(format!("its chain comes to cluster {cluster}, which was listed"));
            }
            let here = present(at, at.saturating_add(self.layout.cluster), self.volume.len());
            folder.push(at, here);
            if here < self.layout.cluster {
                break Some("it reaches past the end of the volume".to_owned());
            }
            match entry {
                Entry::Next(next) => cluster = next,
                Entry::End => break None,
                other => {
                    break Some(format!("its chain breaks after cluster {cluster}: {other:?}"));
                }
            }
        };
        folder.incomplete = why.map(|why| (Code::SubtreeIncomplete, why));
        folder.assumed_from = folder.len;
        folder
    }

    /// The deleted folder that started with this cluster, if the cluster still holds it.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn deleted_directory(&mut self, start: u32) -> Result<Directory, String> {
        let Some(at) = self.layout.cluster_at(start) else {
            return Err(format!("its first cluster is stated as {start}"));
        };
        if self.table.get(start) != Entry::Free {
            return Err(format!("its first cluster {start} is in use"));
        }
        if self.claims.is_listed(start) {
            return Err(format!("its first cluster {start} was listed"));
        }
        let here = present(at, at.saturating_add(self.layout.cluster), self.volume.len());
        let mut folder = Directory::default();
        folder.push(at, here);
        folder.assumed_from = folder.len;
        let mut window = Window::default();
        if !self.is_head(&folder, &mut window, start) {
            return Err(format!("cluster {start} is no folder of its own any more"));
        }
        self.claims.list(start);
        let mut cluster = start;
        for _ in 0..MOST_DELETED {
            let Some(next) = self.next_of_deleted(&folder, cluster) else { break };
            self.claims.list(next);
            let at = self.layout.cluster_at(next).unwrap_or(u64::MAX);
            folder.push(at, self.layout.cluster);
            cluster = next;
        }
        Ok(folder)
    }

    /// The part of a deleted folder that this cluster holds: a free one, not listed before, all of
    /// whose bytes are entries.
    pub(super) fn orphan(&mut self, cluster: u32) -> Option<Directory> {
        if self.table.get(cluster) != Entry::Free || self.claims.is_listed(cluster) {
            return None;
        }
        let at = self.layout.cluster_at(cluster)?;
        let mut first = [0; 32];
        self.volume.fill_at(at, &mut first).ok().filter(|n| *n == first.len())?;
        let wide = self.layout.kind == Kind::Fat32;
        let may_be = match Slot::read(&first, wide) {
            Ok(Slot::Short(short)) => {
                short.is_self() || short.is_convincing(&self.layout.all_clusters())
            }
            Ok(Slot::Long(_)) => true,
            _ => false,
        };
        if !may_be {
            return None;
        }
        if let Ok(folder) = self.deleted_directory(cluster) {
            return Some(folder);
        }
        let mut folder = Directory::default();
        folder.push(at, present(at, at.saturating_add(self.layout.cluster), self.volume.len()));
        self.only_entries(&folder, 0, false)?;
        self.claims.list(cluster);
        Some(folder)
    }

    /// Clusters of a folder, as far as they are whole.
    pub(super) fn clusters_of(&self, folder: &Directory) -> Vec<u32> {
        let Self { layout, .. } = self;
        let first = |at: u64| -> Option<u64> {
            at.checked_sub(layout.data_at)?.checked_div(layout.cluster)?.checked_add(2)
        };
        let runs = folder.runs.iter().filter_map(|(at, len)| {
            let first = u32::try_from(first(*at)?).ok()?;
            let count = u32::try_from(len.div_ceil(layout.cluster)).ok()?;
            Some(first..first.saturating_add(count))
        });
        runs.flatten().collect()
    }

    /// True where a folder begins with `.`, which names `start`, and `..`.
    fn is_head(&self, folder: &Directory, window: &mut Window, start: u32) -> bool {
        let wide = self.layout.kind == Kind::Fat32;
        let mut short = |at| match window.slot(folder, at, wide, self.volume) {
            Read::Slot(_, Slot::Short(short)) => Some(short),
            _ => None,
        };
        let own = short(0).is_some_and(|dot| dot.is_dot() && dot.is_self() && dot.cluster == start);
        own && short(ENTRY).is_some_and(|dots| dots.is_dot() && !dots.is_self())
    }

    /// The free cluster in which a deleted folder goes on: the next one, if the last is full and
    /// all of the next are entries.
    fn next_of_deleted(&mut self, folder: &Directory, last: u32) -> Option<u32> {
        let full = folder.len.checked_sub(self.layout.cluster)?;
        self.only_entries(folder, full, full == 0).filter(|ended| !ended)?;
        let mut next = last;
        for _ in 0..MOST_DELETED {
            next = next.checked_add(1)?;
            match self.table.get(next) {
                Entry::Free => break,
                Entry::Invalid(_) if self.layout.cluster_at(next).is_none() => return None,
                _ => {}
            }
        }
        let at = self.layout.cluster_at(next)?;
        let end = at.checked_add(self.layout.cluster)?;
        if self.table.get(next) != Entry::Free
            || self.claims.is_listed(next)
            || end > self.volume.len()
        {
            return None;
        }
        let mut part = Directory::default();
        part.push(at, self.layout.cluster);
        self.only_entries(&part, 0, false).map(|_| next)
    }

    /// Whether the bytes of a folder from `from` on are entries and nothing else, and at least
    /// one; true where they end before the bytes do.
    ///
    /// - `head`: the folder begins there, with `.` and `..`.
    fn only_entries(&self, folder: &Directory, from: u64, head: bool) -> Option<bool> {
        let wide = self.layout.kind == Kind::Fat32;
        let clusters = self.layout.all_clusters();
        let mut window = Window::default();
        let (mut at, mut entries, mut ended) = (from, 0_u64, false);
        while at < folder.len {
            match window.slot(folder, at, wide, self.volume) {
                Read::Slot(_, Slot::End) => ended = true,
                _ if ended => return None,
                Read::Slot(_, Slot::Long(piece)) => {
                    let order = piece.order & 0x3F;
                    if !piece.sound || piece.order != DELETED && !(1..=20).contains(&order) {
                        return None;
                    }
                }
                Read::Slot(_, Slot::Short(short)) => {
                    let dots = head && at.saturating_sub(from) < ENTRY.saturating_mul(2);
                    if short.is_dot() != dots || !(dots || short.is_convincing(&clusters)) {
                        return None;
                    }
                    entries = entries.saturating_add(u64::from(!dots));
                }
                Read::Lost | Read::Past => return None,
            }
            at = at.saturating_add(ENTRY);
        }
        (entries > 0).then_some(ended)
    }
}
