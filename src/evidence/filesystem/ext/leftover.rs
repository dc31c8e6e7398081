//! Free blocks in which a deleted object's map of blocks was kept.
//!
//! They lie between its data, where the object was written in one go, and are none of it: whoever
//! looks for the object's bytes has to pass over them. What such a block says is believed for
//! nothing else.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Direct/Indirect Block Addressing" and
//! "Extent Tree".

use crate::bytes::Block;

/// Begins each block of an extent tree.
const EXTENTS: u16 = 0xF30A;
/// Bytes of the head of such a block, and of an entry.
const ENTRY: usize = 12;

/// True where the bytes of block `number` can be such a map, in a volume of `blocks` blocks.
pub(super) fn is_map(number: u64, bytes: &[u8], blocks: u64) -> bool {
    is_extents(bytes) || is_numbers(number, bytes, blocks)
}

fn is_extents(bytes: &[u8]) -> bool {
    let block = Block::new(bytes, 0);
    let field = |at| block.u16_le(at).map(usize::from).ok();
    let room = bytes.len().saturating_sub(ENTRY).checked_div(ENTRY);
    block.u16_le(0) == Ok(EXTENTS)
        && field(2).zip(room).is_some_and(|(entries, room)| entries <= room)
        && field(4) == room
        && field(6).is_some_and(|depth| depth <= 5)
}

/// Numbers of blocks and nothing behind them. Data is written block behind block, so most numbers
/// follow each other; a map of maps begins with the block behind itself.
fn is_numbers(number: u64, bytes: &[u8], blocks: u64) -> bool {
    let (words, _) = bytes.as_chunks::<4>();
    let mut numbers = words.iter().map(|word| u64::from(u32::from_le_bytes(*word)));
    if bytes.starts_with(&[0; 4]) {
        return false;
    }
    let (mut count, mut following, mut last) = (0_u64, 0_u64, number);
    for next in numbers.by_ref().take_while(|next| *next != 0) {
        if next >= blocks {
            return false;
        }
        count = count.saturating_add(1);
        following = following.saturating_add(u64::from(Some(next) == last.checked_add(1)));
        last = next;
    }
    let most = following.saturating_mul(4) >= count.saturating_mul(3);
    let first = words.first().map(|word| u64::from(u32::from_le_bytes(*word)));
    let of_maps = first == number.checked_add(1);
    count > 0 && (of_maps || (most && count > 1)) && numbers.all(|next| next == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(1024, 0);
        bytes
    }

    #[test]
    fn maps_of_deleted_objects_are_told_from_data() {
        let blocks = 4000;
        assert!(is_map(99, &block(100..356), blocks), "a full one");
        assert!(is_map(99, &block((100..110).chain(300..330)), blocks), "in two parts");
        assert!(is_map(99, &block([100]), blocks), "a map of one map");
        assert!(is_map(99, &block([100, 357]), blocks), "a map of maps");
        assert!(!is_map(99, &block([]), blocks), "zeros");
        assert!(!is_map(99, &block([5]), blocks), "one number of any block");
        assert!(!is_map(99, &block(3900..4100), blocks), "numbers of blocks that are not there");
        assert!(!is_map(99, &block([100, 0, 101]), blocks), "something behind");
        assert!(!is_map(99, &[0x20; 1024], blocks), "text");
        let mut extents = block([]);
        extents[..8].copy_from_slice(&[0x0A, 0xF3, 3, 0, 84, 0, 0, 0]);
        assert!(is_map(99, &extents, blocks));
        extents[4] = 83;
        assert!(!is_map(99, &extents, blocks), "room for another number of entries");
    }
}
