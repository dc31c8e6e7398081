//! Evidence becomes items: folders and disk images.
//!
//! Everything read here is hostile: names, sizes, times and links are checked before they are used,
//! and nothing is opened but through `sys`. Nothing is followed out of the evidence.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::unwrap_used))]

pub mod carve;
pub mod container;
mod crc32c;
pub mod filesystem;
pub mod folder;
pub mod image;
pub mod partition;
pub mod recognise;
mod source;

pub use source::{Action, EvidenceSource, Located, Medium, VolumeRow, Walked};
