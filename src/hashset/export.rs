//! Entries as lists that other programs read: VICS 2.0 JSON, CSV, checksum lines, hashdeep.
//!
//! What a form cannot hold is counted, never bent: an entry without the digest of a checksum list has
//! no line there. CSV holds everything, and reads back as it was.
//!
//! Forms: docs/hash-set-formats.md; the VICS members are those that public importers read.

use super::value::base64;
use super::{PerceptualEntry, SetEntry};
use crate::digest::Algorithm;
use crate::problem::words;
use serde_json::{Map, Value};
use std::io::{self, Write};

words! {
    /// A form of list.
    ListForm {
        /// Project VIC, version 2.0, `#Media`.
        Vics = "vics",
        /// A header row and every value.
        Csv = "csv",
        /// hashdeep 1.0 with size, MD5 and SHA-256.
        Hashdeep = "hashdeep",
        /// Lines as md5sum writes them.
        Md5sum = "md5sum",
        /// Lines as sha1sum writes them.
        Sha1sum = "sha1sum",
        /// Lines as sha256sum writes them.
        Sha256sum = "sha256sum",
        /// Lines as b3sum writes them.
        B3sum = "b3sum",
    }
}

/// Columns of the CSV form.
const COLUMNS: [&str; 15] = [
    "id",
    "md5",
    "sha1",
    "sha256",
    "blake3",
    "pdq",
    "pdq_quality",
    "phash",
    "dhash",
    "ahash",
    "photodna",
    "category",
    "series",
    "size",
    "victim_identified",
];

/// What names a VICS 2.0 hash set.
const VICS: &str =
    "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media";

/// Writes the entries; returns how many the form could not hold.
///
/// # Errors
/// `to` fails.
pub fn export(
    form: ListForm,
    entries: &mut dyn Iterator<Item = SetEntry>,
    to: &mut dyn Write,
) -> io::Result<u64> {
    match form {
        ListForm::Vics => vics(entries, to).map(|()| 0),
        ListForm::Csv => csv(entries, to).map(|()| 0),
        ListForm::Hashdeep => hashdeep(entries, to),
        ListForm::Md5sum => checksums(entries, to, Algorithm::Md5),
        ListForm::Sha1sum => checksums(entries, to, Algorithm::Sha1),
        ListForm::Sha256sum => checksums(entries, to, Algorithm::Sha256),
        ListForm::B3sum => checksums(entries, to, Algorithm::Blake3),
    }
}

fn csv(entries: &mut dyn Iterator<Item = SetEntry>, to: &mut dyn Write) -> io::Result<()> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(to);
    writer.write_record(COLUMNS)?;
    for entry in entries {
        let digest = |algorithm| hex(entry.digests.get(algorithm).as_ref().map(|d| d.bytes()));
        let hashes = entry.perceptual.as_deref().unwrap_or(&PerceptualEntry::NONE);
        let hash64 =
            |hash: Option<u64>| hash.map(|hash| format!("{hash:016x}")).unwrap_or_default();
        let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        let category = entry.category.as_ref().map(|category| category.code.clone());
        writer.write_record([
            entry.id.to_string(),
            digest(Algorithm::Md5),
            digest(Algorithm::Sha1),
            digest(Algorithm::Sha256),
            digest(Algorithm::Blake3),
            hex(hashes.pdq.as_ref().map(|pdq| &pdq[..])),
            number(hashes.pdq_quality.map(u64::from)),
            hash64(hashes.phash),
            hash64(hashes.dhash),
            hash64(hashes.ahash),
            hex(hashes.photodna.as_deref()),
            category.unwrap_or_default(),
            entry.series.as_deref().unwrap_or_default().to_owned(),
            number(entry.size),
            entry
                .victim_identified
                .map(|yes| if yes { "yes" } else { "no" })
                .unwrap_or_default()
                .to_owned(),
        ])?;
    }
    writer.flush()
}

fn checksums(
    entries: &mut dyn Iterator<Item = SetEntry>,
    to: &mut dyn Write,
    algorithm: Algorithm,
) -> io::Result<u64> {
    let mut left_out = 0_u64;
    for entry in entries {
        let Some(digest) = entry.digests.get(algorithm) else {
            left_out = left_out.saturating_add(1);
            continue;
        };
        // As the tools write a name with such characters.
        let name = entry.id.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        let mark = if name == *entry.id { "" } else { "\\" };
        writeln!(to, "{mark}{digest}  {name}")?;
    }
    Ok(left_out)
}

fn hashdeep(entries: &mut dyn Iterator<Item = SetEntry>, to: &mut dyn Write) -> io::Result<u64> {
    let mut left_out = 0_u64;
    writeln!(to, "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename")?;
    for entry in entries {
        let digests = [Algorithm::Md5, Algorithm::Sha256].map(|one| entry.digests.get(one));
        // Names are not quoted there, so one with a line end would be two lines.
        match (entry.size, digests) {
            (Some(size), [Some(md5), Some(sha256)]) if !entry.id.contains(['\n', '\r']) => {
                writeln!(to, "{size},{md5},{sha256},{}", entry.id)?;
            }
            _ => left_out = left_out.saturating_add(1),
        }
    }
    Ok(left_out)
}

fn vics(entries: &mut dyn Iterator<Item = SetEntry>, to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{{\"@odata.context\":{},\"value\":[", Value::from(VICS))?;
    let mut between = "\n";
    for entry in entries {
        write!(to, "{between}{}", media(&entry))?;
        between = ",\n";
    }
    writeln!(to, "\n]}}")
}

/// One record of a VICS list.
fn media(entry: &SetEntry) -> Value {
    let mut media = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            media.insert(name.to_owned(), value);
        }
    };
    put("MediaID", Some(number_or_text(&entry.id)));
    let category = entry.category.as_ref().map(|category| number_or_text(&category.code));
    put("Category", Some(category.unwrap_or(Value::Null)));
    let upper = |algorithm| {
        entry.digests.get(algorithm).map(|digest| digest.to_string().to_ascii_uppercase())
    };
    put("MD5", upper(Algorithm::Md5).map(Value::from));
    put("SHA1", upper(Algorithm::Sha1).map(Value::from));
    put("MediaSize", entry.size.map(Value::from));
    put("VictimIdentified", entry.victim_identified.map(Value::from));
    put("Series", entry.series.as_deref().map(Value::from));
    let hashes = entry.perceptual.as_deref().unwrap_or(&PerceptualEntry::NONE);
    put("PhotoDNA", hashes.photodna.as_deref().map(|bytes| Value::from(base64(bytes))));
    let pdq = hashes.pdq.as_ref().map(|pdq| hex(Some(&pdq[..])));
    let others =
        [("SHA256", upper(Algorithm::Sha256)), ("BLAKE3", upper(Algorithm::Blake3)), ("PDQ", pdq)];
    let named = |(name, value): (&str, Option<String>)| {
        Some(serde_json::json!({ "HashName": name, "HashValue": value? }))
    };
    let others: Vec<_> = others.into_iter().filter_map(named).collect();
    put("AlternativeHashes", (!others.is_empty()).then(|| Value::from(others)));
    Value::Object(media)
}

/// A number where the text is one and nothing else.
fn number_or_text(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Value::from(number),
        _ => Value::from(text),
    }
}

fn hex(bytes: Option<&[u8]>) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes.unwrap_or_default() {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
