//! Readers of streamed lists as tests/fuzz calls them: any text, cut into blocks of any length.

use super::category::Categories;
use super::format::nsrl::{self, NsrlText};
use super::format::vics::Vics;
use super::stream::Window;
use super::tally::Tally;
use super::{Place, Reject, RowName, RowSink, SetCounts, SetEntry, SetError, SetKind};
use std::sync::LazyLock;

static POOL: LazyLock<Option<rayon::ThreadPool>> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(1).build().ok());

/// What a text became.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Its entries.
    pub entries: Vec<(RowName, SetEntry)>,
    /// Rows that are none; all are tolerated.
    pub rejects: Vec<Reject>,
    /// What was counted.
    pub counts: SetCounts,
    /// The error that ended the reading, and its place.
    pub error: Option<(String, Option<Place>)>,
}

impl RowSink for Taken {
    fn entry(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError> {
        self.entries.push((row, entry));
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), SetError> {
        self.rejects.push(reject);
        Ok(())
    }
}

impl Taken {
    fn ended(mut self, counts: SetCounts, result: Result<(), SetError>) -> Self {
        // Of a text that is refused nothing counts.
        self.counts = if result.is_ok() { counts } else { SetCounts::default() };
        self.error = result.err().map(|error| (error.to_string(), error.place().cloned()));
        self
    }
}

/// Reads a text as VICS.
pub fn vics(text: &[u8], block: usize) -> Option<Taken> {
    let mut taken = Taken::default();
    let mut vics = Vics {
        kind: SetKind::Alert,
        accept_polarity: false,
        pool: POOL.as_ref()?,
        tally: Tally::new(SetKind::Alert),
        categories: Categories::new(SetKind::Alert, None, false),
        sink: &mut taken,
        before: 0,
        model: None,
    };
    let result = vics.read(&mut Window::of(text, block));
    let counts = vics.tally.counts;
    Some(taken.ended(counts, result))
}

/// Reads a text as one of the NSRL; `None` where it has not such a header.
pub fn nsrl(text: &[u8], block: usize) -> Option<Taken> {
    if !nsrl::is_text(text) {
        return None;
    }
    let mut taken = Taken::default();
    let mut tally = Tally::new(SetKind::Ignore);
    let mut nsrl = NsrlText { pool: POOL.as_ref()?, tally: &mut tally, sink: &mut taken };
    let result = nsrl.read(&mut Window::of(text, block));
    Some(taken.ended(tally.counts, result))
}

/// How many objects serde_json finds in `value` of a document, or in an array; `None` where it is
/// no JSON to it or has another form.
pub fn records_by_serde(text: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(text);
    let value: serde_json::Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let records = match &value {
        serde_json::Value::Array(records) => records,
        value => value.get("value")?.as_array()?,
    };
    records.iter().all(serde_json::Value::is_object).then_some(records.len())
}
