//! The chain of sections of one EWF segment file.
//!
//! A file begins with 13 bytes: signature, a 1, the segment's number, two zeros. Sections follow;
//! each begins with a descriptor of 76 bytes: its type, where the next one begins, its size, and an
//! Adler-32 of these. The chain must go forward, so it ends; a descriptor whose check sum fails is
//! passed where the one it points to, by either number, is sound.
//!
//! Source: libewf documentation, "Expert Witness Compression Format (EWF)", sections 2 and 3.

use crate::bytes::{Block, ReadAt, Unreadable};
use crate::evidence::container::raw::ImageFile;
use crate::problem::{Code, Problem, Stage};

/// Bytes of a section's descriptor.
pub(super) const DESCRIPTOR: u64 = 76;
/// Bytes before the first section.
pub(super) const FILE_HEADER: u64 = 13;
/// Sections of one file; 1 TB with 512 MB a table has 6,000.
const MOST_SECTIONS: usize = 1 << 18;
/// How an EWF file begins.
const SIGNATURE: [u8; 8] = *b"EVF\x09\x0d\x0a\xff\x00";

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header,
    Header2,
    /// `volume`, `disk` or `data`: three names of one structure.
    Volume,
    Table,
    Table2,
    Hash,
    Digest,
    Error2,
    Next,
    Done,
    /// Files without a disk: `ltree`, `ltypes`.
    Logical,
    /// Known and of no use here, or unknown.
    Other,
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        match name {
            b"header" => Self::Header,
            b"header2" => Self::Header2,
            b"volume" | b"disk" | b"data" => Self::Volume,
            b"table" => Self::Table,
            b"table2" => Self::Table2,
            b"hash" => Self::Hash,
            b"digest" => Self::Digest,
            b"error2" => Self::Error2,
            b"next" => Self::Next,
            b"done" => Self::Done,
            b"ltree" | b"ltypes" => Self::Logical,
            _ => Self::Other,
        }
    }
}

/// A section: where its descriptor and its data lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: Kind,
    /// Where the descriptor begins.
    pub(super) at: u64,
    /// Where the data ends.
    pub(super) end: u64,
}

impl Section {
    /// Where the data begins.
    pub(super) const fn data(&self) -> u64 {
        self.at.saturating_add(DESCRIPTOR)
    }

    /// Bytes of data.
    pub(super) const fn len(&self) -> u64 {
        self.end.saturating_sub(self.data())
    }
}

/// How a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The image ends in this file.
    Done,
    /// Another file follows.
    Next,
    /// It breaks off.
    Broken,
}

/// The sections of a file, and what is wrong with the chain.
#[derive(Debug)]
pub(super) struct Chain {
    /// The number the file gives itself.
    pub(super) number: u16,
    pub(super) sections: Vec<Section>,
    pub(super) end: End,
}

struct Descriptor {
    kind: Kind,
    next: u64,
    size: u64,
    sound: bool,
}

impl Descriptor {
    /// `None` where fewer than 76 bytes are there.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let block = Block::new(bytes, 0);
        let name = block.array::<16>(0).ok()?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let sound = adler(bytes.get(..72)?) == block.u32_le(72).ok()?;
        let (next, size) = (block.u64_le(16).ok()?, block.u64_le(24).ok()?);
        Some(Self { kind: Kind::of(name), next, size, sound })
    }
}

/// Adler-32 as RFC 1950 defines it.
pub(super) fn adler(bytes: &[u8]) -> u32 {
    simd_adler32::adler32(&bytes)
}

/// True where a file holds a sound section where the first one stands, whatever is before it.
pub(in crate::evidence::container) fn starts_with_section(head: &[u8]) -> bool {
    head.get(13..89).and_then(Descriptor::parse).is_some_and(|found| found.sound)
}

/// A problem of the image's structure, at a place of a segment file.
pub(super) fn damage(file: &ImageFile, at: u64, detail: &str) -> Problem {
    use std::os::unix::ffi::OsStrExt as _;
    let name = file.path().file_name().unwrap_or_default().as_bytes();
    let name = crate::item::escape::cell(name);
    let detail = format!("{name} at byte {at}: {detail}");
    Problem::new(Code::ImageDamaged, Stage::Container, detail)
}

/// Reads `len` bytes at `at`, which the caller has checked against what may be there at most.
pub(super) fn read(file: &ImageFile, at: u64, len: u64) -> Result<Vec<u8>, String> {
    if at.checked_add(len).is_none_or(|end| end > file.len()) {
        return Err(format!("{len} bytes are needed, the file ends at byte {}", file.len()));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| "too large".to_owned())?];
    match file.fill_at(at, &mut bytes) {
        Ok(n) if n == bytes.len() => Ok(bytes),
        Ok(n) => Err(format!("{len} bytes are needed, {n} came")),
        Err(error) => Err(match Unreadable::of(&error) {
            Some(hole) => hole.detail.clone(),
            None => format!("reading: {error}"),
        }),
    }
}

/// Follows the chain of one file. What is wrong with it is told, and it goes as far as it is sound.
pub(super) fn walk(file: &ImageFile, problems: &mut Vec<Problem>) -> Chain {
    let mut told = |at, detail: &str| problems.push(damage(file, at, detail));
    let number = file_header(file, &mut told);
    let mut chain = Chain { number, sections: Vec::new(), end: End::Broken };
    let mut at = FILE_HEADER;
    loop {
        if chain.sections.len() >= MOST_SECTIONS {
            told(at, "more sections than any image has; the rest is not read");
            return chain;
        }
        let found = match read(file, at, DESCRIPTOR) {
            Ok(bytes) => Descriptor::parse(&bytes),
            Err(why) => {
                told(at, &format!("a section is expected: {why}"));
                return chain;
            }
        };
        let Some(found) = found else { return chain };
        if !found.sound {
            told(at, "the Adler-32 of a section's descriptor does not hold");
        }
        let ends = matches!(found.kind, Kind::Next | Kind::Done);
        let next = if ends && found.sound { None } else { next(file, at, &found) };
        let span = next.unwrap_or(file.len()).max(at);
        let stated = at.saturating_add(found.size);
        let end = if found.size >= DESCRIPTOR && stated <= span { stated } else { span };
        chain.sections.push(Section { kind: found.kind, at, end });
        match (next, found.kind) {
            (Some(next), _) => at = next,
            (None, Kind::Next) => chain.end = End::Next,
            (None, Kind::Done) => chain.end = End::Done,
            (None, _) => told(at, "the chain of sections breaks off or leads backwards"),
        }
        if next.is_none() {
            return chain;
        }
    }
}

/// Where the next section begins: as the descriptor says, else where it would begin by its size.
/// A descriptor that is not sound is believed only where it leads to one that is.
fn next(file: &ImageFile, at: u64, found: &Descriptor) -> Option<u64> {
    let by_size = at.checked_add(found.size).filter(|_| found.size >= DESCRIPTOR);
    let forward = |next: &u64| *next >= at.saturating_add(DESCRIPTOR) && *next < file.len();
    let sound = |next: &u64| {
        let bytes = read(file, *next, DESCRIPTOR).ok();
        bytes.and_then(|bytes| Descriptor::parse(&bytes)).is_some_and(|found| found.sound)
    };
    let candidates = [Some(found.next), by_size].into_iter().flatten().filter(forward);
    let followed = candidates.clone().find(sound);
    followed.or_else(|| candidates.clone().next().filter(|_| found.sound))
}

/// Checks the 13 bytes before the sections; gives the segment's number.
fn file_header(file: &ImageFile, told: &mut impl FnMut(u64, &str)) -> u16 {
    let bytes = match read(file, 0, FILE_HEADER) {
        Ok(bytes) => bytes,
        Err(why) => {
            told(0, &why);
            return 0;
        }
    };
    let block = Block::new(&bytes, 0);
    if !bytes.starts_with(&SIGNATURE) {
        told(0, "the signature is not that of an EWF file");
    }
    if (block.u8(8), block.u16_le(11)) != (Ok(1), Ok(0)) {
        told(8, "the fields around the segment's number are not 1 and 0");
    }
    block.u16_le(9).unwrap_or_default()
}
