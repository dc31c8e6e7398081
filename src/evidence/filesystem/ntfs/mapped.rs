//! The bytes of an attribute that lies in clusters, for what the reader itself needs.

use std::io;

use super::runlist::Run;
use super::{Geometry, wide};

use crate::bytes::ReadAt;

/// An attribute by its runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapped {
    /// In order, each beginning where the one before ends, the first at 0.
    runs: Vec<Run>,
}

impl Mapped {
    /// Appends runs as far as they follow; false where one does not.
    pub(super) fn extend(&mut self, runs: impl IntoIterator<Item = Run>) -> bool {
        for run in runs {
            if run.vcn != self.clusters() {
                return false;
            }
            self.runs.push(run);
        }
        true
    }

    /// Number of clusters.
    pub(super) fn clusters(&self) -> u64 {
        self.runs.last().map_or(0, Run::end)
    }

    /// Where the byte `at` of the attribute is in the volume, and how many bytes follow there.
    pub(super) fn place(&self, at: u64, geometry: &Geometry) -> Option<(Option<u64>, u64)> {
        let vcn = at.checked_div(geometry.cluster)?;
        let run = self.runs.get(self.runs.partition_point(|run| run.end() <= vcn))?;
        let into = at.checked_sub(run.vcn.checked_mul(geometry.cluster)?)?;
        let left = run.len.checked_mul(geometry.cluster)?.checked_sub(into)?;
        let start = match run.lcn {
            Some(lcn) => Some(lcn.checked_mul(geometry.cluster)?.checked_add(into)?),
            None => None,
        };
        Some((start, left))
    }

    /// Fills `buf` from the byte `at` as far as the runs and the volume go.
    pub(super) fn fill(
        &self,
        volume: &dyn ReadAt,
        geometry: &Geometry,
        at: u64,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some((start, left)) = self.place(at.saturating_add(wide(done)), geometry) else {
                break;
            };
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let Some(rest) = rest.get_mut(..room) else { break };
            let n = match start {
                Some(start) => volume.fill_at(start, rest)?,
                None => {
                    rest.fill(0);
                    rest.len()
                }
            };
            done = done.saturating_add(n);
            if n < room {
                break;
            }
        }
        Ok(done)
    }
}
