//! Names: short ones by code page, long ones put together from their pieces.
//!
//! A long name belongs to the short entry right behind its pieces whose sum they carry. Deletion
//! overwrites the first byte of every entry: the first character of the short name and the order
//! of the pieces are lost. The sum gives the character back, for exactly one value of the lost byte
//! makes it; whether that byte is the one which systems derive from the long name tells whether
//! the pieces belong to the entry.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, "Name Limits and
//! Character Sets", "Short Directory Entries", "Long Directory Entries".

use super::codepage::CodePage;
use super::entry::{DELETED, Piece, Short};
use crate::item::escape::utf16_name;

/// A long name has at most so many pieces.
const MOST_PIECES: usize = 20;
/// Marks the last piece, which stands first.
const LAST: u8 = 0x40;
/// Bits of `lower` for base and extension.
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;
/// What a short name has in place of a first byte that would be the mark of deletion.
const STANDS_FOR_E5: u8 = 0x05;

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) bytes: Vec<u8>,
    /// False where its first character is lost, or a long name may be another entry's.
    pub(super) certain: bool,
    /// What is wrong with the long name that stands before the entry.
    pub(super) wrong: Option<&'static str>,
}

/// Pieces of a long name since the last short entry, and whether there may have been more.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Piece>, bool);

impl Pieces {
    /// None yet, and those to come may lack some that stood in another cluster.
    pub(super) fn torn() -> Self {
        Self(Vec::new(), true)
    }

    pub(super) fn push(&mut self, piece: Piece) {
        if self.0.len() >= MOST_PIECES {
            self.0.remove(0);
        }
        self.0.push(piece);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
        self.1 = false;
    }

    /// The name of the short entry that follows the pieces.
    pub(super) fn name(&self, short: &Short, page: CodePage) -> Name {
        let plain = |certain, wrong| Name { bytes: short_name(short, page), certain, wrong };
        let lost = short.is_deleted();
        let Some(nearest) = self.0.last() else { return plain(!lost, None) };
        let own = if nearest.order == DELETED {
            // Left by an entry whose place this one took.
            if !lost {
                return plain(true, None);
            }
            self.deleted_run(nearest.sum)
        } else {
            match self.ordered_run(nearest.sum) {
                Ok(run) => run,
                Err(why) => return plain(!lost, Some(why)),
            }
        };
        let units = own.iter().rev().flat_map(|piece| piece.units).take_while(|unit| *unit != 0);
        let long = utf16_name(units);
        if !lost {
            return match () {
                () if sum(&short.name) != nearest.sum => {
                    plain(true, Some("the sum in its long name is not that of its short name"))
                }
                () if long.is_empty() => plain(true, Some("its long name is empty")),
                () => Name { bytes: long, certain: true, wrong: None },
            };
        }
        let first = first_byte(&short.name, nearest.sum);
        if long.is_empty() || !may_be_first(first) {
            return plain(false, Some("the long name before it is not its own"));
        }
        let cut = self.1 && !own.iter().any(|piece| piece.units.contains(&0));
        let certain = !cut && derived_first(&long, page).contains(&Some(first));
        Name { bytes: long, certain, wrong: None }
    }

    /// Pieces from the nearest back to the one marked as last, whose order is complete.
    fn ordered_run(&self, sum: u8) -> Result<&[Piece], &'static str> {
        for (count, piece) in (1_u8..).zip(self.0.iter().rev()) {
            if piece.order & !LAST != count {
                return Err("the pieces of its long name are out of order");
            }
            if piece.sum != sum {
                return Err("the pieces of its long name carry different sums");
            }
            if piece.order & LAST != 0 {
                let from = self.0.len().saturating_sub(usize::from(count));
                return Ok(self.0.get(from..).unwrap_or_default());
            }
        }
        Err("its long name has no last piece")
    }

    /// Pieces from the nearest back as far as they are of one name.
    fn deleted_run(&self, sum: u8) -> &[Piece] {
        let mut from = self.0.len();
        for piece in self.0.iter().rev() {
            if piece.order != DELETED || piece.sum != sum {
                break;
            }
            from = from.saturating_sub(1);
            if piece.units.contains(&0) {
                break; // only the last piece of a name has an end in it
            }
        }
        self.0.get(from..).unwrap_or_default()
    }
}

/// The short name as text: `_` where the first character is lost.
fn short_name(short: &Short, page: CodePage) -> Vec<u8> {
    let mut raw = short.name;
    if let Some(byte) = raw.first_mut() {
        *byte = match *byte {
            STANDS_FOR_E5 => DELETED,
            DELETED => b'_',
            byte => byte,
        };
    }
    let (base, extension) = raw.split_at(8);
    let mut out = Vec::with_capacity(12);
    page.decode(unpadded(base), short.lower & LOWER_BASE != 0, &mut out);
    let extension = unpadded(extension);
    if !extension.is_empty() {
        out.push(b'.');
        page.decode(extension, short.lower & LOWER_EXTENSION != 0, &mut out);
    }
    out
}

/// Without the spaces that pad it.
fn unpadded(raw: &[u8]) -> &[u8] {
    let len = raw.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
    raw.get(..len).unwrap_or_default()
}

/// A label: eleven bytes with no dot.
pub(super) fn label(raw: &[u8; 11], page: CodePage) -> Vec<u8> {
    let mut raw = *raw;
    if let Some(first) = raw.first_mut().filter(|first| **first == STANDS_FOR_E5) {
        *first = DELETED;
    }
    let mut out = Vec::new();
    page.decode(unpadded(&raw), false, &mut out);
    if out == b"NO NAME" { Vec::new() } else { out }
}

/// The sum of a short name that the pieces of its long name carry.
pub(super) fn sum(name: &[u8; 11]) -> u8 {
    name.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The one first byte by which a short name has this sum.
fn first_byte(name: &[u8; 11], wanted: u8) -> u8 {
    let after = name.iter().skip(1).rev();
    after.fold(wanted, |sum, byte| sum.wrapping_sub(*byte).rotate_left(1))
}

/// Whether a short name may begin with this byte.
fn may_be_first(byte: u8) -> bool {
    byte == STANDS_FOR_E5 || byte > 0x20 && !br#""*+,./:;<=>?[\]|"#.contains(&byte) && byte != 0x7F
}

/// First bytes that systems give to the short form of a long name.
fn derived_first(long: &[u8], page: CodePage) -> [Option<u8>; 4] {
    let text = String::from_utf8_lossy(long);
    let Some(c) = text.trim_start_matches([' ', '.']).chars().next() else { return [None; 4] };
    if c.is_ascii() {
        let c = if "+,;=[]".contains(c) { '_' } else { c.to_ascii_uppercase() };
        return [u8::try_from(c).ok(), None, None, None];
    }
    let large = c.to_uppercase().next().unwrap_or(c);
    let stored = |c| page.byte(c).map(|byte| if byte == DELETED { STANDS_FOR_E5 } else { byte });
    [stored(large), stored(c), Some(b'_'), Some(b'?')]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page() -> CodePage {
        CodePage::new(437).unwrap()
    }

    fn short(name: &[u8; 11], lower: u8) -> Short {
        let mut bytes = [0; 32];
        bytes[..11].copy_from_slice(name);
        bytes[12] = lower;
        match crate::evidence::filesystem::fat::entry::Slot::read(&bytes, false).unwrap() {
            crate::evidence::filesystem::fat::entry::Slot::Short(short) => short,
            other => panic!("{other:?}"),
        }
    }

    /// The pieces of a long name, in the order in which they stand before their entry.
    fn pieces(name: &str, of: &[u8; 11], deleted: bool) -> Pieces {
        let mut units: Vec<u16> = name.encode_utf16().collect();
        if !units.len().is_multiple_of(13) {
            units.push(0);
            units.resize(units.len().next_multiple_of(13), 0xFFFF);
        }
        let count = units.len() / 13;
        let mut pieces = Pieces::default();
        for (n, part) in units.chunks(13).enumerate().rev() {
            let last = if n + 1 == count { LAST } else { 0 };
            let order = if deleted { DELETED } else { u8::try_from(n + 1).unwrap() | last };
            pieces.push(Piece {
                order,
                sum: sum(of),
                units: part.try_into().unwrap(),
                sound: true,
            });
        }
        pieces
    }

    #[test]
    fn short_names_follow_code_page_case_flags_and_the_stand_in() {
        let text =
            |name, lower| String::from_utf8(short_name(&short(name, lower), page())).unwrap();
        assert_eq!(text(b"README  TXT", 0), "README.TXT");
        assert_eq!(text(b"README  TXT", LOWER_BASE), "readme.TXT");
        assert_eq!(text(b"README  TXT", LOWER_EXTENSION), "README.txt");
        assert_eq!(text(b"NOEXT      ", 0x18), "noext");
        assert_eq!(text(b"\x05\x8e      \x9a  ", 0), "σÄ.Ü");
        assert_eq!(text(b"\xe5ELETED JPG", 0), "_ELETED.JPG");
    }

    #[test]
    fn a_long_name_must_be_whole_and_carry_the_sum() {
        let entry = short(b"ALONGN~1TXT", 0);
        let good = pieces("a long name of two pieces.txt", &entry.name, false);
        assert_eq!(good.name(&entry, page()).bytes, b"a long name of two pieces.txt");
        let other = short(b"OTHER   TXT", 0);
        let name = good.name(&other, page());
        assert_eq!((name.bytes, name.wrong.is_some()), (b"OTHER.TXT".to_vec(), true));
        for lost in 0..3 {
            let mut torn = pieces("a long name of two pieces.txt", &entry.name, false);
            torn.0.remove(lost);
            let name = torn.name(&entry, page());
            assert_eq!(name.bytes, b"ALONGN~1.TXT");
            assert!(name.wrong.is_some());
        }
    }

    #[test]
    fn leftovers_of_a_deleted_name_are_nobodys_fault() {
        let entry = short(b"NEW     TXT", 0);
        let name = pieces("what was here before", b"WHATWA~1   ", true).name(&entry, page());
        assert_eq!(name, Name { bytes: b"NEW.TXT".to_vec(), certain: true, wrong: None });
    }

    #[test]
    fn a_deleted_long_name_is_certain_when_the_lost_letter_is_its_own() {
        for (long, raw) in [
            ("Holiday in Rome.jpg", b"HOLIDA~1JPG"),
            (".hidden settings", b"HIDDEN~1   "),
            ("日本語のファイル.txt", b"______~1TXT"),
            ("émile zola est né.txt", b"\x90MILEZ~1TXT"),
        ] {
            let pieces = pieces(long, raw, true);
            let mut gone = *raw;
            gone[0] = DELETED;
            let name = pieces.name(&short(&gone, 0), page());
            assert_eq!(String::from_utf8(name.bytes).unwrap(), long);
            assert!(name.certain, "{long}");
        }
        let strange = pieces("Holiday in Rome.jpg", b"XOLIDA~1JPG", true);
        let name = strange.name(&short(b"\xe5OLIDA~1JPG", 0), page());
        assert_eq!((&name.bytes[..], name.certain), (&b"Holiday in Rome.jpg"[..], false));
    }

    #[test]
    fn two_generations_of_one_deleted_name_are_not_joined() {
        let raw = b"HOLIDA~1JPG";
        let mut both = pieces("Holiday in Rome.jpg", raw, true);
        both.0.extend(pieces("Holiday in Rome.jpg", raw, true).0);
        let name = both.name(&short(b"\xe5OLIDA~1JPG", 0), page());
        assert_eq!(name.bytes, b"Holiday in Rome.jpg");
    }

    proptest! {
        #[test]
        fn exactly_one_first_byte_makes_a_sum(name: [u8; 11], wanted: u8) {
            let brute: Vec<u8> = (0..=255_u8)
                .filter(|first| {
                    let mut tried = name;
                    tried[0] = *first;
                    sum(&tried) == wanted
                })
                .collect();
            prop_assert_eq!(brute, vec![first_byte(&name, wanted)]);
        }
    }
}
