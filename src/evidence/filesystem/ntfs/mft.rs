//! The master file table: every object of the volume is a record of it.
//!
//! The table says itself where it is, in its first record; the first records have a copy elsewhere.
//! It is read in its own order, which needs no folder to be in order.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::attribute::{ATTRIBUTE_LIST, Attribute, Attributes, Body, DATA};
use super::boot::Boot;
use super::list;
use super::mapped::Mapped;
use super::record::{Record, State, restore};
use super::runlist::{Run, decode};
use super::{Geometry, damaged, wide};

use crate::bytes::ReadAt;
use crate::problem::Problem;

/// Bytes of the table that are read at once.
const STRETCH: usize = 256 << 10;

/// No volume has more records: their numbers are kept in four bytes.
const MOST_RECORDS: u64 = 1 << 32;

/// The table, found and measured.
pub(super) struct Mft {
    volume: Arc<dyn ReadAt>,
    geometry: Geometry,
    map: Mapped,
    record: usize,
    records: u64,
    /// Where the copy of the first records is, and which of them are read from it.
    mirror: u64,
    mirrored: Vec<u64>,
}

impl Mft {
    /// Finds the table. What is wrong with it is added to `problems`.
    pub(super) fn open(
        volume: &Arc<dyn ReadAt>,
        boot: &Boot,
        geometry: Geometry,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Problem> {
        let mirror = boot.mirror.saturating_mul(boot.cluster);
        let mut mft = Self {
            volume: Arc::clone(volume),
            geometry,
            map: Mapped::default(),
            record: boot.record,
            records: 0,
            mirror,
            mirrored: Vec::new(),
        };
        let at = boot.mft.saturating_mul(boot.cluster);
        let mut bytes = vec![0; boot.record];
        if mft.read_from(at, &mut bytes) != State::Whole {
            if mft.read_from(mirror, &mut bytes) != State::Whole {
                let detail =
                    "neither the first record of the master file table nor its copy can be read";
                return Err(damaged(detail).at(at, wide(boot.record)));
            }
            problems.push(from_copy(0).at(at, wide(boot.record)));
            mft.mirrored.push(0);
        }
        let Ok((attributes, _)) = attributes(&bytes) else {
            return Err(damaged("the first record of the master file table makes no sense"));
        };
        mft.map_out(&attributes, problems)?;
        mft.prefer_copies(problems);
        Ok(mft)
    }

    /// Finds where the whole table is from the attributes of its first record.
    fn map_out(
        &mut self,
        attributes: &[Attribute<'_>],
        problems: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let header = attributes.iter().find_map(|attribute| match attribute.body {
            Body::Clusters(header) if attribute.kind == DATA && header.first == 0 => Some(header),
            _ => None,
        });
        let Some(header) = header else {
            return Err(damaged("the master file table does not say where it is"));
        };
        self.map.extend(decode(header.pairs, 0, header.end).0);
        let written = header.initialized.min(header.size);
        let stated = written.checked_div(wide(self.record)).unwrap_or(0);
        self.measure(stated);
        if let Some(list) = attributes.iter().find(|a| a.kind == ATTRIBUTE_LIST) {
            let found = list::read(&*self.volume, &self.geometry, list, list::MOST_BYTES);
            let records = found.unwrap_or_default();
            self.map_further(&records, stated);
        }
        if self.records < stated {
            let detail = format!(
                "the master file table should have {stated} records, {} have a place",
                self.records
            );
            problems.push(damaged(&detail));
        }
        Ok(())
    }

    /// Adds the parts of the table that other records of it name. Each of them is in a part that
    /// was found before.
    fn map_further(&mut self, continued: &[u64], stated: u64) {
        let mut pieces: Vec<(u64, Vec<Run>)> = Vec::new();
        let mut waiting: Vec<u64> = continued.iter().copied().filter(|n| *n != 0).collect();
        let mut bytes = vec![0; self.record];
        loop {
            let before = (waiting.len(), self.records);
            waiting.retain(|number| {
                if *number >= self.records || self.read(*number, &mut bytes) != State::Whole {
                    return true;
                }
                if let Ok((found, Some(0))) = attributes(&bytes) {
                    pieces.extend(found.iter().filter_map(continuation));
                }
                false
            });
            pieces.sort_by_key(|(first, _)| *first);
            for (first, runs) in &pieces {
                if *first == self.map.clusters() {
                    self.map.extend(runs.iter().copied());
                }
            }
            self.measure(stated);
            if before == (waiting.len(), self.records) {
                return;
            }
        }
    }

    /// Counts the records that have a place. The table is no longer than the volume.
    fn measure(&mut self, stated: u64) {
        let bytes = self.map.clusters().saturating_mul(self.geometry.cluster);
        let bytes = bytes.min(self.geometry.bytes);
        let room = bytes.checked_div(wide(self.record)).unwrap_or(0);
        self.records = room.min(stated).min(MOST_RECORDS);
    }

    /// Reads the first records from their copy where only that is whole.
    fn prefer_copies(&mut self, problems: &mut Vec<Problem>) {
        let copies = self.geometry.cluster.checked_div(wide(self.record)).unwrap_or(0).max(4);
        let mut bytes = vec![0; self.record];
        for number in 0..copies.min(self.records) {
            if self.mirrored.contains(&number) || self.read(number, &mut bytes) == State::Whole {
                continue;
            }
            let at = self.mirror.saturating_add(number.saturating_mul(wide(self.record)));
            if self.read_from(at, &mut bytes) == State::Whole {
                self.mirrored.push(number);
                problems.push(from_copy(number));
            }
        }
    }

    /// Number of records.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of a record.
    pub(super) const fn record_size(&self) -> usize {
        self.record
    }

    /// Where a record is in the volume.
    pub(super) fn place(&self, number: u64) -> Option<u64> {
        let at = number.checked_mul(wide(self.record))?;
        self.map.place(at, &self.geometry)?.0
    }

    /// Reads one record into `bytes`, which is as long as a record.
    pub(super) fn read(&self, number: u64, bytes: &mut [u8]) -> State {
        let offset = number.saturating_mul(wide(self.record));
        if self.mirrored.contains(&number) {
            return self.read_from(self.mirror.saturating_add(offset), bytes);
        }
        match self.fill(offset, bytes) {
            Ok(n) if n == bytes.len() => restore(bytes),
            _ => State::Unreadable,
        }
    }

    fn read_from(&self, at: u64, bytes: &mut [u8]) -> State {
        match self.volume.fill_at(at, bytes) {
            Ok(n) if n == bytes.len() => restore(bytes),
            _ => State::Unreadable,
        }
    }

    fn fill(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.map.fill(&*self.volume, &self.geometry, at, buf)
    }

    /// Gives every record in order; false where `visit` wanted no more.
    pub(super) fn scan(&self, mut visit: impl FnMut(u64, State, &[u8]) -> ControlFlow<()>) -> bool {
        let mut stretch = vec![0; STRETCH.max(self.record)];
        let mut number = 0;
        while number < self.records {
            let at = number.saturating_mul(wide(self.record));
            let whole = self.fill(at, &mut stretch).unwrap_or(0);
            let (first, mut done) = (number, 0_u64);
            for bytes in stretch.chunks_exact_mut(self.record) {
                number = first.saturating_add(done);
                if number >= self.records {
                    break;
                }
                done = done.saturating_add(1);
                let there = done.saturating_mul(wide(self.record)) <= wide(whole);
                let state = if there && !self.mirrored.contains(&number) {
                    restore(bytes)
                } else {
                    self.read(number, bytes)
                };
                if visit(number, state, bytes).is_break() {
                    return false;
                }
            }
            number = first.saturating_add(done);
        }
        true
    }
}

/// The attributes of a restored record, and the number of the record that it continues.
fn attributes(bytes: &[u8]) -> Result<(Vec<Attribute<'_>>, Option<u64>), ()> {
    let record = Record::parse(bytes).map_err(|_| ())?;
    let base = record.base.map(|base| base.record);
    Ok((Attributes::new(record.attributes).map_while(Result::ok).collect(), base))
}

/// A later part of the table's own run list.
fn continuation(attribute: &Attribute<'_>) -> Option<(u64, Vec<Run>)> {
    match attribute.body {
        Body::Clusters(header) if attribute.kind == DATA && attribute.continues() => {
            Some((header.first, decode(header.pairs, header.first, header.end).0))
        }
        _ => None,
    }
}

fn from_copy(number: u64) -> Problem {
    damaged(&format!("record {number} of the master file table is damaged; its copy was read"))
}
