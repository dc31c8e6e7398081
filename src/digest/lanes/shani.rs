//! SHA-1 and SHA-256 of a few streams at once, with the instructions that x86 has for them.
//!
//! On most processors each of these instructions takes longer to answer than it keeps its unit busy.
//! So the same group of rounds is asked for of each stream in turn, and nobody waits.
//!
//! Sources: FIPS 180-4, sections 6.1 and 6.2; Intel, "Intel SHA Extensions", July 2013, for the
//! order in which the instructions take the words of state and message.

#![allow(clippy::needless_range_loop, reason = "number n of several arrays is one stream")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi8,
    _mm_set_epi32, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32,
    _mm_sha1rnds4_epu32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm_xor_si128,
};

use super::{Block, ROOTS};

/// Puts as many blocks of each stream into its state as the shortest has.
#[target_feature(enable = "sha,sse4.1")]
pub(super) fn sha256<const N: usize>(states: &mut [[u32; 8]; N], data: [&[Block]; N]) {
    // The instructions keep a, b, e, f together, and c, d, g, h.
    let (mut abef, mut cdgh) = ([_mm_setzero_si128(); N], [_mm_setzero_si128(); N]);
    for n in 0..N {
        let [abcd, efgh] = halves(&states[n]).map(|half| load(half));
        let (cdab, efgh) = (_mm_shuffle_epi32::<0xb1>(abcd), _mm_shuffle_epi32::<0x1b>(efgh));
        abef[n] = _mm_alignr_epi8::<8>(cdab, efgh);
        cdgh[n] = _mm_blend_epi16::<0xf0>(efgh, cdab);
    }
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    for block in 0..shortest(&data) {
        let (before_1, before_2) = (abef, cdgh);
        let mut words = [[_mm_setzero_si128(); N]; 4];
        macro_rules! group {
            ($group:expr) => {
                for n in 0..N {
                    let word = if $group < 4 {
                        _mm_shuffle_epi8(quarter(&data[n][block], $group % 4), order)
                    } else {
                        let sum =
                            _mm_sha256msg1_epu32(words[$group % 4][n], words[($group + 1) % 4][n]);
                        let last = words[($group + 3) % 4][n];
                        let between = _mm_alignr_epi8::<4>(last, words[($group + 2) % 4][n]);
                        _mm_sha256msg2_epu32(_mm_add_epi32(sum, between), last)
                    };
                    words[$group % 4][n] = word;
                    let sum = _mm_add_epi32(word, load(&ROOTS[$group]));
                    cdgh[n] = _mm_sha256rnds2_epu32(cdgh[n], abef[n], sum);
                    let sum = _mm_shuffle_epi32::<0x0e>(sum);
                    abef[n] = _mm_sha256rnds2_epu32(abef[n], cdgh[n], sum);
                }
            };
            (from $group:expr) => {
                group!($group);
                group!($group + 1);
                group!($group + 2);
                group!($group + 3);
            };
        }
        group!(from 0);
        group!(from 4);
        group!(from 8);
        group!(from 12);
        for n in 0..N {
            abef[n] = _mm_add_epi32(abef[n], before_1[n]);
            cdgh[n] = _mm_add_epi32(cdgh[n], before_2[n]);
        }
    }
    for n in 0..N {
        let (feba, dchg) = (_mm_shuffle_epi32::<0x1b>(abef[n]), _mm_shuffle_epi32::<0xb1>(cdgh[n]));
        let [first, second] = &mut states[n].as_chunks_mut::<4>().0 else { continue };
        store(first, _mm_blend_epi16::<0xf0>(feba, dchg));
        store(second, _mm_alignr_epi8::<8>(dchg, feba));
    }
}

/// Puts as many blocks of each stream into its state as the shortest has.
#[target_feature(enable = "sha,sse4.1")]
pub(super) fn sha1<const N: usize>(states: &mut [[u32; 5]; N], data: [&[Block]; N]) {
    let (mut abcd, mut fifth) = ([_mm_setzero_si128(); N], [_mm_setzero_si128(); N]);
    for n in 0..N {
        let [a, b, c, d, e] = states[n];
        abcd[n] = _mm_shuffle_epi32::<0x1b>(load(&[a, b, c, d]));
        fifth[n] = _mm_set_epi32(e.cast_signed(), 0, 0, 0);
    }
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for block in 0..shortest(&data) {
        let before = abcd;
        let mut words = [[_mm_setzero_si128(); N]; 4];
        // The a, b, c, d of the group before, whose a becomes e.
        let mut last = abcd;
        macro_rules! group {
            ($function:expr, $group:expr) => {
                for n in 0..N {
                    let word = if $group < 4 {
                        _mm_shuffle_epi8(quarter(&data[n][block], $group % 4), order)
                    } else {
                        let sum =
                            _mm_sha1msg1_epu32(words[$group % 4][n], words[($group + 1) % 4][n]);
                        let sum = _mm_xor_si128(sum, words[($group + 2) % 4][n]);
                        _mm_sha1msg2_epu32(sum, words[($group + 3) % 4][n])
                    };
                    words[$group % 4][n] = word;
                    let sum = match $group {
                        0 => _mm_add_epi32(fifth[n], word),
                        _ => _mm_sha1nexte_epu32(last[n], word),
                    };
                    last[n] = abcd[n];
                    abcd[n] = _mm_sha1rnds4_epu32::<$function>(abcd[n], sum);
                }
            };
            ($function:expr, from $group:expr) => {
                group!($function, $group);
                group!($function, $group + 1);
                group!($function, $group + 2);
                group!($function, $group + 3);
                group!($function, $group + 4);
            };
        }
        group!(0, from 0);
        group!(1, from 5);
        group!(2, from 10);
        group!(3, from 15);
        for n in 0..N {
            fifth[n] = _mm_sha1nexte_epu32(last[n], fifth[n]);
            abcd[n] = _mm_add_epi32(abcd[n], before[n]);
        }
    }
    for n in 0..N {
        let (mut first, mut second) = ([0; 4], [0; 4]);
        store(&mut first, _mm_shuffle_epi32::<0x1b>(abcd[n]));
        store(&mut second, fifth[n]);
        let ([a, b, c, d], [.., e]) = (first, second);
        states[n] = [a, b, c, d, e];
    }
}

fn shortest<const N: usize>(data: &[&[Block]; N]) -> usize {
    data.iter().map(|blocks| blocks.len()).min().unwrap_or(0)
}

#[inline(always)]
fn halves(state: &[u32; 8]) -> [&[u32; 4]; 2] {
    let (halves, _) = state.as_chunks::<4>();
    [&halves[0], &halves[1]]
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(from: &[u32; 4]) -> __m128i {
    // SAFETY: four numbers are the 16 bytes that are read; no alignment is asked for.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(to: &mut [u32; 4], vector: __m128i) {
    // SAFETY: four numbers are the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), vector) }
}

/// Sixteen bytes of a block.
#[inline]
#[target_feature(enable = "sse2")]
fn quarter(block: &Block, number: usize) -> __m128i {
    let bytes: &[u8; 16] = &block.as_chunks::<16>().0[number];
    // SAFETY: they are the 16 bytes that are read; no alignment is asked for.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
