//! What a person or a program sees while a run goes on.
//!
//! Everything goes to standard error but the JSON events, so that a pipe gets only what it asked
//! for. A bar is drawn on a terminal; elsewhere a line every half minute says that the run lives.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::opts::{Color, OutputOpts};
use crate::scan::Counters;

/// How often a bar is drawn and the counters are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Where words go, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    json: bool,
    quiet: bool,
    color: bool,
    bar: bool,
}

impl Terminal {
    /// Looks at the terminal and the environment once.
    pub(super) fn new(opts: &OutputOpts) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match opts.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Self { json: opts.json, quiet: opts.quiet, color, bar: terminal && !opts.quiet }
    }

    /// A line for a person.
    pub(super) fn say(&self, line: &str) {
        if !self.quiet {
            // A closed standard error is no reason to lose a run.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// An error for a person; never silenced.
    pub(super) fn error(&self, text: &str) {
        let label = if self.color { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
        let _ = writeln!(std::io::stderr(), "{label}: {text}");
    }

    /// A line of what was asked for, to standard output.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(super) fn line(&self, line: &str) -> std::io::Result<()> {
        writeln!(std::io::stdout().lock(), "{line}")
    }

    /// An event for a program: one JSON object a line.
    ///
    /// # Errors
    /// Where standard output cannot be written: whoever reads the events would miss one.
    pub(super) fn event(&self, event: &serde_json::Value) -> std::io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{event}")?;
        out.flush()
    }

    /// Shows progress until `finished` is set.
    pub(super) fn follow(&self, counters: &Counters, finished: &AtomicBool) {
        let bar = if self.bar { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let template = if self.color {
            "{spinner:.cyan} {elapsed} {msg}"
        } else {
            "{spinner} {elapsed} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let start = Instant::now();
        let mut printed = start;
        while !finished.load(Ordering::Acquire) {
            std::thread::park_timeout(TICK);
            bar.set_message(progress(counters, start.elapsed()));
            bar.tick();
            if !self.bar && printed.elapsed() >= LINE_EVERY {
                printed = Instant::now();
                self.say(&progress(counters, start.elapsed()));
            }
        }
        bar.finish_and_clear();
    }
}

/// One line of progress: what is done, how fast, how long the listed rest will take.
fn progress(counters: &Counters, elapsed: Duration) -> String {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (seen, done, bytes) = (get(&counters.seen), get(&counters.objects), get(&counters.bytes));
    let seconds = elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a figure for the eye")]
    let (rate, each) = (bytes as f64 / seconds / 1e6, seconds / done.max(1) as f64);
    #[expect(clippy::cast_precision_loss, reason = "a figure for the eye")]
    let rest = Duration::from_secs_f64(each * seen.saturating_sub(done) as f64);
    format!(
        "objects {done} of {seen} listed, {rate:.0} MB/s, listed rest {}s, hits {}, exceptions {}",
        rest.as_secs(),
        get(&counters.alerts),
        get(&counters.exceptions)
    )
}
