//! A record as bytes: flags, identifier, and the columns that the set has at all.
//!
//! ```text
//! flags u32   bits 0-3 digests there are  4-5 kind  6-7 victim identified (0 unstated, 1 no, 2 yes)
//!             8 size  9 category  10 series  11 perceptual  12 the identifier is a text
//!             13-16 PDQ, pHash, dHash, aHash that pictures are compared with
//! id u64      line in its low 48 bits, list above them; or the place of a text in the strings
//! then, where any record of the set has it: MD5 16, SHA-1 20, SHA-256 32, BLAKE3 32 bytes,
//! size u64, category u32, series u64 (place in the strings), perceptual u32 (row there)
//! ```
//! A column that a record has not is zeros.

use super::layout::{u32_at, u64_at};
use crate::digest::{Algorithm, Digest, Digests};
use crate::hashset::{PerceptualEntry, SetEntry, SetKind};
use crate::perceptual::PdqQuality;

/// Bits of a line in an identifier.
pub(super) const LINE_BITS: u32 = 48;

const SIZE: u32 = 1 << 8;
const CATEGORY: u32 = 1 << 9;
const SERIES: u32 = 1 << 10;
const PERCEPTUAL: u32 = 1 << 11;
const ID_IS_TEXT: u32 = 1 << 12;
/// First bit of the hashes that pictures are compared with.
const HASHES: u32 = 13;

/// Which columns there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    pub(super) md5: bool,
    pub(super) sha1: bool,
    pub(super) sha256: bool,
    pub(super) blake3: bool,
    pub(super) size: bool,
    pub(super) category: bool,
    pub(super) series: bool,
    pub(super) perceptual: bool,
}

impl Columns {
    /// Those that a record with these flags needs.
    pub(super) const fn of(flags: u32) -> Self {
        Self {
            md5: flags & 1 != 0,
            sha1: flags & 2 != 0,
            sha256: flags & 4 != 0,
            blake3: flags & 8 != 0,
            size: flags & SIZE != 0,
            category: flags & CATEGORY != 0,
            series: flags & SERIES != 0,
            perceptual: flags & PERCEPTUAL != 0,
        }
    }

    /// Those of either.
    pub(super) const fn or(self, other: Self) -> Self {
        Self {
            md5: self.md5 || other.md5,
            sha1: self.sha1 || other.sha1,
            sha256: self.sha256 || other.sha256,
            blake3: self.blake3 || other.blake3,
            size: self.size || other.size,
            category: self.category || other.category,
            series: self.series || other.series,
            perceptual: self.perceptual || other.perceptual,
        }
    }

    /// Whether records have a digest of this algorithm.
    pub(super) const fn has(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Md5 => self.md5,
            Algorithm::Sha1 => self.sha1,
            Algorithm::Sha256 => self.sha256,
            Algorithm::Blake3 => self.blake3,
        }
    }

    /// Bytes of one record.
    pub(super) fn stride(self) -> usize {
        let digests = Algorithm::ALL.iter().filter(|one| self.has(**one)).map(|one| one.width());
        let others =
            [(self.size, 8), (self.category, 4), (self.series, 8), (self.perceptual, 4_usize)];
        let others = others.into_iter().filter(|(there, _)| *there).map(|(_, width)| width);
        digests.chain(others).fold(FIXED, usize::saturating_add)
    }
}

/// Bytes of flags and identifier.
pub(super) const FIXED: usize = 12;

/// What stands in a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) flags: u32,
    pub(super) id: u64,
    pub(super) digests: Digests,
    pub(super) size: u64,
    pub(super) category: u32,
    pub(super) series: u64,
    pub(super) perceptual: u32,
}

/// Where an identifier stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Line { list: u64, line: u64 },
    Text(u64),
}

impl Row {
    /// The row of an entry; places in other sections are put in by the caller.
    pub(super) fn of(entry: &SetEntry) -> Self {
        let mut flags = 0;
        for (bit, algorithm) in (0_u32..).zip(Algorithm::ALL) {
            let there = u32::from(entry.digests.get(*algorithm).is_some());
            flags |= there.wrapping_shl(bit);
        }
        flags |= kind_number(entry.kind) << 4;
        flags |= entry.victim_identified.map_or(0, |yes| if yes { 2 } else { 1_u32 }) << 6;
        flags |= if entry.size.is_some() { SIZE } else { 0 };
        let hashes = entry.perceptual.as_deref().filter(|hashes| !hashes.is_empty());
        flags |= comparable(entry.kind, hashes) << HASHES;
        let (digests, size) = (entry.digests, entry.size.unwrap_or(0));
        Self { flags, id: 0, digests, size, category: 0, series: 0, perceptual: 0 }
    }

    pub(super) const fn set_category(&mut self, category: u32) {
        self.flags |= CATEGORY;
        self.category = category;
    }

    pub(super) const fn set_series(&mut self, at: u64) {
        self.flags |= SERIES;
        self.series = at;
    }

    pub(super) const fn set_perceptual(&mut self, row: u32) {
        self.flags |= PERCEPTUAL;
        self.perceptual = row;
    }

    pub(super) const fn set_text_id(&mut self, at: u64) {
        self.flags |= ID_IS_TEXT;
        self.id = at;
    }

    pub(super) const fn set_line(&mut self, list: u64, line: u64) {
        self.id = list << LINE_BITS | line;
    }

    pub(super) const fn id(&self) -> Id {
        if self.flags & ID_IS_TEXT != 0 {
            return Id::Text(self.id);
        }
        Id::Line { list: self.id >> LINE_BITS, line: self.id & ((1 << LINE_BITS) - 1) }
    }

    pub(super) fn kind(&self) -> Option<SetKind> {
        SetKind::ALL.get(usize::try_from(self.flags >> 4 & 3).ok()?).copied()
    }

    pub(super) const fn victim_identified(&self) -> Option<bool> {
        match self.flags >> 6 & 3 {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        }
    }

    pub(super) const fn size(&self) -> Option<u64> {
        if self.flags & SIZE != 0 { Some(self.size) } else { None }
    }

    pub(super) const fn category(&self) -> Option<u32> {
        if self.flags & CATEGORY != 0 { Some(self.category) } else { None }
    }

    pub(super) const fn series(&self) -> Option<u64> {
        if self.flags & SERIES != 0 { Some(self.series) } else { None }
    }

    pub(super) const fn perceptual(&self) -> Option<u32> {
        if self.flags & PERCEPTUAL != 0 { Some(self.perceptual) } else { None }
    }

    /// Which digests it has and which hashes pictures are compared with: bits of each in order.
    pub(super) const fn comparable(&self) -> (u32, u32) {
        (self.flags & 15, self.flags >> HASHES & 15)
    }

    /// Appends its bytes.
    pub(super) fn encode(&self, columns: Columns, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.flags.to_le_bytes());
        to.extend_from_slice(&self.id.to_le_bytes());
        for algorithm in Algorithm::ALL.iter().filter(|one| columns.has(**one)) {
            let digest = self.digests.get(*algorithm);
            let zeros = [0; 32];
            let bytes = digest.as_ref().map_or(&zeros[..], Digest::bytes);
            to.extend_from_slice(bytes.get(..algorithm.width()).unwrap_or_default());
        }
        if columns.size {
            to.extend_from_slice(&self.size.to_le_bytes());
        }
        if columns.category {
            to.extend_from_slice(&self.category.to_le_bytes());
        }
        if columns.series {
            to.extend_from_slice(&self.series.to_le_bytes());
        }
        if columns.perceptual {
            to.extend_from_slice(&self.perceptual.to_le_bytes());
        }
    }

    /// Reads what a record begins with, flags and identifier; the rest is left as if it had none.
    pub(super) fn decode_fixed(bytes: &[u8]) -> Option<Self> {
        let (flags, id, digests) = (u32_at(bytes, 0)?, u64_at(bytes, 4)?, Digests::default());
        Some(Self { flags, id, digests, size: 0, category: 0, series: 0, perceptual: 0 })
    }

    /// Reads a record; `None` where there are too few bytes.
    pub(super) fn decode(bytes: &[u8], columns: Columns) -> Option<Self> {
        let mut row = Self::decode_fixed(bytes)?;
        let (flags, mut at) = (row.flags, FIXED);
        for (bit, algorithm) in (0_u32..).zip(Algorithm::ALL) {
            if !columns.has(*algorithm) {
                continue;
            }
            let value = bytes.get(at..)?.get(..algorithm.width())?;
            at = at.saturating_add(algorithm.width());
            if flags.wrapping_shr(bit) & 1 == 1 {
                row.digests.set(*algorithm, Digest::new(value)?);
            }
        }
        if columns.size {
            row.size = u64_at(bytes, at)?;
            at = at.saturating_add(8);
        }
        if columns.category {
            row.category = u32_at(bytes, at)?;
            at = at.saturating_add(4);
        }
        if columns.series {
            row.series = u64_at(bytes, at)?;
            at = at.saturating_add(8);
        }
        if columns.perceptual {
            row.perceptual = u32_at(bytes, at)?;
        }
        Some(row)
    }
}

fn kind_number(kind: SetKind) -> u32 {
    let at = SetKind::ALL.iter().position(|one| *one == kind);
    at.and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
}

/// The hashes of an entry that pictures are compared with: none of an ignore entry, none of one that
/// calls its own picture flat.
fn comparable(kind: SetKind, hashes: Option<&PerceptualEntry>) -> u32 {
    let Some(hashes) = hashes.filter(|_| kind != SetKind::Ignore) else { return 0 };
    if hashes.pdq_quality.is_some_and(|quality| PdqQuality(quality).is_flat()) {
        return 0;
    }
    let there = [
        hashes.pdq.is_some(),
        hashes.phash.is_some(),
        hashes.dhash.is_some(),
        hashes.ahash.is_some(),
    ];
    (0_u32..).zip(there).fold(0, |all, (bit, there)| all | u32::from(there).wrapping_shl(bit))
}
