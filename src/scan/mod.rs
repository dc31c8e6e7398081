//! One run, from a plan to a report: the only module that owns threads.
//!
//! A walker lists objects, workers examine, read and match them, and the thread that started the
//! run writes their records to the journal. All channels are bounded, so memory does not grow with
//! the evidence. Pure computation goes to a rayon pool, which no stage ever blocks in.

mod apart;
mod content;
mod embedded;
mod evidence;
mod flight;
mod image;
mod links;
mod nested;
mod object;
mod pace;
mod picture;
mod pipeline;
mod plan;
mod record;
mod replay;
mod resume;
mod run;
mod share;

pub use evidence::{Access, open};
pub use nested::walk_inside;
pub use plan::{ScanPlan, SourcePlan, VerifyImage};
pub use replay::{Changed, NOT_OF_THE_OBJECT, Replayed, compare, replay};
pub use run::{Follow, Outcome, ScanError, ScanSummary, run};

use std::sync::atomic::AtomicU64;

/// Numbers that grow while a run goes on, for whoever shows its progress.
#[derive(Debug, Default)]
pub struct Counters {
    /// Objects listed.
    pub seen: AtomicU64,
    /// Objects with a record.
    pub objects: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Bytes of the image whose digest is being computed.
    pub image_bytes: AtomicU64,
    /// Objects equal to an alert entry.
    pub alerts: AtomicU64,
    /// Objects partial, unread or skipped.
    pub exceptions: AtomicU64,
}
