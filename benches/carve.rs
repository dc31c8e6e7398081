//! How fast free space is searched and JPEG is followed: `cargo bench --bench carve [-- JPEG]`.
//!
//! One thread. Random bytes, zeros and text are searched for beginnings; a picture, if one is
//! named, is followed code by code, as often as makes 512 MiB.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures"
)]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use assay::bytes::ReadAt;
use assay::evidence::carve::{Space, carve};

/// The same bytes again and again, as long as wanted.
struct Repeated {
    piece: Vec<u8>,
    len: u64,
}

impl ReadAt for Repeated {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let skip = (at % self.piece.len() as u64) as usize;
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let n = buf.len().min(self.piece.len() - skip).min(left);
        buf[..n].copy_from_slice(&self.piece[skip..][..n]);
        Ok(n)
    }
}

/// Processor time of this thread's process so far, in seconds: other work on the machine does not count.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn measure(name: &str, piece: Vec<u8>, len: u64) {
    let volume: Arc<dyn ReadAt> = Arc::new(Repeated { piece, len });
    let space = Space { runs: vec![(0, len)], block: 4096 };
    let mut found = 0_u64;
    let (begun, before) = (Instant::now(), processor_time());
    let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |_| {
        found += 1;
        ControlFlow::Continue(())
    });
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), processor_time() - before);
    let mega = len as f64 / 1e6;
    println!(
        "{name}: {:.0} MB/s of processor time, {:.0} MB/s of wall time, {found} found, {} candidates",
        mega / cpu,
        mega / wall,
        summary.candidates
    );
}

fn main() {
    let mut state = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(64 << 20)
    .collect();
    measure("random", random, 2 << 30);
    measure("zeros", vec![0; 1 << 20], 2 << 30);
    measure("text", b"MM It was a dark and stormy night; GI, PK and RI. ".repeat(20_000), 2 << 30);
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(path) = named else { return };
    let mut picture = std::fs::read(path).unwrap();
    picture.resize(picture.len().next_multiple_of(4096), 0);
    let copies = (512 << 20) / picture.len() as u64;
    let len = picture.len() as u64 * copies;
    measure("pictures", picture, len);
}
