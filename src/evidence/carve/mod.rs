//! Carving: pictures, films and documents in space that no file owns, told by their structure.
//!
//! The space is hostile like any evidence. A find is either *validated*: followed by its own
//! structure to its own end (JPEG code by code, PNG by its checksums, GIF by its compressed
//! pictures, the rest by their headers, lengths and tables); or it is the beginning of a picture
//! that breaks, cut at the block where foreign bytes begin. A header alone is nothing.
//!
//! Work is done in this order, none of it twice:
//! 1. one search for beginnings, each followed where it stands (`search`, `judge`);
//! 2. what is whole is taken out of the space, and what was broken is followed again;
//! 3. pictures still broken are joined with a second fragment (`join`);
//! 4. what is left and begins with real pixels is given as truncated.
//!
//! Trusted: nothing but `ReadAt::len`. No clock decides, so the same space gives the same finds.
//! Facts about formats stand in the files that follow them and in `signature`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod finds;
mod gif;
mod join;
mod jpeg;
mod judge;
mod png;
mod search;
mod view;
mod work;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bytes::ReadAt;
use crate::item::Extent;
use crate::signature::FileType;
use finds::Finds;
use jpeg::Nonzero;
use judge::{Broken, Verdict};
use search::{Search, Start};
use view::View;
use work::{Allowance, Counted};

/// Finds in one space; further ones are not listed.
pub const MOST_FINDS: usize = 1_000_000;
/// Broken beginnings of one space that are tried again; further ones are not.
pub const MOST_BROKEN: usize = 262_144;
/// Bytes read to follow structures, as a multiple of the bytes searched.
pub const READ_PER_BYTE: u64 = 4;
/// Bytes read to join fragments, as a multiple of the space.
pub const JOIN_PER_BYTE: u64 = 8;
/// Bytes read to join fragments in however small a space.
const JOIN_FIRST: u64 = 1 << 30;
/// Times that what is broken is tried again after something was found.
const ROUNDS: u32 = 3;

/// Space that belongs together: its bytes in order, wherever they lie in the volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// Place in the volume and length in bytes of each part.
    pub runs: Vec<(u64, u64)>,
    /// Cluster or block size in bytes: fragments begin at multiples of it in the volume. 512 where
    /// there is none.
    pub block: u64,
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carved {
    /// What it is by its content.
    pub kind: FileType,
    /// Where its bytes lie in the volume, in their order; neighbours are joined.
    pub extents: Vec<Extent>,
    /// Number of its bytes.
    pub len: u64,
    /// True where it was followed to its own end; false where it breaks off and only its
    /// beginning is here.
    pub validated: bool,
    /// Number of parts that do not lie side by side in the volume.
    pub fragments: u32,
}

/// What carving did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the space that were looked at: searched, or part of a find.
    pub bytes_searched: u64,
    /// Bytes of it that could not be read.
    pub bytes_unreadable: u64,
    /// Places where an object might have begun.
    pub candidates: u64,
    /// Candidates that were not followed to the end because the allowance for reading was used
    /// up (see [`READ_PER_BYTE`]).
    pub not_followed: u64,
    /// Broken beginnings that were not tried again: too many ([`MOST_BROKEN`]), or the allowance
    /// for joining was used up ([`JOIN_PER_BYTE`]).
    pub not_joined: u64,
    /// Finds that were not listed ([`MOST_FINDS`]).
    pub not_listed: u64,
    /// True where it was cancelled, or the receiver wanted no more.
    pub stopped: bool,
}

/// Finds what begins in a space and gives it in the order of its first bytes.
///
/// - `volume`: what the places of `space` count in. Parts past its end are left out.
/// - `cancel`: asked at least every 256 KiB and before every candidate; nothing is given once it
///   was set before the search ended.
/// - `emit`: gets each find; a break ends the work.
///
/// Memory: some MiB, 8 bytes a block of the largest progressive JPEG (at most 32 MiB), and about
/// 100 bytes a find. Nothing that lies inside another find is given: a thumbnail belongs to its
/// picture.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::{Arc, atomic::AtomicBool};
/// use assay::bytes::ReadAt;
/// use assay::evidence::carve::{Space, carve};
/// let volume: Arc<[u8]> = vec![0; 4096].into();
/// let volume: Arc<dyn ReadAt> = Arc::new(volume);
/// let space = Space { runs: vec![(0, 4096)], block: 512 };
/// let mut found = 0;
/// let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |_| {
///     found += 1;
///     ControlFlow::Continue(())
/// });
/// assert_eq!((found, summary.bytes_searched), (0, 4096));
/// ```
pub fn carve(
    volume: &Arc<dyn ReadAt>,
    space: &Space,
    cancel: &AtomicBool,
    emit: &mut dyn FnMut(Carved) -> ControlFlow<()>,
) -> Summary {
    let view = View::new(Arc::clone(volume), &space.runs, space.block);
    let mut work = Carving {
        view,
        cancel,
        summary: Summary::default(),
        nonzero: Nonzero::default(),
        finds: Finds::default(),
        broken: Vec::new(),
    };
    work.search();
    work.retry();
    work.truncated();
    if work.cancelled() {
        work.summary.stopped = true;
        return work.summary;
    }
    work.give(emit);
    work.summary
}

/// A beginning that broke, in the first view.
#[derive(Debug, Clone, Copy)]
struct Beginning {
    at: u64,
    start: Start,
    broken: Broken,
    /// Found whole later.
    done: bool,
}

impl Beginning {
    /// Up to here what lies in it is its own header, thumbnails and all.
    fn header_end(&self) -> u64 {
        match (self.broken.body, self.start) {
            (Some(body), _) => body,
            (None, Start::Jpeg | Start::Png | Start::Gif) => self.broken.at,
            (None, _) => self.at,
        }
    }
}

struct Carving<'a> {
    view: View,
    cancel: &'a AtomicBool,
    summary: Summary,
    nonzero: Nonzero,
    finds: Finds,
    broken: Vec<Beginning>,
}

impl Carving<'_> {
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Follows every beginning where it stands.
    fn search(&mut self) {
        let allowance = Allowance::new();
        let mut search = Search::new(&self.view);
        let mut units = 0;
        let mut reached = 0;
        while !self.cancel.load(Ordering::Relaxed) {
            let next = search.next();
            allowance.add(search.reached().saturating_sub(reached).saturating_mul(READ_PER_BYTE));
            reached = reached.max(search.reached());
            let Ok(next) = next else { continue };
            let Some((at, start)) = next else { break };
            self.summary.candidates = self.summary.candidates.saturating_add(1);
            let counted = Counted::new(&self.view, &allowance);
            let verdict = judge::judge(&counted, at, start, &mut self.nonzero, &mut units);
            allowance.take_units(std::mem::take(&mut units));
            match verdict {
                Verdict::Whole(kind, end) => {
                    let len = end.saturating_sub(at);
                    self.finds.add(kind, vec![(at, len)], true, &mut self.summary.not_listed);
                    // A bitmap's pixels prove nothing: something whole may stand among them.
                    if kind != FileType::Bmp {
                        search.skip_to(end);
                    }
                }
                _ if allowance.is_used_up() => {
                    self.summary.not_followed = self.summary.not_followed.saturating_add(1);
                }
                Verdict::Broken(broken) if self.broken.len() < MOST_BROKEN => {
                    self.broken.push(Beginning { at, start, broken, done: false });
                }
                Verdict::Broken(_) => {
                    self.summary.not_joined = self.summary.not_joined.saturating_add(1);
                }
                Verdict::None => {}
            }
        }
        self.summary.bytes_unreadable = search.unreadable;
        self.summary.bytes_searched = reached.saturating_sub(search.unreadable);
        self.broken.sort_by_key(|beginning| beginning.at);
        self.reopen_bitmaps();
    }

    /// A bitmap in which something whole stands at a block is followed again without it.
    fn reopen_bitmaps(&mut self) {
        for (at, len) in self.finds.interrupted_bitmaps(&self.view) {
            let broken = Broken {
                kind: FileType::Bmp,
                at: at.saturating_add(len),
                body: Some(at),
                worth: false,
                chunk: None,
            };
            self.broken.push(Beginning { at, start: Start::Bmp, broken, done: false });
        }
        self.broken.sort_by_key(|beginning| beginning.at);
    }

    /// Parts of the first view that belong to what is whole, in whole blocks, sorted. What begins
    /// inside the header of something broken is left to it.
    fn taken(&self) -> Vec<(u64, u64)> {
        let mut beginnings = self.broken.iter().filter(|beginning| !beginning.done).peekable();
        let mut header_end = 0;
        let mut taken = Vec::new();
        for (at, len) in self.finds.pieces() {
            while let Some(beginning) = beginnings.next_if(|beginning| beginning.at < at) {
                header_end = header_end.max(beginning.header_end());
            }
            if at >= header_end && self.view.boundary(at) == at {
                taken.push((at, self.view.boundary_from(at.saturating_add(len))));
            }
        }
        taken
    }

    /// Follows what is broken again in what is left of the space, then joins fragments.
    fn retry(&mut self) {
        let bytes = self.view.len().saturating_mul(JOIN_PER_BYTE).saturating_add(JOIN_FIRST);
        let allowance = Allowance::of(bytes);
        let mut taken = Vec::new();
        for round in 0..ROUNDS {
            let now = self.taken();
            if self.cancelled() || self.broken.is_empty() || (round > 0 && now == taken) {
                break;
            }
            taken = now;
            let left = self.view.without(&taken);
            self.again(&left, &taken, &allowance);
            self.join(&allowance);
        }
        if allowance.is_used_up() {
            let open = self.broken.iter().filter(|beginning| !beginning.done).count();
            self.summary.not_joined = self.summary.not_joined.saturating_add(view::wide(open));
        }
    }

    /// Follows again what may have been interrupted by something that was taken out.
    fn again(&mut self, left: &View, taken: &[(u64, u64)], allowance: &Allowance) {
        let mut units = 0;
        let mut broken = std::mem::take(&mut self.broken);
        for beginning in broken.iter_mut().filter(|beginning| !beginning.done) {
            let next = taken.partition_point(|(start, _)| *start <= beginning.at);
            let limit = beginning.broken.at.saturating_add(self.view.block());
            let picture = beginning.broken.body.is_some();
            let near = taken.get(next).is_some_and(|(start, _)| !picture || *start <= limit);
            let Some(at) = left.place_of(beginning.at).filter(|_| near) else { continue };
            if self.cancelled() || allowance.is_used_up() {
                break;
            }
            let counted = Counted::new(left, allowance);
            let verdict =
                judge::judge(&counted, at, beginning.start, &mut self.nonzero, &mut units);
            allowance.take_units(std::mem::take(&mut units));
            if let Verdict::Whole(kind, end) = verdict {
                let pieces = left.origins(at, end.saturating_sub(at));
                self.finds.replace(kind, pieces, &mut self.summary.not_listed);
                beginning.done = true;
            }
        }
        self.broken = broken;
    }

    /// Looks for the second fragment of every picture that is still broken.
    fn join(&mut self, allowance: &Allowance) {
        let mut left = self.view.without(&self.taken());
        for number in 0..self.broken.len() {
            let Some(beginning) = self.broken.get(number).copied() else { break };
            let Some(at) = left.place_of(beginning.at) else { continue };
            if beginning.done || beginning.broken.body.is_none() {
                continue;
            }
            if self.cancelled() || allowance.is_used_up() {
                break;
            }
            let Verdict::Broken(broken) = self.judged(&left, at, beginning.start, allowance) else {
                continue;
            };
            let joining = join::Joining { view: &left, allowance, cancel: self.cancel };
            let Some(joined) = joining.find(at, &broken, &mut self.nonzero) else { continue };
            let mut pieces = left.origins(at, joined.cut.saturating_sub(at));
            pieces.append(&mut left.origins(joined.goes_on, joined.rest));
            self.finds.add(broken.kind, pieces, true, &mut self.summary.not_listed);
            if let Some(beginning) = self.broken.get_mut(number) {
                beginning.done = true;
            }
            left = self.view.without(&self.taken());
        }
    }

    fn judged(&mut self, left: &View, at: u64, start: Start, allowance: &Allowance) -> Verdict {
        let mut units = 0;
        let counted = Counted::new(left, allowance);
        let verdict = judge::judge(&counted, at, start, &mut self.nonzero, &mut units);
        allowance.take_units(units);
        verdict
    }

    /// Gives the beginnings of pictures that stay broken, up to where foreign bytes begin.
    fn truncated(&mut self) {
        /// Bytes of pixels that make a beginning worth a row.
        const LEAST: u64 = 1024;
        let mut starts: Vec<u64> = self.finds.pieces().into_iter().map(|(at, _)| at).collect();
        let pictures = self.broken.iter().filter(|b| !b.done && b.broken.body.is_some());
        starts.extend(pictures.map(|beginning| beginning.at));
        starts.retain(|at| self.view.boundary(*at) == *at);
        starts.sort_unstable();
        for beginning in &self.broken {
            let Some(body) = beginning.broken.body.filter(|_| !beginning.done) else { continue };
            if beginning.start == Start::Bmp {
                continue;
            }
            let next = starts.partition_point(|at| *at <= beginning.header_end());
            let foreign = starts.get(next).copied().unwrap_or(u64::MAX);
            let cut = join::last_cut(&self.view, body, beginning.broken.at).min(foreign);
            let pixels = cut.saturating_sub(body);
            if pixels >= LEAST || (pixels > 0 && beginning.broken.worth) {
                let pieces = vec![(beginning.at, cut.saturating_sub(beginning.at))];
                self.finds.add(beginning.broken.kind, pieces, false, &mut self.summary.not_listed);
            }
        }
    }

    fn give(&mut self, emit: &mut dyn FnMut(Carved) -> ControlFlow<()>) {
        for find in std::mem::take(&mut self.finds).outermost() {
            let extents = self.view.extents(&find.pieces);
            let fragments = u32::try_from(extents.len()).unwrap_or(u32::MAX);
            let len = find.len();
            let (kind, validated) = (find.kind, find.validated);
            if emit(Carved { kind, extents, len, validated, fragments }).is_break() {
                self.summary.stopped = true;
                return;
            }
        }
    }
}
