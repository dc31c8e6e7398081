//! Whether a finished report is still what was written: every chain, every digest and every
//! reference between its tables, derived again from the files.
//!
//! Nothing in the folder is trusted and nothing is written. Without a noted seal or a public key a
//! report that somebody rewrote whole, chains and all, looks like any other: the chains then show
//! accidents and partial changes only, and [`Verification`] says what it was held against.
//!
//! What is checked: headers, number and form of cells, words, every chain value, the numbering,
//! `record_no` of matches.csv and exceptions.csv with every column they share with files.csv,
//! `parent_record_no`, `match_count`, `disposition`, `first_copy` (up to 4,000,000 rows, past that
//! only that it is no later row), the balance, the sets named, the sealed digests, the manifest
//! byte by byte, and its signature. Not checked: that (evidence_id, object_path) is unique, and
//! whatever the report says of the evidence itself. Near distances are counted again where the lists
//! are given.
//!
//! The format is that of docs/report-format.md; [`super::schema`] has its columns.

mod cells;
mod copies;
mod found;
mod near;
mod objects;
mod run;
mod seal;
mod sets;
pub(super) mod source;
mod table;

pub use sets::Compared;
pub use source::{Folder, Source};

use super::schema::{CUSTODY, JOURNAL, MANIFEST, RUN_JSON, SIGNATURE, SUMMARY, VOLUMES};
use super::sign::PublicKey;
use crate::digest::Digest;
use crate::matching::Index;
use found::Found;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why a report could not be verified at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is neither a run.json nor a custody.csv.
    #[error("{folder} is no report: it has neither run.json nor custody.csv", folder = .0.display())]
    NotAReport(PathBuf),
    /// The report folder could not be listed.
    #[error("cannot list the report folder {folder}: {source}", folder = folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of the report is there and could not be read.
    #[error("cannot read {file} of the report: {source}")]
    Read {
        /// The file's name.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The seal is no seal.
    #[error("the seal `{0}` is not 64 hex digits; copy it as the scan printed it")]
    Seal(String),
}

/// What a report is held against beside itself.
#[derive(Default)]
pub struct VerifyOptions<'a> {
    /// The seal as the examiner noted it: 64 hex digits of either case.
    pub seal: Option<String>,
    /// The key that the manifest's signature must be by.
    pub public_key: Option<PublicKey>,
    /// The lists to compute the exact findings again with.
    pub sets: Option<&'a Index>,
}

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file's name in the report folder.
    pub file: String,
    /// The row, counted by its place: 1 is the first row, or the first line of the manifest, and 0
    /// the header. Where rows were removed it is the place of the first of them; `None` where the
    /// whole file is meant.
    pub record: Option<u64>,
    /// What was expected and what is there, as one inert line.
    pub detail: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.record {
            Some(0) => write!(f, "{}, header: {}", self.file, self.detail),
            Some(record) => write!(f, "{}, row {record}: {}", self.file, self.detail),
            None => write!(f, "{}: {}", self.file, self.detail),
        }
    }
}

/// How many rows were checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Rows of volumes.csv.
    pub volumes: u64,
    /// Rows of files.csv.
    pub files: u64,
    /// Rows of matches.csv.
    pub matches: u64,
    /// Rows of exceptions.csv.
    pub exceptions: u64,
    /// Rows of custody.csv.
    pub custody: u64,
    /// Rows of files.csv whose `first_copy` was compared with every other row.
    pub first_copies: u64,
}

/// What became of the manifest's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureResult {
    /// There is none.
    NotSigned,
    /// There is one and no key was given.
    NotChecked,
    /// It is by the key given.
    Good {
        /// The key's identifier, as minisign prints it.
        key_id: String,
        /// The text that was signed with the manifest.
        trusted_comment: String,
    },
    /// It is not by the key given, or not of this manifest; a difference says more.
    Bad,
}

/// What verifying a report gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// What is not as it was written: custody.csv first, then in the order of the tables and rows.
    /// At most 100 a file. A difference between two tables stands here only where no row is wrong
    /// by itself, because one wrong row disagrees with many right ones.
    pub differences: Vec<Difference>,
    /// How many differences there are, told or not.
    pub difference_count: u64,
    /// What was checked.
    pub checked: Counts,
    /// The last chain value of custody.csv; empty where it has no row.
    pub seal: String,
    /// Whether a noted seal was given to hold it against.
    pub seal_was_given: bool,
    /// The signature.
    pub signature: SignatureResult,
    /// What computing the findings again covered, where sets were given.
    pub sets: Option<Compared>,
    /// Names in the folder that no digest of the report covers, in order: no differences, but none
    /// of the report either. `reviews.csv` is always among them where it is there.
    pub not_covered: Vec<String>,
}

impl Verification {
    /// True where nothing differs.
    pub fn is_good(&self) -> bool {
        self.difference_count == 0
    }
}

/// Verifies the report in a folder.
///
/// # Errors
/// [`VerifyError`] where the folder is no report or cannot be read, and where an option makes no
/// sense. Whatever was changed, removed or added inside a report is a [`Difference`], no error.
pub fn verify(folder: &Path, options: &VerifyOptions<'_>) -> Result<Verification, VerifyError> {
    let source = Folder(folder.to_owned());
    let list_error = |source| VerifyError::List { folder: folder.to_owned(), source };
    let names = source.names().map_err(list_error)?;
    if ![RUN_JSON, CUSTODY.file].iter().any(|file| names.iter().any(|name| name == file)) {
        return Err(VerifyError::NotAReport(folder.to_owned()));
    }
    verify_source(&source, options)
}

/// Verifies a report that need not be a folder on a disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_source(
    source: &dyn Source,
    options: &VerifyOptions<'_>,
) -> Result<Verification, VerifyError> {
    let noted = options.seal.as_deref().map(noted_seal).transpose()?;
    let (mut found, mut digested) = (Found::default(), Digested::default());
    let mut counts = Counts::default();
    let not_covered = look_around(source, &mut found)?;

    let run_json = hashed_whole(source, RUN_JSON, &mut digested)?;
    let facts = run::RunFacts::read(run_json.as_deref(), &mut found);
    if hashed_whole(source, SUMMARY, &mut digested)?.is_none() {
        found.own(SUMMARY, None, "the file is missing");
    }
    let mut volumes = table::Rows::open(source, VOLUMES, &mut found)?;
    while volumes.advance(&mut found)? {}
    counts.volumes = volumes.count();
    facts.compare_rows(VOLUMES.file, counts.volumes, &mut found);
    digested.put(VOLUMES.file, volumes.finish()?, Some(counts.volumes));

    let check = options.sets.map(|index| sets::SetsCheck::new(index, &facts, &mut found));
    let objects = objects::Objects::open(source, &facts, check, &mut found)?;
    let sets = objects.check(&mut counts, &mut digested, &mut found)?;

    let seal =
        seal::custody(source, noted.as_deref(), &facts, &mut counts, &mut digested, &mut found)?;
    let manifest = source::whole(source, MANIFEST)?;
    seal::manifest(manifest.as_deref(), &seal, &digested, &mut found);
    let signature = signature(source, manifest.as_deref(), options, &mut found)?;

    let (differences, difference_count) = found.finish();
    Ok(Verification {
        differences,
        difference_count,
        checked: counts,
        seal: seal.value,
        seal_was_given: noted.is_some(),
        signature,
        sets,
        not_covered,
    })
}

/// The SHA-256 of each file as read, and how many rows it has where it is a table.
#[derive(Default)]
struct Digested(BTreeMap<&'static str, (String, Option<u64>)>);

impl Digested {
    fn put(&mut self, name: &'static str, sha256: Option<String>, rows: Option<u64>) {
        self.0.extend(sha256.map(|sha256| (name, (sha256, rows))));
    }

    fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(sha256, _)| sha256.as_str())
    }

    fn rows_of(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(|(_, rows)| *rows)
    }
}

/// Reads a file that is no table.
fn hashed_whole(
    source: &dyn Source,
    name: &'static str,
    digested: &mut Digested,
) -> Result<Option<Vec<u8>>, VerifyError> {
    let bytes = source::whole(source, name)?;
    digested.put(name, bytes.as_deref().map(|bytes| Digest::sha256(&[bytes]).to_string()), None);
    Ok(bytes)
}

/// Names that no digest covers; a journal that is still there is a difference.
fn look_around(source: &dyn Source, found: &mut Found) -> Result<Vec<String>, VerifyError> {
    let list_error = |source| VerifyError::List { folder: PathBuf::from("."), source };
    let mut names = source.names().map_err(list_error)?;
    names.sort_unstable();
    if names.iter().any(|name| name == JOURNAL) {
        found.own(JOURNAL, None, "working state is still there: the run is not complete");
    }
    let covered = |name: &str| {
        seal::MANIFEST_FILES.contains(&name)
            || matches!(name, MANIFEST | SIGNATURE | JOURNAL | ".lock")
    };
    names.retain(|name| !covered(name));
    Ok(names)
}

fn signature(
    source: &dyn Source,
    manifest: Option<&[u8]>,
    options: &VerifyOptions<'_>,
    found: &mut Found,
) -> Result<SignatureResult, VerifyError> {
    let signature = source::whole(source, SIGNATURE)?;
    let (signature, key) = match (signature, &options.public_key) {
        (Some(signature), Some(key)) => (signature, key),
        (Some(_), None) => return Ok(SignatureResult::NotChecked),
        (None, Some(_)) => {
            found.own(SIGNATURE, None, "a key was given and the report is not signed");
            return Ok(SignatureResult::NotSigned);
        }
        (None, None) => return Ok(SignatureResult::NotSigned),
    };
    match key.check(manifest.unwrap_or_default(), &signature) {
        Ok(trusted_comment) => Ok(SignatureResult::Good { key_id: key.id(), trusted_comment }),
        Err(error) => {
            found.own(SIGNATURE, None, error.to_string());
            Ok(SignatureResult::Bad)
        }
    }
}

fn noted_seal(noted: &str) -> Result<String, VerifyError> {
    let seal = noted.trim().to_ascii_lowercase();
    if hex64(&seal) { Ok(seal) } else { Err(VerifyError::Seal(found::shown(noted))) }
}

/// True for 64 lower-case hex digits.
fn hex64(text: &str) -> bool {
    text.len() == 64 && cells::is_hex(text)
}
