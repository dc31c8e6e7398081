//! The compiled set: one immutable file that is found in without being read first.
//!
//! A list of a hundred million rows cannot be parsed and sorted for every scan. `assay hashset build`
//! does it once. What comes out is opened by mapping it: a digest is found with one look at a table
//! ordered by the digests' leading 64 bits. Every record of the list is kept, also of digests that
//! stand in it more than once.
//!
//! The file is hostile like any list. [`CompiledSet::open`] checks its frame (magic, version, length
//! at both ends, header, directory, padding), [`CompiledSet::verify`] every byte by the BLAKE3 of its
//! section, [`CompiledSet::audit`] what the sections say of each other. Reading goes through checked
//! slices, so a file that was forged with good check sums costs a wrong answer at most, never the
//! process. docs/hash-set-formats.md has the layout.

mod build;
mod columns;
mod describe;
mod error;
mod gather;
mod layout;
mod map;
mod open;
mod place;
mod record;
mod section;
mod sort;
mod table;

pub use build::{Builder, Built, SetFacts};
pub use describe::{Source, TableFacts};
pub use error::BuildError;
pub use map::Access;
pub use open::{CompiledSet, Fault, is_compiled};
