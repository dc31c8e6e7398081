//! TIFF: the first picture, strip by strip or tile by tile, so that damage costs its own part.
//!
//! Decoder: the `tiff` crate for the directory and the compression of each part. Putting the
//! parts together is ours: the crate's own assembly panics on tiled planar files
//! (image-rs/image-tiff issue 403) and gives nothing where one part is damaged.

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, Limits as TiffLimits};
use tiff::tags::Tag;

use super::picture::{Failure, Frame, Limits, Picture, byte_count, count, len};
use super::png::{largest, packed};

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    let mut file = Decoder::new(Cursor::new(bytes)).map_err(failure)?;
    let size = file.dimensions().map_err(failure)?;
    let colour = Colour::of(file.colortype().map_err(failure)?)?;
    let part_size = file.chunk_dimensions();
    // One part at a time, in the file's own depth, and the picture.
    limits.check(size.0, size.1, u64::from(colour.output))?;
    limits.check(part_size.0, part_size.1, colour.stored_bytes())?;
    let part_limit = usize::try_from(limits.max_memory).unwrap_or(usize::MAX);
    let mut own = TiffLimits::default();
    (own.decoding_buffer_size, own.intermediate_buffer_size) = (part_limit, part_limit);
    file = file.with_limits(own);
    let planar = file.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).ok().flatten() == Some(2);
    let format = file.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok().flatten();
    if format.is_some_and(|format| format.iter().any(|&format| !matches!(format, 1 | 4))) {
        return Err(Failure::Unsupported("samples that are not whole numbers".into()));
    }

    let grid = Grid { size, part_size, planes: if planar { colour.stored } else { 1 } };
    let mut canvas = Canvas::new(size, colour, planar)?;
    let mut damage = None;
    for part in grid.parts() {
        match read(&mut file, part.index, 0) {
            Ok((raw, None)) => canvas.put(&part, &raw, part.height),
            Ok((raw, Some(what))) => {
                damage.get_or_insert_with(|| format!("part {}: {what}", part.index));
                // What a second reading over another filler leaves the same was in the file.
                let (other, _) = read(&mut file, part.index, u8::MAX)?;
                let rows = canvas.rows_of(&part, &raw).zip(canvas.rows_of(&part, &other));
                let same = rows.take_while(|(a, b)| a == b).count();
                canvas.put(&part, &raw, count(same));
            }
            Err(Failure::Unsupported(what)) if canvas.is_empty() && damage.is_none() => {
                return Err(Failure::Unsupported(what));
            }
            Err(Failure::Damaged(what) | Failure::Unsupported(what)) => {
                damage.get_or_insert_with(|| format!("part {}: {what}", part.index));
            }
            Err(other) => return Err(other),
        }
    }
    canvas.finish(damage)
}

/// The bytes of one strip or tile over `fill`, and what was wrong with them.
fn read(
    file: &mut Decoder<Cursor<&[u8]>>,
    index: u32,
    fill: u8,
) -> Result<(Vec<u8>, Option<String>), Failure> {
    let layout = file.image_chunk_buffer_layout(index).map_err(failure)?;
    let mut raw = vec![fill; layout.len];
    match file.read_chunk_bytes(index, &mut raw).map_err(failure) {
        Ok(()) => Ok((raw, None)),
        Err(Failure::Damaged(what)) => Ok((raw, Some(what))),
        Err(other) => Err(other),
    }
}

/// How a pixel is stored and which samples of it are kept.
#[derive(Clone, Copy)]
struct Colour {
    depth: u8,
    stored: u8,
    output: u8,
    cmyk: bool,
}

impl Colour {
    fn of(colour: ColorType) -> Result<Self, Failure> {
        let (depth, stored, output, cmyk) = match colour {
            ColorType::Gray(depth) => (depth, 1, 1, false),
            ColorType::GrayA(depth) => (depth, 2, 1, false),
            ColorType::RGB(depth) => (depth, 3, 3, false),
            ColorType::RGBA(depth) => (depth, 4, 3, false),
            ColorType::CMYK(depth) => (depth, 4, 3, true),
            other => return Err(Failure::Unsupported(format!("colour {other:?}"))),
        };
        if !(matches!(depth, 8 | 16) || (matches!(depth, 1 | 2 | 4) && stored == 1)) {
            return Err(Failure::Unsupported(format!("{depth} bits a sample")));
        }
        Ok(Self { depth, stored, output, cmyk })
    }

    fn stored_bytes(self) -> u64 {
        u64::from(self.depth.div_ceil(8)).saturating_mul(u64::from(self.stored))
    }
}

/// How the parts lie in the picture.
struct Grid {
    size: (u32, u32),
    part_size: (u32, u32),
    planes: u8,
}

/// One strip or tile.
struct Part {
    index: u32,
    plane: u8,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Grid {
    fn parts(&self) -> impl Iterator<Item = Part> {
        let (width, height) = self.size;
        let (part_width, part_height) = (self.part_size.0.max(1), self.part_size.1.max(1));
        let across = width.div_ceil(part_width);
        let per_plane = across.saturating_mul(height.div_ceil(part_height));
        (0..self.planes).flat_map(move |plane| {
            (0..per_plane).map(move |at| {
                let column = at.checked_rem(across).unwrap_or(0);
                let row = at.checked_div(across).unwrap_or(0);
                let (x, y) = (column.saturating_mul(part_width), row.saturating_mul(part_height));
                Part {
                    index: u32::from(plane).saturating_mul(per_plane).saturating_add(at),
                    plane,
                    x,
                    y,
                    width: part_width.min(width.saturating_sub(x)),
                    height: part_height.min(height.saturating_sub(y)),
                }
            })
        })
    }
}

/// The picture as it fills up.
struct Canvas {
    size: (u32, u32),
    colour: Colour,
    planar: bool,
    samples: Vec<u8>,
    touched: Vec<bool>,
}

impl Canvas {
    fn new(size: (u32, u32), colour: Colour, planar: bool) -> Result<Self, Failure> {
        let samples = vec![0; byte_count(size.0, size.1, u64::from(colour.output))?];
        Ok(Self { size, colour, planar, samples, touched: vec![false; len(size.1)] })
    }

    fn is_empty(&self) -> bool {
        self.touched.iter().all(|row| !row)
    }

    /// Samples of a pixel that lie together.
    fn in_part(&self) -> usize {
        if self.planar { 1 } else { usize::from(self.colour.stored) }
    }

    /// The rows of a part's bytes.
    fn rows_of<'r>(&self, part: &Part, raw: &'r [u8]) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        let samples = len(part.width).saturating_mul(self.in_part());
        let bits = samples.saturating_mul(usize::from(self.colour.depth));
        raw.chunks_exact(bits.div_ceil(8).max(1))
    }

    /// Puts the first `height` rows of a part in their place.
    fn put(&mut self, part: &Part, raw: &[u8], height: u32) {
        if part.plane >= self.colour.output {
            return;
        }
        let channels = usize::from(self.colour.output);
        let in_part = self.in_part();
        let raw_rows = self.rows_of(part, raw).take(len(height.min(part.height)));
        let stride = len(self.size.0).saturating_mul(channels).max(1);
        let rows = self.samples.chunks_exact_mut(stride).zip(&mut self.touched);
        for (raw, (row, touched)) in raw_rows.zip(rows.skip(len(part.y))) {
            let pixels = row.chunks_exact_mut(channels).skip(len(part.x)).take(len(part.width));
            let mut stored = samples(raw, self.colour.depth);
            for pixel in pixels {
                if self.planar {
                    let sample = pixel.get_mut(usize::from(part.plane)).zip(stored.next());
                    if let Some((to, from)) = sample {
                        *to = from;
                    }
                } else {
                    let mut values = [0_u8; 4];
                    values.iter_mut().take(in_part).zip(&mut stored).for_each(|(to, v)| *to = v);
                    if self.colour.cmyk {
                        values = rgb_of(values);
                    }
                    pixel.iter_mut().zip(values).for_each(|(to, from)| *to = from);
                }
            }
            *touched = true;
        }
    }

    fn finish(self, damage: Option<String>) -> Result<Frame, Failure> {
        if self.colour.cmyk && self.planar {
            return Err(Failure::Unsupported("CMYK in planes".into()));
        }
        let rows_decoded = count(self.touched.iter().filter(|row| **row).count());
        let picture = Picture::new(self.size, self.colour.output, self.samples)?;
        Ok(Frame { picture, rows_decoded, damage })
    }
}

/// The samples of a row as 8 bits; 16-bit ones come in the machine's byte order.
fn samples(raw: &[u8], depth: u8) -> Box<dyn Iterator<Item = u8> + '_> {
    match depth {
        8 => Box::new(raw.iter().copied()),
        16 => {
            let (pairs, _) = raw.as_chunks::<2>();
            Box::new(pairs.iter().map(|pair| u16::from_ne_bytes(*pair).to_be_bytes()[0]))
        }
        _ => {
            let scale = 255_u8.checked_div(largest(depth)).unwrap_or(1);
            let unpacked = raw.iter().flat_map(move |&byte| packed(byte, depth));
            Box::new(unpacked.map(move |sample| sample.saturating_mul(scale)))
        }
    }
}

/// Ink to light without a colour profile.
fn rgb_of([c, m, y, k]: [u8; 4]) -> [u8; 4] {
    let light = |ink: u8| {
        let product = u16::from(!ink).saturating_mul(u16::from(!k)).saturating_add(127);
        u8::try_from(product.checked_div(255).unwrap_or(0)).unwrap_or(u8::MAX)
    };
    [light(c), light(m), light(y), 0]
}

fn failure(error: tiff::TiffError) -> Failure {
    match error {
        tiff::TiffError::UnsupportedError(error) => Failure::Unsupported(error.to_string()),
        // The picture's own size was checked before: this is a directory or a part that states
        // more data than any picture of this size has.
        tiff::TiffError::LimitsExceeded => Failure::Damaged("states more data than allowed".into()),
        other => Failure::Damaged(other.to_string()),
    }
}
