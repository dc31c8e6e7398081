//! Sets of clusters: which are in use, owned, bad.
//!
//! Kept in chunks that are empty, full or a bitmap, so that a set costs what it holds and not what
//! the volume states.

use std::ops::Range;

/// Clusters of a chunk, as the exponent of 2.
const SHIFT: u32 = 13;
const CHUNK: u64 = 1 << SHIFT;
const WORDS: usize = 1 << (SHIFT - 6);

#[derive(Debug, Clone, Default)]
enum Chunk {
    #[default]
    Empty,
    Full,
    Mixed(Box<[u64; WORDS]>),
}

/// A set of clusters.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterSet(Vec<Chunk>);

impl ClusterSet {
    /// Puts these clusters in.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        let mut at = range.start;
        while at < range.end {
            let end = next_chunk(at).min(range.end);
            let Ok(index) = usize::try_from(at >> SHIFT) else { return };
            if self.0.len() <= index {
                self.0.resize_with(index.saturating_add(1), Chunk::default);
            }
            if let Some(chunk) = self.0.get_mut(index) {
                chunk.insert(at & (CHUNK - 1), end.saturating_sub(at));
            }
            at = end;
        }
    }

    /// True where this cluster is in, and the end of the run of clusters from it, up to `end`, that
    /// are in or out alike.
    pub(super) fn run(&self, at: u64, end: u64) -> (bool, u64) {
        let (inside, mut to) = self.run_in_chunk(at);
        while to < end && to & (CHUNK - 1) == 0 {
            let (same, further) = self.run_in_chunk(to);
            if same != inside {
                break;
            }
            to = further;
        }
        (inside, to.min(end))
    }

    fn run_in_chunk(&self, at: u64) -> (bool, u64) {
        let index = usize::try_from(at >> SHIFT).unwrap_or(usize::MAX);
        match self.0.get(index) {
            None => (false, u64::MAX),
            Some(Chunk::Empty) => (false, next_chunk(at)),
            Some(Chunk::Full) => (true, next_chunk(at)),
            Some(Chunk::Mixed(words)) => {
                let (inside, length) = run_of_words(words, at & (CHUNK - 1));
                (inside, at.saturating_add(length).min(next_chunk(at)))
            }
        }
    }

    /// The clusters of a range as runs, each in or out.
    pub(super) fn runs(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, bool)> + '_ {
        let Range { mut start, end } = range;
        std::iter::from_fn(move || {
            if start >= end {
                return None;
            }
            let (inside, to) = self.run(start, end);
            let run = start..to.max(start.saturating_add(1));
            start = run.end;
            Some((run, inside))
        })
    }

    /// True where one of these clusters is in.
    pub(super) fn touches(&self, range: Range<u64>) -> bool {
        self.runs(range).any(|(_, inside)| inside)
    }
}

const fn next_chunk(at: u64) -> u64 {
    (at | (CHUNK - 1)).saturating_add(1)
}

impl Chunk {
    fn insert(&mut self, from: u64, len: u64) {
        if len >= CHUNK {
            *self = Self::Full;
        }
        if let Self::Empty = self {
            *self = Self::Mixed(Box::new([0; WORDS]));
        }
        let Self::Mixed(words) = self else { return };
        let mut at = from;
        let end = from.saturating_add(len).min(CHUNK);
        while at < end {
            let stop = (at | 63).saturating_add(1).min(end);
            let bits = mask(at & 63, stop.saturating_sub(at));
            if let Some(word) = usize::try_from(at >> 6).ok().and_then(|i| words.get_mut(i)) {
                *word |= bits;
            }
            at = stop;
        }
        if words.iter().all(|word| *word == u64::MAX) {
            *self = Self::Full;
        }
    }
}

/// `len` ones, 1 to 64, from bit `from` on.
fn mask(from: u64, len: u64) -> u64 {
    let unused = u32::try_from(64_u64.saturating_sub(len)).unwrap_or(0);
    let ones = u64::MAX.checked_shr(unused).unwrap_or(0);
    ones.checked_shl(u32::try_from(from).unwrap_or(64)).unwrap_or(0)
}

/// The state of bit `at`, and for how many bits it stays so in these words.
fn run_of_words(words: &[u64; WORDS], at: u64) -> (bool, u64) {
    let mut index = usize::try_from(at >> 6).unwrap_or(usize::MAX);
    let Some(word) = words.get(index) else { return (false, 1) };
    let bit = u32::try_from(at & 63).unwrap_or(0);
    let inside = word.checked_shr(bit).unwrap_or(0) & 1 == 1;
    let same = |word: u64| if inside { word } else { !word };
    let first = same(*word).checked_shr(bit).unwrap_or(0).trailing_ones();
    let mut length = u64::from(first);
    if first < 64_u32.saturating_sub(bit) {
        return (inside, length);
    }
    loop {
        index = index.saturating_add(1);
        let Some(word) = words.get(index) else { return (inside, length) };
        let more = same(*word).trailing_ones();
        length = length.saturating_add(u64::from(more));
        if more < 64 {
            return (inside, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(
            ranges in proptest::collection::vec((0_u64..40_000, 0_u64..9_000), 0..12),
            from in 0_u64..40_000,
        ) {
            let mut set = ClusterSet::default();
            let mut plain = vec![false; 50_000];
            for (start, len) in ranges {
                set.insert(start..start + len);
                plain[usize::try_from(start).unwrap()..usize::try_from(start + len).unwrap()]
                    .fill(true);
            }
            let mut at = from;
            for (run, inside) in set.runs(from..50_000) {
                prop_assert_eq!(run.start, at);
                for cluster in run.clone() {
                    prop_assert_eq!(plain[usize::try_from(cluster).unwrap()], inside);
                }
                at = run.end;
            }
            prop_assert_eq!(at, 50_000);
        }
    }
}
