//! PNG, our own reader: a damaged file gives every row that can still be inflated.
//!
//! One wrong byte makes an ordinary PNG decoder refuse the file, because a checksum fails. Here a
//! checksum that fails is damage to report, not a reason to stop; a damaged chunk length is
//! stepped over by looking for the next chunk; and the compressed data is inflated as far as it
//! goes. Missing rows stay black (sample 0, palette entry 0).
//!
//! The Adler sum at the end of the compressed data is not checked: every chunk has a CRC.
//! Source: W3C Portable Network Graphics (Third Edition), sections 5, 7, 8, 9, 11.

use flate2::{Decompress, FlushDecompress, Status};

use super::picture::{Failure, Frame, Limits, Picture, byte_count, count, len};
use crate::bytes::Block;

/// Adam7 passes: first column, first row, column step, row step. Source: section 8.1.
const ADAM7: [[u32; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    let mut damage = None;
    let chunks = Chunks::read(bytes, &mut damage);
    let header = Header::read(chunks.header)?;
    // The inflated rows and the picture, which has three bytes a pixel where there is a palette.
    let raw_bits = u64::from(header.bits_per_pixel());
    let output = u64::from(header.output_channels());
    limits.check(header.width, header.height, raw_bits.div_ceil(8).saturating_add(output))?;
    let passes = header.passes();
    let raw_len = passes.iter().map(|pass| pass.raw_len(&header)).sum::<u64>();
    let raw_len = usize::try_from(raw_len).unwrap_or(usize::MAX);
    let mut raw = inflate(&chunks.data, raw_len, &mut damage);
    let mut picture = vec![0; byte_count(header.width, header.height, output)?];
    let mut rest = raw.as_mut_slice();
    // Which rows got pixels: an interlaced picture that stops early has coarse ones.
    let mut touched = vec![false; len(header.height)];
    for pass in &passes {
        let pass_len = usize::try_from(pass.raw_len(&header)).unwrap_or(usize::MAX);
        let cut = pass_len.min(rest.len());
        let (now, later) = rest.split_at_mut_checked(cut).unwrap_or_default();
        let done = pass.place(&header, chunks.palette, now, &mut picture, &mut damage);
        let rows = touched.iter_mut().skip(len(pass.y)).step_by(len(pass.dy.max(1)));
        rows.take(len(done)).for_each(|row| *row = true);
        rest = later;
    }
    let rows = count(touched.iter().filter(|row| **row).count());
    let channels = header.output_channels();
    let picture = Picture::new((header.width, header.height), channels, picture)?;
    Ok(Frame { picture, rows_decoded: rows, damage })
}

/// The chunks a picture is made of.
struct Chunks<'a> {
    header: &'a [u8],
    palette: &'a [u8],
    data: Vec<u8>,
}

impl<'a> Chunks<'a> {
    fn read(bytes: &'a [u8], damage: &mut Option<String>) -> Self {
        let mut chunks = Self { header: &[], palette: &[], data: Vec::new() };
        let mut at = 8_usize;
        if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            *damage = Some("the signature is damaged".into());
        }
        while let Some(chunk) = Chunk::at(bytes, at) {
            if !chunk.intact {
                damage.get_or_insert_with(|| format!("chunk at byte {at} is damaged"));
            }
            match &chunk.name {
                b"IHDR" if chunks.header.is_empty() => chunks.header = chunk.data,
                b"PLTE" => chunks.palette = chunk.data,
                b"IDAT" => chunks.data.extend_from_slice(chunk.data),
                b"IEND" => return chunks,
                // The frames of an animation follow the first picture.
                _ => {}
            }
            at = chunk.end;
        }
        damage.get_or_insert_with(|| "ends early".into());
        chunks
    }
}

struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
    intact: bool,
    end: usize,
}

impl<'a> Chunk<'a> {
    /// The chunk at `at`, `None` past the end.
    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let block = Block::new(rest, 0);
        let (stated, name) = (block.u32_be(0).ok()?, block.array::<4>(4).ok()?);
        let body = len(stated).saturating_add(8);
        if let (Some(data), Ok(crc)) = (rest.get(8..body), block.u32_be(body)) {
            let after = body.saturating_add(4);
            let end = at.saturating_add(after);
            if crc_of(&name, data) == crc {
                return Some(Self { name, data, intact: true, end });
            }
            // Only the name was hit: the checksum knows it.
            if crc_of(b"IDAT", data) == crc {
                return Some(Self { name: *b"IDAT", data, intact: false, end });
            }
            // The data or checksum was hit where another chunk follows, the length where none does.
            let next = rest.get(after.saturating_add(4)..after.saturating_add(8));
            if next.is_none_or(|next| next.iter().all(u8::is_ascii_alphabetic)) {
                return Some(Self { name, data, intact: false, end });
            }
        }
        // The length or the file's end was hit: up to the next chunk of data, or all that is left.
        let after_name = rest.get(8..)?;
        let (data, end) = match next_name(after_name) {
            Some(found) => {
                let end = at.saturating_add(found).saturating_add(4);
                (after_name.get(..found.saturating_sub(8)).unwrap_or_default(), end)
            }
            None => (after_name, bytes.len()),
        };
        Some(Self { name, data, intact: false, end })
    }
}

/// Where the first name of a chunk stands, after room for the checksum and length before it.
///
/// One pass over what lies before it, for all names at once: a file full of damaged chunks costs no
/// more than its length.
fn next_name(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b'I', b'P', bytes).filter(|at| *at >= 8).find(|at| {
        let name = bytes.get(*at..).and_then(|rest| rest.first_chunk::<4>());
        name.is_some_and(|name| matches!(name, b"IDAT" | b"IEND" | b"PLTE"))
    })
}

fn crc_of(name: &[u8; 4], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name);
    hasher.update(data);
    hasher.finalize()
}

/// Inflates up to `wanted` bytes; what is there before an error is kept.
fn inflate(zlib: &[u8], wanted: usize, damage: &mut Option<String>) -> Vec<u8> {
    // Two bytes of zlib header, which say nothing that is needed.
    let mut input = zlib.get(2..).unwrap_or_default();
    let mut out = Vec::new();
    let mut inflater = Decompress::new(false);
    while out.len() < wanted {
        // Grown with what really comes, so that a small file cannot ask for much.
        let room = wanted.saturating_sub(out.len()).min(out.len().clamp(1 << 14, 1 << 22));
        out.reserve_exact(room);
        let (in_before, out_before) = (inflater.total_in(), out.len());
        let result = inflater.decompress_vec(input, &mut out, FlushDecompress::None);
        let used = usize::try_from(inflater.total_in().saturating_sub(in_before));
        input = input.get(used.unwrap_or(usize::MAX)..).unwrap_or_default();
        let stopped = match result {
            Ok(Status::Ok) if out.len() > out_before || !input.is_empty() => continue,
            Ok(_) => "the compressed data ends early",
            Err(_) => "the compressed data is damaged",
        };
        if out.len() < wanted {
            damage.get_or_insert_with(|| stopped.into());
        }
        break;
    }
    out.truncate(wanted);
    out
}

/// What IHDR says, checked.
struct Header {
    width: u32,
    height: u32,
    depth: u8,
    /// Samples a pixel as stored.
    samples: u8,
    palette: bool,
    interlaced: bool,
}

impl Header {
    fn read(data: &[u8]) -> Result<Self, Failure> {
        let damaged = |what: &str| Failure::Damaged(what.to_owned());
        let field = Block::new(data, 0);
        let (Ok(width), Ok(height), Ok([depth, colour, _, _, interlace])) =
            (field.u32_be(0), field.u32_be(4), field.array::<5>(8))
        else {
            return Err(damaged("no header"));
        };
        let (samples, depths): (u8, &[u8]) = match colour {
            0 => (1, &[1, 2, 4, 8, 16]),
            2 => (3, &[8, 16]),
            3 => (1, &[1, 2, 4, 8]),
            4 => (2, &[8, 16]),
            6 => (4, &[8, 16]),
            _ => return Err(damaged("unknown colour type")),
        };
        if !depths.contains(&depth) {
            return Err(damaged("bit depth and colour type do not fit"));
        }
        Ok(Self { width, height, depth, samples, palette: colour == 3, interlaced: interlace == 1 })
    }

    fn bits_per_pixel(&self) -> u32 {
        u32::from(self.samples).saturating_mul(u32::from(self.depth))
    }

    /// Bytes between a byte and the one it is filtered against.
    fn filter_step(&self) -> usize {
        len(self.bits_per_pixel().div_ceil(8))
    }

    fn output_channels(&self) -> u8 {
        if self.palette || self.samples >= 3 { 3 } else { 1 }
    }

    fn passes(&self) -> Vec<Pass> {
        if !self.interlaced {
            return vec![Pass { x: 0, y: 0, dx: 1, dy: 1, width: self.width, height: self.height }];
        }
        ADAM7
            .iter()
            .map(|&[x, y, dx, dy]| {
                let width = self.width.saturating_sub(x).div_ceil(dx);
                let height = self.height.saturating_sub(y).div_ceil(dy);
                Pass { x, y, dx, dy, width, height }
            })
            .filter(|pass| pass.width > 0 && pass.height > 0)
            .collect()
    }
}

/// A sub-picture: the whole, or one pass of an interlaced one.
struct Pass {
    x: u32,
    y: u32,
    dx: u32,
    dy: u32,
    width: u32,
    height: u32,
}

impl Pass {
    /// Bytes of a row without its filter byte.
    fn row_len(&self, header: &Header) -> u64 {
        u64::from(self.width).saturating_mul(u64::from(header.bits_per_pixel())).div_ceil(8)
    }

    fn raw_len(&self, header: &Header) -> u64 {
        self.row_len(header).saturating_add(1).saturating_mul(u64::from(self.height))
    }

    /// Undoes the filters and puts the pixels in their places; returns the number of rows done.
    fn place(
        &self,
        header: &Header,
        palette: &[u8],
        raw: &mut [u8],
        picture: &mut [u8],
        damage: &mut Option<String>,
    ) -> u32 {
        let row_len = usize::try_from(self.row_len(header)).unwrap_or(usize::MAX);
        let channels = usize::from(header.output_channels());
        let stride = len(header.width).saturating_mul(channels);
        let targets = picture.chunks_exact_mut(stride.max(1)).skip(len(self.y));
        let targets = targets.step_by(len(self.dy.max(1)));
        let mut previous = vec![0; row_len];
        let mut done = 0_u32;
        for (raw, target) in raw.chunks_exact_mut(row_len.saturating_add(1)).zip(targets) {
            let Some((filter, row)) = raw.split_first_mut() else { break };
            if !unfilter(*filter, header.filter_step(), row, &previous) {
                damage.get_or_insert_with(|| format!("row {done} has an unknown filter"));
                break;
            }
            previous.copy_from_slice(row);
            let target = target.chunks_exact_mut(channels).skip(len(self.x));
            put_row(header, palette, row, target.step_by(len(self.dx.max(1))));
            done = done.saturating_add(1);
        }
        done
    }
}

/// Undoes one of the five filters; false where there is no such filter. Source: section 9.2.
fn unfilter(filter: u8, step: usize, row: &mut [u8], above: &[u8]) -> bool {
    let mut left = [0_u8; 8];
    match filter {
        0 => {}
        1 => {
            for pixel in row.chunks_mut(step) {
                for (value, left) in pixel.iter_mut().zip(&mut left) {
                    *value = value.wrapping_add(*left);
                    *left = *value;
                }
            }
        }
        2 => {
            for (value, above) in row.iter_mut().zip(above) {
                *value = value.wrapping_add(*above);
            }
        }
        3 => {
            for (pixel, above) in row.chunks_mut(step).zip(above.chunks(step)) {
                for ((value, above), left) in pixel.iter_mut().zip(above).zip(&mut left) {
                    *value = value.wrapping_add(u8::midpoint(*left, *above));
                    *left = *value;
                }
            }
        }
        4 => {
            let mut corner = [0_u8; 8];
            for (pixel, above) in row.chunks_mut(step).zip(above.chunks(step)) {
                let sides = left.iter_mut().zip(&mut corner);
                for ((value, above), (left, corner)) in pixel.iter_mut().zip(above).zip(sides) {
                    *value = value.wrapping_add(paeth(*left, *above, *corner));
                    (*left, *corner) = (*value, *above);
                }
            }
        }
        _ => return false,
    }
    true
}

/// The neighbour nearest to `left + above - corner`; ties in this order.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let (to_left, to_above) = (b.wrapping_sub(c), a.wrapping_sub(c));
    let to_corner = to_left.wrapping_add(to_above).wrapping_abs();
    let (to_left, to_above) = (to_left.wrapping_abs(), to_above.wrapping_abs());
    if to_left <= to_above && to_left <= to_corner {
        left
    } else if to_above <= to_corner {
        above
    } else {
        corner
    }
}

/// Writes one row of pixels: high byte of 16-bit samples, palette looked up, alpha dropped.
fn put_row<'t>(
    header: &Header,
    palette: &[u8],
    row: &[u8],
    targets: impl Iterator<Item = &'t mut [u8]>,
) {
    if header.depth < 8 {
        let pixels = row.iter().flat_map(|&byte| packed(byte, header.depth));
        let scale = 255_u8.checked_div(largest(header.depth)).unwrap_or(1);
        for (target, value) in targets.zip(pixels) {
            if header.palette {
                put(target, palette_entry(palette, value));
            } else {
                put(target, &[value.saturating_mul(scale)]);
            }
        }
    } else if header.palette {
        for (target, &value) in targets.zip(row) {
            put(target, palette_entry(palette, value));
        }
    } else {
        let sample_len = usize::from(header.depth.div_ceil(8));
        let pixels = row.chunks_exact(header.filter_step());
        for (target, pixel) in targets.zip(pixels) {
            for (to, from) in target.iter_mut().zip(pixel.iter().step_by(sample_len)) {
                *to = *from;
            }
        }
    }
}

fn put(target: &mut [u8], colour: &[u8]) {
    for (to, from) in target.iter_mut().zip(colour) {
        *to = *from;
    }
}

/// The samples in one byte, highest bits first.
pub(super) fn packed(byte: u8, depth: u8) -> impl Iterator<Item = u8> {
    let count = 8_u8.checked_div(depth).unwrap_or(1);
    (1..=count).map(move |n| {
        let shift = 8_u8.saturating_sub(n.saturating_mul(depth));
        byte.checked_shr(u32::from(shift)).unwrap_or(0) & largest(depth)
    })
}

/// The largest sample of a depth under 8.
pub(super) fn largest(depth: u8) -> u8 {
    1_u8.checked_shl(u32::from(depth)).map_or(u8::MAX, |end| end.wrapping_sub(1))
}

/// A colour of the palette; black past its end.
fn palette_entry(palette: &[u8], index: u8) -> &[u8] {
    let at = usize::from(index).saturating_mul(3);
    palette.get(at..at.saturating_add(3)).unwrap_or(&[0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_under_a_byte_are_unpacked_from_the_top() {
        assert_eq!(packed(0b1101_0010, 2).collect::<Vec<_>>(), [3, 1, 0, 2]);
        assert_eq!(packed(0xa5, 4).collect::<Vec<_>>(), [10, 5]);
        assert_eq!(packed(0xa5, 1).collect::<Vec<_>>(), [1, 0, 1, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn paeth_breaks_ties_in_the_order_left_above_corner() {
        assert_eq!((paeth(10, 10, 10), paeth(0, 255, 0), paeth(255, 0, 0)), (10, 255, 255));
        assert_eq!(paeth(1, 3, 2), 2, "left is at distance 1, above at 1, corner at 0");
    }
}
