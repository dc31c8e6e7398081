//! Lists that other tools read wrongly, as the reference of this project found or measured.

use super::{A, B, EMPTY, load_with, md5s, read, scheme};
use assay::digest::Algorithm;
use assay::hashset::{SetError, SetKind};
use std::sync::Arc;

const DEFAULT: &str = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/";

#[test]
fn a_name_with_a_closing_bracket_hides_no_digest() {
    // hfind and hashdeep end the name at the first bracket and find no entry.
    assert_eq!(md5s(&read(format!("MD5 (a)b.txt) = {A}\n")).unwrap()), [A]);
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_harm_nothing() {
    // hfind: "Cannot determine hash database type"; md5deep: "Unable to find any hashes".
    assert_eq!(md5s(&read(format!("\u{feff}{A}  name\n")).unwrap()), [A]);
    assert_eq!(md5s(&read(format!("{A}\r\n{B}\r\n")).unwrap()), [A, B]);
}

#[test]
fn garbage_between_good_lines_is_no_silent_skip() {
    // hfind: "Index created", exit 0.
    let error = read(format!("{A}\ngarbage\n{B}\n")).unwrap_err();
    assert_eq!(error.place().unwrap().line, 2);
}

#[test]
fn a_vics_set_of_any_region_and_order_is_read() {
    // A reader that wants one exact address first and `value` second refuses all but one of these.
    for region in ["Default/", "US/", "CUSTOM/", ""] {
        let model = format!("\"@odata.context\":\"{DEFAULT}{region}$metadata#Media\"");
        let value = format!("\"value\":[{{\"SHA1\":null,\"MD5\":\"{A}\"}}]");
        for list in [format!("{{{model},{value}}}"), format!("{{{value},\"x\":0,{model}}}")] {
            assert_eq!(md5s(&read(list).unwrap()), [A]);
        }
    }
}

#[test]
fn a_flat_set_and_a_case_file_both_have_their_records() {
    // A reader of `value[].Media[]` alone finds nothing in a flat set.
    let record = format!("{{\"MD5\":\"{A}\"}}");
    for list in
        [format!("{{\"value\":[{record}]}}"), format!("{{\"value\":[{{\"Media\":[{record}]}}]}}")]
    {
        assert_eq!(md5s(&read(list).unwrap()), [A]);
    }
}

#[test]
fn a_bad_digest_is_not_counted_and_dropped() {
    let error = read(format!("[{{\"MD5\":\"{A}\"}},{{\"MD5\":\"{}\"}}]", &B[1..])).unwrap_err();
    assert_eq!(error.place().unwrap().record, Some(2));
}

#[test]
fn an_icse_export_with_a_column_too_many_is_read_and_its_bad_digest_told() {
    let header = "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;\
                  Series name;Number of submissions;File Available;Media Type;Baseline";
    let dna = "0A".repeat(144);
    let row =
        |md5: &str, end: &str| format!("{md5};;{dna};77;Y;N;N;\"a;b\";3;True;Image;Yes{end}\r\n");
    let set = read(format!("{header}\r\n{}{}", row(A, ";"), row(B, ""))).unwrap();
    let entry = &set.entries[0];
    assert_eq!(md5s(&set), [A, B]);
    assert_eq!((&*entry.id, entry.series.as_deref()), ("77", Some("a;b")));
    assert_eq!(entry.victim_identified, Some(false));
    let own = entry.perceptual.as_ref().unwrap().photodna.as_deref();
    assert_eq!(own, Some(&[10; 144][..]));
    let error = read(format!("{header}\r\n{}", row(&format!("{A}0"), ";"))).unwrap_err();
    assert!(error.to_string().contains("33 hex digits"), "{error}");
    assert!(read(format!("{header}\r\n{}", row(A, ";;"))).is_err());
}

#[test]
fn digests_of_empty_files_match_no_empty_file() {
    let set = read(format!("[{{\"MD5\":\"{EMPTY}\"}},{{\"MD5\":\"{A}\"}}]")).unwrap();
    assert_eq!((md5s(&set), set.counts.empty_digests_dropped), (vec![A.into()], 1));
}

#[test]
fn the_same_digest_with_other_categories_stays_twice() {
    // First wins elsewhere; which is right is not the reader's to say.
    let codes = "name = \"t\"\n[codes.1]\nkind = \"alert\"\nlabel = \"a\"\n\
                 [codes.2]\nkind = \"alert\"\nlabel = \"b\"\n";
    let codes = Arc::new(scheme(codes).unwrap());
    let list = format!("[{{\"MD5\":\"{A}\",\"Category\":1}},{{\"MD5\":\"{A}\",\"Category\":2}}]");
    let set = load_with(list, |options| options.scheme = Some(Arc::clone(&codes))).unwrap();
    assert_eq!(set.entries.len(), 2);
}

#[test]
fn a_vics_set_is_no_list_of_harmless_files() {
    let list = format!("[{{\"MD5\":\"{A}\"}}]");
    let error = load_with(list, |options| options.kind = SetKind::Ignore).unwrap_err();
    assert!(matches!(error, SetError::Opposite { .. }), "{error}");
}

#[test]
fn a_subset_of_the_nsrl_without_crc32_is_read() {
    let list = format!(
        "\"SHA-1\",\"MD5\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"\n,\"{A}\",\"a\",1,2,\"3\",\"\"\n"
    );
    let set = load_with(list, |options| options.kind = SetKind::Ignore).unwrap();
    assert_eq!(md5s(&set), [A]);
    assert!(set.entries[0].digests.get(Algorithm::Sha1).is_none());
}
