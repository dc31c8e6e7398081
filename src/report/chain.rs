//! The chain that ties each row of a table to all rows before it.
//!
//! `chain(n) = SHA-256(chain(n-1) || LF || text(n))`: chain values in lower-case hex, the first
//! predecessor 64 zeros, and `text(n)` the row as it stands in the file without its last cell and
//! the comma before that. A few lines of any language check it (docs/report-format.md).

use crate::digest::{Algorithm, Hasher, Selection};
use std::fmt::Write as _;

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
        let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
        hasher.update(self.0.as_bytes());
        hasher.update(b"\n");
        hasher.update(text);
        self.0.clear();
        if let Some(digest) = hasher.finish().get(Algorithm::Sha256) {
            let _never_fails = write!(self.0, "{digest}");
        }
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
