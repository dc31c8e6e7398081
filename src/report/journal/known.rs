//! What a journal of a run that was taken up again says of each object of the walk.

use crate::item::OrderKey;
use crate::output::OutputDir;
use crate::report::ReportError;
use crate::report::newest::Newest;
use crate::report::placed::Placed;
use crate::report::sort::Sorted;
use std::sync::Arc;

/// The newest record of each key of a journal, in the order of keys.
pub struct Known<'a> {
    out: &'a OutputDir,
    places: Arc<Sorted>,
}

impl<'a> Known<'a> {
    pub(super) const fn new(out: &'a OutputDir, places: Arc<Sorted>) -> Self {
        Self { out, places }
    }

    /// Reads them from the first.
    ///
    /// # Errors
    /// [`ReportError::Output`], [`ReportError::SpillDamaged`].
    pub fn records(&self) -> Result<KnownRecords<'_>, ReportError> {
        let (places, records) = (Newest::of_one(&self.places)?, Placed::open(self.out)?);
        Ok(KnownRecords { places, records, key: Vec::new(), place: None })
    }
}

/// A pass over the newest record of each key.
pub struct KnownRecords<'a> {
    places: Newest<'a>,
    records: Placed,
    /// The key it stands at.
    key: Vec<u8>,
    /// The place of that record; `None` before the first and after the last.
    place: Option<u64>,
}

impl KnownRecords<'_> {
    /// The encoded record of `key`, where there is one. Keys must come in their order.
    ///
    /// # Errors
    /// As [`Known::records`]; [`ReportError::JournalRead`].
    pub fn at(&mut self, key: &OrderKey) -> Result<Option<&[u8]>, ReportError> {
        while self.key.as_slice() < key.as_bytes() {
            self.advance()?;
            if self.place.is_none() {
                return Ok(None);
            }
        }
        match self.place {
            Some(place) if self.key == key.as_bytes() => self.records.record(place).map(Some),
            _ => Ok(None),
        }
    }

    /// The keys of records inside the one that [`KnownRecords::at`] gave last, but for those of the
    /// medium that it is an image of: these are objects of their own.
    ///
    /// # Errors
    /// As [`Known::records`].
    pub fn inside(&mut self, key: &OrderKey) -> Result<Vec<OrderKey>, ReportError> {
        let mut keys = Vec::new();
        let layers = key.layers();
        while self.place.is_some() && self.key.starts_with(key.as_bytes()) {
            if OrderKey::from_bytes(&self.key).layers() > layers {
                break;
            }
            if self.key != key.as_bytes() {
                keys.push(OrderKey::from_bytes(&self.key));
            }
            self.advance()?;
        }
        Ok(keys)
    }

    fn advance(&mut self) -> Result<(), ReportError> {
        self.key.clear();
        self.place = match self.places.next()? {
            Some((ahead, place, _)) => {
                self.key.extend_from_slice(ahead);
                Some(place)
            }
            None => None,
        };
        Ok(())
    }
}
