//! Entry sets as objects of the report.

use crate::evidence::filesystem::{Node, NodeContent};
use crate::item::{
    AllocStatus, ItemMeta, NameAttribution, ObjectKind, ObjectPath, RecoveryBasis, Status,
};
use crate::problem::{Code, Problem, Stage};

use super::boot::Geometry;
use super::content::{self, Piece, Remains};
use super::entries::EntrySet;

/// How the report refers to a set: by the byte of the volume of its first entry.
pub(super) fn reference(set: &EntrySet) -> String {
    format!("dirent:{}", set.at)
}

/// A folder whose entries are not to be had, or not all of them.
pub(super) fn folder(path: ObjectPath, set: &EntrySet, live: bool, why: &str) -> Node {
    let mut meta = meta(set, ObjectKind::Special, live);
    meta.size = None;
    let problem = Problem::new(Code::SubtreeIncomplete, Stage::Filesystem, why);
    let content = NodeContent::Nothing { status: Status::Unread, problem };
    Node { path, meta, content, problems: problems(set, live) }
}

/// An existing file.
pub(super) fn live(
    path: ObjectPath,
    set: &EntrySet,
    shape: &Geometry,
    found: Option<(Vec<Piece>, Option<&'static str>)>,
) -> Node {
    let mut meta = meta(set, ObjectKind::File, true);
    meta.basis = Some(RecoveryBasis::Live);
    let mut problems = problems(set, true);
    let Some((stream, (pieces, odd))) = set.stream.zip(found) else {
        return Node { path, meta, content: nothing(), problems };
    };
    if let Some(odd) = odd {
        problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, odd));
    }
    let extents = content::extents(shape, &pieces, stream.valid, stream.len);
    Node { path, meta, content: NodeContent::Extents(extents), problems }
}

/// A deleted file.
pub(super) fn deleted(
    path: ObjectPath,
    set: &EntrySet,
    shape: &Geometry,
    remains: Option<Remains>,
) -> Node {
    let mut meta = meta(set, ObjectKind::File, false);
    let problems = problems(set, false);
    let Some((stream, remains)) = set.stream.zip(remains) else {
        return Node { path, meta, content: nothing(), problems };
    };
    // Entries that do not belong together say nothing sure of clusters.
    let doubt = !set.sum_holds && remains.basis == RecoveryBasis::MetadataExtents;
    let basis = if doubt { RecoveryBasis::ContiguousAssumed } else { remains.basis };
    meta.basis = Some(basis);
    let extents = content::extents(shape, &remains.pieces, stream.valid, stream.len);
    Node { path, meta, content: NodeContent::Extents(extents), problems }
}

fn nothing() -> NodeContent {
    let detail = "its entries name no cluster of the volume";
    let problem = Problem::new(Code::FilesystemDamaged, Stage::Filesystem, detail);
    NodeContent::Nothing { status: Status::Unread, problem }
}

fn meta(set: &EntrySet, kind: ObjectKind, live: bool) -> ItemMeta {
    let mut meta = ItemMeta::new(kind);
    let sure = live || set.complete && set.sum_holds && set.name_complete;
    meta.alloc = if live { AllocStatus::Allocated } else { AllocStatus::Deleted };
    meta.attribution =
        Some(if sure { NameAttribution::Certain } else { NameAttribution::Uncertain });
    meta.size = set.stream.map(|stream| stream.len);
    meta.fs_ref = reference(set);
    meta.attributes = set.letters();
    meta.times = set.times;
    meta.time_source = Some(set.time_source);
    meta
}

/// What is wrong with the entries themselves.
fn problems(set: &EntrySet, live: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |code, detail: &str| {
        problems.push(Problem::new(code, Stage::Filesystem, detail));
    };
    if !set.sum_holds {
        note(Code::ChecksumMismatch, "the check sum of its entries does not hold");
    }
    if live && !(set.complete && set.name_complete) {
        note(Code::FilesystemDamaged, "some of its entries are not there");
    }
    if set.odd_time {
        note(Code::FilesystemDamaged, "one of its times is no time");
    }
    if live && set.stream.is_some_and(|stream| stream.valid > stream.len) {
        note(Code::FilesystemDamaged, "more bytes are said to be written than it has");
    }
    problems
}
