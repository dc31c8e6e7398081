//! Each way a worker can fail costs its object only, on systems with and without Landlock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use assay::media::{Limits, MediaStatus};
use assay::worker::{Options, PictureAnswer, Pool, Program, TimeLimit, WorkerError};
use seccompiler::{SeccompAction, SeccompFilter};

use super::Test;
use super::stub::ORDER;

pub(crate) const TESTS: &[Test] = &[
    ("a_full_sandbox_is_reached_here_or_named", a_full_sandbox_is_reached_here_or_named),
    ("each_failure_costs_its_object_only", each_failure_costs_its_object_only),
    ("each_failure_costs_its_object_only_without_landlock", without_landlock),
    ("a_required_sandbox_fails_closed", a_required_sandbox_fails_closed),
    ("memory_that_an_ordinary_worker_lacks_is_found_in_the_large_one", large_pictures),
    ("a_kill_from_outside_changes_no_answer", a_kill_from_outside_changes_no_answer),
    ("no_worker_outlives_the_pool", no_worker_outlives_the_pool),
    ("no_worker_outlives_a_killed_program", no_worker_outlives_a_killed_program),
    ("workers_are_replaced_by_count", workers_are_replaced_by_count),
    ("many_threads_share_few_workers", many_threads_share_few_workers),
    ("replies_that_are_not_of_the_protocol_cost_their_object_only", broken_replies),
    ("a_program_that_is_no_worker_is_an_error", a_program_that_is_no_worker_is_an_error),
];

/// A pool of this program's stub workers, with limits short enough to wait for.
pub(crate) fn stubs() -> Options {
    Options {
        program: Program::File(std::env::current_exe().unwrap()),
        time: TimeLimit {
            base: Duration::from_secs(2),
            per_megabyte: Duration::ZERO,
            hang_factor: 2,
        },
        large_memory: 0,
        ..Options::new(2)
    }
}

/// A pool of the product.
pub(crate) fn product(workers: usize) -> Options {
    let program = Program::File(PathBuf::from(env!("CARGO_BIN_EXE_assay")));
    Options { program, ..Options::new(workers) }
}

pub(crate) fn order(what: &str) -> Vec<u8> {
    format!("{ORDER}{what}").into_bytes()
}

/// A grey picture with some structure, as BMP.
pub(crate) fn picture(side: u32, seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = side * side * 3 + 54;
    bytes.extend(b"BM");
    for word in [len, 0, 54, 40, side, side, 0x0018_0001, 0, 0, 0, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    let sample = |i: u32| (i.wrapping_mul(seed | 1).wrapping_mul(2_654_435_761) >> 20) as u8;
    bytes.extend((0..side * side * 3).map(|i| sample(i / 31)));
    bytes
}

fn expected(bytes: &[u8]) -> PictureAnswer {
    assay::worker::read_picture(bytes, &Limits::default())
}

fn a_full_sandbox_is_reached_here_or_named() {
    let pool = Pool::start(product(1)).unwrap();
    println!("sandbox: {}", pool.sandbox());
    for part in ["landlock", "seccomp", "rlimits", "parent-death"] {
        assert!(pool.sandbox().contains(part), "{}", pool.sandbox());
    }
    assert!(!pool.sandbox().contains("none"), "{}", pool.sandbox());
}

fn each_failure_costs_its_object_only() {
    let pool = Pool::start(stubs()).unwrap();
    each_failure(&pool);
    println!("{:?}", pool.counts());
}

/// Orders, the status they lead to, the detail, and how many workers they cost.
const FAILURES: &[(&str, MediaStatus, &str, u64)] = &[
    ("panic", MediaStatus::Unsupported, "caught true", 0),
    ("uncaught", MediaStatus::Crashed, "the decoder ended its process", 2),
    ("abort", MediaStatus::Crashed, "the decoder ended its process", 2),
    ("overflow", MediaStatus::Crashed, "the decoder ended its process", 2),
    ("loop", MediaStatus::Timeout, "the decoder reached the time limit", 2),
    ("sleep", MediaStatus::Timeout, "the decoder reached the time limit", 2),
    ("allocate", MediaStatus::Memory, "the decoder ran out of memory", 1),
    ("garbage", MediaStatus::Crashed, "the decoder gave no possible answer", 2),
    ("two-answers", MediaStatus::Crashed, "the decoder gave no possible answer", 2),
    ("half-a-frame", MediaStatus::Crashed, "the decoder ended its process", 2),
    ("exit", MediaStatus::Crashed, "the decoder ended its process", 2),
    ("control", MediaStatus::Crashed, "the decoder gave no possible answer", 2),
    ("open", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("open-proc", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("create", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("list", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("unlink", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("thread", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("kill", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("raise-limit", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("executable-memory", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("environment", MediaStatus::Unsupported, "0 variables", 0),
    ("execve", MediaStatus::Crashed, "the decoder made a forbidden system call", 2),
    ("fork", MediaStatus::Unsupported, "refused PermissionDenied", 0),
    ("socket", MediaStatus::Crashed, "the decoder made a forbidden system call", 2),
    ("unix-socket", MediaStatus::Crashed, "the decoder made a forbidden system call", 2),
];

fn each_failure(pool: &Pool) {
    let good = picture(96, 5);
    let expected = expected(&good);
    for (what, status, detail, cost) in FAILURES {
        let before = pool.counts().lost;
        let answer = pool.read_picture(&order(what));
        let lost = pool.counts().lost - before;
        assert_eq!((answer.status, answer.detail.as_str()), (*status, *detail), "{what}");
        assert_eq!(lost, *cost, "workers lost by {what}");
        assert_eq!(answer.hashes, None);
        assert_eq!(pool.read_picture(&good), expected, "the object after {what}");
    }
    assert!(!std::path::Path::new("/tmp/assay-worker-was-here").exists());
}

/// On a system that has no Landlock: simulated by a filter around everything this thread starts.
fn without_landlock() {
    let test = || {
        refuse(&[libc::SYS_landlock_create_ruleset], libc::ENOSYS);
        let pool = Pool::start(stubs()).unwrap();
        assert!(pool.sandbox().ends_with("; missing: landlock"), "{}", pool.sandbox());
        each_failure(&pool);
    };
    std::thread::spawn(test).join().unwrap();
}

fn a_required_sandbox_fails_closed() {
    let test = || {
        refuse(&[libc::SYS_landlock_create_ruleset], libc::ENOSYS);
        let required = Options { require_sandbox: true, ..product(1) };
        let error = Pool::start(required).map(|_| ()).unwrap_err();
        assert!(matches!(error, WorkerError::Sandbox { level } if level.landlock.is_none()));
        refuse(&[libc::SYS_seccomp, libc::SYS_prctl], libc::EPERM);
        let pool = Pool::start(product(1)).unwrap();
        let missing = "; missing: landlock, seccomp, rlimits, parent-death";
        assert!(pool.sandbox().ends_with(missing), "{}", pool.sandbox());
    };
    std::thread::spawn(test).join().unwrap();
}

/// Makes these calls fail for this thread and everything it starts.
fn refuse(calls: &[i64], error: i32) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(error as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

fn large_pictures() {
    let bytes = picture(2_000, 3);
    let small = Limits { max_memory: 1 << 20, ..Limits::default() };
    let options = Options { limits: small, ..product(2) };
    assert_eq!(assay::worker::read_picture(&bytes, &small).status, MediaStatus::Memory);
    let pool = Pool::start(options.clone()).unwrap();
    assert_eq!(pool.read_picture(&bytes), expected(&bytes));
    assert_eq!((pool.counts().large, pool.counts().lost), (1, 0));
    let without = Pool::start(Options { large_memory: 0, ..options }).unwrap();
    assert_eq!(without.read_picture(&bytes).status, MediaStatus::Memory);
    // Ended by a failed allocation instead of by a limit of the decoder.
    let tight = Options { memory: 100 << 20, ..product(2) };
    let pool = Pool::start(tight).unwrap();
    let bytes = picture(6_000, 3);
    let answer = pool.read_picture(&bytes);
    assert_eq!(answer, expected(&bytes));
    assert_eq!(pool.counts().large, 1);
}

fn a_kill_from_outside_changes_no_answer() {
    let pictures: Vec<_> = (0..400).map(|i| picture(200 + i % 7 * 40, i)).collect();
    let expected: Vec<_> = pictures.iter().map(|bytes| expected(bytes)).collect();
    let pool = Pool::start(product(2)).unwrap();
    let kills = std::sync::atomic::AtomicU32::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::Relaxed;
        let killer = scope.spawn(|| {
            let mut random = 12_345_u64;
            while !done.load(Relaxed) && kills.load(Relaxed) < 100 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                std::thread::sleep(Duration::from_micros(random >> 51));
                // A worker that had its first try lost must not lose its second: wait until the
                // pool has replaced the last one that was ended.
                let (started, lost) = (pool.counts().started, pool.counts().lost);
                for child in children().into_iter().take(1) {
                    let pid = rustix::process::Pid::from_raw(child).unwrap();
                    if rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok() {
                        kills.fetch_add(1, Relaxed);
                    }
                }
                let begun = Instant::now();
                while !done.load(Relaxed)
                    && begun.elapsed() < Duration::from_millis(500)
                    && (pool.counts().started == started || pool.counts().lost == lost)
                {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        let mut rounds = 0;
        while kills.load(Relaxed) < 100 && rounds < 60 {
            rounds += 1;
            let next = std::sync::atomic::AtomicUsize::new(0);
            std::thread::scope(|inner| {
                for _ in 0..2 {
                    inner.spawn(|| {
                        while let Some((bytes, expected)) = {
                            let i = next.fetch_add(1, Relaxed);
                            pictures.get(i).zip(expected.get(i))
                        } {
                            assert_eq!(pool.read_picture(bytes), *expected);
                        }
                    });
                }
            });
        }
        done.store(true, Relaxed);
        killer.join().unwrap();
        println!(
            "{} kills in {rounds} rounds of 400 pictures, {:?}",
            kills.load(Relaxed),
            pool.counts()
        );
    });
    assert_eq!(kills.into_inner(), 100);
    assert!(pool.counts().lost >= 30, "too few were at work: {:?}", pool.counts());
}

/// Processes that this one started.
pub(crate) fn children() -> Vec<i32> {
    let own = std::process::id().to_string();
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(own.as_str())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

fn no_worker_outlives_the_pool() {
    let pool = Pool::start(stubs()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| pool.read_picture(&picture(300, 1)));
        }
    });
    let workers = pool.idle();
    assert!(!workers.is_empty());
    pool.stop();
    for pid in workers {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "worker {pid} lives");
    }
}

/// The argument that makes this program one that is killed while its worker computes.
pub(crate) const ENDED_PROGRAM: &str = "--be-ended";

/// Starts a worker that computes without end, and waits with it.
pub(crate) fn be_ended() -> ! {
    let time = TimeLimit { base: Duration::from_secs(600), ..stubs().time };
    let pool = Pool::start(Options { time, ..stubs() }).unwrap();
    println!("{}", pool.idle()[0]);
    pool.read_picture(&order("loop"));
    panic!("the worker came to an end");
}

fn no_worker_outlives_a_killed_program() {
    use std::io::BufRead as _;
    let mut program = std::process::Command::new(std::env::current_exe().unwrap())
        .arg(ENDED_PROGRAM)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = program.stdout.take().unwrap();
    std::io::BufReader::new(output).read_line(&mut line).unwrap();
    let worker = std::path::Path::new("/proc").join(line.trim());
    std::thread::sleep(Duration::from_millis(200));
    assert!(worker.exists(), "it computes");
    program.kill().unwrap();
    program.wait().unwrap();
    let begun = Instant::now();
    let gone = || match std::fs::read_to_string(worker.join("stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !gone() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it outlives its program");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn workers_are_replaced_by_count() {
    let pool = Pool::start(Options { recycle_after: 10, ..product(1) }).unwrap();
    let bytes = picture(64, 9);
    let expected = expected(&bytes);
    for _ in 0..35 {
        assert_eq!(pool.read_picture(&bytes), expected);
    }
    let counts = pool.counts();
    assert_eq!((counts.started, counts.recycled, counts.lost), (4, 3, 0));
}

fn many_threads_share_few_workers() {
    let pool = Pool::start(product(2)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let pool = &pool;
            scope.spawn(move || {
                for i in 0..20 {
                    let bytes = picture(64 + (i * 8), thread * 100 + i);
                    assert_eq!(pool.read_picture(&bytes), expected(&bytes));
                }
            });
        }
    });
    assert!(pool.counts().started <= 2, "{:?}", pool.counts());
}

/// Mutated replies of one run.
const CASES: u32 = 400;

/// A worker that mutates its own good reply: the pool refuses it or takes what it says, and never
/// mixes up the next object.
fn broken_replies() {
    let pool = Pool::start(stubs()).unwrap();
    let good = picture(64, 5);
    let expected = expected(&good);
    let (mut refused, mut taken) = (0_u32, 0_u32);
    for seed in 0..CASES {
        // Numbers go up by one a try: those that were lost and those that were answered.
        let number = 1 + pool.counts().lost + u64::from(seed) + u64::from(taken);
        match pool.read_picture(&order(&format!("mutated:{seed}:{number}"))).status {
            MediaStatus::Crashed => refused += 1,
            _ => taken += 1,
        }
        assert_eq!(pool.read_picture(&good), expected, "after seed {seed}");
    }
    println!("{CASES} mutated replies: {refused} refused, {taken} taken");
    assert!(refused > CASES / 4 && taken > CASES / 50, "{refused} refused, {taken} taken");
    assert_eq!(pool.counts().not_started, 0);
}

fn a_program_that_is_no_worker_is_an_error() {
    let missing = Options { program: Program::File("/no/such/program".into()), ..product(1) };
    assert!(matches!(Pool::start(missing), Err(WorkerError::Start(_))));
    let other = Options { program: Program::File("/bin/true".into()), ..product(1) };
    let begun = Instant::now();
    assert!(matches!(Pool::start(other), Err(WorkerError::Start(_))));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
