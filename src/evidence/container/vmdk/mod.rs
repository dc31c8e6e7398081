//! VMDK: the disk of a VMware machine, as its hosted products and exports keep it.
//!
//! A text describes the extents, in a file of its own or inside the one sparse file. Flat extents,
//! sparse ones, stream-optimised ones and zeros are read. The files of extents are taken by their
//! names from the folder of the descriptor; what is a path instead is refused. A parent is found as
//! every parent is, and must have the identifier that the image states.
//!
//! Only compressed grains have check sums. Damage of tables is seen where their two copies differ
//! or a place is past the end of its file.
//!
//! Source: VMware, Virtual Disk Format 5.0.

mod descriptor;
mod extents;
mod grains;
mod header;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mapped::Mapped;
use super::opener::{Opened, Opener};
use super::raw::ImageFile;
use super::{ContainerError, Format, Parts, beneath, parent, parts, shown, told};
use crate::bytes::ReadAt as _;
use crate::evidence::container::sniff::Sniffed;
use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

use descriptor::{Descriptor, Kind};
use extents::{Extent, Extents};
use grains::Grains;
use header::{Header, SECTOR};

const CONVERT: &str = "convert it with `qemu-img convert -O raw`";

/// What is gathered extent by extent.
struct Gathered<'a> {
    opener: &'a Opener<'a>,
    /// The file with the descriptor.
    first: Arc<ImageFile>,
    /// Its own header, where it is a sparse extent itself.
    own: Option<Header>,
    extents: Vec<Extent>,
    files: Vec<Arc<ImageFile>>,
    problems: Vec<Problem>,
}

/// Opens an image by its descriptor, or by the one file that has both.
pub(super) fn open(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let first = first.file;
    let (described, own) = described(&first)?;
    let mut all = Gathered {
        opener,
        first: Arc::clone(&first),
        own,
        extents: Vec::new(),
        files: vec![Arc::clone(&first)],
        problems: Vec::new(),
    };
    let alone = all.own.is_some() && described.extents.len() == 1;
    let mut end = 0_u64;
    for extent in &described.extents {
        let start = end;
        let len = extent.sectors.checked_mul(SECTOR);
        end = len.and_then(|len| start.checked_add(len)).unwrap_or(u64::MAX);
        let most = i64::MAX.unsigned_abs();
        if end > most {
            return Err(ContainerError::TooLarge {
                path: shown(first.path()),
                what: "medium",
                most,
            });
        }
        if start < end {
            all.take(extent, start..end, alone)?;
        }
    }
    let mut details = details(&described);
    if all.own.as_ref().is_some_and(|header| header.compressed) {
        details.insert("compression".to_owned(), "deflate".to_owned());
    }
    let mut image = Parts {
        details,
        problems: all.problems,
        ..Parts::plain(Format::Vmdk, Arc::<ImageFile>::clone(&first), all.files.clone())
    };
    let parent = match described.parent() {
        Some(cid) => {
            let parent = parent_of(opener, first.path(), cid, described.parent_hint.as_deref())?;
            if parent.stored.len() != end {
                let why = format!("its parent has {} bytes, it has {end}", parent.stored.len());
                image.problems.push(damage(&first, &why));
            }
            Some(beneath(parent, &mut image))
        }
        None => None,
    };
    let extents = Extents { all: all.extents, files: all.files };
    image.stored = Arc::new(Mapped::new(extents, parent));
    Ok(image)
}

/// The descriptor of a file, and its header where it is a sparse extent.
fn described(file: &ImageFile) -> Result<(Descriptor, Option<Header>), ContainerError> {
    let path = file.path();
    let mut mark = [0; 4];
    let read = |error: &std::io::Error| ContainerError::read(path, error);
    file.fill_at(0, &mut mark).map_err(|error| read(&error))?;
    let own = if &mark == b"KDMV" { Some(Header::read(file)?) } else { None };
    let (at, len) = match &own {
        Some(header) => header.descriptor.ok_or_else(|| an_extent(path))?,
        None => (0, file.len()),
    };
    if len > descriptor::LARGEST {
        let most = descriptor::LARGEST;
        return Err(ContainerError::TooLarge { path: shown(path), what: "descriptor", most });
    }
    let mut text = vec![0; usize::try_from(len).unwrap_or_default()];
    let n = file.fill_at(at, &mut text).map_err(|error| read(&error))?;
    text.truncate(n);
    if own.is_some() && text.first().is_none_or(|byte| *byte == 0) {
        return Err(an_extent(path));
    }
    let parsed = descriptor::parse(&text);
    let damaged = |(within, why)| ContainerError::damaged(path, at.saturating_add(within), why);
    Ok((parsed.map_err(damaged)?, own))
}

fn an_extent(path: &Path) -> ContainerError {
    let first = "the descriptor that lists this extent, a small text file".to_owned();
    ContainerError::NotTheFirst { path: shown(path), first }
}

fn damage(file: &ImageFile, why: &str) -> Problem {
    let detail = format!("{}: {why}", shown(file.path()));
    Problem::new(Code::ImageDamaged, Stage::Container, detail)
}

impl Gathered<'_> {
    fn refused(&self, what: String) -> ContainerError {
        ContainerError::Feature { path: shown(self.first.path()), what, advice: CONVERT }
    }

    /// Takes one extent of the descriptor.
    fn take(
        &mut self,
        extent: &descriptor::Extent,
        range: Range<u64>,
        alone: bool,
    ) -> Result<(), ContainerError> {
        match &extent.kind {
            Kind::Other(kind) => {
                let kind = escape::cell(kind.as_bytes());
                return Err(self.refused(format!("an extent of the kind {kind}")));
            }
            Kind::Zero => self.extents.push(Extent::Zero { range }),
            Kind::Flat => {
                let (number, file) = self.file(&extent.name)?;
                let at = extent.offset.saturating_mul(SECTOR);
                let end = at.saturating_add(range.end.saturating_sub(range.start));
                if end > file.len() {
                    let why = format!("it ends at byte {}, its extent at {end}", file.len());
                    self.problems.push(damage(&file, &why));
                }
                self.extents.push(Extent::Flat { range, file: number, at });
            }
            Kind::Sparse => match self.own.clone().filter(|_| alone) {
                Some(header) => self.sparse(0, header, range)?,
                None => {
                    let (number, file) = self.file(&extent.name)?;
                    let header = Header::read(&file)?;
                    self.sparse(number, header, range)?;
                }
            },
        }
        Ok(())
    }

    /// Takes a sparse extent and tells what is wrong with it.
    fn sparse(
        &mut self,
        number: usize,
        header: Header,
        range: Range<u64>,
    ) -> Result<(), ContainerError> {
        let Some(file) = self.files.get(number).cloned() else { return Ok(()) };
        let mut tell = |why: &str| self.problems.push(damage(&file, why));
        if header.unclean {
            tell("it was not closed by the program that wrote it; read by its tables as they are");
        }
        if !header.new_lines_hold {
            tell("it was transferred as if it were text, which changes bytes");
        }
        let sectors = range.end.saturating_sub(range.start) >> 9;
        if header.capacity != sectors {
            let capacity = header.capacity;
            tell(&format!("it is for {capacity} sectors, the descriptor gives it {sectors}"));
        }
        let mut grains = Grains::new(Arc::clone(&file), number, range, header);
        let (compared, never_filled) = grains.compare();
        if never_filled {
            tell("the copy of its grain directory was never filled and is not used");
        }
        for (count, what) in [
            (compared.replaced, "are damaged and were taken from their copy"),
            (compared.wrong_copy, "have a damaged copy, which is not used"),
            (compared.disputed, "differ from their copy; their grains are not given"),
        ] {
            if count > 0 {
                tell(&format!("{count} entries of its grain tables {what}"));
            }
        }
        self.extents.push(Extent::Sparse(Box::new(grains)));
        Ok(())
    }

    /// Opens the file of an extent by its name, beside the descriptor.
    fn file(&mut self, name: &[u8]) -> Result<(usize, Arc<ImageFile>), ContainerError> {
        let Some(path) = beside(self.first.path(), name) else {
            let name = escape::cell(name.get(..300).unwrap_or(name));
            let what = format!("an extent at {name:?}, which is no file name in its own folder");
            return Err(self.refused(what));
        };
        if !self.opener.is_file(&path)? {
            return Err(ContainerError::MissingSegment { missing: shown(&path) });
        }
        let file = self.opener.open(&path)?.file;
        self.files.push(Arc::clone(&file));
        Ok((self.files.len().saturating_sub(1), file))
    }
}

/// The file of this name beside another; `None` where it is no mere name.
fn beside(first: &Path, name: &[u8]) -> Option<PathBuf> {
    let is_name = !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | b'\0'))
        && name.get(1) != Some(&b':');
    is_name.then(|| first.with_file_name(OsStr::from_bytes(name)))
}

/// Opens the parent that has this identifier.
fn parent_of(
    opener: &Opener<'_>,
    image: &Path,
    cid: u32,
    hint: Option<&str>,
) -> Result<Parts, ContainerError> {
    let found = parent::find(opener, image, hint, &mut |candidate| {
        // What cannot be read as a VMDK is not the parent, whatever else it is.
        let is_vmdk = told(candidate)? == Sniffed::Vmdk;
        Ok(is_vmdk && described(&candidate.file).is_ok_and(|(of, _)| of.cid == Some(cid)))
    });
    match found {
        Ok(found) => parts(opener, found),
        Err(ContainerError::MissingParent { path, wanted }) => {
            let wanted = format!("{wanted} with CID {cid:08x}");
            Err(ContainerError::MissingParent { path, wanted })
        }
        Err(error) => Err(error),
    }
}

fn details(described: &Descriptor) -> BTreeMap<String, String> {
    let cid = |cid: Option<u32>| cid.map(|cid| format!("{cid:08x}"));
    let all = [
        ("create_type", Some(described.create_type.clone())),
        ("cid", cid(described.cid)),
        ("parent_cid", cid(described.parent())),
        ("parent_hint", described.parent_hint.clone()),
        ("adapter", described.adapter.clone()),
        ("extents", Some(described.extents.len().to_string())),
    ];
    let stated = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    stated.collect()
}
