//! Exit codes: what an unattended batch can act on.

use crate::problem::words;

words! {
    /// How a run ended.
    pub(super) Exit {
        /// 0: complete.
        Complete = "complete",
        /// 1: failed.
        Failed = "failed",
        /// 2: the arguments, a list or the access to evidence do not allow the run.
        Usage = "usage",
        /// 3: complete, and something was not read or not examined.
        Incomplete = "incomplete",
        /// 4: a check found a difference.
        Difference = "difference",
        /// 10: complete, with alert hits, where the examiner asked for it.
        CompleteHits = "complete_hits",
        /// 13: incomplete, with alert hits, where the examiner asked for it.
        IncompleteHits = "incomplete_hits",
        /// 130: interrupted, resumable.
        Interrupted = "interrupted",
    }
}

impl Exit {
    /// The number the process ends with.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Difference => 4,
            Self::CompleteHits => 10,
            Self::IncompleteHits => 13,
            Self::Interrupted => 130,
        }
    }

    /// The code that also tells of alert hits.
    #[must_use]
    pub(super) const fn with_hits(self) -> Self {
        match self {
            Self::Complete => Self::CompleteHits,
            Self::Incomplete => Self::IncompleteHits,
            other => other,
        }
    }
}
