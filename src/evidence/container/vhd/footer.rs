//! The footer of a VHD: 512 bytes at the end of the file, and a copy at the start of all but fixed
//! ones. Versions before Virtual PC 2004 wrote 511 bytes.
//!
//! Numbers are big-endian. The check sum is the complement of the sum of all other bytes.
//!
//! Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, 2006, "Hard Disk
//! Footer Format".

use std::collections::BTreeMap;

use crate::bytes::Block;
use crate::item::{Timestamp, escape};

/// Bytes of a footer.
pub(super) const SIZE: usize = 512;
/// How a footer begins.
const COOKIE: [u8; 8] = *b"conectix";
/// The one version of the format.
pub(super) const VERSION: u32 = 0x1_0000;
/// Seconds from 1970 to 2000.
const YEAR_2000: i64 = 946_684_800;

/// How the medium is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed,
    Dynamic,
    Differencing,
    /// Reserved or unknown.
    Other(u32),
}

/// What a footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) kind: Kind,
    /// Where the header of a dynamic one begins.
    pub(super) header_at: u64,
    /// Bytes of the medium.
    pub(super) size: u64,
    /// What a differencing image names its parent by.
    pub(super) id: [u8; 16],
    creator: [u8; 4],
    creator_version: u32,
    creator_host: [u8; 4],
    /// Seconds since 2000 in UTC.
    created: u32,
    /// Cylinders, heads, sectors a track.
    geometry: (u16, u8, u8),
    saved_state: bool,
    pub(super) version: u32,
}

impl Footer {
    /// Reads 512 or 511 bytes; `None` where they do not begin like a footer or are too few.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let block = Block::new(bytes, 0);
        if block.array(0).ok()? != COOKIE || bytes.len() < 85 {
            return None;
        }
        let kind = match block.u32_be(60).ok()? {
            2 => Kind::Fixed,
            3 => Kind::Dynamic,
            4 => Kind::Differencing,
            other => Kind::Other(other),
        };
        Some(Self {
            kind,
            header_at: block.u64_be(16).ok()?,
            size: block.u64_be(48).ok()?,
            id: block.array(68).ok()?,
            creator: block.array(28).ok()?,
            creator_version: block.u32_be(32).ok()?,
            creator_host: block.array(36).ok()?,
            created: block.u32_be(24).ok()?,
            geometry: (block.u16_be(56).ok()?, block.u8(58).ok()?, block.u8(59).ok()?),
            saved_state: block.u8(84).ok()? != 0,
            version: block.u32_be(12).ok()?,
        })
    }

    fn created(&self) -> String {
        let seconds = i64::from(self.created).saturating_add(YEAR_2000);
        Timestamp { seconds, nanos: 0, digits: 0, utc: true }.to_string()
    }

    /// What the record of the run says of it.
    pub(super) fn details(&self) -> BTreeMap<String, String> {
        let (cylinders, heads, sectors) = self.geometry;
        let [major, minor] = [self.creator_version >> 16, self.creator_version & 0xffff];
        let kind = match self.kind {
            Kind::Fixed => "fixed",
            Kind::Dynamic => "dynamic",
            Kind::Differencing => "differencing",
            Kind::Other(_) => "unknown",
        };
        let mut details = vec![
            ("type", kind.to_owned()),
            ("creator", escape::cell(self.creator.trim_ascii())),
            ("creator_version", format!("{major}.{minor}")),
            ("creator_host", escape::cell(self.creator_host.trim_ascii())),
            ("created", self.created()),
            ("geometry", format!("{cylinders}/{heads}/{sectors}")),
            ("unique_id", super::hex(&self.id)),
        ];
        if self.saved_state {
            details.push(("saved_state", "true".to_owned()));
        }
        details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// True where the check sum at `at`, four bytes of these, is the complement of the sum of the rest.
pub(super) fn sum_holds(bytes: &[u8], at: usize) -> bool {
    let Ok(stored) = Block::new(bytes, 0).u32_be(at) else { return false };
    let sum = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let own = stored.to_be_bytes().iter().fold(0_u32, |sum, b| sum.wrapping_add(u32::from(*b)));
    !sum.wrapping_sub(own) == stored
}

/// True for a footer whose check sum holds.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    bytes.starts_with(&COOKIE) && sum_holds(bytes, 64)
}

/// True where a file that ends like this ends in a footer: one whose check sum holds, or whose
/// fixed fields are all as they must be.
pub(in crate::evidence::container) fn ends_in_footer(tail: &[u8]) -> bool {
    [SIZE, SIZE.saturating_sub(1)].into_iter().any(|size| {
        let last = tail.len().checked_sub(size).and_then(|from| tail.get(from..));
        let Some(last) = last.filter(|last| last.starts_with(&COOKIE)) else { return false };
        let fixed = |footer: Footer| {
            let is_known = !matches!(footer.kind, Kind::Other(_));
            is_known && footer.version == VERSION && footer.size > 0
        };
        is_sound(last) || Footer::parse(last).is_some_and(fixed)
    })
}
