//! Names that deleted objects had: from unused space of directories and from the journal's copies
//! of directory blocks.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::directory::{self, Entry, KIND_DIRECTORY, Rules};
use super::folders::Folders;
use super::history::{self, History, Version};
use super::inode::{Inode, Kind, flag};
use super::survey::{Parent, Survey, Trace};
use crate::item::{NameAttribution, ObjectPath};

/// Most names that are kept.
const MOST: usize = 1 << 22;
/// Most directories above a deleted object.
const DEEPEST: usize = 128;

/// Names by the inode they stood for.
#[derive(Default)]
pub(super) struct Traces {
    by_inode: HashMap<u32, Vec<Trace>>,
}

/// A number and generation that tell one object from the next in the same inode.
pub(super) type Key = (u32, u32);

impl Traces {
    /// Collects all names of inodes that are not in use, or were others' before.
    pub(super) fn read(
        survey: &mut Survey<'_>,
        history: &History,
        is_free: &dyn Fn(&Survey<'_>, u32) -> bool,
    ) -> Self {
        let mut all = Collector { best: HashMap::new() };
        let traces = std::mem::take(&mut survey.traces);
        let gone = gone_directories(survey, history);
        let wanted = |inode: u32| is_free(survey, inode) || !history.of(inode).is_empty();
        for trace in traces.into_iter().filter(|trace| wanted(trace.inode)) {
            all.add(survey, trace);
        }
        let mut sources = Sources { survey, history, gone: &gone, wanted: &wanted, all };
        let owners = sources.gone_directories();
        sources.inline_directories();
        sources.copies(&owners);
        sources.all.finish()
    }

    /// The names of an inode, in a fixed order.
    pub(super) fn of(&self, inode: u32) -> &[Trace] {
        self.by_inode.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// The inodes that have names.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.by_inode.keys().copied()
    }

    /// The best name of an object and how sure it is; `newest` where no later object is known to
    /// have had its inode.
    pub(super) fn best(
        &self,
        history: &History,
        inode: &Inode,
        newest: bool,
    ) -> Option<(&Trace, NameAttribution)> {
        let fits = |trace: &&Trace| match trace.kind {
            0 => true,
            1 => inode.kind() == Kind::File,
            KIND_DIRECTORY => inode.kind() == Kind::Directory,
            7 => inode.kind() == Kind::Symlink,
            _ => false,
        };
        let traces = self.of(inode.number).iter().filter(fits);
        let judged =
            traces.filter_map(|trace| Some((trace, attribution(history, inode, newest, trace)?)));
        // Certain ones before others; of these the newest; then by parent and bytes.
        judged.min_by(|(a, sure_a), (b, sure_b)| {
            let rank = |sure: &NameAttribution| *sure != NameAttribution::Certain;
            rank(sure_a)
                .cmp(&rank(sure_b))
                .then(b.sequence.cmp(&a.sequence))
                .then(a.parent.cmp(&b.parent))
                .then(a.name.cmp(&b.name))
        })
    }

    /// The path of the directory of an old name.
    pub(super) fn folder(
        &self,
        folders: &Folders,
        history: &History,
        survey: &Survey<'_>,
        parent: Parent,
    ) -> ObjectPath {
        let mut steps: Vec<&[u8]> = Vec::new();
        let mut seen = HashSet::new();
        let mut at = parent;
        let mut path = loop {
            let lost = |number: u32| folders.orphans.given_below(&format!("ino-{number}"));
            match at {
                Parent::Live(number) => {
                    break folders.path(number).cloned().unwrap_or_else(|| lost(number));
                }
                Parent::Gone(number, generation) => {
                    let version = history.of(number).iter().rev();
                    let version = version.filter(|v| v.exists).find(|v| v.generation == generation);
                    let inode = version.and_then(|version| version.inode(survey));
                    let known = inode.and_then(|inode| self.best(history, &inode, true));
                    match known {
                        Some((trace, _)) if seen.insert(at) && steps.len() < DEEPEST => {
                            steps.push(&trace.name);
                            at = trace.parent;
                        }
                        _ => break lost(number),
                    }
                }
            }
        };
        for name in steps.into_iter().rev() {
            path = path.below(name);
        }
        path
    }
}

/// Whether an old name is that of an object.
fn attribution(
    history: &History,
    inode: &Inode,
    newest: bool,
    trace: &Trace,
) -> Option<NameAttribution> {
    let uncertain = newest.then_some(NameAttribution::Uncertain);
    let Some(sequence) = trace.sequence.filter(|_| trace.in_use) else { return uncertain };
    match history.at(inode.number, sequence) {
        Some(version) if version.exists => {
            (version.generation == inode.generation).then_some(NameAttribution::Certain)
        }
        Some(_) => None,
        None => match history.of(inode.number).first() {
            Some(later) if later.generation != inode.generation => None,
            _ => Some(NameAttribution::Uncertain),
        },
    }
}

/// Where old names are sought, beside unused space of directories that exist.
struct Sources<'s, 'd> {
    survey: &'s Survey<'d>,
    history: &'s History,
    /// Directories that do not exist any more.
    gone: &'s BTreeMap<Key, (Inode, u32)>,
    wanted: &'s dyn Fn(u32) -> bool,
    all: Collector,
}

impl Sources<'_, '_> {
    /// The blocks of deleted directories that nothing uses again. Gives the directories of the
    /// others, as far as the journal has copies of them.
    fn gone_directories(&mut self) -> HashMap<u64, Key> {
        let survey = self.survey;
        let mut owners = HashMap::new();
        for (key, (inode, sequence)) in self.gone {
            let map = history::map(survey, inode, Some(*sequence));
            let rules = Rules::of(survey.disk, inode.has(flag::INDEX));
            for (_, at, blocks, _) in map.placed() {
                for block in at..at.saturating_add(blocks.min(1 << 16)) {
                    if survey.journal.has(block) {
                        owners.insert(block, *key);
                    } else if survey.space.free(block, 1).0
                        && survey.may_read_old()
                        && let Ok(bytes) = survey.disk.block(block)
                        && directory::sum_holds(survey.disk, inode, &bytes) != Some(false)
                    {
                        let parent = Parent::Gone(key.0, key.1);
                        self.all.block(survey, &bytes, rules, (parent, None), self.wanted);
                    }
                }
            }
        }
        owners
    }

    /// Old states of directories that are kept in their inodes.
    fn inline_directories(&mut self) {
        let survey = self.survey;
        let kept = |one: &&Version| one.exists && one.is_directory && one.is_inline;
        for version in self.history.all().iter().filter(kept) {
            let Some(inode) = version.inode(survey) else { continue };
            let is_gone = self.gone.contains_key(&(version.number, version.generation));
            let parent = match is_gone {
                true => Parent::Gone(version.number, version.generation),
                false => Parent::Live(version.number),
            };
            let rules = Rules::of(survey.disk, false);
            for part in [inode.map.get(4..).unwrap_or_default(), &inode.inline] {
                self.all.block(survey, part, rules, (parent, Some(version.sequence)), self.wanted);
            }
        }
    }

    /// The journal's copies of blocks of directories; `owners` are those of deleted ones.
    fn copies(&mut self, owners: &HashMap<u64, Key>) {
        let survey = self.survey;
        for home in survey.journal.homes() {
            for copy in survey.journal.of(home) {
                let Ok(bytes) = survey.journal.block(survey.disk, copy) else { continue };
                let number = own_number(&bytes)
                    .or_else(|| survey.owners.get(&home).copied())
                    .or_else(|| owners.get(&home).map(|key| key.0));
                let Some(number) = number else { continue };
                let Some((parent, inode)) =
                    owner(survey, self.history, self.gone, number, copy.sequence)
                else {
                    continue;
                };
                if directory::sum_holds(survey.disk, &inode, &bytes) == Some(false) {
                    continue;
                }
                let rules = Rules::of(survey.disk, inode.has(flag::INDEX));
                self.all.block(survey, &bytes, rules, (parent, Some(copy.sequence)), self.wanted);
            }
        }
    }
}

struct Collector {
    best: HashMap<(u32, Parent, Box<[u8]>), Trace>,
}

impl Collector {
    fn block(
        &mut self,
        survey: &Survey<'_>,
        bytes: &[u8],
        rules: Rules,
        (parent, sequence): (Parent, Option<u32>),
        wanted: &dyn Fn(u32) -> bool,
    ) {
        // A chain that breaks has given what stands before the break.
        let _broken = directory::entries(bytes, rules, &mut |entry: Entry<'_>| {
            let Entry { inode, kind, name, deleted } = entry;
            if name != b"." && name != b".." && wanted(inode) {
                let in_use = !deleted;
                self.add(
                    survey,
                    Trace { inode, parent, name: name.into(), kind, sequence, in_use },
                );
            }
        });
    }

    /// Adds a name unless it is in use now; of equal ones the one that says more stays.
    fn add(&mut self, survey: &Survey<'_>, trace: Trace) {
        let names = survey.names.of(trace.inode).iter();
        let mut same = names.filter(|name| Parent::Live(name.parent) == trace.parent);
        if same.any(|name| *survey.names.bytes(name) == *trace.name) {
            return;
        }
        let key = (trace.inode, trace.parent, trace.name.clone());
        if self.best.len() >= MOST && !self.best.contains_key(&key) {
            return;
        }
        let rank = |trace: &Trace| (trace.in_use, trace.sequence);
        match self.best.get(&key) {
            Some(known) if rank(known) >= rank(&trace) => {}
            _ => {
                self.best.insert(key, trace);
            }
        }
    }

    fn finish(self) -> Traces {
        let mut traces = Traces::default();
        for trace in self.best.into_values() {
            traces.by_inode.entry(trace.inode).or_default().push(trace);
        }
        for list in traces.by_inode.values_mut() {
            list.sort_unstable_by(|a, b| (a.parent, &a.name).cmp(&(b.parent, &b.name)));
        }
        traces
    }
}

/// The newest state of every directory that does not exist any more.
fn gone_directories(survey: &Survey<'_>, history: &History) -> BTreeMap<Key, (Inode, u32)> {
    let mut gone = BTreeMap::new();
    for number in history.numbers() {
        let live = live_generation(survey, number);
        for version in history.of(number).iter().filter(|one| one.exists && one.is_directory) {
            if live == Some(version.generation) {
                continue;
            }
            if let Some(inode) = version.inode(survey) {
                gone.insert((number, version.generation), (inode, version.sequence));
            }
        }
    }
    gone
}

/// The generation of an inode that exists.
pub(super) fn live_generation(survey: &Survey<'_>, number: u32) -> Option<u32> {
    let inode = survey.disk.inode(number).ok()?;
    survey.is_live(&inode).then_some(inode.generation)
}

/// The inode that a directory's first block says it belongs to.
fn own_number(bytes: &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    let is_dot = rest.first_chunk::<5>().is_some_and(|head| matches!(head, [12, 0, 1, _, b'.']));
    is_dot.then(|| u32::from_le_bytes(*number))
}

/// The directory that an inode was after a transaction.
fn owner(
    survey: &Survey<'_>,
    history: &History,
    gone: &BTreeMap<Key, (Inode, u32)>,
    number: u32,
    sequence: u32,
) -> Option<(Parent, Inode)> {
    let of = |version: &Version| (version.number, version.generation);
    let then = history.at(number, sequence).or_else(|| history.of(number).first()).map(of);
    if let Some((inode, _)) = then.and_then(|key| gone.get(&key)) {
        return Some((Parent::Gone(number, inode.generation), inode.clone()));
    }
    let inode = survey.disk.inode(number).ok()?;
    let same = then.is_none_or(|(_, generation)| generation == inode.generation);
    (same && survey.folders.contains_key(&number)).then_some((Parent::Live(number), inode))
}
