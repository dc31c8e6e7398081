//! Bytes that two entries of a partition table claim: they count once, for the entry that stands
//! first in the table.
//!
//! The file system of the later volume counts its bytes as if all were its own, and its objects have
//! rows like any other. What it says of bytes that are another's is then taken out of its classes,
//! class by class from where that class is known: free space and slack from their runs, content
//! from the extents of existing objects. Where shared bytes are neither, they are structures, or
//! cannot be read, or have no owner.

use crate::evidence::filesystem::{ByteClasses, Node, NodeContent, Runs, Unowned};
use crate::item::{AllocStatus, Extent, Place};

/// What the shared bytes of a volume are.
pub(super) struct Shared<'a> {
    /// First byte in the volume and length, in order, apart from each other.
    spans: &'a [(u64, u64)],
    content: Runs,
}

impl<'a> Shared<'a> {
    pub(super) fn new(spans: &'a [(u64, u64)]) -> Self {
        Self { spans, content: Runs::default() }
    }

    /// Bytes that are another's.
    pub(super) fn bytes(&self) -> u64 {
        self.spans.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }

    /// Notes where an existing object has its content.
    pub(super) fn note(&mut self, node: &Node) {
        if self.spans.is_empty() || node.meta.alloc != AllocStatus::Allocated {
            return;
        }
        let NodeContent::Extents(extents) = &node.content else { return };
        for Extent { len, place } in extents {
            match place {
                Place::Disk(at) => self.content.push(*at, *len),
                Place::Lznt1 { runs, .. } => {
                    runs.iter().for_each(|(at, len)| self.content.push(*at, *len));
                }
                Place::Hole | Place::Resident(_) | Place::Missing(..) => {}
            }
        }
    }

    /// Takes the shared bytes out of what a volume counts and of what is to be searched.
    pub(super) fn cede(&self, classes: &mut ByteClasses, unowned: Unowned) -> Unowned {
        let left = self.space(unowned.clone());
        let within = |all: &Runs, left: &Runs| all.bytes().saturating_sub(left.bytes());
        let content = once(self.content.clone());
        let (free, slack) =
            (within(&unowned.free, &left.free), within(&unowned.slack, &left.slack));
        let content = within(&content, &content.without(self.spans));
        let ByteClasses {
            metadata,
            allocated,
            slack: slack_class,
            unallocated,
            unread,
            unexamined,
        } = classes;
        let mut rest = self.bytes();
        let mut take = |class: &mut u64, most: u64| {
            let taken = most.min(rest).min(*class);
            *class = class.saturating_sub(taken);
            rest = rest.saturating_sub(taken);
            taken
        };
        let of_free = take(unallocated, free);
        take(unexamined, free.saturating_sub(of_free));
        take(slack_class, slack);
        take(allocated, content);
        for class in [metadata, unread, unexamined, unallocated, slack_class, allocated] {
            take(class, u64::MAX);
        }
        left
    }

    /// Space without the shared bytes: who owns them has them searched.
    pub(super) fn space(&self, unowned: Unowned) -> Unowned {
        if self.spans.is_empty() {
            return unowned;
        }
        let Unowned { free, slack } = unowned;
        Unowned { free: free.without(self.spans), slack: slack.without(self.spans) }
    }
}

/// The same bytes, each in one run only.
fn once(runs: Runs) -> Runs {
    let (mut once, mut reached) = (Runs::default(), 0_u64);
    for (at, len) in runs.sorted().0 {
        let end = at.saturating_add(len);
        let at = at.max(reached);
        once.push(at, end.saturating_sub(at));
        reached = reached.max(end);
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{ItemMeta, ObjectKind, ObjectPath};

    fn file(extents: Vec<Extent>) -> Node {
        Node {
            path: ObjectPath::evidence(1).given_inside("p1").below(b"a"),
            meta: ItemMeta { alloc: AllocStatus::Allocated, ..ItemMeta::new(ObjectKind::File) },
            content: NodeContent::Extents(extents),
            problems: Vec::new(),
        }
    }

    #[test]
    fn each_class_gives_what_of_it_is_another_volumes() {
        // Structures 0..100, content 100..140 and slack ..150, free 150..200; two names of one file.
        let mut unowned = Unowned::default();
        unowned.slack.push(140, 10);
        unowned.free.push(150, 50);
        let all = ByteClasses {
            metadata: 100,
            allocated: 40,
            slack: 10,
            unallocated: 50,
            ..ByteClasses::default()
        };
        for (spans, wanted) in [
            (vec![], (100, 40, 10, 50)),
            (vec![(0, 200)], (0, 0, 0, 0)),
            (vec![(0, 100)], (0, 40, 10, 50)),
            (vec![(90, 20), (145, 10)], (90, 30, 5, 45)),
        ] {
            let mut shared = Shared::new(&spans);
            shared.note(&file(vec![Extent::disk(100, 40)]));
            shared.note(&file(vec![Extent::disk(100, 40)]));
            let mut classes = all;
            let left = shared.cede(&mut classes, unowned.clone());
            let ByteClasses { metadata, allocated, slack, unallocated, .. } = classes;
            assert_eq!((metadata, allocated, slack, unallocated), wanted, "{spans:?}");
            assert_eq!((left.slack.bytes(), left.free.bytes()), (slack, unallocated));
            assert_eq!(classes.total(), 200 - shared.bytes());
        }
    }
}
