//! Text of the NSRL, version 2, with every header.

use super::{A, B, load_with, md5s};
use assay::bytes::ByteOffset;
use assay::digest::Algorithm;
use assay::hashset::{ReferenceSet, SetError, SetKind};

const V2: &str = "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"";
const V15: &str = "\"SHA-1\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"MD4\",\"MD5\",\"CRC32\",\"SpecialCode\"";
/// Without CRC32, as subsets have it.
const PART: &str =
    "\"SHA-1\",\"MD5\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"";
const SHA1: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

fn known(content: impl AsRef<[u8]>) -> Result<ReferenceSet, SetError> {
    load_with(content, |options| options.kind = SetKind::Ignore)
}

#[test]
fn every_header_is_read_by_its_names() {
    for (header, row) in [
        (V2, "\"SHA\",\"MD5\",\"00\",\"a, \"\"b\"\"\",12,7,\"8\",\"\""),
        (V15, "\"SHA\",\"a, \"\"b\"\"\",\"12\",7,\"8\",\"\",\"MD5\",\"00\",\"\""),
        (PART, "SHA,MD5,a,12,7,8,M"),
    ] {
        for end in ["\n", "\r\n"] {
            let row = |md5: &str| row.replace("MD5", &md5.to_uppercase()).replace("SHA", SHA1);
            // Latin-1 in a name, and a row for each product.
            let mut list = [header, &row(A), &row(A), &row(B), &row(A), ""].join(end).into_bytes();
            let name = list.iter().rposition(|c| *c == b'a').unwrap();
            list[name] = 0xe9;
            let set = known(&list).unwrap();
            assert_eq!((md5s(&set), &*set.info.format), (vec![A.into(), B.into()], "nsrl-rds2"));
            let sha1 = set.entries[0].digests.get(Algorithm::Sha1).unwrap().to_string();
            assert_eq!((sha1, set.entries[0].size), (SHA1.to_lowercase(), Some(12)));
            let counts = set.counts;
            assert_eq!((counts.rows_read, counts.accepted, counts.duplicates), (4, 2, 2));
            assert_eq!(&*set.entries[1].id, "line:4");
        }
    }
}

#[test]
fn bad_rows_are_told_with_their_place() {
    let header = format!("{PART}\n");
    let good = format!("{SHA1},{A},a,12,7,8,\n");
    let start = header.len() + good.len();
    for (row, offset, says) in [
        (format!("{},{B},a,12,7,8,", &SHA1[1..]), 0, "39 hex digits"),
        (format!("{SHA1},\"{B}0\",a,12,7,8,"), 42, "33 hex digits"),
        (format!("{SHA1},{B},a,12,7,8"), 0, "6 columns"),
        (format!("{SHA1},{B},a,b,12,7,8,"), 0, "8 columns"),
        (format!("{SHA1},{B},a,x,7,8,"), 76, "a size in bytes"),
        (",,a,12,7,8,".into(), 0, "without any digest"),
        (format!("{SHA1},{B},\"a,12,7,8,"), 0, "not closed"),
        (format!("{SHA1},{B},\"a\"b,12,7,8,"), 0, "not closed"),
        (format!("{SHA1},{B},a\0,12,7,8,"), 0, "a NUL"),
        (String::new(), 0, "1 columns"),
    ] {
        let error = known(format!("{header}{good}{row}\n{good}")).unwrap_err();
        let place = error.place().unwrap();
        let at = ByteOffset((start + offset) as u64);
        assert_eq!((place.line, place.offset, place.record), (3, at, Some(2)), "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let long = format!("{header}{good}{},{B},a,1,2,3,", "1".repeat(2 << 20));
    assert!(known(long).unwrap_err().to_string().contains("a longer line"));
    assert!(known(&header).unwrap_err().to_string().contains("without a usable entry"));
}

#[test]
fn a_delta_of_statements_says_what_to_do() {
    for list in ["BEGIN TRANSACTION;\n", "INSERT INTO FILE VALUES('x');\n", "DELETE FROM PKG;\n"] {
        let error = known(list).unwrap_err();
        assert!(error.to_string().contains("apply it to the database"), "{error}");
    }
}
