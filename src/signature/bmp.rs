//! Windows bitmap: header fields say where the pixels end.
//!
//! Source: Microsoft Learn, "Bitmap Storage" and BITMAPV5HEADER; OS/2 1.x and 2.x header sizes.

use super::window::Window;
use super::{FileType, Length};
use crate::bytes::{Block, Truncated};

const FILE_HEADER: u64 = 14;
/// Sizes an information header can have.
const HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];
/// Bytes behind the pixels that the stated file size may claim, for writers that pad.
const MOST_PADDING: u64 = 4096;
/// A header up to and with the colour profile fields.
const LONGEST_HEADER: usize = 14 + 124;

/// Bitmap where the header's size is one of the eight known and the pixels start behind it.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    if head.array(0) != Ok(*b"BM") {
        return None;
    }
    let (pixels, header) = (head.u32_le(10).ok()?, head.u32_le(14).ok()?);
    let known = HEADER_SIZES.contains(&header) && pixels >= header.checked_add(12)?;
    (known && pixels < 0x0100_0000).then_some(FileType::Bmp)
}

/// The end of the furthest part that the headers name.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let there = usize::try_from(window.len()).map_or(LONGEST_HEADER, |n| n.min(LONGEST_HEADER));
    let header = window.block(0, there)?;
    detect(header)?;
    let (stated, needed) = (u64::from(header.u32_le(2).ok()?), parts_end(header).ok().flatten());
    let Some(needed) = needed else { return Some(Length::cut(window.len())) };
    let padded = needed.checked_add(MOST_PADDING)?;
    let bytes = if (needed..=padded).contains(&stated) { stated } else { needed };
    Some(if bytes > window.len() { Length::cut(window.len()) } else { Length::complete(bytes) })
}

/// Where pixels and profile end; `None` where the fields make no sense.
fn parts_end(header: Block<'_>) -> Result<Option<u64>, Truncated> {
    let stated = u64::from(header.u32_le(2)?);
    let pixels = u64::from(header.u32_le(10)?);
    let size = header.u32_le(14)?;
    if size < 40 {
        let (width, height) = (u32::from(header.u16_le(18)?), u32::from(header.u16_le(20)?));
        let rows = rows_length(width, height, header.u16_le(24)?);
        return Ok(rows.and_then(|rows| pixels.checked_add(rows)));
    }
    let (width, height) = (header.u32_le(18)?, header.u32_le(22)?);
    // A negative height means rows from the top.
    let height = if height > 0x7fff_ffff { height.wrapping_neg() } else { height };
    let (compression, image_size) = (header.u32_le(30)?, header.u32_le(34)?);
    let data = match (compression, image_size) {
        (0 | 3 | 6, _) => rows_length(width, height, header.u16_le(28)?),
        // Compressed pixels without their length: only the file size is left to say it.
        (_, 0) => stated.checked_sub(pixels),
        (_, n) => Some(u64::from(n)),
    };
    let end = data.and_then(|data| pixels.checked_add(data));
    Ok(end.map(|end| end.max(profile_end(header, size))))
}

/// Uncompressed rows, each padded to four bytes.
fn rows_length(width: u32, height: u32, bits: u16) -> Option<u64> {
    let row = u64::from(width).checked_mul(u64::from(bits))?.checked_add(31)?;
    row.checked_div(32)?.checked_mul(4)?.checked_mul(u64::from(height)).filter(|n| *n > 0)
}

/// Where an embedded colour profile ends, 0 without one.
fn profile_end(header: Block<'_>, size: u32) -> u64 {
    const EMBEDDED: u32 = 0x4d42_4544;
    let fields = (header.u32_le(70), header.u32_le(126), header.u32_le(130));
    let (124, (Ok(EMBEDDED), Ok(offset), Ok(len))) = (size, fields) else { return 0 };
    let end = FILE_HEADER.checked_add(u64::from(offset));
    end.and_then(|end| end.checked_add(u64::from(len))).unwrap_or(0)
}
