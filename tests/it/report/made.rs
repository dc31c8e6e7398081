//! Reports made of objects that are hard to write down, and how they are read back.

use assay::digest::{Algorithm, Hasher, LowInformation, Selection};
use assay::hashset::{Category, SetCounts, SetInfo, SetKind};
use assay::item::{ItemMeta, ObjectKind, ObjectPath, OrderKey, Status, Timestamp};
use assay::matching::{Disposition, Finding, MatchKind};
use assay::output::{Faults, OutputDir};
use assay::problem::{Code, Problem, Stage};
use assay::report::{
    Actor, Built, Case, Custody, Event, Handover, Host, Journal, PictureFacts, Record, ReportError,
    RunManifest, Seen, SetRecord, Source, SourceVerdict, Tool, build, build_interrupted,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

pub(super) const TABLES: [&str; 3] = ["files.csv", "matches.csv", "exceptions.csv"];

/// Names that break tables, spreadsheets, terminals and decoders.
pub(super) const HARD: &[&[u8]] = &[
    b"=cmd|'/C calc'!A0.jpg",
    b"+1",
    b"-1",
    b"@SUM(A1)",
    b"a\tb",
    b"a\r\nb",
    b"\"quoted\",;x",
    b"\xff\xfe.jpg",
    b"\xed\xa0\x80",
    "gpj\u{202e}.exe".as_bytes(),
    "\u{feff}first".as_bytes(),
    "\u{1b}[2J".as_bytes(),
    b"\\x41",
    b"..",
    b"a:b|c!",
    b"",
    b".",
    b"trailing.",
    "é.JPÉG".as_bytes(),
    b" lead",
    b"x\0y",
    b"\n",
    b"$Orphans",
];

pub(super) fn root() -> ObjectPath {
    ObjectPath::evidence(1)
}

pub(super) fn record(ordinal: u64, name: &[u8], content: &[u8]) -> Record {
    let mut hasher = Hasher::new(Selection::ALL);
    hasher.update(content);
    let mut meta = ItemMeta::new(ObjectKind::File);
    meta.size = u64::try_from(content.len()).ok();
    meta.fs_ref = format!("ino:{ordinal}");
    meta.times.modified = Some(Timestamp { seconds: 1_000, nanos: 5, digits: 9, utc: true });
    Record {
        key: OrderKey::evidence(1).child(ordinal),
        parent: None,
        evidence: 1,
        path: root().inside(name).text(),
        file_name: name.to_vec(),
        meta,
        detected_type: None,
        type_mismatch: None,
        digests: hasher.finish(),
        pictures: None,
        status: Status::Hashed,
        reason: None,
        bytes_hashed: u64::try_from(content.len()).unwrap(),
        low_information: None,
        findings: Vec::new(),
        disposition: Disposition::None,
        problems: Vec::new(),
        image: false,
    }
}

pub(super) fn finding(
    record: &Record,
    set: u32,
    entry: &str,
    kind: SetKind,
    code: Option<&str>,
) -> Finding {
    let category = |code: &str| Category {
        scheme: "scheme".to_owned(),
        code: code.to_owned(),
        label: format!("=label {code}"),
        kind,
    };
    Finding {
        set,
        entry: 0,
        entry_id: entry.to_owned(),
        kind: MatchKind::Exact,
        set_kind: kind,
        algorithm: "sha256".to_owned(),
        object_value: record.digests.get(Algorithm::Sha256).unwrap().to_string(),
        agreeing: vec![Algorithm::Md5, Algorithm::Sha256],
        disagreeing: Vec::new(),
        size_differs: false,
        weak: false,
        category: code.map(category).map(Arc::new),
        series: None,
        victim_identified: Some(true),
        near: None,
    }
}

/// A report's worth of objects: hard names, copies, children, findings, problems, every status.
pub(super) fn objects() -> Vec<Record> {
    let mut records = Vec::new();
    for (ordinal, name) in (0..).zip(HARD) {
        records.push(record(ordinal, name, &[u8::try_from(ordinal % 5).unwrap()]));
    }
    for (ordinal, status) in
        (100..).zip([Status::Partial, Status::Unread, Status::Skipped, Status::Special])
    {
        let mut object = record(ordinal, status.as_str().as_bytes(), b"");
        object.digests = Default::default();
        (object.status, object.reason) = (status, Some(Code::IoError));
        object.problems = vec![
            Problem::new(Code::IoError, Stage::Read, "=two\nlines").at(4096, 512),
            Problem::new(Code::SubtreeIncomplete, Stage::Enumerate, "-x"),
        ];
        records.push(object);
    }
    let mut picture = record(200, b"p.JPG", b"picture");
    picture.pictures = Some(PictureFacts {
        pdq: "ab".repeat(32),
        pdq_quality: Some(99),
        width: Some(4),
        media_status: "partial".to_owned(),
        media_detail: "row 3, of 4".to_owned(),
        ..PictureFacts::default()
    });
    picture.findings = vec![
        finding(&picture, 1, "line:2", SetKind::Ignore, None),
        finding(&picture, 0, "line:9", SetKind::Alert, Some("1")),
        finding(&picture, 0, "line:10", SetKind::Alert, Some("2")),
    ];
    picture.findings[0].kind = MatchKind::DigestConflict;
    picture.findings[0].size_differs = true;
    picture.disposition = Disposition::Alert;
    records.push(picture);
    let mut copy = record(201, b"copy", b"picture");
    copy.findings = vec![finding(&copy, 0, "line:9", SetKind::Alert, Some("1"))];
    copy.disposition = Disposition::Alert;
    records.push(copy);
    let mut empty = record(202, b"empty", b"");
    empty.low_information = Some(LowInformation::Empty);
    empty.findings = vec![
        finding(&empty, 0, "line:1", SetKind::Alert, None),
        finding(&empty, 1, "line:1", SetKind::Ignore, None),
    ];
    empty.disposition = Disposition::Alert;
    records.push(empty);
    records.extend(family());
    records
}

/// An archive with two members, of which the first holds one more.
pub(super) fn family() -> Vec<Record> {
    let outer = record(300, b"a.zip", b"zip");
    let path = root().inside(b"a.zip");
    let child = |of: &Record, path: &ObjectPath, ordinal, name: &[u8]| {
        let mut child = record(0, name, name);
        child.key = of.key.child(ordinal);
        child.parent = Some(of.key.clone());
        child.path = path.inside(name).text();
        child
    };
    let first = child(&outer, &path, 0, b"b.zip");
    let inner = child(&first, &path.inside(b"b.zip"), 0, b"x");
    let second = child(&outer, &path, 1, b"c");
    vec![outer, first, inner, second]
}

pub(super) fn manifest() -> RunManifest {
    let text = |text: &str| text.to_owned();
    let tool = Tool { name: text("assay"), version: text("0.1.0"), ..Tool::default() };
    let case = Case { case_number: text("=1/26"), examiner: text("N, \"N\""), ..Case::default() };
    let mut run = RunManifest::new(tool, case, Host::default());
    run.sources.push(Source {
        evidence_id: text("E1"),
        exhibit_ref: text("EX/1"),
        path: text("/media/a \u{202e}b"),
        format: text("folder"),
        identity: text("serial 7"),
        facts: BTreeMap::new(),
        write_blocker: String::new(),
        device_clock_offset: String::new(),
        image_digests: BTreeMap::new(),
        verdict: SourceVerdict::NoneSupplied,
        alteration_accepted: String::new(),
    });
    for (name, kind) in [
        ("wanted, a set with a name longer than the page is wide, and more", SetKind::Alert),
        ("known", SetKind::Ignore),
    ] {
        run.sets.push(SetRecord {
            info: SetInfo {
                name: text(name),
                publisher: text("unstated"),
                version: text("unstated"),
                received_from: text("unstated"),
                received_at: text("unstated"),
                kind,
                scheme: None,
                scheme_sha256: None,
                path: text("set.txt"),
                format: text("text"),
                sha256: "0f".repeat(32),
            },
            counts: SetCounts::default(),
            incomparable: 3,
            compiled: None,
        });
    }
    run
}

pub(super) struct Options {
    pub(super) memory: usize,
    pub(super) faults: Faults,
    pub(super) complete: bool,
    pub(super) seen: Option<u64>,
}

pub(super) fn plain() -> Options {
    Options { memory: 1 << 20, faults: Faults::default(), complete: true, seen: None }
}

/// Runs everything that a scan does with its report.
pub(super) fn report(
    folder: &Path,
    records: &[Record],
    options: Options,
) -> Result<Built, ReportError> {
    let clock = Instant::now();
    let out = OutputDir::create(folder, options.faults)?;
    let mut run = manifest();
    run.write(&out)?;
    let mut custody = Custody::start(&out, Actor { name: "N".to_owned(), ..Actor::default() })?;
    custody.event(Event::RunStart, "", "-start\nof it", "", "")?;
    let mut journal = Journal::create(&out, "identity", 4096)?;
    for record in records {
        journal.append(record)?;
    }
    let objects = options.seen.unwrap_or(u64::try_from(records.len()).unwrap());
    let handover = Handover {
        out: &out,
        journal,
        run: &mut run,
        custody,
        seen: Seen { objects, directories: 2 },
        walked: Vec::new(),
        clock,
        memory: options.memory,
    };
    let built = if options.complete {
        build(handover, Some(&|manifest| Ok(manifest.to_ascii_uppercase())))?
    } else {
        build_interrupted(handover)?
    };
    out.release()?;
    Ok(built)
}

/// What the Python oracle says of a report: rows of files.csv and the seal.
pub(super) fn oracle(folder: &Path, suffix: &str) -> (u64, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/report.py");
    let run = Command::new("python3").arg(script).arg(folder).arg(suffix).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).unwrap();
    let (rows, seal) = text.trim_end_matches('\n').split_once(' ').unwrap();
    (rows.parse().unwrap(), seal.to_owned())
}

pub(super) fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

pub(super) fn rows(folder: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
