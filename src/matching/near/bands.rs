//! The index of a large list: entries by pieces of their hash, none of them missed.
//!
//! A hash is cut into pieces of 16 bits and the pieces are taken in pairs. Two hashes within the
//! radius cannot differ more than their share in every pair: where each of the 8 pairs of a PDQ
//! hash differed in 4 bits, all would differ in 32. So of two hashes within 31 bits some pair
//! differs in at most 3, and one of its pieces in at most 1. For each piece there is a table of all
//! entries by its value, with the other piece of the pair beside it: what has to be looked at is
//! the 17 values within 1 bit of the object's, and of the entries there those whose other piece is
//! within the rest of the 3 bits, one in several hundred. Only of these the distance is counted.
//!
//! The numbers follow from the radius alone (`reaches`), whatever the hashes are. A list
//! made so that its entries share pieces makes the runs long: what would cost more than comparing
//! with every entry is given back, to be compared with every entry.
//!
//! Source: M. Norouzi, A. Punjani, D. Fleet, "Fast Exact Search in Hamming Space with Multi-Index
//! Hashing", 2014, section 3; the pairs are ours.

use super::{NearOptions, Search};
use crate::matching::kernels::{Kernel, Run, within_runs};
use crate::perceptual::{Hash64, PdqHash};
use rayon::prelude::*;

/// Bits of a piece.
const BITS: u32 = 16;
/// Values of a piece.
const KEYS: usize = 1 << BITS;

/// Values of a piece that have the same upper byte.
const UPPER: usize = 256;

/// A hash in pieces of 16 bits, an even number of them.
pub(super) trait Pieces: Copy + Sync {
    /// Number of pieces.
    const COUNT: usize;
    /// The piece `at`; pieces `2 * n` and `2 * n + 1` are a pair.
    fn piece(self, at: usize) -> u16;
    /// Number of bits in which the two differ.
    fn bits_off(self, other: Self) -> u32;
}

impl Pieces for PdqHash {
    const COUNT: usize = 16;

    /// One bit of every row and every column of coefficients: bits of one row depend on each other,
    /// and pieces of them would make longer runs.
    fn piece(self, at: usize) -> u16 {
        let chosen =
            self.0.iter().zip(DIAGONALS[at]).fold(0, |all, (word, mask)| all | word & mask);
        let rows = chosen | chosen >> 32;
        (rows | rows >> 16) as u16
    }

    fn bits_off(self, other: Self) -> u32 {
        self.distance(other)
    }
}

impl Pieces for Hash64 {
    const COUNT: usize = 4;

    fn piece(self, at: usize) -> u16 {
        (self.0 >> (BITS as usize * at)) as u16
    }

    fn bits_off(self, other: Self) -> u32 {
        self.distance(other)
    }
}

/// The bits of each piece of a PDQ hash, word by word. A word holds four rows of 16 bits.
const DIAGONALS: [[u64; 4]; 16] = {
    let mut masks = [[0; 4]; 16];
    let mut bit = 0;
    while bit < 256 {
        let (row, column) = (bit / 16, bit % 16);
        masks[(row + 16 - column) % 16][bit / 64] |= 1 << (bit % 64);
        bit += 1;
    }
    masks
};

/// How far from the object's a piece and its pair may be for an entry to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    piece: usize,
    /// Bits in which the piece may differ.
    alone: u32,
    /// Bits in which the pair may differ.
    pair: u32,
}

/// The pieces to look at so that no hash within `radius` bits is missed.
///
/// With `radius = pairs * share + rest` some pair of the first `rest + 1` differs in at most
/// `share` bits or one of the others in at most `share - 1`: else all together would differ in
/// `radius + 1`. Of a pair that differs in at most `n` bits the first piece differs in at most
/// `n / 2` or the second in at most `n - n / 2 - 1`.
///
/// - `thrifty`: half the tables; the first piece has to be looked at as far as the pair may differ.
fn reaches(pieces: usize, radius: u32, thrifty: bool) -> Vec<Reach> {
    let pairs = u32::try_from(pieces / 2).unwrap_or(1);
    let (share, rest) = (radius / pairs, radius % pairs);
    let mut all = Vec::new();
    for (piece, number) in (0..pieces).step_by(2).zip(0..pairs) {
        let Some(pair) = (if number <= rest { Some(share) } else { share.checked_sub(1) }) else {
            break;
        };
        let first = if thrifty { pair } else { pair / 2 };
        all.push(Reach { piece, alone: first, pair });
        let second = (pair - first).checked_sub(1);
        all.extend(second.map(|alone| Reach { piece: piece + 1, alone, pair }));
    }
    all
}

/// Entries by one piece of their hash.
struct Table {
    reach: Reach,
    /// Where the entries of each value start, and where the last ends.
    starts: Vec<u32>,
    /// The other piece of the pair, in the same order as `entries`.
    others: Vec<u16>,
    entries: Vec<u32>,
}

impl Table {
    fn new<H: Pieces>(values: &[H], reach: Reach) -> Self {
        let key = |value: &H| usize::from(value.piece(reach.piece));
        let mut starts = vec![0; KEYS + 1];
        for value in values {
            starts[key(value) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // First by the upper byte, then by both: writing to 256 places at a time stays in the cache,
        // writing to 65,536 does not.
        let mut next: Vec<_> = starts.iter().step_by(UPPER).copied().collect();
        let mut rough = vec![(0_u16, 0_u16, 0_u32); values.len()];
        for (entry, value) in (0..).zip(values) {
            let (own, other) = (value.piece(reach.piece), value.piece(reach.piece ^ 1));
            let at = advance(&mut next[usize::from(own) / UPPER]);
            rough[at] = (own, other, entry);
        }
        let mut next = starts.clone();
        let mut others = vec![0; values.len()];
        let mut entries = vec![0; values.len()];
        for (own, other, entry) in rough {
            let at = advance(&mut next[usize::from(own)]);
            others[at] = other;
            entries[at] = entry;
        }
        Self { reach, starts, others, entries }
    }
}

/// The place to write to; the next one is behind it.
fn advance(next: &mut u32) -> usize {
    let at = *next as usize;
    *next += 1;
    at
}

/// The tables of a list of distinct hashes.
pub(super) struct Bands {
    tables: Vec<Table>,
    /// What turns a piece into every piece within the largest reach, by number of bits.
    turns: Vec<u16>,
    radius: u32,
    kernel: Kernel,
}

/// What a look-up of one value needs besides; kept from one to the next.
#[derive(Default)]
pub(super) struct Workspace {
    runs: Vec<Run>,
    places: Vec<u32>,
}

impl Bands {
    /// The tables where they are wanted, or faster than comparing with every entry.
    pub(super) fn of<H: Pieces>(values: &[H], radius: u32, options: &NearOptions) -> Option<Self> {
        let thrifty = values.len() > MOST_WITH_ALL_TABLES;
        let wanted = match options.search {
            Search::Fastest => pays(H::COUNT, values.len(), radius, thrifty, options.kernel),
            Search::Everything => false,
            Search::Index => true,
        };
        wanted.then(|| Self::new(values, radius, thrifty, options.kernel))
    }

    /// - `values`: at most as many as 32 bits count.
    pub(super) fn new<H: Pieces>(values: &[H], radius: u32, thrifty: bool, kernel: Kernel) -> Self {
        let reaches = reaches(H::COUNT, radius, thrifty);
        let largest = reaches.iter().map(|reach| reach.alone).max().unwrap_or(0);
        let mut turns: Vec<_> =
            (0..=u16::MAX).filter(|turn| turn.count_ones() <= largest).collect();
        turns.sort_by_key(|turn| turn.count_ones());
        let tables = reaches.into_par_iter().map(|reach| Table::new(values, reach)).collect();
        Self { tables, turns, radius, kernel }
    }

    /// Bytes of the tables.
    pub(super) fn bytes(&self) -> usize {
        let of = |table: &Table| {
            size_of_val(&*table.starts) + size_of_val(&*table.others) + size_of_val(&*table.entries)
        };
        self.tables.iter().map(of).sum()
    }

    /// Gives the place and distance of every value within the radius to `found`, some more than
    /// once. False, with some of them given, where that would cost more than comparing with all.
    ///
    /// - `values`: those it was built with.
    pub(super) fn within<H: Pieces>(
        &self,
        values: &[H],
        with: H,
        work: &mut Workspace,
        found: &mut dyn FnMut(usize, u32),
    ) -> bool {
        let (mut looked_at, mut counted) = (0, 0);
        for table in &self.tables {
            looked_at += self.runs(table, with.piece(table.reach.piece), &mut work.runs);
            if looked_at > values.len() / MOST_LOOKED_AT {
                return false;
            }
            work.places.clear();
            let other = with.piece(table.reach.piece ^ 1);
            within_runs(self.kernel, &table.others, &work.runs, other, &mut work.places);
            counted += work.places.len();
            if counted > values.len() / MOST_COUNTED {
                return false;
            }
            for place in &work.places {
                let entry = table.entries[*place as usize] as usize;
                let distance = with.bits_off(values[entry]);
                if distance <= self.radius {
                    found(entry, distance);
                }
            }
        }
        true
    }

    /// The entries of a table whose piece is within its reach; returns their number.
    fn runs(&self, table: &Table, piece: u16, runs: &mut Vec<Run>) -> usize {
        runs.clear();
        let mut sum = 0;
        for turn in &self.turns {
            let off = turn.count_ones();
            if off > table.reach.alone {
                break;
            }
            let key = usize::from(piece ^ turn);
            let (start, end) = (table.starts[key], table.starts[key + 1]);
            if start < end {
                sum += (end - start) as usize;
                runs.push(Run { start, end, most: (table.reach.pair - off) as u16 });
            }
        }
        sum
    }
}

/// Entries that may be looked at are the list's divided by this.
const MOST_LOOKED_AT: usize = 2;
/// Entries whose distance may be counted are the list's divided by this.
const MOST_COUNTED: usize = 64;
/// Entries over which a list gets half of the tables: with all of them it would take 6 GiB.
const MOST_WITH_ALL_TABLES: usize = 1 << 26;

/// True where looking pieces up is faster than comparing with every entry. It takes a time for
/// each value of a piece, comparing takes a time for each entry.
fn pays(pieces: usize, entries: usize, radius: u32, thrifty: bool, kernel: Kernel) -> bool {
    let entries_a_value = match kernel {
        Kernel::Portable => 30,
        Kernel::Avx2 => 100,
        Kernel::Avx512 => 400,
    };
    let values_within = |bits: u32| (0..=bits.min(BITS)).map(choices).sum::<usize>();
    let reaches = reaches(pieces, radius, thrifty);
    let looked_up: usize = reaches.iter().map(|reach| values_within(reach.alone)).sum();
    entries > looked_up * entries_a_value
}

/// Ways to choose so many bits of a piece.
fn choices(bits: u32) -> usize {
    (0..bits as usize).fold(1, |ways, at| ways * (BITS as usize - at) / (at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest number of bits in which two hashes differ that no reach of a pair covers.
    fn least_missed(reaches: &[Reach], pair: usize) -> Option<u32> {
        let of_pair = |reach: &&Reach| reach.piece / 2 == pair;
        let reaches: Vec<_> = reaches.iter().filter(of_pair).collect();
        let covered = |bits: [u32; 2]| {
            reaches.iter().any(|reach| {
                bits[reach.piece % 2] <= reach.alone && bits[0] + bits[1] <= reach.pair
            })
        };
        let all = (0..=16).flat_map(|first| (0..=16).map(move |second| [first, second]));
        all.filter(|bits| !covered(*bits)).map(|[first, second]| first + second).min()
    }

    #[test]
    fn what_no_reach_covers_is_over_the_radius() {
        for pieces in [PdqHash::COUNT, Hash64::COUNT] {
            for radius in 0..=256 {
                for thrifty in [false, true] {
                    let reaches = reaches(pieces, radius, thrifty);
                    let missed = (0..pieces / 2).map(|pair| least_missed(&reaches, pair));
                    let missed: Option<u32> = missed.sum();
                    assert!(
                        missed.is_none_or(|bits| bits > radius),
                        "{pieces} {radius} {reaches:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_bit_is_in_one_piece() {
        let one = |bit: usize| {
            let mut hash = PdqHash::default();
            hash.0[bit / 64] = 1 << (bit % 64);
            (0..16).map(|at| hash.piece(at).count_ones()).sum::<u32>()
        };
        assert!((0..256).all(|bit| one(bit) == 1));
        let pieces: Vec<_> = (0..16).map(|at| PdqHash([u64::MAX; 4]).piece(at)).collect();
        assert_eq!(pieces, [u16::MAX; 16]);
    }

    #[test]
    fn at_31_bits_every_piece_is_looked_at_within_one_bit() {
        let reaches = reaches(16, 31, false);
        let want = (0..16).map(|piece| Reach { piece, alone: 1, pair: 3 });
        assert!(reaches.into_iter().eq(want));
    }

    /// Hashes that share all pieces but the last two.
    #[test]
    fn a_list_whose_entries_share_their_pieces_is_given_back_early() {
        let values: Vec<_> = (0..5000).map(|n| PdqHash([n, 0, 0, 0])).collect();
        let bands = Bands::new(&values, 31, false, Kernel::Portable);
        let mut counted = 0;
        let mut count = |_, _| counted += 1;
        assert!(!bands.within(&values, values[7], &mut Workspace::default(), &mut count));
        assert!(counted <= values.len() / MOST_COUNTED, "{counted}");
        let far = PdqHash([u64::MAX; 4]);
        assert!(bands.within(&values, far, &mut Workspace::default(), &mut |_, _| {}));
    }

    #[test]
    fn the_index_pays_for_large_lists_and_small_distances_only() {
        let pays = |entries, radius| pays(16, entries, radius, false, Kernel::Avx512);
        assert!(pays(1_000_000, 31) && pays(1_000_000, 0));
        assert!(!pays(1000, 31) && !pays(1_000_000, 128) && !pays(100_000_000, 256));
    }
}
