//! Reports as a reader meets them: checked with Python and coreutils, in any order of completion,
//! on a full disk, with a torn journal.

mod made;

use assay::digest::{Algorithm, LowInformation};
use assay::hashset::SetKind;
use assay::item::{ObjectKind, Status};
use assay::matching::{Disposition, MatchKind};
use assay::output::{Effect, Fault, Faults, Operation, OutputDir};
use assay::problem::{Code, Stage};
use assay::report::sort::Sorter;
use assay::report::{
    Actor, Custody, Event, Handover, Journal, JournalReader, Record, ReportError, Resumed, Seen,
    SourceVerdict, build, schema,
};
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use made::*;

#[test]
fn python_and_coreutils_agree_with_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    let built = report(&folder, &objects(), plain()).unwrap();
    assert_eq!(oracle(&folder, ""), (built.rows.files, built.seal));
    let check = Command::new("sha256sum")
        .args(["--strict", "-c", schema::MANIFEST])
        .current_dir(&folder)
        .output();
    assert!(check.unwrap().status.success());
    assert_eq!(read(&folder, schema::MANIFEST).lines().count(), 7);
    assert_eq!(
        names(&folder),
        [
            "custody.csv",
            "exceptions.csv",
            "files.csv",
            "manifest.sha256",
            "manifest.sha256.minisig",
            "matches.csv",
            "run.json",
            "summary.txt",
            "volumes.csv",
        ]
    );
    assert!(built.balance.holds);
    assert_eq!((built.alerts, built.rows.exceptions, built.rows.matches), (3, 8, 6));
}

#[test]
fn reports_of_no_and_of_one_object_are_whole() {
    for records in [vec![], vec![record(0, b"a", b"a")]] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("report");
        let built = report(&folder, &records, plain()).unwrap();
        assert_eq!(oracle(&folder, ""), (u64::try_from(records.len()).unwrap(), built.seal));
    }
}

#[test]
fn children_name_their_parents() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    let mut records = vec![record(7, b"before", b"")];
    records.extend(family().into_iter().rev());
    report(&folder, &records, plain()).unwrap();
    let told: Vec<_> = rows(&folder, "files.csv")
        .into_iter()
        .map(|row| (row["file_name"].clone(), row["parent_record_no"].clone()))
        .collect();
    let told: Vec<_> = told.iter().map(|(name, parent)| (name.as_str(), parent.as_str())).collect();
    assert_eq!(told, [("before", ""), ("a.zip", ""), ("b.zip", "2"), ("x", "3"), ("c", "2")]);
}

#[test]
fn a_child_whose_parent_has_no_row_fails_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    report(&folder, &family()[1..], plain()).unwrap();
    assert!(read(&folder, "run.json").contains("\"state\": \"failed\""));
}

#[test]
fn names_come_back_from_their_cells() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    report(&folder, &objects(), plain()).unwrap();
    for (row, name) in rows(&folder, "files.csv").iter().zip(HARD) {
        let back = assay::item::escape::unescape(&row["file_name"]).unwrap();
        assert_eq!(back, *name);
        let dot = name.iter().rposition(|c| *c == b'.').map_or(&[][..], |at| &name[at + 1..]);
        let extension = assay::item::escape::unescape(&row["extension"]).unwrap();
        assert_eq!(extension, dot.to_ascii_lowercase());
    }
}

#[test]
fn findings_stand_alone_in_the_order_of_sets() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    report(&folder, &objects(), plain()).unwrap();
    let rows = rows(&folder, "matches.csv");
    let told: Vec<_> = rows
        .iter()
        .map(|row| [&row["set_name"][..5], &row["entry_id"], &row["conflict"], &row["exhibit_ref"]])
        .collect();
    assert_eq!(told[0], ["wante", "line:10", "category", "EX/1"]);
    assert_eq!(told[1], ["wante", "line:9", "category", "EX/1"]);
    assert_eq!(rows[2]["conflict"], "digest");
    assert_eq!(rows[2]["digests_disagreeing"], "size");
    assert_eq!(rows[3]["conflict"], "none");
    assert_eq!((&*rows[4]["conflict"], &*rows[5]["conflict"]), ("kind", "kind"));
    assert_eq!(rows[0]["case_number"], r"\x3d1/26");
    assert_eq!(rows[0]["source_identity"], "serial 7");
    assert_eq!(rows[0]["threshold"], "");
}

#[test]
fn the_summary_is_a_page_of_inert_ascii() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    report(&folder, &objects(), plain()).unwrap();
    let text = read(&folder, "summary.txt");
    for line in text.lines() {
        assert!(line.len() <= 80, "{line}");
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    }

    assert!(!text.to_lowercase().contains("verdict"));
    let numbers = |label: &str| {
        let line = text.lines().find(|line| line.starts_with(label)).unwrap();
        let numbers = line[label.len()..].split_whitespace();
        numbers.map(|n| n.parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!(numbers("equal to an alert entry (exact)"), [3]);
    assert_eq!(numbers("  of these of low information"), [1]);
    assert_eq!(numbers("alert, all sets"), [2, 1, 1]);
    assert_eq!(numbers("alert, file"), [2, 1, 1]);
    assert_eq!(numbers("category scheme 1: \\x3dlabel 1"), [2, 1, 0]);
    assert_eq!(numbers("category scheme 2: \\x3dlabel 2"), [1, 1, 0]);
    assert_eq!(numbers("unread: io_error"), [1]);
    for fixed in [
        "a lead, not an identification",
        "does not show",
        "Not validated for casework by this program's makers: validate it in your laboratory \
         before relying on it. Decoders ran confined by: ",
    ] {
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(fixed), "{fixed}");
    }
}

#[test]
fn a_balance_that_fails_is_told_and_the_report_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    let options = Options { seen: Some(99), ..plain() };
    let built = report(&folder, &objects(), options).unwrap();
    assert!(!built.balance.holds);
    assert!(read(&folder, "summary.txt").contains("\nFAILED: the balance does not hold"));
    assert!(read(&folder, "run.json").contains("\"state\": \"failed\""));
    oracle(&folder, "");
}

#[test]
fn a_stopped_run_keeps_its_journal_and_has_no_seal() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    let options = Options { complete: false, ..plain() };
    let built = report(&folder, &objects(), options).unwrap();
    assert_eq!(oracle(&folder, ".incomplete").0, built.rows.files);
    assert_eq!(
        names(&folder),
        [
            "custody.csv",
            "exceptions.incomplete.csv",
            "files.incomplete.csv",
            "journal",
            "matches.incomplete.csv",
            "run.json",
            "volumes.incomplete.csv",
        ]
    );
    assert_eq!(rows(&folder, "custody.csv").last().unwrap()["event"], "run_interrupted");
    assert!(read(&folder, "run.json").contains("\"state\": \"interrupted\""));
}

#[test]
fn a_stopped_run_goes_on_to_the_same_tables() {
    let dir = tempfile::tempdir().unwrap();
    let (once, twice) = (dir.path().join("once"), dir.path().join("twice"));
    let records = objects();
    report(&once, &records, plain()).unwrap();
    report(&twice, &records[..9], Options { complete: false, ..plain() }).unwrap();

    let out = OutputDir::resume(&twice, Faults::default()).unwrap();
    assert!(matches!(Journal::resume(&out, "other", 4096), Err(ReportError::OtherRun(_))));
    let Resumed { mut journal, torn_at: torn, .. } =
        Journal::resume(&out, "identity", 4096).unwrap();
    assert_eq!((journal.records(), torn), (9, None));
    records[9..].iter().for_each(|record| journal.append(record).unwrap());
    let mut custody = Custody::resume(&out, Actor::default()).unwrap();
    custody.event(Event::RunResumed, "", "", "", "").unwrap();
    let (mut run, objects) = (manifest(), u64::try_from(records.len()).unwrap());
    let seen = Seen { objects, directories: 2 };
    let (run, clock) = (&mut run, Instant::now());
    let handover = Handover {
        out: &out,
        journal,
        run,
        custody,
        seen,
        walked: Vec::new(),
        clock,
        memory: 4096,
    };
    let seal = build(handover, None).unwrap().seal;
    out.release().unwrap();
    assert_eq!(oracle(&twice, "").1, seal);
    for table in TABLES {
        assert_eq!(read(&once, table), read(&twice, table), "{table}");
    }
    assert!(names(&twice).iter().all(|name| !name.contains("incomplete")));
}

#[test]
fn a_journal_cut_at_any_byte_gives_every_whole_record_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    let records = family();
    report(&folder, &records, Options { complete: false, ..plain() }).unwrap();
    let file = folder.join("journal/records");
    let whole = std::fs::read(&file).unwrap();
    let out = OutputDir::resume(&folder, Faults::default()).unwrap();
    let mut ends = Vec::new();
    let mut reader = JournalReader::open(&out).unwrap();
    let mut payload = Vec::new();
    ends.push(reader.position());
    while reader.next(&mut payload).unwrap() {
        ends.push(reader.position());
    }
    assert_eq!(*ends.last().unwrap(), u64::try_from(whole.len()).unwrap());
    for length in 0..whole.len() {
        std::fs::write(&file, &whole[..length]).unwrap();
        let length = u64::try_from(length).unwrap();
        let kept = ends.iter().filter(|end| **end <= length).count();
        let Ok(mut reader) = JournalReader::open(&out) else {
            assert_eq!(kept, 0, "{length}");
            continue;
        };
        let mut read = Vec::new();
        while reader.next(&mut payload).unwrap() {
            read.push(Record::decode(&payload).unwrap());
        }
        assert_eq!(read, records[..kept - 1], "{length}");
        let torn = (ends[kept - 1] != length).then_some(ends[kept - 1]);
        assert_eq!(reader.torn_at(), torn, "{length}");
    }
    let mut flipped = whole.clone();
    let at = usize::try_from(ends[1]).unwrap() + 20;
    flipped[at] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    let Resumed { journal, torn_at: torn, .. } = Journal::resume(&out, "identity", 4096).unwrap();
    assert_eq!((journal.records(), torn), (1, Some(ends[1])));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), ends[1]);
}

/// Fails every call of every kind in turn. A name that is there afterwards leads to a whole file,
/// and what was recorded is still in the journal until the report is whole.
#[test]
fn a_full_disk_leaves_no_half_written_file_under_a_final_name() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let records = objects();
    report(&good, &records, plain()).unwrap();
    let (mut failed, mut nth) = (0, 0);
    let mut ended = [false; 4];
    let operations = [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename];
    while ended != [true; 4] {
        nth += 1;
        for (operation, ended) in operations.into_iter().zip(&mut ended) {
            let folder = dir.path().join(format!("{operation:?}{nth}"));
            let fault = Fault { operation, name: None, nth, effect: Effect::From(28) };
            let options = Options { faults: Faults::new(vec![fault]), memory: 2000, ..plain() };
            let result = report(&folder, &records, options);
            *ended = result.is_ok();
            failed += u64::from(result.is_err());
            for table in TABLES.iter().filter(|table| folder.join(table).exists()) {
                assert_eq!(read(&good, table), read(&folder, table), "{table} {operation:?} {nth}");
            }
            for name in ["run.json", "summary.txt"] {
                if folder.join(name).exists() {
                    assert!(read(&folder, name).ends_with('\n'), "{name} {operation:?} {nth}");
                }
            }
            let sealed = folder.join(schema::MANIFEST).exists();
            if sealed {
                let check = Command::new("sha256sum")
                    .args(["--strict", "--status", "-c", schema::MANIFEST])
                    .current_dir(&folder)
                    .status();
                assert!(check.unwrap().success(), "{operation:?} {nth}");
            } else if folder.join("files.csv").exists() {
                assert!(folder.join("journal/records").exists(), "{operation:?} {nth}");
            }
        }
    }
    assert!(failed > 40, "{failed}");
}

#[test]
fn nothing_follows_a_torn_record() {
    let dir = tempfile::tempdir().unwrap();
    let name = Some("journal/records".to_owned());
    let fault = Fault { operation: Operation::Write, name, nth: 3, effect: Effect::Once(28) };
    let out = OutputDir::create(&dir.path().join("r"), Faults::new(vec![fault])).unwrap();
    let mut journal = Journal::create(&out, "", 4096).unwrap();
    journal.append(&family()[0]).unwrap();
    journal.sync().unwrap();
    journal.append(&family()[1]).unwrap();
    let error = journal.sync().unwrap_err().to_string();
    assert!(error.contains("journal/records"), "{error}");
    assert!(journal.sync().is_err());
    let Resumed { journal, torn_at: torn, .. } = Journal::resume(&out, "", 4096).unwrap();
    assert_eq!(journal.records(), 1);
    assert!(torn.is_some());
}

#[test]
fn the_documented_lines_of_python_find_a_changed_row() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("report");
    report(&folder, &objects(), plain()).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report-format.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (_, code) = docs.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let check = |table: &str| {
        Command::new("python3").args(["-c", code, table]).current_dir(&folder).output().unwrap()
    };
    for table in ["files.csv", "matches.csv", "exceptions.csv", "custody.csv", "volumes.csv"] {
        assert!(check(table).status.success(), "{table}");
    }
    let changed = read(&folder, "files.csv").replace("E1!/copy,", "E1!/cope,");
    std::fs::write(folder.join("files.csv"), changed).unwrap();
    let told = String::from_utf8(check("files.csv").stderr).unwrap();
    assert!(told.starts_with("row 29 was changed"), "{told}");
}

#[test]
fn every_column_and_word_is_in_the_documentation() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report-format.md"),
    );
    let text = text.unwrap();
    let told = |word: &str| {
        assert!(text.contains(&format!("`{word}`")), "`{word}` is not in docs/report-format.md");
    };
    let tables =
        [schema::VOLUMES, schema::FILES, schema::MATCHES, schema::EXCEPTIONS, schema::CUSTODY];
    for table in tables {
        told(table.file);
        table.columns.iter().for_each(|column| told(column));
    }
    macro_rules! words {
        ($($list:path),+ $(,)?) => {$( <$list>::ALL.iter().for_each(|word| told(word.as_str())); )+};
    }
    words!(
        Stage,
        Code,
        ObjectKind,
        assay::item::AllocStatus,
        assay::item::RecoveryBasis,
        assay::item::NameAttribution,
        assay::item::TimeSource,
        Status,
        Algorithm,
        LowInformation,
        SetKind,
        MatchKind,
        Disposition,
        Event,
        SourceVerdict,
        assay::report::RunState,
        assay::report::Conflict,
    );
    for code in Code::ALL {
        assert!(text.contains(code.consequence()), "{}", code.consequence());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_completion_changes_no_byte(
        shuffled in Just(objects()).prop_shuffle(),
        memory in prop_oneof![Just(64_usize), Just(3000), Just(1 << 20)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("a"), dir.path().join("b"));
        report(&ours, &objects(), plain()).unwrap();
        report(&theirs, &shuffled, Options { memory, ..plain() }).unwrap();
        for table in TABLES {
            prop_assert_eq!(read(&ours, table), read(&theirs, table));
        }
    }

    #[test]
    fn the_sort_gives_what_a_stable_sort_in_memory_gives(
        rows in proptest::collection::vec(
            (proptest::collection::vec(0_u8..3, 0..4), proptest::collection::vec(any::<u8>(), 0..60)),
            0..400,
        ),
        budget in prop_oneof![Just(0_usize), Just(100), Just(1000), Just(9000), Just(1 << 20)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let out = OutputDir::create(&dir.path().join("r"), Faults::default()).unwrap();
        out.make_folder(schema::JOURNAL).unwrap();
        let mut sorter = Sorter::new(&out, budget);
        for (key, value) in &rows {
            sorter.push(key, value).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        let mut expected = rows.clone();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        for _ in 0..2 {
            let (mut pass, mut have) = (sorted.rows().unwrap(), Vec::new());
            while let Some((key, value)) = pass.next().unwrap() {
                have.push((key.to_vec(), value.to_vec()));
            }
            prop_assert_eq!(&have, &expected);
        }
    }
}
