//! Objects carved from the space of a volume that nobody owns, after the file system's own objects.
//!
//! A file that the file system still lists as deleted, and whose bytes it still names, has a row
//! already: what carving finds at its start, run for run the same, is not listed again.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::bytes::ReadAt;
use crate::evidence::carve::{Carved, Space, Summary, carve};
use crate::evidence::filesystem::{FileSystem, Node, NodeContent, Runs, Unowned};
use crate::item::{
    AllocStatus, Extent, ItemMeta, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis,
};
use crate::problem::{Code, Problem, Stage};

/// Deleted objects whose places are remembered; of more, duplicates are listed.
const MOST: usize = 1 << 20;
/// Bytes looked at at once, a multiple of every block size.
const LOOK: usize = 1 << 20;
/// Bytes of a block where there is no file system.
const SECTOR: u64 = 512;

/// Where the contents of deleted objects lie that have rows.
#[derive(Default)]
pub(super) struct Recovered {
    by_start: HashMap<u64, Box<[Extent]>>,
}

impl Recovered {
    /// Remembers an object whose bytes are all named.
    pub(super) fn note(&mut self, node: &Node) {
        let NodeContent::Extents(extents) = &node.content else { return };
        let whole = extents.iter().all(|extent| matches!(extent.place, Place::Disk(_)));
        let Some(Place::Disk(start)) = extents.first().map(|extent| &extent.place) else { return };
        if node.meta.alloc != AllocStatus::Allocated && whole && self.by_start.len() < MOST {
            self.by_start.entry(*start).or_insert_with(|| extents.as_slice().into());
        }
    }

    /// True where an object with a row begins with exactly these bytes.
    fn has(&self, carved: &[Extent]) -> bool {
        let Some(Place::Disk(start)) = carved.first().map(|extent| &extent.place) else {
            return false;
        };
        let Some(known) = self.by_start.get(start) else { return false };
        let Some((last, before)) = carved.split_last() else { return false };
        let Some((same, rest)) = known.split_at_checked(before.len()) else { return false };
        let ends = rest.first().is_some_and(|run| run.place == last.place && run.len >= last.len);
        same == before && ends
    }
}

/// What a volume is carved for.
pub(super) struct Carving<'a> {
    pub(super) volume: &'a Arc<dyn ReadAt>,
    /// The path of the volume.
    pub(super) root: &'a ObjectPath,
    /// Bytes of a cluster.
    pub(super) block: Option<u64>,
    /// The file system, where there is one that was read.
    pub(super) system: Option<&'a dyn FileSystem>,
    pub(super) recovered: &'a Recovered,
    pub(super) cancel: &'a AtomicBool,
}

impl Carving<'_> {
    /// Gives what lies in nobody's space: first in the free clusters, then in each piece of slack.
    /// Returns what is to be said of the volume, and whether it was stopped.
    pub(super) fn run(
        &self,
        unowned: Unowned,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> (Vec<Problem>, bool) {
        let Unowned { free, slack } = unowned;
        let ((free, more_free), (slack, more_slack)) = (free.sorted(), slack.sorted());
        let mut told = Told { left_out: more_free.saturating_add(more_slack), ..Told::default() };
        let block = self.block.unwrap_or(SECTOR);
        let free = match self.system.filter(|system| system.leaves_maps()) {
            Some(system) => self.without_maps(system, &free, block),
            None => free,
        };
        let space = Space { runs: free, block };
        self.space(&space, AllocStatus::Carved, &mut told, emit);
        for run in slack {
            if told.stopped {
                break;
            }
            let space = Space { runs: vec![run], block };
            self.space(&space, AllocStatus::Slack, &mut told, emit);
        }
        (told.problems(), told.stopped)
    }

    /// The runs without blocks that hold maps of deleted objects' blocks.
    fn without_maps(
        &self,
        system: &dyn FileSystem,
        runs: &[(u64, u64)],
        block: u64,
    ) -> Vec<(u64, u64)> {
        let mut left = Runs::default();
        let size = usize::try_from(block).unwrap_or(usize::MAX);
        let mut buffer = vec![0; LOOK];
        for (start, len) in runs {
            let (mut at, end) = (*start, start.saturating_add(*len));
            while at < end {
                let want = usize::try_from(end.saturating_sub(at)).map_or(LOOK, |n| n.min(LOOK));
                let bytes = buffer.get_mut(..want).unwrap_or_default();
                // What cannot be read is met again where it is searched.
                let n = self.volume.fill_at(at, bytes).unwrap_or(0);
                let bytes = bytes.get(..n).unwrap_or_default();
                let mut place = at;
                for piece in bytes.chunks(size.max(1)) {
                    let len = u64::try_from(piece.len()).unwrap_or(0);
                    if piece.len() < size || !system.is_leftover_map(place, piece) {
                        left.push(place, len);
                    }
                    place = place.saturating_add(len);
                }
                let next = at.saturating_add(u64::try_from(want).unwrap_or(1).max(1));
                left.push(place, next.saturating_sub(place));
                at = next;
            }
        }
        left.sorted().0
    }

    fn space(
        &self,
        space: &Space,
        alloc: AllocStatus,
        told: &mut Told,
        emit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) {
        let mut give = |carved: Carved| match self.recovered.has(&carved.extents) {
            true => ControlFlow::Continue(()),
            false => emit(self.node(carved, alloc)),
        };
        told.add(&carve(self.volume, space, self.cancel, &mut give));
    }

    fn node(&self, carved: Carved, alloc: AllocStatus) -> Node {
        let folder = if alloc == AllocStatus::Slack { "$Slack" } else { "$Unallocated" };
        let start = carved.extents.iter().find_map(|extent| match extent.place {
            Place::Disk(at) => Some(at),
            _ => None,
        });
        let extension = carved.kind.extensions().first().copied().unwrap_or("bin");
        let name = format!("{}.{extension}", start.unwrap_or_default());
        let basis = if carved.validated {
            RecoveryBasis::CarvedValidated
        } else {
            RecoveryBasis::CarvedTruncated
        };
        let meta = ItemMeta {
            alloc,
            basis: Some(basis),
            attribution: Some(NameAttribution::None),
            size: Some(carved.len),
            ..ItemMeta::new(ObjectKind::Carved)
        };
        Node {
            path: self.root.given_below(folder).given_below(&name),
            meta,
            content: NodeContent::Extents(carved.extents),
            problems: Vec::new(),
        }
    }
}

/// What searching gave beside objects.
#[derive(Default)]
struct Told {
    left_out: u64,
    unread: u64,
    not_followed: u64,
    not_joined: u64,
    not_listed: u64,
    stopped: bool,
}

impl Told {
    fn add(&mut self, summary: &Summary) {
        for (sum, more) in [
            (&mut self.unread, summary.bytes_unreadable),
            (&mut self.not_followed, summary.not_followed),
            (&mut self.not_joined, summary.not_joined),
            (&mut self.not_listed, summary.not_listed),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.stopped |= summary.stopped;
    }

    fn problems(&self) -> Vec<Problem> {
        let limit = Code::LimitReached;
        let said = [
            (self.unread, Code::IoError, "bytes that no object owns cannot be read and searched"),
            (self.left_out, limit, "bytes of free space in too many pieces were not searched"),
            (self.not_followed, limit, "possible beginnings of pictures were not followed"),
            (self.not_joined, limit, "broken pictures were not tried with a second fragment"),
            (self.not_listed, limit, "carved objects are not listed"),
        ];
        let told = said.into_iter().filter(|(count, ..)| *count > 0);
        let problem =
            |(count, code, what)| Problem::new(code, Stage::Carve, format!("{count} {what}"));
        told.map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(alloc: AllocStatus, extents: Vec<Extent>) -> Node {
        Node {
            path: ObjectPath::evidence(1).given_inside("p0").below(b"a.jpg"),
            meta: ItemMeta { alloc, ..ItemMeta::new(ObjectKind::File) },
            content: NodeContent::Extents(extents),
            problems: Vec::new(),
        }
    }

    #[test]
    fn only_what_a_deleted_object_begins_with_is_a_duplicate() {
        let mut recovered = Recovered::default();
        recovered.note(&node(
            AllocStatus::Deleted,
            vec![Extent::disk(4096, 8192), Extent::disk(40_960, 4096)],
        ));
        let has = |extents: &[Extent]| recovered.has(extents);
        assert!(has(&[Extent::disk(4096, 100)]));
        assert!(has(&[Extent::disk(4096, 8192), Extent::disk(40_960, 7)]));
        assert!(!has(&[Extent::disk(4096, 8193)]), "goes on elsewhere");
        assert!(!has(&[Extent::disk(4096, 4096), Extent::disk(40_960, 7)]), "parts elsewhere");
        assert!(!has(&[Extent::disk(4608, 100)]), "begins inside");
        assert!(!has(&[]));
    }

    #[test]
    fn existing_objects_and_incomplete_ones_hide_nothing() {
        let mut recovered = Recovered::default();
        recovered.note(&node(AllocStatus::Allocated, vec![Extent::disk(0, 512)]));
        let missing = Extent::missing(512, Code::Overwritten, "x");
        recovered.note(&node(AllocStatus::Deleted, vec![Extent::disk(0, 512), missing]));
        assert!(!recovered.has(&[Extent::disk(0, 512)]));
    }
}
