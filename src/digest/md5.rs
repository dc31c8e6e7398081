//! MD5 of one stream, a block at a time.
//!
//! Each step waits for the one before it; what a step adds is put so that as little as possible
//! waits: the second round's two halves have no bit in common, so one is added before the other is
//! known. That is worth a tenth of the time of a plain one. The `md5` package is what it is held
//! against, in tests and at the start of every run.
//!
//! Source: RFC 1321, section 3.

/// Bytes of a block.
const BLOCK: usize = 64;
/// The state before the first block.
pub(super) const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// The integer parts of 2^32 times the absolute sine of 1 to 64 radians.
pub(super) const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// A stream that is being digested.
#[derive(Clone)]
pub(super) struct Md5 {
    state: [u32; 4],
    /// Bytes of the stream so far.
    length: u64,
    /// Those of them that fill no block yet.
    rest: [u8; BLOCK],
    filled: usize,
}

impl Md5 {
    pub(super) const fn new() -> Self {
        Self { state: START, length: 0, rest: [0; BLOCK], filled: 0 }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let mut bytes = bytes;
        if self.filled > 0 {
            let room = BLOCK.saturating_sub(self.filled);
            let (head, tail) = bytes.split_at(bytes.len().min(room));
            self.keep(head);
            bytes = tail;
            if self.filled < BLOCK {
                return;
            }
            let rest = self.rest;
            compress(&mut self.state, &rest);
            self.filled = 0;
        }
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        blocks.iter().for_each(|block| compress(&mut self.state, block));
        self.keep(tail);
    }

    /// Ends the stream: a one bit, zeros, and its length in bits, to the end of a block.
    pub(super) fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        self.update(&[0x80]);
        let zeros = (BLOCK + BLOCK - 8 - self.filled) % BLOCK;
        self.update([0; BLOCK].get(..zeros).unwrap_or_default());
        self.update(&bits);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.rest.iter_mut().skip(self.filled);
        room.zip(bytes).for_each(|(to, from)| *to = *from);
        self.filled += bytes.len();
    }
}

/// Puts one block into the state.
#[inline]
pub(super) fn compress(state: &mut [u32; 4], block: &[u8; BLOCK]) {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d] = *state;
    // The function of a round in two parts without a common bit, and which word a step takes.
    macro_rules! step {
        ($early:expr, $late:expr, $step:expr, $word:expr, $turn:expr) => {{
            let known = a.wrapping_add(words[$word % 16]).wrapping_add(SINES[$step]);
            let sum = known.wrapping_add($early).wrapping_add($late);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left($turn)));
        }};
    }
    macro_rules! round {
        (@four $early:expr, $late:expr, $at:expr, $times:expr, $plus:expr, $turns:expr) => {
            step!($early, $late, $at, ($at) * $times + $plus, $turns[0]);
            step!($early, $late, $at + 1, ($at + 1) * $times + $plus, $turns[1]);
            step!($early, $late, $at + 2, ($at + 2) * $times + $plus, $turns[2]);
            step!($early, $late, $at + 3, ($at + 3) * $times + $plus, $turns[3]);
        };
        ($early:expr, $late:expr, $at:expr, $times:expr, $plus:expr, $turns:expr) => {
            round!(@four $early, $late, $at, $times, $plus, $turns);
            round!(@four $early, $late, $at + 4, $times, $plus, $turns);
            round!(@four $early, $late, $at + 8, $times, $plus, $turns);
            round!(@four $early, $late, $at + 12, $times, $plus, $turns);
        };
    }
    round!(0, d ^ (b & (c ^ d)), 0, 1, 0, [7, 12, 17, 22]);
    round!(c & !d, b & d, 16, 5, 1, [5, 9, 14, 20]);
    round!(0, (c ^ d) ^ b, 32, 3, 5, [4, 11, 16, 23]);
    round!(0, c ^ (b | !d), 48, 7, 0, [6, 10, 15, 21]);
    for (word, more) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(parts: &[&[u8]]) -> [u8; 16] {
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part));
        md5.finish()
    }

    #[test]
    fn every_length_around_blocks_is_as_the_package_has_it() {
        let data: Vec<u8> = (0..1000_u32).map(|n| (n * 37 % 251) as u8).collect();
        for len in 0..data.len() {
            assert_eq!(of(&[&data[..len]]), md5::compute(&data[..len]).0, "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_parts_are_as_the_package_has_them(
            data in proptest::collection::vec(any::<u8>(), 0..700),
            first in 0_usize..700,
            second in 0_usize..700,
        ) {
            let first = first.min(data.len());
            let second = second.clamp(first, data.len());
            let parts = [&data[..first], &data[first..second], &data[second..]];
            prop_assert_eq!(of(&parts), md5::compute(&data).0);
        }
    }
}
