//! The threads of a run and the channels between them.
//!
//! walker -> items (bounded) -> workers -> records (bounded) -> the calling thread, which writes the
//! journal. Whoever cannot go on sets `cancel`; everybody else then drains what is under way and
//! ends. Nobody waits for somebody who waits for him: workers only wait for room in the records
//! channel, and its reader never waits for workers.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::content::BUFFER_BYTES;
use super::object::{Shared, Worker, failed};
use crate::evidence::folder::{Folder, WalkSummary};
use crate::item::Item;
use crate::report::Record;

/// Listed objects that wait for a worker. Enough that workers never starve behind a large folder.
const ITEMS: usize = 1_024;
/// Records that wait to be written.
const RECORDS: usize = 1_024;

type Listed = (u32, Item);

/// Walks, reads and matches everything; `write` takes each record, in no order.
///
/// Returns what the walker counted of each evidence item that was begun.
///
/// # Errors
/// The first error of `write`; the run is cancelled by it.
pub(super) fn run<E: Send>(
    roots: &[Folder],
    threads: usize,
    shared: &Shared<'_>,
    write: &mut dyn FnMut(Record) -> Result<(), E>,
) -> Result<Vec<WalkSummary>, E> {
    let (items_in, items) = bounded::<Listed>(ITEMS);
    let (records_in, records) = bounded::<Record>(RECORDS);
    std::thread::scope(|scope| {
        let walker = scope.spawn(move || walk(roots, shared, &items_in));
        for _ in 0..threads {
            let (items, records_in) = (items.clone(), records_in.clone());
            scope.spawn(move || work(shared, &items, &records_in));
        }
        drop((items, records_in));
        let mut result = Ok(());
        for record in records {
            if result.is_ok() {
                result = write(record);
            }
            if result.is_err() {
                shared.cancel.store(true, Ordering::Relaxed);
            }
        }
        let summaries = walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result.map(|()| summaries)
    })
}

fn walk(roots: &[Folder], shared: &Shared<'_>, items: &Sender<Listed>) -> Vec<WalkSummary> {
    let mut summaries = Vec::new();
    for (number, root) in (1..).zip(roots) {
        if shared.cancel.load(Ordering::Relaxed) {
            break;
        }
        let mut emit = |item: Item| {
            shared.counters.seen.fetch_add(1, Ordering::Relaxed);
            match items.send((number, item)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        summaries.push(root.walk(number, shared.cancel, &mut emit));
    }
    summaries
}

/// Works items off until there are none; an item on which our own code fails becomes a row.
fn work(shared: &Shared<'_>, items: &Receiver<Listed>, records: &Sender<Record>) {
    let mut worker = Worker { shared, buffer: vec![0; BUFFER_BYTES] };
    for (evidence, item) in items {
        if shared.cancel.load(Ordering::Relaxed) {
            continue; // drains the channel, so that the walker never waits for us
        }
        let (path, key) = (item.path.clone(), item.key.clone());
        let mut emit = |record| drop(records.send(record));
        let worked = catch_unwind(AssertUnwindSafe(|| worker.work(evidence, item, &mut emit)));
        if worked.is_err() {
            emit(failed(evidence, path, key));
        }
    }
}
