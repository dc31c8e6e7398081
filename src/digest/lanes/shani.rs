//! SHA-1 and SHA-256 of a few streams at once, with the instructions that x86 has for them.
//!
//! Each of these instructions takes longer to answer than it keeps its unit busy. So the same
//! group of rounds is asked for of each stream in turn, and nobody waits.
//!
//! Sources: FIPS 180-4, sections 6.1 and 6.2; Intel, "Intel SHA Extensions", July 2013, for the
//! order in which the instructions take the words of state and message.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi8,
    _mm_set_epi32, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32,
    _mm_sha1rnds4_epu32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm_xor_si128,
};

use super::Block;

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const ROOTS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

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
        for group in 0..16 {
            for n in 0..N {
                let word = if group < 4 {
                    _mm_shuffle_epi8(quarter(&data[n][block], group), order)
                } else {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|ago| words[(group + ago) % 4][n]);
                    let sum = _mm_sha256msg1_epu32(a, b);
                    let sum = _mm_add_epi32(sum, _mm_alignr_epi8::<4>(d, c));
                    _mm_sha256msg2_epu32(sum, d)
                };
                words[group % 4][n] = word;
                let sum = _mm_add_epi32(word, load(&ROOTS[group]));
                cdgh[n] = _mm_sha256rnds2_epu32(cdgh[n], abef[n], sum);
                let sum = _mm_shuffle_epi32::<0x0e>(sum);
                abef[n] = _mm_sha256rnds2_epu32(abef[n], cdgh[n], sum);
            }
        }
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
                        _mm_shuffle_epi8(quarter(&data[n][block], $group), order)
                    } else {
                        let [a, b, c, d] = [0, 1, 2, 3].map(|ago| words[($group + ago) % 4][n]);
                        let sum = _mm_xor_si128(_mm_sha1msg1_epu32(a, b), c);
                        _mm_sha1msg2_epu32(sum, d)
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
