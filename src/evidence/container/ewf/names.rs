//! Names of EWF segments: `.E01` to `.E99`, then `.EAA` to `.EZZ`, `.FAA` and so on to `.ZZZ`; the
//! same from `.s01` for SMART. Lower and upper case stay what they are in the first name.
//!
//! Source: libewf documentation, "Segment file extensions".

use std::path::{Path, PathBuf};

/// The path of segment `number`, counted from 1, of the image whose first segment is `first`;
/// `None` where its name counts in another way or the names are used up.
pub(super) fn segment(first: &Path, number: u32) -> Option<PathBuf> {
    let [kind, rest @ ..] = first.extension()?.to_str()?.as_bytes() else { return None };
    if !kind.is_ascii_alphabetic() || rest.len() != 2 {
        return None;
    }
    let zero = if kind.is_ascii_lowercase() { b'a' } else { b'A' };
    let extension = match number {
        0 => return None,
        1..=99 => format!("{}{number:02}", char::from(*kind)),
        _ => {
            let mut rest = number.checked_sub(100)?;
            let mut digit = || {
                let digit = u8::try_from(rest.checked_rem(26)?).ok()?;
                rest = rest.checked_div(26)?;
                zero.checked_add(digit).map(char::from)
            };
            let (last, middle) = (digit()?, digit()?);
            let letter = u8::try_from(rest).ok().and_then(|more| kind.checked_add(more))?;
            let letter = Some(letter).filter(|letter| *letter <= zero.saturating_add(25))?;
            format!("{}{middle}{last}", char::from(letter))
        }
    };
    Some(first.with_extension(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_from_digits_to_letters() {
        let name = |first: &str, number| {
            segment(Path::new(first), number).map(|path| path.to_str().unwrap().to_owned())
        };
        let extension = |number| name("a.E01", number);
        assert_eq!(extension(99).as_deref(), Some("a.E99"));
        assert_eq!(extension(100).as_deref(), Some("a.EAA"));
        assert_eq!(extension(101).as_deref(), Some("a.EAB"));
        assert_eq!(extension(126).as_deref(), Some("a.EBA"));
        assert_eq!(extension(775).as_deref(), Some("a.EZZ"));
        assert_eq!(extension(776).as_deref(), Some("a.FAA"));
        assert_eq!(extension(14_971).as_deref(), Some("a.ZZZ"));
        assert_eq!(extension(14_972), None);
        assert_eq!(name("x.y.s01", 100).as_deref(), Some("x.y.saa"));
        assert_eq!(name("a.dd", 1), None);
    }
}
