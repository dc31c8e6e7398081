//! One record of VICS: its members into an entry.
//!
//! Members count without case and in any order; unknown ones are passed over. A value may come as
//! text where its kind is a number or a flag, because writers do both. What a known member holds is
//! read or the record is rejected, never passed over.

use super::json::{Fault, Scalar};
use super::members::{Record, Values};
use crate::digest::{Algorithm, Digest};
use crate::hashset::tally::Tally;
use crate::hashset::{PHOTODNA_BYTES, SetEntry, value};
use std::borrow::Cow;

/// A record that was read: its entry, and one more for every other digest of its files.
pub(super) struct Read<'a> {
    /// Its category code as the record has it.
    pub(super) code: Option<Cow<'a, str>>,
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

/// Reads the record that `text` is, with its quotes where they are known; `record` is for its
/// members.
pub(super) fn read<'a>(
    text: &'a [u8],
    quotes: &'a [u64],
    record: &mut Record<'a>,
    tally: &mut Tally,
) -> Result<Read<'a>, Wrong> {
    // Counted first: a record that is rejected is a row too.
    let (_, entry) = tally.row();
    record.read(text, quotes).map_err(|fault| match fault {
        Fault::Text(at) => Wrong::Text { at },
        Fault::Kind(at) => wrong(at, "", "another kind of value", "what the member holds"),
    })?;
    record.entry(text, entry, tally)
}

impl<'a> Scalar<'a> {
    /// As words: of a text or a whole number. Names need not be UTF-8, digests are ASCII anyway.
    /// `Err` where it is of another kind.
    fn words(&self) -> Result<Option<Cow<'a, str>>, ()> {
        match self {
            Self::Nothing => Ok(None),
            Self::Number(text) | Self::Text(Cow::Borrowed(text)) => {
                Ok(Some(String::from_utf8_lossy(text)))
            }
            Self::Text(Cow::Owned(text)) => {
                Ok(Some(String::from_utf8_lossy(text).into_owned().into()))
            }
            Self::Flag(_) | Self::Other => Err(()),
        }
    }

    /// Its place, where it is a text without escapes; else the record's.
    fn at(&self, text: &[u8]) -> usize {
        match self {
            Self::Text(Cow::Borrowed(value)) => {
                let at = value.as_ptr().addr().checked_sub(text.as_ptr().addr());
                at.filter(|at| *at < text.len()).unwrap_or(0)
            }
            _ => 0,
        }
    }
}

impl<'a> Record<'a> {
    fn entry(
        &self,
        text: &[u8],
        mut entry: SetEntry,
        tally: &mut Tally,
    ) -> Result<Read<'a>, Wrong> {
        let own = &self.own;
        if own.twice || self.alternatives.iter().chain(&self.files).any(|part| part.twice) {
            let expected = "each member once";
            return Err(wrong(0, "", "two members of one name", expected));
        }
        let id = own.id.words().map_err(|_| unlike(&own.id, text, "id", "a number or a text"))?;
        entry.id = id.unwrap_or_default().into();
        let has_value = self.values(text, &mut entry, tally)?;
        entry.size = own.size(text)?;
        let series = own.series.words().map_err(|_| unlike(&own.series, text, "series", "a text"));
        entry.series = series?.map(Into::into);
        entry.victim_identified = own.victim(text)?;
        let expected = "a number, a text or null";
        let code = own.category.words();
        let code = code.map_err(|_| unlike(&own.category, text, "category", expected))?;
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
        Ok(Read { code, code_at: own.category.at(text), files: files.collect(), entry })
    }

    /// Puts in the digests and perceptual hashes; false where there are none.
    fn values(&self, text: &[u8], entry: &mut SetEntry, tally: &mut Tally) -> Result<bool, Wrong> {
        let Values { md5, sha1, sha256, photodna: dna, .. } = &self.own;
        let mut any = dna.is_there();
        let own = [(Algorithm::Md5, md5), (Algorithm::Sha1, sha1), (Algorithm::Sha256, sha256)];
        for (algorithm, value) in own {
            any |= value.is_there();
            digest(entry, algorithm, value, text, tally)?;
        }
        photodna(entry, dna, text, tally)?;
        for part in &self.alternatives {
            let Scalar::Text(name) = &part.hash_name else { continue };
            let value = &part.hash_value;
            if is_named(name, b"photodna") {
                photodna(entry, value, text, tally)?;
            } else if is_named(name, b"md5") {
                digest(entry, Algorithm::Md5, value, text, tally)?;
            } else if is_named(name, b"sha1") {
                digest(entry, Algorithm::Sha1, value, text, tally)?;
            } else if is_named(name, b"sha256") {
                digest(entry, Algorithm::Sha256, value, text, tally)?;
            } else if is_named(name, b"pdq") {
                pdq(entry, value, text, tally)?;
            } else {
                continue;
            }
            any |= value.is_there();
        }
        Ok(any)
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

impl Values<'_> {
    fn size(&self, text: &[u8]) -> Result<Option<u64>, Wrong> {
        let size = match &self.size {
            Scalar::Nothing => return Ok(None),
            Scalar::Number(size) => value::number(size),
            Scalar::Text(size) => value::number(size),
            _ => None,
        };
        size.map(Some).ok_or_else(|| unlike(&self.size, text, "size", "a size in bytes"))
    }

    fn victim(&self, text: &[u8]) -> Result<Option<bool>, Wrong> {
        let flag = match &self.victim {
            Scalar::Nothing => return Ok(None),
            Scalar::Flag(flag) => Some(*flag),
            Scalar::Text(flag) => value::flag(flag),
            _ => None,
        };
        let expected = "true or false";
        flag.map(Some).ok_or_else(|| unlike(&self.victim, text, "victim_identified", expected))
    }
}

/// Whether a hash has this name, in lower case; writers put case and dashes in as they like.
fn is_named(name: &[u8], known: &[u8]) -> bool {
    let plain = name.iter().filter(|c| !matches!(c, b' ' | b'_' | b'-'));
    plain.map(u8::to_ascii_lowercase).eq(known.iter().copied())
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
        Scalar::Text(hex) => hex.as_ref(),
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
    let expected = || format!("{PHOTODNA_BYTES} bytes in Base64 or hex");
    let hash = match value {
        Scalar::Nothing => return Ok(()),
        Scalar::Text(hash) => hash,
        other => return Err(unlike(other, text, "photodna", &expected())),
    };
    let refused = |found: &str| wrong(value.at(text), "photodna", found, &expected());
    let Some(bytes) = value::photodna(hash) else {
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
        Scalar::Text(hex) => hex.as_ref(),
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
