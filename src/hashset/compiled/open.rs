//! A compiled file, opened.

use super::build::hex;
use super::columns::{Id, Row};
use super::describe::{About, Source, TableFacts};
use super::layout::{Frame, MAGIC, Section, SectionKind, slice, u32_at};
use super::map::{Access, Bytes, prefetch};
use super::record;
use super::table::{FARTHEST, Keys, Records, Table};
use crate::bytes::ByteOffset;
use crate::digest::{Algorithm, Digest, Selection};
use crate::hashset::encoding::wide;
use crate::hashset::error::shown;
use crate::hashset::{
    Category, PHOTODNA_BYTES, PerceptualEntry, SetCounts, SetEntry, SetError, SetInfo, SetKind,
};
use rayon::prelude::*;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest description that is read, in bytes.
const LARGEST_ABOUT: u64 = 64 << 20;

/// What is wrong with a compiled file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place in the file.
    pub at: ByteOffset,
    /// What is wrong there.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.detail)
    }
}

/// A set that was compiled, ready to be looked up in.
pub struct CompiledSet {
    path: PathBuf,
    bytes: Bytes,
    frame: Frame,
    about: About,
    categories: Vec<Arc<Category>>,
    tables: [Option<Table>; Algorithm::ALL.len()],
    records: (u64, u64),
    record_stride: usize,
    strings: (u64, u64),
    perceptual: (u64, u64),
    photodna: (u64, u64),
}

impl fmt::Debug for CompiledSet {
    /// Names the file and shows no value of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledSet")
            .field("path", &self.path)
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

/// True where a file begins as a compiled set does.
///
/// # Errors
/// The file cannot be read, or is none.
#[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
pub fn is_compiled(path: &Path) -> Result<bool, SetError> {
    let failed = |source| SetError::Read { file: path.to_owned(), source };
    // Looked at before it is opened: opening a pipe would wait for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SetError::NotAFile { file: path.to_owned() });
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut first = Vec::new();
    file.take(wide(MAGIC.len())).read_to_end(&mut first).map_err(failed)?;
    Ok(first == MAGIC)
}

impl CompiledSet {
    /// Opens a file and checks its frame; the content of its sections is for [`Self::verify`].
    ///
    /// # Errors
    /// The file cannot be read; it is no compiled set of this version, was cut or edited.
    #[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
    pub fn open(path: &Path, access: Access) -> Result<Self, SetError> {
        let failed = |source| SetError::Read { file: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(SetError::NotAFile { file: path.to_owned() });
        }
        let too_large = || SetError::TooLarge {
            file: path.to_owned(),
            size: metadata.len(),
            limit: "memory".to_owned(),
        };
        let len = usize::try_from(metadata.len()).map_err(|_| too_large())?;
        let bytes = Bytes::of(&mut file, len, access).map_err(|error| match error.kind() {
            std::io::ErrorKind::OutOfMemory => too_large(),
            _ => failed(error),
        })?;
        Self::of(path, bytes).map_err(|fault| damaged(path, fault))
    }

    /// Reads a file that is in memory already, for tests and the fuzzer.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::of(Path::new("memory"), Bytes::Held(bytes))
    }

    fn of(path: &Path, bytes: Bytes) -> Result<Self, Fault> {
        let file = bytes.all();
        let frame = Frame::read(file).map_err(|(at, detail)| fault(at, detail))?;
        let about = about(file, &frame)?;
        let place = |kind| frame.section(kind, None).map_or((0, 0), |s| (s.offset, s.len));
        let (records, perceptual) = (place(SectionKind::Records), place(SectionKind::Perceptual));
        let (strings, photodna) = (place(SectionKind::Strings), place(SectionKind::Photodna));
        let record_stride = about.columns.stride();
        for (kind, (at, len), stride) in [
            (SectionKind::Records, records, record_stride),
            (SectionKind::Perceptual, perceptual, record::STRIDE),
            (SectionKind::Photodna, photodna, PHOTODNA_BYTES),
        ] {
            let items = match kind {
                SectionKind::Records => about.records,
                kind => frame.section(kind, None).map_or(0, |section| section.items),
            };
            if items.checked_mul(wide(stride)) != Some(len) || items > u64::from(u32::MAX) {
                let detail = format!("section {kind} has not the length that its items have");
                return Err(fault(at, detail));
            }
        }
        let mut tables = [const { None }; Algorithm::ALL.len()];
        for (table, algorithm) in tables.iter_mut().zip(Algorithm::ALL) {
            *table = self::table(&frame, &about, *algorithm)?;
        }
        let entries = about.comparable.iter().map(|one| one.entries);
        if entries.fold(0, u64::saturating_add) != about.records
            || about.counts.accepted != about.records
        {
            return Err(fault(0, "the description counts other entries than there are"));
        }
        let categories = about.categories.iter().cloned().map(Arc::new).collect();
        let path = path.to_owned();
        Ok(Self {
            path,
            bytes,
            frame,
            about,
            categories,
            tables,
            records,
            record_stride,
            strings,
            perceptual,
            photodna,
        })
    }

    /// Checks every byte by the digest of its section; the sections are read on `pool`.
    ///
    /// # Errors
    /// The first section that is not as it was made.
    pub fn verify(&self, pool: &rayon::ThreadPool) -> Result<(), SetError> {
        let file = self.bytes.all();
        let wrong = pool.install(|| {
            self.frame.sections.par_iter().find_first(|section| {
                let bytes = slice(file, section.offset, section.len).unwrap_or_default();
                blake3::hash(bytes).as_bytes() != &section.blake3
            })
        });
        wrong.map_or(Ok(()), |section| Err(self.not_as_made(section)))
    }

    /// Checks the tables alone by their digests: what looks find nothing by.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_tables(&self) -> Result<(), SetError> {
        let file = self.bytes.all();
        let tables = self.frame.sections.iter().filter(|section| section.algorithm.is_some());
        for section in tables {
            let bytes = slice(file, section.offset, section.len).unwrap_or_default();
            if blake3::hash(bytes).as_bytes() != &section.blake3 {
                return Err(self.not_as_made(section));
            }
        }
        Ok(())
    }

    fn not_as_made(&self, section: &Section) -> SetError {
        let detail = format!("{} has another BLAKE3 than the header says", section.name());
        damaged(&self.path, fault(section.offset, detail))
    }

    /// Checks what the sections say of each other: every slot of a table in its order and with
    /// records that have the digest, and every digest of every record found.
    ///
    /// # Errors
    /// The first thing that does not hold. A file of `assay hashset build` has none.
    pub fn audit(&self) -> Result<(), Fault> {
        for (table, algorithm) in self.tables.iter().zip(Algorithm::ALL) {
            if let Some(table) = table {
                self.audit_table(table, *algorithm)?;
            }
        }
        for number in 0..self.len() {
            let at = self.record_offset(number);
            let entry = self.entry(number).ok_or_else(|| fault(at, "no entry is so"))?;
            for algorithm in Algorithm::ALL {
                let Some(digest) = entry.digests.get(*algorithm) else { continue };
                if !self.find(*algorithm, &digest).any(|found| found == number) {
                    return Err(fault(at, format!("an entry is not found by its {algorithm}")));
                }
            }
        }
        let hashes: u64 = self.perceptual_entries().map(|_| 1).sum();
        let stated = self.frame.section(SectionKind::Perceptual, None).map_or(0, |s| s.items);
        if hashes != stated {
            return Err(fault(self.perceptual.0, "perceptual hashes belong to no entry"));
        }
        Ok(())
    }

    fn audit_table(&self, table: &Table, algorithm: Algorithm) -> Result<(), Fault> {
        let file = self.bytes.all();
        let hot = slice(file, table.hot.0, table.hot.1).unwrap_or_default();
        let (mut last, mut used) = (0, 0_u64);
        for (slot, key) in (0_u64..).zip(hot.as_chunks::<8>().0) {
            let key = u64::from_le_bytes(*key);
            let at = table.hot.0.saturating_add(slot.saturating_mul(8));
            let (tail, value) =
                table.cold(file, slot).ok_or_else(|| fault(at, "a slot without its rest"))?;
            if value == super::table::NO_RECORD {
                if key != super::table::FREE {
                    return Err(fault(at, "a free slot has a key"));
                }
                continue;
            }
            let records: Vec<u32> = table.records(file, value).collect();
            let digest = records.first().and_then(|first| self.row(*first)?.digests.get(algorithm));
            let holds = digest.is_some_and(|digest| {
                table.keys.of(digest.bytes()) == key
                    && table.keys.tail(digest.bytes()) == tail
                    && records.iter().all(|record| {
                        self.row(*record).and_then(|row| row.digests.get(algorithm)) == Some(digest)
                    })
            });
            let wanted = super::table::wanted(key, table.home);
            let near = slot >= wanted && slot.saturating_sub(wanted) <= table.displacement;
            if !holds || !near || key < last {
                return Err(fault(at, "a slot that its records do not bear out"));
            }
            last = key;
            used = used.saturating_add(1);
        }
        let stated = self.about.tables.iter().find(|facts| facts.algorithm == algorithm);
        match stated.is_some_and(|facts| facts.digests == used) {
            true => Ok(()),
            false => Err(fault(table.hot.0, "the table has not the digests it counts")),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        u32::try_from(self.about.records).unwrap_or(u32::MAX)
    }

    /// True where there is none; no file is so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of the entries that carry a digest, ascending.
    pub fn find(&self, algorithm: Algorithm, digest: &Digest) -> impl Iterator<Item = u32> {
        let tables = self.tables.iter().zip(Algorithm::ALL);
        let table = tables.filter(|(_, one)| **one == algorithm).find_map(|(t, _)| t.as_ref());
        let file = self.bytes.all();
        table.map_or(Records::None, |table| table.find(file, digest))
    }

    /// Says that a digest will be looked up soon: many that are announced together are each found
    /// sooner.
    pub fn announce(&self, algorithm: Algorithm, digest: &Digest) {
        let tables = self.tables.iter().zip(Algorithm::ALL);
        let table = tables.filter(|(_, one)| **one == algorithm).find_map(|(t, _)| t.as_ref());
        if let Some(table) = table {
            table.announce(self.bytes.all(), digest);
        }
    }

    /// Says that an entry will be read soon.
    pub fn announce_entry(&self, number: u32) {
        prefetch(self.bytes.all(), self.record_offset(number));
    }

    /// Appends the identifier of an entry; its kind. `None` where there is no such entry.
    pub fn id_and_kind(&self, number: u32, id: &mut String) -> Option<SetKind> {
        let row = Row::decode_fixed(self.row_bytes(number)?)?;
        self.id(&row, id)?;
        row.kind()
    }

    fn record_offset(&self, number: u32) -> u64 {
        let at = u64::from(number).saturating_mul(wide(self.record_stride));
        self.records.0.saturating_add(at)
    }

    fn row_bytes(&self, number: u32) -> Option<&[u8]> {
        if number >= self.len() {
            return None;
        }
        slice(self.bytes.all(), self.record_offset(number), wide(self.record_stride))
    }

    fn row(&self, number: u32) -> Option<Row> {
        Row::decode(self.row_bytes(number)?, self.about.columns)
    }

    /// An entry by its number; `None` where there is none, or it refers to what is not there.
    pub fn entry(&self, number: u32) -> Option<SetEntry> {
        let row = self.row(number)?;
        let mut id = String::new();
        self.id(&row, &mut id)?;
        let category = match row.category() {
            Some(number) => Some(Arc::clone(self.categories.get(usize::try_from(number).ok()?)?)),
            None => None,
        };
        let series = match row.series() {
            Some(at) => Some(self.text(at)?.into()),
            None => None,
        };
        let perceptual = match row.perceptual() {
            Some(at) => Some(Box::new(self.hashes(at)?.1)),
            None => None,
        };
        Some(SetEntry {
            id: id.into(),
            kind: row.kind()?,
            digests: row.digests,
            perceptual,
            size: row.size(),
            category,
            series,
            victim_identified: row.victim_identified(),
        })
    }

    /// Appends the identifier of a row.
    fn id(&self, row: &Row, to: &mut String) -> Option<()> {
        match row.id() {
            Id::Text(at) => to.push_str(self.text(at)?),
            Id::Line { list, line } => {
                let sources = &self.about.sources;
                let source = sources.get(usize::try_from(list).ok()?)?;
                if sources.len() > 1 {
                    to.push_str("list:");
                    push_number(to, list.saturating_add(1));
                    to.push(':');
                }
                to.push_str(if source.by_record { "record:" } else { "line:" });
                push_number(to, line);
            }
        }
        Some(())
    }

    fn text(&self, at: u64) -> Option<&str> {
        let from = self.strings.0.checked_add(at)?;
        let file = self.bytes.all();
        let length = u32_at(slice(file, from, 4)?, 0)?;
        let end = at.checked_add(4)?.checked_add(u64::from(length))?;
        if end > self.strings.1 {
            return None;
        }
        std::str::from_utf8(slice(file, from.checked_add(4)?, u64::from(length))?).ok()
    }

    fn hashes(&self, row: u32) -> Option<(u32, PerceptualEntry)> {
        let stride = wide(record::STRIDE);
        let at = u64::from(row).checked_mul(stride)?;
        if at.checked_add(stride)? > self.perceptual.1 {
            return None;
        }
        let file = self.bytes.all();
        let bytes = slice(file, self.perceptual.0.checked_add(at)?, stride)?;
        let (record, mut hashes, photodna) = record::decode(bytes)?;
        if let Some(row) = photodna {
            let stride = wide(PHOTODNA_BYTES);
            let at = u64::from(row).checked_mul(stride)?;
            if at.checked_add(stride)? > self.photodna.1 {
                return None;
            }
            let bytes = slice(file, self.photodna.0.checked_add(at)?, stride)?;
            hashes.photodna = Some(bytes.into());
        }
        Some((record, hashes))
    }

    /// Every entry that has perceptual hashes: its number, what it is, its hashes.
    pub fn perceptual_entries(&self) -> impl Iterator<Item = (u32, SetKind, PerceptualEntry)> {
        let rows = self.perceptual.1.checked_div(wide(record::STRIDE)).unwrap_or(0);
        (0..u32::try_from(rows).unwrap_or(u32::MAX)).filter_map(|at| {
            let (number, hashes) = self.hashes(at)?;
            let row = self.row(number).filter(|row| row.perceptual() == Some(at))?;
            Some((number, row.kind()?, hashes))
        })
    }

    /// How many entries have none of these digests and none of these hashes of pictures.
    ///
    /// - `hashes`: whether pictures are compared by PDQ, pHash, dHash, aHash.
    pub fn incomparable(&self, digests: Selection, hashes: [bool; 4]) -> u64 {
        let bits = |there: &mut dyn Iterator<Item = bool>| {
            (0_u32..)
                .zip(there)
                .fold(0, |all, (bit, there)| all | u32::from(there).wrapping_shl(bit))
        };
        let digests = bits(&mut Algorithm::ALL.iter().map(|one| digests.has(*one)));
        let hashes = bits(&mut hashes.into_iter());
        let lost = self
            .about
            .comparable
            .iter()
            .filter(|one| one.digests & digests == 0 && one.hashes & hashes == 0);
        lost.map(|one| one.entries).sum()
    }

    /// Where the set comes from, as a report names it.
    pub fn info(&self) -> SetInfo {
        self.about.info(shown(&self.path))
    }

    /// What became of the rows of its lists.
    pub const fn counts(&self) -> SetCounts {
        self.about.counts
    }

    /// The lists that it was made of.
    pub fn sources(&self) -> &[Source] {
        &self.about.sources
    }

    /// Its tables.
    pub fn tables(&self) -> &[TableFacts] {
        &self.about.tables
    }

    /// Its categories.
    pub fn categories(&self) -> &[Arc<Category>] {
        &self.categories
    }

    /// The program that made it.
    pub fn importer(&self) -> &str {
        &self.about.importer
    }

    /// The BLAKE3 of its header, which covers the digests of all sections: it names the file.
    pub fn root(&self) -> String {
        hex(&self.frame.root)
    }

    /// Its length in bytes.
    pub const fn file_len(&self) -> u64 {
        self.frame.file_len
    }

    /// Its bytes, as they lie in the file.
    pub const fn bytes(&self) -> &[u8] {
        self.bytes.all()
    }

    /// True where the file is mapped, false where it was read into memory.
    pub const fn is_mapped(&self) -> bool {
        self.bytes.is_mapped()
    }
}

fn fault(at: u64, detail: impl Into<String>) -> Fault {
    Fault { at: ByteOffset(at), detail: detail.into() }
}

fn damaged(path: &Path, fault: Fault) -> SetError {
    SetError::Compiled { file: path.to_owned(), fault }
}

/// The description, whose digest is compared at once: all else is read by it.
fn about(file: &[u8], frame: &Frame) -> Result<About, Fault> {
    let section = frame.section(SectionKind::About, None);
    let section = section.ok_or_else(|| fault(24, "there is no description"))?;
    let text = slice(file, section.offset, section.len).unwrap_or_default();
    if section.len > LARGEST_ABOUT || blake3::hash(text).as_bytes() != &section.blake3 {
        let detail = "the description is not as it was made, or larger than is read";
        return Err(fault(section.offset, detail));
    }
    // What serde says of an error may show a value of the text.
    serde_json::from_slice(text)
        .map_err(|_| fault(section.offset, "the description is not one of this version"))
}

/// The table of an algorithm, where the set has one.
fn table(frame: &Frame, about: &About, algorithm: Algorithm) -> Result<Option<Table>, Fault> {
    let mut facts = about.tables.iter().filter(|facts| facts.algorithm == algorithm);
    let (facts, second) = (facts.next(), facts.next());
    let place = |kind| frame.section(kind, Some(algorithm)).map(|s| (s.offset, s.len));
    let (hot, cold) = (place(SectionKind::Hot), place(SectionKind::Cold));
    let there = about.columns.has(algorithm);
    let (Some(facts), Some(hot), Some(cold), None, true) = (facts, hot, cold, second, there) else {
        let none = facts.is_none() && hot.is_none() && cold.is_none() && !there;
        let detail = format!("the sections and the description of {algorithm} do not agree");
        return if none { Ok(None) } else { Err(fault(24, detail)) };
    };
    let keys = match &facts.key {
        None => Keys::Leading,
        Some(key) => {
            let key = Digest::from_hex(key.as_bytes());
            let key = key.and_then(|key| key.bytes().try_into().ok());
            Keys::Keyed(key.ok_or_else(|| fault(hot.0, "the key of a table is none"))?)
        }
    };
    let cold_stride = keys.tail_len(algorithm.width()).saturating_add(4);
    if facts.slots.checked_mul(8) != Some(hot.1)
        || facts.slots.checked_mul(wide(cold_stride)) != Some(cold.1)
        || facts.home == 0
        || facts.home > facts.slots
        || facts.displacement > FARTHEST
    {
        return Err(fault(hot.0, format!("the table of {algorithm} has not the size it states")));
    }
    let groups = place(SectionKind::Groups).unwrap_or((0, 0));
    let (home, displacement) = (facts.home, facts.displacement);
    Ok(Some(Table { keys, home, displacement, cold_stride, hot, cold, groups }))
}

/// Appends a number in decimal digits.
fn push_number(to: &mut String, number: u64) {
    let (mut rest, mut digits) = (number, [0_u8; 20]);
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or(0));
        (rest, first) = (rest / 10, at);
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(first..).unwrap_or_default();
    to.push_str(std::str::from_utf8(digits).unwrap_or_default());
}
