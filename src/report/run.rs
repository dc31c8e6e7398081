//! `run.json`: what was run, on what, against what, and whether the sums hold.
//!
//! Everything that differs between two runs over the same evidence stands here and in custody.csv,
//! so that the tables do not differ. Text is as it was given; JSON escapes it.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::hashset::compiled::Source as CompiledSource;
use crate::hashset::{SetCounts, SetInfo};
use crate::item::Timestamp;
use crate::output::{OutputDir, OutputError};
use crate::problem::words;
use crate::report::schema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

words! {
    /// How far a run came.
    RunState {
        /// It reads evidence, or it was killed.
        Running = "running",
        /// It was stopped and can go on.
        Interrupted = "interrupted",
        /// Its report is complete.
        Complete = "complete",
        /// It could not end, or its sums do not hold.
        Failed = "failed",
    }
}

pub use crate::evidence::container::Verdict as SourceVerdict;

/// The whole of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// Version of the report format.
    pub schema: u32,
    /// How far the run came.
    pub state: RunState,
    /// Why it failed; empty otherwise.
    pub failure: String,
    /// Start, in universal time.
    pub started: String,
    /// End, in universal time; empty before it.
    pub ended: String,
    /// Milliseconds from start to end by a clock that is never set.
    pub duration_ms: Option<u64>,
    /// The program.
    pub tool: Tool,
    /// The command line, word by word.
    pub arguments: Vec<String>,
    /// Effective settings.
    pub settings: BTreeMap<String, String>,
    /// Largest distance reported as near, an entry an algorithm.
    pub thresholds: BTreeMap<String, u32>,
    /// Limits in force.
    pub limits: BTreeMap<String, u64>,
    /// The case.
    pub case: Case,
    /// The machine.
    pub host: Host,
    /// The evidence, in argument order: the first is `E1`.
    pub sources: Vec<Source>,
    /// The sets, in the order of [`crate::matching::Finding::set`].
    pub sets: Vec<SetRecord>,
    /// The sums.
    pub balance: Option<Balance>,
    /// Volumes of which something was not examined, and what is wrong with volumes and media as a
    /// whole.
    #[serde(default)]
    pub not_examined: u64,
    /// Rows of each table.
    pub rows: Rows,
    /// Each time the run was resumed, in universal time.
    pub resumed: Vec<String>,
}

/// The program that ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// SHA-256 of the executable file.
    pub binary_sha256: String,
    /// Compiler, profile and flags.
    pub build: String,
    /// SHA-256 of Cargo.lock.
    pub lock_sha256: String,
    /// Kernels in use on this processor.
    pub kernels: BTreeMap<String, String>,
    /// How far worker processes are confined.
    pub sandbox: String,
    /// Versions of the decoders.
    pub decoders: BTreeMap<String, String>,
    /// Each control computation over published values, and whether it gave them.
    pub known_answers: BTreeMap<String, bool>,
}

/// What the examiner says of the case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The case's number.
    pub case_number: String,
    /// The laboratory's reference.
    pub lab_ref: String,
    /// Who examines.
    pub examiner: String,
    /// For whom.
    pub organisation: String,
    /// By what authority.
    pub authority: String,
}

/// The machine that ran it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its operating system and kernel.
    pub os: String,
    /// The account that ran it.
    pub user: String,
    /// Whether the clock is kept by a time service.
    pub clock: String,
    /// Offset of local to universal time, such as `+01:00`.
    pub utc_offset: String,
}

/// One item of evidence. Empty = does not apply or not stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `E1`, `E2`, ... in argument order.
    pub evidence_id: String,
    /// The exhibit's reference.
    pub exhibit_ref: String,
    /// The path as given.
    pub path: String,
    /// `folder` or the image's container format.
    pub format: String,
    /// What tells the medium from others: model and serial number, or device and file system.
    pub identity: String,
    /// File system, mount flags, block device model, serial, size, sector size, read-only flag.
    pub facts: BTreeMap<String, String>,
    /// The write blocker as noted by the examiner.
    pub write_blocker: String,
    /// The device's clock offset as noted by the examiner.
    pub device_clock_offset: String,
    /// Digests stored in the image, supplied by the examiner and computed.
    pub image_digests: BTreeMap<String, String>,
    /// What comparing them gave.
    pub verdict: SourceVerdict,
    /// The statement by which a change of access times was accepted; empty where none was.
    pub alteration_accepted: String,
}

/// A set as it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRecord {
    /// Where it comes from; its fields stand beside the counts.
    #[serde(flatten)]
    pub info: SetInfo,
    /// What became of its rows.
    pub counts: SetCounts,
    /// Entries with no digest that this run computes.
    pub incomparable: u64,
    /// The compiled file, where the set is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled: Option<CompiledRecord>,
}

/// A compiled set as it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledRecord {
    /// BLAKE3 of the file's header, which covers every byte of the file.
    pub root: String,
    /// Its length in bytes.
    pub file_len: u64,
    /// The program that made it.
    pub importer: String,
    /// The lists that it was made of.
    pub sources: Vec<CompiledSource>,
}

/// Every object met has one status: `seen = hashed + partial + unread + skipped + special`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Objects met, counted by what lists them.
    pub seen: u64,
    /// Rows of this status, counted by what writes them, as all below.
    pub hashed: u64,
    /// Rows of this status.
    pub partial: u64,
    /// Rows of this status.
    pub unread: u64,
    /// Rows of this status.
    pub skipped: u64,
    /// Rows of this status.
    pub special: u64,
    /// Folders listed; they have no row.
    pub directories: u64,
    /// Whether the sum holds.
    pub holds: bool,
}

/// Rows of each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// files.csv
    pub files: u64,
    /// matches.csv
    pub matches: u64,
    /// exceptions.csv
    pub exceptions: u64,
    /// volumes.csv
    pub volumes: u64,
}

impl RunManifest {
    /// A run that starts now, on nothing yet.
    pub fn new(tool: Tool, case: Case, host: Host) -> Self {
        Self {
            schema: schema::VERSION,
            state: RunState::Running,
            failure: String::new(),
            started: now(),
            ended: String::new(),
            duration_ms: None,
            tool,
            arguments: Vec::new(),
            settings: BTreeMap::new(),
            thresholds: BTreeMap::new(),
            limits: BTreeMap::new(),
            case,
            host,
            sources: Vec::new(),
            sets: Vec::new(),
            balance: None,
            not_examined: 0,
            rows: Rows::default(),
            resumed: Vec::new(),
        }
    }

    /// Writes `run.json`, whole; returns its SHA-256.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write(&self, out: &OutputDir) -> Result<Digest, OutputError> {
        out.write_whole(schema::RUN_JSON, |file| {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            file.write_all(&text)?;
            Ok(Digest::sha256(&[&text]))
        })
    }
}

/// The time now, universal, to the millisecond, in the form of the report.
pub fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp { seconds, nanos: since.subsec_nanos(), digits: 3, utc: true }.to_string()
}

/// The SHA-256 of a hasher that computes it.
pub(super) fn finish(hasher: Hasher) -> Digest {
    let digest = hasher.finish().get(Algorithm::Sha256);
    digest.unwrap_or_else(|| Algorithm::Sha256.of_nothing())
}
