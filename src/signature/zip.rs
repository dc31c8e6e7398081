//! The kinds of ZIP, told by the first entries.
//!
//! The local headers inside the head are followed; the central directory at the end is not seen
//! here, so that a kind whose telling entry comes late stays `zip`.
//!
//! Sources: PKWARE, APPNOTE 6.3.10, 4.3.7; ECMA-376-2 (Office Open XML packages); OpenDocument 1.3
//! part 2, 3.3; EPUB 3.3, 4.2.2; AFF4 standard 1.0.

use super::FileType;
use crate::bytes::Block;

/// Entries looked at.
const MOST_ENTRIES: u32 = 64;
const HEADER: usize = 30;
/// AES encryption; APPNOTE 4.4.5 lists none above.
const HIGHEST_METHOD: u16 = 99;
/// Bytes of a `mimetype` entry that matter.
const LONGEST_MIME: usize = 64;

/// What the entry names add up to.
#[derive(Default)]
struct Names {
    package: bool,
    office: Option<FileType>,
    java: bool,
    android: bool,
}

/// The kind, `Zip` where none is told; `None` where the first header has a method that no version
/// of the format knows, so that the mark is chance.
pub(super) fn kind(head: Block<'_>) -> Option<FileType> {
    let mut names = Names::default();
    let mut at = memchr::memmem::find(head.bytes().get(..64).unwrap_or(head.bytes()), MARK);
    if at.and_then(|at| head.u16_le(at.checked_add(8)?).ok()).is_some_and(|m| m > HIGHEST_METHOD) {
        return None;
    }
    for _ in 0..MOST_ENTRIES {
        let Some(entry) = at.and_then(|at| entry(head, at)) else { break };
        if let Some(told) = told_alone(&entry) {
            return Some(told);
        }
        names.note(entry.name);
        at = entry.next;
    }
    Some(names.kind())
}

const MARK: &[u8] = b"PK\x03\x04";

struct Entry<'a> {
    name: &'a [u8],
    /// The first bytes of the stored data.
    data: &'a [u8],
    next: Option<usize>,
}

fn entry(head: Block<'_>, at: usize) -> Option<Entry<'_>> {
    let header = head.slice(at, HEADER).ok()?;
    if header.array(0) != Ok([b'P', b'K', 3, 4]) {
        return None;
    }
    let (flags, packed) = (header.u16_le(6).ok()?, header.u32_le(18).ok()?);
    let (name_len, extra_len) = (header.u16_le(26).ok()?, header.u16_le(28).ok()?);
    let name_at = at.checked_add(HEADER)?;
    let name = head.slice(name_at, usize::from(name_len)).ok()?.bytes();
    let data_at =
        name_at.checked_add(usize::from(name_len))?.checked_add(usize::from(extra_len))?;
    let rest = head.bytes().get(data_at..).unwrap_or_default();
    // Where the sizes follow the data, the next header has to be searched for.
    let next = if flags & 8 != 0 && packed == 0 {
        memchr::memmem::find(rest, MARK).and_then(|skip| data_at.checked_add(skip))
    } else {
        data_at.checked_add(usize::try_from(packed).ok()?)
    };
    Some(Entry { name, data: rest.get(..LONGEST_MIME).unwrap_or(rest), next })
}

/// Entries that tell the kind by themselves.
fn told_alone(entry: &Entry<'_>) -> Option<FileType> {
    const OPEN_DOCUMENT: &[u8] = b"application/vnd.oasis.opendocument.";
    match entry.name {
        b"mimetype" => match entry.data.strip_prefix(OPEN_DOCUMENT) {
            Some(form) if form.starts_with(b"text") => Some(FileType::Odt),
            Some(form) if form.starts_with(b"spreadsheet") => Some(FileType::Ods),
            Some(form) if form.starts_with(b"presentation") => Some(FileType::Odp),
            Some(_) => None,
            None => entry.data.starts_with(b"application/epub+zip").then_some(FileType::Epub),
        },
        b"container.description" => entry.data.starts_with(b"aff4:").then_some(FileType::Aff4),
        _ => None,
    }
}

impl Names {
    fn note(&mut self, name: &[u8]) {
        match name {
            b"[Content_Types].xml" | b"_rels/.rels" => self.package = true,
            b"AndroidManifest.xml" | b"resources.arsc" | b"classes.dex" => self.android = true,
            b"META-INF/MANIFEST.MF" => self.java = true,
            _ if name.starts_with(b"word/") => self.office = Some(FileType::Docx),
            _ if name.starts_with(b"xl/") => self.office = Some(FileType::Xlsx),
            _ if name.starts_with(b"ppt/") => self.office = Some(FileType::Pptx),
            _ => {}
        }
    }

    fn kind(self) -> FileType {
        match self {
            Self { package: true, office: Some(office), .. } => office,
            Self { android: true, .. } => FileType::Apk,
            Self { java: true, .. } => FileType::Jar,
            _ => FileType::Zip,
        }
    }
}
