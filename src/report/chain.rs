//! The chain that ties each row of a table to all rows before it.
//!
//! `chain(n) = SHA-256(chain(n-1) || LF || text(n))`: chain values in lower-case hex, the first
//! predecessor 64 zeros, and `text(n)` the row as it stands in the file without its last cell and
//! the comma before that. A few lines of any language check it (docs/report-format.md).

use crate::digest::Digest;

/// The running state of one table's chain.
///
/// ```
/// use assay::report::Chain;
/// let mut chain = Chain::default();
/// let first = chain.link(b"1,a").to_owned();
/// assert_ne!(first, chain.link(b"1,a"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(String);

impl Default for Chain {
    fn default() -> Self {
        Self("0".repeat(64))
    }
}

impl Chain {
    /// Takes the next row's text and gives the value of its last cell.
    pub fn link(&mut self, text: &[u8]) -> &str {
        let digest = Digest::sha256(&[self.0.as_bytes(), b"\n", text]);
        self.0.clear();
        self.0.push_str(digest.hex(&mut [0; Digest::LONGEST_HEX]));
        &self.0
    }

    /// The value of the last row; 64 zeros before the first.
    pub fn value(&self) -> &str {
        &self.0
    }

    /// Goes on from a value read from a table.
    pub fn resume(value: &str) -> Self {
        Self(value.to_owned())
    }
}
