//! An NTFS volume that is changed where its structures are, their checks put right afterwards: else
//! nearly every change would end at the check. No panic, every object within the volume and once,
//! every byte in one class, contents no longer than they say.
//!
//! An input is a byte that tells which volume is changed, and changes of 12 bytes each: which
//! structure (boot sector, record, index block), where in it, how, and a value. So a change of one
//! byte of an input is a change of one field, and nothing has to be found out about the rest.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use assay::bytes::ReadAt;
use assay::evidence::filesystem::ntfs::Ntfs;
use assay::evidence::filesystem::{ExtentStream, FileSystem as _, NodeContent};
use assay::item::{ObjectPath, Place, Stream as _};
use libfuzzer_sys::fuzz_target;

const SECTOR: usize = 512;
/// Bytes of a change, and how many are made.
const CHANGE: usize = 12;
const CHANGES: usize = 32;

/// Contents that are read.
const MOST: u64 = 64 << 10;

/// The volumes that are changed.
const VOLUMES: [&str; 2] = ["ntfs-tiny", "ntfs-index"];

/// A volume and its structures.
struct Base {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

/// A structure of a volume.
struct Part {
    at: usize,
    /// Its bytes, those that its check replaced put back.
    bytes: Vec<u8>,
    /// Where what it holds ends.
    used: usize,
    /// Where the table of its check is; none in the boot sector.
    table: Option<usize>,
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| VOLUMES.iter().map(|name| base(name)).collect())
}

fn base(name: &str) -> Base {
    let path = format!("{}/../data/images/{name}.raw.gz", env!("CARGO_MANIFEST_DIR"));
    let unpacked = std::process::Command::new("gzip").args(["-dc", &path]).output();
    let bytes = unpacked.expect("gzip is installed").stdout;
    let boot = Part { at: 0, bytes: bytes[..SECTOR].to_vec(), used: 80, table: None };
    let mut parts = vec![boot];
    for at in (0..bytes.len()).step_by(SECTOR) {
        let len = match &bytes[at..at + 4] {
            b"FILE" => 1024,
            b"INDX" => 4096,
            _ => continue,
        };
        let Some(part) = bytes.get(at..at + len) else { continue };
        let (mut part, table) = (part.to_vec(), word(&bytes, at + 4));
        for sector in 1..=len / SECTOR {
            part.copy_within(table + 2 * sector..table + 2 * sector + 2, sector * SECTOR - 2);
        }
        let used = if len == 1024 { word(&part, 24).clamp(64, len) } else { len };
        parts.push(Part { at, bytes: part, used, table: Some(table) });
    }
    Base { bytes, parts }
}

/// A volume with some structures changed.
struct Changed {
    base: &'static Base,
    parts: BTreeMap<usize, Vec<u8>>,
}

impl Changed {
    fn of(input: &[u8]) -> Self {
        let (which, changes) = input.split_first().unwrap_or((&0, &[]));
        let base = &bases()[usize::from(*which) % VOLUMES.len()];
        let mut parts = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for change in changes.chunks_exact(CHANGE).take(CHANGES) {
            let part = &base.parts[usize::from(change[0]) % base.parts.len()];
            let bytes: &mut Vec<u8> = parts.entry(part.at).or_insert_with(|| part.bytes.clone());
            // The last bytes of a structure are reached by a mark; most changes are to what it holds.
            let room = if change[3] & 0x80 == 0 { part.used } else { bytes.len() };
            let (at, len) = (word(change, 1) % room, 1 << (change[3] & 3));
            let to = at..(at + len).min(bytes.len());
            if change[3] & 0x40 == 0 {
                let value = &change[4..4 + to.len()];
                bytes[to].copy_from_slice(value);
            } else {
                let from = word(change, 4) % bytes.len();
                let len = word(change, 6).min(bytes.len() - from).min(bytes.len() - at);
                bytes.copy_within(from..from + len, at);
            }
            tables.insert(part.at, part.table);
        }
        for (at, bytes) in &mut parts {
            if let Some(Some(table)) = tables.get(at) {
                seal(bytes, *table);
            }
        }
        Self { base, parts }
    }
}

/// Makes the check of a structure hold.
fn seal(bytes: &mut [u8], table: usize) {
    let count = u16::try_from(bytes.len() / SECTOR + 1).unwrap();
    bytes[4..6].copy_from_slice(&u16::try_from(table).unwrap().to_le_bytes());
    bytes[6..8].copy_from_slice(&count.to_le_bytes());
    for sector in 1..usize::from(count) {
        bytes.copy_within(sector * SECTOR - 2..sector * SECTOR, table + 2 * sector);
        bytes.copy_within(table..table + 2, sector * SECTOR - 2);
    }
}

impl ReadAt for Changed {
    fn len(&self) -> u64 {
        u64::try_from(self.base.bytes.len()).unwrap()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = ReadAt::read_at(&self.base.bytes[..], at, buf)?;
        let Ok(at) = usize::try_from(at) else { return Ok(n) };
        for (start, bytes) in self.parts.range(at.saturating_sub(4096)..at + n) {
            let (from, to) = ((*start).max(at), (start + bytes.len()).min(at + n));
            if from < to {
                buf[from - at..to - at].copy_from_slice(&bytes[from - start..to - start]);
            }
        }
        Ok(n)
    }
}

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let volume: Arc<dyn ReadAt> = Arc::new(Changed::of(bytes));
    let len = volume.len();
    let Ok(ntfs) = Ntfs::open(Arc::clone(&volume)) else { return };
    let (mut paths, root) = (BTreeSet::new(), ObjectPath::evidence(1).given_inside("p1"));
    let listing = ntfs.list(&root, &AtomicBool::new(false), &mut |node| {
        assert!(paths.insert(node.path.text()), "two objects of one path");
        if let NodeContent::Extents(extents) = node.content {
            let sum = extents.iter().map(|extent| extent.len).sum();
            assert_eq!(node.meta.size, Some(sum));
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
    // Only a change behind a check that was put right gets so far.
    #[cfg(feature = "planted")]
    assert!(
        !listing.problems.iter().any(|problem| problem.detail.contains("does not list")),
        "planted: an index that lists less than the table"
    );
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

/// Writes first inputs where run.sh looks for them: each volume as it is, and with one change of
/// every structure.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let folder = std::path::Path::new(&folder);
    for which in 0..u8::try_from(VOLUMES.len()).unwrap() {
        let base = &bases()[usize::from(which)];
        let _ = std::fs::write(folder.join(format!("{which}-as-it-is")), [which]);
        for part in 0..u8::try_from(base.parts.len().min(256) - 1).unwrap() {
            let change = [which, part, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let _ = std::fs::write(folder.join(format!("{which}-{part}")), change);
        }
    }
}
