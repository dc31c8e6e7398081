//! LZW as GIF uses it, going on past wrong codes.
//!
//! Source: GIF89a specification, appendix F.

/// Codes have at most this many bits.
const MOST_BITS: u32 = 12;
/// No entry before this one: a code that stands for itself.
const NONE: u16 = u16::MAX;

/// Decoded indices.
pub(super) struct Pixels {
    pub(super) indices: Vec<u8>,
    /// A code was met that the table did not have.
    pub(super) damaged: bool,
}

/// Decodes up to `wanted` indices. The result grows with what really comes.
pub(super) fn decode(data: &[u8], code_size: u8, wanted: usize) -> Pixels {
    let mut pixels = Pixels { indices: Vec::new(), damaged: false };
    if !(1..=11).contains(&code_size) {
        pixels.damaged = true;
        return pixels;
    }
    let mut codes = Codes { data: data.iter(), held: 0, bits: 0 };
    let mut table = Table::new(code_size);
    let mut previous = None;
    while pixels.indices.len() < wanted {
        let Some(code) = codes.next(table.width) else { break };
        if code == table.clear {
            table.reset();
            previous = None;
            continue;
        }
        if code == table.clear.saturating_add(1) {
            break;
        }
        let known = table.has(code);
        // A code that is not there yet is the previous string and its own first index again.
        let string = if known { Some(code) } else { previous };
        pixels.damaged |= !known && Some(code) != table.next_code() || string.is_none();
        let Some(string) = string else { continue };
        let first = table.append(string, &mut pixels.indices);
        if !known {
            pixels.indices.push(first);
        }
        if let Some(previous) = previous {
            table.push(previous, first);
        }
        previous = Some(if known { code } else { table.last() });
    }
    pixels.indices.truncate(wanted);
    pixels
}

/// Takes codes from the bytes, lowest bits first.
struct Codes<'a> {
    data: std::slice::Iter<'a, u8>,
    held: u32,
    bits: u32,
}

impl Codes<'_> {
    fn next(&mut self, width: u32) -> Option<u16> {
        while self.bits < width {
            self.held |= u32::from(*self.data.next()?).checked_shl(self.bits)?;
            self.bits = self.bits.saturating_add(8);
        }
        let mask = 1_u32.checked_shl(width)?.wrapping_sub(1);
        let code = self.held & mask;
        self.held = self.held.checked_shr(width)?;
        self.bits = self.bits.saturating_sub(width);
        u16::try_from(code).ok()
    }
}

/// The strings seen so far: each an earlier one and one more index.
struct Table {
    entries: Vec<(u16, u8)>,
    clear: u16,
    first_width: u32,
    width: u32,
}

impl Table {
    fn new(code_size: u8) -> Self {
        let clear = 1_u16.checked_shl(u32::from(code_size)).unwrap_or(1);
        let first_width = u32::from(code_size).saturating_add(1);
        // The two codes after the indices stand for no string.
        let singles =
            (0..clear.saturating_add(2)).map(|code| (NONE, u8::try_from(code).unwrap_or(0)));
        Self { entries: singles.collect(), clear, first_width, width: first_width }
    }

    fn reset(&mut self) {
        self.entries.truncate(usize::from(self.clear).saturating_add(2));
        self.width = self.first_width;
    }

    fn has(&self, code: u16) -> bool {
        usize::from(code) < self.entries.len()
    }

    /// The code that the next string gets, where there is room.
    fn next_code(&self) -> Option<u16> {
        let code = u16::try_from(self.entries.len()).ok()?;
        (u32::from(code) < 1 << MOST_BITS).then_some(code)
    }

    fn last(&self) -> u16 {
        u16::try_from(self.entries.len()).unwrap_or(1).saturating_sub(1)
    }

    fn push(&mut self, previous: u16, index: u8) {
        if self.next_code().is_none() {
            return;
        }
        self.entries.push((previous, index));
        let full = 1_usize.checked_shl(self.width).unwrap_or(usize::MAX);
        if self.entries.len() == full && self.width < MOST_BITS {
            self.width = self.width.saturating_add(1);
        }
    }

    /// Writes a string and returns its first index. Strings point to earlier ones only, so the
    /// walk ends.
    fn append(&self, code: u16, out: &mut Vec<u8>) -> u8 {
        let start = out.len();
        let mut at = code;
        let mut first = 0;
        while let Some(&(previous, index)) = self.entries.get(usize::from(at)) {
            out.push(index);
            first = index;
            at = previous;
        }
        if let Some(string) = out.get_mut(start..) {
            string.reverse();
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_string_that_is_not_there_yet_is_its_own_prefix() {
        // Clear (4), 1, 6 = "1 1", 6 again, end (5); codes of 3 bits.
        let bits: u32 = 4 | 1 << 3 | 6 << 6 | 6 << 9 | 5 << 12;
        let pixels = decode(&bits.to_le_bytes()[..2], 2, 100);
        assert_eq!((pixels.indices.as_slice(), pixels.damaged), ([1; 5].as_slice(), false));
    }

    #[test]
    fn a_wrong_code_is_damage_and_decoding_goes_on() {
        let bits: u32 = 4 | 1 << 3 | 7 << 6 | 2 << 9 | 5 << 12;
        let pixels = decode(&bits.to_le_bytes()[..2], 2, 100);
        assert!(pixels.damaged);
        assert_eq!(pixels.indices.last(), Some(&2));
    }
}
