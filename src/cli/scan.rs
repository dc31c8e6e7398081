//! `assay scan`: follows a run and says how it ended.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use super::chain;
use super::exit::Exit;
use super::opts::ScanOpts;
use super::plan::{plan, shown};
use super::terminal::Terminal;
use crate::matching::Disposition;
use crate::report::sign::SigningKey;
use crate::report::{Record, SignatureHook};
use crate::scan::{Counters, Follow, Outcome, ScanError, ScanPlan, ScanSummary, run};

/// Scans and gives the exit code.
pub(super) fn scan(opts: &ScanOpts, terminal: &Terminal) -> Exit {
    let arguments = std::env::args_os().map(|word| shown(Path::new(&word))).collect();
    let (plan, hits_in_code) = match plan(opts, arguments) {
        Ok(planned) => planned,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            return Exit::Usage;
        }
    };
    let password = std::env::var("ASSAY_SIGN_PASSWORD").ok();
    let key = plan.sign.as_deref().map(|path| SigningKey::read(path, password.as_deref()));
    let key = match key.transpose() {
        Ok(key) => key,
        Err(error) => {
            terminal.error(&chain(&error));
            return Exit::Usage;
        }
    };
    let cancel = match cancel_on_signals() {
        Ok(cancel) => cancel,
        Err(error) => {
            terminal.error(&format!("cannot listen for signals: {error}"));
            return Exit::Failed;
        }
    };
    let signer = key.as_ref().map(|key| {
        move |manifest: &[u8]| {
            let mut text = Vec::new();
            key.sign(manifest, &mut text).map(|()| text).map_err(|error| chain(&error))
        }
    });
    let signer = signer.as_ref().map(|signer| -> SignatureHook<'_> { signer });
    match follow(&plan, terminal, &cancel, signer) {
        Ok(summary) => tell(&plan, &summary, terminal, hits_in_code),
        Err(error) => {
            terminal.error(&chain(&error));
            if !error.is_usage() {
                let out = shown(&plan.out);
                terminal.error(&format!(
                    "the report in {out} is not complete; when that is put right, go on with --resume"
                ));
            }
            if error.is_usage() { Exit::Usage } else { Exit::Failed }
        }
    }
}

/// A flag that SIGINT, SIGTERM and SIGHUP set; a second signal ends the process at once.
fn cancel_on_signals() -> std::io::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    // A file that may not grow any more is then an error of the write, not the end of the process.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let code = i32::from(Exit::Interrupted.code());
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&cancel))?;
        signal_hook::flag::register(signal, Arc::clone(&cancel))?;
    }
    Ok(cancel)
}

/// Runs the plan while another thread shows its progress.
fn follow(
    plan: &ScanPlan,
    terminal: &Terminal,
    cancel: &AtomicBool,
    signer: Option<SignatureHook<'_>>,
) -> Result<ScanSummary, ScanError> {
    let counters = Counters::default();
    let finished = AtomicBool::new(false);
    let mut tell = |record: &Record| hit(record, terminal);
    terminal
        .event(&json!({ "event": "start", "out": shown(&plan.out) }))
        .map_err(ScanError::Follower)?;
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| terminal.follow(&counters, &finished));
        let follow = Follow { counters: &counters, cancel, record: &mut tell };
        let summary = run(plan, follow, signer);
        finished.store(true, Ordering::Release);
        watcher.thread().unpark();
        summary
    })
}

/// Tells of a record that a person would want to know of at once.
fn hit(record: &Record, terminal: &Terminal) -> std::io::Result<()> {
    if !matches!(record.disposition, Disposition::Alert | Disposition::Near) {
        return Ok(());
    }
    terminal.event(&json!({
        "event": "hit",
        "object_path": record.path,
        "disposition": record.disposition.as_str(),
        "findings": record.findings.len(),
    }))
}

/// Says how a run ended, to a person and to a program.
fn tell(plan: &ScanPlan, summary: &ScanSummary, terminal: &Terminal, hits: bool) -> Exit {
    let ScanSummary { outcome, built, lost, was_finished } = summary;
    let exit = match outcome {
        Outcome::Complete => Exit::Complete,
        Outcome::Incomplete => Exit::Incomplete,
        Outcome::Mismatch => Exit::Difference,
        Outcome::Failed => Exit::Failed,
        Outcome::Interrupted => Exit::Interrupted,
    };
    let exit = if hits && built.alerts > 0 { exit.with_hits() } else { exit };
    let b = &built.balance;
    let out = shown(&plan.out);
    if *was_finished {
        terminal.say(&format!("the report in {out} was complete; only its journal was removed"));
    }
    if let Some(why) = lost {
        terminal.error(&format!("evidence is lost: {why}; bring it back and use --resume"));
    }
    terminal.say(&format!(
        "objects {}: hashed {}, partial {}, unread {}, skipped {}, special {}",
        b.seen, b.hashed, b.partial, b.unread, b.skipped, b.special
    ));
    terminal.say(&format!(
        "alert {} (exact), near {}; a match is a lead, not an identification",
        built.alerts, built.near
    ));
    match outcome {
        Outcome::Interrupted => {
            terminal.say(&format!("interrupted: go on with --resume; {out} holds the journal and *.incomplete.csv"));
        }
        Outcome::Failed => terminal.error(&format!(
            "the sums do not hold; {out}/summary.txt says FAILED and why; do not rely on this report"
        )),
        Outcome::Mismatch => terminal.error(
            "an image is not the one that was acquired: its digest is another one; see summary.txt",
        ),
        Outcome::Complete | Outcome::Incomplete => {}
    }
    if built.not_examined > 0 {
        terminal.say(&format!(
            "volumes not or not wholly examined, and problems of volumes: {}; see volumes.csv and exceptions.csv",
            built.not_examined
        ));
    }
    if !built.seal.is_empty() {
        terminal.say(&format!("report {out}: read summary.txt first"));
        terminal.say(&format!("seal {} (write it into your notes)", built.seal));
    }
    let told = terminal.event(&json!({
        "event": "end",
        "exit": exit.as_str(),
        "code": exit.code(),
        "seal": built.seal,
        "objects": b.seen,
        "alert": built.alerts,
        "near": built.near,
        "partial": b.partial,
        "unread": b.unread,
        "skipped": b.skipped,
    }));
    match told {
        Ok(()) => exit,
        Err(error) => {
            terminal.error(&format!("cannot write events to standard output: {error}"));
            Exit::Failed
        }
    }
}
