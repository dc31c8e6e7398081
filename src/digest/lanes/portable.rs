//! MD5 of several streams in plain Rust: the same step for each, one after the other, so that the
//! processor, or the compiler with the vectors that every such machine has, does them side by side.
//!
//! Source of the steps: RFC 1321, section 3.4.

use super::{Block, LANES, Words};
use crate::digest::md5::SINES;

/// Streams that are taken together.
const TOGETHER: usize = 4;

/// Puts `blocks` blocks of each of the first `used` streams into its state.
///
/// # Panics
/// Where a stream has fewer.
pub(super) fn md5(words: &mut Words<4>, data: &[&[Block]; LANES], used: usize, blocks: usize) {
    let parts = data.as_chunks::<TOGETHER>().0.iter().enumerate();
    for (part, streams) in parts.take(used.div_ceil(TOGETHER)) {
        let mut state = words.each_ref().map(|word| word.as_chunks::<TOGETHER>().0[part]);
        for n in 0..blocks {
            let after = steps(state, &streams.map(|stream| &stream[n]));
            for (word, more) in state.iter_mut().zip(after) {
                *word = each(|lane| word[lane].wrapping_add(more[lane]));
            }
        }
        for (word, numbers) in words.iter_mut().zip(state) {
            word.as_chunks_mut::<TOGETHER>().0[part] = numbers;
        }
    }
}

#[inline(always)]
fn each(of: impl Fn(usize) -> u32) -> [u32; TOGETHER] {
    std::array::from_fn(of)
}

#[inline(always)]
fn steps(state: [[u32; TOGETHER]; 4], blocks: &[&Block; TOGETHER]) -> [[u32; TOGETHER]; 4] {
    let message: [[u32; TOGETHER]; 16] = std::array::from_fn(|word| {
        each(|lane| u32::from_le_bytes(blocks[lane].as_chunks::<4>().0[word]))
    });
    let [mut a, mut b, mut c, mut d] = state;
    macro_rules! step {
        ($function:ident, $step:expr, $word:expr, $turn:expr) => {{
            let turned = each(|lane| {
                let known = a[lane].wrapping_add(message[($word) % 16][lane]);
                let sum = known.wrapping_add(SINES[$step]);
                let sum = sum.wrapping_add($function(b[lane], c[lane], d[lane]));
                b[lane].wrapping_add(sum.rotate_left($turn))
            });
            (a, d, c, b) = (d, c, b, turned);
        }};
    }
    super::md5_rounds!(step, first, second, third, fourth);
    [a, b, c, d]
}

const fn first(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

const fn second(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

const fn third(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

const fn fourth(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}
