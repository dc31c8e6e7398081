//! From a listed object to its record: examine, read, match.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::content::{Content, Reading};
use super::links::{Claim, Links};
use super::nested::{self, Images, Looked};
use super::{Counters, picture};
use crate::digest::{Digests, LowInformation, Selection, lanes::Kernels};
use crate::item::{
    AllocStatus, Contents, Examined, Item, ItemMeta, LinkIdentity, ObjectKind, ObjectPath,
    OrderKey, Status, Stream,
};
use crate::matching::{Disposition, Finding, Index, NearIndex, combine};
use crate::problem::{Code, Problem, Stage};
use crate::report::Record;
use crate::signature::{self, Family, FileType};
use crate::worker::PictureAnswer;

/// What every worker of a run shares.
pub(super) struct Shared<'a> {
    pub(super) index: &'a Index,
    pub(super) near: Option<&'a NearIndex<'a>>,
    /// `None` where the run was cancelled before the answer.
    pub(super) pictures: &'a (dyn Fn(&[u8]) -> Option<PictureAnswer> + Sync),
    pub(super) budget: picture::Budget,
    pub(super) selection: Selection,
    /// What computes the digests of many at once.
    pub(super) kernels: Kernels,
    pub(super) counters: &'a Counters,
    pub(super) cancel: &'a AtomicBool,
    pub(super) links: Links<Object>,
    /// Objects that are images themselves.
    pub(super) images: Images,
    /// Objects met inside others, those of earlier attempts that are still true included.
    pub(super) children: AtomicU64,
}

/// An object of which everything but the content is known.
pub(super) struct Object {
    evidence: u32,
    path: ObjectPath,
    key: OrderKey,
    meta: ItemMeta,
    /// What is wrong with it although its content can be read.
    problems: Vec<Problem>,
    /// Whether it is a disk image or may be a part of one.
    looked: Looked,
}

/// An object whose content is to be read.
pub(super) struct Opened {
    pub(super) object: Object,
    pub(super) stream: Box<dyn Stream>,
    /// Where other names of the content may wait for it.
    link: Option<Link>,
}

/// A content with several names that is being read.
pub(super) struct Link {
    identity: LinkIdentity,
    fingerprint: String,
    names: u64,
}

impl Opened {
    /// Its parts: what is known, the content, and what to complete it with.
    pub(super) fn parts(self) -> (Object, Box<dyn Stream>, Option<Link>) {
        (self.object, self.stream, self.link)
    }
}

impl Object {
    /// The length of its content as stated.
    pub(super) fn size(&self) -> u64 {
        self.meta.size.unwrap_or(0)
    }
}

/// One worker: its buffer and what it shares with the others.
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) buffer: Vec<u8>,
}

impl Worker<'_> {
    /// Works an item off; `emit` takes each finished record, which may be none (the object waits
    /// for another name of its content, or the run was cancelled) or several (it was waited for).
    pub(super) fn work(&mut self, evidence: u32, item: Item, emit: &mut dyn FnMut(Record)) {
        let Some(opened) = self.shared.open(evidence, item, emit) else { return };
        let (object, stream, link) = opened.parts();
        let content = self.shared.reading().read(stream, object.size(), &mut self.buffer);
        if let Some(content) = content {
            self.shared.complete(object, link, content, emit);
        }
    }
}

impl Shared<'_> {
    /// What reading needs.
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading {
            selection: self.selection,
            budget: &self.budget,
            pictures: self.pictures,
            bytes_read: &self.counters.bytes,
            cancel: self.cancel,
        }
    }

    /// Examines an item; `None` where its content is not to be read here. `emit` takes its record
    /// where that is known by now.
    pub(super) fn open(
        &self,
        evidence: u32,
        item: Item,
        emit: &mut dyn FnMut(Record),
    ) -> Option<Opened> {
        let Item { path, key, found } = item;
        let Examined { meta, contents, problems } = found.examine();
        let at = nested::At { evidence, path: &path, key: &key, confirmed: false };
        let looked = match &contents {
            Contents::Stream(stream) => self.images.look(at, &meta, &**stream),
            Contents::Nothing { .. } => Looked::Other,
        };
        let object = Object { evidence, path, key, meta, problems, looked };
        let stream = match contents {
            Contents::Nothing { status, problem } => {
                emit(self.without_content(object, status, problem));
                return None;
            }
            Contents::Stream(stream) => stream,
        };
        let Some(identity) = object.meta.link else {
            return Some(Opened { object, stream, link: None });
        };
        let fingerprint = fingerprint(&object.meta);
        let names = object.meta.link_count.unwrap_or(1);
        match self.links.claim(identity, &fingerprint, object) {
            Claim::Waits => None,
            Claim::ReadAlone(object) => Some(Opened { object, stream, link: None }),
            Claim::Known(object, content) => {
                self.records(object, *content, emit);
                None
            }
            Claim::Read(object) => {
                let link = Some(Link { identity, fingerprint, names });
                Some(Opened { object, stream, link })
            }
        }
    }

    /// Gives the records of an object that was read, and of those that waited for its content.
    pub(super) fn complete(
        &self,
        object: Object,
        link: Option<Link>,
        content: Content,
        emit: &mut dyn FnMut(Record),
    ) {
        if let Some(Link { identity, fingerprint, names }) = link {
            for waiting in self.links.done(identity, &fingerprint, names, &content) {
                self.records(waiting, content.clone(), emit);
            }
        }
        self.records(object, content, emit);
    }

    /// Gives the record of an object after those of the pictures inside it: a run that is taken up
    /// again takes the object's own for a sign that theirs are there.
    fn records(&self, object: Object, mut content: Content, emit: &mut dyn FnMut(Record)) {
        for (ordinal, inside) in (0..).zip(std::mem::take(&mut content.inside)) {
            self.children.fetch_add(1, Ordering::Relaxed);
            let extension = inside.content.file_type.and_then(|kind| kind.extensions().first());
            let name = format!("{}.{}", inside.at, extension.copied().unwrap_or("bin"));
            let child = Object {
                evidence: object.evidence,
                path: object.path.given_inside(&name),
                key: object.key.child(ordinal),
                meta: inside_of(&object.meta, inside.content.bytes_hashed),
                problems: Vec::new(),
                looked: Looked::Other,
            };
            let record = self.record(child, inside.content);
            emit(Record { parent: Some(object.key.clone()), ..record });
        }
        emit(self.record(object, content));
    }

    fn record(&self, object: Object, content: Content) -> Record {
        let Content { digests, bytes_hashed, file_type, picture, status, reason, .. } = content;
        let findings = self.findings(&digests, bytes_hashed, picture.as_ref());
        let mut problems = object.problems.clone();
        problems.extend(content.problems);
        problems.extend(picture.as_ref().and_then(picture::problem));
        problems.extend(findings.iter().filter_map(conflict));
        problems.extend(unlooked(object.looked, status));
        self.count(status, &findings);
        let flat =
            |picture: &PictureAnswer| picture.hashes.is_some_and(|h| h.pdq_quality.is_flat());
        let flat = picture.as_ref().is_some_and(flat).then_some(LowInformation::Flat);
        let blank = blank(object);
        Record {
            status,
            reason,
            bytes_hashed,
            low_information: content.low_information.or(flat),
            detected_type: file_type.map(|file_type| file_type.as_str().to_owned()),
            type_mismatch: mismatch(file_type, bytes_hashed, extension(&blank.file_name)),
            pictures: picture.as_ref().map(picture::facts),
            digests,
            disposition: Disposition::of(&findings),
            findings,
            problems,
            ..blank
        }
    }

    fn findings(
        &self,
        digests: &Digests,
        size: u64,
        picture: Option<&PictureAnswer>,
    ) -> Vec<Finding> {
        let exact = self.index.look_up(digests, size);
        let queries = picture.and_then(picture::queries);
        match (self.near, queries) {
            (Some(near), Some(queries)) => combine(exact, near.look_up(&queries)),
            _ => exact,
        }
    }

    fn without_content(&self, object: Object, status: Status, problem: Problem) -> Record {
        self.count(status, &[]);
        // What is special is no problem: the row says all there is to say.
        let (reason, told) = (problem.code, status != Status::Special);
        let mut problems = object.problems.clone();
        problems.extend(told.then_some(problem));
        Record { status, reason: Some(reason), problems, ..blank(object) }
    }

    fn count(&self, status: Status, findings: &[Finding]) {
        let counters = self.counters;
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        add(&counters.objects);
        if Disposition::of(findings) == Disposition::Alert {
            add(&counters.alerts);
        }
        if matches!(status, Status::Partial | Status::Unread | Status::Skipped) {
            add(&counters.exceptions);
        }
    }
}

/// What is known of a picture inside an object.
fn inside_of(outer: &ItemMeta, size: u64) -> ItemMeta {
    ItemMeta {
        alloc: AllocStatus::Embedded,
        container_alloc: Some(match outer.alloc {
            AllocStatus::Embedded => outer.container_alloc.unwrap_or(AllocStatus::Embedded),
            alloc => alloc,
        }),
        basis: outer.basis,
        attribution: outer.attribution,
        size: Some(size),
        volume: outer.volume.clone(),
        fs_type: outer.fs_type.clone(),
        ..ItemMeta::new(ObjectKind::EmbeddedPicture)
    }
}

/// The record of an object on which the program itself failed.
pub(super) fn failed(evidence: u32, path: ObjectPath, key: OrderKey) -> Record {
    let detail = "the program failed on this object; report the defect";
    let problem = Problem::new(Code::InternalError, Stage::Read, detail);
    let meta = ItemMeta::new(ObjectKind::File);
    Record {
        reason: Some(Code::InternalError),
        problems: vec![problem],
        ..blank(Object { evidence, path, key, meta, problems: Vec::new(), looked: Looked::Other })
    }
}

/// A record of the object with everything that its content would say left open.
fn blank(object: Object) -> Record {
    let Object { evidence, path, key, meta, looked, .. } = object;
    Record {
        parent: key.image(),
        key,
        evidence,
        path: path.text(),
        file_name: path.name().unwrap_or_default().to_vec(),
        meta,
        detected_type: None,
        type_mismatch: None,
        digests: Digests::default(),
        pictures: None,
        status: Status::Unread,
        reason: None,
        bytes_hashed: 0,
        low_information: None,
        findings: Vec::new(),
        disposition: Disposition::None,
        problems: Vec::new(),
        // A run that is taken up again looks once more where this look failed.
        image: looked != Looked::Other,
    }
}

/// Whether the content is not what the extension says. A content of no known type is not what the
/// extension of a picture, video, sound or archive says; of others nothing can be said.
fn mismatch(file_type: Option<FileType>, bytes: u64, extension: &[u8]) -> Option<bool> {
    if let Some(file_type) = file_type {
        return Some(signature::type_mismatch(file_type, extension));
    }
    let marked = signature::claimed(extension).any(|known| {
        matches!(known.family(), Family::Picture | Family::Video | Family::Audio | Family::Archive)
    });
    (marked && bytes > 0).then_some(true)
}

/// What follows the last dot of a name; empty where there is none, or nothing before it.
fn extension(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at > 0 => {
            name.get(at..).and_then(|rest| rest.split_first()).map_or(&[], |s| s.1)
        }
        _ => &[],
    }
}

/// A content that could be read whole, after its look for an image had failed.
fn unlooked(looked: Looked, status: Status) -> Option<Problem> {
    let detail =
        "its bytes could not be read when it was asked whether it is an image; scan it again";
    (looked == Looked::Unread && status == Status::Hashed)
        .then(|| Problem::new(Code::ImageNotOpened, Stage::Container, detail))
}

fn conflict(finding: &Finding) -> Option<Problem> {
    finding.is_contradicted().then(|| {
        let words = |of: &[crate::digest::Algorithm]| {
            of.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(";")
        };
        let mut differ = words(&finding.disagreeing);
        if finding.size_differs {
            differ = if differ.is_empty() { "size".to_owned() } else { differ + ";size" };
        }
        let detail = format!(
            "set {} entry {}: agrees by {}, differs by {differ}",
            finding.set.saturating_add(1),
            finding.entry_id,
            words(&finding.agreeing)
        );
        Problem::new(Code::DigestConflict, Stage::Match, detail)
    })
}

/// What has to be equal for two names to be taken as the same still content.
fn fingerprint(meta: &ItemMeta) -> String {
    format!("{:?} {:?} {:?}", meta.size, meta.times.modified, meta.times.changed)
}
