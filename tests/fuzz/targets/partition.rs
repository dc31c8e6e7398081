//! Partition tables and what volumes begin with, from any bytes.
//!
//! The first byte chooses which of the check sums of a GUID table are made to hold again, so that
//! what lies behind them is reached; the rest is a disk.

#![no_main]

use std::sync::Arc;

use assay::evidence::partition::{Role, read};
use assay::evidence::recognise::recognise;
use libfuzzer_sys::fuzz_target;

fn number(disk: &[u8], at: usize) -> Option<usize> {
    let bytes = disk.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    (!crc).to_le_bytes()
}

/// Makes the check sums of the header at `at` hold, where its fields let them.
fn mend(disk: &mut [u8], at: usize, sector: usize) -> Option<()> {
    let array = number(disk, at + 72)?.checked_mul(sector)?;
    let size = number(disk, at + 80)?.checked_mul(number(disk, at + 84)?)?;
    let crc = crc32(disk.get(array..array.checked_add(size)?)?);
    disk.get_mut(at + 88..at + 92)?.copy_from_slice(&crc);
    disk.get_mut(at + 16..at + 20)?.fill(0);
    let size = number(disk, at + 12)?;
    let crc = crc32(disk.get(at..at.checked_add(size)?)?);
    disk.get_mut(at + 16..at + 20)?.copy_from_slice(&crc);
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, disk)) = bytes.split_first() else { return };
    let mut disk = disk.to_vec();
    let sector = if choice & 4 == 0 { 512 } else { 4096 };
    if choice & 1 == 1 {
        mend(&mut disk, sector, sector);
    }
    if let (2, Some(last)) = (choice & 2, disk.len().checked_sub(sector)) {
        mend(&mut disk, last, sector);
    }
    let len = disk.len() as u64;
    let disk: Arc<[u8]> = disk.into();
    let layout = read(&disk, sector as u32);
    let mut reached = 0;
    for part in &layout.parts {
        assert!(part.start <= reached && (part.role == Role::Volume || part.start == reached));
        reached = reached.max(part.start.checked_add(part.len).unwrap());
        // What `--features planted` adds, in every target: a claim that does not hold.
        #[cfg(feature = "planted")]
        assert!(part.name != "p5", "planted: a logical partition");
    }
    assert_eq!(reached, len);
    recognise(&disk, "");
});
