//! Near look-up against brute force: a loop over bits that shares nothing with the kernels.

use assay::digest::Digests;
use assay::hashset::{PerceptualEntry, ReferenceSet, SetCounts, SetEntry, SetInfo, SetKind};
use assay::matching::kernels::{Close, Hashes, Kernel, within};
use assay::matching::{
    Disposition, Finding, MatchKind, NearAlgorithm, NearFacts, NearIndex, NearOptions,
    ObjectHashes, PdqNeighbours, Search, combine,
};
use assay::perceptual::{Hash64, PdqHash, PdqQuality, Transform};
use proptest::prelude::*;

/// Bit by bit.
fn differing_bits(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    let bits =
        (0..256).filter(|bit| (a[bit / 8] >> (bit % 8)) & 1 != (b[bit / 8] >> (bit % 8)) & 1);
    u32::try_from(bits.count()).unwrap()
}

fn brute_force(entries: &[[u8; 32]], queries: &[[u8; 32]], radius: u32) -> Vec<Close> {
    let mut all = Vec::new();
    for (query, asked) in queries.iter().enumerate() {
        for (entry, have) in entries.iter().enumerate() {
            let distance = differing_bits(asked, have);
            if distance <= radius {
                all.push(Close { query, entry, distance });
            }
        }
    }
    all
}

/// Kernels that this machine can run; says so of the others.
fn kernels() -> Vec<Kernel> {
    let (here, other): (Vec<Kernel>, Vec<Kernel>) =
        Kernel::ALL.iter().partition(|kernel| kernel.runs_here());
    for kernel in other {
        println!("not run: this machine has no {kernel}");
    }
    here
}

fn every_kernel_agrees(entries: &[[u8; 32]], queries: &[[u8; 32]], radius: u32) {
    let mut want = brute_force(entries, queries, radius);
    want.sort_unstable();
    let of =
        |bytes: &[[u8; 32]]| bytes.iter().copied().map(PdqHash::from_bytes).collect::<Vec<_>>();
    let hashes = Hashes::new(&of(entries));
    let mut orders = Vec::new();
    for kernel in kernels() {
        let mut got = Vec::new();
        within(kernel, &hashes, &of(queries), radius, &mut |close| got.push(close));
        orders.push(got.clone());
        got.sort_unstable();
        assert_eq!(got, want, "{kernel}, radius {radius}");
    }
    assert!(orders.windows(2).all(|two| two[0] == two[1]), "the order is the kernel's");
}

const RADII: [u32; 7] = [0, 1, 31, 32, 64, 255, 256];

/// `count` hashes that are `base` with the given number of bits, or fewer, turned over.
fn near(base: [u8; 32], count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<[u8; 32]>> {
    let one = prop::collection::vec(0..256_usize, 0..40).prop_map(move |bits| {
        let mut hash = base;
        bits.into_iter().for_each(|bit| hash[bit / 8] ^= 1 << (bit % 8));
        hash
    });
    prop::collection::vec(one, count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_hashes(
        entries in prop::collection::vec(any::<[u8; 32]>(), 0..100),
        queries in prop::collection::vec(any::<[u8; 32]>(), 0..100),
    ) {
        RADII.iter().for_each(|radius| every_kernel_agrees(&entries, &queries, *radius));
    }

    #[test]
    fn hashes_around_one_value(
        (entries, queries) in any::<[u8; 32]>().prop_flat_map(|base| (near(base, 0..100), near(base, 0..70))),
    ) {
        RADII.iter().for_each(|radius| every_kernel_agrees(&entries, &queries, *radius));
    }
}

#[test]
fn equal_and_opposite_hashes() {
    for (entries, queries) in [(0_u8, 0_u8), (255, 255), (0, 255), (0x55, 0xaa)] {
        for count in [0, 1, 7, 8, 9, 64, 65] {
            let (entries, queries) = (vec![[entries; 32]; count], vec![[queries; 32]; 5]);
            RADII.iter().for_each(|radius| every_kernel_agrees(&entries, &queries, *radius));
        }
    }
}

/// All differing bits where the sieve looks, none there, or spread so that they fall together.
#[test]
fn hashes_made_to_slip_through_the_sieve() {
    let mut entries = Vec::new();
    for from in 0..32 {
        for bytes in 1..=4 {
            let mut hash = [0; 32];
            for at in 0..bytes {
                hash[(from + at * 8) % 32] = 255;
                entries.push(hash);
                let mut one_less = hash;
                one_less[(from + at * 8) % 32] = 254;
                entries.push(one_less);
            }
        }
    }
    RADII.iter().for_each(|radius| every_kernel_agrees(&entries, &[[0; 32]; 3], *radius));
}

/// More than one tile of entries and more than one group of queries.
#[test]
fn places_are_right_past_the_first_tile() {
    let hash = |n: u64| PdqHash([n.wrapping_mul(0x9e37_79b9_7f4a_7c15), !n, n << 32, n ^ (n << 7)]);
    let entries: Vec<_> = (0..20_011).map(hash).collect();
    let places: Vec<usize> = (0..150).map(|n| n * 133 % 20_011).collect();
    let queries: Vec<_> = places.iter().map(|place| entries[*place]).collect();
    for kernel in kernels() {
        let mut got = Vec::new();
        within(kernel, &Hashes::new(&entries), &queries, 0, &mut |close| {
            got.push((close.query, close.entry, close.distance));
        });
        got.sort_unstable();
        let want: Vec<_> = places.iter().enumerate().map(|(query, at)| (query, *at, 0)).collect();
        assert_eq!(got, want, "{kernel}");
    }
}

/// What the index gives, in order, against counting bit by bit.
fn the_index_agrees(entries: &[[u8; 32]], queries: &[[u8; 32]], radius: u32) {
    let mut want = brute_force(entries, queries, radius);
    want.sort_unstable();
    let of =
        |bytes: &[[u8; 32]]| bytes.iter().copied().map(PdqHash::from_bytes).collect::<Vec<_>>();
    for kernel in kernels() {
        let options = NearOptions { near_bits: radius, kernel, search: Search::Index, ..OPTIONS };
        let index = PdqNeighbours::new(of(entries), &options);
        assert_eq!(index.search(), Search::Index);
        let mut got = Vec::new();
        index.within(&of(queries), &mut |close| got.push(close));
        got.sort_unstable();
        got.dedup();
        assert_eq!(got, want, "{kernel}, radius {radius}");
    }
}

/// Radii around those at which the reach of a piece grows.
const INDEX_RADII: [u32; 12] = [0, 1, 7, 8, 15, 16, 23, 30, 31, 32, 40, 256];

/// `from` with exactly `bits` bits turned over, beginning at `first`, `step` bits apart.
fn turned(from: [u8; 32], bits: usize, first: usize, step: usize) -> [u8; 32] {
    let mut hash = from;
    for bit in (0..bits).map(|n| (first + n * step) % 256) {
        hash[bit / 8] ^= 1 << (bit % 8);
    }
    hash
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Neighbours at every distance, their bits together, spread evenly or in between; among
    /// others, so that no list is small enough to be compared whole.
    #[test]
    fn the_index_finds_neighbours_at_every_distance(
        base in any::<[u8; 32]>(),
        first in 0..256_usize,
        step in prop::sample::select(vec![1_usize, 3, 15, 17, 33, 65, 127]),
        others in prop::collection::vec(any::<[u8; 32]>(), 600),
        query in near([0; 32], 1..2),
    ) {
        let mut entries: Vec<_> = (0..=42).map(|bits| turned(base, bits, first, step)).collect();
        entries.extend_from_within(20..30);
        entries.extend(others);
        let queries = [base, turned(base, 9, first, step), query[0], entries[100]];
        INDEX_RADII.iter().for_each(|radius| the_index_agrees(&entries, &queries, *radius));
    }

    /// Bits of real hashes depend on each other: here every entry is near one of few values.
    #[test]
    fn the_index_finds_what_lies_close_together(
        (entries, queries) in any::<[u8; 32]>()
            .prop_flat_map(|base| (near(base, 300..400), near(base, 1..6))),
    ) {
        INDEX_RADII.iter().for_each(|radius| the_index_agrees(&entries, &queries, *radius));
    }
}

/// Lists that make single runs of the index as long as the list.
#[test]
fn the_index_is_complete_where_all_entries_share_a_piece() {
    let mut state = 1_u64;
    let mut byte = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    for shared in [2, 4, 16, 30, 32] {
        let entries: Vec<[u8; 32]> = (0..2000)
            .map(|_| std::array::from_fn(|at| if at < shared { 0xa5 } else { byte() }))
            .collect();
        let near = turned(entries[1000], 31, 3, 8);
        let queries = [entries[0], near, [0xa5; 32], [0; 32]];
        [31, 47].iter().for_each(|radius| the_index_agrees(&entries, &queries, *radius));
    }
}

fn entry(id: &str, kind: SetKind, perceptual: PerceptualEntry) -> SetEntry {
    SetEntry {
        id: id.into(),
        kind,
        digests: Digests::default(),
        perceptual: Some(Box::new(perceptual)),
        size: None,
        category: None,
        series: None,
        victim_identified: None,
    }
}

fn set(kind: SetKind, entries: Vec<SetEntry>) -> ReferenceSet {
    let text = String::new;
    ReferenceSet {
        info: SetInfo {
            name: kind.to_string(),
            publisher: text(),
            version: text(),
            received_from: text(),
            received_at: text(),
            kind,
            scheme: None,
            scheme_sha256: None,
            path: text(),
            format: text(),
            sha256: text(),
        },
        entries,
        counts: SetCounts::default(),
        compiled: None,
    }
}

fn pdq(hash: PdqHash, quality: Option<u8>) -> PerceptualEntry {
    PerceptualEntry { pdq: Some(hash.to_bytes()), pdq_quality: quality, ..PerceptualEntry::NONE }
}

/// Forms that are far from each other and from 0.
fn forms(seed: u64) -> [PdqHash; 8] {
    std::array::from_fn(|form| {
        let form = u64::try_from(form).unwrap();
        let word = |n: u64| {
            let mixed = (seed * 64 + form * 8 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        PdqHash([word(0), word(1), word(2), word(3)])
    })
}

fn object() -> ObjectHashes {
    ObjectHashes {
        pdq: forms(1),
        pdq_nn512: forms(2),
        quality: PdqQuality(80),
        phash: Some(Hash64(0xffff_0000_ffff_0000)),
        dhash: Some(Hash64(0)),
        ahash: Some(Hash64(u64::MAX)),
    }
}

/// Turns over the lowest `bits` of the first word.
fn off(hash: PdqHash, bits: u32) -> PdqHash {
    let [first, rest @ ..] = hash.0;
    let [a, b, c] = rest;
    PdqHash([first ^ ((1_u64 << bits) - 1), a, b, c])
}

const OPTIONS: NearOptions = NearOptions {
    near_bits: 31,
    phash_bits: Some(4),
    dhash_bits: Some(4),
    ahash_bits: None,
    kernel: Kernel::Portable,
    search: Search::Fastest,
};

fn told(findings: &[Finding]) -> Vec<(String, NearFacts)> {
    findings.iter().map(|finding| (finding.entry_id.clone(), finding.near.unwrap())).collect()
}

#[test]
fn the_nearest_form_is_told_and_ties_go_to_the_first() {
    let object = object();
    let sets = [set(
        SetKind::Alert,
        vec![
            entry("rotated", SetKind::Alert, pdq(off(object.pdq[1], 31), Some(50))),
            entry("reduced", SetKind::Alert, pdq(off(object.pdq_nn512[4], 3), None)),
            entry("too far", SetKind::Alert, pdq(off(object.pdq[0], 32), None)),
        ],
    )];
    let index = NearIndex::build(&sets, OPTIONS).unwrap();
    let findings = index.look_up(&object);
    let facts = |algorithm, distance, transform, quality_entry| NearFacts {
        algorithm,
        distance,
        threshold: 31,
        transform,
        quality_object: 80,
        quality_entry,
    };
    let want = [
        ("rotated".to_owned(), facts(NearAlgorithm::Pdq, 31, Transform::Rotate90, Some(50))),
        ("reduced".to_owned(), facts(NearAlgorithm::PdqNn512, 3, Transform::FlipX, None)),
    ];
    assert_eq!(told(&findings), want);
    assert_eq!(findings[0].object_value, object.pdq[1].to_string());
    assert_eq!(findings[1].object_value, object.pdq_nn512[4].to_string());
    assert_eq!(findings[1].algorithm, "pdq_nn512");
    assert_eq!(Disposition::of(&findings), Disposition::Near);

    let mut same = object;
    same.pdq = [object.pdq[0]; 8];
    same.pdq_nn512 = [off(object.pdq[0], 8); 8];
    let middle = off(object.pdq[0], 4);
    let sets = [set(SetKind::Info, vec![entry("tie", SetKind::Info, pdq(middle, None))])];
    let findings = NearIndex::build(&sets, OPTIONS).unwrap().look_up(&same);
    let want = facts(NearAlgorithm::Pdq, 4, Transform::Identity, None);
    assert_eq!(told(&findings), [("tie".to_owned(), want)]);
    assert_eq!(Disposition::of(&findings), Disposition::Info);
}

#[test]
fn flat_pictures_and_ignore_entries_are_near_nothing() {
    let mut object = object();
    let hash = object.pdq[0];
    let sets = [
        set(SetKind::Ignore, vec![entry("ignore", SetKind::Ignore, pdq(hash, None))]),
        set(
            SetKind::Alert,
            vec![
                entry("flat", SetKind::Alert, pdq(hash, Some(49))),
                entry("good", SetKind::Alert, pdq(hash, Some(50))),
                entry("not said", SetKind::Alert, pdq(hash, None)),
            ],
        ),
    ];
    let index = NearIndex::build(&sets, OPTIONS).unwrap();
    let ids: Vec<_> = told(&index.look_up(&object)).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["good", "not said"]);
    let counts: Vec<_> = index.counts().iter().map(|count| (count.compared, count.flat)).collect();
    assert_eq!(counts, [(0, 0), (2, 1)]);
    object.quality = PdqQuality(49);
    assert_eq!(index.look_up(&object), []);
}

#[test]
fn hashes_of_64_bits_are_told_only_where_pdq_is_silent() {
    let object = object();
    let with = |pdq: Option<PdqHash>, phash: u64, dhash: Option<u64>| PerceptualEntry {
        pdq: pdq.map(PdqHash::to_bytes),
        phash: Some(phash),
        dhash,
        ..PerceptualEntry::NONE
    };
    let phash = object.phash.unwrap().0;
    let sets = [set(
        SetKind::Alert,
        vec![
            entry("both", SetKind::Alert, with(Some(off(object.pdq[0], 20)), phash, None)),
            entry("phash", SetKind::Alert, with(Some(PdqHash([0; 4])), phash ^ 0b1111, Some(0))),
            entry("dhash", SetKind::Alert, with(None, phash ^ 0b11111, Some(0b1001))),
            entry(
                "ahash is off",
                SetKind::Alert,
                PerceptualEntry { ahash: Some(u64::MAX), ..PerceptualEntry::NONE },
            ),
        ],
    )];
    let index = NearIndex::build(&sets, OPTIONS).unwrap();
    let findings = index.look_up(&object);
    let short: Vec<_> = told(&findings)
        .into_iter()
        .map(|(id, near)| (id, near.algorithm.as_str(), near.distance, near.threshold))
        .collect();
    assert_eq!(
        short,
        [
            ("both".to_owned(), "pdq", 20, 31),
            ("phash".to_owned(), "phash", 4, 4),
            ("dhash".to_owned(), "dhash", 2, 4),
        ]
    );
    assert_eq!(findings[1].object_value, "ffff0000ffff0000");
    assert_eq!(index.counts()[0].incomparable, 1);
}

#[test]
fn a_batch_gives_what_single_look_ups_give_on_any_number_of_threads() {
    let seeds: Vec<u64> = (0..40).collect();
    let objects: Vec<_> = seeds
        .iter()
        .map(|seed| ObjectHashes { pdq: forms(seed % 7), pdq_nn512: forms(*seed), ..object() })
        .collect();
    let entries = seeds.iter().map(|seed| {
        let hash = off(forms(*seed)[usize::try_from(*seed).unwrap() % 8], 9);
        entry(&format!("e{seed}"), SetKind::Alert, pdq(hash, None))
    });
    // Twice the same values: every entry is told, not one for each value.
    let entries: Vec<_> = entries.clone().chain(entries).collect();
    let sets = [set(SetKind::Alert, entries)];
    let single = NearIndex::build(&sets, OPTIONS).unwrap();
    let want: Vec<_> = objects.iter().map(|object| single.look_up(object)).collect();
    assert!(want.iter().all(|findings| findings.len() >= 2 && findings.len() % 2 == 0));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for kernel in kernels() {
            let index = NearIndex::build(&sets, NearOptions { kernel, ..OPTIONS }).unwrap();
            assert_eq!(index.look_up_batch(&objects, &pool), want, "{kernel}, {threads} threads");
        }
    }
}

/// Entries near by PDQ, near by a 64-bit hash only, with one value, in several sets.
#[test]
fn findings_are_the_same_however_they_are_looked_for() {
    let object = object();
    let [phash, dhash] = [object.phash, object.dhash].map(|hash| hash.unwrap().0);
    let list = |kind, from: u32| {
        let entries = (from..from + 400).map(|n| {
            let form = usize::try_from(n).unwrap() % 8;
            let hash = match n % 3 {
                0 => off(object.pdq[form], n % 40),
                1 => off(object.pdq_nn512[form], n % 40),
                _ => forms(u64::from(n) + 9)[form],
            };
            let turn = |bits: u32| (1_u64 << bits) - 1;
            let perceptual = PerceptualEntry {
                pdq: (n % 5 != 0).then(|| hash.to_bytes()),
                phash: Some(phash ^ (turn(n % 13) << (n % 50))),
                dhash: (n % 2 == 0).then(|| dhash ^ (turn(n % 17) << (n % 40))),
                ..PerceptualEntry::NONE
            };
            entry(&format!("e{n}"), kind, perceptual)
        });
        set(kind, entries.collect())
    };
    let sets = [list(SetKind::Alert, 0), list(SetKind::Info, 100)];
    for (near_bits, bits) in [(31, 0), (31, 1), (31, 10), (0, 4), (64, 12)] {
        let options = NearOptions {
            near_bits,
            phash_bits: Some(bits),
            dhash_bits: Some(bits),
            search: Search::Everything,
            ..OPTIONS
        };
        let want = NearIndex::build(&sets, options).unwrap().look_up(&object);
        assert!(want.len() > 20, "{}", want.len());
        for kernel in kernels() {
            let options = NearOptions { kernel, search: Search::Index, ..options };
            let index = NearIndex::build(&sets, options).unwrap();
            assert_eq!(index.look_up(&object), want, "{kernel}, {near_bits} and {bits} bits");
        }
    }
}

#[test]
fn an_exact_finding_silences_the_near_one_of_its_entry_and_a_conflict_does_not() {
    let object = object();
    let same = || pdq(object.pdq[0], None);
    let sets = [set(
        SetKind::Alert,
        ["a", "b", "c"].into_iter().map(|id| entry(id, SetKind::Alert, same())).collect(),
    )];
    let near = NearIndex::build(&sets, OPTIONS).unwrap().look_up(&object);
    let digest = |at: usize, kind| Finding { kind, near: None, ..near[at].clone() };
    let exact = vec![digest(0, MatchKind::Exact), digest(1, MatchKind::DigestConflict)];
    let all = combine(exact, near);
    let told: Vec<_> = all.iter().map(|finding| (&*finding.entry_id, finding.kind)).collect();
    assert_eq!(
        told,
        [
            ("a", MatchKind::Exact),
            ("b", MatchKind::Near),
            ("b", MatchKind::DigestConflict),
            ("c", MatchKind::Near),
        ]
    );
}
