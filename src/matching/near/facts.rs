//! What a near finding says of itself.

use crate::hashset::PerceptualEntry;
use crate::matching::strength::{self, Strength};
use crate::perceptual::{Hash64, Transform};
use crate::problem::words;

words! {
    /// A perceptual hash as it is named in the report, in the order in which ties are decided.
    NearAlgorithm {
        /// PDQ of the picture at full size.
        Pdq = "pdq",
        /// PDQ of the picture reduced to 512 x 512, the C++ convention.
        PdqNn512 = "pdq_nn512",
        /// Cosine hash of 64 bits.
        Phash = "phash",
        /// Gradient hash of 64 bits.
        Dhash = "dhash",
        /// Mean hash of 64 bits.
        Ahash = "ahash",
    }
}

impl NearAlgorithm {
    /// The 64-bit hash of this algorithm that an entry has.
    pub(super) fn of_entry(self, entry: &PerceptualEntry) -> Option<Hash64> {
        match self {
            Self::Pdq | Self::PdqNn512 => None,
            Self::Phash => entry.phash.map(Hash64),
            Self::Dhash => entry.dhash.map(Hash64),
            Self::Ahash => entry.ahash.map(Hash64),
        }
    }
}

/// How near an object is to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NearFacts {
    /// What was compared.
    pub algorithm: NearAlgorithm,
    /// Number of bits that differ.
    pub distance: u32,
    /// The largest distance that is a finding in this run.
    pub threshold: u32,
    /// What was done to the object's picture to get the value compared.
    pub transform: Transform,
    /// PDQ quality of the object, 50 to 100.
    pub quality_object: u8,
    /// PDQ quality that the entry states.
    pub quality_entry: Option<u8>,
}

impl NearFacts {
    /// How often unrelated pictures are as near as the threshold; none where not measured.
    pub fn strength(&self) -> Option<Strength> {
        strength::of(self.algorithm, self.threshold, self.quality_entry.is_some())
    }
}
