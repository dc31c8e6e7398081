//! The images of a layer, one after the other: opened, listed, and what could not be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{
    At, Batch, Images, Kept, LeftOut, MOST_KEPT, MOST_LAYERS, MOST_MEDIA, MOST_UNSTORED, Reading,
    Role,
};
use crate::bytes::ReadAt;
use crate::evidence::image::{Image, Inside};
use crate::evidence::{EvidenceSource, Located, Walked};
use crate::item::{
    Contents, Examined, Extent, Found, Item, ItemMeta, LinkIdentity, ObjectPath, OrderKey, Whole,
};
use crate::problem::{Code, Problem, Stage};
use crate::scan::Access;

/// Files of images that are open at a time; objects of them may still wait.
const MOST_OPEN: usize = 32;
/// How long to wait before looking again whether one was closed.
const PAUSE: Duration = Duration::from_millis(1);

/// What the walk of a layer gives.
pub(in crate::scan) enum Given {
    /// An object.
    Item(Item),
    /// All objects of one image were given.
    End,
}

/// Opens and lists the images of one layer after the other.
pub(in crate::scan) struct Nested<'a> {
    reading: &'a Reading,
    cancel: &'a AtomicBool,
    totals: BTreeMap<u32, Total>,
    /// Contents that were opened under one of their names.
    links: BTreeSet<(u32, LinkKey)>,
    open: Vec<Weak<dyn ReadAt>>,
    /// Of every file that was opened: what tells whether it was written since.
    states: Vec<State>,
}

/// Device and file number.
type LinkKey = (u64, u64);

/// What was opened of one evidence item so far.
#[derive(Default)]
struct Total {
    media: u64,
    unstored: u64,
}

/// A file as it was when it was looked at.
struct State {
    evidence: u32,
    key: OrderKey,
    path: String,
    whole: Arc<dyn Whole>,
    before: String,
}

/// Takes what a walk gives, with the number of the evidence item.
type Emit<'a> = dyn FnMut(u32, Given) -> ControlFlow<()> + 'a;

impl<'a> Nested<'a> {
    pub(in crate::scan) const fn new(reading: &'a Reading, cancel: &'a AtomicBool) -> Self {
        Self {
            reading,
            cancel,
            totals: BTreeMap::new(),
            links: BTreeSet::new(),
            open: Vec::new(),
            states: Vec::new(),
        }
    }

    /// Opens and lists the images of a layer. Gives what each was, with the number of its evidence.
    ///
    /// - `again`: true where the run was taken up: what lies in a file that is no longer the same is
    ///   examined anew.
    pub(in crate::scan) fn pass(
        &mut self,
        batch: &Batch,
        again: bool,
        emit: &mut Emit<'_>,
    ) -> Vec<(u32, Walked)> {
        let extents = batch.extents(self.reading);
        let mut all = Vec::new();
        for (evidence, LeftOut { images, parts }) in &batch.left_out {
            let is_image = |kept: &Kept| kept.evidence == *evidence && kept.role != Role::Part;
            if *images == 0 && !batch.all.iter().any(is_image) {
                continue;
            }
            let detail = format!(
                "{images} images and {parts} files that may be parts of one come after the first \
                 {MOST_KEPT} such files and were not opened"
            );
            let problem = Problem::new(Code::LimitReached, Stage::Container, detail);
            let (key, path) = (OrderKey::evidence(*evidence), ObjectPath::evidence(*evidence));
            all.push((*evidence, told(key, path.text(), problem)));
        }
        for kept in &batch.all {
            if self.cancel.load(Ordering::Relaxed) {
                break;
            }
            let Role::Image(kind) = kept.role else { continue };
            if extents.contains(&kept.found.key) {
                continue;
            }
            let walked = match self.image(batch, kept, kind) {
                Ok(Some((image, anew))) => self.list(&image, kept, again && anew, emit),
                Ok(None) => continue,
                Err(problem) => told(kept.found.key.clone(), kept.found.path.text(), problem),
            };
            all.push((kept.evidence, walked));
        }
        all
    }

    /// Opens an image, and says whether one of its files is not known to be as it was; `None` where
    /// it is opened through another file.
    fn image(
        &mut self,
        batch: &Batch,
        kept: &Kept,
        kind: Inside,
    ) -> Result<Option<(Image, bool)>, Problem> {
        let link = kept.link.map(|LinkIdentity { device, inode }| (kept.evidence, (device, inode)));
        if link.is_some_and(|link| self.links.contains(&link)) {
            return Ok(None);
        }
        if let Inside::Refused(format, advice) = kind {
            let detail = format!("it is {format}, which is not read by this version; {advice}");
            return Err(Problem::new(Code::ImageNotOpened, Stage::Container, detail));
        }
        if kept.found.key.layers() >= MOST_LAYERS {
            let detail = format!("an image in {MOST_LAYERS} others: it is not opened");
            return Err(Problem::new(Code::LimitReached, Stage::Container, detail));
        }
        let total = self.totals.entry(kept.evidence).or_default();
        if total.media >= MOST_MEDIA {
            let detail = format!("{MOST_MEDIA} images of this evidence were opened before it");
            return Err(Problem::new(Code::LimitReached, Stage::Container, detail));
        }
        self.wait();
        let folder = batch.beside(kept);
        let image = match folder.open_image(kept, self.reading) {
            Err(why) if folder.has_first(&why) => return Ok(None),
            opened => opened.map_err(|why| why.problem)?,
        };
        let stored = folder
            .opened
            .borrow()
            .iter()
            .fold(0_u64, |sum, part| sum.saturating_add(part.bytes.len()));
        let unstored = self.limited(&image, kept, stored)?;
        let total = self.totals.entry(kept.evidence).or_default();
        total.media = total.media.saturating_add(1);
        total.unstored = total.unstored.saturating_add(unstored);
        self.links.extend(link);
        let mut anew = false;
        for part in folder.opened.into_inner() {
            self.open.push(Arc::downgrade(&part.bytes));
            let Some(file) = batch.all.get(part.place) else { continue };
            anew |= !file.confirmed;
            let before = file.whole.state_before();
            if !before.is_empty() {
                self.states.push(State {
                    evidence: kept.evidence,
                    key: kept.found.key.clone(),
                    path: file.found.path.text(),
                    whole: Arc::clone(&file.whole),
                    before,
                });
            }
        }
        Ok(Some((image, anew)))
    }

    /// How many bytes of the medium its files do not have; an error where that is too many.
    fn limited(&self, image: &Image, kept: &Kept, stored: u64) -> Result<u64, Problem> {
        let before = self.totals.get(&kept.evidence).map_or(0, |total| total.unstored);
        let unstored = image.len().saturating_sub(stored);
        if before.saturating_add(unstored) <= MOST_UNSTORED {
            return Ok(unstored);
        }
        let len = image.len();
        let detail = format!(
            "its medium has {len} bytes, its files {stored}: {MOST_UNSTORED} bytes that no file has \
             are searched of all images of one evidence item"
        );
        Err(Problem::new(Code::LimitReached, Stage::Container, detail))
    }

    fn list(&self, image: &Image, kept: &Kept, anew: bool, emit: &mut Emit<'_>) -> Walked {
        let mut give = |item: Item| {
            let item = if anew { Item { found: Box::new(Anew(item.found)), ..item } } else { item };
            emit(kept.evidence, Given::Item(item))
        };
        let walked = image.walk_inside(&kept.found, self.cancel, &mut give);
        match emit(kept.evidence, Given::End) {
            ControlFlow::Continue(()) => walked,
            ControlFlow::Break(()) => Walked { stopped: true, ..walked },
        }
    }

    /// Waits until not too many files are open. Workers let go of an image with its last object.
    fn wait(&mut self) {
        for _ in 0..60_000 {
            self.open.retain(|file| file.strong_count() > 0);
            if self.open.len() < MOST_OPEN || self.cancel.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What of the files that were opened was written since it was looked at; asked when all their
    /// objects are done.
    pub(in crate::scan) fn changes(&mut self) -> Vec<(u32, Walked)> {
        let changed = |state: State| {
            let State { evidence, key, path, whole, before } = state;
            let now = whole.state();
            let detail = format!("{path} was written while the image was read: {before} -> {now}");
            let problem = Problem::new(Code::ChangedDuringRead, Stage::Container, detail);
            (now != before).then(|| (evidence, told(key, path, problem)))
        };
        std::mem::take(&mut self.states).into_iter().filter_map(changed).collect()
    }
}

/// A walk that gave nothing but a problem.
fn told(key: OrderKey, path: String, problem: Problem) -> Walked {
    Walked { problems: vec![Located { key, path, problem }], ..Walked::default() }
}

/// An object in a file that may have changed: what it looks like says nothing.
struct Anew(Box<dyn Found>);

impl Found for Anew {
    fn examine(self: Box<Self>) -> Examined {
        self.0.examine()
    }

    fn place(&self) -> Option<u64> {
        self.0.place()
    }

    fn extents(&self) -> &[Extent] {
        self.0.extents()
    }
}

/// Lists evidence and the images in it, layer by layer; every object is examined and none is read.
pub fn walk_inside(
    source: &dyn EvidenceSource,
    number: u32,
    access: &Access,
    cancel: &AtomicBool,
    emit: &mut dyn FnMut(&ObjectPath, &ItemMeta) -> ControlFlow<()>,
) -> Walked {
    let reading = Reading { carve: access.carve, filesystem: access.filesystem.clone() };
    let images = Images::default();
    let mut take = |item: Item| {
        let Item { path, key, found } = item;
        let Examined { meta, contents, .. } = found.examine();
        if let Contents::Stream(stream) = contents {
            let at = At { evidence: number, path: &path, key: &key, confirmed: false };
            images.look(at, &meta, &*stream);
        }
        emit(&path, &meta)
    };
    let mut walked = source.walk(number, cancel, &mut take);
    let mut nested = Nested::new(&reading, cancel);
    while let Some(batch) = images.take().filter(|_| !walked.stopped) {
        let mut give = |_, given| match given {
            Given::Item(item) => take(item),
            Given::End => ControlFlow::Continue(()),
        };
        for (_, inside) in nested.pass(&batch, false, &mut give) {
            walked.add_inside(inside);
        }
    }
    walked
}
