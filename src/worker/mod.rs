//! Work on hostile content in processes of its own, away from the evidence and the report.
//!
//! Everything third-party that parses content runs here. A [`Pool`] in the main process starts
//! workers: the same program, called again with [`ARGUMENT`] as its first argument, which then does
//! nothing but [`serve`]. A worker holds no descriptor but its socket, opens nothing, and takes
//! from the system only what `sandbox` leaves it. What a panic cannot contain (an abort, a stack
//! overflow, an endless loop, memory without end) ends one worker and costs one object.
//!
//! The main process trusts nothing a worker says: frames are bounded, answers are checked, and an
//! exact digest or an exact match never depends on one. A worker trusts the main process.
//!
//! Facts: Linux manual pages landlock(7), seccomp(2), prctl(2), setrlimit(2), memfd_create(2),
//! unix(7). docs/sandbox.md says what is confined on which system.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod dialogue;
mod expand;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod picture;
mod pool;
mod process;
mod protocol;
mod sandbox;
mod serve;
mod share;
mod tell;
mod watch;

pub use expand::{Answer, Content, Expand, ExpandLimits, Outcome, Receive};
pub use picture::{PictureAnswer, read_picture};
pub use pool::{Counts, Options, Pool, WorkerError};
pub use process::Program;
pub use sandbox::Level;
pub use serve::{ARGUMENT, Decoders, serve, serve_with};
pub use watch::TimeLimit;
