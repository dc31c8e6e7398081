//! Ends that come from outside: a run that is cancelled, an operator's or the kernel's kill.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay::media::MediaStatus;
use assay::unpack::Format;
use assay::worker::{Content, Expand, ExpandLimits, Options, Pool, TimeLimit};

use super::Test;
use super::expand::Kept;
use super::pool::{children, order, picture, product, stubs};

pub(crate) const TESTS: &[Test] = &[
    ("a_cancelled_run_waits_for_no_worker", a_cancelled_run_waits_for_no_worker),
    ("kills_from_outside_do_not_make_an_object_crashed", kills_from_outside),
    ("an_object_that_is_always_killed_comes_to_an_end", always_killed),
];

/// Limits of time that no test waits for.
fn patient() -> Options {
    let time = TimeLimit { base: Duration::from_secs(600), ..stubs().time };
    Options { time, ..stubs() }
}

fn a_cancelled_run_waits_for_no_worker() {
    let pool = Pool::start(patient()).unwrap();
    let cancel = AtomicBool::new(false);
    // Twice as many as there are workers: some wait for a place when the end comes.
    let begun = std::thread::scope(|scope| {
        for what in ["loop", "sleep", "loop", "sleep"] {
            let (pool, cancel) = (&pool, &cancel);
            scope.spawn(move || {
                let answer = pool.read_picture_unless(&order(what), cancel);
                assert_eq!(answer, None, "nothing is said of an object that was given up");
            });
        }
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(pool.counts().lost, 0, "{:?}", pool.counts());

    let cancel = AtomicBool::new(false);
    let begun = std::thread::scope(|scope| {
        scope.spawn(|| {
            let bytes = order("loop");
            let (format, limits) = (Format::Gzip, ExpandLimits::default());
            let expand = Expand { format, content: Content::Bytes(&bytes), limits };
            assert_eq!(pool.expand(&expand, &mut Kept::default(), &cancel), None);
        });
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // The pool itself goes on: a flag is its owner's.
    let bytes = picture(64, 5);
    assert_eq!(pool.read_picture(&bytes).status, MediaStatus::Ok);
}

/// Kills every worker that appears, `times` times, while `work` runs.
fn killed<T>(times: u32, work: impl FnOnce() -> T) -> (T, u32) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let (mut kills, mut last) = (0, 0);
            while kills < times && !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                let Some(child) = children().into_iter().find(|child| *child != last) else {
                    continue;
                };
                // Until it has the object.
                std::thread::sleep(Duration::from_millis(400));
                let pid = rustix::process::Pid::from_raw(child).unwrap();
                if rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok() {
                    (kills, last) = (kills + 1, child);
                }
            }
            kills
        });
        let outcome = work();
        done.store(true, Ordering::Relaxed);
        (outcome, killer.join().unwrap())
    })
}

fn kills_from_outside() {
    // Takes its whole limit of 2 s each time, so that it is at work when it is killed.
    let pool = Pool::start(Options { workers: 1, ..stubs() }).unwrap();
    let (answer, kills) = killed(3, || pool.read_picture(&order("loop")));
    assert_eq!((answer.status, kills), (MediaStatus::Timeout, 3), "{answer:?}");
    assert_eq!(pool.counts().lost, 5, "three kills, two time limits");
    let bytes = picture(64, 5);
    assert_eq!(pool.read_picture(&bytes).status, MediaStatus::Ok);
}

fn always_killed() {
    let pool = Pool::start(Options { workers: 1, ..patient() }).unwrap();
    let (answer, kills) = killed(1_000, || pool.read_picture(&order("loop")));
    assert_eq!((answer.status, kills), (MediaStatus::Crashed, 4), "{answer:?}");
    assert_eq!(answer.detail, "the decoder was killed from outside four times");
    drop(pool);
    let pool = Pool::start(product(1)).unwrap();
    let bytes = picture(64, 5);
    assert_eq!(pool.read_picture(&bytes).status, MediaStatus::Ok);
}
