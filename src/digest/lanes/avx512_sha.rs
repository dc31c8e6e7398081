//! SHA-1 and SHA-256 of sixteen streams with 512-bit vectors.
//!
//! Number `n` of every vector belongs to stream `n`. On processors whose own instructions for these
//! digests keep their unit busy all the time, this gives twice as much and more.
//!
//! Source of the steps: FIPS 180-4, sections 6.1.2 and 6.2.2.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_rol_epi32, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_shuffle_epi8, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
    _mm512_xor_si512,
};

use super::avx512::{load, message, store};
use super::{Block, LANES, ROOTS, Words};

/// What the functions give for each three bits: the second where the first is set, else the third;
/// the odd one; what most are.
const CHOICE: i32 = 0xca;
const PARITY: i32 = 0x96;
const MAJORITY: i32 = 0xe8;

/// Puts `blocks` blocks of each stream into its state.
///
/// # Panics
/// Where a stream has fewer.
#[target_feature(enable = "avx512f,avx512bw")]
#[allow(
    clippy::manual_div_ceil,
    reason = "the number of a round is a sum, and nothing is rounded up"
)]
pub(super) fn sha256(words: &mut Words<8>, data: &[&[Block]; LANES], blocks: usize) {
    for block in 0..blocks {
        let mut w = big_endian(message(data, block));
        let (mut a, mut b, mut c, mut d) =
            (load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3]));
        let (mut e, mut f, mut g, mut h) =
            (load(&words[4]), load(&words[5]), load(&words[6]), load(&words[7]));
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $n:expr) => {
                if $n >= 16 {
                    let (first, last) = (w[($n + 1) % 16], w[($n + 14) % 16]);
                    let first = odd(
                        _mm512_ror_epi32::<7>(first),
                        _mm512_ror_epi32::<18>(first),
                        _mm512_srli_epi32::<3>(first),
                    );
                    let last = odd(
                        _mm512_ror_epi32::<17>(last),
                        _mm512_ror_epi32::<19>(last),
                        _mm512_srli_epi32::<10>(last),
                    );
                    let sum = _mm512_add_epi32(w[$n % 16], w[($n + 9) % 16]);
                    w[$n % 16] = _mm512_add_epi32(sum, _mm512_add_epi32(first, last));
                }
                let root = _mm512_set1_epi32(ROOTS[$n / 4][$n % 4].cast_signed());
                let known = _mm512_add_epi32($h, _mm512_add_epi32(w[$n % 16], root));
                let choice = _mm512_ternarylogic_epi32::<CHOICE>($e, $f, $g);
                let turned = odd(
                    _mm512_ror_epi32::<6>($e),
                    _mm512_ror_epi32::<11>($e),
                    _mm512_ror_epi32::<25>($e),
                );
                let sum = _mm512_add_epi32(known, _mm512_add_epi32(choice, turned));
                let most = _mm512_ternarylogic_epi32::<MAJORITY>($a, $b, $c);
                let turned = odd(
                    _mm512_ror_epi32::<2>($a),
                    _mm512_ror_epi32::<13>($a),
                    _mm512_ror_epi32::<22>($a),
                );
                $d = _mm512_add_epi32($d, sum);
                $h = _mm512_add_epi32(sum, _mm512_add_epi32(most, turned));
            };
            (eight from $n:expr) => {
                round!(a b c d e f g h, $n);
                round!(h a b c d e f g, $n + 1);
                round!(g h a b c d e f, $n + 2);
                round!(f g h a b c d e, $n + 3);
                round!(e f g h a b c d, $n + 4);
                round!(d e f g h a b c, $n + 5);
                round!(c d e f g h a b, $n + 6);
                round!(b c d e f g h a, $n + 7);
            };
        }
        round!(eight from 0);
        round!(eight from 8);
        round!(eight from 16);
        round!(eight from 24);
        round!(eight from 32);
        round!(eight from 40);
        round!(eight from 48);
        round!(eight from 56);
        add(words, &[a, b, c, d, e, f, g, h]);
    }
}

/// Puts `blocks` blocks of each stream into its state.
///
/// # Panics
/// Where a stream has fewer.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn sha1(words: &mut Words<5>, data: &[&[Block]; LANES], blocks: usize) {
    for block in 0..blocks {
        let mut w = big_endian(message(data, block));
        let (mut a, mut b, mut c) = (load(&words[0]), load(&words[1]), load(&words[2]));
        let (mut d, mut e) = (load(&words[3]), load(&words[4]));
        macro_rules! round {
            ($table:ident $add:literal $a:ident $b:ident $c:ident $d:ident $e:ident, $n:expr) => {
                if $n >= 16 {
                    let sum = odd(w[($n + 13) % 16], w[($n + 8) % 16], w[($n + 2) % 16]);
                    w[$n % 16] = _mm512_rol_epi32::<1>(_mm512_xor_si512(w[$n % 16], sum));
                }
                let constant = _mm512_set1_epi32(u32::cast_signed($add));
                let known = _mm512_add_epi32($e, _mm512_add_epi32(w[$n % 16], constant));
                let sum = _mm512_add_epi32(known, _mm512_ternarylogic_epi32::<$table>($b, $c, $d));
                $e = _mm512_add_epi32(sum, _mm512_rol_epi32::<5>($a));
                $b = _mm512_rol_epi32::<30>($b);
            };
            ($table:ident $add:literal, five from $n:expr) => {
                round!($table $add a b c d e, $n);
                round!($table $add e a b c d, $n + 1);
                round!($table $add d e a b c, $n + 2);
                round!($table $add c d e a b, $n + 3);
                round!($table $add b c d e a, $n + 4);
            };
            ($table:ident $add:literal, twenty from $n:expr) => {
                round!($table $add, five from $n);
                round!($table $add, five from $n + 5);
                round!($table $add, five from $n + 10);
                round!($table $add, five from $n + 15);
            };
        }
        round!(CHOICE 0x5a82_7999, twenty from 0);
        round!(PARITY 0x6ed9_eba1, twenty from 20);
        round!(MAJORITY 0x8f1b_bcdc, twenty from 40);
        round!(PARITY 0xca62_c1d6, twenty from 60);
        add(words, &[a, b, c, d, e]);
    }
}

/// The words of a message, which stand in it with their highest byte first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn big_endian(mut message: [__m512i; 16]) -> [__m512i; 16] {
    let order = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    for word in &mut message {
        *word = _mm512_shuffle_epi8(*word, order);
    }
    message
}

#[inline]
#[target_feature(enable = "avx512f")]
fn odd(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<PARITY>(a, b, c)
}

/// Adds what a block gave to the states before it.
#[inline]
#[target_feature(enable = "avx512f")]
fn add<const N: usize>(words: &mut Words<N>, after: &[__m512i; N]) {
    for (word, after) in words.iter_mut().zip(after) {
        let sum = _mm512_add_epi32(load(word), *after);
        store(word, sum);
    }
}
