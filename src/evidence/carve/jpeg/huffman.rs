//! Huffman tables of JPEG: from a code to its symbol.
//!
//! Source: ITU-T T.81 (09/92), annex C and F.2.2.3.

/// Codes up to this length are looked up at once.
const FAST_BITS: u32 = 9;
/// Entries of that table.
const FAST: usize = 1 << FAST_BITS;

/// One table, checked to be a prefix code.
#[derive(Debug)]
pub(super) struct Huffman {
    /// For the next nine bits: length and symbol of the code they begin with; 0 where it is longer.
    fast: Box<[u16; FAST]>,
    /// For each length: the first code behind those of that length, left-aligned in 16 bits, and
    /// what to add to a code to get its symbol's place.
    longer: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// A table from the number of codes of each length, 1 to 16, and their symbols in order; `None`
    /// where there are more codes of a length than that length can have.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut fast = Box::new([0_u16; FAST]);
        let mut longer = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_u32);
        for ((len, count), slot) in (1_u32..).zip(counts).zip(longer.iter_mut().skip(1)) {
            let first = code;
            let first_place = place;
            for _ in 0..*count {
                let symbol = *symbols.get(usize::try_from(place).ok()?)?;
                if len <= FAST_BITS {
                    let free = FAST_BITS.checked_sub(len)?;
                    let from = usize::try_from(code.checked_shl(free)?).ok()?;
                    let to = from.checked_add(1_usize.checked_shl(free)?)?;
                    let entry = u16::try_from(len).ok()?.checked_shl(8)? | u16::from(symbol);
                    fast.get_mut(from..to)?.fill(entry);
                }
                code = code.checked_add(1)?;
                place = place.checked_add(1)?;
            }
            // The code of all ones is reserved, but some writers use it: only overflow is refused.
            if code > 1_u32.checked_shl(len)? {
                return None;
            }
            let offset =
                i32::try_from(first_place).ok()?.checked_sub(i32::try_from(first).ok()?)?;
            *slot = (code.checked_shl(16_u32.checked_sub(len)?)?, offset);
            code = code.checked_shl(1)?;
        }
        let symbols = symbols.get(..usize::try_from(place).ok()?)?.to_vec();
        Some(Self { fast, longer, symbols })
    }

    /// Length and symbol of the code that the upper bits of `bits` begin with.
    #[inline]
    pub(super) fn look_up(&self, bits: u64) -> Option<(u32, u8)> {
        let index = usize::try_from(bits.wrapping_shr(64 - FAST_BITS)).unwrap_or(0);
        let [len, symbol] = self.fast.get(index).copied().unwrap_or(0).to_be_bytes();
        if len != 0 { Some((u32::from(len), symbol)) } else { self.look_up_longer(bits) }
    }

    fn look_up_longer(&self, bits: u64) -> Option<(u32, u8)> {
        let next = u32::try_from(bits.wrapping_shr(48)).ok()?;
        for (len, (end, offset)) in (0_u32..).zip(&self.longer).skip(1) {
            if next < *end {
                let code = i32::try_from(next.wrapping_shr(16_u32.wrapping_sub(len))).ok()?;
                let place = usize::try_from(code.checked_add(*offset)?).ok()?;
                return self.symbols.get(place).map(|symbol| (len, *symbol));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_gives_its_symbol_and_the_rest_gives_none() {
        // Lengths 2, 3, 3, 12 and 16: codes 00, 010, 011, then two long ones.
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[11], counts[15]) = (1, 2, 1, 1);
        let table = Huffman::new(&counts, &[9, 8, 7, 6, 5]).unwrap();
        let at = |bits: u64, len: u32| table.look_up(bits << (64 - len));
        assert_eq!(at(0b00, 2), Some((2, 9)));
        assert_eq!(at(0b010, 3), Some((3, 8)));
        assert_eq!(at(0b011, 3), Some((3, 7)));
        assert_eq!(at(0b1000_0000_0000, 12), Some((12, 6)));
        assert_eq!(at(0b1000_0000_0001_0000, 16), Some((16, 5)));
        assert_eq!(at(0b1111, 4), None);
    }

    #[test]
    fn more_codes_than_a_length_has_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_none());
        counts[0] = 1;
        assert!(Huffman::new(&counts, &[]).is_none());
    }
}
