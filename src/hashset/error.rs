//! Why a list, its sidecar or its scheme is refused.
//!
//! A message says where, what kind of thing is there, what was expected and what to do. It never
//! holds a value of the list: neither its text nor its `Debug` form. Category codes are named,
//! because they are what the examiner has to map.

use super::{ListAlgorithm, SetKind};
use crate::bytes::ByteOffset;
use crate::item::escape;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a list, a sidecar or a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line, the first being 1; 0 in a database, which has records alone.
    pub line: u64,
    /// Place in the file as it lies on the disk, byte order mark and encoding included.
    pub offset: ByteOffset,
    /// Row, the first being 1; header, comments and blank lines are none.
    pub record: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.file))?;
        match (self.line, self.record) {
            (0, None) => return Ok(()),
            (0, Some(record)) => return write!(f, ": record {record}"),
            (line, _) => write!(f, ": line {line}, {}", self.offset)?,
        }
        self.record.map_or(Ok(()), |record| write!(f, ", record {record}"))
    }
}

/// Why a list cannot be used. Every one of them means that nothing of the list was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The operating system gave an error.
    #[error("{}: cannot be read: {source}; check the path and the rights", shown(file))]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{}: is no regular file; name the file of the list itself", shown(file))]
    NotAFile {
        /// What was named.
        file: PathBuf,
    },
    /// Larger than is read, or than memory holds.
    #[error("{}: {size} bytes are more than can be loaded ({limit}); split the list", shown(file))]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The largest size that is read, or `memory`.
        limit: String,
    },
    /// More entries than memory holds.
    #[error("{}: memory does not hold more than {entries} entries; split the list", shown(file))]
    TooManyEntries {
        /// The list.
        file: PathBuf,
        /// How many it held.
        entries: u64,
    },
    /// Two kinds of digest in a list without column names: two lists in one.
    #[error(
        "{place}: found {found}, expected {expected}; make two lists of it, or give it a header row"
    )]
    Mixed {
        /// The first digest of another length.
        place: Place,
        /// What kind of thing is there.
        found: String,
        /// What the digests before it are.
        expected: String,
    },
    /// A place where something else has to stand.
    #[error("{place}: found {found}, expected {expected}; correct the file, it is refused whole")]
    Bad {
        /// Where.
        place: Place,
        /// What kind of thing is there.
        found: String,
        /// What has to be there.
        expected: String,
    },
    /// 64 hex digits and nothing that says of what.
    #[error(
        "{place}: 64 hex digits may be SHA-256, BLAKE3 or PDQ; expected the algorithm to be stated: \
         give --algorithm sha256, blake3 or pdq, or `algorithm` in the list's sidecar"
    )]
    Ambiguous {
        /// The first such value.
        place: Place,
    },
    /// Values of another length than the stated algorithm has.
    #[error(
        "{place}: found {found}, expected {} hex digits as {stated} has; leave --algorithm out, or \
         state this list's own `algorithm` in its sidecar",
        stated.hex_digits()
    )]
    NotAsStated {
        /// The first value.
        place: Place,
        /// What kind of thing is there.
        found: String,
        /// What `--algorithm` or the sidecar states.
        stated: ListAlgorithm,
    },
    /// Content that is known and not read.
    #[error("{place}: this is {format}, which is not supported; expected a text list: {advice}")]
    Unsupported {
        /// Where the content shows it.
        place: Place,
        /// What it is.
        format: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Content that is none of the formats.
    #[error(
        "{place}: the format is not recognised; expected one digest a line, checksum lines, \
         hashdeep, or a header row with a column such as md5, sha1 or sha256"
    )]
    Unrecognised {
        /// The first line that is neither blank nor a comment.
        place: Place,
    },
    /// No row became an entry.
    #[error("{place}: the list ends without a usable entry: {detail}; expected at least one")]
    NoRows {
        /// The end of the file.
        place: Place,
        /// How many rows there were, and what became of them.
        detail: String,
    },
    /// Category codes and nothing that says what they mean.
    #[error(
        "{place}: the list has category codes ({codes}); expected a scheme that says what each \
         means: give --scheme, or `scheme` in the list's sidecar"
    )]
    SchemeMissing {
        /// The first code.
        place: Place,
        /// The codes found.
        codes: String,
    },
    /// No file is the scheme that is named.
    #[error("no scheme named {name}; looked for {looked}; give the path of a scheme file")]
    SchemeNotFound {
        /// The name.
        name: String,
        /// The files looked for.
        looked: String,
    },
    /// A list used as harmless has codes that the scheme calls alert.
    #[error(
        "{place}: category code {code} is alert in scheme {scheme}, and the list is used as {kind}; \
         expected --alert; give --accept-polarity where it is meant so"
    )]
    Polarity {
        /// The first such code.
        place: Place,
        /// The code.
        code: String,
        /// The scheme's name.
        scheme: String,
        /// What the list is used as.
        kind: SetKind,
    },
    /// A list used as the opposite of what it is.
    #[error(
        "{place}: this is a {list} list, and it is used as {used}; expected {expected}; give \
         --accept-polarity where it is meant so"
    )]
    Opposite {
        /// What shows it.
        place: Place,
        /// What it is.
        list: &'static str,
        /// What it is used as.
        used: SetKind,
        /// What it may be used as.
        expected: &'static str,
    },
    /// A set in several files of which one is not there.
    #[error(
        "{}: part {number} of {total} is missing: expected {}; put every part into one folder",
        shown(file),
        shown(missing)
    )]
    PartMissing {
        /// The part that is there.
        file: PathBuf,
        /// The number of the missing part.
        number: u32,
        /// How many there are.
        total: u32,
        /// Its name.
        missing: PathBuf,
    },
    /// A further part of a set in several files.
    #[error(
        "{}: this is part {number} of {total}; name part 1, which stands for all: {}",
        shown(file),
        shown(first)
    )]
    NotFirstPart {
        /// The part.
        file: PathBuf,
        /// Its number.
        number: u32,
        /// How many there are.
        total: u32,
        /// The first part.
        first: PathBuf,
    },
    /// Both places of a sidecar are taken.
    #[error("{} and {}: expected one sidecar; remove or rename one", shown(first), shown(second))]
    TwoSidecars {
        /// The list's name with `.toml` behind it.
        first: PathBuf,
        /// The list's name with its extension replaced.
        second: PathBuf,
    },
    /// A compiled set that was cut or changed, or is of another version.
    #[error("{}: {fault}; build it again from its lists", shown(file))]
    Compiled {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        fault: super::compiled::Fault,
    },
    /// A compiled set is used as something else than it was built for.
    #[error(
        "{}: was built as a set of kind {built}; give it as --{built}, not as --{used}",
        shown(file)
    )]
    OtherKind {
        /// The file.
        file: PathBuf,
        /// What it was built as.
        built: SetKind,
        /// What it is used as.
        used: SetKind,
    },
}

impl SetError {
    /// Something that stands where something else has to.
    pub(super) fn bad(place: Place, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Bad { place, found: found.into(), expected: expected.into() }
    }

    /// Where the file is wrong, for errors that have such a place.
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::Bad { place, .. }
            | Self::Mixed { place, .. }
            | Self::Ambiguous { place }
            | Self::NotAsStated { place, .. }
            | Self::Unsupported { place, .. }
            | Self::Unrecognised { place }
            | Self::NoRows { place, .. }
            | Self::SchemeMissing { place, .. }
            | Self::Opposite { place, .. }
            | Self::Polarity { place, .. } => Some(place),
            Self::Read { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::TooManyEntries { .. }
            | Self::PartMissing { .. }
            | Self::NotFirstPart { .. }
            | Self::SchemeNotFound { .. }
            | Self::TwoSidecars { .. }
            | Self::Compiled { .. }
            | Self::OtherKind { .. } => None,
        }
    }
}

/// A path as one inert line.
pub(super) fn shown(path: &Path) -> String {
    escape::cell(path.as_os_str().as_encoded_bytes())
}
