//! Where a PDF ends: behind the last end mark whose cross-reference table stands where it says.
//!
//! A file that was changed has several ends; as long as further objects follow one, the file goes
//! on. The first of two ends that a linearised file has refers to nothing.
//!
//! Source: ISO 32000-1:2008, 7.5 and annex F.

use super::Length;
use super::window::Window;

/// Bytes without an object's end: streams of pictures are long, foreign data longer.
const LONGEST_QUIET: u64 = 64 * 1024 * 1024;
/// End marks looked at.
const MOST_ENDS: u32 = 65_536;
/// Bytes before an end mark that hold the table's place.
const BEFORE: u64 = 64;
/// Bytes behind an end mark that say whether the file goes on.
const BEHIND: usize = 64;
const END: &[u8] = b"%%EOF";

/// Follows end marks from the header on.
pub(super) fn length(window: &mut Window<'_>) -> Option<Length> {
    if window.array(0)? != *b"%PDF-" {
        return None;
    }
    let (mut at, mut last) = (5_u64, None);
    for _ in 0..MOST_ENDS {
        let Some(mark) = next_end(window, at) else { break };
        at = mark.saturating_add(5);
        match table_place(window, mark) {
            Some(0) => {}
            Some(place) if is_table(window, place, mark) => {
                let end = line_end(window, at);
                last = Some(end);
                if !goes_on(window, end) {
                    break;
                }
                at = end;
            }
            _ => {}
        }
    }
    Some(last.map_or(Length::cut(at.min(window.len())), Length::complete))
}

/// The next end mark; `None` where another file begins before it, or nothing of a PDF comes.
fn next_end(window: &mut Window<'_>, from: u64) -> Option<u64> {
    let (mut at, mut quiet_from) = (from, from);
    while at.saturating_sub(quiet_from) <= LONGEST_QUIET {
        let rest = window.rest(at)?;
        let len = u64::try_from(rest.len()).ok()?;
        let end = memchr::memmem::find(rest, END);
        let seen = rest.get(..end.unwrap_or(rest.len()))?;
        if memchr::memmem::find(seen, b"%PDF-").is_some() {
            return None;
        }
        if let Some(end) = end {
            return at.checked_add(u64::try_from(end).ok()?);
        }
        if memchr::memmem::find(rest, b"endobj").is_some() {
            quiet_from = at;
        }
        // A mark may lie across two pieces.
        at = at.checked_add(len.saturating_sub(4).max(1))?;
    }
    None
}

/// The number behind `startxref`.
fn table_place(window: &mut Window<'_>, mark: u64) -> Option<u64> {
    let from = mark.saturating_sub(BEFORE);
    let len = usize::try_from(mark.checked_sub(from)?).ok()?;
    let text = window.block(from, len)?.bytes();
    let word = memchr::memmem::rfind(text, b"startxref")?;
    let digits = text.get(word.checked_add(9)?..)?.trim_ascii();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// True where a cross-reference table or the object of a cross-reference stream stands.
fn is_table(window: &mut Window<'_>, place: u64, mark: u64) -> bool {
    if place >= mark {
        return false;
    }
    let len = usize::try_from(mark.saturating_sub(place)).unwrap_or(32).min(32);
    let Some(text) = window.block(place, len) else { return false };
    let text = text.bytes().trim_ascii_start();
    if text.starts_with(b"xref") {
        return true;
    }
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    number() && number() && words.next().is_some_and(|word| word.starts_with(b"obj"))
}

/// Behind the end of the line that ends at `at`.
fn line_end(window: &mut Window<'_>, at: u64) -> u64 {
    let step = match (window.u8(at), at.checked_add(1).and_then(|next| window.u8(next))) {
        (Some(b'\r'), Some(b'\n')) => 2,
        (Some(b'\r' | b'\n'), _) => 1,
        _ => 0,
    };
    at.saturating_add(step)
}

/// True where what follows an end belongs to the same file: an object, a table or a comment.
fn goes_on(window: &mut Window<'_>, at: u64) -> bool {
    let left = usize::try_from(window.len().saturating_sub(at)).unwrap_or(BEHIND).min(BEHIND);
    let Some(text) = window.block(at, left) else { return false };
    let text = text.bytes().trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let object = text.get(digits..).is_some_and(|rest| {
        let rest = rest.trim_ascii_start();
        let generation = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        generation > 0
            && rest
                .get(generation..)
                .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"obj"))
    });
    digits > 0 && object
        || text.starts_with(b"xref")
        || text.starts_with(b"%%") && !text.starts_with(b"%%EOF")
}
