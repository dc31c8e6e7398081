//! The digests of images beside the scan: one reader an image, a thread for each digest, and what
//! the verdict means.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::thread::Scope;
use std::time::Instant;

use super::apart::{self, Threads};
use super::pace::Pace;
use super::{Counters, ScanPlan, VerifyImage};
use crate::digest::{Algorithm, Digests, Hasher, Selection};
use crate::evidence::container::{ImageDigest, Verdict};
use crate::evidence::image::{Digesting, Image, Verified};
use crate::evidence::{EvidenceSource, Located};
use crate::item::{ObjectPath, OrderKey};
use crate::problem::{Code, Problem, Stage};
use crate::report::SourceVerdict;
use crate::sys::thread_time;

/// What comparing the digests of one image gave, for the record.
pub(super) struct ImageCheck {
    /// Stored, supplied and computed digests by name.
    pub(super) digests: BTreeMap<String, String>,
    pub(super) verdict: SourceVerdict,
    /// Why it is no match; empty where it is.
    why: String,
    /// Bytes that could not be read, so that nothing was compared.
    unread: Option<Problem>,
    /// What changed in the image's files meanwhile.
    changes: Vec<Problem>,
}

impl ImageCheck {
    /// The detail of the custody event.
    pub(super) fn told(&self) -> String {
        let digests = self.digests.iter().map(|(name, digest)| format!(";{name}={digest}"));
        let why = if self.why.is_empty() { String::new() } else { format!(";why={}", self.why) };
        format!("verdict={}{why}{}", self.verdict, digests.collect::<String>())
    }

    /// The problems of the image as a whole.
    pub(super) fn located(self, number: u32) -> Vec<Located> {
        let mut problems = self.changes;
        problems.splice(0..0, self.unread);
        if self.verdict == SourceVerdict::Mismatch {
            problems.insert(0, Problem::new(Code::ImageDigestMismatch, Stage::Container, self.why));
        }
        let (key, path) = (OrderKey::evidence(number), ObjectPath::evidence(number).text());
        let located = |problem| Located { key: key.clone(), path: path.clone(), problem };
        problems.into_iter().map(located).collect()
    }
}

/// What images are verified with, beside the scan.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) plan: &'a ScanPlan,
    pub(super) counters: &'a Counters,
    pub(super) cancel: &'a AtomicBool,
    pub(super) pace: &'a Pace,
}

impl Beside<'_> {
    /// Runs `scan` while the digests of the images are computed on threads of their own, or after
    /// that where the plan says so. Gives what the images gave, `None` for folders, and what `scan`
    /// gave.
    pub(super) fn run<T>(
        self,
        evidence: &[Box<dyn EvidenceSource>],
        scan: impl FnOnce() -> T,
    ) -> (Vec<Option<ImageCheck>>, T) {
        let supplied = self.plan.sources.iter().map(|source| {
            source.image_hash.map(|(algorithm, digest)| ImageDigest { algorithm, digest })
        });
        let all: Vec<_> = (1..).zip(evidence.iter().map(|one| &**one).zip(supplied)).collect();
        let check = |(number, (source, supplied)): (u32, (&dyn EvidenceSource, _))| {
            source.image().map(|image| self.check(number, image, supplied))
        };
        let (mut checks, scanned) = if self.plan.verify_image == Some(VerifyImage::Before) {
            (all.into_iter().map(check).collect(), scan())
        } else {
            std::thread::scope(|scope| {
                // One after the other: two images of one drive at once would make it seek.
                let reader = scope.spawn(move || all.into_iter().map(check).collect::<Vec<_>>());
                let scanned = scan();
                let checks = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                (checks, scanned)
            })
        };
        // Asked when everything was read: a change at any time before shows.
        for (check, source) in checks.iter_mut().zip(evidence) {
            if let (Some(check), Some(image)) = (check, source.image()) {
                check.changes = image.changes();
            }
        }
        (checks, scanned)
    }

    fn check(self, number: u32, image: &Image, supplied: Option<ImageDigest>) -> ImageCheck {
        let expected = image.expected(supplied);
        let mut digests = BTreeMap::new();
        for algorithm in Algorithm::ALL {
            let stored = image.facts().stored.get(*algorithm);
            digests
                .extend(stored.map(|digest| (format!("stored_{algorithm}"), digest.to_string())));
        }
        if let Some(ImageDigest { algorithm, digest }) = supplied {
            digests.insert(format!("supplied_{algorithm}"), digest.to_string());
        }
        let wanted = match self.plan.verify_image {
            None => !expected.is_empty(),
            Some(when) => when != VerifyImage::Off,
        };
        let verified = if wanted {
            self.verify(number, image, &expected)
        } else {
            let verdict =
                if expected.is_empty() { Verdict::NoneSupplied } else { Verdict::NotVerified };
            let why = "not asked for".to_owned();
            Verified { computed: Digests::default(), verdict, why, unread: None }
        };
        for algorithm in Algorithm::ALL {
            let computed = verified.computed.get(*algorithm);
            digests.extend(
                computed.map(|digest| (format!("computed_{algorithm}"), digest.to_string())),
            );
        }
        let Verified { verdict, why, unread, .. } = verified;
        ImageCheck { digests, verdict, why, unread, changes: Vec::new() }
    }

    /// Reads the image on this thread and digests it on others.
    fn verify(self, number: u32, image: &Image, expected: &[ImageDigest]) -> Verified {
        let together = image.is_shared() && self.plan.verify_image != Some(VerifyImage::Before);
        self.pace.verifies(together.then_some(number));
        let verified = std::thread::scope(|scope| {
            let digesting = Apart::start(scope, Image::computed(expected), self.pace);
            image.verify(expected, Box::new(digesting), self.cancel, &self.counters.image_bytes)
        });
        self.pace.verifies(None);
        verified
    }
}

/// The digests of an image, each on a thread of its own, while the one that calls reads.
struct Apart<'scope> {
    threads: Threads<'scope, Timed<'scope>>,
    pace: &'scope Pace,
    bytes: u64,
}

/// A digest that says whether it lacks a processor.
struct Timed<'a>(Hasher, &'a Pace);

impl apart::Digesting for Timed<'_> {
    fn update(&mut self, bytes: &[u8]) {
        let (begun, before) = (Instant::now(), thread_time());
        self.0.update(bytes);
        self.1.digested(begun.elapsed(), thread_time().saturating_sub(before));
    }
}

impl<'scope> Apart<'scope> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        selection: Selection,
        pace: &'env Pace,
    ) -> Self {
        let one = |algorithm| Timed(Hasher::new(Selection::only(algorithm)), pace);
        let threads = Threads::start(scope, selection.iter().map(one).collect());
        Self { threads, pace, bytes: 0 }
    }
}

impl Digesting for Apart<'_> {
    fn room(&mut self) -> &mut [u8] {
        self.threads.piece()
    }

    fn take(&mut self, n: usize) {
        self.threads.give(n);
        self.bytes = self.bytes.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        self.pace.passes(self.bytes);
    }

    fn finish(self: Box<Self>) -> Digests {
        let (parts, _nothing_is_left) = self.threads.end();
        let mut all = Digests::default();
        for Timed(hasher, _) in parts {
            let digests = hasher.finish();
            for algorithm in digests.selection().iter() {
                digests.get(algorithm).map(|digest| all.set(algorithm, digest));
            }
        }
        all
    }
}
