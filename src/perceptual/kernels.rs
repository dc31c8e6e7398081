//! The two inner loops that touch every pixel, compiled once for any CPU and once for AVX2.
//!
//! Both copies are the same Rust source. Every element is computed by itself (a multiplication,
//! then an addition, never fused: `fma` is not among the enabled features), so the width of the
//! vector cannot change a bit. The test at the end compares the two copies bit for bit.
//!
//! Unsafe code: only the calls of the AVX2 copies, each behind the run-time check for AVX2.
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
    /// Luma of a row of red, green, blue bytes: `0.299 R + 0.587 G + 0.114 B` as f32, and
    /// Pillow's rounded 8-bit form of it.
    luma_of_rgb, luma_of_rgb_avx2, luma_of_rgb_portable,
    (rgb: &[u8], exact: &mut [f32], rounded: &mut [u8]),
    {
        let (pixels, _) = rgb.as_chunks::<3>();
        for ((&[r, g, b], exact), rounded) in pixels.iter().zip(exact).zip(rounded) {
            *exact = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
            let scaled = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471;
            *rounded = ((scaled + 0x8000) >> 16) as u8;
        }
    }
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
            add_scaled_portable(&mut a, 0.3, &c);
            // SAFETY: AVX2 was checked above.
            unsafe { add_scaled_avx2(&mut b, 0.3, &d) };
            assert_eq!(bits(&a), bits(&b));
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }
}
