//! Containers of disk images: from the path that the operator named to the bytes of the medium.
//!
//! [`Container::open`] looks at the content, never at the extension alone, opens every segment
//! through `sys` without changing it, and checks the structure. What it gives is immutable and read
//! by any number of threads. Nothing is followed out of what was named but the further segments,
//! by their exact names in the same folder, and the parents of an image that keeps differences:
//! files that the operator named, or of the stated name in the same folder.
//!
//! The input is untrusted: every number read from it is checked before it is used. Bytes that the
//! image's own check sums do not vouch for are not given: reading them is an error that says which
//! they are.

mod bad_map;
mod cache;
mod digest;
mod error;
mod ewf;
mod holes;
mod inflate;
mod layer;
mod mapped;
mod opener;
mod pages;
mod parent;
mod passage;
mod qcow2;
mod raw;
mod sniff;
mod split;
mod vhd;
mod vhdx;
mod vmdk;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::digest::Digests;
use crate::evidence::folder::Access;
use crate::item::{Timestamp, escape};
use crate::problem::{Code, Problem, Stage, words};
use crate::sys::{Device, Errno, FileKind, Kernel, OpenedAs, Stat, symbol};

pub use digest::{Computed, Digesting, ImageDigest, Verdict, compare, compute, compute_by};
pub use error::ContainerError;
pub use holes::Ranges;
pub use opener::Beside;
pub use raw::ImageFile;
pub use sniff::{Told, told_inside};

use opener::{Opened, Opener};
use passage::Accompanied;
use sniff::{Sniffed, WINDOW, sniff};

words! {
    /// How a medium is kept.
    Format {
        /// Byte for byte in one file, or the device itself.
        Raw = "raw",
        /// Byte for byte, cut into segments.
        SplitRaw = "split raw",
        /// Expert Witness Format, version 1: E01, S01.
        Ewf = "ewf",
        /// Virtual Hard Disk of Microsoft: fixed, dynamic or differencing.
        Vhd = "vhd",
        /// Virtual Hard Disk, second format.
        Vhdx = "vhdx",
        /// QEMU copy-on-write, versions 2 and 3.
        Qcow2 = "qcow2",
        /// VMware virtual disk, hosted: flat, sparse, stream-optimised, in one or several files.
        Vmdk = "vmdk",
    }
}

/// How an image is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Somebody consented, with a stated reason, to changed access times and mounted devices.
    pub accept_alteration: bool,
    /// A list of sectors that the maker of the image could not read.
    pub bad_map: Option<PathBuf>,
    /// Files that the operator named as parents of differencing images.
    pub parents: Vec<PathBuf>,
    /// The way to the kernel; tests put a seam in.
    pub kernel: Kernel,
}

/// One file of an image, or a device, and what tells whether it is still the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The path it was opened by.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Number of the device it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// With or without `O_NOATIME`.
    pub opened_as: OpenedAs,
}

/// What is known of an image, for the record of the run. Texts come from the image: hostile.
#[derive(Debug, Clone)]
pub struct Facts {
    /// How the medium is kept.
    pub format: Format,
    /// What the container says of how it was made: compression, chunk size, kind of medium.
    pub details: BTreeMap<String, String>,
    /// Case number, examiner, acquisition date and so on, as stored.
    pub header: BTreeMap<String, String>,
    /// Bytes of the medium.
    pub media_size: u64,
    /// Bytes of a sector: the container's or the device's word, else 512.
    pub sector_size: u64,
    /// Digests of the medium that the image states.
    pub stored: Digests,
    /// Every file of it, in order.
    pub segments: Vec<Segment>,
    /// The parents that were taken, from the image's own to the last; among the segments too.
    pub parents: Vec<PathBuf>,
    /// What the acquisition could not read, by the image's own list.
    pub acquisition_errors: Ranges,
    /// What could not be read, by the supplied list.
    pub bad_sectors: Ranges,
    /// The device, where it is one.
    pub device: Option<Device>,
    /// Why reading changes no access time; `None` for a device opened without `O_NOATIME`.
    pub access: Option<Access>,
}

/// A medium that was opened: positional reads of its bytes.
pub struct Container {
    media: Arc<dyn ReadAt>,
    stored: Arc<dyn ReadAt>,
    /// The stored bytes again, where it is worth keeping what is inflated of them.
    accompanied: Option<Arc<Accompanied>>,
    files: Vec<Arc<ImageFile>>,
    facts: Facts,
    problems: Vec<Problem>,
}

/// What a format's reader gives.
struct Parts {
    stored: Arc<dyn ReadAt>,
    /// Bytes of a block that costs much to read, such as a compressed one.
    block: Option<u64>,
    format: Format,
    details: BTreeMap<String, String>,
    header: BTreeMap<String, String>,
    sector_size: Option<u64>,
    digests: Digests,
    acquisition_errors: Ranges,
    files: Vec<Arc<ImageFile>>,
    problems: Vec<Problem>,
}

impl Container {
    /// Opens the image or block device that the operator named.
    ///
    /// # Errors
    /// Where it cannot be opened without altering it, is of a kind that is not read, lacks a
    /// segment, or makes no sense at all. Damage that leaves something to read is no error:
    /// [`Container::problems`] has it.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, ContainerError> {
        let opener = Opener::new(options);
        let first = opener.open(path)?;
        opener.add_to_chain(&first);
        Self::opened(&opener, first, options.bad_map.as_deref())
    }

    /// Opens an image that lies inside evidence, from the bytes of its first file.
    ///
    /// - `name`: of that file in its folder; no path is opened by it.
    /// - `number`: tells it from the files beside it.
    /// - `beside`: where further segments, extents and parents are looked for, and nowhere else.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub fn open_inside(
        name: &Path,
        (number, bytes): (u64, Arc<dyn ReadAt>),
        beside: &dyn Beside,
    ) -> Result<Self, ContainerError> {
        let opener = Opener::inside(beside);
        let first = Opened::inside(bytes, name.to_owned(), number);
        opener.add_to_chain(&first);
        Self::opened(&opener, first, None)
    }

    fn opened(
        opener: &Opener<'_>,
        first: Opened,
        bad_map: Option<&Path>,
    ) -> Result<Self, ContainerError> {
        let (access, device) = (first.access, first.device.clone());
        let parts = parts(opener, first)?;
        let sector_size = device.as_ref().and_then(|device| device.sector_size);
        let sector_size = parts.sector_size.or(sector_size).unwrap_or(512);
        let len = parts.stored.len();
        let bad_sectors = match bad_map {
            Some(list) => {
                let text = opener.read_whole(list, bad_map::LARGEST)?;
                bad_map::parse(&text, sector_size, len).map_err(|(line, detail)| {
                    ContainerError::BadMap { path: shown(list), line, detail }
                })?
            }
            None => Ranges::default(),
        };
        let facts = Facts {
            format: parts.format,
            details: parts.details,
            header: parts.header,
            media_size: len,
            sector_size,
            stored: parts.digests,
            segments: parts.files.iter().filter_map(|file| segment(file)).collect(),
            parents: opener.parents(),
            acquisition_errors: parts.acquisition_errors,
            bad_sectors,
            device,
            access,
        };
        let Parts { stored, block, files, problems, .. } = parts;
        let accompanied = block.and_then(|block| Accompanied::new(&stored, block)).map(Arc::new);
        let stored = match &accompanied {
            Some(accompanied) => Arc::<Accompanied>::clone(accompanied),
            None => stored,
        };
        let media = masked(&stored, &facts);
        Ok(Self { media, stored, accompanied, files, facts, problems })
    }

    /// What is known of it.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is wrong with it as a whole although it can be read; offsets are bytes of the medium
    /// where there are any.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The bytes of the medium; those that nobody vouches for are errors.
    pub fn media(&self) -> Arc<dyn ReadAt> {
        Arc::clone(&self.media)
    }

    /// The bytes as the image keeps them, what filled unreadable sectors included: what a digest
    /// of the image is a digest of, and nothing else.
    pub fn stored(&self) -> Arc<dyn ReadAt> {
        Arc::clone(&self.stored)
    }

    /// The same bytes for one who reads all of them in their order; until it is dropped, what costs
    /// much to read is shared with those who read beside.
    pub fn passage(&self) -> Box<dyn ReadAt + '_> {
        match self.accompanied.as_ref().and_then(|accompanied| accompanied.begin()) {
            Some(passage) => Box::new(passage),
            None => Box::new(self.stored()),
        }
    }

    /// True where a passage and those who read beside it gain by staying together.
    pub const fn is_shared(&self) -> bool {
        self.accompanied.is_some()
    }

    /// What tells this image from others and from a changed one, a line a segment, for resuming.
    pub fn identity(&self) -> String {
        let line = |segment: &Segment| {
            let Segment { size, device, inode, modified, .. } = segment;
            format!("device {device} inode {inode} size {size} modified {modified}")
        };
        self.facts.segments.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Why a file of the image, or its device, is not there any more; `None` where all are.
    pub fn gone(&self) -> Option<String> {
        if let Some(device) = &self.facts.device
            && !device.is_listed()
        {
            return Some(format!("device {}: {}", device.number, symbol(Errno::NODEV)));
        }
        let told = |file: &Arc<ImageFile>| {
            let error = match file.stat_now()? {
                Ok(_) if file.is_unplugged() => Errno::NODEV,
                Ok(_) => return None,
                Err(error) => error,
            };
            Some(format!("{}: {}", shown(file.path()), symbol(error)))
        };
        self.files.iter().find_map(told)
    }

    /// Lets time pass, as the way to the kernel does it.
    pub fn wait(&self, time: std::time::Duration) {
        if let Some(file) = self.files.first() {
            file.wait(time);
        }
    }

    /// What changed in the image's files since they were opened; asked when reading has ended.
    pub fn changes(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for file in &self.files {
            let before = file.stat().filter(|stat| stat.kind == FileKind::File);
            let (Some(before), Some(now)) = (before, file.stat_now()) else { continue };
            let told = match now {
                Ok(now) if is_still(before, &now) => continue,
                Ok(_) => "was written while it was read".to_owned(),
                Err(error) => format!("asking whether it was still: {}", symbol(error)),
            };
            let detail = format!("{}: {told}", shown(file.path()));
            problems.push(Problem::new(Code::ChangedDuringRead, Stage::Container, detail));
        }
        problems
    }
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl ReadAt for Container {
    fn len(&self) -> u64 {
        self.media.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.media.read_at(at, buf)
    }

    fn announce(&self, at: u64, bytes: u64) {
        self.media.announce(at, bytes);
    }
}

/// What the file is, by its first and last bytes. Bytes that cannot be read tell nothing.
fn told(opened: &Opened) -> Result<Sniffed, ContainerError> {
    let file = &opened.file;
    let mut head = vec![0; WINDOW];
    let mut tail = vec![0; WINDOW];
    let last = file.len().saturating_sub(u64::try_from(WINDOW).unwrap_or(0));
    let read = |at: u64, buf: &mut Vec<u8>| match file.fill_at(at, buf) {
        Ok(n) => {
            buf.truncate(n);
            Ok(())
        }
        Err(error) if crate::bytes::Unreadable::of(&error).is_some() => {
            buf.clear();
            Ok(())
        }
        Err(error) => Err(ContainerError::read(file.path(), &error)),
    };
    read(0, &mut head)?;
    read(last, &mut tail)?;
    Ok(sniff(&head, &tail))
}

/// Reads what was opened as the format that its content tells.
fn parts(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let path = first.file.path().to_owned();
    match told(&first)? {
        Sniffed::Refused(format, advice) => {
            Err(ContainerError::Unsupported { path: shown(&path), format, advice })
        }
        Sniffed::Ewf => ewf::open(opener, first),
        Sniffed::Vhd => vhd::open(opener, first),
        Sniffed::Vhdx => vhdx::open(opener, first),
        Sniffed::Qcow2 => qcow2::open(opener, first),
        Sniffed::Vmdk => vmdk::open(opener, first),
        Sniffed::Raw if first.device.is_some() => Ok(raw(first)),
        Sniffed::Raw => match split::segments(opener, &path)? {
            more if more.is_empty() => Ok(raw(first)),
            all => split_raw(opener, first, &all),
        },
    }
}

fn raw(first: Opened) -> Parts {
    let stored: Arc<dyn ReadAt> = Arc::<ImageFile>::clone(&first.file);
    Parts::plain(Format::Raw, stored, vec![first.file])
}

fn split_raw(opener: &Opener<'_>, first: Opened, all: &[PathBuf]) -> Result<Parts, ContainerError> {
    let mut files = vec![first.file];
    for path in all.iter().skip(1) {
        files.push(opener.open(path)?.file);
    }
    let stored = Arc::new(split::SplitRaw::new(&files)?);
    Ok(Parts::plain(Format::SplitRaw, stored, files))
}

impl Parts {
    /// A medium about which its container says nothing.
    fn plain(format: Format, stored: Arc<dyn ReadAt>, files: Vec<Arc<ImageFile>>) -> Self {
        Self {
            stored,
            block: None,
            format,
            details: BTreeMap::new(),
            header: BTreeMap::new(),
            sector_size: None,
            digests: Digests::default(),
            acquisition_errors: Ranges::default(),
            files,
            problems: Vec::new(),
        }
    }
}

/// What shows through an image that keeps differences; its files and problems go to that image's.
fn beneath(parent: Parts, image: &mut Parts) -> Arc<dyn ReadAt> {
    let Parts { stored, acquisition_errors: ranges, files, problems, .. } = parent;
    image.files.extend(files);
    image.problems.extend(problems);
    if ranges.as_slice().is_empty() {
        return stored;
    }
    let detail = "the parent lists these sectors as not read at acquisition";
    Arc::new(holes::Masked { whole: stored, ranges, code: Code::AcquisitionError, detail })
}

/// The medium without what was never read from it.
fn masked(stored: &Arc<dyn ReadAt>, facts: &Facts) -> Arc<dyn ReadAt> {
    let mask = |whole: Arc<dyn ReadAt>, ranges: &Ranges, code, detail| -> Arc<dyn ReadAt> {
        if ranges.as_slice().is_empty() {
            return whole;
        }
        Arc::new(holes::Masked { whole, ranges: ranges.clone(), code, detail })
    };
    let whole = mask(
        Arc::clone(stored),
        &facts.acquisition_errors,
        Code::AcquisitionError,
        "the image lists these sectors as not read at acquisition",
    );
    let listed = "the supplied list says that these sectors were not read";
    mask(whole, &facts.bad_sectors, Code::BadSectors, listed)
}

fn segment(file: &ImageFile) -> Option<Segment> {
    let Stat { device, inode, modified, .. } = *file.stat()?;
    let (path, size, opened_as) = (file.path().to_owned(), file.len(), file.opened_as()?);
    Some(Segment { path, size, device, inode, modified, opened_as })
}

/// True where two looks at a file saw the same content, as far as its times and size tell.
fn is_still(before: &Stat, now: &Stat) -> bool {
    (before.size, before.modified, before.changed) == (now.size, now.modified, now.changed)
}

/// A path as it stands in messages and reports: one inert line.
fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    escape::cell(path.as_os_str().as_bytes())
}
