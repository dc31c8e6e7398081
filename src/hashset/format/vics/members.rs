//! The members of a record that are of use, as they are written.
//!
//! Members count without case and in any order. One that stands there twice is told, because which
//! of the two counts, nobody knows; one whose first value is null or empty is not twice.

use super::json::{Fault, Reader, Scalar};

/// What is of use in a record, a hash or a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) category: Scalar<'a>,
    pub(super) md5: Scalar<'a>,
    pub(super) sha1: Scalar<'a>,
    pub(super) sha256: Scalar<'a>,
    pub(super) size: Scalar<'a>,
    pub(super) photodna: Scalar<'a>,
    pub(super) series: Scalar<'a>,
    pub(super) victim: Scalar<'a>,
    pub(super) hash_name: Scalar<'a>,
    pub(super) hash_value: Scalar<'a>,
    /// Arrays with something in them.
    alternatives: bool,
    files: bool,
    /// A member stood there twice: which counts, nobody knows.
    pub(super) twice: bool,
}

/// A record. One serves for many, each read over the one before: millions are read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) own: Values<'a>,
    pub(super) alternatives: Vec<Values<'a>>,
    pub(super) files: Vec<Values<'a>>,
}

impl<'a> Record<'a> {
    /// Reads the record that `text` is; `quotes` says where its strings end, as
    /// [`Reader::with_quotes`] wants it.
    ///
    /// # Errors
    /// What is no JSON, or no object; other values than arrays of objects where those are known.
    pub(super) fn read(&mut self, text: &'a [u8], quotes: &'a [u64]) -> Result<(), Fault> {
        self.own = Values::default();
        self.alternatives.clear();
        self.files.clear();
        let mut reader = Reader::with_quotes(text, quotes);
        self.own.read(&mut reader, Some((&mut self.alternatives, &mut self.files)))?;
        reader.end()
    }
}

/// Where the parts of a record go: alternative hashes, and files.
type Parts<'p, 'a> = (&'p mut Vec<Values<'a>>, &'p mut Vec<Values<'a>>);

impl<'a> Values<'a> {
    /// Reads an object. What a part of a record has as parts itself is read and is of no use.
    fn read(
        &mut self,
        reader: &mut Reader<'a>,
        mut parts: Option<Parts<'_, 'a>>,
    ) -> Result<(), Fault> {
        reader.members(|reader, name| {
            let member = Member::named(name);
            let again = match member {
                Member::Unused => return reader.skip(),
                Member::Alternatives => {
                    let any = many(reader, parts.as_mut().map(|(to, _)| &mut **to))?;
                    std::mem::replace(&mut self.alternatives, any)
                }
                Member::Files => {
                    let any = many(reader, parts.as_mut().map(|(_, to)| &mut **to))?;
                    std::mem::replace(&mut self.files, any)
                }
                _ => {
                    let value = reader.scalar()?;
                    self.of(member).is_some_and(|own| std::mem::replace(own, value).is_there())
                }
            };
            self.twice |= again;
            Ok(())
        })
    }

    const fn of(&mut self, member: Member) -> Option<&mut Scalar<'a>> {
        Some(match member {
            Member::Id => &mut self.id,
            Member::Category => &mut self.category,
            Member::Md5 => &mut self.md5,
            Member::Sha1 => &mut self.sha1,
            Member::Sha256 => &mut self.sha256,
            Member::Size => &mut self.size,
            Member::PhotoDna => &mut self.photodna,
            Member::Series => &mut self.series,
            Member::Victim => &mut self.victim,
            Member::HashName => &mut self.hash_name,
            Member::HashValue => &mut self.hash_value,
            Member::Alternatives | Member::Files | Member::Unused => return None,
        })
    }
}

/// Reads an array of objects to `to`, which holds nothing else afterwards; null is none. Says
/// whether there is any.
fn many<'a>(reader: &mut Reader<'a>, mut to: Option<&mut Vec<Values<'a>>>) -> Result<bool, Fault> {
    if let Some(to) = &mut to {
        to.clear();
    }
    if reader.null()? {
        return Ok(false);
    }
    let mut any = false;
    reader.elements(|reader| {
        any = true;
        let mut part = Values::default();
        part.read(reader, None)?;
        if let Some(to) = &mut to {
            to.push(part);
        }
        Ok(())
    })?;
    Ok(any)
}

/// A member whose value is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
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
    fn named(name: &[u8]) -> Self {
        let first = name.first().map(u8::to_ascii_lowercase);
        let ends_in_6 = name.last() == Some(&b'6');
        let (known, is) = match (name.len(), first) {
            (3, _) => ("MD5", Self::Md5),
            (4, _) => ("SHA1", Self::Sha1),
            (5, _) => ("SHA-1", Self::Sha1),
            (6, _) if ends_in_6 => ("SHA256", Self::Sha256),
            (6, _) => ("Series", Self::Series),
            (7, _) if ends_in_6 => ("SHA-256", Self::Sha256),
            (7, _) => ("MediaID", Self::Id),
            (8, Some(b'p')) => ("PhotoDNA", Self::PhotoDna),
            (8, Some(b'h')) => ("HashName", Self::HashName),
            (8, _) => ("Category", Self::Category),
            (9, Some(b'h')) => ("HashValue", Self::HashValue),
            (9, _) => ("MediaSize", Self::Size),
            (10, _) => ("MediaFiles", Self::Files),
            (16, _) => ("VictimIdentified", Self::Victim),
            (17, _) => ("AlternativeHashes", Self::Alternatives),
            _ => return Self::Unused,
        };
        // Most writers spell it like this.
        let known = known.as_bytes();
        if name == known || name.eq_ignore_ascii_case(known) { is } else { Self::Unused }
    }
}
