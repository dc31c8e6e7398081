//! One agreement between an object and an entry of a set.

use super::NearFacts;
use crate::digest::Algorithm;
use crate::hashset::{Category, SetKind};
use crate::problem::words;
use std::sync::Arc;

words! {
    /// How an object agrees with an entry.
    MatchKind {
        /// Every digest that both have is equal, and so is the size where the entry states one; or
        /// SHA-256 or BLAKE3 is equal, whatever else the entry states.
        Exact = "exact",
        /// A perceptual hash is within the threshold.
        Near = "near",
        /// MD5 or SHA-1 is equal and another digest, or the size, is not.
        DigestConflict = "digest_conflict",
    }
}

words! {
    /// What an object is by its findings, the strongest first.
    Disposition {
        /// Equal to an alert entry.
        Alert = "alert",
        /// Near an alert entry, equal to none.
        Near = "near",
        /// Equal to, or near, an entry worth knowing of.
        Info = "info",
        /// Equal to an entry that needs no look.
        Ignore = "ignore",
        /// In no set.
        None = "none",
    }
}

/// One agreement between an object and an entry of a set.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// The set's place in the order they were given.
    pub set: u32,
    /// The entry's place in the set.
    pub entry: u32,
    /// The entry's identifier.
    pub entry_id: String,
    /// How they agree.
    pub kind: MatchKind,
    /// What the entry is.
    pub set_kind: SetKind,
    /// The strongest agreeing digest, or the perceptual algorithm.
    pub algorithm: String,
    /// The object's own value that agreed, in hex.
    pub object_value: String,
    /// Digests that both have and that are equal.
    pub agreeing: Vec<Algorithm>,
    /// Digests that both have and that differ.
    pub disagreeing: Vec<Algorithm>,
    /// True where the entry states a size and it is not the object's.
    pub size_differs: bool,
    /// True where MD5 is all that agrees.
    pub weak: bool,
    /// The entry's category.
    pub category: Option<Arc<Category>>,
    /// The entry's series.
    pub series: Option<String>,
    /// Whether the set says that the victim is identified.
    pub victim_identified: Option<bool>,
    /// How near they are; none for a finding by digests.
    pub near: Option<NearFacts>,
}

impl Finding {
    /// True where the entry states a digest or a size that is not the object's.
    pub fn is_contradicted(&self) -> bool {
        self.size_differs || !self.disagreeing.is_empty()
    }
}

impl Disposition {
    /// What an object is by all its findings.
    ///
    /// ```
    /// # use assay::matching::Disposition;
    /// assert_eq!(Disposition::of(&[]), Disposition::None);
    /// ```
    pub fn of(findings: &[Finding]) -> Self {
        findings.iter().map(Self::by).min().unwrap_or(Self::None)
    }

    fn by(finding: &Finding) -> Self {
        match (finding.kind, finding.set_kind) {
            (MatchKind::Exact, SetKind::Alert) => Self::Alert,
            (MatchKind::Near, SetKind::Alert) => Self::Near,
            (MatchKind::Exact | MatchKind::Near, SetKind::Info) => Self::Info,
            (MatchKind::Exact, SetKind::Ignore) => Self::Ignore,
            (MatchKind::Near, SetKind::Ignore) | (MatchKind::DigestConflict, _) => Self::None,
        }
    }
}
