//! What is kept during a passage changes no byte and no error, and is bounded.

#![allow(clippy::as_conversions, reason = "numbers that the tests made")]

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::bytes::{Section, Unreadable};
use crate::problem::Code;

/// Bytes of a block of these media, and of the stride of a passage over them.
const BLOCK: u64 = 64 << 10;

/// A medium that counts how often each block is inflated and has damaged ones.
struct Counted {
    len: u64,
    damaged: Vec<u64>,
    /// A block of which a read takes its time.
    slow: Option<u64>,
    inflated: Vec<AtomicUsize>,
}

impl Counted {
    fn new(len: u64, damaged: &[u64]) -> Arc<Self> {
        let inflated = (0..len.div_ceil(BLOCK)).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { len, damaged: damaged.to_vec(), slow: None, inflated })
    }

    fn counts(&self) -> Vec<usize> {
        self.inflated.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

fn byte(at: u64) -> u8 {
    u8::try_from((at ^ (at / BLOCK)) % 251).unwrap()
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() && at + done as u64 != self.len.max(at) {
            let position = at + done as u64;
            let number = position / BLOCK;
            self.inflated[number as usize].fetch_add(1, Ordering::Relaxed);
            if self.slow == Some(number) {
                std::thread::sleep(LONGEST * 40);
            }
            if self.damaged.contains(&number) {
                let range = number * BLOCK..((number + 1) * BLOCK).min(self.len);
                let detail = format!("block {number}");
                let hole = Unreadable { range, code: Code::ImageDamaged, detail };
                return if done > 0 { Ok(done) } else { Err(hole.into_error()) };
            }
            let end = ((number + 1) * BLOCK).min(self.len).min(at + buf.len() as u64);
            for at in position..end {
                buf[done] = byte(at);
                done += 1;
            }
        }
        Ok(done)
    }
}

fn accompanied(medium: &Arc<Counted>) -> Accompanied {
    let medium: Arc<dyn ReadAt> = Arc::<Counted>::clone(medium);
    Accompanied::new(&medium, BLOCK).unwrap()
}

/// What a read gives, errors as they are told.
fn told(medium: &dyn ReadAt, at: u64, len: usize) -> Result<Vec<u8>, Option<Unreadable>> {
    let mut buf = vec![0; len];
    match medium.read_at(at, &mut buf) {
        Ok(n) => Ok(buf[..n].to_vec()),
        Err(error) => Err(Unreadable::of(&error).cloned()),
    }
}

/// Reads all that is left in steps; damaged blocks are passed over.
fn through(medium: &dyn ReadAt, step: usize) {
    let mut at = 0;
    while at < medium.len() {
        match told(medium, at, step) {
            Ok(bytes) => {
                assert!(bytes.iter().zip(at..).all(|(have, at)| *have == byte(at)), "{at}");
                at += bytes.len() as u64;
            }
            Err(hole) => at = hole.unwrap().range.end,
        }
    }
}

fn kept(of: &Accompanied) -> (usize, usize, usize) {
    let kept = of.lock();
    let there = kept.blocks.values().filter(|entry| matches!(entry, Entry::There(..))).count();
    assert_eq!(there, kept.ahead + kept.behind);
    (kept.blocks.len(), kept.ahead, kept.behind)
}

#[test]
fn every_read_gives_what_the_medium_gives() {
    let len = 40 * BLOCK + 100;
    let medium = Counted::new(len, &[3, 4, 20, 39]);
    let of = accompanied(&medium);
    let passage = of.begin().unwrap();
    assert!(of.begin().is_none(), "one at a time");
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..2_000_u64 {
        let (at, size) = (next(len + BLOCK), usize::try_from(next(5 * BLOCK)).unwrap());
        assert_eq!(told(&of, at, size), told(&*medium, at, size), "{at} {size}");
        if round % 50 == 0 {
            let at = round / 50 * BLOCK;
            let size = 2 * 65_536;
            assert_eq!(told(&passage, at, size), told(&*medium, at, size), "{at}");
        }
        assert!(matches!(kept(&of), (all, ahead, behind) if all == ahead + behind));
    }
    drop(passage);
    assert_eq!(kept(&of), (0, 0, 0));
}

#[test]
fn what_either_inflates_is_there_for_the_other() {
    let medium = Counted::new(100 * BLOCK + 1, &[]);
    for step in [1 << 20, 65_536, 100_000] {
        let of = accompanied(&medium);
        let passage = of.begin().unwrap();
        let before = medium.counts();
        // Read ahead of the passage, whole and in parts.
        for at in [0, 7 * BLOCK + 5, 8 * BLOCK, 60 * BLOCK] {
            assert!(told(&of, at, 200_000).is_ok());
        }
        through(&passage, step);
        // Read behind it.
        for at in [20 * BLOCK + 9, 30 * BLOCK, 99 * BLOCK] {
            assert!(told(&of, at, 150_000).is_ok());
        }
        let counts: Vec<_> = medium.counts().iter().zip(before).map(|(now, b)| now - b).collect();
        assert_eq!(counts, vec![1; 101], "{step}");
    }
}

#[test]
fn threads_that_go_on_together_inflate_each_block_once() {
    let medium = Counted::new(300 * BLOCK, &[]);
    let of = Arc::new(accompanied(&medium));
    let passage = of.begin().unwrap();
    assert!(told(&of, 0, 1).is_ok(), "somebody reads beside it");
    std::thread::scope(|scope| {
        for (part, step) in [(0, 65_536), (1, 60_000), (2, 262_144)] {
            let of: Arc<dyn ReadAt> = Arc::<Accompanied>::clone(&of);
            let part = Section::new(of, part * 100 * BLOCK, 100 * BLOCK);
            scope.spawn(move || {
                for at in (0..part.len()).step_by(step) {
                    assert!(told(&part, at, step).is_ok());
                }
            });
        }
        through(&passage, 1 << 20);
    });
    let sum: usize = medium.counts().iter().sum();
    assert!(sum <= 330, "{sum} of 300");
}

#[test]
fn what_is_kept_is_bounded_and_goes_once_both_had_it() {
    let limits = Limits::new(BLOCK);
    let len = FAR + 600 * BLOCK;
    let medium = Counted::new(len, &[]);
    let of = accompanied(&medium);
    let passage = of.begin().unwrap();
    through(&of, 1 << 20);
    assert_eq!(kept(&of), (limits.ahead, limits.ahead, 0), "the nearest are kept");
    assert!(of.lock().blocks.keys().copied().eq(0..limits.ahead as u64));
    // A block that is nearer takes the place of the farthest.
    let mut buf = vec![0; 65_536];
    for at in (0..2 * AHEAD).step_by(65_536) {
        assert_eq!(passage.read_at(at, &mut buf).unwrap(), buf.len());
    }
    let (all, ahead, behind) = kept(&of);
    assert!(all <= limits.all && ahead <= 1 && behind >= limits.ahead - 1, "{ahead} {behind}");
    for at in (0..2 * AHEAD).step_by(65_536) {
        assert_eq!(of.read_at(at, &mut buf).unwrap(), buf.len());
    }
    assert!(kept(&of).0 <= 1);
    through(&passage, 1 << 20);
    assert!(kept(&of).0 <= limits.all);
}

#[test]
fn nobody_waits_long_for_a_block_that_does_not_come() {
    let mut medium = Counted::new(8 * BLOCK, &[]);
    Arc::get_mut(&mut medium).unwrap().slow = Some(2);
    let of = accompanied(&medium);
    let passage = of.begin().unwrap();
    let came = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            passage.read_at(2 * BLOCK, &mut [0; 4 * 65_536]).unwrap();
            came.store(true, Ordering::Relaxed);
        });
        while of.lock().blocks.is_empty() {
            std::thread::yield_now();
        }
        // One of those that it inflates at a time.
        assert!(told(&of, 3 * BLOCK, 65_536).is_ok());
        assert!(!came.load(Ordering::Relaxed), "it waited to the end");
    });
}

#[test]
fn a_block_that_is_too_large_is_not_kept() {
    let medium: Arc<dyn ReadAt> = Counted::new(1, &[]);
    assert!(Accompanied::new(&medium, LARGEST + 1).is_none());
    assert!(Accompanied::new(&medium, 0).is_none());
}
