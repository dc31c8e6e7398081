//! What tests of several subjects need: saying that one was skipped, running a program, public data.

use std::io::Write as _;
use std::process::{Command, Output};

/// Says that a test was skipped and why; `.ci/run` counts these lines and fails on unexpected ones.
pub(crate) fn skip(why: &str) {
    println!("skipped: {why}");
    if let Some(log) = std::env::var_os("ASSAY_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        writeln!(file, "skipped: {why}").unwrap();
    }
}

/// Runs a program of the system; `None`, and a word about it, where it is not installed.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(name).args(arguments).output() {
        Ok(output) => Some(output),
        Err(_) => {
            skip(&format!("{name} is not installed"));
            None
        }
    }
}

/// True where the test runs as root; says so otherwise.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("needs root");
    }
    root
}
