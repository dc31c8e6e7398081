//! Digests of a whole medium, and whether they are those that were stored or supplied.
//!
//! A digest is stated only of bytes that were all read: where some cannot be, nothing is compared
//! and the reason is named.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::bytes::{ReadAt, Unreadable};
use crate::digest::{Algorithm, Digest, Digests, Hasher, Selection};
use crate::problem::{Code, Problem, Stage, words};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

words! {
    /// What comparing digests of an image gave.
    Verdict {
        /// Every digest to compare with is the one computed.
        Match = "match",
        /// At least one differs.
        Mismatch = "mismatch",
        /// There is something to compare with, and it was not, or not all, computed.
        NotVerified = "not_verified",
        /// There is nothing to compare with.
        NoneSupplied = "none_supplied",
    }
}

/// A digest to compare an image with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageDigest {
    /// Its kind.
    pub algorithm: Algorithm,
    /// What it must be.
    pub digest: Digest,
}

/// What reading a whole medium gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Computed {
    /// Every byte was read.
    Whole(Digests),
    /// Some bytes cannot be read: the first of them, and why. There is no digest.
    Incomplete(Problem),
    /// Cancelled before the end.
    Stopped,
}

/// Takes the bytes of a medium in order and gives their digests: who owns threads uses them here.
pub trait Digesting {
    /// Where the next bytes are put; some 1 MiB, many chunks of an EWF image and little memory.
    fn room(&mut self) -> &mut [u8];

    /// Takes the first `n` bytes of the room.
    fn take(&mut self, n: usize);

    /// The digests of all that was taken.
    fn finish(self: Box<Self>) -> Digests;
}

/// Digests that are computed on the thread that reads.
struct Here {
    hasher: Hasher,
    block: Vec<u8>,
}

impl Digesting for Here {
    fn room(&mut self) -> &mut [u8] {
        &mut self.block
    }

    fn take(&mut self, n: usize) {
        self.hasher.update(self.block.get(..n).unwrap_or_default());
    }

    fn finish(self: Box<Self>) -> Digests {
        self.hasher.finish()
    }
}

/// Computes digests of all bytes of `media`, in order, on the calling thread.
///
/// - `cancel`: asked once a block of 1 MiB.
/// - `progress`: bytes done so far.
pub fn compute(
    media: &dyn ReadAt,
    selection: Selection,
    cancel: &AtomicBool,
    progress: &AtomicU64,
) -> Computed {
    let here = Here { hasher: Hasher::new(selection), block: vec![0; BLOCK] };
    compute_by(media, Box::new(here), cancel, progress)
}

/// As [`compute`]; `digesting` computes them.
pub fn compute_by(
    media: &dyn ReadAt,
    mut digesting: Box<dyn Digesting + '_>,
    cancel: &AtomicBool,
    progress: &AtomicU64,
) -> Computed {
    let mut at = 0_u64;
    while at < media.len() {
        if cancel.load(Ordering::Relaxed) {
            return Computed::Stopped;
        }
        match media.read_at(at, digesting.room()) {
            Ok(0) => {
                return incomplete(Code::ImageDamaged, at..media.len(), "the image ends early");
            }
            Ok(n) => {
                digesting.take(n);
                at = at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
                progress.store(at, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let told = Unreadable::of(&error).map(|hole| (hole.code, hole.range.clone()));
                let (code, range) = told.unwrap_or((Code::IoError, at..media.len()));
                return incomplete(code, range, &error.to_string());
            }
        }
    }
    Computed::Whole(digesting.finish())
}

fn incomplete(code: Code, range: Range<u64>, why: &str) -> Computed {
    let Range { start, end } = range;
    let detail = format!("no digest of the image: bytes {start} to {end} cannot be read: {why}");
    let length = end.saturating_sub(start);
    Computed::Incomplete(Problem::new(code, Stage::Container, detail).at(start, length))
}

/// Compares what was computed with what the image states and what was supplied.
///
/// Gives the verdict and, where it is no match, the reason for a person.
///
/// ```
/// use assay::digest::{Algorithm, Digests};
/// use assay::evidence::container::{Computed, ImageDigest, Verdict, compare};
/// let expected = ImageDigest { algorithm: Algorithm::Md5, digest: Algorithm::Md5.of_nothing() };
/// let (verdict, why) = compare(&Computed::Stopped, &[expected]);
/// assert_eq!(verdict, Verdict::NotVerified);
/// assert_eq!(compare(&Computed::Stopped, &[]).0, Verdict::NoneSupplied);
/// ```
pub fn compare(computed: &Computed, expected: &[ImageDigest]) -> (Verdict, String) {
    if expected.is_empty() {
        return (Verdict::NoneSupplied, String::new());
    }
    let digests = match computed {
        Computed::Whole(digests) => digests,
        Computed::Incomplete(problem) => return (Verdict::NotVerified, problem.detail.clone()),
        Computed::Stopped => return (Verdict::NotVerified, "interrupted".to_owned()),
    };
    let mut not_computed = None;
    for ImageDigest { algorithm, digest } in expected {
        match digests.get(*algorithm) {
            Some(found) if found == *digest => {}
            Some(found) => {
                let why = format!("{algorithm} is {found}, {digest} was expected");
                return (Verdict::Mismatch, why);
            }
            None => not_computed = Some(format!("{algorithm} was not computed")),
        }
    }
    not_computed.map_or((Verdict::Match, String::new()), |why| (Verdict::NotVerified, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(algorithm: Algorithm, digest: Digest) -> ImageDigest {
        ImageDigest { algorithm, digest }
    }

    fn of(data: &[u8]) -> Computed {
        struct Bytes(Vec<u8>);
        impl ReadAt for Bytes {
            fn len(&self) -> u64 {
                self.0.as_slice().len().try_into().unwrap()
            }
            fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
                self.0.as_slice().read_at(at, buf)
            }
        }
        let selection = Selection::only(Algorithm::Md5).with(Algorithm::Sha1);
        let media = Bytes(data.to_vec());
        compute(&media, selection, &AtomicBool::new(false), &AtomicU64::new(0))
    }

    #[test]
    fn every_supplied_digest_must_agree() {
        let computed = of(b"abc");
        let Computed::Whole(digests) = &computed else { panic!("{computed:?}") };
        let md5 = expected(Algorithm::Md5, digests.get(Algorithm::Md5).unwrap());
        let sha1 = expected(Algorithm::Sha1, digests.get(Algorithm::Sha1).unwrap());
        let wrong = expected(Algorithm::Sha1, Algorithm::Sha1.of_nothing());
        let other = expected(Algorithm::Sha256, Algorithm::Sha256.of_nothing());
        assert_eq!(md5.digest.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(compare(&computed, &[md5, sha1]).0, Verdict::Match);
        assert_eq!(compare(&computed, &[md5, wrong, other]).0, Verdict::Mismatch);
        assert_eq!(compare(&computed, &[md5, other]).0, Verdict::NotVerified);
    }
}
