//! The attributes of a record: everything a file is, its names and its content included.
//!
//! Source: Linux-NTFS project documentation, "Attribute Header".

use crate::bytes::{Block, Truncated};
use crate::item::escape;

/// Times, attribute letters, owner.
pub(super) const STANDARD_INFORMATION: u32 = 0x10;
/// In which other records attributes are.
pub(super) const ATTRIBUTE_LIST: u32 = 0x20;
/// A name in a folder.
pub(super) const FILE_NAME: u32 = 0x30;
/// Owner and rights, before version 3.
pub(super) const SECURITY_DESCRIPTOR: u32 = 0x50;
/// Label of the volume.
pub(super) const VOLUME_NAME: u32 = 0x60;
/// Content, with or without a name.
pub(super) const DATA: u32 = 0x80;
/// The root of an index; of a folder, the one of its names.
pub(super) const INDEX_ROOT: u32 = 0x90;
/// The blocks of an index that its root has no room for.
pub(super) const INDEX_ALLOCATION: u32 = 0xA0;
/// Which of these blocks are in use.
pub(super) const INDEX_BITMAP: u32 = 0xB0;
/// That the object stands for something else.
pub(super) const REPARSE_POINT: u32 = 0xC0;
/// Streams of the system, such as the keys of encryption.
pub(super) const LOGGED_UTILITY_STREAM: u32 = 0x100;

const END: u32 = 0xFFFF_FFFF;

/// How an attribute's bytes are compressed; 0 = not.
pub(super) const COMPRESSION: u16 = 0x00FF;
/// The attribute's bytes are encrypted.
pub(super) const ENCRYPTED: u16 = 0x4000;

/// An attribute as it stands in its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    /// What it is.
    pub(super) kind: u32,
    /// Compressed, encrypted, sparse.
    pub(super) flags: u16,
    name: &'a [u8],
    /// Where its bytes are.
    pub(super) body: Body<'a>,
}

/// Where an attribute's bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body<'a> {
    /// In the record.
    Resident(&'a [u8]),
    /// In clusters of the volume.
    Clusters(Header<'a>),
}

/// A run list and what is said of the attribute it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    /// First cluster of the attribute that this list is of.
    pub(super) first: u64,
    /// The one after the last.
    pub(super) end: u64,
    /// Clusters of a compression unit, as the exponent of 2.
    pub(super) unit: u16,
    /// Bytes of the attribute; 0 where this is not its first list.
    pub(super) size: u64,
    /// How many of them were ever written; the others are zeros.
    pub(super) initialized: u64,
    /// The run list itself.
    pub(super) pairs: &'a [u8],
}

impl Attribute<'_> {
    /// Its name, as the bytes that names of evidence are.
    pub(super) fn name(&self) -> Vec<u8> {
        if self.name.is_empty() { Vec::new() } else { utf16(self.name) }
    }

    /// True where this is a part of an attribute that another part begins.
    pub(super) const fn continues(&self) -> bool {
        matches!(self.body, Body::Clusters(Header { first: 1.., .. }))
    }
}

/// A name stored as little-endian UTF-16.
pub(super) fn utf16(bytes: &[u8]) -> Vec<u8> {
    let units = bytes.chunks_exact(2).filter_map(|unit| unit.first_chunk::<2>().copied());
    escape::utf16_name(units.map(u16::from_le_bytes))
}

/// The attributes of a record, in its order; ends after the first that makes no sense.
pub(super) struct Attributes<'a> {
    block: Block<'a>,
    at: usize,
    ended: bool,
}

impl<'a> Attributes<'a> {
    /// Those of this part of a record.
    pub(super) const fn new(block: Block<'a>) -> Self {
        Self { block, at: 0, ended: false }
    }

    fn parse(&mut self) -> Result<Option<Attribute<'a>>, Truncated> {
        let kind = self.block.u32_le(self.at)?;
        if kind == END {
            return Ok(None);
        }
        let length = usize::try_from(self.block.u32_le(self.at.saturating_add(4))?);
        let length = length.unwrap_or(usize::MAX);
        if length < 24 {
            return Err(Truncated { at: self.block.position(self.at), need: 24 });
        }
        let block = self.block.slice(self.at, length)?;
        self.at = self.at.saturating_add(length);
        let name_len = usize::from(block.u8(9)?).saturating_mul(2);
        let name = block.slice(usize::from(block.u16_le(10)?), name_len)?.bytes();
        let body = if block.u8(8)? == 0 {
            let len = usize::try_from(block.u32_le(16)?).unwrap_or(usize::MAX);
            Body::Resident(block.slice(usize::from(block.u16_le(20)?), len)?.bytes())
        } else {
            Body::Clusters(header(block)?)
        };
        Ok(Some(Attribute { kind, flags: block.u16_le(12)?, name, body }))
    }
}

fn header(block: Block<'_>) -> Result<Header<'_>, Truncated> {
    let first = block.u64_le(16)?;
    let pairs = usize::from(block.u16_le(32)?);
    let (size, initialized) = match first {
        0 => (block.u64_le(48)?, block.u64_le(56)?),
        _ => (0, 0),
    };
    Ok(Header {
        first,
        end: block.u64_le(24)?.wrapping_add(1),
        unit: block.u16_le(34)?,
        size,
        initialized,
        pairs: block.slice(pairs, block.len().saturating_sub(pairs))?.bytes(),
    })
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.parse().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
