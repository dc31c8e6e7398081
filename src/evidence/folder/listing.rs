//! The names of one folder, compact and in order of their bytes.
//!
//! A folder of ten million names costs their bytes and eight more each, and eight for the number of
//! a file where these are wanted.

use crate::sys::{Dir, Errno, FileKind, Kernel};

/// The names of a folder.
#[derive(Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// Bytes of a file's number behind each name.
    number: usize,
}

/// A name of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) bytes: &'a [u8],
    /// What the folder says it stands for.
    pub(super) kind: FileKind,
    /// The file's number, where these were wanted.
    pub(super) number: Option<u64>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    len: u16,
    kind: FileKind,
}

impl Listing {
    /// Reads the names of `dir` as far as they can be read, and says what ended it early.
    ///
    /// - `numbered`: with the numbers of the files.
    pub(super) fn read(
        kernel: &Kernel,
        dir: &Dir,
        numbered: bool,
        buffer: &mut Vec<u8>,
    ) -> (Self, Option<Errno>) {
        let number = if numbered { size_of::<u64>() } else { 0 };
        let mut listing = Self { number, ..Self::default() };
        let mut full = None;
        let ended = kernel.names(dir, buffer, |name, kind, number| {
            if full.is_none() && !listing.push(name.to_bytes(), kind, number) {
                full = Some(Errno::OVERFLOW);
            }
        });
        listing.sort();
        (listing, ended.err().or(full))
    }

    /// False where the names of the folder fill four gigabytes.
    fn push(&mut self, name: &[u8], kind: FileKind, number: u64) -> bool {
        let start = u32::try_from(self.names.len());
        let (Ok(start), Ok(len)) = (start, u16::try_from(name.len())) else { return false };
        self.names.extend_from_slice(name);
        self.names.extend(number.to_le_bytes().iter().take(self.number));
        self.entries.push(Entry { start, len, kind });
        true
    }

    fn sort(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
        let names = &self.names;
        self.entries.sort_unstable_by(|a, b| (a.name(names), a.kind).cmp(&(b.name(names), b.kind)));
    }

    /// The name at `index` in order.
    pub(super) fn get(&self, index: usize) -> Option<Name<'_>> {
        let entry = self.entries.get(index)?;
        let bytes = entry.name(&self.names);
        let behind = self.names.get(entry.end()..).and_then(|rest| rest.first_chunk());
        let number = behind.filter(|_| self.number > 0).map(|number| u64::from_le_bytes(*number));
        Some(Name { bytes, kind: entry.kind, number })
    }
}

impl Entry {
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        names.get(start..self.end()).unwrap_or_default()
    }

    fn end(self) -> usize {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        start.saturating_add(usize::from(self.len))
    }
}
