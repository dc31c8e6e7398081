//! What workers cost over decoding in process: the same pictures both ways.
//!
//! `ASSAY_PHOTOS=FOLDER cargo bench --bench workers`, on a folder of `make-photos.py`. Prints the
//! processor time of both ways and compares every answer.

#![allow(clippy::disallowed_methods, reason = "reads pictures of our own making")]
#![allow(clippy::print_stdout, reason = "a measurement")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use assay::media::Limits;
use assay::worker::{Options, PictureAnswer, Pool, Program, read_picture};

fn main() {
    let Some(folder) = std::env::var_os("ASSAY_PHOTOS") else {
        println!("skipped: ASSAY_PHOTOS names no folder");
        return;
    };
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let threads = std::thread::available_parallelism().unwrap().get();
    let _ = run(&files, threads, &|bytes| vec![bytes.len()]); // fills the page cache
    let rounds = 3;
    for round in 1..=rounds {
        let (before, begun) = (processor_time(), Instant::now());
        let limits = Limits::default();
        let inside = run(&files, threads, &|bytes| vec![read_picture(bytes, &limits)]);
        let (in_process, wall) = (processor_time() - before, begun.elapsed());
        let (before, begun) = (processor_time(), Instant::now());
        let program = Program::File(PathBuf::from(env!("CARGO_BIN_EXE_assay")));
        let pool = Pool::start(Options { program, ..Options::new(threads) }).unwrap();
        let outside: Vec<(usize, PictureAnswer)> =
            run(&files, threads, &|bytes| vec![pool.read_picture(bytes)]);
        let (counts, sandbox) = (pool.counts(), pool.sandbox());
        pool.stop();
        let (by_workers, pool_wall) = (processor_time() - before, begun.elapsed());
        assert_eq!(inside, outside, "answers differ");
        let more = 100.0 * (by_workers.as_secs_f64() / in_process.as_secs_f64() - 1.0);
        println!(
            "round {round}: {} pictures, in process {in_process:.2?} CPU {wall:.2?} wall, workers \
             {by_workers:.2?} CPU {pool_wall:.2?} wall, {more:+.1} % CPU; {counts:?}; {sandbox}",
            files.len(),
        );
    }
}

fn run<T: Send>(
    files: &[PathBuf],
    threads: usize,
    work: &(dyn Fn(&[u8]) -> Vec<T> + Sync),
) -> Vec<(usize, T)> {
    let next = AtomicUsize::new(0);
    let one = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(number) else { return done };
            let answers = work(&std::fs::read(file).unwrap());
            done.extend(answers.into_iter().map(|answer| (number, answer)));
        }
    };
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all
}

/// Processor time of this process and of the children that ended, to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}
