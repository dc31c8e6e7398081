//! Lines of `md5sum`, `sha1sum`, `sha256sum`, `b3sum` and of their `--tag` (BSD) form.
//!
//! Names are not kept, so their escapes need no undoing: a leading backslash only says that there
//! are some. A tag names its algorithm; its name ends at the last `)`, for a name may hold one.
//! Sources: GNU coreutils manual, "cksum output modes"; FreeBSD md5(1).

use super::{Cell, Reading, Settled};
use crate::digest::Algorithm;
use crate::hashset::encoding::Line;
use crate::hashset::{SetError, value};

/// Reads lines of a digest, a separator and a name.
pub(super) fn read_gnu(list: &mut Reading<'_>) -> Result<(), SetError> {
    let mut settled: Option<Settled> = None;
    for line in list.rows() {
        let row = gnu(list, unescaped(line?), &mut settled);
        list.judge(row)?;
    }
    Ok(())
}

fn gnu(
    list: &mut Reading<'_>,
    line: Line<'_>,
    settled: &mut Option<Settled>,
) -> Result<(), SetError> {
    let (record, mut entry) = list.tally.row();
    let end = line.bytes.iter().position(u8::is_ascii_whitespace);
    let digest = line.bytes.get(..end.unwrap_or(line.bytes.len())).unwrap_or_default();
    let cell = Cell { at: line.at, line: line.number, record, bytes: digest };
    let is = match *settled {
        Some(is) => is,
        None => *settled.insert(list.settle(cell)?),
    };
    list.put(&mut entry, is, cell)?;
    let name = line.bytes.get(digest.len()..).unwrap_or_default();
    if matches!(name, b"" | b" " | b"  " | b" *" | b"\t") {
        let at = line.at.saturating_add(digest.len());
        let place = list.place(Cell { at, ..cell });
        let expected = "a space and a name after the digest";
        return Err(SetError::bad(place, "the line's end", expected));
    }
    list.push(entry, line.number)
}

/// Reads lines such as `SHA256 (name) = digest`.
pub(super) fn read_bsd(list: &mut Reading<'_>) -> Result<(), SetError> {
    for line in list.rows() {
        let row = bsd(list, unescaped(line?));
        list.judge(row)?;
    }
    Ok(())
}

fn bsd(list: &mut Reading<'_>, line: Line<'_>) -> Result<(), SetError> {
    let (record, mut entry) = list.tally.row();
    let cell = Cell { at: line.at, line: line.number, record, bytes: line.bytes };
    let Some((tag, digest_at)) = tag(line.bytes) else {
        let expected = "a line such as MD5 (name) = digest";
        return Err(SetError::bad(list.place(cell), "something else", expected));
    };
    let Some(algorithm) = algorithm(tag) else {
        let expected = "MD5, SHA1, SHA256 or BLAKE3 before the name";
        return Err(SetError::bad(list.place(cell), "another algorithm", expected));
    };
    let bytes = line.bytes.get(digest_at..).unwrap_or_default().trim_ascii_end();
    let cell = Cell { at: line.at.saturating_add(digest_at), bytes, ..cell };
    let digits = algorithm.width().saturating_mul(2);
    let digest = value::digest(bytes, algorithm)
        .ok_or_else(|| list.bad(cell, format!("{digits} hex digits ({algorithm})")))?;
    list.tally.digest(&mut entry, algorithm, digest);
    list.push(entry, line.number)
}

/// A line without the mark of escapes in its name.
fn unescaped(line: Line<'_>) -> Line<'_> {
    match line.bytes.strip_prefix(b"\\") {
        Some(bytes) => Line { at: line.at.saturating_add(1), bytes, ..line },
        None => line,
    }
}

/// The word before the name of a BSD line, and the place of its digest.
pub(super) fn tag(line: &[u8]) -> Option<(&[u8], usize)> {
    let open = memchr::memchr(b'(', line)?;
    let tag = line.get(..open)?.trim_ascii_end();
    let word = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'/');
    if tag.is_empty() || !tag.iter().all(word) {
        return None;
    }
    let close = memchr::memrchr(b')', line).filter(|close| *close > open)?;
    let after = line.get(close.checked_add(1)?..)?;
    let digest = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    Some((tag, line.len().checked_sub(digest.len())?))
}

fn algorithm(tag: &[u8]) -> Option<Algorithm> {
    match tag.to_ascii_uppercase().as_slice() {
        b"MD5" => Some(Algorithm::Md5),
        b"SHA1" | b"SHA-1" => Some(Algorithm::Sha1),
        b"SHA256" | b"SHA-256" | b"SHA2-256" => Some(Algorithm::Sha256),
        b"BLAKE3" => Some(Algorithm::Blake3),
        _ => None,
    }
}
