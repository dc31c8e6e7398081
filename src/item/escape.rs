//! Names from evidence as text: lossless, one inert line, reversible.
//!
//! - a backslash is `\\`;
//! - a byte that is no UTF-8 is `\xNN`;
//! - control characters, line and paragraph separators, everything invisible or that changes the
//!   direction of text (Unicode general categories Cc, Cf, Zl, Zp) and lone surrogates (bytes
//!   `ED A0..BF xx`, as file systems that store UTF-16 give them) are `\u{N}`;
//! - in a name, what the path syntax uses is `\xNN`: `:` `|` `/`, a last `!`, the names `.` and
//!   `..`, and the first letter of a folder named like a virtual one;
//! - in any cell, a first `=` `+` `-` `@` is `\xNN`, so that no spreadsheet takes it for a formula.
//!
//! An empty name becomes `\x`, which no other rule makes. [`unescape`] gives the bytes back.

/// Folder names that the path syntax reserves for objects that no folder holds.
pub const VIRTUAL_FOLDERS: [&str; 3] = ["$Orphans", "$Unallocated", "$Slack"];

/// One name of a path, escaped so that it stays one segment and one line.
///
/// ```
/// use assay::item::escape::name;
/// assert_eq!(name(b"a:b\n.jpg"), r"a\x3ab\u{a}.jpg");
/// assert_eq!(name(b"\xff\xfe"), r"\xff\xfe");
/// assert_eq!(name(b".."), r"\x2e\x2e");
/// ```
pub fn name(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    push_name(&mut out, raw);
    out
}

/// Appends what [`name`] makes of a name.
pub(super) fn push_name(out: &mut String, raw: &[u8]) {
    if let Some(plain) = plain_name(raw) {
        return out.push_str(plain);
    }
    match raw {
        b"" => out.push_str("\\x"),
        b"." => out.push_str("\\x2e"),
        b".." => out.push_str("\\x2e\\x2e"),
        _ => {
            let (head, bang) = match raw.split_last() {
                Some((b'!', head)) => (head, true),
                _ => (raw, false),
            };
            let rest = match head.split_first() {
                Some((b'$', rest)) if is_virtual(raw) => {
                    out.push_str("\\x24");
                    rest
                }
                _ => head,
            };
            push(out, rest, |c| matches!(c, ':' | '|' | '/'));
            if bang {
                out.push_str("\\x21");
            }
        }
    }
}

/// The name itself where a look at its bytes tells that nothing in it is escaped: most names.
fn plain_name(raw: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\\:|/!".contains(byte);
    let plain = !matches!(raw.first(), None | Some(b'.' | b'$')) && raw.iter().all(is_plain);
    plain.then(|| std::str::from_utf8(raw).ok()).flatten()
}

/// Any text of hostile origin, for a cell of its own or a terminal: one inert line.
///
/// ```
/// assert_eq!(assay::item::escape::cell(b"=cmd"), r"\x3dcmd");
/// ```
pub fn cell(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    push_cell(&mut out, raw);
    out
}

/// Appends what [`cell`] makes of a text.
pub fn push_cell(out: &mut String, raw: &[u8]) {
    if let Some(plain) = plain_cell(raw) {
        return out.push_str(plain);
    }
    let rest = match raw.split_first() {
        Some((first @ (b'=' | b'+' | b'-' | b'@'), rest)) => {
            push_byte(out, *first);
            rest
        }
        _ => raw,
    };
    push(out, rest, |_| false);
}

/// The text itself where a look at its bytes tells that nothing in it is escaped.
fn plain_cell(raw: &[u8]) -> Option<&str> {
    let plain = !matches!(raw.first(), Some(b'=' | b'+' | b'-' | b'@'))
        && raw.iter().all(|byte| matches!(byte, b' '..=b'[' | b']'..=b'~'));
    plain.then(|| std::str::from_utf8(raw).ok()).flatten()
}

/// The bytes that an escaped text stands for; `None` where it is no text that [`name`] or
/// [`cell`] makes.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    if rest == "\\x" {
        return Some(out);
    }
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let escape = escape.strip_prefix('\\')?;
        if let Some(after) = escape.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
        } else if let Some(hex) = escape.strip_prefix('x') {
            out.push(u8::from_str_radix(hex.get(..2)?, 16).ok()?);
            rest = hex.get(2..)?;
        } else {
            let (digits, after) = escape.strip_prefix("u{")?.split_once('}')?;
            push_code_point(&mut out, u32::from_str_radix(digits, 16).ok()?)?;
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

fn is_virtual(raw: &[u8]) -> bool {
    VIRTUAL_FOLDERS.iter().any(|folder| folder.as_bytes() == raw)
}

/// Appends `raw`, escaping what every text escapes and what `special` names.
fn push(out: &mut String, raw: &[u8], special: impl Fn(char) -> bool) {
    let mut rest = raw;
    while !rest.is_empty() {
        let (valid, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), bad)
            }
        };
        for c in valid.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if special(c) => c.to_string().bytes().for_each(|byte| push_byte(out, byte)),
                c if is_inert(c) => out.push(c),
                c => push_point(out, u32::from(c)),
            }
        }
        rest = push_invalid(out, bad);
    }
}

/// Escapes the first byte, or the lone surrogate, that is no UTF-8; returns what follows it.
fn push_invalid<'a>(out: &mut String, bad: &'a [u8]) -> &'a [u8] {
    match bad {
        [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, rest @ ..] => {
            let unit = 0xD000 | (u32::from(*second & 0x3F) << 6) | u32::from(*third & 0x3F);
            push_point(out, unit);
            rest
        }
        [byte, rest @ ..] => {
            push_byte(out, *byte);
            rest
        }
        [] => bad,
    }
}

fn push_byte(out: &mut String, byte: u8) {
    out.push_str(&format!("\\x{byte:02x}"));
}

fn push_point(out: &mut String, point: u32) {
    out.push_str(&format!("\\u{{{point:x}}}"));
}

/// Appends a code point, surrogates included, in the byte form that evidence names use.
/// A name that is stored as UTF-16, as bytes: UTF-8, and for a lone surrogate the three bytes that
/// [`name`] shows as `\u{N}`.
///
/// ```
/// use assay::item::escape::{name, utf16_name};
/// assert_eq!(utf16_name([0x61, 0xD83D, 0xDE00]), "a\u{1F600}".as_bytes());
/// assert_eq!(name(&utf16_name([0xD83D])), r"\u{d83d}");
/// ```
pub fn utf16_name(units: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut out = Vec::new();
    for point in char::decode_utf16(units) {
        let point = point.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from);
        let _always_a_point = push_code_point(&mut out, point);
    }
    out
}

fn push_code_point(out: &mut Vec<u8>, point: u32) -> Option<()> {
    if let Some(c) = char::from_u32(point) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Some(());
    }
    let [_, _, high, low] = point.to_be_bytes();
    (0xD800..=0xDFFF).contains(&point).then(|| {
        out.push(0xED);
        out.push(0x80 | (high & 0x0F) << 2 | low >> 6);
        out.push(0x80 | low & 0x3F);
    })
}

/// True for what shows as itself and keeps the text one line in one direction.
fn is_inert(c: char) -> bool {
    !matches!(u32::from(c),
        0..=0x1F | 0x7F..=0x9F | 0xAD | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891
        | 0x8E2 | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF
        | 0xFFF9..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn path_syntax_never_comes_from_a_name() {
        assert_eq!(name(b"a!"), r"a\x21");
        assert_eq!(name(b"!"), r"\x21");
        assert_eq!(name(b"a!b"), "a!b");
        assert_eq!(name(b"x|y/z"), r"x\x7cy\x2fz");
        assert_eq!(name(b"$Slack"), r"\x24Slack");
        assert_eq!(name(b"$Slack2"), "$Slack2");
        assert_eq!(name(b""), r"\x");
    }

    #[test]
    fn invisible_and_directional_text_is_shown() {
        assert_eq!(name("gpj\u{202e}.exe".as_bytes()), r"gpj\u{202e}.exe");
        assert_eq!(name("\u{feff}a\u{1b}[2J".as_bytes()), r"\u{feff}a\u{1b}[2J");
        assert_eq!(name(b"\xed\xa0\x80x"), r"\u{d800}x");
        assert_eq!(name(b"\xed\xbf\xbf"), r"\u{dfff}");
    }

    #[test]
    fn what_nothing_escapes_to_is_refused() {
        for text in ["\\", "\\q", "\\x1", "\\u{110000}", "\\u{zz}", "\\u{1", "\\xé"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = name(&raw);
            prop_assert!(text.chars().all(is_inert));
            prop_assert_eq!(unescape(&text), Some(raw.clone()));
            if !raw.is_empty() {
                prop_assert_eq!(unescape(&cell(&raw)), Some(raw));
            }
        }

        #[test]
        fn every_text_comes_back(raw in "\\PC*|[\\s:|!/=+@.$-]*") {
            let text = name(raw.as_bytes());
            prop_assert_eq!(unescape(&text), Some(raw.into_bytes()));
        }
    }
}
