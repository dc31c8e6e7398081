//! Entries by hash: each distinct value once, with all entries that have it.

use rayon::prelude::*;

/// Where an entry stands: set, then place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) set: u32,
    pub(super) entry: u32,
}

/// The entries of each of many distinct values. One that many entries share is compared once.
pub(super) struct Grouped {
    /// Where the places of each value end.
    ends: Vec<u32>,
    places: Vec<Place>,
}

impl Grouped {
    /// The distinct values in ascending order, and their entries.
    ///
    /// - `entries`: at most as many as 32 bits count.
    pub(super) fn new<H: Copy + Ord + Send>(mut entries: Vec<(H, Place)>) -> (Vec<H>, Self) {
        entries.par_sort_unstable();
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        for (end, (value, _)) in (1..).zip(&entries) {
            if values.last() == Some(value) {
                ends.pop();
            } else {
                values.push(*value);
            }
            ends.push(end);
        }
        let places = entries.into_iter().map(|(_, place)| place).collect();
        (values, Self { ends, places })
    }

    /// The entries that have the value at `at`, in their order.
    pub(super) fn places(&self, at: usize) -> &[Place] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start as usize..self.ends[at] as usize]
    }
}
