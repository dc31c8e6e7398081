//! The rows of an object: its names, then its named streams.

use super::content::{self, not_read};
use super::judge::Judge;
use super::object::{DataStream, Object};
use super::remnant::Remnant;
use super::reparse::Meaning;
use super::stamp::{ATTRIBUTE_ENCRYPTED, FileName};
use super::{Geometry, damaged, system};

use crate::evidence::filesystem::{Node, NodeContent};
use crate::item::{
    AllocStatus, Extent, ItemMeta, LinkIdentity, NameAttribution, ObjectKind, ObjectPath, Place,
    RecoveryBasis, Status, TimeSource, Times,
};
use crate::problem::{Code, Problem};

/// The stream in which the overlay filter keeps a compressed content.
const OVERLAY_STREAM: &[u8] = b"WofCompressedData";

/// A name of an object, with its path.
pub(super) struct Named<'a> {
    /// Its path without what tells it apart.
    pub(super) path: ObjectPath,
    /// What tells it apart, in order.
    pub(super) marks: Vec<String>,
    pub(super) alloc: AllocStatus,
    pub(super) name: Option<&'a FileName>,
    /// The name is from what an index left, not from the object itself.
    pub(super) remnant: bool,
}

/// What all rows of an object share.
pub(super) struct Subject<'a> {
    pub(super) object: &'a Object,
    pub(super) owner: String,
    pub(super) meaning: Option<Meaning>,
    /// Its sectors were not written together.
    pub(super) torn: bool,
    pub(super) geometry: &'a Geometry,
}

/// The row of an object of which only a name is left, at a path.
pub(super) fn remnant(path: &ObjectPath, left: &Remnant) -> Node {
    let mut meta = ItemMeta::new(ObjectKind::File);
    meta.alloc = AllocStatus::Deleted;
    meta.fs_ref = left.fs_ref();
    meta.attribution = Some(NameAttribution::Uncertain);
    meta.times.name_created = left.name.created;
    meta.times.name_modified = left.name.modified;
    meta.time_source = Some(TimeSource::Ntfs);
    let (size, why) = (
        left.size,
        match left.object {
            Some(_) => "its record tells nothing of it any more",
            None => "which record it had was written over",
        },
    );
    let detail = format!(
        "only its name is left in the index of its folder, with a size of {size} bytes: {why}"
    );
    let content = unread(not_read(Code::ContentNotRead, &detail));
    let path = path.below(&left.name.name).marked(&meta.fs_ref);
    Node { path, meta, content, problems: Vec::new() }
}

/// What is said of a stream's content.
struct Content {
    content: NodeContent,
    basis: RecoveryBasis,
    attribution: NameAttribution,
}

impl Subject<'_> {
    /// The row of a name.
    pub(super) fn file(&self, named: &Named<'_>, names: usize, judge: &mut Judge<'_>) -> Node {
        let stream = self.object.streams.get(&b""[..]);
        let mut meta = self.meta(ObjectKind::File, named);
        meta.size = stream.map(|stream| stream.size);
        meta.link_count = u64::try_from(names).ok();
        if names > 1 {
            meta.link = Some(LinkIdentity { device: 0, inode: self.object.reference.record });
        }
        let mut problems = self.problems();
        let content = match &self.meaning {
            Some(Meaning::Link(target)) => {
                (meta.kind, meta.link_target) = (ObjectKind::Symlink, target.clone());
                problems.extend(stream.and_then(hidden));
                special(Code::Symlink, "a reparse point that stands for another object")
            }
            Some(Meaning::Special(code, what)) => {
                meta.kind = match code {
                    Code::Symlink => ObjectKind::Symlink,
                    _ => ObjectKind::Special,
                };
                problems.extend(stream.and_then(hidden));
                special(*code, what)
            }
            Some(Meaning::NotRead(problem)) => unread(problem.clone()),
            None => self.content(stream, &mut meta, named, judge),
        };
        Node { path: path(named.path.clone(), &named.marks), meta, content, problems }
    }

    /// The row of a named stream.
    pub(super) fn stream(
        &self,
        named: &Named<'_>,
        name: &[u8],
        stream: &DataStream,
        judge: &mut Judge<'_>,
    ) -> Node {
        let mut meta = self.meta(ObjectKind::Ads, named);
        meta.size = Some(stream.size);
        let overlay = matches!(self.meaning, Some(Meaning::NotRead(_))) && name == OVERLAY_STREAM;
        let content = if overlay {
            unread(not_read(Code::ContentNotRead, "compressed by Windows Overlay Filter"))
        } else {
            self.content(Some(stream), &mut meta, named, judge)
        };
        // What is deleted ends in its mark; a mark of the file alone stays with the file.
        let (file, own): (&[String], &[String]) = match named.alloc {
            AllocStatus::Allocated => (&named.marks, &[]),
            _ => (&[], &named.marks),
        };
        let path = path(path(named.path.clone(), file).stream(name), own);
        Node { path, meta, content, problems: self.problems() }
    }

    fn problems(&self) -> Vec<Problem> {
        let damage = self.object.damage.filter(|_| self.object.in_use);
        damage.map(damaged).into_iter().collect()
    }

    fn meta(&self, kind: ObjectKind, named: &Named<'_>) -> ItemMeta {
        let mut meta = ItemMeta::new(kind);
        let information = &self.object.information;
        meta.alloc = named.alloc;
        meta.fs_ref = system::fs_ref(self.object.reference);
        meta.owner_id.clone_from(&self.owner);
        meta.attributes = information.letters(self.object.directory);
        meta.times = Times {
            created: information.created,
            modified: information.modified,
            accessed: information.accessed,
            changed: information.changed,
            name_created: named.name.and_then(|name| name.created),
            name_modified: named.name.and_then(|name| name.modified),
        };
        meta.time_source = Some(TimeSource::Ntfs);
        meta.basis = Some(RecoveryBasis::Live);
        meta.attribution = Some(match named.remnant {
            true => NameAttribution::Uncertain,
            false => NameAttribution::Certain,
        });
        meta
    }

    /// The content of a stream, and how it was found.
    fn content(
        &self,
        stream: Option<&DataStream>,
        meta: &mut ItemMeta,
        named: &Named<'_>,
        judge: &mut Judge<'_>,
    ) -> NodeContent {
        let Content { content, basis, attribution } = self.judged(stream, judge);
        meta.basis = Some(basis);
        meta.attribution = Some(match named.name {
            None if meta.kind == ObjectKind::File => NameAttribution::None,
            _ if named.remnant => NameAttribution::Uncertain,
            _ => attribution,
        });
        content
    }

    fn judged(&self, stream: Option<&DataStream>, judge: &mut Judge<'_>) -> Content {
        let existing = self.object.in_use;
        let mut basis = match existing {
            true => RecoveryBasis::Live,
            false => RecoveryBasis::MetadataExtents,
        };
        let mut attribution = NameAttribution::Certain;
        let content = match self.extents(stream) {
            Err(problem) => unread(problem),
            Ok(extents) => {
                let own = judge.own(extents, existing);
                if !existing && own.iter().any(is_lost) {
                    basis = RecoveryBasis::PartlyOverwritten;
                }
                // Free clusters may have been another object's in between.
                if !existing && own.iter().any(|e| !matches!(e.place, Place::Resident(_))) {
                    attribution = NameAttribution::Uncertain;
                }
                NodeContent::Extents(own)
            }
        };
        Content { content, basis, attribution }
    }

    fn extents(&self, stream: Option<&DataStream>) -> Result<Vec<Extent>, Problem> {
        if self.torn {
            return Err(damaged("the record's sectors were not written together"));
        }
        let encrypted = self.object.information.attributes & ATTRIBUTE_ENCRYPTED != 0;
        if self.object.has_keys || encrypted && !self.object.directory {
            return Err(not_read(Code::Encrypted, "encrypted by the file system (EFS)"));
        }
        let stream = stream.ok_or_else(|| damaged("the record has no content attribute"))?;
        content::extents(stream, self.geometry)
    }
}

/// True where bytes belong to somebody else, or may.
fn is_lost(extent: &Extent) -> bool {
    matches!(extent.place, Place::Missing(Code::Overwritten | Code::LimitReached, _))
}

/// What an object that stands for another one holds all the same.
fn hidden(stream: &DataStream) -> Option<Problem> {
    let size = stream.size;
    let detail = format!("a reparse point that also holds {size} bytes of content, not read");
    (size > 0).then(|| not_read(Code::ContentNotRead, &detail))
}

fn special(code: Code, detail: &str) -> NodeContent {
    NodeContent::Nothing { status: Status::Special, problem: not_read(code, detail) }
}

fn unread(problem: Problem) -> NodeContent {
    NodeContent::Nothing { status: Status::Unread, problem }
}

fn path(path: ObjectPath, marks: &[String]) -> ObjectPath {
    marks.iter().fold(path, |path, mark| path.marked(mark))
}
