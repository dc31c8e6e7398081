//! A medium that is gone through from front to back while others read in it: what either inflates is
//! kept for the other, so that a compressed block is read from the file and inflated once.
//!
//! The passage computes a digest of the whole medium; the readers read objects. Blocks that a reader
//! inflates a little ahead of the passage are kept until it has come by, for it wants every one of
//! them; blocks that the passage inflates are kept behind it as long as there is room, for objects
//! that lie there are read about then. A block that both have had goes. Reads that are elsewhere, behind
//! the passage or far ahead of it, go straight to the medium, as all do where there is no passage.
//!
//! Only time depends on it. A block is kept only where every byte of it came; else the read is
//! made as it was asked for, so that all bytes and errors are those of the medium.
//!
//! Nobody waits for ever: who wants a block that somebody inflates just then waits for that, but no
//! longer than [`LONGEST`], and then reads it himself. Who inflates a block holds no lock and waits
//! for no other block, so those who wait form no ring; a drive that hangs, a block that is damaged and
//! a passage that ends cost that pause at most.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bytes::ReadAt;

/// Bytes that are kept of a medium.
const KEPT: u64 = 64 << 20;
/// Those of them that lie ahead of the passage at most.
const AHEAD: u64 = 48 << 20;
/// How far ahead of the passage a block is still worth keeping: at the speed of MD5, half a second.
const FAR: u64 = 256 << 20;
/// Bytes that the passage inflates at a time: readers wait for all of them.
const STRIDE: u64 = 256 << 10;
/// Bytes of the largest block that is kept.
const LARGEST: u64 = 1 << 20;
/// How long anybody waits for a block that another one inflates.
const LONGEST: Duration = Duration::from_millis(50);

/// A medium and what is kept of it during a passage.
pub(super) struct Accompanied {
    medium: Arc<dyn ReadAt>,
    /// Bytes of a block.
    block: u64,
    limits: Limits,
    /// True while there is a passage.
    passes: AtomicBool,
    /// True once somebody read during a passage.
    is_read: AtomicBool,
    kept: Mutex<Kept>,
    came: Condvar,
}

/// Goes through a medium from front to back; what is kept goes with it.
pub(super) struct Passage<'a>(&'a Accompanied);

/// The blocks that are kept, by their numbers.
#[derive(Default)]
struct Kept {
    /// The block that the passage has come to.
    at: u64,
    blocks: BTreeMap<u64, Entry>,
    /// How many blocks are there from `at` on, and before it.
    ahead: usize,
    behind: usize,
    /// Threads that wait for a block.
    waiting: usize,
}

enum Entry {
    /// Somebody inflates it.
    Coming,
    /// Its bytes, and how many of them readers had.
    There(Arc<Vec<u8>>, usize),
}

/// What is known of a block that is wanted.
enum Found<'a> {
    There(Arc<Vec<u8>>),
    /// The caller is the one who inflates these.
    Claimed(Claim<'a>),
    /// So many blocks are read as if there were no passage.
    Plain(u64),
}

/// Blocks that one thread inflates; those that it did not give are anybody's again.
struct Claim<'a> {
    of: &'a Accompanied,
    blocks: Range<u64>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.blocks.is_empty() {
            self.of.lock().forget(self.blocks.clone());
            self.of.came.notify_all();
        }
    }
}

/// Who wants a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Passage,
    Reader,
}

impl Kept {
    /// Takes the passage to a block. What it has passed and readers had whole goes.
    fn pass(&mut self, to: u64) {
        let passed = self.blocks.range(self.at.min(to)..to);
        let there = passed.filter_map(|(number, entry)| match entry {
            Entry::Coming => None,
            Entry::There(bytes, read) => Some((*number, *read >= bytes.len())),
        });
        let there: Vec<(u64, bool)> = there.collect();
        for (number, had) in there {
            self.ahead = self.ahead.saturating_sub(1);
            if had {
                self.blocks.remove(&number);
            } else {
                self.behind = self.behind.saturating_add(1);
            }
        }
        self.at = self.at.max(to);
    }

    /// The bytes of a block. Of one that is behind the passage nothing is kept once readers had all.
    fn take(&mut self, number: u64, wanted: usize, who: Who) -> Option<Arc<Vec<u8>>> {
        let Some(Entry::There(bytes, read)) = self.blocks.get_mut(&number) else { return None };
        let bytes = Arc::clone(bytes);
        if who == Who::Reader {
            *read = read.saturating_add(wanted);
            if *read >= bytes.len() && number < self.at {
                self.blocks.remove(&number);
                self.behind = self.behind.saturating_sub(1);
            }
        }
        Some(bytes)
    }

    /// True where a block that a reader inflates would be kept.
    fn has_room(&self, number: u64, limits: &Limits) -> bool {
        let near = number >= self.at && number < self.at.saturating_add(limits.far);
        near && (self.ahead < limits.ahead || self.farthest().is_some_and(|last| last > number))
    }

    fn farthest(&self) -> Option<u64> {
        let there =
            |(number, entry): (&u64, &Entry)| matches!(entry, Entry::There(..)).then_some(*number);
        self.blocks.range(self.at..).rev().find_map(there)
    }

    /// Keeps a block that was claimed, and lets others go for it.
    fn keep(&mut self, number: u64, bytes: Arc<Vec<u8>>, read: usize, limits: &Limits) {
        self.blocks.remove(&number);
        let behind = number < self.at;
        if behind && read >= bytes.len() || !behind && !self.has_room(number, limits) {
            return;
        }
        if behind {
            self.behind = self.behind.saturating_add(1);
        } else {
            if self.ahead >= limits.ahead
                && let Some(last) = self.farthest()
            {
                self.blocks.remove(&last);
                self.ahead = self.ahead.saturating_sub(1);
            }
            self.ahead = self.ahead.saturating_add(1);
        }
        self.blocks.insert(number, Entry::There(bytes, read));
        while self.ahead.saturating_add(self.behind) > limits.all {
            let there = |(number, entry): (&u64, &Entry)| {
                matches!(entry, Entry::There(..)).then_some(*number)
            };
            let Some(first) = self.blocks.range(..self.at).find_map(there) else { break };
            self.blocks.remove(&first);
            self.behind = self.behind.saturating_sub(1);
        }
    }

    /// Blocks from `number` on of which nothing is known, `most` at most; at least one.
    fn unknown(&self, number: u64, most: u64) -> u64 {
        let end = number.saturating_add(most.max(1));
        let mut known =
            self.blocks.range(number.saturating_add(1)..end.max(number.saturating_add(1)));
        let next = known.next().map_or(end, |(next, _)| *next);
        next.saturating_sub(number)
    }

    fn forget(&mut self, blocks: Range<u64>) {
        for number in blocks {
            if matches!(self.blocks.get(&number), Some(Entry::Coming)) {
                self.blocks.remove(&number);
            }
        }
    }
}

/// The bounds in blocks.
struct Limits {
    all: usize,
    ahead: usize,
    far: u64,
    stride: u64,
}

impl Limits {
    fn new(block: u64) -> Self {
        let blocks = |bytes: u64| bytes.checked_div(block).unwrap_or(0).max(1);
        let count = |bytes| usize::try_from(blocks(bytes)).unwrap_or(usize::MAX);
        let (far, stride) = (blocks(FAR), blocks(STRIDE));
        Self { all: count(KEPT), ahead: count(AHEAD), far, stride }
    }
}

impl Accompanied {
    /// A medium of blocks of so many bytes; `None` where they are too large to be kept.
    pub(super) fn new(medium: &Arc<dyn ReadAt>, block: u64) -> Option<Self> {
        (1..=LARGEST).contains(&block).then(|| Self {
            medium: Arc::clone(medium),
            block,
            limits: Limits::new(block),
            passes: AtomicBool::new(false),
            is_read: AtomicBool::new(false),
            kept: Mutex::default(),
            came: Condvar::new(),
        })
    }

    /// Begins a passage, which lasts until it is dropped; `None` while there is another one.
    pub(super) fn begin(&self) -> Option<Passage<'_>> {
        let before = self.passes.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok().then(|| {
            *self.lock() = Kept::default();
            Passage(self)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of the medium that a block has.
    fn range(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.block).min(self.medium.len());
        start..start.saturating_add(self.block).min(self.medium.len())
    }

    /// Reads from one place, some blocks at most.
    fn piece(&self, who: Who, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let number = at.checked_div(self.block).unwrap_or(0);
        let range = self.range(number);
        let skip = at.saturating_sub(range.start);
        let end = at.saturating_add(u64::try_from(buf.len()).unwrap_or(u64::MAX));
        // Blocks that the buffer takes whole, and the one that it takes a part of.
        let whole = end.min(self.medium.len()).saturating_sub(at).checked_div(self.block);
        let (wanted, whole) = match (skip, whole.unwrap_or(0)) {
            (0, 0) if end >= range.end => (range.end.saturating_sub(at), 1),
            (0, count) if count > 0 => (self.block, count),
            _ => (end.min(range.end).saturating_sub(at), 0),
        };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        match self.find(who, number, whole.max(1), wanted) {
            Found::There(bytes) => (**bytes).read_at(skip, buf),
            Found::Plain(blocks) => {
                self.medium.read_at(at, first(buf, at, number.saturating_add(blocks), self.block))
            }
            Found::Claimed(claim) if whole > 0 => self.inflate(who, claim, at, buf),
            Found::Claimed(claim) => self.inflate_around(who, claim, at, buf, wanted),
        }
    }

    /// What is known of a block, once nobody inflates it.
    ///
    /// - `most`: blocks from it on that the caller would inflate.
    /// - `wanted`: bytes of the first that it wants.
    fn find(&self, who: Who, number: u64, most: u64, wanted: usize) -> Found<'_> {
        let limits = &self.limits;
        let mut kept = self.lock();
        if who == Who::Passage {
            kept.pass(number);
        }
        let begun = Instant::now();
        while let Some(entry) = kept.blocks.get(&number) {
            if let Entry::There(..) = entry {
                return kept.take(number, wanted, who).map_or(Found::Plain(1), Found::There);
            }
            let Some(left) = LONGEST.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
            else {
                return Found::Plain(1);
            };
            kept.waiting = kept.waiting.saturating_add(1);
            kept = self.came.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
            kept.waiting = kept.waiting.saturating_sub(1);
        }
        let run = kept.unknown(number, most);
        let claimed = match who {
            Who::Passage => run.min(limits.stride),
            Who::Reader if number < kept.at => {
                return Found::Plain(run.min(kept.at.saturating_sub(number)));
            }
            Who::Reader if !kept.has_room(number, limits) => return Found::Plain(run),
            Who::Reader => run.min(limits.stride),
        };
        // A passage that ends meanwhile lets go of all, and of what comes later too.
        if !self.passes.load(Ordering::Acquire) {
            return Found::Plain(run);
        }
        let blocks = number..number.saturating_add(claimed);
        kept.blocks.extend(blocks.clone().map(|number| (number, Entry::Coming)));
        Found::Claimed(Claim { of: self, blocks })
    }

    /// Inflates blocks straight to where they are wanted.
    fn inflate(&self, who: Who, claim: Claim<'_>, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let buf = first(buf, at, claim.blocks.end, self.block);
        let n = self.medium.read_at(at, buf)?;
        let came = buf.get(..n).unwrap_or_default();
        self.give(claim, who, came.chunks(usize::try_from(self.block).unwrap_or(usize::MAX)));
        Ok(n)
    }

    /// Inflates a block of which a part is wanted. Where not all of it comes, the part alone is read.
    fn inflate_around(
        &self,
        who: Who,
        claim: Claim<'_>,
        at: u64,
        buf: &mut [u8],
        wanted: usize,
    ) -> io::Result<usize> {
        let number = claim.blocks.start;
        let range = self.range(number);
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let mut bytes = vec![0; len];
        if !matches!(self.medium.fill_at(range.start, &mut bytes), Ok(n) if n == len) {
            drop(claim);
            let end = number.saturating_add(1);
            return self.medium.read_at(at, first(buf, at, end, self.block));
        }
        let bytes = Arc::new(bytes);
        let read = if who == Who::Reader { wanted } else { 0 };
        self.keep(claim, [(number, Arc::clone(&bytes), read)]);
        (**bytes).read_at(at.saturating_sub(range.start), buf)
    }

    /// Keeps copies of blocks that came whole.
    fn give<'b>(&self, claim: Claim<'_>, who: Who, came: impl Iterator<Item = &'b [u8]>) {
        // Where nobody reads beside the passage nobody wants what it had.
        if who == Who::Passage && !self.is_read.load(Ordering::Relaxed) {
            return;
        }
        let whole = |(number, bytes): &(u64, &[u8])| {
            let range = self.range(*number);
            u64::try_from(bytes.len()).is_ok_and(|len| len == range.end.saturating_sub(range.start))
        };
        let copy = |(number, bytes): (u64, &[u8])| {
            let read = if who == Who::Reader { bytes.len() } else { 0 };
            (number, Arc::new(bytes.to_vec()), read)
        };
        let blocks: Vec<_> = claim.blocks.clone().zip(came).filter(whole).map(copy).collect();
        self.keep(claim, blocks);
    }

    fn keep(
        &self,
        mut claim: Claim<'_>,
        blocks: impl IntoIterator<Item = (u64, Arc<Vec<u8>>, usize)>,
    ) {
        let mut kept = self.lock();
        if self.passes.load(Ordering::Acquire) {
            for (number, bytes, read) in blocks {
                kept.keep(number, bytes, read, &self.limits);
            }
        }
        kept.forget(std::mem::take(&mut claim.blocks));
        if kept.waiting > 0 {
            self.came.notify_all();
        }
    }

    fn read(&self, who: Who, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            if position >= self.medium.len() {
                break;
            }
            match self.piece(who, position, rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// The part of a buffer for bytes from `at` on that ends before a block.
fn first(buf: &mut [u8], at: u64, end: u64, block: u64) -> &mut [u8] {
    let most = end.saturating_mul(block).saturating_sub(at);
    let len = usize::try_from(most).unwrap_or(usize::MAX).min(buf.len());
    buf.get_mut(..len).unwrap_or_default()
}

impl ReadAt for Accompanied {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if !self.passes.load(Ordering::Relaxed) {
            return self.medium.read_at(at, buf);
        }
        self.is_read.store(true, Ordering::Relaxed);
        self.read(Who::Reader, at, buf)
    }
}

impl ReadAt for Passage<'_> {
    fn len(&self) -> u64 {
        self.0.medium.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(Who::Passage, at, buf)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.0.passes.store(false, Ordering::Release);
        *self.0.lock() = Kept::default();
        self.0.came.notify_all();
    }
}

#[cfg(test)]
mod tests;
