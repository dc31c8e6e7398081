//! Types whose content is text, and plain text itself.
//!
//! Looked at last. A mark inside text is taken only where it opens the content: a manual that
//! quotes `%PDF-` is still text.
//!
//! Sources: ISO 32000-2, 7.5.2 and Adobe's note that readers accept the header within 1024 bytes;
//! W3C XML 1.0, SVG 2 and the HTML Standard; RFC 5322 (mail), RFC 4155 (mbox); BEP 3 (torrent);
//! VMware, "Virtual Disk Format 5.0".

use super::FileType;

/// How far a PDF header may stand behind other bytes.
const PDF_SEARCH: usize = 1024;
/// Prolog bytes in which the root element is looked for.
const PROLOG: usize = 8192;
/// Comments and declarations passed over before the root element.
const MOST_PROLOG_ITEMS: u32 = 32;
/// Header lines of a mail looked at.
const MOST_HEADER_LINES: usize = 64;

/// The kind of text, or `None` where the content is not text.
pub(super) fn detect(head: &[u8]) -> Option<FileType> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if let Some(kind) = opened_by_mark(text.trim_ascii_start()) {
        return Some(kind);
    }
    // Pages and mails of older code pages are no UTF-8, so these come before the check for text.
    if let Some(kind) = markup(text).or_else(|| mail(text)) {
        return Some(kind);
    }
    if is_text(head) {
        return Some(FileType::Text);
    }
    let start = head.get(..head.len().min(PDF_SEARCH)).unwrap_or_default();
    memchr::memmem::find(start, b"%PDF-1.").map(|_| FileType::Pdf)
}

/// Formats that may hold binary data behind a text mark.
fn opened_by_mark(text: &[u8]) -> Option<FileType> {
    match text {
        [b'%', b'P', b'D', b'F', b'-', b'1' | b'2', b'.', b'0'..=b'9', ..] => Some(FileType::Pdf),
        [b'%', b'!', b'P', b'S', b'-', b'A', ..] | [b'%', b'!', b'P', b'S', b'\r' | b'\n', ..] => {
            Some(FileType::PostScript)
        }
        [b'{', b'\\', b'r', b't', b'f', b'0'..=b'9' | b'\\', ..] => Some(FileType::Rtf),
        [b'd', b'0'..=b'9', ..] if is_torrent(text) => Some(FileType::Torrent),
        _ if text.starts_with(b"# Disk DescriptorFile") => Some(FileType::Vmdk),
        _ => None,
    }
}

/// The first key of the outer dictionary is one that a torrent has.
fn is_torrent(text: &[u8]) -> bool {
    let keys: [&[u8]; 6] = [
        b"d8:announce",
        b"d13:announce-list",
        b"d7:comment",
        b"d10:created by",
        b"d13:creation date",
        b"d4:infod",
    ];
    let start = text.get(..text.len().min(16_384)).unwrap_or_default();
    keys.iter().any(|key| text.starts_with(key))
        && memchr::memmem::find(start, b"4:infod").is_some()
}

/// UTF-8 or marked UTF-16 without control bytes that text does not hold. A character cut by the
/// head's end does not count against it.
fn is_text(head: &[u8]) -> bool {
    if head.is_empty() {
        return false;
    }
    match head {
        [0xff, 0xfe, rest @ ..] => return is_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return is_utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // Cut inside a character, which text of more than that one character may be.
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    valid && head.chunks(64).all(|piece| piece.iter().fold(true, |all, b| all & is_printed(*b)))
}

/// Tab, line feed, form feed, carriage return and escape are met in text beside what is printed.
const fn is_printed(byte: u8) -> bool {
    (byte >= 32) & (byte != 127)
        | (byte == 9)
        | (byte == 10)
        | (byte == 12)
        | (byte == 13)
        | (byte == 27)
}

fn is_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> bool {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = || pairs.iter().map(|pair| unit(*pair));
    let cut = units().next_back().is_some_and(|last| (0xd800..0xdc00).contains(&last));
    let faults = char::decode_utf16(units()).filter(Result::is_err).count();
    let printable =
        units().all(|unit| (32..0xfffe).contains(&unit) || matches!(unit, 9 | 10 | 12 | 13));
    !pairs.is_empty() && printable && faults <= usize::from(cut)
}

/// XML and HTML by the root element behind declarations and comments.
fn markup(text: &[u8]) -> Option<FileType> {
    let mut rest = text.get(..text.len().min(PROLOG)).unwrap_or_default().trim_ascii_start();
    let mut xml = false;
    for _ in 0..MOST_PROLOG_ITEMS {
        let after = if rest.starts_with(b"<?xml") {
            xml = true;
            behind(rest, b"?>")
        } else if rest.starts_with(b"<?") {
            behind(rest, b"?>")
        } else if rest.starts_with(b"<!--") {
            behind(rest, b"-->")
        } else if opens(rest, b"<!doctype html") {
            return Some(FileType::Html);
        } else if opens(rest, b"<!doctype") {
            behind_doctype(rest)
        } else {
            break;
        };
        let Some(after) = after else { return xml.then_some(FileType::Xml) };
        rest = after.trim_ascii_start();
    }
    root(rest).or_else(|| xml.then_some(FileType::Xml))
}

fn root(rest: &[u8]) -> Option<FileType> {
    let html: [&[u8]; 5] = [b"<html", b"<head", b"<body", b"<title", b"<script"];
    if opens(rest, b"<svg") || opens(rest, b"<svg:svg") {
        Some(FileType::Svg)
    } else if html.iter().any(|name| opens(rest, name)) {
        Some(FileType::Html)
    } else if opens(rest, b"<plist") {
        Some(FileType::Plist)
    } else {
        None
    }
}

/// True where the text starts with the word, in any case, and the word ends there.
fn opens(text: &[u8], word: &[u8]) -> bool {
    let Some((start, rest)) = text.split_at_checked(word.len()) else { return false };
    let ends =
        rest.first().is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'['));
    start.eq_ignore_ascii_case(word) && ends
}

fn behind<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(text, end)?.checked_add(end.len())?;
    text.get(at..)
}

/// Behind a document type, with or without declarations inside.
fn behind_doctype(text: &[u8]) -> Option<&[u8]> {
    match memchr::memchr2(b'[', b'>', text).and_then(|at| text.get(at..))? {
        inner @ [b'[', ..] => behind(behind(inner, b"]")?, b">"),
        end => end.get(1..),
    }
}

/// Header fields of which a mail has several.
const MAIL_FIELDS: &[&[u8]] = &[
    b"received",
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"return-path",
    b"delivered-to",
    b"content-type",
    b"reply-to",
    b"x-mailer",
];

/// A mail, or a mailbox where a separator line opens it.
fn mail(text: &[u8]) -> Option<FileType> {
    match text.strip_prefix(b"From ") {
        Some(rest) => {
            let line_end = memchr::memchr(b'\n', rest)?;
            let (separator, headers) = rest.split_at_checked(line_end.checked_add(1)?)?;
            (is_separator(separator) && mail_fields(headers) >= 2).then_some(FileType::Mbox)
        }
        None => (mail_fields(text) >= 3).then_some(FileType::Eml),
    }
}

/// Address and date: a time and a year of four digits.
fn is_separator(line: &[u8]) -> bool {
    let words = line.split(u8::is_ascii_whitespace);
    let (mut time, mut year) = (false, false);
    for word in words {
        time |= matches!(word, [_, _, b':', _, _, ..] | [_, b':', _, _, ..]);
        year |=
            matches!(word, [b'1' | b'2', a, b, c] if [a, b, c].iter().all(|d| d.is_ascii_digit()));
    }
    time && year
}

/// Known different fields in the lines up to the first empty one; 0 where a line is no header line.
fn mail_fields(text: &[u8]) -> usize {
    let mut met = [false; MAIL_FIELDS.len()];
    let mut rest = Some(text);
    for _ in 0..MOST_HEADER_LINES {
        let Some(text) = rest else { break };
        let end = memchr::memchr(b'\n', text);
        let line = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        rest = end.and_then(|end| text.get(end.checked_add(1)?..));
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if matches!(line, [b' ' | b'\t', ..]) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return 0 };
        let name = line.get(..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return 0;
        }
        for (field, met) in MAIL_FIELDS.iter().zip(&mut met) {
            *met |= name.eq_ignore_ascii_case(field);
        }
    }
    met.iter().filter(|met| **met).count()
}
