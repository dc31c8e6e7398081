//! Which bytes of an object are certainly its own.
//!
//! An existing object's clusters are its own unless another existing one claims them too. A deleted
//! object's are taken for its own where they are free and no other deleted object claims them; the
//! others belong to somebody else now, or may.

use std::ops::Range;

use super::Geometry;
use super::clusters::ClusterSet;
use super::survey::Survey;

use crate::item::{Extent, Place};
use crate::problem::Code;

/// A content is given in no more pieces than this where it lost clusters here and there.
const MOST_PIECES: usize = 4_096;
/// Clusters that are looked up, in lengths of the volume, before the rest is not believed.
const MOST_LOOKED_UP: u64 = 256;

const TWO_OWNERS: &str = "another existing object claims the same clusters";
const IN_USE: &str = "the clusters are in use now";
const TWO_DELETED: &str = "another deleted object claims the same clusters";
const TOO_MUCH: &str = "too many clusters are claimed to tell whose they are";
const TOO_MANY_PIECES: &str = "what follows is broken into too many pieces";

/// Tells whose the bytes of objects are.
pub(super) struct Judge<'a> {
    geometry: &'a Geometry,
    survey: &'a Survey,
    in_use: &'a ClusterSet,
    /// No existing object can have lost a cluster to another.
    quiet: bool,
    left: u64,
}

/// Why bytes are not certainly an object's own.
type Doubt = Option<(Code, &'static str)>;

impl<'a> Judge<'a> {
    /// Judges by what the first pass and the bitmap of clusters say.
    pub(super) fn new(geometry: &'a Geometry, survey: &'a Survey, in_use: &'a ClusterSet) -> Self {
        let left = geometry.clusters.saturating_mul(MOST_LOOKED_UP);
        let live = &survey.live;
        let quiet = !live.overflowed && !live.shared.touches(0..geometry.clusters);
        Self { geometry, survey, in_use, quiet, left }
    }

    /// The same bytes, those that are not certainly the object's own as missing.
    pub(super) fn own(&mut self, extents: Vec<Extent>, existing: bool) -> Vec<Extent> {
        if existing && self.quiet {
            return extents;
        }
        let mut out = Vec::new();
        for extent in extents {
            let Extent { len, place } = extent;
            match place {
                Place::Disk(at) => self.split(at, len, existing, &mut out),
                Place::Lznt1 { runs, unit_len } => {
                    let doubt = runs.iter().find_map(|(at, n)| self.doubt(*at, *n, existing));
                    let place = match doubt {
                        Some((code, why)) => Place::Missing(code, why.into()),
                        None => Place::Lznt1 { runs, unit_len },
                    };
                    Extent { len, place }.append_to(&mut out);
                }
                place => Extent { len, place }.append_to(&mut out),
            }
        }
        out
    }

    /// Splits a run of bytes by whose its clusters are.
    fn split(&mut self, at: u64, len: u64, existing: bool, out: &mut Vec<Extent>) {
        let Range { start, end } = self.geometry.covering(at, len);
        let stop = at.saturating_add(len);
        let (mut cluster, mut byte) = (start, at);
        while byte < stop {
            let (mut doubt, mut to) = self.state(cluster, end, existing);
            if out.len() >= MOST_PIECES {
                (doubt, to) = (Some((Code::Overwritten, TOO_MANY_PIECES)), end);
            }
            let to = to.max(cluster.saturating_add(1));
            let until = to.saturating_mul(self.geometry.cluster).min(stop);
            let until = if to >= end { stop } else { until };
            let place = match doubt {
                Some((code, why)) => Place::Missing(code, why.into()),
                None => Place::Disk(byte),
            };
            Extent { len: until.saturating_sub(byte), place }.append_to(out);
            (cluster, byte) = (to, until);
        }
    }

    /// The first doubt there is about some bytes.
    fn doubt(&mut self, at: u64, len: u64, existing: bool) -> Doubt {
        let Range { start, end } = self.geometry.covering(at, len);
        let mut cluster = start;
        while cluster < end {
            let (doubt, to) = self.state(cluster, end, existing);
            if doubt.is_some() {
                return doubt;
            }
            cluster = to.max(cluster.saturating_add(1));
        }
        None
    }

    /// The doubt about a cluster, and up to where it is the same.
    fn state(&mut self, at: u64, end: u64, existing: bool) -> (Doubt, u64) {
        let sets: [(&ClusterSet, Code, &'static str); 3] = if existing {
            let none = (&self.survey.live.shared, Code::CrossLinked, TWO_OWNERS);
            [none, none, none]
        } else {
            [
                (self.in_use, Code::Overwritten, IN_USE),
                (&self.survey.live.any, Code::Overwritten, IN_USE),
                (&self.survey.dead.shared, Code::Overwritten, TWO_DELETED),
            ]
        };
        let overflowed = self.survey.live.overflowed || !existing && self.survey.dead.overflowed;
        if overflowed || self.left == 0 {
            return (Some((Code::LimitReached, TOO_MUCH)), end);
        }
        let mut clear = end;
        let mut found = None;
        for (set, code, why) in sets {
            let (inside, to) = set.run(at, end);
            if inside {
                found = Some(((code, why), to));
                break;
            }
            clear = clear.min(to);
        }
        let (doubt, to) = match found {
            Some((doubt, to)) => (Some(doubt), to),
            None => (None, clear),
        };
        self.left = self.left.saturating_sub(to.saturating_sub(at));
        (doubt, to)
    }
}
