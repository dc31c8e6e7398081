//! What an earlier attempt of the run left behind, and what of it is still true.
//!
//! The walk starts again from the first folder. Objects come in the order of their keys and so do
//! the old records, so the two are joined without holding either. An object that has an old record
//! of the same place and name, which says that it was read whole, and that looks exactly as it did,
//! is confirmed; every other is examined anew. An object that was in progress when the process
//! ended is kept back to the end and then examined while nothing else is, so that it costs nothing
//! else if it ends the process again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::object;
use crate::item::{Item, OrderKey};
use crate::matching::Disposition;
use crate::problem::{Code, Problem, Stage};
use crate::report::{Known, KnownRecords, Record, ReportError, Suspect, name_sum};

/// How often the process may end during an object: once beside others and twice alone. A kill from
/// outside looks the same as a fault, so one alone says too little.
const DEATHS: u32 = 3;

/// What an earlier attempt left behind.
pub(super) struct Earlier<'a> {
    pub(super) known: Known<'a>,
    pub(super) suspects: Vec<Suspect>,
}

/// What became of the earlier records.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Still true.
    pub(super) confirmed: AtomicU64,
    /// Of objects that were examined anew.
    pub(super) again: AtomicU64,
}

/// An object on its way to a worker.
pub(super) struct Job {
    pub(super) evidence: u32,
    pub(super) item: Item,
    /// The earlier record at its key.
    pub(super) earlier: Option<Box<[u8]>>,
    /// The keys of earlier records of objects inside it.
    pub(super) inside: Vec<OrderKey>,
    /// How often the process ended during it.
    pub(super) deaths: u32,
}

/// Keys of earlier records that are still true: run into one, so that a thread that writes them
/// frees one thing and not each.
#[derive(Debug, Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    /// Enough that passing them on costs next to nothing.
    const MANY: usize = 512;

    pub(super) fn push(&mut self, key: &OrderKey) {
        self.bytes.extend_from_slice(key.as_bytes());
        self.ends.push(self.bytes.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// True where they are to be passed on.
    pub(super) fn are_many(&self) -> bool {
        self.ends.len() >= Self::MANY
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// What is known of an object that the walk met.
pub(super) enum Met {
    /// It is for a worker.
    Job(Job),
    /// Its earlier record is still true, has no finding and is of no image; so are the records of
    /// so many objects inside it.
    Confirmed(usize),
}

/// The old records, read beside the walk.
pub(super) struct Join<'a> {
    records: Option<KnownRecords<'a>>,
    suspects: &'a [Suspect],
    checked: &'a Checked,
    /// Records that were found still true, those of objects inside one before its own.
    pub(super) keys: Keys,
}

impl<'a> Join<'a> {
    pub(super) fn new(
        earlier: Option<&'a Earlier<'_>>,
        checked: &'a Checked,
    ) -> Result<Self, ReportError> {
        let records = earlier.map(|earlier| earlier.known.records()).transpose()?;
        let suspects = earlier.map_or(&[][..], |earlier| &earlier.suspects);
        Ok(Self { records, suspects, checked, keys: Keys::default() })
    }

    /// Says what is known of an object. Objects must come in the order of their keys.
    ///
    /// Whether an ordinary record is still true is seen here: to pass it on to another thread costs
    /// more than to look.
    pub(super) fn meet(&mut self, evidence: u32, item: Item) -> Result<Met, ReportError> {
        let name = || name_sum(item.path.name().unwrap_or_default());
        let suspect = self.suspects.iter().find(|s| s.key == item.key && s.name == name());
        let deaths = suspect.map_or(0, |suspect| suspect.deaths);
        let (mut earlier, mut inside) = (None, Vec::new());
        if let Some(records) = &mut self.records
            && let Some(record) = records.at(&item.key)?
        {
            let still = deaths == 0 && is_plain_and_true(record, &item);
            if !still {
                earlier = Some(Box::from(record));
            }
            inside = records.inside(&item.key)?;
            if still {
                self.checked.confirmed.fetch_add(1, Ordering::Relaxed);
                inside.iter().chain([&item.key]).for_each(|key| self.keys.push(key));
                return Ok(Met::Confirmed(inside.len()));
            }
        }
        Ok(Met::Job(Job { evidence, item, earlier, inside, deaths }))
    }
}

/// True where an earlier record is still true and there is nothing to do or tell because of it.
fn is_plain_and_true(record: &[u8], item: &Item) -> bool {
    Record::outline(record).is_ok_and(|outline| {
        let plain = outline.disposition == Disposition::None && !outline.image;
        plain
            && outline.lasting
            && outline.path == item.path.text()
            && item.found.unchanged(&outline.meta)
    })
}

impl Job {
    /// True where the object is to be examined while nothing else is.
    pub(super) fn is_suspect(&self) -> bool {
        self.deaths > 0
    }

    /// The record that stands for the object without looking into it again.
    pub(super) fn settled(&self, checked: &Checked) -> Option<Settled> {
        let Item { path, key, found } = &self.item;
        if self.deaths >= DEATHS {
            let record = object::failed(self.evidence, path.clone(), key.clone());
            let detail =
                format!("the process ended {} times while it was in progress", self.deaths);
            let problem = Problem::new(Code::CrashedBefore, Stage::Read, detail);
            let (reason, problems) = (Some(problem.code), vec![problem]);
            return Some(Settled::GivenUp(Box::new(Record { reason, problems, ..record })));
        }
        let record = Record::decode(self.earlier.as_ref()?).ok();
        let still = |record: &Record| {
            record.is_lasting() && record.path == path.text() && found.unchanged(&record.meta)
        };
        let record = record.filter(still);
        let count = if record.is_some() { &checked.confirmed } else { &checked.again };
        count.fetch_add(1, Ordering::Relaxed);
        record.map(|record| Settled::Confirmed(Box::new(record)))
    }
}

/// A record that needed no reading.
pub(super) enum Settled {
    /// An earlier record that is still true.
    Confirmed(Box<Record>),
    /// A new record: the object is not tried any more.
    GivenUp(Box<Record>),
}
