//! Names that folders' indexes no longer hold and their unused space still does.
//!
//! A remnant is a name, never a content: it says nothing of clusters. It names a deleted record
//! that lost its own name, or it is all that is left of an object whose record was used again.

use super::index::Left;
use super::known::KnownNames;
use super::record::Reference;
use super::stamp::FileName;
use super::survey::Survey;
use super::system;

/// Most that are kept: each costs some 200 bytes.
const MOST: usize = 1 << 18;

/// A name that is left.
#[derive(Debug, Clone)]
pub(super) struct Remnant {
    /// The folder in whose index it was.
    pub(super) folder: Reference,
    /// The object; `None` where that was written over.
    pub(super) object: Option<Reference>,
    /// Where it is in the volume.
    pub(super) place: u64,
    /// The name and its times.
    pub(super) name: FileName,
    /// Bytes of the object when the index was last told.
    pub(super) size: u64,
}

impl Remnant {
    /// The record; behind all others where that is not known.
    pub(super) fn record(&self) -> u64 {
        self.object.map_or(u64::MAX, |object| object.record)
    }

    /// The words that stand for the object in the report.
    pub(super) fn fs_ref(&self) -> String {
        match self.object {
            Some(object) => system::fs_ref(object),
            None => format!("index:{}", self.place),
        }
    }

    /// Names before aliases, the first in the volume before its copies.
    fn rank(&self) -> impl Ord + '_ {
        (self.owner(), self.name.is_alias, &self.name.name, self.place)
    }

    fn owner(&self) -> (u64, Option<Reference>, Reference) {
        (self.record(), self.object, self.folder)
    }
}

/// All names that are left.
#[derive(Debug, Default)]
pub(super) struct Remnants {
    /// Of records that are still as they were freed.
    freed: Vec<Remnant>,
    /// Of objects that no record tells of any more.
    alone: Vec<Remnant>,
    /// True where there were more than are kept.
    pub(super) full: bool,
}

/// What became of the record that a remnant names.
enum Fate {
    /// It is the object still, or part of the file system.
    InForce,
    /// It was freed and not used since.
    Freed,
    /// Something else is there, or nothing.
    Gone,
}

impl Remnants {
    /// Keeps a remnant where it says what the table does not.
    pub(super) fn add(
        &mut self,
        left: Left,
        folder: Reference,
        place: u64,
        survey: &Survey,
        known: &KnownNames,
    ) {
        let Left { object, name, size, directory, .. } = left;
        let to = match object.map(|object| (object, fate(object, survey))) {
            Some((_, Fate::InForce)) => return,
            Some((object, Fate::Freed)) if known.of(name.key, object.record).is_some() => return,
            Some((_, Fate::Freed)) => &mut self.freed,
            None if known.is_known(name.key) => return,
            _ if directory => return,
            _ => &mut self.alone,
        };
        if to.len() >= MOST {
            self.full = true;
            return;
        }
        to.push(Remnant { folder, object, place, name, size });
    }

    /// Puts them in the order of the report, each once and aliases only where there is no name.
    pub(super) fn sort(&mut self) {
        for list in [&mut self.freed, &mut self.alone] {
            list.sort_by(|a, b| a.rank().cmp(&b.rank()));
            list.dedup_by(|b, a| {
                let alias = a.object.is_some() && b.name.is_alias && !a.name.is_alias;
                a.owner() == b.owner() && (alias || a.name.name == b.name.name)
            });
        }
    }

    /// The name of a freed record that has none itself.
    pub(super) fn name_of(&self, record: u64) -> Option<&FileName> {
        let at = self.freed.partition_point(|one| one.record() < record);
        self.freed.get(at).filter(|one| one.record() == record).map(|one| &one.name)
    }

    /// The one at `at` of those that stand alone, where its record is at most `record`.
    pub(super) fn alone(&self, at: usize, record: u64) -> Option<&Remnant> {
        self.alone.get(at).filter(|one| one.record() <= record)
    }
}

fn fate(object: Reference, survey: &Survey) -> Fate {
    if system::is_reserved(object.record) || object.record == system::ROOT {
        return Fate::InForce;
    }
    let Some(entry) = survey.entry(object.record) else { return Fate::Gone };
    let next = match object.sequence {
        u16::MAX => 1,
        sequence => sequence.saturating_add(1),
    };
    match entry.in_use {
        true if entry.sequence == object.sequence => Fate::InForce,
        false if [object.sequence, next].contains(&entry.sequence) => Fate::Freed,
        _ => Fate::Gone,
    }
}
