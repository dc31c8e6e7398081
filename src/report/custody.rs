//! `custody.csv`: the events of a run, each durable before the next step is taken.
//!
//! The file only grows. Its last event names the SHA-256 of every other file of the report, so its
//! last chain value is the seal of the whole: an examiner who notes it can show later that nothing
//! was changed.

use crate::digest::{Algorithm, Digest, Hasher, Selection};
use crate::output::{AppendFile, OutputDir};
use crate::problem::words;
use crate::report::tables::Cells;
use crate::report::{Chain, ReportError, run, schema};
use std::io::Read;

words! {
    /// What happened.
    Event {
        /// The program started on this run.
        RunStart = "run_start",
        /// The sets were read and checked whole.
        SetsVerified = "sets_verified",
        /// An evidence item was opened.
        EvidenceOpened = "evidence_opened",
        /// The examiner accepted that access times may change, with the statement in `detail`.
        AlterationAccepted = "alteration_accepted",
        /// The digests of an image were compared, or it is said why not.
        ImageVerified = "image_verified",
        /// An evidence item was read to its end and closed.
        EvidenceClosed = "evidence_closed",
        /// The run was stopped before its end.
        RunInterrupted = "run_interrupted",
        /// A stopped run was taken up again.
        RunResumed = "run_resumed",
        /// What a stopped run had recorded was compared with the evidence.
        RecordsChecked = "records_checked",
        /// An evidence item could not be reached any more.
        EvidenceLost = "evidence_lost",
        /// The run ended.
        RunEnd = "run_end",
        /// The report is complete; `detail` holds the digests of its files.
        ReportSealed = "report_sealed",
    }
}

/// Who and where, as each event states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The examiner.
    pub name: String,
    /// The account that runs the program.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// Offset of local to universal time, such as `+01:00`.
    pub utc_offset: String,
}

/// The custody events of a running scan.
pub struct Custody {
    file: AppendFile,
    actor: Actor,
    chain: Chain,
    cells: Cells,
    seq: u64,
    hasher: Hasher,
}

impl Custody {
    /// Starts the file of a new run.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn start(out: &OutputDir, actor: Actor) -> Result<Self, ReportError> {
        let mut custody = Self::on(out.append(schema::CUSTODY.file)?, actor);
        let header = format!("{}\n", schema::CUSTODY.columns.join(","));
        custody.file.append(header.as_bytes())?;
        custody.hasher.update(header.as_bytes());
        custody.file.sync()?;
        Ok(custody)
    }

    /// Goes on with the file of a run that was not finished. A torn last line is cut; it was never
    /// durable, so nothing was done on it.
    ///
    /// # Errors
    /// [`ReportError::CustodyDamaged`] where the chain of what is there does not hold;
    /// [`ReportError::Output`].
    pub fn resume(out: &OutputDir, actor: Actor) -> Result<Self, ReportError> {
        let mut text = Vec::new();
        if out.has(schema::CUSTODY.file) {
            let read = out.open(schema::CUSTODY.file)?.read_to_end(&mut text);
            read.map_err(ReportError::JournalRead)?;
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.truncate(whole);
        if text.is_empty() {
            out.remove(schema::CUSTODY.file)?; // not even its header was durable
            return Self::start(out, actor);
        }
        let length = u64::try_from(whole).map_err(|_| ReportError::TooLong)?;
        let mut custody = Self::on(out.append_after(schema::CUSTODY.file, length)?, actor);
        for line in text.split_inclusive(|byte| *byte == b'\n').skip(1) {
            custody.seq += 1;
            let row = line.strip_suffix(b"\n").unwrap_or(line);
            let cut = row.iter().rposition(|byte| *byte == b',').unwrap_or(0);
            let (row, value) = row.split_at(cut);
            if custody.chain.link(row).as_bytes() != value.strip_prefix(b",").unwrap_or(value) {
                return Err(ReportError::CustodyDamaged { row: custody.seq });
            }
        }
        custody.hasher.update(&text);
        Ok(custody)
    }

    /// Adds an event and makes it durable; returns its chain value.
    ///
    /// - `evidence_id`: the evidence item, `E1` and so on; empty for an event of the whole run.
    /// - `detail`: for a person.
    /// - `hash_before`, `hash_after`: digests of the evidence item, where one was taken.
    ///
    /// # Errors
    /// [`ReportError::Output`]: the step that the event tells of must not be taken.
    pub fn event(
        &mut self,
        event: Event,
        evidence_id: &str,
        detail: &str,
        hash_before: &str,
        hash_after: &str,
    ) -> Result<&str, ReportError> {
        self.seq += 1;
        let cells = &mut self.cells;
        cells.number(self.seq);
        cells.safe(&run::now());
        cells.safe(&self.actor.utc_offset);
        cells.word(event.as_str());
        for text in [&self.actor.name, &self.actor.os_user, &self.actor.host] {
            cells.text(text);
        }
        for text in [evidence_id, detail, hash_before, hash_after] {
            cells.text(text);
        }
        let mut row = Vec::new();
        cells.end_row(&mut self.chain, &mut row);
        self.hasher.update(&row);
        self.file.append(&row)?;
        self.file.sync()?;
        Ok(self.chain.value())
    }

    /// The chain value of the last event.
    pub fn value(&self) -> &str {
        self.chain.value()
    }

    /// SHA-256 of the file as written so far.
    pub(super) fn sha256(&self) -> Digest {
        run::finish(self.hasher.clone())
    }

    fn on(file: AppendFile, actor: Actor) -> Self {
        let hasher = Hasher::new(Selection::only(Algorithm::Sha256));
        let cells = Cells::new(schema::CUSTODY);
        Self { file, actor, chain: Chain::default(), cells, seq: 0, hasher }
    }
}
