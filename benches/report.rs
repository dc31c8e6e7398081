//! Builds a report of made-up objects and says what it cost.
//!
//! `cargo bench --bench report -- 1000000`, under `/usr/bin/time -v` for its memory. Arguments:
//! number of objects, and the bytes that the sorts may hold.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench makes its own files")]

use assay::digest::{Hasher, Selection};
use assay::item::{ItemMeta, ObjectKind, OrderKey, Status, TimeSource, Timestamp};
use assay::matching::Disposition;
use assay::output::{Faults, OutputDir};
use assay::problem::{Code, Problem, Stage};
use assay::report::{
    Actor, Case, Custody, Handover, Host, Journal, Record, ReportError, RunManifest, Seen, Tool,
    build,
};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let objects = numbers.next().unwrap_or(20_000);
    let memory = usize::try_from(numbers.next().unwrap_or(64 << 20))?;
    let dir = tempfile::tempdir()?;
    let out = OutputDir::create(&dir.path().join("report"), Faults::default())?;
    let mut run = RunManifest::new(Tool::default(), Case::default(), Host::default());
    let custody = Custody::start(&out, Actor::default())?;
    let clock = Instant::now();
    let journal = journal(&out, objects)?;
    let recorded = clock.elapsed();
    let clock = Instant::now();
    let seen = Seen { objects, directories: 0 };
    build(
        Handover {
            out: &out,
            journal,
            run: &mut run,
            custody,
            seen,
            walked: Vec::new(),
            clock,
            memory,
        },
        None,
    )?;
    let built = clock.elapsed();
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / objects.max(1) as f64;
    println!(
        "{objects} objects: journal {:.2} us, report {:.2} us each",
        each(recorded),
        each(built)
    );
    Ok(())
}

/// Objects in an order of completion that is not that of the evidence, one in eight a copy.
fn journal(out: &OutputDir, objects: u64) -> Result<Journal<'_>, ReportError> {
    let mut journal = Journal::create(out, "bench", 32 << 20)?;
    let mut at = 0_u64;
    for _ in 0..objects {
        // A step coprime to most counts visits each once; what it misses does no harm here.
        at = (at + 7919) % objects;
        journal.append(&record(at))?;
    }
    journal.sync()?;
    Ok(journal)
}

fn record(at: u64) -> Record {
    let mut hasher = Hasher::new(Selection::ALL);
    hasher.update(&(if at.is_multiple_of(8) { at / 64 } else { at }).to_le_bytes());
    let mut meta = ItemMeta::new(ObjectKind::File);
    meta.size = Some(at);
    meta.fs_type = "ext4".to_owned();
    meta.fs_ref = format!("ino:{at}-1");
    (meta.link_count, meta.owner_id) = (Some(1), "1000:1000".to_owned());
    (meta.attributes, meta.time_source) = ("0644".to_owned(), Some(TimeSource::OsMount));
    let time = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789, digits: 9, utc: true };
    (meta.times.created, meta.times.modified) = (Some(time), Some(time));
    (meta.times.accessed, meta.times.changed) = (Some(time), Some(time));
    let name = format!("IMG_{at:08}.JPG");
    let problem = Problem::new(Code::PictureDamaged, Stage::Decode, "jpeg: cut");
    Record {
        key: OrderKey::evidence(1).child(0).child(at / 1000).child(at % 1000),
        parent: None,
        evidence: 1,
        path: format!("E1!/Users/somebody/Pictures/folder {:05}/{name}", at / 1000),
        file_name: name.into_bytes(),
        meta,
        detected_type: Some("jpeg".to_owned()),
        type_mismatch: Some(false),
        digests: hasher.finish(),
        pictures: None,
        status: Status::Hashed,
        reason: None,
        bytes_hashed: at,
        low_information: None,
        findings: Vec::new(),
        disposition: Disposition::None,
        problems: if at.is_multiple_of(100) { vec![problem] } else { Vec::new() },
        image: false,
    }
}
