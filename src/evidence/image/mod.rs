//! A disk image or block device as evidence: its container, its volumes, their objects.
//!
//! Opening reads the structures of the container and nothing of the medium; [`EvidenceSource::walk`]
//! reads the partition table and lists one volume after the other. Bytes that the container does
//! not vouch for make the objects that own them partial, never wrong.

mod carved;
mod loss;
mod open;
mod shared;
mod sniff;
mod walk;

pub use sniff::{HEAD as INSIDE_HEAD, Inside, TAIL as INSIDE_TAIL, inside, may_be_inside};
pub use walk::{HOLES_OF_ALL, HOLES_OF_ONE};

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::container::{self, Computed, Container, Facts, ImageDigest, OpenOptions, Verdict};
pub use super::container::{Beside, ContainerError as ImageError, Digesting};
use super::filesystem;
use super::{EvidenceSource, Located, Walked};
use crate::bytes::ReadAt;
use crate::digest::{Algorithm, Digests, Selection};
use crate::item::{AllocStatus, Item, ObjectPath, OrderKey, escape};
use crate::problem::Problem;
use crate::sys::{Kernel, OpenedAs};

/// How an image is read.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// Somebody consented, with a stated reason, to changed access times and mounted devices.
    pub accept_alteration: bool,
    /// A list of sectors that the maker of the image could not read.
    pub bad_map: Option<PathBuf>,
    /// Files that the operator named as parents of differencing images.
    pub parents: Vec<PathBuf>,
    /// How file systems are read.
    pub filesystem: filesystem::Options,
    /// Whether space that no object owns is searched for objects.
    pub carve: bool,
    /// The way to the kernel; tests put a seam in.
    pub kernel: Kernel,
}

/// An image that may be read as evidence.
pub struct Image {
    container: Arc<Container>,
    media: Arc<loss::Watched>,
    options: filesystem::Options,
    carve: bool,
}

/// What comparing the digests of an image gave.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Digests computed of the whole medium; none where not every byte was read.
    pub computed: Digests,
    /// What comparing them gave.
    pub verdict: Verdict,
    /// Why it is no match; empty where it is.
    pub why: String,
    /// The first bytes that could not be read, so that nothing was compared.
    pub unread: Option<Problem>,
}

/// Where an image inside evidence was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path of its file.
    pub path: ObjectPath,
    /// The key of its file.
    pub key: OrderKey,
    /// Whether its file exists, or the one that its file lies in.
    pub alloc: AllocStatus,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.container.fmt(f)
    }
}

impl Image {
    /// Opens an image or block device; reads the structures of its container.
    ///
    /// # Errors
    /// As [`Container::open`]: nothing was altered.
    pub fn open(path: &Path, options: &ImageOptions) -> Result<Self, ImageError> {
        let container = Container::open(
            path,
            &OpenOptions {
                accept_alteration: options.accept_alteration,
                bad_map: options.bad_map.clone(),
                parents: options.parents.clone(),
                kernel: options.kernel.clone(),
            },
        )?;
        Ok(Self::of(container, options.carve, &options.filesystem))
    }

    /// Opens an image that was found inside evidence.
    ///
    /// # Errors
    /// As [`Container::open_inside`].
    pub fn open_inside(
        name: &Path,
        first: (u64, Arc<dyn ReadAt>),
        beside: &dyn Beside,
        carve: bool,
        options: &filesystem::Options,
    ) -> Result<Self, ImageError> {
        Ok(Self::of(Container::open_inside(name, first, beside)?, carve, options))
    }

    fn of(container: Container, carve: bool, options: &filesystem::Options) -> Self {
        let container = Arc::new(container);
        let media = Arc::new(loss::Watched::new(&container));
        Self { container, media, options: options.clone(), carve }
    }

    /// What its container says of itself.
    pub fn facts(&self) -> &Facts {
        self.container.facts()
    }

    /// Bytes of the medium.
    pub fn len(&self) -> u64 {
        self.media.len()
    }

    /// True for a medium without a byte.
    pub fn is_empty(&self) -> bool {
        self.media.is_empty()
    }

    /// Digests that the image states of itself and those that were supplied.
    pub fn expected(&self, supplied: Option<ImageDigest>) -> Vec<ImageDigest> {
        let stored = |algorithm: &Algorithm| {
            let digest = self.facts().stored.get(*algorithm)?;
            Some(ImageDigest { algorithm: *algorithm, digest })
        };
        Algorithm::ALL.iter().filter_map(stored).chain(supplied).collect()
    }

    /// The digests to compute where these are to be compared with: theirs, MD5 and SHA-1.
    pub fn computed(expected: &[ImageDigest]) -> Selection {
        let always = Selection::only(Algorithm::Md5).with(Algorithm::Sha1);
        expected.iter().fold(always, |all, one| all.with(one.algorithm))
    }

    /// Reads the whole medium as the image keeps it and compares its digests.
    ///
    /// - `expected`: from [`Image::expected`].
    /// - `digesting`: computes those of [`Image::computed`].
    /// - `progress`: bytes done so far.
    pub fn verify(
        &self,
        expected: &[ImageDigest],
        digesting: Box<dyn Digesting + '_>,
        cancel: &AtomicBool,
        progress: &AtomicU64,
    ) -> Verified {
        let passage = self.container.passage();
        let computed = container::compute_by(&*passage, digesting, cancel, progress);
        let (verdict, why) = container::compare(&computed, expected);
        let (computed, unread) = match computed {
            Computed::Whole(digests) => (digests, None),
            Computed::Incomplete(problem) => (Digests::default(), Some(problem)),
            Computed::Stopped => (Digests::default(), None),
        };
        Verified { computed, verdict, why, unread }
    }

    /// True where verifying it and reading its objects gain by staying together.
    pub fn is_shared(&self) -> bool {
        self.container.is_shared()
    }

    /// Gives every object of an image that was found inside evidence, as [`EvidenceSource::walk`]
    /// does of evidence. Its objects have their paths and keys inside those of its file; what is
    /// wrong with its medium has the key of the file.
    pub fn walk_inside(
        &self,
        at: &Found,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Walked {
        self.walk_at(walk::Root::Inside(at), cancel, emit)
    }

    fn walk_at(
        &self,
        root: walk::Root<'_>,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Walked {
        let media: Arc<dyn ReadAt> = Arc::<loss::Watched>::clone(&self.media);
        let walk = walk::Walk {
            media: &media,
            sector_size: u32::try_from(self.facts().sector_size).unwrap_or(512),
            options: &self.options,
            carve: self.carve,
            root,
            cancel,
            emit,
        };
        let mut walked = walk.run();
        let (key, path) = (root.key(), root.path().text());
        let located = |problem: &Problem| Located {
            key: key.clone(),
            path: path.clone(),
            problem: problem.clone(),
        };
        walked.problems.splice(0..0, self.container.problems().iter().map(located));
        // What a lost image did not give says nothing of it: the run stops, to be taken up.
        walked.stopped |= self.is_lost();
        walked
    }

    /// What changed in the image's files since they were opened.
    pub fn changes(&self) -> Vec<Problem> {
        self.container.changes()
    }
}

impl EvidenceSource for Image {
    fn walk(
        &self,
        number: u32,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Walked {
        self.walk_at(walk::Root::Evidence(number), cancel, emit)
    }

    fn image(&self) -> Option<&Image> {
        Some(self)
    }

    fn format(&self) -> String {
        self.facts().format.to_string()
    }

    fn identity(&self) -> String {
        let facts = self.facts();
        let device = facts.device.as_ref().map(|device| {
            let named = [("model", &device.model), ("serial", &device.serial)];
            let named = named.into_iter().filter(|(_, value)| !value.is_empty());
            named
                .map(|(name, value)| format!(" {name} {}", escape::cell(value.as_bytes())))
                .collect()
        });
        let device: String = device.unwrap_or_default();
        let stored = Algorithm::ALL.iter().filter_map(|algorithm| {
            facts.stored.get(*algorithm).map(|digest| format!(" {algorithm}:{digest}"))
        });
        let stored: String = stored.collect();
        format!("{} {} bytes{device}{stored}", facts.format, facts.media_size)
    }

    fn place(&self) -> String {
        self.container.identity().replace('\n', "; ")
    }

    fn facts(&self) -> Vec<(String, String)> {
        let facts = Self::facts(self);
        let mut all = vec![
            ("media_bytes".to_owned(), facts.media_size.to_string()),
            ("sector_size".to_owned(), facts.sector_size.to_string()),
            ("segments".to_owned(), facts.segments.len().to_string()),
            ("acquisition_error_bytes".to_owned(), facts.acquisition_errors.bytes().to_string()),
            ("bad_sector_bytes".to_owned(), facts.bad_sectors.bytes().to_string()),
        ];
        let texts = |prefix: &'static str, from: &std::collections::BTreeMap<String, String>| {
            let name =
                |(name, value): (&String, &String)| (format!("{prefix}{name}"), value.clone());
            from.iter().map(name).collect::<Vec<_>>()
        };
        let parents = facts.parents.iter().enumerate().map(|(n, path)| {
            let path = escape::cell(path.as_os_str().as_encoded_bytes());
            (format!("parent_{}", n.saturating_add(1)), path)
        });
        all.extend(parents);
        all.extend(texts("container_", &facts.details));
        all.extend(texts("header_", &facts.header));
        if let Some(device) = &facts.device {
            let read_only = device.read_only.map(|flag| flag.to_string());
            all.extend([
                ("device_model".to_owned(), device.model.clone()),
                ("device_serial".to_owned(), device.serial.clone()),
                ("kernel_read_only".to_owned(), read_only.unwrap_or_default()),
            ]);
        }
        all
    }

    fn access(&self) -> String {
        let access = Self::facts(self).access;
        access.map_or_else(|| "plain".to_owned(), |access| access.to_string())
    }

    fn is_lost(&self) -> bool {
        self.media.lost().is_some()
    }

    fn lost(&self) -> Option<String> {
        self.media.lost().cloned()
    }

    fn opened(&self) -> String {
        let segments = &Self::facts(self).segments;
        let plain = segments.iter().filter(|one| one.opened_as == OpenedAs::Plain).count();
        let noatime = segments.len().saturating_sub(plain);
        format!("opened_noatime={noatime};opened_plain={plain}")
    }
}
