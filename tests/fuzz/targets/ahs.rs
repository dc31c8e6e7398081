//! A compiled set, edited: the frame's digests are put right after each change, so that what lies
//! behind them is reached.
//!
//! Whatever opens is looked up in, read and audited without a panic; every entry that it gives is
//! one that its own tables lead to, or the audit says so.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use assay::digest::{Algorithm, Digest, Digests};
use assay::hashset::compiled::{Builder, CompiledSet, SetFacts, Source};
use assay::hashset::{Category, PerceptualEntry, SetCounts, SetEntry, SetKind};
use assay::output::{Faults, OutputDir};
use libfuzzer_sys::fuzz_target;

/// Bytes before the directory, of one section in it, of a BLAKE3.
const FIXED: usize = 32;
const ENTRY: usize = 64;
const ROOT: usize = 32;

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let raw = CompiledSet::from_bytes(bytes.to_vec());
    // What is as its maker left it opens as it is.
    if raw.is_err() {
        let mut file = bytes.to_vec();
        if seal(&mut file).is_some() {
            look(CompiledSet::from_bytes(file));
        }
    }
    look(raw);
});

/// Writes good files where run.sh looks for first inputs: a plain list, one whose digests crowd, and
/// one with everything that an entry can have.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let md5 = |bytes: [u8; 16]| {
        let mut entry = empty();
        entry.digests.set(Algorithm::Md5, Digest::new(&bytes).unwrap());
        entry
    };
    let plain = |n: u8| md5(std::array::from_fn(|at| n.wrapping_mul(37).wrapping_add(at as u8 * n)));
    let crowded = |n: u64| {
        let mut bytes = [7; 16];
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        md5(bytes)
    };
    let rich = |n: u8| {
        let mut entry = plain(n / 2);
        entry.id = if n == 1 { Box::default() } else { format!("id {n}").into() };
        for algorithm in Algorithm::ALL.iter().skip(1) {
            entry.digests.set(*algorithm, Digest::new(&vec![n + 1; algorithm.width()]).unwrap());
        }
        entry.perceptual = Some(Box::new(PerceptualEntry {
            pdq: Some([n; 32]),
            pdq_quality: Some(90),
            phash: Some(1),
            dhash: None,
            ahash: Some(3),
            photodna: (n == 2).then(|| vec![n; 144].into()),
        }));
        let (scheme, code, label) = ("s".to_owned(), "1".to_owned(), "l".to_owned());
        entry.category = Some(Arc::new(Category { scheme, code, label, kind: SetKind::Alert }));
        entry.size = Some(u64::from(n));
        entry.series = Some("one".into());
        entry.victim_identified = Some(true);
        entry
    };
    write(Path::new(&folder), "plain.ahs", (0..7).map(plain).collect());
    write(Path::new(&folder), "crowded.ahs", (0..300).map(crowded).collect());
    write(Path::new(&folder), "rich.ahs", (0..4).map(rich).collect());
}

fn empty() -> SetEntry {
    SetEntry {
        id: Box::default(),
        kind: SetKind::Alert,
        digests: Digests::default(),
        perceptual: None,
        size: None,
        category: None,
        series: None,
        victim_identified: None,
    }
}

fn write(folder: &Path, name: &str, entries: Vec<SetEntry>) {
    let text = || "seed".to_owned();
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    let kind = SetKind::Alert;
    let facts = SetFacts { name: text(), publisher: text(), version: text(), kind, fast: false };
    let out = OutputDir::of_file(&folder.join(name), Faults::default()).unwrap();
    let mut builder = Builder::new(&out, facts, 1 << 20, pool).unwrap();
    for (line, entry) in (1..).zip(&entries) {
        builder.push(entry, line).unwrap();
    }
    builder.end_source(Source {
        file: text(),
        sha256: text(),
        format: text(),
        name: text(),
        publisher: text(),
        version: text(),
        received_from: text(),
        received_at: text(),
        scheme: None,
        scheme_sha256: None,
        by_record: false,
        counts: SetCounts::default(),
    });
    builder.finish(name).unwrap();
    out.release().unwrap();
}

fn look<E>(set: Result<CompiledSet, E>) {
    let Ok(set) = set else { return };
    let sound = set.audit().is_ok();
    for number in (0..set.len().min(2_000)).chain([set.len(), u32::MAX]) {
        let entry = set.entry(number);
        assert!(entry.is_none() || number < set.len());
        let Some(entry) = entry else { continue };
        for algorithm in Algorithm::ALL {
            let Some(digest) = entry.digests.get(*algorithm) else { continue };
            let found = set.find(*algorithm, &digest).take(1 << 20).any(|found| found == number);
            // What `--features planted` adds, in every target: a claim that does not hold.
            #[cfg(feature = "planted")]
            assert!(found, "planted: a table that was edited leads to every entry");
            assert!(found || !sound, "an audit passed over an entry that is not found");
        }
    }
    for algorithm in Algorithm::ALL {
        for byte in [0, 7, 0x80, 0xff] {
            let digest = Digest::new(&vec![byte; algorithm.width()]).unwrap();
            let found = set.find(*algorithm, &digest).take(1 << 20);
            assert!(found.count() <= 1 << 20);
        }
    }
    let hashes = set.perceptual_entries().count();
    assert!(hashes as u64 <= set.file_len());
    let _ = (set.info(), set.sources().len(), set.root());
}

/// Makes the frame of a file hold: length, end, layout, digests of sections and header. The bytes
/// of the sections stay; where they do not reach, there are zeros.
fn seal(file: &mut Vec<u8>) -> Option<()> {
    let count = u32_at(file, 24)?;
    if count > 64 {
        return None;
    }
    let count = count as usize;
    let header = FIXED + count * ENTRY + ROOT;
    file.get(..header)?;
    let old = file.clone();
    let mut at = header.next_multiple_of(64);
    let mut parts = Vec::new();
    for n in 0..count {
        let entry = FIXED + n * ENTRY;
        let from = u64_at(file, entry + 8)? as usize;
        let len = u64_at(file, entry + 16)? as usize;
        if len > old.len() {
            return None;
        }
        let end = from.checked_add(len)?;
        let part = old.get(from.min(old.len())..end.min(old.len()))?;
        let mut part = part.to_vec();
        part.resize(len, 0);
        file[entry + 8..entry + 16].copy_from_slice(&(at as u64).to_le_bytes());
        file[entry + 32..entry + 64].copy_from_slice(blake3::hash(&part).as_bytes());
        parts.push((at, part));
        at = (at + len).next_multiple_of(64);
    }
    let total = at + 16;
    file[..8].copy_from_slice(b"\x89AHS\r\n\x1a\n");
    file[8..12].copy_from_slice(&1_u32.to_le_bytes());
    file[12..16].copy_from_slice(&(header as u32).to_le_bytes());
    file[16..24].copy_from_slice(&(total as u64).to_le_bytes());
    file[28..32].fill(0);
    let root = *blake3::hash(&file[..header - ROOT]).as_bytes();
    file[header - ROOT..header].copy_from_slice(&root);
    file.truncate(header);
    file.resize(total, 0);
    for (at, part) in parts {
        file[at..at + part.len()].copy_from_slice(&part);
    }
    file[total - 16..total - 8].copy_from_slice(&(total as u64).to_le_bytes());
    file[total - 8..].copy_from_slice(b"\n\x1a\n\rSHA\x89");
    Some(())
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(file.get(at..)?.get(..8)?.try_into().ok()?))
}
