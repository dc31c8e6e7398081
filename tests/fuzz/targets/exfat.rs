//! exFAT volumes from any bytes.
//!
//! The first byte chooses what is put right, so that what lies behind it is reached: the fields
//! without which no volume is opened, and the check sums. The rest is a volume.

#![no_main]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::evidence::filesystem::exfat::Exfat;
use assay::evidence::filesystem::{FileSystem, NodeContent};
use assay::item::{ObjectPath, Place};
use libfuzzer_sys::fuzz_target;

const SECTOR: usize = 512;

fn put(volume: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = volume.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Fields of a boot sector that let a small volume be opened: FAT at sector 24, clusters at 28.
fn usual(volume: &mut [u8]) {
    let sectors = volume.len() / SECTOR;
    let clusters = u32::try_from(sectors.saturating_sub(28)).unwrap_or_default();
    put(volume, 3, b"EXFAT   ");
    put(volume, 72, &(sectors as u64).to_le_bytes());
    for (at, value) in [(80, 24), (84, 4), (88, 28), (92, clusters), (96, 4)] {
        put(volume, at, &value.to_le_bytes());
    }
    put(volume, 108, &[9, 0, 1]);
}

/// Makes the check sums of the boot region and of every set that looks like one hold.
fn mend(volume: &mut [u8]) {
    let mut sum = 0_u32;
    for (at, byte) in volume.iter().take(11 * SECTOR).enumerate() {
        if !matches!(at, 106 | 107 | 112) {
            sum = sum.rotate_right(1).wrapping_add(u32::from(*byte));
        }
    }
    for at in (11 * SECTOR..12 * SECTOR).step_by(4) {
        put(volume, at, &sum.to_le_bytes());
    }
    for at in (28 * SECTOR..volume.len()).step_by(32) {
        let count = volume.get(at + 1).map_or(0, |count| usize::from(*count) + 1);
        if volume.get(at).is_none_or(|kind| kind & 0x7F != 5) {
            continue;
        }
        let Some(set) = volume.get(at..at + count * 32) else { continue };
        let mut sum = 0_u16;
        for (number, byte) in set.iter().enumerate() {
            let byte = if number % 32 == 0 { byte | 0x80 } else { *byte };
            if !matches!(number, 2 | 3) {
                sum = sum.rotate_right(1).wrapping_add(u16::from(byte));
            }
        }
        put(volume, at + 2, &sum.to_le_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, volume)) = bytes.split_first() else { return };
    let mut volume = volume.to_vec();
    if choice & 1 == 1 {
        usual(&mut volume);
    }
    if choice & 2 == 2 {
        mend(&mut volume);
    }
    let len = volume.len() as u64;
    let volume: Arc<[u8]> = volume.into();
    let Ok(fs) = Exfat::open(Arc::new(volume)) else { return };
    let root = ObjectPath::evidence(1).given_inside("p0");
    let listing = fs.list(&root, &AtomicBool::new(false), &mut |node| {
        // What `--features planted` adds, in every target: a claim that does not hold.
        #[cfg(feature = "planted")]
        assert!(!node.meta.attributes.starts_with('r'), "planted: a read-only object");
        if let NodeContent::Extents(extents) = &node.content {
            let sum = extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.len));
            assert_eq!(sum, node.meta.size);
            for extent in extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at + extent.len <= len);
                }
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), len);
});
