//! Sorting more rows than memory holds, all of one length.
//!
//! Rows gather in one buffer; a full one is sorted on the pool and goes to an unnamed file as a run;
//! runs are merged by a heap. No two rows are equal, because each ends in its own number, so the
//! order does not depend on threads. Each piece of a run carries a check sum: a byte that the disk
//! changes is an error and never a lost entry. `report::sort` does the same for rows of any length,
//! on one thread; these rows are many more, and short.

use super::BuildError;
use crate::hashset::encoding::wide;
use crate::output::{OutputDir, SpillFile};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// Rows of a run that are read, and have a check sum, together.
const PIECE: usize = 1024;

/// Takes rows in any order.
pub(super) trait RowSort: Send {
    /// Adds a row, which has the length the sort was made for.
    fn push(&mut self, out: &OutputDir, row: &[u8]) -> Result<(), BuildError>;
    /// Sorts what was added.
    fn finish(self: Box<Self>, out: &OutputDir) -> Result<Box<dyn SortedRows>, BuildError>;
}

/// Rows in order; they can be gone through any number of times.
pub(super) trait SortedRows {
    /// Gives each row to `each`.
    fn each(&self, each: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>)
    -> Result<(), BuildError>;
}

/// A sort of rows of `width` bytes; `None` for a width that no table has.
pub(super) fn sorter(
    width: usize,
    budget: usize,
    pool: &std::sync::Arc<rayon::ThreadPool>,
) -> Option<Box<dyn RowSort>> {
    Some(match width {
        28 => Box::new(Sorter::<28>::new(budget, pool)),
        32 => Box::new(Sorter::<32>::new(budget, pool)),
        36 => Box::new(Sorter::<36>::new(budget, pool)),
        40 => Box::new(Sorter::<40>::new(budget, pool)),
        44 => Box::new(Sorter::<44>::new(budget, pool)),
        52 => Box::new(Sorter::<52>::new(budget, pool)),
        _ => return None,
    })
}

struct Sorter<const N: usize> {
    pool: std::sync::Arc<rayon::ThreadPool>,
    most: usize,
    rows: Vec<[u8; N]>,
    spill: Option<SpillFile>,
    end: u64,
    /// Start and number of rows of each.
    runs: Vec<(u64, usize)>,
}

impl<const N: usize> Sorter<N> {
    fn new(budget: usize, pool: &std::sync::Arc<rayon::ThreadPool>) -> Self {
        let most = budget.checked_div(N).unwrap_or(0).max(PIECE);
        let (rows, runs) = (Vec::new(), Vec::new());
        Self { pool: pool.clone(), most, rows, spill: None, end: 0, runs }
    }

    fn write_run(&mut self, out: &OutputDir) -> Result<(), BuildError> {
        self.pool.install(|| self.rows.par_sort_unstable());
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(out.spill()?),
        };
        self.runs.push((self.end, self.rows.len()));
        let mut piece = Vec::with_capacity(PIECE.saturating_mul(N).saturating_add(4));
        for rows in self.rows.chunks(PIECE) {
            piece.clear();
            piece.extend_from_slice(rows.as_flattened());
            let checksum = crc32fast::hash(&piece);
            piece.extend_from_slice(&checksum.to_le_bytes());
            spill.append(&piece)?;
            self.end = self.end.saturating_add(wide(piece.len()));
        }
        self.rows.clear();
        Ok(())
    }
}

impl<const N: usize> RowSort for Sorter<N> {
    fn push(&mut self, out: &OutputDir, row: &[u8]) -> Result<(), BuildError> {
        if self.rows.len() >= self.most {
            self.write_run(out)?;
        }
        if self.rows.capacity() == 0 {
            // Taken at once: growing by copies would need the memory twice. Untouched pages of it
            // cost nothing.
            self.rows.reserve_exact(self.most);
        }
        self.rows.push(*row.first_chunk().ok_or(BuildError::SpillDamaged)?);
        Ok(())
    }

    fn finish(mut self: Box<Self>, out: &OutputDir) -> Result<Box<dyn SortedRows>, BuildError> {
        if !self.runs.is_empty() && !self.rows.is_empty() {
            self.write_run(out)?;
        }
        let Some(spill) = self.spill.take() else {
            self.pool.install(|| self.rows.par_sort_unstable());
            return Ok(Box::new(Held(self.rows)));
        };
        Ok(Box::new(Spilled::<N> { spill, runs: self.runs }))
    }
}

/// All rows fit in memory.
struct Held<const N: usize>(Vec<[u8; N]>);

impl<const N: usize> SortedRows for Held<N> {
    fn each(
        &self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        self.0.iter().try_for_each(|row| each(row))
    }
}

/// Rows come from runs of a file.
struct Spilled<const N: usize> {
    spill: SpillFile,
    runs: Vec<(u64, usize)>,
}

impl<const N: usize> SortedRows for Spilled<N> {
    fn each(
        &self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let mut cursors = Vec::with_capacity(self.runs.len());
        let mut heap = BinaryHeap::with_capacity(self.runs.len());
        for (run, (start, rows)) in self.runs.iter().enumerate() {
            let mut cursor = Cursor::<N> { next: *start, left: *rows, rows: Vec::new(), at: 0 };
            if let Some(row) = cursor.next(&self.spill)? {
                heap.push(Reverse((row, run)));
            }
            cursors.push(cursor);
        }
        while let Some(mut least) = heap.peek_mut() {
            let Reverse((row, run)) = *least;
            each(&row)?;
            match cursors.get_mut(run).map(|cursor| cursor.next(&self.spill)).transpose()?.flatten()
            {
                Some(next) => *least = Reverse((next, run)),
                None => drop(PeekMut::pop(least)),
            }
        }
        Ok(())
    }
}

/// A place in a run.
struct Cursor<const N: usize> {
    next: u64,
    left: usize,
    rows: Vec<u8>,
    at: usize,
}

impl<const N: usize> Cursor<N> {
    fn next(&mut self, spill: &SpillFile) -> Result<Option<[u8; N]>, BuildError> {
        if self.at == self.rows.len() {
            if self.left == 0 {
                return Ok(None);
            }
            let rows = self.left.min(PIECE);
            self.rows.resize(rows.saturating_mul(N).saturating_add(4), 0);
            spill.read_at(self.next, &mut self.rows)?;
            self.next = self.next.saturating_add(wide(self.rows.len()));
            self.left = self.left.saturating_sub(rows);
            let (body, stated) = self.rows.split_last_chunk().ok_or(BuildError::SpillDamaged)?;
            if crc32fast::hash(body) != u32::from_le_bytes(*stated) {
                return Err(BuildError::SpillDamaged);
            }
            let length = body.len();
            self.rows.truncate(length);
            self.at = 0;
        }
        let row = self.rows.get(self.at..).and_then(|rest| rest.first_chunk()).copied();
        self.at = self.at.saturating_add(N);
        row.map(Some).ok_or(BuildError::SpillDamaged)
    }
}
