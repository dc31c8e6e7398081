//! Entries by hash: each distinct value once, with all entries that have it.

/// Where an entry stands: set, then place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) set: u32,
    pub(super) entry: u32,
}

/// Distinct values in ascending order. One that many entries share is compared once.
pub(super) struct Grouped<H> {
    values: Vec<H>,
    /// Where the places of each value end.
    ends: Vec<usize>,
    places: Vec<Place>,
}

impl<H: Copy + Ord> Grouped<H> {
    pub(super) fn new(mut entries: Vec<(H, Place)>) -> Self {
        entries.sort_unstable();
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        for equal in entries.chunk_by(|(a, _), (b, _)| a == b) {
            values.extend(equal.first().map(|(value, _)| *value));
            ends.push(ends.last().copied().unwrap_or(0) + equal.len());
        }
        Self { values, ends, places: entries.into_iter().map(|(_, place)| place).collect() }
    }

    pub(super) fn values(&self) -> &[H] {
        &self.values
    }

    /// The entries that have the value at `at`, in their order.
    pub(super) fn places(&self, at: usize) -> &[Place] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start..self.ends[at]]
    }
}
