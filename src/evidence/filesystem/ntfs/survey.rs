//! The first pass over the master file table: folders and their parents, which records continue
//! which, and which clusters are owned by whom.
//!
//! What is kept of a record is a few bytes, and a name only of folders: the second pass needs
//! nothing else of the other records to name every object and to judge what a deleted one still
//! has.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

use super::attribute::{Attribute, Attributes, Body, DATA, FILE_NAME};
use super::clusters::ClusterSet;
use super::known::{KnownNames, Use};
use super::mft::Mft;
use super::problems::Problems;
use super::record::{Record, Reference, State};
use super::runlist::{Run, decode};
use super::stamp::FileName;
use super::{Geometry, damaged, system, wide};

use crate::problem::{Code, Problem, Stage};

/// Clusters that existing objects may claim, in lengths of the volume: one is all that can be true.
const LIVE_CLAIMS: u64 = 4;
/// The same for deleted ones, of which many may have had the same cluster in turn.
const DEAD_CLAIMS: u64 = 256;

/// What is kept of a record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// Of a folder: its parent.
    pub(super) parent: u64,
    name_at: u32,
    name_len: u16,
    pub(super) sequence: u16,
    pub(super) in_use: bool,
    pub(super) directory: bool,
    named: bool,
}

/// What the first pass found.
#[derive(Default)]
pub(super) struct Survey {
    entries: Vec<Entry>,
    names: Vec<u8>,
    /// Record and a record that continues it, in order.
    continued: Vec<(u32, u32)>,
    /// Every name of every record.
    pub(super) known: KnownNames,
    /// Hashes of the names that stand more than once in their folder, in order.
    twins: Vec<u64>,
    /// Clusters of existing objects, and those that two of them claim.
    pub(super) live: Claims,
    /// The same of deleted ones.
    pub(super) dead: Claims,
    /// True where not every record was looked at.
    pub(super) stopped: bool,
    /// Bytes of records that cannot be read.
    pub(super) unread: u64,
}

/// Clusters claimed by objects of one kind.
#[derive(Default)]
pub(super) struct Claims {
    /// By any of them.
    pub(super) any: ClusterSet,
    /// By more than one.
    pub(super) shared: ClusterSet,
    claimed: u64,
    /// True where more was claimed than is kept: then every cluster may be shared.
    pub(super) overflowed: bool,
}

impl Claims {
    fn add(&mut self, range: Range<u64>, most: u64) {
        self.claimed = self.claimed.saturating_add(range.end.saturating_sub(range.start));
        if self.claimed > most {
            self.overflowed = true;
            return;
        }
        for (run, inside) in self.any.runs(range.clone()) {
            if inside {
                self.shared.insert(run);
            }
        }
        self.any.insert(range);
    }
}

impl Survey {
    /// Looks at every record once.
    pub(super) fn of(
        mft: &Mft,
        geometry: &Geometry,
        cancel: &AtomicBool,
        problems: &mut Problems,
    ) -> Self {
        let mut pass = Pass { survey: Self::default(), late: HashMap::new(), hashes: Vec::new() };
        let finished = mft.scan(|number, state, bytes| {
            if number & 1023 == 0 && cancel.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            let said = match state {
                State::Unused => None,
                State::Whole => pass.record(number, bytes, geometry),
                State::Torn => {
                    let _said_already = pass.record(number, bytes, geometry);
                    Some("its sectors were not written together")
                }
                State::Damaged(why) => Some(why),
                State::Unreadable => {
                    pass.survey.unread = pass.survey.unread.saturating_add(wide(bytes.len()));
                    Some("it cannot be read")
                }
            };
            if let Some(why) = said {
                problems.push(record_problem(mft, number, state, why));
            }
            ControlFlow::Continue(())
        });
        let mut survey = pass.finish();
        survey.stopped = !finished;
        if survey.live.overflowed {
            let detail = "existing objects claim several times more clusters than the volume has";
            problems.push(Problem::new(Code::CrossLinked, Stage::Filesystem, detail));
        }
        survey
    }

    /// What is kept of a record.
    pub(super) fn entry(&self, record: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(record).ok()?)
    }

    /// The records of existing folders, in order.
    pub(super) fn folders(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers = (0..).zip(&self.entries);
        numbers.filter(|(_, entry)| entry.directory && entry.in_use).map(|(number, _)| number)
    }

    /// The name of a folder, where it has one.
    pub(super) fn name(&self, entry: &Entry) -> Option<&[u8]> {
        let at = usize::try_from(entry.name_at).ok()?;
        let end = at.checked_add(usize::from(entry.name_len))?;
        self.names.get(at..end).filter(|_| entry.named)
    }

    /// The records that say that they continue this one.
    pub(super) fn continued(&self, record: u64) -> impl Iterator<Item = u64> + '_ {
        let record = u32::try_from(record).unwrap_or(u32::MAX);
        let from = self.continued.partition_point(|(base, _)| *base < record);
        let rest = self.continued.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(base, _)| *base == record).map(|(_, n)| u64::from(*n))
    }

    /// True where several existing objects have this name in this folder.
    pub(super) fn is_twin(&self, parent: Reference, name: &[u8]) -> bool {
        self.twins.binary_search(&hash(parent, name)).is_ok()
    }
}

/// The first pass on its way.
struct Pass {
    survey: Survey,
    /// Names of folders that stand in another record than the folder's own.
    late: HashMap<u64, FileName>,
    hashes: Vec<u64>,
}

impl Pass {
    /// Keeps what is needed of a record; says what is wrong with it.
    fn record(&mut self, number: u64, bytes: &[u8], geometry: &Geometry) -> Option<&'static str> {
        let Ok(record) = Record::parse(bytes) else { return Some("its header makes no sense") };
        let mut entry = Entry {
            sequence: record.sequence,
            in_use: record.is_in_use(),
            directory: record.is_directory() && record.base.is_none(),
            ..Entry::default()
        };
        let (mut said, mut names) = (None, Vec::new());
        for attribute in Attributes::new(record.attributes) {
            let Ok(attribute) = attribute else {
                // A freed record may end anyhow.
                said = record.is_in_use().then_some("its attributes do not end where they should");
                break;
            };
            match attribute.body {
                Body::Resident(bytes) if attribute.kind == FILE_NAME => {
                    names.extend(FileName::parse(bytes));
                }
                _ => self.claim(number, &record, &attribute, geometry),
            }
        }
        let (own, state) = (record.base.map_or(number, |base| base.record), Use::of(&record));
        names.iter().for_each(|name| self.survey.known.add(name.key, own, state));
        // An alias is a name only where there is no other.
        let aliases_only = names.iter().all(|name| name.is_alias);
        for name in names.into_iter().filter(|name| aliases_only || !name.is_alias) {
            self.name(record, &mut entry, name);
        }
        if let Some(base) = record.base {
            self.continues(base, number);
        }
        self.keep(number, entry);
        said
    }

    fn keep(&mut self, number: u64, entry: Entry) {
        let Ok(index) = usize::try_from(number) else { return };
        let entries = &mut self.survey.entries;
        if entries.len() <= index {
            entries.resize(index.saturating_add(1), Entry::default());
        }
        if let Some(slot) = entries.get_mut(index) {
            *slot = entry;
        }
    }

    fn continues(&mut self, base: Reference, number: u64) {
        if let (Ok(base), Ok(number)) = (u32::try_from(base.record), u32::try_from(number)) {
            self.survey.continued.push((base, number));
        }
    }

    fn name(&mut self, record: Record<'_>, entry: &mut Entry, name: FileName) {
        if record.is_in_use() {
            self.hashes.push(hash(name.parent, &name.name));
        }
        match record.base {
            None if entry.directory && !entry.named => self.intern(entry, &name),
            Some(base) => {
                self.late.entry(base.record).or_insert(name);
            }
            None => {}
        }
    }

    fn intern(&mut self, entry: &mut Entry, name: &FileName) {
        let names = &mut self.survey.names;
        let at = u32::try_from(names.len());
        let (Ok(at), Ok(len)) = (at, u16::try_from(name.name.len())) else { return };
        names.extend_from_slice(&name.name);
        (entry.name_at, entry.name_len, entry.named) = (at, len, true);
        entry.parent = name.parent.raw();
    }

    /// Notes whose clusters an attribute's are.
    fn claim(
        &mut self,
        number: u64,
        record: &Record<'_>,
        attribute: &Attribute<'_>,
        on: &Geometry,
    ) {
        let Body::Clusters(header) = attribute.body else { return };
        if number == system::BAD_CLUSTERS {
            return;
        }
        let (claims, most) = match (record.is_in_use(), attribute.kind) {
            (true, _) => (&mut self.survey.live, LIVE_CLAIMS),
            (false, DATA) => (&mut self.survey.dead, DEAD_CLAIMS),
            (false, _) => return,
        };
        let most = on.clusters.saturating_mul(most);
        let runs = decode(header.pairs, header.first, header.end).0;
        for range in runs.iter().filter_map(|run: &Run| run.clusters(on.clusters)) {
            claims.add(range, most);
        }
    }

    fn finish(mut self) -> Survey {
        self.survey.continued.sort_unstable();
        self.survey.known.sort();
        let late = std::mem::take(&mut self.late);
        for (base, name) in late {
            let entry = self.survey.entry(base).copied();
            if let Some(mut entry) = entry.filter(|entry| entry.directory && !entry.named) {
                self.intern(&mut entry, &name);
                self.keep(base, entry);
            }
        }
        self.hashes.sort_unstable();
        let twins = self.hashes.windows(2).filter(|pair| pair.first() == pair.last());
        self.survey.twins = twins.filter_map(|pair| pair.first().copied()).collect();
        self.survey.twins.dedup();
        self.survey
    }
}

fn hash(parent: Reference, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parent.record.hash(&mut hasher);
    name.hash(&mut hasher);
    hasher.finish()
}

fn record_problem(mft: &Mft, number: u64, state: State, why: &str) -> Problem {
    let detail = format!("record {number} of the master file table: {why}");
    let problem = match state {
        State::Unreadable => Problem::new(Code::IoError, Stage::Filesystem, detail),
        _ => damaged(&detail),
    };
    match mft.place(number) {
        Some(at) => problem.at(at, wide(mft.record_size())),
        None => problem,
    }
}
