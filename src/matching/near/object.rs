//! The hashes of an object as near look-up asks with them.

use super::NearAlgorithm;
use crate::perceptual::{Hash64, PdqHash, PdqQuality, Transform};

/// The perceptual hashes of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectHashes {
    /// PDQ at full size in the order of [`Transform::ALL`].
    pub pdq: [PdqHash; 8],
    /// PDQ of the 512 x 512 convention, likewise; equal to `pdq` where no side is over 512.
    pub pdq_nn512: [PdqHash; 8],
    /// Quality of `pdq`. Under 50 the picture is near nothing.
    pub quality: PdqQuality,
    /// pHash of the picture as stored, where it was computed.
    pub phash: Option<Hash64>,
    /// dHash, likewise.
    pub dhash: Option<Hash64>,
    /// aHash, likewise.
    pub ahash: Option<Hash64>,
}

/// One value to compare with.
pub(super) struct Form {
    pub(super) algorithm: NearAlgorithm,
    pub(super) transform: Transform,
    pub(super) hash: PdqHash,
    hash64: Option<Hash64>,
}

impl Form {
    /// A 64-bit hash of the picture as stored.
    pub(super) const fn stored(algorithm: NearAlgorithm, value: Hash64) -> Self {
        let hash = PdqHash([0; 4]);
        Self { algorithm, transform: Transform::Identity, hash, hash64: Some(value) }
    }

    /// The value in hex.
    pub(super) fn text(&self) -> String {
        self.hash64.map_or_else(|| self.hash.to_string(), |value| value.to_string())
    }
}

impl ObjectHashes {
    /// The PDQ values to ask with, in the order in which ties are decided. A picture without
    /// structure has none; a second convention that is equal to the first adds none.
    pub(super) fn forms(&self) -> Vec<Form> {
        if self.quality.is_flat() {
            return Vec::new();
        }
        let of = |algorithm, hashes: &[PdqHash; 8]| {
            let pairs = Transform::ALL.iter().zip(*hashes);
            let form = |(transform, hash): (&Transform, _)| Form {
                algorithm,
                transform: *transform,
                hash,
                hash64: None,
            };
            pairs.map(form).collect::<Vec<_>>()
        };
        let mut forms = of(NearAlgorithm::Pdq, &self.pdq);
        if self.pdq_nn512 != self.pdq {
            forms.extend(of(NearAlgorithm::PdqNn512, &self.pdq_nn512));
        }
        forms
    }

    pub(super) const fn hash64(&self, algorithm: NearAlgorithm) -> Option<Hash64> {
        match algorithm {
            NearAlgorithm::Pdq | NearAlgorithm::PdqNn512 => None,
            NearAlgorithm::Phash => self.phash,
            NearAlgorithm::Dhash => self.dhash,
            NearAlgorithm::Ahash => self.ahash,
        }
    }
}
