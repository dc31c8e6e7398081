//! pHash, dHash and aHash in the bits and the bit order of Python ImageHash.
//!
//! Source: behaviour of ImageHash 4.3 `phash`, `dhash`, `average_hash` at their default sizes.

use std::sync::LazyLock;

use image::GrayImage;
use img_hash::{BitOrder, HashAlg, HasherConfig};

use super::hash::Hash64;
use super::reduce::Reduced;
use super::resample::lanczos;
use super::trig::cos_pi;

/// Samples a side before the cosine transform.
const SIDE: usize = 32;
/// Coefficients a side of the hash.
const BAND: usize = 8;

/// Mean hash: 1 where the sample of an 8 x 8 reduction is brighter than the mean.
///
/// Not by `img_hash`: that one cuts the mean to a whole number and asks for "not darker", so that a
/// plain picture gives 64 other bits than ImageHash.
pub(super) fn ahash(reduced: &Reduced) -> Hash64 {
    let samples = lanczos(reduced, 8, 8);
    let sum: u32 = samples.iter().map(|&sample| u32::from(sample)).sum();
    let brighter = |sample: &u8| u32::from(*sample) * 64 > sum;
    Hash64(samples.iter().fold(0, |bits, sample| bits << 1 | u64::from(brighter(sample))))
}

/// Gradient hash: 1 where a sample of a 9 x 8 reduction is brighter than the one left of it.
///
/// By `img_hash`, on samples that already have the size it would resize to, which it then leaves
/// as they are: its own resizing goes through the system library's sines.
pub(super) fn dhash(reduced: &Reduced) -> Hash64 {
    let hasher = HasherConfig::with_bytes_type::<[u8; 8]>()
        .hash_size(8, 8)
        .hash_alg(HashAlg::Gradient)
        .bit_order(BitOrder::MsbFirst)
        .to_hasher();
    let image = GrayImage::from_raw(9, 8, lanczos(reduced, 9, 8));
    let bits = image.map(|image| hasher.hash_image(&image));
    let bytes = bits.and_then(|bits| bits.as_bytes().first_chunk::<8>().copied());
    Hash64(bytes.map_or(0, u64::from_be_bytes))
}

/// Cosine hash: 1 where one of the 8 x 8 lowest coefficients of a 32 x 32 reduction is greater
/// than the median of them all, the constant one among them.
pub(super) fn phash(reduced: &Reduced) -> Hash64 {
    let samples = lanczos(reduced, SIDE, SIDE);
    let mut across = [[0.0; SIDE]; BAND];
    for (y, row) in samples.chunks_exact(SIDE).enumerate() {
        let row = std::array::from_fn(|x| row.get(x).map_or(0.0, |&sample| f64::from(sample)));
        for (column, value) in across.iter_mut().zip(cosines(&row)) {
            column[y] = value;
        }
    }
    let columns = across.map(|column| cosines(&column));
    let values: [f64; BAND * BAND] = std::array::from_fn(|k| columns[k % BAND][k / BAND]);
    let mut sorted = values;
    sorted.sort_unstable_by(f64::total_cmp);
    let median = f64::midpoint(sorted[BAND * BAND / 2 - 1], sorted[BAND * BAND / 2]);
    Hash64(values.iter().fold(0, |bits, value| bits << 1 | u64::from(*value > median)))
}

/// The lowest coefficients of the cosine transform. Samples at equal distance from the middle are
/// added or subtracted first, so that symmetric samples give exactly 0 where they should.
fn cosines(samples: &[f64; SIDE]) -> [f64; BAND] {
    static TABLE: LazyLock<[[f64; SIDE / 2]; BAND]> = LazyLock::new(|| {
        std::array::from_fn(|k| std::array::from_fn(|n| cos_pi((k * (2 * n + 1)) as u32, 64)))
    });
    std::array::from_fn(|k| {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let pairs = samples.iter().zip(samples.iter().rev());
        let terms = pairs.zip(&TABLE[k]).map(|((near, far), weight)| (near + sign * far) * weight);
        2.0 * terms.sum::<f64>()
    })
}
