//! Runs and sets of clusters.
//!
//! A set grows with the clusters that were put into it, in pages; its size never follows from a
//! number that the volume states.

use std::collections::BTreeMap;

/// Clusters of a page, and words of 64 bits that hold them.
const PAGE: u32 = 32_768;
const WORDS: usize = 512;

/// Clusters that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) len: u32,
}

impl Run {
    /// The number behind the last one.
    pub(super) const fn end(self) -> u32 {
        self.first.saturating_add(self.len)
    }

    pub(super) fn contains(self, cluster: u32) -> bool {
        (self.first..self.end()).contains(&cluster)
    }

    const fn to(first: u32, end: u32) -> Self {
        Self { first, len: end.saturating_sub(first) }
    }

    /// What both have in common.
    pub(super) fn common(self, other: Self) -> Self {
        Self::to(self.first.max(other.first), self.end().min(other.end()))
    }

    /// Appends a cluster to runs, joined with the last where it follows it.
    pub(super) fn append(cluster: u32, runs: &mut Vec<Self>) {
        match runs.last_mut() {
            Some(last) if last.end() == cluster => last.len = last.len.saturating_add(1),
            _ => runs.push(Self { first: cluster, len: 1 }),
        }
    }
}

#[derive(Debug, Clone)]
enum Page {
    Full,
    Bits(Box<[u64; WORDS]>),
}

/// A set of clusters.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterSet {
    pages: BTreeMap<u32, Page>,
}

impl ClusterSet {
    pub(super) fn contains(&self, cluster: u32) -> bool {
        self.find(Run { first: cluster, len: 1 }, true).is_some()
    }

    /// Puts all clusters of a run into the set.
    pub(super) fn insert(&mut self, run: Run) {
        let mut at = run.first;
        while at < run.end() {
            let number = at.div_euclid(PAGE);
            let start = number.saturating_mul(PAGE);
            let end = start.saturating_add(PAGE).min(run.end());
            let (from, to) = (at.saturating_sub(start), end.saturating_sub(start));
            at = end;
            if (from, to) == (0, PAGE) {
                self.pages.insert(number, Page::Full);
                continue;
            }
            let page = self.pages.entry(number);
            let Page::Bits(words) = page.or_insert_with(|| Page::Bits(Box::new([0; WORDS]))) else {
                continue;
            };
            for (first, word) in (0_u32..).step_by(64).zip(words.iter_mut()) {
                *word |= mask(from, first) & !mask(to, first);
            }
        }
    }

    /// The first cluster of a run that is in the set, or that is not.
    pub(super) fn find(&self, run: Run, inside: bool) -> Option<u32> {
        let mut at = run.first;
        while at < run.end() {
            let next = at.saturating_sub(at.rem_euclid(PAGE)).saturating_add(PAGE);
            match self.pages.get(&at.div_euclid(PAGE)) {
                None if !inside => return Some(at),
                Some(Page::Full) if inside => return Some(at),
                None | Some(Page::Full) => at = next,
                Some(Page::Bits(words)) => {
                    let index = usize::try_from(at.rem_euclid(PAGE).div_euclid(64)).ok()?;
                    let word = words.get(index).copied()?;
                    let word = if inside { word } else { !word } >> at.rem_euclid(64);
                    if word != 0 {
                        let hit = at.saturating_add(word.trailing_zeros());
                        return (hit < run.end()).then_some(hit);
                    }
                    at = at.saturating_sub(at.rem_euclid(64)).saturating_add(64);
                }
            }
        }
        None
    }

    /// A run cut where it enters and leaves the set; each piece with whether it is in it.
    pub(super) fn split(&self, run: Run) -> impl Iterator<Item = (Run, bool)> + '_ {
        let mut at = run.first;
        std::iter::from_fn(move || {
            let rest = Run::to(at, run.end());
            (rest.len > 0).then(|| {
                let inside = self.contains(at);
                let end = self.find(rest, !inside).unwrap_or(run.end());
                let piece = Run::to(at, end);
                at = end;
                (piece, inside)
            })
        })
    }

    /// How many clusters of a run are in the set.
    pub(super) fn count(&self, run: Run) -> u64 {
        let pieces = self.split(run).filter(|(_, inside)| *inside);
        pieces.fold(0, |sum, (piece, _)| sum.saturating_add(u64::from(piece.len)))
    }
}

/// The bits of the word that begins at bit `first` from bit `from` on.
fn mask(from: u32, first: u32) -> u64 {
    let shift = from.saturating_sub(first);
    if shift >= 64 { 0 } else { u64::MAX << shift }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_of_runs_is_what_a_set_of_numbers_is() {
        let (mut set, mut numbers) = (ClusterSet::default(), BTreeSet::new());
        let mut state = 7_u32;
        let mut random = |end: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % end
        };
        for _ in 0..60 {
            let run = Run { first: random(200_000), len: random(900) * random(60) };
            set.insert(run);
            numbers.extend(run.first..run.end());
            let look = Run { first: random(200_000), len: random(70_000) };
            let expected = numbers.range(look.first..look.end()).count();
            assert_eq!(set.count(look), u64::try_from(expected).unwrap());
            let pieces: Vec<_> = set.split(look).collect();
            assert_eq!(pieces.iter().map(|(run, _)| run.len).sum::<u32>(), look.len);
            assert!(pieces.windows(2).all(|pair| pair[0].1 != pair[1].1));
        }
    }
}
