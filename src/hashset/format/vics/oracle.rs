//! What serde_json makes of a record, to hold [`super::members`] against.
//!
//! The same members by another hand: serde's visitors, on a text of which every byte that is no
//! UTF-8 was replaced. Random records, and random damage to them, have to be accepted or refused by
//! both, for the same kind of reason, with the same values.

use super::json::{Fault, Scalar};
use super::members::{Member, Record, Values};
use super::scan::{Scanner, Step};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

fn named(name: &str) -> Member {
    match name.to_ascii_lowercase().as_str() {
        "mediaid" => Member::Id,
        "category" => Member::Category,
        "md5" => Member::Md5,
        "sha1" | "sha-1" => Member::Sha1,
        "sha256" | "sha-256" => Member::Sha256,
        "mediasize" => Member::Size,
        "photodna" => Member::PhotoDna,
        "series" => Member::Series,
        "victimidentified" => Member::Victim,
        "alternativehashes" => Member::Alternatives,
        "mediafiles" => Member::Files,
        "hashname" => Member::HashName,
        "hashvalue" => Member::HashValue,
        _ => Member::Unused,
    }
}
/// A value without parts, still as it was written.
#[derive(Debug, Default)]
enum Old<'a> {
    /// Missing, null or an empty text.
    #[default]
    Nothing,
    Flag(bool),
    Number(i64),
    Text(Cow<'a, str>),
    /// What is none of these.
    Other,
}

impl Old<'_> {
    const fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl<'de> Deserialize<'de> for Old<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfScalar)
    }
}

struct OfScalar;

impl<'de> Visitor<'de> for OfScalar {
    type Value = Old<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        let text = text.trim_ascii();
        Ok(if text.is_empty() { Old::Nothing } else { Old::Text(Cow::Borrowed(text)) })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = text.trim_ascii();
        let owned = || Old::Text(Cow::Owned(text.to_owned()));
        Ok(if text.is_empty() { Old::Nothing } else { owned() })
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Old::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Old::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Old::Other, Old::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Old::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Old::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Old::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Old::Other)
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
                Ok(named(name))
            }
        }
        from.deserialize_str(OfMember)
    }
}

/// What is of use in a record, a hash or a file.
#[derive(Debug, Default)]
struct OldRecord<'a> {
    id: Old<'a>,
    category: Old<'a>,
    md5: Old<'a>,
    sha1: Old<'a>,
    sha256: Old<'a>,
    size: Old<'a>,
    photodna: Old<'a>,
    series: Old<'a>,
    victim: Old<'a>,
    hash_name: Old<'a>,
    hash_value: Old<'a>,
    alternatives: Vec<OldRecord<'a>>,
    files: Vec<OldRecord<'a>>,
    /// A member stood there twice: which counts, nobody knows.
    twice: bool,
}

impl<'de> Deserialize<'de> for OldRecord<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OfRecord)
    }
}

struct OfRecord;

impl<'de> Visitor<'de> for OfRecord {
    type Value = OldRecord<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut record = OldRecord::default();
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
struct Many<'a>(Vec<OldRecord<'a>>);

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

impl Old<'_> {
    fn is_same(&self, new: &Scalar<'_>) -> bool {
        match (self, new) {
            (Self::Nothing, Scalar::Nothing) | (Self::Other, Scalar::Other) => true,
            (Self::Flag(old), Scalar::Flag(new)) => old == new,
            (Self::Number(old), Scalar::Number(new)) => old.to_string().as_bytes() == *new,
            (Self::Text(old), Scalar::Text(new)) => *old == String::from_utf8_lossy(new),
            _ => false,
        }
    }
}

impl OldRecord<'_> {
    fn is_same(&self, new: &Values<'_>) -> bool {
        self.id.is_same(&new.id)
            && self.category.is_same(&new.category)
            && self.md5.is_same(&new.md5)
            && self.sha1.is_same(&new.sha1)
            && self.sha256.is_same(&new.sha256)
            && self.size.is_same(&new.size)
            && self.photodna.is_same(&new.photodna)
            && self.series.is_same(&new.series)
            && self.victim.is_same(&new.victim)
            && self.hash_name.is_same(&new.hash_name)
            && self.hash_value.is_same(&new.hash_value)
            && self.twice == new.twice
    }

    fn are_same(old: &[Self], new: &[Values<'_>]) -> bool {
        old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same(new))
    }
}

/// What a text became by each, and whether that is the same.
fn disagreement(
    old: &serde_json::Result<OldRecord<'_>>,
    text: &[u8],
    quotes: &[u64],
) -> Option<String> {
    let mut new = Record::default();
    // What was read before leaves nothing behind.
    let before = br#"{"MD5":1,"Series":"s","MediaFiles":[{}],"AlternativeHashes":[{"md5":"a"}]}"#;
    new.read(before, &[]).unwrap();
    let read = new.read(text, quotes);
    let same = match (old, read) {
        (Ok(old), Ok(())) => {
            old.is_same(&new.own)
                && OldRecord::are_same(&old.alternatives, &new.alternatives)
                && OldRecord::are_same(&old.files, &new.files)
        }
        (Err(old), Err(new)) => {
            let kind = old.classify() == serde_json::error::Category::Data;
            match new {
                Fault::Text(at) => !kind && at <= text.len(),
                Fault::Kind(at) => kind && at < text.len(),
            }
        }
        _ => false,
    };
    (!same).then(|| format!("serde_json: {old:?}, here: {read:?}: {new:?}"))
}

/// Reads a text by both, with its quotes known and not; true where it is accepted.
fn compare(text: &[u8]) -> Result<bool, String> {
    let lossy = String::from_utf8_lossy(text);
    let old = serde_json::from_str::<OldRecord<'_>>(&lossy);
    let mut why = disagreement(&old, text, &[]);
    // As the scanner finds it in a document that goes on.
    let document = [b"[", text, b",", &[b' '; 64]].concat();
    let mut scanner = Scanner::new();
    if let Ok(Step::Record(span)) = scanner.next(&document, false) {
        let found = &document[span.text.clone()];
        if found == text {
            why = why.or_else(|| disagreement(&old, text, scanner.quotes(&span)));
        } else if old.is_ok() && found != text.trim_ascii() {
            why = Some(format!("the scanner ends it at {span:?}"));
        }
    } else if old.is_ok() && !text.is_empty() {
        why = Some("no record to the scanner".to_owned());
    }
    why.map_or(Ok(old.is_ok()), Err)
}

/// Text of a string, quotes included.
fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -~]{0,3}".prop_map(|text| text.replace(['"', '\\'], "-")),
        2 => "[a-f0-9]{1,20}",
        1 => "\\PC{1,2}".prop_map(|text| text.replace(['"', '\\'], "-")),
        1 => Just(" ".to_owned()),
        1 => prop::sample::select(vec![
            "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00e9", "\\ud83d\\ude00",
            "\\uD800", "\\udc00", "\\ud800\\ud800", "\\ud83d\\u0041", "\\u12", "\\x", "\\u0000", "\\u00zz", "\u{1}", "\n",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// Text of a name, of one that counts mostly; in any case, some letters escaped.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "MediaID",
        "Category",
        "MD5",
        "SHA1",
        "SHA-1",
        "SHA256",
        "SHA-256",
        "MediaSize",
        "PhotoDNA",
        "Series",
        "VictimIdentified",
        "AlternativeHashes",
        "MediaFiles",
        "HashName",
        "HashValue",
    ]);
    let known = (known, any::<u64>(), 0_u8..8).prop_map(|(name, cases, escaped)| {
        let letter = |(n, c): (usize, char)| {
            let c = if cases >> n & 1 == 0 { c } else { c.to_ascii_lowercase() };
            if escaped == 0 && cases >> (n + 20) & 1 == 1 {
                format!("\\u{:04x}", u32::from(c))
            } else {
                c.to_string()
            }
        };
        format!("\"{}\"", name.chars().enumerate().map(letter).collect::<String>())
    });
    prop_oneof![4 => known, 1 => string()]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0_u32..1000).prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        "[-+0-9.eE]{1,6}",
        Just(i64::MIN.to_string()),
        Just(u64::MAX.to_string()),
        Just("-9223372036854775809".to_owned()),
        Just("-0".to_owned()),
        Just("9".repeat(400)),
    ]
}

/// Text of a value: what is in it may be wrong, as what writers and damage make may be.
fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["true", "false", "null", "nul", "True", ""]);
    let leaf = prop_oneof![4 => string(), 2 => number(), 2 => word.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![1 => array(inner.clone()), 2 => object(inner.clone()), 1 => array(object(inner))]
    })
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", "", " ", "\n", "\r\n", "\t"])
}

fn array(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let parts = prop::collection::vec((space(), inner, space()), 0..3);
    parts.prop_map(|parts| {
        let parts: Vec<_> = parts.iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
        format!("[{}]", parts.join(","))
    })
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let parts = prop::collection::vec((space(), name(), space(), inner), 0..6);
    parts.prop_map(|parts| {
        let part =
            |(a, name, b, value): &(_, String, _, String)| format!("{a}{name}{b}:{b}{value}{a}");
        let parts: Vec<_> = parts.iter().map(part).collect();
        format!("{{{}}}", parts.join(","))
    })
}

/// One change at a place: a byte is replaced, put in or taken out.
fn change() -> impl Strategy<Value = (usize, u8, u8)> {
    let telling =
        prop::sample::select(b"\"\\{}[]:,-+.eE0tfnu \n\x00\x1f\x7f\x80\xc3\xe9\xff".to_vec());
    (any::<prop::sample::Index>(), 0_u8..3, prop_oneof![telling, any::<u8>()])
        .prop_map(|(at, what, byte)| (at.index(1 << 20), what, byte))
}

fn changed(text: &str, changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut text = text.as_bytes().to_vec();
    for (at, what, byte) in changes {
        let at = at % (text.len() + 1);
        match what {
            0 if at < text.len() => text[at] = *byte,
            1 if at < text.len() => drop(text.remove(at)),
            _ => text.insert(at, *byte),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn random_records_are_to_both_the_same(text in object(value())) {
        if let Err(why) = compare(text.as_bytes()) {
            prop_assert!(false, "{}: {}", text, why);
        }
    }

    #[test]
    fn damage_is_to_both_the_same(
        text in object(value()),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let text = changed(&text, &changes);
        if let Err(why) = compare(&text) {
            prop_assert!(false, "{}: {}", text.escape_ascii(), why);
        }
    }
}

#[test]
fn digits_behind_a_zero_are_damage_and_no_other_kind_of_value() {
    for text in ["00", "00SHA256\":[]}", "-01", "{\"MediaSize\":00}", "{\"x\":-00.5}"] {
        assert_eq!(compare(text.as_bytes()), Ok(false), "{text}");
    }
}

/// A record as writers make them.
const GOOD: &str = r#"{"odata.id":"Media(1)", "MediaID":1,"Category":2,"MD5":"0123456789ABCDEF",
"SHA1":"0123456789ABCDEF01234567","MediaSize":"345","VictimIdentified":"false","Series":"s\u00e9\"",
"IsDistributed":true,"Comments":null,"Exifs":[{"MD5":"","PropertyName":"x","PropertyValue":-1.5e3}],
"AlternativeHashes":[{"HashName":"PhotoDNA","HashValue":"AQEB"}],"MediaFiles":[{"MD5":null},{}]}"#;

#[test]
fn every_changed_byte_and_every_prefix_of_a_good_record_are_to_both_the_same() {
    assert_eq!(compare(GOOD.as_bytes()), Ok(true));
    let (mut text, mut accepted) = (GOOD.as_bytes().to_vec(), 0);
    for at in 0..text.len() {
        assert_eq!(compare(&GOOD.as_bytes()[..at]), Ok(false), "{at}");
        let good = text[at];
        for byte in 0..=u8::MAX {
            text[at] = byte;
            match compare(&text) {
                Ok(read) => accepted += u32::from(read),
                Err(why) => panic!("{byte:#x} at {at}: {why}"),
            }
        }
        text[at] = good;
    }
    assert!(accepted > 10_000, "{accepted}: not all refused, or this says nothing");
}
