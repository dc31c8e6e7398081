//! Attribute lists: in which records the attributes of an object are that one record cannot hold.
//!
//! Only the record numbers are taken from a list. Which attributes they hold is read there, and
//! they must name the object as theirs, so that no list can lead in circles or into another object.
//!
//! Source: Linux-NTFS project documentation, "$ATTRIBUTE_LIST".

use super::Geometry;
use super::attribute::{Attribute, Body};
use super::mapped::Mapped;
use super::record::Reference;
use super::runlist::decode;

use crate::bytes::{Block, ReadAt};

/// A list has at most 256 KiB; this is where longer ones are not believed.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// Bytes of an entry without its name.
const SHORTEST: usize = 26;

/// The records that a list names, each once, in ascending order; `None` where the list cannot be
/// read whole or is longer than `most` bytes.
pub(super) fn read(
    volume: &dyn ReadAt,
    geometry: &Geometry,
    attribute: &Attribute<'_>,
    most: u64,
) -> Option<Vec<u64>> {
    match attribute.body {
        Body::Resident(bytes) => records(bytes),
        Body::Clusters(header) => {
            let size = Some(header.size).filter(|size| *size <= most.min(MOST_BYTES))?;
            let mut map = Mapped::default();
            map.extend(decode(header.pairs, header.first, header.end).0);
            let mut bytes = vec![0; usize::try_from(size).ok()?];
            let n = map.fill(volume, geometry, 0, &mut bytes).ok()?;
            if n == bytes.len() { records(&bytes) } else { None }
        }
    }
}

/// Bytes of a list that are read from clusters.
pub(super) fn cost(attribute: &Attribute<'_>) -> u64 {
    match attribute.body {
        Body::Resident(_) => 0,
        Body::Clusters(header) => header.size,
    }
}

fn records(bytes: &[u8]) -> Option<Vec<u64>> {
    let (mut found, mut at) = (Vec::new(), 0_usize);
    let block = Block::new(bytes, 0);
    while at < bytes.len() {
        let length = usize::from(block.u16_le(at.checked_add(4)?).ok()?);
        if length < SHORTEST {
            return None;
        }
        found.push(Reference::from_raw(block.u64_le(at.checked_add(16)?).ok()?).record);
        at = at.checked_add(length)?;
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}
