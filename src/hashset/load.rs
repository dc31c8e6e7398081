//! From the file of a list to a set: its sidecar, its format, its rows, one by one or held.
//!
//! A list is the examiner's own file, so it is read by the ordinary calls; evidence never is.

use super::category::Categories;
use super::collect::Collector;
use super::encoding::{Mark, Text};
use super::error::shown;
use super::format::nsrl::{self, NsrlText};
use super::format::vics::{self, Vics};
use super::format::{self, Reading};
use super::sidecar::Sidecar;
use super::source::{self, Source};
use super::stream::streamed;
use super::tally::Tally;
use super::{
    ListAlgorithm, Place, ReferenceSet, RowSink, Scheme, SetCounts, SetError, SetInfo, SetKind,
    part,
};
use crate::bytes::ByteOffset;
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
    Ok(ReferenceSet { info, entries, counts, compiled: None })
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
    let source = Source::open(path, source::hasher())?;
    let list = List {
        options,
        stated: sidecar.algorithm.or(options.algorithm),
        categories: Categories::new(options.kind, scheme, options.accept_polarity),
        packed: source.packed(),
        pool,
        rows,
    };
    #[cfg(feature = "nsrl")]
    if source.packed().is_none() && source.head().starts_with(format::SQLITE) {
        let taken = list.database(source)?;
        let scheme = taken.scheme.clone();
        return Ok((
            info(options, sidecar, scheme.as_deref(), taken.format, taken.sha256),
            taken.counts,
        ));
    }
    let taken = if vics::is_json(source.head()) {
        list.vics(source)?
    } else if nsrl::is_text(source.head()) {
        list.nsrl(source)?
    } else {
        list.text(source)?
    };
    let scheme = taken.scheme.clone();
    Ok((info(options, sidecar, scheme.as_deref(), taken.format, taken.sha256), taken.counts))
}

/// Whether a file is a further part of a VICS set of which the first part lies beside it, and stands
/// for it: a folder of lists has such a set once.
///
/// # Errors
/// As [`load`], of opening the first part.
pub fn is_further_part(path: &Path) -> Result<bool, SetError> {
    let Some(first) = part::first_part(path) else { return Ok(false) };
    Ok(vics::is_json(Source::open(&first, source::hasher())?.head()))
}

/// A list that was opened.
struct List<'a> {
    options: &'a ListOptions,
    stated: Option<ListAlgorithm>,
    categories: Categories,
    packed: Option<&'static str>,
    pool: &'a rayon::ThreadPool,
    rows: &'a mut dyn RowSink,
}

/// A list that was read.
struct Taken {
    scheme: Option<Arc<Scheme>>,
    counts: SetCounts,
    format: String,
    sha256: String,
}

impl List<'_> {
    /// Lists that are held in memory while they are read.
    fn text(self, source: Source) -> Result<Taken, SetError> {
        let file = source.name().to_owned();
        format::refuse_binary(&file, source.head())?;
        let (raw, sha256) = source.into_memory(LARGEST_LIST)?;
        let text = Text::decode(&file, raw)?;
        self.rows.expect_at_most(text.row_estimate());
        let mut reading = Reading {
            text: &text,
            stated: self.stated,
            tally: Tally::new(self.options.kind),
            sink: self.rows,
            categories: self.categories,
            column: "",
        };
        let format = reading.read()?;
        let Reading { tally, categories, .. } = reading;
        let end = || text.place(text.bytes().len(), None);
        let format = words([Some(format), text.utf16(), self.packed]);
        Taken::new(categories, &tally, format, sha256, end)
    }

    /// A VICS list, in all its parts; its digest is that of the parts one after the other.
    fn vics(self, mut source: Source) -> Result<Taken, SetError> {
        let mut vics = Vics {
            kind: self.options.kind,
            accept_polarity: self.options.accept_polarity,
            pool: self.pool,
            tally: Tally::new(self.options.kind),
            categories: self.categories,
            sink: self.rows,
            before: 0,
            model: None,
        };
        let parts = part::parts(&self.options.path)?;
        let mut further = parts.iter().skip(1);
        let utf16 = Mark::of(source.head()).utf16;
        let (end, hasher) = loop {
            let (place, hasher) = streamed(source, |text| {
                vics.read(text)?;
                Ok(text.place(text.bytes().len(), None))
            })?;
            let Some(part) = further.next() else { break (place, hasher) };
            source = Source::open(part, hasher)?;
            if !vics::is_json(source.head()) {
                let name = source.name().to_owned();
                let place = Place { file: name, line: 1, offset: ByteOffset(0), record: None };
                let expected = "JSON, as in the first part of the set";
                return Err(SetError::bad(place, "something else", expected));
            }
        };
        let count = (parts.len() > 1).then(|| format!("{} parts", parts.len()));
        let format = words([vics.model.as_deref(), count.as_deref(), utf16, self.packed]);
        let sha256 = source::sha256(hasher);
        Taken::new(vics.categories, &vics.tally, format, sha256, || end.clone())
    }

    /// A database of the NSRL.
    #[cfg(feature = "nsrl")]
    fn database(self, source: Source) -> Result<Taken, SetError> {
        drop(source);
        let mut tally = Tally::new(self.options.kind);
        let path = &self.options.path;
        let (sha256, end) = format::database::read(path, &mut tally, self.rows)?;
        Taken::new(self.categories, &tally, "nsrl-rds3".into(), sha256, || end.clone())
    }

    /// A text of the NSRL.
    fn nsrl(self, source: Source) -> Result<Taken, SetError> {
        let mut tally = Tally::new(self.options.kind);
        let mut nsrl = NsrlText { pool: self.pool, tally: &mut tally, sink: self.rows };
        let (end, hasher) = streamed(source, |text| {
            nsrl.read(text)?;
            Ok(text.place(text.bytes().len(), None))
        })?;
        let format = words([Some("nsrl-rds2"), self.packed]);
        Taken::new(self.categories, &tally, format, source::sha256(hasher), || end.clone())
    }
}

impl Taken {
    /// Refuses a list without an entry: it would find nothing and look like a clean result.
    fn new(
        categories: Categories,
        tally: &Tally,
        format: String,
        sha256: String,
        end: impl Fn() -> Place,
    ) -> Result<Self, SetError> {
        let (scheme, counts) = (categories.finish()?, tally.counts);
        if counts.accepted == 0 {
            return Err(SetError::NoRows { place: end(), detail: what_became(&counts) });
        }
        Ok(Self { scheme, counts, format, sha256 })
    }
}

fn words<const N: usize>(words: [Option<&str>; N]) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
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

/// A small file's bytes and their SHA-256.
///
/// # Errors
/// The system's error, a file of another kind, one larger than `limit`.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<(Vec<u8>, String), SetError> {
    Source::open(path, source::hasher())?.into_memory(limit)
}
