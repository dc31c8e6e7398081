//! Virtual Hard Disk: fixed, dynamic and differencing images of Virtual PC, Hyper-V and others.
//!
//! A damaged footer is told, and its copy is used where that is sound. Nothing else of the format
//! has a copy: a header whose check sum does not hold is refused. The size of the medium is the
//! footer's current size; its geometry is only noted. A differencing image is read with its parent,
//! which is known by the identifier in its own footer.
//!
//! Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, 2006.

mod blocks;
mod footer;
mod header;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::footer::ends_in_footer;

use super::layer::Layer;
use super::opener::{Opened, Opener};
use super::raw::ImageFile;
use super::{ContainerError, Format, Parts, parent};
use crate::bytes::{ReadAt, Section};
use crate::problem::{Code, Problem, Stage};

use blocks::{Fixed, MOST_ENTRIES, Table};
use footer::{Footer, Kind};
use header::Header;

/// The footer that is believed, and where the medium's bytes may be.
struct Ends {
    footer: Footer,
    /// Bytes of the file before the footer at its end.
    data_end: u64,
    /// True where there is a copy at the start.
    has_copy: bool,
    /// What is wrong with either.
    problems: Vec<String>,
}

/// One image of a chain and what it is made of.
struct Image {
    media: Arc<dyn ReadAt>,
    footer: Footer,
    header: Option<Header>,
    files: Vec<Arc<ImageFile>>,
    problems: Vec<Problem>,
}

/// Opens an image and its parents.
pub(super) fn open(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let image = chain(opener, first.file)?;
    let mut details = image.footer.details();
    if let Some(header) = &image.header {
        details.insert("block_size".to_owned(), header.block_size.to_string());
    }
    if let Some(header) = image.header.filter(|_| image.footer.kind == Kind::Differencing) {
        details.insert("parent_id".to_owned(), hex(&header.parent_id));
        for (number, name) in (1..).zip(&header.parent_names) {
            let name = crate::item::escape::cell(name.as_bytes());
            details.insert(format!("parent_name_{number}"), name);
        }
    }
    let mut parts = Parts::plain(Format::Vhd, image.media, image.files);
    (parts.details, parts.problems) = (details, image.problems);
    Ok(parts)
}

/// Opens one image of a chain, and through it the rest.
fn chain(opener: &Opener<'_>, file: Arc<ImageFile>) -> Result<Image, ContainerError> {
    let path = file.path().to_owned();
    let damaged = |at, why: String| ContainerError::damaged(&path, at, why);
    let Ends { footer, data_end, has_copy, problems } = ends(&file)?;
    let problems = problems.iter().map(|why| damage(&file, why)).collect();
    let whole: Arc<dyn ReadAt> = Arc::<ImageFile>::clone(&file);
    let mut image = Image {
        media: Arc::clone(&whole),
        footer: footer.clone(),
        header: None,
        files: vec![Arc::clone(&file)],
        problems,
    };
    let len = footer.size;
    let data: Arc<dyn ReadAt> = Arc::new(Section::new(Arc::clone(&whole), 0, data_end));
    let is_differencing = match footer.kind {
        Kind::Fixed => {
            if len != data_end {
                let why = format!("the footer states {len} bytes, {data_end} are before it");
                image.problems.push(damage(&file, &why));
            }
            image.media = Arc::new(Layer { file: data, blocks: Fixed, parent: None, len });
            return Ok(image);
        }
        Kind::Other(kind) => return Err(damaged(data_end, format!("it is a disk of type {kind}"))),
        kind => kind == Kind::Differencing,
    };
    let header =
        Header::read(&whole, footer.header_at).map_err(|why| damaged(footer.header_at, why))?;
    if len.div_ceil(u64::from(header.block_size)) > u64::from(MOST_ENTRIES) {
        let most = u64::from(MOST_ENTRIES);
        return Err(ContainerError::TooLarge {
            path: super::shown(&path),
            what: "table of blocks",
            most,
        });
    }
    let header_end = footer.header_at.saturating_add(size(header::SIZE));
    let copy = has_copy.then(|| 0..size(footer::SIZE));
    let reserved: Vec<Range<u64>> =
        copy.into_iter().chain([footer.header_at..header_end]).collect();
    let table = Table::read(&data, &header, len, reserved, is_differencing)
        .map_err(|why| damaged(header.table_at, why))?;
    if !table.doubtful().is_empty() {
        let count = table.doubtful().len();
        let why = format!("{count} blocks lie on one another or on structures; they are not read");
        image.problems.push(damage(&file, &why));
    }
    let parent = match is_differencing {
        true => Some(parent_of(opener, &path, &header)?),
        false => None,
    };
    let parent = parent.map(|parent| {
        let has = parent.footer.size;
        if has != len {
            let why = format!("it has {len} bytes, its parent {has}");
            image.problems.push(damage(&file, &why));
        }
        image.files.extend(parent.files);
        image.problems.extend(parent.problems);
        parent.media
    });
    image.header = Some(header);
    image.media = Arc::new(Layer { file: data, blocks: table, parent, len });
    Ok(image)
}

/// Finds the parent by each of the names that are stated, and opens it.
fn parent_of(opener: &Opener<'_>, path: &Path, header: &Header) -> Result<Image, ContainerError> {
    let mut fits = |candidate: &Opened| match ends(&candidate.file) {
        Ok(ends) => Ok(ends.footer.id == header.parent_id),
        Err(ContainerError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    };
    let names = header.parent_names.iter().map(|name| Some(name.as_str()));
    let names = names.chain(header.parent_names.is_empty().then_some(None));
    let mut missing = None;
    for name in names {
        match parent::find(opener, path, name, &mut fits) {
            Ok(found) => return chain(opener, found.file),
            Err(ContainerError::MissingParent { path, wanted }) => {
                let wanted = format!("{wanted}, unique id {}", hex(&header.parent_id));
                missing = missing.or(Some(ContainerError::MissingParent { path, wanted }));
            }
            Err(error) => return Err(error),
        }
    }
    let why = "a differencing image without a name of its parent";
    Err(missing.unwrap_or_else(|| ContainerError::damaged(path, 0, why)))
}

/// Reads the footer and its copy and says which is believed.
fn ends(file: &ImageFile) -> Result<Ends, ContainerError> {
    let read = |at: u64, len: usize| {
        let mut bytes = vec![0; len];
        match file.fill_at(at, &mut bytes) {
            Ok(n) => {
                bytes.truncate(n);
                Ok(bytes)
            }
            Err(error) if crate::bytes::Unreadable::of(&error).is_some() => Ok(Vec::new()),
            Err(error) => Err(ContainerError::read(file.path(), &error)),
        }
    };
    let from = file.len().saturating_sub(size(footer::SIZE));
    let mut data_end = from;
    let mut last = read(from, footer::SIZE)?;
    if last.get(1..).is_some_and(footer::is_sound) && !footer::is_sound(&last) {
        last.remove(0);
        data_end = data_end.saturating_add(1);
    }
    let start = read(0, footer::SIZE)?;
    let (at_end, copy) = (Footer::parse(&last), Footer::parse(&start));
    let (end_holds, copy_holds) = (footer::is_sound(&last), footer::is_sound(&start));
    let mut problems = Vec::new();
    let (footer, has_copy) = match (at_end, copy) {
        // What a fixed disk begins with is the medium's.
        (Some(footer), _) if end_holds && footer.kind == Kind::Fixed => (footer, false),
        (Some(footer), copy) if end_holds => {
            match copy {
                Some(copy) if copy_holds && copy == footer => {}
                Some(_) if copy_holds => problems.push("the copy of the footer says otherwise"),
                _ => problems.push("the copy of the footer at the start is damaged"),
            }
            (footer, true)
        }
        (_, Some(copy)) if copy_holds => {
            problems.push("the footer at the end is damaged or missing; its copy is used");
            if at_end_is_missing(&last) {
                data_end = file.len();
            }
            (copy, true)
        }
        (Some(footer), None) if footer.kind == Kind::Fixed => {
            problems.push("the check sum of the footer does not hold");
            // Its size is not certain, that of the file is.
            (footer.of_size(data_end), false)
        }
        _ => {
            let why = "neither the footer nor its copy has a check sum that holds";
            return Err(ContainerError::damaged(file.path(), data_end, why));
        }
    };
    if footer.version != footer::VERSION {
        problems.push("the footer states another version than 1.0");
    }
    let problems = problems.into_iter().map(str::to_owned).collect();
    Ok(Ends { footer, data_end, has_copy, problems })
}

/// True where what stands at the end is no footer at all, as of a file that was cut short.
fn at_end_is_missing(last: &[u8]) -> bool {
    Footer::parse(last).is_none()
}

fn damage(file: &ImageFile, why: &str) -> Problem {
    let name = super::shown(Path::new(file.path().file_name().unwrap_or_default()));
    Problem::new(Code::ImageDamaged, Stage::Container, format!("{name}: {why}"))
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// An identifier as text.
fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
