//! Look-ups in a compiled set: processor time of a miss and a hit, size of a table, time to open.
//!
//! `cargo bench --bench lookup -- FOLDER [ENTRIES]...`: builds a file of so many random MD5s in
//! FOLDER (10,000,000 where none is named; 100,000,000 need 7 GB there and 4 GB for sorting), looks
//! [`LOOKS`] absent and as many present digests up in the mapped file on one thread, one after the
//! other and in batches of [`BATCH`], and removes it.
//! With `--keep` the file stays. Medians of [`ROUNDS`] rounds.
#![allow(clippy::print_stdout, missing_docs, reason = "a program of the benches")]

use std::path::Path;
use std::sync::Arc;

use assay::digest::{Algorithm, Digest, Digests};
use assay::hashset::compiled::{Access, Builder, CompiledSet, SetFacts, Source};
use assay::hashset::{SetCounts, SetEntry, SetKind};
use assay::output::{Faults, OutputDir};
use rustix::time::{ClockId, clock_gettime};

const LOOKS: u64 = 2_000_000;
const ROUNDS: usize = 7;
/// Look-ups that are announced together, as `assay hashset lookup` does.
const BATCH: usize = 64;

fn main() {
    let (keep, arguments): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .partition(|word| word == "--keep");
    let Some((folder, counts)) = arguments.split_first() else {
        println!("skipped: names no folder");
        return;
    };
    let counts: Vec<u64> = counts.iter().map(|count| count.parse().unwrap()).collect();
    for count in if counts.is_empty() { vec![10_000_000] } else { counts } {
        measure(Path::new(folder), count, !keep.is_empty());
    }
}

/// The `n`th of a row of digests that nobody can foresee: two words of splitmix64.
fn digest(n: u64) -> Digest {
    let word = |n: u64| {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word(2 * n + 1).to_be_bytes());
    bytes[8..].copy_from_slice(&word(2 * n + 2).to_be_bytes());
    Digest::new(&bytes).unwrap()
}

fn measure(folder: &Path, count: u64, keep: bool) {
    let path = folder.join("lookup-bench.ahs");
    let before = processor_seconds(ClockId::ProcessCPUTime);
    build(&path, count);
    let took = processor_seconds(ClockId::ProcessCPUTime) - before;
    println!("{count} MD5s: built in {took:.1} s of processor time, {} MiB at most", peak());
    let mut opened: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = std::time::Instant::now();
            std::hint::black_box(CompiledSet::open(&path, Access::Mapped).unwrap());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let set = CompiledSet::open(&path, Access::Mapped).unwrap();
    assert!(set.is_mapped(), "{} is on no local file system", folder.display());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let start = processor_seconds(ClockId::ProcessCPUTime);
    set.verify(&pool).unwrap();
    let verified = processor_seconds(ClockId::ProcessCPUTime) - start;
    let table = &set.tables()[0];
    println!(
        "  {} bytes, hot {:.2} bytes a key, farthest {}, opened in {:.0} us, verified in {verified:.2} s",
        set.file_len(),
        (table.slots * 8) as f64 / count as f64,
        table.displacement,
        median(&mut opened),
    );
    // Digests are made before the clock starts, in an order that has nothing to do with theirs.
    let step = (count / LOOKS).max(1);
    let present: Vec<_> = (0..LOOKS).map(|n| digest(n * step % count)).collect();
    let absent: Vec<_> = (0..LOOKS).map(|n| digest(count + n)).collect();
    looks(&set, "", &absent, &present);
    let held = CompiledSet::open(&path, Access::InMemory).unwrap();
    looks(&held, ", in memory", &absent, &present);
    if !keep {
        #[expect(clippy::disallowed_methods, reason = "the bench's own file")]
        std::fs::remove_file(&path).unwrap();
    }
}

fn looks(set: &CompiledSet, how: &str, absent: &[Digest], present: &[Digest]) {
    for (what, digests, found) in [("miss", absent, 0), ("hit", present, LOOKS)] {
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = processor_seconds(ClockId::ThreadCPUTime);
                let look = |digest| u64::from(set.find(Algorithm::Md5, digest).next().is_some());
                let have: u64 = digests.iter().map(look).sum();
                assert_eq!(have, found);
                (processor_seconds(ClockId::ThreadCPUTime) - start) / LOOKS as f64 * 1e9
            })
            .collect();
        println!("  {what}{how}: {:.0} ns (best {:.0})", median(&mut times), times[0]);
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = processor_seconds(ClockId::ThreadCPUTime);
                let mut have = 0;
                for batch in digests.chunks(BATCH) {
                    batch.iter().for_each(|digest| set.announce(Algorithm::Md5, digest));
                    let look =
                        |digest| u64::from(set.find(Algorithm::Md5, digest).next().is_some());
                    have += batch.iter().map(look).sum::<u64>();
                }
                assert_eq!(have, found);
                (processor_seconds(ClockId::ThreadCPUTime) - start) / LOOKS as f64 * 1e9
            })
            .collect();
        let median = median(&mut times);
        println!(
            "  {what}{how}, {BATCH} asked for together: {median:.0} ns (best {:.0})",
            times[0]
        );
    }
}

fn build(path: &Path, count: u64) {
    let text = || "unstated".to_owned();
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().build().unwrap());
    let kind = SetKind::Ignore;
    let facts = SetFacts { name: text(), publisher: text(), version: text(), kind, fast: false };
    let out = OutputDir::of_file(path, Faults::default()).unwrap();
    let mut builder = Builder::new(&out, facts, 48 << 20, pool).unwrap();
    let mut entry = SetEntry {
        id: Box::default(),
        kind,
        digests: Digests::default(),
        perceptual: None,
        size: None,
        category: None,
        series: None,
        victim_identified: None,
    };
    for n in 0..count {
        entry.digests.set(Algorithm::Md5, digest(n));
        builder.push(&entry, n + 1).unwrap();
    }
    let source = Source {
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
    };
    builder.end_source(source);
    builder.finish("lookup-bench.ahs").unwrap();
    out.release().unwrap();
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Most memory this process ever held, in MiB.
fn peak() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a table of the kernel")]
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Other work on the machine does not count.
fn processor_seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
