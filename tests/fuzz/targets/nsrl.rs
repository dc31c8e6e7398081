//! NSRL text of any bytes: the same whatever the length of the blocks it comes in, and every line
//! behind the header is counted.

#![no_main]

use assay::hashset::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let Some((block, text)) = bytes.split_first() else { return };
    let Some(whole) = fuzzing::nsrl(text, usize::MAX) else { return };
    let Some(cut) = fuzzing::nsrl(text, usize::from(*block) + 1) else { return };
    assert_eq!(whole, cut);
    let counts = whole.counts;
    if whole.error.is_none() && !text.starts_with(b"\xff\xfe") && !text.starts_with(b"\xfe\xff") {
        let lines = text.split(|c| *c == b'\n').count() - usize::from(text.ends_with(b"\n"));
        assert_eq!(counts.rows_read, lines as u64 - 1);
        let sum = counts.accepted + counts.rejected + counts.rows_emptied + counts.duplicates;
        assert_eq!(counts.rows_read, sum, "{counts:?}");
    }
    // A size is met only in a whole row with a digest.
    #[cfg(feature = "planted")]
    assert!(whole.entries.iter().all(|(_, e)| e.size != Some(7)), "planted: a size of 7");
});

/// Writes a list with each header where run.sh looks for first inputs.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let folder = std::path::Path::new(&folder);
    let (md5, sha1) = ("0123456789ABCDEF0123456789ABCDEF", "0123456789ABCDEF0123456789ABCDEF01234567");
    let v2 = "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"";
    let v1 = "\"SHA-1\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"MD4\",\"MD5\",\"CRC32\",\"SpecialCode\"";
    for (name, text) in [
        ("v2", format!("{v2}\r\n\"{sha1}\",\"{md5}\",\"0\",\"a,\"\"b\",8,1,\"2\",\"\"\r\n\"{sha1}\",\"{md5}\",\"0\",\"c\",8,1,\"2\",\"\"\r\n")),
        ("v1", format!("{v1}\n\"{sha1}\",\"a\",\"9\",1,\"2\",\"\",\"{md5}\",\"0\",\"\"\n")),
        ("part", format!("\"SHA-1\",\"MD5\",\"FileName\",\"SpecialCode\"\n{sha1},,a,\n")),
    ] {
        let _ = std::fs::write(folder.join(name), [b"\x10".as_slice(), text.as_bytes()].concat());
    }
}
