//! The inner loops that touch every pixel, compiled once for any CPU and once for AVX2.
//!
//! Both copies are the same Rust source, but for the luma of colours, where the compiler does not
//! see how three bytes become one. Every element is computed by itself (a multiplication,
//! then an addition, never fused: `fma` is not among the enabled features), so the width of the
//! vector cannot change a bit. The test at the end compares the two copies bit for bit.
//!
//! Unsafe code: the calls of the AVX2 copies, each behind the run-time check for AVX2; loads and
//! stores of the luma, each behind a check of the lengths.
#![allow(unsafe_code)]

/// Defines a loop, its AVX2 copy and the function that chooses between them.
macro_rules! for_avx2 {
    ($(#[$meta:meta])* $name:ident, $avx2:ident, $portable:ident, ($($arg:ident: $type:ty),*), $body:block) => {
        #[inline(always)]
        fn $portable($($arg: $type),*) $body

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $avx2($($arg: $type),*) {
            $portable($($arg),*);
        }

        $(#[$meta])*
        pub(super) fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2, which is all the function asks for.
                return unsafe { $avx2($($arg),*) };
            }
            $portable($($arg),*);
        }
    };
}

for_avx2! {
    /// `sums[x] += weight * row[x]`.
    add_scaled_bytes, add_scaled_bytes_avx2, add_scaled_bytes_portable,
    (sums: &mut [f32], weight: f32, row: &[u8]),
    {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum += weight * f32::from(sample);
        }
    }
}

for_avx2! {
    /// `sums[x] += weight * row[x]`.
    add_scaled, add_scaled_avx2, add_scaled_portable,
    (sums: &mut [f32], weight: f32, row: &[f32]),
    {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum += weight * sample;
        }
    }
}

for_avx2! {
    /// `sums[x] += row[x]`.
    add_bytes, add_bytes_avx2, add_bytes_portable,
    (sums: &mut [u16], row: &[u8]),
    {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(u16::from(sample));
        }
    }
}

for_avx2! {
    /// `sums[x] += weight * row[x]`.
    add_weighted, add_weighted_avx2, add_weighted_portable,
    (sums: &mut [i32], weight: i32, row: &[u8]),
    {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum += weight * i32::from(sample);
        }
    }
}

for_avx2! {
    /// Appends, for each of `taps`, the sum of its weights times the samples of `row` from its
    /// place on.
    weigh_row, weigh_row_avx2, weigh_row_portable,
    (out: &mut Vec<i32>, row: &[u8], taps: &[(usize, Vec<i32>)]),
    {
        for (start, weights) in taps {
            out.push(weights.iter().zip(&row[*start..]).map(|(w, &s)| w * i32::from(s)).sum());
        }
    }
}

/// Luma of a row of red, green, blue bytes: `0.299 R + 0.587 G + 0.114 B` as f32, and Pillow's
/// rounded 8-bit form of it. All three have the same number of pixels.
pub(super) fn luma_of_rgb(rgb: &[u8], exact: &mut [f32], rounded: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, which is all the function asks for.
        return unsafe { luma_of_rgb_avx2(rgb, exact, rounded) };
    }
    luma_of_rgb_portable(rgb, exact, rounded);
}

fn luma_of_rgb_portable(rgb: &[u8], exact: &mut [f32], rounded: &mut [u8]) {
    let (pixels, _) = rgb.as_chunks::<3>();
    for ((&[r, g, b], exact), rounded) in pixels.iter().zip(exact).zip(rounded) {
        *exact = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        let scaled = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471;
        *rounded = ((scaled + 0x8000) >> 16) as u8;
    }
}

/// Eight pixels at a time, as long as 28 bytes are there to be loaded. The weight of green does not
/// fit 16 bits, so half of it goes with red and half with blue.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn luma_of_rgb_avx2(rgb: &[u8], exact: &mut [f32], rounded: &mut [u8]) {
    use std::arch::x86_64::*;
    const N: i8 = -1;
    let red_green =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, N, 1, N, 3, N, 4, N, 6, N, 7, N, 9, N, 10, N));
    let green_blue = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        1, N, 2, N, 4, N, 5, N, 7, N, 8, N, 10, N, 11, N,
    ));
    let weights_rg = _mm256_set1_epi32(19_235 << 16 | 19_595);
    let weights_gb = _mm256_set1_epi32(7_471 << 16 | 19_235);
    let low = _mm256_set1_epi32(0xffff);
    let weight = [0.299, 0.587, 0.114].map(|weight| _mm256_set1_ps(weight));
    let first_of_each = _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0);
    let (mut at, pixels) = (0, exact.len().min(rounded.len()));
    while at + 8 <= pixels && at * 3 + 28 <= rgb.len() {
        // SAFETY: 28 bytes from the first one on were just seen to be there.
        let two = unsafe {
            let from = rgb.as_ptr().add(at * 3);
            _mm256_inserti128_si256::<1>(
                _mm256_castsi128_si256(_mm_loadu_si128(from.cast())),
                _mm_loadu_si128(from.add(12).cast()),
            )
        };
        let rg = _mm256_shuffle_epi8(two, red_green);
        let gb = _mm256_shuffle_epi8(two, green_blue);
        let [r, g, b] =
            [_mm256_and_si256(rg, low), _mm256_srli_epi32::<16>(rg), _mm256_srli_epi32::<16>(gb)]
                .map(|channel| _mm256_cvtepi32_ps(channel));
        let two_of_three = _mm256_add_ps(_mm256_mul_ps(weight[0], r), _mm256_mul_ps(weight[1], g));
        let luma = _mm256_add_ps(two_of_three, _mm256_mul_ps(weight[2], b));
        let sum =
            _mm256_add_epi32(_mm256_madd_epi16(rg, weights_rg), _mm256_madd_epi16(gb, weights_gb));
        let whole = _mm256_srli_epi32::<16>(_mm256_add_epi32(sum, _mm256_set1_epi32(0x8000)));
        let bytes = _mm256_packus_epi16(_mm256_packus_epi32(whole, whole), whole);
        let bytes = _mm256_permutevar8x32_epi32(bytes, first_of_each);
        // SAFETY: `at + 8` is at most the length of both.
        unsafe {
            _mm256_storeu_ps(exact.as_mut_ptr().add(at), luma);
            _mm_storel_epi64(rounded.as_mut_ptr().add(at).cast(), _mm256_castsi256_si128(bytes));
        }
        at += 8;
    }
    luma_of_rgb_portable(&rgb[at * 3..], &mut exact[at..], &mut rounded[at..]);
}

/// Scalar product in a fixed order: eight running sums by position modulo 8, then added pairwise.
pub(super) fn dot(weights: &[f32], values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (blocks, rest) = weights.as_chunks::<8>();
    let (value_blocks, value_rest) = values.as_chunks::<8>();
    for (weight, value) in blocks.iter().zip(value_blocks) {
        for lane in 0..8 {
            lanes[lane] += weight[lane] * value[lane];
        }
    }
    for (lane, (weight, value)) in rest.iter().zip(value_rest).enumerate() {
        lanes[lane] += weight * value;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Bytes and floats that look like nothing in particular.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn avx2_and_portable_copies_give_the_same_bits() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            println!("skipped: this CPU has no AVX2");
            return;
        }
        for len in [1, 7, 8, 33, 1000, 1003] {
            let bytes = noise(len * 3);
            let start: Vec<f32> = bytes[..len].iter().map(|&b| f32::from(b) / 7.0).collect();
            let (mut a, mut b) = (start.clone(), start.clone());
            add_scaled_bytes_portable(&mut a, 0.013_717, &bytes[len..]);
            // SAFETY: AVX2 was checked above.
            unsafe { add_scaled_bytes_avx2(&mut b, 0.013_717, &bytes[len..]) };
            assert_eq!(bits(&a), bits(&b));
            let (mut c, mut d) = (vec![0.0; len], vec![0.0; len]);
            let (mut e, mut f) = (vec![0; len], vec![0; len]);
            luma_of_rgb_portable(&bytes, &mut c, &mut e);
            // SAFETY: AVX2 was checked above.
            unsafe { luma_of_rgb_avx2(&bytes, &mut d, &mut f) };
            assert_eq!((bits(&c), &e), (bits(&d), &f));
            let taps: Vec<_> =
                (0..len.min(9)).map(|n| (n, vec![3_000_i32 - n as i32; len - n])).collect();
            let (mut g, mut h) = (Vec::new(), Vec::new());
            weigh_row_portable(&mut g, &bytes, &taps);
            // SAFETY: AVX2 was checked above.
            unsafe { weigh_row_avx2(&mut h, &bytes, &taps) };
            add_weighted_portable(&mut g, -77, &bytes);
            // SAFETY: AVX2 was checked above.
            unsafe { add_weighted_avx2(&mut h, -77, &bytes) };
            assert_eq!(g, h);
            add_scaled_portable(&mut a, 0.3, &c);
            // SAFETY: AVX2 was checked above.
            unsafe { add_scaled_avx2(&mut b, 0.3, &d) };
            assert_eq!(bits(&a), bits(&b));
        }
    }

    #[test]
    fn the_luma_of_every_colour_is_the_same_in_both() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        let row: Vec<u8> = (0..=255).flat_map(|b| [0, 0, b]).collect();
        let (mut exact, mut rounded) = ([vec![0.0; 256], vec![0.0; 256]], [[0; 256]; 2]);
        for (r, g) in (0..=255).flat_map(|r| (0..=255).map(move |g| (r, g))) {
            let mut row = row.clone();
            row.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| [pixel[0], pixel[1]] = [r, g]);
            luma_of_rgb_portable(&row, &mut exact[0], &mut rounded[0]);
            // SAFETY: AVX2 was checked above.
            unsafe { luma_of_rgb_avx2(&row, &mut exact[1], &mut rounded[1]) };
            assert!(rounded[0] == rounded[1] && exact[0] == exact[1], "{r} {g}");
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }
}
