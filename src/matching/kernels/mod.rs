//! Distances of many PDQ hashes at once: every pair within a radius, none missed.
//!
//! A kernel only sifts: it drops blocks of entries of which it has shown that none is within the
//! radius. What it lets through is counted exactly, by code all kernels share, so that they can
//! differ in speed and in nothing else. The sieve counts the bits of
//! `(a0 ^ b0) | (a1 ^ b1)`, words 0 and 1 of both hashes: that is never more than the distance,
//! so a count over the radius is a distance over the radius. Words 0 and 1 hold the finer half of a
//! PDQ hash; of all pairs of words they let the fewest pairs of pictures through.
//!
//! Nothing here is trusted or refused: every value of a hash and every radius is meaningful.

#![allow(unsafe_code, reason = "CPU instructions chosen at run time; loads of fixed-size arrays")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod runs;

pub(super) use runs::{Run, within_runs};

use crate::perceptual::PdqHash;
use crate::problem::words;

words! {
    /// Which instructions do the sifting, the slowest first.
    Kernel {
        /// Plain Rust, on every machine.
        Portable = "portable",
        /// 256-bit vectors, bits counted by table.
        Avx2 = "avx2",
        /// 512-bit vectors with an instruction that counts bits.
        Avx512 = "avx512",
    }
}

impl Kernel {
    /// The fastest that this machine can run.
    pub fn best() -> Self {
        let here = Self::ALL.iter().rev().find(|kernel| kernel.runs_here());
        here.copied().unwrap_or(Self::Portable)
    }

    /// True where this machine has the instructions.
    pub fn runs_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// Hashes in a block.
const LANES: usize = 8;
/// Blocks looked at with all queries before the next ones: 256 KiB, the size of a second-level
/// cache. It also bounds how many candidates wait for their exact count.
const TILE: usize = 1024;
/// Queries looked at together with a tile: 2 KiB, which stay in the first-level cache.
const GROUP: usize = 64;

/// Eight hashes, word by word: `words[w][lane]`.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Block {
    words: [[u64; LANES]; 4],
}

/// Entries in the order the kernels read them.
#[derive(Clone, Default)]
pub struct Hashes {
    blocks: Vec<Block>,
    len: usize,
}

impl Hashes {
    /// Lays out `hashes`; their places in the slice are the entry numbers of [`Close`].
    pub fn new(hashes: &[PdqHash]) -> Self {
        let block = |eight: &[PdqHash]| {
            let mut block = Block::default();
            for (lane, hash) in eight.iter().enumerate() {
                for (word, value) in block.words.iter_mut().zip(hash.0) {
                    word[lane] = value;
                }
            }
            block
        };
        Self { blocks: hashes.chunks(LANES).map(block).collect(), len: hashes.len() }
    }

    /// Number of hashes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Bytes they take in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(self.blocks.as_slice())
    }

    /// True where there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A pair within the radius.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Close {
    /// Place in the queries.
    pub query: usize,
    /// Place in the hashes.
    pub entry: usize,
    /// Number of bits that differ, 0 to 256.
    pub distance: u32,
}

/// Gives every pair of a query and an entry that differ in at most `radius` bits to `found`, each
/// once. The order is the same for every kernel.
///
/// A kernel that this machine cannot run is replaced by the portable one.
///
/// ```
/// use assay::matching::kernels::{Close, Hashes, Kernel, within};
/// use assay::perceptual::PdqHash;
/// let entries = Hashes::new(&[PdqHash([0; 4]), PdqHash([u64::MAX; 4])]);
/// let mut all = Vec::new();
/// within(Kernel::best(), &entries, &[PdqHash([3, 0, 0, 0])], 31, &mut |close| all.push(close));
/// assert_eq!(all, [Close { query: 0, entry: 0, distance: 2 }]);
/// ```
pub fn within(
    kernel: Kernel,
    entries: &Hashes,
    queries: &[PdqHash],
    radius: u32,
    found: &mut dyn FnMut(Close),
) {
    let mut candidates = Vec::new();
    for (tile_no, tile) in entries.blocks.chunks(TILE).enumerate() {
        for (group_no, group) in queries.chunks(GROUP).enumerate() {
            candidates.clear();
            sift(kernel, tile, group, radius, &mut candidates);
            for &(block, query) in &candidates {
                let first = (tile_no * TILE + block) * LANES;
                let lanes = LANES.min(entries.len - first);
                for lane in 0..lanes {
                    let distance = distance(&tile[block], lane, group[query]);
                    if distance <= radius {
                        let query = group_no * GROUP + query;
                        found(Close { query, entry: first + lane, distance });
                    }
                }
            }
        }
    }
}

fn distance(block: &Block, lane: usize, query: PdqHash) -> u32 {
    block.words.iter().zip(query.0).map(|(word, with)| (word[lane] ^ with).count_ones()).sum()
}

/// Puts every (block, query) that may hold a pair within the radius into `out`; may put more.
fn sift(
    kernel: Kernel,
    tile: &[Block],
    group: &[PdqHash],
    radius: u32,
    out: &mut Vec<(usize, usize)>,
) {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 if kernel.runs_here() => {
            // SAFETY: the guard has just asked the CPU for AVX2.
            unsafe { avx2::sift(tile, group, radius, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 if kernel.runs_here() => {
            // SAFETY: the guard has just asked the CPU for AVX-512F and VPOPCNTDQ.
            unsafe { avx512::sift(tile, group, radius, out) }
        }
        _ => portable(tile, group, radius, out),
    }
}

fn portable(tile: &[Block], group: &[PdqHash], radius: u32, out: &mut Vec<(usize, usize)>) {
    for (block_no, block) in tile.iter().enumerate() {
        let [first, second, ..] = &block.words;
        for (query_no, query) in group.iter().enumerate() {
            let counts = first.iter().zip(second);
            let least = counts.map(|(a, b)| ((a ^ query.0[0]) | (b ^ query.0[1])).count_ones());
            if least.min().is_some_and(|least| least <= radius) {
                out.push((block_no, query_no));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough for Miri, which runs the AVX-512 kernel on machines that have none when it is
    /// built with `-Ctarget-feature=+avx2,+avx512f,+avx512vpopcntdq`. tests/it/near.rs has the
    /// large comparisons.
    #[test]
    fn kernels_give_what_counting_gives() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut word = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut entries: Vec<_> =
            (0..17).map(|_| PdqHash(std::array::from_fn(|_| word()))).collect();
        let near = |hash: PdqHash, mask| PdqHash(hash.0.map(|word| word ^ mask));
        let queries = [
            entries[0],
            near(entries[7], 0x7f),
            near(entries[8], 0xff),
            near(entries[16], u64::MAX),
            PdqHash([0; 4]),
        ];
        entries.push(PdqHash([u64::MAX >> 33, 0, 0, 0]));
        entries.push(PdqHash([u64::MAX >> 32, 0, 0, 0]));
        for radius in [0, 31, 64, 256] {
            let mut want = Vec::new();
            for (query, asked) in queries.iter().enumerate() {
                let all = entries.iter().map(|have| asked.distance(*have)).enumerate();
                let close = all.filter(|(_, distance)| *distance <= radius);
                want.extend(close.map(|(entry, distance)| Close { query, entry, distance }));
            }
            assert!(!want.is_empty());
            for kernel in Kernel::ALL.iter().filter(|kernel| kernel.runs_here()) {
                let mut got = Vec::new();
                within(*kernel, &Hashes::new(&entries), &queries, radius, &mut |c| got.push(c));
                got.sort_unstable();
                assert_eq!(got, want, "{kernel}, radius {radius}");
            }
        }
    }
}
