//! To which class each byte of the volume belongs.
//!
//! A cluster is counted where its owner is met, once; what nobody owned is counted from the bitmap
//! at the end, and the bytes behind the last cluster from the volume's length.

use std::ops::Range;

use super::clusters::ClusterSet;
use super::object::DataStream;
use super::runlist::Run;
use super::{Geometry, damaged};

use crate::bytes::ReadAt;
use crate::evidence::filesystem::{ByteClasses, Unowned};
use crate::problem::{Code, Problem, Stage};

/// Clusters that owners may name, in lengths of the volume; further ones name nothing new.
const MOST_NAMED: u64 = 16;

/// What is counted so far.
pub(super) struct Balance<'a> {
    geometry: &'a Geometry,
    counted: ClusterSet,
    named: u64,
    classes: ByteClasses,
    unowned: Unowned,
}

impl<'a> Balance<'a> {
    pub(super) fn new(geometry: &'a Geometry) -> Self {
        let counted = ClusterSet::default();
        let (classes, unowned) = (ByteClasses::default(), Unowned::default());
        Self { geometry, counted, named: 0, classes, unowned }
    }

    /// Clusters of the file system's own structures.
    pub(super) fn structure(&mut self, runs: &[Run]) {
        for run in runs {
            for range in self.fresh(run) {
                let bytes = self.bytes(&range);
                self.classes.metadata = self.classes.metadata.saturating_add(bytes);
            }
        }
    }

    /// Clusters that do not hold what is written.
    pub(super) fn bad(&mut self, runs: &[Run]) {
        for run in runs {
            for range in self.fresh(run) {
                let bytes = self.bytes(&range);
                self.classes.unread = self.classes.unread.saturating_add(bytes);
            }
        }
    }

    /// Bytes of structures that cannot be read, which were counted as structures.
    pub(super) fn unreadable(&mut self, bytes: u64) {
        let bytes = bytes.min(self.classes.metadata);
        self.classes.metadata = self.classes.metadata.saturating_sub(bytes);
        self.classes.unread = self.classes.unread.saturating_add(bytes);
    }

    /// Clusters of an existing object's content. Of a compressed content they are allocated whole.
    pub(super) fn content(&mut self, stream: &DataStream) {
        let cluster = self.geometry.cluster;
        let unit = match stream.flags & super::attribute::COMPRESSION {
            0 => cluster,
            _ => cluster.checked_shl(u32::from(stream.unit.min(16))).unwrap_or(cluster),
        };
        let end = match stream.size.checked_rem(unit).unwrap_or(0) {
            0 => stream.size,
            _ if unit == cluster => stream.size,
            into => stream.size.saturating_add(unit.saturating_sub(into)),
        };
        for run in &stream.runs {
            let Some(lcn) = run.lcn else { continue };
            for range in self.fresh(run) {
                let vcn = run.vcn.saturating_add(range.start.saturating_sub(lcn));
                let room = end.saturating_sub(vcn.saturating_mul(cluster));
                let bytes = self.bytes(&range);
                let own = bytes.min(room);
                let ByteClasses { allocated, slack, .. } = &mut self.classes;
                *allocated = allocated.saturating_add(own);
                let rest = bytes.saturating_sub(own);
                *slack = slack.saturating_add(rest);
                let at = range.start.saturating_mul(cluster).saturating_add(own);
                self.unowned.slack.push(at, rest);
            }
        }
    }

    /// Counts what nobody owned. Returns the classes, where nobody's bytes are, and where owners and
    /// bitmap disagree.
    pub(super) fn finish(
        mut self,
        in_use: &ClusterSet,
        volume: &dyn ReadAt,
    ) -> (ByteClasses, Unowned, Vec<Problem>) {
        let (mut first, mut free) = (None, 0_u64);
        for (range, counted) in self.counted.runs(0..self.geometry.clusters) {
            for (range, used) in in_use.runs(range) {
                let bytes = self.bytes(&range);
                if counted {
                    free = free.saturating_add(if used { 0 } else { bytes });
                    continue;
                }
                let ByteClasses { unallocated, unexamined, .. } = &mut self.classes;
                let class = if used { unexamined } else { unallocated };
                *class = class.saturating_add(bytes);
                let at = range.start.saturating_mul(self.geometry.cluster);
                self.unowned.free.push(at, bytes);
                if used {
                    first.get_or_insert(range.start);
                }
            }
        }
        self.behind_the_last_cluster(volume);
        let bytes = self.classes.unexamined;
        let mut problems = Vec::new();
        if let Some(cluster) = first {
            let detail = format!("{bytes} bytes are in use and no object owns them");
            let at = cluster.saturating_mul(self.geometry.cluster);
            problems.push(
                Problem::new(Code::SpaceWithoutOwner, Stage::Filesystem, detail).at(at, bytes),
            );
        }
        if free > 0 {
            let detail =
                format!("{free} bytes of existing objects are free by the bitmap of clusters");
            problems.push(damaged(&detail));
        }
        (self.classes, self.unowned, problems)
    }

    /// There the copy of the boot sector is, in the last sector.
    fn behind_the_last_cluster(&mut self, volume: &dyn ReadAt) {
        let tail = self
            .geometry
            .bytes
            .saturating_sub(self.geometry.clusters.saturating_mul(self.geometry.cluster));
        let mut sector = [0; 11];
        let at = self.geometry.bytes.saturating_sub(512);
        let read = volume.fill_at(at, &mut sector);
        let copy = tail >= 512 && read.is_ok() && sector.ends_with(b"NTFS    ");
        let copy = if copy { 512 } else { 0 };
        self.classes.metadata = self.classes.metadata.saturating_add(copy);
        let behind = tail.saturating_sub(copy);
        self.classes.slack = self.classes.slack.saturating_add(behind);
        self.unowned.slack.push(self.geometry.bytes.saturating_sub(tail), behind);
    }

    /// The clusters of a run that nobody was met with before.
    fn fresh(&mut self, run: &Run) -> Vec<Range<u64>> {
        let Some(range) = run.clusters(self.geometry.clusters) else { return Vec::new() };
        self.named = self.named.saturating_add(range.end.saturating_sub(range.start));
        if self.named > self.geometry.clusters.saturating_mul(MOST_NAMED) {
            return Vec::new();
        }
        let fresh = self.counted.runs(range.clone()).filter(|(_, inside)| !inside);
        let fresh = fresh.map(|(range, _)| range).collect();
        self.counted.insert(range);
        fresh
    }

    /// Bytes of clusters, the last of which may be cut by the volume's end.
    fn bytes(&self, range: &Range<u64>) -> u64 {
        let byte =
            |cluster: u64| cluster.saturating_mul(self.geometry.cluster).min(self.geometry.bytes);
        byte(range.end).saturating_sub(byte(range.start))
    }
}
