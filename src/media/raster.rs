//! BMP and WebP through the `image` crate.
//!
//! Its decoders write into a buffer we give and stop at the first error. To learn which rows were
//! written, a damaged file is decoded twice, over black and over white: a row that is the same
//! both times came from the file.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, webp::WebPDecoder};
use image::error::ImageError;
use image::{ColorType, ImageDecoder, ImageResult};

use super::picture::{Failure, Frame, Limits, Picture, byte_count, count, len};
use crate::bytes::Block;

/// BMP with its file header.
pub(super) fn bmp(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    let field = Block::new(bytes, 0);
    // The size is checked here first: the crate refuses large ones as damage.
    if let (Ok(header), Ok(width), Ok(height)) =
        (field.u32_le(14), field.u32_le(18), field.u32_le(22))
        && header >= 40
    {
        let height = if height > i32::MAX.unsigned_abs() { height.wrapping_neg() } else { height };
        limits.check(width, height, 4)?;
    }
    let (frame, written) = twice(limits, |_| BmpDecoder::new(Cursor::new(bytes)))?;
    Ok(with_rows(frame, &written))
}

/// WebP, lossy or lossless, first frame.
///
/// The crate gives nothing where the file ends early. Such a file is padded to the length it
/// states, once with each of two bytes: the rows that do not depend on the padding are the file's.
pub(super) fn webp(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    /// More missing bytes than this are not made up.
    const MOST_PADDING: usize = 64 << 20;
    let stated = Block::new(bytes, 0).u32_le(4).unwrap_or(0).saturating_add(8);
    let missing = len(stated).saturating_sub(bytes.len());
    if missing == 0 {
        let (frame, written) = twice(limits, |_| WebPDecoder::new(Cursor::new(bytes)))?;
        return Ok(with_rows(frame, &written));
    }
    if missing > MOST_PADDING {
        return Err(Failure::Damaged("states a length far past its end".into()));
    }
    let padded = |fill: u8| {
        let mut file = Vec::with_capacity(len(stated));
        file.extend_from_slice(bytes);
        file.resize(len(stated), if fill == 0 { 0x00 } else { 0x5a });
        WebPDecoder::new(Cursor::new(file))
    };
    let mut frame = once(limits, 0, padded)?.0;
    let other = once(limits, u8::MAX, padded)?.0;
    let same = same_rows(&frame, &other);
    frame.damage = Some(format!("{missing} bytes are missing at the end"));
    frame.rows_decoded = count(same.iter().take_while(|same| **same).count());
    blacken(&mut frame, &same)?;
    Ok(frame)
}

/// Decodes; a damaged file a second time, to learn which rows were written.
pub(super) fn twice<D: ImageDecoder>(
    limits: &Limits,
    open: impl Fn(u8) -> ImageResult<D>,
) -> Result<(Frame, Vec<bool>), Failure> {
    let (frame, whole) = once(limits, 0, &open)?;
    if whole {
        return Ok((frame, Vec::new()));
    }
    let (other, _) = once(limits, u8::MAX, &open)?;
    let same = same_rows(&frame, &other);
    Ok((frame, same))
}

fn with_rows(mut frame: Frame, written: &[bool]) -> Frame {
    if frame.damage.is_some() {
        frame.rows_decoded = count(written.iter().filter(|row| **row).count());
    }
    frame
}

/// Decodes over `fill`; the second value is false where the decoder stopped before the end.
fn once<D: ImageDecoder>(
    limits: &Limits,
    fill: u8,
    open: impl Fn(u8) -> ImageResult<D>,
) -> Result<(Frame, bool), Failure> {
    let mut decoder = open(fill).map_err(failure)?;
    let size = decoder.dimensions();
    let colour = decoder.color_type();
    let per_pixel = u64::from(colour.bytes_per_pixel());
    // The decoder's own copy, its output and ours.
    limits.check(size.0, size.1, per_pixel.saturating_mul(2).saturating_add(3))?;
    let mut own = image::Limits::default();
    own.max_image_width = Some(limits.max_side);
    own.max_image_height = Some(limits.max_side);
    own.max_alloc = Some(limits.max_memory);
    decoder.set_limits(own).map_err(failure)?;
    let mut raw = vec![fill; byte_count(size.0, size.1, per_pixel)?];
    let result = decoder.read_image(&mut raw);
    let damage = match result.map_err(failure) {
        Ok(()) => None,
        Err(Failure::Damaged(text)) => Some(text),
        Err(other) => return Err(other),
    };
    let whole = damage.is_none();
    let (channels, samples) = eight_bit(colour, raw)?;
    let picture = Picture::new(size, channels, samples)?;
    Ok((Frame { picture, rows_decoded: size.1, damage }, whole))
}

/// Alpha dropped, the high byte of 16-bit samples kept.
fn eight_bit(colour: ColorType, raw: Vec<u8>) -> Result<(u8, Vec<u8>), Failure> {
    let pick = |step: usize, places: &[usize]| -> Vec<u8> {
        let mut samples = Vec::with_capacity(
            raw.len().checked_div(step).unwrap_or(0).saturating_mul(places.len()),
        );
        for pixel in raw.chunks_exact(step.max(1)) {
            samples.extend(places.iter().filter_map(|&place| pixel.get(place)));
        }
        samples
    };
    Ok(match colour {
        ColorType::L8 => (1, raw),
        ColorType::Rgb8 => (3, raw),
        ColorType::La8 => (1, pick(2, &[0])),
        ColorType::Rgba8 => (3, pick(4, &[0, 1, 2])),
        other => return Err(Failure::Unsupported(format!("samples of kind {other:?}"))),
    })
}

/// For each row, whether the two decodings agree on it.
fn same_rows(a: &Frame, b: &Frame) -> Vec<bool> {
    let stride = row_bytes(&a.picture);
    let rows = a.picture.samples().chunks_exact(stride);
    rows.zip(b.picture.samples().chunks_exact(stride)).map(|(a, b)| a == b).collect()
}

fn row_bytes(picture: &Picture) -> usize {
    len(picture.width()).saturating_mul(usize::from(picture.channels())).max(1)
}

/// Makes everything below the first row that is not the file's own black.
fn blacken(frame: &mut Frame, same: &[bool]) -> Result<(), Failure> {
    let kept = same.iter().take_while(|same| **same).count();
    let picture = &frame.picture;
    let mut samples = picture.samples().to_vec();
    let from = kept.saturating_mul(row_bytes(picture));
    samples.iter_mut().skip(from).for_each(|sample| *sample = 0);
    frame.picture = Picture::new((picture.width(), picture.height()), picture.channels(), samples)?;
    Ok(())
}

/// Sorts the crate's errors by what they mean for the picture.
pub(super) fn failure(error: ImageError) -> Failure {
    match error {
        ImageError::Unsupported(error) => Failure::Unsupported(error.to_string()),
        ImageError::Limits(error) => Failure::Memory(error.to_string()),
        other => Failure::Damaged(other.to_string()),
    }
}
