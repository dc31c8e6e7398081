//! Images inside evidence: which objects are one, what belongs to them, and their objects in turn.
//!
//! A worker looks at the first and last bytes of every file on its way to the hasher. What is an
//! image, and what may be a part of one, is remembered: the way to its bytes, nothing of them. When
//! all objects of a layer are done, the images in it are opened, one after the other in the order of
//! their files, and listed like evidence; their objects go the way of all others, and what is found
//! among them makes the next layer.
//!
//! Segments, extents and parents of an image are looked for among the objects of its folder, by name,
//! and nowhere else. What an image states as a path leads nowhere.
//!
//! Everything that bites is told beside the file's row: what could not be opened and why, how deep
//! and how much is opened.

mod beside;
mod peeked;
mod walk;

pub(super) use beside::Batch;
pub use walk::walk_inside;
pub(super) use walk::{Given, Nested};

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use self::peeked::Peeked;
use crate::bytes::ReadAt;
use crate::evidence::filesystem;
use crate::evidence::image::{Found, INSIDE_HEAD, INSIDE_TAIL, Inside, inside, may_be_inside};
use crate::item::{
    AllocStatus, ItemMeta, LinkIdentity, ObjectKind, ObjectPath, OrderKey, RecoveryBasis, Stream,
    Whole,
};

/// Images that lie in one another: what lies deeper is not opened.
pub(super) const MOST_LAYERS: usize = 4;
/// Images of one evidence item that are opened.
pub(super) const MOST_MEDIA: u64 = 10_000;
/// Files of one layer that are remembered as images or as parts of one.
pub(super) const MOST_KEPT: usize = 100_000;
/// Bytes that the media of one evidence item may have beyond those of their files: zeros that a
/// few bytes claim, each of which is searched.
pub(super) const MOST_UNSTORED: u64 = 8 << 40;
/// Bytes of the smallest file that can be an image, a text that lists the extents of one.
const SMALLEST: u64 = 64;

/// How images inside evidence are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Whether space that no object owns is searched for objects.
    pub(super) carve: bool,
    /// How file systems are read.
    pub(super) filesystem: filesystem::Options,
}

/// Where an object is.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) evidence: u32,
    pub(super) path: &'a ObjectPath,
    pub(super) key: &'a OrderKey,
    /// True where an earlier attempt recorded it and it is still the same.
    pub(super) confirmed: bool,
}

/// What a remembered file is to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is one, or the first part of one.
    Image(Inside),
    /// It may be a part of one.
    Part,
}

/// A remembered file.
struct Kept {
    evidence: u32,
    found: Found,
    role: Role,
    whole: Arc<dyn Whole>,
    confirmed: bool,
    /// True for an object that exists.
    exists: bool,
    link: Option<LinkIdentity>,
}

/// What a look at an object found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// It is an image or may be a part of one, and is remembered.
    Image,
    /// It is none.
    Other,
    /// It is none as far as its bytes could be read just then; one that may be a part by its name is
    /// remembered as that.
    Unread,
}

/// The remembered files of a layer.
#[derive(Default)]
pub(super) struct Images(Mutex<Layer>);

#[derive(Default)]
struct Layer {
    kept: BTreeMap<OrderKey, Kept>,
    /// How many files of each evidence item are not remembered.
    left_out: BTreeMap<u32, LeftOut>,
}

/// Files that are not remembered.
#[derive(Debug, Default, Clone, Copy)]
struct LeftOut {
    images: u64,
    /// Files that nothing but their names makes parts of an image: where there is no image, nothing
    /// is lost with them.
    parts: u64,
}

impl Images {
    /// Looks whether an object is an image or may be a part of one, before its stream is read.
    pub(super) fn look(&self, at: At<'_>, meta: &ItemMeta, stream: &dyn Stream) -> Looked {
        let size = meta.size.unwrap_or(0);
        if size < SMALLEST || !is_looked_at(meta) {
            return Looked::Other;
        }
        let extension = extension(at.path);
        let file = Peeked::new(stream, size);
        let may_be = first_look(&file, &extension);
        // What cannot be read here is told by the object's own row.
        // On what our own code fails is tried again and told where images are opened.
        let told = || inside(&file, &extension);
        let told = || catch_unwind(AssertUnwindSafe(told)).unwrap_or(Some(Inside::Raw));
        let found = may_be.then(told).flatten();
        let looked = match found {
            None if file.failed() => Looked::Unread,
            _ => Looked::Image,
        };
        let role = match found {
            Some(inside) => Role::Image(inside),
            None if is_part(&extension) => Role::Part,
            None if looked == Looked::Unread => return looked,
            None => return Looked::Other,
        };
        let Some(whole) = stream.whole() else { return Looked::Other };
        let exists = meta.alloc == AllocStatus::Allocated;
        let alloc = match meta.container_alloc {
            Some(outer) if exists => outer,
            _ => meta.alloc,
        };
        let found = Found { path: at.path.clone(), key: at.key.clone(), alloc };
        let (evidence, confirmed, link) = (at.evidence, at.confirmed, meta.link);
        let kept = Kept { evidence, found, role, whole, confirmed, exists, link };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(kept);
        looked
    }

    /// Takes what was remembered; `None` where there is nothing.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut layer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Layer { kept, left_out } = std::mem::take(&mut *layer);
        (!kept.is_empty()).then(|| Batch::new(kept.into_values().collect(), left_out))
    }
}

impl Layer {
    /// Remembers a file. Of too many those that stand first in the report stay, whoever came first.
    fn keep(&mut self, kept: Kept) {
        self.kept.insert(kept.found.key.clone(), kept);
        if self.kept.len() > MOST_KEPT
            && let Some((_, last)) = self.kept.pop_last()
        {
            let LeftOut { images, parts } = self.left_out.entry(last.evidence).or_default();
            let count = if last.role == Role::Part { parts } else { images };
            *count = count.saturating_add(1);
        }
    }
}

/// True for a file whose bytes are its own: it exists, or everything of it is still named.
fn is_looked_at(meta: &ItemMeta) -> bool {
    matches!(meta.kind, ObjectKind::File | ObjectKind::Ads)
        && match meta.alloc {
            AllocStatus::Allocated => true,
            AllocStatus::Deleted | AllocStatus::Orphan => {
                meta.basis == Some(RecoveryBasis::MetadataExtents)
            }
            _ => false,
        }
}

/// Looks at the start of a file, and at its end where that may say more.
fn first_look(file: &Peeked<'_>, extension: &[u8]) -> bool {
    // What cannot be read is told by the object's own row, which lacks these bytes then.
    let mut head = [0; INSIDE_HEAD];
    let (size, Ok(n)) = (file.len(), file.fill_once(0, &mut head)) else { return false };
    let head = head.get(..n).unwrap_or_default();
    let mut tail = [0; INSIDE_TAIL];
    // A footer follows whole sectors; the oldest programs wrote one byte less. To go to the end of
    // every file would make a drive seek.
    let has_footer = matches!(size % 512, 0 | 511) || matches!(extension, b"vhd" | b"dmg");
    let from = size.saturating_sub(u64::try_from(INSIDE_TAIL).unwrap_or(0));
    let n = if has_footer { file.fill_once(from, &mut tail).unwrap_or(0) } else { 0 };
    may_be_inside(head, tail.get(..n).unwrap_or_default(), extension)
}

/// True for the extensions of extents, segments and parents that are not known by their content.
fn is_part(extension: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] = [b"vmdk", b"img", b"dd", b"raw", b"bin", b"iso", b"ima", b"vhd"];
    let counted = extension.len() >= 3 && extension.iter().all(u8::is_ascii_digit);
    let lettered = matches!(extension, [b'a', second] if second.is_ascii_lowercase());
    NAMES.contains(&extension) || counted || lettered
}

/// What follows the last dot of the name, in lower case.
fn extension(path: &ObjectPath) -> Vec<u8> {
    let name = path.name().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let after = dot.and_then(|dot| name.get(dot..)).and_then(|rest| rest.split_first());
    after.map(|(_, rest)| rest.to_ascii_lowercase()).unwrap_or_default()
}
