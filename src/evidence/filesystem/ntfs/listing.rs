//! The second pass over the master file table: every object, in the order of the records.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::balance::Balance;
use super::gather::Gather;
use super::indexes::{self, Indexes};
use super::judge::Judge;
use super::object::{Object, Small};
use super::problems::Problems;
use super::record::{Record, State};
use super::reparse::{self, Meaning};
use super::row::{self, Named, Subject};
use super::secure::{self, Owners};
use super::stamp::FileName;
use super::survey::Survey;
use super::system;
use super::tree::{Standing, Tree};
use super::{Geometry, Ntfs, bitmap};

use crate::evidence::filesystem::{Listing, Node};
use crate::item::{AllocStatus, ObjectPath};
use crate::problem::{Code, Problem, Stage};

/// Files in which volume shadow copies are kept have this in their names.
const SHADOW_COPY: &[u8] = b"{3808876b-c176-4e48-b7ae-04046e6cc752}";

/// Lists a volume.
pub(super) fn list(
    ntfs: &Ntfs,
    root: &ObjectPath,
    cancel: &AtomicBool,
    emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
) -> Listing {
    let mut problems = Problems::default();
    ntfs.problems.iter().cloned().for_each(|problem| problems.push(problem));
    let Ntfs { volume, geometry, mft, .. } = ntfs;
    let mut survey = Survey::of(mft, geometry, cancel, &mut problems);
    if survey.stopped {
        return Listing { stopped: true, ..Listing::default() };
    }
    let indexes = indexes::read(ntfs, &mut survey, cancel, &mut problems);
    let mut gather = Gather::new(volume, geometry, mft, &survey);
    let clusters = gather.by_number(system::BITMAP);
    let clusters = clusters.as_ref().and_then(|object| object.streams.get(&b""[..]));
    let (in_use, problem) = bitmap::in_use(clusters, &**volume, geometry);
    problem.into_iter().for_each(|problem| problems.push(problem));
    let mut lister = Lister {
        owners: owners(&mut gather),
        gather,
        geometry,
        survey: &survey,
        tree: Tree::new(&survey, root),
        judge: Judge::new(geometry, &survey, &in_use),
        balance: Balance::new(geometry),
        root,
        twins: HashMap::new(),
        indexes,
        remnants: 0,
        shadow_copies: false,
        listing: Listing::default(),
    };
    let finished = mft.scan(|number, state, bytes| {
        if number & 1023 == 0 && cancel.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        lister.record(number, state, bytes, emit)?;
        lister.remnants(number, emit)
    });
    let finished = finished && lister.remnants(u64::MAX, emit).is_continue();
    let Lister { mut balance, shadow_copies, mut listing, tree, indexes, .. } = lister;
    indexes.told(&survey, &mut problems);
    balance.unreadable(survey.unread);
    let (bytes, unowned, disagree) = balance.finish(&in_use, &**volume);
    disagree.into_iter().for_each(|problem| problems.push(problem));
    if tree.too_deep {
        let detail = "folders deeper than 256 levels are listed below $Orphans";
        problems.push(Problem::new(Code::LimitReached, Stage::Filesystem, detail));
    }
    if shadow_copies {
        let detail = "shadow copies present, not examined";
        problems.push(Problem::new(Code::UnsupportedVolume, Stage::Filesystem, detail));
    }
    (listing.bytes, listing.unowned) = (bytes, unowned);
    listing.problems = problems.into_vec();
    listing.stopped = !finished;
    listing
}

/// The owners that the volume keeps for all objects.
fn owners(gather: &mut Gather<'_>) -> Owners {
    let Some(object) = gather.by_number(system::SECURE) else { return Owners::default() };
    let Some(stream) = object.streams.get(&b"$SDS"[..]) else { return Owners::default() };
    let small = Small::Clusters(stream.runs.clone(), stream.size);
    let bytes = gather.bytes(&small, secure::MOST_BYTES);
    bytes.map(|bytes| Owners::parse(&bytes)).unwrap_or_default()
}

/// The second pass on its way.
struct Lister<'a> {
    owners: Owners,
    gather: Gather<'a>,
    geometry: &'a Geometry,
    survey: &'a Survey,
    tree: Tree<'a>,
    judge: Judge<'a>,
    balance: Balance<'a>,
    root: &'a ObjectPath,
    /// How often a name was met in its folder, of names that stand there more than once.
    twins: HashMap<(u64, Vec<u8>), u64>,
    indexes: Indexes,
    /// How many names that stand alone were given.
    remnants: usize,
    shadow_copies: bool,
    listing: Listing,
}

impl Lister<'_> {
    fn record(
        &mut self,
        number: u64,
        state: State,
        bytes: &[u8],
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !matches!(state, State::Whole | State::Torn) {
            return ControlFlow::Continue(());
        }
        let Ok(record) = Record::parse(bytes) else { return ControlFlow::Continue(()) };
        if record.base.is_some() {
            return ControlFlow::Continue(());
        }
        let object = self.gather.object(number, &record);
        if object.in_use {
            if state == State::Whole {
                self.indexes.check(&object, self.survey);
            }
            self.existing(&object, state, emit)
        } else if system::is_reserved(number) || number == system::ROOT {
            ControlFlow::Continue(())
        } else {
            let left = self.indexes.remnants.name_of(number).filter(|_| object.names.is_empty());
            let left = left.cloned();
            let named = match &left {
                Some(name) => vec![self.given(&object, name)],
                None => self.deleted_names(&object),
            };
            self.rows(&object, &named, state, emit)
        }
    }

    /// Gives the names that stand alone, up to those of a record.
    fn remnants(
        &mut self,
        record: u64,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while let Some(left) = self.indexes.remnants.alone(self.remnants, record) {
            self.remnants = self.remnants.saturating_add(1);
            let folder = self.tree.folder(left.folder, true);
            let folder = folder.filter(|folder| folder.standing != Standing::System);
            if let Some(folder) = folder {
                emit(row::remnant(&folder.path, left))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// A deleted object by a name that an index left.
    fn given<'o>(&mut self, object: &Object, name: &'o FileName) -> Named<'o> {
        let folder = self.tree.folder(name.parent, true);
        let folder = folder.filter(|folder| folder.standing != Standing::System);
        let folder = folder.map_or_else(|| self.tree.orphans().clone(), |folder| folder.path);
        Named {
            path: folder.below(&name.name),
            marks: vec![system::fs_ref(object.reference)],
            alloc: AllocStatus::Deleted,
            name: Some(name),
            remnant: true,
        }
    }

    fn existing(
        &mut self,
        object: &Object,
        state: State,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let number = object.reference.record;
        self.balance.structure(&object.structures);
        if system::is_reserved(number) {
            for (name, stream) in &object.streams {
                match (number, name.as_slice()) {
                    (system::BAD_CLUSTERS, b"$Bad") => self.balance.bad(&stream.runs),
                    _ => self.balance.structure(&stream.runs),
                }
            }
            return ControlFlow::Continue(());
        }
        let named = match number {
            system::ROOT => Some(vec![Named {
                path: self.root.clone(),
                marks: Vec::new(),
                alloc: AllocStatus::Allocated,
                name: object.names.first(),
                remnant: false,
            }]),
            _ => self.existing_names(object),
        };
        let Some(named) = named else {
            object.streams.values().for_each(|stream| self.balance.structure(&stream.runs));
            return ControlFlow::Continue(());
        };
        object.streams.values().for_each(|stream| self.balance.content(stream));
        self.listing.existing = self.listing.existing.saturating_add(1);
        self.rows(object, &named, state, emit)
    }

    /// The names of an existing object; `None` where it is part of the file system.
    fn existing_names<'o>(&mut self, object: &'o Object) -> Option<Vec<Named<'o>>> {
        let mark = system::fs_ref(object.reference);
        let mut named = Vec::with_capacity(object.names.len());
        for name in &object.names {
            let folder = self.tree.folder(name.parent, true);
            let (folder, alloc) = match folder {
                Some(folder) if folder.standing == Standing::System => {
                    if name.parent.record == system::EXTEND
                        && name.name == system::DELETED_WHILE_OPEN
                        && object.directory
                    {
                        (folder.path, AllocStatus::Allocated)
                    } else {
                        return None;
                    }
                }
                Some(folder) if folder.standing == Standing::Existing => {
                    (folder.path, AllocStatus::Allocated)
                }
                Some(folder) => (folder.path, AllocStatus::Orphan),
                None => (self.tree.orphans().clone(), AllocStatus::Orphan),
            };
            let marks = match alloc {
                AllocStatus::Allocated => self.twin(name).into_iter().collect(),
                _ => vec![mark.clone()],
            };
            self.shadow_copies |= is_shadow_copy(&name.name);
            let path = folder.below(&name.name);
            named.push(Named { path, marks, alloc, name: Some(name), remnant: false });
        }
        if named.is_empty() {
            named.push(self.nameless(object, AllocStatus::Orphan));
        }
        tell_apart(&mut named);
        Some(named)
    }

    /// The names of a deleted object; none where it was part of the file system.
    fn deleted_names<'o>(&mut self, object: &'o Object) -> Vec<Named<'o>> {
        let marks = vec![system::fs_ref(object.reference)];
        let mut named = Vec::with_capacity(object.names.len());
        for name in &object.names {
            let folder = match self.tree.folder(name.parent, false) {
                Some(folder) if folder.standing == Standing::System => return Vec::new(),
                Some(folder) => folder.path,
                None => self.tree.orphans().clone(),
            };
            let (path, marks, alloc) =
                (folder.below(&name.name), marks.clone(), AllocStatus::Deleted);
            named.push(Named { path, marks, alloc, name: Some(name), remnant: false });
        }
        if named.is_empty() {
            named.push(self.nameless(object, AllocStatus::Deleted));
        }
        tell_apart(&mut named);
        named
    }

    fn nameless(&self, object: &Object, alloc: AllocStatus) -> Named<'static> {
        let path = self.tree.orphans().given_below("nameless");
        let marks = vec![system::fs_ref(object.reference)];
        Named { path, marks, alloc, name: None, remnant: false }
    }

    /// What tells a name apart from the same one that was met in its folder before.
    fn twin(&mut self, name: &FileName) -> Option<String> {
        if !self.survey.is_twin(name.parent, &name.name) {
            return None;
        }
        let met = self.twins.entry((name.parent.record, name.name.clone())).or_insert(0);
        *met = met.saturating_add(1);
        (*met > 1).then(|| met.to_string())
    }

    /// Gives the rows of an object.
    fn rows(
        &mut self,
        object: &Object,
        named: &[Named<'_>],
        state: State,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(first) = named.first() else { return ControlFlow::Continue(()) };
        let meaning = object.reparse.as_ref().map(|small| {
            let bytes = self.gather.bytes(small, reparse::MOST_BYTES).unwrap_or_default();
            reparse::meaning(&bytes)
        });
        let is_link = matches!(meaning, Some(Meaning::Link(_) | Meaning::Special(..)));
        let subject = Subject {
            object,
            owner: self.owner(object),
            meaning,
            torn: state == State::Torn,
            geometry: self.geometry,
        };
        let folder = object.directory && !is_link;
        if folder && object.in_use {
            self.listing.directories = self.listing.directories.saturating_add(1);
        }
        let blank = first.name.is_none() && object.streams.values().all(|s| s.size == 0);
        if !folder && !blank {
            for name in named {
                emit(subject.file(name, named.len(), &mut self.judge))?;
            }
        }
        for (name, stream) in &object.streams {
            if folder || !name.is_empty() {
                emit(subject.stream(first, name, stream, &mut self.judge))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn owner(&self, object: &Object) -> String {
        if let Some(id) = object.information.security.filter(|id| *id != 0) {
            return self.owners.of(id);
        }
        let descriptor = object.security.as_ref();
        let bytes = descriptor.and_then(|small| self.gather.bytes(small, secure::MOST_OF_ONE));
        bytes.and_then(|bytes| secure::owner(&bytes)).unwrap_or_default()
    }
}

/// Gives every later one of equal paths of one object a number.
fn tell_apart(named: &mut [Named<'_>]) {
    let mut met: HashMap<String, u64> = HashMap::new();
    if named.len() < 2 {
        return;
    }
    for name in named.iter_mut().filter(|name| name.alloc != AllocStatus::Allocated) {
        let times = met.entry(name.path.text()).or_insert(0);
        *times = times.saturating_add(1);
        if *times > 1 {
            name.marks.push(times.to_string());
        }
    }
}

fn is_shadow_copy(name: &[u8]) -> bool {
    name.windows(SHADOW_COPY.len()).any(|part| part.eq_ignore_ascii_case(SHADOW_COPY))
}
