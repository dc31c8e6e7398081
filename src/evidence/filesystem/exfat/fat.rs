//! The file allocation table: which cluster follows which.
//!
//! Every link is hostile; who follows a chain bounds it, by a count or by a set of what was seen.
//!
//! Source: Microsoft, "exFAT file system specification", section 4.1 "First FAT Sub-region".

use crate::bytes::{Block, ReadAt};
use crate::problem::{Code, Problem, Stage};

use super::boot::Geometry;
use super::clusters::{ClusterSet, Run};

/// Bytes of the table that are read at once.
const CHUNK: u64 = 1 << 16;

/// What an entry of the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Next(u32),
    End,
    Bad,
    /// Nothing that a chain may hold: free, or a cluster that is not there.
    Broken(u32),
}

/// How a chain ended that was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the mark of the end.
    End,
    /// The bound was reached and the chain goes on.
    Longer,
    /// The next cluster is in the set where following stops.
    Stopped,
    /// The table says nothing usable of the next cluster, or could not be read.
    Broken,
}

/// The table, with the part of it that was read last.
pub(super) struct Fat<'a> {
    volume: &'a dyn ReadAt,
    shape: &'a Geometry,
    part: Vec<u8>,
    /// The byte of the volume at which `part` begins.
    start: u64,
}

impl<'a> Fat<'a> {
    pub(super) const fn new(volume: &'a dyn ReadAt, shape: &'a Geometry) -> Self {
        Self { volume, shape, part: Vec::new(), start: 0 }
    }

    /// What the table says of a cluster; `None` where it cannot be read.
    pub(super) fn link(&mut self, cluster: u32) -> Option<Link> {
        let (fat, len) = self.shape.fat;
        let within = u64::from(cluster).saturating_mul(4);
        let at = fat.saturating_add(within);
        let inside = at.checked_sub(self.start).and_then(|inside| usize::try_from(inside).ok());
        let found =
            inside.and_then(|inside| Block::new(&self.part, self.start).u32_le(inside).ok());
        let word = match found {
            Some(word) => word,
            None => {
                let chunk = within.saturating_sub(within.rem_euclid(CHUNK));
                self.start = fat.saturating_add(chunk);
                self.part = self.read(self.start, CHUNK.min(len.saturating_sub(chunk)));
                let inside = usize::try_from(at.saturating_sub(self.start)).ok()?;
                match Block::new(&self.part, self.start).u32_le(inside) {
                    Ok(word) => word,
                    Err(_) => {
                        // Bytes near it that cannot be read must not hide this one.
                        let mut alone = [0; 4];
                        let read = self.volume.fill_at(at, &mut alone).ok()?;
                        (read == 4).then(|| u32::from_le_bytes(alone))?
                    }
                }
            }
        };
        Some(match word {
            0xFFFF_FFFF => Link::End,
            0xFFFF_FFF7 => Link::Bad,
            next if self.shape.present.contains(next) => Link::Next(next),
            other => Link::Broken(other),
        })
    }

    fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let mut part = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = self.volume.fill_at(at, &mut part).unwrap_or_default();
        part.truncate(read);
        part
    }

    /// Follows a chain for at most `most` clusters, up to the first one that is in `stop`.
    pub(super) fn follow(
        &mut self,
        first: u32,
        most: u64,
        stop: &ClusterSet,
    ) -> (Vec<Run>, Ending) {
        let mut runs = Vec::new();
        let mut at = first;
        if !self.shape.present.contains(first) {
            return (runs, Ending::Broken);
        }
        for _ in 0..most.min(u64::from(self.shape.present.len)) {
            if stop.contains(at) {
                return (runs, Ending::Stopped);
            }
            Run::append(at, &mut runs);
            match self.link(at) {
                Some(Link::Next(next)) => at = next,
                Some(Link::End) => return (runs, Ending::End),
                Some(Link::Bad | Link::Broken(_)) | None => return (runs, Ending::Broken),
            }
        }
        (runs, Ending::Longer)
    }

    /// Every cluster that the table marks as bad, and the bytes of it that cannot be read.
    pub(super) fn bad_clusters(&self, mut bad: impl FnMut(u32)) -> (u64, Vec<Problem>) {
        let (fat, _) = self.shape.fat;
        let end = u64::from(self.shape.present.end()).saturating_mul(4);
        let (mut unread, mut problems) = (0_u64, Vec::new());
        let mut chunk = 0;
        while chunk < end {
            let part = self.read(fat.saturating_add(chunk), CHUNK.min(end.saturating_sub(chunk)));
            let first = u32::try_from(chunk.div_euclid(4)).unwrap_or(u32::MAX);
            for (cluster, word) in (first..).zip(part.chunks(4)) {
                if word == 0xFFFF_FFF7_u32.to_le_bytes() && cluster >= 2 {
                    bad(cluster);
                }
            }
            let got = u64::try_from(part.len()).unwrap_or_default();
            let want = CHUNK.min(end.saturating_sub(chunk));
            if got < want {
                let lost = want.saturating_sub(got);
                unread = unread.saturating_add(lost);
                let detail = "a part of the FAT cannot be read";
                let problem = Problem::new(Code::IoError, Stage::Filesystem, detail);
                problems.push(problem.at(fat.saturating_add(chunk).saturating_add(got), lost));
            }
            chunk = chunk.saturating_add(CHUNK);
        }
        (unread, problems)
    }
}
