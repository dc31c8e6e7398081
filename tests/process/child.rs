//! This test binary as the child of itself: a run with faults, in a process that may be killed.
//!
//! The program never reads faults from its environment; only this module does, and only where the
//! parent test asked for it.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay::hashset::SetKind;
use assay::output::{Effect, Fault, Faults, Operation, OutputError};
use assay::scan::{Counters, Follow, Outcome, ScanError, ScanPlan, ScanSummary};
use assay::sys::{Kernel, Seam};
use serde_json::{Value, json};

use crate::runs::{list, plan};
use crate::tree::Tree;

const ASKED: &str = "ASSAY_TEST_CHILD";

/// Evidence of all kinds, with a list that names some of it.
pub(crate) fn evidence(files: u32) -> Tree {
    let tree = Tree::new();
    let mut known = "md5\n".to_owned();
    for n in 0..files {
        let content = n.to_le_bytes().repeat((n % 97 * 13) as usize);
        tree.file(format!("d{}/f{n}", n % 11), &content);
        if n % 7 == 0 {
            known += &format!("{:x}\n", md5::compute(&content));
        }
    }
    for n in 0..files / 20 {
        let (from, to) = (format!("d0/f{}", 11 * n), format!("links/l{n}"));
        std::fs::create_dir_all(tree.path().join("links")).unwrap();
        std::fs::hard_link(tree.path().join(from), tree.path().join(to)).unwrap();
    }
    if files >= 300 {
        // A disk image inside it.
        let image =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/iso-plain.iso.gz");
        let mut bytes = Vec::new();
        let packed = std::fs::File::open(image).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        tree.file("d5/image", bytes);
    }
    std::os::unix::fs::symlink("d1", tree.path().join("s")).unwrap();
    std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap();
    std::fs::write(tree.beside("known.md5"), known).unwrap();
    tree
}

/// The plan that every run over [`evidence`] has.
pub(crate) fn planned(tree: &Tree, out: &str) -> ScanPlan {
    let mut plan = plan(&tree.path(), &tree.beside(out));
    plan.lists = vec![list(SetKind::Alert, tree.beside("known.md5"))];
    plan.read_links = false; // reading them changes their access times, which are cells
    plan
}

/// Carries a plan out and stops it after so many records.
pub(crate) fn run_until(plan: &ScanPlan, records: u64) -> Result<ScanSummary, ScanError> {
    // A child that another test starts holds every lock of this process until it is a program of
    // its own, a moment later.
    let clock = Instant::now();
    loop {
        match attempt(plan, records) {
            Err(ScanError::Folder(OutputError::Locked { .. }))
                if clock.elapsed() < Duration::from_secs(10) =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

fn attempt(plan: &ScanPlan, records: u64) -> Result<ScanSummary, ScanError> {
    let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let mut count = 0;
    let mut record = |_: &assay::report::Record| {
        count += 1;
        if count >= records {
            cancel.store(true, Ordering::Relaxed);
        }
        Ok(())
    };
    let follow = Follow { counters: &counters, cancel: &cancel, record: &mut record };
    assay::scan::run(plan, follow, None)
}

/// Carries a plan out to its end.
pub(crate) fn run(plan: &ScanPlan) -> Result<ScanSummary, ScanError> {
    run_until(plan, u64::MAX)
}

/// Takes up what is in the folder of the plan, or starts where nothing is to be taken up.
pub(crate) fn take_up(plan: &ScanPlan) -> Result<ScanSummary, ScanError> {
    let again = ScanPlan { resume: true, ..plan.clone() };
    match run(&again) {
        Err(ScanError::Folder(OutputError::NothingToResume { .. })) => run(plan),
        result => result,
    }
}

/// Runs this binary as a child over the tree.
pub(crate) fn spawn(
    tree: &Tree,
    out: &str,
    resume: bool,
    fault: Option<Value>,
    deadly: &str,
) -> ExitStatus {
    let asked = json!({
        "known": tree.beside("known.md5"), "evidence": tree.path(), "out": tree.beside(out),
        "resume": resume, "fault": fault, "deadly": deadly,
    });
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::child", "--nocapture"]).env(ASKED, asked.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap()
}

#[test]
fn child() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let path = |name: &str| Path::new(asked[name].as_str().unwrap()).to_owned();
    let mut plan = plan(&path("evidence"), &path("out"));
    plan.lists = vec![list(SetKind::Alert, path("known"))];
    plan.read_links = false;
    plan.resume = asked["resume"].as_bool().unwrap();
    if let Some(fault) = asked["fault"].as_object() {
        let operation = match fault["operation"].as_str().unwrap() {
            "create" => Operation::Create,
            "write" => Operation::Write,
            "sync" => Operation::Sync,
            _ => Operation::Rename,
        };
        let (name, nth) = (fault["name"].as_str(), fault["nth"].as_u64().unwrap());
        let name = name.map(str::to_owned);
        let fault = Fault { operation, name, nth, effect: Effect::Abort };
        plan.output_faults = Faults::new(vec![fault]);
    }
    let deadly = asked["deadly"].as_str().unwrap();
    if !deadly.is_empty() {
        let deadly = Some(deadly.as_bytes().to_vec());
        plan.kernel = Kernel::through(Arc::new(Seam { deadly, ..Seam::default() }));
    }
    let code = match run(&plan).map(|summary| summary.outcome) {
        Ok(Outcome::Complete) => 0,
        Ok(Outcome::Incomplete) => 3,
        Ok(Outcome::Interrupted) => 130,
        _ => 1,
    };
    #[allow(clippy::exit, reason = "the code is the child's answer")]
    std::process::exit(code);
}

/// The program itself over the tree.
pub(crate) fn assay(tree: &Tree, out: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("scan").arg(tree.path()).arg("--out").arg(tree.beside(out));
    command.arg("--alert").arg(tree.beside("known.md5")).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Exit code; a signal is a failure of the test.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// What was written to standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
