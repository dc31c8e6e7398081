//! `assay hashset audit`: what an agency wants to know of its sets before it relies on them.
//!
//! Entries are named by their identifiers; no value is printed.

use std::collections::BTreeMap;

use super::opts::AuditOpts;
use super::verified;
use crate::cli::exit::Exit;
use crate::cli::terminal::Terminal;
use crate::digest::{Algorithm, Digests, Hasher, Selection};
use crate::hashset::compiled::CompiledSet;
use crate::hashset::{SetEntry, SetKind};
use crate::item::escape::cell;

/// Findings of one sort that are named; further ones are counted.
const NAMED: u64 = 100;

/// Audits and gives the exit code: a difference where something contradicts.
pub(super) fn audit(opts: &AuditOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let mut sets = Vec::new();
    for path in &opts.sets {
        sets.push(verified(path)?);
    }
    let mut findings = Findings { terminal, counts: BTreeMap::new() };
    for set in &sets {
        rows(set, terminal)?;
        codes(set, terminal)?;
        inside(set, &mut findings)?;
        trivial(set, &mut findings)?;
    }
    for (at, set) in sets.iter().enumerate() {
        for other in sets.iter().skip(at + 1) {
            between(set, other, &mut findings)?;
        }
    }
    for (what, count) in &findings.counts {
        terminal.line(&format!("{what}: {count}"))?;
    }
    if findings.counts.is_empty() {
        terminal.line("no contradiction and no trivial content")?;
        return Ok(Exit::Complete);
    }
    Ok(Exit::Difference)
}

/// What was found, by sort.
struct Findings<'a> {
    terminal: &'a Terminal,
    counts: BTreeMap<&'static str, u64>,
}

impl Findings<'_> {
    fn add(&mut self, what: &'static str, detail: &str) -> std::io::Result<()> {
        let count = self.counts.entry(what).or_default();
        *count += 1;
        if *count > NAMED {
            return Ok(());
        }
        self.terminal.line(&format!("{what}: {detail}"))
    }
}

fn name(set: &CompiledSet) -> String {
    cell(set.info().name.as_bytes())
}

fn id(entry: &SetEntry) -> String {
    cell(entry.id.as_bytes())
}

/// What became of the lists' rows.
fn rows(set: &CompiledSet, terminal: &Terminal) -> std::io::Result<()> {
    let counts = set.counts();
    terminal.line(&format!(
        "set {}: {} rows, {} entries, {} rejected, {} equal to another, {} without a value; digests \
         of empty files dropped {}, all-zero values {}",
        name(set),
        counts.rows_read,
        counts.accepted,
        counts.rejected,
        counts.duplicates,
        counts.rows_emptied,
        counts.empty_digests_dropped,
        counts.zero_digests_dropped
    ))
}

/// Codes in use, and how often.
fn codes(set: &CompiledSet, terminal: &Terminal) -> anyhow::Result<()> {
    let mut uses: BTreeMap<(String, String), (u64, SetKind, bool)> = BTreeMap::new();
    for number in 0..set.len() {
        let Some(category) = set.entry(number).and_then(|entry| entry.category) else { continue };
        let key = (category.scheme.clone(), category.code.clone());
        let unmapped = category.label.is_empty();
        uses.entry(key).or_insert((0, category.kind, unmapped)).0 += 1;
    }
    for ((scheme, code), (count, kind, unmapped)) in uses {
        let (scheme, code) = (cell(scheme.as_bytes()), cell(code.as_bytes()));
        let unmapped = if unmapped { ", not mapped" } else { "" };
        terminal.line(&format!(
            "set {}: code {code} of {scheme}: {kind}{unmapped}, {count}",
            name(set)
        ))?;
    }
    Ok(())
}

/// Digests whose entries disagree.
fn inside(set: &CompiledSet, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    for number in 0..set.len() {
        let Some(entry) = set.entry(number) else { continue };
        for algorithm in Algorithm::ALL {
            let Some(digest) = entry.digests.get(*algorithm) else { continue };
            // Each other entry of the digest is compared with the first.
            let mut others = set.find(*algorithm, &digest);
            if others.next() != Some(number) {
                continue;
            }
            for other in others.filter_map(|other| set.entry(other)) {
                let pair = || {
                    format!("set {}: {} and {} by {algorithm}", name(set), id(&entry), id(&other))
                };
                if entry.kind != other.kind {
                    findings.add("entries of one digest differ in kind", &pair())?;
                } else if entry.category != other.category {
                    findings.add("entries of one digest differ in category", &pair())?;
                }
                if contradict(&entry, &other) {
                    findings
                        .add("entries of one digest differ in another digest or size", &pair())?;
                }
            }
        }
    }
    Ok(())
}

/// Whether two entries that share a digest cannot be of one content.
fn contradict(a: &SetEntry, b: &SetEntry) -> bool {
    let digests = Algorithm::ALL.iter().any(|algorithm| {
        let both = a.digests.get(*algorithm).zip(b.digests.get(*algorithm));
        both.is_some_and(|(a, b)| a != b)
    });
    digests || a.size.zip(b.size).is_some_and(|(a, b)| a != b)
}

/// Content that many harmless files have.
fn trivial(set: &CompiledSet, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let mut contents = vec![b"\r\n".to_vec()];
    for byte in [0, 0xff, b' ', b'\n'] {
        for len in [1, 2, 4, 16, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 1 << 20] {
            contents.push(vec![byte; len]);
        }
    }
    for content in contents {
        let mut hasher = Hasher::new(Selection::ALL);
        hasher.update(&content);
        let digests: Digests = hasher.finish();
        let mut numbers = Vec::new();
        for algorithm in Algorithm::ALL {
            let Some(digest) = digests.get(*algorithm) else { continue };
            numbers.extend(set.find(*algorithm, &digest));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let entries = numbers.into_iter().filter_map(|number| set.entry(number));
        for entry in entries {
            let (len, set) = (content.len(), name(set));
            let detail = format!("set {set}: {}, {len} bytes that are all alike", id(&entry));
            findings.add("trivial content", &detail)?;
        }
    }
    Ok(())
}

/// Digests that two sets call different things.
fn between(a: &CompiledSet, b: &CompiledSet, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    for number in 0..small.len() {
        let Some(entry) = small.entry(number) else { continue };
        let mut others = Vec::new();
        for algorithm in Algorithm::ALL {
            let Some(digest) = entry.digests.get(*algorithm) else { continue };
            others.extend(large.find(*algorithm, &digest));
        }
        others.sort_unstable();
        others.dedup();
        for other in others.into_iter().filter_map(|other| large.entry(other)) {
            if entry.kind != other.kind {
                let (ours, theirs) = (name(small), name(large));
                let (kind, other_kind) = (entry.kind, other.kind);
                let detail = format!(
                    "{} of set {ours} is {kind}, {} of set {theirs} is {other_kind}",
                    id(&entry),
                    id(&other)
                );
                findings.add("sets differ in what a digest is", &detail)?;
            }
        }
    }
    Ok(())
}
