//! VICS: every form it is known in, what is refused and where, and a document cut anywhere.

use super::{A, B, Kept, assert_no_value, load_with, options, pool, scheme};
use assay::bytes::ByteOffset;
use assay::digest::Algorithm;
use assay::hashset::{ReferenceSet, Scheme, SetError, SetKind, is_further_part, load, read_list};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

const NEW: &str = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata";
const OLD: &str = "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml";
const NIST: &str = "http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media";
const SHA1: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

static CODES: LazyLock<Arc<Scheme>> = LazyLock::new(|| {
    let mut text = "name = \"test\"\n".to_owned();
    for (code, kind) in [("0", "ignore"), ("1", "alert"), ("2", "info")] {
        let _ = write!(text, "[codes.{code}]\nkind = \"{kind}\"\nlabel = \"code {code}\"\n");
    }
    Arc::new(scheme(&text).unwrap())
});

fn read(content: impl AsRef<[u8]>) -> Result<ReferenceSet, SetError> {
    load_with(content, |options| options.scheme = Some(Arc::clone(&CODES)))
}

fn read_as(content: &str, kind: SetKind, accept: bool) -> Result<ReferenceSet, SetError> {
    load_with(content, |options| {
        options.scheme = Some(Arc::clone(&CODES));
        options.kind = kind;
        options.accept_polarity = accept;
    })
}

/// Base64 of 144 equal bytes.
fn photodna() -> String {
    "AQEB".repeat(48)
}

fn set(records: &str) -> String {
    format!("{{\"@odata.context\":\"{NEW}#Media\",\"value\":[{records}]}}")
}

#[test]
fn every_form_gives_the_same_entries() {
    let upper = A.to_uppercase();
    let one =
        format!(r#"{{"MediaID":7,"Category":1,"MD5":"{upper}","SHA1":"{SHA1}","MediaSize":12}}"#);
    let same = format!(
        r#"{{ "x" : [ {{ "y" : "}}]\"" }} ] , "sha1":"{SHA1}", "MEDIASIZE":"12", "md5":" {upper} ","category":"1","mediaid":"7" }}"#
    );
    let two = format!(r#"{{"MD5":"{B}","Category":null,"Series":""}}"#);
    for (format, list) in [
        ("vics 2.0 Media, region US", set(&format!("{one},{two}"))),
        ("vics 2.0 Media, region US", set(&format!("\r\n {same} ,\r\n{two}\r\n"))),
        (
            "vics 1.3 Media",
            format!("{{\"odata.metadata\":\"{OLD}#Media\",\"value\":[{one},{two}]}}"),
        ),
        (
            "vics 2.0 Media, region US",
            format!("\n{{\"Value\":[{one},{two}],\"@odata.context\":\"{NEW}#Media\",\"n\":1}}\n"),
        ),
        (
            "vics 2.0 Cases, region US",
            format!(
                "{{\"@odata.context\":\"{NEW}#Cases\",\"value\":[{{\"CaseID\":\"x\",\"CaseMetadata\":[{{\"a\":1}}],\
                 \"Media\":[{one}],\"TotalMediaFiles\":9}},{{\"media\":[],\"n\":null}},{{\"Media\":[{two}]}}]}}"
            ),
        ),
        ("vics", format!("[{one},{two}]")),
        ("vics", format!("{one}\n{two}\n")),
        ("vics", format!("{same}\r\n\r\n{two}")),
    ] {
        let bom = format!("\u{feff}{list}");
        let utf16: Vec<u8> = bom.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (raw, more) in [(list.into_bytes(), ""), (bom.into_bytes(), ""), (utf16, ", utf-16be")]
        {
            let set = read(&raw).unwrap();
            assert_eq!(set.info.format, format!("{format}{more}"));
            let [first, second] = set.entries.as_slice() else { panic!("{set:?}") };
            assert_eq!((&*first.id, first.size), ("7", Some(12)));
            assert_eq!(first.digests.get(Algorithm::Md5).unwrap().to_string(), A);
            let sha1 = first.digests.get(Algorithm::Sha1).unwrap().to_string();
            assert_eq!(sha1, SHA1.to_lowercase());
            assert_eq!(first.category.as_ref().unwrap().label, "code 1");
            assert_eq!((&*second.id, second.size, &second.category), ("record:2", None, &None));
            assert_eq!(second.digests.get(Algorithm::Md5).unwrap().to_string(), B);
        }
    }
}

#[test]
fn flags_and_hashes_are_read_in_either_form() {
    let hash = photodna();
    let record = |more: &str| format!(r#"{{"MD5":"{A}",{more}}}"#);
    for (member, want) in [
        ("true", Some(true)),
        ("false", Some(false)),
        // A reader that asks whether the text is empty takes this for true.
        ("\"false\"", Some(false)),
        ("\"True\"", Some(true)),
        ("null", None),
        ("\"\"", None),
    ] {
        let set = read(set(&record(&format!("\"VictimIdentified\":{member}")))).unwrap();
        assert_eq!(set.entries[0].victim_identified, want, "{member}");
    }
    for hashes in [
        format!("\"PhotoDNA\":\"{hash}\""),
        format!(
            r#""AlternativeHashes":[{{"HashName":"PhotoDNA","HashValue":"{hash}"}},{{"HashName":"Other","HashValue":7}}]"#
        ),
        format!(
            r#""PhotoDNA":"{hash}","AlternativeHashes":[{{"HashValue":"{hash}","HashName":"photodna"}}]"#
        ),
    ] {
        let set = read(set(&record(&hashes))).unwrap();
        let own = set.entries[0].perceptual.as_ref().unwrap();
        assert_eq!(own.photodna.as_deref(), Some(&[1; 144][..]));
    }
    // Only PhotoDNA: an entry of its own, not a row that is lost.
    let set = read(set(&format!("{{\"PhotoDNA\":\"{hash}\"}}"))).unwrap();
    assert_eq!(set.entries.len(), 1);
}

#[test]
fn another_digest_of_a_file_is_an_entry_of_the_same_record() {
    let record = format!(
        r#"{{"MediaID":3,"Category":1,"MD5":"{A}","MediaSize":5,"MediaFiles":[{{"MD5":"{A}"}},{{"FileName":"a","MD5":"{B}"}},{{"MD5":"{B}"}},{{"MD5":null}}]}}"#
    );
    let set = read(set(&record)).unwrap();
    let told: Vec<_> =
        set.entries.iter().map(|entry| (&*entry.id, entry.size, entry.kind)).collect();
    assert_eq!(told, [("3", Some(5), SetKind::Alert), ("3", None, SetKind::Alert)]);
    assert_eq!(set.entries[1].digests.get(Algorithm::Md5).unwrap().to_string(), B);
}

#[test]
fn a_category_of_zero_is_a_category() {
    let set = read(set(&format!(r#"{{"MD5":"{A}","Category":0}}"#))).unwrap();
    let category = set.entries[0].category.as_ref().unwrap();
    assert_eq!((&*category.code, set.entries[0].kind), ("0", SetKind::Ignore));
}

#[test]
fn names_that_are_no_utf8_harm_no_digest() {
    let record = format!(r#"{{"FileName":"X","Series":"Y","MD5":"{A}"}}"#);
    let raw: Vec<u8> =
        set(&record).bytes().map(|c| if matches!(c, b'X' | b'Y') { 0xe9 } else { c }).collect();
    assert_eq!(read(raw).unwrap().entries[0].digests.get(Algorithm::Md5).unwrap().to_string(), A);
}

#[test]
fn documents_that_are_not_whole_are_refused_with_the_place() {
    let r = format!("{{\"MD5\":\"{A}\"}}");
    let start = set("").len() - 2;
    // What stands in the array; line, byte behind its start and record of the error; what it says.
    let cases: &[(String, u64, usize, u64, &str)] = &[
        (format!("{r} {r}"), 1, r.len() + 1, 2, "no comma between records"),
        (format!("{r},\n"), 2, r.len() + 2, 2, "no record"),
        (format!("{r},,{r}"), 1, r.len() + 1, 2, "no record"),
        (format!("{r},\n 7"), 2, r.len() + 3, 2, "no record"),
        (format!("{r},null"), 1, r.len() + 1, 2, "no record"),
        (format!("{r},\n{{\"MD5\":\"{B}\" \"a\":1}}"), 2, r.len() + 44, 2, "no JSON"),
        (format!("{r},{{\"MD5\":[}}"), 1, r.len() + 9, 2, "no JSON"),
        (format!("{r},{{\"MD5\":\"{}\"}}", &B[1..]), 1, r.len() + 9, 2, "31 hex digits"),
        (format!("{r},{{\"MD5\":\"{B}0\"}}"), 1, r.len() + 9, 2, "33 hex digits"),
        (format!("{{\"MD5\":7}},{r}"), 1, 0, 1, "a number"),
        (format!("{r},{{\"MediaID\":1}}"), 1, r.len() + 1, 2, "without any digest"),
        (format!("{{\"MD5\":\"{A}\",\"md5\":\"{B}\"}}"), 1, 0, 1, "two members"),
        (format!("{{\"MD5\":\"{A}\",\"Category\":[1]}}"), 1, 0, 1, "another kind"),
        (format!("{{\"MD5\":\"{A}\",\"Category\":1.5}}"), 1, 0, 1, "another kind"),
        (format!("{{\"MD5\":\"{A}\",\"MediaSize\":\"x\"}}"), 1, 55, 1, "another text"),
        (format!("{{\"MD5\":\"{A}\",\"VictimIdentified\":\"x\"}}"), 1, 62, 1, "another text"),
        (format!("{{\"PhotoDNA\":\"{}\"}}", &photodna()[4..]), 1, 13, 1, "188 bytes"),
        (format!("{{\"MD5\":\"{A}\",\"x\":{}1", "[".repeat(64)), 1, 109, 1, "nested more deeply"),
    ];
    for (records, line, offset, record, says) in cases {
        let error = read(set(records)).unwrap_err();
        let place = error.place().unwrap();
        let at = ByteOffset((start + offset) as u64);
        assert_eq!((place.line, place.offset, place.record), (*line, at, Some(*record)), "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[test]
fn what_is_around_the_records_is_checked_too() {
    let r = format!("{{\"MD5\":\"{A}\"}}");
    for (list, says) in [
        (format!("{} ,", set(&r)), "something after the document"),
        (format!("{}{}", set(&r), set(&r)), "something after the document"),
        (format!("[{r}]]"), "something after the document"),
        (format!("{r} {r}"), "a line of its own"),
        (format!("{r}\nx"), "a line of its own"),
        ("{\"a\":1,\"b\":[]}".into(), "a document of a, b"),
        ("{}".into(), "expected VICS"),
        ("{\"value\":null}".into(), "one array"),
        (format!("{{\"value\":[{r}],\"value\":[]}}"), "one array"),
        (format!("{{\"value\":[{r}],}}"), "a name in quotes"),
        (format!("{{\"value\":[{r}] \"a\":1}}"), "no comma between members"),
        (format!("{{\"a\" 1,\"value\":[{r}]}}"), "no colon"),
        (format!("{{\"a\":tru,\"value\":[{r}]}}"), "no JSON"),
        (format!("{{\"@odata.context\":\"http://x/#Other\",\"value\":[{r}]}}"), "another model"),
        ("{\"value\":[]}".into(), "without a usable entry"),
        ("[]".into(), "without a usable entry"),
        ("[".into(), "the end of the file"),
    ] {
        let error = read(&list).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[test]
fn a_record_of_more_than_16_mib_is_refused_and_a_smaller_one_read() {
    let long = |n: usize| format!(r#"{{"x":"{}","MD5":"{A}"}}"#, " ".repeat(n));
    assert_eq!(read(set(&long(15 << 20))).unwrap().entries.len(), 1);
    let error = read(set(&format!("{},{}", long(1), long(24 << 20)))).unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
    assert_eq!(error.place().unwrap().record, Some(2));
}

#[test]
fn every_prefix_of_a_document_is_refused() {
    let record = format!(r#"{{"MediaID":1,"MD5":"{A}","x":["\"",{{}}],"SHA1":"{SHA1}"}}"#);
    let list = set(&format!("{record},\n{record}"));
    let small = tempfile::tempdir().unwrap();
    let path = small.path().join("list.json");
    for end in 1..list.len() {
        std::fs::write(&path, &list.as_bytes()[..end]).unwrap();
        let error = load(&options(&path), pool()).unwrap_err();
        assert_no_value(&error, list.as_bytes());
        let at = error.place().unwrap().offset;
        assert!(at <= ByteOffset(end as u64), "{error}");
    }
}

#[test]
fn polarity_is_what_the_list_is() {
    let vics = set(&format!(r#"{{"MD5":"{A}","Category":1}}"#));
    let plain = set(&format!(r#"{{"MD5":"{A}"}}"#));
    let harmless = set(&format!(r#"{{"MD5":"{A}","Category":0}}"#));
    let unknown = set(&format!(r#"{{"MD5":"{A}","Category":9}}"#));
    let nist = format!("{{\"odata.metadata\":\"{NIST}\",\"value\":[{{\"MD5\":\"{A}\"}}]}}");
    let late = format!("{{\"value\":[{{\"MD5\":\"{A}\"}}],\"odata.metadata\":\"{NIST}\"}}");
    for (list, kind, good) in [
        (&vics, SetKind::Alert, true),
        (&vics, SetKind::Ignore, false),
        (&vics, SetKind::Info, false),
        (&plain, SetKind::Ignore, false),
        (&unknown, SetKind::Ignore, false),
        (&harmless, SetKind::Ignore, true),
        (&nist, SetKind::Ignore, true),
        (&nist, SetKind::Alert, false),
        (&late, SetKind::Ignore, true),
        (&late, SetKind::Alert, false),
    ] {
        let read = read_as(list, kind, false);
        assert_eq!(read.is_ok(), good, "{kind}: {list}");
        if let Err(error) = read {
            assert!(error.to_string().contains("--accept-polarity"), "{error}");
            assert!(read_as(list, kind, true).is_ok(), "{kind}: {list}");
        }
    }
}

#[test]
fn codes_without_a_scheme_are_named() {
    let records = format!(r#"{{"MD5":"{A}","Category":1}},{{"MD5":"{B}","Category":"C 2"}}"#);
    for kind in [SetKind::Alert, SetKind::Ignore] {
        let error = load_with(set(&records), |options| options.kind = kind).unwrap_err();
        assert!(matches!(&error, SetError::SchemeMissing { codes, .. } if codes == "1, C 2"));
    }
}

#[test]
fn a_set_in_parts_is_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |n: u32| folder.path().join(format!("set_{n}of3.json"));
    let part = |md5: &str| set(&format!(r#"{{"MD5":"{md5}"}}"#));
    std::fs::write(path(1), part(A)).unwrap();
    std::fs::write(path(3), part(&"3".repeat(32))).unwrap();
    let error = load(&options(&path(1)), pool()).unwrap_err();
    assert!(matches!(error, SetError::PartMissing { number: 2, total: 3, .. }), "{error}");
    std::fs::write(path(2), part(B)).unwrap();
    let set = load(&options(&path(1)), pool()).unwrap();
    let ids: Vec<_> = set.entries.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["record:1", "record:2", "record:3"]);
    assert_eq!(set.info.format, "vics 2.0 Media, region US, 3 parts");
    let all = [1, 2, 3].map(|n| std::fs::read(path(n)).unwrap()).concat();
    let one = assay::digest::Digest::sha256(&[&all]).to_string();
    assert_eq!(set.info.sha256, one);
    let error = load(&options(&path(2)), pool()).unwrap_err();
    assert!(matches!(error, SetError::NotFirstPart { number: 2, .. }), "{error}");
    assert!(is_further_part(&path(2)).unwrap() && !is_further_part(&path(1)).unwrap());
    // A part that is cut off names its own file.
    std::fs::write(path(3), "{\"value\":[").unwrap();
    let error = load(&options(&path(1)), pool()).unwrap_err();
    assert_eq!(error.place().unwrap().file, path(3));
}

#[test]
fn places_stay_true_behind_many_windows() {
    let mut list = "\u{feff}{\"value\":[\n".to_owned();
    let record = format!(r#"{{"MD5":"{A}","Comments":"é {}"}}"#, "x".repeat(3000));
    for _ in 0..4000 {
        list.push_str(&record);
        list.push_str(",\n");
    }
    let at = list.len() as u64 + 8;
    let bad = format!("{list}{{\"MD5\":\"x\"}}]}}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    std::fs::write(&path, &bad).unwrap();
    let mut kept = Kept { tolerated: 1, ..Kept::default() };
    read_list(&options(&path), pool(), &mut kept).unwrap();
    let place = &kept.rejects[0].place;
    assert_eq!((place.line, place.offset, place.record), (4002, ByteOffset(at), Some(4001)));
    assert_eq!(kept.rejects[0].column, "md5");
    assert_eq!(kept.entries.len(), 4000);
    let utf16: Vec<u8> = bad.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, &utf16).unwrap();
    let place = load(&options(&path), pool()).unwrap_err().place().unwrap().clone();
    let units = bad.encode_utf16().count() as u64 - "x\"}]}".len() as u64;
    assert_eq!((place.line, place.offset), (4002, ByteOffset(2 * units)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// What serde_json calls one document of objects in `value` is read, all else is refused.
    #[test]
    fn a_changed_byte_is_never_a_shorter_list(at in 0_usize..400, byte in any::<u8>()) {
        let record = format!(r#"{{"MediaID":1,"MD5":"{A}","x":["\"",{{}}],"SHA1":"{SHA1}"}}"#);
        let mut raw = set(&format!("{record},\n{}", record.replace(A, B))).into_bytes();
        let at = at % raw.len();
        raw[at] = byte;
        if let Ok(set) = load_with(&raw, |_| {}) {
            let text = String::from_utf8_lossy(&raw);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let mut members = value.as_object().unwrap().iter();
            let records = members.find(|(name, _)| name.eq_ignore_ascii_case("value")).unwrap().1;
            let records = records.as_array().unwrap().len();
            prop_assert_eq!(set.counts.rows_read as usize, records);
            prop_assert_eq!(records, 2);
        }
    }
}
