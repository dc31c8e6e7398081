//! Databases of the NSRL, version 3, made by SQLite as Python has it.

use super::{A, B, Kept, md5s, options, pool};
use assay::digest::Algorithm;
use assay::hashset::{ReferenceSet, SetError, SetKind, load, read_list};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SHA1: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// Makes a database with Python's sqlite3 from statements.
fn database(folder: &Path, statements: &str) -> PathBuf {
    let path = folder.join("rds 100%.db");
    let _ = std::fs::remove_file(&path);
    let code = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.stdin.read())\nc.commit()\nc.close()";
    let mut python = Command::new("python3");
    let mut child = python.args(["-c", code]).arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    path
}

fn read(path: &Path) -> Result<ReferenceSet, SetError> {
    let mut options = options(path);
    options.kind = SetKind::Ignore;
    load(&options, pool())
}

const MINIMAL: &str = "CREATE TABLE FILE (sha256 VARCHAR, sha1 VARCHAR, md5 VARCHAR, file_name VARCHAR, \
                       file_size INTEGER, package_id INTEGER); CREATE INDEX i ON FILE (md5, sha1, sha256, file_size);";

#[test]
fn databases_minimal_and_full_are_read_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (A.to_uppercase(), B.to_uppercase());
    let rows = format!(
        "('{0}','{SHA1}','{b}','x',7,1),('{0}','{SHA1}','{b}','y',7,2),('','{SHA1}','{a}','x',8,1),(NULL,NULL,'{b}','x',NULL,3)",
        "AB".repeat(32)
    );
    let minimal = format!("{MINIMAL} INSERT INTO FILE VALUES {rows};");
    let full = format!(
        "CREATE TABLE METADATA (object_id INTEGER PRIMARY KEY, sha256 TEXT, sha1 TEXT, md5 TEXT, file_name TEXT, file_size TEXT, package_id TEXT);\
         INSERT INTO METADATA (sha256, sha1, md5, file_name, file_size, package_id) VALUES {rows};\
         CREATE VIEW FILE AS SELECT sha256, sha1, md5, file_name, file_size, package_id FROM METADATA;"
    );
    let view = full.replace("METADATA", "OTHER");
    for statements in [&minimal, &full, &view] {
        let path = database(folder.path(), statements);
        let set = read(&path).unwrap();
        assert_eq!(
            (md5s(&set), &*set.info.format),
            (vec![B.into(), A.into(), B.into()], "nsrl-rds3")
        );
        assert_eq!(set.entries[0].size, Some(7));
        assert!(set.entries[0].digests.get(Algorithm::Sha256).is_some());
        let ids: Vec<_> = set.entries.iter().map(|entry| &*entry.id).collect();
        assert_eq!(ids, ["record:1", "record:3", "record:4"]);
        assert_eq!((set.counts.rows_read, set.counts.duplicates), (4, 1));
        let raw = std::fs::read(&path).unwrap();
        assert_eq!(set.info.sha256, assay::digest::Digest::sha256(&[&raw]).to_string());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something is beside it");
    }
}

#[test]
fn a_database_that_is_not_whole_or_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let row = |md5: &str| format!("INSERT INTO FILE (md5) VALUES ('{md5}');");
    let path = database(folder.path(), &format!("{MINIMAL}{}{}", row(A), row(&B[1..])));
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains(": record 2: found 31 hex digits"), "{error}");
    let mut kept = Kept { tolerated: 1, ..Kept::default() };
    let (_, counts) = read_list(&options(&path), pool(), &mut kept).unwrap();
    assert_eq!((counts.accepted, counts.rejected, kept.rejects[0].column), (1, 1, "md5"));

    let path = database(folder.path(), "CREATE TABLE hashes (md5 BLOB);");
    assert!(read(&path).unwrap_err().to_string().contains("without a table FILE"));
    let path = database(folder.path(), MINIMAL);
    assert!(read(&path).unwrap_err().to_string().contains("without a usable entry"));

    let many: String = (0..4000).map(|n| row(&format!("{n:032x}"))).collect();
    let path = database(folder.path(), &format!("{MINIMAL}{many}"));
    assert_eq!(read(&path).unwrap().counts.rows_read, 4000);
    let whole = std::fs::read(&path).unwrap();
    for end in [100, 5000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..end]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("a whole SQLite database"), "{end}: {error}");
    }
    std::fs::write(&path, &whole).unwrap();
    std::fs::write(folder.path().join("rds 100%.db-wal"), "x").unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("-wal"));
}
