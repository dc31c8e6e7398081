//! Which instructions compute the digests, and the few calls into them.

use super::{Block, LANES, Words, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, shani};
use crate::problem::words;

words! {
    /// What computes the MD5 of many streams, the slowest first.
    Md5Kernel {
        /// Plain Rust, on every machine.
        Portable = "portable",
        /// 256-bit vectors, eight streams each.
        Avx2 = "avx2",
        /// 512-bit vectors, sixteen streams each.
        Avx512 = "avx512",
    }
}

words! {
    /// What computes SHA-1 and SHA-256, the slowest first.
    ShaKernel {
        /// The packages `sha1` and `sha2`, a stream at a time.
        Package = "package",
        /// The instructions of the processor, a few streams at a time.
        ShaNi = "sha_ni",
    }
}

impl Md5Kernel {
    /// True where this machine has the instructions.
    pub fn runs_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

impl ShaKernel {
    /// True where this machine has the instructions.
    pub fn runs_here(self) -> bool {
        match self {
            Self::Package => true,
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::ShaNi => false,
        }
    }
}

/// What computes the digests of many streams. All give the same; one that this machine cannot run
/// is replaced by the one that every machine can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    /// MD5.
    pub md5: Md5Kernel,
    /// SHA-1 and SHA-256.
    pub sha: ShaKernel,
}

impl Kernels {
    /// Plain Rust and packages.
    pub const PORTABLE: Self = Self { md5: Md5Kernel::Portable, sha: ShaKernel::Package };

    /// The fastest that this machine can run.
    pub fn best() -> Self {
        let md5 = Md5Kernel::ALL.iter().rev().find(|kernel| kernel.runs_here());
        let sha = ShaKernel::ALL.iter().rev().find(|kernel| kernel.runs_here());
        Self {
            md5: md5.copied().unwrap_or(Md5Kernel::Portable),
            sha: sha.copied().unwrap_or(ShaKernel::Package),
        }
    }

    /// Those of these that this machine can run, the others replaced.
    #[must_use]
    pub fn here(self) -> Self {
        Self {
            md5: if self.md5.runs_here() { self.md5 } else { Md5Kernel::Portable },
            sha: if self.sha.runs_here() { self.sha } else { ShaKernel::Package },
        }
    }

    /// Puts `blocks` blocks of each of the first `used` streams into its state.
    pub(super) fn md5(
        self,
        words: &mut Words,
        data: &[&[Block]; LANES],
        used: usize,
        blocks: usize,
    ) {
        match self.md5 {
            #[cfg(target_arch = "x86_64")]
            Md5Kernel::Avx512 if self.md5.runs_here() => {
                // SAFETY: this processor has the instructions: it was asked just now.
                unsafe { avx512::md5(words, data, blocks) }
            }
            #[cfg(target_arch = "x86_64")]
            Md5Kernel::Avx2 if self.md5.runs_here() => {
                // SAFETY: as above.
                unsafe { avx2::md5(words, data, used, blocks) }
            }
            _ => portable::md5(words, data, used, blocks),
        }
    }

    /// Puts the blocks of each stream into its state.
    pub(super) fn sha1<const N: usize>(self, states: &mut [[u32; 5]; N], data: [&[Block]; N]) {
        match self.sha {
            #[cfg(target_arch = "x86_64")]
            ShaKernel::ShaNi if self.sha.runs_here() => {
                // SAFETY: this processor has the instructions: it was asked just now.
                unsafe { shani::sha1(states, data) }
            }
            _ => states
                .iter_mut()
                .zip(data)
                .for_each(|(state, blocks)| ::sha1::block_api::compress(state, blocks)),
        }
    }

    /// Puts the blocks of each stream into its state.
    pub(super) fn sha256<const N: usize>(self, states: &mut [[u32; 8]; N], data: [&[Block]; N]) {
        match self.sha {
            #[cfg(target_arch = "x86_64")]
            ShaKernel::ShaNi if self.sha.runs_here() => {
                // SAFETY: this processor has the instructions: it was asked just now.
                unsafe { shani::sha256(states, data) }
            }
            _ => states
                .iter_mut()
                .zip(data)
                .for_each(|(state, blocks)| sha2::block_api::compress256(state, blocks)),
        }
    }
}
