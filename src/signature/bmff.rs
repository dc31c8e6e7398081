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
    b"idat", b"bloc", b"beam", b"junk", b"thum", b"mpvd", b"sefd",
];

fn is_top_box(name: [u8; 4]) -> bool {
    TOP_BOXES.iter().any(|known| **known == name)
}

/// What a file must have met to be whole.
#[derive(Default)]
struct Met {
    first: bool,
    movie: bool,
    picture: bool,
    data: bool,
}

impl Met {
    fn note(&mut self, name: [u8; 4]) {
        match &name {
            b"ftyp" => self.first = true,
            b"moov" => self.movie = true,
            b"meta" => self.picture = true,
            b"mdat" | b"moof" | b"idat" => self.data = true,
            _ => {}
        }
    }

    /// A movie needs its data; a still picture may keep them inside its description.
    const fn whole(&self) -> bool {
        (self.movie && self.data) || (self.picture && !self.movie)
    }
}

/// Follows the boxes at the top to the last one that belongs there.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let mut met = Met::default();
    let mut at = 0_u64;
    for _ in 0..MOST_BOXES {
        let Some(header) = window.block(at, 8) else { break };
        let (Ok(size), Ok(name)) = (header.u32_be(0), header.array::<4>(4)) else { break };
        // A second file type box opens the next file.
        if !is_top_box(name) || (&name == b"ftyp" && met.first) {
            break;
        }
        let (size, header_size) = match size {
            0 => (window.len().saturating_sub(at), 8),
            1 => match window.array(at.checked_add(8)?).map(u64::from_be_bytes) {
                Some(size) => (size, 16),
                None => break,
            },
            size => (u64::from(size), 8),
        };
        let to_the_end = header_says_rest(window, at);
        met.note(name);
        match at.checked_add(size).filter(|_| size >= header_size) {
            Some(end) if end > window.len() => return Some(Length::cut(window.len())),
            // The size 0 means the rest of the file; what that is the source alone knows.
            Some(end) if to_the_end => return Some(Length::cut(end)),
            Some(end) => at = end,
            None => break,
        }
    }
    if at == 0 {
        return None;
    }
    Some(if met.whole() { Length::complete(at) } else { Length::cut(at) })
}

fn header_says_rest(window: &mut Window<'_>, at: u64) -> bool {
    window.array(at) == Some([0_u8; 4])
}
