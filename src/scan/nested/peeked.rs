//! The bytes of an object that is open to be read, as the look for images wants them.
//!
//! Of every file the first look asks for the first bytes, and of some for the last ones: no page is
//! kept for that. The second asks for some bytes at dozens of places that lie near each other: each
//! page of the object is read once; nothing of one that cannot be read is recognised.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::bytes::ReadAt;
use crate::item::Stream;

/// Bytes of a page.
const PAGE: usize = 4096;
/// Pages kept: more than the signatures of all file systems lie in.
const MOST: usize = 32;

/// An object before the first byte of its stream was taken.
pub(super) struct Peeked<'a> {
    stream: &'a dyn Stream,
    size: u64,
    /// By number; `None` for one that cannot be read: a sector that fails takes its time, so it is
    /// not asked for again.
    pages: Mutex<Vec<(u64, Option<Vec<u8>>)>>,
    failed: AtomicBool,
}

impl<'a> Peeked<'a> {
    /// - `size`: the length of the object as stated.
    pub(super) fn new(stream: &'a dyn Stream, size: u64) -> Self {
        Self { stream, size, pages: Mutex::default(), failed: AtomicBool::new(false) }
    }

    /// True once bytes that were asked for could not be read.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// As [`Stream::peek`]; a read that fails is repeated once.
    fn peek(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.peek(at, buf).or_else(|_| self.stream.peek(at, buf));
        self.failed.fetch_or(read.is_err(), Ordering::Relaxed);
        read
    }

    /// Fills as much of `buf` as there is, past the pages: for what is asked once of every file.
    pub(super) fn fill_once(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..most).filter(|rest| !rest.is_empty()) {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match self.peek(from, rest)? {
                0 => break,
                n => done = done.saturating_add(n),
            }
        }
        Ok(done)
    }

    fn read_page(&self, number: u64) -> Option<Vec<u8>> {
        let mut page = vec![0; PAGE];
        let start = number.checked_mul(u64::try_from(PAGE).ok()?)?;
        let n = self.peek(start, &mut page).ok()?;
        page.truncate(n);
        Some(page)
    }
}

impl ReadAt for Peeked<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    /// Gives no more than what one page has of it: whoever wants the rest asks again.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
        let (number, within) = (at / page, usize::try_from(at % page).unwrap_or(0));
        let most = left.min(buf.len()).min(PAGE.saturating_sub(within));
        let Some(buf) = buf.get_mut(..most).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if !pages.iter().any(|(have, _)| *have == number) {
            if pages.len() >= MOST {
                return self.peek(at, buf);
            }
            pages.push((number, self.read_page(number)));
        }
        let kept = pages.iter().find(|(have, _)| *have == number);
        let Some((_, Some(bytes))) = kept else { return Err(io::ErrorKind::Other.into()) };
        let rest = bytes.get(within..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts its reads; the sector at byte 8192 fails.
    struct Counted(Vec<u8>, AtomicUsize);

    impl Stream for Counted {
        fn fill(&mut self, _: &mut [u8]) -> Result<usize, Problem> {
            Ok(0)
        }

        fn peek(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let at = usize::try_from(at).unwrap();
            let end = (at + buf.len()).min(self.0.len());
            if at < 8704 && end > 8192 {
                return Err(io::ErrorKind::Other.into());
            }
            let bytes = self.0.get(at..end).unwrap_or_default();
            buf[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }

        fn finish(self: Box<Self>) -> Result<(), Problem> {
            Ok(())
        }
    }

    #[test]
    fn any_bytes_are_those_of_the_stream_and_a_page_is_read_once() {
        let bytes: Vec<u8> = (0..40_000_u32).flat_map(u32::to_le_bytes).collect();
        let stream = Counted(bytes.clone(), AtomicUsize::new(0));
        let peeked = Peeked::new(&stream, 160_000);
        for at in (0..160_100_u64).step_by(371) {
            let mut buf = [0; 200];
            let from = usize::try_from(at).unwrap().min(bytes.len());
            let whole = &bytes[from..(from + 200).min(bytes.len())];
            let have = peeked.fill_at(at, &mut buf);
            match at < 12_288 && at + 200 > 8192 {
                true => assert!(have.is_err(), "{at}"),
                false => assert_eq!(&buf[..have.unwrap()], whole, "{at}"),
            }
        }
        let stream = Counted(bytes, AtomicUsize::new(0));
        let peeked = Peeked::new(&stream, 160_000);
        for at in [0, 1080, 4086, 4096, 4200, 510, 65_600, 66_908] {
            peeked.fill_at(at, &mut [0; 8]).unwrap();
        }
        assert_eq!(stream.1.into_inner(), 3, "three pages");
    }
}
