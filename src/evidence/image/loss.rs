//! An image that goes away while it is read: a drawn cable, a share that no longer answers.
//!
//! A read that fails is one of the medium only where the image's files are still there. Where they
//! are not, everybody waits for them to come back, for some seconds; then the image is lost, every
//! later read fails at once, and whoever drives the run stops it: what is missing after that says
//! nothing of the objects.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::bytes::ReadAt;
use crate::evidence::container::Container;

/// How long to wait before each look for the image, ten seconds in all.
const WAITS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// The bytes of a medium as long as its image is there.
pub(super) struct Watched {
    media: Arc<dyn ReadAt>,
    container: Arc<Container>,
    lost: OnceLock<String>,
}

impl Watched {
    pub(super) fn new(container: &Arc<Container>) -> Self {
        let (media, container) = (container.media(), Arc::clone(container));
        Self { media, container, lost: OnceLock::new() }
    }

    /// Why nothing can be read any more.
    pub(super) fn lost(&self) -> Option<&String> {
        self.lost.get()
    }

    /// True where the image was away and has come back.
    fn is_back(&self) -> bool {
        let Some(mut why) = self.container.gone() else { return false };
        for wait in WAITS {
            self.container.wait(wait);
            match self.container.gone() {
                None => return true,
                Some(again) => why = again,
            }
        }
        let seconds = WAITS.iter().sum::<Duration>().as_secs();
        let _first_or_the_same =
            self.lost.set(format!("{why}: it did not come back within {seconds} s"));
        false
    }
}

impl ReadAt for Watched {
    fn len(&self) -> u64 {
        self.media.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(why) = self.lost.get() {
            return Err(io::Error::other(why.clone()));
        }
        match self.media.read_at(at, buf) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted && self.is_back() => {
                self.media.read_at(at, buf)
            }
            result => result,
        }
    }

    fn announce(&self, at: u64, bytes: u64) {
        self.media.announce(at, bytes);
    }
}
