//! `assay hashset build`.

use std::path::Path;
use std::sync::Arc;

use super::new_file;
use super::opts::{BuildOpts, Kind};
use crate::cli::chain;
use crate::cli::exit::Exit;
use crate::cli::plan::{list_algorithm, lists_in, shown};
use crate::cli::terminal::Terminal;
use crate::hashset::compiled::{Access, BuildError, Builder, CompiledSet, SetFacts, Source};
use crate::hashset::{ListOptions, ReferenceSet, Scheme, SetInfo, SetKind, load};
use crate::item::escape::cell;
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
    let scheme =
        opts.scheme.as_ref().map(|scheme| Scheme::read(scheme).map(Arc::new)).transpose()?;
    let algorithm = opts.algorithm.as_ref().map(|word| list_algorithm(word)).transpose()?;
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().build()?);
    let mut paths = Vec::new();
    for path in &opts.lists {
        paths.extend(lists_in(path)?);
    }
    // The lists are read before anything is written, so that one that is refused leaves nothing.
    let mut lists = Vec::new();
    for path in &paths {
        let options = ListOptions {
            path: path.clone(),
            kind,
            algorithm,
            scheme: scheme.clone(),
            accept_polarity: opts.accept_polarity,
        };
        lists.push(load(&options, &pool)?);
    }
    let agreed = |given: &Option<String>, of: fn(&SetInfo) -> &str| {
        let mut stated: Vec<_> = lists.iter().map(|list| of(&list.info).to_owned()).collect();
        stated.dedup();
        given.clone().unwrap_or_else(|| stated.join("; "))
    };
    let facts = SetFacts {
        name: opts.name.clone(),
        publisher: agreed(&opts.publisher, |info| &info.publisher),
        version: agreed(&opts.set_version, |info| &info.version),
        kind,
        fast: opts.fast,
    };
    let (out, name) = new_file(&opts.out)?;
    let budget = usize::from(opts.memory) << 20;
    let built = Builder::new(&out, facts, budget, pool).and_then(|mut builder| {
        for (path, list) in paths.iter().zip(std::mem::take(&mut lists)) {
            push(&mut builder, path, list)?;
        }
        builder.finish(&name)
    });
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            terminal.error(&chain(&error));
            let _gone_with_the_process = out.release();
            return Ok(if matches!(error, BuildError::Output(_)) {
                Exit::Failed
            } else {
                Exit::Usage
            });
        }
    };
    if let Some(key) = key {
        let set = CompiledSet::open(&opts.out, Access::Mapped)?;
        let mut signature = Vec::new();
        key.sign_as(&cell(name.as_bytes()), set.bytes(), &mut signature)?;
        out.write_whole(&format!("{name}.minisig"), |file| file.write_all(&signature))?;
    }
    out.release()?;
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
    terminal.line(&built.root)?;
    Ok(Exit::Complete)
}

/// Gives a list's entries to the builder. A reader that streams rows will call
/// [`Builder::push`] itself, and know their lines.
fn push(builder: &mut Builder<'_>, path: &Path, list: ReferenceSet) -> Result<(), BuildError> {
    for entry in &list.entries {
        let line = entry.id.strip_prefix("line:").and_then(|line| line.parse().ok());
        builder.push(entry, line.unwrap_or(0))?;
    }
    let file = cell(path.file_name().unwrap_or_default().as_encoded_bytes());
    builder.end_source(Source::of(&list.info, file, list.counts));
    Ok(())
}
