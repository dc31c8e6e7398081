//! CRC-32C: reflected polynomial 0x82F63B78.
//!
//! Source: RFC 3720 appendix B.4.

use std::array;
use std::sync::LazyLock;

static CRC32C: LazyLock<[u32; 256]> = LazyLock::new(|| {
    array::from_fn(|index| {
        let start = u32::try_from(index).unwrap_or(0);
        (0..8).fold(start, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 })
    })
});

/// The state after these bytes; the first state is `!0` or a seed, and the inverse of the last is
/// the sum of formats that invert it.
pub(in crate::evidence) fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    let table = &*CRC32C;
    bytes.iter().fold(state, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        crc >> 8 ^ table.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_published_check_value() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(crc32c(!0, b"1234"), b"56789"), crc32c(!0, b"123456789"));
    }
}
