//! What was found so far, in parts of the first view, and which of it lies inside something else.

use super::MOST_FINDS;
use super::view::View;
use crate::signature::FileType;

/// An object, as start and length of its parts in the first view.
#[derive(Debug, Clone)]
pub(super) struct Find {
    pub(super) kind: FileType,
    pub(super) pieces: Vec<(u64, u64)>,
    pub(super) validated: bool,
}

impl Find {
    fn start(&self) -> u64 {
        self.pieces.first().map_or(u64::MAX, |(at, _)| *at)
    }

    /// Number of its bytes.
    pub(super) fn len(&self) -> u64 {
        self.pieces.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Finds {
    list: Vec<Find>,
}

impl Finds {
    /// Adds one, or counts it where there are too many.
    pub(super) fn add(
        &mut self,
        kind: FileType,
        pieces: Vec<(u64, u64)>,
        validated: bool,
        not_listed: &mut u64,
    ) {
        if self.list.len() >= MOST_FINDS {
            *not_listed = not_listed.saturating_add(1);
        } else {
            self.list.push(Find { kind, pieces, validated });
        }
    }

    /// Adds one in the place of what was found to begin there before.
    pub(super) fn replace(
        &mut self,
        kind: FileType,
        pieces: Vec<(u64, u64)>,
        not_listed: &mut u64,
    ) {
        let start = pieces.first().map_or(u64::MAX, |(at, _)| *at);
        match self.list.iter_mut().find(|find| find.start() == start) {
            Some(find) => *find = Find { kind, pieces, validated: true },
            None => self.add(kind, pieces, true, not_listed),
        }
    }

    /// All parts of what is whole, sorted; bitmaps that something interrupts are left out.
    pub(super) fn pieces(&self) -> Vec<(u64, u64)> {
        let whole = self.list.iter().filter(|find| find.validated);
        let mut pieces: Vec<_> = whole.flat_map(|find| find.pieces.iter().copied()).collect();
        pieces.sort_unstable();
        pieces
    }

    /// Takes out the bitmaps in which something whole stands at a block, as start and length.
    pub(super) fn interrupted_bitmaps(&mut self, view: &View) -> Vec<(u64, u64)> {
        let others = self.list.iter().filter(|find| find.kind != FileType::Bmp);
        let mut starts: Vec<u64> = others.map(Find::start).collect();
        starts.retain(|at| view.boundary(*at) == *at);
        starts.sort_unstable();
        let mut interrupted = Vec::new();
        self.list.retain(|find| {
            let next = starts.partition_point(|at| *at <= find.start());
            let end = find.start().saturating_add(find.len());
            let inside = starts.get(next).is_some_and(|at| *at < end);
            if find.kind == FileType::Bmp && inside {
                interrupted.push((find.start(), find.len()));
                return false;
            }
            true
        });
        interrupted
    }

    /// Everything that does not begin inside something else, in the order of first bytes.
    pub(super) fn outermost(mut self) -> Vec<Find> {
        // Of two that begin together the longer comes first.
        self.list.sort_by_key(|find| (find.start(), u64::MAX.saturating_sub(find.len())));
        let mut pieces = Vec::new();
        for (number, find) in self.list.iter().enumerate() {
            pieces
                .extend(find.pieces.iter().map(|(at, len)| (*at, at.saturating_add(*len), number)));
        }
        pieces.sort_unstable_by_key(|(at, end, number)| (*at, *number, *end));
        let mut inside = vec![false; self.list.len()];
        let (mut covered_to, mut owner) = (0, usize::MAX);
        for (at, end, number) in pieces {
            if at < covered_to && owner != number {
                if let Some(inside) = inside.get_mut(number) {
                    *inside = true;
                }
                continue;
            }
            (covered_to, owner) = (end, number);
        }
        let mut inside = inside.into_iter();
        self.list.retain(|_| !inside.next().unwrap_or(false));
        self.list
    }
}
