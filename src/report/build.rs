//! From the journal to a finished report.
//!
//! The journal is sorted by order key, which numbers the rows; a first pass writes matches.csv and
//! exceptions.csv and sorts the digests, which tells copies apart; a second pass writes files.csv.
//! Memory does not grow with the number of objects. The order of the last steps is such that a
//! report with a manifest is whole, whenever the machine stops: tables, summary, run.json, the
//! sealing event, manifest, signature, and only then is the journal removed.

use crate::digest::{Digest, Digests};
use crate::item::OrderKey;
use crate::output::OutputDir;
use crate::report::newest::{self, Newest};
use crate::report::sort::{Sorted, Sorter};
use crate::report::tables::{self, Place, TableWriter};
use crate::report::tally::Tally;
use crate::report::{
    Balance, Custody, Event, Frame, Journal, JournalReader, Manifest, Record, ReportError, Rows,
    RunManifest, RunState, journal, run, schema, summary,
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
    pub journal: Journal,
    /// The run; state, end, sums and rows are filled in here.
    pub run: &'a mut RunManifest,
    /// The custody events so far.
    pub custody: Custody,
    /// What the walker counted.
    pub seen: Seen,
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
    let Handover { out, mut journal, run, mut custody, seen, clock, memory } = handover;
    journal.sync()?;
    let written = Written::tables(out, &journal, run, memory, true)?;
    written.end(run, seen, clock);
    run.state = if run.failure.is_empty() { RunState::Complete } else { RunState::Failed };

    let text = summary::render(run, &written.tally);
    out.write_whole(schema::SUMMARY, |file| file.write_all(text.as_bytes()))?;
    let run_digest = run.write(out)?;

    let mut manifest = Manifest::default();
    manifest.add(schema::RUN_JSON, run_digest);
    written.files.iter().for_each(|(name, digest)| manifest.add(name, *digest));
    let mut sealed = manifest.clone();
    sealed.add(schema::SUMMARY, run::sha256(text.as_bytes()));
    custody.event(Event::RunEnd, "", &ending(run), "", "")?;
    custody.event(Event::ReportSealed, "", &sealed.seal_detail(), "", "")?;

    manifest.add(schema::CUSTODY.file, custody.sha256());
    manifest.add(schema::SUMMARY, run::sha256(text.as_bytes()));
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
    for table in [schema::FILES, schema::MATCHES, schema::EXCEPTIONS] {
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
    let Handover { out, mut journal, run, mut custody, seen, clock, memory } = handover;
    journal.sync()?;
    let written = Written::tables(out, &journal, run, memory, false)?;
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
        journal: &Journal,
        run: &RunManifest,
        memory: usize,
        complete: bool,
    ) -> Result<Self, ReportError> {
        let records = by_order(out, journal, memory / 2, complete)?;
        let (mut rows, mut tally) = (Rows::default(), Tally::default());
        let mut matches = TableWriter::begin(out, schema::MATCHES, complete)?;
        let mut exceptions = TableWriter::begin(out, schema::EXCEPTIONS, complete)?;
        let mut digests = Sorter::new(out, memory / 4);
        let mut pass = Newest::of(&records)?;
        while let Some((_, bytes)) = pass.next()? {
            let record = Record::decode(bytes)?;
            rows.files += 1;
            tables::matches(&mut matches, rows.files, &record, run)?;
            tables::exceptions(&mut exceptions, rows.files, &record)?;
            let groups = tally.add(&record);
            if let Some(key) = digest_key(&record.digests, rows.files) {
                digests.push(&key, &groups)?;
            }
        }
        let copies = first_copies(out, &digests.finish()?, &mut tally, memory / 4)?;
        (rows.matches, rows.exceptions) = (matches.rows(), exceptions.rows());
        let (files, orphans) = write_files(out, &records, &copies, complete)?;
        let mut written = Vec::new();
        if complete {
            written.push(TableWriter::begin(out, schema::VOLUMES, true)?.commit()?);
        }
        for table in [files, matches, exceptions] {
            written.push(table.commit()?);
        }
        Ok(Self { files: written, rows, tally, orphans })
    }

    /// Fills in the end of the run and whether its sums hold.
    fn end(&self, run: &mut RunManifest, seen: Seen, clock: Instant) {
        let balance = self.tally.balance(seen);
        run.ended = run::now();
        run.duration_ms = u64::try_from(clock.elapsed().as_millis()).ok();
        run.rows = self.rows;
        run.balance = Some(balance);
        if !balance.holds {
            let (seen, rows) = (balance.seen, self.rows.files);
            run.failure = format!("the balance does not hold: {seen} objects seen, {rows} rows");
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
            manifest,
        }
    }
}

/// The frames of the journal by order key. Of a run that reached its end only what was recorded or
/// confirmed since it was taken up for the last time counts; of one that was stopped everything.
fn by_order(
    out: &OutputDir,
    journal: &Journal,
    memory: usize,
    complete: bool,
) -> Result<Sorted, ReportError> {
    let mut reader = JournalReader::open(out)?;
    let mut sorter = Sorter::new(out, memory);
    let mut marks_left = if complete { journal.marks() } else { 0 };
    let (mut found, mut payload) = (0, Vec::new());
    while let Some(frame) = reader.frame(&mut payload)? {
        found += 1;
        match frame {
            Frame::Record => {
                let mark = if marks_left > 0 { newest::OLD } else { newest::LIVE };
                newest::push(&mut sorter, &Record::key_of(&payload)?, mark, &payload)?;
            }
            Frame::Confirmed if marks_left == 0 => {
                sorter.push_marked(&payload, newest::CONFIRMED, &[])?;
            }
            Frame::Resumed => marks_left = marks_left.saturating_sub(1),
            Frame::Confirmed | Frame::Suspect => {}
        }
    }
    let expected = journal.frames();
    if found != expected {
        return Err(ReportError::JournalDamaged { at: reader.position(), found, expected });
    }
    sorter.finish()
}

/// Algorithm, strongest digest and record number, as bytes that sort in this order.
fn digest_key(digests: &Digests, record_no: u64) -> Option<Vec<u8>> {
    let (algorithm, digest) = digests.strongest()?;
    let mut key = Vec::with_capacity(41);
    key.extend_from_slice(algorithm.as_str().as_bytes());
    key.extend_from_slice(digest.bytes());
    key.extend_from_slice(&record_no.to_be_bytes());
    Some(key)
}

/// For each record but the first of its content: the first one, by record number. Counts the
/// different digests on the way.
fn first_copies(
    out: &OutputDir,
    digests: &Sorted,
    tally: &mut Tally,
    memory: usize,
) -> Result<Sorted, ReportError> {
    let mut copies = Sorter::new(out, memory);
    let (mut digest, mut first, mut number) = (Vec::new(), [0; 8], 0);
    let mut pass = digests.rows()?;
    while let Some((key, groups)) = pass.next()? {
        let Some((content, record_no)) = key.split_last_chunk::<8>() else { continue };
        if number == 0 || content != digest {
            digest.clear();
            digest.extend_from_slice(content);
            (first, number) = (*record_no, number + 1);
        } else {
            copies.push(record_no, &first)?;
        }
        tally.add_unique(number, groups);
    }
    copies.finish()
}

/// Writes files.csv; also returns how many objects lie in one that has no row.
fn write_files<'a>(
    out: &'a OutputDir,
    records: &Sorted,
    copies: &Sorted,
    complete: bool,
) -> Result<(TableWriter<'a>, u64), ReportError> {
    let mut table = TableWriter::begin(out, schema::FILES, complete)?;
    let (mut ancestors, mut orphans) = (Ancestors::default(), 0);
    let (mut pass, mut copies) = (Newest::of(records)?, copies.rows()?);
    let mut copy = next_copy(&mut copies)?;
    while let Some((_, bytes)) = pass.next()? {
        let record = Record::decode(bytes)?;
        let record_no = table.next_number();
        let parent_record_no = ancestors.enter(&record, record_no);
        orphans += u64::from(record.parent.is_some() && parent_record_no.is_none());
        let mut first_copy = record.digests.strongest().map(|_| record_no);
        if let Some((of, first)) = copy
            && of == record_no
        {
            first_copy = Some(first);
            copy = next_copy(&mut copies)?;
        }
        tables::files(&mut table, Place { record_no, parent_record_no, first_copy }, &record)?;
    }
    Ok((table, orphans))
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
struct Ancestors(Vec<(OrderKey, u64)>);

impl Ancestors {
    /// Goes to the next row; returns its parent's number.
    fn enter(&mut self, record: &Record, record_no: u64) -> Option<u64> {
        let key = record.key.as_bytes();
        while self.0.last().is_some_and(|(last, _)| !key.starts_with(last.as_bytes())) {
            self.0.pop();
        }
        let parent = record.parent.as_ref();
        let parent = parent.and_then(|p| self.0.iter().rfind(|(key, _)| key == p)).map(|(_, n)| *n);
        self.0.push((record.key.clone(), record_no));
        parent
    }
}
