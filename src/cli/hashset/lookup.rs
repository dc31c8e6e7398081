//! `assay hashset lookup`: one answer a line.

use std::io::{BufRead as _, BufReader, BufWriter, Write};

use anyhow::{Context as _, bail};

use super::opts::LookupOpts;
use super::{opened, standard_input};
use crate::cli::exit::Exit;
use crate::digest::{Algorithm, Digest};
use crate::hashset::SetKind;
use crate::hashset::compiled::{Access, CompiledSet};
use crate::item::escape::cell;

/// Answers and gives the exit code.
pub(super) fn lookup(opts: &LookupOpts) -> anyhow::Result<Exit> {
    let access = if opts.in_memory { Access::InMemory } else { Access::Mapped };
    let set = opened(&opts.set, access)?;
    // A digest that is not found must not be one that a damaged table lost.
    set.verify_tables()?;
    let mut answers = Answers {
        name: csv_cell(&cell(set.info().name.as_bytes())),
        set: &set,
        out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
        line: String::new(),
    };
    if opts.hashes.is_empty() {
        let mut input = BufReader::with_capacity(1 << 16, standard_input()?);
        let (mut line, mut number) = (Vec::with_capacity(80), 0_u64);
        while input.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let text = line.trim_ascii();
            if !text.is_empty() {
                answers.answer(text).with_context(|| format!("standard input, line {number}"))?;
            }
            line.clear();
        }
    }
    for (number, text) in (1..).zip(&opts.hashes) {
        answers.answer(text.trim().as_bytes()).with_context(|| format!("argument {number}"))?;
    }
    answers.out.flush().context("cannot write to standard output")?;
    Ok(Exit::Complete)
}

struct Answers<'a, W: Write> {
    set: &'a CompiledSet,
    name: String,
    out: W,
    line: String,
}

impl<W: Write> Answers<'_, W> {
    /// One line for one digest.
    fn answer(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let algorithms: &[Algorithm] = match text.len() {
            32 => &[Algorithm::Md5],
            40 => &[Algorithm::Sha1],
            64 => &[Algorithm::Sha256, Algorithm::Blake3],
            _ => &[],
        };
        let digest = Digest::from_hex(text).filter(|_| !algorithms.is_empty());
        let Some(digest) = digest else { bail!("expected 32, 40 or 64 hex digits") };
        let tables = self.set.tables();
        if !algorithms.iter().any(|one| tables.iter().any(|table| table.algorithm == *one)) {
            let names: Vec<_> = algorithms.iter().map(|one| one.as_str()).collect();
            // "none" would read as if it had been looked for.
            bail!("the set has no {} digests", names.join(" and no "));
        }
        let mut hex = [0; Digest::LONGEST_HEX];
        self.line.clear();
        self.line.push_str(digest.hex(&mut hex));
        let mut numbers: Vec<u32> = Vec::new();
        for algorithm in algorithms {
            numbers.extend(self.set.find(*algorithm, &digest));
        }
        if numbers.is_empty() {
            self.line.push_str(",none,,\n");
        } else {
            self.found(&mut numbers)?;
        }
        self.out.write_all(self.line.as_bytes()).context("cannot write to standard output")
    }

    /// The kind that counts, the set, and the entries.
    fn found(&mut self, numbers: &mut Vec<u32>) -> anyhow::Result<()> {
        numbers.sort_unstable();
        numbers.dedup();
        let mut kinds = Vec::new();
        let mut ids = Vec::new();
        for number in numbers {
            let entry = self.set.entry(*number).context("an entry of the set is not readable")?;
            kinds.push(entry.kind);
            ids.push(cell(entry.id.as_bytes()));
        }
        // An alert is never hidden by another entry of the same digest.
        let order = [SetKind::Alert, SetKind::Info, SetKind::Ignore];
        let kind = order.into_iter().find(|kind| kinds.contains(kind)).unwrap_or(SetKind::Alert);
        let ids = csv_cell(&ids.join(";"));
        for text in [",", kind.as_str(), ",", &self.name, ",", &ids, "\n"] {
            self.line.push_str(text);
        }
        Ok(())
    }
}

/// A cell of CSV.
fn csv_cell(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
