//! Of all records that a journal holds of one key, the one that counts.
//!
//! A run that was taken up again leaves several frames of one key: records, each newer than the one
//! before, and confirmations of the newest. Sorted by key, in the order they were written, they
//! come here; what is neither recorded nor confirmed since the last mark is left out.

use crate::item::OrderKey;
use crate::report::ReportError;
use crate::report::sort::{Row, Rows, Sorted, Sorter};

/// A record that counts.
pub(super) const LIVE: u8 = b'L';
/// A record that counts only where it is confirmed.
pub(super) const OLD: u8 = b'O';
/// A confirmation.
pub(super) const CONFIRMED: u8 = b'C';

/// Adds what a frame holds to the rows to be sorted.
pub(super) fn push(
    sorter: &mut Sorter<'_>,
    key: &OrderKey,
    mark: u8,
    record: &[u8],
) -> Result<(), ReportError> {
    sorter.push_marked(key.as_bytes(), mark, record)
}

/// A pass over the records that count, in the order of their keys.
pub struct Newest<'a> {
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

    /// The next key and the encoded record that counts of it.
    ///
    /// # Errors
    /// As [`crate::report::sort::Rows::next`].
    #[expect(clippy::should_implement_trait, reason = "a row is lent until the next call")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, ReportError> {
        if !self.advance()? {
            return Ok(None);
        }
        let record = self.this.value.get(1..).unwrap_or_default();
        Ok(Some((&self.this.key, record)))
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
