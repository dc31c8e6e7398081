//! The journal: records in the order their objects were done, kept until the report is complete.
//!
//! A frame is a length (u32, little-endian), the CRC-32 of the payload (u32, little-endian) and the
//! payload. The first frame holds the format version and the identity of the run, as text; each
//! frame after it starts with a letter: a record, the key of a record that was found still true, an
//! object that was in progress when the process ended, or the mark of a run taken up again. Such a
//! run lists the evidence from its start and repeats by key what it need not read: what counts in
//! the end is what was recorded or confirmed after the last mark.
//!
//! A killed run or a lost machine leaves at most a torn tail: the reader stops there and says where.
//! A frame that does not check ends the journal even where others follow it, because after a power
//! cut nothing says that they belong to it.
//!
//! Whoever writes a frame knows its key and its place, so the places are sorted meanwhile: the build
//! of the report need not read the journal to find out what is in it.

mod known;
mod reader;

pub use known::{Known, KnownRecords};
pub use reader::JournalReader;

use crate::item::OrderKey;
use crate::output::{AppendFile, OutputDir};
use crate::report::begun::{self, InProgress};
use crate::report::newest;
use crate::report::record::Head;
use crate::report::sort::{Sorted, Sorter};
use crate::report::tables::Cells;
use crate::report::{Record, ReportError, schema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The journal's file in the output folder.
pub(super) const FILE: &str = "journal/records";

/// What each worker has in progress, in the output folder.
pub(super) const BEGUN: &str = "journal/begun";

/// Bytes gathered before they are written.
const BATCH: usize = 256 * 1024;
/// A journal shorter than this may be the torn first frame alone.
const LONGEST_FIRST: u64 = 64 * 1024;
/// Length and checksum before each payload.
pub(super) const HEAD: usize = 8;
/// First word of the first frame.
const MAGIC: &str = "assay-journal";

/// What a frame holds, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A record.
    Record,
    /// The key of an earlier record that is still true.
    Confirmed,
    /// An object that was in progress when the process ended: [`Suspect`].
    Suspect,
    /// The run was taken up again.
    Resumed,
}

impl Frame {
    pub(super) const fn letter(self) -> u8 {
        match self {
            Self::Record => b'R',
            Self::Confirmed => b'C',
            Self::Suspect => b'S',
            Self::Resumed => b'E',
        }
    }

    fn of(letter: u8) -> Option<Self> {
        let all = [Self::Record, Self::Confirmed, Self::Suspect, Self::Resumed];
        all.into_iter().find(|frame| frame.letter() == letter)
    }
}

/// An object during which the process ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Suspect {
    /// Where its row would stand.
    pub key: OrderKey,
    /// CRC-32 of its name: where another object stands at the key now, nothing is said of that.
    pub name: u32,
    /// How often the process ended meanwhile.
    pub deaths: u32,
}

/// What a run that was not finished left behind.
pub struct Resumed<'a> {
    /// The journal, to go on with.
    pub journal: Journal<'a>,
    /// Where a torn tail was cut.
    pub torn_at: Option<u64>,
    /// The newest record of each key.
    pub known: Known<'a>,
    /// Objects that were in progress when the process ended, in the order of their keys; without
    /// those recorded since, unless the record says that they were given up.
    pub suspects: Vec<Suspect>,
}

/// The journal of a running scan.
///
/// Bytes are on their way to the disk at [`Journal::sync`], not before; nothing is written when the
/// value is dropped.
pub struct Journal<'a> {
    file: AppendFile,
    pending: Vec<u8>,
    /// For what is ready of a record.
    cells: Cells,
    /// Where the next frame will stand.
    position: u64,
    records: u64,
    marks: u64,
    /// The places of the frames that this process wrote.
    places: Sorter<'a>,
    /// Those that earlier ones left, and whether they count only where they are confirmed.
    earlier: Option<Arc<Sorted>>,
    marked: bool,
}

impl<'a> Journal<'a> {
    /// Starts the journal of a new run.
    ///
    /// - `identity`: what must be equal for a later run to go on with it: evidence, sets, settings.
    /// - `memory`: bytes that sorting the places of its records may hold.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn create(out: &'a OutputDir, identity: &str, memory: usize) -> Result<Self, ReportError> {
        out.make_folder(schema::JOURNAL)?;
        out.remove(FILE)?; // torn within its first frame, where it is there
        let file = out.append(FILE)?;
        let mut journal = Self::on(file, 0, Sorter::new(out, memory));
        let first = format!("{MAGIC} {} {identity}", schema::VERSION);
        journal.put(|out| {
            out.extend_from_slice(first.as_bytes());
            Ok(())
        })?;
        journal.sync()?;
        Ok(journal)
    }

    fn on(file: AppendFile, position: u64, places: Sorter<'a>) -> Self {
        let (pending, cells) = (Vec::new(), Cells::new(schema::FILES));
        let (records, marks, earlier, marked) = (0, 0, None, false);
        Self { file, pending, cells, position, records, marks, places, earlier, marked }
    }

    /// Goes on with the journal of a run that was not finished, after cutting its torn tail.
    ///
    /// - `memory`: bytes that sorting its records may hold; those to come may hold as many again.
    ///
    /// # Errors
    /// [`ReportError::OtherRun`] where its identity is not `identity`; [`ReportError::Output`].
    pub fn resume(
        out: &'a OutputDir,
        identity: &str,
        memory: usize,
    ) -> Result<Resumed<'a>, ReportError> {
        let mut reader = JournalReader::open(out)?;
        if reader.identity() != identity {
            return Err(ReportError::OtherRun(differences(reader.identity(), identity)));
        }
        let mut known = Sorter::new(out, memory);
        let mut suspects: BTreeMap<OrderKey, Suspect> = BTreeMap::new();
        let mut begun = begun::read(out, 0)?;
        let (mut records, mut marks, mut payload) = (0, 0, Vec::new());
        loop {
            let place = reader.position();
            let Some(frame) = reader.frame(&mut payload)? else { break };
            match frame {
                Frame::Record => {
                    records += 1;
                    let Head { key, digests } = Head::of(&payload)?;
                    if !(suspects.is_empty() && begun.is_empty()) {
                        let key = OrderKey::from_bytes(key);
                        if suspects.contains_key(&key) && !Record::decode(&payload)?.is_given_up() {
                            suspects.remove(&key);
                        }
                        begun.remove(&key);
                    }
                    newest::push(&mut known, key, place, digests.strongest())?;
                }
                Frame::Confirmed if begun.is_empty() => {}
                Frame::Confirmed => {
                    begun.remove(&OrderKey::from_bytes(&payload));
                }
                Frame::Suspect => {
                    let suspect: Suspect =
                        postcard::from_bytes(&payload).map_err(ReportError::Decode)?;
                    suspects.insert(suspect.key.clone(), suspect);
                }
                Frame::Resumed => {
                    marks += 1;
                    begun = begun::read(out, marks)?;
                }
            }
        }
        count_deaths(&mut suspects, begun);
        let mut file = out.append_after(FILE, reader.position())?;
        file.sync()?;
        let places = Arc::new(known.finish()?);
        let earlier = Some(Arc::clone(&places));
        let journal = Self::on(file, reader.position(), Sorter::new(out, memory));
        Ok(Resumed {
            journal: Self { records, marks, earlier, ..journal },
            torn_at: reader.torn_at(),
            known: Known::new(out, places),
            suspects: suspects.into_values().collect(),
        })
    }

    /// Marks that the run is taken up again: records so far count only where they are confirmed.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn mark_resumed(&mut self, suspects: &[Suspect]) -> Result<(), ReportError> {
        self.frame(Frame::Resumed, |_| Ok(()))?;
        self.marks += 1;
        self.marked = true;
        suspects.iter().try_for_each(|suspect| self.suspect(suspect))?;
        self.sync()
    }

    /// Makes room for what each of so many workers has in progress.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn in_progress(&self, out: &OutputDir, workers: usize) -> Result<InProgress, ReportError> {
        InProgress::create(out, workers, self.marks)
    }

    /// Adds the key of an earlier record that was found still true.
    ///
    /// # Errors
    /// As [`Journal::append`].
    ///
    /// - `key`: [`OrderKey::as_bytes`].
    pub fn confirm(&mut self, key: &[u8]) -> Result<(), ReportError> {
        newest::push_confirmed(&mut self.places, key)?;
        self.frame(Frame::Confirmed, |out| {
            out.extend_from_slice(key);
            Ok(())
        })
    }

    fn suspect(&mut self, suspect: &Suspect) -> Result<(), ReportError> {
        self.frame(Frame::Suspect, |out| {
            let encoded = postcard::to_extend(suspect, std::mem::take(out));
            *out = encoded.map_err(ReportError::Encode)?;
            Ok(())
        })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`ReportError::Output`] or [`ReportError::Encode`]; after an error of the disk every later
    /// call fails, so that no record follows a torn one.
    pub fn append(&mut self, record: &Record) -> Result<(), ReportError> {
        let strongest = record.digests.strongest();
        newest::push(&mut self.places, record.key.as_bytes(), self.position, strongest)?;
        let mut cells = std::mem::replace(&mut self.cells, Cells::new(schema::FILES));
        let framed = self.frame(Frame::Record, |out| record.encode(&mut cells, out));
        self.cells = cells;
        framed?;
        self.records += 1;
        Ok(())
    }

    /// Makes every record so far durable.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn sync(&mut self) -> Result<(), ReportError> {
        self.write()?;
        Ok(self.file.sync()?)
    }

    /// Number of records in it, those that newer ones stand for included.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The places of its records by order key, those that earlier processes left and those of this
    /// one.
    ///
    /// - `complete`: the run reached its end, so that earlier records count only where they were
    ///   confirmed.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub(super) fn places(self, complete: bool) -> Result<newest::Places, ReportError> {
        let earlier_count = !(complete && self.marked);
        Ok(newest::Places { earlier: self.earlier, earlier_count, fresh: self.places.finish()? })
    }

    fn write(&mut self) -> Result<(), ReportError> {
        self.file.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn frame(
        &mut self,
        frame: Frame,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        self.put(|out| {
            out.push(frame.letter());
            fill(out)
        })?;
        if self.pending.len() >= BATCH { self.write() } else { Ok(()) }
    }

    fn put(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; HEAD]);
        let filled = fill(&mut self.pending);
        let length = self.pending.len().saturating_sub(start + HEAD);
        let (Ok(()), Ok(length)) = (&filled, u32::try_from(length)) else {
            self.pending.truncate(start);
            return filled.and(Err(ReportError::TooLong));
        };
        let (_, frame) = self.pending.split_at_mut(start);
        let (head, payload) = frame.split_at_mut(HEAD);
        let (length_at, checksum_at) = head.split_at_mut(4);
        length_at.copy_from_slice(&length.to_le_bytes());
        checksum_at.copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        self.position += u64::try_from(frame.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Counts one more death of the process for each object that was in progress at its end.
fn count_deaths(suspects: &mut BTreeMap<OrderKey, Suspect>, begun: BTreeMap<OrderKey, u32>) {
    for (key, name) in begun {
        let before = suspects.get(&key).filter(|suspect| suspect.name == name);
        let deaths = before.map_or(0, |suspect| suspect.deaths).saturating_add(1);
        suspects.insert(key.clone(), Suspect { key, name, deaths });
    }
}

/// Length and checksum of the payload, from the head of a frame.
pub(super) fn head(frame: &[u8]) -> (usize, u32) {
    let head = frame.first_chunk::<HEAD>().copied().unwrap_or_default();
    let [a, b, c, d, checksum @ ..] = head;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    (length, u32::from_le_bytes(checksum))
}

/// The lines of two identities that differ, old before new, for a person.
fn differences(old: &str, new: &str) -> String {
    let without = |of: &'_ str, other: &str| -> Vec<String> {
        of.lines().filter(|line| !other.lines().any(|o| o == *line)).map(str::to_owned).collect()
    };
    let (mut gone, mut come) = (without(old, new), without(new, old));
    let mut told = Vec::new();
    let word = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    gone.retain(|line| match come.iter().position(|new| word(new) == word(line)) {
        Some(at) => {
            told.push(format!("{line} -> {}", come.remove(at)));
            false
        }
        None => true,
    });
    told.extend(gone.iter().map(|line| format!("{line} -> (none)")));
    told.extend(come.iter().map(|line| format!("(none) -> {line}")));
    told.join("; ")
}
