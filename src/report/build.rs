//! From the journal to a finished report.
//!
//! The journal has the places of its records by order key, which numbers the rows; a first pass over
//! them sorts the digests, which tells copies apart; a second pass reads each record once and writes
//! its rows of every table.
//! Memory does not grow with the number of objects. The order of the last steps is such that a
//! report with a manifest is whole, whenever the machine stops: tables, summary, run.json, the
//! sealing event, manifest, signature, and only then is the journal removed.

use crate::digest::Digest;
use crate::evidence::{Located, Walked};
use crate::item::OrderKey;
use crate::output::OutputDir;
use crate::report::newest::{Newest, Places};
use crate::report::placed::Placed;
use crate::report::ready::Ready;
use crate::report::sort::{Sorted, Sorter};
use crate::report::tables::{self, Place, TableWriter};
use crate::report::tally::Tally;
use crate::report::{
    Balance, Custody, Event, Journal, Manifest, Record, ReportError, Rows, RunManifest, RunState,
    journal, run, schema, summary,
};
use std::time::Instant;

/// What the walker counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Objects met, each of which has a record.
    pub objects: u64,
    /// Folders listed, which have none.
    pub directories: u64,
}

/// What a scan hands over when it ends.
pub struct Handover<'a> {
    /// The output folder.
    pub out: &'a OutputDir,
    /// The records.
    pub journal: Journal<'a>,
    /// The run; state, end, sums and rows are filled in here.
    pub run: &'a mut RunManifest,
    /// The custody events so far.
    pub custody: Custody,
    /// What the walker counted.
    pub seen: Seen,
    /// What each walk gave beside its objects, in the order of the evidence.
    pub walked: Vec<Walked>,
    /// When the run started, for its duration.
    pub clock: Instant,
    /// Bytes that all sorts together may hold; 64 MiB is plenty for any number of records.
    pub memory: usize,
}

/// Signs the text of the manifest; gives the text of the signature file.
pub type SignatureHook<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The last chain value of custody.csv; empty where the report is not complete.
    pub seal: String,
    /// The sums. Where they do not hold the run has failed, and its report says so.
    pub balance: Balance,
    /// Rows of each table.
    pub rows: Rows,
    /// Objects equal to an alert entry.
    pub alerts: u64,
    /// Objects near an alert entry and equal to none.
    pub near: u64,
    /// Pictures that were not looked at because of a limit of time, memory or size.
    pub pictures_not_read: u64,
    /// Volumes of which something was not examined, and what is wrong with volumes and media as a
    /// whole.
    pub not_examined: u64,
    /// Files of the report and their digests; none where the report is not complete.
    pub manifest: Manifest,
}

/// Writes the report of a run that reached its end.
///
/// Writes the events `run_end` and `report_sealed` itself. Where the sums do not hold, or a child's
/// parent has no row, the report is written all the same, with the state `failed`.
///
/// # Errors
/// [`ReportError`]; the journal is then still there and nothing bears a final name half-written.
pub fn build(
    handover: Handover<'_>,
    sign: Option<SignatureHook<'_>>,
) -> Result<Built, ReportError> {
    let Handover { out, mut journal, run, mut custody, seen, walked, clock, memory } = handover;
    journal.sync()?;
    let written = Written::tables(out, journal, run, &walked, memory, true)?;
    written.end(run, seen, clock);
    run.state = if run.failure.is_empty() { RunState::Complete } else { RunState::Failed };

    let text = summary::render(run, &written.tally);
    out.write_whole(schema::SUMMARY, |file| file.write_all(text.as_bytes()))?;
    let run_digest = run.write(out)?;

    let mut manifest = Manifest::default();
    manifest.add(schema::RUN_JSON, run_digest);
    written.files.iter().for_each(|(name, digest)| manifest.add(name, *digest));
    let mut sealed = manifest.clone();
    sealed.add(schema::SUMMARY, Digest::sha256(&[text.as_bytes()]));
    custody.event(Event::RunEnd, "", &ending(run), "", "")?;
    custody.event(Event::ReportSealed, "", &sealed.seal_detail(), "", "")?;

    manifest.add(schema::CUSTODY.file, custody.sha256());
    manifest.add(schema::SUMMARY, Digest::sha256(&[text.as_bytes()]));
    manifest.write(out)?;
    if let Some(sign) = sign {
        let signature = sign(manifest.text().as_bytes()).map_err(ReportError::Sign)?;
        out.write_whole(schema::SIGNATURE, |file| file.write_all(&signature))?;
    }
    clean(out)?;
    Ok(written.built(run, custody.value().to_owned(), manifest))
}

/// Removes what a report needs no more once its manifest is there.
///
/// # Errors
/// [`ReportError::Output`].
pub fn clean(out: &OutputDir) -> Result<(), ReportError> {
    for table in [schema::VOLUMES, schema::FILES, schema::MATCHES, schema::EXCEPTIONS] {
        let incomplete = tables::incomplete(table);
        // A kill leaves a file under its temporary name.
        out.remove(&format!(".{incomplete}.tmp"))?;
        out.remove(&incomplete)?;
    }
    out.remove(journal::BEGUN)?;
    out.remove(journal::FILE)?;
    Ok(out.remove_folder(schema::JOURNAL)?)
}

/// Removes what an earlier attempt to build wrote under final names, before its manifest.
///
/// # Errors
/// [`ReportError::Output`].
pub fn retract(out: &OutputDir) -> Result<(), ReportError> {
    for table in [schema::VOLUMES, schema::FILES, schema::MATCHES, schema::EXCEPTIONS] {
        out.remove(table.file)?;
    }
    Ok(out.remove(schema::SUMMARY)?)
}

/// Writes what is known of a run that was stopped: tables named `*.incomplete.csv`, the state
/// `interrupted`, the event `run_interrupted`. The journal stays; there is no summary, no manifest
/// and no seal.
///
/// # Errors
/// [`ReportError`]; the journal is still there.
pub fn build_interrupted(handover: Handover<'_>) -> Result<Built, ReportError> {
    let Handover { out, mut journal, run, mut custody, seen, walked, clock, memory } = handover;
    journal.sync()?;
    let written = Written::tables(out, journal, run, &walked, memory, false)?;
    written.end(run, seen, clock);
    run.failure.clear();
    run.state = RunState::Interrupted;
    run.write(out)?;
    custody.event(Event::RunInterrupted, "", &ending(run), "", "")?;
    Ok(written.built(run, String::new(), Manifest::default()))
}

/// The detail of the event that ends a run.
fn ending(run: &RunManifest) -> String {
    let Rows { files, matches, exceptions, .. } = run.rows;
    format!("state={};files={files};matches={matches};exceptions={exceptions}", run.state)
}

/// Tables that have their names, and what was counted on the way.
struct Written {
    files: Vec<(String, Digest)>,
    rows: Rows,
    tally: Tally,
    orphans: u64,
}

impl Written {
    fn tables(
        out: &OutputDir,
        journal: Journal<'_>,
        run: &RunManifest,
        walked: &[Walked],
        memory: usize,
        complete: bool,
    ) -> Result<Self, ReportError> {
        let places = journal.places(complete)?;
        let copies = first_copies(out, &places, memory / 4)?;
        let mut tables = Tables::begin(out, run, complete, memory / 4)?;
        let (mut pass, mut records) = (Newest::of(&places)?, Placed::open(out)?);
        let mut copies = copies.rows()?;
        let mut copy = next_copy(&mut copies)?;
        let mut located = located(walked).into_iter().peekable();
        while let Some((key, place, digest)) = pass.next()? {
            // What is wrong with a volume stands before its objects.
            while let Some(problem) = located.next_if(|one| one.key.as_bytes() <= key) {
                let own = problem.key.as_bytes() == key;
                tables.located(problem, own.then(|| tables.files.next_number()))?;
            }
            let record_no = tables.files.next_number();
            let first = copy.filter(|(of, _)| *of == record_no).map(|(_, first)| first);
            if first.is_some() {
                copy = next_copy(&mut copies)?;
            }
            tables.write(Row { record_no, first, key, digest }, records.record(place)?)?;
        }
        located.try_for_each(|problem| tables.located(problem, None))?;
        for (number, walked) in (1..).zip(walked) {
            let inside = walked.inside.iter().flat_map(|medium| &medium.volumes);
            for row in walked.volumes.iter().chain(inside) {
                tables::volumes(&mut tables.volumes, number, row)?;
            }
            tables.tally.add_medium(walked);
            walked.inside.iter().for_each(|medium| tables.tally.add_inside(medium));
        }
        tables.commit()
    }

    /// Fills in the end of the run and whether its sums hold.
    fn end(&self, run: &mut RunManifest, seen: Seen, clock: Instant) {
        let balance = self.tally.balance(seen);
        run.ended = run::now();
        run.duration_ms = u64::try_from(clock.elapsed().as_millis()).ok();
        run.rows = self.rows;
        run.balance = Some(balance);
        run.not_examined = self.tally.volumes_incomplete + self.tally.located;
        if !balance.holds {
            let (seen, rows) = (balance.seen, self.rows.files);
            run.failure = format!("the balance does not hold: {seen} objects seen, {rows} rows");
        } else if self.tally.volumes_unbalanced > 0 {
            let volumes = self.tally.volumes_unbalanced;
            run.failure = format!("the bytes of {volumes} volumes do not sum to their lengths");
        } else if self.tally.media_incomplete > 0 {
            let media = self.tally.media_incomplete;
            run.failure = format!("{media} media have bytes that are in no volume and no gap");
        } else if self.orphans > 0 {
            run.failure = format!("{} objects lie in one that has no row", self.orphans);
        }
    }

    fn built(&self, run: &RunManifest, seal: String, manifest: Manifest) -> Built {
        use crate::matching::Disposition;
        let of = |disposition| self.tally.dispositions.get(&disposition).copied().unwrap_or(0);
        Built {
            seal,
            balance: run.balance.unwrap_or_default(),
            rows: self.rows,
            alerts: of(Disposition::Alert),
            near: of(Disposition::Near),
            pictures_not_read: self.tally.pictures_not_read(),
            not_examined: run.not_examined,
            manifest,
        }
    }
}

/// What the order of all records says of one.
struct Row<'a> {
    record_no: u64,
    /// The number of the first object of its content, where that is another.
    first: Option<u64>,
    key: &'a [u8],
    /// The digest that copies are told by; empty where it has none.
    digest: &'a [u8],
}

/// The tables being written in one pass, and what is counted meanwhile.
struct Tables<'a> {
    run: &'a RunManifest,
    volumes: TableWriter<'a>,
    files: TableWriter<'a>,
    matches: TableWriter<'a>,
    exceptions: TableWriter<'a>,
    tally: Tally,
    /// The groups that a digest is to be counted in.
    grouped: Sorter<'a>,
    ancestors: Ancestors,
    orphans: u64,
}

impl<'a> Tables<'a> {
    fn begin(
        out: &'a OutputDir,
        run: &'a RunManifest,
        complete: bool,
        memory: usize,
    ) -> Result<Self, ReportError> {
        Ok(Self {
            run,
            volumes: TableWriter::begin(out, schema::VOLUMES, complete)?,
            files: TableWriter::begin(out, schema::FILES, complete)?,
            matches: TableWriter::begin(out, schema::MATCHES, complete)?,
            exceptions: TableWriter::begin(out, schema::EXCEPTIONS, complete)?,
            tally: Tally::default(),
            grouped: Sorter::new(out, memory),
            ancestors: Ancestors::default(),
            orphans: 0,
        })
    }

    /// Writes the rows of one object.
    fn write(&mut self, row: Row<'_>, encoded: &[u8]) -> Result<(), ReportError> {
        let Row { record_no, first, key, digest } = row;
        let ready = Ready::of(encoded)?;
        self.tally.add(&ready.brief);
        let mut parent_record_no = None;
        if ready.brief.more {
            let record = Record::decode(encoded)?;
            tables::matches(&mut self.matches, record_no, &record, self.run)?;
            tables::exceptions(&mut self.exceptions, record_no, &record)?;
            parent_record_no = self.ancestors.number(record.parent.as_ref(), key);
            self.orphans += u64::from(record.parent.is_some() && parent_record_no.is_none());
            let groups = self.tally.add_more(&record);
            if !digest.is_empty() && !groups.is_empty() {
                self.grouped.push(digest, &groups)?;
            }
        }
        self.ancestors.enter(key, record_no);
        let first_copy = first.or((!digest.is_empty()).then_some(record_no));
        let place = Place { record_no, parent_record_no, first_copy };
        tables::files(&mut self.files, place, ready.cells)
    }

    /// Writes the row of a problem of a volume or medium.
    ///
    /// - `image`: the number of the object that the medium is in, where it is inside evidence.
    fn located(&mut self, located: &Located, image: Option<u64>) -> Result<(), ReportError> {
        self.tally.located += 1;
        tables::exception(&mut self.exceptions, image, &located.path, &located.problem)
    }

    /// Gives the tables their names.
    fn commit(mut self) -> Result<Written, ReportError> {
        let grouped = self.grouped.finish()?;
        let (mut pass, mut before, mut number) = (grouped.rows()?, Vec::new(), 0);
        while let Some((digest, groups)) = pass.next()? {
            if number == 0 || digest != before {
                before.clear();
                before.extend_from_slice(digest);
                number += 1;
            }
            self.tally.add_unique(number, groups);
        }
        let rows = Rows {
            files: self.files.rows(),
            matches: self.matches.rows(),
            exceptions: self.exceptions.rows(),
            volumes: self.volumes.rows(),
        };
        let mut files = Vec::new();
        for table in [self.volumes, self.files, self.matches, self.exceptions] {
            files.push(table.commit()?);
        }
        Ok(Written { files, rows, tally: self.tally, orphans: self.orphans })
    }
}

/// Every problem that belongs to no object, in the order of keys.
fn located(walked: &[Walked]) -> Vec<&Located> {
    let mut all: Vec<_> = walked.iter().flat_map(|one| &one.problems).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

/// For each record but the first of its content: the first one, by record number.
fn first_copies(out: &OutputDir, places: &Places, memory: usize) -> Result<Sorted, ReportError> {
    let mut digests = Sorter::new(out, memory);
    let (mut pass, mut record_no) = (Newest::of(places)?, 0_u64);
    while let Some((_, _, digest)) = pass.next()? {
        record_no += 1;
        if !digest.is_empty() {
            // Rows of one digest stay in the order of the records.
            digests.push(digest, &record_no.to_be_bytes())?;
        }
    }
    let digests = digests.finish()?;
    let mut copies = Sorter::new(out, memory);
    let (mut before, mut first) = (Vec::new(), [0_u8; 8]);
    let mut pass = digests.rows()?;
    while let Some((digest, record_no)) = pass.next()? {
        let record_no: [u8; 8] = record_no.try_into().map_err(|_| ReportError::SpillDamaged)?;
        if digest == before {
            copies.push(&record_no, &first)?;
        } else {
            before.clear();
            before.extend_from_slice(digest);
            first = record_no;
        }
    }
    copies.finish()
}

fn next_copy(rows: &mut crate::report::sort::Rows<'_>) -> Result<Option<(u64, u64)>, ReportError> {
    let Some((of, first)) = rows.next()? else { return Ok(None) };
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes);
    match (number(of), number(first)) {
        (Ok(of), Ok(first)) => Ok(Some((of, first))),
        _ => Err(ReportError::SpillDamaged),
    }
}

/// The objects that the current row lies in. A key starts with the key of every object it lies in.
#[derive(Default)]
struct Ancestors(Vec<(Vec<u8>, u64)>);

impl Ancestors {
    /// The number of the row of the object that one at `key` lies in.
    fn number(&mut self, parent: Option<&OrderKey>, key: &[u8]) -> Option<u64> {
        self.leave(key);
        let parent = parent?.as_bytes();
        self.0.iter().rfind(|(key, _)| key == parent).map(|(_, number)| *number)
    }

    /// Goes to the row of `key`.
    fn enter(&mut self, key: &[u8], record_no: u64) {
        self.leave(key);
        self.0.push((key.to_vec(), record_no));
    }

    fn leave(&mut self, key: &[u8]) {
        while self.0.last().is_some_and(|(last, _)| !key.starts_with(last)) {
            self.0.pop();
        }
    }
}
