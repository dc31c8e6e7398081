//! Runs made through the library, so that tests can put a seam between program and system.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use assay::digest::Selection;
use assay::digest::lanes::{Kernels, LANES};
use assay::hashset::compiled::Access;
use assay::hashset::{ListOptions, SetKind};
use assay::matching::NearOptions;
use assay::output::Faults;
use assay::report::{Case, Host, Tool};
use assay::scan::{Counters, Follow, ScanError, ScanPlan, ScanSummary, SourcePlan};
use assay::sys::Kernel;
use assay::worker::{Options, Program};

/// The tables whose bytes depend on evidence, sets and options alone.
pub(crate) const TABLES: [&str; 4] = ["files.csv", "matches.csv", "exceptions.csv", "volumes.csv"];

/// A plan of a plain run of one folder, with nothing found by looking at the machine.
pub(crate) fn plan(evidence: &Path, out: &Path) -> ScanPlan {
    ScanPlan {
        sources: vec![SourcePlan {
            path: evidence.to_owned(),
            exhibit: None,
            write_blocker: None,
            device_clock_offset: None,
            image_hash: None,
            bad_map: None,
        }],
        out: out.to_owned(),
        resume: false,
        lists: Vec::new(),
        set_access: Access::default(),
        scheme: None,
        case: Case::default(),
        digests: Selection::ALL,
        kernels: Kernels::best(),
        near: Some(NearOptions::default()),
        threads: NonZeroUsize::new(3).unwrap(),
        computing: NonZeroUsize::new(2).unwrap(),
        streams: 2 * LANES,
        workers: Options {
            program: Program::File(env!("CARGO_BIN_EXE_assay").into()),
            ..Options::new(3)
        },
        accept_alteration: None,
        read_links: true,
        verify_image: None,
        filesystem: assay::evidence::filesystem::Options::default(),
        parents: Vec::new(),
        sign: None,
        arguments: Vec::new(),
        tool: Tool::default(),
        host: Host::default(),
        kernel: Kernel::default(),
        output_faults: Faults::default(),
    }
}

/// A list as it is used.
pub(crate) fn list(kind: SetKind, path: impl Into<PathBuf>) -> ListOptions {
    ListOptions { path: path.into(), kind, algorithm: None, scheme: None, accept_polarity: false }
}

/// Carries a plan out.
pub(crate) fn run(plan: &ScanPlan) -> Result<ScanSummary, ScanError> {
    let counters = Counters::default();
    let cancel = std::sync::Arc::new(AtomicBool::new(false));
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut |_| Ok(()) };
    assay::scan::run(plan, follow, None)
}

/// The bytes of the four tables.
pub(crate) fn tables(out: &Path) -> [Vec<u8>; 4] {
    TABLES.map(|name| std::fs::read(out.join(name)).unwrap())
}

/// Cells of chosen columns of a table, row by row.
pub(crate) fn cells<const N: usize>(
    out: &Path,
    name: &str,
    columns: [&str; N],
) -> Vec<[String; N]> {
    let mut reader = csv::Reader::from_path(out.join(name)).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = columns.map(|column| header.iter().position(|have| have == column).unwrap());
    let records = reader.records().map(Result::unwrap);
    records.map(|record| place.map(|at| record[at].to_owned())).collect()
}
