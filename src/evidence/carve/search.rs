//! One pass over a view for everything that can begin a picture, film or document, at any byte.
//!
//! Two vector searches share each buffer: the marks that formats begin with (or, for films, carry
//! four bytes in), and the one constant field of a bitmap's header, whose own two letters occur
//! everywhere. The second is apart because its zeros would make the first stop at every byte of an
//! empty volume.
//!
//! Sources: the format of each mark as named in `signature`.

use std::io::ErrorKind;
use std::sync::OnceLock;

use aho_corasick::packed::{Config, MatchKind, Searcher};

use super::view::wide;
use crate::bytes::{ReadAt, Unreadable};

/// Bytes searched at once; they stay in the second-level cache.
const BUFFER: usize = 256 * 1024;
/// Bytes of the smallest buffer: more than is kept, so that there is room behind it.
const SMALLEST: usize = 64;
/// Bytes kept of the buffer before: one less than the longest mark.
const CARRIED: usize = 5;
/// Bytes given up at a place that cannot be read and does not say how far.
const SECTOR: u64 = 512;

/// What a format begins with, and how far behind its start that stands.
const MARKS: [(&[u8], u64, Start); 10] = [
    (b"\xff\xd8\xff", 0, Start::Jpeg),
    (b"\x89PNG", 0, Start::Png),
    (b"GIF87a", 0, Start::Gif),
    (b"GIF89a", 0, Start::Gif),
    (b"RIFF", 0, Start::Riff),
    (b"II*\0", 0, Start::Tiff),
    (b"MM\0*", 0, Start::Tiff),
    (b"ftyp", 4, Start::Bmff),
    (b"PK\x03\x04", 0, Start::Zip),
    (b"%PDF-", 0, Start::Pdf),
];

/// The upper half of where the pixels begin, and the size of the header: byte 12 of a bitmap.
const BITMAP_FIELDS: [&[u8]; 5] =
    [b"\0\0\x28\0\0\0", b"\0\0\x6c\0\0\0", b"\0\0\x7c\0\0\0", b"\0\0\x0c\0\0\0", b"\0\0\x38\0\0\0"];
const BITMAP_FIELDS_AT: u64 = 12;

/// What may begin at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Jpeg,
    Png,
    Gif,
    Riff,
    Bmp,
    Tiff,
    Bmff,
    Zip,
    Pdf,
}

/// True where bytes begin as a format does that a fragment cannot begin with.
pub(super) fn begins_anew(head: &[u8]) -> bool {
    MARKS.iter().any(|(mark, behind, _)| {
        usize::try_from(*behind)
            .ok()
            .and_then(|behind| head.get(behind..))
            .is_some_and(|head| head.starts_with(mark))
    })
}

/// One set of marks and how far a buffer was searched for it.
struct Pass {
    searcher: Option<&'static Searcher>,
    marks: Vec<(&'static [u8], u64, Start)>,
    /// Where in the view the search goes on.
    from: u64,
    /// The match that was found and not yet given: where the object would begin.
    next: Option<(u64, Start)>,
}

impl Pass {
    /// - `kept`: the searcher of these marks, made once.
    fn new(
        marks: Vec<(&'static [u8], u64, Start)>,
        kept: &'static OnceLock<Option<Searcher>>,
    ) -> Self {
        let searcher = kept.get_or_init(|| {
            let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
            builder.extend(marks.iter().map(|(mark, ..)| *mark));
            builder.build()
        });
        Self { searcher: searcher.as_ref(), marks, from: 0, next: None }
    }

    /// The next match in a buffer that begins at `start` of the view.
    fn advance(&mut self, buffer: &[u8], start: u64) {
        while self.next.is_none() {
            let Ok(skip) = usize::try_from(self.from.saturating_sub(start)) else { return };
            let Some((found, mark)) = buffer.get(skip..).and_then(|rest| self.find(rest)) else {
                let end = start.saturating_add(wide(buffer.len()));
                self.from = self.from.max(end.saturating_sub(wide(CARRIED)));
                return;
            };
            let place = start.saturating_add(wide(skip)).saturating_add(wide(found));
            self.from = place.saturating_add(1);
            let Some((_, behind, kind)) = self.marks.get(mark) else { return };
            self.next = place.checked_sub(*behind).map(|place| (place, *kind));
        }
    }

    /// The first match, and which mark it is.
    fn find(&self, rest: &[u8]) -> Option<(usize, usize)> {
        // Below the length a vector search needs, and on processors without one, one by one.
        if let Some(searcher) = self.searcher.filter(|s| rest.len() >= s.minimum_len()) {
            let found = searcher.find(rest)?;
            return Some((found.start(), found.pattern().as_usize()));
        }
        let found = self.marks.iter().enumerate().filter_map(|(number, (mark, ..))| {
            memchr::memmem::find(rest, mark).map(|at| (at, number))
        });
        found.min()
    }
}

/// Goes through a view once and names every place where an object may begin.
pub(super) struct Search<'a> {
    source: &'a dyn ReadAt,
    buffer: Vec<u8>,
    filled: usize,
    /// Where the buffer begins in the view.
    start: u64,
    passes: [Pass; 2],
    /// Nothing before this place is given.
    floor: u64,
    /// Bytes that could not be read.
    pub(super) unreadable: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        let bitmaps = BITMAP_FIELDS.map(|field| (field, BITMAP_FIELDS_AT, Start::Bmp));
        static SEARCHERS: [OnceLock<Option<Searcher>>; 2] = [OnceLock::new(), OnceLock::new()];
        let [first, second] = &SEARCHERS;
        let passes = [Pass::new(MARKS.to_vec(), first), Pass::new(bitmaps.to_vec(), second)];
        // A piece of slack is short, and there may be a million of them.
        let room = usize::try_from(source.len()).map_or(BUFFER, |len| len.clamp(SMALLEST, BUFFER));
        let buffer = vec![0; room];
        Self { source, buffer, filled: 0, start: 0, passes, floor: 0, unreadable: 0 }
    }

    /// Nothing that begins before `at` is given any more.
    pub(super) fn skip_to(&mut self, at: u64) {
        self.floor = self.floor.max(at);
        for pass in &mut self.passes {
            pass.from = pass.from.max(at);
            pass.next = pass.next.filter(|(place, _)| *place >= at);
        }
    }

    /// Up to where everything was searched.
    pub(super) fn reached(&self) -> u64 {
        self.start.saturating_add(wide(self.filled)).min(self.source.len())
    }

    /// The next place and what may begin there; `Ok(None)` at the end, `Err` after each buffer, so
    /// that the caller can look whether to go on.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Start)>, ()> {
        loop {
            let buffer = self.buffer.get(..self.filled).unwrap_or_default();
            for pass in &mut self.passes {
                pass.advance(buffer, self.start);
            }
            let [first, second] = &mut self.passes;
            let place = |pass: &Pass| pass.next.map_or(u64::MAX, |(place, _)| place);
            let earlier = if place(second) < place(first) { second } else { first };
            match earlier.next.take() {
                Some((place, _)) if place < self.floor => {}
                Some(found) => return Ok(Some(found)),
                None if self.refill() => return Err(()),
                None => return Ok(None),
            }
        }
    }

    /// Reads on behind what was searched; false at the end.
    fn refill(&mut self) -> bool {
        let [first, second] = &self.passes;
        let from = first.from.min(second.from);
        let kept = self.filled.min(CARRIED);
        let end = self.start.saturating_add(wide(self.filled));
        if from > end {
            // Behind an object: what lies between is not read.
            self.start = from;
            self.filled = 0;
        } else {
            self.buffer.copy_within(self.filled.saturating_sub(kept)..self.filled, 0);
            self.start = end.saturating_sub(wide(kept));
            self.filled = kept;
        }
        while let Some(rest) = self.buffer.get_mut(self.filled..).filter(|rest| !rest.is_empty()) {
            let at = self.start.saturating_add(wide(self.filled));
            match self.source.read_at(at, rest) {
                Ok(0) => return false,
                Ok(n) => {
                    self.filled = self.filled.saturating_add(n);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.pass_over(at, Unreadable::of(&error)),
            }
        }
        true
    }

    /// Leaves out bytes that cannot be read.
    fn pass_over(&mut self, at: u64, unreadable: Option<&Unreadable>) {
        let end = unreadable.map_or(0, |unreadable| unreadable.range.end);
        let sector = at.saturating_sub(at.checked_rem(SECTOR).unwrap_or(0)).saturating_add(SECTOR);
        let end = if end > at { end } else { sector }.min(self.source.len());
        self.unreadable = self.unreadable.saturating_add(end.saturating_sub(at));
        self.start = end;
        self.filled = 0;
        for pass in &mut self.passes {
            pass.from = pass.from.max(end);
        }
    }
}
