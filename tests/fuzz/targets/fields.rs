//! Changes of numbers in headers, for targets whose structures any change of single bytes breaks: to
//! zero, to a power of two, to whole clusters, by one, or to anything.

/// First byte and bytes of a big-endian number.
pub type Field = (usize, usize);

/// Changes one to three of the fields; what lies past the end of the input stays away.
pub fn change(input: &mut [u8], fields: &[Field], seed: u32) {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % end.max(1)
    };
    for _ in 0..=below(3) {
        let Some((at, len)) = fields.get(below(fields.len() as u64) as usize).copied() else { return };
        let Some(bytes) = input.get_mut(at..at + len) else { continue };
        let old = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let new = match below(7) {
            0 => 0,
            1 => 1 << below(8 * len as u64),
            2 => below(32),
            3 => old.wrapping_add(1),
            4 => old.wrapping_sub(1),
            5 => below(16) << 16,
            _ => below(u64::MAX),
        };
        bytes.copy_from_slice(&new.to_be_bytes()[8 - len..]);
    }
}
