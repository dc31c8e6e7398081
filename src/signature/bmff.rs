//! ISO base media files: MP4, QuickTime, 3GP, HEIF, AVIF and CR3.
//!
//! A file is a chain of boxes without an end mark: it ends at the last box of a kind that stands
//! at the top of such files, and is complete when what it needs has been met.
//!
//! Source: ISO/IEC 14496-12 (boxes, brands), 23008-12 (HEIF); Apple, "QuickTime File Format".

use super::window::Window;
use super::{FileType, Length};
use crate::bytes::Block;

/// Boxes followed at the top of one file: fragmented films have one pair a second or so.
const MOST_BOXES: u32 = 60_000;
/// Boxes looked at inside a picture's description.
const MOST_CHILDREN: u32 = 64;
/// Compatible brands looked at.
const MOST_BRANDS: usize = 32;
/// First boxes longer than this are taken for chance, but for `mdat`.
const LONGEST_FIRST_BOX: u32 = 0x0400_0000;

/// Film or picture whose first box can open such a file.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    let (size, name) = (head.u32_be(0).ok()?, head.array::<4>(4).ok()?);
    match &name {
        b"ftyp" if (8..=4096).contains(&size) => Some(brand_type(head, size)),
        // QuickTime before brands: these boxes stood first.
        b"moov" if (16..LONGEST_FIRST_BOX).contains(&size) => {
            let inner = head.array::<4>(12).ok()?;
            matches!(&inner, b"mvhd" | b"cmov" | b"rmra" | b"iods" | b"udta")
                .then_some(FileType::Mov)
        }
        b"mdat" if size == 1 || (16..0x2000_0000).contains(&size) => {
            next_box_follows(head, size).then_some(FileType::Mov)
        }
        b"wide" | b"free" | b"skip" | b"pnot" if (8..LONGEST_FIRST_BOX).contains(&size) => {
            next_box_follows(head, size).then_some(FileType::Mov)
        }
        _ => None,
    }
}

/// True where the box behind the first one is of a known kind, or lies outside the head.
fn next_box_follows(head: Block<'_>, size: u32) -> bool {
    let Some(at) = usize::try_from(size).ok().filter(|size| *size > 1) else { return true };
    match at.checked_add(4).map(|at| head.array::<4>(at)) {
        Some(Ok(name)) => is_top_box(name),
        _ => true,
    }
}

/// The type that the brands name: the major one, or where that is general the compatible ones.
fn brand_type(head: Block<'_>, size: u32) -> FileType {
    let major = head.array(8).unwrap_or_default();
    if let Some(kind) = brand(major) {
        return kind;
    }
    let end = usize::try_from(size).unwrap_or(0);
    let brands = head.bytes().get(16..end.min(head.len())).unwrap_or_default();
    let mut compatible = brands.chunks_exact(4).take(MOST_BRANDS);
    let general =
        if matches!(&major, b"mif1" | b"msf1" | b"mif2") { FileType::Heic } else { FileType::Mp4 };
    let told = |chunk: &[u8]| brand(chunk.first_chunk().copied().unwrap_or_default());
    match general {
        FileType::Heic => compatible.find_map(told).unwrap_or(general),
        _ => general,
    }
}

const fn brand(brand: [u8; 4]) -> Option<FileType> {
    match &brand {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => Some(FileType::Heic),
        b"avif" | b"avis" => Some(FileType::Avif),
        b"crx " => Some(FileType::Cr3),
        b"qt  " => Some(FileType::Mov),
        b"M4A " | b"M4B " | b"M4P " => Some(FileType::M4a),
        [b'3', b'g', b'p' | b'2' | b'g' | b's' | b'r' | b'e', _] => Some(FileType::ThreeGp),
        _ => None,
    }
}

/// Boxes that stand at the top of a file.
const TOP_BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"PICT", b"moof",
    b"mfra", b"sidx", b"ssix", b"emsg", b"prft", b"meta", b"uuid", b"pdin", b"meco", b"udta",
    b"bloc", b"beam", b"junk", b"thum", b"mpvd", b"sefd",
];

fn is_top_box(name: [u8; 4]) -> bool {
    TOP_BOXES.iter().any(|known| **known == name)
}

/// What a file must have met to be whole.
#[derive(Default)]
struct Met {
    file_type: bool,
    movie: bool,
    picture: bool,
    data: bool,
    /// Where all that is needed had been met.
    whole_at: Option<u64>,
}

impl Met {
    /// Notes the box `name` at `at`; `whole_at` is set by the box that completes the file.
    fn note(&mut self, window: &mut Window<'_>, name: [u8; 4], at: u64, end: u64) {
        match &name {
            b"ftyp" => self.file_type = true,
            b"moov" => self.movie = true,
            b"meta" => {
                self.picture = true;
                self.data |= holds_data(window, at, end);
            }
            b"mdat" | b"moof" => self.data = true,
            _ => {}
        }
        if self.whole_at.is_none() && (self.movie || self.picture) && self.data {
            self.whole_at = Some(end);
        }
    }

    /// True where a box can only open the next file.
    fn opens_next(&self, name: [u8; 4]) -> bool {
        (&name == b"ftyp" && self.file_type) || (&name == b"moov" && self.movie)
    }
}

/// True where a picture's description has its data inside.
fn holds_data(window: &mut Window<'_>, meta: u64, end: u64) -> bool {
    // The box header and four bytes of version and flags.
    let mut at = meta.saturating_add(12);
    for _ in 0..MOST_CHILDREN {
        let Some([a, b, c, d, name @ ..]) = window.array::<8>(at).filter(|_| at < end) else {
            return false;
        };
        if &name == b"idat" {
            return true;
        }
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        if size < 8 {
            return false;
        }
        at = at.saturating_add(size);
    }
    false
}

/// A box at the top: its name, its end, and whether it claims the rest of the file.
struct TopBox {
    name: [u8; 4],
    end: u64,
    rest: bool,
}

/// The box at `at`, where its kind belongs at the top and its size is sound.
fn top_box(window: &mut Window<'_>, at: u64) -> Option<TopBox> {
    let [a, b, c, d, name @ ..]: [u8; 8] = window.array(at)?;
    let stated = u32::from_be_bytes([a, b, c, d]);
    let (size, header) = match stated {
        0 => (window.len().checked_sub(at)?, 8),
        1 => (u64::from_be_bytes(window.array(at.checked_add(8)?)?), 16),
        size => (u64::from(size), 8),
    };
    let end = at.checked_add(size)?;
    (is_top_box(name) && size >= header).then_some(TopBox { name, end, rest: stated == 0 })
}

/// Follows the boxes at the top to the last one that belongs there.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let mut met = Met::default();
    let mut at = 0_u64;
    for _ in 0..MOST_BOXES {
        let Some(found) = top_box(window, at) else { break };
        if met.opens_next(found.name) {
            // Without a file type box the next file began where this one was whole.
            at = if &found.name == b"ftyp" { at } else { met.whole_at.unwrap_or(at) };
            break;
        }
        if found.end > window.len() {
            return Some(Length::cut(window.len()));
        }
        met.note(window, found.name, at, found.end);
        // The size 0 means the rest of the file; what that is the source alone knows.
        if found.rest {
            return Some(Length::cut(found.end));
        }
        at = found.end;
    }
    match (at, met.whole_at) {
        (0, _) => None,
        (at, Some(_)) => Some(Length::complete(at)),
        (at, None) => Some(Length::cut(at)),
    }
}
