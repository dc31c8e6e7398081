//! The frame of a compiled file: header, directory of sections, padding, end.
//!
//! ```text
//! 0   magic (8)  version u32  header length u32  file length u64  sections u32  0 u32
//! 32  a section: kind u32  algorithm u32  offset u64  length u64  items u64  BLAKE3 (32)
//!     ... as often as stated
//!     BLAKE3 of all bytes before it: the root, which names the file
//! ... sections in the order of the directory, each at the next multiple of 64, zeros between
//! end file length u64  magic backwards (8)
//! ```
//! Numbers are little-endian. There is exactly one way to lay given sections out, and nothing else
//! is opened: a byte that belongs to no section is a zero that is looked at.

use crate::digest::Algorithm;
use crate::hashset::encoding::wide;
use crate::problem::words;

/// First bytes; line ends of both sorts show a file that was copied as text.
pub(super) const MAGIC: [u8; 8] = *b"\x89AHS\r\n\x1a\n";
/// The only version there is.
pub(super) const VERSION: u32 = 1;
/// Every section starts at a multiple of this: a line of the processor's cache.
pub(super) const ALIGN: u64 = 64;
/// Bytes before the directory.
pub(super) const FIXED: usize = 32;
/// Bytes of one section in the directory.
const ENTRY: usize = 64;
/// Bytes of a BLAKE3.
const ROOT: usize = 32;
/// Bytes at the end.
const TRAILER: usize = 16;
/// More sections than any file has.
const MOST_SECTIONS: u32 = 64;

words! {
    /// What a section holds.
    pub(super) SectionKind {
        /// Where the set comes from and how the other sections are read, as JSON.
        About = "about",
        /// The leading 64 bits of digests, in their order, with free slots between.
        Hot = "hot",
        /// For each slot the rest of the digest and its record.
        Cold = "cold",
        /// Records of digests that have several.
        Groups = "groups",
        /// One row an entry, all of one length.
        Records = "records",
        /// Texts: length and bytes.
        Strings = "strings",
        /// Perceptual hashes, all of one length.
        Perceptual = "perceptual",
        /// PhotoDNA hashes.
        Photodna = "photodna",
    }
}

impl SectionKind {
    fn number(self) -> u32 {
        let at = Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0);
        u32::try_from(at).unwrap_or(0).saturating_add(1)
    }

    fn of(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
    }
}

/// One section of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: SectionKind,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) items: u64,
    pub(super) blake3: [u8; 32],
}

impl Section {
    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        let of = self.algorithm.map(|algorithm| format!(" of {algorithm}")).unwrap_or_default();
        format!("section {}{of}", self.kind)
    }

    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// The frame of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) file_len: u64,
    pub(super) sections: Vec<Section>,
    /// BLAKE3 of the header; it covers the digests of all sections.
    pub(super) root: [u8; 32],
}

/// What is wrong with a frame, and where in the file.
pub(super) type Wrong = (u64, String);

impl Frame {
    /// Lays sections out and gives the header's bytes.
    pub(super) fn lay_out(mut sections: Vec<Section>) -> (Self, Vec<u8>) {
        let header_len = header_len(sections.len());
        let mut at = aligned(header_len);
        for section in &mut sections {
            section.offset = at;
            at = aligned(section.end());
        }
        let file_len = at.saturating_add(wide(TRAILER));
        let mut header = Vec::new();
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&u32::try_from(header_len).unwrap_or(0).to_le_bytes());
        header.extend_from_slice(&file_len.to_le_bytes());
        header.extend_from_slice(&u32::try_from(sections.len()).unwrap_or(0).to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        for section in &sections {
            header.extend_from_slice(&section.kind.number().to_le_bytes());
            header.extend_from_slice(&algorithm_number(section.algorithm).to_le_bytes());
            for field in [section.offset, section.len, section.items] {
                header.extend_from_slice(&field.to_le_bytes());
            }
            header.extend_from_slice(&section.blake3);
        }
        let root = *blake3::hash(&header).as_bytes();
        header.extend_from_slice(&root);
        (Self { file_len, sections, root }, header)
    }

    /// The last bytes of the file.
    pub(super) fn trailer(file_len: u64) -> [u8; TRAILER] {
        let mut trailer = [0; TRAILER];
        let mut backwards = MAGIC;
        backwards.reverse();
        let bytes = file_len.to_le_bytes().into_iter().chain(backwards);
        trailer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        trailer
    }

    /// Reads the frame of a whole file.
    ///
    /// # Errors
    /// The first thing that is not as it has to be, and where.
    pub(super) fn read(file: &[u8]) -> Result<Self, Wrong> {
        let cut = |at| (at, "the file ends here; it was cut".to_owned());
        let len = wide(file.len());
        if file.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err((0, "expected the first bytes of a compiled set".to_owned()));
        }
        let version = u32_at(file, 8).ok_or_else(|| cut(len))?;
        if version != VERSION {
            return Err((8, format!("version {version}; this program reads version {VERSION}")));
        }
        let stated = u64_at(file, 16).ok_or_else(|| cut(len))?;
        if stated != len {
            let wrong = format!("the file says that it has {stated} bytes and has {len}");
            return Err((16, wrong));
        }
        let count = u32_at(file, 24).ok_or_else(|| cut(len))?;
        let sections = usize::try_from(count).unwrap_or(usize::MAX);
        let header_len = self::header_len(sections);
        if count > MOST_SECTIONS || u32_at(file, 12).map(u64::from) != Some(header_len) {
            return Err((12, "the header's length and its number of sections differ".to_owned()));
        }
        let header = usize::try_from(header_len).ok().and_then(|len| file.get(..len));
        let header = header.ok_or_else(|| cut(len))?;
        let (body, root) = header.split_last_chunk::<ROOT>().ok_or_else(|| cut(len))?;
        if blake3::hash(body).as_bytes() != root {
            let at = header_len.saturating_sub(wide(ROOT));
            return Err((at, "the header has another BLAKE3 than it says".to_owned()));
        }
        let entries = body.get(FIXED..).unwrap_or_default().as_chunks::<ENTRY>().0;
        let sections: Vec<_> = (FIXED..)
            .step_by(ENTRY)
            .zip(entries)
            .map(|(at, entry)| section(entry).ok_or((wide(at), "no section is so".to_owned())))
            .collect::<Result<_, _>>()?;
        let frame = Self { file_len: len, sections, root: *root };
        frame.check_places(file)?;
        Ok(frame)
    }

    /// Holds the directory to the one layout there is, and what lies between sections to zeros.
    fn check_places(&self, file: &[u8]) -> Result<(), Wrong> {
        let (laid_out, header) = Self::lay_out(self.sections.clone());
        for (at, (have, want)) in
            (FIXED..).step_by(ENTRY).zip(self.sections.iter().zip(&laid_out.sections))
        {
            if have.offset != want.offset {
                let wrong = format!("{} overlaps, or leaves room before it", have.name());
                return Err((wide(at), wrong));
            }
            let again =
                |other: &&Section| (other.kind, other.algorithm) == (have.kind, have.algorithm);
            if self.sections.iter().filter(again).count() > 1 {
                return Err((wide(at), format!("{} is there more than once", have.name())));
            }
        }
        if laid_out.file_len != self.file_len {
            return Err((16, "the sections do not fill the file, or reach past it".to_owned()));
        }
        // The only bytes of the header that nothing above has looked at.
        if file.get(..header.len()) != Some(&header[..]) {
            return Err((0, "the header has bytes that mean nothing".to_owned()));
        }
        let mut from = wide(header.len());
        let trailer = self.file_len.saturating_sub(wide(TRAILER));
        let starts = self.sections.iter().map(|section| (section.offset, section.end()));
        for (start, end) in starts.chain([(trailer, trailer)]) {
            let between = slice(file, from, start.saturating_sub(from)).unwrap_or_default();
            if let Some(at) = between.iter().position(|byte| *byte != 0) {
                let at = from.saturating_add(wide(at));
                return Err((at, "expected zeros between sections".to_owned()));
            }
            from = end;
        }
        let end = slice(file, trailer, wide(TRAILER)).unwrap_or_default();
        if end != Self::trailer(self.file_len) {
            return Err((trailer, "the end is not that of a compiled set of this length".into()));
        }
        Ok(())
    }

    /// The section of this kind and algorithm.
    pub(super) fn section(
        &self,
        kind: SectionKind,
        algorithm: Option<Algorithm>,
    ) -> Option<&Section> {
        self.sections.iter().find(|section| (section.kind, section.algorithm) == (kind, algorithm))
    }
}

fn section(entry: &[u8; ENTRY]) -> Option<Section> {
    Some(Section {
        kind: SectionKind::of(u32_at(entry, 0)?)?,
        algorithm: match u32_at(entry, 4)? {
            0 => None,
            n => Some(*Algorithm::ALL.get(usize::try_from(n.checked_sub(1)?).ok()?)?),
        },
        offset: u64_at(entry, 8)?,
        len: u64_at(entry, 16)?,
        items: u64_at(entry, 24)?,
        blake3: *entry.last_chunk()?,
    })
}

/// Place among all algorithms, from 1; 0 for none.
fn algorithm_number(algorithm: Option<Algorithm>) -> u32 {
    let at = algorithm.and_then(|one| Algorithm::ALL.iter().position(|other| *other == one));
    at.map_or(0, |at| u32::try_from(at).unwrap_or(0).saturating_add(1))
}

fn header_len(sections: usize) -> u64 {
    wide(sections.saturating_mul(ENTRY).saturating_add(FIXED).saturating_add(ROOT))
}

/// The next place at which a section may start.
pub(super) const fn aligned(at: u64) -> u64 {
    match at.checked_next_multiple_of(ALIGN) {
        Some(at) => at,
        None => u64::MAX,
    }
}

/// A part of the file; `None` where it reaches past the end.
pub(super) fn slice(bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(len).ok()?)
}

/// Four bytes as a number.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Eight bytes as a number.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
