//! The kinds of OLE compound files, told by the root directory where it lies inside the head.
//!
//! Source: \[MS-CFB\] 2.2 (header), 2.6 (directory entries).

use super::FileType;
use crate::bytes::Block;

const ENTRY: usize = 128;
/// Entries of one sector of the larger size.
const MOST_ENTRIES: usize = 32;

/// `ThumbsDb` where a stream of that name is listed first, else `Ole`.
pub(super) fn kind(head: Block<'_>) -> FileType {
    if has_catalog(head).unwrap_or(false) { FileType::ThumbsDb } else { FileType::Ole }
}

fn has_catalog(head: Block<'_>) -> Option<bool> {
    let sector_bits = u32::from(head.u16_le(30).ok()?);
    let sector = usize::try_from(head.u32_le(48).ok()?).ok()?;
    if !matches!(sector_bits, 9 | 12) {
        return None;
    }
    // The header takes the place of the sector before number 0.
    let size = 1_usize.checked_shl(sector_bits)?;
    let mut at = sector.checked_add(1)?.checked_mul(size)?;
    for _ in 0..(size / ENTRY).min(MOST_ENTRIES) {
        let entry = head.slice(at, ENTRY).ok()?;
        if entry.u16_le(64) == Ok(16) && entry.array(0) == Ok(CATALOG) {
            return Some(true);
        }
        at = at.checked_add(ENTRY)?;
    }
    Some(false)
}

/// "Catalog" in UTF-16.
const CATALOG: [u8; 14] = *b"C\0a\0t\0a\0l\0o\0g\0";
