//! The report: what was found, in tables that an opponent can check line by line.
//!
//! A scan appends a [`Record`] an object to the [`Journal`] in the order the objects are done;
//! [`build`] puts them in the order of the evidence and writes the tables, the summary, the end of
//! the custody events and the manifest. What stands in the tables depends on evidence, sets and
//! settings alone. Text from evidence is hostile: it reaches a file only through the escapes of
//! [`crate::item::escape`].

mod begun;
mod build;
mod chain;
mod compact;
mod custody;
mod finished;
mod journal;
mod manifest;
mod newest;
mod placed;
mod ready;
mod record;
mod row;
mod run;
pub mod schema;
pub mod sign;
pub mod sort;
mod summary;
mod tables;
mod tally;
pub mod verify;

pub use begun::{InProgress, name_sum};
pub use build::{Built, Handover, Seen, SignatureHook, build, build_interrupted, clean, retract};
pub use chain::Chain;
pub use custody::{Actor, Custody, Event};
pub use finished::finished;
pub use journal::{Frame, Journal, JournalReader, Known, KnownRecords, Resumed, Suspect};
pub use manifest::Manifest;
pub use record::{Outline, PictureFacts, Record};
pub use row::{cells_of, row_of};
pub use run::{
    Balance, Case, CompiledRecord, Host, Rows, RunManifest, RunState, SetRecord, Source,
    SourceVerdict, Tool, now,
};
pub use tables::Conflict;

use crate::output::OutputError;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file could not be written or read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A row of a report could not be read.
    #[error("{file} has a row that is no CSV")]
    Row {
        /// The table's file.
        file: &'static str,
        /// What the reader said.
        source: csv::Error,
    },
    /// A finished report could not be read.
    #[error("cannot read files.csv of the report")]
    ReadReport(#[source] std::io::Error),
    /// A record could not be put into bytes.
    #[error("cannot encode a record of the journal")]
    Encode(#[source] postcard::Error),
    /// The bytes of a journal frame are no record.
    #[error(
        "cannot decode a record of the journal: it was written by another version or is damaged"
    )]
    Decode(#[source] postcard::Error),
    /// A record, key or frame passes 4 GiB.
    #[error("a record is longer than 4 GiB")]
    TooLong,
    /// The journal could not be read.
    #[error("cannot read the journal")]
    JournalRead(#[source] std::io::Error),
    /// The journal has no whole first frame of this version.
    #[error("the output folder has no journal of this version")]
    NoJournal,
    /// The journal belongs to another run; says what differs, old before new.
    #[error("the unfinished run differs from this one, use its arguments or a new folder: {0}")]
    OtherRun(String),
    /// The journal does not hold as many records as were written to it.
    #[error("the journal is damaged at byte {at}: {found} of {expected} entries are whole")]
    JournalDamaged {
        /// The end of the last whole frame.
        at: u64,
        /// Entries up to there.
        found: u64,
        /// Entries written.
        expected: u64,
    },
    /// Rows came back from a temporary file other than they were written.
    #[error("a temporary file in the output folder came back damaged: check the disk")]
    SpillDamaged,
    /// custody.csv does not go on from its last row.
    #[error("custody.csv is damaged at row {row}")]
    CustodyDamaged {
        /// The row, from 1.
        row: u64,
    },
    /// run.json of a complete report cannot be read.
    #[error("run.json is damaged")]
    RunDamaged(#[source] serde_json::Error),
    /// The signature could not be made.
    #[error("cannot sign the manifest: {0}")]
    Sign(String),
}
