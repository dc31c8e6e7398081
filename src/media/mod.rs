//! Pixels from the bytes of a picture file: JPEG, PNG, GIF, WebP, BMP, TIFF and ICO.
//!
//! The bytes are hostile. The size a header states is checked against [`Limits`] before anything
//! is allocated for it, every third-party decoder has its own limits set, and a decoder that
//! panics costs this picture only. What a panic cannot be made of (a failed allocation, a stack
//! overflow, an endless loop) is for the worker process that calls this module.
//!
//! What comes out is the stored picture: first frame of an animation, alpha dropped, no rotation
//! by EXIF, no colour profile. A damaged file gives the rows that decode; the rest is filler
//! (black, palette entry 0 or mid grey, see docs/perceptual.md), and the status says `partial`.
//!
//! A panic is caught here, but the panic hook of the process runs first and prints by default. A
//! library must not replace a hook that belongs to the process: the worker installs a silent one
//! (`std::panic::set_hook`) before its first picture.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)
)]

mod gif;
mod ico;
mod jpeg;
mod jpeg_repair;
mod lzw;
mod picture;
mod png;
mod raster;
mod tiff;

use picture::{Failure, Frame};
pub use picture::{Limits, Picture};

use std::panic::{AssertUnwindSafe, catch_unwind};

crate::problem::words! {
    /// What became of a picture.
    MediaStatus {
        /// Decoded whole, no damage found.
        Ok = "ok",
        /// Damaged; some rows decoded.
        Partial = "partial",
        /// Recognised, and no row decoded.
        Damaged = "damaged",
        /// Of no format or variant that is decoded here.
        Unsupported = "unsupported",
        /// The decoder stopped by panic, abort, stack overflow or signal.
        Crashed = "crashed",
        /// The time limit was reached. Set by the supervisor of the worker.
        Timeout = "timeout",
        /// Decoding would need more memory than allowed.
        Memory = "memory",
        /// More pixels, or a longer side, than allowed.
        TooLarge = "too_large",
    }
}

/// The answer for one file.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// What became of it.
    pub status: MediaStatus,
    /// Format and, where something was wrong, what: short, the same for the same bytes.
    pub detail: String,
    /// Pixels in a row as the header states them, 0 where it could not be read.
    pub width: u32,
    /// Rows as the header states them, 0 where it could not be read.
    pub height: u32,
    /// The samples, for `ok` and `partial`.
    pub picture: Option<Picture>,
    /// Rows that came out of the file and not out of the filler.
    pub rows_decoded: u32,
}

/// Decodes a picture, whatever the bytes are.
///
/// ```
/// use assay::media::{Limits, MediaStatus, decode};
/// let decoded = decode(b"no picture", &Limits::default());
/// assert_eq!(decoded.status, MediaStatus::Unsupported);
/// ```
pub fn decode(bytes: &[u8], limits: &Limits) -> Decoded {
    let Some(format) = Format::of(bytes) else {
        return Decoded::without_picture(MediaStatus::Unsupported, "no format decoded here".into());
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| format.decode(bytes, limits)));
    match outcome {
        Ok(Ok(frame)) => Decoded::from_frame(format, frame),
        Ok(Err(failure)) => Decoded::from_failure(format, failure),
        Err(_panic) => Decoded::without_picture(
            MediaStatus::Crashed,
            format!("{}: the decoder panicked", format.name()),
        ),
    }
}

impl Decoded {
    fn without_picture(status: MediaStatus, detail: String) -> Self {
        Self { status, detail, width: 0, height: 0, picture: None, rows_decoded: 0 }
    }

    fn from_frame(format: Format, frame: Frame) -> Self {
        let (width, height) = (frame.picture.width(), frame.picture.height());
        let rows_decoded = frame.rows_decoded.min(height);
        let status = match &frame.damage {
            None => MediaStatus::Ok,
            Some(_) if rows_decoded == 0 => MediaStatus::Damaged,
            Some(_) => MediaStatus::Partial,
        };
        let picture = (status != MediaStatus::Damaged).then_some(frame.picture);
        let detail = match frame.damage {
            None => format.name().to_owned(),
            Some(damage) => format!("{}: {}", format.name(), picture::one_line(&damage)),
        };
        Self { status, detail, width, height, picture, rows_decoded }
    }

    fn from_failure(format: Format, failure: Failure) -> Self {
        let (status, (width, height), text) = match failure {
            Failure::Damaged(text) => (MediaStatus::Damaged, (0, 0), text),
            Failure::Unsupported(text) => (MediaStatus::Unsupported, (0, 0), text),
            Failure::Memory(text) => (MediaStatus::Memory, (0, 0), text),
            Failure::TooLarge(width, height) => (
                MediaStatus::TooLarge,
                (width, height),
                format!("{width} x {height} pixels are over the limit"),
            ),
        };
        let detail = format!("{}: {}", format.name(), picture::one_line(&text));
        Self { width, height, ..Self::without_picture(status, detail) }
    }
}

/// The formats decoded here, by content.
#[derive(Debug, Clone, Copy)]
enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Bmp,
    Tiff,
    Ico,
}

impl Format {
    fn of(bytes: &[u8]) -> Option<Self> {
        let has =
            |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
        // The first chunk's name identifies a PNG whose eight signature bytes were hit.
        if has(0, b"\x89PNG\r\n\x1a\n") || has(12, b"IHDR") {
            Some(Self::Png)
        } else if has(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if has(0, b"GIF8") {
            Some(Self::Gif)
        } else if has(0, b"RIFF") && has(8, b"WEBP") {
            Some(Self::WebP)
        } else if has(0, b"BM") {
            Some(Self::Bmp)
        } else if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| has(0, *magic)) {
            Some(Self::Tiff)
        } else if has(0, b"\0\0\x01\0") && bytes.get(4..6).is_some_and(|count| count != [0, 0]) {
            Some(Self::Ico)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Ico => "ico",
        }
    }

    fn decode(self, bytes: &[u8], limits: &Limits) -> Result<Frame, Failure> {
        match self {
            Self::Jpeg => jpeg::decode(bytes, limits),
            Self::Png => png::decode(bytes, limits),
            Self::Gif => gif::decode(bytes, limits),
            Self::WebP => raster::webp(bytes, limits),
            Self::Bmp => raster::bmp(bytes, limits),
            Self::Tiff => tiff::decode(bytes, limits),
            Self::Ico => ico::decode(bytes, limits),
        }
    }
}
