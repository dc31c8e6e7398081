//! What ties the files to each other: custody.csv with its last event, and the manifest.

use super::found::{Found, shown};
use super::run::RunFacts;
use super::source::Source;
use super::table::Rows;
use super::{Counts, Digested, VerifyError};
use crate::report::schema::{
    CUSTODY, EXCEPTIONS, FILES, MANIFEST, MATCHES, RUN_JSON, SUMMARY, VOLUMES,
};

/// The event that ends every complete report.
const SEALED: &str = "report_sealed";

/// The files that the last event of custody.csv names, in its order.
const SEALED_FILES: [&str; 6] =
    [RUN_JSON, VOLUMES.file, FILES.file, MATCHES.file, EXCEPTIONS.file, SUMMARY];

/// The files that the manifest names, in its order.
pub(super) const MANIFEST_FILES: [&str; 7] =
    [RUN_JSON, VOLUMES.file, FILES.file, MATCHES.file, EXCEPTIONS.file, CUSTODY.file, SUMMARY];

/// What custody.csv ends in.
pub(super) struct Seal {
    /// The last chain value; empty where there is no row.
    pub(super) value: String,
    /// The files whose digests are those that the last event names.
    agreeing: Vec<&'static str>,
}

/// Reads custody.csv and compares the digests it seals, and the seal itself with the noted one.
pub(super) fn custody(
    source: &dyn Source,
    noted: Option<&str>,
    run: &RunFacts,
    counts: &mut Counts,
    digested: &mut Digested,
    found: &mut Found,
) -> Result<Seal, VerifyError> {
    let mut rows = Rows::open(source, CUSTODY, found)?;
    let [event, detail] = ["event", "detail"].map(|name| rows.column(name));
    let mut last: Option<(String, String)> = None;
    while rows.advance(found)? {
        if last.take_if(|(event, _)| event == SEALED).is_some() {
            rows.tell(found, format!("it follows `{SEALED}`, which ends a report"));
        }
        let row = rows.row();
        last = Some((row.cell(event).to_owned(), row.cell(detail).to_owned()));
    }
    counts.custody = rows.count();
    let value = if rows.count() == 0 { String::new() } else { rows.chain().to_owned() };
    let count = rows.count();
    let in_order = !found.names(CUSTODY.file);
    digested.put(CUSTODY.file, rows.finish()?, Some(count));
    let sealed = last.filter(|(event, _)| event == SEALED);
    let agreeing = match sealed {
        _ if !in_order => Vec::new(),
        Some((_, text)) => compare_sealed(&text, count, run, digested, found),
        None => {
            let next = Some(count + 1);
            found.own(CUSTODY.file, next, format!("the last event is not `{SEALED}`"));
            Vec::new()
        }
    };
    if in_order && noted.is_some_and(|noted| noted != value) {
        let what = format!("its seal is {value}, not the one that was noted");
        found.own(CUSTODY.file, None, what);
    }
    Ok(Seal { value, agreeing })
}

/// Compares the digests that the last event names with those of the files.
fn compare_sealed(
    text: &str,
    row: u64,
    run: &RunFacts,
    digested: &Digested,
    found: &mut Found,
) -> Vec<&'static str> {
    let mut agreeing = Vec::new();
    let mut pairs = text.split(';');
    for name in SEALED_FILES {
        let pair = pairs.next().unwrap_or_default();
        let Some(sealed) = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) else {
            let what =
                format!("its detail has `{}` where the digest of {name} stands", shown(pair));
            found.own(CUSTODY.file, Some(row), what);
            return agreeing;
        };
        let Some(have) = digested.of(name) else { continue };
        if have == sealed {
            agreeing.push(name);
        } else {
            let stated = run.rows_of(name).filter(|_| agreeing.contains(&RUN_JSON));
            differs_from_seal(name, have, digested.rows_of(name).zip(stated), found);
        }
    }
    if pairs.next().is_some() {
        let what = format!("its detail names more than the {} files", SEALED_FILES.len());
        found.own(CUSTODY.file, Some(row), what);
    }
    agreeing
}

/// A file that is not the sealed one.
///
/// - `rows`: how many rows it has, and should have by a run.json that is the sealed one. Where each
///   of fewer rows follows from the one before, it is the end that is missing.
fn differs_from_seal(name: &str, have: &str, rows: Option<(u64, u64)>, found: &mut Found) {
    match rows.filter(|(rows, stated)| rows < stated && !found.names(name)) {
        Some((rows, stated)) => {
            let what = format!("the rows from here to {stated} are missing");
            found.own(name, Some(rows + 1), what);
        }
        None => {
            let what = format!("its SHA-256 is {have}, not the one that {} seals", CUSTODY.file);
            found.own(name, None, what);
        }
    }
}

/// Compares the manifest, byte by byte, with the one that the files make.
pub(super) fn manifest(bytes: Option<&[u8]>, seal: &Seal, digested: &Digested, found: &mut Found) {
    let Some(bytes) = bytes else { return found.own(MANIFEST, None, "the file is missing") };
    let mut rest = bytes;
    for (line, name) in (1..).zip(MANIFEST_FILES) {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (have, after) = rest.split_at(end);
        rest = after;
        let Some(sha256) = digested.of(name) else { continue };
        let expected = format!("{sha256}  {name}\n");
        if have == expected.as_bytes() {
            continue;
        }
        let names_it = have.get(64..) == expected.as_bytes().get(64..);
        let trusted =
            if name == CUSTODY.file { !found.names(name) } else { seal.agreeing.contains(&name) };
        if names_it && !trusted {
            let what = format!("its SHA-256 is {sha256}, not the one in {MANIFEST}");
            found.own(name, None, what);
        } else {
            let what = format!("the line is not `{}`", expected.trim_end());
            found.own(MANIFEST, Some(line), what);
        }
    }
    if !rest.is_empty() {
        let what = format!("it goes on after its {} lines", MANIFEST_FILES.len());
        found.own(MANIFEST, None, what);
    }
}
