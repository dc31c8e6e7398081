//! The two check sums of ext structures.
//!
//! CRC-32C (reflected polynomial 0x82F63B78, no final inversion) of everything under
//! `metadata_csum` and in the journal; CRC-16 (reflected 0xA001) of group descriptors under
//! `uninit_bg`. Both are continued from one run of bytes to the next by their state.
//!
//! Source: Linux kernel documentation, filesystems/ext4, "Checksums"; RFC 3720 appendix B.4.

pub(super) use crate::evidence::crc32c::crc32c;

/// The state after these bytes; the first state is `!0`.
pub(super) fn crc16(state: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(state, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_agree_with_published_check_values() {
        // "123456789": CRC-32C 0xE3069283 (RFC 3720), CRC-16/MODBUS 0x4B37.
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc16(!0, b"123456789"), 0x4B37);
    }
}
