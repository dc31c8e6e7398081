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
    fn neighbours_are_one_run_and_the_order_is_the_volumes() {
        let mut runs = Runs::default();
        for (at, len) in [(4096, 512), (4608, 512), (0, 512), (512, 0), (u64::MAX, 1)] {
            runs.push(at, len);
        }
        assert_eq!(runs.sorted(), (vec![(0, 512), (4096, 1024), (u64::MAX, 1)], 0));
    }
}
