//! `assay`: a forensic seized-media scanner.
//!
//! It walks folders, hashes every object exactly and perceptually, compares the hashes with
//! law-enforcement sets and writes a report that can be checked line by line. ARCHITECTURE.md has
//! the map of the modules and the rules they keep; `tests/it/layers.rs` holds them to it.

pub mod bytes;
pub mod cli;
pub mod digest;
pub mod evidence;
pub mod hashset;
pub mod item;
pub mod matching;
pub mod media;
pub mod output;
pub mod perceptual;
pub mod problem;
pub mod report;
pub mod scan;
pub mod signature;
pub mod sys;
pub mod unpack;
pub mod worker;
