//! Reports that the program itself built: the builder and the verifier agree on the format.

use super::{check_with, digests_of, index, oracle};
use assay::digest::{Digests, LowInformation, Selection};
use assay::hashset::SetCounts;
use assay::item::{ItemMeta, ObjectKind, ObjectPath, OrderKey, Status, TimeSource, Timestamp};
use assay::matching::{Disposition, Index};
use assay::output::{Faults, OutputDir};
use assay::problem::{Code, Problem, Stage};
use assay::report::sign::{PublicKey, SigningKey};
use assay::report::verify::{SignatureResult, VerifyOptions, verify};
use assay::report::{
    Actor, Case, Custody, Event, Handover, Host, Journal, Record, RunManifest, Seen, SetRecord,
    Source, SourceVerdict, Tool, build,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Names that need every escape and every quote.
const NAMES: [&[u8]; 6] =
    [b"plain.jpg", b"a,b \"c\".jpg", b"=cmd\n.png", b"\xff\xfe", "ü\u{202e}gpj.".as_bytes(), b".."];

fn record(number: u64, index: &Index) -> Record {
    let name = NAMES[usize::try_from(number % 6).unwrap()];
    let folder = ObjectPath::evidence(1).inside(number.to_string().as_bytes());
    let mut meta = ItemMeta::new(ObjectKind::File);
    meta.times.modified =
        Some(Timestamp { seconds: 1_700_000_000, nanos: 5, digits: 9, utc: true });
    meta.time_source = Some(TimeSource::OsMount);
    let content = format!("content {}", number % 50);
    let size = u64::try_from(content.len()).unwrap();
    meta.size = Some(size);
    let mut record = Record {
        key: OrderKey::evidence(1).child(number),
        parent: (number % 5 == 4).then(|| OrderKey::evidence(1).child(number - 1)),
        evidence: 1,
        path: folder.below(name).text(),
        file_name: name.to_vec(),
        meta,
        detected_type: Some("text".to_owned()),
        type_mismatch: Some(number.is_multiple_of(6)),
        digests: Digests::default(),
        pictures: None,
        status: Status::Unread,
        reason: Some(Code::PermissionDenied),
        bytes_hashed: 0,
        low_information: None,
        findings: Vec::new(),
        disposition: Disposition::None,
        problems: vec![Problem::new(Code::PermissionDenied, Stage::Open, "no, \"never\"")],
        image: false,
    };
    if let Some(parent) = &record.parent {
        record.key = parent.child(0);
    }
    if number % 7 != 3 {
        (record.status, record.reason) = (Status::Hashed, None);
        (record.problems, record.bytes_hashed) = (Vec::new(), size);
        record.low_information = Some(LowInformation::Tiny);
        record.digests = digests_of(content.as_bytes(), Selection::ALL);
        record.findings = index.look_up(&record.digests, size);
        record.disposition = Disposition::of(&record.findings);
    }
    record
}

fn source() -> Source {
    let (text, none) = (String::new, BTreeMap::new);
    Source {
        evidence_id: "E1".to_owned(),
        exhibit_ref: "X/1, \"left\"".to_owned(),
        path: "/evidence".to_owned(),
        format: "folder".to_owned(),
        identity: text(),
        facts: none(),
        write_blocker: text(),
        device_clock_offset: text(),
        image_digests: none(),
        verdict: SourceVerdict::NoneSupplied,
        alteration_accepted: text(),
    }
}

/// Builds a report of `records` objects; gives its seal.
fn built(folder: &Path, records: u64, index: &Index, key: Option<&SigningKey>) -> String {
    let out = OutputDir::create(folder, Faults::default()).unwrap();
    let mut run = RunManifest::new(Tool::default(), Case::default(), Host::default());
    run.sources.push(source());
    let set = |set: &assay::hashset::ReferenceSet| SetRecord {
        info: set.info.clone(),
        counts: SetCounts::default(),
        incomparable: 0,
        compiled: None,
    };
    run.sets.extend(index.sets().iter().map(set));
    let mut custody = Custody::start(&out, Actor::default()).unwrap();
    custody.event(Event::RunStart, "", "a \"start\", of sorts", "", "").unwrap();
    let mut journal = Journal::create(&out, "same", 4096).unwrap();
    for number in (0..records).rev() {
        journal.append(&record(number, index)).unwrap();
    }
    let seen = Seen { objects: records, directories: 1 };
    let clock = std::time::Instant::now();
    let run = &mut run;
    let handover = Handover {
        out: &out,
        journal,
        run,
        custody,
        seen,
        walked: Vec::new(),
        clock,
        memory: 1 << 24,
    };
    let sign = |manifest: &[u8]| {
        let mut text = Vec::new();
        let signed = key.map(|key| key.sign(manifest, &mut text));
        signed.transpose().map(|_| text).map_err(|error| error.to_string())
    };
    let built = build(handover, key.map(|_| &sign as _)).unwrap();
    assert!(built.balance.holds);
    built.seal
}

#[test]
fn a_built_report_has_no_difference_and_gives_its_seal() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = index(&[b"content 7", b"content 7", b"content 20", b"nowhere"]);
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key_file = other.path().join("a.key");
    std::fs::write(&key_file, pair.sk.to_box(None).unwrap().to_string()).unwrap();
    let key = SigningKey::read(&key_file, None).unwrap();
    let report = folder.path().join("report");
    let seal = built(&report, 300, &index, Some(&key));

    let public = PublicKey::from_text_or_file(&pair.pk.to_base64()).unwrap();
    let options =
        VerifyOptions { seal: Some(seal.clone()), public_key: Some(public), sets: Some(&index) };
    let told = verify(&report, &options).unwrap();
    assert_eq!(told.differences, []);
    assert_eq!((told.seal, &*told.not_covered), (seal.clone(), &[][..]));
    assert_eq!((told.checked.files, told.checked.first_copies), (300, 257));
    assert!(matches!(told.signature, SignatureResult::Good { .. }));
    assert_eq!(told.sets.unwrap().findings, told.checked.matches);
    assert!(told.checked.matches > 10 && told.checked.exceptions > 30);
    if let Some((good, text)) = oracle(&report) {
        assert!(good && text.contains(&seal), "{text}");
    }
}

#[test]
fn sets_that_changed_since_a_report_was_built_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (then, now) = (index(&[b"content 7"]), index(&[b"content 7", b"content 8"]));
    let report = folder.path().join("report");
    built(&report, 60, &then, None);
    let options = VerifyOptions { sets: Some(&now), ..VerifyOptions::default() };
    let told = verify(&report, &options).unwrap();
    let rows: Vec<_> = told.differences.iter().map(|d| (&*d.file, d.record)).collect();
    assert_eq!(rows, [("files.csv", Some(9)), ("files.csv", Some(59))]);
    let empty = check_with(&super::parts(), &then);
    assert!(!empty.is_good(), "the small report's rows are no findings of this set");
}

/// With `ASSAY_ROWS=1000000` in the environment it measures; 5,000 rows otherwise.
#[test]
fn a_large_report_is_read_in_bounded_memory() {
    let rows = std::env::var("ASSAY_ROWS").ok().and_then(|rows| rows.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let (report, index) = (folder.path().join("report"), index(&[b"content 7"]));
    built(&report, rows.unwrap_or(5_000), &index, None);
    let clock = std::time::Instant::now();
    let options = VerifyOptions { sets: Some(&index), ..VerifyOptions::default() };
    let told = verify(&report, &options).unwrap();
    println!("{} rows verified in {:?}", told.checked.files, clock.elapsed());
    assert_eq!(told.differences, []);
}
