//! Owners: security identifiers by the number under which descriptors are stored.
//!
//! Source: Linux-NTFS project documentation, "File - $Secure"; Microsoft, MS-DTYP, section 2.4.2
//! "SID" and 2.4.6 "SECURITY_DESCRIPTOR".

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::bytes::Block;

/// Every stretch of so many bytes is followed by its copy.
const STRETCH: usize = 256 << 10;
/// Bytes before the descriptor in an entry.
const HEADER: usize = 20;
/// A longer stream of all descriptors is not read.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// A longer single descriptor is not read.
pub(super) const MOST_OF_ONE: u64 = 64 << 10;

/// Owners by number.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<u32, Box<str>>);

impl Owners {
    /// Reads the stream of all descriptors.
    pub(super) fn parse(stream: &[u8]) -> Self {
        let mut owners = HashMap::new();
        for stretch in stream.chunks(STRETCH).step_by(2) {
            let (block, mut at) = (Block::new(stretch, 0), 0_usize);
            while let (Ok(id), Ok(length)) =
                (block.u32_le(at.saturating_add(4)), block.u32_le(at.saturating_add(16)))
            {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length < HEADER {
                    break;
                }
                let descriptor = block.slice(
                    at.saturating_add(HEADER),
                    length.saturating_sub(HEADER).min(stretch.len()),
                );
                if let Some(owner) = descriptor.ok().and_then(|d| owner(d.bytes())) {
                    owners.entry(id).or_insert_with(|| owner.into_boxed_str());
                }
                at = at.saturating_add(length.saturating_add(15) & !15);
            }
        }
        Self(owners)
    }

    /// The owner of what is stored under a number; the number itself where it is not known.
    pub(super) fn of(&self, id: u32) -> String {
        self.0.get(&id).map_or_else(|| id.to_string(), |sid| sid.to_string())
    }
}

/// The owner that a security descriptor names.
pub(super) fn owner(descriptor: &[u8]) -> Option<String> {
    let block = Block::new(descriptor, 0);
    let at = usize::try_from(block.u32_le(4).ok()?).ok().filter(|at| *at != 0)?;
    let (revision, count) = (block.u8(at).ok()?, block.u8(at.checked_add(1)?).ok()?);
    if revision != 1 || count > 15 {
        return None;
    }
    let high = u64::from(block.u16_be(at.checked_add(2)?).ok()?) << 32;
    let authority = high | u64::from(block.u32_be(at.checked_add(4)?).ok()?);
    let mut text = format!("S-1-{authority}");
    for n in 0..usize::from(count) {
        let part = block.u32_le(at.checked_add(8)?.checked_add(n.checked_mul(4)?)?).ok()?;
        write!(text, "-{part}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_descriptor_is_its_identifier() {
        let mut descriptor = vec![1, 0, 4, 0x80, 20, 0, 0, 0];
        descriptor.resize(20, 0);
        descriptor.extend([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0]);
        assert_eq!(owner(&descriptor).as_deref(), Some("S-1-5-32-544"));
        for end in 0..descriptor.len() {
            assert_eq!(owner(&descriptor[..end]), None, "{end}");
        }
        let mut stream = vec![0, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0];
        stream.extend(&descriptor);
        let owners = Owners::parse(&stream);
        assert_eq!((owners.of(263), owners.of(9)), ("S-1-5-32-544".to_owned(), "9".to_owned()));
    }
}
