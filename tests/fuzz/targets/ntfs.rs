//! An NTFS volume whose records are any bytes, their check put right first: else nearly every
//! change would end at the check. No panic, every object within the volume and once, every byte in
//! one class, contents no longer than they say.
//!
//! An input is records of 1 KiB: the first 12 are those of the volume itself, the others lie where
//! the files of the base volume are. Everything else is as in the base volume.

#![no_main]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use assay::bytes::ReadAt;
use assay::evidence::filesystem::ntfs::Ntfs;
use assay::evidence::filesystem::{ExtentStream, FileSystem as _, NodeContent};
use assay::item::{ObjectPath, Place, Stream as _};
use libfuzzer_sys::fuzz_target;

const RECORD: usize = 1024;
const SECTOR: usize = 512;

/// Records of the volume itself at the start of an input, and where those of files begin.
const OWN: usize = 12;
const FILES: usize = 64;

/// Contents that are read.
const MOST: u64 = 64 << 10;

/// The base volume and where its table begins.
fn base() -> &'static (Vec<u8>, usize) {
    static BASE: OnceLock<(Vec<u8>, usize)> = OnceLock::new();
    BASE.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/images/ntfs-tiny.raw.gz");
        let unpacked = std::process::Command::new("gzip").args(["-dc", path]).output();
        let bytes = unpacked.expect("gzip is installed").stdout;
        let cluster =
            usize::from(u16::from_le_bytes([bytes[11], bytes[12]])) * usize::from(bytes[13]);
        let first = u64::from_le_bytes(bytes[48..56].try_into().unwrap());
        (bytes, usize::try_from(first).unwrap() * cluster)
    })
}

/// Where the record `n` of an input lies in the volume.
fn place(n: usize) -> usize {
    base().1 + if n < OWN { n } else { n - OWN + FILES } * RECORD
}

/// Makes the check of a record hold.
fn seal(record: &mut [u8]) {
    record[4..8].copy_from_slice(&[0x30, 0, 3, 0]);
    let number = [record[0x30], record[0x31]];
    for sector in 1..=RECORD / SECTOR {
        record.copy_within(sector * SECTOR - 2..sector * SECTOR, 0x30 + 2 * sector);
        record[sector * SECTOR - 2..sector * SECTOR].copy_from_slice(&number);
    }
}

/// Takes the check out of a record, for an input.
fn unseal(record: &mut [u8]) {
    let table = usize::from(u16::from_le_bytes([record[4], record[5]]));
    for sector in 1..=RECORD / SECTOR {
        record.copy_within(table + 2 * sector..table + 2 * sector + 2, sector * SECTOR - 2);
    }
}

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let mut volume = base().0.clone();
    for (n, record) in bytes.chunks_exact(RECORD).enumerate() {
        let at = place(n);
        let Some(room) = volume.get_mut(at..at + RECORD) else { break };
        room.copy_from_slice(record);
        if record.starts_with(b"FILE") {
            seal(room);
        }
    }
    let len = u64::try_from(volume.len()).unwrap();
    let volume: Arc<[u8]> = volume.into();
    let volume: Arc<dyn ReadAt> = Arc::new(volume);
    let Ok(ntfs) = Ntfs::open(Arc::clone(&volume)) else { return };
    let (mut paths, root) = (BTreeSet::new(), ObjectPath::evidence(1).given_inside("p1"));
    let listing = ntfs.list(&root, &AtomicBool::new(false), &mut |node| {
        assert!(paths.insert(node.path.text()), "two objects of one path");
        if let NodeContent::Extents(extents) = node.content {
            let sum = extents.iter().map(|extent| extent.len).sum();
            assert_eq!(node.meta.size, Some(sum));
            // What a compressed unit makes.
            #[cfg(feature = "planted")]
            assert!(
                !extents.iter().any(|e| matches!(e.place, Place::Lznt1 { .. })) || sum == 63_000,
                "planted: a compressed content of another length"
            );
            for extent in &extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at + extent.len <= len);
                }
            }
            if sum <= MOST {
                read(Arc::clone(&volume), extents, sum);
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), len, "{:?}", listing.bytes);
});

/// Bytes and what is missing sum to the size.
fn read(volume: Arc<dyn ReadAt>, extents: Vec<assay::item::Extent>, size: u64) {
    let mut stream = ExtentStream::new(volume, extents);
    let (mut buf, mut sum) = (vec![0; 4096], 0);
    loop {
        match stream.fill(&mut buf) {
            Ok(0) => break,
            Ok(n) => sum += u64::try_from(n).unwrap(),
            Err(problem) => sum += problem.length.unwrap(),
        }
    }
    assert_eq!(sum, size);
}

/// Writes the records of the base volume where run.sh looks for first inputs.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let mut input = Vec::new();
    for n in 0..OWN + 24 {
        let mut record = base().0[place(n)..place(n) + RECORD].to_vec();
        if record.starts_with(b"FILE") {
            unseal(&mut record);
        }
        input.extend(record);
    }
    let _ = std::fs::write(std::path::Path::new(&folder).join("ntfs-tiny"), input);
}
