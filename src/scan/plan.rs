//! What a run shall do: complete, checked as far as arguments alone can be.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::digest::Selection;
use crate::hashset::ListOptions;
use crate::matching::NearOptions;
use crate::output::Faults;
use crate::report::{Case, Host, Tool};
use crate::sys::Kernel;
use crate::worker;

/// One evidence item and what the examiner says of it.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The folder.
    pub path: PathBuf,
    /// Its exhibit reference.
    pub exhibit: Option<String>,
    /// The write blocker in use, as noted.
    pub write_blocker: Option<String>,
    /// The offset of the seized device's clock, as noted.
    pub device_clock_offset: Option<String>,
}

/// A complete plan of one run. The machine has been looked at; nothing is left open.
#[derive(Debug, Clone)]
pub struct ScanPlan {
    /// The evidence, in the order of the report.
    pub sources: Vec<SourcePlan>,
    /// The report folder.
    pub out: PathBuf,
    /// True where the unfinished run in the report folder is to be taken up.
    pub resume: bool,
    /// The lists, in the order of the report.
    pub lists: Vec<ListOptions>,
    /// The scheme as typed, for the record.
    pub scheme: Option<String>,
    /// What is said of the case.
    pub case: Case,
    /// Digests to compute.
    pub digests: Selection,
    /// How near pictures are findings; `None` leaves pictures unmatched.
    pub near: Option<NearOptions>,
    /// Threads that read and hash.
    pub threads: NonZeroUsize,
    /// How pictures are decoded.
    pub workers: worker::Options,
    /// On whose authority access times may change.
    pub accept_alteration: Option<String>,
    /// Whether targets of symbolic links are read on writable mounts.
    pub read_links: bool,
    /// Secret key that signs the manifest.
    pub sign: Option<PathBuf>,
    /// The arguments as typed, for the record.
    pub arguments: Vec<String>,
    /// The program, for the record.
    pub tool: Tool,
    /// The machine, for the record.
    pub host: Host,
    /// The way to evidence; tests put a seam in.
    pub kernel: Kernel,
    /// What goes wrong with the output; nothing outside tests.
    pub output_faults: Faults,
}
