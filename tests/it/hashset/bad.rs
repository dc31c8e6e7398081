//! What a list may have wrong with it, through the program: exit 2, nothing written, and the file,
//! the line, the byte and the record that are wrong.

use super::{A, B};
use std::path::Path;
use std::process::{Command, Output};

fn scan(folder: &Path, list: &Path, kind: &str) -> Output {
    let evidence = folder.join("evidence");
    std::fs::create_dir_all(&evidence).unwrap();
    std::fs::write(evidence.join("a"), "a").unwrap();
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .arg("scan")
        .arg(&evidence)
        .arg(kind)
        .arg(list)
        .arg("--out")
        .arg(folder.join("report"))
        .output()
        .unwrap()
}

/// Name of the file, its content, the option, what the message holds.
type Case = (&'static str, Vec<u8>, &'static str, Vec<String>);

fn text(name: &'static str, content: impl Into<String>, kind: &'static str, says: &[&str]) -> Case {
    let says = says.iter().map(|word| (*word).to_owned()).collect();
    (name, content.into().into_bytes(), kind, says)
}

fn vics(records: &str) -> String {
    let model = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media";
    format!("{{\"@odata.context\":\"{model}\",\n\"value\":[{records}]}}")
}

fn cases() -> Vec<Case> {
    let r = format!("{{\"MD5\":\"{A}\"}}");
    let nsrl = "\"SHA-1\",\"MD5\",\"FileName\",\"SpecialCode\"\n";
    let gz = |content: &str| {
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(content.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let cut = gz(&format!("{A}\n{B}\n"));
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend(format!("{A}\r\nx\r\n").encode_utf16().flat_map(u16::to_le_bytes));
    let mut list = vec![
        // Truncated, data behind the root, missing comma, unknown root.
        text("cut.json", &vics(&r)[..130], "--alert", &["line 2, byte 130", "the end of the file"]),
        text("behind.json", vics(&r) + "x", "--alert", &["line 2, byte", "after the document"]),
        text("comma.json", vics(&format!("{r} {r}")), "--alert", &["record 2", "no comma"]),
        text("root.json", "{\"name\":\"x\"}", "--alert", &["line 1, byte 0", "a document of name"]),
        ("cut.gz", cut[..cut.len() - 9].to_vec(), "--alert", vec!["cut.gz!/cut: line".into()]),
        text("nul.txt", format!("{A}\n\0\n"), "--alert", &["line 2, byte 33", "a NUL"]),
        text(
            "mixed.txt",
            format!("{A}\n{A}01234567\n"),
            "--alert",
            &["line 2, byte 33, record 2", "two lists"],
        ),
        text("which.txt", "a".repeat(64), "--alert", &["line 1, byte 0, record 1", "--algorithm"]),
        text("vics.json", vics(&r), "--ignore", &["record 1", "--accept-polarity"]),
        text("delta.sql", "BEGIN TRANSACTION;\n", "--ignore", &["line 1, byte 0", "sqlite3"]),
        text("xml.xml", "<?xml version=\"1.0\"?>\n", "--alert", &["line 1, byte 0", "XML"]),
        text("what.txt", "what\n", "--alert", &["line 1, byte 0", "not recognised"]),
        // Digests and columns.
        text("hex.txt", format!("{A}\n{}g\n", &B[1..]), "--alert", &["line 2, byte 33, record 2"]),
        text(
            "odd.csv",
            format!("md5\n{}\n", &A[1..]),
            "--alert",
            &["line 2, byte 4, record 1", "31"],
        ),
        text("long.csv", format!("MD5;PhotoDNA\n{A}0;\n"), "--alert", &["byte 13, record 1", "33"]),
        text("wide.csv", format!("md5,size\n{A},1,2,3\n"), "--alert", &["record 1", "4 columns"]),
        text(
            "dna.csv",
            format!("MD5;PhotoDNA\n{A};AB\n"),
            "--alert",
            &["byte 46, record 1", "144"],
        ),
        text("dna.json", vics("{\"PhotoDNA\":\"QUJD\"}"), "--alert", &["record 1", "144 bytes"]),
        text(
            "md5.json",
            vics("{\"MD5\":\"x\"}"),
            "--alert",
            &["line 2, byte", "record 1", "32 hex"],
        ),
        text(
            "code.json",
            vics(&format!("{{\"MD5\":\"{A}\",\"Category\":{{}}}}")),
            "--alert",
            &["record 1", "a number, a text or null"],
        ),
        text(
            "row.csv",
            format!("{nsrl},{A},a,\n,{B}0,b,\n"),
            "--ignore",
            &["line 3, byte", "record 2", "33 hex"],
        ),
        text(
            "codes.json",
            vics(&format!("{{\"MD5\":\"{A}\",\"Category\":7}}")),
            "--alert",
            &["(7)", "--scheme"],
        ),
        // Nothing usable.
        text("none.json", vics(""), "--alert", &["without a usable entry"]),
        text("head.csv", "md5,sha1\n", "--alert", &["without a usable entry", "0 rows read"]),
        text("empty.txt", "", "--alert", &["without a usable entry"]),
        text("0x.txt", format!("{A}\n0x{B}\n"), "--alert", &["line 2, byte 33", "0x"]),
        // Guards of memory.
        text(
            "line.txt",
            format!("{A}\n{}", "a".repeat(2 << 20)),
            "--alert",
            &["byte 33", "longer line"],
        ),
        text(
            "deep.json",
            vics(&format!("{{\"x\":{}", "[".repeat(70))),
            "--alert",
            &["record 1", "64 levels"],
        ),
        ("utf16.txt", utf16, "--alert", vec!["line 2, byte 70, record 2".into()]),
    ];
    let big = format!("{r},{{\"x\":\"{}\"}}", "y".repeat(24 << 20));
    list.push(text("big.json", vics(&big), "--alert", &["line 2", "record 2", "16 MiB"]));
    list
}

#[test]
fn each_is_exit_2_before_anything_is_written_and_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, kind, says) in cases() {
        let list = folder.path().join(name);
        std::fs::write(&list, content).unwrap();
        let done = scan(folder.path(), &list, kind);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains(name), "{name}: {told}");
        for word in says {
            assert!(told.contains(&word), "{name}: {word}: {told}");
        }
        for value in [A, B, &A[8..20], "QUJD"] {
            assert!(!told.to_lowercase().contains(&value.to_lowercase()), "{name}: {told}");
        }
        assert!(!folder.path().join("report").exists(), "{name}");
    }
}

#[test]
fn a_list_without_a_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    std::fs::write(&list, A).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args([Path::new("scan"), folder.path(), &list, Path::new("--out")])
        .arg(folder.path().join("report"))
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
}
