//! Objects from all their records.

use std::sync::Arc;

use super::Geometry;
use super::attribute::{ATTRIBUTE_LIST, Attributes};
use super::list;
use super::mapped::Mapped;
use super::mft::Mft;
use super::object::{Object, Small};
use super::record::{Record, Reference, State};
use super::survey::Survey;
use super::wide;

use crate::bytes::ReadAt;

/// Attribute lists are read from clusters up to so many lengths of the table, all together.
const MOST_LISTS: u64 = 8;

/// Puts objects together.
pub(super) struct Gather<'a> {
    volume: Arc<dyn ReadAt>,
    geometry: &'a Geometry,
    mft: &'a Mft,
    survey: &'a Survey,
    /// Bytes of attribute lists that may still be read.
    left: u64,
    bytes: Vec<u8>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(
        volume: &Arc<dyn ReadAt>,
        geometry: &'a Geometry,
        mft: &'a Mft,
        survey: &'a Survey,
    ) -> Self {
        let table = mft.records().saturating_mul(wide(mft.record_size()));
        let left = table.saturating_mul(MOST_LISTS).saturating_add(list::MOST_BYTES);
        let bytes = vec![0; mft.record_size()];
        Self { volume: Arc::clone(volume), geometry, mft, survey, left, bytes }
    }

    /// The object that this record is the first of.
    pub(super) fn object(&mut self, number: u64, record: &Record<'_>) -> Object {
        let mut object = Object::of(number, record);
        let mut attributes = Attributes::new(record.attributes).map_while(Result::ok);
        let list = attributes.find(|attribute| attribute.kind == ATTRIBUTE_LIST);
        let mut listed = None;
        if let (Some(list), true) = (list, object.in_use) {
            listed = list::read(&*self.volume, self.geometry, &list, self.left);
            self.left = self.left.saturating_sub(list::cost(&list));
            if listed.is_none() {
                object.damage = Some("its attribute list cannot be read");
            }
        }
        let mut found = Vec::new();
        for other in self.survey.continued(number) {
            let wanted = listed.as_ref().is_none_or(|listed| listed.binary_search(&other).is_ok());
            if list.is_some() && wanted && self.add(other, &mut object) {
                found.push(other);
            }
        }
        let there = |other: &u64| *other == number || found.binary_search(other).is_ok();
        if listed.is_some_and(|listed| !listed.iter().all(there)) {
            object.damage = Some("a record that should continue it is not there");
        }
        object.finish();
        object
    }

    /// The object of a record by its number, where the record is whole and in use.
    pub(super) fn by_number(&mut self, number: u64) -> Option<Object> {
        let mut bytes = vec![0; self.mft.record_size()];
        if number >= self.mft.records() || self.mft.read(number, &mut bytes) != State::Whole {
            return None;
        }
        let record = Record::parse(&bytes).ok().filter(Record::is_in_use)?;
        Some(self.object(number, &record))
    }

    /// Adds what another record of the object holds; false where it is none.
    fn add(&mut self, number: u64, object: &mut Object) -> bool {
        if self.mft.read(number, &mut self.bytes) != State::Whole {
            return false;
        }
        let Ok(record) = Record::parse(&self.bytes) else { return false };
        let own = record.base.is_some_and(|base| is_base(base, object));
        if !own || record.is_in_use() != object.in_use {
            return false;
        }
        object.gather(&record);
        true
    }

    /// The bytes of an attribute, where it has at most `most`.
    pub(super) fn bytes(&self, small: &Small, most: u64) -> Option<Vec<u8>> {
        match small {
            Small::Resident(bytes) => Some(bytes.clone()),
            Small::Clusters(runs, size) => {
                let size = Some(*size).filter(|size| *size <= most)?;
                let mut bytes = vec![0; usize::try_from(size).ok()?];
                let mut map = Mapped::default();
                map.extend(runs.iter().copied());
                let n = map.fill(&*self.volume, self.geometry, 0, &mut bytes).ok()?;
                bytes.truncate(n);
                Some(bytes)
            }
        }
    }
}

/// True where a record names this object as the one it continues. Freeing a record raises its
/// number, and what continues it keeps the one before.
fn is_base(base: Reference, object: &Object) -> bool {
    let Reference { record, sequence } = object.reference;
    let same = base.sequence == sequence;
    let freed = !object.in_use && base.sequence.wrapping_add(1) == sequence;
    base.record == record && (same || freed)
}
