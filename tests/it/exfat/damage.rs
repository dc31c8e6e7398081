//! Damaged and hostile exFAT volumes: listing ends, sums hold, nothing is made up.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::evidence::filesystem::{FileSystem, NodeContent};

use crate::exfat::*;

/// Lists a volume of any kind: it ends, classes sum, extents sum and lie in the volume.
fn survives(volume: &Arc<Vec<u8>>, len: usize) {
    struct Cut(Arc<Vec<u8>>, usize);
    impl ReadAt for Cut {
        fn len(&self) -> u64 {
            self.1 as u64
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0[..self.1].read_at(at, buf)
        }
    }
    let Ok(fs) = Exfat::open(Arc::new(Cut(Arc::clone(volume), len))) else { return };
    let (nodes, listing) = listed(&fs);
    assert_eq!(listing.bytes.total(), len as u64, "{listing:?}");
    let mut paths = BTreeSet::new();
    for node in &nodes {
        assert!(paths.insert(node.path.text()), "{}", node.path.text());
        let NodeContent::Extents(extents) = &node.content else { continue };
        let sum = extents.iter().fold(0_u64, |sum, extent| sum.checked_add(extent.len).unwrap());
        assert_eq!(Some(sum), node.meta.size);
        for extent in extents {
            if let Place::Disk(at) = extent.place {
                assert!(at + extent.len <= len as u64, "{extent:?}");
            }
        }
    }
}

#[test]
fn every_prefix_is_listed_or_refused() {
    let volume = Arc::new(golden("exfat-full.raw.gz"));
    for len in (0..1024).chain((1024..volume.len()).step_by(512)).chain([volume.len()]) {
        survives(&volume, len);
    }
}

#[test]
fn ten_thousand_mutations_of_structures_neither_panic_nor_hang() {
    let good = golden("exfat-full.raw.gz");
    let heap = word(&good, 88) * 512;
    let root = places(&good, word(&good, 96)).0;
    let (nodes, _) = list(&good);
    let end = dirent(nodes.last().unwrap()) + 128;
    let fat = word(&good, 80) * 512;
    let mut random = Random(17);
    let mut volume = Arc::new(good.clone());
    for round in 0..10_000 {
        let mut places = Vec::new();
        for _ in 0..1 + random.below(8) {
            places.push(match random.below(8) {
                0 => 64 + random.below(64),
                1 => fat + random.below(400),
                2 => heap + random.below(4096),
                _ => root + random.below(end - root),
            });
        }
        let bytes = Arc::make_mut(&mut volume);
        for &at in &places {
            bytes[at] = random.byte();
        }
        if round % 2 == 0 {
            mend_boot(bytes);
            for at in (root..end).step_by(32) {
                if bytes[at] & 0x7F == 5 {
                    mend_set(bytes, at);
                }
            }
        }
        survives(&volume, good.len());
        let bytes = Arc::make_mut(&mut volume);
        put(bytes, 0, &good[..24 * 512]);
        put(bytes, root, &good[root..end]);
        places.iter().for_each(|&at| bytes[at] = good[at]);
    }
    assert_eq!(*volume, good);
}

#[test]
fn ten_thousand_folders_in_each_other_are_no_recursion() {
    // Each cluster is a folder with one set, which is the folder in the next cluster.
    let count = 10_000_usize;
    let mut volume = vec![0; 64 * 512 + 48 * 1024 + (count + 20) * 512];
    let (fat, heap) = (64, 64 + 96);
    put(&mut volume, 0, &[0xEB, 0x76, 0x90]);
    put(&mut volume, 3, b"EXFAT   ");
    let sectors = volume.len() as u64 / 512;
    put(&mut volume, 72, &sectors.to_le_bytes());
    for (at, value) in [(80, fat), (84, 96), (88, heap), (92, count as u32 + 20), (96, 2)] {
        put(&mut volume, at, &value.to_le_bytes());
    }
    put(&mut volume, 108, &[9, 0, 1]);
    put(&mut volume, 510, &[0x55, 0xAA]);
    for folder in 0..count {
        let at = heap as usize * 512 + folder * 512;
        put(&mut volume, at, &[0x85, 2, 0, 0, 0x10]);
        put(&mut volume, at + 32, &[0xC0, 3, 0, 1]);
        put(&mut volume, at + 52, &(folder as u32 + 3).to_le_bytes());
        put(&mut volume, at + 56, &512_u64.to_le_bytes());
        put(&mut volume, at + 64, &[0xC1, 0, b'd']);
        mend_set(&mut volume, at);
    }
    put(&mut volume, fat as usize * 512 + 8, &[0xFF; 4]);
    let (nodes, listing) = list(&volume);
    assert_eq!((nodes.len(), listing.directories), (0, count as u64 + 1));
}

#[test]
fn objects_that_all_claim_everything_do_not_keep_it_busy() {
    // 16,000 deleted files of the whole volume, half of whose clusters are in use one by one.
    let count = 16_000_usize;
    let (fat, heap, clusters) = (64_u32, 640_u32, 60_000_u32);
    let mut volume = vec![0; (heap as usize + clusters as usize) * 512];
    put(&mut volume, 3, b"EXFAT   ");
    let sectors = volume.len() as u64 / 512;
    put(&mut volume, 72, &sectors.to_le_bytes());
    for (at, value) in [(80, fat), (84, 512), (88, heap), (92, clusters), (96, 20)] {
        put(&mut volume, at, &value.to_le_bytes());
    }
    put(&mut volume, 108, &[9, 0, 1]);
    for cluster in 2..count as u32 / 5 {
        let link = if cluster == 19 { u32::MAX } else { cluster + 1 };
        put(&mut volume, fat as usize * 512 + cluster as usize * 4, &link.to_le_bytes());
    }
    put(&mut volume, heap as usize * 512, &[0x55; 60_000 / 8]);
    let root = (heap as usize + 18) * 512;
    put(&mut volume, root, &[0x81]);
    put(&mut volume, root + 20, &2_u32.to_le_bytes());
    put(&mut volume, root + 24, &7500_u64.to_le_bytes());
    for number in 0..count {
        let at = root + 32 + number * 96;
        put(&mut volume, at, &[0x05, 2, 0, 0, 0x20]);
        put(&mut volume, at + 32, &[0x40, 3, 0, 1]);
        put(&mut volume, at + 40, &25_000_000_u64.to_le_bytes());
        put(&mut volume, at + 52, &5000_u32.to_le_bytes());
        put(&mut volume, at + 56, &25_000_000_u64.to_le_bytes());
        put(&mut volume, at + 64, &[0x41, 0, b'x']);
    }
    let fs = open(&volume).unwrap();
    let (mut rows, mut limited) = (0, 0);
    let begun = std::time::Instant::now();
    let root = ObjectPath::evidence(1).given_inside("p0");
    let listing = fs.list(&root, &AtomicBool::new(false), &mut |node| {
        rows += 1;
        let NodeContent::Extents(extents) = node.content else { panic!() };
        let limit = |extent: &Extent| matches!(extent.place, Place::Missing(Code::LimitReached, _));
        limited += usize::from(extents.iter().any(limit));
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), volume.len() as u64);
    assert!(rows == count && limited > 1_000, "{limited} of {rows}");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
