//! The reduced luma: what pHash, dHash and aHash are computed from.
//!
//! Python ImageHash resamples the full picture, six multiplications a pixel. Here each side is
//! first divided by a whole factor, the mean over blocks, until 256 to 511 positions are left;
//! pictures of up to 511 pixels a side are not touched. The block mean costs one addition a pixel
//! and moves the final samples by far less than their rounding.

use super::kernels;

/// Least number of positions along a divided side.
const LEAST: usize = 256;

/// Luma of which each sample is the mean of a block of pixels.
#[derive(Debug)]
pub(super) struct Reduced {
    /// Samples, row by row.
    pub(super) samples: Vec<u8>,
    /// Number of samples across and down; the last may stand for a cut block.
    pub(super) size: [usize; 2],
    /// Length of the picture in blocks, across and down: not whole where the last is cut.
    pub(super) extent: [f64; 2],
}

/// Takes rows from the top and gives the reduced luma.
pub(super) struct Reducer {
    factor: [usize; 2],
    sums: Vec<u16>,
    rows: usize,
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Reducer {
    /// For a picture of at most 65,535 a side: a column sum of 255 rows then fits 16 bits.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let factor = [width, height].map(|n| (n / LEAST).max(1));
        let cells = width.div_ceil(factor[0]) * height.div_ceil(factor[1]);
        let samples = Vec::with_capacity(cells);
        Self { factor, sums: vec![0; width], rows: 0, width, height, samples }
    }

    /// Takes the next row.
    pub(super) fn push(&mut self, row: &[u8]) {
        if self.factor == [1, 1] {
            self.samples.extend_from_slice(row);
            return;
        }
        kernels::add_bytes(&mut self.sums, row);
        self.rows += 1;
        if self.rows == self.factor[1] {
            self.close_row();
        }
    }

    /// The reduced luma of all rows taken.
    pub(super) fn finish(mut self) -> Reduced {
        if self.rows > 0 {
            self.close_row();
        }
        let [across, down] = self.factor;
        Reduced {
            samples: self.samples,
            size: [self.width.div_ceil(across), self.height.div_ceil(down)],
            extent: [self.width as f64 / across as f64, self.height as f64 / down as f64],
        }
    }

    /// Block means, halves rounded up.
    fn close_row(&mut self) {
        let mean = Mean::of(self.factor[0] * self.rows);
        let (blocks, rest) = self.sums.split_at(self.width - self.width % self.factor[0]);
        let sum = |block: &[u16]| block.iter().map(|&column| u64::from(column)).sum();
        self.samples
            .extend(blocks.chunks_exact(self.factor[0]).map(|block| mean.rounded(sum(block))));
        if !rest.is_empty() {
            self.samples.push(Mean::of(rest.len() * self.rows).rounded(sum(rest)));
        }
        self.sums.fill(0);
        self.rows = 0;
    }
}

/// Divides sums of so many bytes without a division.
///
/// With `m` the least whole number of at least `2^42 / count`, `x * m / 2^42` rounded down is
/// `x / count` rounded down for every `x` up to `2^24`, as long as `count` is at most `2^16`: `m`
/// is too large by less than 1, so the product by less than `2^24 * 2^16 / 2^42` of a `count`th.
#[derive(Clone, Copy)]
struct Mean {
    half: u64,
    factor: u64,
}

impl Mean {
    /// At most 255 by 255 bytes.
    const fn of(count: usize) -> Self {
        let count = count as u64;
        Self { half: count / 2, factor: (1_u64 << 42).div_ceil(count) }
    }

    /// The sum by the count, halves rounded up.
    const fn rounded(self, sum: u64) -> u8 {
        (((sum + self.half) * self.factor) >> 42) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_means_and_the_last_is_cut() {
        let mut reducer = Reducer::new(515, 1);
        let row: Vec<u8> = (0..515).map(|x| if x == 514 { 9 } else { (x % 2) as u8 * 4 }).collect();
        reducer.push(&row);
        let reduced = reducer.finish();
        assert_eq!((reduced.size, reduced.extent), ([258, 1], [257.5, 1.0]));
        assert_eq!((reduced.samples[0], reduced.samples[257]), (2, 9));
    }

    #[test]
    fn a_mean_is_what_a_division_gives() {
        for (across, down) in (1..=255).flat_map(|a| [(a, 1), (a, a), (a, 255), (a, 256 - a)]) {
            let (count, mean) = (across * down, Mean::of((across * down) as usize));
            let step = (count * 255 / 300).max(1);
            let near = |sum: u64| [sum.saturating_sub(1), sum, (sum + 1).min(count * 255)];
            for sum in (0..=count * 255).step_by(step as usize).flat_map(near) {
                assert_eq!(
                    u64::from(mean.rounded(sum)),
                    (sum + count / 2) / count,
                    "{count} {sum}"
                );
            }
        }
    }

    #[test]
    fn white_does_not_overflow_on_the_largest_side() {
        let mut reducer = Reducer::new(600, 65_535);
        (0..65_535).for_each(|_| reducer.push(&[255; 600]));
        assert!(reducer.finish().samples.iter().all(|&sample| sample == 255));
    }
}
