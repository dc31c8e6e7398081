//! Where a volume has bytes that are no content of an existing object: what carving looks through.

/// Most runs of one kind that are kept, 64 MiB of them.
const MOST: usize = 4 << 20;

/// Runs of bytes of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<(u64, u64)>,
    left_out: u64,
}

impl Runs {
    /// Adds a run, in any order; one that follows the last one is joined with it.
    ///
    /// - `at`: byte of the volume.
    /// - `len`: its bytes; none is no run.
    pub fn push(&mut self, at: u64, len: u64) {
        if len == 0 {
            return;
        }
        if let Some((last, room)) = self.runs.last_mut()
            && last.checked_add(*room) == Some(at)
        {
            *room = room.saturating_add(len);
        } else if self.runs.len() < MOST {
            self.runs.push((at, len));
        } else {
            self.left_out = self.left_out.saturating_add(len);
        }
    }

    /// Takes bytes out.
    ///
    /// - `spans`: first byte and length, in order, apart from each other.
    pub fn without(&self, spans: &[(u64, u64)]) -> Self {
        let mut left = Self { runs: Vec::new(), left_out: self.left_out };
        for (start, len) in &self.runs {
            let (mut at, end) = (*start, start.saturating_add(*len));
            let first = spans.partition_point(|(from, len)| from.saturating_add(*len) <= at);
            for (from, len) in spans.get(first..).unwrap_or_default() {
                if *from >= end {
                    break;
                }
                left.push(at, from.saturating_sub(at));
                at = from.saturating_add(*len);
            }
            left.push(at, end.saturating_sub(at));
        }
        left
    }

    /// Bytes of all runs that are kept.
    pub fn bytes(&self) -> u64 {
        self.runs.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }

    /// The runs in the order of the volume, and the bytes of those that were too many to keep.
    pub fn sorted(mut self) -> (Vec<(u64, u64)>, u64) {
        self.runs.sort_unstable();
        (self.runs, self.left_out)
    }
}

/// Bytes of a volume that no existing object has as its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unowned {
    /// Clusters that are free, and those in use that no object owns: their bytes follow each other,
    /// because what was deleted lay in them and around what lies between.
    pub free: Runs,
    /// Ends of clusters behind a content, clusters beyond the size of their object, and the bytes
    /// behind the last cluster: each run by itself.
    pub slack: Runs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_is_gone_and_nothing_else() {
        let spans = [(10_u64, 10_u64), (30, 1), (40, 20)];
        let inside = |byte| spans.iter().any(|(at, len)| (*at..at + len).contains(&byte));
        for (at, len) in [(0, 100), (15, 20), (10, 10), (12, 3), (19, 12), (59, 9), (60, 1), (5, 5)]
        {
            let mut runs = Runs::default();
            runs.push(at, len);
            let left = runs.without(&spans);
            let bytes: Vec<u64> = left.runs.iter().flat_map(|(at, len)| *at..at + len).collect();
            let wanted: Vec<u64> = (at..at + len).filter(|byte| !inside(*byte)).collect();
            assert_eq!(bytes, wanted, "{at} {len}");
            assert_eq!(Some(left.bytes()), u64::try_from(wanted.len()).ok());
        }
    }

    #[test]
    fn neighbours_are_one_run_and_the_order_is_the_volumes() {
        let mut runs = Runs::default();
        for (at, len) in [(4096, 512), (4608, 512), (0, 512), (512, 0), (u64::MAX, 1)] {
            runs.push(at, len);
        }
        assert_eq!(runs.sorted(), (vec![(0, 512), (4096, 1024), (u64::MAX, 1)], 0));
    }
}
