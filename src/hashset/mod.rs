//! Reference sets: what each list says, in one form.
//!
//! A list's content decides its format, never its name. Lists are the examiner's own files, and
//! still hostile: a list that is damaged or ambiguous is refused whole, because an entry that is
//! silently lost is a known file silently missed. Values of a list are sensitive and appear in no
//! message.

// `unsafe` stands in `compiled::map` alone.
#![deny(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

mod category;
mod collect;
pub mod compiled;
mod encoding;
mod entry;
mod error;
mod export;
mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keys;
mod load;
mod part;
mod scheme;
mod set;
mod sidecar;
mod sink;
mod source;
mod stream;
mod tally;
mod value;
mod zip;

pub use entry::{
    Category, ListAlgorithm, PHOTODNA_BYTES, PerceptualEntry, ReferenceSet, SetCounts, SetEntry,
    SetInfo, SetKind,
};
pub use error::{Place, SetError};
pub use export::{ListForm, export};
pub use load::{ListOptions, is_further_part, load, read_list};
pub use scheme::Scheme;
pub use set::{compiled_kind, open};
pub use sink::{Reject, RowName, RowSink, rejects_csv};
