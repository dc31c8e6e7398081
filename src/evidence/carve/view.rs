//! Runs of a volume as one stream: what lies between them is not there.
//!
//! The runs come from a file system's idea of its free space and are clipped to the volume; they
//! need not be sorted. Bytes that cannot be read stay errors.

use std::io;
use std::sync::Arc;

use crate::bytes::{ReadAt, Unreadable};
use crate::item::Extent;

/// A part of the view that lies together in the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Where it begins in this view.
    at: u64,
    /// Where it begins in the view that nothing was taken out of.
    origin: u64,
    /// Where it begins in the volume.
    volume: u64,
    len: u64,
}

/// Runs of a volume, end to end.
pub(super) struct View {
    volume: Arc<dyn ReadAt>,
    runs: Vec<Run>,
    len: u64,
    block: u64,
}

impl View {
    /// A view of runs, each a place in the volume and a length.
    pub(super) fn new(volume: Arc<dyn ReadAt>, runs: &[(u64, u64)], block: u64) -> Self {
        let mut view = Self { volume, runs: Vec::new(), len: 0, block: block.max(1) };
        for (volume, len) in runs {
            let len = (*len).min(view.volume.len().saturating_sub(*volume));
            view.push(view.len, *volume, len);
        }
        view
    }

    fn push(&mut self, origin: u64, volume: u64, len: u64) {
        let Some(end) = self.len.checked_add(len).filter(|_| len > 0) else { return };
        let run = Run { at: self.len, origin, volume, len };
        self.len = end;
        if let Some(last) = self.runs.last_mut() {
            let joins = last.volume.saturating_add(last.len) == volume
                && last.origin.saturating_add(last.len) == origin;
            if joins {
                last.len = last.len.saturating_add(len);
                return;
            }
        }
        self.runs.push(run);
    }

    /// The same without some parts, which are given sorted as start and end in the first view.
    pub(super) fn without(&self, taken: &[(u64, u64)]) -> Self {
        let volume = Arc::clone(&self.volume);
        let mut view = Self { volume, runs: Vec::new(), len: 0, block: self.block };
        let mut taken = taken.iter().copied().peekable();
        for run in &self.runs {
            let end = run.origin.saturating_add(run.len);
            let mut from = run.origin;
            while from < end {
                while taken.next_if(|(_, taken_end)| *taken_end <= from).is_some() {}
                let next = taken.peek().copied().filter(|(start, _)| *start < end);
                let keep = next.map_or(end, |(start, _)| start.max(from));
                let skipped = from.saturating_sub(run.origin);
                let place = run.volume.saturating_add(skipped);
                view.push(from, place, keep.saturating_sub(from));
                from = next.map_or(end, |(_, taken_end)| taken_end.min(end));
            }
        }
        view
    }

    /// The run that holds a position of this view.
    fn run_at(&self, at: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.at <= at);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (at.saturating_sub(run.at) < run.len).then_some(run)
    }

    /// A position of the first view in this one; `None` where it was taken out.
    pub(super) fn place_of(&self, origin: u64) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.origin <= origin);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let skip = origin.checked_sub(run.origin).filter(|skip| *skip < run.len)?;
        run.at.checked_add(skip)
    }

    /// The last place at or before `at` where something else can begin: a block of the volume or
    /// a run. The end of the view is such a place too.
    pub(super) fn boundary(&self, at: u64) -> u64 {
        let Some(run) = self.run_at(at) else { return self.len.min(at) };
        let place = run.volume.saturating_add(at.saturating_sub(run.at));
        let into = place.checked_rem(self.block).unwrap_or(0);
        at.saturating_sub(into).max(run.at)
    }

    /// The first such place behind `at`.
    pub(super) fn boundary_after(&self, at: u64) -> u64 {
        let Some(run) = self.run_at(at) else { return self.len };
        let place = run.volume.saturating_add(at.saturating_sub(run.at));
        let into = place.checked_rem(self.block).unwrap_or(0);
        let next = at.saturating_add(self.block.saturating_sub(into));
        next.min(run.at.saturating_add(run.len))
    }

    /// The first such place at or behind `at`.
    pub(super) fn boundary_from(&self, at: u64) -> u64 {
        if self.boundary(at) == at { at } else { self.boundary_after(at) }
    }

    /// The parts of the first view that `len` bytes from `at` are.
    pub(super) fn origins(&self, at: u64, len: u64) -> Vec<(u64, u64)> {
        let mut pieces = Vec::new();
        let (mut at, mut left) = (at, len);
        while let Some(run) = self.run_at(at).filter(|_| left > 0) {
            let skip = at.saturating_sub(run.at);
            let n = left.min(run.len.saturating_sub(skip));
            pieces.push((run.origin.saturating_add(skip), n));
            at = at.saturating_add(n);
            left = left.saturating_sub(n);
        }
        pieces
    }

    /// Where parts of this view lie in the volume, joined.
    pub(super) fn extents(&self, pieces: &[(u64, u64)]) -> Vec<Extent> {
        let mut extents = Vec::new();
        for (at, len) in pieces {
            let (mut at, mut left) = (*at, *len);
            while let Some(run) = self.run_at(at).filter(|_| left > 0) {
                let skip = at.saturating_sub(run.at);
                let n = left.min(run.len.saturating_sub(skip));
                Extent::disk(run.volume.saturating_add(skip), n).append_to(&mut extents);
                at = at.saturating_add(n);
                left = left.saturating_sub(n);
            }
        }
        extents
    }

    /// Bytes of a block.
    pub(super) const fn block(&self) -> u64 {
        self.block
    }
}

impl ReadAt for View {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        loop {
            let position = at.saturating_add(wide(done));
            let Some(run) = self.run_at(position) else { return Ok(done) };
            let skip = position.saturating_sub(run.at);
            let left = usize::try_from(run.len.saturating_sub(skip)).unwrap_or(usize::MAX);
            let end = done.saturating_add(left).min(buf.len());
            let Some(part) = buf.get_mut(done..end).filter(|part| !part.is_empty()) else {
                return Ok(done);
            };
            match self.volume.read_at(run.volume.saturating_add(skip), part) {
                Ok(0) => return Ok(done),
                Ok(n) => done = done.saturating_add(n),
                Err(_) if done > 0 => return Ok(done),
                Err(error) => return Err(moved(error, run)),
            }
        }
    }
}

/// An error whose range, if it has one, counts as in the view.
fn moved(error: io::Error, run: &Run) -> io::Error {
    let Some(Unreadable { range, code, detail }) = Unreadable::of(&error) else { return error };
    let shift = |place: u64| run.at.saturating_add(place.saturating_sub(run.volume).min(run.len));
    let range = shift(range.start)..shift(range.end);
    Unreadable { range, code: *code, detail: detail.clone() }.into_error()
}

/// A stream that goes on elsewhere from one place on.
pub(super) struct Spliced<'a> {
    /// What both parts come from.
    pub(super) source: &'a dyn ReadAt,
    /// Up to here its bytes are the source's own.
    pub(super) cut: u64,
    /// From there on they are those from here on; never before `cut`.
    pub(super) goes_on: u64,
}

impl ReadAt for Spliced<'_> {
    fn len(&self) -> u64 {
        let gap = self.goes_on.saturating_sub(self.cut);
        self.source.len().saturating_sub(gap)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let first = usize::try_from(self.cut.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut done = 0;
        if let Some(own) = buf.get_mut(..first.min(buf.len())).filter(|own| !own.is_empty()) {
            done = self.source.read_at(at, own)?;
            if done < own.len() {
                return Ok(done);
            }
        }
        let gap = self.goes_on.saturating_sub(self.cut);
        let position = at.saturating_add(wide(done)).saturating_add(gap);
        let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) else {
            return Ok(done);
        };
        match self.source.read_at(position, rest) {
            Ok(n) => Ok(done.saturating_add(n)),
            Err(_) if done > 0 => Ok(done),
            Err(error) => Err(error),
        }
    }
}

/// A number of bytes in memory as a length.
pub(super) fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(runs: &[(u64, u64)]) -> View {
        let volume: Arc<[u8]> = (0..=255).collect::<Vec<u8>>().into();
        View::new(Arc::new(volume), runs, 8)
    }

    fn all(source: &dyn ReadAt) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(source.len()).unwrap()];
        assert_eq!(source.fill_at(0, &mut bytes).unwrap(), bytes.len());
        bytes
    }

    #[test]
    fn runs_are_read_end_to_end_and_clipped_to_the_volume() {
        let view = view(&[(16, 8), (40, 0), (4, 4), (250, 100), (900, 5)]);
        let bytes: Vec<u8> = (16..24).chain(4..8).chain(250..=255).collect();
        assert_eq!(all(&view), bytes);
        let places = [Extent::disk(20, 4), Extent::disk(4, 2)];
        assert_eq!(view.extents(&[(4, 6)]), places);
    }

    #[test]
    fn what_is_taken_out_is_gone_and_positions_still_lead_back() {
        let view = view(&[(0, 32), (64, 32)]);
        let less = view.without(&[(8, 16), (24, 40), (63, 64)]);
        let bytes: Vec<u8> = (0..8).chain(16..24).chain(72..95).collect();
        assert_eq!(all(&less), bytes);
        for at in 0..less.len() {
            let [(origin, 1)] = less.origins(at, 1)[..] else { panic!("no origin of {at}") };
            assert_eq!(less.place_of(origin), Some(at));
            assert_eq!(less.extents(&[(at, 1)]), view.extents(&[(origin, 1)]));
        }
        assert_eq!(less.place_of(9), None);
        assert_eq!(less.origins(6, 12), [(6, 2), (16, 8), (40, 2)]);
    }

    #[test]
    fn blocks_count_in_the_volume() {
        let view = view(&[(12, 10), (32, 16)]);
        let places: Vec<u64> = (0..27).map(|at| view.boundary(at)).collect();
        let expected: Vec<u64> =
            [vec![0; 4], vec![4; 6], vec![10; 8], vec![18; 8], vec![26]].concat();
        assert_eq!(places, expected);
        assert_eq!((view.boundary_after(4), view.boundary_after(18)), (10, 26));
        assert_eq!((view.boundary_from(4), view.boundary_from(5)), (4, 10));
    }

    #[test]
    fn a_splice_leaves_out_what_lies_between() {
        let view = view(&[(0, 64)]);
        let spliced = Spliced { source: &view, cut: 10, goes_on: 20 };
        let bytes: Vec<u8> = (0..10).chain(20..64).collect();
        assert_eq!(all(&spliced), bytes);
    }
}
