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
        for block in self.sums.chunks(self.factor[0]) {
            let sum: u32 = block.iter().map(|&column| u32::from(column)).sum();
            let count = (block.len() * self.rows) as u32;
            self.samples.push(((sum + count / 2) / count) as u8);
        }
        self.sums.fill(0);
        self.rows = 0;
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
    fn white_does_not_overflow_on_the_largest_side() {
        let mut reducer = Reducer::new(600, 65_535);
        (0..65_535).for_each(|_| reducer.push(&[255; 600]));
        assert!(reducer.finish().samples.iter().all(|&sample| sample == 255));
    }
}
