//! Where the bytes of an object lie in its volume.

use std::sync::Arc;

use crate::problem::Code;

/// A run of an object's bytes that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Number of bytes.
    pub len: u64,
    /// Where they are.
    pub place: Place,
}

/// Where a run of bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the volume, from this byte on.
    Disk(u64),
    /// Nowhere: the file system defines them as zeros.
    Hole,
    /// In the file system's own structures; a copy of them.
    Resident(Arc<[u8]>),
    /// The first bytes of a unit that is compressed by itself.
    Lznt1 {
        /// Where the compressed bytes are in the volume: from this byte on, so many, in order.
        runs: Arc<[(u64, u64)]>,
        /// Bytes of the whole unit, at most 1 MiB; the extent has no more.
        unit_len: u32,
    },
    /// Not to be had: their object is partial, for this reason.
    Missing(Code, Arc<str>),
}

impl Extent {
    /// A run in the volume.
    pub const fn disk(at: u64, len: u64) -> Self {
        Self { len, place: Place::Disk(at) }
    }

    /// A run that is not to be had.
    pub fn missing(len: u64, code: Code, detail: &str) -> Self {
        Self { len, place: Place::Missing(code, detail.into()) }
    }

    /// Appends this run to others, joined with the last where both lie side by side.
    ///
    /// ```
    /// use assay::item::Extent;
    /// let mut runs = Vec::new();
    /// Extent::disk(4096, 512).append_to(&mut runs);
    /// Extent::disk(4608, 512).append_to(&mut runs);
    /// assert_eq!(runs, [Extent::disk(4096, 1024)]);
    /// ```
    pub fn append_to(self, runs: &mut Vec<Self>) {
        if self.len == 0 {
            return;
        }
        if let Some(last) = runs.last_mut() {
            let joins = match (&last.place, &self.place) {
                (Place::Disk(at), Place::Disk(next)) => at.checked_add(last.len) == Some(*next),
                (Place::Hole, Place::Hole) => true,
                (Place::Missing(a, said), Place::Missing(b, says)) => a == b && said == says,
                _ => false,
            };
            if let (true, Some(len)) = (joins, last.len.checked_add(self.len)) {
                last.len = len;
                return;
            }
        }
        runs.push(self);
    }
}
