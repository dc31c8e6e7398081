//! Evidence as it was named, checked and opened before a run or a look.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{ScanError, ScanPlan, SourcePlan, record};
use crate::evidence::EvidenceSource;
use crate::evidence::filesystem;
use crate::evidence::folder::{Folder, FolderError, Options, output_inside};
use crate::evidence::image::{Image, ImageOptions};
use crate::sys::Kernel;

/// How evidence is opened.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Somebody consented, with a stated reason, to changed access times.
    pub accept_alteration: bool,
    /// Read targets of symbolic links although that changes the links' access times.
    pub read_links: bool,
    /// How file systems of images are read.
    pub filesystem: filesystem::Options,
    /// Files that may be parents of differencing images; each must be one.
    pub parents: Vec<PathBuf>,
    /// Whether space of images that no object owns is searched for objects.
    pub carve: bool,
    /// The way to the kernel; tests put a seam in.
    pub kernel: Kernel,
    /// Set from outside to stop waiting for descriptors or memory.
    pub cancel: Arc<AtomicBool>,
}

/// Opens a folder, or an image with the list of its bad sectors.
///
/// # Errors
/// Where it cannot be read as it must be, or a file named as a parent is none; nothing was altered.
pub fn open(
    path: &Path,
    bad_map: Option<&Path>,
    access: &Access,
) -> Result<Box<dyn EvidenceSource>, ScanError> {
    let opened = open_one(path, bad_map, access)?;
    every_parent_is_used(&access.parents, std::slice::from_ref(&opened))?;
    Ok(opened)
}

/// Refuses a file that was named as a parent and is that of no image: a mistake would go unseen.
fn every_parent_is_used(
    parents: &[PathBuf],
    evidence: &[Box<dyn EvidenceSource>],
) -> Result<(), ScanError> {
    let images = || evidence.iter().filter_map(|source| source.image());
    let used = |path: &PathBuf| images().any(|image| image.facts().parents.contains(path));
    match parents.iter().find(|path| !used(path)) {
        Some(path) => Err(ScanError::UnusedParent(record::shown(path))),
        None => Ok(()),
    }
}

fn open_one(
    path: &Path,
    bad_map: Option<&Path>,
    access: &Access,
) -> Result<Box<dyn EvidenceSource>, ScanError> {
    let Access { accept_alteration, read_links, ref filesystem, ref kernel, ref cancel, .. } =
        *access;
    let (kernel, cancel) = (kernel.clone(), Arc::clone(cancel));
    let options = Options { accept_alteration, read_links, kernel: kernel.clone(), cancel };
    match Folder::check(path, options) {
        Ok(folder) => Ok(Box::new(folder)),
        Err(FolderError::NotAFolder { .. }) => {
            let options = ImageOptions {
                accept_alteration,
                kernel,
                bad_map: bad_map.map(Path::to_owned),
                parents: access.parents.clone(),
                filesystem: filesystem.clone(),
                carve: access.carve,
            };
            Ok(Box::new(Image::open(path, &options)?))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens all evidence of a run: decides for every source whether it may be read, before any object
/// is. Of an image the structures of its container are read here, so that what cannot be read at
/// all is refused before a report exists.
pub(super) fn open_all(
    plan: &ScanPlan,
    cancel: &Arc<AtomicBool>,
) -> Result<Vec<Box<dyn EvidenceSource>>, ScanError> {
    let access = Access {
        accept_alteration: plan.accept_alteration.is_some(),
        read_links: plan.read_links,
        filesystem: plan.filesystem.clone(),
        carve: true,
        parents: plan.parents.clone(),
        kernel: plan.kernel.clone(),
        cancel: Arc::clone(cancel),
    };
    let mut evidence: Vec<Box<dyn EvidenceSource>> = Vec::new();
    for (n, source) in plan.sources.iter().enumerate() {
        let opened = open_one(&source.path, source.bad_map.as_deref(), &access)?;
        if opened.image().is_none() && output_inside(&source.path, &plan.out)? {
            let (out, evidence) = (record::shown(&plan.out), record::shown(&source.path));
            return Err(ScanError::OutputInside { out, evidence });
        }
        for (other, before) in plan.sources.iter().zip(&evidence).take(n) {
            apart(source, &*opened, other, &**before)?;
        }
        evidence.push(opened);
    }
    every_parent_is_used(&plan.parents, &evidence)?;
    Ok(evidence)
}

/// Refuses evidence that is named twice, or lies inside other evidence: each of its objects would
/// be counted twice.
fn apart(
    source: &SourcePlan,
    opened: &dyn EvidenceSource,
    other: &SourcePlan,
    before: &dyn EvidenceSource,
) -> Result<(), ScanError> {
    let folders = opened.image().is_none() && before.image().is_none();
    let same = opened.place() == before.place() && opened.identity() == before.identity();
    let nested = folders
        && (output_inside(&source.path, &other.path)? || output_inside(&other.path, &source.path)?);
    if same || nested {
        let (first, second) = (record::shown(&other.path), record::shown(&source.path));
        return Err(ScanError::SameEvidence { first, second });
    }
    Ok(())
}
