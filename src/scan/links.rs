//! Names that share one content: the content is read once, every name gets its row.
//!
//! The first worker that meets a linked content reads it. A worker that meets another name of it
//! meanwhile leaves its object here and goes on; whoever finishes the read completes the waiting
//! ones. No worker ever waits for another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::content::Content;
use crate::item::LinkIdentity;

/// What decides that two names still lead to the same bytes: size, modified and changed times.
type Fingerprint = String;

/// Contents kept for names still to come, about 1 KB each. Those of more are read again, which
/// gives the same rows.
const MOST_KEPT: usize = 50_000;

enum Slot<W> {
    /// Being read as it looked then; these look the same and wait for it.
    Reading(Fingerprint, Vec<W>),
    /// Read, with the number of names still to come.
    Read { content: Box<Content>, fingerprint: Fingerprint, names_left: u64 },
}

/// What a worker shall do with an object whose content has several names.
pub(super) enum Claim<W> {
    /// Read it, then call [`Links::done`].
    Read(W),
    /// It has been read.
    Known(W, Box<Content>),
    /// Read it; it looks different from what is being read under another name.
    ReadAlone(W),
    /// Nothing: it waits here.
    Waits,
}

/// The contents with several names met so far.
pub(super) struct Links<W>(Mutex<HashMap<LinkIdentity, Slot<W>>>);

impl<W> Default for Links<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W> Links<W> {
    /// Asks what to do with an object.
    pub(super) fn claim(&self, link: LinkIdentity, fingerprint: &str, object: W) -> Claim<W> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get_mut(&link) {
            Some(Slot::Reading(reading, waiting)) if reading == fingerprint => {
                waiting.push(object);
                return Claim::Waits;
            }
            Some(Slot::Reading(..)) => return Claim::ReadAlone(object),
            Some(Slot::Read { content, fingerprint: read, names_left }) if read == fingerprint => {
                let content = content.clone();
                *names_left = names_left.saturating_sub(1);
                if *names_left == 0 {
                    slots.remove(&link);
                }
                return Claim::Known(object, content);
            }
            Some(Slot::Read { .. }) | None => {}
        }
        slots.insert(link, Slot::Reading(fingerprint.to_owned(), Vec::new()));
        Claim::Read(object)
    }

    /// Takes what reading gave, for the names to come, and gives back the objects that waited.
    /// They share it whatever it is: an unreadable or changing content is so under every name.
    ///
    /// - `names`: how many names the content has.
    pub(super) fn done(
        &self,
        link: LinkIdentity,
        fingerprint: &str,
        names: u64,
        content: &Content,
    ) -> Vec<W> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Slot::Reading(_, waiting)) = slots.remove(&link) else { return Vec::new() };
        let met = u64::try_from(waiting.len()).unwrap_or(u64::MAX).saturating_add(1);
        let names_left = names.saturating_sub(met);
        if names_left > 0 && slots.len() < MOST_KEPT {
            let fingerprint = fingerprint.to_owned();
            let content = Box::new(content.clone());
            slots.insert(link, Slot::Read { content, fingerprint, names_left });
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digests;
    use crate::item::Status;

    const LINK: LinkIdentity = LinkIdentity { device: 1, inode: 2 };

    fn content() -> Content {
        Content {
            digests: Digests::default(),
            bytes_hashed: 5,
            low_information: None,
            file_type: None,
            picture: None,
            status: Status::Hashed,
            reason: None,
            problems: Vec::new(),
            inside: Vec::new(),
        }
    }

    #[test]
    fn later_names_wait_and_are_given_to_the_reader() {
        let links = Links::default();
        assert!(matches!(links.claim(LINK, "f", 1), Claim::Read(1)));
        assert!(matches!(links.claim(LINK, "f", 2), Claim::Waits));
        assert_eq!(links.done(LINK, "f", 3, &content()), [2]);
        assert!(matches!(links.claim(LINK, "f", 3), Claim::Known(3, _)));
        assert!(links.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_name_that_looks_different_meanwhile_is_read_by_itself() {
        let links = Links::default();
        assert!(matches!(links.claim(LINK, "f", 1), Claim::Read(1)));
        assert!(matches!(links.claim(LINK, "other", 2), Claim::ReadAlone(2)));
        assert!(links.done(LINK, "f", 2, &content()).is_empty());
    }

    #[test]
    fn a_content_that_looks_different_is_read_again() {
        let links = Links::default();
        assert!(matches!(links.claim(LINK, "f", 1), Claim::Read(1)));
        assert!(links.done(LINK, "f", 3, &content()).is_empty());
        assert!(matches!(links.claim(LINK, "other", 2), Claim::Read(2)));
        assert!(links.done(LINK, "other", 1, &content()).is_empty());
        assert!(links.0.lock().unwrap().is_empty());
    }
}
