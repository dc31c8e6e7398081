//! A raw image cut into segments: `.001`, `.002` ..., `.000`, `.001` ..., `.aa`, `.ab` ...
//!
//! The segments are found by their exact names, never by listing a folder. Nothing in the bytes
//! tells one segment from another, so what can be checked is checked: no name may be missing
//! between two that exist, and every segment but the last has the size of the first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::opener::Opener;
use super::raw::ImageFile;
use super::{ContainerError, shown};
use crate::bytes::{ReadAt, Unreadable};

/// Names after the last one found that are looked for, to find a gap.
const AHEAD_NUMBERS: u64 = 1000;
/// The same for letters, where an unrelated name is soon met: `disk.aa` and `disk.dd`.
const AHEAD_LETTERS: u64 = 16;
/// Most segments of an image.
const MOST: usize = 20_000;

/// Segments read as one.
#[derive(Debug)]
pub(super) struct SplitRaw {
    segments: Vec<(u64, Arc<ImageFile>)>,
    len: u64,
}

/// The number that the end of a name stands for, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    /// Digits, at least so many.
    Digits(usize),
    /// So many letters, the first of which is `a` or `A`.
    Letters(usize, u8),
}

/// A name that ends like a segment's.
struct Name {
    /// Path up to and with the dot.
    stem: Vec<u8>,
    counter: Counter,
    number: u64,
}

impl Name {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = path.as_os_str().as_bytes();
        let dot = bytes.iter().rposition(|byte| *byte == b'.')?;
        let (stem, end) = bytes.split_at_checked(dot.checked_add(1)?)?;
        let (counter, number) = Counter::read(end)?;
        Some(Self { stem: stem.to_vec(), counter, number })
    }

    /// The path of another segment; `None` beyond the last possible name.
    fn path(&self, number: u64) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut bytes = self.stem.clone();
        bytes.extend(self.counter.write(number)?);
        Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }
}

impl Counter {
    fn read(end: &[u8]) -> Option<(Self, u64)> {
        let text = std::str::from_utf8(end).ok().filter(|text| (2..=6).contains(&text.len()))?;
        if text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((Self::Digits(text.len()), text.parse().ok()?));
        }
        let first = if text.bytes().all(|byte| byte.is_ascii_lowercase()) { b'a' } else { b'A' };
        let mut number = 0_u64;
        for byte in text.bytes() {
            let digit = byte.checked_sub(first).filter(|digit| *digit < 26)?;
            number = number.checked_mul(26)?.checked_add(u64::from(digit))?;
        }
        Some((Self::Letters(text.len(), first), number))
    }

    fn write(self, number: u64) -> Option<Vec<u8>> {
        match self {
            Self::Digits(width) => Some(format!("{number:0width$}").into_bytes()),
            Self::Letters(width, first) => {
                let mut letters = Vec::new();
                let mut rest = number;
                for _ in 0..width {
                    let digit = u8::try_from(rest.checked_rem(26)?).ok()?;
                    letters.insert(0, first.checked_add(digit)?);
                    rest = rest.checked_div(26)?;
                }
                (rest == 0).then_some(letters)
            }
        }
    }

    const fn ahead(self) -> u64 {
        match self {
            Self::Digits(_) => AHEAD_NUMBERS,
            Self::Letters(..) => AHEAD_LETTERS,
        }
    }
}

/// The paths of all segments where `path` names the first of several; empty where it is a whole
/// image by itself.
pub(super) fn segments(opener: &Opener<'_>, path: &Path) -> Result<Vec<PathBuf>, ContainerError> {
    let Some(name) = Name::of(path) else { return Ok(Vec::new()) };
    let at = |number: Option<u64>| number.and_then(|number| name.path(number));
    let exists = |path: Option<PathBuf>| match path {
        Some(path) => Ok::<_, ContainerError>(opener.exists(&path)?.then_some(path)),
        None => Ok(None),
    };
    if let Some(mut first) = exists(at(name.number.checked_sub(1)))? {
        let mut number = name.number.saturating_sub(1);
        while let Some(earlier) = exists(at(number.checked_sub(1)))? {
            (first, number) = (earlier, number.saturating_sub(1));
        }
        let first = shown(&first);
        return Err(ContainerError::NotTheFirst { path: shown(path), first });
    }
    let mut found = vec![path.to_owned()];
    let mut next = name.number.saturating_add(1);
    while let Some(segment) = exists(at(Some(next)))? {
        found.push(segment);
        next = next.saturating_add(1);
        if found.len() > MOST {
            let most = u64::try_from(MOST).unwrap_or(u64::MAX);
            return Err(ContainerError::TooLarge {
                path: shown(path),
                what: "number of segments",
                most,
            });
        }
    }
    let starts = match name.counter {
        Counter::Digits(_) => name.number <= 1,
        Counter::Letters(..) => name.number == 0,
    };
    // Only a first name, or one with a successor, makes a set: `disk.100` or `disk.dd` alone is an
    // image of its own.
    if starts || found.len() > 1 {
        for later in next.saturating_add(1)..=next.saturating_add(name.counter.ahead()) {
            if exists(at(Some(later)))?.is_some() {
                return Err(missing(at(Some(next)).as_deref()));
            }
        }
    }
    if !starts && found.len() > 1 {
        return Err(missing(at(name.number.checked_sub(1)).as_deref()));
    }
    Ok(if found.len() > 1 { found } else { Vec::new() })
}

fn missing(path: Option<&Path>) -> ContainerError {
    ContainerError::MissingSegment { missing: path.map(shown).unwrap_or_default() }
}

impl SplitRaw {
    /// Puts opened segments together.
    pub(super) fn new(files: &[Arc<ImageFile>]) -> Result<Self, ContainerError> {
        let first = files.first().map_or(0, |file| file.len());
        let last = files.len().saturating_sub(1);
        let (mut segments, mut len) = (Vec::new(), 0_u64);
        for (number, file) in files.iter().enumerate() {
            let size = file.len();
            if size > first || size == 0 || (size < first && number != last) {
                return Err(ContainerError::SegmentSize { path: shown(file.path()), size, first });
            }
            segments.push((len, Arc::clone(file)));
            len = len.saturating_add(size);
        }
        Ok(Self { segments, len })
    }
}

impl ReadAt for SplitRaw {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let number = self.segments.partition_point(|(start, _)| *start <= position);
            let Some((start, file)) =
                number.checked_sub(1).and_then(|number| self.segments.get(number))
            else {
                break;
            };
            match file.read_at(position.saturating_sub(*start), rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(_) if done > 0 => break,
                Err(error) => {
                    return Err(Unreadable::of(&error).cloned().map_or(error, |mut hole| {
                        hole.range.start = hole.range.start.saturating_add(*start);
                        hole.range.end = hole.range.end.saturating_add(*start);
                        hole.into_error()
                    }));
                }
            }
        }
        Ok(done)
    }

    /// As far as the segment goes that the first byte lies in.
    fn announce(&self, at: u64, bytes: u64) {
        let number = self.segments.partition_point(|(start, _)| *start <= at);
        if let Some((start, file)) = number.checked_sub(1).and_then(|n| self.segments.get(n)) {
            file.announce(at.saturating_sub(*start), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_on_as_they_began() {
        let next = |name: &str, by: u64| {
            let name = Name::of(Path::new(name))?;
            name.path(name.number + by)
        };
        assert_eq!(next("a.b/x.001", 1), Some(PathBuf::from("a.b/x.002")));
        assert_eq!(next("x.000", 1000), Some(PathBuf::from("x.1000")));
        assert_eq!(next("x.az", 1), Some(PathBuf::from("x.ba")));
        assert_eq!(next("x.AAZ", 1), Some(PathBuf::from("x.ABA")));
        assert_eq!(next("x.zz", 1), None);
        assert!(
            ["x.12", "x", "x.E01", "x.", "x.0000001", "x.aA"].map(|n| next(n, 0))
                == [const { None }; 6]
        );
    }
}
