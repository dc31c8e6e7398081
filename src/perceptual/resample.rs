//! Lanczos resampling in the fixed-point form of Pillow, so that ImageHash's values come out.
//!
//! Two passes, across and then down, each rounded to 8 bits; weights of 22 fractional bits.
//! Source: behaviour of Pillow 13 `Image.resize(size, LANCZOS)` for mode "L"
//! (`src/libImaging/Resample.c`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::kernels;
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
    let mut sums = Vec::with_capacity(width);
    for row in reduced.samples.chunks_exact(source_width) {
        sums.clear();
        kernels::weigh_row(&mut sums, row, &across);
        middle.extend(sums.iter().copied().map(rounded));
    }
    let mut out = Vec::with_capacity(width * height);
    for (start, weights) in &*down {
        sums.clear();
        sums.resize(width, 0);
        for (weight, row) in weights.iter().zip(middle.chunks_exact(width).skip(*start)) {
            kernels::add_weighted(&mut sums, *weight, row);
        }
        out.extend(sums.iter().copied().map(rounded));
    }
    out
}

/// Fixed point to the nearest sample.
fn rounded(sum: i32) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// For each of some positions: the first input it reaches, and the weights from there.
type Taps = Rc<[(usize, Vec<i32>)]>;

/// Weights of the last sizes: the pictures of a camera have the same ones.
const KEPT: usize = 24;

/// As [`computed_taps`], kept where they were asked for not long ago.
fn taps(inputs: usize, extent: f64, outputs: usize) -> Taps {
    type Key = (usize, u64, usize);
    thread_local!(static LAST: RefCell<VecDeque<(Key, Taps)>> = RefCell::default());
    let key = (inputs, extent.to_bits(), outputs);
    LAST.with_borrow_mut(|last| {
        if let Some((_, taps)) = last.iter().find(|(kept, _)| *kept == key) {
            return Rc::clone(taps);
        }
        last.truncate(KEPT - 1);
        let taps: Taps = computed_taps(inputs, extent, outputs).into();
        last.push_front((key, Rc::clone(&taps)));
        taps
    })
}

/// For each of `outputs` positions: the first of `inputs` it reaches, and the weights from there.
/// `extent` is the length of the side in inputs.
fn computed_taps(inputs: usize, extent: f64, outputs: usize) -> Vec<(usize, Vec<i32>)> {
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
