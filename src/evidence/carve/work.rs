//! How much is read to follow structures, so that a volume made of beginnings ends in time.
//!
//! The allowance grows with what was searched: a place full of false beginnings starves only
//! itself and what follows closely. No clock decides anything.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::ReadAt;

/// Bytes that may be read whatever was searched.
const FIRST: u64 = 64 * 1024 * 1024;
/// Bytes that one unit of a picture counts as: following it costs that much at least.
const UNIT: u64 = 4;
/// Bytes that any request counts as.
const REQUEST: u64 = 256;

/// A stream whose reading is counted, and ends in an error once the allowance is used up.
pub(super) struct Counted<'a> {
    source: &'a dyn ReadAt,
    left: &'a Allowance,
}

/// Bytes that may still be read.
#[derive(Debug)]
pub(super) struct Allowance {
    left: AtomicU64,
}

impl Allowance {
    pub(super) const fn new() -> Self {
        Self { left: AtomicU64::new(FIRST) }
    }

    /// A fixed number of bytes.
    pub(super) const fn of(bytes: u64) -> Self {
        Self { left: AtomicU64::new(bytes) }
    }

    pub(super) fn add(&self, bytes: u64) {
        let left = self.left.load(Ordering::Relaxed).saturating_add(bytes);
        self.left.store(left, Ordering::Relaxed);
    }

    /// Takes bytes off; false where there are not so many, and then there are none.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(bytes), Ordering::Relaxed);
        left >= bytes
    }

    pub(super) fn take_units(&self, units: u64) {
        self.take(units.saturating_mul(UNIT));
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

impl<'a> Counted<'a> {
    pub(super) const fn new(source: &'a dyn ReadAt, left: &'a Allowance) -> Self {
        Self { source, left }
    }
}

impl ReadAt for Counted<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = u64::try_from(buf.len()).unwrap_or(u64::MAX).saturating_add(REQUEST);
        if !self.left.take(wanted) {
            return Err(io::Error::other("the allowance for following structures is used up"));
        }
        self.source.read_at(at, buf)
    }
}
