//! How fast a disk image is decoded and digested: `cargo bench --bench container -- IMAGE`.
//!
//! Two threads, as on the smallest machine: one decodes and computes SHA-256, the other MD5. Prints
//! the wall time of decoding alone and of decoding with both digests; benches/README or the report
//! of a release compares it with `ewfexport -f raw -t - IMAGE` into the same digests.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::Instant;

use assay::bytes::ReadAt as _;
use assay::digest::{Algorithm, Hasher, Selection};
use assay::evidence::container::{Container, OpenOptions};

const BLOCK: usize = 1 << 20;

/// Reads every block in order on two threads that share the work of decoding.
fn decode_only(container: &Container, threads: u64) {
    let blocks = container.len().div_ceil(BLOCK as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut buf = vec![0; BLOCK];
                for block in (thread..blocks).step_by(threads as usize) {
                    container.fill_at(block * BLOCK as u64, &mut buf).unwrap();
                }
            });
        }
    });
}

fn with_digests(container: &Container) -> [String; 2] {
    let (send, receive) = crossbeam_channel::bounded::<Arc<Vec<u8>>>(32);
    let hasher = |algorithm| Hasher::new(Selection::only(algorithm));
    let digest = |hasher: Hasher, algorithm| hasher.finish().get(algorithm).unwrap().to_string();
    std::thread::scope(|scope| {
        let md5 = scope.spawn(move || {
            let mut md5 = hasher(Algorithm::Md5);
            receive.iter().for_each(|block| md5.update(&block));
            digest(md5, Algorithm::Md5)
        });
        let mut sha256 = hasher(Algorithm::Sha256);
        let mut at = 0;
        while at < container.len() {
            let mut buf = vec![0; BLOCK];
            let n = container.fill_at(at, &mut buf).unwrap();
            buf.truncate(n);
            let block = Arc::new(buf);
            send.send(Arc::clone(&block)).unwrap();
            sha256.update(&block);
            at += n as u64;
        }
        drop(send);
        [md5.join().unwrap(), digest(sha256, Algorithm::Sha256)]
    })
}

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(path) = named else {
        println!("skipped: name an image");
        return;
    };
    let options = OpenOptions { accept_alteration: true, ..OpenOptions::default() };
    let begun = Instant::now();
    let container = Container::open(path.as_ref(), &options).unwrap();
    println!("opened in {:?}: {:?}", begun.elapsed(), container.facts().format);
    for threads in [1, 2] {
        let begun = Instant::now();
        decode_only(&container, threads);
        println!("decoded by {threads} threads in {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let digests = with_digests(&container);
    println!("md5 and sha256 in {:?}: {digests:?}", begun.elapsed());
}
