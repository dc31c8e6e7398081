//! Pictures that begin after other bytes of a file: behind a picture's own end, in a document, in
//! a file that is named to look like something else.
//!
//! The bytes are looked at once, while they are hashed. Where one of a few marks stands, what follows
//! is kept and judged by structure, as what is carved is: only a picture that is there from its
//! first to its last byte counts. Bytes around a place that cannot be read are never joined.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use aho_corasick::packed::Searcher;

use super::picture::Share;
use crate::bytes::ReadAt;
use crate::evidence::carve::{Space, carve};
use crate::item::Place;
use crate::signature::{Family, FileType, detect};

/// Bytes that are kept from a mark on: a longer picture inside a file is not told.
pub(super) const LARGEST: usize = 32 << 20;
/// Bytes at the end of what was kept that are looked at again with what follows.
const OVERLAP: usize = 8 << 20;
/// Pictures of one file; of more the first ones have rows.
pub(super) const MOST: usize = 10_000;
/// Bytes behind a mark that tell whether it is one, where so many are at hand.
const HEAD: usize = 512;
/// The marks that are believed inside other bytes. Others are too weak, or stand in what belongs to
/// a picture, as the header of a TIFF does in every photograph.
const MARKS: [&[u8]; 5] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"RIFF"];
/// One less than the longest mark.
const CARRIED: usize = 7;

/// A picture inside a file.
pub(super) struct Picture<'a> {
    /// Its first byte, counted from the file's.
    pub(super) at: u64,
    pub(super) file_type: FileType,
    pub(super) bytes: &'a [u8],
}

/// Looks through the bytes of one file.
pub(super) struct Embedded<'a> {
    /// Bytes that came so far.
    seen: u64,
    /// The last of them: what may begin a mark, or everything from a mark on.
    held: Vec<u8>,
    /// True where that is everything from a mark on.
    marked: bool,
    /// The memory for it.
    share: Option<Share<'a>>,
    /// True where `held` begins with the first byte of the file.
    first: bool,
    found: usize,
}

impl<'a> Embedded<'a> {
    /// Begins with byte `at` of the file. What begins with the file's first byte is the file itself.
    pub(super) fn from(at: u64) -> Self {
        let (held, first) = (Vec::new(), at == 0);
        Self { seen: at, held, marked: false, share: None, first, found: 0 }
    }

    /// Looks through bytes that are all there, from byte `at` of the file on. Who keeps them has
    /// the memory.
    pub(super) fn all(at: u64, bytes: &[u8], give: &mut dyn FnMut(Picture<'_>)) {
        let mut search = Self::from(at);
        search.update(bytes, give);
        search.interrupt(0, give);
    }

    /// True where memory of [`LARGEST`] bytes is to be given before more bytes come.
    pub(super) const fn lacks_memory(&self) -> bool {
        self.marked && self.share.is_none()
    }

    /// Takes the memory that was lacking.
    pub(super) fn grant(&mut self, share: Share<'a>) {
        self.share = Some(share);
    }

    /// True where further pictures are not told.
    pub(super) const fn is_full(&self) -> bool {
        self.found >= MOST
    }

    /// Takes the next bytes; gives the pictures that are complete by now to `give`.
    pub(super) fn update(&mut self, bytes: &[u8], give: &mut dyn FnMut(Picture<'_>)) {
        self.seen = self.seen.saturating_add(wide(bytes.len()));
        if self.marked || bytes.len() <= CARRIED || self.held.iter().any(may_begin_mark) {
            self.held.extend_from_slice(bytes);
            if !self.marked {
                self.seek();
            }
        } else {
            self.seek_in(bytes);
        }
        while self.marked && self.held.len() >= LARGEST {
            self.judge(OVERLAP, give);
            self.seek();
        }
    }

    /// So many bytes are missing here, or the file ends.
    pub(super) fn interrupt(&mut self, missing: u64, give: &mut dyn FnMut(Picture<'_>)) {
        if self.marked {
            self.judge(0, give);
        }
        (self.marked, self.share) = (false, None);
        self.held.clear();
        (self.first, self.seen) = (false, self.seen.saturating_add(missing));
    }

    /// As [`Self::seek`], in bytes that follow what is held, in which no mark begins: most contents
    /// are never copied.
    fn seek_in(&mut self, bytes: &[u8]) {
        let from = usize::from(self.first && self.held.is_empty());
        let mark = mark_in(bytes, from);
        let kept = mark.unwrap_or_else(|| bytes.len().saturating_sub(CARRIED));
        self.held.clear();
        self.held.extend_from_slice(bytes.get(kept..).unwrap_or_default());
        (self.first, self.marked) = (false, mark.is_some());
    }

    /// Drops what is before the first mark; keeps what may be the beginning of one.
    fn seek(&mut self) {
        let mark = mark_in(&self.held, usize::from(self.first));
        let gone = mark.unwrap_or_else(|| self.held.len().saturating_sub(CARRIED));
        self.held.drain(..gone);
        self.first &= gone == 0;
        self.marked = mark.is_some();
        if !self.marked {
            self.share = None;
        }
    }

    /// Gives the whole pictures of what is held; keeps what follows the last of them, at most
    /// `overlap` bytes.
    fn judge(&mut self, overlap: usize, give: &mut dyn FnMut(Picture<'_>)) {
        let held: Arc<[u8]> = std::mem::take(&mut self.held).into();
        let media: Arc<dyn ReadAt> = Arc::new(Arc::clone(&held));
        let start = self.seen.saturating_sub(media.len());
        // A file's bytes are together: nothing is joined across blocks.
        let space = Space { runs: vec![(0, media.len())], block: u64::MAX };
        let mut end = <[u8]>::len(&held).saturating_sub(overlap);
        let never = AtomicBool::new(false);
        let _counts = carve(&media, &space, &never, &mut |carved| {
            let place = carved.extents.first().map(|extent| &extent.place);
            let picture = carved.validated && carved.kind.family() == Family::Picture;
            if let (Some(Place::Disk(at)), true, 1) = (place, picture, carved.extents.len()) {
                let from = usize::try_from(*at).unwrap_or(usize::MAX);
                let to = from.saturating_add(usize::try_from(carved.len).unwrap_or(usize::MAX));
                if let Some(bytes) = held.get(from..to).filter(|_| !self.is_full()) {
                    self.found = self.found.saturating_add(1);
                    end = end.max(to);
                    let at = start.saturating_add(*at);
                    give(Picture { at, file_type: carved.kind, bytes });
                }
            }
            if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.held.extend_from_slice(held.get(end..).unwrap_or_default());
    }
}

/// The first mark from byte `from` on behind which a picture may stand.
fn mark_in(bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(mark) = bytes.get(from..).and_then(find) {
        let at = from.saturating_add(mark);
        let rest = bytes.get(at..).unwrap_or_default();
        let told = || detect(rest).is_some_and(|kind| kind.family() == Family::Picture);
        if rest.len() < HEAD || told() {
            return Some(at);
        }
        from = at.saturating_add(1);
    }
    None
}

/// True for the first byte of a mark.
fn may_begin_mark(byte: &u8) -> bool {
    MARKS.iter().any(|mark| mark.first() == Some(byte))
}

/// The first mark in some bytes.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    static SEARCHER: OnceLock<Option<Searcher>> = OnceLock::new();
    let searcher = SEARCHER.get_or_init(|| Searcher::new(MARKS));
    match searcher.as_ref().filter(|searcher| bytes.len() >= searcher.minimum_len()) {
        Some(searcher) => searcher.find(bytes).map(|found| found.start()),
        None => MARKS.iter().filter_map(|mark| memchr::memmem::find(bytes, mark)).min(),
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";

    /// What is found in `file` that comes in pieces of `size` bytes.
    fn found(file: &[u8], size: usize) -> Vec<(u64, Vec<u8>)> {
        let mut embedded = Embedded::from(0);
        let mut all = Vec::new();
        let mut give = |picture: Picture<'_>| all.push((picture.at, picture.bytes.to_vec()));
        for piece in file.chunks(size) {
            embedded.update(piece, &mut give);
        }
        embedded.interrupt(0, &mut give);
        all
    }

    #[test]
    fn a_picture_behind_other_bytes_is_found_however_they_come() {
        let file = [&[7; 1572][..], GIF, &[9; 900], GIF, b"end"].concat();
        for size in [1, 5, 64, 1571, 1573, 4096] {
            let at: Vec<_> = found(&file, size).into_iter().map(|(at, _)| at).collect();
            let second = 1572 + 900 + u64::try_from(GIF.len()).unwrap();
            assert_eq!(at, [1572, second], "in pieces of {size}");
        }
        assert_eq!(found(&file, 64)[0].1, GIF);
    }

    #[test]
    fn the_file_itself_and_a_cut_picture_are_not_found() {
        assert_eq!(found(&[GIF, &[0; 50]].concat(), 16), []);
        let cut = GIF.split_last().unwrap().1;
        assert_eq!(found(&[&[1; 50], cut].concat(), 16), []);
    }

    #[test]
    fn bytes_around_a_gap_are_not_joined() {
        let mut embedded = Embedded::from(0);
        let mut all = Vec::new();
        let mut give = |picture: Picture<'_>| all.push(picture.at);
        let (head, tail) = GIF.split_at(20);
        embedded.update(&[&[1; 40], head].concat(), &mut give);
        embedded.interrupt(512, &mut give);
        embedded.update(&[tail, GIF].concat(), &mut give);
        embedded.interrupt(0, &mut give);
        let behind = 40 + 512 + u64::try_from(GIF.len()).unwrap();
        assert_eq!(all, [behind]);
    }
}
