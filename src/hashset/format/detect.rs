//! Which format a list has, by its first bytes and its first line that says something.

use super::{Reading, checksum, column};
use crate::bytes::ByteOffset;
use crate::hashset::encoding::{Line, Text};
use crate::hashset::{Place, SetError};
use std::path::Path;

/// A format, and what was learnt while it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Hashdeep,
    Csv { delimiter: u8 },
    GnuChecksum,
    BsdChecksum,
    Plain,
}

impl Format {
    /// The word for it in the report.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hashdeep => "hashdeep",
            Self::Csv { .. } => "csv",
            Self::GnuChecksum => "checksum",
            Self::BsdChecksum => "bsd-checksum",
            Self::Plain => "plain",
        }
    }
}

/// A shorter first word is no damaged digest.
const SHORTEST_DAMAGED: usize = 16;

/// Longest algorithm name of a BSD line.
const LONGEST_TAG: usize = 12;

const UNPACK: &str = "unpack it first";
const EXPORT: &str = "export it as CSV with a header row";
const DATABASE: &str = "unpack it first, or export it as CSV with a header row";
const STATEMENTS: &str = "apply it to the database it belongs to with sqlite3, and name that";

/// First bytes of an SQLite database.
pub(in crate::hashset) const SQLITE: &[u8] = b"SQLite format 3\0";

/// First bytes of what is known and not read.
const BINARY: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "gzip inside a package", UNPACK),
    (b"PK\x03\x04", "a zip archive inside a package", UNPACK),
    (b"PK\x05\x06", "an empty zip archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"\xfd7zXZ\0", "xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", UNPACK),
    (b"BZh", "bzip2", UNPACK),
    (SQLITE, "an SQLite database in a package, or this program is built without `nsrl`", DATABASE),
    (b"HASH\r\n\xff\0", "an EnCase hash file", EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file such as an old workbook", EXPORT),
];

/// Refuses what is known to be no text.
///
/// # Errors
/// The format, with what to do.
pub(in crate::hashset) fn refuse_binary(file: &Path, raw: &[u8]) -> Result<(), SetError> {
    let known = BINARY.iter().find(|(magic, ..)| raw.starts_with(magic));
    known.map_or(Ok(()), |(_, format, advice)| {
        let place = Place { file: file.to_owned(), line: 1, offset: ByteOffset(0), record: None };
        Err(SetError::Unsupported { place, format, advice })
    })
}

/// The format and the line that shows it; `None` where all lines are blank or comments.
///
/// # Errors
/// A format that is known and not read, or none at all.
pub(super) fn detect<'a>(text: &'a Text) -> Result<Option<(Format, Line<'a>)>, SetError> {
    let Some(line) = Reading::rows_of(text).next().transpose()? else { return Ok(None) };
    let place = || text.place(line.at, None);
    let refuse = |format, advice| Err(SetError::Unsupported { place: place(), format, advice });
    let bytes = line.bytes.trim_ascii_end();
    match bytes.first() {
        Some(b'{' | b'[') => return refuse("JSON", EXPORT),
        Some(b'<') => return refuse("XML", EXPORT),
        _ if is_sql(bytes) => {
            return refuse("SQL statements, such as a delta of the NSRL", STATEMENTS);
        }
        _ if is_tsk_index(bytes) => return refuse("an index of The Sleuth Kit", EXPORT),
        _ => {}
    }
    let format = if bytes.starts_with(b"%%%% HASHDEEP-") {
        Some(Format::Hashdeep)
    } else if let Some(delimiter) = header_delimiter(bytes).filter(|_| !is_row(bytes)) {
        Some(Format::Csv { delimiter })
    } else {
        headerless(bytes)
    };
    format
        .map(|format| Some((format, line)))
        .ok_or_else(|| SetError::Unrecognised { place: place() })
}

/// What a line without column names is.
fn headerless(line: &[u8]) -> Option<Format> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    if checksum::tag(line).is_some_and(|(tag, _)| tag.len() <= LONGEST_TAG) {
        return Some(Format::BsdChecksum);
    }
    let word = line.iter().take_while(|c| c.is_ascii_alphanumeric()).count();
    match line.get(word) {
        _ if word < SHORTEST_DAMAGED => None,
        Some(b' ' | b'\t') => Some(Format::GnuChecksum),
        _ => Some(Format::Plain),
    }
}

/// Whether a line starts as a row does and no header: a file's name may hold `,md5,`.
fn is_row(line: &[u8]) -> bool {
    let digits = line.strip_prefix(b"\\").unwrap_or(line);
    let hex = digits.iter().take_while(|c| c.is_ascii_hexdigit()).count();
    hex >= SHORTEST_DAMAGED || headerless(line) == Some(Format::BsdChecksum)
}

/// The delimiter that shows the most known columns, where there is one; then the most columns.
fn header_delimiter(line: &[u8]) -> Option<u8> {
    let known = |delimiter: &u8| {
        let columns = line.split(|c| c == delimiter);
        let known = columns.clone().filter(|name| column::is_known(name)).count();
        (known, columns.count())
    };
    let best = b"|\t;,".iter().max_by_key(|delimiter| known(delimiter))?;
    (known(best).0 > 0).then_some(*best)
}

/// Whether a line begins as SQL does.
fn is_sql(line: &[u8]) -> bool {
    let words = line.to_ascii_uppercase();
    [
        &b"INSERT INTO "[..],
        b"INSERT OR ",
        b"REPLACE INTO ",
        b"UPDATE ",
        b"DELETE FROM ",
        b"CREATE TABLE ",
        b"BEGIN TRANSACTION",
        b"BEGIN;",
        b"PRAGMA ",
        b"ATTACH ",
    ]
    .iter()
    .any(|word| words.starts_with(word))
}

/// Line 1 of an index that The Sleuth Kit makes: 41 zeros, a bar, the kind.
fn is_tsk_index(line: &[u8]) -> bool {
    line.iter().take_while(|c| **c == b'0').count() >= 40 && line.contains(&b'|')
}
