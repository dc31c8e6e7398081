//! The indexes of folders as a second witness: what they list is compared with what the master
//! file table holds, and what earlier entries left is collected.
//!
//! The table is believed and the indexes are not: they add no object and take none away. Blocks are
//! read in the order in which they are stored, each once, so that no link among them can circle;
//! whether their links make a tree is looked at afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clusters::ClusterSet;
use super::gather::Gather;
use super::index::{self, Entry, Left, Part};
use super::known::{KnownNames, Use};
use super::links::Links;
use super::mapped::Mapped;
use super::object::{Object, Small};
use super::problems::Problems;
use super::record::{Record, Reference, State, restore_of};
use super::remnant::Remnants;
use super::stamp::FileName;
use super::survey::Survey;
use super::{Geometry, Ntfs, damaged, system, wide};

use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

/// Indexes are read up to so many lengths of the table, all together.
const MOST_READ: u64 = 2;
/// And at least so many bytes.
const LEAST_READ: u64 = 64 << 20;
/// Bytes that are read at once.
const STRETCH: usize = 256 << 10;
/// A longer list of the blocks in use is not believed.
const MOST_BITMAP: u64 = 1 << 20;
/// Where in a block that is not in use earlier entries may begin.
const UNUSED_BLOCK: usize = 40;
/// Folders whose missing objects are counted one by one.
const MOST_FOLDERS: usize = 1_000;

/// What the indexes said.
#[derive(Default)]
pub(super) struct Indexes {
    /// Records of the folders whose index was read to its end.
    whole: ClusterSet,
    /// What earlier entries left.
    pub(super) remnants: Remnants,
    /// Existing objects that the index of their folder does not list: how many, and the first.
    missing: BTreeMap<u64, (u64, String)>,
    /// The same of further folders.
    more: u64,
}

impl Indexes {
    /// Notes the names of an existing object that their folder's index does not list.
    pub(super) fn check(&mut self, object: &Object, survey: &Survey) {
        let record = object.reference.record;
        for name in &object.names {
            let folder = name.parent.record;
            let same = survey.entry(folder).is_some_and(|of| of.sequence == name.parent.sequence);
            if !same
                || survey.known.of(name.key, record) != Some(Use::Existing)
                || !self.whole.run(folder, folder.saturating_add(1)).0
            {
                continue;
            }
            if let Some((count, _)) = self.missing.get_mut(&folder) {
                *count = count.saturating_add(1);
            } else if self.missing.len() < MOST_FOLDERS {
                let first = format!("{} ({})", shown(&name.name), system::fs_ref(object.reference));
                self.missing.insert(folder, (1, first));
            } else {
                self.more = self.more.saturating_add(1);
            }
        }
    }

    /// What to tell of the objects that indexes do not list.
    pub(super) fn told(&self, survey: &Survey, problems: &mut Problems) {
        for (record, (count, first)) in &self.missing {
            let sequence = survey.entry(*record).map_or(0, |entry| entry.sequence);
            let folder = system::fs_ref(Reference { record: *record, sequence });
            let detail = format!(
                "the index of folder {folder} does not list {count} objects that are in it by \
                 the master file table, the first {first}"
            );
            problems.push(damaged(&detail));
        }
        if self.more > 0 {
            let detail =
                format!("the indexes of further folders do not list {} objects", self.more);
            problems.push(damaged(&detail));
        }
        if self.remnants.full {
            let detail = "more names are left in the indexes of folders than are listed";
            problems.push(Problem::new(Code::LimitReached, Stage::Filesystem, detail));
        }
    }
}

/// Reads the index of every folder. What existing names they list is noted in `survey`.
pub(super) fn read(
    ntfs: &Ntfs,
    survey: &mut Survey,
    cancel: &AtomicBool,
    problems: &mut Problems,
) -> Indexes {
    let mut known = std::mem::take(&mut survey.known);
    let found = {
        let survey = &*survey;
        let table = ntfs.mft.records().saturating_mul(wide(ntfs.mft.record_size()));
        let mut reader = Reader {
            ntfs,
            survey,
            known: &mut known,
            gather: Gather::new(&ntfs.volume, &ntfs.geometry, &ntfs.mft, survey),
            left: table.saturating_mul(MOST_READ).max(LEAST_READ),
            buf: Vec::new(),
            found: Indexes::default(),
        };
        let mut bytes = vec![0; ntfs.mft.record_size()];
        for number in survey.folders() {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            reader.folder(number, &mut bytes, problems);
        }
        if reader.left == 0 {
            let detail = "the indexes of folders are too long to be read all";
            problems.push(Problem::new(Code::LimitReached, Stage::Filesystem, detail));
        }
        reader.found
    };
    survey.known = known;
    let mut found = found;
    found.remnants.sort();
    found
}

/// Reads indexes, one after the other.
struct Reader<'a> {
    ntfs: &'a Ntfs,
    survey: &'a Survey,
    known: &'a mut KnownNames,
    gather: Gather<'a>,
    /// Bytes of blocks that may still be read.
    left: u64,
    buf: Vec<u8>,
    found: Indexes,
}

/// One folder on its way.
struct Folder {
    reference: Reference,
    /// Entries that the table does not confirm, and the first.
    strays: u64,
    stray: String,
    /// Damaged places of the index, and the first.
    damages: u64,
    damage: Option<Problem>,
    /// Size of a block.
    block: usize,
    /// Which blocks there are and how they hang together.
    links: Links,
}

impl Folder {
    fn damaged(&mut self, why: &str, at: Option<(u64, u64)>) {
        self.damages = self.damages.saturating_add(1);
        if self.damage.is_none() {
            let folder = system::fs_ref(self.reference);
            let problem = damaged(&format!("the index of folder {folder}: {why}"));
            self.damage = Some(match at {
                Some((at, len)) => problem.at(at, len),
                None => problem,
            });
        }
    }

    /// What to tell of the folder.
    fn told(self, problems: &mut Problems) {
        if let Some(mut problem) = self.damage {
            if let more @ 1.. = self.damages.saturating_sub(1) {
                problem.detail.push_str(&format!("; {more} more such places"));
            }
            problems.push(problem);
        }
        if self.strays > 0 {
            let (folder, strays) = (system::fs_ref(self.reference), self.strays);
            let detail = format!(
                "the index of folder {folder} has {strays} entries that the master file table \
                 does not confirm, the first {}",
                self.stray
            );
            problems.push(damaged(&detail));
        }
    }
}

impl Reader<'_> {
    fn folder(&mut self, number: u64, bytes: &mut [u8], problems: &mut Problems) {
        if self.ntfs.mft.read(number, bytes) != State::Whole {
            return; // said already
        }
        let Ok(record) = Record::parse(bytes) else { return };
        let object = self.gather.object(number, &record);
        let mut folder = Folder {
            reference: object.reference,
            strays: 0,
            stray: String::new(),
            damages: 0,
            damage: None,
            block: 0,
            links: Links::default(),
        };
        let start = self.ntfs.mft.place(number);
        let here = start.map(|at| (at, wide(bytes.len())));
        self.root(&object, &mut folder, here);
        if let Some(start) = start {
            for left in index::left(bytes, record.used, object.reference) {
                let at = start.saturating_add(wide(left.at));
                self.keep(left, object.reference, at);
            }
        }
        let mut map = Mapped::default();
        map.extend(object.index.runs.iter().copied());
        if folder.block > 0 {
            self.blocks(&object, &map, &mut folder);
        }
        if let Some((why, block)) = folder.links.fault() {
            let size = folder.block;
            let start = block.and_then(|block| block.checked_mul(wide(size)));
            let at = start.and_then(|at| place(&map, &self.ntfs.geometry, at, size));
            folder.damaged(why, at);
        }
        if folder.damages == 0 {
            self.found.whole.insert(number..number.saturating_add(1));
        }
        folder.told(problems);
    }

    fn root(&mut self, object: &Object, folder: &mut Folder, here: Option<(u64, u64)>) {
        let Some(root) = &object.index.root else { return folder.damaged("it is not there", here) };
        let part = Part::root(root).ok();
        let (Some(block), Some(part)) = (index::block_size(root), part) else {
            return folder.damaged("its root makes no sense", here);
        };
        folder.block = block;
        if !self.entries(part, folder, None).1 {
            folder.damaged("the entries of its root do not end where they should", here);
        }
    }

    /// Compares the entries of a part. Returns where they end, and whether they do as they should.
    fn entries(
        &mut self,
        part: Part<'_>,
        folder: &mut Folder,
        block: Option<u64>,
    ) -> (usize, bool) {
        let unit = self.unit(folder.block);
        part.entries(|entry| {
            if let Some(child) = entry.child {
                folder.links.link(block, child.checked_mul(unit), folder.block);
            }
            if let Some(name) = entry.name
                && let Some(why) = self.stray(&entry, name, folder.reference)
            {
                if folder.strays == 0 {
                    let name = FileName::parse(name).map(|name| shown(&name.name));
                    let object = system::fs_ref(entry.object);
                    folder.stray = format!("{} ({object}): {why}", name.unwrap_or_default());
                }
                folder.strays = folder.strays.saturating_add(1);
            }
        })
    }

    /// Why the table does not confirm an entry; `None` where it does.
    fn stray(&mut self, entry: &Entry<'_>, name: &[u8], folder: Reference) -> Option<&'static str> {
        let parent = name.first_chunk::<8>().map(|raw| u64::from_le_bytes(*raw))?;
        if parent != folder.raw() {
            return Some("it names another folder as its own");
        }
        let object = entry.object;
        let listed = FileName::key(name).is_ok_and(|key| self.known.list(key, object.record));
        let found = self.survey.entry(object.record);
        match found.filter(|found| found.in_use || found.sequence != 0) {
            None => Some("there is no such record, or it cannot be read"),
            Some(found) if !found.in_use => Some("its record is not in use"),
            Some(found) if found.sequence != object.sequence => {
                Some("its record is in another use")
            }
            Some(_) if !listed => Some("its record has not this name in this folder"),
            Some(_) => None,
        }
    }

    fn blocks(&mut self, object: &Object, map: &Mapped, folder: &mut Folder) {
        let room = map.clusters().saturating_mul(self.ntfs.geometry.cluster);
        let size = object.index.size.min(room);
        if object.index.size > room {
            folder.damaged("the run list of its blocks does not cover them", None);
        }
        let bitmap = object.index.bitmap.as_ref().and_then(|small| self.bitmap(small));
        if bitmap.is_none() && size > 0 {
            folder.damaged("which of its blocks are in use cannot be read", None);
        }
        let mut buf = std::mem::take(&mut self.buf);
        let (mut at, mut number) = (0_u64, 0_u64);
        while at < size {
            let room = usize::try_from(size.saturating_sub(at)).unwrap_or(STRETCH).min(STRETCH);
            if wide(room) > self.left {
                self.left = 0;
                folder.damaged("its blocks are not all read", None);
                break;
            }
            self.left = self.left.saturating_sub(wide(room));
            buf.resize(room, 0);
            let there = self.fill(map, at, &mut buf);
            for bytes in buf.chunks_exact_mut(folder.block) {
                let start = number.saturating_mul(wide(folder.block));
                let end = start.saturating_add(wide(folder.block)).saturating_sub(at);
                let readable = end <= there || self.fill(map, start, bytes) == wide(bytes.len());
                let used = bitmap.as_ref().is_none_or(|bitmap| is_set(bitmap, number));
                let sound = self.block(map, folder, (number, used, readable), bytes);
                folder.links.block(sound);
                number = number.saturating_add(1);
            }
            at = at.saturating_add(wide(room));
        }
        self.buf = buf;
    }

    /// Which blocks of an index are in use, one bit a block.
    fn bitmap(&mut self, small: &Small) -> Option<Vec<u8>> {
        if let Small::Clusters(_, size) = small {
            self.left = self.left.checked_sub(*size)?;
        }
        self.gather.bytes(small, MOST_BITMAP)
    }

    /// Reads bytes of an index; how many could be.
    fn fill(&self, map: &Mapped, at: u64, bytes: &mut [u8]) -> u64 {
        let n = map.fill(&*self.ntfs.volume, &self.ntfs.geometry, at, bytes);
        n.map_or(0, wide)
    }

    /// Looks at a block: its number, whether it is in use, whether it can be read. True where it is
    /// a part of the index.
    fn block(
        &mut self,
        map: &Mapped,
        folder: &mut Folder,
        (number, used, readable): (u64, bool, bool),
        bytes: &mut [u8],
    ) -> bool {
        let start = number.saturating_mul(wide(bytes.len()));
        let at = place(map, &self.ntfs.geometry, start, bytes.len());
        let state = if readable { restore_of(bytes, *b"INDX") } else { State::Unreadable };
        let why = match state {
            State::Whole => None,
            State::Unused => Some("a block of it is empty"),
            State::Torn => Some("the sectors of a block of it were not written together"),
            State::Damaged(_) => Some("a block of it is none"),
            State::Unreadable => Some("a block of it cannot be read"),
        };
        if let Some(why) = why {
            if used {
                folder.damaged(why, at);
            }
            return false;
        }
        let (mut end, mut sound) = (UNUSED_BLOCK, false);
        if used {
            let unit = self.unit(folder.block);
            let own = index::own_place(bytes).and_then(|own| own.checked_mul(unit));
            if own != Some(start) {
                folder.damaged("a block of it says that it is another", at);
            }
            sound = true;
            match Part::block(bytes) {
                Ok(part) => {
                    let (to, whole) = self.entries(part, folder, Some(number));
                    if !whole {
                        folder.damaged("the entries of a block do not end where they should", at);
                    }
                    end = to;
                }
                Err(_) => folder.damaged("the header of a block of it makes no sense", at),
            }
        }
        if let Some((at, _)) = at {
            for left in index::left(bytes, end, folder.reference) {
                let at = at.saturating_add(wide(left.at));
                self.keep(left, folder.reference, at);
            }
        }
        sound
    }

    fn keep(&mut self, left: Left, folder: Reference, at: u64) {
        self.found.remnants.add(left, folder, at, self.survey, self.known);
    }

    /// Bytes in which links of an index count.
    fn unit(&self, block: usize) -> u64 {
        let cluster = self.ntfs.geometry.cluster;
        if cluster <= wide(block) { cluster } else { 512 }
    }
}

/// Where bytes of an index are in the volume.
fn place(map: &Mapped, geometry: &Geometry, at: u64, len: usize) -> Option<(u64, u64)> {
    Some((map.place(at, geometry)?.0?, wide(len)))
}

fn is_set(bitmap: &[u8], number: u64) -> bool {
    let byte = usize::try_from(number >> 3).ok().and_then(|at| bitmap.get(at)).unwrap_or(&0);
    u32::from(*byte) >> (number & 7) & 1 == 1
}

/// A name as details show it.
fn shown(name: &[u8]) -> String {
    escape::name(name)
}
