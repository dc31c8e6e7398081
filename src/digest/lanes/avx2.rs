//! MD5 of sixteen streams with 256-bit vectors, eight at a time.
//!
//! As with 512-bit vectors, but functions and turns take several instructions each.
//!
//! Source of the steps: RFC 1321, section 3.4.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::{Block, LANES, Words};
use crate::digest::md5::SINES;

/// Streams of one vector.
const HALF: usize = LANES / 2;

/// Puts `blocks` blocks of each of the first `used` streams into its state.
///
/// # Panics
/// Where a stream has fewer.
#[target_feature(enable = "avx2")]
pub(super) fn md5(words: &mut Words<4>, data: &[&[Block]; LANES], used: usize, blocks: usize) {
    let halves = data.as_chunks::<HALF>().0.iter().enumerate();
    for (half, streams) in halves.take(used.div_ceil(HALF)) {
        let mut state = words.each_ref().map(|word| load(&word.as_chunks::<HALF>().0[half]));
        for n in 0..blocks {
            let message = message(streams, n);
            let [a, b, c, d] = state;
            let [e, f, g, h] = steps(state, &message);
            state = [
                _mm256_add_epi32(a, e),
                _mm256_add_epi32(b, f),
                _mm256_add_epi32(c, g),
                _mm256_add_epi32(d, h),
            ];
        }
        for (word, vector) in words.iter_mut().zip(state) {
            let word: &mut [u32; HALF] = &mut word.as_chunks_mut::<HALF>().0[half];
            // SAFETY: `word` is an array of eight 32-bit numbers, which is what is written.
            unsafe { _mm256_storeu_si256(word.as_mut_ptr().cast(), vector) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[u32; HALF]) -> __m256i {
    // SAFETY: eight numbers are the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Half of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load_half(block: &Block, half: usize) -> __m256i {
    let bytes: &[u8; 32] = &block.as_chunks::<32>().0[half];
    // SAFETY: they are the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The words of block `n` of eight streams: vector `w` holds word `w` of each.
#[inline]
#[target_feature(enable = "avx2")]
fn message(data: &[&[Block]; HALF], n: usize) -> [__m256i; 16] {
    let mut out = [_mm256_setzero_si256(); 16];
    for (half, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // Of four streams each: vector `q` holds in its half `k` word `4 * k + q` of the four.
        let mut fours = [[_mm256_setzero_si256(); 4]; 2];
        for (four, streams) in fours.iter_mut().zip(data.as_chunks::<4>().0) {
            let [a, b, c, d] = streams;
            let (a, b) = (load_half(&a[n], half), load_half(&b[n], half));
            let (c, d) = (load_half(&c[n], half), load_half(&d[n], half));
            let (low, high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (low_2, high_2) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            *four = [
                _mm256_unpacklo_epi64(low, low_2),
                _mm256_unpackhi_epi64(low, low_2),
                _mm256_unpacklo_epi64(high, high_2),
                _mm256_unpackhi_epi64(high, high_2),
            ];
        }
        for q in 0..4 {
            out[q] = _mm256_permute2x128_si256::<0x20>(fours[0][q], fours[1][q]);
            out[q + 4] = _mm256_permute2x128_si256::<0x31>(fours[0][q], fours[1][q]);
        }
    }
    out
}

#[inline]
#[target_feature(enable = "avx2")]
fn steps(state: [__m256i; 4], message: &[__m256i; 16]) -> [__m256i; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    let ones = _mm256_set1_epi32(-1);
    macro_rules! first {
        () => {
            _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))
        };
    }
    macro_rules! second {
        () => {
            _mm256_xor_si256(c, _mm256_and_si256(d, _mm256_xor_si256(b, c)))
        };
    }
    macro_rules! third {
        () => {
            _mm256_xor_si256(_mm256_xor_si256(c, d), b)
        };
    }
    macro_rules! fourth {
        () => {
            _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, ones)))
        };
    }
    macro_rules! step {
        ($function:ident, $step:expr, $word:expr, $turn:expr) => {{
            let sine = _mm256_set1_epi32(SINES[$step].cast_signed());
            let known = _mm256_add_epi32(_mm256_add_epi32(a, message[($word) % 16]), sine);
            let sum = _mm256_add_epi32(known, $function!());
            let left = _mm256_slli_epi32::<$turn>(sum);
            let right = _mm256_srli_epi32::<{ 32 - $turn }>(sum);
            let turned = _mm256_add_epi32(b, _mm256_or_si256(left, right));
            (a, d, c, b) = (d, c, b, turned);
        }};
    }
    super::md5_rounds!(step, first, second, third, fourth);
    [a, b, c, d]
}
