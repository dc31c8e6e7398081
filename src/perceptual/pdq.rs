//! PDQ from the 64 x 64 samples: quality, cosine transform, bits and the eight query forms.
//!
//! Source: `pdq/cpp/hashing/pdqhashing.cpp` of facebook/ThreatExchange.

use std::sync::LazyLock;

use super::View;
use super::filter::{Matrix, SIDE};
use super::hash::{PdqHash, PdqQuality};
use super::trig::cos_pi;

/// Coefficients a side of the hash.
const BAND: usize = 16;

crate::problem::words! {
    /// A turn or mirroring of a picture, in the order in which ties between them are decided.
    ///
    /// The name says what was done to the picture to get the query form: a match by `rotate90`
    /// means that the object, turned by 90 degrees counter-clockwise, looks like the entry.
    Transform {
        /// The picture as stored.
        Identity = "identity",
        /// Turned by 90 degrees counter-clockwise.
        Rotate90 = "rotate90",
        /// Turned by 180 degrees.
        Rotate180 = "rotate180",
        /// Turned by 270 degrees counter-clockwise.
        Rotate270 = "rotate270",
        /// Mirrored left to right.
        FlipX = "flip_x",
        /// Mirrored top to bottom.
        FlipY = "flip_y",
        /// Rows and columns exchanged: mirrored at the diagonal from the top left.
        Transpose = "transpose",
        /// Mirrored at the diagonal from the top right.
        Transverse = "transverse",
    }
}

impl Transform {
    /// Whether the coefficients are transposed, and then whether odd columns and odd rows change
    /// sign. Mirroring left to right turns the sign of the odd cosines across, top to bottom that
    /// of the odd cosines down.
    const fn steps(self) -> (bool, bool, bool) {
        match self {
            Self::Identity => (false, false, false),
            Self::Rotate90 => (true, false, true),
            Self::Rotate180 => (false, true, true),
            Self::Rotate270 => (true, true, false),
            Self::FlipX => (false, true, false),
            Self::FlipY => (false, false, true),
            Self::Transpose => (true, false, false),
            Self::Transverse => (true, true, true),
        }
    }
}

/// The 16 x 16 cosine coefficients of a picture and its quality.
#[derive(Debug, Clone)]
pub struct Coefficients {
    values: [[f32; BAND]; BAND],
    quality: PdqQuality,
}

impl Coefficients {
    /// A side under 5 pixels gives hash 0 and quality 0, as in the reference.
    pub(super) fn of(view: &View<'_>, samples: &Matrix) -> Self {
        if view.width < 5 || view.height < 5 {
            return Self { values: [[0.0; BAND]; BAND], quality: PdqQuality(0) };
        }
        Self { values: transform(samples), quality: quality(samples) }
    }

    /// The hash of the picture as stored.
    pub fn hash(&self) -> PdqHash {
        self.hash_of(Transform::Identity)
    }

    /// How much structure the picture has.
    pub const fn quality(&self) -> PdqQuality {
        self.quality
    }

    /// The hash of one turned or mirrored form, from the coefficients alone. It is near the hash
    /// of the picture really turned and not equal to it: even box windows are lopsided.
    pub fn hash_of(&self, transform: Transform) -> PdqHash {
        let (transpose, odd_columns, odd_rows) = transform.steps();
        let at = |k: usize| {
            let (i, j) = (k / BAND, k % BAND);
            let value = if transpose { self.values[j][i] } else { self.values[i][j] };
            // Row and column 0 hold the first cosine after the constant one: an odd one.
            let negative = (odd_columns && j % 2 == 0) != (odd_rows && i % 2 == 0);
            if negative { -value } else { value }
        };
        bits(&std::array::from_fn(at))
    }

    /// The eight query forms, in the order of [`Transform::ALL`].
    pub fn forms(&self) -> [PdqHash; 8] {
        std::array::from_fn(|i| self.hash_of(Transform::ALL[i]))
    }
}

/// Bit `k` is 1 where coefficient `k` is greater than the lower median of all.
fn bits(values: &[f32; BAND * BAND]) -> PdqHash {
    let mut sorted = *values;
    let (_, median, _) = sorted.select_nth_unstable_by(BAND * BAND / 2 - 1, f32::total_cmp);
    let mut words = [0; 4];
    for (k, value) in values.iter().enumerate() {
        words[3 - k / 64] |= u64::from(*value > *median) << (k % 64);
    }
    PdqHash(words)
}

/// `D M D^T`, each sum taken in ascending order.
fn transform(samples: &Matrix) -> [[f32; BAND]; BAND] {
    static COSINES: LazyLock<[[f32; SIDE]; BAND]> = LazyLock::new(|| {
        let scale = (2.0 / SIDE as f64).sqrt();
        std::array::from_fn(|i| {
            std::array::from_fn(|j| (scale * cos_pi(((i + 1) * (2 * j + 1)) as u32, 128)) as f32)
        })
    });
    let down: [[f32; SIDE]; BAND] = std::array::from_fn(|i| {
        let mut sums = [0.0; SIDE];
        for (weight, row) in COSINES[i].iter().zip(samples) {
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += weight * sample;
            }
        }
        sums
    });
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            down[i].iter().zip(&COSINES[j]).fold(0.0, |sum, (value, weight)| sum + value * weight)
        })
    })
}

/// The sum of differences between neighbours, each in hundredths of the range, cut to whole ones.
fn quality(samples: &Matrix) -> PdqQuality {
    let step = |u: f32, v: f32| (((u - v) * 100.0 / 255.0) as i32).unsigned_abs();
    let mut sum = 0;
    for (row, next) in samples.iter().zip(&samples[1..]) {
        sum += row.iter().zip(next).map(|(&u, &v)| step(u, v)).sum::<u32>();
    }
    for row in samples {
        sum += row.iter().zip(&row[1..]).map(|(&u, &v)| step(u, v)).sum::<u32>();
    }
    PdqQuality((sum / 90).min(100) as u8)
}
