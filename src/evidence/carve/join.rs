//! Pictures in two fragments: the second is found by what the first one's codes or checksum ask for.
//!
//! The first fragment ends at a block boundary at or shortly before the byte where following
//! fails. Each later block is tried as the beginning of the second: a few kilobytes first, then to
//! the picture's end. Only whole pictures are accepted, and of several the one with the smallest
//! gap.

use std::sync::atomic::{AtomicBool, Ordering};

use super::jpeg::{self, Decoder, Limits, Nonzero};
use super::judge::{self, Broken, Verdict};
use super::png::{self, Mending};
use super::search::{Start, begins_anew};
use super::view::{Spliced, View};
use super::work::{Allowance, Counted};
use crate::bytes::ReadAt;
use crate::signature::FileType;

/// Blocks tried behind the first fragment.
pub(super) const MOST_BLOCKS: u32 = 8192;
/// Bytes within which they lie.
pub(super) const LONGEST_GAP: u64 = 32 * 1024 * 1024;
/// Bytes before the failure that may already be foreign, where blocks are small.
const LAG: u64 = 4096;
/// Ends of the first fragment that are tried.
const MOST_CUTS: usize = 5;
/// Bytes that must be followed before the rest is tried.
const QUICK: u64 = 4096;
/// Bytes read for one picture.
const PER_PICTURE: u64 = 512 * 1024 * 1024;

/// Two fragments that are a whole picture, in the view they were found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    /// Where the first ends.
    pub(super) cut: u64,
    /// Where the second begins.
    pub(super) goes_on: u64,
    /// Number of its bytes.
    pub(super) rest: u64,
}

/// The last place at which foreign bytes may have begun that were noticed at `failed`: behind a run
/// of equal bytes they are noticed in the block that follows it.
pub(super) fn last_cut(view: &View, body: u64, failed: u64) -> u64 {
    let cut = view.boundary(failed);
    view.boundary(jpeg::settled(view, cut, body))
}

/// A picture to be joined.
pub(super) struct Joining<'a> {
    pub(super) view: &'a View,
    /// What all joining may read.
    pub(super) allowance: &'a Allowance,
    pub(super) cancel: &'a AtomicBool,
}

impl Joining<'_> {
    /// Looks for the second fragment of the picture that begins at `start`.
    pub(super) fn find(
        &self,
        start: u64,
        broken: &Broken,
        nonzero: &mut Nonzero,
    ) -> Option<Joined> {
        let body = broken.body?;
        let own = Allowance::of(PER_PICTURE);
        let counted = Counted::new(self.view, &own);
        let shared = Counted::new(&counted, self.allowance);
        self.cuts(body, broken.at).into_iter().find_map(|cut| match broken.kind {
            FileType::Jpeg => self.jpeg(&shared, start, cut, nonzero),
            FileType::Png => self.png(&shared, start, broken.chunk?, cut, nonzero),
            _ => None,
        })
    }

    /// Where the first fragment may end, the likeliest first.
    fn cuts(&self, body: u64, failed: u64) -> Vec<u64> {
        let mut cuts = Vec::new();
        let mut cut = last_cut(self.view, body, failed);
        while cut > body && cuts.len() < MOST_CUTS {
            cuts.push(cut);
            let enough = cuts.len() >= 2 && failed.saturating_sub(cut) >= LAG;
            if enough {
                break;
            }
            cut = self.view.boundary(cut.saturating_sub(1));
        }
        cuts
    }

    /// Blocks behind a cut that may begin the second fragment.
    fn places(&self, source: &dyn ReadAt, cut: u64, try_one: &mut dyn FnMut(u64) -> Option<bool>) {
        let mut at = cut;
        for _ in 0..MOST_BLOCKS {
            at = self.view.boundary_after(at);
            let stopped = self.cancel.load(Ordering::Relaxed);
            if stopped || at >= self.view.len() || at.saturating_sub(cut) > LONGEST_GAP {
                return;
            }
            let mut head = [0; 64];
            let n = judge::peek(source, at, &mut head);
            let head = head.get(..n).unwrap_or_default();
            if n == 0 || begins_anew(head) || judge::is_plain(head) {
                continue;
            }
            if try_one(at) != Some(false) {
                return;
            }
        }
    }

    fn jpeg(
        &self,
        source: &dyn ReadAt,
        start: u64,
        cut: u64,
        nonzero: &mut Nonzero,
    ) -> Option<Joined> {
        let mut paused = Decoder::new(start);
        let limits = Limits { pause: Some(cut), ..Limits::NONE };
        if paused.run(source, nonzero, limits) != jpeg::Outcome::Paused {
            return None;
        }
        let limits = Limits { pause: None, enough: cut.saturating_add(QUICK) };
        let mut joined = None;
        self.places(source, cut, &mut |goes_on| {
            let spliced = Spliced { source, cut, goes_on };
            let mut trial = paused.clone();
            nonzero.mark();
            let outcome = trial.run(&spliced, nonzero, limits);
            nonzero.undo();
            self.allowance.take_units(trial.units.saturating_sub(paused.units));
            if !matches!(outcome, jpeg::Outcome::Reached | jpeg::Outcome::Whole(_)) {
                return Some(false);
            }
            let mut own = nonzero.clone();
            own.forget();
            let jpeg::Outcome::Whole(end) = paused.clone().run(&spliced, &mut own, Limits::NONE)
            else {
                return Some(false);
            };
            joined = end.checked_sub(cut).map(|rest| Joined { cut, goes_on, rest });
            None
        });
        nonzero.forget();
        joined
    }

    fn png(
        &self,
        source: &dyn ReadAt,
        start: u64,
        chunk: u64,
        cut: u64,
        nonzero: &mut Nonzero,
    ) -> Option<Joined> {
        let mut mending = Mending::new(source, chunk, cut, cut);
        let mut joined = None;
        self.places(source, cut, &mut |goes_on| {
            let spliced = Spliced { source, cut, goes_on };
            let holds = match &mut mending {
                Some(mending) => mending.holds(goes_on)?,
                None => png::continues(&spliced, chunk),
            };
            if !holds {
                return Some(false);
            }
            let Verdict::Whole(_, end) = judge::judge(&spliced, start, Start::Png, nonzero, &mut 0)
            else {
                return Some(false);
            };
            joined = end.checked_sub(cut).map(|rest| Joined { cut, goes_on, rest });
            None
        });
        joined
    }
}
