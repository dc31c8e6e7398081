//! ICO: the largest of its pictures, a PNG or a BMP without its file header.
//!
//! Source: Microsoft, "Icons" (MSDN), structures ICONDIR and ICONDIRENTRY.

use std::io::Cursor;

use image::codecs::ico::IcoDecoder;

use super::picture::{Failure, Frame, Limits, count, len};
use super::{png, raster};
use crate::bytes::Block;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    let file = Block::new(bytes, 0);
    let entries = usize::from(file.u16_le(4).unwrap_or(0));
    let best = (0..entries)
        .map_while(|i| file.array::<16>(i.saturating_mul(16).saturating_add(6)).ok())
        .max_by_key(rank);
    let Some(entry) = best else {
        return Err(Failure::Damaged("no entry".into()));
    };
    let field = Block::new(&entry, 0);
    // The stated length is often wrong and never needed: both forms know where they end.
    let offset = field.u32_le(12).unwrap_or(0);
    let data = bytes.get(len(offset)..).unwrap_or_default();
    if data.starts_with(b"\x89PNG") {
        return png::decode(data, limits);
    }
    let stated = Block::new(data, 0);
    if let (Ok(width), Ok(height)) = (stated.u32_le(4), stated.u32_le(8)) {
        // The height counts the mask too.
        limits.check(width, height.checked_div(2).unwrap_or(0), 8)?;
    }
    // A file of this entry alone, so that the crate has no other choice.
    let mut single = Vec::with_capacity(data.len().saturating_add(22));
    single.extend_from_slice(&[0, 0, 1, 0, 1, 0]);
    single.extend_from_slice(entry.first_chunk::<8>().unwrap_or(&[0; 8]));
    single.extend_from_slice(&count(data.len()).to_le_bytes());
    single.extend_from_slice(&22_u32.to_le_bytes());
    single.extend_from_slice(data);
    let (mut frame, rows) = raster::twice(limits, |_| IcoDecoder::new(Cursor::new(&single)))?;
    if frame.damage.is_some() {
        frame.rows_decoded = count(rows.iter().filter(|row| **row).count());
    }
    Ok(frame)
}

/// Largest area, then most bits a pixel; a side of 0 means 256. The first of equals wins.
fn rank(entry: &[u8; 16]) -> (u32, u16) {
    let side = |byte: u8| if byte == 0 { 256 } else { u32::from(byte) };
    let [width, height, ..] = *entry;
    let bits = Block::new(entry, 0).u16_le(6).unwrap_or(0);
    (side(width).saturating_mul(side(height)), bits)
}
