//! Which instructions compute the digests, and the few calls into them.

use super::{Block, LANES, Words, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, avx512_sha, shani};
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
        /// The instructions of the processor, two streams at a time.
        ShaNi = "sha_ni",
        /// 512-bit vectors, sixteen streams each; a few streams by the instructions.
        Avx512 = "avx512",
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
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
            }
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
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::ShaNi.runs_here() && Md5Kernel::Avx512.runs_here(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::ShaNi | Self::Avx512 => false,
        }
    }

    /// True where so many streams are taken all together.
    pub(super) fn is_wide(self, streams: usize, from: usize) -> bool {
        self == Self::Avx512 && streams >= from
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
        words: &mut Words<4>,
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
            ShaKernel::ShaNi | ShaKernel::Avx512 if self.sha.runs_here() => {
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
            ShaKernel::ShaNi | ShaKernel::Avx512 if self.sha.runs_here() => {
                // SAFETY: this processor has the instructions: it was asked just now.
                unsafe { shani::sha256(states, data) }
            }
            _ => states
                .iter_mut()
                .zip(data)
                .for_each(|(state, blocks)| sha2::block_api::compress256(state, blocks)),
        }
    }

    /// Puts `blocks` blocks of each stream into its state, all together.
    ///
    /// # Panics
    /// Where [`ShaKernel::is_wide`] does not say so.
    pub(super) fn sha1_wide(self, words: &mut Words<5>, data: &[&[Block]; LANES], blocks: usize) {
        assert!(ShaKernel::Avx512.runs_here(), "asked for what this processor has not");
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this processor has the instructions: it was asked just now.
        unsafe {
            avx512_sha::sha1(words, data, blocks);
        }
    }

    /// Puts `blocks` blocks of each stream into its state, all together.
    ///
    /// # Panics
    /// Where [`ShaKernel::is_wide`] does not say so.
    pub(super) fn sha256_wide(self, words: &mut Words<8>, data: &[&[Block]; LANES], blocks: usize) {
        assert!(ShaKernel::Avx512.runs_here(), "asked for what this processor has not");
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            avx512_sha::sha256(words, data, blocks);
        }
    }
}
