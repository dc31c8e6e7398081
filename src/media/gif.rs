//! GIF, our own reader: the first frame, and past damage the rest of it as well as it goes.
//!
//! LZW keeps its code width in step with the number of codes, right or wrong ones, so a damaged
//! code spoils some pixels and shifts the rest, and the picture goes on. A decoder that stops
//! there loses it. GIF has no checksum: damage that makes valid codes is not seen.
//!
//! The canvas is the logical screen, widened where the frame reaches past it. What the frame does
//! not cover is its transparent index, else index 0. Source: GIF89a specification (1990).

use super::lzw;
use super::picture::{Failure, Frame, Limits, Picture, byte_count, count, len};
use crate::bytes::{Block, Truncated};

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    let first = First::read(bytes)?;
    let (left, top) = (u32::from(first.left), u32::from(first.top));
    let (width, height) = (u32::from(first.width), u32::from(first.height));
    let size = (
        u32::from(first.screen.0).max(left.saturating_add(width)),
        u32::from(first.screen.1).max(top.saturating_add(height)),
    );
    // Indices of the frame and of the canvas, and three samples a pixel.
    limits.check(size.0, size.1, 5)?;
    limits.check(width, height, 5)?;
    let pixels = lzw::decode(&first.data, first.code_size, byte_count(width, height, 1)?);
    let mut damage = pixels.damaged.then(|| "wrong codes in the picture data".to_owned());

    let mut indices = vec![first.transparent.unwrap_or(0); byte_count(size.0, size.1, 1)?];
    let mut done = 0_usize;
    let stored = pixels.indices.chunks(len(width).max(1));
    for (y, row) in row_order(height, first.interlaced).zip(stored) {
        let canvas = indices.chunks_exact_mut(len(size.0)).nth(len(top.saturating_add(y)));
        let target = canvas.into_iter().flatten().skip(len(left));
        target.zip(row).for_each(|(to, from)| *to = *from);
        done = done.saturating_add(1);
    }
    if pixels.indices.len() < byte_count(width, height, 1)? {
        damage.get_or_insert_with(|| "ends early".into());
    }
    let mut rgb = Vec::with_capacity(byte_count(size.0, size.1, 3)?);
    for index in indices {
        let at = usize::from(index).saturating_mul(3);
        let colour = first.palette.get(at..at.saturating_add(3)).unwrap_or(&[0, 0, 0]);
        rgb.extend_from_slice(colour);
    }
    let rows_decoded = if damage.is_some() { count(done) } else { size.1 };
    Ok(Frame { picture: Picture::new(size, 3, rgb)?, rows_decoded, damage })
}

/// What the file says about its first frame.
struct First {
    screen: (u16, u16),
    left: u16,
    top: u16,
    width: u16,
    height: u16,
    interlaced: bool,
    transparent: Option<u8>,
    palette: Vec<u8>,
    code_size: u8,
    data: Vec<u8>,
}

impl First {
    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        Self::parse(bytes)
            .map_err(|error| Failure::Damaged(error.to_string()))?
            .ok_or_else(|| Failure::Damaged("no frame".into()))
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, Truncated> {
        let file = Block::new(bytes, 0);
        let screen = (file.u16_le(6)?, file.u16_le(8)?);
        let flags = file.u8(10)?;
        let global_len = palette_len(flags);
        let global = bytes.get(13..13_usize.saturating_add(global_len)).unwrap_or_default();
        let mut at = 13_usize.saturating_add(global_len);
        let mut transparent = None;
        loop {
            let kind = file.u8(at)?;
            at = at.saturating_add(1);
            match kind {
                0x21 => {
                    let label = file.u8(at)?;
                    let (body, end) = sub_blocks(bytes, at.saturating_add(1));
                    if let (0xf9, [flags, _, _, index, ..]) = (label, body.as_slice()) {
                        transparent = (flags & 1 == 1).then_some(*index);
                    }
                    at = end;
                }
                0x2c => {
                    let flags = file.u8(at.saturating_add(8))?;
                    let from = at.saturating_add(9);
                    let local_len = palette_len(flags);
                    let from_data = from.saturating_add(local_len);
                    let local = bytes.get(from..from_data).unwrap_or_default();
                    let palette = match (local, global) {
                        ([], []) => (0..=u8::MAX).flat_map(|grey| [grey; 3]).collect(),
                        ([], global) => global.to_vec(),
                        (local, _) => local.to_vec(),
                    };
                    return Ok(Some(Self {
                        screen,
                        left: file.u16_le(at)?,
                        top: file.u16_le(at.saturating_add(2))?,
                        width: file.u16_le(at.saturating_add(4))?,
                        height: file.u16_le(at.saturating_add(6))?,
                        interlaced: flags & 0x40 != 0,
                        transparent,
                        palette,
                        code_size: file.u8(from_data)?,
                        data: sub_blocks(bytes, from_data.saturating_add(1)).0,
                    }));
                }
                0x3b => return Ok(None),
                // Between blocks stands what should not: the next block is looked for.
                _ => {}
            }
        }
    }
}

/// Bytes of the palette that a flag byte announces.
fn palette_len(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 6_usize.checked_shl(u32::from(flags & 7)).unwrap_or(0) }
}

/// The bytes of a row of sub-blocks as far as the file goes, and where the next block starts.
fn sub_blocks(bytes: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let mut data = Vec::new();
    while let Some(&size) = bytes.get(at) {
        at = at.saturating_add(1);
        if size == 0 {
            break;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        data.extend_from_slice(rest.get(..usize::from(size)).unwrap_or(rest));
        at = at.saturating_add(usize::from(size));
    }
    (data, at)
}

/// The rows in the order in which the file has them. Source: appendix E.
fn row_order(height: u32, interlaced: bool) -> Box<dyn Iterator<Item = u32>> {
    if !interlaced {
        return Box::new(0..height);
    }
    let pass = move |start: u32, step: usize| (start..height).step_by(step);
    Box::new(pass(0, 8).chain(pass(4, 8)).chain(pass(2, 4)).chain(pass(1, 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interlaced_rows_come_in_four_passes() {
        let order: Vec<u32> = row_order(9, true).collect();
        assert_eq!(order, [0, 8, 4, 2, 6, 1, 3, 5, 7]);
    }
}
