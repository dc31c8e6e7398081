//! Films whose mark alone is too weak: Flash video and MPEG streams; the kinds of Matroska.
//!
//! Sources: Adobe, "Video File Format Specification 10.1", annex E; ISO/IEC 13818-1, 2.4.3.2 and
//! 2.5.3.3; ISO/IEC 11172-1, 2.4.3.2; RFC 8794 and RFC 9559 for Matroska.

use super::FileType;
use crate::bytes::Block;

/// Packets that must all start with the synchronisation byte.
const SYNCHRONISED_PACKETS: usize = 5;

/// The first of these formats whose fields make sense.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    match head.bytes() {
        [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, ..] if flags & 0xfa == 0 => Some(FileType::Flv),
        // A pack header of MPEG-2 or MPEG-1 with its marker bits.
        [0, 0, 1, 0xba, clock, rest @ ..] if is_pack(*clock, rest) => Some(FileType::MpegPs),
        [0, 0, 1, 0xb3, rest @ ..] if is_sequence(rest) => Some(FileType::MpegPs),
        [0x47, ..] if is_transport_stream(head, 0, 188) => Some(FileType::MpegTs),
        // Blu-ray and AVCHD put four bytes of time before each packet.
        [_, _, _, _, 0x47, ..] if is_transport_stream(head, 4, 192) => Some(FileType::MpegTs),
        _ => None,
    }
}

fn is_pack(clock: u8, rest: &[u8]) -> bool {
    let [_, b, _, d, ..] = rest else { return false };
    let second = clock & 0xc4 == 0x44 && b & 0x04 == 0x04 && d & 0x04 == 0x04;
    let first = clock & 0xf1 == 0x21 && b & 0x01 == 0x01 && d & 0x01 == 0x01;
    second || first
}

/// A sequence header: size, shape, rate, and the marker bit.
fn is_sequence(rest: &[u8]) -> bool {
    let [width, both, height, rates, _, _, marker, ..] = rest else { return false };
    let sized = (*width != 0 || both & 0xf0 != 0) && (*height != 0 || both & 0x0f != 0);
    let rated = (1..=14).contains(&(rates >> 4)) && (1..=8).contains(&(rates & 15));
    sized && rated && marker & 0x20 != 0
}

/// Packets in a row with a synchronisation byte, without an error mark, and with a payload or an
/// adaptation field.
fn is_transport_stream(head: Block<'_>, first: usize, packet: usize) -> bool {
    let mut at = first;
    for _ in 0..SYNCHRONISED_PACKETS {
        let Ok([0x47, flags, _, control]) = head.array(at) else { return false };
        if flags & 0x80 != 0 || control & 0x30 == 0 {
            return false;
        }
        at = at.saturating_add(packet);
    }
    true
}

/// WebM where the document type near the start says so.
pub(super) fn matroska_kind(head: Block<'_>) -> FileType {
    let start = head.bytes().get(..head.len().min(96)).unwrap_or_default();
    // Element 4282, four bytes long.
    let webm = memchr::memmem::find(start, b"\x42\x82\x84webm").is_some();
    if webm { FileType::Webm } else { FileType::Mkv }
}
