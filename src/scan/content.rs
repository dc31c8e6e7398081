//! One read of one object: digests, length, plainness, and whether every byte was there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::digest::{ContentWatch, Digests, Hasher, LowInformation, Selection};
use crate::item::{Status, Stream};
use crate::problem::{Code, Problem};

/// Bytes asked for at a time: large enough that the call costs nothing, small enough to stay in
/// the second-level cache while four digests go over it.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

/// A stream that gives this many problems is given up: the rest is unreadable too.
const MAX_PROBLEMS: usize = 1_000;

/// What one read gave.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) digests: Digests,
    pub(super) bytes_hashed: u64,
    pub(super) low_information: Option<LowInformation>,
    pub(super) status: Status,
    pub(super) reason: Option<Code>,
    pub(super) problems: Vec<Problem>,
}

/// Reads a stream to its end. `None` where `cancel` was set before the end.
///
/// A digest is stated only of a content that was read whole and was still meanwhile.
pub(super) fn read(
    mut stream: Box<dyn Stream>,
    selection: Selection,
    buffer: &mut [u8],
    bytes_read: &AtomicU64,
    cancel: &AtomicBool,
) -> Option<Content> {
    let mut hasher = Hasher::new(selection);
    let mut watch = ContentWatch::default();
    let mut problems = Vec::new();
    loop {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        match stream.fill(buffer) {
            Ok(0) => break,
            Ok(n) => {
                let bytes = buffer.get(..n).unwrap_or(buffer);
                hasher.update(bytes);
                watch.update(bytes);
                bytes_read.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
            }
            Err(problem) => problems.push(problem),
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    problems.extend(stream.finish().err());
    let reason = problems.first().map(|problem| problem.code);
    let whole = reason.is_none();
    Some(Content {
        digests: if whole { hasher.finish() } else { Digests::default() },
        bytes_hashed: watch.length(),
        low_information: watch.finish().filter(|_| whole),
        status: if whole { Status::Hashed } else { Status::Partial },
        reason,
        problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Stage;
    use std::collections::VecDeque;

    /// Gives what it is told, call by call.
    struct Script(VecDeque<Result<Vec<u8>, Problem>>, Result<(), Problem>);

    impl Stream for Script {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
            let bytes = self.0.pop_front().unwrap_or(Ok(Vec::new()))?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }

        fn finish(self: Box<Self>) -> Result<(), Problem> {
            self.1
        }
    }

    fn run(script: Script, cancel: bool) -> Option<Content> {
        let cancel = AtomicBool::new(cancel);
        read(Box::new(script), Selection::ALL, &mut [0; 64], &AtomicU64::new(0), &cancel)
    }

    #[test]
    fn a_gap_leaves_the_count_and_takes_the_digests() {
        let gap = Problem::new(Code::IoError, Stage::Read, "x").at(2, 512);
        let calls = [Ok(b"ab".to_vec()), Err(gap), Ok(b"c".to_vec())];
        let content = run(Script(calls.into(), Ok(())), false).unwrap();
        assert_eq!((content.status, content.reason), (Status::Partial, Some(Code::IoError)));
        assert_eq!((content.digests, content.bytes_hashed), (Digests::default(), 3));
        assert_eq!(content.low_information, None);
    }

    #[test]
    fn a_change_found_at_the_end_takes_the_digests() {
        let changed = Problem::new(Code::ChangedDuringRead, Stage::Read, "x");
        let content = run(Script([Ok(b"ab".to_vec())].into(), Err(changed)), false).unwrap();
        assert_eq!(content.reason, Some(Code::ChangedDuringRead));
        assert_eq!(content.digests, Digests::default());
    }

    #[test]
    fn an_endless_run_of_errors_ends() {
        struct Broken;
        impl Stream for Broken {
            fn fill(&mut self, _: &mut [u8]) -> Result<usize, Problem> {
                Err(Problem::new(Code::IoError, Stage::Read, "x"))
            }
            fn finish(self: Box<Self>) -> Result<(), Problem> {
                Ok(())
            }
        }
        let cancel = AtomicBool::new(false);
        let content =
            read(Box::new(Broken), Selection::ALL, &mut [0; 8], &AtomicU64::new(0), &cancel);
        assert_eq!(content.unwrap().problems.len(), MAX_PROBLEMS);
    }

    #[test]
    fn nothing_is_stated_of_a_read_that_was_cancelled() {
        assert!(run(Script([Ok(vec![1])].into(), Ok(())), true).is_none());
    }
}
