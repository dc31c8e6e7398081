//! Which clusters a stream has: those it owns, of an existing object; those it may still have, of
//! a deleted one.
//!
//! An existing object owns what its chain or its run says. A cluster that two of them own is given
//! to neither. A deleted object has the clusters of its run, or of its chain where that is whole and
//! all of it free; else the free clusters from its first on are assumed. A cluster that is in use,
//! or that two deleted objects claim, is given to no deleted object.

use crate::item::{Extent, Place, RecoveryBasis};
use crate::problem::Code;

use super::boot::Geometry;
use super::clusters::{ClusterSet, Run};
use super::entries::Stream;
use super::fat::{Ending, Fat, Link};

/// What may be done in all, beside some for each cluster there is: one for 64 clusters of a run, a
/// link of a chain, or a piece. It is bounded, so that no volume keeps the reader busy with objects
/// that all claim the same clusters.
const WORK: u64 = 1 << 23;
const WORK_A_CLUSTER: u64 = 16;

/// Some clusters of a stream, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Clusters(Run),
    /// So many clusters that are not to be had.
    Missing(u64, Code, &'static str),
}

/// Clusters of a deleted object and how they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remains {
    pub(super) pieces: Vec<Piece>,
    pub(super) basis: RecoveryBasis,
}

/// Who has which clusters.
pub(super) struct Owners<'a> {
    pub(super) shape: &'a Geometry,
    pub(super) fat: Fat<'a>,
    /// Owned by structures and existing objects, and those of them with more than one owner.
    pub(super) owned: ClusterSet,
    shared: ClusterSet,
    /// In use by the bitmap or owned.
    pub(super) used: ClusterSet,
    claimed: ClusterSet,
    disputed: ClusterSet,
    /// What is left to be done for existing objects, and for deleted ones, which must not use up
    /// what existing ones need.
    live: Budget,
    deleted: Budget,
}

const SHARED: &str = "another existing object has these clusters too";
const IN_USE: &str = "these clusters are in use by other objects now";
const DISPUTED: &str = "another deleted object claims these clusters too";
const OUTSIDE: &str = "these clusters lie past the end of the volume";
const LIMIT: &str = "too many objects claim the same clusters";

impl<'a> Owners<'a> {
    pub(super) fn new(shape: &'a Geometry, fat: Fat<'a>) -> Self {
        Self {
            shape,
            fat,
            owned: ClusterSet::default(),
            shared: ClusterSet::default(),
            used: ClusterSet::default(),
            claimed: ClusterSet::default(),
            disputed: ClusterSet::default(),
            live: Budget::new(shape),
            deleted: Budget::new(shape),
        }
    }

    /// Makes an existing stream the owner of its clusters. `count` is told of each run that nobody
    /// owned before, and of its place among the clusters of the stream.
    pub(super) fn own(&mut self, stream: &Stream, mut count: impl FnMut(u64, Run)) {
        let need = self.shape.clusters(stream.len);
        if need == 0 {
            return;
        }
        if stream.contiguous {
            let run = self.run(stream.first, need);
            if !self.live.spend(run) {
                return;
            }
            for (piece, inside) in self.owned.split(run) {
                if inside {
                    self.shared.insert(piece);
                } else {
                    count(u64::from(piece.first.saturating_sub(run.first)), piece);
                }
            }
            return self.owned.insert(run);
        }
        let mut at = stream.first;
        // Each step takes a cluster that nobody had, so the chain ends.
        for index in 0_u64.. {
            let one = Run { first: at, len: 1 };
            if !self.shape.present.contains(at) {
                return;
            }
            if self.owned.contains(at) {
                return self.shared.insert(one);
            }
            self.owned.insert(one);
            count(index, one);
            match self.fat.link(at) {
                Some(Link::Next(next)) => at = next,
                _ => return,
            }
        }
    }

    /// The clusters of an existing stream, and what is odd about its chain.
    pub(super) fn live(&mut self, stream: &Stream) -> (Vec<Piece>, Option<&'static str>) {
        let need = self.shape.clusters(stream.len);
        let mut pieces = Vec::new();
        if need == 0 {
            return (pieces, None);
        }
        if stream.contiguous {
            let run = self.run(stream.first, need);
            if !self.live.spend(run) {
                return (vec![Piece::Missing(need, Code::LimitReached, LIMIT)], None);
            }
            cut(run, &self.shared, (Code::CrossLinked, SHARED), &mut pieces);
            self.live.spend_count(pieces.len());
            let outside = need.saturating_sub(u64::from(run.len));
            pieces.push(Piece::Missing(outside, Code::ChainBroken, OUTSIDE));
            return (pieces, None);
        }
        let (runs, ending) = self.fat.follow(stream.first, need, &self.shared);
        let got = clusters(&runs);
        pieces.extend(runs.into_iter().map(Piece::Clusters));
        let (code, detail) = match ending {
            Ending::Stopped => (Code::CrossLinked, SHARED),
            _ => (Code::ChainBroken, "the chain of clusters ends before the size is reached"),
        };
        pieces.push(Piece::Missing(need.saturating_sub(got), code, detail));
        let longer = got == need && ending == Ending::Longer;
        (pieces, longer.then_some("the chain of clusters goes on behind the size"))
    }

    /// The clusters that a deleted stream may still have; `None` where it names none that exist.
    pub(super) fn remains(&mut self, stream: &Stream) -> Option<Remains> {
        let need = self.shape.clusters(stream.len);
        let mut pieces = Vec::new();
        if need == 0 {
            return Some(Remains { pieces, basis: RecoveryBasis::MetadataExtents });
        }
        if !self.shape.present.contains(stream.first) {
            return None;
        }
        let run = self.run(stream.first, need);
        if !self.deleted.spend(run) {
            pieces.push(Piece::Missing(need, Code::LimitReached, LIMIT));
            return Some(Remains { pieces, basis: RecoveryBasis::PartlyOverwritten });
        }
        if stream.contiguous || need == 1 {
            cut(run, &self.used, (Code::Overwritten, IN_USE), &mut pieces);
            self.deleted.spend_count(pieces.len());
            let outside = need.saturating_sub(u64::from(run.len));
            pieces.push(Piece::Missing(outside, Code::ChainBroken, OUTSIDE));
            let whole = self.used.find(run, true).is_none();
            let basis = if whole {
                RecoveryBasis::MetadataExtents
            } else {
                RecoveryBasis::PartlyOverwritten
            };
            return Some(Remains { pieces, basis });
        }
        let steps = need.min(self.deleted.0);
        let (runs, ending) = self.fat.follow(stream.first, steps, &self.used);
        self.deleted.0 = self.deleted.0.saturating_sub(clusters(&runs));
        if ending == Ending::End && clusters(&runs) == need {
            let pieces = runs.into_iter().map(Piece::Clusters).collect();
            return Some(Remains { pieces, basis: RecoveryBasis::MetadataExtents });
        }
        Some(self.assumed(stream.first, need))
    }

    /// The free clusters from `first` on, as many as are needed.
    fn assumed(&mut self, first: u32, need: u64) -> Remains {
        let mut pieces = Vec::new();
        let mut left = need;
        let behind = self.shape.present.end().saturating_sub(first);
        if !self.used.contains(first) {
            for (piece, inside) in self.used.split(Run { first, len: behind }) {
                self.deleted.spend_count(1);
                if left == 0 || self.deleted.0 == 0 {
                    break;
                }
                if !inside {
                    let len = u32::try_from(left.min(u64::from(piece.len))).unwrap_or(piece.len);
                    pieces.push(Piece::Clusters(Run { first: piece.first, len }));
                    left = left.saturating_sub(u64::from(len));
                }
            }
        }
        pieces.push(Piece::Missing(left, Code::Overwritten, IN_USE));
        let whole = left == 0;
        let basis =
            if whole { RecoveryBasis::ContiguousAssumed } else { RecoveryBasis::PartlyOverwritten };
        Remains { pieces, basis }
    }

    /// Notes the claim of a deleted stream, and which clusters others claimed before.
    pub(super) fn claim(&mut self, remains: &Remains) {
        for piece in &remains.pieces {
            let Piece::Clusters(run) = *piece else { continue };
            if !self.deleted.spend(run) {
                return;
            }
            for (piece, inside) in self.claimed.split(run) {
                if inside {
                    self.disputed.insert(piece);
                }
            }
            self.claimed.insert(run);
        }
    }

    /// What is left of a deleted stream without the clusters that others claim as well.
    pub(super) fn undisputed(&mut self, remains: Remains) -> Remains {
        let Remains { pieces, mut basis } = remains;
        let mut kept = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Clusters(run) => {
                    if self.disputed.find(run, true).is_some() {
                        basis = RecoveryBasis::PartlyOverwritten;
                    }
                    cut(run, &self.disputed, (Code::Overwritten, DISPUTED), &mut kept);
                }
                missing => kept.push(missing),
            }
        }
        self.deleted.spend_count(kept.len());
        Remains { pieces: kept, basis }
    }

    /// So many clusters from `first` on, as far as they are there.
    fn run(&self, first: u32, need: u64) -> Run {
        let len = u32::try_from(need).unwrap_or(u32::MAX);
        let run = Run { first, len }.common(self.shape.present);
        if self.shape.present.contains(first) { run } else { Run { first: 2, len: 0 } }
    }
}

/// How much may still be done.
struct Budget(u64);

impl Budget {
    fn new(shape: &Geometry) -> Self {
        let clusters = u64::from(shape.present.len);
        Self(WORK.saturating_add(WORK_A_CLUSTER.saturating_mul(clusters)))
    }

    /// True while something is left for a run.
    fn spend(&mut self, run: Run) -> bool {
        let work = u64::from(run.len).div_euclid(64).saturating_add(1);
        self.0 = self.0.saturating_sub(work);
        self.0 > 0
    }

    fn spend_count(&mut self, count: usize) {
        self.0 = self.0.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

fn clusters(runs: &[Run]) -> u64 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(u64::from(run.len)))
}

/// A run without the clusters of a set, in whose place something is missing.
fn cut(run: Run, set: &ClusterSet, missing: (Code, &'static str), pieces: &mut Vec<Piece>) {
    for (piece, inside) in set.split(run) {
        pieces.push(if inside {
            Piece::Missing(u64::from(piece.len), missing.0, missing.1)
        } else {
            Piece::Clusters(piece)
        });
    }
}

/// Pieces as extents: up to `valid` bytes from the clusters, zeros from there to `size`.
pub(super) fn extents(shape: &Geometry, pieces: &[Piece], valid: u64, size: u64) -> Vec<Extent> {
    let valid = valid.min(size);
    let mut out = Vec::new();
    let mut left = valid;
    for piece in pieces {
        let count = match piece {
            Piece::Clusters(run) => u64::from(run.len),
            Piece::Missing(count, ..) => *count,
        };
        let len = count.saturating_mul(shape.cluster).min(left);
        left = left.saturating_sub(len);
        match piece {
            Piece::Clusters(run) => Extent::disk(shape.place(run.first), len),
            Piece::Missing(_, code, detail) => Extent::missing(len, *code, detail),
        }
        .append_to(&mut out);
    }
    Extent::missing(left, Code::ChainBroken, "no cluster is stated").append_to(&mut out);
    let hole = Extent { len: size.saturating_sub(valid), place: Place::Hole };
    hole.append_to(&mut out);
    out
}
