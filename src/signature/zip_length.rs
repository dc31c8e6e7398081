//! Where a ZIP ends: local entries, central directory and end record must agree.
//!
//! Entries whose sizes stand behind their data (data descriptors) are passed by looking for the
//! descriptor that states the distance. Bytes between the last entry and the directory are allowed
//! up to a limit, for the signing block of Android packages.
//!
//! Source: PKWARE, APPNOTE 6.3.10, 4.3 and 4.5.3 (ZIP64).

use super::Length;
use super::window::Window;

/// Entries followed.
const MOST_ENTRIES: u32 = 1_000_000;
/// Bytes between the entries and the directory.
const MOST_BETWEEN: u64 = 16 * 1024 * 1024;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";

/// What the local entries or the directory list: how many, and a sum over their places that does
/// not depend on the order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    entries: u64,
    places: u64,
}

impl Listed {
    fn note(&mut self, place: u64) {
        self.entries = self.entries.wrapping_add(1);
        // Multiplied with odd numbers, so that two errors do not cancel out.
        let mixed = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.places = self.places.wrapping_add(mixed ^ mixed.wrapping_shr(29));
    }
}

/// Follows the entries from the first to the end record.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    if window.array(0)? != LOCAL {
        return None;
    }
    let mut at = 0_u64;
    let mut local = Listed::default();
    for _ in 0..MOST_ENTRIES {
        if window.array(at) != Some(LOCAL) {
            break;
        }
        local.note(at);
        match entry_end(window, at) {
            Some(end) if end <= window.len() => at = end,
            Some(_) => return Some(Length::cut(window.len())),
            None => return Some(Length::cut(at)),
        }
    }
    let end = directory(window, at).and_then(|directory| directory_end(window, directory, &local));
    Some(end.map_or(Length::cut(at), Length::complete))
}

fn u16_at(window: &mut Window<'_>, at: u64, field: u64) -> Option<u64> {
    window.array(at.checked_add(field)?).map(|bytes| u16::from_le_bytes(bytes).into())
}

fn u32_at(window: &mut Window<'_>, at: u64, field: u64) -> Option<u64> {
    window.array(at.checked_add(field)?).map(|bytes| u32::from_le_bytes(bytes).into())
}

fn u64_at(window: &mut Window<'_>, at: u64, field: u64) -> Option<u64> {
    window.array(at.checked_add(field)?).map(u64::from_le_bytes)
}

/// Where the data of the local entry at `at` end, its descriptor included.
fn entry_end(window: &mut Window<'_>, at: u64) -> Option<u64> {
    let (flags, method) = (u16_at(window, at, 6)?, u16_at(window, at, 8)?);
    let (stated, full) = (u32_at(window, at, 18)?, u32_at(window, at, 22)?);
    let (name, extra) = (u16_at(window, at, 26)?, u16_at(window, at, 28)?);
    let extra_at = at.checked_add(30)?.checked_add(name)?;
    let data = extra_at.checked_add(extra)?;
    if method > 99 {
        return None;
    }
    let wide = stated == u64::from(u32::MAX) || full == u64::from(u32::MAX);
    if flags & 8 != 0 && (stated == 0 || wide) {
        return descriptor_end(window, data);
    }
    let size = if stated == u64::from(u32::MAX) {
        // The extra field holds the full size first.
        let full_there = if full == u64::from(u32::MAX) { 8 } else { 0 };
        let field = extra_field(window, extra_at, data, 1)?;
        u64_at(window, field, full_there)?
    } else {
        stated
    };
    let end = data.checked_add(size)?;
    if flags & 8 == 0 {
        return Some(end);
    }
    // Sizes in front and a descriptor behind: with or without its mark.
    let marked = window.array(end) == Some(DESCRIPTOR);
    end.checked_add(if marked { 16 } else { 12 })
}

/// The content of an extra field.
fn extra_field(window: &mut Window<'_>, from: u64, to: u64, id: u64) -> Option<u64> {
    let mut at = from;
    while at.checked_add(4)? <= to {
        let content = at.checked_add(4)?;
        if u16_at(window, at, 0)? == id {
            return Some(content);
        }
        at = content.checked_add(u16_at(window, at, 2)?)?;
    }
    None
}

/// Where the descriptor ends that states the distance from `data` to it.
fn descriptor_end(window: &mut Window<'_>, data: u64) -> Option<u64> {
    let mut from = data;
    while let Some(mark) = find(window, from, u64::MAX) {
        let kind: [u8; 4] = window.array(mark)?;
        let size = mark.checked_sub(data)?;
        if kind == DESCRIPTOR {
            if u32_at(window, mark, 8)? == size {
                return mark.checked_add(16);
            }
            if u64_at(window, mark, 8)? == size {
                return mark.checked_add(24);
            }
        }
        if kind == LOCAL || kind == CENTRAL {
            // Without a mark of its own it stands right before the next structure.
            for len in [12, 20] {
                let Some(start) = mark.checked_sub(len).filter(|start| *start >= data) else {
                    continue;
                };
                let narrow = len == 12;
                let stated =
                    if narrow { u32_at(window, start, 4) } else { u64_at(window, start, 4) };
                if stated == start.checked_sub(data) {
                    return Some(mark);
                }
            }
        }
        from = mark.checked_add(1)?;
    }
    None
}

/// The next `PK` that begins a known structure.
fn find(window: &mut Window<'_>, from: u64, most: u64) -> Option<u64> {
    let mut at = from;
    while at.checked_sub(from)? <= most {
        let rest = window.rest(at)?;
        let Some(found) = memchr::memmem::find(rest, b"PK") else {
            // The second letter may come with the next piece.
            let step = u64::try_from(rest.len()).ok()?.saturating_sub(1).max(1);
            at = at.checked_add(step)?;
            continue;
        };
        at = at.checked_add(u64::try_from(found).ok()?)?;
        let kind: [u8; 4] = window.array(at)?;
        if matches!(kind, LOCAL | CENTRAL | DESCRIPTOR | END | END_64) {
            return Some(at);
        }
        at = at.checked_add(1)?;
    }
    None
}

/// Where the central directory begins, at or behind the end of the last entry.
fn directory(window: &mut Window<'_>, at: u64) -> Option<u64> {
    let mut from = at;
    loop {
        let found = find(window, from, MOST_BETWEEN)?;
        if found.checked_sub(at)? > MOST_BETWEEN {
            return None;
        }
        if window.array(found)? == CENTRAL {
            return Some(found);
        }
        from = found.checked_add(1)?;
    }
}

/// Where the end record ends, once everything before it agrees.
fn directory_end(window: &mut Window<'_>, directory: u64, local: &Listed) -> Option<u64> {
    let mut at = directory;
    let mut listed = Listed::default();
    while window.array(at)? == CENTRAL {
        let (name, extra) = (u16_at(window, at, 28)?, u16_at(window, at, 30)?);
        let comment = u16_at(window, at, 32)?;
        let extra_at = at.checked_add(46)?.checked_add(name)?;
        let end = extra_at.checked_add(extra)?;
        let mut place = u32_at(window, at, 42)?;
        if place == u64::from(u32::MAX) {
            let field = extra_field(window, extra_at, end, 1)?;
            let mut skip = 0_u64;
            for size in [20, 24] {
                if u32_at(window, at, size)? == u64::from(u32::MAX) {
                    skip = skip.checked_add(8)?;
                }
            }
            place = u64_at(window, field, skip)?;
        }
        listed.note(place);
        at = end.checked_add(comment)?;
    }
    let size = at.checked_sub(directory)?;
    let mut end = at;
    if window.array(end)? == END_64 {
        let agrees = u64_at(window, end, 32)? == listed.entries
            && u64_at(window, end, 40)? == size
            && u64_at(window, end, 48)? == directory;
        let locator = end.checked_add(12)?.checked_add(u64_at(window, end, 4)?)?;
        if !agrees || window.array(locator)? != LOCATOR_64 || u64_at(window, locator, 8)? != end {
            return None;
        }
        end = locator.checked_add(20)?;
    }
    if window.array(end)? != END || listed != *local {
        return None;
    }
    let fits = |field: u64, value: u64, wide: u64| field == value || field == wide && end != at;
    let agrees = fits(u16_at(window, end, 10)?, listed.entries, u16::MAX.into())
        && fits(u32_at(window, end, 12)?, size, u32::MAX.into())
        && fits(u32_at(window, end, 16)?, directory, u32::MAX.into());
    let whole = end.checked_add(22)?.checked_add(u16_at(window, end, 20)?)?;
    (agrees && whole <= window.len()).then_some(whole)
}
