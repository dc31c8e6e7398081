//! Why a compiled file could not be made.

use crate::output::OutputError;

/// Why there is no compiled file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something could not be written, or an unnamed file not read again.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An unnamed file gave other bytes than were written to it.
    #[error("a temporary file was damaged: check the disk and memory of this machine")]
    SpillDamaged,
    /// More than the file can count.
    #[error("more than {most} {what}; make several sets of it")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: u64,
    },
    /// Nothing to put in.
    #[error("no entry was given; a set without entries finds nothing")]
    Empty,
    /// Digests that no order of the table spreads.
    #[error("the digests cannot be spread over a table; tell the authors of this program")]
    NotSpread,
    /// The description could not be put into words.
    #[error("cannot describe the set: {0}")]
    Description(#[from] serde_json::Error),
}
