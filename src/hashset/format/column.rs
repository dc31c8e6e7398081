//! Columns by name: what each cell of a row says of an entry. For CSV and for hashdeep.
//!
//! A name counts without case, space, `_` and `-`. Columns of other names are ignored. What a cell
//! of a known column holds is read or refused, never passed over.

use super::{Cell, Reading, Settled, trim};
use crate::digest::Algorithm;
use crate::hashset::{ListAlgorithm, Place, SetEntry, SetError, value};
use std::borrow::Cow;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Digest(Algorithm),
    /// A digest of an algorithm that its length tells.
    Hash,
    Pdq,
    PdqQuality,
    Phash,
    Dhash,
    Ahash,
    PhotoDna,
    Category,
    Series,
    Size,
    Id,
    VictimIdentified,
    /// Known and of no use here, such as a file's name.
    Unused,
}

impl Column {
    fn named(name: &[u8]) -> Option<Self> {
        let plain: Vec<u8> = name
            .iter()
            .filter(|c| !matches!(**c, b' ' | b'_' | b'-' | b'"' | b'\t'))
            .map(u8::to_ascii_lowercase)
            .collect();
        Some(match plain.as_slice() {
            b"md5" | b"md5hash" => Self::Digest(Algorithm::Md5),
            b"sha1" | b"sha1hash" => Self::Digest(Algorithm::Sha1),
            b"sha256" | b"sha256hash" => Self::Digest(Algorithm::Sha256),
            b"blake3" | b"blake3hash" => Self::Digest(Algorithm::Blake3),
            b"hash" => Self::Hash,
            b"pdq" | b"pdqhash" => Self::Pdq,
            b"pdqquality" => Self::PdqQuality,
            b"phash" => Self::Phash,
            b"dhash" => Self::Dhash,
            b"ahash" => Self::Ahash,
            b"photodna" => Self::PhotoDna,
            b"category" => Self::Category,
            b"series" | b"seriesname" => Self::Series,
            b"size" | b"filesize" | b"mediasize" => Self::Size,
            b"id" | b"entryid" | b"mediaid" | b"imageid" => Self::Id,
            b"victimidentified" => Self::VictimIdentified,
            b"filename" | b"name" | b"comment" => Self::Unused,
            _ => return None,
        })
    }

    /// The word for it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Digest(algorithm) => algorithm.as_str(),
            Self::Hash => "hash",
            Self::Pdq => "pdq",
            Self::PdqQuality => "pdq_quality",
            Self::Phash => "phash",
            Self::Dhash => "dhash",
            Self::Ahash => "ahash",
            Self::PhotoDna => "photodna",
            Self::Category => "category",
            Self::Series => "series",
            Self::Size => "size",
            Self::Id => "id",
            Self::VictimIdentified => "victim_identified",
            Self::Unused => "",
        }
    }

    /// Whether an entry can be compared by it.
    const fn is_value(self) -> bool {
        matches!(
            self,
            Self::Digest(_)
                | Self::Hash
                | Self::Pdq
                | Self::Phash
                | Self::Dhash
                | Self::Ahash
                | Self::PhotoDna
        )
    }
}

/// Whether a header's cell names a known column.
pub(super) fn is_known(name: &[u8]) -> bool {
    Column::named(name).is_some()
}

/// A cell as it stands in its row.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) at: usize,
    pub(super) line: u64,
    pub(super) bytes: &'a [u8],
    /// True where it stood in quotes, and `""` is one quote.
    pub(super) quoted: bool,
}

/// The columns of a list.
pub(super) struct Columns {
    columns: Vec<Column>,
    hash: Option<Settled>,
}

impl Columns {
    /// Reads the names.
    ///
    /// # Errors
    /// No column to compare by; two of one kind, where it is not clear which counts.
    pub(super) fn read(header: &[Field<'_>], place: Place) -> Result<Self, SetError> {
        let named = |field: &Field<'_>| Column::named(field.bytes).unwrap_or(Column::Unused);
        let mut columns: Vec<Column> = header.iter().map(named).collect();
        if header.last().is_some_and(|last| last.bytes.trim_ascii().is_empty()) {
            columns.pop();
        }
        let mut met: Vec<Column> = Vec::new();
        for column in &mut columns {
            match *column {
                // The first identifier is the list's own.
                Column::Id if met.contains(column) => *column = Column::Unused,
                Column::Unused => {}
                _ if met.contains(column) => {
                    return Err(SetError::bad(
                        place,
                        "two columns of one name",
                        "each column once",
                    ));
                }
                _ => met.push(*column),
            }
        }
        let exact = |column: &&Column| matches!(column, Column::Digest(_) | Column::Hash);
        if met.contains(&Column::Hash) && met.iter().filter(exact).count() > 1 {
            let expected = "a name such as md5 or sha1 for it";
            return Err(SetError::bad(place, "a column `hash` beside other digests", expected));
        }
        if !met.iter().any(|column| column.is_value()) {
            let expected = "a column such as md5, sha1, sha256, blake3 or pdq";
            return Err(SetError::bad(place, "a header row without digests", expected));
        }
        Ok(Self { columns, hash: None })
    }

    /// How many cells a row has.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Takes a row. One empty cell more than there are columns is allowed.
    ///
    /// # Errors
    /// A cell that is not what its column holds; another number of cells; no value at all.
    pub(super) fn take(
        &mut self,
        list: &mut Reading<'_>,
        fields: &[Field<'_>],
    ) -> Result<(), SetError> {
        let Some(first) = fields.first() else { return Ok(()) };
        let (record, mut entry) = list.tally.row();
        let place = |field: &Field<'_>| list.text.place_in_row(field.at, field.line, record);
        let spare = fields.get(self.len()..);
        if !spare.is_some_and(|spare| matches!(spare, [] | [Field { bytes: b"", .. }])) {
            let found = format!("{} columns", fields.len());
            return Err(SetError::bad(place(first), found, format!("{}", self.len())));
        }
        let mut has_value = false;
        for at in 0..self.len() {
            let (Some(column), Some(field)) = (self.columns.get(at).copied(), fields.get(at))
            else {
                continue;
            };
            let (start, bytes) = trim(field.at, field.bytes);
            if bytes.is_empty() {
                continue;
            }
            has_value |= column.is_value();
            let cell = Cell { at: start, line: field.line, record, bytes };
            list.column = column.as_str();
            self.cell(list, &mut entry, column, cell, field.quoted)?;
        }
        list.column = "";
        if !has_value {
            let expected = "a value in at least one of the columns for digests";
            return Err(SetError::bad(place(first), "a row without any digest", expected));
        }
        list.push(entry, first.line)
    }

    /// Puts one cell into an entry.
    fn cell(
        &mut self,
        list: &mut Reading<'_>,
        entry: &mut SetEntry,
        column: Column,
        cell: Cell<'_>,
        quoted: bool,
    ) -> Result<(), SetError> {
        let text = || value::text(&unquoted(cell.bytes, quoted));
        match column {
            Column::Digest(algorithm) => digest(list, entry, algorithm, cell)?,
            Column::Hash => {
                let is = match self.hash {
                    Some(is) => is,
                    None => *self.hash.insert(list.settle(cell)?),
                };
                list.put(entry, is, cell)?;
            }
            Column::Category => {
                let category = list
                    .categories
                    .of(&text(), || list.text.place_in_row(cell.at, cell.line, cell.record))?;
                entry.kind = category.kind;
                entry.category = Some(category);
            }
            Column::Series => entry.series = Some(text()),
            Column::Id => entry.id = text(),
            Column::Size => {
                let size = value::number(cell.bytes);
                entry.size = Some(size.ok_or_else(|| other(list, cell, "a size in bytes"))?);
            }
            Column::VictimIdentified => {
                let flag = value::flag(cell.bytes);
                entry.victim_identified = Some(flag.ok_or_else(|| other(list, cell, "yes or no"))?);
            }
            Column::Unused => {}
            _ => perceptual(list, entry, column, cell)?,
        }
        Ok(())
    }
}

/// Puts a digest of a known algorithm into an entry.
fn digest(
    list: &mut Reading<'_>,
    entry: &mut SetEntry,
    algorithm: Algorithm,
    cell: Cell<'_>,
) -> Result<(), SetError> {
    let digits = algorithm.width().saturating_mul(2);
    let digest = value::digest(cell.bytes, algorithm)
        .ok_or_else(|| list.bad(cell, format!("{digits} hex digits ({algorithm})")))?;
    list.tally.digest(entry, algorithm, digest);
    Ok(())
}

/// Puts a perceptual value into an entry, unless it is all zero, which every flat picture is.
fn perceptual(
    list: &mut Reading<'_>,
    entry: &mut SetEntry,
    column: Column,
    cell: Cell<'_>,
) -> Result<(), SetError> {
    let mut hashes = entry.perceptual.take().unwrap_or_default();
    let bits = |list: &mut Reading<'_>| {
        let bytes = value::hex::<8>(cell.bytes).ok_or_else(|| list.bad(cell, "16 hex digits"))?;
        Ok(Some(bytes).filter(|bytes| !list.tally.is_zero(bytes)).map(u64::from_be_bytes))
    };
    match column {
        Column::Pdq => {
            let digits = ListAlgorithm::Pdq.hex_digits();
            let pdq = value::hex::<32>(cell.bytes)
                .ok_or_else(|| list.bad(cell, format!("{digits} hex digits (pdq)")))?;
            hashes.pdq = Some(pdq).filter(|pdq| !list.tally.is_zero(pdq));
        }
        Column::PdqQuality => {
            let quality = value::quality(cell.bytes);
            let expected = "a quality of 0 to 100";
            hashes.pdq_quality = Some(quality.ok_or_else(|| other(list, cell, expected))?);
        }
        Column::Phash => hashes.phash = bits(list)?,
        Column::Dhash => hashes.dhash = bits(list)?,
        Column::Ahash => hashes.ahash = bits(list)?,
        _ => {
            let expected = "144 bytes as 288 hex digits or Base64";
            let photodna = value::photodna(cell.bytes)
                .ok_or_else(|| SetError::bad(list.place(cell), length(cell), expected))?;
            hashes.photodna = Some(photodna).filter(|bytes| !list.tally.is_zero(bytes));
        }
    }
    entry.perceptual = Some(hashes);
    Ok(())
}

/// The error of a cell that holds no hex.
fn other(list: &Reading<'_>, cell: Cell<'_>, expected: &str) -> SetError {
    SetError::bad(list.place(cell), length(cell), expected)
}

fn length(cell: Cell<'_>) -> String {
    format!("{} bytes of something else", cell.bytes.len())
}

/// The content of a cell, `""` being one quote.
fn unquoted(bytes: &[u8], quoted: bool) -> Cow<'_, [u8]> {
    if !quoted || memchr::memchr(b'"', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut pair = false;
    for byte in bytes {
        pair = *byte == b'"' && !pair;
        if !pair {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}
