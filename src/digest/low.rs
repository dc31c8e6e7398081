//! Contents that say nothing: an exact hit on one of them is a coincidence of emptiness.

use crate::problem::words;

words! {
    /// Why a content says next to nothing about where it came from.
    LowInformation {
        /// No byte.
        Empty = "empty",
        /// Fewer than 64 bytes.
        Tiny = "tiny",
        /// One byte value repeated.
        Uniform = "uniform",
        /// A picture with almost no structure (PDQ quality under 50).
        Flat = "flat",
    }
}

/// Contents shorter than this are `tiny`.
const TINY_BELOW: u64 = 64;

/// Watches a stream for the plainest contents, at the cost of a look at its first differing byte.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentWatch {
    length: u64,
    first: Option<u8>,
    differs: bool,
}

impl ContentWatch {
    /// Takes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let Some(first) = self.first.or(bytes.first().copied()) else { return };
        self.first = Some(first);
        self.differs = self.differs || bytes.iter().any(|byte| *byte != first);
    }

    /// Number of bytes seen.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// What the stream was, where it was plain.
    pub fn finish(&self) -> Option<LowInformation> {
        match self.length {
            0 => Some(LowInformation::Empty),
            length if length < TINY_BELOW => Some(LowInformation::Tiny),
            _ if !self.differs => Some(LowInformation::Uniform),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(parts: &[&[u8]]) -> Option<LowInformation> {
        let mut watch = ContentWatch::default();
        parts.iter().for_each(|part| watch.update(part));
        watch.finish()
    }

    #[test]
    fn plain_contents_are_told_apart() {
        assert_eq!(watch(&[]), Some(LowInformation::Empty));
        assert_eq!(watch(&[&[7; 63]]), Some(LowInformation::Tiny));
        assert_eq!(watch(&[&[7; 40], &[], &[7; 40]]), Some(LowInformation::Uniform));
        assert_eq!(watch(&[&[7; 40], &[8], &[7; 40]]), None);
        assert_eq!(watch(&[&[7; 80], &[8; 80]]), None);
    }
}
