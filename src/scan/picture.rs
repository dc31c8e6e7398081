//! Which contents are kept to be looked at as pictures, and what their answers become.
//!
//! The bytes that were hashed are the bytes that are decoded: they are kept while they are read,
//! within a budget that all workers share, and never read a second time.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::matching::ObjectHashes;
use crate::media::MediaStatus;
use crate::perceptual::Hashes;
use crate::problem::{Code, Problem, Stage};
use crate::report::PictureFacts;
use crate::signature::{Family, FileType};
use crate::worker::PictureAnswer;

/// Bytes of pictures that all workers together keep.
pub(super) const BUDGET_BYTES: u64 = 192 << 20;
/// A picture file longer than this is not decoded.
pub(super) const LARGEST_PICTURE: u64 = 96 << 20;

/// Memory for kept contents. It is taken whole before the first byte is kept and given back when
/// the answer is there; a read that holds some never asks for more, and a thread waits only where
/// none of its reads holds any, so nobody waits for ever.
pub(super) struct Budget {
    free: Mutex<u64>,
    freed: Condvar,
}

/// A part of the budget, given back when it is let go.
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self { free: Mutex::new(bytes), freed: Condvar::new() }
    }

    /// Takes `bytes`, waiting until others have given enough back.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Share { budget: self, bytes }
    }

    /// Takes `bytes` where they are free now.
    pub(super) fn take_now(&self, bytes: u64) -> Option<Share<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(bytes)?;
        Some(Share { budget: self, bytes })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut free = self.budget.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += self.bytes;
        self.budget.freed.notify_all();
    }
}

/// What is to be done with a content of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// It is no picture.
    None,
    /// A picture of a type that is not decoded.
    Unsupported,
    /// A picture to decode.
    Decode,
}

/// Whether a content is a picture, and whether its type is decoded.
pub(super) fn interest(file_type: Option<FileType>) -> Interest {
    use FileType::{Bmp, Gif, Ico, Jpeg, Png, Tiff, Webp};
    match file_type {
        Some(Bmp | Gif | Ico | Jpeg | Png | Tiff | Webp) => Interest::Decode,
        Some(other) if other.family() == Family::Picture => Interest::Unsupported,
        _ => Interest::None,
    }
}

/// The answer for a picture that was not given to a decoder.
pub(super) fn not_decoded(status: MediaStatus, detail: String) -> PictureAnswer {
    PictureAnswer { status, detail, width: 0, height: 0, hashes: None }
}

/// An answer as the report has it.
pub(super) fn facts(answer: &PictureAnswer) -> PictureFacts {
    let PictureAnswer { status, detail, width, height, hashes } = answer;
    let text = |of: fn(&Hashes) -> String| hashes.as_ref().map(of).unwrap_or_default();
    PictureFacts {
        pdq: text(|h| h.pdq.to_string()),
        pdq_nn512: text(|h| h.pdq_nn512.to_string()),
        pdq_quality: hashes.as_ref().map(|h| h.pdq_quality.0),
        phash: text(|h| h.phash.to_string()),
        dhash: text(|h| h.dhash.to_string()),
        ahash: text(|h| h.ahash.to_string()),
        width: Some(*width).filter(|width| *width > 0),
        height: Some(*height).filter(|height| *height > 0),
        media_status: status.as_str().to_owned(),
        media_detail: detail.clone(),
    }
}

/// The hashes to look near entries up by, where there are any.
pub(super) fn queries(answer: &PictureAnswer) -> Option<ObjectHashes> {
    answer.hashes.as_ref().map(|h| ObjectHashes {
        pdq: h.pdq_forms,
        pdq_nn512: h.pdq_nn512_forms,
        quality: h.pdq_quality,
        phash: Some(h.phash),
        dhash: Some(h.dhash),
        ahash: Some(h.ahash),
    })
}

/// The problem that an answer tells of, where it tells of one.
pub(super) fn problem(answer: &PictureAnswer) -> Option<Problem> {
    let code = match answer.status {
        MediaStatus::Ok | MediaStatus::Unsupported => return None,
        MediaStatus::Partial | MediaStatus::Damaged => Code::PictureDamaged,
        MediaStatus::Crashed => Code::DecoderCrashed,
        MediaStatus::Timeout => Code::PictureTimeout,
        MediaStatus::Memory => Code::PictureMemory,
        MediaStatus::TooLarge => Code::PictureTooLarge,
    };
    Some(Problem::new(code, Stage::Decode, answer.detail.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_overdrawn_and_nobody_waits_for_ever() {
        let budget = Budget::new(10);
        let held = Mutex::new(0);
        std::thread::scope(|scope| {
            for n in 0..200 {
                let (budget, held) = (&budget, &held);
                scope.spawn(move || {
                    let want = n % 11;
                    let share = budget.take(want);
                    *held.lock().unwrap() += want;
                    assert!(*held.lock().unwrap() <= 10);
                    *held.lock().unwrap() -= want;
                    drop(share);
                });
            }
        });
        assert_eq!(*budget.free.lock().unwrap(), 10);
    }
}
