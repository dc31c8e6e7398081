//! The digests of many streams at once.
//!
//! Each step of MD5, SHA-1 and SHA-256 waits for the one before it, so that one stream leaves most
//! of a processor idle. What is idle is given to other streams here: sixteen lanes, each with the
//! buffer of one stream. MD5 takes a block of all of them in one go, SHA-1 and SHA-256 do so too or
//! go over two at a time, BLAKE3 is fast alone. Where a stream ends, its lane takes the next one.
//!
//! The packages `md5`, `sha1`, `sha2` and `blake3` are what it is held against, in tests and at the
//! start of every run.
//!
//! Sources: RFC 1321, FIPS 180-4; ends of streams as RFC 1321, section 3.1 and 3.2, and
//! FIPS 180-4, section 5.1.1.

#![allow(unsafe_code, reason = "CPU instructions chosen at run time; loads of fixed-size arrays")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_sha;
mod kernel;
mod part;
mod portable;
#[cfg(target_arch = "x86_64")]
mod shani;

pub use self::kernel::{Kernels, Md5Kernel, ShaKernel};
pub use self::part::Part;

use super::{Algorithm, Digests, Selection, md5};

/// Streams side by side.
pub const LANES: usize = 16;
/// Bytes of a stream that stand in its lane at a time.
pub const LANE_BYTES: usize = 64 * 1024;

/// Bytes of a block.
const BLOCK: usize = 64;
type Block = [u8; BLOCK];
/// Blocks of a lane, without the one that the end of a stream may add.
const BLOCKS: usize = LANE_BYTES / BLOCK;
/// Bytes that the end of a stream adds at least: a one bit, and the length in bits.
const END: usize = 9;
/// Blocks of every lane that all digests go over before the next ones: 8 KiB, so that those of all
/// lanes stay in a second-level cache.
const STEP: usize = 128;
/// States of all lanes, word by word.
type Words<const N: usize> = [[u32; LANES]; N];

/// From so many streams on, vectors of sixteen give more than the instructions for a few.
const SHA1_WIDE_FROM: usize = 6;
const SHA256_WIDE_FROM: usize = 9;

const SHA1_START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
const SHA256_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const ROOTS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// The 64 steps of MD5. `step` is told the function of its round, its number, the number of its
/// word modulo 16, and its turn.
macro_rules! md5_rounds {
    (@each $s:ident, $f:tt, $at:expr, $times:expr, $plus:expr, $a:literal $b:literal $c:literal $d:literal) => {
        $s!($f, $at, ($at) * $times + $plus, $a);
        $s!($f, $at + 1, ($at + 1) * $times + $plus, $b);
        $s!($f, $at + 2, ($at + 2) * $times + $plus, $c);
        $s!($f, $at + 3, ($at + 3) * $times + $plus, $d);
    };
    (@round $s:ident, $f:tt, $at:expr, $times:expr, $plus:expr, $($turn:literal)*) => {
        $crate::digest::lanes::md5_rounds!(@each $s, $f, $at, $times, $plus, $($turn)*);
        $crate::digest::lanes::md5_rounds!(@each $s, $f, $at + 4, $times, $plus, $($turn)*);
        $crate::digest::lanes::md5_rounds!(@each $s, $f, $at + 8, $times, $plus, $($turn)*);
        $crate::digest::lanes::md5_rounds!(@each $s, $f, $at + 12, $times, $plus, $($turn)*);
    };
    ($step:ident, $first:tt, $second:tt, $third:tt, $fourth:tt) => {
        $crate::digest::lanes::md5_rounds!(@round $step, $first, 0, 1, 0, 7 12 17 22);
        $crate::digest::lanes::md5_rounds!(@round $step, $second, 16, 5, 1, 5 9 14 20);
        $crate::digest::lanes::md5_rounds!(@round $step, $third, 32, 3, 5, 4 11 16 23);
        $crate::digest::lanes::md5_rounds!(@round $step, $fourth, 48, 7, 0, 6 10 15 21);
    };
}
use md5_rounds;

/// Computes the selected digests of up to [`LANES`] streams, each in a lane of its own.
///
/// ```
/// use assay::digest::{Algorithm, Selection, lanes::{Kernels, Lanes}};
/// let mut lanes = Lanes::new(Selection::only(Algorithm::Md5), Kernels::best());
/// lanes.begin(3);
/// lanes.room(3)[..3].copy_from_slice(b"abc");
/// lanes.take(3, 3);
/// lanes.end(3);
/// while !lanes.is_done(3) {
///     lanes.run();
/// }
/// let md5 = lanes.digests(3).get(Algorithm::Md5).unwrap();
/// assert_eq!(md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
/// ```
pub struct Lanes {
    kernels: Kernels,
    selection: Selection,
    lanes: Vec<Lane>,
}

/// One stream.
struct Lane {
    /// Its bytes that are not in its digests yet, and room for what its end adds.
    blocks: Box<[Block]>,
    /// Bytes of them that came.
    filled: usize,
    /// The first block that is not in the digests, and the end of those that may be.
    next: usize,
    ready: usize,
    ended: bool,
    /// Bytes of the stream so far.
    length: u64,
    md5: [u32; 4],
    sha1: [u32; 5],
    sha256: [u32; 8],
    blake3: Box<blake3::Hasher>,
}

impl Lanes {
    /// Empty lanes.
    pub fn new(selection: Selection, kernels: Kernels) -> Self {
        let lanes = (0..LANES).map(|_| Lane::new()).collect();
        Self { kernels: kernels.here(), selection, lanes }
    }

    /// Begins a stream in a lane, whatever was in it.
    ///
    /// # Panics
    /// As all that follow, where there is no such lane.
    pub fn begin(&mut self, lane: usize) {
        self.lanes[lane].begin();
    }

    /// Where the next bytes of a stream belong. There is no room while blocks wait for
    /// [`Lanes::run`].
    pub fn room(&mut self, lane: usize) -> &mut [u8] {
        self.lanes[lane].room()
    }

    /// Takes the first `n` bytes of the room as the next ones of the stream.
    pub fn take(&mut self, lane: usize, n: usize) {
        self.lanes[lane].take(n, self.selection);
    }

    /// Says that the stream has ended. It takes no more bytes until another one begins.
    pub fn end(&mut self, lane: usize) {
        self.lanes[lane].end();
    }

    /// True where blocks of the stream wait.
    pub fn is_ready(&self, lane: usize) -> bool {
        self.lanes[lane].waiting() > 0
    }

    /// True where the stream has ended and all of it is in its digests.
    pub fn is_done(&self, lane: usize) -> bool {
        self.lanes[lane].ended && !self.is_ready(lane)
    }

    /// The digests of a stream that is done; otherwise they say nothing.
    pub fn digests(&self, lane: usize) -> Digests {
        self.lanes[lane].digests(self.selection)
    }

    /// Puts waiting blocks into the digests, as many of every lane that has some, until the first of
    /// them has none left. Does nothing where none waits.
    pub fn run(&mut self) {
        let mut at = [0; LANES];
        let mut used = 0;
        let mut left = usize::MAX;
        for (n, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| lane.waiting() > 0) {
            at[used] = n;
            used += 1;
            left = left.min(lane.waiting());
        }
        let at = &at[..used];
        while !at.is_empty() && left > 0 {
            let blocks = left.min(STEP);
            self.step(at, blocks);
            left -= blocks;
        }
    }

    /// Puts so many blocks of these lanes into their digests.
    fn step(&mut self, at: &[usize], blocks: usize) {
        let kernels = self.kernels;
        match at {
            _ if !self.selection.has(Algorithm::Md5) => {}
            [lane] => self.lanes[*lane].md5_alone(blocks),
            _ => self.together(
                at,
                blocks,
                |lane| &mut lane.md5,
                |words, data, used| {
                    kernels.md5(words, data, used, blocks);
                },
            ),
        }
        at.iter().for_each(|lane| self.lanes[*lane].turn_length(blocks));
        if self.selection.has(Algorithm::Sha1) {
            if kernels.sha.is_wide(at.len(), SHA1_WIDE_FROM) {
                self.together(
                    at,
                    blocks,
                    |lane| &mut lane.sha1,
                    |words, data, _| {
                        kernels.sha1_wide(words, data, blocks);
                    },
                );
            } else {
                self.sha1(at, blocks);
            }
        }
        if self.selection.has(Algorithm::Sha256) {
            if kernels.sha.is_wide(at.len(), SHA256_WIDE_FROM) {
                self.together(
                    at,
                    blocks,
                    |lane| &mut lane.sha256,
                    |words, data, _| {
                        kernels.sha256_wide(words, data, blocks);
                    },
                );
            } else {
                self.sha256(at, blocks);
            }
        }
        at.iter().for_each(|lane| self.lanes[*lane].next += blocks);
    }

    /// Lays the states of these lanes side by side for `compute`, and puts them back.
    fn together<const N: usize>(
        &mut self,
        at: &[usize],
        blocks: usize,
        state: impl Fn(&mut Lane) -> &mut [u32; N],
        compute: impl FnOnce(&mut Words<N>, &[&[Block]; LANES], usize),
    ) {
        let Some(first) = at.first() else { return };
        let mut words = [[0; LANES]; N];
        for (place, lane) in at.iter().enumerate() {
            let state = *state(&mut self.lanes[*lane]);
            words.iter_mut().zip(state).for_each(|(word, value)| word[place] = value);
        }
        // Places that nobody takes do the first one's work once more; their states are dropped.
        let mut data = [self.lanes[*first].coming(blocks); LANES];
        data.iter_mut().zip(at).for_each(|(to, lane)| *to = self.lanes[*lane].coming(blocks));
        compute(&mut words, &data, at.len());
        for (place, lane) in at.iter().enumerate() {
            *state(&mut self.lanes[*lane]) = words.each_ref().map(|word| word[place]);
        }
    }

    fn sha1(&mut self, at: &[usize], blocks: usize) {
        let (pairs, rest) = at.as_chunks::<2>();
        pairs.iter().for_each(|pair| self.sha1_few(pair, blocks));
        rest.iter().for_each(|lane| self.sha1_few(&[*lane], blocks));
    }

    fn sha1_few<const N: usize>(&mut self, at: &[usize; N], blocks: usize) {
        let mut states = at.map(|lane| self.lanes[lane].sha1);
        self.kernels.sha1(&mut states, at.map(|lane| self.lanes[lane].coming(blocks)));
        at.iter().zip(states).for_each(|(lane, state)| self.lanes[*lane].sha1 = state);
    }

    fn sha256(&mut self, at: &[usize], blocks: usize) {
        let (pairs, rest) = at.as_chunks::<2>();
        pairs.iter().for_each(|pair| self.sha256_few(pair, blocks));
        rest.iter().for_each(|lane| self.sha256_few(&[*lane], blocks));
    }

    fn sha256_few<const N: usize>(&mut self, at: &[usize; N], blocks: usize) {
        let mut states = at.map(|lane| self.lanes[lane].sha256);
        self.kernels.sha256(&mut states, at.map(|lane| self.lanes[lane].coming(blocks)));
        at.iter().zip(states).for_each(|(lane, state)| self.lanes[*lane].sha256 = state);
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            blocks: vec![[0; BLOCK]; BLOCKS + 1].into(),
            filled: 0,
            next: 0,
            ready: 0,
            ended: false,
            length: 0,
            md5: md5::START,
            sha1: SHA1_START,
            sha256: SHA256_START,
            blake3: Box::default(),
        }
    }

    fn begin(&mut self) {
        (self.filled, self.next, self.ready, self.ended, self.length) = (0, 0, 0, false, 0);
        (self.md5, self.sha1, self.sha256) = (md5::START, SHA1_START, SHA256_START);
        self.blake3.reset();
    }

    /// Number of blocks that wait.
    const fn waiting(&self) -> usize {
        self.ready.saturating_sub(self.next)
    }

    fn md5_alone(&mut self, blocks: usize) {
        let mut state = self.md5;
        self.coming(blocks).iter().for_each(|block| md5::compress(&mut state, block));
        self.md5 = state;
    }

    fn coming(&self, blocks: usize) -> &[Block] {
        &self.blocks[self.next..self.next + blocks]
    }

    fn room(&mut self) -> &mut [u8] {
        if self.waiting() > 0 || self.ended {
            return &mut [];
        }
        self.make_room();
        &mut self.blocks.as_flattened_mut()[self.filled..LANE_BYTES]
    }

    /// Lets go of bytes that are in the digests.
    fn make_room(&mut self) {
        if self.filled == LANE_BYTES && self.waiting() == 0 {
            (self.filled, self.next, self.ready) = (0, 0, 0);
        }
    }

    fn take(&mut self, n: usize, selection: Selection) {
        let n = n.min(self.room().len());
        if selection.has(Algorithm::Blake3) {
            let came = &self.blocks.as_flattened()[self.filled..self.filled + n];
            self.blake3.update(came);
        }
        self.filled += n;
        self.length = self.length.wrapping_add(n as u64);
        if self.filled == LANE_BYTES {
            self.ready = BLOCKS;
        }
    }

    /// Adds a one bit, zeros, and the length in bits, to the end of a block.
    fn end(&mut self) {
        if self.ended {
            return;
        }
        self.make_room();
        self.ready = (self.filled + END).div_ceil(BLOCK);
        let rest = &mut self.blocks.as_flattened_mut()[self.filled..self.ready * BLOCK];
        rest.fill(0);
        rest[0] = 0x80;
        if let Some(end) = rest.last_chunk_mut() {
            *end = self.length.wrapping_mul(8).to_le_bytes();
        }
        self.ended = true;
    }

    /// Where the end of the stream is among the next blocks: its length, which MD5 wants with the
    /// lowest byte first, is turned round for the others.
    fn turn_length(&mut self, blocks: usize) {
        if self.ended && self.next + blocks == self.ready {
            self.blocks[self.ready - 1][BLOCK - 8..].reverse();
        }
    }

    fn digests(&self, selection: Selection) -> Digests {
        let has = |algorithm| selection.has(algorithm);
        Digests {
            md5: has(Algorithm::Md5).then(|| flat(&self.md5.map(u32::to_le_bytes))),
            sha1: has(Algorithm::Sha1).then(|| flat(&self.sha1.map(u32::to_be_bytes))),
            sha256: has(Algorithm::Sha256).then(|| flat(&self.sha256.map(u32::to_be_bytes))),
            blake3: has(Algorithm::Blake3).then(|| *self.blake3.finalize().as_bytes()),
        }
    }
}

fn flat<const N: usize>(words: &[[u8; 4]]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(words.as_flattened());
    bytes
}

/// True where these kernels and the packages give the same for contents of every length around the
/// ends of blocks, in lanes that end at different times: a control before each run.
pub fn agree(kernels: Kernels) -> bool {
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(400).collect();
    let mut lanes = Lanes::new(Selection::ALL, kernels);
    let mut good = true;
    let mut current = [None; LANES];
    let mut contents = (0..data.len()).filter_map(|len| data.get(..len));
    loop {
        for (lane, current) in current.iter_mut().enumerate() {
            if let Some(content) = current.filter(|_| lanes.is_done(lane)) {
                good &= lanes.digests(lane) == by_packages(content);
                *current = None;
            }
            if current.is_none()
                && let Some(content) = contents.next()
            {
                lanes.begin(lane);
                lanes.room(lane)[..content.len()].copy_from_slice(content);
                lanes.take(lane, content.len());
                lanes.end(lane);
                *current = Some(content);
            }
        }
        if current.iter().all(Option::is_none) {
            return good;
        }
        lanes.run();
    }
}

fn by_packages(content: &[u8]) -> Digests {
    use sha1::Digest as _;
    Digests {
        md5: Some(::md5::compute(content).0),
        sha1: Some(::sha1::Sha1::digest(content).into()),
        sha256: Some(sha2::Sha256::digest(content).into()),
        blake3: Some(*blake3::hash(content).as_bytes()),
    }
}

#[cfg(test)]
mod tests;
