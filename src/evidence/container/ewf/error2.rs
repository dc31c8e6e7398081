//! The image's own list of sectors that could not be read when it was made: `error2`.
//!
//! A count, 512 bytes of nothing and an Adler-32; then pairs of first sector and count, and an
//! Adler-32 of those.
//!
//! Source: libewf documentation, "Error2 section".

use std::ops::Range;

use super::section::adler;
use crate::bytes::{Block, Truncated};

/// Bytes before the pairs.
const HEADER: usize = 520;
/// Most bytes of a section: eight million ranges.
pub(super) const LARGEST: u64 = 64 << 20;

/// The ranges in bytes of the medium; the error says what is wrong with the section.
pub(super) fn parse(data: &[u8], sector_size: u32) -> Result<Vec<Range<u64>>, String> {
    ranges(Block::new(data, 0), sector_size)
        .unwrap_or_else(|_| Err("the list of acquisition errors is cut off".to_owned()))
}

fn ranges(block: Block<'_>, size: u32) -> Result<Result<Vec<Range<u64>>, String>, Truncated> {
    let count = usize::try_from(block.u32_le(0)?).unwrap_or(usize::MAX);
    let sum_at = HEADER.saturating_sub(4);
    if adler(block.slice(0, sum_at)?.bytes()) != block.u32_le(sum_at)? {
        return Ok(Err("the Adler-32 of the list of acquisition errors does not hold".to_owned()));
    }
    let pairs = block.slice(HEADER, count.saturating_mul(8))?;
    if adler(pairs.bytes()) != block.u32_le(HEADER.saturating_add(pairs.len()))? {
        return Ok(Err("the Adler-32 of the acquisition errors does not hold".to_owned()));
    }
    let size = u64::from(size);
    let (pairs, _) = pairs.bytes().as_chunks::<8>();
    let range = |pair: &[u8; 8]| {
        let pair = Block::new(pair, 0);
        let (first, count) = (u64::from(pair.u32_le(0)?), u64::from(pair.u32_le(4)?));
        let end = first.saturating_add(count);
        Ok(first.saturating_mul(size)..end.saturating_mul(size))
    };
    Ok(Ok(pairs.iter().map(range).collect::<Result<_, Truncated>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        bytes.resize(516, 0);
        bytes.extend(adler(&bytes).to_le_bytes());
        let pairs: Vec<u8> =
            pairs.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect();
        bytes.extend(&pairs);
        bytes.extend(adler(&pairs).to_le_bytes());
        bytes
    }

    #[test]
    fn pairs_become_ranges_of_bytes() {
        let list = list(&[(8, 2), (u32::MAX, u32::MAX)]);
        let ranges = parse(&list, 512).unwrap();
        assert_eq!(ranges, [4096..5120, 2_199_023_255_040..4_398_046_510_080]);
    }

    #[test]
    fn never_panics_on_a_cut_list_and_refuses_every_changed_bit() {
        let good = list(&[(8, 2), (100, 1)]);
        assert!((0..good.len()).all(|end| parse(&good[..end], 512).is_err()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(parse(&bad, 512).is_err(), "{at}");
        }
    }
}
