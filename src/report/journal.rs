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

use crate::item::OrderKey;
use crate::output::{AppendFile, OutputDir};
use crate::report::begun::{self, InProgress};
use crate::report::newest::{self, Newest};
use crate::report::placed::Placed;
use crate::report::record::Head;
use crate::report::sort::{Sorted, Sorter};
use crate::report::{Record, ReportError, schema};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};

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
    pub journal: Journal,
    /// Where a torn tail was cut.
    pub torn_at: Option<u64>,
    /// The newest record of each key.
    pub known: Known<'a>,
    /// Objects that were in progress when the process ended, in the order of their keys; without
    /// those recorded since, unless the record says that they were given up.
    pub suspects: Vec<Suspect>,
}

/// The newest record of each key of a journal, in the order of keys.
pub struct Known<'a> {
    out: &'a OutputDir,
    places: Sorted,
}

impl Known<'_> {
    /// Reads them from the first.
    ///
    /// # Errors
    /// [`ReportError::Output`], [`ReportError::SpillDamaged`].
    pub fn records(&self) -> Result<KnownRecords<'_>, ReportError> {
        let (places, records) = (Newest::of(&self.places)?, Placed::open(self.out)?);
        Ok(KnownRecords { places, records, key: Vec::new(), place: None })
    }
}

/// A pass over the newest record of each key.
pub struct KnownRecords<'a> {
    places: Newest<'a>,
    records: Placed,
    /// The key it stands at.
    key: Vec<u8>,
    /// The place of that record; `None` before the first and after the last.
    place: Option<u64>,
}

impl KnownRecords<'_> {
    /// The encoded record of `key`, where there is one. Keys must come in their order.
    ///
    /// # Errors
    /// As [`Known::records`]; [`ReportError::JournalRead`].
    pub fn at(&mut self, key: &OrderKey) -> Result<Option<&[u8]>, ReportError> {
        while self.key.as_slice() < key.as_bytes() {
            self.advance()?;
            if self.place.is_none() {
                return Ok(None);
            }
        }
        match self.place {
            Some(place) if self.key == key.as_bytes() => self.records.record(place).map(Some),
            _ => Ok(None),
        }
    }

    /// The keys of records inside the one that [`KnownRecords::at`] gave last.
    ///
    /// # Errors
    /// As [`Known::records`].
    pub fn inside(&mut self, key: &OrderKey) -> Result<Vec<OrderKey>, ReportError> {
        let mut keys = Vec::new();
        while self.place.is_some() && self.key.starts_with(key.as_bytes()) {
            if self.key != key.as_bytes() {
                keys.push(OrderKey::from_bytes(&self.key));
            }
            self.advance()?;
        }
        Ok(keys)
    }

    fn advance(&mut self) -> Result<(), ReportError> {
        self.key.clear();
        self.place = match self.places.next()? {
            Some((ahead, place, _)) => {
                self.key.extend_from_slice(ahead);
                Some(place)
            }
            None => None,
        };
        Ok(())
    }
}

/// The journal of a running scan.
///
/// Bytes are on their way to the disk at [`Journal::sync`], not before; nothing is written when the
/// value is dropped.
#[derive(Debug)]
pub struct Journal {
    file: AppendFile,
    pending: Vec<u8>,
    records: u64,
    frames: u64,
    marks: u64,
}

impl Journal {
    /// Starts the journal of a new run.
    ///
    /// - `identity`: what must be equal for a later run to go on with it: evidence, sets, settings.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn create(out: &OutputDir, identity: &str) -> Result<Self, ReportError> {
        out.make_folder(schema::JOURNAL)?;
        out.remove(FILE)?; // torn within its first frame, where it is there
        let file = out.append(FILE)?;
        let mut journal = Self::on(file);
        let first = format!("{MAGIC} {} {identity}", schema::VERSION);
        journal.put(|out| {
            out.extend_from_slice(first.as_bytes());
            Ok(())
        })?;
        journal.sync()?;
        Ok(journal)
    }

    const fn on(file: AppendFile) -> Self {
        Self { file, pending: Vec::new(), records: 0, frames: 0, marks: 0 }
    }

    /// Goes on with the journal of a run that was not finished, after cutting its torn tail.
    ///
    /// - `memory`: bytes that sorting its records may hold.
    ///
    /// # Errors
    /// [`ReportError::OtherRun`] where its identity is not `identity`; [`ReportError::Output`].
    pub fn resume<'a>(
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
        let (mut records, mut frames, mut marks, mut payload) = (0, 0, 0, Vec::new());
        loop {
            let place = reader.position();
            let Some(frame) = reader.frame(&mut payload)? else { break };
            frames += 1;
            match frame {
                Frame::Record => {
                    records += 1;
                    let key = Head::of(&payload)?.key;
                    if !(suspects.is_empty() && begun.is_empty()) {
                        let key = OrderKey::from_bytes(key);
                        if suspects.contains_key(&key) && !Record::decode(&payload)?.is_given_up() {
                            suspects.remove(&key);
                        }
                        begun.remove(&key);
                    }
                    newest::push(&mut known, key, newest::LIVE, place, &[])?;
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
        for (key, name) in begun {
            let before = suspects.get(&key).filter(|suspect| suspect.name == name);
            let deaths = before.map_or(0, |suspect| suspect.deaths).saturating_add(1);
            suspects.insert(key.clone(), Suspect { key, name, deaths });
        }
        let mut file = out.append_after(FILE, reader.position())?;
        file.sync()?;
        Ok(Resumed {
            journal: Self { records, frames, marks, ..Self::on(file) },
            torn_at: reader.torn_at(),
            known: Known { out, places: known.finish()? },
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
    pub fn confirm(&mut self, key: &OrderKey) -> Result<(), ReportError> {
        self.frame(Frame::Confirmed, |out| {
            out.extend_from_slice(key.as_bytes());
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
        self.frame(Frame::Record, |out| record.encode(out))?;
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

    /// Number of frames after the first.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// How often the run was taken up again.
    pub(super) const fn marks(&self) -> u64 {
        self.marks
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
        self.frames += 1;
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
        Ok(())
    }
}

/// Reads a journal from its start.
pub struct JournalReader {
    file: BufReader<std::fs::File>,
    length: u64,
    position: u64,
    torn: bool,
    identity: String,
}

impl JournalReader {
    /// Opens the journal of an output folder.
    ///
    /// # Errors
    /// [`ReportError::NoJournal`] where its first frame is not whole or of another format;
    /// [`ReportError::Output`].
    pub fn open(out: &OutputDir) -> Result<Self, ReportError> {
        let file = out.open(FILE)?;
        let length = file.metadata().map_err(ReportError::JournalRead)?.len();
        let file = BufReader::with_capacity(BATCH, file);
        let mut reader = Self { file, length, position: 0, torn: false, identity: String::new() };
        let mut payload = Vec::new();
        if !reader.payload(&mut [], &mut payload)? {
            return Err(ReportError::NoJournal);
        }
        let start = format!("{MAGIC} {} ", schema::VERSION);
        let text = String::from_utf8(payload).map_err(|_| ReportError::NoJournal)?;
        let identity = text.strip_prefix(&start);
        let other = || ReportError::OtherRun("its journal is of another version".to_owned());
        identity.ok_or_else(other)?.clone_into(&mut reader.identity);
        Ok(reader)
    }

    /// True where an output folder has no journal, or one of which not even the first frame was
    /// written whole: no evidence was opened then.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn is_unborn(out: &OutputDir) -> Result<bool, ReportError> {
        if !out.has(FILE) {
            return Ok(true);
        }
        match Self::open(out) {
            Err(ReportError::NoJournal) => {
                let length = out.open(FILE)?.metadata().map_err(ReportError::JournalRead)?.len();
                // A longer one had a first frame, so it is damaged and nothing to write over.
                Ok(length < LONGEST_FIRST)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        }
    }

    /// What the run that wrote it gave as its identity.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Puts the next encoded record in `payload`; false at the end or a torn tail.
    ///
    /// # Errors
    /// [`ReportError::JournalRead`] where the disk does not give the bytes.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<bool, ReportError> {
        while let Some(frame) = self.frame(payload)? {
            if frame == Frame::Record {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts what the next frame holds in `payload`, without its letter; `None` at the end or a torn
    /// tail.
    ///
    /// # Errors
    /// As [`JournalReader::next`].
    pub fn frame(&mut self, payload: &mut Vec<u8>) -> Result<Option<Frame>, ReportError> {
        let start = self.position;
        let mut letter = [0];
        if !self.payload(&mut letter, payload)? {
            return Ok(None);
        }
        let frame = Frame::of(letter[0]);
        if frame.is_none() {
            (self.torn, self.position) = (true, start);
        }
        Ok(frame)
    }

    /// Puts the next payload behind its first bytes.
    fn payload(&mut self, first: &mut [u8], payload: &mut Vec<u8>) -> Result<bool, ReportError> {
        payload.clear();
        let left = self.length.saturating_sub(self.position);
        if self.torn || left == 0 {
            return Ok(false);
        }
        let mut head = [0; HEAD];
        let [a, b, c, d, checksum @ ..] = match left {
            8.. => {
                self.file.read_exact(&mut head).map(|()| head).map_err(ReportError::JournalRead)?
            }
            _ => [u8::MAX; HEAD],
        };
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        let ahead = u64::try_from(first.len()).unwrap_or(u64::MAX);
        if left < 8 || size > left - 8 || size <= ahead.saturating_sub(1) || size == 0 {
            self.torn = true;
            return Ok(false);
        }
        self.file.read_exact(first).map_err(ReportError::JournalRead)?;
        let read = (&mut self.file).take(size - ahead).read_to_end(payload);
        read.map_err(ReportError::JournalRead)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(first);
        crc.update(payload);
        if crc.finalize() != u32::from_le_bytes(checksum) {
            self.torn = true;
            payload.clear();
            return Ok(false);
        }
        self.position += 8 + size;
        Ok(true)
    }

    /// The byte after the last whole frame that was read.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Where the torn tail starts, once the reader has met one.
    pub fn torn_at(&self) -> Option<u64> {
        self.torn.then_some(self.position)
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
