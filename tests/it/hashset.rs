//! Lists, sidecars and schemes as an examiner hands them over: what is read, what is refused and
//! where, and that no message shows a value.

use assay::bytes::ByteOffset;
use assay::digest::{Algorithm, Hasher, Selection};
use assay::hashset::{
    ListAlgorithm, ListOptions, ReferenceSet, Reject, RowName, RowSink, Scheme, SetEntry, SetError,
    SetKind, load, read_list,
};
use std::path::Path;
use std::sync::{Arc, LazyLock};

mod bad;
#[cfg(feature = "nsrl")]
mod database;
mod dialects;
mod nsrl;
mod packed;
mod peers;
mod tools;
mod vics;

const A: &str = "0123456789abcdef0123456789abcdef";
const B: &str = "fedcba9876543210fedcba9876543210";
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";
const ZERO: &str = "00000000000000000000000000000000";

fn options(path: &Path) -> ListOptions {
    let path = path.to_owned();
    ListOptions {
        path,
        kind: SetKind::Alert,
        algorithm: None,
        scheme: None,
        accept_polarity: false,
    }
}

fn pool() -> &'static rayon::ThreadPool {
    static POOL: LazyLock<rayon::ThreadPool> =
        LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    &POOL
}

/// Loads a list of this content with changed options.
fn load_with(
    content: impl AsRef<[u8]>,
    change: impl Fn(&mut ListOptions),
) -> Result<ReferenceSet, SetError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, &content).unwrap();
    let mut options = options(&path);
    change(&mut options);
    let loaded = load(&options, pool());
    if let Err(error) = &loaded {
        assert_no_value(error, content.as_ref());
    }
    loaded
}

fn read(content: impl AsRef<[u8]>) -> Result<ReferenceSet, SetError> {
    load_with(content, |_| {})
}

/// Neither form of an error holds eight hex digits in a row that the list holds.
fn assert_no_value(error: &SetError, content: &[u8]) {
    let told = format!("{error} {error:?}").to_ascii_lowercase();
    let lower = content.to_ascii_lowercase();
    for run in lower.split(|c| !c.is_ascii_hexdigit()).filter(|run| run.len() >= 8) {
        let start = std::str::from_utf8(&run[..8]).unwrap();
        assert!(!told.contains(start), "{told}");
    }
}

fn md5s(set: &ReferenceSet) -> Vec<String> {
    let md5 = |entry: &assay::hashset::SetEntry| entry.digests.get(Algorithm::Md5);
    set.entries.iter().filter_map(md5).map(|digest| digest.to_string()).collect()
}

#[test]
fn every_format_gives_the_same_entries() {
    let sha1 = "0123456789abcdef0123456789abcdef01234567";
    for (format, list) in [
        ("plain", format!("# made by hand\n\n  {A} \n{}\n", B.to_uppercase())),
        ("checksum", format!("{A}  a (b) = c.jpg\n\\{B} *new\\nline\n")),
        ("checksum", format!("{A}\ta\n{B}   \n")),
        ("bsd-checksum", format!("MD5 (a)b) = c) = {A}\nMD5(b)= {B}\n")),
        (
            "csv",
            format!("\"File Name\";\"MD-5\"; SHA_1\nx;{A};\n\"y;\"\"z\";\"{B}\";{sha1};\n;;\n"),
        ),
        ("checksum", format!("{A}  a,md5,size.jpg\n{B}  b,md5,c\n")),
        ("bsd-checksum", format!("MD5 (a,md5,c) = {A}\nMD5 (b) = {B}\n")),
        ("csv", format!("# by hand\n\nmd5hash\n{A}\n\n{B}\n")),
        ("csv", format!("id\thash\n1\t{A}\n2\t {B} \n")),
        (
            "csv",
            format!(
                "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\"\n\"{sha1}\",\"{A}\",\"0\",\"a,b\n\",\"7\"\n,{B},,,\n"
            ),
        ),
        (
            "hashdeep",
            format!(
                "%%%% HASHDEEP-1.0\n%%%% size,md5,sha1,filename\n## Invoked from: /\n# \n1,{A},{sha1},a,b\"c,d\n2,{B},{sha1},x\n"
            ),
        ),
    ] {
        let set = read(&list).unwrap();
        assert_eq!(md5s(&set), [A, B], "{list}");
        assert_eq!(set.info.format, format);
        assert_eq!((set.counts.rows_read, set.counts.accepted), (2, 2), "{list}");
    }
}

#[test]
fn columns_say_what_an_entry_is() {
    let pdq = "f".repeat(64);
    let photodna = "1f".repeat(144);
    let list = format!(
        "MediaID,MD5,Media Size,Series,VictimIdentified,pdq,PDQ_Quality,pHash,photoDNA,vendor\n\
         7,{A},12,\"a \"\"b\"\"\",Y,{pdq},49,8000000000000001,{photodna},x\n"
    );
    let set = read(list).unwrap();
    let entry = &set.entries[0];
    assert_eq!((&*entry.id, entry.size), ("7", Some(12)));
    assert_eq!(entry.series.as_deref(), Some("a \"b\""));
    assert_eq!(entry.victim_identified, Some(true));
    let hashes = entry.perceptual.as_ref().unwrap();
    assert_eq!((hashes.pdq, hashes.pdq_quality), (Some([0xff; 32]), Some(49)));
    assert_eq!(hashes.phash, Some(0x8000_0000_0000_0001));
    assert_eq!(hashes.photodna.as_deref(), Some(&[0x1f; 144][..]));
    assert_eq!((hashes.dhash, hashes.ahash), (None, None));
}

#[test]
fn sixty_four_digits_are_what_somebody_states() {
    let value = "ab".repeat(32);
    for list in [format!("{value}\n"), format!("{value}  a\n"), format!("hash\n{value}\n")] {
        let error = read(&list).unwrap_err();
        assert!(matches!(error, SetError::Ambiguous { .. }), "{error}");
        for (algorithm, exact) in
            [(ListAlgorithm::Sha256, Algorithm::Sha256), (ListAlgorithm::Blake3, Algorithm::Blake3)]
        {
            let set = load_with(&list, |options| options.algorithm = Some(algorithm)).unwrap();
            assert_eq!(set.entries[0].digests.selection(), Selection::only(exact));
        }
    }
    let list = format!("{value}, 100\n{}\n", "cd".repeat(32));
    let set = load_with(list, |options| options.algorithm = Some(ListAlgorithm::Pdq)).unwrap();
    let hashes: Vec<_> = set.entries.iter().flat_map(|entry| entry.perceptual.as_ref()).collect();
    assert_eq!((hashes[0].pdq, hashes[0].pdq_quality), (Some([0xab; 32]), Some(100)));
    assert_eq!((hashes[1].pdq, hashes[1].pdq_quality), (Some([0xcd; 32]), None));
    let tagged = format!("SHA256 (a) = {value}\nBLAKE3 (a) = {value}\n");
    assert_eq!(read(tagged).unwrap().entries.len(), 2);
}

#[test]
fn bad_lists_are_refused_with_the_place_in_the_file() {
    let sha1 = "0123456789abcdef0123456789abcdef01234567";
    let deep = "%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n";
    // Content; line, byte and row of the error; a part of what it says.
    let cases: &[(String, u64, usize, Option<u64>, &str)] = &[
        (format!("{A}\n{A}0\n"), 2, 33, Some(2), "33 hex digits"),
        (format!("{A}\n  {}\n", &B[1..]), 2, 35, Some(2), "31 hex digits"),
        (format!("{A}\n0x{B}\n"), 2, 33, Some(2), "0x prefix"),
        (format!("{A}\n{}g\n", &B[1..]), 2, 33, Some(2), "number 32 is no hex digit"),
        (format!("{A}\ngarbage\n{B}\n"), 2, 33, Some(2), "32 hex digits (md5), as on line 1"),
        (format!("# x\r\n{A}\r\n{sha1}\r\n"), 3, 39, Some(2), "two lists"),
        (format!("{A}\n{B},x\n"), 2, 66, Some(2), "a comma"),
        (format!("{A}  a\n{}", &B[..20]), 2, 36, Some(2), "20 hex digits"),
        (format!("{A}  a\n{B}"), 2, 68, Some(2), "the line's end"),
        (format!("MD5 (a) = {A}\nMD5 (b) = {}\n", &B[1..]), 2, 53, Some(2), "31 hex digits"),
        (format!("MD5 (a) = {A}\n{B}\n"), 2, 43, Some(2), "something else"),
        (format!("{deep}1,{A},a\n2,{}", &B[..30]), 4, deep.len() + 37, Some(2), "2 columns"),
        (format!("{deep}1,{A},a\n2,{}x,b\n", &B[1..]), 4, deep.len() + 39, Some(2), "no hex digit"),
        (format!("{deep}x,{A},a\n"), 3, deep.len(), Some(1), "a size in bytes"),
        ("%%%% HASHDEEP-1.1\n".into(), 1, 0, None, "another version"),
        (format!("md5,size\n{A},1\n{B}"), 3, 44, Some(2), "1 columns"),
        (format!("md5,size\n{A},1,,\n"), 2, 9, Some(1), "4 columns"),
        (format!("md5,size\n{A},1,x\n"), 2, 9, Some(1), "3 columns"),
        (format!("md5,size\n{A},-1\n"), 2, 42, Some(1), "a size in bytes"),
        (format!("md5,sha1\n{A},\n,\"{}\"\n", &sha1[1..]), 3, 45, Some(2), "39 hex digits"),
        ("md5,size\n,1\n".into(), 2, 9, Some(1), "without any digest"),
        (format!("md5,photodna\n{A},ABCD\n"), 2, 46, Some(1), "144 bytes"),
        (format!("md5,pdq,pdq_quality\n{A},,101\n"), 2, 54, Some(1), "0 to 100"),
        (format!("md5,MD5\n{A},{A}\n"), 1, 0, None, "two columns"),
        (format!("md5,hash\n{A},{A}\n"), 1, 0, None, "beside other digests"),
        ("filename,size\na,1\n".into(), 1, 0, None, "without digests"),
        (format!("md5,name\n{A},\"a\n{B},b\n"), 2, 42, None, "never closed"),
        (format!("md5,name\n{A},\"a\"b\n"), 2, 42, None, "text after a closing quote"),
        (format!("md5,name\n{A},\"a\n{B},b\"\n"), 2, 42, None, "runs over further rows"),
        (format!("{A}\n\0{B}\n"), 2, 33, None, "a NUL"),
        ("what is this\n".into(), 1, 0, None, "not recognised"),
        (String::new(), 1, 0, None, "without a usable entry"),
        ("# only\n\n".into(), 3, 8, None, "0 rows read"),
        ("md5,sha1\n".into(), 2, 9, None, "0 rows read"),
        (format!("{EMPTY}\n{ZERO}\n"), 3, 66, None, "1 digests of empty files and 1 all-zero"),
        (format!("{A}\n{}\n", "a".repeat(1 << 20 | 1)), 2, 33, None, "a longer line"),
        (format!("{}|md5sum\n", "0".repeat(41)), 1, 0, None, "Sleuth Kit"),
        ("\n {\"value\": []}".into(), 2, 15, None, "without a usable entry"),
        ("<?xml version=\"1.0\"?>".into(), 1, 0, None, "XML"),
        ("PK\u{3}\u{4}".into(), 1, 4, None, "zip"),
    ];
    for (list, line, offset, record, says) in cases {
        let error = read(list).unwrap_err();
        let place = error.place().unwrap();
        let told = (place.line, place.offset, place.record);
        assert_eq!(told, (*line, ByteOffset(*offset as u64), *record), "{error}");
        let message = error.to_string();
        assert!(message.contains(says) && message.contains("expected"), "{says}: {message}");
        assert!(message.contains("list.txt: line "), "{message}");
    }
    assert!(matches!(read(b"BZh91AY".as_slice()), Err(SetError::Unsupported { .. })));
}

#[test]
fn places_count_bytes_of_the_file_whatever_its_encoding() {
    let list = format!("{A}  \u{1f600}\r\n{}  b\r\n", &B[1..]);
    let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let units = list.encode_utf16().position(|unit| unit == 10).unwrap() as u64 + 1;
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    let at = |raw: &[u8]| read(raw).unwrap_err().place().unwrap().offset;
    assert_eq!(at(&marked(b"\xff\xfe", &utf16)), ByteOffset(2 + 2 * units));
    assert_eq!(at(&marked(b"\xef\xbb\xbf", list.as_bytes())), ByteOffset(3 + 40));
    let mut odd = marked(b"\xff\xfe", &utf16);
    odd.push(b'x');
    let error = read(&odd).unwrap_err();
    assert!(error.to_string().contains("half a character"), "{error}");
    assert_eq!(error.place().unwrap().offset, ByteOffset(odd.len() as u64 - 1));
    assert!(read(&utf16).unwrap_err().to_string().contains("byte order mark"));
}

#[test]
fn a_stated_algorithm_that_the_list_is_not_of_is_refused() {
    for stated in [ListAlgorithm::Sha1, ListAlgorithm::Sha256, ListAlgorithm::Pdq] {
        let error = load_with(A, |options| options.algorithm = Some(stated)).unwrap_err();
        assert!(matches!(error, SetError::NotAsStated { .. }), "{error}");
    }
    // A column's name is the stronger statement.
    let named = format!("md5\n{A}\n");
    assert!(load_with(named, |options| options.algorithm = Some(ListAlgorithm::Sha1)).is_ok());
}

#[test]
fn digests_that_say_nothing_are_dropped_and_counted() {
    let list = format!("md5,sha1\n{EMPTY},{}\n{ZERO},\n{A},{}\n", "1".repeat(40), "0".repeat(40));
    let set = read(list).unwrap();
    assert_eq!(md5s(&set), [A]);
    let counts = set.counts;
    assert_eq!((counts.rows_read, counts.accepted, counts.rows_emptied), (3, 2, 1));
    assert_eq!((counts.empty_digests_dropped, counts.zero_digests_dropped), (1, 2));
}

#[test]
fn equal_rows_are_one_entry_and_counted() {
    let set = read(format!("{A}\n{B}\n{}\n", A.to_uppercase())).unwrap();
    assert_eq!((md5s(&set), set.counts.duplicates), (vec![A.into(), B.into()], 1));
    let ids: Vec<_> = set.entries.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["line:1", "line:2"]);
    assert_eq!(read(format!("id,md5\n1,{A}\n2,{A}\n")).unwrap().entries.len(), 2);
}

#[test]
fn bytes_that_are_no_utf8_harm_no_digest_and_are_none() {
    let list = [A.as_bytes(), b"  \xff\xfe.jpg\n"].concat();
    assert_eq!(md5s(&read(&list).unwrap()), [A]);
    let list = [b"md5,series\n", A.as_bytes(), b",\xe9t\xe9\n"].concat();
    assert_eq!(read(&list).unwrap().entries[0].series.as_deref(), Some(r"\xe9t\xe9"));
    let list = [b"md5\n", &A.as_bytes()[1..], b"\xe9\n"].concat();
    assert!(read(&list).unwrap_err().to_string().contains("number 32 is no hex digit"));
}

const SCHEME: &str = "name = \"test\"\n[codes.1]\nkind = \"alert\"\nlabel = \"one\"\n\
                      [codes.2]\nkind = \"ignore\"\nlabel = \"two\"\n";

fn scheme(text: &str) -> Result<Scheme, SetError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    std::fs::write(&path, text).unwrap();
    Scheme::read(path.to_str().unwrap())
}

#[test]
fn codes_need_a_scheme_and_get_its_kinds() {
    let list = format!("md5,category\n{A},1\n{B},2\n{},9\n{},\n", "1".repeat(32), "2".repeat(32));
    let error = read(&list).unwrap_err();
    assert!(matches!(&error, SetError::SchemeMissing { codes, .. } if codes == "1, 2, 9"));
    assert_eq!(error.place().unwrap().line, 2);

    let with = Arc::new(scheme(SCHEME).unwrap());
    let set = load_with(&list, |options| options.scheme = Some(Arc::clone(&with))).unwrap();
    let kinds: Vec<_> = set.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["alert", "ignore", "info", "alert"]);
    let label = |at: usize| set.entries[at].category.as_ref().map(|c| (&*c.code, &*c.label));
    assert_eq!([label(0), label(2), label(3)], [Some(("1", "one")), Some(("9", "")), None]);
    assert_eq!(set.counts.unmapped_codes, 1);
    assert_eq!(set.info.scheme_sha256, Some(with.sha256.clone()));

    let ignore = |accept| {
        load_with(&list, |options| {
            options.kind = SetKind::Ignore;
            options.accept_polarity = accept;
            options.scheme = Some(Arc::clone(&with));
        })
    };
    let error = ignore(false).unwrap_err();
    assert!(matches!(&error, SetError::Polarity { code, .. } if code == "1"), "{error}");
    assert_eq!(ignore(true).unwrap().entries[0].kind, SetKind::Alert);
}

#[test]
fn a_digest_in_the_category_column_is_not_shown_as_a_code() {
    let error = read(format!("md5,category\n{A},{B}\n")).unwrap_err();
    assert!(error.to_string().contains("one of 32 characters"), "{error}");
    let many: String = (0..500).map(|n| format!("{A},c{n}\n")).collect();
    let error = read(format!("md5,category\n{many}")).unwrap_err();
    assert!(error.to_string().contains("c19 and others"), "{error}");
}

#[test]
fn a_scheme_that_is_not_whole_is_refused_with_its_place() {
    for (text, line, says) in [
        ("name = \"x\"\n", 1, "[codes.CODE]"),
        ("[codes.1]\nkind = \"alert\"\nlabel = \"x\"\n", 1, "name ="),
        ("name = \"x\"\n[codes.1]\nkind = \"bad\"\nlabel = \"x\"\n", 3, "alert, ignore, info"),
        ("name = \"x\"\n[codes.1]\nlabel = \"x\"\n", 2, "kind ="),
        ("name = \"x\"\n[codes.1]\nkind = \"info\"\n", 2, "label ="),
        ("name = \"x\"\ncode = 1\n", 2, "the key code"),
        ("name = \"x\"\ncodes = 1\n", 2, "a table"),
        ("name = \"x\"\n[codes]\n1 = 2\n", 3, "a table"),
        ("name = \"x\"\n[codes.1]\nkind = 1\nlabel = \"x\"\n", 3, "text in quotes"),
        ("name = \"x\"\n[codes.1\n", 2, "no TOML"),
        (&*format!("name = {}", "[".repeat(100_000)), 1, "no TOML"),
    ] {
        let error = scheme(text).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.place().unwrap().line, line, "{error}");
    }
    assert!(matches!(Scheme::read("no such scheme"), Err(SetError::SchemeNotFound { .. })));
}

#[test]
fn the_scheme_files_that_are_shipped_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hashsets/schemes");
    for name in ["template.toml", "demo.toml", "project-vic-us.toml", "caid-uk.toml"] {
        let scheme = Scheme::read(folder.join(name).to_str().unwrap()).unwrap();
        assert!(scheme.categories().count() > 0);
        assert_ne!(scheme.as_of, "unstated");
    }
}

#[test]
fn a_sidecar_says_whose_list_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("known.csv");
    std::fs::write(&list, format!("hash,category\n{},1\n", "ab".repeat(32))).unwrap();
    std::fs::create_dir(folder.path().join("schemes")).unwrap();
    std::fs::write(folder.path().join("schemes/own.toml"), SCHEME).unwrap();
    let appended = folder.path().join("known.csv.toml");
    let sidecar = "name = \"Known\"\nversion = \"3\"\nreceived_at = 2024-05-06\n\
                   scheme = \"own\"\nalgorithm = \"blake3\"\n";
    std::fs::write(&appended, sidecar).unwrap();
    let mut options = options(&list);
    options.algorithm = Some(ListAlgorithm::Pdq);
    let set = load(&options, pool()).unwrap();
    let info = &set.info;
    assert_eq!((&*info.name, &*info.version, &*info.publisher), ("Known", "3", "unstated"));
    assert_eq!((&*info.received_at, info.scheme.as_deref()), ("2024-05-06", Some("test")));
    assert!(set.entries[0].digests.get(Algorithm::Blake3).is_some());

    let replaced = folder.path().join("known.toml");
    std::fs::copy(&appended, &replaced).unwrap();
    assert!(matches!(load(&options, pool()), Err(SetError::TwoSidecars { .. })));
    std::fs::remove_file(&appended).unwrap();
    assert_eq!(load(&options, pool()).unwrap().info.name, "Known");
    for (text, says) in [
        ("kind = \"alert\"\n", "the key kind"),
        ("version = 3\n", "text in quotes"),
        ("algorithm = \"crc\"\n", "md5, sha1, sha256, blake3, pdq"),
        ("scheme = \"other\"\n", "other.toml"),
    ] {
        std::fs::write(&replaced, text).unwrap();
        let error = load(&options, pool()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn only_a_regular_file_is_a_list_and_its_hash_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(load(&options(folder.path()), pool()), Err(SetError::NotAFile { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(load(&options(&missing), pool()), Err(SetError::Read { .. })));
    let set = read(A).unwrap();
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    hasher.update(A.as_bytes());
    let digest = hasher.finish().get(Algorithm::Sha256).unwrap();
    assert_eq!(set.info.sha256, digest.to_string());
    assert_eq!((&*set.info.name, &*set.info.received_from), ("list.txt", "unstated"));
}

/// Takes every row, and as many rejects as it is told.
#[derive(Default)]
struct Kept {
    entries: Vec<(String, SetEntry)>,
    rejects: Vec<Reject>,
    tolerated: usize,
}

impl RowSink for Kept {
    fn entry(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError> {
        self.entries.push((row.to_string(), entry));
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), SetError> {
        if self.rejects.len() == self.tolerated {
            return Err(reject.into_error());
        }
        self.rejects.push(reject);
        Ok(())
    }
}

#[test]
fn a_sink_gets_rows_and_rejects_in_order_and_says_when_it_is_enough() {
    let sha1 = "0123456789abcdef0123456789abcdef01234567";
    let list =
        format!("md5,sha1,size\n{A},,1\n{}x,,1\n{B},{sha1},y\n{B},{sha1}\n,,3\n{B},,4\n", &B[1..]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.csv");
    std::fs::write(&path, list).unwrap();
    let mut kept = Kept { tolerated: 4, ..Kept::default() };
    let (info, counts) = read_list(&options(&path), pool(), &mut kept).unwrap();
    assert_eq!(info.format, "csv");
    let names: Vec<_> = kept.entries.iter().map(|(row, entry)| (&**row, &*entry.id)).collect();
    assert_eq!(names, [("line:2", ""), ("line:7", "")]);
    let told = |reject: &Reject| (reject.place.line, reject.place.record, reject.column);
    let rejects: Vec<_> = kept.rejects.iter().map(told).collect();
    let want = [(3, Some(2), "md5"), (4, Some(3), "size"), (5, Some(4), ""), (6, Some(5), "")];
    assert_eq!(rejects, want);
    assert_eq!((counts.rows_read, counts.accepted, counts.rejected), (6, 2, 4));

    let mut kept = Kept { tolerated: 3, ..Kept::default() };
    let error = read_list(&options(&path), pool(), &mut kept).unwrap_err();
    assert_eq!(error.place().unwrap().line, 6, "{error}");
}

#[test]
fn two_lists_in_one_are_refused_whatever_is_tolerated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    std::fs::write(&path, format!("{A}\n{A}89abcdef\n")).unwrap();
    let mut kept = Kept { tolerated: 9, ..Kept::default() };
    let error = read_list(&options(&path), pool(), &mut kept).unwrap_err();
    assert!(matches!(error, SetError::Mixed { .. }), "{error}");
}
