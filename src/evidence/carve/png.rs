//! PNG proved by its checksums: every chunk, in order, to IEND.
//!
//! Source: W3C PNG Specification (Third Edition), sections 5 and 11.2; RFC 1950 for its data.

use flate2::{Decompress, FlushDecompress, Status};

use super::view::wide;
use crate::bytes::ReadAt;

/// Chunks followed.
const MOST_CHUNKS: u32 = 262_144;
/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// How following a picture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All chunks are there and right; the picture ends here.
    Whole(u64),
    /// The first chunk that is wrong.
    Broken(Break),
    /// Not even the header is right.
    Other,
}

/// Where a picture breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    /// Where the wrong chunk begins.
    pub(super) chunk: u64,
    /// Where the data of the first chunk of pixels begin, if there is one.
    pub(super) body: Option<u64>,
    /// Bytes of a row of pixels with its filter in front; none where the rows are interlaced.
    row: Option<u64>,
}

/// A chunk whose header makes sense.
struct Chunk {
    name: [u8; 4],
    data: u64,
    len: u64,
}

impl Chunk {
    fn at(source: &dyn ReadAt, at: u64) -> Option<Self> {
        let mut header = [0; 8];
        if source.fill_at(at, &mut header).ok()? != header.len() {
            return None;
        }
        let [a, b, c, d, name @ ..] = header;
        let len = u32::from_be_bytes([a, b, c, d]);
        let sound = len <= 0x7fff_ffff && name.iter().all(u8::is_ascii_alphabetic);
        sound.then_some(Self { name, data: at.checked_add(8)?, len: len.into() })
    }

    fn end(&self) -> u64 {
        self.data.saturating_add(self.len).saturating_add(4)
    }

    /// True where its checksum is right.
    fn is_right(&self, source: &dyn ReadAt) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.name);
        let mut stored = [0; 4];
        let stored_at = self.data.saturating_add(self.len);
        if self.end() > source.len() || !matches!(source.fill_at(stored_at, &mut stored), Ok(4)) {
            return false;
        }
        let whole = each_piece(source, self.data, self.len, &mut |piece| {
            hasher.update(piece);
            true
        });
        whole && hasher.finalize() == u32::from_be_bytes(stored)
    }
}

/// Gives bytes piece by piece; false where they end early or the receiver wants no more.
fn each_piece(
    source: &dyn ReadAt,
    at: u64,
    len: u64,
    receive: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let mut buffer = [0; PIECE];
    let (mut at, mut left) = (at, len);
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let Some(piece) = buffer.get_mut(..size) else { return false };
        if !matches!(source.fill_at(at, piece), Ok(n) if n == size) || !receive(piece) {
            return false;
        }
        at = at.saturating_add(wide(size));
        left = left.saturating_sub(wide(size));
    }
    true
}

/// Bytes of a row with its filter, from the header behind the signature.
fn row_bytes(source: &dyn ReadAt, start: u64) -> Option<u64> {
    let mut fields = [0; 13];
    let data = start.checked_add(16)?;
    if source.fill_at(data, &mut fields).ok()? != fields.len() {
        return None;
    }
    let [w0, w1, w2, w3, _, _, _, _, bits, colour, _, _, 0] = fields else { return None };
    let samples = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let width = u64::from(u32::from_be_bytes([w0, w1, w2, w3]));
    let bits = width.checked_mul(samples)?.checked_mul(bits.into())?;
    bits.div_ceil(8).checked_add(1)
}

/// True where the header's fields are ones a picture can have.
fn is_header(source: &dyn ReadAt, chunk: &Chunk) -> bool {
    let mut fields = [0; 13];
    if chunk.name != *b"IHDR" || chunk.len != 13 {
        return false;
    }
    if !matches!(source.fill_at(chunk.data, &mut fields), Ok(13)) {
        return false;
    }
    let [w0, w1, w2, w3, h0, h1, h2, h3, bits, colour, 0, 0, 0 | 1] = fields else { return false };
    let (width, height) =
        (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let depths: &[u8] = match colour {
        0 => &[1, 2, 4, 8, 16],
        3 => &[1, 2, 4, 8],
        2 | 4 | 6 => &[8, 16],
        _ => &[],
    };
    width.wrapping_sub(1) < 0x7fff_ffff
        && height.wrapping_sub(1) < 0x7fff_ffff
        && depths.contains(&bits)
}

/// Follows a picture from its signature.
pub(super) fn follow(source: &dyn ReadAt, start: u64) -> Outcome {
    let mut signature = [0; 8];
    if !matches!(source.fill_at(start, &mut signature), Ok(8)) || &signature != b"\x89PNG\r\n\x1a\n"
    {
        return Outcome::Other;
    }
    let mut at = start.saturating_add(8);
    let mut body = None;
    let row = row_bytes(source, start);
    for number in 0..MOST_CHUNKS {
        let right = Chunk::at(source, at)
            .filter(|chunk| (number > 0 || is_header(source, chunk)) && chunk.is_right(source));
        let Some(chunk) = right else {
            if number == 0 {
                return Outcome::Other;
            }
            let pixels = Chunk::at(source, at).filter(|chunk| chunk.name == *b"IDAT");
            body = body.or(pixels.map(|chunk| chunk.data));
            return Outcome::Broken(Break { chunk: at, body, row });
        };
        match &chunk.name {
            b"IDAT" => body = body.or(Some(chunk.data)),
            b"IEND" if chunk.len == 0 && body.is_some() => return Outcome::Whole(chunk.end()),
            b"IEND" => return Outcome::Broken(Break { chunk: at, body, row }),
            _ => {}
        }
        at = chunk.end();
    }
    Outcome::Broken(Break { chunk: at, body, row })
}

/// The byte at which a broken picture is noticed to be wrong: its pixels are inflated, not kept,
/// until that fails or a row begins with a filter that there is none of.
///
/// Inflating alone goes on for long in foreign bytes: most codes stand for something.
pub(super) fn noticed(source: &dyn ReadAt, broken: Break) -> u64 {
    let Some(body) = broken.body else { return broken.chunk };
    let row = broken.row.unwrap_or(u64::MAX);
    let mut rows = Rows { inflate: Decompress::new(true), row, to_filter: 1 };
    let mut at = body.saturating_sub(8);
    while at <= broken.chunk {
        let Some(chunk) = Chunk::at(source, at) else { break };
        if chunk.name != *b"IDAT" {
            break;
        }
        let len = chunk.len.min(source.len().saturating_sub(chunk.data));
        let before = rows.inflate.total_in();
        let whole = each_piece(source, chunk.data, len, &mut |piece| rows.hold(piece));
        if !whole || at == broken.chunk {
            let used = rows.inflate.total_in().saturating_sub(before);
            return chunk.data.saturating_add(used.min(len));
        }
        at = chunk.end();
    }
    broken.chunk
}

/// Rows of pixels while they are inflated.
struct Rows {
    inflate: Decompress,
    row: u64,
    /// Bytes up to and with the next filter.
    to_filter: u64,
}

impl Rows {
    /// True where a piece inflates to its end and every filter in it is one there is.
    fn hold(&mut self, piece: &[u8]) -> bool {
        let mut pixels = [0; PIECE];
        let mut rest = piece;
        while !rest.is_empty() {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let want = usize::try_from(self.to_filter).unwrap_or(PIECE).min(PIECE);
            let Some(room) = pixels.get_mut(..want) else { return false };
            let status = self.inflate.decompress(rest, room, FlushDecompress::None);
            let used = usize::try_from(self.inflate.total_in().saturating_sub(read)).unwrap_or(0);
            let made = self.inflate.total_out().saturating_sub(written);
            if !matches!(status, Ok(Status::Ok | Status::BufError)) || (used == 0 && made == 0) {
                return false;
            }
            self.to_filter = self.to_filter.saturating_sub(made);
            if self.to_filter == 0 {
                if room.last().is_none_or(|filter| *filter > 4) {
                    return false;
                }
                self.to_filter = self.row;
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        true
    }
}

/// A broken chunk whose data go on elsewhere: its checksum is computed for every place at once.
///
/// The checksum of a window is that of all bytes up to its end, less that of the bytes before it
/// moved along by the window's length; so each place costs two blocks of reading, however long the
/// chunk is.
pub(super) struct Mending<'a> {
    source: &'a dyn ReadAt,
    before_cut: crc32fast::Hasher,
    /// Bytes of the chunk's data behind the cut.
    rest: u64,
    near: Summed,
    far: Summed,
}

/// The checksum of all bytes from a first one up to a place.
#[derive(Clone)]
struct Summed {
    hasher: crc32fast::Hasher,
    at: u64,
}

impl Summed {
    fn reach(&mut self, source: &dyn ReadAt, at: u64) -> Option<u32> {
        let len = at.checked_sub(self.at)?;
        let hasher = &mut self.hasher;
        let whole = each_piece(source, self.at, len, &mut |piece| {
            hasher.update(piece);
            true
        });
        self.at = at;
        whole.then(|| self.hasher.clone().finalize())
    }
}

impl<'a> Mending<'a> {
    /// For a broken chunk whose data go on elsewhere from `cut` on; `None` where the cut does not
    /// lie within its data. Places are tried from `first` on.
    pub(super) fn new(source: &'a dyn ReadAt, chunk: u64, cut: u64, first: u64) -> Option<Self> {
        let header = Chunk::at(source, chunk).filter(|header| header.name == *b"IDAT")?;
        let mut before_cut = crc32fast::Hasher::new();
        before_cut.update(&header.name);
        let len = cut.checked_sub(header.data)?;
        let rest = header.len.checked_sub(len).filter(|rest| *rest > 0)?;
        let whole = each_piece(source, header.data, len, &mut |piece| {
            before_cut.update(piece);
            true
        });
        let summed = Summed { hasher: crc32fast::Hasher::new(), at: first };
        whole.then_some(Self { source, before_cut, rest, near: summed.clone(), far: summed })
    }

    /// True where the checksum holds when the data go on at `at`; places must ascend. `None` once
    /// no further place can hold.
    pub(super) fn holds(&mut self, at: u64) -> Option<bool> {
        let end = at.checked_add(self.rest)?;
        let mut stored = [0; 4];
        let there = self.source.fill_at(end, &mut stored).ok()?;
        let (before, through) =
            (self.near.reach(self.source, at)?, self.far.reach(self.source, end)?);
        let mut moved = crc32fast::Hasher::new_with_initial_len(before, 0);
        moved.combine(&crc32fast::Hasher::new_with_initial_len(0, self.rest));
        let window = moved.finalize() ^ through;
        let mut all = self.before_cut.clone();
        all.combine(&crc32fast::Hasher::new_with_initial_len(window, self.rest));
        (there == stored.len()).then(|| all.finalize() == u32::from_be_bytes(stored))
    }
}

/// True where a chunk of pixels, or the last one, stands at a place and is right.
pub(super) fn continues(source: &dyn ReadAt, at: u64) -> bool {
    Chunk::at(source, at)
        .filter(|chunk| chunk.name == *b"IDAT" || chunk.name == *b"IEND" && chunk.len == 0)
        .is_some_and(|chunk| chunk.is_right(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Slice;

    #[test]
    fn a_chunk_that_goes_on_elsewhere_is_told_by_its_checksum() {
        let data: Vec<u8> = (0..1000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        let mut chunk = [&1000_u32.to_be_bytes()[..], b"IDAT", &data].concat();
        let sum = crc32fast::hash(&chunk[4..]);
        chunk.extend_from_slice(&sum.to_be_bytes());
        let volume = [&chunk[..512], &[7; 1024], &chunk[512..], &[9; 600]].concat();
        let volume = Slice(&volume);
        let mut mending = Mending::new(&volume, 0, 512, 512).unwrap();
        let held: Vec<_> = (1..5).map(|n| mending.holds(n * 512)).collect();
        assert_eq!(held, [Some(false), Some(false), Some(true), Some(false)]);
    }
}
