//! Runs that are killed, starved and lied to: whatever happens, a resumed run ends with the same
//! tables as one that nothing happened to.

#![allow(clippy::disallowed_methods, reason = "tests make and read their own files")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod alone;
mod child;
mod evidence_faults;
mod kills;
mod lock;
mod output_faults;
mod resume;
mod space;
mod strace;
mod tamper;

#[path = "../it/changes.rs"]
mod changes;
#[path = "../it/runs.rs"]
#[allow(dead_code, reason = "shared with the other test binary")]
mod runs;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other test binary")]
mod support;
#[path = "../it/tree.rs"]
#[allow(dead_code, reason = "shared with the other test binary")]
mod tree;
