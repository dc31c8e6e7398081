//! Objects side by side have the records they have alone: any lengths, gaps, failures, any number
//! at a time, with little memory, on several threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;
use crate::digest::{Selection, lanes::Kernels};
use crate::item::{Contents, Examined, Found, Item, ItemMeta, ObjectKind, Stream};
use crate::matching::Index;
use crate::media::MediaStatus;
use crate::problem::{Code, Problem, Stage};
use crate::scan::nested::Images;
use crate::scan::object::Worker;
use crate::scan::{Counters, links::Links, picture};
use proptest::prelude::*;

const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";

/// An object, and the stream that is its content.
#[derive(Debug, Clone)]
struct Fake {
    bytes: Vec<u8>,
    /// A byte that cannot be read.
    gap: Option<usize>,
    /// Where reading ends the thread.
    panics: Option<usize>,
    changes: bool,
    at: usize,
}

impl Found for Fake {
    fn examine(self: Box<Self>) -> Examined {
        let meta =
            ItemMeta { size: Some(self.bytes.len() as u64), ..ItemMeta::new(ObjectKind::File) };
        Examined { meta, contents: Contents::Stream(self), problems: Vec::new() }
    }
}

impl Stream for Fake {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        assert!(self.panics.is_none_or(|panics| self.at < panics), "a planted failure");
        let mut end = self.bytes.len().min(self.at + buffer.len());
        if let Some(gap) = self.gap.filter(|gap| (self.at..end).contains(gap)) {
            if gap == self.at {
                self.at += 1;
                let problem = Problem::new(Code::IoError, Stage::Read, "x");
                return Err(problem.at(gap as u64, 1));
            }
            end = gap;
        }
        let bytes = &self.bytes[self.at..end];
        buffer[..bytes.len()].copy_from_slice(bytes);
        self.at = end;
        Ok(bytes.len())
    }

    fn finish(self: Box<Self>) -> Result<(), Problem> {
        let changed = || Problem::new(Code::ChangedDuringRead, Stage::Read, "x");
        if self.changes { Err(changed()) } else { Ok(()) }
    }
}

fn item(number: usize, fake: &Fake) -> Item {
    let root = ObjectPath::evidence(1);
    let path = root.inside(format!("f{number}").as_bytes());
    let key = OrderKey::evidence(1).child(number as u64);
    Item { path, key, found: Box::new(fake.clone()) }
}

/// Calls `work` with what a run shares.
fn shared<T>(memory: u64, work: impl FnOnce(&Shared<'_>) -> T) -> T {
    let (counters, cancel, index) = (Counters::default(), AtomicBool::new(false), Index::default());
    let pictures =
        |bytes: &[u8]| Some(picture::not_decoded(MediaStatus::Ok, format!("{}", bytes.len())));
    work(&Shared {
        index: &index,
        near: None,
        pictures: &pictures,
        budget: picture::Budget::new(memory),
        selection: Selection::ALL,
        kernels: Kernels::best(),
        counters: &counters,
        cancel: &cancel,
        links: Links::default(),
        images: Images::default(),
        children: AtomicU64::new(0),
    })
}

type Records = BTreeMap<OrderKey, String>;

fn alone(shared: &Shared<'_>, fakes: &[Fake]) -> Records {
    let mut worker = Worker { shared, buffer: vec![0; crate::digest::lanes::LANE_BYTES] };
    let mut records = Records::new();
    for (n, fake) in fakes.iter().enumerate() {
        let item = item(n, fake);
        let (path, key) = (item.path.clone(), item.key.clone());
        let mut emit =
            |record: Record| drop(records.insert(record.key.clone(), format!("{record:?}")));
        if fake.panics.is_some() {
            emit(failed(1, path, key));
        } else {
            worker.work(1, item, &mut emit);
        }
    }
    records
}

fn side_by_side(shared: &Shared<'_>, items: Vec<Item>, streams: usize) -> Records {
    let reading = shared.reading();
    let mut flight = Flight::new(shared, &reading, streams);
    let mut items = items.into_iter();
    let mut records = Records::new();
    let mut emit =
        |_, record: Record| drop(records.insert(record.key.clone(), format!("{record:?}")));
    loop {
        while flight.slot().is_some() {
            let Some(item) = items.next() else { break };
            let place = (item.path.clone(), item.key.clone());
            if let Some(opened) = shared.open(1, item, &mut |record| emit(1, record)) {
                flight.admit(1, place, opened);
            }
        }
        if flight.is_empty() {
            assert_eq!(items.len(), 0, "objects are left");
            return records;
        }
        flight.go_alone(&|| items.len() == 0, &mut emit);
        flight.go_on(&mut emit);
    }
}

fn fake() -> impl Strategy<Value = Fake> {
    let length = prop_oneof![0_usize..300, 0_usize..20_000, 60_000_usize..200_000];
    let head = prop_oneof![3 => Just(&b""[..]), 1 => Just(GIF), 1 => Just(&b"text before"[..])];
    let place = |one_in: u32| proptest::option::weighted(1.0 / f64::from(one_in), 0_usize..200_000);
    (length, head, any::<u8>(), place(8), place(12), prop::bool::weighted(0.1)).prop_map(
        |(length, head, seed, gap, panics, changes)| {
            let mut bytes = head.to_vec();
            bytes.extend((0..length).map(|n| (n * 7 + n / 251) as u8 ^ seed));
            if head == b"text before" {
                bytes.extend(GIF); // a picture inside, for which memory is taken
            }
            let gap = gap.filter(|place| *place < bytes.len());
            let panics = panics.map(|_| 0);
            Fake { bytes, gap, panics, changes, at: 0 }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn objects_side_by_side_have_the_records_they_have_alone(
        fakes in prop::collection::vec(fake(), 0..60),
        streams in 1..=MOST,
    ) {
        // Enough for one search and one picture, so that others wait.
        let memory = (crate::scan::embedded::LARGEST + 210_000) as u64;
        let want = shared(memory, |shared| alone(shared, &fakes));
        let got = shared(memory, |shared| {
            let items = |odd| {
                let numbered = fakes.iter().enumerate();
                numbered.filter(|(n, _)| n % 2 == odd).map(|(n, fake)| item(n, fake)).collect()
            };
            std::thread::scope(|scope| {
                let first = scope.spawn(|| side_by_side(shared, items(0), streams));
                let mut all = side_by_side(shared, items(1), streams);
                all.extend(first.join().unwrap());
                all
            })
        });
        prop_assert_eq!(got, want);
    }
}

#[test]
fn a_long_object_alone_has_the_record_it_has_beside_others() {
    let long = |tail: usize, gap| {
        let bytes = (0..36_000_000 + tail).map(|n| (n * 7 + n / 251) as u8).collect();
        Fake { bytes, gap, panics: None, changes: false, at: 0 }
    };
    for fake in [long(0, None), long(77, None), long(5, Some(30_000_001))] {
        let fakes = [fake];
        let memory = 64 << 20;
        let want = shared(memory, |shared| alone(shared, &fakes));
        let got = shared(memory, |shared| side_by_side(shared, vec![item(0, &fakes[0])], 4));
        assert_eq!(got, want);
    }
}
