//! MD5 of sixteen streams with 512-bit vectors.
//!
//! Number `n` of every vector belongs to stream `n`. Each function of a round is one instruction
//! that takes any table of three inputs, each turn is one too.
//!
//! Source of the steps: RFC 1321, section 3.4.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::{Block, LANES, Words};
use crate::digest::md5::SINES;

/// Puts `blocks` blocks of each stream into its state.
///
/// # Panics
/// Where a stream has fewer.
#[target_feature(enable = "avx512f")]
pub(super) fn md5(words: &mut Words<4>, data: &[&[Block]; LANES], blocks: usize) {
    let mut state = [load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3])];
    for n in 0..blocks {
        let message = message(data, n);
        let [a, b, c, d] = state;
        let [e, f, g, h] = steps(state, &message);
        state = [
            _mm512_add_epi32(a, e),
            _mm512_add_epi32(b, f),
            _mm512_add_epi32(c, g),
            _mm512_add_epi32(d, h),
        ];
    }
    for (word, vector) in words.iter_mut().zip(state) {
        store(word, vector);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(to: &mut [u32; LANES], vector: __m512i) {
    // SAFETY: sixteen numbers are the 64 bytes that are written; no alignment is asked for.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(from: &[u32; LANES]) -> __m512i {
    // SAFETY: sixteen numbers are the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_block(from: &Block) -> __m512i {
    // SAFETY: a block is the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// The words of block `n` of all streams: vector `w` holds word `w` of each.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn message(data: &[&[Block]; LANES], n: usize) -> [__m512i; 16] {
    let mut out = [_mm512_setzero_si512(); 16];
    // Of four streams each: vector `q` holds in its quarter `k` word `4 * k + q` of the four.
    let mut fours = [[_mm512_setzero_si512(); 4]; 4];
    for (four, streams) in fours.iter_mut().zip(data.as_chunks::<4>().0) {
        let [a, b, c, d] = streams;
        let (a, b) = (load_block(&a[n]), load_block(&b[n]));
        let (c, d) = (load_block(&c[n]), load_block(&d[n]));
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low_2, high_2) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *four = [
            _mm512_unpacklo_epi64(low, low_2),
            _mm512_unpackhi_epi64(low, low_2),
            _mm512_unpacklo_epi64(high, high_2),
            _mm512_unpackhi_epi64(high, high_2),
        ];
    }
    for q in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(fours[0][q], fours[1][q]);
        let even_2 = _mm512_shuffle_i32x4::<0x88>(fours[2][q], fours[3][q]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(fours[0][q], fours[1][q]);
        let odd_2 = _mm512_shuffle_i32x4::<0xdd>(fours[2][q], fours[3][q]);
        out[q] = _mm512_shuffle_i32x4::<0x88>(even, even_2);
        out[q + 4] = _mm512_shuffle_i32x4::<0x88>(odd, odd_2);
        out[q + 8] = _mm512_shuffle_i32x4::<0xdd>(even, even_2);
        out[q + 12] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_2);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
fn steps(state: [__m512i; 4], message: &[__m512i; 16]) -> [__m512i; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    // `table`: what the function of the round gives for each three bits of b, c and d.
    macro_rules! step {
        ($table:expr, $step:expr, $word:expr, $turn:expr) => {{
            let sine = _mm512_set1_epi32(SINES[$step].cast_signed());
            let known = _mm512_add_epi32(_mm512_add_epi32(a, message[($word) % 16]), sine);
            let sum = _mm512_add_epi32(known, _mm512_ternarylogic_epi32::<$table>(b, c, d));
            let turned = _mm512_add_epi32(b, _mm512_rol_epi32::<$turn>(sum));
            (a, d, c, b) = (d, c, b, turned);
        }};
    }
    super::md5_rounds!(step, 0xca, 0xe4, 0x96, 0x39);
    [a, b, c, d]
}
