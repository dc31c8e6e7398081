//! From entries, one after the other, to a compiled file.
//!
//! Entries go to unnamed files as they come: records, texts, perceptual hashes, and a sort for each
//! digest. Then the sorts tell equal entries and digests that are there more than once, the tables
//! are filled, the records written, and the file put together under a temporary name. Memory stays
//! within the budget whatever the list's length, but for one bit and a half an entry, and four bytes for
//! each entry of the digest that has most of them. The same
//! entries and facts give the same bytes: nothing of the machine, the time or the threads goes in.

use super::columns::{Columns, LINE_BITS, Row};
use super::describe::{About, Comparable, Source, TableFacts};
use super::gather::{Kept, distinct};
use super::layout::{Frame, Section, SectionKind};
use super::place::{Placed, place};
use super::section::{Growing, Grown};
use super::sort::{RowSort, SortedRows, sorter};
use super::{BuildError, record};
use crate::digest::Algorithm;
use crate::hashset::encoding::wide;
use crate::hashset::{Category, PHOTODNA_BYTES, SetCounts, SetEntry, SetKind};
use crate::output::{OutputDir, OutputError};
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::Arc;

/// Most records of a file.
const MOST_RECORDS: u64 = (1 << 31) - 2;
/// Most different categories of a file.
const MOST_CATEGORIES: u64 = 1 << 16;
/// Texts of series that are kept to be told again; further ones are written each time.
const SERIES_KEPT: usize = 1 << 16;

/// What the operator says of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFacts {
    /// Its name in reports.
    pub name: String,
    /// Who publishes it; `unstated` where nothing says.
    pub publisher: String,
    /// Its version; likewise.
    pub version: String,
    /// What a match with it means.
    pub kind: SetKind,
    /// Half of a table's slots stay free, not a quarter.
    pub fast: bool,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Rows and entries of all lists together.
    pub counts: SetCounts,
    /// The file's length in bytes.
    pub file_len: u64,
    /// BLAKE3 of its header; it names the file.
    pub root: String,
    /// Its tables.
    pub tables: Vec<TableFacts>,
}

/// Takes entries.
pub struct Builder<'a> {
    out: &'a OutputDir,
    facts: SetFacts,
    budget: usize,
    pool: Arc<rayon::ThreadPool>,
    sources: Vec<Source>,
    counts: SetCounts,
    columns: Columns,
    rows: Growing,
    pushed: u32,
    strings: Growing,
    strings_count: u64,
    series: HashMap<Box<str>, u64>,
    categories: Vec<Category>,
    category_numbers: HashMap<Arc<Category>, u32>,
    perceptual: Growing,
    photodna: Growing,
    /// One a digest, and one for entries that have none.
    sorts: [Option<Box<dyn RowSort>>; 5],
}

impl<'a> Builder<'a> {
    /// - `out`: the folder in which the file is made.
    /// - `budget`: bytes that sorting may hold.
    ///
    /// # Errors
    /// [`BuildError::Output`].
    pub fn new(
        out: &'a OutputDir,
        facts: SetFacts,
        budget: usize,
        pool: Arc<rayon::ThreadPool>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            out,
            facts,
            budget,
            pool,
            sources: Vec::new(),
            counts: SetCounts::default(),
            columns: Columns::default(),
            rows: Growing::new(out)?,
            pushed: 0,
            strings: Growing::new(out)?,
            strings_count: 0,
            series: HashMap::new(),
            categories: Vec::new(),
            category_numbers: HashMap::new(),
            perceptual: Growing::new(out)?,
            photodna: Growing::new(out)?,
            sorts: [const { None }; 5],
        })
    }

    /// Takes the next entry of the list that is being read.
    ///
    /// - `entry`: its identifier is empty, or `line:` or `record:` and the number, where the list has
    ///   none.
    /// - `line`: where its row begins, or its number as a record.
    ///
    /// # Errors
    /// [`BuildError::Output`], [`BuildError::TooMany`].
    pub fn push(&mut self, entry: &SetEntry, line: u64) -> Result<(), BuildError> {
        let number = self.pushed;
        if u64::from(number) >= MOST_RECORDS {
            return Err(BuildError::TooMany { what: "entries", most: MOST_RECORDS });
        }
        let mut row = Row::of(entry);
        let own_id = if is_line(&entry.id, line) { "" } else { &entry.id };
        if own_id.is_empty() && line >> LINE_BITS == 0 {
            row.set_line(wide(self.sources.len()), line);
        } else {
            row.set_text_id(self.text(&entry.id)?);
        }
        if let Some(category) = &entry.category {
            row.set_category(self.category(category)?);
        }
        if let Some(series) = &entry.series {
            row.set_series(self.series(series)?);
        }
        if let Some(hashes) = &entry.perceptual {
            let at = |bytes: u64, stride: usize| {
                u32::try_from(bytes.checked_div(wide(stride)).unwrap_or(0)).unwrap_or(u32::MAX)
            };
            row.set_perceptual(at(self.perceptual.len(), record::STRIDE));
            let photodna = at(self.photodna.len(), PHOTODNA_BYTES);
            self.perceptual.push(&record::encode(number, hashes, photodna))?;
            self.photodna.push(hashes.photodna.as_deref().unwrap_or_default())?;
        }
        let columns = Columns::of(row.flags);
        self.columns = self.columns.or(columns);
        let mut bytes = Vec::with_capacity(columns.stride());
        row.encode(columns, &mut bytes);
        self.rows.push(&bytes)?;
        self.sort(entry, own_id, number)?;
        self.pushed = number.saturating_add(1);
        Ok(())
    }

    /// Gives the entry's digests to the sorts.
    fn sort(&mut self, entry: &SetEntry, own_id: &str, number: u32) -> Result<(), BuildError> {
        let content = record::content(entry, own_id);
        let digests = Algorithm::ALL.iter().map(|algorithm| entry.digests.get(*algorithm));
        let digests: Vec<_> = digests.collect();
        let none = digests.iter().all(Option::is_none);
        let values = digests.iter().map(|digest| digest.as_ref().map(crate::digest::Digest::bytes));
        let values = values.chain([none.then_some(&content[..])]);
        let budget = self.budget.checked_div(self.sorts.len()).unwrap_or(0);
        for (value, sort) in values.zip(&mut self.sorts) {
            let Some(value) = value else { continue };
            let mut row = Vec::with_capacity(52);
            row.extend_from_slice(value);
            row.extend_from_slice(&content);
            row.extend_from_slice(&number.to_be_bytes());
            if sort.is_none() {
                *sort = sorter(row.len(), budget, &self.pool);
            }
            sort.as_mut().ok_or(BuildError::NotSpread)?.push(self.out, &row)?;
        }
        Ok(())
    }

    /// Says what the lists themselves do not, or not alike.
    pub fn stated(&mut self, publisher: String, version: String) {
        (self.facts.publisher, self.facts.version) = (publisher, version);
    }

    /// Ends the list whose entries were pushed last.
    pub fn end_source(&mut self, source: Source) {
        let counts = source.counts;
        for (all, one) in [
            (&mut self.counts.rows_read, counts.rows_read),
            (&mut self.counts.rejected, counts.rejected),
            (&mut self.counts.duplicates, counts.duplicates),
            (&mut self.counts.empty_digests_dropped, counts.empty_digests_dropped),
            (&mut self.counts.zero_digests_dropped, counts.zero_digests_dropped),
            (&mut self.counts.rows_emptied, counts.rows_emptied),
        ] {
            *all = all.saturating_add(one);
        }
        self.sources.push(source);
    }

    fn text(&mut self, text: &str) -> Result<u64, BuildError> {
        let at = self.strings.len();
        let length = u32::try_from(text.len());
        let length = length.map_err(|_| BuildError::TooMany {
            what: "bytes in a text",
            most: u64::from(u32::MAX),
        })?;
        self.strings.push(&length.to_le_bytes())?;
        self.strings.push(text.as_bytes())?;
        self.strings_count = self.strings_count.saturating_add(1);
        Ok(at)
    }

    fn series(&mut self, series: &str) -> Result<u64, BuildError> {
        if let Some(at) = self.series.get(series) {
            return Ok(*at);
        }
        let at = self.text(series)?;
        if self.series.len() < SERIES_KEPT {
            self.series.insert(series.into(), at);
        }
        Ok(at)
    }

    fn category(&mut self, category: &Arc<Category>) -> Result<u32, BuildError> {
        if let Some(number) = self.category_numbers.get(category) {
            return Ok(*number);
        }
        let number = u32::try_from(self.categories.len()).unwrap_or(u32::MAX);
        if u64::from(number) >= MOST_CATEGORIES {
            return Err(BuildError::TooMany { what: "categories", most: MOST_CATEGORIES });
        }
        self.categories.push((**category).clone());
        self.category_numbers.insert(Arc::clone(category), number);
        Ok(number)
    }

    /// Makes the file and gives it its name.
    ///
    /// # Errors
    /// [`BuildError`]; then there is no such file, or the one that was there before.
    pub fn finish(mut self, name: &str) -> Result<Built, BuildError> {
        if self.pushed == 0 {
            return Err(BuildError::Empty);
        }
        self.category_numbers = HashMap::new();
        self.series = HashMap::new();
        let mut sorted = Vec::new();
        for sort in std::mem::take(&mut self.sorts) {
            sorted.push(sort.map(|sort| sort.finish(self.out)).transpose()?);
        }
        let kept = Kept::of(&sorted, self.pushed)?;
        let mut parts = Parts::default();
        for (rows, algorithm) in sorted.into_iter().zip(Algorithm::ALL) {
            let Some(rows) = rows else { continue };
            self.table(&*rows, *algorithm, &kept, &mut parts)?;
        }
        let (rows, perceptual, photodna) =
            (self.rows.finish()?, self.perceptual.finish()?, self.photodna.finish()?);
        let hashes = Hashes { perceptual, photodna };
        let tables = std::mem::take(&mut parts.tables);
        let comparable =
            records(self.out, (&rows, self.pushed), self.columns, &hashes, &kept, &mut parts)?;
        let strings = self.strings.finish()?;
        if self.strings_count > 0 {
            parts.add(strings, SectionKind::Strings, None, self.strings_count);
        }
        let repeated = u64::from(self.pushed).saturating_sub(kept.count);
        self.counts.duplicates = self.counts.duplicates.saturating_add(repeated);
        self.counts.accepted = kept.count;
        self.counts.unmapped_codes = comparable.unmapped(&self.categories);
        let about = About {
            name: self.facts.name,
            publisher: self.facts.publisher,
            version: self.facts.version,
            kind: self.facts.kind,
            importer: format!("assay {}", env!("CARGO_PKG_VERSION")),
            sources: self.sources,
            counts: self.counts,
            categories: self.categories,
            records: kept.count,
            columns: self.columns,
            tables,
            comparable: comparable.list(),
        };
        write(self.out, name, &about, parts)
    }

    /// Adds the table of one algorithm.
    fn table(
        &self,
        rows: &dyn SortedRows,
        algorithm: Algorithm,
        kept: &Kept,
        parts: &mut Parts,
    ) -> Result<(), BuildError> {
        let (distinct, groups) = distinct(self.out, rows, algorithm, kept)?;
        let (fast, budget) = (self.facts.fast, self.budget);
        let Placed { facts, hot, cold } = place(self.out, &distinct, fast, budget, &self.pool)?;
        let slots = facts.slots;
        parts.tables.push(facts);
        parts.add(hot, SectionKind::Hot, Some(algorithm), slots);
        parts.add(cold, SectionKind::Cold, Some(algorithm), slots);
        if groups.len > 0 {
            let words = groups.len / 4;
            parts.add(groups, SectionKind::Groups, Some(algorithm), words);
        }
        Ok(())
    }
}

/// Whether an identifier only repeats where its row begins.
fn is_line(id: &str, line: u64) -> bool {
    let number = id.strip_prefix("line:").or_else(|| id.strip_prefix("record:"));
    id.is_empty() || number.is_some_and(|number| number == line.to_string())
}

/// Sections in the order of the file.
#[derive(Default)]
struct Parts {
    sections: Vec<(Section, Grown)>,
    tables: Vec<TableFacts>,
}

impl Parts {
    fn add(&mut self, grown: Grown, kind: SectionKind, algorithm: Option<Algorithm>, items: u64) {
        self.sections.push((grown.section(kind, algorithm, items), grown));
    }
}

/// Perceptual hashes of all entries that were pushed.
struct Hashes {
    perceptual: Grown,
    photodna: Grown,
}

/// Entries that can be compared by the same values, and entries of each category.
#[derive(Default)]
struct Tally {
    by: BTreeMap<(u32, u32), u64>,
    categories: HashMap<u32, u64>,
}

impl Tally {
    fn count(&mut self, row: &Row) {
        let by = self.by.entry(row.comparable()).or_default();
        *by = by.saturating_add(1);
        if let Some(category) = row.category() {
            let of = self.categories.entry(category).or_default();
            *of = of.saturating_add(1);
        }
    }

    fn list(&self) -> Vec<Comparable> {
        let one = |(&(digests, hashes), &entries): (&(u32, u32), &u64)| Comparable {
            digests,
            hashes,
            entries,
        };
        self.by.iter().map(one).collect()
    }

    /// Entries with a code that no scheme maps; a scheme's labels are never empty.
    fn unmapped(&self, categories: &[Category]) -> u64 {
        let numbers = (0..).zip(categories).filter(|(_, category)| category.label.is_empty());
        numbers.filter_map(|(number, _)| self.categories.get(&number)).sum()
    }
}

/// Writes the records that stay, with the hashes that belong to them.
fn records(
    out: &OutputDir,
    (rows, pushed): (&Grown, u32),
    columns: Columns,
    hashes: &Hashes,
    kept: &Kept,
    parts: &mut Parts,
) -> Result<Tally, BuildError> {
    let (mut to, mut tally) = (Growing::new(out)?, Tally::default());
    let (mut perceptual, mut photodna) = (Growing::new(out)?, Growing::new(out)?);
    let (mut perceptual_count, mut photodna_count) = (0_u32, 0_u32);
    let mut rows = rows.reader();
    let mut hash_rows = hashes.perceptual.reader();
    let mut photodna_rows = hashes.photodna.reader();
    let mut bytes = Vec::new();
    for number in 0..pushed {
        let mut row = next_row(&mut rows, &mut bytes)?;
        let record = kept.record(number);
        if row.perceptual().is_some() {
            let hash_row = hash_rows.take(record::STRIDE)?.ok_or(BuildError::SpillDamaged)?;
            if let Some(record) = record {
                let new = record::renumbered(hash_row, record, photodna_count);
                perceptual.push(&new.ok_or(BuildError::SpillDamaged)?)?;
                row.set_perceptual(perceptual_count);
                perceptual_count = perceptual_count.saturating_add(1);
            }
            if record::has_photodna(hash_row) {
                let hash = photodna_rows.take(PHOTODNA_BYTES)?.ok_or(BuildError::SpillDamaged)?;
                if record.is_some() {
                    photodna.push(hash)?;
                    photodna_count = photodna_count.saturating_add(1);
                }
            }
        }
        if record.is_some() {
            tally.count(&row);
            bytes.clear();
            row.encode(columns, &mut bytes);
            to.push(&bytes)?;
        }
    }
    parts.add(to.finish()?, SectionKind::Records, None, kept.count);
    if perceptual_count > 0 {
        let count = u64::from(perceptual_count);
        parts.add(perceptual.finish()?, SectionKind::Perceptual, None, count);
    }
    if photodna_count > 0 {
        parts.add(photodna.finish()?, SectionKind::Photodna, None, u64::from(photodna_count));
    }
    Ok(tally)
}

/// The next row as it was pushed: its flags say which columns follow.
fn next_row(
    rows: &mut super::section::GrownReader<'_>,
    bytes: &mut Vec<u8>,
) -> Result<Row, BuildError> {
    let flags = rows.take(4)?.and_then(|flags| flags.first_chunk()).copied();
    let flags = flags.ok_or(BuildError::SpillDamaged)?;
    let columns = Columns::of(u32::from_le_bytes(flags));
    bytes.clear();
    bytes.extend_from_slice(&flags);
    let rest = rows.take(columns.stride().saturating_sub(4))?.ok_or(BuildError::SpillDamaged)?;
    bytes.extend_from_slice(rest);
    Row::decode(bytes, columns).ok_or(BuildError::SpillDamaged)
}

/// Puts the file together.
fn write(out: &OutputDir, name: &str, about: &About, parts: Parts) -> Result<Built, BuildError> {
    let mut text = Growing::new(out)?;
    text.push(&serde_json::to_vec_pretty(about)?)?;
    let text = text.finish()?;
    let mut all = vec![(text.section(SectionKind::About, None, 1), text)];
    all.extend(parts.sections);
    let sections = all.iter().map(|(section, _)| *section).collect();
    let (frame, header) = Frame::lay_out(sections);
    let mut file = out.begin(name)?;
    let path = out.path().join(name);
    let failed = |source| {
        BuildError::Output(OutputError::Io { action: "write", path: path.clone(), source })
    };
    file.write_all(&header).map_err(failed)?;
    let mut at = wide(header.len());
    for (section, (_, grown)) in frame.sections.iter().zip(&all) {
        pad(&mut file, section.offset.saturating_sub(at)).map_err(failed)?;
        grown.copy(&mut file, &failed)?;
        at = section.end();
    }
    let trailer = Frame::trailer(frame.file_len);
    let end = frame.file_len.saturating_sub(wide(trailer.len()));
    pad(&mut file, end.saturating_sub(at)).map_err(failed)?;
    file.write_all(&trailer).map_err(failed)?;
    file.commit()?;
    Ok(Built {
        counts: about.counts,
        file_len: frame.file_len,
        root: hex(&frame.root),
        tables: about.tables.clone(),
    })
}

fn pad(to: &mut dyn std::io::Write, zeros: u64) -> std::io::Result<()> {
    (0..zeros).try_for_each(|_| to.write_all(&[0]))
}

/// 32 bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    crate::digest::Digest::new(bytes).map(|digest| digest.to_string()).unwrap_or_default()
}
