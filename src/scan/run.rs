//! A run from its plan to its end.
//!
//! What can be refused is refused first: lists, access to evidence, the place of the report. Then
//! the report folder is made and the run and its first custody events are written, and only then
//! is evidence opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::image::{self, ImageCheck};
use super::links::Links;
use super::nested::{Images, Reading};
use super::object::Shared;
use super::pace::Pace;
use super::pipeline::{Done, Pipeline};
use super::resume::{Checked, Earlier};
use super::{Counters, ScanPlan, evidence, picture, record};
use crate::digest::Selection;
use crate::evidence::folder::FolderError;
use crate::evidence::image::ImageError;
use crate::evidence::{EvidenceSource, Walked};
use crate::hashset::{self, SetError};
use crate::matching::{Index, NearIndex};
use crate::output::{OutputDir, OutputError};
use crate::report::{
    self, Actor, Built, Custody, Event, Handover, InProgress, Journal, JournalReader, Record,
    ReportError, Resumed, RunManifest, RunState, Seen, SignatureHook, SourceVerdict, schema,
};
use crate::worker::{Pool, WorkerError};

/// Memory that all sorts of the report may hold together. Half of it is for the places of records that
/// an earlier attempt left and half for new ones: some 900,000 of each
/// where folders are not deep; more go through a file.
const SORT_MEMORY: usize = 160 << 20;
/// A record is durable at most this long after it was written.
const SYNC_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// What a run has written when its journal is begun.
const BEFORE_JOURNAL: [&str; 4] =
    [schema::RUN_JSON, ".run.json.tmp", schema::CUSTODY.file, schema::JOURNAL];

/// Why there is no report, or no whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A list cannot be used.
    #[error(transparent)]
    Set(#[from] SetError),
    /// No entry of a set has a digest that this run computes.
    #[error(
        "set {name}: none of its entries can be compared by {digests} or as a picture; add a digest \
         it has to --digests, or leave it out"
    )]
    NothingComparable {
        /// The set.
        name: String,
        /// What is computed.
        digests: Selection,
    },
    /// A set has more entries than can be counted.
    #[error("set {0}: has more than 4,294,967,295 entries; split it")]
    TooManyEntries(String),
    /// The evidence cannot be read as it must be.
    #[error(transparent)]
    Evidence(#[from] FolderError),
    /// An image cannot be read as it must be.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The report would be written into the evidence.
    #[error("the report folder {out} lies inside the evidence {evidence}: choose another place")]
    OutputInside {
        /// The report folder.
        out: String,
        /// The evidence.
        evidence: String,
    },
    /// Two sources share objects.
    #[error("{first} and {second} are the same evidence, or one lies in the other: name it once")]
    SameEvidence {
        /// The source named first.
        first: String,
        /// The source named after it.
        second: String,
    },
    /// A file was named as a parent, and no image has it as its parent.
    #[error(
        "--parent {0}: no image of the evidence has it as its parent; leave it out, or name the right file"
    )]
    UnusedParent(String),
    /// The report folder cannot be taken for a new run.
    #[error(transparent)]
    Folder(OutputError),
    /// The unfinished run in the report folder is another one.
    #[error(
        "cannot take up the run in {out}: it differs from this one in what follows; use its arguments, or a new folder: {differences}"
    )]
    OtherRun {
        /// The report folder.
        out: String,
        /// Old before new.
        differences: String,
    },
    /// The worker threads cannot be started.
    #[error("cannot start {threads} threads: {detail}; use fewer")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        detail: String,
    },
    /// Pictures cannot be decoded as they must be.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Worker processes could be started at first and then no more.
    #[error("{0} pictures were not decoded: the system started no more worker processes")]
    WorkersLost(u64),
    /// Something could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Whoever follows the run could not be told of a record.
    #[error("cannot write events to standard output: {0}")]
    Follower(#[source] std::io::Error),
}

impl ScanError {
    /// True where nothing was begun: another argument or right makes the run possible.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Report(_) | Self::Follower(_) | Self::WorkersLost(_))
    }
}

/// How a run that left a report behind came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was read.
    Complete,
    /// Something is partial, unread or skipped, or a volume was not examined.
    Incomplete,
    /// An image is not the one that was acquired: its digest is another one.
    Mismatch,
    /// The sums do not hold; the report says so.
    Failed,
    /// It was stopped; there is a journal and no final report.
    Interrupted,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct ScanSummary {
    /// How it came out.
    pub outcome: Outcome,
    /// What was built.
    pub built: Built,
    /// Why the run stopped by itself: evidence that went away.
    pub lost: Option<String>,
    /// True where an earlier process had finished the report, and this one only cleaned up.
    pub was_finished: bool,
}

/// Whoever follows a run from outside.
pub struct Follow<'a> {
    /// Numbers that grow while it goes on.
    pub counters: &'a Counters,
    /// Set from outside to stop it.
    pub cancel: &'a Arc<AtomicBool>,
    /// Is given every new record, and of those that an earlier attempt left and that are still true
    /// the ones with a finding; in no order.
    pub record: &'a mut dyn FnMut(&Record) -> std::io::Result<()>,
}

/// Carries out a plan.
///
/// - `sign`: makes the signature of the manifest.
///
/// # Errors
/// [`ScanError::is_usage`] tells those that left nothing behind from those that left a journal.
pub fn run(
    plan: &ScanPlan,
    follow: Follow<'_>,
    sign: Option<SignatureHook<'_>>,
) -> Result<ScanSummary, ScanError> {
    let clock = Instant::now();
    let earlier = plan.resume.then(|| take_up(plan)).transpose()?;
    if let Some(out) = &earlier
        && let Some((run, built)) = report::finished(out, sign)?
    {
        let outcome = outcome(false, &run, &built);
        return ended(earlier, ScanSummary { outcome, built, lost: None, was_finished: true });
    }
    let index = load_sets(plan)?;
    let near = near_index(plan, &index)?;
    comparable(plan, &index)?;
    let evidence = evidence::open_all(plan, follow.cancel)?;
    let pool = Pool::start(plan.workers.clone())?;
    let out = match earlier {
        Some(out) => out,
        None => {
            OutputDir::create(&plan.out, plan.output_faults.clone()).map_err(ScanError::Folder)?
        }
    };
    let mut begun = Begun::new(plan, &index, &evidence, &out, &pool)?;
    let scanned = begun.scan(plan, &index, near.as_ref(), &evidence, &pool, follow)?;
    let not_decoded = pool.counts().not_started;
    pool.stop();
    if not_decoded > 0 {
        return Err(ScanError::WorkersLost(not_decoded));
    }
    let Begun { mut run, custody, journal, .. } = begun;
    let memory = SORT_MEMORY;
    let Scanned { seen, walked, stopped } = scanned;
    let handover =
        Handover { out: &out, journal, run: &mut run, custody, seen, walked, clock, memory };
    let built =
        if stopped { report::build_interrupted(handover)? } else { report::build(handover, sign)? };
    let outcome = outcome(stopped, &run, &built);
    let lost = evidence.iter().find_map(|source| source.lost());
    ended(Some(out), ScanSummary { outcome, built, lost, was_finished: false })
}

/// Locks the folder of the run that is to be taken up.
fn take_up(plan: &ScanPlan) -> Result<OutputDir, ScanError> {
    OutputDir::resume(&plan.out, plan.output_faults.clone()).map_err(ScanError::Folder)
}

fn ended(out: Option<OutputDir>, summary: ScanSummary) -> Result<ScanSummary, ScanError> {
    out.map_or(Ok(()), OutputDir::release).map_err(ReportError::from)?;
    Ok(summary)
}

fn outcome(stopped: bool, run: &RunManifest, built: &Built) -> Outcome {
    let balance = &built.balance;
    if stopped {
        Outcome::Interrupted
    } else if run.state == RunState::Failed {
        Outcome::Failed
    } else if run.sources.iter().any(|source| source.verdict == SourceVerdict::Mismatch) {
        Outcome::Mismatch
    } else if balance.partial + balance.unread + balance.skipped + built.pictures_not_read > 0
        || built.not_examined > 0
    {
        Outcome::Incomplete
    } else {
        Outcome::Complete
    }
}

/// Threads that only compute, as many as the plan says.
fn computing(plan: &ScanPlan) -> Result<rayon::ThreadPool, ScanError> {
    let threads = plan.computing.get();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| ScanError::Threads { threads, detail: error.to_string() })
}

fn load_sets(plan: &ScanPlan) -> Result<Index, ScanError> {
    let pool = computing(plan)?;
    let sets = plan.lists.iter().map(|list| hashset::open(list, plan.set_access, &pool));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    Index::build(sets, &pool).map_err(ScanError::TooManyEntries)
}

/// The entries that pictures are compared with; `None` where there are none or none is wanted.
fn near_index<'a>(plan: &ScanPlan, index: &'a Index) -> Result<Option<NearIndex<'a>>, ScanError> {
    let Some(options) = plan.near else { return Ok(None) };
    let build = || NearIndex::build(index.sets(), options);
    let near = computing(plan)?.install(build).map_err(ScanError::TooManyEntries)?;
    Ok(Some(near).filter(|near| !near.is_empty()))
}

/// Refuses a set of which nothing can be compared: it would be reported as searched for in vain.
fn comparable(plan: &ScanPlan, index: &Index) -> Result<(), ScanError> {
    for (n, set) in index.sets().iter().enumerate() {
        let entries = u64::try_from(set.len()).unwrap_or(u64::MAX);
        if index.incomparable(n, plan.digests, plan.near.as_ref()) == entries {
            let (name, digests) = (set.info.name.clone(), plan.digests);
            return Err(ScanError::NothingComparable { name, digests });
        }
    }
    Ok(())
}

/// What reading the evidence gave beside the records.
struct Scanned {
    seen: Seen,
    /// Of each evidence item.
    walked: Vec<Walked>,
    /// It was stopped before its end.
    stopped: bool,
}

/// A run whose folder exists.
struct Begun<'a> {
    run: RunManifest,
    custody: Custody,
    journal: Journal<'a>,
    /// What an earlier attempt recorded.
    earlier: Option<Earlier<'a>>,
    in_progress: InProgress,
}

impl<'a> Begun<'a> {
    /// Writes what has to be on the disk before evidence is opened.
    fn new(
        plan: &ScanPlan,
        index: &Index,
        evidence: &[Box<dyn EvidenceSource>],
        out: &'a OutputDir,
        pool: &Pool,
    ) -> Result<Self, ScanError> {
        let mut run = record::manifest(plan, index, evidence);
        run.tool.sandbox = pool.sandbox();
        let identity = record::identity(plan, &run, evidence);
        let unborn = plan.resume && JournalReader::is_unborn(out)?;
        if unborn && !out.holds_only(&BEFORE_JOURNAL).map_err(ScanError::Folder)? {
            return Err(ScanError::Folder(OutputError::NotEmpty { path: plan.out.clone() }));
        }
        let resumed = match plan.resume && !unborn {
            true => Some(resume(plan, out, &identity)?),
            false => None,
        };
        if resumed.is_some() {
            let before = out.read(schema::RUN_JSON).map_err(ReportError::from)?;
            let before: RunManifest = serde_json::from_slice(&before.unwrap_or_default())
                .map_err(ReportError::RunDamaged)?;
            (run.started, run.resumed) = (before.started, before.resumed);
            run.resumed.push(report::now());
        }
        run.write(out).map_err(ReportError::from)?;
        let actor = actor(plan);
        let mut custody =
            if plan.resume { Custody::resume(out, actor)? } else { Custody::start(out, actor)? };
        let tool = format!("{} {} {}", plan.tool.name, plan.tool.version, plan.tool.commit);
        match &resumed {
            Some(resumed) => custody.event(Event::RunResumed, "", &told(&tool, resumed), "", "")?,
            None => custody.event(Event::RunStart, "", &tool, "", "")?,
        };
        let sets = format!("sets={}", index.sets().len());
        custody.event(Event::SetsVerified, "", &sets, "", "")?;
        let (journal, earlier) = match resumed {
            Some(Resumed { mut journal, known, suspects, .. }) => {
                report::retract(out)?;
                journal.mark_resumed(&suspects)?;
                (journal, Some(Earlier { known, suspects }))
            }
            None => (Journal::create(out, &identity, SORT_MEMORY / 2)?, None),
        };
        let in_progress = journal.in_progress(out, Pipeline::slots(plan.threads.get()))?;
        Ok(Self { run, custody, journal, earlier, in_progress })
    }

    /// Reads the evidence; the flag says whether it was stopped before its end.
    fn scan(
        &mut self,
        plan: &ScanPlan,
        index: &Index,
        near: Option<&NearIndex<'_>>,
        evidence: &[Box<dyn EvidenceSource>],
        pool: &Pool,
        follow: Follow<'_>,
    ) -> Result<Scanned, ScanError> {
        self.open_events(plan, evidence)?;
        let Follow { counters, cancel, record: tell } = follow;
        let shared = Shared {
            index,
            near,
            pictures: &|bytes| pool.read_picture_unless(bytes, cancel),
            budget: picture::Budget::new(picture::BUDGET_BYTES),
            selection: plan.digests,
            kernels: plan.kernels,
            counters,
            cancel,
            links: Links::default(),
            images: Images::default(),
            children: AtomicU64::new(0),
        };
        let checked = Checked::default();
        let pace = Pace::new(plan.threads.get());
        let pipeline = Pipeline {
            roots: evidence,
            threads: plan.threads.get(),
            computing: plan.computing.min(plan.threads).get(),
            streams: plan.streams,
            shared: &shared,
            earlier: self.earlier.as_ref(),
            checked: &checked,
            in_progress: &self.in_progress,
            inside: &Reading { carve: true, filesystem: plan.filesystem.clone() },
            pace: &pace,
        };
        let mut writer = Writer { journal: &mut self.journal, synced: Instant::now(), tell };
        let beside = image::Beside { plan, counters, cancel, pace: &pace };
        let (checks, ran) = beside.run(evidence, || pipeline.run(&mut |done| writer.write(done)));
        if ran.is_err() {
            // The first error is the one to tell; what can still be kept is kept.
            let _told_already = self.journal.sync();
        }
        let mut walked = ran?;
        self.in_progress.clear();
        self.check_event(&checked, counters)?;
        self.image_events(checks, &mut walked)?;
        self.close_events(evidence, &walked)?;
        let seen = Seen {
            objects: walked.iter().map(|one| one.seen).sum::<u64>()
                + shared.children.load(Ordering::Relaxed),
            directories: walked.iter().map(|one| one.directories).sum(),
        };
        let whole = walked.len() == evidence.len() && !walked.iter().any(|one| one.stopped);
        let stopped = !whole || cancel.load(Ordering::Relaxed);
        Ok(Scanned { seen, walked, stopped })
    }

    /// Puts into the record what comparing the images' digests gave.
    fn image_events(
        &mut self,
        checks: Vec<Option<ImageCheck>>,
        walked: &mut [Walked],
    ) -> Result<(), ScanError> {
        for ((number, check), walked) in (1..).zip(checks).zip(walked) {
            let Some(check) = check else { continue };
            let at = usize::try_from(number).unwrap_or(0).saturating_sub(1);
            let Some(source) = self.run.sources.get_mut(at) else { continue };
            source.image_digests.extend(check.digests.clone());
            source.verdict = check.verdict;
            let detail = check.told();
            self.custody.event(Event::ImageVerified, &source.evidence_id, &detail, "", "")?;
            walked.problems.splice(0..0, check.located(number));
        }
        Ok(())
    }

    /// Says what became of the earlier records.
    fn check_event(&mut self, checked: &Checked, counters: &Counters) -> Result<(), ScanError> {
        if self.earlier.is_none() {
            return Ok(());
        }
        let confirmed = checked.confirmed.load(Ordering::Relaxed);
        let again = checked.again.load(Ordering::Relaxed);
        let all = counters.objects.load(Ordering::Relaxed);
        let new = all.saturating_sub(confirmed).saturating_sub(again);
        let detail = format!("confirmed={confirmed};read_again={again};new={new}");
        self.custody.event(Event::RecordsChecked, "", &detail, "", "")?;
        Ok(())
    }

    fn open_events(
        &mut self,
        plan: &ScanPlan,
        evidence: &[Box<dyn EvidenceSource>],
    ) -> Result<(), ScanError> {
        for (source, evidence) in self.run.sources.iter().zip(evidence) {
            let id = &source.evidence_id;
            if let Some(text) = &plan.accept_alteration {
                self.custody.event(Event::AlterationAccepted, id, text, "", "")?;
            }
            let detail = format!("{}; {}", source.path, evidence.access());
            self.custody.event(Event::EvidenceOpened, id, &detail, "", "")?;
        }
        Ok(())
    }

    fn close_events(
        &mut self,
        evidence: &[Box<dyn EvidenceSource>],
        walked: &[Walked],
    ) -> Result<(), ScanError> {
        for ((source, evidence), walked) in self.run.sources.iter().zip(evidence).zip(walked) {
            let (objects, folders) = (walked.seen, walked.directories);
            let opened = evidence.opened();
            let detail = format!("objects={objects};folders={folders};{opened}");
            let (event, detail) = match evidence.lost() {
                Some(why) => (Event::EvidenceLost, format!("{why}; {detail}")),
                None => (Event::EvidenceClosed, detail),
            };
            self.custody.event(event, &source.evidence_id, &detail, "", "")?;
        }
        Ok(())
    }
}

/// Writes what the pipeline gives to the journal, and tells whoever follows.
struct Writer<'a, 'j> {
    journal: &'a mut Journal<'j>,
    synced: Instant,
    tell: &'a mut dyn FnMut(&Record) -> std::io::Result<()>,
}

impl Writer<'_, '_> {
    fn write(&mut self, done: Done) -> Result<(), ScanError> {
        let record = match &done {
            Done::Record(record) => {
                self.journal.append(record)?;
                record
            }
            Done::Confirmed(keys, told) => {
                keys.iter().try_for_each(|key| self.journal.confirm(key))?;
                match told {
                    Some(record) => record,
                    None => return self.keep(),
                }
            }
            Done::Alone => return Ok(self.journal.sync()?),
        };
        (self.tell)(record).map_err(ScanError::Follower)?;
        self.keep()
    }

    /// Makes what was written so far durable, where that is due.
    fn keep(&mut self) -> Result<(), ScanError> {
        if self.synced.elapsed() >= SYNC_EVERY {
            self.journal.sync()?;
            self.synced = Instant::now();
        }
        Ok(())
    }
}

/// Opens the journal of the unfinished run, if it is of this one.
fn resume<'a>(
    plan: &ScanPlan,
    out: &'a OutputDir,
    identity: &str,
) -> Result<Resumed<'a>, ScanError> {
    Journal::resume(out, identity, SORT_MEMORY / 2).map_err(|error| match error {
        ReportError::OtherRun(differences) => {
            ScanError::OtherRun { out: record::shown(&plan.out), differences }
        }
        error => error.into(),
    })
}

/// What the event says of a run that is taken up.
fn told(tool: &str, resumed: &Resumed<'_>) -> String {
    let torn = resumed.torn_at.map_or("no".to_owned(), |at| format!("cut at byte {at}"));
    let (records, suspects) = (resumed.journal.records(), resumed.suspects.len());
    format!("{tool}; records={records};torn_tail={torn};in_progress={suspects}")
}

fn actor(plan: &ScanPlan) -> Actor {
    Actor {
        name: plan.case.examiner.clone(),
        os_user: plan.host.user.clone(),
        host: plan.host.name.clone(),
        utc_offset: plan.host.utc_offset.clone(),
    }
}
