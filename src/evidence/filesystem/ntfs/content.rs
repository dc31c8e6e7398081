//! The extents of a content, by its runs.
//!
//! A run that is nowhere, and what lies behind the initialized size, are zeros. What the runs do
//! not cover is missing: nothing is assumed of it.

use std::sync::Arc;

use super::attribute::{COMPRESSION, ENCRYPTED};
use super::object::DataStream;
use super::runlist::Run;
use super::{Geometry, damaged};

use crate::item::{Extent, Place};
use crate::problem::{Code, Problem, Stage};

/// The one method of compression: LZNT1.
const LZNT1: u16 = 1;
/// Bytes of the largest compression unit that is read: 16 clusters of 64 KiB.
const MOST_UNIT: u64 = 1 << 20;

const NOT_COVERED: &str = "the run list does not cover the content";
const OUTSIDE: &str = "a run lies behind the end of the volume";
const SCATTERED: &str = "the runs of a compressed unit are not in order";

/// Where all bytes of a content are.
///
/// # Errors
/// Why it is not to be read, as the row says.
pub(super) fn extents(stream: &DataStream, geometry: &Geometry) -> Result<Vec<Extent>, Problem> {
    if stream.flags & ENCRYPTED != 0 {
        return Err(not_read(Code::Encrypted, "encrypted by the file system (EFS)"));
    }
    if !stream.is_begun() {
        return Err(damaged("no attribute, or more than one, says how long the content is"));
    }
    let size = Some(stream.size).filter(|size| i64::try_from(*size).is_ok());
    let Some(size) = size else {
        return Err(damaged("the content states an impossible size"));
    };
    if let Some(bytes) = &stream.resident {
        return Ok(match bytes.is_empty() {
            true => Vec::new(),
            false => vec![Extent { len: size, place: Place::Resident(Arc::clone(bytes)) }],
        });
    }
    let initialized = stream.initialized.min(size);
    let mut builder = Builder { geometry, initialized, size, at: 0, out: Vec::new() };
    match stream.flags & COMPRESSION {
        0 => builder.plain(&stream.runs),
        LZNT1 => builder.compressed(&stream.runs, stream.unit)?,
        _ => return Err(not_read(Code::ContentNotRead, "compressed by an unknown method")),
    }
    builder.missing_up_to(size);
    Ok(builder.out)
}

pub(super) fn not_read(code: Code, detail: &str) -> Problem {
    Problem::new(code, Stage::Filesystem, detail)
}

/// Extents on their way, from the first byte to the last.
struct Builder<'a> {
    geometry: &'a Geometry,
    initialized: u64,
    size: u64,
    /// Bytes that have a place.
    at: u64,
    out: Vec<Extent>,
}

impl Builder<'_> {
    fn plain(&mut self, runs: &[Run]) {
        for run in runs {
            let Some(start) = run.vcn.checked_mul(self.geometry.cluster) else { return };
            if start < self.at {
                return; // two runs for the same bytes: neither is believed, nor what follows
            }
            self.missing_up_to(start);
            self.run(run.lcn, run.len);
        }
    }

    /// Appends clusters that are not compressed.
    fn run(&mut self, lcn: Option<u64>, clusters: u64) {
        let len = clusters.saturating_mul(self.geometry.cluster).min(self.left());
        let Some(lcn) = lcn else { return self.push(len, Place::Hole) };
        let written = self.initialized.saturating_sub(self.at).min(len);
        let start = lcn.saturating_mul(self.geometry.cluster);
        let inside = self.geometry.bytes.saturating_sub(start).min(written);
        self.push(inside, Place::Disk(start));
        self.push(
            written.saturating_sub(inside),
            Place::Missing(Code::ChainBroken, OUTSIDE.into()),
        );
        self.push(len.saturating_sub(written), Place::Hole);
    }

    /// A unit that lacks clusters is compressed into those it has; one that lacks all is zeros.
    fn compressed(&mut self, runs: &[Run], exponent: u16) -> Result<(), Problem> {
        let clusters = 1_u64.checked_shl(u32::from(exponent)).unwrap_or(u64::MAX);
        let bytes = clusters.checked_mul(self.geometry.cluster).filter(|n| *n <= MOST_UNIT);
        let Some(unit_len) = bytes.and_then(|n| u32::try_from(n).ok()) else {
            return Err(not_read(Code::ContentNotRead, "compressed in units of an unknown size"));
        };
        let (mut runs, mut vcn) = (runs.iter().copied().peekable(), 0_u64);
        while self.left() > 0 {
            let Some(run) = runs.peek_mut().filter(|run| run.vcn == vcn) else { return Ok(()) };
            let whole = run.len.checked_div(clusters).unwrap_or(0).saturating_mul(clusters);
            if whole > 0 {
                self.run(run.lcn, whole);
                vcn = vcn.saturating_add(whole);
                if take(run, whole) {
                    runs.next();
                }
                continue;
            }
            let unit = Unit::gather(&mut runs, &mut vcn, clusters);
            self.unit(&unit, unit_len);
        }
        Ok(())
    }

    fn unit(&mut self, unit: &Unit, unit_len: u32) {
        let len = u64::from(unit_len).min(self.left());
        if unit.cut {
            return self.push(len, Place::Missing(Code::ChainBroken, NOT_COVERED.into()));
        }
        if unit.scattered {
            return self.push(len, Place::Missing(Code::FilesystemDamaged, SCATTERED.into()));
        }
        if !unit.lacks {
            return unit.parts.iter().for_each(|(lcn, clusters)| self.run(Some(*lcn), *clusters));
        }
        if unit.parts.is_empty() {
            return self.push(len, Place::Hole);
        }
        let cluster = self.geometry.cluster;
        let runs: Arc<[(u64, u64)]> = unit
            .parts
            .iter()
            .map(|(lcn, n)| (lcn.saturating_mul(cluster), n.saturating_mul(cluster)))
            .collect();
        let inside = |(at, n): &(u64, u64)| at.saturating_add(*n) <= self.geometry.bytes;
        let written = self.initialized.saturating_sub(self.at).min(len);
        let place = match runs.iter().all(inside) {
            true => Place::Lznt1 { runs, unit_len },
            false => Place::Missing(Code::ChainBroken, OUTSIDE.into()),
        };
        self.push(written, place);
        self.push(len.saturating_sub(written), Place::Hole);
    }

    fn left(&self) -> u64 {
        self.size.saturating_sub(self.at)
    }

    fn push(&mut self, len: u64, place: Place) {
        self.at = self.at.saturating_add(len);
        Extent { len, place }.append_to(&mut self.out);
    }

    fn missing_up_to(&mut self, end: u64) {
        let len = end.min(self.size).saturating_sub(self.at);
        self.push(len, Place::Missing(Code::ChainBroken, NOT_COVERED.into()));
    }
}

/// The clusters of one compression unit.
#[derive(Default)]
struct Unit {
    parts: Vec<(u64, u64)>,
    /// Some of its clusters are nowhere.
    lacks: bool,
    /// A cluster follows one that is nowhere.
    scattered: bool,
    /// The runs end within it: whether it is compressed is not certain.
    cut: bool,
}

impl Unit {
    fn gather(
        runs: &mut std::iter::Peekable<impl Iterator<Item = Run>>,
        vcn: &mut u64,
        clusters: u64,
    ) -> Self {
        let (mut unit, mut need) = (Self::default(), clusters);
        while need > 0 {
            let Some(run) = runs.peek_mut().filter(|run| run.vcn == *vcn) else { break };
            let n = run.len.min(need);
            match run.lcn {
                Some(lcn) => {
                    unit.scattered |= unit.lacks;
                    unit.parts.push((lcn, n));
                }
                None => unit.lacks = true,
            }
            need = need.saturating_sub(n);
            *vcn = vcn.saturating_add(n);
            if take(run, n) {
                runs.next();
            }
        }
        unit.cut = need > 0;
        unit
    }
}

/// Takes clusters from the start of a run; true where none is left.
fn take(run: &mut Run, clusters: u64) -> bool {
    run.vcn = run.vcn.saturating_add(clusters);
    run.len = run.len.saturating_sub(clusters);
    run.lcn = run.lcn.map(|lcn| lcn.saturating_add(clusters));
    run.len == 0
}

/// The sum of the lengths of extents.
#[cfg(test)]
fn sum(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry { cluster: 4096, clusters: 1000, bytes: 4_096_000 };

    fn stream(flags: u16, size: u64, runs: &[(u64, Option<u64>)]) -> DataStream {
        let mut vcn = 0;
        let mut list = Vec::new();
        for (len, lcn) in runs {
            list.push(Run { vcn, len: *len, lcn: *lcn });
            vcn += len;
        }
        DataStream::for_tests(flags, size, list)
    }

    #[test]
    fn whole_packed_and_absent_units_are_told_apart() {
        let runs =
            [(16, Some(100)), (3, Some(200)), (13, None), (32, None), (4, Some(300)), (12, None)];
        let stream = stream(1, 70 * 4096, &runs);
        let got = extents(&stream, &GEOMETRY).unwrap();
        let packed = |at: u64, n: u64| Place::Lznt1 {
            runs: vec![(at * 4096, n * 4096)].into(),
            unit_len: 65_536,
        };
        assert_eq!(got[0], Extent::disk(100 * 4096, 65_536));
        assert_eq!(got[1], Extent { len: 65_536, place: packed(200, 3) });
        assert_eq!(got[2], Extent { len: 131_072, place: Place::Hole });
        assert_eq!(got[3], Extent { len: 6 * 4096, place: packed(300, 4) });
        assert_eq!(sum(&got), 70 * 4096);
        let cut = extents(&self::stream(1, 70 * 4096, &runs[..5]), &GEOMETRY).unwrap();
        assert!(matches!(cut[3], Extent { len: 24_576, place: Place::Missing(..) }));
    }

    #[test]
    fn lengths_sum_to_the_size_whatever_the_runs_are() {
        let odd: [&[(u64, Option<u64>)]; 5] = [
            &[],
            &[(1, Some(999)), (5, Some(998))],
            &[(3, None), (2, Some(5)), (1 << 50, None)],
            &[(7, Some(u64::MAX - 3))],
            &[(1 << 53, Some(1))],
        ];
        for runs in odd {
            for flags in [0, 1] {
                for size in [1, 4095, 4097, 300_000, 1 << 40] {
                    let stream = stream(flags, size, runs);
                    assert_eq!(sum(&extents(&stream, &GEOMETRY).unwrap()), size);
                }
            }
        }
    }

    #[test]
    fn what_was_never_written_is_zeros() {
        let mut stream = stream(0, 10_000, &[(3, Some(10))]);
        stream.initialized = 5_000;
        let got = extents(&stream, &GEOMETRY).unwrap();
        let zeros = Extent { len: 5_000, place: Place::Hole };
        assert_eq!(got, [Extent::disk(40_960, 5_000), zeros]);
    }
}
