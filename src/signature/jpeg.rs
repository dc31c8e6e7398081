//! JPEG: markers, segments and entropy-coded scans up to the end of the image.
//!
//! Two bytes mark a JPEG, so a head counts as one only when a segment behind them makes sense. Bytes
//! between segments that belong to none are passed over as common decoders do. JPEG-LS, which
//! stuffs its scans in another way, is not followed.
//!
//! Source: ITU-T T.81 (09/92), annex B; T.84 annex F for the names in application segments.

use super::window::Window;
use super::{FileType, Length};
use crate::bytes::Block;

/// Segments looked at before a head is judged.
const HEAD_SEGMENTS: u32 = 64;
/// Markers followed in one picture: a progressive one has some hundred.
const MOST_MARKERS: u32 = 10_000;
/// Bytes between segments that are passed over in all.
const MOST_JUNK: u64 = 4096;
/// Longest picture followed.
const LONGEST: u64 = 512 * 1024 * 1024;
/// Entropy-coded bytes without a single 0xFF: no picture has so many, empty clusters do.
const LONGEST_PLAIN_RUN: u64 = 4 * 1024 * 1024;

/// What a marker means for one who only wants to find the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// No segment follows: restart markers and TEM.
    Alone,
    /// A segment follows that starts with its length.
    Segment,
    /// As a segment; entropy-coded data follow it.
    Scan,
    /// The end of the image.
    End,
    /// Not allowed here, or not defined.
    Invalid,
}

const fn meaning(code: u8) -> Marker {
    match code {
        0x01 | 0xd0..=0xd7 => Marker::Alone,
        0xd9 => Marker::End,
        0xda => Marker::Scan,
        0xc0..=0xcf | 0xdb..=0xdf | 0xe0..=0xef | 0xfe => Marker::Segment,
        _ => Marker::Invalid,
    }
}

/// JPEG where the bytes behind the start-of-image marker hold segments that make sense.
///
/// One segment of known content is enough when it directly follows; behind junk it takes a frame
/// header or two such segments.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    if head.array(0) != Ok([0xff, 0xd8]) {
        return None;
    }
    let mut at = 2_usize;
    let (mut sensible, mut junk) = (0_u32, false);
    for _ in 0..HEAD_SEGMENTS {
        let Some((code, content, skipped)) = next_marker(head, at) else { break };
        junk |= skipped;
        at = content;
        match meaning(code) {
            Marker::Alone => continue,
            Marker::End | Marker::Invalid => break,
            Marker::Segment | Marker::Scan => {}
        }
        let Ok(len) = head.u16_be(content) else { break };
        let Some(next) = content.checked_add(usize::from(len)).filter(|_| len >= 2) else { break };
        sensible = sensible.saturating_add(weight(head, code, content, usize::from(len)));
        if sensible >= 2 || code == 0xda {
            break;
        }
        at = next;
    }
    let enough = if junk { 2 } else { 1 };
    (sensible >= enough).then_some(FileType::Jpeg)
}

/// The next marker's code, where its content starts, and whether other bytes came before it.
fn next_marker(head: Block<'_>, from: usize) -> Option<(u8, usize, bool)> {
    let rest = head.bytes().get(from..)?;
    let mut skipped = false;
    let mut at = from;
    for pair in rest.windows(2) {
        at = at.checked_add(1)?;
        match pair {
            [0xff, 0xff] => {}
            [0xff, code] if *code != 0 => return Some((*code, at.checked_add(1)?, skipped)),
            _ => skipped = true,
        }
    }
    None
}

/// 2 for a frame header, 1 for any other segment whose content is of the form it must have.
fn weight(head: Block<'_>, code: u8, at: usize, len: usize) -> u32 {
    let sensible = match code {
        0xc4 => is_huffman_table(head, at, len),
        0xcc => return 0,
        0xc0..=0xcf => return if is_frame_header(head, at, len) { 2 } else { 0 },
        0xdb => is_quantisation_table(head, at, len),
        0xdd => len == 4,
        0xda => is_scan_header(head, at, len),
        0xe0..=0xef => has_known_name(head, at),
        0xfe => is_text_comment(head, at, len),
        _ => false,
    };
    u32::from(sensible)
}

fn is_frame_header(head: Block<'_>, at: usize, len: usize) -> bool {
    let field = |offset: usize| at.checked_add(offset).and_then(|at| head.u8(at).ok());
    let (Some(precision), Some(components)) = (field(2), field(7)) else { return false };
    let expected = usize::from(components).saturating_mul(3).saturating_add(8);
    let width = field(5).unwrap_or(0) | field(6).unwrap_or(0);
    let sampling = field(9).unwrap_or(0);
    (2..=16).contains(&precision)
        && (1..=4).contains(&components)
        && len == expected
        && width != 0
        && (1..=4).contains(&(sampling >> 4))
        && (1..=4).contains(&(sampling & 15))
}

fn is_quantisation_table(head: Block<'_>, at: usize, len: usize) -> bool {
    let Some(Ok(first)) = at.checked_add(2).map(|at| head.u8(at)) else { return false };
    let tables = |size: usize| len.checked_sub(2).is_some_and(|n| n > 0 && n.is_multiple_of(size));
    first & 15 < 4 && (tables(65) || tables(129) || (len > 65 && len < 518 && first >> 4 < 2))
}

fn is_huffman_table(head: Block<'_>, at: usize, len: usize) -> bool {
    let Some(Ok(table)) = at.checked_add(2).map(|at| head.slice(at, 17)) else { return false };
    let [class, counts @ ..] = table.bytes() else { return false };
    let symbols: usize = counts.iter().map(|count| usize::from(*count)).sum();
    *class & 0xec == 0
        && symbols <= 256
        && symbols.checked_add(19).is_some_and(|least| least <= len)
}

fn is_scan_header(head: Block<'_>, at: usize, len: usize) -> bool {
    let Some(Ok(components)) = at.checked_add(2).map(|at| head.u8(at)) else { return false };
    let expected = usize::from(components).saturating_mul(2).saturating_add(6);
    (1..=4).contains(&components) && len == expected
}

/// Names that application segments start with.
const APPLICATION_NAMES: &[&[u8]] = &[
    b"JFIF\0",
    b"JFXX\0",
    b"Exif\0",
    b"http:",
    b"ICC_PROFILE\0",
    b"Adobe",
    b"MPF\0",
    b"Photoshop ",
    b"Ducky",
    b"FPXR\0",
    b"AVI1",
    b"SPIFF\0",
    b"CIFF",
    b"II*\0",
    b"MM\0*",
    b"AROT\0",
    b"XMP\0",
    b"JP\0",
    b"HDR_RI ver=",
];

fn has_known_name(head: Block<'_>, at: usize) -> bool {
    let content = at.checked_add(2).and_then(|at| head.bytes().get(at..)).unwrap_or_default();
    APPLICATION_NAMES.iter().any(|name| content.starts_with(name))
}

fn is_text_comment(head: Block<'_>, at: usize, len: usize) -> bool {
    let text = at.checked_add(2).zip(len.checked_sub(2)).map(|(at, len)| head.slice(at, len));
    let Some(Ok(text)) = text else { return false };
    let text = text.bytes();
    text.len() >= 4 && text.iter().all(|b| matches!(b, 0 | 9 | 10 | 13 | 32..=126))
}

/// Follows markers and scans from the start of the image to its end marker.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    if window.array(0)? != [0xff, 0xd8] {
        return None;
    }
    let (mut at, mut junk) = (2_u64, 0_u64);
    let (mut frame, mut scan) = (false, false);
    for _ in 0..MOST_MARKERS {
        let Some((code, content, skipped)) = find_marker(window, at) else {
            break;
        };
        junk = junk.saturating_add(skipped);
        if junk > MOST_JUNK || content > LONGEST {
            break;
        }
        match meaning(code) {
            Marker::Invalid => break,
            Marker::End if frame && scan => return Some(Length::complete(content)),
            Marker::End => break,
            Marker::Alone => at = content,
            Marker::Segment | Marker::Scan => {
                let Some(next) = segment_end(window, content) else {
                    return Some(Length::cut(cut_segment_end(window, content)));
                };
                frame |= matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc);
                at = next;
                if code == 0xda {
                    scan = true;
                    let (end, plausible) = scan_end(window, next);
                    at = end;
                    if !plausible {
                        break;
                    }
                }
            }
        }
    }
    Some(Length::cut(at))
}

/// As [`next_marker`], with the number of bytes passed over.
fn find_marker(window: &mut Window<'_>, from: u64) -> Option<(u8, u64, u64)> {
    let (mut at, mut skipped) = (from, 0_u64);
    let mut after_ff = false;
    while skipped <= MOST_JUNK && at.checked_sub(from)? <= MOST_JUNK {
        let byte = window.u8(at)?;
        at = at.checked_add(1)?;
        match (after_ff, byte) {
            (_, 0xff) => after_ff = true,
            (true, 0) | (false, _) => {
                skipped = skipped.checked_add(1)?;
                after_ff = false;
            }
            (true, code) => return Some((code, at, skipped)),
        }
    }
    None
}

/// Where a segment ends whose length stands at `content`; `None` where it is damaged or cut.
fn segment_end(window: &mut Window<'_>, content: u64) -> Option<u64> {
    let len = u16::from_be_bytes(window.array(content)?);
    let end = content.checked_add(u64::from(len))?;
    (len >= 2 && end <= window.len()).then_some(end)
}

/// How far a cut segment reaches: the source's end where its length is sound, else its start.
fn cut_segment_end(window: &mut Window<'_>, content: u64) -> u64 {
    match window.array(content).map(u16::from_be_bytes) {
        Some(0 | 1) => content,
        Some(_) | None => window.len(),
    }
}

/// The position of the marker that ends a scan, and whether a marker was there.
fn scan_end(window: &mut Window<'_>, from: u64) -> (u64, bool) {
    let mut at = from;
    let mut plain_from = from;
    loop {
        let Some(rest) = window.rest(at) else { return (at, false) };
        let Some(ff) = memchr::memchr(0xff, rest) else {
            at = at.saturating_add(wide(rest.len()));
            if at.saturating_sub(plain_from) > LONGEST_PLAIN_RUN || at > LONGEST {
                return (plain_from, false);
            }
            continue;
        };
        let marker = at.saturating_add(wide(ff));
        if marker > LONGEST {
            return (marker, false);
        }
        let code = match ff.checked_add(1).and_then(|next| rest.get(next)) {
            Some(code) => Some(*code),
            None => window.u8(marker.saturating_add(1)),
        };
        plain_from = marker;
        at = match code {
            // A stuffed byte or a restart marker: the scan goes on.
            Some(0 | 0xd0..=0xd7) => marker.saturating_add(2),
            // A fill byte.
            Some(0xff) => marker.saturating_add(1),
            Some(_) => return (marker, true),
            None => return (marker.saturating_add(1), false),
        };
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
