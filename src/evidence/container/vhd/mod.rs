//! Virtual Hard Disk: fixed, dynamic and differencing images of Virtual PC, Hyper-V and others.
//!
//! A damaged footer is told, and its copy is used where that is sound. Nothing else of the format
//! has a copy: a header whose check sum does not hold is told, and refused where its table has not
//! exactly the entries that the medium asks for. The size of the medium is the
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
use crate::bytes::{ReadAt, Section, Unreadable};
use crate::problem::{Code, Problem, Stage};

use blocks::{Fixed, MOST_ENTRIES, Table};
use footer::{Footer, Kind};
use header::Header;

const HEADER_SUM: &str = "the check sum of the header of the table of blocks does not hold";

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
    let copy = has_copy.then(|| 0..size(footer::SIZE));
    let (header, table) = table(&file, &data, &footer, copy)?;
    if !header.is_sound {
        image.problems.push(damage(&file, HEADER_SUM));
    }
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

/// Reads the header and the table of blocks; `copy` is where the footer's copy is.
fn table(
    file: &ImageFile,
    data: &Arc<dyn ReadAt>,
    footer: &Footer,
    copy: Option<Range<u64>>,
) -> Result<(Header, Table), ContainerError> {
    let damaged = |at, why: String| ContainerError::damaged(file.path(), at, why);
    let at = footer.header_at;
    let header = Header::read(file, at).map_err(|why| damaged(at, why))?;
    let most = u64::from(MOST_ENTRIES);
    if footer.size.div_ceil(u64::from(header.block_size)) > most {
        let (path, what) = (super::shown(file.path()), "table of blocks");
        return Err(ContainerError::TooLarge { path, what, most });
    }
    // A sum that was not written anew is told; other damage does not leave exactly the entries that
    // the size of the medium asks for.
    let exact = footer.size.div_ceil(u64::from(header.block_size)) == u64::from(header.entries);
    if !header.is_sound && !exact {
        return Err(damaged(at, HEADER_SUM.to_owned()));
    }
    let own = at..at.saturating_add(size(header::SIZE));
    let reserved = copy.into_iter().chain([own]).collect();
    let differencing = footer.kind == Kind::Differencing;
    let table = Table::read(data, &header, footer.size, reserved, differencing)
        .map_err(|why| damaged(header.table_at, why))?;
    Ok((header, table))
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
    let read = |at: u64| {
        let mut bytes = vec![0; footer::SIZE];
        match file.fill_at(at, &mut bytes) {
            Ok(n) => {
                bytes.truncate(n);
                Ok(bytes)
            }
            Err(error) if Unreadable::of(&error).is_some() => Ok(Vec::new()),
            Err(error) => Err(ContainerError::read(file.path(), &error)),
        }
    };
    let mut data_end = file.len().saturating_sub(size(footer::SIZE));
    let (mut last, start) = (read(data_end)?, read(0)?);
    if last.get(1..).is_some_and(footer::is_sound) && !footer::is_sound(&last) {
        last.remove(0);
        data_end = data_end.saturating_add(1);
    }
    let Some((mut footer, has_copy, told)) = believed(&last, &start) else {
        let why = "neither the footer nor its copy has a check sum that holds";
        return Err(ContainerError::damaged(file.path(), data_end, why));
    };
    let mut problems: Vec<String> = told.map(str::to_owned).into_iter().collect();
    if footer.version != footer::VERSION {
        problems.push("the footer states another version than 1.0".to_owned());
    }
    if footer.kind == Kind::Fixed && !footer::is_sound(&last) {
        // Its size is not certain, that of the file is.
        footer.size = data_end;
    } else if Footer::parse(&last).is_none() {
        // What stands at the end is no footer at all, as of a file that was cut short.
        data_end = file.len();
    }
    Ok(Ends { footer, data_end, has_copy, problems })
}

/// The footer of two that is believed, whether it has a copy, and what is wrong.
fn believed(last: &[u8], start: &[u8]) -> Option<(Footer, bool, Option<&'static str>)> {
    let copy = Footer::parse(start).filter(|_| footer::is_sound(start));
    let Some(footer) = Footer::parse(last).filter(|_| footer::is_sound(last)) else {
        let told = "the footer at the end is damaged or missing; its copy is used";
        if let Some(copy) = copy {
            return Some((copy, true, Some(told)));
        }
        let unsound = Footer::parse(last)?;
        if unsound.kind != Kind::Fixed && start == last {
            // Written so by a program that forgot the sums: damage does not hit both alike.
            let told = "the check sums of the footer and its copy do not hold; both are the same";
            return Some((unsound, true, Some(told)));
        }
        let fixed = Some(unsound).filter(|footer| footer.kind == Kind::Fixed)?;
        return Some((fixed, false, Some("the check sum of the footer does not hold")));
    };
    let told = match copy {
        // What a fixed disk begins with is the medium's.
        _ if footer.kind == Kind::Fixed => return Some((footer, false, None)),
        Some(copy) if copy == footer => None,
        Some(_) => Some("the copy of the footer says otherwise"),
        None => Some("the copy of the footer at the start is damaged"),
    };
    Some((footer, true, told))
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
