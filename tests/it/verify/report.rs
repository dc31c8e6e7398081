//! Small reports, written straight from the format's description: a second implementation of it,
//! which shares no code with the program but the names of the columns.

use assay::matching::Finding;
use assay::problem::Code;
use assay::report::schema::{self, Table};
use assay::report::verify::Source;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// A report in memory.
#[derive(Clone, Default)]
pub(crate) struct Report(pub(crate) BTreeMap<String, Vec<u8>>);

impl Source for Report {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(self.0.get(name).map(|bytes| Box::new(&**bytes) as Box<dyn Read>))
    }
}

pub(crate) const SEALED: [&str; 6] =
    ["run.json", "volumes.csv", "files.csv", "matches.csv", "exceptions.csv", "summary.txt"];
pub(crate) const LISTED: [&str; 7] = [
    "run.json",
    "volumes.csv",
    "files.csv",
    "matches.csv",
    "exceptions.csv",
    "custody.csv",
    "summary.txt",
];

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cells by column name; columns that are not named stay empty.
pub(crate) type Cells<'a> = Vec<(&'a str, String)>;

/// A table of rows, each with its chain value.
pub(crate) fn table(table: &Table, rows: &[Cells<'_>]) -> Vec<u8> {
    let mut text = format!("{}\n", table.columns.join(","));
    let mut chain = "0".repeat(64);
    for row in rows {
        let cell = |column: &&str| {
            let cell = row.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell);
            if cell.contains([',', '"']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        };
        let (_, columns) = table.columns.split_last().unwrap();
        let line = columns.iter().map(cell).collect::<Vec<_>>().join(",");
        chain = sha256(format!("{chain}\n{line}").as_bytes());
        text += &format!("{line},{chain}\n");
    }
    text.into_bytes()
}

/// A content of the small report: digests, by their columns.
pub(crate) fn digests(content: &[u8]) -> Cells<'static> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    vec![
        ("md5", format!("{:x}", md5::compute(content))),
        ("sha1", hex(&sha1::Sha1::digest(content))),
        ("sha256", sha256(content)),
        ("blake3", blake3::hash(content).to_hex().to_string()),
    ]
}

/// What a small report is made of, so that a test can change one thing and write it anew.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) files: Vec<Cells<'static>>,
    pub(crate) matches: Vec<Cells<'static>>,
    pub(crate) exceptions: Vec<Cells<'static>>,
    pub(crate) volumes: Vec<Cells<'static>>,
    pub(crate) run: serde_json::Value,
}

/// Sets a cell of a row.
pub(crate) fn set(row: &mut Cells<'static>, column: &'static str, cell: impl ToString) {
    row.retain(|(name, _)| *name != column);
    row.push((column, cell.to_string()));
}

pub(crate) const KNOWN: &[u8] = b"known content";
pub(crate) const SET_SHA256: &str =
    "5e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75e75";

fn object(number: usize, name: &str, status: &str) -> Cells<'static> {
    vec![
        ("record_no", number.to_string()),
        ("evidence_id", "E1".to_owned()),
        ("object_path", format!("E1!/{name}")),
        ("file_name", name.to_owned()),
        ("object_kind", if status == "special" { "symlink" } else { "file" }.to_owned()),
        ("alloc_status", "allocated".to_owned()),
        ("size_bytes", "13".to_owned()),
        ("modified_time", "2026-01-02T03:04:05.000000006Z".to_owned()),
        ("time_source", "os-mount".to_owned()),
        ("status", status.to_owned()),
        ("disposition", "none".to_owned()),
        ("match_count", "0".to_owned()),
    ]
}

fn hashed(number: usize, name: &str, content: &[u8], first_copy: usize) -> Cells<'static> {
    let mut row = object(number, name, "hashed");
    row.extend(digests(content));
    set(&mut row, "size_bytes", content.len());
    set(&mut row, "bytes_hashed", content.len());
    set(&mut row, "first_copy", first_copy);
    row
}

/// What a match row repeats of its object.
pub(crate) fn match_row(number: usize, object: &Cells<'static>) -> Cells<'static> {
    let shared = |(name, _): &&(&str, String)| schema::MATCHES.column(name).is_some();
    let mut row: Cells<'static> = object.iter().filter(shared).cloned().collect();
    row.push(("match_no", number.to_string()));
    row
}

/// The match row of an object with an entry of the set.
pub(crate) fn match_of(number: usize, object: &Cells<'static>, entry: &str) -> Cells<'static> {
    let mut row = match_row(number, object);
    let value = row.iter().find(|(name, _)| *name == "sha256").unwrap().1.clone();
    for (column, cell) in [
        ("match_kind", "exact"),
        ("match_algorithm", "sha256"),
        ("object_value", &*value),
        ("digests_agreeing", "md5;sha1;sha256;blake3"),
        ("weak", "no"),
        ("set_name", "a \"quoted\", named set"),
        ("set_sha256", SET_SHA256),
        ("set_kind", "alert"),
        ("entry_id", entry),
        ("conflict", "none"),
    ] {
        row.push((column, cell.to_owned()));
    }
    row
}

/// An exception row of an object.
pub(crate) fn exception(number: usize, object: &Cells<'static>, code: Code) -> Cells<'static> {
    let shared = |(name, _): &&(&str, String)| ["record_no", "object_path"].contains(name);
    let mut row: Cells<'static> = object.iter().filter(shared).cloned().collect();
    row.extend([
        ("exception_no", number.to_string()),
        ("stage", "open".to_owned()),
        ("code", code.to_string()),
        ("detail", "the reason, in \"words\"".to_owned()),
        ("consequence", code.consequence().to_owned()),
    ]);
    row
}

/// Six objects, three matches, two exceptions, two volumes.
pub(crate) fn parts() -> Parts {
    let mut files = vec![
        hashed(1, "a, b.jpg", KNOWN, 1),
        hashed(2, "other.jpg", b"other content", 2),
        object(3, "locked.jpg", "unread"),
        hashed(4, "copy.jpg", KNOWN, 1),
        object(5, "link", "special"),
        hashed(6, "last.jpg", b"last content", 6),
    ];
    set(&mut files[2], "reason", "permission_denied");
    set(&mut files[4], "reason", "symlink");
    set(&mut files[3], "parent_record_no", 2);
    for (row, count) in [(0, 2), (3, 1)] {
        set(&mut files[row], "disposition", "alert");
        set(&mut files[row], "match_count", count);
    }
    let matches = vec![
        match_of(1, &files[0], "line:1"),
        match_of(2, &files[0], "line:2"),
        match_of(3, &files[3], "line:1"),
    ];
    let exceptions = vec![
        exception(1, &files[2], Code::PermissionDenied),
        exception(2, &files[4], Code::Symlink),
    ];
    let volume = |name: &str| {
        vec![
            ("evidence_id", "E1".to_owned()),
            ("volume", name.to_owned()),
            ("start_offset", "0".to_owned()),
            ("action", "scanned".to_owned()),
        ]
    };
    let run = serde_json::json!({
        "schema": 1,
        "state": "complete",
        "rows": { "files": 6, "matches": 3, "exceptions": 2, "volumes": 2 },
        "sets": [{ "name": "a set", "sha256": SET_SHA256 }],
        "balance": {
            "seen": 6, "hashed": 4, "partial": 0, "unread": 1, "skipped": 0, "special": 1,
        },
    });
    Parts { files, matches, exceptions, volumes: vec![volume("p1"), volume("p2")], run }
}

impl Parts {
    /// Takes over how many rows each table has now.
    pub(crate) fn count_rows(&mut self) {
        self.run["rows"] = serde_json::json!({
            "files": self.files.len(),
            "matches": self.matches.len(),
            "exceptions": self.exceptions.len(),
            "volumes": self.volumes.len(),
        });
    }

    /// Writes the report: every chain, seal and digest in order, whatever the rows say.
    pub(crate) fn write(&self) -> Report {
        let mut report = Report::default();
        let mut put = |name: &str, bytes: Vec<u8>| report.0.insert(name.to_owned(), bytes);
        put("run.json", format!("{:#}\n", self.run).into_bytes());
        put("volumes.csv", table(&schema::VOLUMES, &self.volumes));
        put("files.csv", table(&schema::FILES, &self.files));
        put("matches.csv", table(&schema::MATCHES, &self.matches));
        put("exceptions.csv", table(&schema::EXCEPTIONS, &self.exceptions));
        put("summary.txt", b"Result\nA match is a lead, not an identification.\n".to_vec());
        let sealed = SEALED.map(|name| format!("{name}={}", sha256(&report.0[name]))).join(";");
        let events =
            [("run_started", "scan"), ("evidence_opened", "E1"), ("report_sealed", &sealed)];
        let event = |(seq, (event, detail)): (usize, (&str, &str))| -> Cells<'static> {
            vec![
                ("seq", seq.to_string()),
                ("time_utc", "2026-01-02T03:04:05Z".to_owned()),
                ("event", event.to_owned()),
                ("detail", detail.to_owned()),
            ]
        };
        let events: Vec<_> = (1..).zip(events).map(event).collect();
        report.0.insert("custody.csv".to_owned(), table(&schema::CUSTODY, &events));
        report.rewrite_manifest();
        report
    }
}

impl Report {
    /// Makes the manifest anew from the files as they are.
    pub(crate) fn rewrite_manifest(&mut self) {
        let line = |name| format!("{}  {name}\n", sha256(&self.0[name]));
        let manifest: String = LISTED.iter().copied().map(line).collect();
        self.0.insert("manifest.sha256".to_owned(), manifest.into_bytes());
    }

    /// The last chain value of custody.csv.
    pub(crate) fn seal(&self) -> String {
        let custody = String::from_utf8(self.0["custody.csv"].clone()).unwrap();
        custody.trim_end().rsplit_once(',').unwrap().1.to_owned()
    }

    /// Writes the report into a folder.
    pub(crate) fn save(&self, folder: &std::path::Path) {
        for (name, bytes) in &self.0 {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// The cells of matches.csv that a look-up gives.
pub(crate) fn match_cells(finding: &Finding, set_sha256: &str) -> Cells<'static> {
    let agreeing: Vec<_> = finding.agreeing.iter().map(|one| one.as_str()).collect();
    vec![
        ("match_kind", finding.kind.to_string()),
        ("match_algorithm", finding.algorithm.clone()),
        ("object_value", finding.object_value.clone()),
        ("digests_agreeing", agreeing.join(";")),
        ("set_sha256", set_sha256.to_owned()),
        ("set_kind", finding.set_kind.to_string()),
        ("entry_id", finding.entry_id.clone()),
    ]
}
