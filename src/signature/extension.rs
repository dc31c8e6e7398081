//! Whether a name claims another type than its content has.

use super::FileType;
use std::sync::LazyLock;

/// True where the extension claims a known type that the content is not.
///
/// - `extension`: the bytes after the last dot of the name, without the dot, in any case.
/// - An extension of no known type, and an empty one, claim nothing: false.
/// - A general type and a kind of it agree in both directions (a DOCX named `.zip`, and a ZIP
///   named `.docx` whose kind its first bytes do not show); two kinds of one general type do not.
///
/// ```
/// use assay::signature::{FileType, type_mismatch};
/// assert!(type_mismatch(FileType::Jpeg, b"txt"));
/// assert!(!type_mismatch(FileType::Jpeg, b"JPE"));
/// assert!(!type_mismatch(FileType::Docx, b"zip"));
/// assert!(!type_mismatch(FileType::Jpeg, b"hmm"));
/// ```
pub fn type_mismatch(detected: FileType, extension: &[u8]) -> bool {
    let mut claimed = claimed(extension).peekable();
    claimed.peek().is_some() && !claimed.any(|kind| agree(detected, kind))
}

/// The types that have this extension, in any case.
///
/// ```
/// use assay::signature::{FileType, claimed};
/// assert_eq!(claimed(b"JPG").collect::<Vec<_>>(), [FileType::Jpeg]);
/// assert_eq!(claimed(b"hmm").count(), 0);
/// ```
pub fn claimed(extension: &[u8]) -> impl Iterator<Item = FileType> {
    let mut lower = [0; LONGEST];
    let (known, length) = (&*EXTENSIONS, extension.len());
    let lower = lower.get_mut(..length).unwrap_or_default();
    let fits = lower.len() == length;
    lower.iter_mut().zip(extension).for_each(|(to, from)| *to = from.to_ascii_lowercase());
    let start = known.partition_point(|(one, _)| one.as_bytes() < &*lower);
    let equal = known.get(start..).unwrap_or_default();
    let end = equal.partition_point(|(one, _)| fits && one.as_bytes() <= &*lower);
    equal.get(..end).unwrap_or_default().iter().map(|(_, kind)| *kind)
}

/// No known extension is longer.
const LONGEST: usize = 16;

/// Every known extension, in lower case, with each type that has it, in their order: it is asked
/// for every object.
static EXTENSIONS: LazyLock<Vec<(&str, FileType)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for kind in FileType::ALL {
        all.extend(kind.extensions().iter().map(|extension| (*extension, *kind)));
    }
    all.sort_by_key(|(extension, _)| *extension);
    all
});

/// One is the other, or a kind of it, or both are names for one structure.
fn agree(a: FileType, b: FileType) -> bool {
    a == b || is_kind_of(a, b) || is_kind_of(b, a) || same_structure(a, b)
}

fn is_kind_of(kind: FileType, general: FileType) -> bool {
    let mut step = kind;
    // The longest chain is svg, xml, text.
    for _ in 0..4 {
        match general_form(step) {
            Some(next) if next == general => return true,
            Some(next) => step = next,
            None => return false,
        }
    }
    false
}

/// The type whose structure `kind` has, with more rules on top.
const fn general_form(kind: FileType) -> Option<FileType> {
    use FileType::*;
    match kind {
        Docx | Xlsx | Pptx | Odt | Ods | Odp | Epub | Jar | Aff4 => Some(Zip),
        Apk => Some(Jar),
        ThumbsDb => Some(Ole),
        Cr2 | Nef | Dng | Arw | Orf | Rw2 => Some(Tiff),
        Webm => Some(Mkv),
        Deb => Some(Ar),
        Svg | Html | Plist => Some(Xml),
        Xml | Eml | Mbox | Rtf | PostScript | Torrent | Pnm => Some(Text),
        _ => None,
    }
}

/// Types that cameras and programs name freely, their structure being the same.
const fn same_structure(a: FileType, b: FileType) -> bool {
    use FileType::*;
    matches!(
        (a, b),
        (Mp4 | Mov | ThreeGp | M4a, Mp4 | Mov | ThreeGp | M4a) | (Ogg | Ogv, Ogg | Ogv)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kinds_of_one_container_disagree() {
        assert!(type_mismatch(FileType::Docx, b"xlsx"));
        assert!(type_mismatch(FileType::Heic, b"mp4"));
        assert!(!type_mismatch(FileType::Zip, b"xlsx"));
        assert!(!type_mismatch(FileType::Apk, b"zip"));
    }

    #[test]
    fn every_type_agrees_with_its_own_extensions() {
        for kind in FileType::ALL {
            for extension in kind.extensions() {
                assert!(!type_mismatch(*kind, extension.as_bytes()), "{kind} {extension}");
            }
        }
    }

    #[test]
    fn an_extension_of_two_types_accepts_both() {
        assert!(!type_mismatch(FileType::Sqlite, b"db"));
        assert!(!type_mismatch(FileType::ThumbsDb, b"DB"));
        assert!(!type_mismatch(FileType::Rtf, b"doc"));
        assert!(type_mismatch(FileType::Jpeg, b"db"));
    }

    #[test]
    fn each_extension_is_found_as_by_a_look_at_all_of_them() {
        for known in FileType::ALL.iter().flat_map(|kind| kind.extensions()) {
            assert!(known.len() <= LONGEST && *known == known.to_ascii_lowercase(), "{known}");
            for extension in [(*known).to_owned(), known.to_ascii_uppercase(), format!("{known}x")]
            {
                let has = |kind: &&FileType| {
                    kind.extensions().iter().any(|one| one.eq_ignore_ascii_case(&extension))
                };
                let naive: Vec<_> = FileType::ALL.iter().filter(has).copied().collect();
                assert_eq!(claimed(extension.as_bytes()).collect::<Vec<_>>(), naive);
            }
        }
        assert_eq!(claimed(&[b'j'; 40]).count(), 0);
        assert_eq!(claimed(b"").count(), 0);
    }

    #[test]
    fn nothing_is_claimed_by_an_unknown_or_empty_extension() {
        assert!(!type_mismatch(FileType::Jpeg, b""));
        assert!(!type_mismatch(FileType::Jpeg, b"\xff\xfe"));
    }
}
