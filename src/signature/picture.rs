//! Pictures whose mark alone is too weak: icons, portable maps, PCX, QOI.
//!
//! Sources: Microsoft, "Icons" (the ICO directory); Apple icns headers; the Netpbm manual pages
//! pbm(5), pgm(5), ppm(5); ZSoft, "PCX Technical Reference Manual 5"; QOI specification 1.0.

use super::FileType;
use crate::bytes::Block;

/// Icon entries that must make sense.
const ICON_ENTRIES: u16 = 4;
const ICON_ENTRY: usize = 16;

/// The first of these formats whose fields make sense.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    match head.bytes() {
        [0, 0, 1 | 2, 0, ..] if is_icon(head).unwrap_or(false) => Some(FileType::Ico),
        [b'i', b'c', b'n', b's', 0 | 1, ..] if has_icon_family_name(head) => Some(FileType::Icns),
        [b'P', b'1'..=b'6', b' ' | b'\t' | b'\n' | b'\r', rest @ ..]
        | [b'P', b'7', b'\n', rest @ ..]
            if is_portable_map(rest) =>
        {
            Some(FileType::Pnm)
        }
        [0x0a, 0 | 2..=5, 1, 1 | 2 | 4 | 8, ..] if is_pcx(head).unwrap_or(false) => {
            Some(FileType::Pcx)
        }
        [b'q', b'o', b'i', b'f', _, _, _, _, _, _, _, _, 3 | 4, 0 | 1, ..] => Some(FileType::Qoi),
        _ => None,
    }
}

fn is_icon(head: Block<'_>) -> Option<bool> {
    let cursor = head.u8(2).ok()? == 2;
    let count = head.u16_le(4).ok()?;
    let directory = u32::from(count).checked_mul(16)?.checked_add(6)?;
    let mut at = 6_usize;
    for _ in 0..count.min(ICON_ENTRIES) {
        let entry = head.slice(at, ICON_ENTRY).ok()?;
        let fields = (entry.u16_le(4).ok()?, entry.u16_le(6).ok()?);
        let sensible =
            cursor || (fields.0 <= 1 && matches!(fields.1, 0 | 1 | 4 | 8 | 16 | 24 | 32));
        let (size, offset) = (entry.u32_le(8).ok()?, entry.u32_le(12).ok()?);
        let placed =
            (12..0x0100_0000).contains(&size) && (directory..0x0800_0000).contains(&offset);
        if !sensible || !placed || !matches!(entry.u8(3).ok()?, 0 | 255) {
            return Some(false);
        }
        at = at.checked_add(ICON_ENTRY)?;
    }
    Some((1..=1024).contains(&count))
}

/// The first element's four-letter name.
fn has_icon_family_name(head: Block<'_>) -> bool {
    head.array::<4>(8).is_ok_and(|name| name.iter().all(|b| b.is_ascii_graphic() || *b == b' '))
}

/// Two plausible numbers after any comment lines; PAM's keywords count too.
fn is_portable_map(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(512)).unwrap_or_default();
    let mut numbers = 0_u32;
    for line in head.split(|b| *b == b'\n').take(16) {
        let line = line.split(|b| *b == b'#').next().unwrap_or_default().trim_ascii();
        if line.starts_with(b"WIDTH ") || line.starts_with(b"HEIGHT ") {
            return true;
        }
        for word in line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            if word.len() > 7 || !word.iter().all(u8::is_ascii_digit) || word == b"0" {
                return false;
            }
            numbers = numbers.saturating_add(1);
            if numbers == 2 {
                return true;
            }
        }
    }
    false
}

fn is_pcx(head: Block<'_>) -> Option<bool> {
    let (left, top) = (head.u16_le(4).ok()?, head.u16_le(6).ok()?);
    let (right, bottom) = (head.u16_le(8).ok()?, head.u16_le(10).ok()?);
    let (reserved, planes) = (head.u8(64).ok()?, head.u8(65).ok()?);
    let line = u32::from(head.u16_le(66).ok()?);
    let width = u32::from(right.checked_sub(left)?).checked_add(1)?;
    let least = width.checked_mul(u32::from(head.u8(3).ok()?))?.checked_div(8)?;
    Some(
        bottom >= top
            && reserved == 0
            && (1..=4).contains(&planes)
            && (1..=least.checked_add(64)?).contains(&line),
    )
}
