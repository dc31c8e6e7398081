//! The bitmap of clusters: one bit a cluster, 1 = in use.

use super::Geometry;
use super::clusters::ClusterSet;
use super::mapped::Mapped;
use super::object::DataStream;
use super::wide;

use crate::bytes::ReadAt;
use crate::problem::{Code, Problem, Stage};

const STRETCH: usize = 64 << 10;

/// The clusters in use. What cannot be read, or is not there, counts as in use: so no deleted
/// content is taken for whole that may not be.
pub(super) fn in_use(
    stream: Option<&DataStream>,
    volume: &dyn ReadAt,
    geometry: &Geometry,
) -> (ClusterSet, Option<Problem>) {
    let mut reader = Reader { set: ClusterSet::default(), from: None, at: 0 };
    let problem = reader.read(stream, volume, geometry).err();
    if reader.at < geometry.clusters {
        reader.run(geometry.clusters, true);
    }
    reader.run(geometry.clusters, false);
    (reader.set, problem)
}

struct Reader {
    set: ClusterSet,
    /// Where the run of clusters in use began that is not ended.
    from: Option<u64>,
    at: u64,
}

impl Reader {
    fn read(
        &mut self,
        stream: Option<&DataStream>,
        volume: &dyn ReadAt,
        geometry: &Geometry,
    ) -> Result<(), Problem> {
        let unknown = |why: &str| {
            let detail =
                format!("the bitmap of clusters {why}; all it should tell count as in use");
            Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail)
        };
        let stream = stream.ok_or_else(|| unknown("is not there"))?;
        if let Some(bytes) = &stream.resident {
            self.bytes(bytes, geometry.clusters);
        } else {
            let mut map = Mapped::default();
            map.extend(stream.runs.iter().copied());
            let (mut buf, mut at) = (vec![0; STRETCH], 0_u64);
            while self.at < geometry.clusters && at < stream.size {
                let room = usize::try_from(stream.size.saturating_sub(at)).unwrap_or(STRETCH);
                let room = room.min(STRETCH);
                let Some(part) = buf.get_mut(..room) else { break };
                let n = map.fill(volume, geometry, at, part);
                let n = n.map_err(|error| unknown(&format!("cannot be read: {error}")))?;
                if n == 0 {
                    break;
                }
                self.bytes(part.get(..n).unwrap_or_default(), geometry.clusters);
                at = at.saturating_add(wide(n));
            }
        }
        if self.at < geometry.clusters {
            return Err(unknown("is too short"));
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8], clusters: u64) {
        for byte in bytes {
            if self.at >= clusters {
                return;
            }
            match byte {
                0 | 0xFF => self.run(self.at.saturating_add(8).min(clusters), *byte != 0),
                _ => {
                    for bit in 0..8_u32 {
                        let next = self.at.saturating_add(1).min(clusters);
                        self.run(next, byte.checked_shr(bit).unwrap_or(0) & 1 == 1);
                    }
                }
            }
        }
    }

    /// Up to `to` clusters are in use, or are not.
    fn run(&mut self, to: u64, used: bool) {
        match (self.from, used) {
            (None, true) => self.from = Some(self.at),
            (Some(from), false) => {
                self.set.insert(from..self.at);
                self.from = None;
            }
            _ => {}
        }
        self.at = to;
    }
}
