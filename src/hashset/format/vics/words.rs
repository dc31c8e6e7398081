//! Looks for bytes of JSON that say something, many at a time.
//!
//! The runs between them are short, a dozen bytes mostly: a call of the vector search of memchr costs
//! more than it saves there, and so does a search that starts where the last one ended. A look marks
//! the highest bit of the first byte that it is for, and maybe of later ones. Source: S. E. Anderson,
//! "Bit Twiddling Hacks", "Determine if a word has a zero byte" and "a byte less than n".

/// How many bytes stand before the first that is not itself in a string: a quote, a backslash, a
/// control character.
pub(super) fn plain(text: &[u8]) -> usize {
    let is = |c: u8| matches!(c, b'"' | b'\\' | 0..0x20);
    let marks = |word: u64| {
        let control = word.wrapping_sub(of(b' ')) & !word;
        zeros(word ^ of(b'"')) | zeros(word ^ of(b'\\')) | control & of(0x80)
    };
    before(text, marks, is)
}

/// How many bytes stand before the first that `is`; `marks` says the same of eight.
fn before(text: &[u8], marks: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            let byte = usize::try_from(marks.trailing_zeros() / 8).unwrap_or(0);
            return at.saturating_add(byte);
        }
        at = at.saturating_add(8);
    }
    at.saturating_add(rest.iter().take_while(|c| !is(**c)).count())
}

/// Number of bytes that [`Marks`] tell of.
pub(super) const BLOCK: usize = 64;

/// Where quotes and brackets stand in some bytes: a bit for each, the lowest for the first.
pub(super) struct Marks {
    pub(super) quotes: u64,
    pub(super) brackets: u64,
    pub(super) has_backslash: bool,
    /// Control characters, of which some may stand between values.
    pub(super) controls: u64,
}

impl Marks {
    /// Looks at all bytes alike: without a branch, sixteen or more are done at once.
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let has_control = block.iter().fold(0, |any, c| any | u8::from(*c < b' ')) != 0;
        Self {
            controls: if has_control { bits(block, |c| c < b' ') } else { 0 },
            quotes: bits(block, |c| c == b'"'),
            brackets: bits(block, |c| matches!(c | 0x20, b'{' | b'}')),
            has_backslash: block.iter().fold(0, |any, c| any | u8::from(*c == b'\\')) != 0,
        }
    }

    /// The bytes in strings, closing quotes left out; `open` says that a string goes on here.
    pub(super) const fn in_strings(&self, open: bool) -> u64 {
        let mut inside = self.quotes;
        inside ^= inside << 1;
        inside ^= inside << 2;
        inside ^= inside << 4;
        inside ^= inside << 8;
        inside ^= inside << 16;
        inside ^= inside << 32;
        if open { !inside } else { inside }
    }
}

fn bits(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0_u8; BLOCK];
    for (flag, c) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(*c));
    }
    let (eights, _) = flags.as_chunks::<8>();
    eights.iter().fold(0, |bits, eight| {
        // Moves the lowest bit of byte k to bit 56 + k: 8k + 7(8 - k).
        let moved = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080);
        bits >> 8 | moved & 0xff << 56
    })
}

/// A byte in all eight places.
const fn of(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks the first byte that is zero, and maybe later ones.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(of(1)) & !word & of(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place, with bytes behind it that a borrow could mark by mistake.
    #[test]
    fn a_run_ends_where_a_look_at_each_byte_ends_it() {
        let in_string = |c: u8| c == b'"' || c == b'\\' || c < 0x20;
        for c in 0..=u8::MAX {
            for len in 0..20 {
                for behind in [b'a', b'"', b'#', 0x80, 0x1f, 0xff, b'|', b'{'] {
                    let text = [vec![b'!'; len], vec![c], vec![behind; 20 - len]].concat();
                    let want = text.iter().position(|c| in_string(*c)).unwrap_or(text.len());
                    assert_eq!(plain(&text), want, "{c:#x} at {len}, {behind:#x}");
                }
            }
        }
    }

    #[test]
    fn marks_are_those_that_a_look_at_each_byte_gives() {
        let mut block = [b'a'; BLOCK];
        for (at, c) in (0..BLOCK).flat_map(|at| (0..=u8::MAX).map(move |c| (at, c))) {
            block[at] = c;
            block[(at * 7 + 3) % BLOCK] = b'"';
            block[(at * 5 + 1) % BLOCK] = b'{';
            let marks = Marks::of(&block);
            for open in [false, true] {
                let mut inside = open;
                for (n, c) in block.iter().enumerate() {
                    let is = |bits: u64| bits >> n & 1 == 1;
                    inside ^= *c == b'"';
                    assert_eq!(is(marks.quotes), *c == b'"');
                    assert_eq!(is(marks.brackets), b"{}[]".contains(c));
                    assert_eq!(is(marks.controls), *c < b' ');
                    assert_eq!(is(marks.in_strings(open)), inside);
                }
            }
            assert_eq!(marks.has_backslash, block.contains(&b'\\'));
            block = [b'a'; BLOCK];
        }
    }
}
