//! Fields of a record as runs of bytes: the journal is written once and read up to four times, and
//! a byte at a time is what most of that would cost.

use crate::digest::{Algorithm, Digest, Digests};
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// One byte that says which digests there are, and all four.
const LONGEST: usize = 1 + 16 + 20 + 32 + 32;

/// An order key as its bytes.
pub(super) mod key {
    use super::{Deserializer, Serializer};
    use crate::item::OrderKey;

    pub(in crate::report) fn serialize<S: Serializer>(
        key: &OrderKey,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(key.as_bytes())
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<OrderKey, D::Error> {
        super::borrowed(from).map(OrderKey::from_bytes)
    }
}

/// Bytes as such.
pub(super) mod bytes {
    use super::{Deserializer, Serializer};

    pub(in crate::report) fn serialize<S: Serializer>(
        bytes: &[u8],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<u8>, D::Error> {
        super::borrowed(from).map(<[u8]>::to_vec)
    }
}

/// Digests as one byte whose bits say which there are, and their bytes in the order of columns.
pub(super) mod digests {
    use super::{Algorithm, Deserializer, Digests, LONGEST, Serializer};
    use serde::de::Error as _;

    pub(in crate::report) fn serialize<S: Serializer>(
        digests: &Digests,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(LONGEST);
        bytes.push(0);
        for (bit, algorithm) in Algorithm::ALL.iter().enumerate() {
            let Some(digest) = digests.get(*algorithm) else { continue };
            if let Some(which) = bytes.first_mut() {
                *which |= 1 << bit;
            }
            bytes.extend_from_slice(digest.bytes());
        }
        to.serialize_bytes(&bytes)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Digests, D::Error> {
        let bytes = super::borrowed(from)?;
        super::read_digests(bytes).ok_or_else(|| D::Error::custom("these are no digests"))
    }
}

/// What [`digests`] wrote; `None` where it is anything else.
pub(super) fn read_digests(bytes: &[u8]) -> Option<Digests> {
    let (which, mut rest) = bytes.split_first()?;
    let mut digests = Digests::default();
    for (bit, algorithm) in Algorithm::ALL.iter().enumerate() {
        if which >> bit & 1 == 1 {
            let (digest, after) = rest.split_at_checked(algorithm.width())?;
            rest = after;
            digests.set(*algorithm, Digest::new(digest)?);
        }
    }
    (which >> Algorithm::ALL.len() == 0 && rest.is_empty()).then_some(digests)
}

/// Bytes that stay where they are.
fn borrowed<'de, D: Deserializer<'de>>(from: D) -> Result<&'de [u8], D::Error> {
    <&[u8]>::deserialize(from).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Hasher, Selection};

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct One(#[serde(with = "digests")] Digests);

    #[test]
    fn every_selection_of_digests_comes_back() {
        for bits in 0..16_u8 {
            let chosen = Algorithm::ALL.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
            let chosen = chosen.fold(Selection::NONE, |all, (_, one)| all.with(*one));
            let mut hasher = Hasher::new(chosen);
            hasher.update(b"content");
            let one = One(hasher.finish());
            let bytes = postcard::to_allocvec(&one).unwrap();
            assert_eq!(postcard::from_bytes::<One>(&bytes).unwrap(), one);
        }
    }

    #[test]
    fn other_bytes_are_an_error() {
        assert_eq!(read_digests(&[]), None);
        assert_eq!(read_digests(&[1; 16]), None, "too short");
        assert_eq!(read_digests(&[0, 0]), None, "too long");
        assert_eq!(read_digests(&[16]), None, "a fifth digest");
    }
}
