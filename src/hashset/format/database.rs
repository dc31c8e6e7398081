//! The database of the NSRL Reference Data Set, version 3: SQLite, minimal and full.
//!
//! The file is the operator's own and is opened so that nothing is written beside it; a database
//! that is still being written is refused. Which table and which columns there are is found out,
//! not assumed: the full set has its hashes in `METADATA` and `FILE` as a view of it, the minimal
//! one has `FILE` as a table. Rows are read as they lie, without an index and without sorting. A
//! file has a row for each package that it is part of; those that follow each other go on once.
//!
//! SQLite runs in this process, on the examiner's own file, with a limit of memory and with
//! nothing of its schema trusted.

use crate::bytes::ByteOffset;
use crate::digest::{Algorithm, Digest};
use crate::hashset::tally::Tally;
use crate::hashset::{Place, Reject, RowName, RowSink, SetEntry, SetError, source, value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What the connection may and may not do. The heap is limited to 48 MiB.
const SETTINGS: &str = "PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; \
                        PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; \
                        PRAGMA hard_heap_limit=50331648;";

/// The table that has the hashes, and what of it is read.
struct Table {
    name: &'static str,
    /// A table may be kept from using an index, a view has none.
    is_view: bool,
    columns: Vec<(String, Column)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Digest(Algorithm),
    Size,
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "md5" => Self::Digest(Algorithm::Md5),
            "sha1" => Self::Digest(Algorithm::Sha1),
            "sha256" => Self::Digest(Algorithm::Sha256),
            "file_size" => Self::Size,
            _ => return None,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Digest(algorithm) => algorithm.as_str(),
            Self::Size => "size",
        }
    }
}

/// Reads every row; returns the digest of the file and its end as a place.
///
/// # Errors
/// A database that is damaged, not finished or of another kind; what the sink refuses.
pub(in crate::hashset) fn read(
    file: &Path,
    tally: &mut Tally,
    sink: &mut dyn RowSink,
) -> Result<(String, Place), SetError> {
    unfinished(file)?;
    whole(file)?;
    std::thread::scope(|scope| {
        let digest = scope.spawn(|| source::digest_of(file));
        let rows = rows(file, tally, sink);
        let digest = match digest.join() {
            Ok(digest) => digest,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let place = rows?;
        Ok((digest?, place))
    })
}

fn place(file: &Path, record: Option<u64>) -> Place {
    Place { file: file.to_owned(), line: 0, offset: ByteOffset(0), record }
}

/// Refuses a database with changes beside it, which would be passed over.
fn unfinished(file: &Path) -> Result<(), SetError> {
    for end in ["-wal", "-journal"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(end);
        if PathBuf::from(beside).metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let found = format!("changes beside it in a file ending in {end}");
            let expected = "a database that was closed: open and close it with sqlite3 first";
            return Err(SetError::bad(place(file, None), found, expected));
        }
    }
    Ok(())
}

/// Refuses a database that is shorter or longer than its own header says: SQLite reads the bytes that
/// a cut page lacks as zeros. Header: SQLite database file format, section 1.3.
#[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
fn whole(file: &Path) -> Result<(), SetError> {
    let unread = |source| SetError::Read { file: file.to_owned(), source };
    let mut header = [0; 100];
    let mut opened = std::fs::File::open(file).map_err(unread)?;
    let length = opened.metadata().map_err(unread)?.len();
    let read = opened.read_exact(&mut header);
    let field = |at: usize| {
        let bytes = header.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u64::from(u32::from_be_bytes(bytes))
    };
    let page = match field(14) & 0xffff {
        1 => 65_536,
        size => size,
    };
    // The number of pages is right where the number of the last change is that of its writing.
    let stated = page.saturating_mul(field(28));
    if read.is_err() || field(24) == field(92) && stated != length {
        let found = format!("{length} bytes where its header says {stated}");
        let expected = "a whole SQLite database: fetch it again";
        return Err(SetError::bad(place(file, None), found, expected));
    }
    Ok(())
}

fn damaged(file: &Path, record: u64, error: &rusqlite::Error) -> SetError {
    let code =
        error.sqlite_error_code().map_or_else(|| "another".into(), |code| format!("{code:?}"));
    let found = format!("what SQLite cannot read ({code})");
    SetError::bad(place(file, Some(record)), found, "a whole SQLite database: fetch it again")
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let mut address = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => {
                let _ = write!(address, "%{byte:02x}");
            }
        }
    }
    address.push_str("?mode=ro&immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(address, flags)?;
    connection.execute_batch(SETTINGS)?;
    Ok(connection)
}

/// Finds the table with the hashes.
fn table(connection: &Connection) -> rusqlite::Result<Option<Table>> {
    for (name, kind) in [("METADATA", "table"), ("FILE", "table"), ("FILE", "view")] {
        let there = "SELECT count(*) FROM sqlite_master WHERE type = ?1 AND upper(name) = ?2";
        let there: i64 = connection.query_row(there, [kind, name], |row| row.get(0))?;
        if there == 0 {
            continue;
        }
        let mut info = connection.prepare(&format!("PRAGMA table_info(\"{name}\")"))?;
        let names = info.query_map([], |row| row.get::<_, String>(1))?;
        let mut columns = Vec::new();
        for name in names {
            let name = name?;
            if let Some(column) = Column::named(&name) {
                columns.push((name, column));
            }
        }
        if columns.iter().any(|(_, column)| matches!(column, Column::Digest(_))) {
            return Ok(Some(Table { name, is_view: kind == "view", columns }));
        }
    }
    Ok(None)
}

fn rows(file: &Path, tally: &mut Tally, sink: &mut dyn RowSink) -> Result<Place, SetError> {
    let failed = |error| damaged(file, 1, &error);
    let connection = open(file).map_err(failed)?;
    let Some(table) = table(&connection).map_err(failed)? else {
        let found = "a database without a table FILE or METADATA that has digests";
        let expected = "NSRL RDSv3; export another database as CSV with a header row";
        return Err(SetError::bad(place(file, None), found, expected));
    };
    let names: Vec<_> = table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let order = if table.is_view { "" } else { " NOT INDEXED" };
    let query = format!("SELECT {} FROM \"{}\"{order}", names.join(", "), table.name);
    let mut query = connection.prepare(&query).map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let (mut record, mut last) = (0_u64, None);
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(place(file, Some(record))),
            Err(error) => return Err(damaged(file, record.saturating_add(1), &error)),
        };
        record = record.saturating_add(1);
        match entry(row, &table.columns, tally) {
            Ok(entry) if last.as_ref() == Some(&entry) => tally.repeated(),
            Ok(entry) => {
                last = Some(entry.clone());
                tally.push(sink, entry, RowName::Record(record))?;
            }
            Err((column, found, expected)) => {
                let place = place(file, Some(record));
                tally.reject(sink, Reject { place, column, found, expected })?;
            }
        }
    }
}

/// A row that is none: column, what is there, what has to be.
type Wrong = (&'static str, String, String);

fn entry(
    row: &Row<'_>,
    columns: &[(String, Column)],
    tally: &mut Tally,
) -> Result<SetEntry, Wrong> {
    let (_, mut entry) = tally.row();
    let mut any = false;
    for (at, (_, column)) in columns.iter().enumerate() {
        let wrong =
            |found: &str, expected: &str| (column.as_str(), found.to_owned(), expected.to_owned());
        let value = row.get_ref(at).map_err(|_| wrong("nothing", "a value"))?;
        match (column, value) {
            (_, ValueRef::Null | ValueRef::Text(b"")) => {}
            (Column::Size, value) => {
                let size = match value {
                    ValueRef::Integer(size) => u64::try_from(size).ok(),
                    ValueRef::Text(size) => value::number(size),
                    _ => None,
                };
                let size = size.ok_or_else(|| wrong("another value", "a size in bytes"));
                entry.size = Some(size?);
            }
            (Column::Digest(algorithm), value) => {
                any = true;
                let digits = algorithm.width().saturating_mul(2);
                let expected = format!("{digits} hex digits ({algorithm})");
                let digest = match value {
                    ValueRef::Text(hex) => value::digest(hex, *algorithm)
                        .ok_or_else(|| wrong(&value::described(hex), &expected))?,
                    ValueRef::Blob(raw) if raw.len() == algorithm.width() => {
                        Digest::new(raw).ok_or_else(|| wrong("another value", &expected))?
                    }
                    _ => return Err(wrong("another value", &expected)),
                };
                tally.digest(&mut entry, *algorithm, digest);
            }
        }
    }
    if any {
        return Ok(entry);
    }
    Err(("", "a row without any digest".into(), "a value in a column for digests".into()))
}
