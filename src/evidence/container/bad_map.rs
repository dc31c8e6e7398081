//! Lists of sectors that the maker of an image could not read: `--bad-map`.
//!
//! Two kinds are told by their lines. A map of GNU ddrescue has lines of position, size and status
//! in bytes, after one line of the current state; every status but `+` means that the bytes were
//! not read. A plain list has lines of first sector and count, in the sectors of the image.
//! Empty lines and those that begin with `#` say nothing.
//!
//! Source: GNU ddrescue manual, "Mapfile structure".

use std::ops::Range;

use super::holes::Ranges;

/// Most bytes of a list.
pub(super) const LARGEST: u64 = 256 << 20;

/// A line that is not understood: its number from 1, and what is wrong.
pub(super) type BadLine = (usize, String);

/// Reads a list; `sector_size` is for plain lists, `len` the length of the medium.
pub(super) fn parse(text: &[u8], sector_size: u64, len: u64) -> Result<Ranges, BadLine> {
    let mut ranges = Vec::new();
    let mut is_map = None;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = number.saturating_add(1);
        let bad = |detail: &str| (number, detail.to_owned());
        let line = std::str::from_utf8(line).map_err(|_| bad("it is no text"))?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_state = is_map.is_none() && state_line(&fields);
        let map = *is_map.get_or_insert(is_state);
        if is_state {
            continue;
        }
        let range = if map { map_line(&fields) } else { sector_line(&fields, sector_size) };
        ranges.extend(range.map_err(bad)?);
    }
    Ok(Ranges::new(ranges, len))
}

/// `CURRENT_POSITION STATUS [PASS]`, the first line of a map.
fn state_line(fields: &[&str]) -> bool {
    matches!(fields, [at, status, ..] if number(at).is_some()
        && matches!(*status, "?" | "*" | "/" | "-" | "F" | "G" | "+"))
}

/// `POSITION SIZE STATUS`
fn map_line(fields: &[&str]) -> Result<Option<Range<u64>>, &'static str> {
    let [at, size, status] = fields else { return Err("position, size and status are expected") };
    let (at, size) = number(at).zip(number(size)).ok_or("position or size is no number")?;
    let end = at.checked_add(size).ok_or("it ends past every medium")?;
    match *status {
        "+" => Ok(None),
        "?" | "*" | "/" | "-" => Ok(Some(at..end)),
        _ => Err("the status is none of + - / * ?"),
    }
}

/// `SECTOR COUNT`
fn sector_line(fields: &[&str], sector_size: u64) -> Result<Option<Range<u64>>, &'static str> {
    let [first, count] = fields else { return Err("first sector and count are expected") };
    let (first, count) = number(first).zip(number(count)).ok_or("a field is no number")?;
    let end = first.checked_add(count).and_then(|end| end.checked_mul(sector_size));
    let start = first.checked_mul(sector_size);
    start.zip(end).map(|(start, end)| Some(start..end)).ok_or("it ends past every medium")
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok().filter(|_| !text.starts_with('+')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_gives_everything_that_was_not_read() {
        let map = b"# Mapfile. Created by GNU ddrescue version 1.23\n0x00120000 ? 1\n\
            0x0 0x1000 +\n0x1000 0x200 -\n0x1200 0x200 *\n0x1400 0x400 +\n0x1800 0x800 ?\n";
        let ranges = parse(map, 512, 0x1a00).unwrap();
        assert_eq!(ranges.as_slice(), [0x1000..0x1400, 0x1800..0x1a00]);
    }

    #[test]
    fn a_plain_list_counts_in_sectors() {
        assert_eq!(
            parse(b"8 2\r\n\n# x\n0x20 1\n", 4096, u64::MAX).unwrap().as_slice(),
            [32768..40960, 131_072..135_168]
        );
    }

    #[test]
    fn a_line_that_is_neither_is_named() {
        for (text, line) in [
            (&b"1 2\n1 2 3\n"[..], 2),
            (b"0 + 1\n0 1 x\n", 2),
            (b"18446744073709551615 2", 1),
            (b"\xff", 1),
            (b"\n1 +2", 2),
        ] {
            assert_eq!(parse(text, 512, u64::MAX).unwrap_err().0, line, "{text:?}");
        }
    }

    #[test]
    fn never_panics_on_a_cut_list() {
        let map = b"0x10 F\n0x0 0x1000 +\n0x1000 0x200 -\n";
        for end in 0..map.len() {
            let _ = parse(&map[..end], 512, u64::MAX);
        }
    }
}
