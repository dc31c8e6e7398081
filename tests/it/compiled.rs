//! Compiled sets: what goes in comes out, every look-up is right, every changed byte is refused.

use assay::digest::{Algorithm, Digest, Digests};
use assay::hashset::compiled::{Access, Builder, Built, CompiledSet, SetFacts, Source};
use assay::hashset::{
    Category, ListOptions, PerceptualEntry, SetCounts, SetEntry, SetError, SetKind, compiled_kind,
    load, open,
};
use assay::output::{Faults, OutputDir};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod hostile;
mod lists;
mod program;

/// Memory that most tests give the sorts: little, so that they spill.
const LITTLE: usize = 300_000;

fn pool(threads: usize) -> Arc<rayon::ThreadPool> {
    Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
}

fn facts() -> SetFacts {
    SetFacts {
        name: "test set".to_owned(),
        publisher: "unstated".to_owned(),
        version: "1".to_owned(),
        kind: SetKind::Alert,
        fast: false,
    }
}

fn source() -> Source {
    Source {
        file: "list.csv".to_owned(),
        sha256: "0f".repeat(32),
        format: "csv".to_owned(),
        name: "list".to_owned(),
        publisher: "unstated".to_owned(),
        version: "unstated".to_owned(),
        received_from: "unstated".to_owned(),
        received_at: "unstated".to_owned(),
        scheme: None,
        scheme_sha256: None,
        by_record: false,
        counts: SetCounts::default(),
    }
}

/// Builds a file of these entries, each on a line of its own, as lists of which the second begins
/// where the first ends.
fn build_lists(
    path: &Path,
    lists: &[&[SetEntry]],
    facts: SetFacts,
    (budget, threads): (usize, usize),
) -> Built {
    let out = OutputDir::of_file(path, Faults::default()).unwrap();
    let mut builder = Builder::new(&out, facts, budget, pool(threads)).unwrap();
    for entries in lists {
        for (line, entry) in (1..).zip(*entries) {
            builder.push(entry, line).unwrap();
        }
        builder.end_source(source());
    }
    let built = builder.finish(path.file_name().unwrap().to_str().unwrap()).unwrap();
    out.release().unwrap();
    built
}

fn build(path: &Path, entries: &[SetEntry]) -> Built {
    build_lists(path, &[entries], facts(), (LITTLE, 2))
}

fn compiled(entries: &[SetEntry]) -> CompiledSet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ahs");
    build(&path, entries);
    let set = CompiledSet::open(&path, Access::InMemory).unwrap();
    set.verify(&pool(2)).unwrap();
    set.audit().unwrap();
    set
}

fn entry(id: &str, digests: &[(Algorithm, &[u8])]) -> SetEntry {
    let mut all = Digests::default();
    for (algorithm, bytes) in digests {
        assert!(all.set(*algorithm, Digest::new(bytes).unwrap()));
    }
    SetEntry {
        id: id.into(),
        kind: SetKind::Alert,
        digests: all,
        perceptual: None,
        size: None,
        category: None,
        series: None,
        victim_identified: None,
    }
}

/// Numbers that no order can foresee: splitmix64.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.fill_with(|| self.word() as u8);
        bytes
    }
}

/// Entries with everything that an entry can have, in all mixtures.
fn mixed(count: usize) -> Vec<SetEntry> {
    let mut random = Random(7);
    let category = |code: &str, label: &str, kind| {
        let (scheme, code, label) = ("scheme".to_owned(), code.to_owned(), label.to_owned());
        Some(Arc::new(Category { scheme, code, label, kind }))
    };
    let categories = [
        None,
        category("1", "first", SetKind::Alert),
        category("2", "second", SetKind::Info),
        category("?", "", SetKind::Info),
    ];
    let mut entries = Vec::new();
    for n in 0..count {
        let choice = random.word();
        let has = |bit: u32| choice >> bit & 1 == 1;
        let mut one = entry(&format!("id \u{e9} {n}"), &[]);
        if has(0) {
            one.digests.set(Algorithm::Md5, Digest::new(&random.bytes::<16>()).unwrap());
        }
        if has(1) {
            one.digests.set(Algorithm::Sha1, Digest::new(&random.bytes::<20>()).unwrap());
        }
        for (bit, algorithm) in [(2, Algorithm::Sha256), (3, Algorithm::Blake3)] {
            if has(bit) {
                one.digests.set(algorithm, Digest::new(&random.bytes::<32>()).unwrap());
            }
        }
        if has(4) || one.digests == Digests::default() {
            let photodna: Vec<u8> = (0..144).map(|_| random.word() as u8).collect();
            one.perceptual = Some(Box::new(PerceptualEntry {
                pdq: has(5).then(|| random.bytes()),
                pdq_quality: has(6).then_some((choice >> 40) as u8 % 101),
                phash: has(7).then(|| random.word()),
                dhash: has(8).then(|| random.word()),
                ahash: Some(random.word()),
                photodna: has(9).then(|| photodna.into()),
            }));
        }
        one.size = has(10).then(|| random.word());
        one.series = has(11).then(|| format!("series {}", n % 5).into());
        one.victim_identified = [None, Some(true), Some(false)][n % 3];
        one.category = categories[n % 4].clone();
        one.kind = one.category.as_ref().map_or(SetKind::Alert, |category| category.kind);
        if has(12) {
            one.id = Box::default();
        }
        entries.push(one);
    }
    entries
}

/// The entry as it comes out: one without an identifier is called by its line.
fn named(entry: &SetEntry, line: usize) -> SetEntry {
    let mut entry = entry.clone();
    if entry.id.is_empty() {
        entry.id = format!("line:{line}").into();
    }
    entry
}

#[test]
fn every_entry_comes_out_as_it_went_in() {
    let entries = mixed(3_000);
    let set = compiled(&entries);
    assert_eq!(set.len() as usize, entries.len());
    for (n, want) in entries.iter().enumerate() {
        assert_eq!(set.entry(n as u32).unwrap(), named(want, n + 1), "{n}");
    }
    let hashes: Vec<_> = set.perceptual_entries().collect();
    let want: Vec<_> = (0..)
        .zip(&entries)
        .filter_map(|(n, entry)| Some((n, entry.kind, *entry.perceptual.clone()?)))
        .collect();
    assert!(!want.is_empty());
    assert_eq!(hashes, want);
    assert!(set.entry(set.len()).is_none());
}

/// Every digest of every entry gives the entries that a map gives, and no other digest gives any.
fn agrees_with_a_map(entries: &[SetEntry], absent: &[Digest], algorithm: Algorithm) {
    let set = compiled(entries);
    let mut map: HashMap<Digest, Vec<u32>> = HashMap::new();
    for (n, entry) in (0..).zip(entries) {
        map.entry(entry.digests.get(algorithm).unwrap()).or_default().push(n);
    }
    for (digest, want) in &map {
        assert_eq!(&set.find(algorithm, digest).collect::<Vec<_>>(), want);
    }
    for digest in absent.iter().filter(|digest| !map.contains_key(*digest)) {
        assert_eq!(set.find(algorithm, digest).count(), 0);
    }
}

#[test]
fn a_million_random_digests_are_found_and_no_others() {
    let mut random = Random(1);
    let digests: Vec<[u8; 16]> = (0..500_000).map(|_| random.bytes()).collect();
    let entries: Vec<_> =
        digests.iter().map(|digest| entry("", &[(Algorithm::Md5, digest)])).collect();
    // Absent ones that differ from present ones in the last bit alone, and others.
    let near = digests.iter().map(|digest| {
        let mut near = *digest;
        near[15] ^= 1;
        near
    });
    let absent: Vec<_> = near.chain((0..500_000).map(|_| random.bytes())).collect();
    let absent: Vec<_> = absent.iter().map(|bytes| Digest::new(bytes).unwrap()).collect();
    agrees_with_a_map(&entries, &absent, Algorithm::Md5);
}

#[test]
fn digests_that_share_their_leading_bits_are_found_and_no_others() {
    for (algorithm, width) in [(Algorithm::Md5, 16), (Algorithm::Sha1, 20), (Algorithm::Blake3, 32)]
    {
        // Few prefixes for many digests, the least and the greatest among them.
        for crowd in [3_u64, 200, 20_000] {
            let digest = |n: u64| {
                let prefix = match n % 4 {
                    0 => 0,
                    1 => u64::MAX,
                    2 => 0x0123_4567_89ab_cdef,
                    _ => n / crowd,
                };
                let mut bytes = prefix.to_be_bytes().to_vec();
                bytes.extend((n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
                bytes.resize(width, 0);
                bytes
            };
            let digests: Vec<_> = (1..4 * crowd).map(digest).collect();
            let entries: Vec<_> =
                digests.iter().map(|digest| entry("", &[(algorithm, digest)])).collect();
            let absent: Vec<_> = (1..4 * crowd)
                .map(|n| {
                    let mut bytes = digest(n);
                    bytes[width - 1] ^= 1;
                    Digest::new(&bytes).unwrap()
                })
                .collect();
            agrees_with_a_map(&entries, &absent, algorithm);
        }
    }
}

#[test]
fn a_crowded_list_is_spread_by_a_keyed_hash() {
    let digest = |n: u64| [7_u64.to_be_bytes(), n.to_be_bytes()].concat();
    let few: Vec<_> = (1..200).map(|n| entry("", &[(Algorithm::Md5, &digest(n))])).collect();
    assert_eq!(compiled(&few).tables()[0].key, None);
    let many: Vec<_> = (1..400).map(|n| entry("", &[(Algorithm::Md5, &digest(n))])).collect();
    let table = compiled(&many).tables()[0].clone();
    assert!(table.key.is_some() && table.displacement <= 256, "{table:?}");
}

#[test]
fn all_records_of_a_digest_stay() {
    let md5 = [5; 16];
    let mut entries: Vec<_> =
        (0..1_000).map(|n| entry(&format!("id{n}"), &[(Algorithm::Md5, &md5)])).collect();
    entries.push(entry("", &[(Algorithm::Md5, &[6; 16])]));
    let set = compiled(&entries);
    let found: Vec<_> = set.find(Algorithm::Md5, &Digest::new(&md5).unwrap()).collect();
    assert_eq!(found, (0..1_000).collect::<Vec<_>>());
    assert_eq!(set.tables()[0].digests, 2);
}

#[test]
fn equal_rows_become_one_entry_and_are_counted() {
    let digest = |n: u8| [n; 16];
    let one = |id: &str, n: u8| entry(id, &[(Algorithm::Md5, &digest(n))]);
    let sized = SetEntry { size: Some(1), ..one("", 1) };
    let first = [one("", 1), one("", 2), one("", 1), one("a", 1), one("b", 1), sized];
    let hash = PerceptualEntry { phash: Some(9), ..PerceptualEntry::NONE };
    let picture = SetEntry { perceptual: Some(Box::new(hash)), ..entry("", &[]) };
    let second = [one("", 2), picture.clone(), one("", 3), picture];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.ahs");
    let built = build_lists(&path, &[&first, &second], facts(), (LITTLE, 2));
    assert_eq!((built.counts.accepted, built.counts.duplicates), (7, 3));
    let set = CompiledSet::open(&path, Access::Mapped).unwrap();
    set.audit().unwrap();
    let ids: Vec<_> = (0..7).map(|n| set.entry(n).unwrap().id.to_string()).collect();
    let want = [
        "list:1:line:1",
        "list:1:line:2",
        "a",
        "b",
        "list:1:line:6",
        "list:2:line:2",
        "list:2:line:3",
    ];
    assert_eq!(ids, want);
}

#[test]
fn the_same_entries_give_the_same_file() {
    let entries = mixed(5_000);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, budget, threads, facts| {
        let path = folder.path().join(name);
        build_lists(&path, &[&entries], facts, (budget, threads));
        std::fs::read(path).unwrap()
    };
    let first = file("a.ahs", LITTLE, 1, facts());
    assert!(first == file("b.ahs", LITTLE, 8, facts()), "threads show");
    assert!(first == file("c.ahs", 64 << 20, 8, facts()), "memory shows");
    let fast = SetFacts { fast: true, ..facts() };
    assert!(first.len() < file("d.ahs", LITTLE, 1, fast).len());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "nothing but the files stays");
}

#[test]
fn a_set_is_used_as_what_it_was_built_for() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("set.csv"); // content decides, not the name
    build(&path, &mixed(10));
    assert_eq!(compiled_kind(&path).unwrap(), Some(SetKind::Alert));
    let kind = SetKind::Ignore;
    let mut options =
        ListOptions { path, kind, algorithm: None, scheme: None, accept_polarity: true };
    let error = open(&options, Access::Mapped, &pool(1)).unwrap_err();
    assert!(matches!(error, SetError::OtherKind { built: SetKind::Alert, .. }), "{error}");
    options.kind = SetKind::Alert;
    assert_eq!(open(&options, Access::Mapped, &pool(1)).unwrap().len(), 10);
    assert!(load(&options, &pool(1)).is_err(), "it is no list");
}
