//! Sound: MPEG audio and AAC by frames in a row, AIFF; the kinds of Ogg.
//!
//! Sources: ISO/IEC 11172-3, 2.4.2.3; ISO/IEC 14496-3, 1.A.3 (ADTS); id3.org, "ID3 tag version
//! 2.4.0", section 3.1; Apple, "Audio Interchange File Format 1.3"; RFC 3533 (Ogg).

use super::FileType;
use crate::bytes::Block;

/// Frames in a row, each where the one before says, that make a stream.
const FRAMES: u32 = 3;

/// The first of these formats whose fields make sense.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    match head.bytes() {
        [b'I', b'D', b'3', 2..=4, 0..=15, flags, a, b, c, d, ..]
            if flags & 0x0f == 0 && (a | b | c | d) & 0x80 == 0 =>
        {
            Some(FileType::Mp3)
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => {
            Some(FileType::Aiff)
        }
        [0xff, second, ..] if second & 0xf6 == 0xf0 => {
            frames_follow(head, adts_frame).then_some(FileType::Aac)
        }
        [0xff, second, ..] if second & 0xe0 == 0xe0 => {
            frames_follow(head, mpeg_frame).then_some(FileType::Mp3)
        }
        _ => None,
    }
}

/// Theora and the like make an Ogg file a film.
pub(super) fn ogg_kind(head: Block<'_>) -> FileType {
    // The first packet follows a page header of 27 bytes and one segment length.
    let film = match head.array::<7>(28) {
        Ok(packet) => {
            &packet == b"\x80theora" || &packet == b"BBCD\0\0\0" || &packet == b"\x01video\0"
        }
        Err(_) => false,
    };
    if film { FileType::Ogv } else { FileType::Ogg }
}

/// What does not change from frame to frame, and the frame's length.
type Frame = (u32, usize);

fn frames_follow(head: Block<'_>, frame: fn(u32, Block<'_>) -> Option<Frame>) -> bool {
    let (mut at, mut kept) = (0_usize, None);
    for _ in 0..FRAMES {
        let Ok(header) = head.u32_be(at) else { return false };
        let Ok(rest) = head.slice(at, head.len().saturating_sub(at)) else { return false };
        let Some((constant, len)) = frame(header, rest) else { return false };
        if kept.is_some_and(|kept| kept != constant) {
            return false;
        }
        kept = Some(constant);
        at = at.saturating_add(len);
    }
    true
}

/// Bit rates in 1000 bit/s: MPEG-1 layers I, II, III, then MPEG-2 layer I and layers II, III.
const BIT_RATES: [[u32; 16]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];

/// One frame of MPEG audio by its header; `None` where a field has no meaning.
fn mpeg_frame(header: u32, _: Block<'_>) -> Option<Frame> {
    let (version, layer) = (header >> 19 & 3, header >> 17 & 3);
    let (rate, sampling) = (header >> 12 & 15, header >> 10 & 3);
    if header >> 21 != 0x7ff || version == 1 || layer == 0 || header & 3 == 2 {
        return None;
    }
    let first = version == 3;
    let table = match (first, layer) {
        (true, 3) => 0_usize,
        (true, 2) => 1,
        (true, _) => 2,
        (false, 3) => 3,
        (false, _) => 4,
    };
    let bits = BIT_RATES.get(table)?.get(usize::try_from(rate).ok()?)?.checked_mul(1000)?;
    let base = [44_100_u32, 48_000, 32_000].get(usize::try_from(sampling).ok()?).copied()?;
    let hertz = base.checked_shr(match version {
        3 => 0,
        2 => 1,
        _ => 2,
    })?;
    let padding = header >> 9 & 1;
    let len = match (layer, first) {
        (3, _) => bits.checked_mul(12)?.checked_div(hertz)?.checked_add(padding)?.checked_mul(4)?,
        (1, false) => bits.checked_mul(72)?.checked_div(hertz)?.checked_add(padding)?,
        _ => bits.checked_mul(144)?.checked_div(hertz)?.checked_add(padding)?,
    };
    (bits > 0).then_some((header & 0xfffe_0c00, usize::try_from(len).ok()?))
}

/// One ADTS frame: the header's constant fields, and the length it states.
fn adts_frame(header: u32, frame: Block<'_>) -> Option<Frame> {
    let sampling = header >> 10 & 15;
    let low = u32::from(frame.u16_be(4).ok()?);
    let len = (header & 3).checked_shl(11)? | low >> 5;
    let sound = header & 0xfff6_0000 == 0xfff0_0000 && sampling < 13 && len > 7;
    sound.then_some((header & 0xffff_fdc0, usize::try_from(len).ok()?))
}
