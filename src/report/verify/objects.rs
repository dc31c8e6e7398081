//! files.csv with matches.csv and exceptions.csv: three tables read side by side, in the order of
//! `record_no`, holding no more than one object's rows.

use super::copies::Copies;
use super::found::{Found, shown};
use super::run::RunFacts;
use super::sets::{Compared, SetsCheck};
use super::source::Source;
use super::table::{Row, Rows};
use super::{Counts, Digested, VerifyError};
use crate::hashset::SetKind;
use crate::item::Status;
use crate::matching::{Disposition, Finding, MatchKind};
use crate::problem::Code;
use crate::report::schema::{EXCEPTIONS, FILES, MATCHES, RUN_JSON, Table};
use std::collections::BTreeMap;

const DIGESTS: [&str; 4] = ["md5", "sha1", "sha256", "blake3"];

/// A table whose rows belong to rows of files.csv.
struct Dependent<'a> {
    rows: Rows<'a>,
    file: &'static str,
    record_no: usize,
    /// Columns it shares with files.csv: their place here, and there.
    shared: Vec<(usize, usize)>,
    /// The record of the row it stands at; `None` at its end.
    at: Option<u64>,
}

impl<'a> Dependent<'a> {
    fn open(source: &'a dyn Source, table: Table, found: &mut Found) -> Result<Self, VerifyError> {
        let shared = |(at, name): (usize, &&str)| Some((at, FILES.column(name)?));
        let columns = table.columns.iter().enumerate();
        let shared = columns.filter(|(_, name)| **name != "row_chain").filter_map(shared).collect();
        let rows = Rows::open(source, table, found)?;
        let record_no = rows.column("record_no");
        Ok(Self { rows, file: table.file, record_no, shared, at: Some(0) })
    }

    /// Goes to the next row that belongs to an object.
    fn advance(
        &mut self,
        found: &mut Found,
        mut check: impl FnMut(&Rows<'_>, &mut Found),
    ) -> Result<(), VerifyError> {
        while self.rows.advance(found)? {
            check(&self.rows, found);
            let Some(record) = self.rows.row().count(self.record_no) else { continue };
            if self.at.is_some_and(|before| record < before) {
                self.rows.tell(found, format!("record_no {record} comes after a higher one"));
                continue;
            }
            self.at = Some(record);
            return Ok(());
        }
        self.at = None;
        Ok(())
    }

    /// Compares the columns that both tables have.
    fn compare(&self, object: &Row, found: &mut Found) {
        let row = self.rows.row();
        let differs = |(here, there): &&(usize, usize)| row.cell(*here) != object.cell(*there);
        if let Some((here, there)) = self.shared.iter().find(differs) {
            let name = FILES.columns.get(*there).unwrap_or(&"");
            let (ours, theirs) = (shown(row.cell(*here)), shown(object.cell(*there)));
            let detail = format!(
                "{name} is `{ours}`, and `{theirs}` in row {} of {}",
                object.number, FILES.file
            );
            found.between(self.file, Some(row.number), detail);
        }
    }

    fn nowhere(&self, record: u64, found: &mut Found) {
        let detail = format!("its record_no {record} is no row of {}", FILES.file);
        found.between(self.file, Some(self.rows.row().number), detail);
    }
}

/// Columns of files.csv by place.
struct Columns {
    record_no: usize,
    parent: usize,
    status: usize,
    digests: [usize; 4],
    disposition: usize,
    match_count: usize,
}

/// Columns of matches.csv by place.
struct MatchColumns {
    kind: usize,
    algorithm: usize,
    value: usize,
    agreeing: usize,
    set_kind: usize,
    set_sha256: usize,
}

/// The three tables and what is gathered from them.
pub(super) struct Objects<'a> {
    files: Rows<'a>,
    matches: Dependent<'a>,
    exceptions: Dependent<'a>,
    columns: Columns,
    of_match: MatchColumns,
    copies: Copies,
    statuses: BTreeMap<Status, u64>,
    run: &'a RunFacts,
    sets: Option<SetsCheck<'a>>,
}

impl<'a> Objects<'a> {
    /// Opens the tables.
    pub(super) fn open(
        source: &'a dyn Source,
        run: &'a RunFacts,
        sets: Option<SetsCheck<'a>>,
        found: &mut Found,
    ) -> Result<Self, VerifyError> {
        let files = Rows::open(source, FILES, found)?;
        let matches = Dependent::open(source, MATCHES, found)?;
        let exceptions = Dependent::open(source, EXCEPTIONS, found)?;
        let columns = Columns {
            record_no: files.column("record_no"),
            parent: files.column("parent_record_no"),
            status: files.column("status"),
            digests: DIGESTS.map(|name| files.column(name)),
            disposition: files.column("disposition"),
            match_count: files.column("match_count"),
        };
        let of_match = MatchColumns {
            kind: matches.rows.column("match_kind"),
            algorithm: matches.rows.column("match_algorithm"),
            value: matches.rows.column("object_value"),
            agreeing: matches.rows.column("digests_agreeing"),
            set_kind: matches.rows.column("set_kind"),
            set_sha256: matches.rows.column("set_sha256"),
        };
        let copies = Copies::new(&files);
        let statuses = BTreeMap::new();
        Ok(Self { files, matches, exceptions, columns, of_match, copies, statuses, run, sets })
    }

    /// Reads all three to their ends.
    pub(super) fn check(
        mut self,
        counts: &mut Counts,
        digested: &mut Digested,
        found: &mut Found,
    ) -> Result<Option<Compared>, VerifyError> {
        self.next_match(found)?;
        self.next_exception(found)?;
        while self.files.advance(found)? {
            self.check_object(found);
            let record = self.files.row().count(self.columns.record_no).unwrap_or(0);
            let findings = self.matches_of(record, found)?;
            self.check_findings(&findings, found);
            self.exceptions_of(record, found)?;
        }
        self.matches_of(u64::MAX, found)?;
        self.exceptions_of(u64::MAX, found)?;
        self.run.compare(&self.statuses, found);
        counts.files = self.files.count();
        counts.matches = self.matches.rows.count();
        counts.exceptions = self.exceptions.rows.count();
        counts.first_copies = self.copies.finish(found);
        for (name, rows) in [
            (FILES.file, self.files),
            (MATCHES.file, self.matches.rows),
            (EXCEPTIONS.file, self.exceptions.rows),
        ] {
            let rows_read = rows.count();
            self.run.compare_rows(name, rows_read, found);
            digested.put(name, rows.finish()?, Some(rows_read));
        }
        Ok(self.sets.map(SetsCheck::finish))
    }

    /// What a row of files.csv must keep by itself.
    fn check_object(&mut self, found: &mut Found) {
        let (row, columns) = (self.files.row(), &self.columns);
        if let Some(parent) = row.count(columns.parent).filter(|parent| *parent >= row.number) {
            self.files.tell(found, format!("its parent_record_no {parent} is not before it"));
        }
        let status = Status::from_word(row.cell(columns.status));
        let digests = columns.digests.iter().filter(|at| !row.cell(**at).is_empty()).count();
        if status == Some(Status::Hashed) && digests == 0 {
            self.files.tell(found, "it is `hashed` and states no digest");
        } else if status.is_some_and(|status| status != Status::Hashed) && digests > 0 {
            self.files.tell(found, "it states a digest and is not `hashed`");
        }
        self.copies.take(row, found);
        if let Some(status) = status {
            *self.statuses.entry(status).or_default() += 1;
        }
    }

    /// The findings of the object at hand against what its rows in matches.csv say.
    fn check_findings(&mut self, findings: &[Finding], found: &mut Found) {
        let (row, columns) = (self.files.row(), &self.columns);
        let (stated, number) = (row.count(columns.match_count).unwrap_or(0), Some(row.number));
        if u64::try_from(findings.len()) != Ok(stated) {
            let detail = format!(
                "its match_count is {stated}, {} has {} rows of it",
                MATCHES.file,
                findings.len()
            );
            found.between(FILES.file, number, detail);
        }
        let disposition = Disposition::of(findings).as_str();
        if disposition != row.cell(columns.disposition) {
            let detail = format!(
                "its disposition is `{}`, its matches make `{disposition}`",
                shown(row.cell(columns.disposition))
            );
            found.between(FILES.file, number, detail);
        }
        if let Some(sets) = &mut self.sets {
            sets.object(row, found);
        }
    }

    /// Takes the rows of matches.csv up to this record; gives the findings that are of it.
    fn matches_of(&mut self, record: u64, found: &mut Found) -> Result<Vec<Finding>, VerifyError> {
        let mut findings = Vec::new();
        while let Some(at) = self.matches.at.filter(|at| *at <= record) {
            if at == record && record != u64::MAX {
                self.matches.compare(self.files.row(), found);
                let row = self.matches.rows.row();
                findings.extend(self.of_match.finding(row));
                if let Some(sets) = &mut self.sets {
                    sets.row(row);
                }
            } else {
                self.matches.nowhere(at, found);
            }
            self.next_match(found)?;
        }
        Ok(findings)
    }

    fn exceptions_of(&mut self, record: u64, found: &mut Found) -> Result<(), VerifyError> {
        while let Some(at) = self.exceptions.at.filter(|at| *at <= record) {
            if at == record && record != u64::MAX {
                self.exceptions.compare(self.files.row(), found);
            } else {
                self.exceptions.nowhere(at, found);
            }
            self.next_exception(found)?;
        }
        Ok(())
    }

    /// Goes to the next row of matches.csv and checks it by itself.
    fn next_match(&mut self, found: &mut Found) -> Result<(), VerifyError> {
        let (columns, sets) = (&self.of_match, self.run.sets.as_ref());
        self.matches.advance(found, |rows, found| {
            columns.check(rows, found);
            let sha256 = rows.row().cell(columns.set_sha256);
            if sets.is_some_and(|sets| !sets.contains_key(sha256)) {
                let detail = format!("its set_sha256 {} is no set of {RUN_JSON}", shown(sha256));
                found.between(MATCHES.file, Some(rows.row().number), detail);
            }
        })
    }

    /// Goes to the next row of exceptions.csv and checks it by itself.
    fn next_exception(&mut self, found: &mut Found) -> Result<(), VerifyError> {
        let [code, consequence] =
            ["code", "consequence"].map(|name| self.exceptions.rows.column(name));
        self.exceptions.advance(found, |rows, found| {
            let known = Code::from_word(rows.row().cell(code));
            if known.is_some_and(|code| code.consequence() != rows.row().cell(consequence)) {
                rows.tell(found, "its consequence is not the one of its code");
            }
        })
    }
}

impl MatchColumns {
    /// What a row of matches.csv must keep by itself.
    fn check(&self, rows: &Rows<'_>, found: &mut Found) {
        let row = rows.row();
        if row.cell(self.kind) == MatchKind::Near.as_str() {
            return;
        }
        let algorithm = row.cell(self.algorithm);
        if !DIGESTS.contains(&algorithm) {
            let detail = format!("its match_algorithm `{}` is no digest", shown(algorithm));
            rows.tell(found, detail);
        } else if row.cell(rows.column(algorithm)) != row.cell(self.value) {
            rows.tell(found, format!("its object_value is not its {algorithm}"));
        } else if !row.cell(self.agreeing).split(';').any(|word| word == algorithm) {
            rows.tell(found, format!("its digests_agreeing lack {algorithm}"));
        }
    }

    /// As much of a finding as its weight depends on; `None` where a word is unknown.
    fn finding(&self, row: &Row) -> Option<Finding> {
        Some(Finding {
            set: 0,
            entry: 0,
            entry_id: String::new(),
            kind: MatchKind::from_word(row.cell(self.kind))?,
            set_kind: SetKind::from_word(row.cell(self.set_kind))?,
            algorithm: String::new(),
            object_value: String::new(),
            agreeing: Vec::new(),
            disagreeing: Vec::new(),
            size_differs: false,
            weak: false,
            category: None,
            series: None,
            victim_identified: None,
            near: None,
        })
    }
}
