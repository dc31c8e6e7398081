//! JPEG at full size, as red, green, blue; as luma alone where three channels do not fit the memory.
//!
//! Colour and not the cheaper Y plane, because a hash from the Y plane was measured to be up to 4
//! bits from the reference programs on a picture with saturated colours (docs/perceptual.md).
//!
//! Decoder: zune-jpeg. It is run strictly first; what it refuses strictly it is given again in its
//! tolerant mode, which fills what is missing with mid grey (128), and the refusal is the damage.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::jpeg_repair;
use super::picture::{Failure, Frame, Limits, Picture, byte_count, count, len};

/// What the tolerant decoder leaves where nothing was decoded.
const FILLER: u8 = 128;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
    match attempt(bytes, limits, true) {
        Ok(picture) => {
            let rows_decoded = picture.height();
            Ok(Frame { picture, rows_decoded, damage: None })
        }
        Err(Failure::Damaged(damage)) => {
            let picture = match attempt(bytes, limits, false) {
                Err(Failure::Damaged(worse)) => return repaired(bytes, limits, worse),
                other => other?,
            };
            // A stray byte between headers is against the standard and hides nothing.
            if damage.contains("Extra bytes between headers") && ends_properly(bytes) {
                return Ok(Frame { rows_decoded: picture.height(), picture, damage: None });
            }
            let rows_decoded = rows_above_filler(&picture);
            Ok(Frame { picture, rows_decoded, damage: Some(damage) })
        }
        Err(other) => Err(other),
    }
}

/// A file that even the tolerant decoder refuses: its header is put together again.
fn repaired(bytes: &[u8], limits: &Limits, damage: String) -> Result<Frame, Failure> {
    for own_tables in [true, false] {
        let Some(file) = jpeg_repair::rebuilt(bytes, own_tables) else { break };
        match attempt(&file, limits, false) {
            Ok(picture) => {
                let damage = Some(format!("header rebuilt: {damage}"));
                return Ok(Frame { rows_decoded: rows_above_filler(&picture), picture, damage });
            }
            Err(Failure::Damaged(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Failure::Damaged(damage))
}

fn attempt(bytes: &[u8], limits: &Limits, strict: bool) -> Result<Picture, Failure> {
    let options = DecoderOptions::default()
        .set_max_width(len(limits.max_side))
        .set_max_height(len(limits.max_side))
        .set_strict_mode(strict);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failure)?;
    let Some(info) = decoder.info() else {
        return Err(Failure::Damaged("no header".into()));
    };
    let size = (u32::from(info.width), u32::from(info.height));
    // A progressive file keeps two bytes a coefficient of every component until the end.
    let coefficients =
        if is_progressive(&info) { u64::from(info.components).saturating_mul(2) } else { 0 };
    let rgb_fits = limits.check(size.0, size.1, coefficients.saturating_add(3)).is_ok();
    let colour = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        Some(ColorSpace::YCbCr) if !rgb_fits => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let channels = if colour == ColorSpace::Luma { 1 } else { 3 };
    limits.check(size.0, size.1, coefficients.saturating_add(u64::from(channels)))?;
    decoder.set_options(options.jpeg_set_out_colorspace(colour));
    let mut samples = vec![FILLER; byte_count(size.0, size.1, u64::from(channels))?];
    decoder.decode_into(&mut samples).map_err(failure)?;
    Picture::new(size, channels, samples)
}

fn is_progressive(info: &zune_jpeg::ImageInfo) -> bool {
    format!("{:?}", info.sof).contains("Progressive")
}

fn ends_properly(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\xff\xd9")
}

/// Rows down to the last that is not filler alone.
fn rows_above_filler(picture: &Picture) -> u32 {
    let stride = len(picture.width()).saturating_mul(usize::from(picture.channels()));
    let rows = picture.samples().chunks_exact(stride.max(1)).rev();
    let missing = rows.take_while(|row| row.iter().all(|&sample| sample == FILLER)).count();
    picture.height().saturating_sub(count(missing))
}

fn failure(error: zune_jpeg::errors::DecodeErrors) -> Failure {
    use zune_jpeg::errors::DecodeErrors;
    match error {
        DecodeErrors::Unsupported(what) => Failure::Unsupported(format!("{what:?}")),
        other => Failure::Damaged(format!("{other:?}")),
    }
}
