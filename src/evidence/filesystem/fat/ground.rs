//! What both passes over the folders stand on: table, claims, byte classes, and content by them.
//!
//! The first pass claims, the second says what it found. A cluster that two existing objects claim
//! cannot be told to be the content of either, so neither gets it; a chain that runs into one runs
//! on as the other's does, so all after it is shared too. The same holds of deleted objects.

use super::boot::Layout;
use super::claims::{Claim, Claims};
use super::read::present;
use super::table::{Entry, Table};
use crate::bytes::ReadAt;
use crate::evidence::filesystem::{ByteClasses, Unowned};
use crate::item::{Extent, RecoveryBasis};
use crate::problem::Code;

/// More runs than this of one content are not kept: 40 MiB of them.
const MOST_RUNS: usize = 1 << 20;

/// What one pass reads and notes.
pub(super) struct Ground<'a> {
    pub(super) layout: &'a Layout,
    pub(super) volume: &'a dyn ReadAt,
    pub(super) table: Table<'a>,
    pub(super) claims: Claims,
    pub(super) bytes: ByteClasses,
    pub(super) unowned: Unowned,
    /// Bytes of existing folders that cannot be read.
    pub(super) unread_folders: u64,
    /// Steps left for what a hostile volume could make grow with the square of its size.
    steps: u64,
}

/// The content of a deleted object.
pub(super) struct Recovered {
    pub(super) extents: Vec<Extent>,
    pub(super) basis: Option<RecoveryBasis>,
}

/// Free clusters that a deleted object may have had.
struct FreeRuns {
    /// First cluster and number of clusters.
    runs: Vec<(u32, u32)>,
    /// Why there are fewer than asked for.
    short: Option<(Code, &'static str)>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(layout: &'a Layout, volume: &'a dyn ReadAt) -> Self {
        let claims = Claims::new(layout.clusters);
        let table = Table::new(layout, volume);
        let (bytes, unowned) = (ByteClasses::default(), Unowned::default());
        let (unread_folders, steps) = (0, 0);
        let mut ground =
            Self { layout, volume, table, claims, bytes, unowned, unread_folders, steps };
        ground.begin_pass();
        ground
    }

    /// Both passes may take the same number of steps, so that they decide alike.
    pub(super) fn begin_pass(&mut self) {
        self.claims.forget_listed();
        self.steps = u64::from(self.layout.clusters).saturating_mul(16).saturating_add(1 << 24);
    }

    /// Claims the chain that starts with a cluster, for an existing object.
    ///
    /// Ends where a cluster was claimed twice before: what follows it was, too.
    pub(super) fn claim_chain(&mut self, start: u32) {
        let mut cluster = start;
        loop {
            let entry = self.table.get(cluster);
            if self.layout.cluster_at(cluster).is_none()
                || matches!(entry, Entry::Free | Entry::Bad)
                || self.claims.add(cluster) >= Claim::More
            {
                return;
            }
            let Entry::Next(next) = entry else { return };
            cluster = next;
        }
    }

    /// Counts the bytes of a claimed chain, each cluster for the first object that comes by.
    ///
    /// - `size`: bytes of content; `None` where all of it is a folder.
    pub(super) fn count_chain(&mut self, start: u32, size: Option<u64>) {
        let (mut cluster, mut left) = (start, size.unwrap_or(0));
        loop {
            let entry = self.table.get(cluster);
            let Some(at) = self.layout.cluster_at(cluster) else { return };
            if matches!(entry, Entry::Free | Entry::Bad) || !self.claims.count(cluster) {
                return;
            }
            let end = at.saturating_add(self.layout.cluster);
            let here = present(at, end, self.volume.len());
            let content = here.min(left);
            if size.is_some() {
                self.bytes.allocated = self.bytes.allocated.saturating_add(content);
                let slack = here.saturating_sub(content);
                self.bytes.slack = self.bytes.slack.saturating_add(slack);
                self.unowned.slack.push(at.saturating_add(content), slack);
            } else {
                self.bytes.metadata = self.bytes.metadata.saturating_add(here);
            }
            left = left.saturating_sub(self.layout.cluster);
            let Entry::Next(next) = entry else { return };
            cluster = next;
        }
    }

    /// The content of an existing object: what cannot be told is missing.
    pub(super) fn live_extents(&mut self, start: u32, size: u64) -> Vec<Extent> {
        let (mut cluster, mut left) = (start, size);
        let mut extents = Vec::new();
        while left > 0 {
            let entry = self.table.get(cluster);
            let stop = match (self.layout.cluster_at(cluster), entry) {
                (None, _) => Some(format!("its first cluster is stated as {cluster}")),
                (_, Entry::Free) => Some(format!("cluster {cluster} is free by the table")),
                (_, Entry::Bad) => Some(format!("cluster {cluster} is marked as bad")),
                _ => None,
            };
            if let Some(why) = stop {
                push(&mut extents, Extent::missing(left, Code::ChainBroken, &why));
                break;
            }
            if self.claims.get(cluster) >= Claim::More {
                push(&mut extents, self.shared(cluster, left));
                break;
            }
            let len = left.min(self.layout.cluster);
            self.push_cluster(&mut extents, cluster, len);
            left = left.saturating_sub(len);
            cluster = match entry {
                Entry::Next(next) => next,
                _ if left == 0 => break,
                _ => {
                    push(&mut extents, broken(cluster, entry, left));
                    break;
                }
            };
        }
        extents
    }

    /// The rest of a content from the first cluster that is not its alone.
    fn shared(&mut self, cluster: u32, left: u64) -> Extent {
        if self.circles(cluster) {
            let why = format!("the chain circles from cluster {cluster} on");
            return Extent::missing(left, Code::ChainBroken, &why);
        }
        let why = format!("another object's chain leads to cluster {cluster} too");
        Extent::missing(left, Code::CrossLinked, &why)
    }

    /// True where a chain comes back to itself (R. P. Brent, "An improved Monte Carlo
    /// factorization algorithm", 1980: the cycle finder). False when no steps are left.
    fn circles(&mut self, start: u32) -> bool {
        let (mut mark, mut cluster) = (start, start);
        let (mut power, mut length) = (1_u64, 0_u64);
        while self.step() {
            let Entry::Next(next) = self.table.get(cluster) else { return false };
            cluster = next;
            if cluster == mark {
                return true;
            }
            length = length.saturating_add(1);
            if length == power {
                (mark, power, length) = (cluster, power.saturating_mul(2), 0);
            }
        }
        false
    }

    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    /// Claims what a deleted object may have had.
    pub(super) fn claim_deleted(&mut self, start: u32, size: u64) {
        let found = self.free_runs(start, size.div_ceil(self.layout.cluster));
        for (first, count) in found.runs {
            for cluster in first..first.saturating_add(count) {
                self.claims.add(cluster);
            }
        }
    }

    /// The content that a deleted object may have had: free clusters from its first on.
    ///
    /// The table says nothing of what a free cluster was before, not even of the first, which
    /// another object may have had since and left again; so no content is more than assumed.
    pub(super) fn deleted_extents(&mut self, start: u32, size: u64) -> Recovered {
        if size == 0 {
            let basis = Some(RecoveryBasis::MetadataExtents);
            return Recovered { extents: Vec::new(), basis };
        }
        let found = self.free_runs(start, size.div_ceil(self.layout.cluster));
        let mut extents = Vec::new();
        let mut left = size;
        for (first, count) in found.runs {
            for cluster in first..first.saturating_add(count) {
                let len = left.min(self.layout.cluster);
                if self.claims.get(cluster) >= Claim::More {
                    let why = "another deleted object may have had the same cluster";
                    push(&mut extents, Extent::missing(len, Code::Overwritten, why));
                } else {
                    self.push_cluster(&mut extents, cluster, len);
                }
                left = left.saturating_sub(len);
            }
        }
        if let Some((code, why)) = found.short {
            push(&mut extents, Extent::missing(left, code, why));
        }
        Recovered { basis: basis_of(&extents), extents }
    }

    /// Free clusters from `start` on, `wanted` of them, without those that are in use.
    fn free_runs(&mut self, start: u32, wanted: u64) -> FreeRuns {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let short = match self.table.get(start) {
            _ if wanted == 0 => None,
            Entry::Invalid(_) if self.layout.cluster_at(start).is_none() => {
                Some((Code::ChainBroken, "the entry names no cluster of the volume"))
            }
            Entry::Unknown => Some((Code::IoError, "the table cannot be read")),
            Entry::Free => self.collect_free(start, wanted, &mut runs),
            _ => Some((Code::Overwritten, "its first cluster is in use")),
        };
        FreeRuns { runs, short }
    }

    fn collect_free(
        &mut self,
        start: u32,
        wanted: u64,
        runs: &mut Vec<(u32, u32)>,
    ) -> Option<(Code, &'static str)> {
        let mut left = wanted;
        for cluster in start..self.layout.all_clusters().end {
            if left == 0 {
                return None;
            }
            if !self.step() || runs.len() >= MOST_RUNS {
                return Some((Code::LimitReached, "too many deleted objects of too many clusters"));
            }
            if self.table.get(cluster) != Entry::Free {
                continue;
            }
            left = left.saturating_sub(1);
            match runs.last_mut() {
                Some((first, count)) if first.checked_add(*count) == Some(cluster) => {
                    *count = count.saturating_add(1);
                }
                _ => runs.push((cluster, 1)),
            }
        }
        (left > 0)
            .then_some((Code::Overwritten, "the volume has not enough free clusters after it"))
    }

    /// Appends the first `len` bytes of a cluster, as far as the volume has them.
    fn push_cluster(&self, extents: &mut Vec<Extent>, cluster: u32, len: u64) {
        let at = self.layout.cluster_at(cluster).unwrap_or(u64::MAX);
        let here = present(at, at.saturating_add(len), self.volume.len());
        if here > 0 {
            push(extents, Extent::disk(at, here));
        }
        let why = "the cluster lies past the end of the volume";
        push(extents, Extent::missing(len.saturating_sub(here), Code::ChainBroken, why));
    }

    /// Counts every cluster that no object owns, each by what the table says of it.
    ///
    /// Returns how many are in use, and the byte of the first of them.
    pub(super) fn count_unowned(&mut self, go_on: &mut dyn FnMut() -> bool) -> (u64, Option<u64>) {
        let (mut lost, mut first) = (0_u64, None);
        for cluster in self.layout.all_clusters() {
            if cluster % (1 << 16) == 0 && !go_on() {
                break;
            }
            let Some(at) = self.layout.cluster_at(cluster) else { continue };
            let here = present(at, at.saturating_add(self.layout.cluster), self.volume.len());
            let owned = self.claims.get(cluster) != Claim::None;
            let class = match self.table.get(cluster) {
                Entry::Free => {
                    self.unowned.free.push(at, here);
                    &mut self.bytes.unallocated
                }
                Entry::Bad => &mut self.bytes.unread,
                _ if owned => continue,
                Entry::Unknown => &mut self.bytes.unread,
                _ => {
                    lost = lost.saturating_add(1);
                    first = first.or(Some(at));
                    self.unowned.free.push(at, here);
                    &mut self.bytes.unexamined
                }
            };
            *class = class.saturating_add(here);
        }
        (lost, first)
    }
}

/// What may be said of how such extents were found.
fn basis_of(extents: &[Extent]) -> Option<RecoveryBasis> {
    use crate::item::Place;
    let missing = |code| {
        extents.iter().any(|run| matches!(&run.place, Place::Missing(why, _) if *why == code))
    };
    if missing(Code::Overwritten) {
        return Some(RecoveryBasis::PartlyOverwritten);
    }
    let found = extents.iter().any(|run| matches!(run.place, Place::Disk(_)));
    found.then_some(RecoveryBasis::ContiguousAssumed)
}

fn broken(cluster: u32, entry: Entry, left: u64) -> Extent {
    let (code, why) = match entry {
        Entry::Unknown => (Code::IoError, "where it goes on cannot be read".to_owned()),
        Entry::Invalid(value) => (Code::ChainBroken, format!("it leads to cluster {value}")),
        _ => (Code::ChainBroken, "it ends there".to_owned()),
    };
    let why = format!("the chain breaks after cluster {cluster}, {left} bytes early: {why}");
    Extent::missing(left, code, &why)
}

/// Appends a run as long as there are not too many.
fn push(extents: &mut Vec<Extent>, extent: Extent) {
    if extents.len() < MOST_RUNS {
        extent.append_to(extents);
    } else {
        let why = "the content is in too many runs";
        Extent::missing(extent.len, Code::LimitReached, why).append_to(extents);
    }
}
