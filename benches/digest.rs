//! How fast digests of many streams are in memory: `cargo bench --bench digest`.
//!
//! One thread, its processor time, median of nine; sixteen streams of 64 KiB again and again. For
//! each selection and each kernel that this machine can run, with one stream alone beside it. A
//! stream alone is what the last of many large files is.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use assay::digest::Selection;
use assay::digest::lanes::{Kernels, LANES, Lanes, Md5Kernel, ShaKernel};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of one measurement.
const BYTES: usize = 128 << 20;
const RUNS: usize = 9;

fn main() {
    for list in [
        "md5",
        "sha1",
        "sha256",
        "blake3",
        "md5,sha256",
        "md5,sha1,sha256",
        "md5,sha1,sha256,blake3",
    ] {
        let selection = Selection::parse(list).expect("a list of digests");
        for md5 in Md5Kernel::ALL.iter().filter(|kernel| kernel.runs_here()) {
            for sha in ShaKernel::ALL.iter().filter(|kernel| kernel.runs_here()) {
                let kernels = Kernels { md5: *md5, sha: *sha };
                let many = median(|| speed(kernels, selection, LANES));
                let one = median(|| speed(kernels, selection, 1));
                println!("{list:24} md5 {md5:9} sha {sha:8} {many:6.0} MB/s, one stream {one:5.0}");
            }
        }
    }
}

fn median(of: impl Fn() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..RUNS).map(|_| of()).collect();
    all.sort_by(f64::total_cmp);
    all[RUNS / 2]
}

/// Megabytes of a second of processor time.
fn speed(kernels: Kernels, selection: Selection, streams: usize) -> f64 {
    let mut lanes = Lanes::new(selection, kernels);
    for lane in 0..streams {
        lanes.begin(lane);
        let room = lanes.room(lane);
        room.iter_mut().zip(0_u32..).for_each(|(byte, n)| *byte = (n * 7) as u8);
    }
    let start = seconds();
    let mut done = 0;
    while done < BYTES {
        for lane in 0..streams {
            let length = lanes.room(lane).len();
            lanes.take(lane, length);
            done += length;
        }
        while (0..streams).any(|lane| lanes.is_ready(lane)) {
            lanes.run();
        }
    }
    done as f64 / (seconds() - start) / 1e6
}

fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
