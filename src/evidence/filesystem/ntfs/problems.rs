//! What is wrong with a volume, up to a number that a person can read.

use crate::problem::{Code, Problem, Stage};

/// So many are told one by one.
const MOST: usize = 1_000;

/// Problems of a volume; those beyond the limit are counted.
#[derive(Default)]
pub(super) struct Problems {
    told: Vec<Problem>,
    more: u64,
}

impl Problems {
    /// Adds one.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.told.len() < MOST {
            self.told.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// All, the last saying how many more there were.
    pub(super) fn into_vec(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let detail = format!("{} more problems of this volume are not listed", self.more);
            self.told.push(Problem::new(Code::LimitReached, Stage::Filesystem, detail));
        }
        self.told
    }
}
