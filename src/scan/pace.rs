//! How the verification of an image and the threads that read its objects stay together, so that
//! what either inflates is still there for the other (`evidence::container` keeps some of it).
//!
//! Both go through the image from front to back. A thread that is about to begin an object far ahead
//! of the verification waits for it, and so does a verification that is far ahead of the
//! object that was begun last. It is a matter of time alone, and each gives up waiting
//!
//! - once the other one makes no progress: it has ended, failed or was cancelled, waits for a drive,
//!   or is busy with something else, such as a long object or the listing;
//! - where the other one is so far away that it does not catch up: on another image, in free
//!   space, at a fragment, in an image inside the evidence;
//! - once it has waited for an eighth of the time that is over; readers for a half of it where the
//!   digests lack processor time, which they themselves take: then they gain little by going on.
//!
//! So there is no order in which both wait: either of them that waits makes no progress, and that
//! ends the wait of the other one.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far ahead of the verification an object is begun. What is kept ahead of it is more by a half.
const LEAD: u64 = 32 << 20;
/// How far ahead of the last object that was begun the verification goes.
const TRAIL: u64 = 32 << 20;
/// From here on the other one is elsewhere.
const FAR: u64 = 256 << 20;
/// Without progress for so long nobody is waited for.
const STILL: Duration = Duration::from_millis(50);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_micros(500);
/// The part of the time that is over that is waited for.
const PART: u32 = 8;
/// The same of readers that take processor time from the digests.
const LARGER_PART: u32 = 2;
/// After so long the processor time that digests got is forgotten by half.
const RECENT: u64 = 200_000_000;

/// Where both are.
pub(super) struct Pace {
    begun: Instant,
    /// Threads that read objects.
    threads: u32,
    /// The evidence that is verified, where both gain by staying together; otherwise 0.
    evidence: AtomicU32,
    /// The place that its verification has come to.
    verified: AtomicU64,
    /// The place of the object that was begun last.
    reading: AtomicU64,
    /// False once all objects of the evidence itself were read.
    reads: AtomicBool,
    /// Nanoseconds that readers and the verification have waited.
    readers_waited: AtomicU64,
    verification_waited: AtomicU64,
    /// Nanoseconds that digests took lately, and those in which they had a processor.
    digesting: AtomicU64,
    processed: AtomicU64,
}

impl Pace {
    /// - `threads`: that read objects.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            begun: Instant::now(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            evidence: AtomicU32::new(0),
            verified: AtomicU64::new(0),
            reading: AtomicU64::new(0),
            reads: AtomicBool::new(true),
            readers_waited: AtomicU64::new(0),
            verification_waited: AtomicU64::new(0),
            digesting: AtomicU64::new(0),
            processed: AtomicU64::new(0),
        }
    }

    /// Says which evidence is verified from now on; `None` where nobody gains by staying with it.
    pub(super) fn verifies(&self, evidence: Option<u32>) {
        self.verified.store(0, Ordering::Relaxed);
        self.reading.store(0, Ordering::Relaxed);
        self.evidence.store(evidence.unwrap_or(0), Ordering::Relaxed);
    }

    /// Says that every object of the evidence itself was read; what is inside it lies elsewhere.
    pub(super) fn ends_reading(&self) {
        self.reads.store(false, Ordering::Relaxed);
    }

    /// Says how long a piece took to digest, and how much of that a processor worked on it.
    pub(super) fn digested(&self, took: Duration, processed: Duration) {
        let add =
            |counter: &AtomicU64, time| counter.fetch_add(nanoseconds(time), Ordering::Relaxed);
        add(&self.processed, processed);
        if add(&self.digesting, took) > RECENT {
            for counter in [&self.digesting, &self.processed] {
                counter.store(counter.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }

    /// True where digests had less than nine tenths of a processor while they had something to do.
    fn lacks_processor(&self) -> bool {
        let (took, processed) =
            (self.digesting.load(Ordering::Relaxed), self.processed.load(Ordering::Relaxed));
        processed < took / 10 * 9
    }

    /// Waits before an object at this place of an evidence item is begun.
    pub(super) fn begins(&self, evidence: u32, place: u64) {
        if evidence != self.evidence.load(Ordering::Relaxed) || !self.reads.load(Ordering::Relaxed)
        {
            return;
        }
        self.reading.store(place, Ordering::Relaxed);
        let far = |verified: u64| (LEAD..FAR).contains(&place.saturating_sub(verified));
        let patient = || {
            let part = if self.lacks_processor() { LARGER_PART } else { PART };
            self.evidence.load(Ordering::Relaxed) == evidence
                && self.may_wait(&self.readers_waited, part, self.threads)
        };
        wait(&self.verified, &self.readers_waited, far, patient);
    }

    /// Says how far the verification has come, and waits where that is far ahead of the readers.
    pub(super) fn passes(&self, verified: u64) {
        self.verified.store(verified, Ordering::Relaxed);
        if self.evidence.load(Ordering::Relaxed) == 0 {
            return;
        }
        let far = |reading: u64| (TRAIL..FAR).contains(&verified.saturating_sub(reading));
        let patient = || {
            self.reads.load(Ordering::Relaxed) && self.may_wait(&self.verification_waited, PART, 1)
        };
        wait(&self.reading, &self.verification_waited, far, patient);
    }

    /// True where so many threads together have waited for less than this part of the time.
    fn may_wait(&self, waited: &AtomicU64, part: u32, threads: u32) -> bool {
        let most = nanoseconds(self.begun.elapsed() / part);
        waited.load(Ordering::Relaxed) < most.saturating_mul(u64::from(threads))
    }
}

/// Waits while `other` is `far` and moves, and as long as the one who waits is `patient`.
fn wait(
    other: &AtomicU64,
    waited: &AtomicU64,
    far: impl Fn(u64) -> bool,
    patient: impl Fn() -> bool,
) {
    let mut seen = other.load(Ordering::Relaxed);
    if !far(seen) {
        return;
    }
    let (begun, mut moved) = (Instant::now(), Instant::now());
    let mut counted = Duration::ZERO;
    while far(seen) && moved.elapsed() < STILL && patient() {
        std::thread::sleep(PAUSE);
        let now = other.load(Ordering::Relaxed);
        if now != seen {
            (seen, moved) = (now, Instant::now());
        }
        let all = begun.elapsed();
        waited.fetch_add(nanoseconds(all.saturating_sub(counted)), Ordering::Relaxed);
        counted = all;
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long both have waited.
    fn waited(pace: &Pace) -> Duration {
        let both = [&pace.readers_waited, &pace.verification_waited];
        Duration::from_nanos(both.iter().map(|waited| waited.load(Ordering::Relaxed)).sum())
    }

    #[test]
    fn nobody_waits_for_one_that_makes_no_progress_or_is_elsewhere() {
        let mut pace = Pace::new(2);
        // Long ago, so that there is time to wait for.
        pace.begun = Instant::now().checked_sub(Duration::from_secs(100)).unwrap();
        pace.verifies(Some(1));
        pace.begins(1, LEAD);
        let once = waited(&pace);
        assert!(once > STILL / 2);
        pace.passes(LEAD + TRAIL);
        assert!(waited(&pace) > once + STILL / 2 && waited(&pace) < Duration::from_secs(20));
        let at_once = |call: &dyn Fn()| {
            let before = waited(&pace);
            call();
            assert_eq!(waited(&pace), before);
        };
        at_once(&|| pace.begins(2, 100 * LEAD));
        at_once(&|| pace.begins(1, 2 * LEAD + TRAIL - 1));
        at_once(&|| pace.begins(1, LEAD + TRAIL + FAR));
        at_once(&|| pace.begins(1, 0));
        at_once(&|| pace.passes(FAR));
        pace.ends_reading();
        at_once(&|| pace.begins(1, FAR + LEAD));
        at_once(&|| pace.passes(FAR - 1));
        pace.verifies(None);
        at_once(&|| pace.passes(TRAIL));
    }

    #[test]
    fn one_that_has_waited_for_its_part_of_the_time_goes_on() {
        let pace = Pace::new(1);
        pace.verifies(Some(1));
        let waits = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Always far ahead of the verification, which moves on.
                for _ in 0..100 {
                    pace.begins(1, 2 * LEAD);
                }
                waits.store(false, Ordering::Relaxed);
            });
            let mut at = 0;
            while waits.load(Ordering::Relaxed) {
                at = (at + 1) % LEAD;
                pace.passes(at);
                std::thread::sleep(PAUSE);
            }
        });
        assert!(waited(&pace) <= pace.begun.elapsed() / PART + STILL * 20, "{:?}", waited(&pace));
    }

    #[test]
    fn digests_without_a_processor_are_told_from_those_that_have_one() {
        let pace = Pace::new(1);
        let second = Duration::from_secs(1);
        pace.digested(second, second * 95 / 100);
        assert!(!pace.lacks_processor());
        pace.digested(second, second / 2);
        assert!(pace.lacks_processor());
    }
}
