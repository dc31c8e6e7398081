//! Perceptual hashes and PhotoDNA as rows of one length, and the digest of all that an entry holds.
//!
//! ```text
//! record u32  there u8 (bits: PDQ, quality, pHash, dHash, aHash, PhotoDNA)  quality u8  0 u16
//! PDQ 32  pHash u64  dHash u64  aHash u64  PhotoDNA u32 (row in its section)  0 u32
//! ```

use super::layout::{u32_at, u64_at};
use crate::digest::Algorithm;
use crate::hashset::{PerceptualEntry, SetEntry};

/// Bytes of a row of perceptual hashes.
pub(super) const STRIDE: usize = 72;

const PDQ: u8 = 1;
const QUALITY: u8 = 2;
const PHASH: u8 = 4;
const DHASH: u8 = 8;
const AHASH: u8 = 16;
const PHOTODNA: u8 = 32;

/// The row of an entry's hashes.
///
/// - `photodna`: its row in that section, where it has one.
pub(super) fn encode(record: u32, hashes: &PerceptualEntry, photodna: u32) -> Vec<u8> {
    let there = [
        (hashes.pdq.is_some(), PDQ),
        (hashes.pdq_quality.is_some(), QUALITY),
        (hashes.phash.is_some(), PHASH),
        (hashes.dhash.is_some(), DHASH),
        (hashes.ahash.is_some(), AHASH),
        (hashes.photodna.is_some(), PHOTODNA),
    ];
    let there = there.into_iter().filter(|(there, _)| *there).fold(0, |all, (_, bit)| all | bit);
    let mut row = Vec::with_capacity(STRIDE);
    row.extend_from_slice(&record.to_le_bytes());
    row.extend_from_slice(&[there, hashes.pdq_quality.unwrap_or(0), 0, 0]);
    row.extend_from_slice(&hashes.pdq.unwrap_or([0; 32]));
    for hash in [hashes.phash, hashes.dhash, hashes.ahash] {
        row.extend_from_slice(&hash.unwrap_or(0).to_le_bytes());
    }
    row.extend_from_slice(&photodna.to_le_bytes());
    row.extend_from_slice(&[0; 4]);
    row
}

/// The row with other numbers in it.
pub(super) fn renumbered(row: &[u8], record: u32, photodna: u32) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(STRIDE);
    all.extend_from_slice(&record.to_le_bytes());
    all.extend_from_slice(row.get(4..64)?);
    all.extend_from_slice(&photodna.to_le_bytes());
    all.extend_from_slice(row.get(68..STRIDE)?);
    Some(all)
}

/// Whether a row has a PhotoDNA hash.
pub(super) fn has_photodna(row: &[u8]) -> bool {
    row.get(4).is_some_and(|there| there & PHOTODNA != 0)
}

/// Reads a row: the record it is of, its hashes, and the row of its PhotoDNA.
pub(super) fn decode(row: &[u8]) -> Option<(u32, PerceptualEntry, Option<u32>)> {
    let (there, quality) = (*row.get(4)?, *row.get(5)?);
    let has = |bit: u8| there & bit != 0;
    let hash64 = |bit, at| Some(if has(bit) { Some(u64_at(row, at)?) } else { None });
    let hashes = PerceptualEntry {
        pdq: has(PDQ).then(|| row.get(8..)?.first_chunk().copied()).flatten(),
        pdq_quality: has(QUALITY).then_some(quality),
        phash: hash64(PHASH, 40)?,
        dhash: hash64(DHASH, 48)?,
        ahash: hash64(AHASH, 56)?,
        photodna: None,
    };
    let photodna = if has(PHOTODNA) { Some(u32_at(row, 64)?) } else { None };
    Some((u32_at(row, 0)?, hashes, photodna))
}

/// 16 bytes of the BLAKE3 of all that an entry holds: entries of which these are equal are equal.
///
/// Whoever could make two that are not would be the author of both rows, and lose one of his own.
///
/// - `own_id`: the identifier, where it is the list's own.
pub(super) fn content(entry: &SetEntry, own_id: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| crate::hashset::encoding::wide(bytes.len()));
        hasher.update(&length.to_le_bytes());
        hasher.update(bytes.unwrap_or_default());
    };
    field(Some(own_id.as_bytes()));
    field(Some(entry.kind.as_str().as_bytes()));
    for algorithm in Algorithm::ALL {
        let digest = entry.digests.get(*algorithm);
        field(digest.as_ref().map(crate::digest::Digest::bytes));
    }
    let PerceptualEntry { pdq, pdq_quality, phash, dhash, ahash, photodna } =
        entry.perceptual.as_deref().unwrap_or(&PerceptualEntry::NONE);
    field(pdq.as_ref().map(|pdq| &pdq[..]));
    field(pdq_quality.as_ref().map(std::slice::from_ref));
    for hash in [phash, dhash, ahash, &entry.size] {
        field(hash.map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..]));
    }
    field(photodna.as_deref());
    let category = entry.category.as_deref();
    let texts = |of: fn(&crate::hashset::Category) -> &str| category.map(of).map(str::as_bytes);
    field(texts(|category| &category.scheme));
    field(texts(|category| &category.code));
    field(texts(|category| &category.label));
    field(texts(|category| category.kind.as_str()));
    field(entry.series.as_deref().map(str::as_bytes));
    field(entry.victim_identified.map(u8::from).as_ref().map(std::slice::from_ref));
    let mut content = [0; 16];
    content.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(to, from)| *to = *from);
    content
}
