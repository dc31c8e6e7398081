//! A set of block numbers that stays small where blocks are all in or all out.
//!
//! One bit a block, in chunks of 32,768; a chunk that is empty or full has no bits. All operations
//! work on ranges and words, so that a hostile volume that claims the same million blocks a million
//! times costs words, not blocks.

use std::ops::Range;

/// Blocks of a chunk.
const CHUNK: u64 = 32_768;
const WORDS: usize = 512;

enum Chunk {
    Empty,
    Full,
    Bits(Box<[u64; WORDS]>),
}

/// A set of numbers below a limit.
pub(super) struct BlockSet {
    chunks: Vec<Chunk>,
    limit: u64,
}

impl BlockSet {
    /// The empty set of numbers below `limit`.
    pub(super) fn new(limit: u64) -> Self {
        Self { chunks: Vec::new(), limit }
    }

    /// Adds what of the range is below the limit.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        let end = range.end.min(self.limit);
        let mut at = range.start;
        while at < end {
            let stop = end.min(at.div_euclid(CHUNK).saturating_add(1).saturating_mul(CHUNK));
            self.insert_in_chunk(at, stop);
            at = stop;
        }
    }

    /// True where it has the number.
    pub(super) fn contains(&self, number: u64) -> bool {
        let word = self.word(number.div_euclid(64));
        word >> number.rem_euclid(64) & 1 == 1
    }

    /// Whether `from` is in the set, and where that ends or `end` is reached.
    pub(super) fn run(&self, from: u64, end: u64) -> (bool, u64) {
        let within = self.contains(from);
        let mut at = from;
        while at < end {
            let chunk = at.div_euclid(CHUNK);
            let whole = match self.chunk(chunk) {
                Chunk::Empty => Some(false),
                Chunk::Full => Some(true),
                Chunk::Bits(_) => None,
            };
            match whole {
                Some(all) if all == within => {
                    at = chunk.saturating_add(1).saturating_mul(CHUNK);
                }
                Some(_) => return (within, at.min(end)),
                None => {
                    let word = self.word(at.div_euclid(64));
                    let other = if within { !word } else { word } >> at.rem_euclid(64);
                    if other != 0 {
                        let skip = u64::from(other.trailing_zeros());
                        return (within, at.saturating_add(skip).min(end));
                    }
                    at = at.div_euclid(64).saturating_add(1).saturating_mul(64);
                }
            }
        }
        (within, end)
    }

    /// The runs of a range: each with whether it is in the set.
    pub(super) fn runs(&self, range: Range<u64>) -> impl Iterator<Item = (bool, Range<u64>)> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            (at < range.end).then(|| {
                let (within, end) = self.run(at, range.end);
                let run = at..end;
                at = end.max(at.saturating_add(1));
                (within, run)
            })
        })
    }

    fn chunk(&self, number: u64) -> &Chunk {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.chunks.get(index).unwrap_or(&Chunk::Empty)
    }

    fn word(&self, number: u64) -> u64 {
        let index = usize::try_from(number.rem_euclid(512)).unwrap_or(0);
        match self.chunk(number.div_euclid(512)) {
            Chunk::Empty => 0,
            Chunk::Full => u64::MAX,
            Chunk::Bits(words) => words.get(index).copied().unwrap_or(0),
        }
    }

    /// Adds a range that lies in one chunk.
    fn insert_in_chunk(&mut self, from: u64, to: u64) {
        let index = usize::try_from(from.div_euclid(CHUNK)).unwrap_or(usize::MAX);
        if self.chunks.len() <= index {
            self.chunks.resize_with(index.saturating_add(1), || Chunk::Empty);
        }
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        if matches!(chunk, Chunk::Full) {
            return;
        }
        if to.saturating_sub(from) == CHUNK {
            *chunk = Chunk::Full;
            return;
        }
        if matches!(chunk, Chunk::Empty) {
            *chunk = Chunk::Bits(Box::new([0; WORDS]));
        }
        let Chunk::Bits(words) = chunk else { return };
        let (first, last) = (from.rem_euclid(CHUNK), to.saturating_sub(1).rem_euclid(CHUNK));
        let (head, tail) = (first.div_euclid(64), last.div_euclid(64));
        let touched = words.iter_mut().zip(0_u64..).skip(usize::try_from(head).unwrap_or(0));
        for (word, number) in touched.take_while(|(_, number)| *number <= tail) {
            let low = if number == head { u64::MAX << first.rem_euclid(64) } else { u64::MAX };
            let high = match number == tail {
                true => u64::MAX >> 63_u64.saturating_sub(last.rem_euclid(64)),
                false => u64::MAX,
            };
            *word |= low & high;
        }
        if words.iter().all(|word| *word == u64::MAX) {
            *chunk = Chunk::Full;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(ranges in proptest::collection::vec((0..100_000_u64, 0..70_000_u64), 0..12)) {
            let limit = 90_000;
            let mut set = BlockSet::new(limit);
            let mut plain = vec![false; 200_000];
            for (start, len) in ranges {
                set.insert(start..start + len);
                (start..(start + len).min(limit)).for_each(|n| plain[usize::try_from(n).unwrap()] = true);
            }
            let mut at = 0;
            for (within, run) in set.runs(0..150_000) {
                prop_assert_eq!(run.start, at);
                for n in run.clone() {
                    prop_assert_eq!(plain[usize::try_from(n).unwrap()], within, "{}", n);
                }
                prop_assert!(run.end == 150_000 || plain[usize::try_from(run.end).unwrap()] != within);
                at = run.end;
            }
            prop_assert_eq!(at, 150_000);
        }
    }
}
