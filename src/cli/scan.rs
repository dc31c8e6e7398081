//! `assay scan`: follows a run and says how it ended.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

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

/// How long after the first signal another one is taken as the same: `timeout` sends each twice, to
/// the process and to its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// A flag that SIGINT, SIGTERM and SIGHUP set; another one a second or more after the first ends the
/// process at once.
fn cancel_on_signals() -> std::io::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    // A file that may not grow any more is then an error of the write, not the end of the process.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let flag = Arc::clone(&cancel);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut first = None;
        for _ in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            if is_another(&mut first, Instant::now()) {
                signal_hook::low_level::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    })?;
    Ok(cancel)
}

/// True for a signal that is another one than the first; the first is noted.
fn is_another(first: &mut Option<Instant>, now: Instant) -> bool {
    now.duration_since(*first.get_or_insert(now)) >= SAME_SIGNAL
}

/// Runs the plan while another thread shows its progress.
fn follow(
    plan: &ScanPlan,
    terminal: &Terminal,
    cancel: &Arc<AtomicBool>,
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
    let ScanSummary { outcome, built, .. } = summary;
    let exit = match outcome {
        Outcome::Complete => Exit::Complete,
        Outcome::Incomplete => Exit::Incomplete,
        Outcome::Mismatch => Exit::Difference,
        Outcome::Failed => Exit::Failed,
        Outcome::Interrupted => Exit::Interrupted,
    };
    let exit = if hits && built.alerts > 0 { exit.with_hits() } else { exit };
    say(plan, summary, terminal);
    let b = &built.balance;
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

/// Says how a run ended, to a person.
fn say(plan: &ScanPlan, summary: &ScanSummary, terminal: &Terminal) {
    let ScanSummary { outcome, built, lost, was_finished } = summary;
    let b = &built.balance;
    let out = shown(&plan.out);
    if *was_finished {
        terminal.say(&format!("the report in {out} was complete; only its journal was removed"));
    }
    if let Some(why) = lost {
        terminal.error(&format!(
            "the evidence cannot be read any more: {why}; put that right and use --resume"
        ));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_sent_twice_at_once_is_one() {
        let (mut first, start) = (None, Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let told = [0, 2, 999, 1_000, 5_000].map(|millis| is_another(&mut first, at(millis)));
        assert_eq!(told, [false, false, false, true, true]);
    }
}
