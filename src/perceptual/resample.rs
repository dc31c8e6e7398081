//! Lanczos resampling in the fixed-point form of Pillow, so that ImageHash's values come out.
//!
//! Two passes, across and then down, each rounded to 8 bits; weights of 22 fractional bits.
//! Source: behaviour of Pillow 13 `Image.resize(size, LANCZOS)` for mode "L"
//! (`src/libImaging/Resample.c`).

use super::reduce::Reduced;
use super::trig::sin_pi;

/// Fractional bits of a weight.
const BITS: u32 = 22;

/// The picture as `WIDTH` x `height` samples, row by row.
pub(super) fn lanczos(reduced: &Reduced, width: usize, height: usize) -> Vec<u8> {
    let [source_width, source_height] = reduced.size;
    let across = taps(source_width, reduced.extent[0], width);
    let down = taps(source_height, reduced.extent[1], height);
    let mut middle = Vec::with_capacity(width * source_height);
    for row in reduced.samples.chunks_exact(source_width) {
        for (start, weights) in &across {
            let sum = weights.iter().zip(&row[*start..]).map(|(w, &s)| w * i32::from(s)).sum();
            middle.push(rounded(sum));
        }
    }
    let mut out = Vec::with_capacity(width * height);
    for (start, weights) in &down {
        let mut sums = vec![0_i32; width];
        for (weight, row) in weights.iter().zip(middle.chunks_exact(width).skip(*start)) {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(sample);
            }
        }
        out.extend(sums.into_iter().map(rounded));
    }
    out
}

/// Fixed point to the nearest sample.
fn rounded(sum: i32) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// For each of `outputs` positions: the first of `inputs` it reaches, and the weights from there.
/// `extent` is the length of the side in inputs.
fn taps(inputs: usize, extent: f64, outputs: usize) -> Vec<(usize, Vec<i32>)> {
    let scale = extent / outputs as f64;
    let stretch = scale.max(1.0);
    let support = 3.0 * stretch;
    (0..outputs)
        .map(|output| {
            let center = (output as f64 + 0.5) * scale;
            let start = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(inputs);
            let kernel: Vec<f64> =
                (start..end).map(|input| kernel((input as f64 - center + 0.5) / stretch)).collect();
            let total: f64 = kernel.iter().sum();
            let fixed = |weight: f64| {
                let scaled = weight / total * f64::from(1 << BITS);
                (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
            };
            (start, kernel.into_iter().map(fixed).collect())
        })
        .collect()
}

/// The Lanczos window of three lobes.
fn kernel(x: f64) -> f64 {
    let sinc = |x: f64| {
        if x == 0.0 { 1.0 } else { sin_pi(x) / (std::f64::consts::PI * x) }
    };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
