//! A set for use: a list that is read whole, or a compiled file that is looked up in where it lies.

use super::compiled::{Access, CompiledSet, is_compiled};
use super::load::load;
use super::{ListOptions, PerceptualEntry, ReferenceSet, SetEntry, SetError, SetKind};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Reads a list, or opens a compiled set and verifies it whole; the content tells which it is.
///
/// - `access`: how the bytes of a compiled set are reached.
///
/// # Errors
/// As [`load`]; a compiled set that was cut, edited or built for another use.
pub fn open(
    options: &ListOptions,
    access: Access,
    pool: &rayon::ThreadPool,
) -> Result<ReferenceSet, SetError> {
    if !is_compiled(&options.path)? {
        return load(options, pool);
    }
    let set = CompiledSet::open(&options.path, access)?;
    let built = set.info().kind;
    if built != options.kind {
        let file = options.path.clone();
        return Err(SetError::OtherKind { file, built, used: options.kind });
    }
    set.verify(pool)?;
    Ok(ReferenceSet::of_compiled(set))
}

/// What a compiled set was built as; `None` for a list, whose kind is said by whoever uses it.
///
/// # Errors
/// The file cannot be read, or is a compiled set that cannot be used.
pub fn compiled_kind(path: &Path) -> Result<Option<SetKind>, SetError> {
    match is_compiled(path)? {
        true => CompiledSet::open(path, Access::Mapped).map(|set| Some(set.info().kind)),
        false => Ok(None),
    }
}

impl ReferenceSet {
    /// A compiled set that is looked up in as it lies.
    pub fn of_compiled(set: CompiledSet) -> Self {
        let (info, counts) = (set.info(), set.counts());
        Self { info, entries: Vec::new(), counts, compiled: Some(Arc::new(set)) }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match &self.compiled {
            Some(set) => usize::try_from(set.len()).unwrap_or(usize::MAX),
            None => self.entries.len(),
        }
    }

    /// True where it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry by its place in the set.
    pub fn entry(&self, number: u32) -> Option<Cow<'_, SetEntry>> {
        match &self.compiled {
            Some(set) => set.entry(number).map(Cow::Owned),
            None => self.entries.get(usize::try_from(number).ok()?).map(Cow::Borrowed),
        }
    }

    /// Every entry with perceptual hashes: its place in the set, what it is, its hashes.
    pub fn perceptual_entries(
        &self,
    ) -> Box<dyn Iterator<Item = (u32, SetKind, Cow<'_, PerceptualEntry>)> + '_> {
        match &self.compiled {
            Some(set) => Box::new(
                set.perceptual_entries().map(|(n, kind, hashes)| (n, kind, Cow::Owned(hashes))),
            ),
            None => Box::new((0..).zip(&self.entries).filter_map(|(n, entry)| {
                Some((n, entry.kind, Cow::Borrowed(entry.perceptual.as_deref()?)))
            })),
        }
    }
}
