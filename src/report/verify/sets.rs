//! Every exact finding computed again from the digests of files.csv, with the lists at hand.
//!
//! Both ways: a finding without its row is told, and a row that is no finding is told. Only the
//! sets that are given are looked at. Near findings are the work of [`super::near`].

use super::found::{Found, shown};
use super::near::NearCheck;
use super::run::RunFacts;
use super::table::Row;
use crate::digest::{Algorithm, Digest, Digests};
use crate::item::escape;
use crate::matching::{Finding, Index, MatchKind};
use crate::report::schema::{FILES, MATCHES, RUN_JSON};
use std::collections::BTreeSet;

/// What comparing with the sets covered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Compared {
    /// Findings computed again from the digests, exact ones and digest conflicts.
    pub findings: u64,
    /// Near findings whose distance was computed again.
    pub near: u64,
    /// Rows of matches.csv of sets that were not given: not computed again.
    pub of_other_sets: u64,
    /// Names of sets of the run that were not given.
    pub sets_not_given: Vec<String>,
}

/// What makes two findings of one object the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    set_sha256: String,
    entry_id: String,
    match_kind: String,
    algorithm: String,
    object_value: String,
    set_kind: String,
    agreeing: String,
}

/// The findings of one object after the other.
pub(super) struct SetsCheck<'a> {
    index: &'a Index,
    given: BTreeSet<&'a str>,
    of_match: [usize; 7],
    digests: Vec<(Algorithm, usize)>,
    sizes: [usize; 2],
    rows: Vec<(Key, u64)>,
    compared: Compared,
    near: Option<NearCheck<'a>>,
}

impl<'a> SetsCheck<'a> {
    /// Starts with the sets that are given; one that the run did not have is told.
    pub(super) fn new(index: &'a Index, run: &RunFacts, found: &mut Found) -> Self {
        let given: BTreeSet<&str> = index.sets().iter().map(|set| &*set.info.sha256).collect();
        let ran = run.sets.as_ref();
        for set in index.sets() {
            if ran.is_some_and(|ran| !ran.contains_key(&set.info.sha256)) {
                let (name, sha256) = (shown(&set.info.name), &set.info.sha256);
                let detail = format!("the set {name} (SHA-256 {sha256}) is none of the run's sets");
                found.own(RUN_JSON, None, detail);
            }
        }
        let others = ran.into_iter().flatten().filter(|(sha256, _)| !given.contains(&***sha256));
        let sets_not_given = others.map(|(_, name)| name.clone()).collect();
        let of_match = [
            "set_sha256",
            "entry_id",
            "match_kind",
            "match_algorithm",
            "object_value",
            "set_kind",
            "digests_agreeing",
        ];
        let column = |name| FILES.column(name).unwrap_or(usize::MAX);
        Self {
            index,
            given,
            of_match: of_match.map(|name| MATCHES.column(name).unwrap_or(usize::MAX)),
            digests: Algorithm::ALL.iter().map(|one| (*one, column(one.as_str()))).collect(),
            sizes: ["bytes_hashed", "size_bytes"].map(column),
            rows: Vec::new(),
            compared: Compared { sets_not_given, ..Compared::default() },
            near: run.near_bits.and_then(|bits| NearCheck::new(index, bits)),
        }
    }

    /// Takes a row of matches.csv that belongs to the next object.
    pub(super) fn row(&mut self, row: &Row) {
        let [set_sha256, entry_id, match_kind, algorithm, object_value, set_kind, agreeing] =
            self.of_match.map(|column| row.cell(column));
        if !self.given.contains(set_sha256) {
            self.compared.of_other_sets += 1;
        } else if match_kind == MatchKind::Near.as_str() {
            match &mut self.near {
                Some(near) => near.row(row),
                None => self.compared.of_other_sets += 1,
            }
        } else {
            let key = Key {
                set_sha256: set_sha256.to_owned(),
                entry_id: entry_id.to_owned(),
                match_kind: match_kind.to_owned(),
                algorithm: algorithm.to_owned(),
                object_value: object_value.to_owned(),
                set_kind: set_kind.to_owned(),
                agreeing: agreeing.to_owned(),
            };
            self.rows.push((key, row.number));
        }
    }

    /// Computes the findings of an object and compares them with the rows taken since the last.
    pub(super) fn object(&mut self, object: &Row, found: &mut Found) {
        let mut rows = std::mem::take(&mut self.rows);
        if let Some(near) = &mut self.near {
            let exact = |set: &str, entry: &str| {
                rows.iter().any(|(key, _)| {
                    (&*key.set_sha256, &*key.entry_id) == (set, entry)
                        && key.match_kind == MatchKind::Exact.as_str()
                })
            };
            near.object(object, exact, found);
        }
        let mut findings = self.findings(object);
        self.compared.findings += u64::try_from(findings.len()).unwrap_or(u64::MAX);
        rows.sort_unstable();
        findings.sort_unstable();
        let mut rows = rows.into_iter().peekable();
        for finding in findings {
            while let Some((_, number)) = rows.next_if(|(row, _)| *row < finding) {
                unfounded(number, found);
            }
            if rows.next_if(|(row, _)| *row == finding).is_none() {
                let (entry, set) = (shown(&finding.entry_id), &finding.set_sha256);
                let detail = format!(
                    "{} has no row for its {} finding with entry {entry} of set {set}",
                    MATCHES.file, finding.match_kind
                );
                found.between(FILES.file, Some(object.number), detail);
            }
        }
        rows.for_each(|(_, number)| unfounded(number, found));
    }

    /// What the comparison covered.
    pub(super) fn finish(self) -> Compared {
        let near = self.near.as_ref().map_or(0, NearCheck::recomputed);
        Compared { near, ..self.compared }
    }

    fn findings(&self, object: &Row) -> Vec<Key> {
        let mut digests = Digests::default();
        for (algorithm, column) in &self.digests {
            let cell = object.cell(*column);
            if let Some(digest) = Digest::from_hex(cell.as_bytes()).filter(|_| !cell.is_empty()) {
                digests.set(*algorithm, digest);
            }
        }
        let [hashed, stated] = self.sizes.map(|column| object.count(column));
        let Some(size) = hashed.or(stated) else { return Vec::new() };
        let findings = self.index.look_up(&digests, size);
        findings.iter().filter_map(|finding| self.key(finding)).collect()
    }

    fn key(&self, finding: &Finding) -> Option<Key> {
        let set = self.index.sets().get(usize::try_from(finding.set).ok()?)?;
        let agreeing: Vec<_> = finding.agreeing.iter().map(|one| one.as_str()).collect();
        Some(Key {
            set_sha256: set.info.sha256.clone(),
            entry_id: escape::cell(finding.entry_id.as_bytes()),
            match_kind: finding.kind.to_string(),
            algorithm: finding.algorithm.clone(),
            object_value: finding.object_value.clone(),
            set_kind: finding.set_kind.to_string(),
            agreeing: agreeing.join(";"),
        })
    }
}

fn unfounded(row: u64, found: &mut Found) {
    let detail = "the row is no finding of the sets given";
    found.between(MATCHES.file, Some(row), detail);
}
