//! A run from its plan to its end.
//!
//! What can be refused is refused first: lists, access to evidence, the place of the report. Then
//! the report folder is made and the run and its first custody events are written, and only then
//! is evidence opened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::links::Links;
use super::object::Shared;
use super::{Counters, ScanPlan, picture, pipeline, record};
use crate::digest::Selection;
use crate::evidence::folder::{Folder, FolderError, Options, WalkSummary, output_inside};
use crate::hashset::{self, SetError};
use crate::matching::{Index, NearIndex};
use crate::media;
use crate::output::{OutputDir, OutputError};
use crate::report::{
    self, Actor, Built, Custody, Event, Handover, Journal, Record, ReportError, RunManifest,
    RunState, Seen, SignatureHook,
};
use crate::worker;

/// Memory that all sorts of the report may hold together.
const SORT_MEMORY: usize = 64 << 20;
/// A record is durable at most this long after it was written.
const SYNC_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

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
    /// The report would be written into the evidence.
    #[error("the report folder {out} lies inside the evidence {evidence}: choose another place")]
    OutputInside {
        /// The report folder.
        out: String,
        /// The evidence.
        evidence: String,
    },
    /// The report folder cannot be taken for a new run.
    #[error(transparent)]
    Folder(OutputError),
    /// The worker threads cannot be started.
    #[error("cannot start {threads} threads: {detail}; use fewer")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        detail: String,
    },
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
        !matches!(self, Self::Report(_) | Self::Follower(_))
    }
}

/// How a run that left a report behind came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was read.
    Complete,
    /// Something is partial, unread or skipped.
    Incomplete,
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
}

/// Whoever follows a run from outside.
pub struct Follow<'a> {
    /// Numbers that grow while it goes on.
    pub counters: &'a Counters,
    /// Set from outside to stop it.
    pub cancel: &'a AtomicBool,
    /// Is given every record, in no order.
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
    let index = load_sets(plan)?;
    let near = near_index(plan, &index)?;
    comparable(plan, &index)?;
    let folders = check_evidence(plan)?;
    let out =
        OutputDir::create(&plan.out, plan.output_faults.clone()).map_err(ScanError::Folder)?;
    let mut begun = Begun::new(plan, &index, &folders, &out)?;
    let (seen, stopped) = begun.scan(plan, &index, near.as_ref(), &folders, follow)?;
    let Begun { mut run, custody, journal } = begun;
    let memory = SORT_MEMORY;
    let handover = Handover { out: &out, journal, run: &mut run, custody, seen, clock, memory };
    let built =
        if stopped { report::build_interrupted(handover)? } else { report::build(handover, sign)? };
    let outcome = outcome(stopped, &run, &built);
    out.release().map_err(ReportError::from)?;
    Ok(ScanSummary { outcome, built })
}

fn outcome(stopped: bool, run: &RunManifest, built: &Built) -> Outcome {
    let balance = &built.balance;
    if stopped {
        Outcome::Interrupted
    } else if run.state == RunState::Failed {
        Outcome::Failed
    } else if balance.partial + balance.unread + balance.skipped + built.pictures_not_read > 0 {
        Outcome::Incomplete
    } else {
        Outcome::Complete
    }
}

fn load_sets(plan: &ScanPlan) -> Result<Index, ScanError> {
    let threads = plan.threads.get();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| ScanError::Threads { threads, detail: error.to_string() })?;
    let sets = plan.lists.iter().map(|list| hashset::load(list, &pool));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    Index::build(sets, &pool).map_err(ScanError::TooManyEntries)
}

/// The entries that pictures are compared with; `None` where there are none or none is wanted.
fn near_index<'a>(plan: &ScanPlan, index: &'a Index) -> Result<Option<NearIndex<'a>>, ScanError> {
    let Some(options) = plan.near else { return Ok(None) };
    let near = NearIndex::build(index.sets(), options).map_err(ScanError::TooManyEntries)?;
    Ok(Some(near).filter(|near| !near.is_empty()))
}

/// Refuses a set of which nothing can be compared: it would be reported as searched for in vain.
fn comparable(plan: &ScanPlan, index: &Index) -> Result<(), ScanError> {
    for (n, set) in index.sets().iter().enumerate() {
        let entries = u64::try_from(set.entries.len()).unwrap_or(u64::MAX);
        if index.incomparable(n, plan.digests, plan.near.is_some()) == entries {
            let (name, digests) = (set.info.name.clone(), plan.digests);
            return Err(ScanError::NothingComparable { name, digests });
        }
    }
    Ok(())
}

/// Decides for every source whether it may be read; opens none.
fn check_evidence(plan: &ScanPlan) -> Result<Vec<Folder>, ScanError> {
    let mut folders = Vec::new();
    for source in &plan.sources {
        let options = Options {
            accept_alteration: plan.accept_alteration.is_some(),
            read_links: plan.read_links,
            kernel: plan.kernel.clone(),
        };
        folders.push(Folder::check(&source.path, options)?);
        if output_inside(&source.path, &plan.out)? {
            let (out, evidence) = (record::shown(&plan.out), record::shown(&source.path));
            return Err(ScanError::OutputInside { out, evidence });
        }
    }
    Ok(folders)
}

/// A run whose folder exists.
struct Begun {
    run: RunManifest,
    custody: Custody,
    journal: Journal,
}

impl Begun {
    /// Writes what has to be on the disk before evidence is opened.
    fn new(
        plan: &ScanPlan,
        index: &Index,
        folders: &[Folder],
        out: &OutputDir,
    ) -> Result<Self, ScanError> {
        let run = record::manifest(plan, index, folders);
        run.write(out).map_err(ReportError::from)?;
        let actor = Actor {
            name: plan.case.examiner.clone(),
            os_user: plan.host.user.clone(),
            host: plan.host.name.clone(),
            utc_offset: plan.host.utc_offset.clone(),
        };
        let mut custody = Custody::start(out, actor)?;
        let start = format!("{} {} {}", plan.tool.name, plan.tool.version, plan.tool.commit);
        custody.event(Event::RunStart, "", &start, "", "")?;
        let sets = format!("sets={}", index.sets().len());
        custody.event(Event::SetsVerified, "", &sets, "", "")?;
        let journal = Journal::create(out, &record::identity(plan, &run, folders))?;
        Ok(Self { run, custody, journal })
    }

    /// Reads the evidence; the flag says whether it was stopped before its end.
    fn scan(
        &mut self,
        plan: &ScanPlan,
        index: &Index,
        near: Option<&NearIndex<'_>>,
        folders: &[Folder],
        follow: Follow<'_>,
    ) -> Result<(Seen, bool), ScanError> {
        self.open_events(plan, folders)?;
        let Follow { counters, cancel, record: tell } = follow;
        let (links, limits) = (Links::default(), media::Limits::default());
        let shared = Shared {
            index,
            near,
            pictures: &|bytes| worker::read_picture(bytes, &limits),
            budget: picture::Budget::new(picture::BUDGET_BYTES),
            selection: plan.digests,
            counters,
            cancel,
            links,
        };
        let mut synced = Instant::now();
        let mut write = |record: Record| -> Result<(), ScanError> {
            self.journal.append(&record)?;
            if synced.elapsed() >= SYNC_EVERY {
                self.journal.sync()?;
                synced = Instant::now();
            }
            tell(&record).map_err(ScanError::Follower)
        };
        let summaries = pipeline::run(folders, plan.threads.get(), &shared, &mut write)?;
        self.close_events(folders, &summaries)?;
        let seen = Seen {
            objects: summaries.iter().map(|summary| summary.seen).sum(),
            directories: summaries.iter().map(|summary| summary.directories).sum(),
        };
        let whole = summaries.len() == folders.len() && !summaries.iter().any(|s| s.stopped);
        Ok((seen, !whole || cancel.load(Ordering::Relaxed)))
    }

    fn open_events(&mut self, plan: &ScanPlan, folders: &[Folder]) -> Result<(), ScanError> {
        for (source, folder) in self.run.sources.iter().zip(folders) {
            let id = &source.evidence_id;
            if let Some(text) = &plan.accept_alteration {
                self.custody.event(Event::AlterationAccepted, id, text, "", "")?;
            }
            let detail = format!("{}; {}", source.path, folder.access());
            self.custody.event(Event::EvidenceOpened, id, &detail, "", "")?;
        }
        Ok(())
    }

    fn close_events(
        &mut self,
        folders: &[Folder],
        summaries: &[WalkSummary],
    ) -> Result<(), ScanError> {
        for ((source, folder), summary) in self.run.sources.iter().zip(folders).zip(summaries) {
            let opened = folder.opened();
            let detail = format!(
                "objects={};folders={};opened_noatime={};opened_plain={};links_read={}",
                summary.seen, summary.directories, opened.noatime, opened.plain, opened.links
            );
            self.custody.event(Event::EvidenceClosed, &source.evidence_id, &detail, "", "")?;
        }
        Ok(())
    }
}
