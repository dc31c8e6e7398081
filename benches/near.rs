//! Near look-up: time of a picture, of building, and bytes an entry, for each kernel and both ways
//! of looking.
//!
//! `cargo bench --bench near [-- LARGEST [BITS]]`: lists of 10,000 random entries, then ten times
//! as many up to LARGEST (10,000,000 without it). A picture asks with 16 values (eight forms in two
//! conventions) at BITS, 31 without it. Processor time of the thread; medians of [`ROUNDS`] rounds
//! of [`PICTURES`] pictures. Building is once, processor time of all threads.
#![allow(clippy::print_stdout, missing_docs, reason = "a program of the benches")]

use assay::matching::kernels::Kernel;
use assay::matching::{NearOptions, PdqNeighbours, Search};
use assay::perceptual::PdqHash;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 7;
const PICTURES: usize = 8;
const FORMS: usize = 16;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let largest = numbers.next().unwrap_or(10_000_000);
    let bits = numbers.next().and_then(|bits| u32::try_from(bits).ok()).unwrap_or(31);
    let mut state = 0x2026_1123_u64;
    let mut hashes = |count| -> Vec<PdqHash> {
        (0..count).map(|_| PdqHash(std::array::from_fn(|_| word(&mut state)))).collect()
    };
    let queries = hashes(PICTURES * FORMS);
    println!("entries,search,kernel,us_a_picture,build_cpu_ms,bytes_an_entry");
    let mut entries = 10_000;
    while entries <= largest {
        let mut values = hashes(entries);
        values.sort_unstable();
        for search in [Search::Everything, Search::Index] {
            for kernel in Kernel::ALL.iter().rev().filter(|kernel| kernel.runs_here()) {
                let options = NearOptions {
                    near_bits: bits,
                    kernel: *kernel,
                    search,
                    ..NearOptions::default()
                };
                let start = processor_seconds(ClockId::ProcessCPUTime);
                let index = PdqNeighbours::new(std::mem::take(&mut values), &options);
                let built = (processor_seconds(ClockId::ProcessCPUTime) - start) * 1e3;
                let microseconds = median(&index, &queries);
                let bytes = index.bytes() as f64 / entries as f64;
                println!("{entries},{search:?},{kernel},{microseconds:.0},{built:.1},{bytes:.0}");
                values = index.into_values();
            }
        }
        entries *= 10;
    }
}

/// xorshift64*: enough for bits that nothing here can foresee.
fn word(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Microseconds a picture.
fn median(index: &PdqNeighbours, queries: &[PdqHash]) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS).map(|_| time(index, queries)).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2] / PICTURES as f64 * 1e6
}

fn time(index: &PdqNeighbours, queries: &[PdqHash]) -> f64 {
    let start = processor_seconds(ClockId::ThreadCPUTime);
    let mut found = 0_u32;
    for picture in queries.chunks(FORMS) {
        index.within(std::hint::black_box(picture), &mut |_| found += 1);
    }
    std::hint::black_box(found);
    processor_seconds(ClockId::ThreadCPUTime) - start
}

/// Other work on the machine does not count.
fn processor_seconds(of: ClockId) -> f64 {
    let time = clock_gettime(of);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
