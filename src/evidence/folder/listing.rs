//! The names of one folder, compact and in order of their bytes.
//!
//! A folder of ten million names costs their bytes and eight more each.

use crate::sys::{Dir, Errno, FileKind, Kernel};

/// The names of a folder.
#[derive(Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    len: u16,
    kind: FileKind,
}

impl Listing {
    /// Reads the names of `dir` as far as they can be read, and says what ended it early.
    pub(super) fn read(kernel: &Kernel, dir: &Dir, buffer: &mut Vec<u8>) -> (Self, Option<Errno>) {
        let mut listing = Self::default();
        let mut full = None;
        let ended = kernel.names(dir, buffer, |name, kind| {
            if full.is_none() && !listing.push(name.to_bytes(), kind) {
                full = Some(Errno::OVERFLOW);
            }
        });
        listing.sort();
        (listing, ended.err().or(full))
    }

    /// False where the names of the folder fill four gigabytes.
    fn push(&mut self, name: &[u8], kind: FileKind) -> bool {
        let start = u32::try_from(self.names.len());
        let (Ok(start), Ok(len)) = (start, u16::try_from(name.len())) else { return false };
        self.names.extend_from_slice(name);
        self.entries.push(Entry { start, len, kind });
        true
    }

    fn sort(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
        let names = &self.names;
        self.entries.sort_unstable_by(|a, b| (a.name(names), a.kind).cmp(&(b.name(names), b.kind)));
    }

    /// The name at `index` in order, and what the folder says it stands for.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], FileKind)> {
        self.entries.get(index).map(|entry| (entry.name(&self.names), entry.kind))
    }
}

impl Entry {
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::from(self.len));
        names.get(start..end).unwrap_or_default()
    }
}
