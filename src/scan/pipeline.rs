//! The threads of a run and the channels between them.
//!
//! walker -> items (bounded) -> workers -> records (bounded) -> the calling thread, which writes the
//! journal. Whoever cannot go on sets `cancel`; everybody else then drains what is under way and
//! ends. Nobody waits for somebody who waits for him: workers only wait for room in the records
//! channel, and its reader never waits for workers.
//!
//! Where evidence is lost, the run is cancelled: what is met after that says nothing of objects.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, TryRecvError, TrySendError, bounded};

use super::content::BUFFER_BYTES;
use super::flight::{self, Flight};
use super::nested::{At, Given, Nested, Reading};
use super::object::{Shared, Worker, failed};
use super::pace::Pace;
use super::resume::{Checked, Earlier, Job, Join, Keys, Met, Settled};
use super::share::{Loads, Long, Next, Queue};
use crate::evidence::{EvidenceSource, Walked};
use crate::item::{Contents, Examined, Item, ObjectPath, OrderKey};
use crate::matching::Disposition;
use crate::report::{InProgress, Record, ReportError};

/// Listed objects that wait for a worker. Enough that workers never starve behind a large folder.
const ITEMS: usize = 1_024;
/// Records that wait to be written.
const RECORDS: usize = 1_024;

/// What a pipeline runs on.
pub(super) struct Pipeline<'a> {
    pub(super) roots: &'a [Box<dyn EvidenceSource>],
    pub(super) threads: usize,
    /// How many of them there is a core for.
    pub(super) computing: usize,
    /// Objects that each has open at most.
    pub(super) streams: usize,
    pub(super) shared: &'a Shared<'a>,
    /// What an earlier attempt left behind.
    pub(super) earlier: Option<&'a Earlier<'a>>,
    pub(super) checked: &'a Checked,
    pub(super) in_progress: &'a InProgress,
    /// How images inside the evidence are read.
    pub(super) inside: &'a Reading,
    /// Keeps the reading of an image and its verification together.
    pub(super) pace: &'a Pace,
}

/// What the pipeline gives, in no order.
pub(super) enum Done {
    /// The record of an object that was examined.
    Record(Box<Record>),
    /// Earlier records that are still true, and that of the last one where a person wants to know
    /// of it.
    Confirmed(Keys, Option<Box<Record>>),
    /// What was given so far has to be durable before an object is begun that may end the process.
    Alone,
}

/// Objects that are put into the order of their place before they are read. Each of an image holds
/// its extents, so that more would cost memory and gain little.
const WINDOW: usize = 512;

/// What the walks gave beside their items.
#[derive(Default)]
struct Walks {
    ended: Vec<Walked>,
    /// Of images inside evidence, with the number of that.
    inside: Vec<(u32, Walked)>,
    /// Objects to be examined alone.
    suspects: Vec<Job>,
    error: Option<ReportError>,
}

/// Where the walker gives what it met.
struct Outlets {
    items: Sender<Job>,
    records: Sender<Done>,
}

/// Lists objects on the walker's thread.
type List<'a> = dyn Fn(&Outlets, &mut Walks) -> Result<(), ReportError> + Sync + 'a;

impl Pipeline<'_> {
    /// Walks, reads and matches everything: the evidence, then the images that were found in it, then
    /// those in them, and so on. Each of these passes goes on from object to object in their order,
    /// as the join with earlier records needs it.
    ///
    /// Returns what the walker counted of each evidence item that was begun.
    ///
    /// # Errors
    /// The first error of `write`, or of reading the earlier records; the run is cancelled by it.
    pub(super) fn run<E: Send + From<ReportError>>(
        &self,
        write: &mut dyn FnMut(Done) -> Result<(), E>,
    ) -> Result<Vec<Walked>, E> {
        let mut ended = self.pass(&|outlets, walks| self.walk_into(outlets, walks), write)?.ended;
        self.pace.ends_reading();
        let nested = Mutex::new(Nested::new(self.inside, self.shared.cancel));
        let lock = || nested.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(batch) = self.shared.images.take().filter(|_| !self.is_cancelled()) {
            let walk = |outlets: &Outlets, walks: &mut Walks| {
                let mut feed = Feed::new(self, outlets)?;
                let mut emit = |evidence, given| match given {
                    Given::Item(item) => feed.take(evidence, item),
                    Given::End => feed.window.flush(),
                };
                walks.inside = lock().pass(&batch, self.earlier.is_some(), &mut emit);
                feed.end(walks)
            };
            let walked = self.pass(&walk, write)?.inside;
            for (number, walked) in walked.into_iter().chain(lock().changes()) {
                let index = usize::try_from(number).unwrap_or(0).checked_sub(1);
                if let Some(evidence) = index.and_then(|index| ended.get_mut(index)) {
                    evidence.add_inside(walked);
                }
            }
        }
        Ok(ended)
    }

    /// Gives what `walk` lists to the workers, and what these give to `write`.
    fn pass<E: Send + From<ReportError>>(
        &self,
        walk: &List<'_>,
        write: &mut dyn FnMut(Done) -> Result<(), E>,
    ) -> Result<Walks, E> {
        let (items_in, items) = bounded::<Job>(ITEMS);
        let (records_in, records) = bounded::<Done>(RECORDS);
        let loads = &Loads::new(self.computing);
        let mut walked = std::thread::scope(|scope| {
            let outlets = Outlets { items: items_in, records: records_in.clone() };
            let walker = scope.spawn(move || self.walk(walk, &outlets));
            let queues = Queue::for_each(&items, self.threads, self.computing);
            for (number, queue) in (0..).zip(queues) {
                let records_in = records_in.clone();
                scope.spawn(move || self.work(number, &queue, &records_in, loads));
            }
            drop((items, records_in));
            let mut result = Ok(());
            let mut rest = Rest::default();
            loop {
                let done = match records.try_recv() {
                    Ok(done) => done,
                    Err(TryRecvError::Empty) => {
                        rest.take();
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => break,
                };
                rest = Rest::default();
                if result.is_ok() {
                    result = write(done);
                }
                if result.is_err() {
                    self.cancel();
                }
            }
            let walked = walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result.map(|()| walked)
        })?;
        if let Some(error) = walked.error {
            return Err(error.into());
        }
        self.alone(std::mem::take(&mut walked.suspects), write)?;
        Ok(walked)
    }

    fn cancel(&self) {
        self.shared.cancel.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.shared.cancel.load(Ordering::Relaxed)
    }

    /// True, and everybody stops, where the evidence of this number cannot be reached any more.
    fn is_lost(&self, evidence: u32) -> bool {
        let index = usize::try_from(evidence).unwrap_or(0).checked_sub(1);
        let lost = index.and_then(|index| self.roots.get(index)).is_some_and(|root| root.is_lost());
        if lost {
            self.cancel();
        }
        lost
    }

    fn walk(&self, walk: &List<'_>, outlets: &Outlets) -> Walks {
        let mut walks = Walks::default();
        if let Err(error) = walk(outlets, &mut walks) {
            self.cancel();
            walks.error = Some(error);
        }
        walks
    }

    fn walk_into(&self, outlets: &Outlets, walks: &mut Walks) -> Result<(), ReportError> {
        let mut feed = Feed::new(self, outlets)?;
        for (number, root) in (1..).zip(self.roots) {
            if self.is_cancelled() || feed.failed.is_some() {
                break;
            }
            let mut emit = |item: Item| feed.take(number, item);
            walks.ended.push(root.walk(number, self.shared.cancel, &mut emit));
            let _nobody_listens_any_more = feed.window.flush();
        }
        feed.end(walks)
    }

    /// Slots for objects in progress that so many threads need.
    pub(super) const fn slots(threads: usize) -> usize {
        threads.saturating_mul(flight::MOST)
    }

    /// Works items off, many side by side, until there are none.
    fn work(&self, number: usize, queue: &Queue, records: &Sender<Done>, loads: &Loads) {
        let reading = self.shared.reading();
        let mut flight = Flight::new(self.shared, &reading, self.streams);
        let mut emit = |done| drop(records.send(done));
        let first = number.saturating_mul(flight::MOST);
        loop {
            while let Some(slot) = flight.slot() {
                let (idle, left) = (flight.is_empty(), flight.left());
                loads.tell(number, left);
                if !idle && loads.leaves(number, left, queue.len()) {
                    break;
                }
                let open = match queue.next(idle) {
                    // A cancelled run drains the channel, so that the walker never waits for us.
                    Some(_) if self.is_cancelled() => None,
                    Some(Next::Job(job)) => {
                        let open = self.open(first.saturating_add(slot), job, &mut emit);
                        open.and_then(|open| queue.hand_over(open))
                    }
                    Some(Next::Long(open)) => {
                        self.begin(first.saturating_add(slot), &open.place);
                        Some(*open)
                    }
                    None if idle => return,
                    None => break,
                };
                if let Some(Long { evidence, place, opened }) = open {
                    flight.admit(evidence, place, opened);
                }
            }
            if self.is_cancelled() {
                flight.abandon();
                continue;
            }
            let mut emit = |evidence, record| {
                if !self.is_lost(evidence) {
                    emit(Done::Record(Box::new(record)));
                }
            };
            flight.go_alone(&|| queue.len() == 0 && !self.is_cancelled(), &mut emit);
            flight.go_on(&mut emit);
        }
    }

    /// Notes that a thread has an object in one of its slots.
    fn begin(&self, slot: usize, (path, key): &(ObjectPath, OrderKey)) {
        self.in_progress.begin(slot, key, path.name().unwrap_or_default());
    }

    /// Opens an object, unless that is not needed.
    fn open(&self, slot: usize, job: Job, emit: &mut dyn FnMut(Done)) -> Option<Long> {
        let Job { evidence, item, .. } = self.unsettled(job, emit)?;
        if let Some(place) = item.found.place() {
            self.pace.begins(evidence, place);
        }
        let place = (item.path.clone(), item.key.clone());
        self.begin(slot, &place);
        let mut emit = |record| {
            if !self.is_lost(evidence) {
                emit(Done::Record(Box::new(record)));
            }
        };
        let open = || self.shared.open(evidence, item, &mut emit);
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(opened) => opened.map(|opened| Long { evidence, place, opened }),
            Err(_) => {
                let (path, key) = place;
                emit(failed(evidence, path, key));
                None
            }
        }
    }

    /// Examines, one after the other and nothing beside, the objects that may end the process.
    fn alone<E>(
        &self,
        suspects: Vec<Job>,
        write: &mut dyn FnMut(Done) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut worker = Worker { shared: self.shared, buffer: vec![0; BUFFER_BYTES] };
        for job in suspects {
            if self.is_cancelled() {
                break;
            }
            write(Done::Alone)?;
            self.in_progress.clear();
            let mut done = Vec::new();
            self.examine(&mut worker, job, &mut |record| done.push(record));
            done.into_iter().try_for_each(&mut *write)?;
        }
        Ok(())
    }

    /// Examines an object alone; one on which our own code fails becomes a row.
    fn examine(&self, worker: &mut Worker<'_>, job: Job, emit: &mut dyn FnMut(Done)) {
        let Some(Job { evidence, item, .. }) = self.unsettled(job, emit) else { return };
        let (path, key) = (item.path.clone(), item.key.clone());
        self.in_progress.begin(0, &key, path.name().unwrap_or_default());
        let mut emit = |record| {
            if !self.is_lost(evidence) {
                emit(Done::Record(Box::new(record)));
            }
        };
        let worked = catch_unwind(AssertUnwindSafe(|| worker.work(evidence, item, &mut emit)));
        if worked.is_err() {
            emit(failed(evidence, path, key));
        }
    }

    /// The job, where no record stands for its object; otherwise gives that.
    fn unsettled(&self, job: Job, emit: &mut dyn FnMut(Done)) -> Option<Job> {
        match job.settled(self.checked) {
            Some(Settled::Confirmed(record)) => {
                self.count(record.disposition, record.is_lasting(), job.inside.len());
                let mut keys = Keys::default();
                job.inside.iter().chain([&job.item.key]).for_each(|key| keys.push(key));
                if record.image {
                    self.look_again(job.evidence, job.item);
                }
                let found = record.disposition != Disposition::None;
                emit(Done::Confirmed(keys, found.then_some(record)));
                None
            }
            Some(Settled::GivenUp(record)) => {
                self.count(record.disposition, record.is_lasting(), 0);
                emit(Done::Record(record));
                None
            }
            None => Some(job),
        }
    }

    /// Looks whether an object is an image whose record is still true.
    fn look_again(&self, evidence: u32, item: Item) {
        let Item { path, key, found } = item;
        if let Examined { meta, contents: Contents::Stream(stream), .. } = found.examine() {
            let at = At { evidence, path: &path, key: &key, confirmed: true };
            self.shared.images.look(at, &meta, &*stream);
        }
    }

    /// Counts an object that is not read, and the objects inside it.
    fn count(&self, disposition: Disposition, lasting: bool, inside: usize) {
        let counters = self.shared.counters;
        let add = |counter: &AtomicU64, yes| counter.fetch_add(u64::from(yes), Ordering::Relaxed);
        add(&counters.objects, true);
        add(&counters.alerts, disposition == Disposition::Alert);
        add(&counters.exceptions, !lasting);
        let inside = u64::try_from(inside).unwrap_or(u64::MAX);
        self.shared.children.fetch_add(inside, Ordering::Relaxed);
    }
}

/// Objects on their way to the workers, each beside what is known of it.
struct Feed<'a, 'b> {
    pipeline: &'a Pipeline<'b>,
    join: Join<'a>,
    window: Window<'a>,
    records: &'a Sender<Done>,
    suspects: Vec<Job>,
    failed: Option<ReportError>,
}

impl<'a, 'b> Feed<'a, 'b> {
    fn new(pipeline: &'a Pipeline<'b>, outlets: &'a Outlets) -> Result<Self, ReportError> {
        let join = Join::new(pipeline.earlier, pipeline.checked)?;
        let window = Window { items: &outlets.items, jobs: Vec::new() };
        let (records, suspects) = (&outlets.records, Vec::new());
        Ok(Self { pipeline, join, window, records, suspects, failed: None })
    }

    fn take(&mut self, evidence: u32, item: Item) -> ControlFlow<()> {
        self.pipeline.shared.counters.seen.fetch_add(1, Ordering::Relaxed);
        if self.pipeline.is_lost(evidence) {
            return ControlFlow::Break(());
        }
        match self.join.meet(evidence, item) {
            Ok(Met::Job(job)) if job.is_suspect() => self.suspects.push(job),
            Ok(Met::Job(job)) => return self.window.send(job),
            Ok(Met::Confirmed(inside)) => {
                self.pipeline.count(Disposition::None, true, inside);
                if self.join.keys.are_many() {
                    return self.give_keys();
                }
            }
            Err(error) => {
                self.failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Breaks where nobody takes them any more.
    fn give_keys(&mut self) -> ControlFlow<()> {
        let keys = std::mem::take(&mut self.join.keys);
        match self.records.send(Done::Confirmed(keys, None)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn end(mut self, walks: &mut Walks) -> Result<(), ReportError> {
        let _nobody_listens_any_more = self.window.flush();
        if !self.join.keys.is_empty() {
            let _nobody_listens_any_more = self.give_keys();
        }
        walks.suspects.append(&mut self.suspects);
        self.failed.map_or(Ok(()), Err)
    }
}

/// Jobs on their way to the workers, those of an image in the order of their bytes on the medium,
/// those of a folder on a disk that turns in that of their file numbers.
struct Window<'a> {
    items: &'a Sender<Job>,
    jobs: Vec<Job>,
}

impl Window<'_> {
    fn send(&mut self, job: Job) -> ControlFlow<()> {
        if job.item.found.place().is_none() {
            return self.pass_on(job);
        }
        self.jobs.push(job);
        if self.jobs.len() < WINDOW { ControlFlow::Continue(()) } else { self.flush() }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.sort_by_key(|job| job.item.found.place());
        jobs.into_iter().try_for_each(|job| self.pass_on(job))
    }

    /// Breaks where nobody takes jobs any more.
    fn pass_on(&self, mut job: Job) -> ControlFlow<()> {
        let mut rest = Rest::default();
        loop {
            job = match self.items.try_send(job) {
                Ok(()) => return ControlFlow::Continue(()),
                Err(TrySendError::Full(job)) => job,
                Err(TrySendError::Disconnected(_)) => return ControlFlow::Break(()),
            };
            rest.take();
        }
    }
}

/// The pause of a thread whose channel is full or empty.
///
/// To wait inside a channel is to look again and again for a while, and a walker or writer that is
/// a little faster than the workers does that at every object: a tenth of a whole scan. The pause
/// doubles while nothing changes. Its longest is shorter than what it takes to empty or fill a
/// channel at the speed at which so long a pause comes about.
struct Rest(Duration);

impl Default for Rest {
    fn default() -> Self {
        Self(Duration::from_micros(800))
    }
}

impl Rest {
    const LONGEST: Duration = Duration::from_millis(3);

    fn take(&mut self) {
        std::thread::sleep(self.0);
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}
