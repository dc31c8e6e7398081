//! TIFF, BigTIFF and raw pictures built on them: the end of the furthest data that any directory
//! refers to.
//!
//! TIFF has no end mark. The directories, the values they keep elsewhere, strips, tiles and an
//! embedded JPEG are followed, and so are the sub-, EXIF, GPS and interoperability directories.
//! Private data that only a maker's own field can find are not, so that the end of a raw picture
//! may be told short. Uncompressed pictures without byte counts are incomplete.
//!
//! Source: Adobe, "TIFF Revision 6.0", 1992; "TIFF Technical Note 1" (sub-directories); Aware
//! Systems' description of BigTIFF; DNG specification 1.7.

use super::window::Window;
use super::{FileType, Length};
use crate::bytes::Block;

/// Directories followed in one file.
const MOST_DIRECTORIES: u32 = 4096;
/// Directories waiting at once.
const MOST_PENDING: usize = 1024;
/// Entries and data offsets looked at in one file.
const MOST_STEPS: u32 = 4_000_000;
/// Offsets compared with their byte counts at a time.
const BATCH: usize = 128;

/// Tags that a directory is followed by.
mod tag {
    pub(super) const MAKE: u16 = 271;
    pub(super) const NEW_SUBFILE_TYPE: u16 = 254;
    pub(super) const STRIP_OFFSETS: u16 = 273;
    pub(super) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTE_COUNTS: u16 = 325;
    pub(super) const SUB_DIRECTORIES: u16 = 330;
    pub(super) const JPEG_OFFSET: u16 = 513;
    pub(super) const JPEG_LENGTH: u16 = 514;
    pub(super) const EXIF: u16 = 34_665;
    pub(super) const GPS: u16 = 34_853;
    pub(super) const INTEROPERABILITY: u16 = 40_965;
    pub(super) const DNG_VERSION: u16 = 50_706;
}

/// Byte order and field widths.
#[derive(Debug, Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// BigTIFF: offsets of eight bytes.
    big: bool,
}

/// One entry of a directory, with the place of its value.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    /// Bytes of one value.
    unit: u64,
    count: u64,
    /// Where the values stand, in the entry or elsewhere.
    at: u64,
}

impl Entry {
    fn end(&self) -> Option<u64> {
        self.unit.checked_mul(self.count)?.checked_add(self.at)
    }
}

impl Layout {
    /// Byte order and width from the first bytes of a file.
    fn of(head: Block<'_>) -> Option<Self> {
        let order = head.array::<2>(0).ok()?;
        let big_endian = &order == b"MM";
        if !big_endian && &order != b"II" {
            return None;
        }
        let layout = Self { big_endian, big: false };
        // 0x55 and the letters are what Panasonic and Olympus write for 42.
        match layout.number(head.bytes().get(2..4)?)? {
            42 | 0x55 | 0x4f52 | 0x5352 => Some(layout),
            43 => Some(Self { big_endian, big: true }),
            _ => None,
        }
    }

    /// Up to eight bytes as a number.
    fn number(self, bytes: &[u8]) -> Option<u64> {
        let mut wide = [0_u8; 8];
        let place = if self.big_endian {
            wide.get_mut(8_usize.checked_sub(bytes.len())?..)?
        } else {
            wide.get_mut(..bytes.len())?
        };
        place.copy_from_slice(bytes);
        Some(if self.big_endian { u64::from_be_bytes(wide) } else { u64::from_le_bytes(wide) })
    }

    const fn offset_size(self) -> usize {
        if self.big { 8 } else { 4 }
    }

    const fn count_size(self) -> usize {
        if self.big { 8 } else { 2 }
    }

    const fn entry_size(self) -> u64 {
        if self.big { 20 } else { 12 }
    }

    fn read(self, window: &mut Window<'_>, at: u64, size: usize) -> Option<u64> {
        self.number(window.block(at, size)?.bytes())
    }

    fn first_directory(self, window: &mut Window<'_>) -> Option<u64> {
        let at = if self.big { 8 } else { 4 };
        self.read(window, at, self.offset_size())
    }

    /// The entry at `at`; its value's place is absolute.
    fn entry(self, window: &mut Window<'_>, at: u64) -> Option<Entry> {
        let tag = u16::try_from(self.read(window, at, 2)?).ok()?;
        let unit = unit_size(self.read(window, at.checked_add(2)?, 2)?);
        let count = self.read(window, at.checked_add(4)?, self.offset_size())?;
        let place = at.checked_add(if self.big { 12 } else { 8 })?;
        let fits = unit.saturating_mul(count) <= u64::try_from(self.offset_size()).ok()?;
        let at = if fits { place } else { self.read(window, place, self.offset_size())? };
        Some(Entry { tag, unit, count, at })
    }

    /// Value number `index` of an entry.
    fn value(self, window: &mut Window<'_>, entry: Entry, index: u64) -> Option<u64> {
        let at = entry.unit.checked_mul(index)?.checked_add(entry.at)?;
        let size = usize::try_from(entry.unit).ok().filter(|n| (1..=8).contains(n))?;
        self.read(window, at, size)
    }
}

/// Bytes of one value of a field type; 0 for an unknown one.
const fn unit_size(field_type: u64) -> u64 {
    match field_type {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 0,
    }
}

/// Tells raw pictures from other TIFF files by their first directory.
pub(super) fn kind(head: Block<'_>) -> FileType {
    if head.array(8) == Ok(*b"CR\x02\0") {
        return FileType::Cr2;
    }
    raw_kind(head).unwrap_or(FileType::Tiff)
}

fn raw_kind(head: Block<'_>) -> Option<FileType> {
    let source = HeadSource(head.bytes());
    let mut window = Window::new(&source, 0)?;
    let layout = Layout::of(head)?;
    let at = layout.first_directory(&mut window)?;
    let count = layout.read(&mut window, at, layout.count_size())?.min(512);
    let mut entry_at = at.checked_add(u64::try_from(layout.count_size()).ok()?)?;
    let (mut make, mut preview, mut sub) = (None, false, false);
    for _ in 0..count {
        let entry = layout.entry(&mut window, entry_at)?;
        entry_at = entry_at.checked_add(layout.entry_size())?;
        match entry.tag {
            tag::DNG_VERSION => return Some(FileType::Dng),
            tag::MAKE => make = window.array::<5>(entry.at),
            tag::NEW_SUBFILE_TYPE => preview = layout.value(&mut window, entry, 0) == Some(1),
            tag::SUB_DIRECTORIES => sub = true,
            _ => {}
        }
    }
    // The first directory of these is a reduced picture, the raw one stands below it.
    match &make.filter(|_| preview && sub)? {
        b"NIKON" | b"Nikon" => Some(FileType::Nef),
        b"SONY " | b"SONY\0" => Some(FileType::Arw),
        _ => None,
    }
}

/// The head as a source of its own.
struct HeadSource<'a>(&'a [u8]);

impl crate::bytes::ReadAt for HeadSource<'_> {
    fn len(&self) -> u64 {
        crate::bytes::ReadAt::len(self.0)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }
}

/// What is known of a file while its directories are followed.
struct Walk {
    layout: Layout,
    /// End of the furthest data so far.
    end: u64,
    /// False once something could not be followed.
    sound: bool,
    steps_left: u32,
    pending: Vec<u64>,
}

/// Follows every directory; the furthest end is the file's.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let layout = Layout::of(window.block(0, 8)?)?;
    let first = layout.first_directory(window)?;
    let end = if layout.big { 16 } else { 8 };
    let mut walk = Walk { layout, end, sound: true, steps_left: MOST_STEPS, pending: vec![first] };
    let mut seen = Vec::new();
    while let Some(at) = walk.pending.pop() {
        if seen.len() >= usize::try_from(MOST_DIRECTORIES).ok()? || seen.contains(&at) {
            walk.sound = false;
            continue;
        }
        seen.push(at);
        if walk.directory(window, at).is_none() {
            walk.sound = false;
        }
    }
    let cut = !walk.sound || walk.end > window.len();
    let bytes = walk.end.min(window.len());
    Some(if cut { Length::cut(bytes) } else { Length::complete(bytes) })
}

impl Walk {
    fn reaches(&mut self, end: Option<u64>) {
        match end {
            Some(end) => self.end = self.end.max(end),
            None => self.sound = false,
        }
    }

    fn step(&mut self) -> Option<()> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        Some(())
    }

    /// Follows one directory; `None` where it cannot be read to its end.
    fn directory(&mut self, window: &mut Window<'_>, at: u64) -> Option<()> {
        let layout = self.layout;
        let count = layout.read(window, at, layout.count_size())?;
        let first = at.checked_add(u64::try_from(layout.count_size()).ok()?)?;
        let next_at = count.checked_mul(layout.entry_size())?.checked_add(first)?;
        let mut data = [None; 6];
        let mut entry_at = first;
        for _ in 0..count {
            self.step()?;
            let entry = layout.entry(window, entry_at)?;
            entry_at = entry_at.checked_add(layout.entry_size())?;
            if entry.unit != 0 {
                self.reaches(entry.end());
            }
            self.remember(window, entry, &mut data)?;
        }
        let offset_size = u64::try_from(layout.offset_size()).ok()?;
        self.reaches(next_at.checked_add(offset_size));
        let [strips, strip_counts, tiles, tile_counts, jpeg, jpeg_counts] = data;
        self.data(window, strips, strip_counts)?;
        self.data(window, tiles, tile_counts)?;
        self.data(window, jpeg, jpeg_counts)?;
        match layout.read(window, next_at, layout.offset_size())? {
            0 => Some(()),
            next => self.follow(next),
        }
    }

    /// Keeps the entries that name data, and queues the directories an entry names.
    fn remember(
        &mut self,
        window: &mut Window<'_>,
        entry: Entry,
        data: &mut [Option<Entry>; 6],
    ) -> Option<()> {
        let [strips, strip_counts, tiles, tile_counts, jpeg, jpeg_counts] = data;
        match entry.tag {
            tag::STRIP_OFFSETS => *strips = Some(entry),
            tag::STRIP_BYTE_COUNTS => *strip_counts = Some(entry),
            tag::TILE_OFFSETS => *tiles = Some(entry),
            tag::TILE_BYTE_COUNTS => *tile_counts = Some(entry),
            tag::JPEG_OFFSET => *jpeg = Some(entry),
            tag::JPEG_LENGTH => *jpeg_counts = Some(entry),
            tag::SUB_DIRECTORIES | tag::EXIF | tag::GPS | tag::INTEROPERABILITY => {
                for index in 0..entry.count {
                    self.step()?;
                    let at = self.layout.value(window, entry, index)?;
                    self.follow(at)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn follow(&mut self, directory: u64) -> Option<()> {
        if self.pending.len() >= MOST_PENDING {
            return None;
        }
        self.pending.push(directory);
        Some(())
    }

    /// Adds the pieces that offsets and byte counts name.
    fn data(
        &mut self,
        window: &mut Window<'_>,
        offsets: Option<Entry>,
        counts: Option<Entry>,
    ) -> Option<()> {
        let Some(offsets) = offsets else { return Some(()) };
        let counts = counts?;
        let mut starts = [0_u64; BATCH];
        let mut index = 0_u64;
        // Offsets and counts stand apart: batches spare the window a jump for each pair.
        while index < offsets.count {
            let mut filled = 0_u64;
            for (start, i) in starts.iter_mut().zip(index..offsets.count) {
                self.step()?;
                *start = self.layout.value(window, offsets, i)?;
                filled = filled.checked_add(1)?;
            }
            let last = index.checked_add(filled)?;
            for (start, i) in starts.iter().zip(index..last) {
                let count = self.layout.value(window, counts, i)?;
                if count != 0 {
                    self.reaches(start.checked_add(count));
                }
            }
            index = last;
        }
        Some(())
    }
}
