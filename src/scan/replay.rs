//! One object again: found by its path, read and hashed anew, beside what a report says of it.
//!
//! Nothing of the content leaves: places, times and digests do.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::content::BUFFER_BYTES;
use super::links::Links;
use super::nested::{At, Given, Images, Nested, Reading};
use super::object::{Shared, Worker};
use super::{Access, Counters, ScanError, picture};
use crate::digest::{Selection, lanes::Kernels};
use crate::evidence::{EvidenceSource, VolumeRow};
use crate::item::{Contents, Examined, Extent, Item, ObjectPath};
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
/// - `access`: how it was opened.
///
/// `None` where no object has this path.
///
/// # Errors
/// Where no worker can be started.
pub fn replay(
    source: &dyn EvidenceSource,
    number: u32,
    access: &Access,
    path: &str,
    selection: Selection,
) -> Result<Option<Replayed>, ScanError> {
    let cancel = AtomicBool::new(false);
    let reading = Reading { carve: access.carve, filesystem: access.filesystem.clone() };
    let mut search = Search { number, path, image: None, images: Images::default(), found: None };
    let mut ahead = images_of(path).into_iter();
    search.image = ahead.next();
    let mut walked = source.walk(number, &cancel, &mut |item| search.take(item));
    let mut nested = Nested::new(&reading, &cancel);
    while let (None, Some(image)) = (&search.found, search.image) {
        let Some(batch) = search.images.take() else { return Ok(None) };
        search.image = ahead.next();
        let mut emit = |_, given| match given {
            Given::Item(item) => search.take(item),
            Given::End => ControlFlow::Continue(()),
        };
        let inside = nested.pass(&batch.only(image), false, &mut emit);
        walked.volumes = inside.into_iter().flat_map(|(_, walked)| walked.volumes).collect();
    }
    let Some(item) = search.found else { return Ok(None) };
    let itself = item.path.text() == path;
    let extents = if itself { item.found.extents().to_vec() } else { Vec::new() };
    let Some(record) = read(item, number, path, selection)? else { return Ok(None) };
    let volume = walked.volumes.into_iter().find(|row| row.volume == record.meta.volume);
    Ok(Some(Replayed { record, extents, volume }))
}

/// The paths of the images inside evidence that a path leads through, from the outermost on: what
/// stands before `!/` and the name of a volume.
fn images_of(path: &str) -> Vec<&str> {
    let is_volume = |name: &str| {
        let number = name.strip_prefix("gap").or_else(|| name.strip_prefix('p'));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let leads = |(at, joint): (usize, &str)| {
        let rest = path.get(at.saturating_add(joint.len())..)?;
        let (volume, _) = rest.split_once('/')?;
        path.get(..at).filter(|_| is_volume(volume))
    };
    // The first layer is that of the evidence.
    path.match_indices("!/").skip(1).filter_map(leads).collect()
}

/// Looks for an object, or for the next image that its path leads through.
struct Search<'a> {
    number: u32,
    path: &'a str,
    image: Option<&'a str>,
    images: Images,
    found: Option<Item>,
}

impl Search<'_> {
    fn take(&mut self, item: Item) -> ControlFlow<()> {
        if let Some(image) = self.image {
            // Parts of the image lie beside it.
            let folder = item.path.folder().map(ObjectPath::text).unwrap_or_default();
            let beside = image.strip_prefix(&folder).and_then(|rest| rest.strip_prefix("!/"));
            let below = image.strip_prefix(&folder).and_then(|rest| rest.strip_prefix(['/', ':']));
            if beside.or(below).is_some_and(|name| !name.contains('/')) {
                let Item { path, key, found } = item;
                if let Examined { meta, contents: Contents::Stream(stream), .. } = found.examine() {
                    let at = At { evidence: self.number, path: &path, key: &key, confirmed: false };
                    self.images.look(at, &meta, &*stream);
                }
            }
            return ControlFlow::Continue(());
        }
        // What lies inside an object is found by reading that.
        let rest = self.path.strip_prefix(&item.path.text());
        if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with("!/")) {
            return ControlFlow::Continue(());
        }
        self.found = Some(item);
        ControlFlow::Break(())
    }
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
        kernels: Kernels::best(),
        counters: &counters,
        cancel: &cancel,
        links: Links::default(),
        images: Images::default(),
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
