//! From the file of a list to a set: read and hashed whole, its sidecar, its format, its rows.
//!
//! A list is the examiner's own file, so it is read by the ordinary calls; evidence never is.

use super::category::Categories;
use super::collect::Collector;
use super::encoding::Text;
use super::error::shown;
use super::format::{self, Reading};
use super::sidecar::Sidecar;
use super::tally::Tally;
use super::{ListAlgorithm, ReferenceSet, RowSink, Scheme, SetCounts, SetError, SetInfo, SetKind};
use crate::digest::{Algorithm, Hasher, Selection};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest list that is read, in bytes.
const LARGEST_LIST: u64 = 8 << 30;

/// Which list, and what the command line says of it.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// The list's file.
    pub path: PathBuf,
    /// What it is used as.
    pub kind: SetKind,
    /// What its digests are, where neither they nor its sidecar say so.
    pub algorithm: Option<ListAlgorithm>,
    /// What its codes mean, where its sidecar names no scheme.
    pub scheme: Option<Arc<Scheme>>,
    /// Takes a list used as `ignore` or `info` that has codes which its scheme calls alert.
    pub accept_polarity: bool,
}

/// Reads a list whole and checks every row; sorting runs on `pool`.
///
/// # Errors
/// Anything in the list, its sidecar or its scheme that is not as it has to be; then nothing of
/// the list is taken.
///
/// ```
/// # use assay::hashset::{ListOptions, SetKind, load};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("known.txt");
/// # std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
/// let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
/// let options = ListOptions {
///     path,
///     kind: SetKind::Alert,
///     algorithm: None,
///     scheme: None,
///     accept_polarity: false,
/// };
/// let set = load(&options, &pool).unwrap();
/// assert_eq!(&*set.entries[0].id, "line:1");
/// ```
pub fn load(options: &ListOptions, pool: &rayon::ThreadPool) -> Result<ReferenceSet, SetError> {
    let mut rows = Collector::new(&options.path);
    let (info, mut counts) = read_list(options, pool, &mut rows)?;
    let entries = rows.finish(pool, &mut counts);
    Ok(ReferenceSet { info, entries, counts })
}

/// Reads a list and gives its rows to `rows` one at a time, in the list's order; computation runs
/// on `pool`. What the counts call accepted includes rows that are equal to an earlier one.
///
/// # Errors
/// Anything that is wrong with the list as a whole, its sidecar or its scheme; what `rows` refuses.
/// Whatever `rows` was given before counts for nothing then.
pub fn read_list(
    options: &ListOptions,
    pool: &rayon::ThreadPool,
    rows: &mut dyn RowSink,
) -> Result<(SetInfo, SetCounts), SetError> {
    let path = &options.path;
    let sidecar = Sidecar::of(path)?;
    let scheme = match &sidecar.scheme {
        Some(scheme) => Some(Arc::new(Scheme::read_beside(scheme, path.parent())?)),
        None => options.scheme.clone(),
    };
    let _ = pool;
    let (raw, sha256) = read_file(path, LARGEST_LIST)?;
    format::refuse_binary(path, &raw)?;
    let text = Text::decode(path, raw)?;
    rows.expect_at_most(text.row_estimate());
    let mut reading = Reading {
        text: &text,
        stated: sidecar.algorithm.or(options.algorithm),
        tally: Tally::new(options.kind),
        sink: rows,
        categories: Categories::new(options.kind, scheme, options.accept_polarity),
        column: "",
    };
    let format = reading.read()?;
    let Reading { tally, categories, .. } = reading;
    let (scheme, counts) = (categories.finish()?, tally.counts);
    if counts.accepted == 0 {
        let place = text.place(text.bytes().len(), None);
        return Err(SetError::NoRows { place, detail: what_became(&counts) });
    }
    let format = [Some(format), text.utf16()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let info = info(options, sidecar, scheme.as_deref(), format, sha256);
    Ok((info, counts))
}

fn info(
    options: &ListOptions,
    sidecar: Sidecar,
    scheme: Option<&Scheme>,
    format: String,
    sha256: String,
) -> SetInfo {
    let stated = |text: Option<String>| text.unwrap_or_else(|| "unstated".to_owned());
    let file_name = || {
        let name = options.path.file_name().unwrap_or(options.path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    SetInfo {
        name: sidecar.name.unwrap_or_else(file_name),
        publisher: stated(sidecar.publisher),
        version: stated(sidecar.version),
        received_from: stated(sidecar.received_from),
        received_at: stated(sidecar.received_at),
        kind: options.kind,
        scheme: scheme.map(|scheme| scheme.name.clone()),
        scheme_sha256: scheme.map(|scheme| scheme.sha256.clone()),
        path: shown(&options.path),
        format,
        sha256,
    }
}

fn what_became(counts: &SetCounts) -> String {
    format!(
        "{} rows read, {} rejected, {} digests of empty files and {} all-zero values dropped",
        counts.rows_read,
        counts.rejected,
        counts.empty_digests_dropped,
        counts.zero_digests_dropped
    )
}

/// A file's bytes and their SHA-256, taken in one read. Only a regular file of at most `limit`
/// bytes is read.
///
/// # Errors
/// The system's error, a file of another kind, a larger file.
#[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
pub(super) fn read_file(path: &Path, limit: u64) -> Result<(Vec<u8>, String), SetError> {
    let failed = |source| SetError::Read { file: path.to_owned(), source };
    let too_large = |size, limit: &dyn std::fmt::Display| SetError::TooLarge {
        file: path.to_owned(),
        size,
        limit: limit.to_string(),
    };
    // Looked at before it is opened: opening a pipe would wait for ever.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(SetError::NotAFile { file: path.to_owned() });
    }
    let size = metadata.len();
    if size > limit {
        return Err(too_large(size, &limit));
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(size).map_err(|_| too_large(size, &"memory"))?;
    bytes.try_reserve_exact(room).map_err(|_| too_large(size, &"memory"))?;
    // One byte more than the limit shows a file that grew past it.
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut file = file.take(limit.saturating_add(1));
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    let mut buffer = vec![0; 1 << 16];
    loop {
        let part = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        hasher.update(part);
        bytes.try_reserve(part.len()).map_err(|_| too_large(size, &"memory"))?;
        bytes.extend_from_slice(part);
    }
    if super::encoding::wide(bytes.len()) > limit {
        return Err(too_large(limit.saturating_add(1), &limit));
    }
    let digest = hasher.finish().get(Algorithm::Sha256);
    Ok((bytes, digest.map(|digest| digest.to_string()).unwrap_or_default()))
}
