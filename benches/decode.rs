//! The bare decoding of a folder of pictures, on every processor: what a scan's cost is held against.
//!
//! `cargo bench --bench decode -- FOLDER`. Nothing is hashed and nothing is written.

#![allow(clippy::disallowed_methods, reason = "reads pictures of our own making")]
#![allow(clippy::print_stdout, reason = "a measurement")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use assay::media::{Limits, decode};

fn main() {
    let Some(folder) = std::env::args().skip(1).find(|word| !word.starts_with('-')) else {
        println!("skipped: no folder is named");
        return;
    };
    let entries = std::fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let (next, pixels) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let decoded = decode(&std::fs::read(file).unwrap(), &Limits::default());
            let samples = decoded.picture.map_or(0, |picture| picture.samples().len());
            pixels.fetch_add(samples, Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
    println!("{} pictures, {} samples", files.len(), pixels.into_inner());
}
