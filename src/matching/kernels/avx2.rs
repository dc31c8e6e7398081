//! The sieve with 256-bit vectors. Bits are counted by looking up half-bytes in a table of sixteen.

use super::Block;
use crate::perceptual::PdqHash;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_and_si256, _mm256_cmpgt_epi64, _mm256_load_si256,
    _mm256_min_epu8, _mm256_min_epu32, _mm256_movemask_epi8, _mm256_or_si256, _mm256_sad_epu8,
    _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_xor_si256,
};

/// Queries judged by one branch.
const TOGETHER: usize = 4;

/// As [`super::sift`].
#[target_feature(enable = "avx2")]
pub(super) fn sift(tile: &[Block], group: &[PdqHash], radius: u32, out: &mut Vec<(usize, usize)>) {
    let over = _mm256_set1_epi64x(i64::from(radius) + 1);
    let (fours, rest) = group.as_chunks::<TOGETHER>();
    for (block_no, block) in tile.iter().enumerate() {
        let block = halves(block);
        for (four_no, four) in fours.iter().enumerate() {
            let [a, b, c, d] = four;
            let first = _mm256_min_epu32(least(&block, a), least(&block, b));
            let second = _mm256_min_epu32(least(&block, c), least(&block, d));
            let least = _mm256_min_epu32(first, second);
            if _mm256_movemask_epi8(_mm256_cmpgt_epi64(over, least)) != 0 {
                let first = four_no * TOGETHER;
                out.extend((first..first + TOGETHER).map(|query_no| (block_no, query_no)));
            }
        }
        for (query_no, query) in rest.iter().enumerate() {
            let least = least(&block, query);
            if _mm256_movemask_epi8(_mm256_cmpgt_epi64(over, least)) != 0 {
                out.push((block_no, fours.len() * TOGETHER + query_no));
            }
        }
    }
}

/// Words 0 and 1 of hashes 0 to 3, then of hashes 4 to 7.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(block: &Block) -> [[__m256i; 2]; 2] {
    let [first, second, ..] = &block.words;
    let [a, b] = load(first);
    let [c, d] = load(second);
    [[a, c], [b, d]]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(word: &[u64; 8]) -> [__m256i; 2] {
    let start: *const __m256i = word.as_ptr().cast();
    // SAFETY: `word` is 64 readable bytes, two vectors; `Block` is aligned to 64 and so is each of
    // its words.
    unsafe { [_mm256_load_si256(start), _mm256_load_si256(start.add(1))] }
}

/// The smaller of the two counts in each 64-bit lane, of hashes 0 to 3 and of hashes 4 to 7.
#[inline]
#[target_feature(enable = "avx2")]
fn least(block: &[[__m256i; 2]; 2], query: &PdqHash) -> __m256i {
    let [first, second, ..] = query.0;
    let first = _mm256_set1_epi64x(first.cast_signed());
    let second = _mm256_set1_epi64x(second.cast_signed());
    let [[a, c], [b, d]] = *block;
    let lower = _mm256_or_si256(_mm256_xor_si256(a, first), _mm256_xor_si256(c, second));
    let upper = _mm256_or_si256(_mm256_xor_si256(b, first), _mm256_xor_si256(d, second));
    _mm256_min_epu8(ones(lower), ones(upper))
}

/// Number of ones in each 64-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
fn ones(bits: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, //
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let low = _mm256_set1_epi8(15);
    let lower = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, low));
    let upper = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bits), low));
    _mm256_sad_epu8(_mm256_add_epi8(lower, upper), _mm256_setzero_si256())
}
