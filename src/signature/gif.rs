//! GIF: blocks and their chained sub-blocks up to the trailer.
//!
//! Source: CompuServe, "Graphics Interchange Format, Version 89a", 1990.

use super::Length;
use super::window::Window;

/// Images and extensions followed in one file.
const MOST_BLOCKS: u32 = 100_000;
/// Longest file followed.
const LONGEST: u64 = 256 * 1024 * 1024;
/// Signature, version and logical screen descriptor.
const HEADER: u64 = 13;
/// Image descriptor with its introducer.
const DESCRIPTOR: u64 = 10;

/// Why a file ends before its trailer.
enum Stop {
    /// The source ends, or cannot be read on.
    Source,
    /// What stands there is no block.
    Damage,
}

/// Follows blocks from the header to the trailer.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    let header: [u8; 13] = window.array(0)?;
    let [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', _, _, _, _, flags, ..] = header else {
        return None;
    };
    let mut at = HEADER.checked_add(color_table(flags))?;
    for _ in 0..MOST_BLOCKS {
        if at > LONGEST {
            break;
        }
        match block_end(window, at) {
            Ok(Some(next)) => at = next,
            Ok(None) => return Some(Length::complete(at.checked_add(1)?)),
            Err(Stop::Source) => return Some(Length::cut(window.len())),
            Err(Stop::Damage) => break,
        }
    }
    Some(Length::cut(at))
}

/// Bytes of the colour table that a descriptor's flags announce.
const fn color_table(flags: u8) -> u64 {
    match flags & 0x87 {
        0x80 => 6,
        0x81 => 12,
        0x82 => 24,
        0x83 => 48,
        0x84 => 96,
        0x85 => 192,
        0x86 => 384,
        0x87 => 768,
        _ => 0,
    }
}

/// Where the block at `at` ends; `None` where it is the trailer.
fn block_end(window: &mut Window<'_>, at: u64) -> Result<Option<u64>, Stop> {
    let data = match window.u8(at).ok_or(Stop::Source)? {
        0x3b => return Ok(None),
        0x21 => at.checked_add(2),
        0x2c => {
            let descriptor: [u8; 10] = window.array(at).ok_or(Stop::Source)?;
            let [.., flags] = descriptor;
            // One more byte tells the code size of the compressed data.
            let table = color_table(flags).checked_add(DESCRIPTOR).and_then(|n| n.checked_add(1));
            table.and_then(|skip| at.checked_add(skip))
        }
        _ => return Err(Stop::Damage),
    };
    sub_blocks_end(window, data.ok_or(Stop::Damage)?).map(Some)
}

/// The first byte behind a chain of sub-blocks.
fn sub_blocks_end(window: &mut Window<'_>, from: u64) -> Result<u64, Stop> {
    let mut at = from;
    while at <= LONGEST {
        let size = window.u8(at).ok_or(Stop::Source)?;
        at = at.saturating_add(1).saturating_add(u64::from(size));
        if size == 0 {
            return Ok(at);
        }
    }
    Err(Stop::Damage)
}
