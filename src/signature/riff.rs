//! RIFF containers: WebP, WAV and AVI.
//!
//! The length is what the outer chunk says; the chunks inside must fill it exactly. Long AVI files
//! continue in further `AVIX` containers.
//!
//! Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0";
//! RFC 9649 (WebP); OpenDML AVI extensions 1.02.

use super::window::Window;
use super::{FileType, Length};
use crate::bytes::Block;

/// Chunks followed inside one container.
const MOST_CHUNKS: u32 = 10_000;
/// Containers of one AVI, each up to 1 GiB by the usual writers.
const MOST_CONTAINERS: u32 = 1024;
/// Name, size and form of a container.
const HEADER: u64 = 12;

/// The form that a RIFF header names, where a chunk with a printable name follows.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    let (outer, form) = (head.array::<4>(0).ok()?, head.array::<4>(8).ok()?);
    let kind = form_type(form).filter(|_| matches!(&outer, b"RIFF" | b"RF64"))?;
    let chunk = head.array::<4>(12).ok()?;
    chunk.iter().all(|b| matches!(b, 32..=126)).then_some(kind)
}

const fn form_type(form: [u8; 4]) -> Option<FileType> {
    match &form {
        b"WEBP" => Some(FileType::Webp),
        b"WAVE" => Some(FileType::Wav),
        b"AVI " => Some(FileType::Avi),
        _ => None,
    }
}

/// The end of the outer chunk, and of the `AVIX` ones behind it.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let header: [u8; 12] = window.array(0)?;
    let [b'R', b'I', b'F', b'F', .., a, b, c, d] = header else { return None };
    let kind = form_type([a, b, c, d])?;
    let mut end = container(window, 0)?;
    if kind != FileType::Avi {
        return Some(end);
    }
    for _ in 0..MOST_CONTAINERS {
        let [b'R', b'I', b'F', b'F', .., b'A', b'V', b'I', b'X'] =
            window.array::<12>(end.bytes).unwrap_or_default()
        else {
            break;
        };
        match container(window, end.bytes) {
            Some(next) if end.complete => end = next,
            _ => break,
        }
    }
    Some(end)
}

/// The end of one container, complete where its chunks fill it.
fn container(window: &mut Window<'_>, start: u64) -> Option<Length> {
    let header: [u8; 8] = window.array(start)?;
    let [_, _, _, _, a, b, c, d] = header;
    let stated = u64::from(u32::from_le_bytes([a, b, c, d]));
    let end = start.checked_add(8)?.checked_add(stated)?;
    if end > window.len() {
        return Some(Length::cut(window.len()));
    }
    let mut at = start.checked_add(HEADER)?;
    for _ in 0..MOST_CHUNKS {
        if at >= end {
            break;
        }
        let Some(next) = chunk_end(window, at, end) else { return Some(Length::cut(at)) };
        at = next;
    }
    Some(if at == end { Length::complete(end) } else { Length::cut(at.min(end)) })
}

/// Where the chunk at `at` ends, its padding byte included; `None` where it leaves its container.
fn chunk_end(window: &mut Window<'_>, at: u64, container: u64) -> Option<u64> {
    let [name @ .., a, b, c, d]: [u8; 8] = window.array(at)?;
    if !name.iter().all(|b| matches!(b, 32..=126)) {
        return None;
    }
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    let data_end = at.checked_add(8)?.checked_add(size)?;
    // The last chunk's padding byte is missing in many files.
    let padded = data_end.checked_add(size & 1)?;
    if padded <= container { Some(padded) } else { Some(data_end).filter(|end| *end <= container) }
}
