//! PDQ's smoothing and sampling as one sparse product, and the reduced luma, row by row.
//!
//! The reference runs two box filters along rows and columns and then keeps 64 x 64 samples. All
//! of that is linear and separable, so the samples are `P X Q^T` with 64 short rows of weights
//! each in `P` and `Q`: about one multiplication and addition a pixel instead of four filter
//! passes. Up to f32 rounding the result is the same; `tests/it/perceptual.rs` has the slow form
//! as oracle.
//!
//! Source: `pdq/cpp/downscaling/downscaling.cpp` of facebook/ThreatExchange for windows and
//! sampling positions.

use std::collections::VecDeque;
use std::ops::Range;

use super::kernels;
use super::reduce::{Reduced, Reducer};
use super::{Samples, View};

/// Samples a side.
pub(super) const SIDE: usize = 64;

/// The smoothed and sampled picture.
pub(super) type Matrix = [[f32; SIDE]; SIDE];

/// One row of `P` or `Q`: weights for the positions from `start` on.
struct Taps {
    start: usize,
    weights: Vec<f32>,
}

impl Taps {
    fn end(&self) -> usize {
        self.start + self.weights.len()
    }
}

/// The 64 x 64 samples of the picture.
pub(super) fn matrix(view: &View<'_>) -> Matrix {
    let mut sampler = Sampler::new(view);
    let mut scratch = Luma::new(view);
    for y in 0..view.height {
        match scratch.row(view, y) {
            Row::Bytes(row) => sampler.push_bytes(y, row),
            Row::Floats { exact, .. } => sampler.push_floats(y, exact),
        }
    }
    sampler.matrix
}

/// The 64 x 64 samples and the reduced luma, from one pass over the picture.
pub(super) fn matrix_and_reduced(view: &View<'_>) -> (Matrix, Reduced) {
    let mut sampler = Sampler::new(view);
    let mut reducer = Reducer::new(view.width, view.height);
    let mut scratch = Luma::new(view);
    for y in 0..view.height {
        match scratch.row(view, y) {
            Row::Bytes(row) => {
                sampler.push_bytes(y, row);
                reducer.push(row);
            }
            Row::Floats { exact, rounded } => {
                sampler.push_floats(y, exact);
                reducer.push(rounded);
            }
        }
    }
    (sampler.matrix, reducer.finish())
}

/// One row of luma.
enum Row<'a> {
    /// As it stands in the picture.
    Bytes(&'a [u8]),
    /// Computed from colour.
    Floats { exact: &'a [f32], rounded: &'a [u8] },
}

/// Room for one row of luma computed from colour.
struct Luma {
    exact: Vec<f32>,
    rounded: Vec<u8>,
}

impl Luma {
    fn new(view: &View<'_>) -> Self {
        let len = if matches!(view.samples, Samples::Rgb(_)) { view.width } else { 0 };
        Self { exact: vec![0.0; len], rounded: vec![0; len] }
    }

    fn row<'a>(&'a mut self, view: &View<'a>, y: usize) -> Row<'a> {
        match view.samples {
            Samples::Luma(bytes) => Row::Bytes(&bytes[y * view.width..(y + 1) * view.width]),
            Samples::Rgb(bytes) => {
                let row = &bytes[y * view.width * 3..(y + 1) * view.width * 3];
                kernels::luma_of_rgb(row, &mut self.exact, &mut self.rounded);
                Row::Floats { exact: &self.exact, rounded: &self.rounded }
            }
        }
    }
}

/// Takes rows from the top and sums up the samples they reach.
///
/// `open` holds the samples whose taps cover the row at hand: two or three, since neighbouring
/// taps overlap by half. Memory is therefore a few rows, whatever the picture's height.
struct Sampler {
    down: Vec<Taps>,
    across: Vec<Taps>,
    next: usize,
    open: VecDeque<(usize, Vec<f32>)>,
    pool: Vec<Vec<f32>>,
    width: usize,
    matrix: Matrix,
}

impl Sampler {
    fn new(view: &View<'_>) -> Self {
        Self {
            down: taps(view.height),
            across: taps(view.width),
            next: 0,
            open: VecDeque::new(),
            pool: Vec::new(),
            width: view.width,
            matrix: [[0.0; SIDE]; SIDE],
        }
    }

    fn push_bytes(&mut self, y: usize, row: &[u8]) {
        self.push(y, |sums, weight| kernels::add_scaled_bytes(sums, weight, row));
    }

    fn push_floats(&mut self, y: usize, row: &[f32]) {
        self.push(y, |sums, weight| kernels::add_scaled(sums, weight, row));
    }

    fn push(&mut self, y: usize, add: impl Fn(&mut [f32], f32)) {
        while self.down.get(self.next).is_some_and(|taps| taps.start <= y) {
            let mut sums = self.pool.pop().unwrap_or_else(|| vec![0.0; self.width]);
            sums.fill(0.0);
            self.open.push_back((self.next, sums));
            self.next += 1;
        }
        for (sample, sums) in &mut self.open {
            let taps = &self.down[*sample];
            // A tap row ends no later than its successor, but it may end earlier than the row at
            // hand only by being closed below.
            add(sums, taps.weights[y - taps.start]);
        }
        while let Some((sample, sums)) =
            self.open.pop_front_if(|(sample, _)| self.down[*sample].end() == y + 1)
        {
            for (value, taps) in self.matrix[sample].iter_mut().zip(&self.across) {
                *value = kernels::dot(&taps.weights, &sums[taps.start..taps.end()]);
            }
            self.pool.push(sums);
        }
    }
}

/// The weights of each of the 64 samples along a side of `n` positions.
fn taps(n: usize) -> Vec<Taps> {
    (0..SIDE)
        .map(|sample| {
            let outer = window((2 * sample + 1) * n / (2 * SIDE), n);
            let (start, end) = (window(outer.start, n).start, window(outer.end - 1, n).end);
            let mut weights = vec![0.0_f64; end - start];
            for middle in outer.clone() {
                let inner = window(middle, n);
                let weight = 1.0 / (outer.len() as f64 * inner.len() as f64);
                for total in &mut weights[inner.start - start..inner.end - start] {
                    *total += weight;
                }
            }
            Taps { start, weights: weights.into_iter().map(|weight| weight as f32).collect() }
        })
        .collect()
}

/// The positions that one box filter averages for position `at` of `n`: lopsided where the window
/// is even, cut off at the ends.
fn window(at: usize, n: usize) -> Range<usize> {
    let size = n.div_ceil(128);
    let half = (size + 2) / 2;
    at.saturating_sub(size - half)..(at + half).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_follow_each_other() {
        for n in (1..700).chain([4032, 65_535]) {
            let taps = taps(n);
            for (a, b) in taps.iter().zip(&taps[1..]) {
                assert!(a.start <= b.start && a.end() <= b.end() && b.end() <= n, "{n}");
            }
            for taps in &taps {
                let sum: f64 = taps.weights.iter().map(|&weight| f64::from(weight)).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{n}: {sum}");
            }
        }
    }
}
