//! One object again: found by its path, read and hashed anew, beside what a report says of it.
//!
//! Nothing of the content leaves: places, times and digests do.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::content::BUFFER_BYTES;
use super::links::Links;
use super::object::{Shared, Worker};
use super::{Counters, ScanError, picture};
use crate::digest::Selection;
use crate::evidence::{EvidenceSource, VolumeRow};
use crate::item::{Extent, Item};
use crate::matching::Index;
use crate::report::{self, Record, ReportError};
use crate::worker::{self, Pool};

/// An object that was read again.
#[derive(Debug)]
pub struct Replayed {
    /// What a run without sets writes of it.
    pub record: Record,
    /// Where its bytes are, counted in its volume.
    pub extents: Vec<Extent>,
    /// The volume it lies in; `None` in a folder.
    pub volume: Option<VolumeRow>,
}

/// A cell of a report that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The column.
    pub column: &'static str,
    /// What the report says.
    pub reported: String,
    /// What was found now.
    pub found: String,
}

/// Columns of files.csv that depend on other rows or on the sets.
pub const NOT_OF_THE_OBJECT: [&str; 6] =
    ["record_no", "parent_record_no", "disposition", "match_count", "first_copy", "row_chain"];

/// Finds an object by its path and reads it anew, pictures decoded by a worker as in a run.
///
/// - `number`: of the evidence item, as in the path.
///
/// `None` where no object has this path.
///
/// # Errors
/// Where no worker can be started.
pub fn replay(
    source: &dyn EvidenceSource,
    number: u32,
    path: &str,
    selection: Selection,
) -> Result<Option<Replayed>, ScanError> {
    let cancel = AtomicBool::new(false);
    let mut found = None;
    // What lies inside an object is found by reading that.
    let leads_to = |item: &Item| {
        let rest = path.strip_prefix(&item.path.text());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("!/"))
    };
    let mut emit = |item: Item| match leads_to(&item) {
        false => ControlFlow::Continue(()),
        true => {
            found = Some(item);
            ControlFlow::Break(())
        }
    };
    let walked = source.walk(number, &cancel, &mut emit);
    let Some(item) = found else { return Ok(None) };
    let itself = item.path.text() == path;
    let extents = if itself { item.found.extents().to_vec() } else { Vec::new() };
    let Some(record) = read(item, number, path, selection)? else { return Ok(None) };
    let volume = walked.volumes.into_iter().find(|row| row.volume == record.meta.volume);
    Ok(Some(Replayed { record, extents, volume }))
}

/// Reads an item; gives the record of `path`, which is the item itself or inside it.
fn read(
    item: Item,
    number: u32,
    path: &str,
    selection: Selection,
) -> Result<Option<Record>, ScanError> {
    let pool = Pool::start(worker::Options::new(1))?;
    let (counters, cancel) = (Counters::default(), AtomicBool::new(false));
    let index = Index::default();
    let shared = Shared {
        index: &index,
        near: None,
        pictures: &|bytes| Some(pool.read_picture(bytes)),
        budget: picture::Budget::new(picture::BUDGET_BYTES),
        selection,
        counters: &counters,
        cancel: &cancel,
        links: Links::default(),
        children: AtomicU64::new(0),
    };
    let mut worker = Worker { shared: &shared, buffer: vec![0; BUFFER_BYTES] };
    let mut record = None;
    worker.work(number, item, &mut |done| {
        if done.path == path {
            record = Some(done);
        }
    });
    pool.stop();
    Ok(record)
}

/// Compares an object with its row in a report; `None` where the report has no row of this path.
///
/// # Errors
/// Where the report cannot be read.
pub fn compare(folder: &Path, record: &Record) -> Result<Option<Vec<Changed>>, ReportError> {
    let Some(reported) = report::row_of(folder, &record.path)? else { return Ok(None) };
    let found = report::cells_of(record)?;
    let differs = |(column, found): &(&'static str, String)| {
        let reported = reported.get(*column)?;
        // A digest that the run did not compute is no difference.
        let asked = !reported.is_empty()
            || !crate::digest::Algorithm::ALL.iter().any(|a| a.as_str() == *column);
        (asked && reported != found && !NOT_OF_THE_OBJECT.contains(column)).then(|| Changed {
            column,
            reported: reported.clone(),
            found: found.clone(),
        })
    };
    Ok(Some(found.iter().filter_map(differs).collect()))
}
