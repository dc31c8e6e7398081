//! What the acquisition wrote about itself: case number, examiner, dates, software.
//!
//! A zlib stream of text: `header2` in UTF-16, `header` in one byte a character. After a line
//! `main` stand a line of short names and one of values, tabs between them. The values are
//! whatever somebody typed or forged.
//!
//! Source: libewf documentation, "Header section", "Header2 section".

use std::collections::BTreeMap;
use std::io::Read as _;

/// Most bytes of a header section in the file.
pub(super) const LARGEST: u64 = 1 << 20;
/// Most bytes of its text.
const LARGEST_TEXT: u64 = 4 << 20;

/// What the short names stand for, as libewf documents them.
const NAMES: [(&str, &str); 14] = [
    ("a", "description"),
    ("av", "software_version"),
    ("c", "case_number"),
    ("dc", "process_identifier"),
    ("e", "examiner"),
    ("l", "device_label"),
    ("m", "acquisition_date"),
    ("md", "device_model"),
    ("n", "evidence_number"),
    ("ov", "operating_system"),
    ("pid", "process"),
    ("sn", "device_serial"),
    ("t", "notes"),
    ("u", "system_date"),
];

/// The fields of a header that are not empty, by the names of [`NAMES`], others by their own.
pub(super) fn fields(section: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = text(&inflate(section)?);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    if !lines.any(|line| line == "main") {
        return Err("the text has no line `main`".to_owned());
    }
    let mut line = || lines.next().unwrap_or_default().split('\t');
    let (names, values) = (line(), line());
    let named = names.zip(values).filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let long = |name: &str| {
        let known = NAMES.iter().find(|(short, _)| *short == name);
        known.map_or(name, |(_, long)| long).to_owned()
    };
    Ok(named.map(|(name, value)| (long(name), value.to_owned())).collect())
}

/// Inflates the stream to its end, and no further than the limit.
fn inflate(section: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut stream = flate2::read::ZlibDecoder::new(section).take(LARGEST_TEXT);
    let n = stream.read_to_end(&mut bytes).map_err(|error| format!("inflating it: {error}"))?;
    if u64::try_from(n).is_ok_and(|n| n >= LARGEST_TEXT) {
        return Err("its text is larger than any header's".to_owned());
    }
    Ok(bytes)
}

/// UTF-16 with a byte order mark, else UTF-8, else a character for each byte (ISO 8859-1).
fn text(bytes: &[u8]) -> String {
    let wide = |of: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units = pairs.iter().skip(1).map(move |pair| of(*pair));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_encodings_give_the_same_fields() {
        let text = "3\r\nmain\r\nc\te\tzz\tn\r\nA-1\tJosé\tx\t\r\n\r\n";
        let wide: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let expected = [("case_number", "A-1"), ("examiner", "José"), ("zz", "x")];
        let expected: BTreeMap<_, _> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for bytes in [wide, latin, text.as_bytes().to_vec()] {
            assert_eq!(fields(&packed(&bytes)).unwrap(), expected);
        }
    }

    #[test]
    fn a_text_that_grows_without_end_is_refused() {
        assert!(fields(&packed(&vec![b'a'; 5 << 20])).unwrap_err().contains("larger"));
        let good = packed(b"1\nmain\nc\nx\n");
        assert!((0..good.len()).all(|end| fields(&good[..end]).is_err()));
    }
}
