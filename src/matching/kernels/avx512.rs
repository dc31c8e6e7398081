//! The sieve with 512-bit vectors and the instruction that counts the ones of each 64-bit lane.

use super::Block;
use crate::perceptual::PdqHash;
use std::arch::x86_64::{
    __m512i, _mm512_cmple_epu64_mask, _mm512_load_si512, _mm512_min_epu64, _mm512_or_si512,
    _mm512_popcnt_epi64, _mm512_set1_epi64, _mm512_xor_si512,
};

/// Queries judged by one branch.
const TOGETHER: usize = 4;

/// As [`super::sift`].
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
pub(super) fn sift(tile: &[Block], group: &[PdqHash], radius: u32, out: &mut Vec<(usize, usize)>) {
    let radius = _mm512_set1_epi64(i64::from(radius));
    let (fours, rest) = group.as_chunks::<TOGETHER>();
    for (block_no, block) in tile.iter().enumerate() {
        let block = [load(&block.words[0]), load(&block.words[1])];
        for (four_no, four) in fours.iter().enumerate() {
            let [a, b, c, d] = four;
            let first = _mm512_min_epu64(counts(&block, a), counts(&block, b));
            let second = _mm512_min_epu64(counts(&block, c), counts(&block, d));
            let least = _mm512_min_epu64(first, second);
            if _mm512_cmple_epu64_mask(least, radius) != 0 {
                let first = four_no * TOGETHER;
                out.extend((first..first + TOGETHER).map(|query_no| (block_no, query_no)));
            }
        }
        for (query_no, query) in rest.iter().enumerate() {
            if _mm512_cmple_epu64_mask(counts(&block, query), radius) != 0 {
                out.push((block_no, fours.len() * TOGETHER + query_no));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn load(word: &[u64; 8]) -> __m512i {
    // SAFETY: `word` is 64 readable bytes; `Block` is aligned to 64 and so is each of its words.
    unsafe { _mm512_load_si512(word.as_ptr().cast()) }
}

/// Number of ones of the sieve in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn counts(block: &[__m512i; 2], query: &PdqHash) -> __m512i {
    let [first, second, ..] = query.0;
    let first = _mm512_xor_si512(block[0], _mm512_set1_epi64(first.cast_signed()));
    let second = _mm512_xor_si512(block[1], _mm512_set1_epi64(second.cast_signed()));
    _mm512_popcnt_epi64(_mm512_or_si512(first, second))
}
