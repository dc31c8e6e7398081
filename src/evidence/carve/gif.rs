//! GIF proved by its compressed pictures: every code is one the table has, and the indices are as
//! many as the picture has pixels.
//!
//! Source: CompuServe, "Graphics Interchange Format, Version 89a", 1990, with appendix F.

use std::io::ErrorKind;

use super::view::wide;
use crate::bytes::ReadAt;

/// Bytes read at once.
const PIECE: usize = 16 * 1024;
/// Blocks of one file.
const MOST_BLOCKS: u32 = 100_000;
/// Strings a table can have.
const MOST_CODES: usize = 4096;

/// How following a file ended: where the trailer ends, or where it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// To its trailer, which ends here.
    Whole(u64),
    /// Wrong at this byte; the first picture's data begin at `body`.
    Broken {
        /// The byte.
        at: u64,
        /// Where the first picture's data begin, if they do.
        body: Option<u64>,
    },
    /// Not even the header is right.
    Other,
}

/// Bytes one after the other.
struct Reader<'a> {
    source: &'a dyn ReadAt,
    at: u64,
    buffer: [u8; PIECE],
    used: usize,
    filled: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        if self.used == self.filled {
            self.used = 0;
            self.filled = 0;
            while self.filled == 0 {
                match self.source.read_at(self.at, &mut self.buffer) {
                    Ok(0) => return None,
                    Ok(n) => self.filled = n,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
        }
        let byte = self.buffer.get(self.used).copied()?;
        self.used = self.used.saturating_add(1);
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.next()?;
        }
        Some(bytes)
    }

    fn pass(&mut self, n: u32) -> Option<()> {
        for _ in 0..n {
            self.next()?;
        }
        Some(())
    }
}

/// Follows a file from its first byte.
pub(super) fn follow(source: &dyn ReadAt, start: u64) -> Outcome {
    let mut reader = Reader { source, at: start, buffer: [0; PIECE], used: 0, filled: 0 };
    let Some(header) = reader.array::<13>() else { return Outcome::Other };
    let [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', w0, w1, h0, h1, flags, ..] = header else {
        return Outcome::Other;
    };
    if w0 | w1 == 0 || h0 | h1 == 0 {
        return Outcome::Other;
    }
    let mut body = None;
    let mut step = || -> Option<u64> {
        reader.pass(colours(flags))?;
        for _ in 0..MOST_BLOCKS {
            match reader.next()? {
                0x3b if body.is_some() => return Some(reader.at),
                0x21 => extension(&mut reader)?,
                0x2c => picture(&mut reader, &mut body)?,
                _ => return None,
            }
        }
        None
    };
    match step() {
        Some(end) => Outcome::Whole(end),
        None => Outcome::Broken { at: reader.at.saturating_sub(1).max(start), body },
    }
}

/// Bytes of the colour table that flags announce.
fn colours(flags: u8) -> u32 {
    if flags & 0x80 == 0 { 0 } else { 6_u32.wrapping_shl(u32::from(flags & 7)) }
}

fn extension(reader: &mut Reader<'_>) -> Option<()> {
    // Graphic control, comment, plain text, application.
    let _label = Some(reader.next()?).filter(|label| matches!(label, 0xf9 | 0xfe | 0x01 | 0xff))?;
    loop {
        match reader.next()? {
            0 => return Some(()),
            size => reader.pass(size.into())?,
        }
    }
}

fn picture(reader: &mut Reader<'_>, body: &mut Option<u64>) -> Option<()> {
    let [_, _, _, _, w0, w1, h0, h1, flags] = reader.array::<9>()?;
    reader.pass(colours(flags))?;
    let size = reader.next()?;
    *body = body.or(Some(reader.at));
    let pixels = u32::from(u16::from_le_bytes([w0, w1]))
        .checked_mul(u32::from(u16::from_le_bytes([h0, h1])))?;
    if !(1..=8).contains(&size) || pixels == 0 {
        return None;
    }
    let mut codes = Codes { reader, block_left: 0, held: 0, count: 0, ended: false };
    indices(&mut codes, size, pixels)?;
    codes.finish()
}

/// Codes out of the chained blocks, lowest bits first.
struct Codes<'a, 'b> {
    reader: &'a mut Reader<'b>,
    block_left: u8,
    held: u32,
    count: u32,
    ended: bool,
}

impl Codes<'_, '_> {
    /// The next code; `Some(None)` at the end of the blocks.
    fn next(&mut self, width: u32) -> Option<Option<u32>> {
        while self.count < width {
            if self.block_left == 0 {
                self.block_left = self.reader.next()?;
                if self.block_left == 0 {
                    self.ended = true;
                    return Some(None);
                }
            }
            self.block_left = self.block_left.wrapping_sub(1);
            self.held |= u32::from(self.reader.next()?).wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
        }
        let code = self.held & 1_u32.wrapping_shl(width).wrapping_sub(1);
        self.held = self.held.wrapping_shr(width);
        self.count = self.count.wrapping_sub(width);
        Some(Some(code))
    }

    /// Passes what is left of the blocks: at most what a writer leaves behind the end code.
    fn finish(&mut self) -> Option<()> {
        for _ in 0..4 {
            if self.ended {
                return Some(());
            }
            self.reader.pass(self.block_left.into())?;
            self.block_left = self.reader.next()?;
            self.ended = self.block_left == 0;
        }
        self.ended.then_some(())
    }
}

/// Counts indices up to the end code; `None` where a code is not in the table or the indices are
/// not as many as there are pixels.
fn indices(codes: &mut Codes<'_, '_>, size: u8, pixels: u32) -> Option<()> {
    let clear = 1_usize.wrapping_shl(size.into());
    let mut lengths = [1_u32; MOST_CODES];
    let first_width = u32::from(size).wrapping_add(1);
    let first_free = clear.wrapping_add(2);
    let (mut width, mut free) = (first_width, first_free);
    let mut previous: Option<u32> = None;
    let mut done = 0_u64;
    while let Some(code) = codes.next(width)? {
        let code = usize::try_from(code).ok()?;
        if code == clear {
            (width, free, previous) = (first_width, first_free, None);
            continue;
        }
        if code == clear.wrapping_add(1) {
            break;
        }
        let longer = previous.map(|len| len.saturating_add(1));
        if code > free || code == free && longer.is_none() {
            return None;
        }
        let len = if code == free { longer? } else { *lengths.get(code)? };
        if let Some(slot) = longer.and_then(|longer| Some((longer, lengths.get_mut(free)?))) {
            *slot.1 = slot.0;
            free = free.wrapping_add(1);
            if free == 1_usize.wrapping_shl(width) && width < 12 {
                width = width.wrapping_add(1);
            }
        }
        previous = Some(len);
        done = done.saturating_add(len.into());
        if done > u64::from(pixels) {
            return None;
        }
    }
    (done == wide(usize::try_from(pixels).ok()?)).then_some(())
}
