//! Exact and near look-up of an object in the sets, and what the object is by it.
//!
//! A finding is a lead: it says which entry, by which digests, and how strongly. Sets that disagree
//! never silence an alert. The index holds every entry of every digest; two entries with one digest
//! are two findings.

mod exact;
mod finding;
pub mod kernels;
mod near;
pub mod strength;

pub use exact::Index;
pub use finding::{Disposition, Finding, MatchKind};
pub use near::{
    NearAlgorithm, NearCounts, NearFacts, NearIndex, NearOptions, ObjectHashes, PdqNeighbours,
    Search, combine,
};
