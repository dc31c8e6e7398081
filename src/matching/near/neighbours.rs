//! PDQ values within a radius of others, by the way that is faster for their number.

use super::bands::{Bands, Workspace};
use super::{NearOptions, Search};
use crate::matching::kernels::{self, Close, Kernel};
use crate::perceptual::PdqHash;

/// Entries laid out at a time for a query that the index gives back: they stay in a cache.
const PART: usize = 8192;

/// PDQ values, and what finds those within a radius of others.
pub struct PdqNeighbours {
    values: Vec<PdqHash>,
    radius: u32,
    kernel: Kernel,
    way: Way,
}

/// Each way finds the same.
enum Way {
    /// Every value is compared, laid out as the kernels read them.
    Everything(kernels::Hashes),
    Index(Bands),
}

impl PdqNeighbours {
    /// Prepares the look-up of `values`; their places in it are the entry numbers of [`Close`].
    ///
    /// - `values`: at most as many as 32 bits count.
    pub fn new(values: Vec<PdqHash>, options: &NearOptions) -> Self {
        let NearOptions { near_bits: radius, kernel, .. } = *options;
        let way = match Bands::of(&values, radius, options) {
            Some(bands) => Way::Index(bands),
            None => Way::Everything(kernels::Hashes::new(&values)),
        };
        Self { values, radius, kernel, way }
    }

    /// The values again.
    pub fn into_values(self) -> Vec<PdqHash> {
        self.values
    }

    /// How values are looked for.
    pub const fn search(&self) -> Search {
        match self.way {
            Way::Everything(_) => Search::Everything,
            Way::Index(_) => Search::Index,
        }
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        let own = size_of_val(self.values.as_slice());
        own + match &self.way {
            Way::Everything(hashes) => hashes.bytes(),
            Way::Index(bands) => bands.bytes(),
        }
    }

    /// Gives every pair of a query and a value within the radius to `found`, some more than once.
    pub fn within(&self, queries: &[PdqHash], found: &mut dyn FnMut(Close)) {
        let bands = match &self.way {
            Way::Index(bands) => bands,
            Way::Everything(hashes) => {
                return kernels::within(self.kernel, hashes, queries, self.radius, found);
            }
        };
        let mut work = Workspace::default();
        let mut left = Vec::new();
        for (query, hash) in queries.iter().enumerate() {
            let complete = bands.within(&self.values, *hash, &mut work, &mut |entry, distance| {
                found(Close { query, entry, distance });
            });
            if !complete {
                left.push(query);
            }
        }
        if !left.is_empty() {
            self.compare_all(queries, &left, found);
        }
    }

    /// Compares the queries that the index gave back with every value.
    fn compare_all(&self, queries: &[PdqHash], left: &[usize], found: &mut dyn FnMut(Close)) {
        let queries: Vec<_> = left.iter().map(|query| queries[*query]).collect();
        for (part, values) in self.values.chunks(PART).enumerate() {
            let hashes = kernels::Hashes::new(values);
            kernels::within(self.kernel, &hashes, &queries, self.radius, &mut |close| {
                let (query, entry) = (left[close.query], part * PART + close.entry);
                found(Close { query, entry, ..close });
            });
        }
    }
}
