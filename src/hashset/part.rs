//! A set in several files: which they are, by their names.
//!
//! No public source says how publishers name the parts of a set, so the form is this program's:
//! a number, `of`, the number of parts, as in `set_1of3.json`, `set 01 of 12.json.gz`,
//! `set-2_of_3.zip`. All parts lie in one folder; part 1 stands for the whole.

use super::SetError;
use super::encoding::wide;
use std::path::{Path, PathBuf};

/// Most parts that a set has.
const MOST: u32 = 10_000;

/// What a file's name says of the set it belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Part<'a> {
    before: &'a str,
    /// Digits of the number as it is written.
    width: usize,
    number: u32,
    total: u32,
    after: &'a str,
}

impl<'a> Part<'a> {
    /// Reads a name; `None` where it names no part.
    fn of(name: &'a str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        lower.rmatch_indices("of").find_map(|(of, _)| {
            let left = name.get(..of)?.trim_end_matches([' ', '_', '-']);
            let digits = left.len().checked_sub(left.trim_end_matches(digit).len())?;
            let start = left.len().checked_sub(digits)?;
            let right = name.get(of.checked_add(2)?..)?.trim_start_matches([' ', '_', '-']);
            let end = right.len().checked_sub(right.trim_start_matches(digit).len())?;
            let total: u32 = right.get(..end)?.parse().ok()?;
            let number: u32 = left.get(start..)?.parse().ok()?;
            let after = name.get(left.len()..)?;
            let before = left.get(..start)?;
            let known = (2..=MOST).contains(&total) && (1..=total).contains(&number);
            known.then_some(Self { before, width: digits, number, total, after })
        })
    }

    fn named(&self, number: u32) -> String {
        let Self { before, width, after, .. } = self;
        format!("{before}{number:0width$}{after}")
    }
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The files of the set that `path` stands for, itself first where it is no part of one.
///
/// # Errors
/// A part that is not there; a further part instead of the first.
pub(super) fn parts(path: &Path) -> Result<Vec<PathBuf>, SetError> {
    let Some(part) = path.file_name().and_then(|name| Part::of(name.to_str()?)) else {
        return Ok(vec![path.to_owned()]);
    };
    let named = |number| path.with_file_name(part.named(number));
    let (file, total) = (path.to_owned(), part.total);
    if part.number != 1 {
        let number = part.number;
        return Err(SetError::NotFirstPart { file, number, total, first: named(1) });
    }
    let parts: Vec<PathBuf> = (1..=total).map(named).collect();
    match parts.iter().position(|part| !part.is_file()) {
        None => Ok(parts),
        Some(at) => {
            let number = u32::try_from(wide(at)).unwrap_or(total).saturating_add(1);
            Err(SetError::PartMissing { file, number, total, missing: named(number) })
        }
    }
}

/// The first part of the set that a file's name says it is a further part of, where that is there.
pub(super) fn first_part(path: &Path) -> Option<PathBuf> {
    let part = Part::of(path.file_name()?.to_str()?)?;
    let first = path.with_file_name(part.named(1));
    (part.number != 1 && first.is_file()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_number_and_total() {
        let read = |name: &'static str| Part::of(name).map(|part| (part.number, part.total));
        assert_eq!(read("set_1of3.json"), Some((1, 3)));
        assert_eq!(read("Set 2 of 12 (US).json.gz"), Some((2, 12)));
        assert_eq!(read("proof1_part-03_OF_10.zip"), Some((3, 10)));
        assert_eq!(Part::of("x 03 of 10.json").unwrap().named(4), "x 04 of 10.json");
        for name in ["list.json", "1of1.json", "4of3.json", "0of3.json", "of3", "2of"] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
