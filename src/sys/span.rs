//! Which bytes of an open file are stored, and which its file system gives as zeros and keeps
//! nowhere.
//!
//! The kernel is asked twice for each answer, for the next stored byte and for the next hole, and
//! only two answers that fit each other are one: whoever gets an error reads the bytes. Nothing but
//! the cursor of the descriptor moves, which no read here goes by.
//!
//! Source: Linux manual page lseek(2), "Seeking file data and holes".

use rustix::fs::SeekFrom;

use super::{Call, Errno, File, Kernel};

/// Bytes from a place on that are all stored, or all in a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Behind the last of them. A hole may reach to the end of the file: `u64::MAX`.
    pub end: u64,
    /// True where they are zeros that are kept nowhere.
    pub hole: bool,
}

impl Kernel {
    /// What the byte `at` lies in. File systems that know no holes call everything stored.
    ///
    /// # Errors
    /// As lseek(2); `EINVAL` where its answers contradict each other, `ENXIO` at or past the end.
    pub fn span_at(&self, file: &File, at: u64) -> Result<Span, Errno> {
        let seek = |to: SeekFrom| {
            self.before(Call::Seek)?;
            rustix::fs::seek(&file.0, to)
        };
        let data = match seek(SeekFrom::Data(at)) {
            Err(Errno::NXIO) => None, // a hole to the end, or no such byte
            found => Some(found?),
        };
        span(at, data, seek(SeekFrom::Hole(at))?)
    }
}

/// What the next stored byte and the next byte of a hole, each from `at` on, say of `at`. The end of
/// a file counts as a hole.
fn span(at: u64, data: Option<u64>, hole: u64) -> Result<Span, Errno> {
    let end = data.unwrap_or(u64::MAX);
    if hole == at && end > at {
        Ok(Span { end, hole: true })
    } else if hole > at && end == at {
        Ok(Span { end: hole, hole: false })
    } else {
        Err(Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_that_fit_each_other_are_taken() {
        let (stored, hole) =
            (|end| Ok(Span { end, hole: false }), |end| Ok(Span { end, hole: true }));
        assert_eq!(span(10, Some(10), 30), stored(30));
        assert_eq!(span(10, Some(20), 10), hole(20));
        assert_eq!(span(10, None, 10), hole(u64::MAX));
        for (data, next) in [
            (Some(10), 10), // both
            (Some(20), 15), // neither
            (None, 15),
            (Some(5), 10), // backwards
            (Some(10), 5),
            (Some(20), 5),
        ] {
            assert_eq!(span(10, data, next), Err(Errno::INVAL), "{data:?} {next}");
        }
    }
}
