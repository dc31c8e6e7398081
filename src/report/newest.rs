//! Of all records that a journal holds of one key, the one that counts.
//!
//! A run that was taken up again leaves several frames of one key: records, each newer than the one
//! before, and confirmations of the newest. Sorted by key, in the order they were written, they
//! come here: those that were there when the run was taken up for the last time, and those written
//! since. What is neither recorded nor confirmed since then is left out.

use crate::digest::{Algorithm, Digest};
use crate::report::ReportError;
use crate::report::sort::{Rows, Sorted, Sorter};
use std::sync::Arc;

/// A record.
const RECORD: u8 = b'R';
/// A confirmation.
const CONFIRMED: u8 = b'C';
/// Bytes of the place of a frame.
const PLACE: usize = 8;
/// Bytes of a digest with its algorithm.
const DIGEST: usize = 33;

/// Adds the record in the frame at `place` to the rows to be sorted.
///
/// - `strongest`: the digest that copies are told by.
pub(super) fn push(
    sorter: &mut Sorter<'_>,
    key: &[u8],
    place: u64,
    strongest: Option<(Algorithm, Digest)>,
) -> Result<(), ReportError> {
    let mut value = [0; 1 + PLACE];
    let (first, rest) = value.split_at_mut(1);
    first.fill(RECORD);
    rest.copy_from_slice(&place.to_le_bytes());
    let digest = strongest.map(digest_key);
    sorter.push_parts(key, &value, digest.as_ref().map_or(&[][..], |digest| digest))
}

/// Adds a confirmation of the newest record of a key.
pub(super) fn push_confirmed(sorter: &mut Sorter<'_>, key: &[u8]) -> Result<(), ReportError> {
    sorter.push(key, &[CONFIRMED])
}

/// Algorithm and digest as bytes, different for different ones.
pub(super) fn digest_key((algorithm, digest): (Algorithm, Digest)) -> [u8; DIGEST] {
    let mut key = [0; DIGEST];
    let (first, rest) = key.split_at_mut(1);
    first.fill(algorithm as u8);
    rest.iter_mut().zip(digest.bytes()).for_each(|(to, from)| *to = *from);
    key
}

/// The places of all records of a journal.
pub(super) struct Places {
    /// Those that were there when the run was taken up.
    pub(super) earlier: Option<Arc<Sorted>>,
    /// True where they count without a confirmation.
    pub(super) earlier_count: bool,
    /// Those written since.
    pub(super) fresh: Sorted,
}

/// A key, the place of the record that counts of it, and the digest that copies are told by, as
/// [`digest_key`] has it; empty where it has none.
type Counts<'a> = (&'a [u8], u64, &'a [u8]);

/// A pass over the records that count, in the order of their keys.
pub(super) struct Newest<'a> {
    /// What was written earlier comes first.
    sources: Vec<Source<'a>>,
    this: Row,
}

/// A pass over sorted rows that stands at one of them.
struct Source<'a> {
    rows: Rows<'a>,
    /// True where its records count without a confirmation.
    counts: bool,
    ahead: Row,
    more: bool,
}

#[derive(Default)]
struct Row {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'a> Newest<'a> {
    /// Of one journal's records.
    pub(super) fn of(places: &'a Places) -> Result<Self, ReportError> {
        let earlier =
            places.earlier.as_ref().map(|sorted| Source::of(sorted, places.earlier_count));
        let fresh = Source::of(&places.fresh, true);
        let sources = earlier.into_iter().chain([fresh]).collect::<Result<_, _>>()?;
        Ok(Self { sources, this: Row::default() })
    }

    /// Of records all of which count.
    pub(super) fn of_one(sorted: &'a Sorted) -> Result<Self, ReportError> {
        Ok(Self { sources: vec![Source::of(sorted, true)?], this: Row::default() })
    }

    /// The next key, with what counts of it.
    pub(super) fn next(&mut self) -> Result<Option<Counts<'_>>, ReportError> {
        while self.take_key() {
            let mut counts = false;
            for source in &mut self.sources {
                while source.more && source.ahead.key == self.this.key {
                    if source.ahead.value.first() == Some(&CONFIRMED) {
                        counts = true;
                    } else {
                        counts = source.counts;
                        std::mem::swap(&mut self.this.value, &mut source.ahead.value);
                    }
                    source.read_ahead()?;
                }
            }
            if counts && !self.this.value.is_empty() {
                let value = self.this.value.get(1..).unwrap_or_default();
                let (place, digest) = value.split_first_chunk().ok_or(ReportError::SpillDamaged)?;
                return Ok(Some((&self.this.key, u64::from_le_bytes(*place), digest)));
            }
        }
        Ok(None)
    }

    /// Makes the least key ahead the one to come; false where there is none.
    fn take_key(&mut self) -> bool {
        let ahead = self.sources.iter().filter(|source| source.more);
        let Some(least) = ahead.map(|source| &source.ahead.key).min() else { return false };
        self.this.key.clone_from(least);
        self.this.value.clear();
        true
    }
}

impl<'a> Source<'a> {
    fn of(sorted: &'a Sorted, counts: bool) -> Result<Self, ReportError> {
        let mut source = Self { rows: sorted.rows()?, counts, ahead: Row::default(), more: true };
        source.read_ahead()?;
        Ok(source)
    }

    fn read_ahead(&mut self) -> Result<(), ReportError> {
        let Row { key, value } = &mut self.ahead;
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
