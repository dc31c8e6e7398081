//! From the bytes of a medium to items: partition table, file systems, objects.
//!
//! Each volume is parsed and listed under a guard: a defect of a reader costs its volume, which is
//! then said, and not the run. An object's metadata is complete when it is listed; only its bytes
//! are read later, by whoever examines it.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::carved::{Carving, Recovered};
use super::open::{Opened, open};
use super::shared::Shared;

use crate::bytes::{ReadAt, Section};
use crate::digest::Digest;
use crate::evidence::filesystem::Options;
use crate::evidence::filesystem::{
    ByteClasses, ExtentStream, FileSystem, Listing, Node, NodeContent, Unowned,
};
use crate::evidence::partition::{self, Part, Role};
use crate::evidence::{Action, Located, VolumeRow, Walked};
use crate::item::{
    AllocStatus, Contents, Examined, Extent, Found, Item, ItemMeta, ObjectPath, OrderKey, Place,
    Status,
};
use crate::problem::{Code, Problem, Stage};

/// Bytes of zeros stored nowhere that are hashed of one object: an entry of a few bytes can claim
/// more than a year of them.
pub const HOLES_OF_ONE: u64 = 64 << 30;
/// Bytes of zeros stored nowhere that are hashed of all objects of a volume.
pub const HOLES_OF_ALL: u64 = 1 << 40;

/// What a medium is the medium of.
#[derive(Clone, Copy)]
pub(super) enum Root<'a> {
    /// The evidence item of this number.
    Evidence(u32),
    /// An object inside evidence.
    Inside(&'a super::Found),
}

impl Root<'_> {
    pub(super) fn key(self) -> OrderKey {
        match self {
            Self::Evidence(number) => OrderKey::evidence(number),
            Self::Inside(found) => found.key.clone(),
        }
    }

    pub(super) fn path(self) -> ObjectPath {
        match self {
            Self::Evidence(number) => ObjectPath::evidence(number),
            Self::Inside(found) => found.path.clone(),
        }
    }

    fn volume_key(self, ordinal: u64) -> OrderKey {
        match self {
            Self::Evidence(number) => OrderKey::evidence(number).child(ordinal),
            Self::Inside(found) => found.key.volume_inside(ordinal),
        }
    }

    /// What the tables call a volume: no two of one evidence item have the same name.
    fn volume_name(self, path: &ObjectPath, name: &str) -> String {
        match self {
            Self::Evidence(_) => name.to_owned(),
            Self::Inside(_) => path.text(),
        }
    }

    /// What the objects' `container_alloc_status` says.
    fn container(self) -> Option<AllocStatus> {
        match self {
            Self::Evidence(_) => None,
            Self::Inside(found) => Some(found.alloc),
        }
    }

    /// A number that no other volume of the run has, nor a device of this machine: names of one
    /// content are told by it. Of evidence it is counted. Of images inside, which have keys of any
    /// length, it is a digest of the key: two that were equal would do no harm but to two contents
    /// of the same file number, size and times.
    fn device(self, volume: &OrderKey) -> u64 {
        match self {
            Self::Evidence(number) => {
                let last = volume.as_bytes().last_chunk::<4>();
                let ordinal = last.map_or(0, |last| u32::from_be_bytes(*last));
                !(u64::from(number) << 32 | u64::from(ordinal))
            }
            Self::Inside(_) => {
                let digest = Digest::sha256(&[volume.as_bytes()]);
                let first = digest.bytes().first_chunk::<8>();
                // Apart from those that are counted.
                first.map_or(0, |first| u64::from_be_bytes(*first)) >> 2 | 1 << 63
            }
        }
    }
}

/// A medium on its way to items.
pub(super) struct Walk<'a> {
    pub(super) media: &'a Arc<dyn ReadAt>,
    pub(super) sector_size: u32,
    pub(super) options: &'a Options,
    /// Whether space that no object owns is searched for objects.
    pub(super) carve: bool,
    pub(super) root: Root<'a>,
    pub(super) cancel: &'a AtomicBool,
    pub(super) emit: &'a mut dyn FnMut(Item) -> ControlFlow<()>,
}

impl Walk<'_> {
    /// Gives every object of every volume, in order.
    pub(super) fn run(mut self) -> Walked {
        let mut walked = Walked { media: self.media.len(), ..Walked::default() };
        let (key, path) = (self.root.key(), self.root.path());
        let located = |problem| Located { key: key.clone(), path: path.text(), problem };
        let read = || partition::read(&**self.media, self.sector_size);
        let Ok(layout) = catch_unwind(AssertUnwindSafe(read)) else {
            let detail = "the program failed on the partition table; report the defect";
            let problem = Problem::new(Code::InternalError, Stage::Partition, detail);
            walked.problems.push(located(problem));
            return walked;
        };
        walked.problems.extend(layout.problems.into_iter().map(located));
        for (ordinal, part) in (0..).zip(&layout.parts) {
            if walked.stopped {
                break;
            }
            let table = (layout.scheme.as_str(), layout.sector_size);
            self.volume(ordinal, part, table, &mut walked);
        }
        walked
    }

    fn volume(&mut self, ordinal: u64, part: &Part, table: (&str, u32), walked: &mut Walked) {
        let key = self.root.volume_key(ordinal);
        let path = self.root.path().given_inside(&part.name);
        let name = self.root.volume_name(&path, &part.name);
        let mut row = blank(part, table, name.clone());
        let before = walked.seen;
        let volume: Arc<dyn ReadAt> =
            Arc::new(Section::new(Arc::clone(self.media), part.start, part.len));
        let done = catch_unwind(AssertUnwindSafe(|| {
            let container = self.root.container();
            let name = name.as_str();
            let mut out = Out { key: &key, volume: &volume, part, name, container, ordinal: 0 };
            if part.role == Role::Volume {
                self.examine(&mut out, &path, &mut row, walked)
            } else {
                let unowned = whole(part.len);
                self.carve(&mut out, &path, (unowned, &Recovered::default()), None, &row, walked)
            }
        }));
        let problems = done.unwrap_or_else(|_| {
            row.action = Action::NotExamined;
            row.reason = Some(Code::InternalError);
            let unexamined = row.owned();
            row.bytes = ByteClasses { unexamined, ..ByteClasses::default() };
            let detail = "the program failed on this volume; report the defect";
            vec![Problem::new(Code::InternalError, Stage::Filesystem, detail)]
        });
        row.objects_found = walked.seen.saturating_sub(before);
        let located = |problem| Located { key: key.clone(), path: path.text(), problem };
        walked.problems.extend(problems.into_iter().map(located));
        walked.volumes.push(row);
    }

    /// Lists a volume's objects and what lies in its space beside them; returns what is wrong with it
    /// as a whole.
    fn examine(
        &mut self,
        out: &mut Out<'_>,
        path: &ObjectPath,
        row: &mut VolumeRow,
        walked: &mut Walked,
    ) -> Vec<Problem> {
        let mut shared = Shared::new(&out.part.shared);
        let (system, beside) = match open(out.volume, out.part, self.options) {
            Opened::System(system, beside) => (system, beside),
            Opened::Nothing { fs_type, encryption, opaque, problem } => {
                row.action = Action::NotExamined;
                row.reason = Some(problem.code);
                row.bytes.unexamined = row.owned();
                (row.fs_type, row.encryption) = (fs_type, encryption);
                let unowned = if opaque { Unowned::default() } else { whole(row.length) };
                let unowned = shared.space(unowned);
                let found = (unowned, &Recovered::default());
                let told = self.carve(out, path, found, None, row, walked);
                return std::iter::once(problem).chain(told).collect();
            }
        };
        describe(row, &*system);
        let mut holes = 0_u64;
        let mut recovered = Recovered::default();
        let device = self.root.device(out.key);
        let (emit, cancel) = (&mut *self.emit, self.cancel);
        let mut give = |mut node: Node| {
            walked.seen = walked.seen.saturating_add(1);
            limit_holes(&mut node, &mut holes);
            if let Some(link) = &mut node.meta.link {
                link.device = device;
            }
            recovered.note(&node);
            shared.note(&node);
            emit(out.item(node, &system.facts().fs_type))
        };
        let Listing { directories, existing, bytes, unowned, mut problems, stopped } =
            system.list(path, cancel, &mut give);
        walked.directories = walked.directories.saturating_add(directories);
        walked.stopped |= stopped;
        problems.extend(beside);
        row.bytes = bytes;
        if stopped {
            return problems;
        }
        problems.extend(contradictions(row, existing));
        let unowned = shared.cede(&mut row.bytes, unowned);
        problems.extend(self.carve(out, path, (unowned, &recovered), Some(&*system), row, walked));
        problems
    }

    /// Searches what no object owns; returns what could not be searched.
    fn carve(
        &mut self,
        out: &mut Out<'_>,
        root: &ObjectPath,
        (unowned, recovered): (Unowned, &Recovered),
        system: Option<&dyn FileSystem>,
        row: &VolumeRow,
        walked: &mut Walked,
    ) -> Vec<Problem> {
        if !self.carve {
            return Vec::new();
        }
        let (volume, block) = (out.volume, row.cluster_size);
        let carving = Carving { volume, root, block, system, recovered, cancel: self.cancel };
        let emit = &mut *self.emit;
        let (problems, stopped) = carving.run(unowned, &mut |node: Node| {
            walked.seen = walked.seen.saturating_add(1);
            emit(out.item(node, &row.fs_type))
        });
        walked.stopped |= stopped;
        problems
    }
}

/// Space of which nothing is anybody's.
fn whole(length: u64) -> Unowned {
    let mut unowned = Unowned::default();
    unowned.free.push(0, length);
    unowned
}

/// Where the items of a volume get their places.
struct Out<'a> {
    key: &'a OrderKey,
    volume: &'a Arc<dyn ReadAt>,
    part: &'a Part,
    name: &'a str,
    container: Option<AllocStatus>,
    ordinal: u64,
}

/// Leaves out the content of an object that claims more zeros than are hashed.
fn limit_holes(node: &mut Node, of_all: &mut u64) {
    let NodeContent::Extents(extents) = &node.content else { return };
    let holes = extents.iter().filter(|extent| extent.place == Place::Hole);
    let holes = holes.fold(0, |sum: u64, extent| sum.saturating_add(extent.len));
    let sum = of_all.saturating_add(holes);
    if holes <= HOLES_OF_ONE && sum <= HOLES_OF_ALL {
        *of_all = sum;
        return;
    }
    let detail = format!(
        "{holes} bytes of zeros that are stored nowhere: {HOLES_OF_ONE} are read of one object, \
         {HOLES_OF_ALL} of one volume"
    );
    let problem = Problem::new(Code::LimitReached, Stage::Read, detail);
    node.content = NodeContent::Nothing { status: Status::Skipped, problem };
}

/// What the file system counts and the reader did not find.
fn contradictions(row: &VolumeRow, existing: u64) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(count) = row.fs_object_count.filter(|count| *count != existing) {
        let detail = format!("the file system counts {count} objects, {existing} were found");
        problems.push(Problem::new(Code::CountMismatch, Stage::Filesystem, detail));
    }
    // What another volume owns of it is not taken out yet.
    if row.bytes.total() != row.length {
        let (sum, length) = (row.bytes.total(), row.length);
        let detail = format!("the classes of its bytes sum to {sum}, it has {length}");
        problems.push(Problem::new(Code::InternalError, Stage::Filesystem, detail));
    }
    problems
}

fn blank(part: &Part, (scheme, sector_size): (&str, u32), volume: String) -> VolumeRow {
    let mut bytes = ByteClasses::default();
    let action = if part.role == Role::Volume {
        Action::Examined
    } else {
        // The tables themselves are the only structures outside volumes.
        bytes.metadata = part.table_bytes.min(part.len);
        bytes.unallocated = part.len.saturating_sub(bytes.metadata);
        Action::Gap
    };
    VolumeRow {
        volume,
        start: part.start,
        length: part.len,
        shared: part.shared.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len)),
        sector_size,
        scheme: scheme.to_owned(),
        type_id: part.type_id.clone(),
        fs_type: String::new(),
        label: part.label.clone(),
        serial: String::new(),
        cluster_size: None,
        encryption: String::new(),
        bytes,
        fs_object_count: None,
        objects_found: 0,
        action,
        reason: None,
    }
}

fn describe(row: &mut VolumeRow, system: &dyn FileSystem) {
    let facts = system.facts();
    row.fs_type.clone_from(&facts.fs_type);
    row.serial.clone_from(&facts.serial);
    row.cluster_size = Some(facts.cluster_size);
    row.fs_object_count = facts.object_count;
    if !facts.label.is_empty() {
        row.label.clone_from(&facts.label);
    }
}

impl Out<'_> {
    fn item(&mut self, node: Node, fs_type: &str) -> Item {
        let Node { path, mut meta, content, problems } = node;
        self.name.clone_into(&mut meta.volume);
        meta.container_alloc = self.container;
        fs_type.clone_into(&mut meta.fs_type);
        if let NodeContent::Extents(extents) = &content {
            let mut on_disk = extents.iter().flat_map(on_disk);
            meta.disk_offset = on_disk.next().map(|at| self.part.start.saturating_add(at));
            let more = u64::from(meta.disk_offset.is_some());
            let count = u64::try_from(on_disk.count()).unwrap_or(u64::MAX);
            meta.extent_count = Some(count.saturating_add(more));
        }
        let key = self.key.child(self.ordinal);
        self.ordinal = self.ordinal.saturating_add(1);
        let volume = Arc::clone(self.volume);
        Item { path, key, found: Box::new(Listed { volume, meta, content, problems }) }
    }
}

/// Where the parts of an extent begin in the volume that are stored there.
fn on_disk(extent: &Extent) -> Vec<u64> {
    match &extent.place {
        Place::Disk(at) => vec![*at],
        Place::Lznt1 { runs, .. } => runs.iter().map(|(at, _)| *at).collect(),
        Place::Hole | Place::Resident(_) | Place::Missing(..) => Vec::new(),
    }
}

/// An object of a volume, of which everything but its bytes is known.
struct Listed {
    volume: Arc<dyn ReadAt>,
    meta: ItemMeta,
    content: NodeContent,
    problems: Vec<Problem>,
}

impl Found for Listed {
    fn examine(self: Box<Self>) -> Examined {
        let Self { volume, meta, content, problems } = *self;
        let contents = match content {
            NodeContent::Extents(extents) => {
                Contents::Stream(Box::new(ExtentStream::new(volume, extents)))
            }
            NodeContent::Nothing { status, problem } => Contents::Nothing { status, problem },
        };
        Examined { meta, contents, problems }
    }

    /// The image is the same, or the run is not taken up: equal metadata is the same object.
    fn unchanged(&self, meta: &ItemMeta) -> bool {
        self.meta == *meta
    }

    fn place(&self) -> Option<u64> {
        self.meta.disk_offset
    }

    fn extents(&self) -> &[Extent] {
        match &self.content {
            NodeContent::Extents(extents) => extents,
            NodeContent::Nothing { .. } => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ObjectKind;

    fn sparse(holes: u64) -> Node {
        let hole = Extent { len: holes, place: Place::Hole };
        Node {
            path: ObjectPath::evidence(1).given_inside("p0").below(b"sparse"),
            meta: ItemMeta::new(ObjectKind::File),
            content: NodeContent::Extents(vec![Extent::disk(0, 512), hole]),
            problems: Vec::new(),
        }
    }

    fn is_left_out(node: &Node) -> bool {
        matches!(&node.content, NodeContent::Nothing { problem, .. } if problem.code == Code::LimitReached)
    }

    #[test]
    fn zeros_that_nobody_stored_are_read_up_to_a_limit() {
        let mut of_all = 0;
        for holes in [0, 1 << 20, HOLES_OF_ONE] {
            let mut node = sparse(holes);
            limit_holes(&mut node, &mut of_all);
            assert!(!is_left_out(&node), "{holes}");
        }
        for holes in [HOLES_OF_ONE + 1, u64::MAX] {
            let mut node = sparse(holes);
            limit_holes(&mut node, &mut of_all);
            assert!(is_left_out(&node), "{holes}");
        }
        let read = (0..100).filter(|_| {
            let mut node = sparse(HOLES_OF_ONE);
            limit_holes(&mut node, &mut of_all);
            !is_left_out(&node)
        });
        assert_eq!(read.count(), 14, "16 of 64 GiB each are 1 TiB, two of them were there before");
    }

    #[test]
    fn no_two_volumes_share_the_number_that_links_are_told_by() {
        let key = |evidence, ordinal| OrderKey::evidence(evidence).child(ordinal);
        let mut all = std::collections::BTreeSet::new();
        for (evidence, ordinal) in [(1, 0), (1, 1), (2, 0), (2, 1), (1, 257)] {
            let root = Root::Evidence(evidence);
            assert!(all.insert(root.device(&key(evidence, ordinal))));
            let path = ObjectPath::evidence(evidence).inside(b"a.vhd");
            let (key, alloc) = (key(evidence, ordinal), AllocStatus::Allocated);
            let found = crate::evidence::image::Found { path, key, alloc };
            let root = Root::Inside(&found);
            assert!(all.insert(root.device(&root.volume_key(0))));
            assert!(all.insert(root.device(&root.volume_key(1))));
        }
        assert!(all.iter().all(|device| *device > u64::MAX / 2), "no device has such a number");
    }
}
