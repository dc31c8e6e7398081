//! `assay hashset build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::new_file;
use super::opts::{BuildOpts, Kind};
use crate::cli::exit::Exit;
use crate::cli::plan::{list_algorithm, lists_in, shown};
use crate::cli::terminal::Terminal;
use crate::hashset::compiled::{Access, BuildError, Builder, Built, CompiledSet, SetFacts, Source};
use crate::hashset::{
    ListOptions, Reject, RowName, RowSink, Scheme, SetEntry, SetError, SetInfo, SetKind, read_list,
    rejects_csv,
};
use crate::item::escape::cell;
use crate::output::OutputDir;
use crate::report::sign::SigningKey;

/// Builds and gives the exit code.
pub(super) fn build(opts: &BuildOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let kind = match opts.kind {
        Kind::Alert => SetKind::Alert,
        Kind::Ignore => SetKind::Ignore,
        Kind::Info => SetKind::Info,
    };
    anyhow::ensure!(!opts.name.trim().is_empty(), "--name needs a text");
    let password = std::env::var("ASSAY_SIGN_PASSWORD").ok();
    let key = opts.sign.as_deref().map(|path| SigningKey::read(path, password.as_deref()));
    let key = key.transpose()?;
    let mut lists = Vec::new();
    for path in &opts.lists {
        lists.extend(lists_in(path)?);
    }
    // One that is left of another set would be taken for what this one lacks.
    let rejects = rejects_of(&opts.out);
    anyhow::ensure!(
        rejects.symlink_metadata().is_err(),
        "{}: is there from another set of this name; remove it, or choose another name",
        shown(&rejects)
    );
    let (out, name) = new_file(&opts.out)?;
    let made = make(opts, kind, &lists, &out, &name);
    let (built, rejects) = match made {
        Ok(made) => made,
        Err(error) => {
            let _gone_with_the_process = out.release();
            return Err(error);
        }
    };
    if let Some(key) = key {
        let set = CompiledSet::open(&opts.out, Access::Mapped)?;
        let mut signature = Vec::new();
        key.sign_as(&cell(name.as_bytes()), set.bytes(), &mut signature)?;
        out.write_whole(&format!("{name}.minisig"), |file| file.write_all(&signature))?;
    }
    out.release()?;
    tell(opts, &built, rejects, terminal)?;
    Ok(Exit::Complete)
}

/// What an operator is told of a set that was built.
fn tell(
    opts: &BuildOpts,
    built: &Built,
    rejects: usize,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let counts = built.counts;
    terminal.say(&format!(
        "{}: {} entries of {} rows, {} equal to another, {} bytes",
        shown(&opts.out),
        counts.accepted,
        counts.rows_read,
        counts.duplicates,
        built.file_len
    ));
    if counts.unmapped_codes > 0 {
        let unmapped = counts.unmapped_codes;
        terminal.say(&format!("{unmapped} entries have a code the scheme does not map: info"));
    }
    if rejects > 0 {
        let file = shown(&rejects_of(&opts.out));
        terminal.say(&format!("{rejects} rows were left out: each is named in {file}"));
    }
    Ok(terminal.line(&built.root)?)
}

/// The file beside a set that names the rows left out of it.
fn rejects_of(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".rejects.csv");
    path.into()
}

/// Reads the lists, one row at a time, into a set. Nothing has a name before all of them were read
/// to their ends, so that a list which is refused leaves nothing.
fn make(
    opts: &BuildOpts,
    kind: SetKind,
    lists: &[PathBuf],
    out: &OutputDir,
    name: &str,
) -> anyhow::Result<(Built, usize)> {
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().build()?);
    let facts = SetFacts {
        name: opts.name.clone(),
        publisher: String::new(),
        version: String::new(),
        kind,
        fast: opts.fast,
    };
    let budget = usize::from(opts.memory) << 20;
    let builder = Builder::new(out, facts, budget, Arc::clone(&pool))?;
    let most = opts.allow_rejects;
    let mut rows = Rows { builder, by_record: false, rejects: Vec::new(), most, failed: None };
    let infos = read(opts, kind, lists, &pool, &mut rows)?;
    let agreed = |given: &Option<String>, of: fn(&SetInfo) -> &str| {
        let mut stated: Vec<_> = infos.iter().map(|info| of(info).to_owned()).collect();
        stated.dedup();
        given.clone().unwrap_or_else(|| stated.join("; "))
    };
    let publisher = agreed(&opts.publisher, |info| &info.publisher);
    let version = agreed(&opts.set_version, |info| &info.version);
    let Rows { mut builder, rejects, .. } = rows;
    builder.stated(publisher, version);
    let named = format!("{name}.rejects.csv");
    if !rejects.is_empty() {
        // Before the set: a set without the file that names what it lacks must not be.
        let text = rejects_csv(&rejects);
        out.write_whole(&named, |file| file.write_all(&text?))?;
    }
    match builder.finish(name) {
        Ok(built) => Ok((built, rejects.len())),
        Err(error) => {
            if !rejects.is_empty() {
                out.remove(&named)?;
            }
            Err(error.into())
        }
    }
}

/// Gives the rows of each list to `rows`; what the lists say of themselves.
fn read(
    opts: &BuildOpts,
    kind: SetKind,
    lists: &[PathBuf],
    pool: &rayon::ThreadPool,
    rows: &mut Rows<'_>,
) -> anyhow::Result<Vec<SetInfo>> {
    let scheme =
        opts.scheme.as_ref().map(|scheme| Scheme::read(scheme).map(Arc::new)).transpose()?;
    let algorithm = opts.algorithm.as_ref().map(|word| list_algorithm(word)).transpose()?;
    let mut infos = Vec::new();
    for path in lists {
        let options = ListOptions {
            path: path.clone(),
            kind,
            algorithm,
            scheme: scheme.clone(),
            accept_polarity: opts.accept_polarity,
        };
        rows.by_record = false;
        let taken = read_list(&options, pool, rows);
        if let Some(error) = rows.failed.take() {
            return Err(error.into());
        }
        let (info, counts) = taken?;
        let file = cell(path.file_name().unwrap_or_default().as_encoded_bytes());
        rows.builder.end_source(Source::of(&info, file, rows.by_record, counts));
        infos.push(info);
    }
    Ok(infos)
}

/// The sink between a list and the builder.
struct Rows<'a> {
    builder: Builder<'a>,
    by_record: bool,
    rejects: Vec<Reject>,
    /// How many rows may be left out.
    most: usize,
    /// The builder's own error, which is none of the list.
    failed: Option<BuildError>,
}

impl RowSink for Rows<'_> {
    fn entry(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError> {
        let number = match row {
            RowName::Line(line) => line,
            RowName::Record(record) => {
                self.by_record = true;
                record
            }
        };
        self.builder.push(&entry, number).map_err(|error| {
            let file = PathBuf::new();
            self.failed = Some(error);
            SetError::TooManyEntries { file, entries: number } // stands for it; never told
        })
    }

    fn reject(&mut self, reject: Reject) -> Result<(), SetError> {
        if self.rejects.len() >= self.most {
            return Err(reject.into_error());
        }
        self.rejects.push(reject);
        Ok(())
    }
}
