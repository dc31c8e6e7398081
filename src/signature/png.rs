//! PNG: chunks up to IEND.
//!
//! Checksums are not looked at: a wrong one does not move the end.
//!
//! Source: W3C PNG Specification (Third Edition), section 5.

use super::Length;
use super::window::Window;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Chunks followed: 65,536 of the usual 8 KiB are 512 MiB.
const MOST_CHUNKS: u32 = 65_536;
/// Length field, type and checksum around a chunk's data.
const CHUNK_FRAME: u64 = 12;

/// Follows chunks from the signature to the end of IEND.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    if window.array(0)? != SIGNATURE {
        return None;
    }
    let mut at = 8_u64;
    for _ in 0..MOST_CHUNKS {
        let Some(header) = window.block(at, 8) else {
            return Some(Length::cut(window.len()));
        };
        let (Ok(len), Ok(name)) = (header.u32_be(0), header.array::<4>(4)) else { break };
        if len > 0x7fff_ffff || !name.iter().all(u8::is_ascii_alphabetic) {
            break;
        }
        let Some(end) = at.checked_add(CHUNK_FRAME).and_then(|n| n.checked_add(u64::from(len)))
        else {
            break;
        };
        if end > window.len() {
            return Some(Length::cut(window.len()));
        }
        at = end;
        if name == *b"IEND" {
            return Some(Length::complete(at));
        }
    }
    Some(Length::cut(at))
}
