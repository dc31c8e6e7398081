//! Containers in workers: children come as they are, whichever way the content goes, and what a
//! hostile container or worker does costs that container only.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assay::bytes::{ReadAt, Slice};
use assay::unpack::{Child, Children, End, Format};
use assay::worker::{Answer, Content, Expand, ExpandLimits, Options, Outcome, Pool, Receive};

use super::Test;
use super::pool::{order, picture, product, stubs};

pub(crate) const TESTS: &[Test] = &[
    ("a_gzip_comes_out_whole_whichever_way_it_goes", whole),
    ("damage_of_a_gzip_is_named_and_the_rest_comes_out", damage),
    ("content_that_cannot_be_read_ends_the_child_as_partial", unreadable),
    ("limits_of_what_comes_out_end_a_container_and_no_worker", limits),
    ("each_failure_inside_a_container_costs_that_container_only", failures),
    ("a_receiver_may_break_off", break_off),
    ("a_slow_reader_does_not_make_a_container_late", slow_reader),
    ("containers_and_pictures_share_the_workers_of_many_threads", shared),
];

/// Keeps everything; counts restarts.
#[derive(Default, Debug)]
pub(crate) struct Kept {
    children: Vec<(Child, Vec<u8>, Option<End>)>,
    restarts: u32,
    break_at: Option<usize>,
}

impl Children for Kept {
    fn begin(&mut self, child: &Child) -> ControlFlow<()> {
        assert!(self.children.last().is_none_or(|(_, _, end)| end.is_some()));
        self.children.push((child.clone(), Vec::new(), None));
        ControlFlow::Continue(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let (_, kept, end) = self.children.last_mut().unwrap();
        assert!(end.is_none() && !bytes.is_empty());
        kept.extend_from_slice(bytes);
        match self.break_at {
            Some(len) if kept.len() >= len => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn end(&mut self, end: &End) -> ControlFlow<()> {
        let (_, _, ended) = self.children.last_mut().unwrap();
        assert!(ended.replace(end.clone()).is_none());
        ControlFlow::Continue(())
    }
}

impl Receive for Kept {
    fn restart(&mut self) {
        self.children.clear();
        self.restarts += 1;
    }
}

/// What `gzip` makes of a content.
fn gzip(arguments: &[&str], content: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .args(arguments)
        .args(["-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = content.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

/// Bytes that compress to three quarters.
fn noise(len: u32) -> Vec<u8> {
    let mut random = 2_463_534_242_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random as u8 & 0x3f
    };
    (0..len).map(|_| next()).collect()
}

fn ask(pool: &Pool, content: Content<'_>, kept: &mut Kept) -> Answer {
    ask_within(pool, content, ExpandLimits::default(), kept)
}

fn ask_within(pool: &Pool, content: Content<'_>, limits: ExpandLimits, kept: &mut Kept) -> Answer {
    let expand = Expand { format: Format::Gzip, content, limits };
    pool.expand(&expand, kept, &AtomicBool::new(false)).unwrap()
}

/// A stream that counts reads and cannot be read from some byte on.
struct Source<'a> {
    bytes: &'a [u8],
    bad_from: u64,
    wait: Duration,
    reads: AtomicU64,
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bad_from: u64::MAX, wait: Duration::ZERO, reads: AtomicU64::new(0) }
    }
}

impl ReadAt for Source<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.wait);
        if at + buf.len() as u64 > self.bad_from {
            return Err(io::Error::other("bad sector"));
        }
        self.bytes.read_at(at, buf)
    }
}

fn whole() {
    let pool = Pool::start(product(1)).unwrap();
    for len in [0, 1, 5_000, 300_000, 3_000_000] {
        let content = noise(len);
        let file = gzip(&[], &content);
        let source = Source::new(&file);
        for way in [Content::Bytes(&file), Content::At(&source)] {
            let mut kept = Kept::default();
            let answer = ask(&pool, way, &mut kept);
            let bytes = u64::from(len);
            let detail = String::new();
            assert_eq!(answer, Answer { outcome: Outcome::Whole, detail, children: 1, bytes });
            assert!(kept.children[0].1 == content);
            assert_eq!(kept.children[0].2, Some(End::Whole));
        }
        assert_eq!(source.reads.into_inner(), (file.len() as u64).div_ceil(65_536));
    }
    // Longer than a worker's memory takes at once: it is asked for all the same.
    let zeros = gzip(&["-1"], &[0; 100]);
    let long = [zeros, vec![0; 40 << 20]].concat();
    let mut kept = Kept::default();
    assert_eq!(ask(&pool, Content::Bytes(&long), &mut kept).outcome, Outcome::Whole);
    assert_eq!(pool.counts().lost, 0);
    assert_eq!(pool.counts().started, 1);
}

fn damage() {
    let pool = Pool::start(product(1)).unwrap();
    let content = noise(200_000);
    let mut file = gzip(&[], &content);
    let crc = file.len() - 8;
    file[crc] ^= 1;
    let mut kept = Kept::default();
    let answer = ask(&pool, Content::Bytes(&file), &mut kept);
    assert_eq!(answer.outcome, Outcome::Partial);
    assert!(answer.detail.starts_with("checksum mismatch"), "{}", answer.detail);
    assert!(kept.children[0].1 == content);
    assert_eq!(kept.children[0].2, Some(End::Partial(answer.detail)));
    assert_eq!(pool.counts().lost, 0);
}

fn unreadable() {
    let pool = Pool::start(product(1)).unwrap();
    let content = noise(900_000);
    let file = gzip(&[], &content);
    let source = Source { bad_from: 200_000, ..Source::new(&file) };
    let mut kept = Kept::default();
    let answer = ask(&pool, Content::At(&source), &mut kept);
    assert_eq!(
        (answer.outcome, answer.detail.as_str()),
        (Outcome::Partial, "unreadable from 196608 on")
    );
    let (_, bytes, end) = &kept.children[0];
    assert!(bytes.len() > 150_000 && content.starts_with(bytes));
    assert_eq!(*end, Some(End::Partial(answer.detail)));
    assert_eq!(pool.counts().lost, 0);
}

fn limits() {
    let pool = Pool::start(stubs()).unwrap();
    let few = ExpandLimits { children: 10, bytes: 1_000_000, requests: 20 };
    let cases = [
        ("children", "the limit of children was reached", 10),
        ("bytes", "the limit of bytes was reached", 2),
        ("requests", "the limit of requests was reached", 2),
    ];
    for (what, detail, children) in cases {
        let bytes = order(what);
        let mut kept = Kept::default();
        let answer = ask_within(&pool, Content::At(&Slice(&bytes)), few, &mut kept);
        assert_eq!((answer.outcome, answer.detail.as_str()), (Outcome::Limit, detail), "{what}");
        assert_eq!(answer.children, children, "{what}");
        assert_eq!(kept.children[0].1, b"whole");
        assert!(answer.bytes <= few.bytes);
        assert!(kept.children.iter().all(|(_, _, end)| end.is_some()));
    }
    // A bomb: 100 MB of zeros in 100 kB.
    let bomb = gzip(&["-9"], &vec![0; 100_000_000]);
    let mut kept = Kept::default();
    let answer = ask_within(&pool, Content::Bytes(&bomb), few, &mut kept);
    assert_eq!(answer.outcome, Outcome::Limit);
    let cut = End::Partial("the limit of bytes was reached".into());
    assert_eq!(kept.children[0].2, Some(cut));
    assert!(answer.bytes > 900_000 && answer.bytes <= few.bytes);
    assert_eq!((pool.counts().lost, pool.counts().started), (0, 1));
}

/// Orders obeyed inside the second child, what they lead to, and how many workers they cost.
const FAILURES: &[(&str, Outcome, &str, u64)] = &[
    ("uncaught", Outcome::Crashed, "the decoder panicked", 0),
    ("abort", Outcome::Crashed, "the decoder ended its process", 2),
    ("overflow", Outcome::Crashed, "the decoder ended its process", 2),
    ("exit", Outcome::Crashed, "the decoder ended its process", 2),
    ("loop", Outcome::Timeout, "the decoder reached the time limit", 2),
    ("sleep", Outcome::Timeout, "the decoder reached the time limit", 2),
    ("allocate", Outcome::Memory, "the decoder ran out of memory", 1),
    ("garbage", Outcome::Crashed, "the decoder gave no possible answer", 2),
    ("half-a-frame", Outcome::Crashed, "the decoder ended its process", 2),
    ("socket", Outcome::Crashed, "the decoder made a forbidden system call", 2),
    ("nested", Outcome::Crashed, "the decoder gave no possible answer", 2),
];

fn failures() {
    let pool = Pool::start(stubs()).unwrap();
    let content = noise(100_000);
    let good = gzip(&[], &content);
    for (what, outcome, detail, cost) in FAILURES {
        let before = pool.counts().lost;
        let bytes = order(what);
        let mut kept = Kept::default();
        let answer = ask(&pool, Content::Bytes(&bytes), &mut kept);
        assert_eq!((answer.outcome, answer.detail.as_str()), (*outcome, *detail), "{what}");
        assert_eq!(pool.counts().lost - before, *cost, "workers lost by {what}");
        assert_eq!(u64::from(kept.restarts), cost.saturating_sub(1), "{what}");
        assert_eq!(
            (kept.children[0].1.as_slice(), &kept.children[0].2),
            (b"whole".as_slice(), &Some(End::Whole))
        );
        assert_eq!(kept.children[1].2, Some(End::Partial((*detail).into())), "{what}");
        let mut kept = Kept::default();
        assert_eq!(ask(&pool, Content::Bytes(&good), &mut kept).outcome, Outcome::Whole);
        assert!(kept.children[0].1 == content, "the container after {what}");
    }
    // A child that its container leaves open is no whole one.
    let mut kept = Kept::default();
    let bytes = order("unfinished");
    ask(&pool, Content::Bytes(&bytes), &mut kept);
    assert_eq!(kept.children[1].2, Some(End::Partial("the container ended inside it".into())));
}

fn break_off() {
    let pool = Pool::start(product(1)).unwrap();
    let content = noise(3_000_000);
    let file = gzip(&[], &content);
    let mut kept = Kept { break_at: Some(500_000), ..Kept::default() };
    let answer = ask(&pool, Content::Bytes(&file), &mut kept);
    assert_eq!(answer.outcome, Outcome::Stopped);
    assert!(kept.children[0].1.len() < 600_000 && kept.children[0].2.is_none());
    let mut kept = Kept::default();
    assert_eq!(ask(&pool, Content::Bytes(&file), &mut kept).outcome, Outcome::Whole);
    assert_eq!(pool.counts().lost, 0);
}

/// The limit of wall time is for the worker, not for a drive that answers slowly.
fn slow_reader() {
    let pool = Pool::start(Options { workers: 1, ..stubs() }).unwrap();
    let content = noise(700_000);
    let file = gzip(&[], &content);
    let source = Source { wait: Duration::from_millis(700), ..Source::new(&file) };
    let begun = Instant::now();
    let mut kept = Kept::default();
    let answer = ask(&pool, Content::At(&source), &mut kept);
    assert_eq!(answer.outcome, Outcome::Whole, "{answer:?}");
    assert!(begun.elapsed() > Duration::from_secs(5), "longer than the stub's limit of 4 s");
}

fn shared() {
    let pool = Pool::start(product(2)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let pool = &pool;
            scope.spawn(move || {
                for i in 0..10 {
                    let content = noise(10_000 * (i + 1));
                    let file = gzip(&[], &content);
                    let mut kept = Kept::default();
                    let source = Slice(&file);
                    let way = if i % 2 == 0 { Content::Bytes(&file) } else { Content::At(&source) };
                    assert_eq!(ask(pool, way, &mut kept).outcome, Outcome::Whole);
                    assert!(kept.children[0].1 == content);
                    let bytes = picture(64 + i * 8, thread);
                    let expected =
                        assay::worker::read_picture(&bytes, &assay::media::Limits::default());
                    assert_eq!(pool.read_picture(&bytes), expected);
                }
            });
        }
    });
    assert_eq!(pool.counts().lost, 0);
}
