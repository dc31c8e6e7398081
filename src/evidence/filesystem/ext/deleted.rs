//! Deleted objects: inodes that still name their blocks, here or in the journal, and names of which
//! nothing else is left.
//!
//! A block counts as an object's only where nothing else can have written it since: it is free now,
//! no structure was written there after the state that names it, and no other deleted object names
//! it, unless the journal shows that this one came later. All else is missing, not guessed.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::folders::Folders;
use super::history::{self, History};
use super::inode::{Inode, Kind, flag};
use super::map::{MOST_RUNS, Map};
use super::object;
use super::survey::{Parent, Survey, Trace};
use super::traces::{Key, Traces, live_generation};
use crate::evidence::filesystem::blockset::BlockSet;
use crate::evidence::filesystem::{Node, NodeContent};
use crate::item::{
    AllocStatus, Extent, ItemMeta, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis,
    Status,
};
use crate::problem::{Code, Problem, Stage};

/// Most deleted objects that are kept.
const MOST: usize = 1 << 20;
/// Most states of one object.
const MOST_STATES: usize = 8;

/// All deleted objects of a volume, in order of inode.
pub(super) struct Deleted {
    nodes: Vec<(u32, Node)>,
    next: usize,
}

/// An inode of a deleted object, in the newest state or an older one.
struct Candidate {
    inode: Inode,
    map: Map,
    /// The transaction after which it was so; `None` = as the table has it.
    sequence: Option<u32>,
    /// 1 for the newest state that names blocks.
    state: usize,
    /// No later object is known to have had this inode.
    newest: bool,
    content: Option<Vec<Extent>>,
}

impl Deleted {
    /// Seeks all deleted objects.
    pub(super) fn new(survey: &mut Survey<'_>, folders: &Folders, cancel: &AtomicBool) -> Self {
        let history = History::read(survey);
        let is_free = |survey: &Survey<'_>, number| live_generation(survey, number).is_none();
        let traces = Traces::read(survey, &history, &is_free);
        let found = candidates(survey, &history, cancel);
        if found.is_full() || survey.has_read_all_old() {
            let detail = "more deleted objects than are kept";
            survey.problem(Problem::new(Code::LimitReached, Stage::Enumerate, detail));
        }
        let mut candidates = found.list;
        judge(survey, &mut candidates);
        let mut rows = Rows {
            survey,
            folders,
            history: &history,
            traces: &traces,
            taken: HashMap::new(),
            nodes: Vec::new(),
        };
        candidates
            .sort_by_key(|one| (one.inode.number, !one.newest, one.inode.generation, one.state));
        let known: BTreeSet<u32> = candidates.iter().map(|one| one.inode.number).collect();
        for candidate in candidates {
            rows.push(candidate);
        }
        let mut bare: Vec<u32> = traces
            .numbers()
            .filter(|number| !known.contains(number) && is_free(rows.survey, *number))
            .collect();
        bare.sort_unstable();
        for number in bare {
            rows.names_alone(number);
        }
        let mut nodes = rows.nodes;
        nodes.sort_by_key(|(number, _)| *number);
        Self { nodes, next: 0 }
    }

    /// The deleted objects of these inodes; asked for in order.
    pub(super) fn nodes(&mut self, inodes: Range<u32>) -> Vec<Node> {
        let rest = self.nodes.get(self.next..).unwrap_or_default();
        let count = rest.partition_point(|(number, _)| *number < inodes.end);
        let nodes = rest.iter().take(count).map(|(_, node)| node.clone()).collect();
        self.next = self.next.saturating_add(count);
        nodes
    }
}

/// Candidates as they are found, no more of them or of their runs than are kept.
#[derive(Default)]
struct Candidates {
    list: Vec<Candidate>,
    runs: usize,
}

impl Candidates {
    fn push(&mut self, one: Candidate) {
        self.runs = self.runs.saturating_add(one.map.runs.len());
        self.list.push(one);
    }

    fn is_full(&self) -> bool {
        self.list.len() >= MOST || self.runs >= MOST_RUNS
    }
}

/// All states of deleted files and links that name blocks.
fn candidates(survey: &Survey<'_>, history: &History, cancel: &AtomicBool) -> Candidates {
    let mut found = Candidates::default();
    let mut tables: BTreeSet<Key> = BTreeSet::new();
    for number in &survey.dead {
        let Ok(inode) = survey.disk.inode(*number) else { continue };
        if is_sought(&inode) && !found.is_full() {
            tables.insert((*number, inode.generation));
            let map = history::map(survey, &inode, None);
            found.push(Candidate {
                inode,
                map,
                sequence: None,
                state: 1,
                newest: true,
                content: None,
            });
        }
    }
    for number in history.numbers() {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        let live = live_generation(survey, number);
        let in_table = survey.disk.inode(number).ok().map(|inode| inode.generation);
        let mut done: Vec<u32> = live.into_iter().collect();
        let versions = history.of(number);
        for newest in versions.iter().rev() {
            let generation = newest.generation;
            if done.contains(&generation) || tables.contains(&(number, generation)) {
                continue;
            }
            let is_newest = live.is_none()
                && done.is_empty()
                && in_table.is_none_or(|g| g == generation || g == 0);
            done.push(generation);
            let mut states = States { survey, named: BlockSet::new(survey.disk.held), count: 0 };
            let same = versions.iter().rev().filter(|v| v.exists && v.generation == generation);
            for version in same {
                if found.is_full() || states.count >= MOST_STATES {
                    break;
                }
                let inode = version.inode(survey).filter(is_sought);
                let candidate = inode.and_then(|inode| states.take(inode, version.sequence));
                if let Some(one) = candidate {
                    found.push(Candidate { newest: is_newest, ..one });
                }
            }
        }
    }
    found
}

/// The states of one object, newest first: an older one counts where it names other blocks.
struct States<'s, 'd> {
    survey: &'s Survey<'d>,
    named: BlockSet,
    count: usize,
}

impl States<'_, '_> {
    fn take(&mut self, inode: Inode, sequence: u32) -> Option<Candidate> {
        let map = history::map(self.survey, &inode, Some(sequence));
        let is_new = map.placed().any(|(_, at, blocks, _)| {
            self.named.runs(at..at.saturating_add(blocks)).any(|(named, _)| !named)
        });
        if self.count > 0 && !is_new {
            return None;
        }
        for (_, at, blocks, _) in map.placed() {
            self.named.insert(at..at.saturating_add(blocks));
        }
        self.count = self.count.saturating_add(1);
        let state = self.count;
        Some(Candidate {
            inode,
            map,
            sequence: Some(sequence),
            state,
            newest: false,
            content: None,
        })
    }
}

fn is_sought(inode: &Inode) -> bool {
    matches!(inode.kind(), Kind::File | Kind::Symlink) && history::has_content(inode)
}

/// Decides for every candidate which of its blocks are its own.
fn judge(survey: &Survey<'_>, candidates: &mut [Candidate]) {
    let held = survey.disk.held;
    // States of the table first: nothing says when they were, so they yield to nobody and nobody
    // to them. Then by transaction, newest first.
    candidates.sort_by_key(|one| std::cmp::Reverse(one.sequence.map_or(u64::MAX, u64::from)));
    let mut newer = BlockSet::new(held);
    let mut undated = BlockSet::new(held);
    let mut contested = BlockSet::new(held);
    let mut undated_end = 0;
    for group in candidates.chunk_by_mut(|a, b| a.sequence == b.sequence) {
        let mut here = BlockSet::new(held);
        for (_, at, blocks, _) in group.iter().flat_map(|one| one.map.placed()) {
            let range = at..at.saturating_add(blocks).min(held);
            for set in [&here, &undated] {
                for (_, run) in set.runs(range.clone()).filter(|(within, _)| *within) {
                    contested.insert(run);
                }
            }
            here.insert(range);
        }
        if group.first().is_some_and(|one| one.sequence.is_none()) {
            undated = here;
            undated_end = group.len();
            continue;
        }
        for one in group.iter_mut() {
            one.content = Some(content(survey, one, &[&newer, &contested]));
        }
        for (_, at, blocks, _) in group.iter().flat_map(|one| one.map.placed()) {
            newer.insert(at..at.saturating_add(blocks));
        }
    }
    for one in candidates.iter_mut().take(undated_end) {
        one.content = Some(content(survey, one, &[&contested]));
    }
}

/// The content of a candidate as far as its blocks are its own.
fn content(survey: &Survey<'_>, one: &Candidate, others: &[&BlockSet]) -> Vec<Extent> {
    let disk = survey.disk;
    let depends = !one.map.nodes.is_empty() || one.sequence.is_none();
    if depends && !history::counts_agree(disk, &one.inode, &one.map) {
        let detail = "the blocks that its tree names now are not as many as it had";
        return vec![Extent::missing(one.inode.size, Code::Overwritten, detail)];
    }
    let verdict = |block: u64, blocks: u64| {
        let (free, mut same) = survey.space.free(block, blocks);
        if !free {
            return (Some((Code::Overwritten, "the blocks are in use again")), same);
        }
        for set in others {
            let (within, end) = set.run(block, block.saturating_add(same));
            same = end.saturating_sub(block);
            if within {
                return (
                    Some((Code::Overwritten, "another deleted object names the blocks too")),
                    same,
                );
            }
        }
        if let Some(sequence) = one.sequence {
            let range = block..block.saturating_add(same);
            match survey.journal.touched_after(range, sequence) {
                Some(at) if at == block => {
                    let detail = "the blocks held a structure of the file system since";
                    return (Some((Code::Overwritten, detail)), 1);
                }
                Some(at) => same = at.saturating_sub(block),
                None => {}
            }
        }
        (None, same)
    };
    one.map.content(disk, one.inode.size, true, &verdict)
}

/// Makes the rows.
struct Rows<'s, 'd> {
    survey: &'s Survey<'d>,
    folders: &'s Folders,
    history: &'s History,
    traces: &'s Traces,
    /// How often each path was given.
    taken: HashMap<String, u32>,
    nodes: Vec<(u32, Node)>,
}

impl Rows<'_, '_> {
    fn push(&mut self, one: Candidate) {
        let (inode, survey) = (&one.inode, self.survey);
        let mut meta = object::meta(inode);
        meta.alloc = AllocStatus::Deleted;
        meta.link = None;
        let content = self.content(&one, &mut meta);
        let partly = matches!(&content, NodeContent::Extents(extents) if extents
            .iter()
            .any(|extent| matches!(extent.place, Place::Missing(..))));
        meta.basis = Some(match partly {
            true => RecoveryBasis::PartlyOverwritten,
            false => RecoveryBasis::MetadataExtents,
        });
        let best = self.traces.best(self.history, inode, one.newest);
        meta.attribution = Some(best.map_or(NameAttribution::None, |(_, sure)| sure));
        let name = best.map(|(trace, _)| trace);
        let path = self.path(name, inode.number, &meta.fs_ref, one.state);
        let mut problems = object::problems(inode, &one.map);
        if one.sequence.is_some() && survey.journal.is_open {
            let detail =
                "known from a journal that was not replayed: it may be newer than the rest";
            problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail));
        }
        self.nodes.push((inode.number, Node { path, meta, content, problems }));
    }

    fn content(&self, one: &Candidate, meta: &mut ItemMeta) -> NodeContent {
        let (inode, disk) = (&one.inode, self.survey.disk);
        match inode.kind() {
            Kind::Symlink => {
                meta.link_target = inode.fast_target().map(<[u8]>::to_vec);
                object::nothing(Status::Special, Code::Symlink, "")
            }
            _ if inode.has(flag::ENCRYPT) => {
                object::nothing(Status::Unread, Code::Encrypted, "encrypted by the file system")
            }
            _ if inode.has(flag::INLINE_DATA) => object::resident(inode),
            _ if inode.size > object::largest(disk) => {
                object::nothing(Status::Unread, Code::FilesystemDamaged, "its size is not possible")
            }
            _ => NodeContent::Extents(one.content.clone().unwrap_or_default()),
        }
    }

    /// A row for each name of an inode that names no content any more.
    fn names_alone(&mut self, number: u32) {
        let generation = self.survey.disk.inode(number).map_or(0, |inode| inode.generation);
        let traces = self.traces;
        for trace in traces.of(number).iter().filter(|trace| matches!(trace.kind, 0 | 1)) {
            let mut meta = ItemMeta::new(ObjectKind::File);
            meta.alloc = AllocStatus::Deleted;
            meta.attribution = Some(NameAttribution::Uncertain);
            meta.fs_ref = object::reference(number, generation);
            let path = self.path(Some(trace), number, &meta.fs_ref, 1);
            let detail = "only its name is left: no known state of its inode names content";
            let content = object::nothing(Status::Unread, Code::ContentNotRead, detail);
            self.nodes.push((number, Node { path, meta, content, problems: Vec::new() }));
        }
    }

    fn path(&mut self, name: Option<&Trace>, number: u32, mark: &str, state: usize) -> ObjectPath {
        let path = match name {
            Some(Trace { parent, name, .. }) => self.folder(*parent).below(name),
            None => self.folders.orphans.given_below(&format!("ino-{number}")),
        };
        let mut path = path.marked(mark);
        if state > 1 {
            path = path.marked(&state.to_string());
        }
        let count = self.taken.entry(path.text()).or_default();
        *count = count.saturating_add(1);
        if *count > 1 { path.marked(&count.to_string()) } else { path }
    }

    fn folder(&self, parent: Parent) -> ObjectPath {
        self.traces.folder(self.folders, self.history, self.survey, parent)
    }
}
