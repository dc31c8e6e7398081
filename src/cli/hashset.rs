//! `assay hashset`: compiled sets.
//!
//! No value of a list is printed but those that the caller gave himself, and those of an export.

mod audit;
mod build;
mod lookup;
pub(super) mod opts;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::exit::Exit;
use super::plan::shown;
use super::terminal::Terminal;
use crate::digest::Digest;
use crate::hashset::compiled::{Access, BuildError, CompiledSet, is_compiled};
use crate::hashset::{ListForm, SetError, export};
use crate::item::escape::cell;
use crate::output::{Faults, OutputDir};
use crate::report::sign::{PublicKey, SignatureError};
use opts::{CheckOpts, ExportOpts, HashsetCommand, HashsetOpts, OneSet};

/// Does what was asked for and gives the exit code.
pub(super) fn hashset(opts: &HashsetOpts, terminal: &Terminal) -> Exit {
    let done = match &opts.command {
        HashsetCommand::Build(opts) => build::build(opts, terminal),
        HashsetCommand::Lookup(opts) => lookup::lookup(opts),
        HashsetCommand::Info(opts) => info(opts, terminal),
        HashsetCommand::Verify(opts) => verify(opts, terminal),
        HashsetCommand::Audit(opts) => audit::audit(opts, terminal),
        HashsetCommand::Export(opts) => export_to(opts, terminal),
    };
    done.unwrap_or_else(|error| {
        terminal.error(&format!("{error:#}"));
        let written = error.downcast_ref::<crate::output::OutputError>().is_some();
        let built = matches!(error.downcast_ref(), Some(BuildError::Output(_)));
        if written || built { Exit::Failed } else { Exit::Usage }
    })
}

/// Opens a compiled set.
fn opened(path: &Path, access: Access) -> anyhow::Result<CompiledSet> {
    let advice = "is no compiled set; make one with `assay hashset build`";
    ensure!(is_compiled(path)?, "{} {advice}", shown(path));
    Ok(CompiledSet::open(path, access)?)
}

/// Opens a compiled set and checks every byte.
fn verified(path: &Path) -> anyhow::Result<CompiledSet> {
    let set = opened(path, Access::Mapped)?;
    set.verify(&rayon::ThreadPoolBuilder::new().build()?)?;
    Ok(set)
}

fn info(opts: &OneSet, terminal: &Terminal) -> anyhow::Result<Exit> {
    let set = opened(&opts.set, Access::Mapped)?;
    let info = set.info();
    let counts = set.counts();
    for (name, value) in [
        ("name", info.name.as_str()),
        ("kind", info.kind.as_str()),
        ("publisher", &info.publisher),
        ("version", &info.version),
        ("SHA-256 in reports", &info.sha256),
        ("root", &set.root()),
        ("made by", set.importer()),
        ("entries", &set.len().to_string()),
        ("rows equal to another", &counts.duplicates.to_string()),
        ("bytes", &set.file_len().to_string()),
    ] {
        terminal.line(&format!("{name:<22} {}", cell(value.as_bytes())))?;
    }
    for table in set.tables() {
        let keyed = if table.key.is_some() { ", keyed" } else { "" };
        terminal.line(&format!(
            "{:<22} {} digests, {} slots, farthest {}{keyed}",
            table.algorithm.as_str(),
            table.digests,
            table.slots,
            table.displacement
        ))?;
    }
    for source in set.sources() {
        let cells = [&source.file, &source.format, &source.publisher, &source.version];
        let [file, format, publisher, version] = cells.map(|text| cell(text.as_bytes()));
        let rows = source.counts;
        terminal
            .line(&format!("list {file}: {format}, publisher {publisher}, version {version}"))?;
        terminal.line(&format!("  SHA-256 {}", cell(source.sha256.as_bytes())))?;
        terminal.line(&format!(
            "  rows read {}, accepted {}, rejected {}, duplicates {}, without a value {}",
            rows.rows_read, rows.accepted, rows.rejected, rows.duplicates, rows.rows_emptied
        ))?;
    }
    Ok(Exit::Complete)
}

fn verify(opts: &CheckOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let key = opts.key.as_deref().map(PublicKey::from_text_or_file).transpose()?;
    let set = match verified(&opts.set) {
        Ok(set) => set,
        Err(error) => {
            let damaged = matches!(error.downcast_ref(), Some(SetError::Compiled { .. }));
            if damaged {
                terminal.error(&format!("{error:#}"));
                return Ok(Exit::Difference);
            }
            return Err(error);
        }
    };
    if let Err(fault) = set.audit() {
        let path = shown(&opts.set);
        terminal.error(&format!("{path}: {fault}; build it again from its lists"));
        return Ok(Exit::Difference);
    }
    if let Some(key) = key {
        match signed(&opts.set, &set, &key)? {
            Ok(comment) => terminal.say(&format!("signature good, key {}: {comment}", key.id())),
            Err(error) => {
                terminal.error(&error.to_string());
                return Ok(Exit::Difference);
            }
        }
    }
    terminal.line(&format!("SHA-256 {}", Digest::sha256(&[set.bytes()])))?;
    terminal.line(&format!("root {}", set.root()))?;
    terminal.say(&format!("{} entries, nothing differs", set.len()));
    Ok(Exit::Complete)
}

/// Checks the signature beside a file.
fn signed(
    path: &Path,
    set: &CompiledSet,
    key: &PublicKey,
) -> anyhow::Result<Result<String, SignatureError>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".minisig");
    let beside = Path::new(&beside);
    #[expect(clippy::disallowed_methods, reason = "the operator's own file, not evidence")]
    let signature =
        std::fs::read(beside).with_context(|| format!("cannot read {}", shown(beside)))?;
    Ok(key.check(set.bytes(), &signature))
}

fn export_to(opts: &ExportOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let words: Vec<_> = ListForm::ALL.iter().map(|form| form.as_str()).collect();
    let form = ListForm::from_word(&opts.format)
        .with_context(|| format!("--format: {:?} is none of {}", opts.format, words.join(", ")))?;
    let set = verified(&opts.set)?;
    let (out, name) = new_file(&opts.out)?;
    let mut unreadable = 0_u64;
    let left_out = out.write_whole(&name, |file| {
        let mut file = BufWriter::new(file);
        let mut entries = (0..set.len()).filter_map(|number| {
            let entry = set.entry(number);
            unreadable += u64::from(entry.is_none());
            entry
        });
        let left_out = export(form, &mut entries, &mut file)?;
        std::io::Write::flush(&mut file)?;
        if unreadable > 0 {
            return Err(std::io::Error::other("entries of the set are not readable"));
        }
        Ok(left_out)
    })?;
    out.release()?;
    if left_out == 0 {
        return Ok(Exit::Complete);
    }
    terminal.error(&format!("{left_out} entries have not what {form} needs and are left out"));
    Ok(Exit::Incomplete)
}

/// The folder of a file that is to be made, and the file's name in it.
fn new_file(path: &Path) -> anyhow::Result<(OutputDir, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("--out {}: name a file", shown(path)))?;
    ensure!(
        path.symlink_metadata().is_err(),
        "--out {}: there is one already; choose another name, or remove it",
        shown(path)
    );
    Ok((OutputDir::of_file(path, Faults::default())?, name.to_owned()))
}

/// Standard input, for values that are not on the command line.
fn standard_input() -> std::io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}
