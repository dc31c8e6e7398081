//! What an object is and how long it is, told by its content alone.
//!
//! [`detect`] names the type of an object from its first bytes, [`type_mismatch`] compares that
//! with what the name claims, [`structural_length`] follows a picture's or film's own structure to
//! its end. Names and extensions never influence the first and the last.
//!
//! All input is hostile and all code here is our own, so that it may run in the main process: no
//! function panics, recurses without a bound, or allocates by a length it read; every loop has a
//! limit. What a parser here accepts is a claim about structure, not that a decoder will succeed.
//!
//! Facts come from the specification named in each file, and for the bare magic numbers from the
//! formats' own documents; `tests/oracles/file-types.py` compares with the Debian `file` command.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

mod archive;
mod audio;
mod bmff;
mod bmp;
mod extension;
mod file_type;
mod gif;
mod jpeg;
mod magic;
mod ole;
mod pdf;
mod picture;
mod png;
mod program;
mod riff;
mod text;
mod tiff;
mod video;
mod window;
mod zip;
mod zip_length;

pub use extension::{claimed, type_mismatch};
pub use file_type::{Family, FileType};

use crate::bytes::{Block, ReadAt};
use window::Window;

/// How many leading bytes of an object [`detect`] wants: up to the end of the sector at 32768,
/// where ISO 9660 keeps its first volume descriptor. Every other mark lies in the first 4 KiB,
/// but more bytes tell kinds of ZIP and OLE files apart and confirm weak marks. Fewer are allowed.
pub const HEAD_BYTES: usize = 34_816;

/// How far a structure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Number of bytes from the start of the object; never past the end of the source.
    pub bytes: u64,
    /// True where the structure was followed to its own end. False where it was cut by the end of
    /// the source, by bytes that could not be read, by damage, or by a limit; `bytes` then reaches
    /// as far as it was followed.
    pub complete: bool,
}

impl Length {
    const fn complete(bytes: u64) -> Self {
        Self { bytes, complete: true }
    }

    const fn cut(bytes: u64) -> Self {
        Self { bytes, complete: false }
    }
}

/// The type of an object, from its first bytes.
///
/// - `head`: the first [`HEAD_BYTES`] bytes of the object, or all of a shorter one.
/// - `None` where nothing is recognised. A mark of two or three bytes is never enough: the fields
///   behind it must make sense too.
///
/// ```
/// use assay::signature::{FileType, detect};
/// assert_eq!(detect(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some(FileType::Png));
/// assert_eq!(detect(b"\xff\xd8 and nothing that belongs to a JPEG"), None);
/// ```
pub fn detect(head: &[u8]) -> Option<FileType> {
    let block = Block::new(head, 0);
    magic::detect(head)
        .and_then(|kind| refined(kind, block))
        .or_else(|| confirmed(block))
        .or_else(|| magic::at_iso_sector(head))
        .or_else(|| text::detect(head))
}

/// Tells apart the kinds that share one mark.
fn refined(kind: FileType, head: Block<'_>) -> Option<FileType> {
    Some(match kind {
        FileType::Zip => return zip::kind(head),
        FileType::Ole => ole::kind(head),
        FileType::Tiff => tiff::kind(head),
        FileType::Mkv => video::matroska_kind(head),
        FileType::Ogg => audio::ogg_kind(head),
        FileType::Ar => archive::ar_kind(head),
        other => other,
    })
}

/// A format whose mark is too weak to stand alone: answers only where its structure holds.
type Confirm = fn(Block<'_>) -> Option<FileType>;

/// In this order; none accepts what an earlier one is meant for.
const CONFIRMED: &[Confirm] = &[
    jpeg::detect,
    bmff::detect,
    riff::detect,
    bmp::detect,
    picture::detect,
    video::detect,
    archive::detect,
    program::detect,
    audio::detect,
];

fn confirmed(head: Block<'_>) -> Option<FileType> {
    CONFIRMED.iter().find_map(|confirm| confirm(head))
}

/// How many bytes the object at `start` has by its own structure.
///
/// - Reads `source` in pieces of at most 64 KiB, never past its end. Bytes that cannot be read
///   count as its end.
/// - `None` where `kind` has no structure this module follows (see the list in the code), or where
///   not even the fixed header of `kind` stands at `start`.
///
/// The kinds are JPEG; PNG; GIF; WebP, WAV and AVI; BMP; TIFF and the raw pictures built on it;
/// MP4, MOV, 3GP, M4A, HEIC, AVIF and CR3; ZIP and what is built on it; PDF. Bytes after the end never change the answer, except
/// where a format has no end mark and they happen to continue it (a further box of an MP4).
pub fn structural_length(kind: FileType, source: &dyn ReadAt, start: u64) -> Option<Length> {
    let mut window = Window::new(source, start)?;
    let length = match kind {
        FileType::Jpeg => jpeg::length(&mut window),
        FileType::Png => png::length(&mut window),
        FileType::Gif => gif::length(&mut window),
        FileType::Webp | FileType::Wav | FileType::Avi => riff::length(&mut window),
        FileType::Bmp => bmp::length(&mut window),
        FileType::Tiff
        | FileType::Cr2
        | FileType::Nef
        | FileType::Dng
        | FileType::Arw
        | FileType::Orf
        | FileType::Rw2 => tiff::length(&mut window),
        FileType::Mp4
        | FileType::Mov
        | FileType::ThreeGp
        | FileType::M4a
        | FileType::Heic
        | FileType::Avif
        | FileType::Cr3 => bmff::length(&mut window),
        FileType::Zip
        | FileType::Docx
        | FileType::Xlsx
        | FileType::Pptx
        | FileType::Odt
        | FileType::Ods
        | FileType::Odp
        | FileType::Epub
        | FileType::Jar
        | FileType::Apk => zip_length::length(&mut window),
        FileType::Pdf => pdf::length(&mut window),
        _ => None,
    }?;
    let limit = window.len();
    if length.bytes > limit { Some(Length::cut(limit)) } else { Some(length) }
}
