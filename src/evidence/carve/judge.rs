//! What stands at a place where an object may begin: a whole one, a broken one, or none.
//!
//! JPEG, PNG and GIF are proved code by code or by checksum; the other kinds by their structure,
//! with header fields held to what writers write, since much of a volume looks like a short header.

use super::gif;
use super::jpeg::{self, Decoder, Limits, Nonzero};
use super::png;
use super::search::Start;
use crate::bytes::{Block, ReadAt};
use crate::signature::{self, FileType, HEAD_BYTES, structural_length};

/// Bytes that tell most kinds.
const SHORT_HEAD: usize = 512;
/// Largest side of a bitmap.
const LONGEST_SIDE: u32 = 65_535;
/// Largest file type box of a film.
const LONGEST_FILE_TYPE: u32 = 4096;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A whole object that ends at a place.
    Whole(FileType, u64),
    /// The beginning of one.
    Broken(Broken),
    /// Nothing.
    None,
}

/// The beginning of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) kind: FileType,
    /// The byte at which it is wrong.
    pub(super) at: u64,
    /// Where its pixels begin, if they do.
    pub(super) body: Option<u64>,
    /// True where what there is of it is worth a row of its own, however short.
    pub(super) worth: bool,
    /// The chunk that is wrong, of a PNG.
    pub(super) chunk: Option<u64>,
}

/// Follows what may begin at `at`. `units` counts blocks of pictures.
pub(super) fn judge(
    source: &dyn ReadAt,
    at: u64,
    start: Start,
    nonzero: &mut Nonzero,
    units: &mut u64,
) -> Verdict {
    match start {
        Start::Jpeg => jpeg(source, at, nonzero, units),
        Start::Png => png(source, at),
        Start::Gif => gif(source, at),
        Start::Riff | Start::Bmp | Start::Tiff | Start::Bmff | Start::Zip | Start::Pdf => {
            by_structure(source, at, start)
        }
    }
}

fn head(source: &dyn ReadAt, at: u64, most: usize) -> Vec<u8> {
    let mut head = vec![0; most];
    let mut filled = source.fill_at(at, &mut head);
    if filled.is_err() {
        head.truncate(SHORT_HEAD);
        filled = source.fill_at(at, &mut head);
    }
    head.truncate(filled.unwrap_or(0));
    head
}

fn jpeg(source: &dyn ReadAt, at: u64, nonzero: &mut Nonzero, units: &mut u64) -> Verdict {
    let mut next = [0; 4];
    let known = |code: u8| matches!(code, 0xc0..=0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe);
    if !matches!(source.fill_at(at, &mut next), Ok(4)) || !next.last().copied().is_some_and(known) {
        return Verdict::None;
    }
    let mut decoder = Decoder::new(at);
    let outcome = decoder.run(source, nonzero, Limits::NONE);
    *units = units.saturating_add(decoder.units);
    match outcome {
        jpeg::Outcome::Whole(end) => Verdict::Whole(FileType::Jpeg, end),
        jpeg::Outcome::Broken(broken) => {
            let body = broken.body.unwrap_or(broken.at);
            let found = jpeg::settled(source, broken.at, body);
            Verdict::Broken(Broken {
                kind: FileType::Jpeg,
                at: found,
                body: broken.body,
                worth: broken.row,
                chunk: None,
            })
        }
        jpeg::Outcome::Paused | jpeg::Outcome::Reached => Verdict::None,
        jpeg::Outcome::Other => {
            let bytes = head(source, at, SHORT_HEAD);
            let kind = signature::detect(&bytes).filter(|kind| *kind == FileType::Jpeg);
            kind.map_or(Verdict::None, |kind| complete(source, at, kind, kind))
        }
    }
}

fn png(source: &dyn ReadAt, at: u64) -> Verdict {
    match png::follow(source, at) {
        png::Outcome::Whole(end) => Verdict::Whole(FileType::Png, end),
        png::Outcome::Broken(broken) => {
            let noticed = png::noticed(source, broken);
            let found = jpeg::settled(source, noticed, broken.body.unwrap_or(noticed));
            Verdict::Broken(Broken {
                kind: FileType::Png,
                at: found,
                body: broken.body,
                worth: false,
                chunk: Some(broken.chunk),
            })
        }
        png::Outcome::Other => Verdict::None,
    }
}

fn gif(source: &dyn ReadAt, at: u64) -> Verdict {
    match gif::follow(source, at) {
        gif::Outcome::Whole(end) => Verdict::Whole(FileType::Gif, end),
        gif::Outcome::Broken { at, body } => {
            let found = jpeg::settled(source, at, body.unwrap_or(at));
            let kind = FileType::Gif;
            Verdict::Broken(Broken { kind, at: found, body, worth: false, chunk: None })
        }
        gif::Outcome::Other => Verdict::None,
    }
}

/// Kinds that only their structure proves.
fn by_structure(source: &dyn ReadAt, at: u64, start: Start) -> Verdict {
    let bytes = head(source, at, SHORT_HEAD);
    let block = Block::new(&bytes, at);
    let plausible = match start {
        Start::Riff => is_riff(block),
        Start::Bmp => is_bitmap(block).unwrap_or(false),
        Start::Tiff => true,
        Start::Bmff => is_film(block).unwrap_or(false),
        _ => true,
    };
    if !plausible {
        return Verdict::None;
    }
    let Some(rough) = signature::detect(&bytes) else { return Verdict::None };
    let fits = match start {
        Start::Riff => matches!(rough, FileType::Webp | FileType::Avi),
        Start::Bmp => rough == FileType::Bmp,
        Start::Pdf => rough == FileType::Pdf,
        Start::Zip => bytes.starts_with(b"PK\x03\x04"),
        Start::Tiff => has_pixels(source, at).unwrap_or(false),
        _ => true,
    };
    if !fits {
        return Verdict::None;
    }
    // More bytes tell kinds of one mark apart.
    let kind = match start {
        Start::Zip | Start::Bmff | Start::Tiff => signature::detect(&head(source, at, HEAD_BYTES)),
        _ => None,
    };
    let kind = kind.unwrap_or(rough);
    complete(source, at, kind, rough)
}

fn complete(source: &dyn ReadAt, at: u64, kind: FileType, rough: FileType) -> Verdict {
    let length =
        structural_length(kind, source, at).or_else(|| structural_length(rough, source, at));
    let Some(length) = length else { return Verdict::None };
    let end = at.saturating_add(length.bytes);
    if length.complete {
        return Verdict::Whole(kind, end);
    }
    // Its bytes may go on elsewhere; what there is of it cannot be shown to be its own.
    Verdict::Broken(Broken { kind, at: end, body: None, worth: false, chunk: None })
}

/// The first chunk is one that a WebP or an AVI begins with.
fn is_riff(head: Block<'_>) -> bool {
    let Ok(form) = head.array::<4>(8) else { return false };
    match (&form, head.array::<4>(12)) {
        (b"WEBP", Ok(chunk)) => match &chunk {
            b"VP8 " => head.array::<3>(23) == Ok([0x9d, 0x01, 0x2a]),
            b"VP8L" => head.u8(20) == Ok(0x2f),
            b"VP8X" => head.u32_le(16) == Ok(10),
            _ => false,
        },
        (b"AVI ", Ok(chunk)) => &chunk == b"LIST" && head.array::<4>(20) == Ok(*b"hdrl"),
        _ => false,
    }
}

/// Every field is one that a writer of bitmaps writes, and the sizes agree.
fn is_bitmap(head: Block<'_>) -> Option<bool> {
    if head.array(0).ok()? != *b"BM" || head.u32_le(6).ok()? != 0 {
        return Some(false);
    }
    let (stated, pixels, header) =
        (head.u32_le(2).ok()?, head.u32_le(10).ok()?, head.u32_le(14).ok()?);
    let (width, height, planes, bits) = if header == 12 {
        let (width, height) = (head.u16_le(18).ok()?, head.u16_le(20).ok()?);
        (width.into(), height.into(), head.u16_le(22).ok()?, head.u16_le(24).ok()?)
    } else {
        let height = head.u32_le(22).ok()?;
        let height = if height > 0x7fff_ffff { height.wrapping_neg() } else { height };
        (head.u32_le(18).ok()?, height, head.u16_le(26).ok()?, head.u16_le(28).ok()?)
    };
    let compression = if header == 12 { 0 } else { head.u32_le(30).ok()? };
    let side = 1..=LONGEST_SIDE;
    if !side.contains(&width) || !side.contains(&height) || planes != 1 || compression > 3 {
        return Some(false);
    }
    if !matches!(bits, 1 | 4 | 8 | 16 | 24 | 32) || pixels >= stated {
        return Some(false);
    }
    if matches!(compression, 1 | 2) {
        return Some(matches!(bits, 4 | 8));
    }
    let row = u64::from(width).checked_mul(bits.into())?.div_ceil(32).checked_mul(4)?;
    let needed = row.checked_mul(height.into())?.checked_add(pixels.into())?;
    // Some writers round the file's size up to a word.
    Some((needed..=needed.checked_add(3)?).contains(&u64::from(stated)))
}

/// A file type box of plausible size with printable brands.
fn is_film(head: Block<'_>) -> Option<bool> {
    let size = head.u32_be(0).ok()?;
    let brand = head.array::<4>(8).ok()?;
    let printable = brand.iter().all(|byte| matches!(byte, 32..=126));
    Some((12..=LONGEST_FILE_TYPE).contains(&size) && size.is_multiple_of(4) && printable)
}

/// The first directory is ordered and some directory near the head names strips or tiles: what
/// cameras write into JPEG files has neither.
fn has_pixels(source: &dyn ReadAt, at: u64) -> Option<bool> {
    let mut header = [0; 8];
    if source.fill_at(at, &mut header).ok()? != header.len() {
        return None;
    }
    let order = header.starts_with(b"MM");
    let u16_at = |block: Block<'_>, at| if order { block.u16_be(at) } else { block.u16_le(at) };
    let u32_at = |block: Block<'_>, at| if order { block.u32_be(at) } else { block.u32_le(at) };
    let mut directory = u32_at(Block::new(&header, at), 4).ok()?;
    let mut pixels = false;
    for _ in 0..4 {
        let bytes = head(source, at.checked_add(directory.into())?, 4096);
        let block = Block::new(&bytes, 0);
        let count = usize::from(u16_at(block, 0).ok()?);
        if !(4..=300).contains(&count) {
            return Some(false);
        }
        let (mut last, mut entry) = (0, 2_usize);
        for _ in 0..count {
            let tag = u16_at(block, entry).ok()?;
            if tag < last {
                return Some(false);
            }
            last = tag;
            pixels |= matches!(tag, 273 | 324 | 330);
            entry = entry.checked_add(12)?;
        }
        directory = u32_at(block, entry).ok()?;
        if pixels || directory == 0 {
            break;
        }
    }
    Some(pixels)
}

/// True where all of some bytes are equal: a fragment does not begin so.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let first = bytes.first();
    bytes.iter().all(|byte| Some(byte) == first)
}

/// The first bytes of a view from a place on.
pub(super) fn peek(source: &dyn ReadAt, at: u64, buffer: &mut [u8]) -> usize {
    let n = source.fill_at(at, buffer).unwrap_or(0);
    n.min(buffer.len())
}
