//! `assay hashset lookup`: one answer a line.
//!
//! Questions are taken in batches: where the tables do not fit the caches, memory gives what the
//! questions of a batch need side by side.

use std::io::{BufRead, BufReader, BufWriter, Write};

use anyhow::{Context as _, bail};

use super::opts::LookupOpts;
use super::{opened, standard_input};
use crate::cli::exit::Exit;
use crate::digest::{Algorithm, Digest};
use crate::hashset::SetKind;
use crate::hashset::compiled::{Access, CompiledSet};
use crate::item::escape::{cell, push_cell};

/// Questions of a batch.
const BATCH: usize = 64;

/// Answers and gives the exit code.
pub(super) fn lookup(opts: &LookupOpts) -> anyhow::Result<Exit> {
    let access = if opts.in_memory { Access::InMemory } else { Access::Mapped };
    let set = opened(&opts.set, access)?;
    // A digest that is not found must not be one that a damaged table lost.
    set.verify_tables()?;
    let has = |one| set.tables().iter().any(|table| table.algorithm == one);
    let mut name = cell(set.info().name.as_bytes());
    quote(&mut name);
    let mut answers = Answers {
        name,
        has: [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Blake3].map(has),
        set: &set,
        out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
        line: Vec::new(),
        asked: Vec::with_capacity(BATCH),
        found: Vec::new(),
        id: String::new(),
        ids: String::new(),
    };
    if opts.hashes.is_empty() {
        answers.of_lines(BufReader::with_capacity(1 << 16, standard_input()?))?;
    }
    for (number, text) in (1..).zip(&opts.hashes) {
        answers.ask(text.trim().as_bytes()).with_context(|| format!("argument {number}"))?;
    }
    answers.answer()?;
    answers.out.flush().context("cannot write to standard output")?;
    Ok(Exit::Complete)
}

struct Answers<'a, W: Write> {
    set: &'a CompiledSet,
    name: String,
    /// Which digests the set has, in the order of their columns.
    has: [bool; 4],
    out: W,
    line: Vec<u8>,
    /// Questions that wait for their answers.
    asked: Vec<(&'static [Algorithm], Digest)>,
    /// Numbers of the entries found, with the place of their question.
    found: Vec<(usize, u32)>,
    id: String,
    ids: String,
}

impl<W: Write> Answers<'_, W> {
    /// Answers a digest a line.
    fn of_lines(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        // The start of a line whose end is not there yet.
        let (mut start, mut number) = (Vec::new(), 0_u64);
        loop {
            let bytes = match input.fill_buf() {
                Ok([]) => break,
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot read standard input"),
            };
            let mut rest = bytes;
            while let Some((line, after)) = line_of(rest) {
                number += 1;
                if start.is_empty() {
                    self.ask_line(line, number)?;
                } else {
                    start.extend_from_slice(line);
                    self.ask_line(&start, number)?;
                    start.clear();
                }
                rest = after;
            }
            start.extend_from_slice(rest);
            let taken = bytes.len();
            input.consume(taken);
        }
        self.ask_line(&start, number + 1)
    }

    /// Takes a line, which may be empty.
    fn ask_line(&mut self, line: &[u8], number: u64) -> anyhow::Result<()> {
        match line.trim_ascii() {
            b"" => Ok(()),
            text => self.ask(text).with_context(|| format!("standard input, line {number}")),
        }
    }

    /// Takes a question; answers those that wait where they are a batch.
    fn ask(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let algorithms: &[Algorithm] = match text.len() {
            32 => &[Algorithm::Md5],
            40 => &[Algorithm::Sha1],
            64 => &[Algorithm::Sha256, Algorithm::Blake3],
            _ => &[],
        };
        let digest = Digest::from_hex(text).filter(|_| !algorithms.is_empty());
        // What was asked before is answered all the same.
        let Some(digest) = digest else {
            self.answer()?;
            bail!("expected 32, 40 or 64 hex digits")
        };
        let has = |one: &Algorithm| self.has.get(*one as usize).is_some_and(|has| *has);
        if !algorithms.iter().any(has) {
            self.answer()?;
            let names: Vec<_> = algorithms.iter().map(|one| one.as_str()).collect();
            // "none" would read as if it had been looked for.
            bail!("the set has no {} digests", names.join(" and no "));
        }
        // Memory fetches what the answer needs while the next questions are read.
        algorithms.iter().for_each(|one| self.set.announce(*one, &digest));
        self.asked.push((algorithms, digest));
        if self.asked.len() < BATCH { Ok(()) } else { self.answer() }
    }

    /// A line for each question that waits.
    fn answer(&mut self) -> anyhow::Result<()> {
        let asked = std::mem::take(&mut self.asked);
        self.found.clear();
        for (place, (algorithms, digest)) in asked.iter().enumerate() {
            let first = self.found.len();
            for algorithm in *algorithms {
                let numbers = self.set.find(*algorithm, digest);
                self.found.extend(numbers.map(|number| (place, number)));
            }
            if self.found.len() > first + 1
                && let Some(own) = self.found.get_mut(first..)
            {
                own.sort_unstable();
            }
        }
        self.found.dedup();
        self.found.iter().for_each(|(_, number)| self.set.announce_entry(*number));
        let found = std::mem::take(&mut self.found);
        let mut rest = found.as_slice();
        self.line.clear();
        for (place, (_, digest)) in asked.iter().enumerate() {
            let count = rest.iter().take_while(|(of, _)| *of == place).count();
            let (own, others) = rest.split_at(count);
            rest = others;
            self.line.extend_from_slice(digest.hex_digits(&mut [0; Digest::LONGEST_HEX]));
            match own {
                [] => self.line.extend_from_slice(b",none,,\n"),
                _ => self.tell(own)?,
            }
        }
        let written = self.out.write_all(&self.line);
        (self.asked, self.found) = (asked, found);
        self.asked.clear();
        written.context("cannot write to standard output")
    }

    /// The kind that counts, the set, and the entries.
    fn tell(&mut self, found: &[(usize, u32)]) -> anyhow::Result<()> {
        let mut kinds = [false; 3];
        // An alert is never hidden by another entry of the same digest.
        let order = [SetKind::Alert, SetKind::Info, SetKind::Ignore];
        self.ids.clear();
        for (_, number) in found {
            self.id.clear();
            let kind = self.set.id_and_kind(*number, &mut self.id);
            let kind = kind.context("an entry of the set is not readable")?;
            kinds.iter_mut().zip(order).for_each(|(is, one)| *is |= one == kind);
            if !self.ids.is_empty() {
                self.ids.push(';');
            }
            push_cell(&mut self.ids, self.id.as_bytes());
        }
        let kind = order.iter().zip(kinds).find(|(_, is)| *is).map_or(SetKind::Alert, |(k, _)| *k);
        quote(&mut self.ids);
        for text in [",", kind.as_str(), ",", &self.name, ",", &self.ids, "\n"] {
            self.line.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

/// The first line and what follows its end.
fn line_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, after) = bytes.split_at_checked(memchr::memchr(b'\n', bytes)?)?;
    Some((line, after.get(1..)?))
}

/// Makes a cell of CSV of a text.
fn quote(text: &mut String) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        *text = format!("\"{}\"", text.replace('"', "\"\""));
    }
}
