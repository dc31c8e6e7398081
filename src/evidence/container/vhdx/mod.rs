//! Virtual Hard Disk, second format: fixed, dynamic and differencing images of Hyper-V and others.
//!
//! The headers, the tables of regions and the log have check sums; the table of blocks and the
//! metadata have none and are checked for what they can be. An image whose log was not replayed is
//! replayed in memory, and refused where the log makes no sense: without it the tables are those of
//! another moment than the blocks. A differencing image is read with its parent, which is known by
//! the identifier of its last change of data.
//!
//! Source: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".

mod blocks;
mod guid;
mod header;
mod log;
mod metadata;
mod overlay;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::layer::Layer;
use super::opener::{Opened, Opener};
use super::raw::ImageFile;
use super::{ContainerError, Format, Parts, parent, shown};
use crate::bytes::ReadAt;
use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

use blocks::{MOST_ENTRIES, Table};
use guid::Guid;
use header::{Header, RESERVED, Regions};
use metadata::Metadata;

/// How a file begins.
const SIGNATURE: &[u8] = b"vhdxfile";
/// Names of the parent, in the order they are tried.
const NAMES: [&str; 3] = ["relative_path", "volume_path", "absolute_win32_path"];
/// Identifiers that the parent may have.
const LINKAGES: [&str; 2] = ["parent_linkage", "parent_linkage2"];

/// One image of a chain and what it is made of.
struct Image {
    media: Arc<dyn ReadAt>,
    metadata: Metadata,
    /// Entries of its log that were replayed.
    replayed: usize,
    files: Vec<Arc<ImageFile>>,
    problems: Vec<Problem>,
}

/// Opens an image and its parents.
pub(super) fn open(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let creator = creator(&first.file);
    let image = chain(opener, first.file)?;
    let mut details = details(&image);
    details.insert("creator".to_owned(), creator);
    let mut parts = Parts::plain(Format::Vhdx, image.media, image.files);
    (parts.details, parts.problems) = (details, image.problems);
    parts.sector_size = Some(image.metadata.sector_size);
    Ok(parts)
}

/// Which program made the file, as it says.
fn creator(file: &ImageFile) -> String {
    let mut bytes = [0; 512];
    // It is only noted: one that cannot be read is none.
    let n = file.fill_at(8, &mut bytes).unwrap_or_default();
    escape::cell(metadata::utf16(bytes.get(..n).unwrap_or_default()).as_bytes())
}

/// What the record of the run says of an image.
fn details(image: &Image) -> BTreeMap<String, String> {
    let Metadata { block_size, is_fixed, disk_id, physical_sector_size, parent, .. } =
        &image.metadata;
    let kind = match (parent, is_fixed) {
        (Some(_), _) => "differencing",
        (None, true) => "fixed",
        (None, false) => "dynamic",
    };
    let mut details = BTreeMap::from([
        ("type".to_owned(), kind.to_owned()),
        ("block_size".to_owned(), block_size.to_string()),
    ]);
    let disk_id = disk_id.map(|id| ("disk_id".to_owned(), id.to_string()));
    let physical =
        physical_sector_size.map(|size| ("physical_sector_size".to_owned(), size.to_string()));
    details.extend(disk_id.into_iter().chain(physical));
    if image.replayed > 0 {
        details.insert("log_entries_replayed_in_memory".to_owned(), image.replayed.to_string());
    }
    for name in NAMES.iter().chain(&LINKAGES) {
        if let Some(value) = parent.as_ref().and_then(|names| names.get(*name)) {
            let name = format!("parent_{}", name.trim_start_matches("parent_"));
            details.insert(name, escape::cell(value.as_bytes()));
        }
    }
    details
}

/// Opens one image of a chain, and through it the rest.
fn chain(opener: &Opener<'_>, file: Arc<ImageFile>) -> Result<Image, ContainerError> {
    let path = file.path().to_owned();
    let damaged = |(at, why): (u64, String)| ContainerError::damaged(&path, at, why);
    let mut problems = Vec::new();
    let (header, told) = Header::read(&*file).map_err(damaged)?;
    problems.extend(told.map(|why| damage(&file, &why)));
    let (bytes, replayed) = replayed(&file, &header)?;
    let (regions, told) = Regions::read(&*bytes).map_err(damaged)?;
    problems.extend(told.map(|why| damage(&file, &why)));
    let metadata = Metadata::read(&*bytes, regions.metadata)
        .map_err(|why| damaged((regions.metadata.at, why)))?;
    if Table::needed(&metadata) > MOST_ENTRIES {
        let what = "table of blocks";
        return Err(ContainerError::TooLarge { path: shown(&path), what, most: MOST_ENTRIES });
    }
    let structures =
        [0..RESERVED, header.log_region().range(), regions.bat.range(), regions.metadata.range()];
    let table = Table::read(&bytes, regions.bat, &metadata, &structures)
        .map_err(|why| damaged((regions.bat.at, why)))?;
    if !table.doubtful().is_empty() {
        let count = table.doubtful().len();
        let why = format!("{count} blocks lie on one another or on structures; they are not read");
        problems.push(damage(&file, &why));
    }
    let parent = match &metadata.parent {
        Some(names) => Some(parent_of(opener, &path, names)?),
        None => None,
    };
    let mut files = vec![file];
    let parent = parent.map(|parent| parent.checked(&path, &metadata)).transpose()?;
    let parent = parent.map(|parent| {
        files.extend(parent.files);
        problems.extend(parent.problems);
        parent.media
    });
    let media = Arc::new(Layer { file: bytes, blocks: table, parent, len: metadata.size });
    Ok(Image { media, metadata, replayed, files, problems })
}

impl Image {
    /// The image, where it can be the parent of one with these metadata.
    fn checked(self, child: &Path, metadata: &Metadata) -> Result<Self, ContainerError> {
        let (own, other) = (metadata.sector_size, self.metadata.sector_size);
        if own == other {
            return Ok(self);
        }
        let why = format!("its sectors have {own} bytes, those of its parent {other}");
        Err(ContainerError::damaged(child, 0, why))
    }
}

/// The bytes of the file with what its log says over them, and the number of the log's entries.
fn replayed(
    file: &Arc<ImageFile>,
    header: &Header,
) -> Result<(Arc<dyn ReadAt>, usize), ContainerError> {
    let bytes: Arc<dyn ReadAt> = Arc::<ImageFile>::clone(file);
    if header.log == Guid::ZERO {
        return Ok((bytes, 0));
    }
    let region = header.log_region();
    if region.len > log::LARGEST {
        let path = shown(file.path());
        return Err(ContainerError::TooLarge { path, what: "log", most: log::LARGEST });
    }
    let (overlay, count) = log::replay(bytes, region, header.log)
        .map_err(|why| ContainerError::damaged(file.path(), region.at, why))?;
    Ok((Arc::new(overlay), count))
}

/// Finds the parent by each of the names that are stated, and opens it.
fn parent_of(
    opener: &Opener<'_>,
    path: &Path,
    stated: &BTreeMap<String, String>,
) -> Result<Image, ContainerError> {
    let linkages = LINKAGES.iter().filter_map(|key| Guid::parse(stated.get(*key)?));
    let linkages: Vec<Guid> = linkages.filter(|id| *id != Guid::ZERO).collect();
    let Some(linkage) = linkages.first() else {
        let why = "a differencing image that does not say which its parent is";
        return Err(ContainerError::damaged(path, 0, why));
    };
    let mut fits = |candidate: &Opened| {
        let mut start = [0; 8];
        let n = candidate.file.fill_at(0, &mut start).unwrap_or_default();
        let header = (start.get(..n) == Some(SIGNATURE)).then(|| Header::read(&*candidate.file));
        Ok(matches!(header, Some(Ok((header, _))) if linkages.contains(&header.data_write)))
    };
    let mut names: Vec<Option<&str>> =
        NAMES.iter().filter_map(|key| stated.get(*key)).map(|name| Some(name.as_str())).collect();
    if names.is_empty() {
        names.push(None);
    }
    let mut missing = None;
    for name in names {
        match parent::find(opener, path, name, &mut fits) {
            Ok(found) => return chain(opener, found.file),
            Err(ContainerError::MissingParent { path, wanted }) => {
                let wanted = format!("{wanted}, data write identifier {linkage}");
                missing = missing.or(Some(ContainerError::MissingParent { path, wanted }));
            }
            Err(error) => return Err(error),
        }
    }
    Err(missing.unwrap_or_else(|| ContainerError::damaged(path, 0, "its parent has no name")))
}

fn damage(file: &ImageFile, why: &str) -> Problem {
    let name = shown(Path::new(file.path().file_name().unwrap_or_default()));
    Problem::new(Code::ImageDamaged, Stage::Container, format!("{name}: {why}"))
}
