//! Finding a digest: an ordered table with linear probing.
//!
//! A digest's key is its leading 64 bits; the slot it wants is the key times the number of slots,
//! divided by 2^64. Keys stand in ascending order, each at or behind the slot it wants, so a look
//! begins there and ends at the first greater key. A free slot holds the greatest key there is, with
//! no record beside it. Where the leading bits of a list crowd, by chance or by design, the key is
//! taken from a keyed BLAKE3 of the digest instead; then no slot is more than [`FARTHEST`] away.
//!
//! Keys are apart from the rest of the digests: a look that finds nothing touches one line of them.

use super::layout::{slice, u32_at};
use super::map::prefetch;
use crate::digest::Digest;
use crate::hashset::encoding::wide;

/// Largest distance of a digest from the slot it wants.
pub(super) const FARTHEST: u64 = 256;
/// Stands for the record of a free slot.
pub(super) const NO_RECORD: u32 = u32::MAX;
/// In a record number: it is the place of a group instead. In a group: the last record.
pub(super) const MARK: u32 = 1 << 31;
/// The key of a free slot.
pub(super) const FREE: u64 = u64::MAX;

/// How digests become keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// The leading 64 bits; the tail is the rest.
    Leading,
    /// BLAKE3 under this key; the tail is the whole digest.
    Keyed([u8; 32]),
}

impl Keys {
    /// The key of a digest.
    pub(super) fn of(&self, digest: &[u8]) -> u64 {
        let bytes =
            |bytes: &[u8]| bytes.first_chunk().map_or(0, |eight| u64::from_be_bytes(*eight));
        match self {
            Self::Leading => bytes(digest),
            Self::Keyed(key) => bytes(blake3::keyed_hash(key, digest).as_bytes()),
        }
    }

    /// What of a digest stands beside its key.
    pub(super) fn tail<'a>(&self, digest: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Leading => digest.get(8..).unwrap_or_default(),
            Self::Keyed(_) => digest,
        }
    }

    /// Bytes of a tail, for digests of `width` bytes.
    pub(super) const fn tail_len(&self, width: usize) -> usize {
        match self {
            Self::Leading => width.saturating_sub(8),
            Self::Keyed(_) => width,
        }
    }
}

/// The slot that a key wants, among `home` slots.
pub(super) fn wanted(key: u64, home: u64) -> u64 {
    let product = u128::from(key).saturating_mul(u128::from(home));
    u64::try_from(product >> 64).unwrap_or(0)
}

/// A table of a file whose frame was checked.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) keys: Keys,
    pub(super) home: u64,
    pub(super) displacement: u64,
    /// Bytes of a slot in the cold section.
    pub(super) cold_stride: usize,
    /// Offset and length of the sections in the file.
    pub(super) hot: (u64, u64),
    pub(super) cold: (u64, u64),
    pub(super) groups: (u64, u64),
}

impl Table {
    /// Numbers of the records that have this digest, ascending.
    pub(super) fn find<'a>(&self, file: &'a [u8], digest: &Digest) -> Records<'a> {
        self.slot_value(file, digest.bytes())
            .map_or(Records::None, |value| self.records(file, value))
    }

    /// The records that a slot's value stands for.
    pub(super) fn records<'a>(&self, file: &'a [u8], value: u32) -> Records<'a> {
        if value & MARK == 0 {
            return Records::One(value);
        }
        let at = u64::from(value & !MARK).saturating_mul(4);
        let length = self.groups.1.saturating_sub(at);
        let words = slice(file, self.groups.0.saturating_add(at), length).unwrap_or_default();
        Records::Group(words)
    }

    /// Asks memory for what the look-up of a digest begins with. It gives what many ask for side by
    /// side, where one look-up after the other would wait for each.
    pub(super) fn announce(&self, file: &[u8], digest: &Digest) {
        let slot = wanted(self.keys.of(digest.bytes()), self.home);
        for (section, stride) in [(self.hot.0, 8), (self.cold.0, wide(self.cold_stride))] {
            prefetch(file, section.saturating_add(slot.saturating_mul(stride)));
        }
    }

    fn slot_value(&self, file: &[u8], digest: &[u8]) -> Option<u32> {
        let key = self.keys.of(digest);
        let first = wanted(key, self.home);
        let most = usize::try_from(self.displacement.checked_add(1)?).ok()?;
        let hot = slice(file, self.hot.0, self.hot.1)?;
        let from = usize::try_from(first.checked_mul(8)?).ok()?;
        let slots = hot.get(from..)?.as_chunks::<8>().0.iter().take(most);
        for (at, slot) in (first..).zip(slots) {
            let have = u64::from_le_bytes(*slot);
            if have < key {
                continue;
            }
            if have > key {
                return None;
            }
            let (tail, value) = self.cold(file, at)?;
            if value == NO_RECORD {
                return None;
            }
            if is_same(tail, self.keys.tail(digest)) {
                return Some(value);
            }
        }
        None
    }

    /// Tail and value of a slot.
    pub(super) fn cold<'a>(&self, file: &'a [u8], slot: u64) -> Option<(&'a [u8], u32)> {
        let at = slot.checked_mul(wide(self.cold_stride))?;
        if at.checked_add(wide(self.cold_stride))? > self.cold.1 {
            return None;
        }
        let bytes = slice(file, self.cold.0.checked_add(at)?, wide(self.cold_stride))?;
        let (tail, value) = bytes.split_at_checked(self.cold_stride.checked_sub(4)?)?;
        Some((tail, u32_at(value, 0)?))
    }
}

/// Equality of tails, most of which are eight bytes: those of MD5s.
fn is_same(tail: &[u8], other: &[u8]) -> bool {
    match (<&[u8; 8]>::try_from(tail), <&[u8; 8]>::try_from(other)) {
        (Ok(tail), Ok(other)) => tail == other,
        _ => tail == other,
    }
}

/// Numbers of records.
#[derive(Debug, Clone)]
pub(super) enum Records<'a> {
    None,
    One(u32),
    /// Words of four bytes; the last is marked.
    Group(&'a [u8]),
}

impl Iterator for Records<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match std::mem::replace(self, Self::None) {
            Self::None => None,
            Self::One(record) => Some(record),
            Self::Group(words) => {
                let word = u32_at(words, 0)?;
                if word & MARK == 0 {
                    *self = Self::Group(words.get(4..).unwrap_or_default());
                }
                Some(word & !MARK)
            }
        }
    }
}
