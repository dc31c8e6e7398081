//! Run lists: which clusters an attribute is in.
//!
//! Each run is a byte with two widths, a length and the distance of its first cluster from that of
//! the run before; no distance means a run that is nowhere.
//!
//! Source: Linux-NTFS project documentation, "Data Runs".

use std::ops::Range;

/// No attribute has clusters beyond: 2^63 bytes by the smallest cluster.
const MOST_CLUSTERS: u64 = 1 << 54;

/// Clusters of an attribute that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// First cluster, counted in the attribute.
    pub(super) vcn: u64,
    /// Number of clusters, at least 1.
    pub(super) len: u64,
    /// First cluster, counted in the volume; `None` where the run is nowhere.
    pub(super) lcn: Option<u64>,
}

impl Run {
    /// The cluster of the attribute after its last.
    pub(super) const fn end(&self) -> u64 {
        self.vcn.saturating_add(self.len)
    }

    /// Its clusters in a volume of so many.
    pub(super) fn clusters(&self, of: u64) -> Option<Range<u64>> {
        let lcn = self.lcn?;
        let range = lcn.min(of)..lcn.saturating_add(self.len).min(of);
        Some(range).filter(|range| !range.is_empty())
    }
}

/// The runs of a list whose first cluster is `first`; what comes at or after `end`, and after the
/// first run that makes no sense, is left out. False where that happened.
pub(super) fn decode(pairs: &[u8], first: u64, end: u64) -> (Vec<Run>, bool) {
    let mut runs = Vec::new();
    let (mut rest, mut vcn, mut lcn) = (pairs, first, 0_i64);
    while vcn < end {
        let Some((run, after)) = next(rest, vcn, &mut lcn) else { return (runs, false) };
        let len = run.len.min(end.saturating_sub(vcn));
        runs.push(Run { len, ..run });
        if run.len > len {
            return (runs, false);
        }
        (vcn, rest) = (run.end(), after);
    }
    (runs, rest.first().is_none_or(|header| *header == 0))
}

fn next<'a>(rest: &'a [u8], vcn: u64, lcn: &mut i64) -> Option<(Run, &'a [u8])> {
    let (header, rest) = rest.split_first()?;
    let (lengths, offsets) = (usize::from(header & 15), usize::from(header >> 4));
    if !(1..=8).contains(&lengths) || offsets > 8 {
        return None;
    }
    let (length, rest) = rest.split_at_checked(lengths)?;
    let (offset, rest) = rest.split_at_checked(offsets)?;
    let len = u64::try_from(number(length)).ok().filter(|len| *len > 0)?;
    vcn.checked_add(len).filter(|end| *end <= MOST_CLUSTERS)?;
    let place = if offset.is_empty() {
        None
    } else {
        *lcn = lcn.checked_add(number(offset))?;
        // Version 1 marked a run that is nowhere by the distance to cluster -1.
        if *lcn == -1 { None } else { Some(u64::try_from(*lcn).ok()?) }
    };
    Some((Run { vcn, len, lcn: place }, rest))
}

/// A little-endian number with sign, of up to 8 bytes.
fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xFF; 8] } else { [0; 8] };
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i64::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_forth_back_and_nowhere() {
        let list = [0x21, 0x18, 0x34, 0x56, 0x11, 0x04, 0xF0, 0x01, 0x10, 0x00];
        let (runs, whole) = decode(&list, 8, 8 + 0x18 + 4 + 16);
        assert!(whole);
        let run = |vcn, len, lcn| Run { vcn, len, lcn };
        assert_eq!(runs, [run(8, 0x18, Some(0x5634)), run(32, 4, Some(0x5624)), run(36, 16, None)]);
    }

    #[test]
    fn a_list_that_makes_no_sense_is_cut_before_it() {
        let cases: [&[u8]; 6] = [
            &[0x11, 0x00, 0x05, 0],
            &[0x11, 0x80, 0x05, 0],
            &[0x11, 0x04, 0x85, 0],
            &[0x91, 0x04],
            &[0x18, 1, 0, 0, 0, 0, 0, 0, 0x7F, 1, 0],
            &[],
        ];
        for list in cases {
            assert_eq!(decode(list, 0, 9), (vec![], false), "{list:x?}");
        }
        let (runs, whole) = decode(&[0x11, 0x09, 0x05, 0], 0, 4);
        assert_eq!((runs[0].len, whole), (4, false));
    }
}
