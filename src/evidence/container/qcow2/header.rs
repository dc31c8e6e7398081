//! The header of a QCOW2 and what follows it: the layout, the features, the backing file's name.
//!
//! Source: QEMU, docs/interop/qcow2.txt, "Header", "Header extensions".

use std::path::Path;

use crate::bytes::{Block, ReadAt as _, Truncated};
use crate::evidence::container::raw::ImageFile;
use crate::evidence::container::{ContainerError, shown};

/// Bytes of the first cluster that are looked at.
const FIRST: u64 = 64 * 1024;
/// Most bytes of the name of a backing file.
const LONGEST_NAME: u32 = 1023;
/// Bytes of a header of version 2, and fewest of version 3.
const VERSION_2: u32 = 72;
const VERSION_3: u32 = 104;
/// The extension that states the format of the backing file, and the one that ends them.
const BACKING_FORMAT: u32 = 0xe279_2aca;
const END: u32 = 0;
/// Incompatible features by their bits.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN: u64 = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2;

const CONVERT: &str = "convert it with `qemu-img convert -O raw`";
const DECRYPT: &str = "decrypt it with `qemu-img convert -O raw` and its key";

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    /// Bytes of a cluster, as a power of two: 9 to 21.
    pub(super) cluster_bits: u32,
    /// Bytes of the medium.
    pub(super) size: u64,
    pub(super) l1_offset: u64,
    pub(super) l1_entries: u64,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) dirty: bool,
    pub(super) corrupt: bool,
    /// Compressed clusters are Zstandard frames.
    pub(super) zstd: bool,
    /// Entries of the second level have a bitmap of 32 parts.
    pub(super) extended: bool,
    /// The path that stands there for a backing file: told, never followed.
    pub(super) backing: Option<String>,
    /// The format that stands there for it.
    pub(super) backing_format: Option<String>,
}

impl Header {
    /// Reads it and refuses what is not read, by name.
    pub(super) fn read(file: &ImageFile) -> Result<Self, ContainerError> {
        let path = file.path();
        let size = file.len().min(FIRST);
        let mut first = vec![0; usize::try_from(size).unwrap_or_default()];
        let n = file.fill_at(0, &mut first).map_err(|error| ContainerError::read(path, &error))?;
        first.truncate(n);
        let block = Block::new(&first, 0);
        let short = |at: Truncated| ContainerError::damaged(path, at.at.0, "the header is cut off");
        let (fields, incompatible) = fields(&block, path).map_err(short)??;
        let features =
            features(&block, incompatible, path, fields.header_length).map_err(short)??;
        let mut header = Self {
            version: fields.version,
            cluster_bits: fields.cluster_bits,
            size: block.u64_be(24).map_err(short)?,
            l1_entries: u64::from(block.u32_be(36).map_err(short)?),
            l1_offset: block.u64_be(40).map_err(short)?,
            snapshots: block.u32_be(60).map_err(short)?,
            snapshots_offset: block.u64_be(64).map_err(short)?,
            dirty: incompatible & DIRTY != 0,
            corrupt: incompatible & CORRUPT != 0,
            zstd: features,
            extended: incompatible & EXTENDED_L2 != 0,
            backing: None,
            backing_format: None,
        };
        header.checked(path)?;
        header.backing = backing(file, &block).map_err(short)??;
        header.backing_format = extension(&block, fields.header_length, BACKING_FORMAT);
        Ok(header)
    }

    /// Refuses numbers with which nothing can be read.
    fn checked(&self, path: &Path) -> Result<(), ContainerError> {
        if i64::try_from(self.size).is_err() {
            let most = i64::MAX.unsigned_abs();
            return Err(ContainerError::TooLarge { path: shown(path), what: "medium", most });
        }
        if self.extended && self.cluster_bits < 14 {
            let why = "clusters of less than 16 KiB cannot have 32 parts";
            return Err(ContainerError::damaged(path, 20, why));
        }
        let within = self.l1_offset & self.cluster_size().saturating_sub(1);
        if within != 0 || (self.l1_offset == 0 && self.l1_entries > 0) {
            let why = format!("the L1 table at byte {} begins no cluster", self.l1_offset);
            return Err(ContainerError::damaged(path, 40, why));
        }
        Ok(())
    }

    /// Bytes of a cluster.
    pub(super) const fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of an L2 table, as a power of two.
    pub(super) const fn l2_bits(&self) -> u32 {
        self.cluster_bits.saturating_sub(if self.extended { 4 } else { 3 })
    }
}

/// What has to be known before the rest makes sense.
struct Fields {
    version: u32,
    cluster_bits: u32,
    header_length: u32,
}

type Checked<T> = Result<Result<T, ContainerError>, Truncated>;

/// The version and what depends on it, and the bits of incompatible features.
fn fields(block: &Block<'_>, path: &Path) -> Checked<(Fields, u64)> {
    let version = block.u32_be(4)?;
    let (header_length, incompatible) = match version {
        2 => (VERSION_2, 0),
        3 => (block.u32_be(100)?, block.u64_be(72)?),
        _ => return Ok(Err(refused(path, format!("version {version} of QCOW"), CONVERT))),
    };
    if version == 3 && header_length < VERSION_3 {
        let why = format!("it states a header of {header_length} bytes");
        return Ok(Err(ContainerError::damaged(path, 100, why)));
    }
    let cluster_bits = block.u32_be(20)?;
    if !(9..=21).contains(&cluster_bits) {
        let why = format!("it states clusters of 2 to the power of {cluster_bits} bytes");
        return Ok(Err(ContainerError::damaged(path, 20, why)));
    }
    let refusal = match block.u32_be(32)? {
        0 => return Ok(Ok((Fields { version, cluster_bits, header_length }, incompatible))),
        1 => refused(path, "AES encryption of QCOW2", DECRYPT),
        2 => refused(path, "LUKS encryption of QCOW2", DECRYPT),
        method => refused(path, format!("encryption method {method} of QCOW2"), DECRYPT),
    };
    Ok(Err(refusal))
}

/// Refuses features that are not read; true where compressed clusters are Zstandard frames.
fn features(block: &Block<'_>, bits: u64, path: &Path, header_length: u32) -> Checked<bool> {
    if bits & EXTERNAL_DATA != 0 {
        return Ok(Err(refused(path, "an external data file of QCOW2", CONVERT)));
    }
    if bits & !KNOWN != 0 {
        let unknown: Vec<String> = (0..64_u32)
            .filter(|bit| (bits & !KNOWN).checked_shr(*bit).unwrap_or_default() & 1 == 1)
            .map(|bit| bit.to_string())
            .collect();
        let what = format!("the incompatible feature of QCOW2 with bit {}", unknown.join(", "));
        return Ok(Err(refused(path, what, CONVERT)));
    }
    let compression = if header_length > VERSION_3 { block.u8(104)? } else { 0 };
    match (compression, bits & COMPRESSION != 0) {
        (0, false) => Ok(Ok(false)),
        (1, true) => Ok(Ok(true)),
        (0 | 1, _) => {
            let why = format!("compression type {compression} contradicts the feature bits");
            Ok(Err(ContainerError::damaged(path, 104, why)))
        }
        (other, _) => Ok(Err(refused(path, format!("compression type {other} of QCOW2"), CONVERT))),
    }
}

fn refused(path: &Path, what: impl Into<String>, advice: &'static str) -> ContainerError {
    ContainerError::Feature { path: shown(path), what: what.into(), advice }
}

/// The path that stands for a backing file.
fn backing(file: &ImageFile, block: &Block<'_>) -> Checked<Option<String>> {
    let (at, len) = (block.u64_be(8)?, block.u32_be(16)?);
    if at == 0 {
        return Ok(Ok(None));
    }
    if len > LONGEST_NAME {
        let why = format!("it states a backing file with a name of {len} bytes");
        return Ok(Err(ContainerError::damaged(file.path(), 16, why)));
    }
    let mut name = vec![0; usize::try_from(len).unwrap_or_default()];
    match file.fill_at(at, &mut name) {
        Ok(n) if n == name.len() => Ok(Ok(Some(String::from_utf8_lossy(&name).into_owned()))),
        // That there is one is what counts: without its parent an image is not read.
        Ok(_) | Err(_) => Ok(Ok(Some(String::new()))),
    }
}

/// The text of a header extension, where it is there.
fn extension(block: &Block<'_>, header_length: u32, wanted: u32) -> Option<String> {
    let mut at = usize::try_from(header_length).ok()?;
    for _ in 0..64 {
        let (kind, len) = (block.u32_be(at).ok()?, block.u32_be(at.checked_add(4)?).ok()?);
        let (data, len) = (at.checked_add(8)?, usize::try_from(len).ok()?);
        if kind == wanted && len <= 64 {
            let text = block.slice(data, len).ok()?;
            return Some(String::from_utf8_lossy(text.bytes()).into_owned());
        }
        if kind == END {
            return None;
        }
        at = data.checked_add(len)?.checked_next_multiple_of(8)?;
    }
    None
}
