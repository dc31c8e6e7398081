//! Comparisons a second on one core, for each kernel this machine can run.
//!
//! `cargo bench --bench near`: 1,000,000 random entries, 256 queries at radius 31 (16 pictures of
//! 16 forms each), then one picture alone. Medians of [`ROUNDS`]
//! rounds, processor time of the thread.
#![allow(clippy::print_stdout, missing_docs, reason = "a program of the benches")]

use assay::matching::kernels::{Hashes, Kernel, within};
use assay::perceptual::PdqHash;
use rustix::time::{ClockId, clock_gettime};

const ENTRIES: usize = 1_000_000;
const ROUNDS: usize = 11;

fn main() {
    let mut state = 0x2026_1123_u64;
    let mut word = || {
        // xorshift64*: enough for bits that no kernel can foresee.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut hashes = |count| -> Vec<PdqHash> {
        (0..count).map(|_| PdqHash(std::array::from_fn(|_| word()))).collect()
    };
    let entries = Hashes::new(&hashes(ENTRIES));
    for queries in [256, 16, 1] {
        let queries = hashes(queries);
        for kernel in Kernel::ALL.iter().filter(|kernel| kernel.runs_here()) {
            let mut seconds: Vec<f64> =
                (0..ROUNDS).map(|_| time(*kernel, &entries, &queries)).collect();
            seconds.sort_by(f64::total_cmp);
            let compared = (ENTRIES * queries.len()) as f64;
            println!(
                "{kernel}: {} queries x {ENTRIES} entries: {:.2} G comparisons/s (best {:.2})",
                queries.len(),
                compared / seconds[ROUNDS / 2] / 1e9,
                compared / seconds[0] / 1e9,
            );
        }
    }
}

fn time(kernel: Kernel, entries: &Hashes, queries: &[PdqHash]) -> f64 {
    let start = processor_seconds();
    let mut found = 0_u32;
    within(kernel, entries, std::hint::black_box(queries), 31, &mut |_| found += 1);
    std::hint::black_box(found);
    processor_seconds() - start
}

/// Other work on the machine does not count.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
