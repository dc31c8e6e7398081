//! Expert Witness Format, version 1: E01 as EnCase and others write it, S01 as SMART does.
//!
//! Every check sum of the format is checked: of each section's descriptor, of the sections that
//! have one, of each table and each chunk. What fails is told; what does not depend on it is read.
//! A table that is lost leaves a gap of chunks, whose number follows from what is before and after
//! it. Nothing is ever taken for zeros.
//!
//! Source: libewf documentation, "Expert Witness Compression Format (EWF)"; ASR Data, "Expert
//! Witness Compression Format specification", 2002.

mod chunk;
mod digests;
mod error2;
mod header;
mod image;
mod names;
mod section;
mod table;
mod volume;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::section::starts_with_section;

use super::opener::{Opened, Opener};
use super::raw::ImageFile;
use super::{ContainerError, Format, Parts, Ranges, shown};
use crate::bytes::ReadAt as _;
use crate::digest::Digests;
use crate::problem::Problem;

use image::EwfImage;
use section::{Chain, End, Kind, Section, damage, read};
use table::Table;
use volume::Volume;

/// Most bytes of a volume section that are read.
const LARGEST_VOLUME: u64 = 1052;
/// Most bytes of a section of digests that are read.
const LARGEST_DIGESTS: u64 = 80;

/// Everything the sections say, as it is gathered file by file.
#[derive(Default)]
struct Gathered {
    files: Vec<Arc<ImageFile>>,
    chains: Vec<Chain>,
    volume: Option<Volume>,
    header: BTreeMap<String, String>,
    digests: Digests,
    errors: Vec<Range<u64>>,
    problems: Vec<Problem>,
}

/// A table, or the knowledge that there was one.
type Found = Option<Table>;

/// Opens an image by its first segment and reads everything but the chunks.
pub(super) fn open(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let path = first.file.path().to_owned();
    let mut all = Gathered::default();
    let mut next = Some(first.file);
    while let Some(file) = next.take() {
        let end = all.take(&path, file)?;
        next = all.following(opener, &path, end)?;
    }
    let Some(volume) = all.volume.take() else {
        let why = "no sound volume section says how the image is laid out";
        return Err(ContainerError::damaged(&path, section::FILE_HEADER, why));
    };
    all.errors(&volume);
    let found = all.tables(&volume);
    let tables = all.numbered(found, &volume);
    let mut details = volume.details();
    details.insert("layout".to_owned(), if volume.smart { "smart" } else { "encase" }.to_owned());
    let image = EwfImage::new(all.files.clone(), tables, volume.len, volume.chunk_size);
    Ok(Parts {
        stored: Arc::new(image),
        block: Some(volume.chunk_size),
        format: Format::Ewf,
        details,
        header: all.header,
        sector_size: Some(u64::from(volume.sector_size)),
        digests: all.digests,
        acquisition_errors: Ranges::new(all.errors, volume.len),
        files: all.files,
        problems: all.problems,
    })
}

impl Gathered {
    fn told(&mut self, file: &ImageFile, at: u64, why: &str) {
        self.problems.push(damage(file, at, why));
    }

    /// Reads one segment file's sections.
    fn take(&mut self, first: &Path, file: Arc<ImageFile>) -> Result<End, ContainerError> {
        let chain = section::walk(&file, &mut self.problems);
        let expected = self.files.len().saturating_add(1);
        let has = |kind: Kind| chain.sections.iter().any(|section| section.kind == kind);
        if has(Kind::Logical) {
            return Err(ContainerError::Unsupported {
                path: shown(first),
                format: "a logical evidence file under the signature of a disk image",
                advice: "extract its files with the program that made it and scan the folder",
            });
        }
        if usize::from(chain.number) != expected {
            // A first segment is known by its header and volume; of another file the number alone
            // says which one it is.
            let is_first = has(Kind::Volume) && (has(Kind::Header) || has(Kind::Header2));
            if expected > 1 {
                let detail = format!("it says it is number {}, not {expected}", chain.number);
                return Err(ContainerError::WrongSegment { path: shown(file.path()), detail });
            }
            if !is_first {
                let named = names::segment(first, 1).unwrap_or_else(|| PathBuf::from("the first"));
                let (path, first) = (shown(first), shown(&named));
                return Err(ContainerError::NotTheFirst { path, first });
            }
            self.told(&file, 9, &format!("it says it is segment {}, not 1", chain.number));
        }
        for section in &chain.sections {
            self.section(&file, *section)?;
        }
        let end = chain.end;
        self.files.push(file);
        self.chains.push(chain);
        Ok(end)
    }

    /// The next segment file, where there must be or is one.
    fn following(
        &mut self,
        opener: &Opener<'_>,
        first: &Path,
        end: End,
    ) -> Result<Option<Arc<ImageFile>>, ContainerError> {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX).saturating_add(1);
        let path = names::segment(first, number);
        let there = match &path {
            Some(path) => opener.exists(path)?,
            None => false,
        };
        match (end, path.filter(|_| there)) {
            (End::Done, Some(path)) => {
                if let Some(last) = self.files.last().cloned() {
                    let why = format!("the image ends here, yet {} exists", name(&path));
                    self.told(&last, last.len(), &why);
                }
                Ok(None)
            }
            (End::Next, None) => Err(ContainerError::MissingSegment {
                missing: names::segment(first, number)
                    .map_or_else(|| format!("{number} of {}", shown(first)), |path| shown(&path)),
            }),
            (_, Some(path)) => Ok(Some(opener.open(&path)?.file)),
            (_, None) => Ok(None),
        }
    }

    /// Reads a section that says something of the image as a whole.
    fn section(&mut self, file: &ImageFile, section: Section) -> Result<(), ContainerError> {
        let most = match section.kind {
            Kind::Header | Kind::Header2 => header::LARGEST,
            Kind::Volume => LARGEST_VOLUME,
            Kind::Hash | Kind::Digest => LARGEST_DIGESTS,
            _ => return Ok(()),
        };
        if section.kind.is_text() && section.len() > most {
            self.told(file, section.at, "the header is larger than any header");
            return Ok(());
        }
        let data = match read(file, section.data(), section.len().min(most)) {
            Ok(data) => data,
            Err(why) => {
                self.told(file, section.at, &why);
                return Ok(());
            }
        };
        let done = match section.kind {
            Kind::Volume => self.volume(file, &data)?,
            Kind::Hash | Kind::Digest => self.digests(section.kind, &data),
            _ => header::fields(&data).map(|fields| {
                for (name, value) in fields {
                    // The wide copy stands first and loses no character.
                    self.header.entry(name).or_insert(value);
                }
            }),
        };
        if let Err(why) = done {
            self.told(file, section.at, &why);
        }
        Ok(())
    }

    fn digests(&mut self, kind: Kind, data: &[u8]) -> Result<(), String> {
        let stated = digests::parse(kind, data)?;
        match digests::add(&mut self.digests, &stated) {
            true => Ok(()),
            false => Err("it states another digest than a section before it".to_owned()),
        }
    }

    /// The first sound copy counts; others must agree with it.
    fn volume(
        &mut self,
        file: &ImageFile,
        data: &[u8],
    ) -> Result<Result<(), String>, ContainerError> {
        let volume = match Volume::parse(data) {
            Ok(volume) => volume,
            Err(why) => return Ok(Err(why)),
        };
        match &self.volume {
            None => self.volume = Some(volume),
            Some(known)
                if !self.files.is_empty()
                    && (volume.is_of_another_set(known) || !known.agrees(&volume)) =>
            {
                let detail = "it belongs to another image".to_owned();
                return Err(ContainerError::WrongSegment { path: shown(file.path()), detail });
            }
            Some(known) if !known.agrees(&volume) => {
                return Ok(Err("it lays the image out in another way than before".to_owned()));
            }
            Some(_) => {}
        }
        Ok(Ok(()))
    }

    /// Reads the lists of sectors that the acquisition could not read.
    fn errors(&mut self, volume: &Volume) {
        for (number, section) in self.sections(|kind| kind == Kind::Error2) {
            let Some(file) = self.files.get(number).cloned() else { continue };
            let parsed = match section.len() <= error2::LARGEST {
                true => read(&file, section.data(), section.len())
                    .and_then(|data| error2::parse(&data, volume.sector_size)),
                false => Err("more acquisition errors than are read".to_owned()),
            };
            match parsed {
                Ok(ranges) => self.errors.extend(ranges),
                Err(why) => self.told(&file, section.at, &why),
            }
        }
    }

    fn sections(&self, wanted: impl Fn(Kind) -> bool) -> Vec<(usize, Section)> {
        let of = |(number, chain): (usize, &Chain)| {
            let sections = chain.sections.iter().filter(|section| wanted(section.kind));
            sections.map(|section| (number, *section)).collect::<Vec<_>>()
        };
        self.chains.iter().enumerate().flat_map(of).collect()
    }

    /// Every table in order, with the copy that follows it.
    fn tables(&mut self, volume: &Volume) -> Vec<Found> {
        let mut found = Vec::new();
        let sections = self.sections(|kind| matches!(kind, Kind::Table | Kind::Table2));
        let mut rest = sections.as_slice();
        let mut segment = 0;
        while let Some(((number, section), after)) = rest.split_first() {
            found.extend(self.breaks(segment, *number));
            segment = *number;
            let copy = after.first().filter(|(other, copy)| {
                (section.kind, copy.kind, *other) == (Kind::Table, Kind::Table2, *number)
            });
            rest = if copy.is_some() { after.get(1..).unwrap_or_default() } else { after };
            let copy = copy.map(|(_, copy)| *copy);
            let pair = match section.kind {
                Kind::Table => (Some(*section), copy),
                _ => (None, Some(*section)),
            };
            let Some(file) = self.files.get(*number).cloned() else { continue };
            let mut told = |at: u64, why: &str| self.problems.push(damage(&file, at, why));
            found.push(table::cross_checked(&file, *number, pair, volume.smart, &mut told));
        }
        found.extend(self.breaks(segment, self.chains.len()));
        found
    }

    /// A lost table for each chain that breaks off in these segments: what was behind is unknown.
    fn breaks(&self, from: usize, to: usize) -> impl Iterator<Item = Found> + use<> {
        let chains = self.chains.get(from..to).unwrap_or_default();
        let broken = chains.iter().filter(|chain| chain.end == End::Broken).count();
        std::iter::repeat_with(|| None).take(broken)
    }

    /// Gives each table the number of its first chunk: from the start up to the first that is
    /// lost, from the end back to the last that is.
    fn numbered(&mut self, found: Vec<Found>, volume: &Volume) -> Vec<(u64, Table)> {
        let total = volume.chunk_count();
        let counted: u64 =
            found.iter().flatten().map(|table| table.count).fold(0, u64::saturating_add);
        let lost = found.iter().any(Option::is_none);
        let stated = u64::from(volume.chunks);
        let wrong =
            (stated != total).then(|| format!("the volume states {stated} chunks for {total}"));
        let sums = if lost { counted <= total } else { counted == total };
        let more = (!sums).then(|| format!("the tables have {counted} chunks of {total}"));
        if let Some(file) = self.files.first().cloned() {
            for why in [wrong, more].into_iter().flatten() {
                self.told(&file, section::FILE_HEADER, &why);
            }
        }
        let behind = found.iter().rposition(Option::is_none);
        let before = found.iter().position(Option::is_none);
        let mut tables = Vec::new();
        let mut first = 0_u64;
        let mut last = total;
        let mut tail: Vec<(u64, Table)> = Vec::new();
        let count = found.len();
        let mut tables_of: Vec<Option<Table>> = found;
        for number in
            (0..count).rev().take_while(|number| behind.is_some_and(|lost| *number > lost))
        {
            let Some(table) = tables_of.get_mut(number).and_then(Option::take) else { break };
            let Some(start) = last.checked_sub(table.count) else { break };
            last = start;
            tail.push((start, table));
        }
        for table in tables_of.into_iter().take(before.unwrap_or(count)).flatten() {
            let end = first.saturating_add(table.count);
            if end > last {
                break;
            }
            tables.push((first, table));
            first = end;
        }
        tables.extend(tail.into_iter().rev().filter(|(start, _)| *start >= first));
        tables
    }
}

impl Kind {
    const fn is_text(self) -> bool {
        matches!(self, Self::Header | Self::Header2)
    }
}

fn name(path: &Path) -> String {
    shown(Path::new(path.file_name().unwrap_or_default()))
}
