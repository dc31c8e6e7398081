//! One record of VICS: its members into an entry.
//!
//! Members count without case and in any order; unknown ones are passed over. A value may come as
//! text where its kind is a number or a flag, because writers do both. What a known member holds is
//! read or the record is rejected, never passed over.

use crate::digest::{Algorithm, Digest};
use crate::hashset::tally::Tally;
use crate::hashset::{PHOTODNA_BYTES, SetEntry, value};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A category code as the record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    None,
    Number(i64),
    Text(Box<str>),
}

/// A record that was read: its entry, and one more for every other digest of its files.
pub(super) struct Read {
    pub(super) code: Code,
    /// Where the code stands.
    pub(super) code_at: usize,
    pub(super) entry: SetEntry,
    pub(super) files: Vec<SetEntry>,
}

/// Why a record is none. Places count from its first byte.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The text is no JSON: the document is damaged.
    Text { at: usize },
    /// A value is not what its member holds.
    Value { at: usize, column: &'static str, found: String, expected: String },
}

/// Reads the record that `text` is.
pub(super) fn read(text: &[u8], tally: &mut Tally) -> Result<Read, Wrong> {
    // Counted first: a record that is rejected is a row too.
    let (_, entry) = tally.row();
    match serde_json::from_slice::<Record<'_>>(text) {
        Ok(record) => record.read(text, entry, tally),
        Err(error) => {
            // Names need not be UTF-8, digests are ASCII anyway.
            let lossy = String::from_utf8_lossy(text);
            match serde_json::from_str::<Record<'_>>(&lossy) {
                Ok(record) if matches!(lossy, Cow::Owned(_)) => record.read(text, entry, tally),
                _ => Err(refused(text, &error)),
            }
        }
    }
}

fn refused(text: &[u8], error: &serde_json::Error) -> Wrong {
    let mut lines = text.split_inclusive(|c| *c == b'\n');
    let before: usize = lines.by_ref().take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let at = before.saturating_add(error.column().saturating_sub(1)).min(text.len());
    if error.classify() == serde_json::error::Category::Data {
        let (found, expected) = ("another kind of value".into(), "what the member holds".into());
        return Wrong::Value { at, column: "", found, expected };
    }
    Wrong::Text { at }
}

/// A value without parts, still as it was written.
#[derive(Debug, Default)]
enum Scalar<'a> {
    /// Missing, null or an empty text.
    #[default]
    Nothing,
    Flag(bool),
    Number(i64),
    Text(Cow<'a, str>),
    /// What is none of these.
    Other,
}

impl Scalar<'_> {
    const fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Its place, where it is a text without escapes; else the record's.
    fn at(&self, text: &[u8]) -> usize {
        match self {
            Self::Text(Cow::Borrowed(value)) => {
                let at = value.as_ptr().addr().checked_sub(text.as_ptr().addr());
                // Of a text that was mended it points elsewhere.
                at.filter(|at| *at < text.len()).unwrap_or(0)
            }
            _ => 0,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfScalar)
    }
}

struct OfScalar;

impl<'de> Visitor<'de> for OfScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        let text = text.trim_ascii();
        Ok(if text.is_empty() { Scalar::Nothing } else { Scalar::Text(Cow::Borrowed(text)) })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = text.trim_ascii();
        let owned = || Scalar::Text(Cow::Owned(text.to_owned()));
        Ok(if text.is_empty() { Scalar::Nothing } else { owned() })
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// A member whose value is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Id,
    Category,
    Md5,
    Sha1,
    Sha256,
    Size,
    PhotoDna,
    Series,
    Victim,
    Alternatives,
    Files,
    HashName,
    HashValue,
    Unused,
}

impl Member {
    fn named(name: &str) -> Self {
        let (candidates, is): (&[&str], Self) = match name.len() {
            3 => (&["md5"], Self::Md5),
            4 => (&["sha1"], Self::Sha1),
            5 => (&["sha-1"], Self::Sha1),
            6 if name.as_bytes().last() == Some(&b'6') => (&["sha256"], Self::Sha256),
            6 => (&["series"], Self::Series),
            7 if name.as_bytes().last() == Some(&b'6') => (&["sha-256"], Self::Sha256),
            7 => (&["mediaid"], Self::Id),
            8 if name.as_bytes().first().is_some_and(|c| matches!(c, b'p' | b'P')) => {
                (&["photodna"], Self::PhotoDna)
            }
            8 if name.as_bytes().first().is_some_and(|c| matches!(c, b'h' | b'H')) => {
                (&["hashname"], Self::HashName)
            }
            8 => (&["category"], Self::Category),
            9 if name.as_bytes().first().is_some_and(|c| matches!(c, b'h' | b'H')) => {
                (&["hashvalue"], Self::HashValue)
            }
            9 => (&["mediasize"], Self::Size),
            10 => (&["mediafiles"], Self::Files),
            16 => (&["victimidentified"], Self::Victim),
            17 => (&["alternativehashes"], Self::Alternatives),
            _ => return Self::Unused,
        };
        let known = candidates.iter().any(|candidate| name.eq_ignore_ascii_case(candidate));
        if known { is } else { Self::Unused }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMember;
        impl Visitor<'_> for OfMember {
            type Value = Member;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                Ok(Member::named(name))
            }
        }
        from.deserialize_str(OfMember)
    }
}

/// What is of use in a record, a hash or a file.
#[derive(Debug, Default)]
struct Record<'a> {
    id: Scalar<'a>,
    category: Scalar<'a>,
    md5: Scalar<'a>,
    sha1: Scalar<'a>,
    sha256: Scalar<'a>,
    size: Scalar<'a>,
    photodna: Scalar<'a>,
    series: Scalar<'a>,
    victim: Scalar<'a>,
    hash_name: Scalar<'a>,
    hash_value: Scalar<'a>,
    alternatives: Vec<Record<'a>>,
    files: Vec<Record<'a>>,
    /// A member stood there twice: which counts, nobody knows.
    twice: bool,
}

impl<'de> Deserialize<'de> for Record<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OfRecord)
    }
}

struct OfRecord;

impl<'de> Visitor<'de> for OfRecord {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut record = Record::default();
        while let Some(member) = members.next_key::<Member>()? {
            let to = match member {
                Member::Id => &mut record.id,
                Member::Category => &mut record.category,
                Member::Md5 => &mut record.md5,
                Member::Sha1 => &mut record.sha1,
                Member::Sha256 => &mut record.sha256,
                Member::Size => &mut record.size,
                Member::PhotoDna => &mut record.photodna,
                Member::Series => &mut record.series,
                Member::Victim => &mut record.victim,
                Member::HashName => &mut record.hash_name,
                Member::HashValue => &mut record.hash_value,
                Member::Alternatives | Member::Files => {
                    let Many(many) = members.next_value()?;
                    let files = member == Member::Files;
                    let to = if files { &mut record.files } else { &mut record.alternatives };
                    record.twice |= !to.is_empty();
                    *to = many;
                    continue;
                }
                Member::Unused => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = members.next_value()?;
            record.twice |= to.is_there();
            *to = value;
        }
        Ok(record)
    }
}

/// An array of records; null and an empty text are none.
struct Many<'a>(Vec<Record<'a>>);

impl<'de> Deserialize<'de> for Many<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMany;
        impl<'de> Visitor<'de> for OfMany {
            type Value = Many<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Many<'de>, A::Error> {
                let mut many = Vec::new();
                while let Some(part) = parts.next_element()? {
                    many.push(part);
                }
                Ok(Many(many))
            }
            fn visit_unit<E>(self) -> Result<Many<'de>, E> {
                Ok(Many(Vec::new()))
            }
        }
        from.deserialize_any(OfMany)
    }
}

impl Record<'_> {
    fn read(self, text: &[u8], mut entry: SetEntry, tally: &mut Tally) -> Result<Read, Wrong> {
        if self.twice || self.parts().any(|part| part.twice) {
            let expected = "each member once";
            return Err(wrong(0, "", "two members of one name", expected));
        }
        entry.id = match &self.id {
            Scalar::Nothing => Box::default(),
            Scalar::Number(id) => id.to_string().into(),
            Scalar::Text(id) => id.as_ref().into(),
            other => return Err(unlike(other, text, "id", "a number or a text")),
        };
        let has_value = self.values(text, &mut entry, tally)?;
        entry.size = self.size(text)?;
        entry.series = match &self.series {
            Scalar::Nothing => None,
            Scalar::Text(series) => Some(series.as_ref().into()),
            Scalar::Number(series) => Some(series.to_string().into()),
            other => return Err(unlike(other, text, "series", "a text")),
        };
        entry.victim_identified = match &self.victim {
            Scalar::Nothing => None,
            Scalar::Flag(flag) => Some(*flag),
            Scalar::Text(flag) if value::flag(flag.as_bytes()).is_some() => {
                value::flag(flag.as_bytes())
            }
            other => return Err(unlike(other, text, "victim_identified", "true or false")),
        };
        let code = match &self.category {
            Scalar::Nothing => Code::None,
            Scalar::Number(code) => Code::Number(*code),
            Scalar::Text(code) => Code::Text(code.as_ref().into()),
            other => return Err(unlike(other, text, "category", "a number, a text or null")),
        };
        let others = self.others(text, &entry)?;
        if !has_value && others.is_empty() {
            let expected = "MD5, SHA1 or PhotoDNA in a record";
            return Err(wrong(0, "", "a record without any digest", expected));
        }
        let files = others.into_iter().map(|md5| {
            let (_, mut other) = tally.row();
            other.id = entry.id.clone();
            other.series = entry.series.clone();
            other.victim_identified = entry.victim_identified;
            tally.digest(&mut other, Algorithm::Md5, md5);
            other
        });
        Ok(Read { code, code_at: self.category.at(text), files: files.collect(), entry })
    }

    fn parts(&self) -> impl Iterator<Item = &Self> {
        self.alternatives.iter().chain(&self.files)
    }

    /// Puts in the digests and perceptual hashes; false where there are none.
    fn values(&self, text: &[u8], entry: &mut SetEntry, tally: &mut Tally) -> Result<bool, Wrong> {
        let mut any = self.photodna.is_there();
        let own = [
            (Algorithm::Md5, &self.md5),
            (Algorithm::Sha1, &self.sha1),
            (Algorithm::Sha256, &self.sha256),
        ];
        for (algorithm, value) in own {
            any |= value.is_there();
            digest(entry, algorithm, value, text, tally)?;
        }
        photodna(entry, &self.photodna, text, tally)?;
        for part in &self.alternatives {
            let Scalar::Text(name) = &part.hash_name else { continue };
            let plain = |c: &u8| !matches!(c, b' ' | b'_' | b'-');
            let name: Vec<u8> =
                name.bytes().filter(plain).map(|c| c.to_ascii_lowercase()).collect();
            let value = &part.hash_value;
            match name.as_slice() {
                b"photodna" => photodna(entry, value, text, tally)?,
                b"md5" => digest(entry, Algorithm::Md5, value, text, tally)?,
                b"sha1" => digest(entry, Algorithm::Sha1, value, text, tally)?,
                b"sha256" => digest(entry, Algorithm::Sha256, value, text, tally)?,
                b"pdq" => pdq(entry, value, text, tally)?,
                _ => continue,
            }
            any |= value.is_there();
        }
        Ok(any)
    }

    fn size(&self, text: &[u8]) -> Result<Option<u64>, Wrong> {
        let size = match &self.size {
            Scalar::Nothing => return Ok(None),
            Scalar::Number(size) => u64::try_from(*size).ok(),
            Scalar::Text(size) => value::number(size.as_bytes()),
            _ => None,
        };
        size.map(Some).ok_or_else(|| unlike(&self.size, text, "size", "a size in bytes"))
    }

    /// Every digest of a file that is not the record's own, once.
    fn others(&self, text: &[u8], entry: &SetEntry) -> Result<Vec<Digest>, Wrong> {
        let mut others: Vec<Digest> = Vec::new();
        for file in &self.files {
            let Some(md5) = read_digest(&file.md5, text, Algorithm::Md5)? else { continue };
            if Some(md5) != entry.digests.get(Algorithm::Md5) && !others.contains(&md5) {
                others.push(md5);
            }
        }
        Ok(others)
    }
}

fn read_digest(
    value: &Scalar<'_>,
    text: &[u8],
    algorithm: Algorithm,
) -> Result<Option<Digest>, Wrong> {
    let digits = algorithm.width().saturating_mul(2);
    let expected = || format!("{digits} hex digits ({algorithm})");
    let hex = match value {
        Scalar::Nothing => return Ok(None),
        Scalar::Text(hex) => hex.as_bytes(),
        other => return Err(unlike(other, text, algorithm.as_str(), &expected())),
    };
    let digest = value::digest(hex, algorithm);
    digest.map(Some).ok_or_else(|| {
        wrong(value.at(text), algorithm.as_str(), &value::described(hex), &expected())
    })
}

/// Puts in a digest; another one of the same algorithm must be the same.
fn digest(
    entry: &mut SetEntry,
    algorithm: Algorithm,
    value: &Scalar<'_>,
    text: &[u8],
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let Some(digest) = read_digest(value, text, algorithm)? else { return Ok(()) };
    match entry.digests.get(algorithm) {
        Some(own) if own == digest => {}
        Some(_) => {
            let found = "two digests of one algorithm that differ";
            return Err(wrong(value.at(text), algorithm.as_str(), found, "one digest of each"));
        }
        None => tally.digest(entry, algorithm, digest),
    }
    Ok(())
}

fn photodna(
    entry: &mut SetEntry,
    value: &Scalar<'_>,
    text: &[u8],
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let expected = format!("{PHOTODNA_BYTES} bytes in Base64 or hex");
    let hash = match value {
        Scalar::Nothing => return Ok(()),
        Scalar::Text(hash) => hash,
        other => return Err(unlike(other, text, "photodna", &expected)),
    };
    let refused = |found: &str| wrong(value.at(text), "photodna", found, &expected);
    let Some(bytes) = value::photodna(hash.as_bytes()) else {
        return Err(refused(&format!("{} bytes of text", hash.len())));
    };
    let to = entry.perceptual.get_or_insert_default();
    if to.photodna.as_ref().is_some_and(|own| *own != bytes) {
        return Err(refused("two PhotoDNA hashes that differ"));
    }
    to.photodna = Some(bytes).filter(|bytes| !tally.is_zero(bytes));
    Ok(())
}

fn pdq(
    entry: &mut SetEntry,
    value: &Scalar<'_>,
    text: &[u8],
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let hex = match value {
        Scalar::Nothing => return Ok(()),
        Scalar::Text(hex) => hex.as_bytes(),
        other => return Err(unlike(other, text, "pdq", "64 hex digits (pdq)")),
    };
    let pdq = value::hex::<32>(hex).ok_or_else(|| {
        wrong(value.at(text), "pdq", &value::described(hex), "64 hex digits (pdq)")
    })?;
    if !tally.is_zero(&pdq) {
        entry.perceptual.get_or_insert_default().pdq = Some(pdq);
    }
    Ok(())
}

fn unlike(value: &Scalar<'_>, text: &[u8], column: &'static str, expected: &str) -> Wrong {
    let found = match value {
        Scalar::Nothing => "nothing",
        Scalar::Flag(_) => "a flag",
        Scalar::Number(_) => "a number",
        Scalar::Text(_) => "another text",
        Scalar::Other => "another kind of value",
    };
    wrong(value.at(text), column, found, expected)
}

fn wrong(at: usize, column: &'static str, found: &str, expected: &str) -> Wrong {
    Wrong::Value { at, column, found: found.to_owned(), expected: expected.to_owned() }
}
