//! Of all records that a journal holds of one key, the one that counts.
//!
//! A run that was taken up again leaves several frames of one key: records, each newer than the one
//! before, and confirmations of the newest. Sorted by key, in the order they were written, they
//! come here; what is neither recorded nor confirmed since the last mark is left out.

use crate::report::ReportError;
use crate::report::sort::{Rows, Sorted, Sorter};

/// A record that counts.
pub(super) const LIVE: u8 = b'L';
/// A record that counts only where it is confirmed.
pub(super) const OLD: u8 = b'O';
/// A confirmation.
pub(super) const CONFIRMED: u8 = b'C';
/// Bytes of the place of a frame.
const PLACE: usize = 8;

/// Adds the record in the frame at `place` to the rows to be sorted.
///
/// - `more`: what else the pass has to give of it.
pub(super) fn push(
    sorter: &mut Sorter<'_>,
    key: &[u8],
    mark: u8,
    place: u64,
    more: &[u8],
) -> Result<(), ReportError> {
    let mut value = [0; 1 + PLACE];
    let (first, rest) = value.split_at_mut(1);
    first.fill(mark);
    rest.copy_from_slice(&place.to_le_bytes());
    sorter.push_parts(key, &value, more)
}

/// A key, the place of the record that counts of it, and what else was said of that.
type Counts<'a> = (&'a [u8], u64, &'a [u8]);

/// A pass over the records that count, in the order of their keys.
pub(super) struct Newest<'a> {
    rows: Rows<'a>,
    /// The row that was read ahead, and whether there is one.
    ahead: Buffered,
    more: bool,
    this: Buffered,
}

#[derive(Default)]
struct Buffered {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'a> Newest<'a> {
    pub(super) fn of(sorted: &'a Sorted) -> Result<Self, ReportError> {
        let (ahead, this) = (Buffered::default(), Buffered::default());
        let mut newest = Self { rows: sorted.rows()?, ahead, more: true, this };
        newest.read_ahead()?;
        Ok(newest)
    }

    /// The next key, with what counts of it.
    pub(super) fn next(&mut self) -> Result<Option<Counts<'_>>, ReportError> {
        if !self.advance()? {
            return Ok(None);
        }
        let value = self.this.value.get(1..).unwrap_or_default();
        let (place, more) = value.split_first_chunk().ok_or(ReportError::SpillDamaged)?;
        Ok(Some((&self.this.key, u64::from_le_bytes(*place), more)))
    }

    fn advance(&mut self) -> Result<bool, ReportError> {
        while self.more {
            std::mem::swap(&mut self.this, &mut self.ahead);
            self.read_ahead()?;
            let mut live = self.this.value.first() == Some(&LIVE);
            while self.more && self.ahead.key == self.this.key {
                match self.ahead.value.first() {
                    Some(&CONFIRMED) => live = true,
                    mark => {
                        live = mark == Some(&LIVE);
                        std::mem::swap(&mut self.this, &mut self.ahead);
                    }
                }
                self.read_ahead()?;
            }
            if live {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_ahead(&mut self) -> Result<(), ReportError> {
        let Buffered { key, value } = &mut self.ahead;
        key.clear();
        value.clear();
        match self.rows.next()? {
            Some((row_key, row)) => {
                key.extend_from_slice(row_key);
                value.extend_from_slice(row);
            }
            None => self.more = false,
        }
        Ok(())
    }
}
