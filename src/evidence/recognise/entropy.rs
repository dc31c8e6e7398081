//! Bytes that cannot be told from random ones: volumes of VeraCrypt and its like keep no signature.
//!
//! The test: 64 blocks of 4 KiB at fixed places, the first at byte 0, the others at even distances.
//! For each block, and for all together, Pearson's chi-square of the 256 byte values against equal
//! shares (255 degrees of freedom, mean 255, standard deviation 22.6). The volume looks random
//! where each block is below 400 and all together between 150 and 400; random bytes fail that once
//! in about a million volumes. Compressed files pass in single blocks, hardly in 64 of 64; a volume
//! full of them at the sampled places would be called possibly encrypted wrongly.
//! Volumes under 1 MiB are not tested.
//!
//! Source: K. Pearson, 1900; the thresholds are ours.

use crate::bytes::ReadAt;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 64;
const SMALLEST: u64 = 1 << 20;
const LOWEST: u64 = 150;
const HIGHEST: u64 = 400;

/// What the report says of such a volume.
pub(super) const DETAIL: &str = "no signature is known and 64 sampled blocks of 4096 bytes cannot \
    be told from random bytes (chi-square below 400 each, 150 to 400 together); possibly encrypted";

/// True where the samples of a volume look random.
pub(super) fn looks_random(volume: &dyn ReadAt) -> bool {
    if volume.len() < SMALLEST {
        return false;
    }
    let step = volume.len().div_euclid(BLOCKS);
    let mut all = [0_u64; 256];
    let mut block = [0_u8; BLOCK];
    for number in 0..BLOCKS {
        let at = number.saturating_mul(step);
        if !matches!(volume.fill_at(at, &mut block), Ok(BLOCK)) {
            return false;
        }
        let mut counts = [0_u64; 256];
        for &byte in &block {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count = count.saturating_add(1);
            }
        }
        if chi_square(&counts) >= HIGHEST {
            return false;
        }
        for (sum, count) in all.iter_mut().zip(counts) {
            *sum = sum.saturating_add(count);
        }
    }
    (LOWEST..HIGHEST).contains(&chi_square(&all))
}

/// Pearson's chi-square of byte counts against equal shares, cut to a whole number. The sum of the
/// counts is a multiple of 256.
fn chi_square(counts: &[u64; 256]) -> u64 {
    let share = counts.iter().sum::<u64>().div_euclid(256).max(1);
    let squares = counts.iter().map(|&count| count.abs_diff(share).saturating_pow(2));
    squares.fold(0, u64::saturating_add).div_euclid(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chi_square_is_what_its_definition_gives() {
        let mut counts = [16; 256];
        assert_eq!(chi_square(&counts), 0);
        (counts[0], counts[1]) = (32, 0);
        assert_eq!(chi_square(&counts), 2 * 16 * 16 / 16);
    }
}
