//! The tables of a virtual disk, read in pages as they are asked for and kept a while.
//!
//! A table's length on disk therefore never decides how much memory is taken. A page that cannot be
//! read as a whole costs only the numbers that cannot be read.

use std::io;
use std::sync::Arc;

use super::cache::Cache;
use super::raw::ImageFile;
use crate::bytes::{Block, ReadAt as _, Unreadable};
use crate::problem::Code;

/// Bytes of a page: a table of a usual image.
const PAGE: u64 = 64 * 1024;
/// Pages kept: 8 MiB of tables.
const SHARDS: usize = 8;
const KEPT: usize = 16;

/// The numbers of one file.
pub(super) struct Pages {
    file: Arc<ImageFile>,
    kept: Cache<[u8]>,
}

impl Pages {
    pub(super) fn new(file: Arc<ImageFile>) -> Self {
        Self { file, kept: Cache::new(SHARDS, KEPT) }
    }

    /// The big-endian number at this byte of the file.
    ///
    /// # Errors
    /// As reading the file; an [`Unreadable`] where it ends before.
    pub(super) fn u64_be(&self, at: u64) -> io::Result<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    /// The little-endian number at this byte of the file.
    ///
    /// # Errors
    /// As [`Pages::u64_be`].
    pub(super) fn u32_le(&self, at: u64) -> io::Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let number = at.checked_div(PAGE).unwrap_or_default();
        let within = at.checked_rem(PAGE).and_then(|within| usize::try_from(within).ok());
        if let (Some(page), Some(within)) = (self.page(number), within)
            && let Ok(bytes) = Block::new(&page, 0).array(within)
        {
            return Ok(bytes);
        }
        let mut bytes = [0; N];
        match self.file.fill_at(at, &mut bytes)? {
            n if n == N => Ok(bytes),
            _ => {
                let range = at..at.saturating_add(u64::try_from(N).unwrap_or(1));
                let detail = format!("the file ends at byte {}", self.file.len());
                Err(Unreadable { range, code: Code::ImageDamaged, detail }.into_error())
            }
        }
    }

    fn page(&self, number: u64) -> Option<Arc<[u8]>> {
        if let Some(page) = self.kept.get(number) {
            return Some(page);
        }
        let start = number.checked_mul(PAGE)?;
        let len = self.file.len().checked_sub(start)?.min(PAGE);
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        let n = self.file.fill_at(start, &mut bytes).ok()?;
        bytes.truncate(n);
        let page: Arc<[u8]> = bytes.into();
        self.kept.put(number, &page);
        Some(page)
    }
}
