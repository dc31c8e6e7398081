//! What a run shall do: complete, checked as far as arguments alone can be.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::digest::{Algorithm, Digest, Selection, lanes::Kernels};
use crate::evidence::filesystem;
use crate::hashset::{self, ListOptions};
use crate::matching::NearOptions;
use crate::output::Faults;
use crate::problem::words;
use crate::report::{Case, Host, Tool};
use crate::sys::Kernel;
use crate::worker;

/// One evidence item and what the examiner says of it.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The folder or image.
    pub path: PathBuf,
    /// Its exhibit reference.
    pub exhibit: Option<String>,
    /// The write blocker in use, as noted.
    pub write_blocker: Option<String>,
    /// The offset of the seized device's clock, as noted.
    pub device_clock_offset: Option<String>,
    /// The digest that the image is known to have.
    pub image_hash: Option<(Algorithm, Digest)>,
    /// The list of sectors that the image's maker could not read.
    pub bad_map: Option<PathBuf>,
}

words! {
    /// When the digest of an image is computed and compared.
    VerifyImage {
        /// Before its objects are read.
        Before = "before",
        /// While they are read.
        Alongside = "alongside",
        /// Not at all.
        Off = "off",
    }
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
    /// How compiled sets are reached.
    pub set_access: hashset::compiled::Access,
    /// The scheme as typed, for the record.
    pub scheme: Option<String>,
    /// What is said of the case.
    pub case: Case,
    /// Digests to compute.
    pub digests: Selection,
    /// What computes them.
    pub kernels: Kernels,
    /// How near pictures are findings; `None` leaves pictures unmatched.
    pub near: Option<NearOptions>,
    /// Threads that read and hash.
    pub threads: NonZeroUsize,
    /// How many of them, and of what else computes, there is a core for: at most `threads`.
    pub computing: NonZeroUsize,
    /// Objects that each of them has open, at most twice [`crate::digest::lanes::LANES`]: half of them
    /// are read side by side, the others are next. Each takes a descriptor.
    pub streams: usize,
    /// How pictures are decoded.
    pub workers: worker::Options,
    /// On whose authority access times may change.
    pub accept_alteration: Option<String>,
    /// Whether targets of symbolic links are read on writable mounts.
    pub read_links: bool,
    /// When the digests of images are computed; `None` is [`VerifyImage::Alongside`] for those that
    /// a digest was stored in or supplied for, and not at all for others.
    pub verify_image: Option<VerifyImage>,
    /// How file systems are read.
    pub filesystem: filesystem::Options,
    /// Files that may be parents of differencing images; each must be one.
    pub parents: Vec<PathBuf>,
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
