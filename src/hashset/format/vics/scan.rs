//! Finds the records of a VICS document without reading them.
//!
//! One pass over brackets and strings, many bytes at a time; what stands between records (commas,
//! closing brackets, the members around them, what follows the end) is checked here, what stands in
//! a record by whoever reads it. The text comes in windows: a step that does not end within one is
//! done again with more. Source: RFC 8259; for the document's form see [`super`].

use super::words::{self, Marks};
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;

/// Deepest nesting of brackets.
pub(super) const DEEPEST: usize = 64;

/// Most bytes between the start of a record, or of a member beside them, and its end.
pub(super) const LARGEST_RECORD: usize = 16 << 20;

/// How many members an error names.
const NAMED: usize = 10;

/// Members that a record has and no document around records.
const OF_RECORDS: [&str; 7] =
    ["md5", "sha1", "sha256", "photodna", "alternativehashes", "mediafiles", "mediaid"];

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record.
    Record(Span),
    /// The text that says which model the document has, quotes included.
    Context(Range<usize>),
    /// More of the text is needed; nothing before [`Scanner::keep`] is.
    More,
    /// The document ends here and is whole.
    End,
}

/// A record, from its opening to its closing bracket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) text: Range<usize>,
    /// Which of [`Scanner::quotes`] are its own; none where a string in it is not plain.
    pub(super) quotes: Range<usize>,
}

/// A place where the document is not as it has to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) at: usize,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

enum Stop {
    More,
    Bad(Trouble),
}

type Scan<T> = Result<T, Stop>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Nothing was read.
    Start,
    /// Members beside the records.
    Root,
    /// Records, or cases.
    Values,
    /// Members of a case.
    Case,
    /// Records of a case.
    Media,
    /// A record a line.
    Lines,
    /// The document was closed.
    Done,
}

/// Walks through a document.
pub(super) struct Scanner {
    /// Each with whether a value was read in it already.
    levels: Vec<(Level, bool)>,
    at: usize,
    /// Start of a root that may be the first of many records.
    root: Option<usize>,
    keys: Vec<String>,
    values_seen: bool,
    quotes: Vec<u64>,
}

impl Scanner {
    /// At the start of a document.
    pub(super) fn new() -> Self {
        let (levels, keys) = (vec![(Level::Start, false)], Vec::new());
        Self { levels, at: 0, root: None, keys, values_seen: false, quotes: Vec::new() }
    }

    /// Where the quotes of records are, a bit for each byte of them, the lowest of a word first.
    pub(super) fn quotes(&self, span: &Span) -> &[u64] {
        self.quotes.get(span.quotes.clone()).unwrap_or_default()
    }

    /// Forgets the quotes of all records that were found.
    pub(super) fn forget(&mut self) {
        self.quotes.clear();
    }

    /// The first byte that is still needed.
    pub(super) fn keep(&self) -> usize {
        self.root.unwrap_or(self.at)
    }

    /// Follows a window that let go its first `gone` bytes.
    pub(super) fn shift(&mut self, gone: usize) {
        self.at = self.at.saturating_sub(gone);
        self.root = self.root.map(|root| root.saturating_sub(gone));
    }

    /// Goes on to the next thing in `bytes`; `last` says that nothing follows them.
    pub(super) fn next(&mut self, bytes: &[u8], last: bool) -> Result<Step, Trouble> {
        let text = Bytes { bytes, last };
        loop {
            let step = match self.levels.last().copied() {
                Some((Level::Start, _)) => self.start(&text),
                Some((Level::Root | Level::Case, after)) => self.object(&text, after),
                Some((Level::Values | Level::Media, after)) => self.array(&text, after),
                Some((Level::Lines, _)) => self.line(&text),
                Some((Level::Done, _)) | None => self.done(&text),
            };
            match step {
                Ok(Some(step)) => return Ok(step),
                Ok(None) => {}
                Err(Stop::Bad(trouble)) => return Err(trouble),
                Err(Stop::More) if !last => return Ok(Step::More),
                Err(Stop::More) => {
                    let found = "the end of the file".into();
                    return Err(Trouble { at: bytes.len(), found, expected: self.awaited() });
                }
            }
        }
    }

    fn awaited(&self) -> &'static str {
        match self.levels.last() {
            Some((Level::Values | Level::Media, _)) => "the rest of a record, or ] and }",
            _ => "the rest of the document",
        }
    }

    fn start(&mut self, text: &Bytes<'_>) -> Scan<Option<Step>> {
        let at = text.space(self.at);
        self.at = at;
        match text.peek(at) {
            Err(_) if text.last => Ok(Some(Step::End)),
            Ok(b'{') => {
                self.root = Some(at);
                self.enter(Level::Root, at);
                Ok(None)
            }
            Ok(b'[') => {
                self.values_seen = true;
                self.enter(Level::Values, at);
                Ok(None)
            }
            Ok(_) => Err(bad(at, "something else", "{ or [")),
            Err(stop) => Err(stop),
        }
    }

    /// Goes into a bracket.
    fn enter(&mut self, level: Level, at: usize) {
        if let Some((_, after)) = self.levels.last_mut() {
            *after = true;
        }
        self.levels.push((level, false));
        self.at = at.saturating_add(1);
    }

    /// Reads one member of a root or a case, or its end.
    fn object(&mut self, text: &Bytes<'_>, after: bool) -> Scan<Option<Step>> {
        let mut at = text.space(self.at);
        match (text.peek(at)?, after) {
            (b'}', _) => return self.close_object(at),
            (b',', true) => at = text.space(at.saturating_add(1)),
            (_, true) => return Err(bad(at, "no comma between members", ", or }")),
            (_, false) => {}
        }
        if text.peek(at)? != b'"' {
            return Err(bad(at, "no name of a member", "a name in quotes"));
        }
        let key_end = text.string(at)?;
        let key: String = text.json(at..key_end)?;
        let colon = text.space(key_end);
        if text.peek(colon)? != b':' {
            return Err(bad(colon, "no colon behind a member's name", ":"));
        }
        let value = text.space(colon.saturating_add(1));
        let opens = text.peek(value)? == b'[';
        let root = self.root_level();
        if key.eq_ignore_ascii_case(if root { "value" } else { "media" }) {
            if !opens || root && self.values_seen {
                return Err(bad(value, "something else or a second one", "one array of records"));
            }
            self.values_seen = true;
            self.root = None;
            self.enter(if root { Level::Values } else { Level::Media }, value);
            return Ok(None);
        }
        let end = text.value(value)?;
        text.json::<serde::de::IgnoredAny>(value..end)?;
        self.at = end;
        if let Some((_, after)) = self.levels.last_mut() {
            *after = true;
        }
        let context = ["odata.metadata", "@odata.context"];
        let context = context.iter().any(|name| key.eq_ignore_ascii_case(name));
        if root && self.root.is_some() && self.keys.len() <= NAMED {
            self.keys.push(key);
        }
        Ok((root && context).then_some(Step::Context(value..end)))
    }

    fn root_level(&self) -> bool {
        self.levels.last().is_some_and(|(level, _)| *level == Level::Root)
    }

    fn close_object(&mut self, at: usize) -> Scan<Option<Step>> {
        let root = self.root_level();
        self.at = at.saturating_add(1);
        self.levels.pop();
        if !root {
            return Ok(None);
        }
        let Some(start) = self.root.take() else {
            self.levels.push((Level::Done, false));
            return Ok(None);
        };
        let is_record = |key: &String| OF_RECORDS.iter().any(|of| key.eq_ignore_ascii_case(of));
        if !self.keys.iter().any(is_record) {
            self.keys.truncate(NAMED);
            let names = self.keys.iter().map(|key| {
                let name = crate::item::escape::cell(key.as_bytes());
                name.chars().take(40).collect::<String>()
            });
            let found = format!("a document of {}", names.collect::<Vec<_>>().join(", "));
            let expected = "VICS: a member `value` with an array of records";
            return Err(Stop::Bad(Trouble { at: start, found, expected }));
        }
        self.levels.push((Level::Lines, false));
        Ok(Some(Step::Record(Span { text: start..self.at, quotes: 0..0 })))
    }

    /// Reads one record of an array, or its end; goes into a case.
    fn array(&mut self, text: &Bytes<'_>, after: bool) -> Scan<Option<Step>> {
        let mut at = text.space(self.at);
        match (text.peek(at)?, after) {
            (b']', _) => {
                self.at = at.saturating_add(1);
                self.levels.pop();
                if self.levels.len() == 1 {
                    self.levels.push((Level::Done, false));
                }
                return Ok(None);
            }
            (b',', true) => at = text.space(at.saturating_add(1)),
            (_, true) => return Err(bad(at, "no comma between records", ", or ]")),
            (_, false) => {}
        }
        if text.peek(at)? != b'{' {
            return Err(bad(at, "no record", "a record in { }"));
        }
        let cases = self.levels.last().is_some_and(|(level, _)| *level == Level::Values);
        if let Some(span) = self.record(text, at, cases)? {
            if let Some((_, after)) = self.levels.last_mut() {
                *after = true;
            }
            return Ok(Some(Step::Record(span)));
        }
        self.enter(Level::Case, at);
        Ok(None)
    }

    /// Reads one record of a text that has one a line.
    fn line(&mut self, text: &Bytes<'_>) -> Scan<Option<Step>> {
        let at = text.space(self.at);
        let c = match text.peek(at) {
            Err(_) if text.last => return Ok(Some(Step::End)),
            c => c?,
        };
        let between = text.bytes.get(self.at..at).unwrap_or_default();
        if c != b'{' || !between.iter().any(|c| matches!(c, b'\n' | b'\r')) {
            return Err(bad(
                at,
                "something after the record",
                "the next record on a line of its own",
            ));
        }
        Ok(self.record(text, at, false)?.map(Step::Record))
    }

    /// Goes behind the record that begins at `at`; `None`, and not moved, where it is a case.
    fn record(&mut self, text: &Bytes<'_>, at: usize, cases: bool) -> Scan<Option<Span>> {
        let before = self.quotes.len();
        let mut walk = Walk::new(text, cases, &mut self.quotes);
        let end = walk.from(at);
        let is_plain = walk.is_plain;
        let Ok(Some(end)) = end else {
            self.quotes.truncate(before);
            return end.map(|_| None);
        };
        if !is_plain {
            self.quotes.truncate(before);
        }
        self.at = end;
        Ok(Some(Span { text: at..end, quotes: before..self.quotes.len() }))
    }

    fn done(&mut self, text: &Bytes<'_>) -> Scan<Option<Step>> {
        self.at = text.space(self.at);
        match text.peek(self.at) {
            Err(_) if text.last => Ok(Some(Step::End)),
            Err(stop) => Err(stop),
            Ok(_) => Err(bad(self.at, "something after the document", "the end of the file")),
        }
    }
}

fn bad(at: usize, found: &str, expected: &'static str) -> Stop {
    Stop::Bad(Trouble { at, found: found.to_owned(), expected })
}

/// A window of the text.
struct Bytes<'a> {
    bytes: &'a [u8],
    last: bool,
}

impl Bytes<'_> {
    /// The first place at or behind `at` that is no white space.
    fn space(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let space = |c: &u8| matches!(c, b' ' | b'\t' | b'\r' | b'\n');
        at.saturating_add(rest.iter().take_while(|c| space(c)).count())
    }

    fn peek(&self, at: usize) -> Scan<u8> {
        self.bytes.get(at).copied().ok_or(Stop::More)
    }

    /// The end of the string that opens at `at`.
    fn string(&self, at: usize) -> Scan<usize> {
        let mut at = at.saturating_add(1);
        loop {
            let rest = self.bytes.get(at..).ok_or(Stop::More)?;
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Stop::More)?;
            let place = at.saturating_add(found);
            if rest.get(found) == Some(&b'"') {
                return Ok(place.saturating_add(1));
            }
            at = place.saturating_add(2);
        }
    }

    /// The end of any value that begins at `at`.
    fn value(&self, at: usize) -> Scan<usize> {
        match self.peek(at)? {
            b'"' => self.string(at),
            b'{' | b'[' => Ok(Walk::new(self, false, &mut Vec::new()).from(at)?.unwrap_or(at)),
            _ => {
                let rest = self.bytes.get(at..).unwrap_or_default();
                let ends = |c: &u8| matches!(c, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                let end = rest.iter().position(ends).ok_or(Stop::More)?;
                Ok(at.saturating_add(end))
            }
        }
    }

    /// Whether a bracket is the value of a member `Media`.
    fn is_media(&self, bracket: usize) -> bool {
        let before = self.bytes.get(..bracket).unwrap_or_default().trim_ascii_end();
        let name = before.strip_suffix(b":").unwrap_or_default().trim_ascii_end();
        let Some((before, name)) = name.split_last_chunk::<7>() else { return false };
        name.eq_ignore_ascii_case(b"\"media\"") && before.last() != Some(&b'\\')
    }

    /// Reads a small part.
    fn json<'a, T: serde::Deserialize<'a>>(&'a self, part: Range<usize>) -> Scan<T> {
        let at = part.start;
        let text = self.bytes.get(part).unwrap_or_default();
        serde_json::from_slice(text).map_err(|_| bad(at, "text that is no JSON", "a JSON value"))
    }
}

/// A walk from the first bracket of a value to its last.
struct Walk<'w> {
    text: &'w Bytes<'w>,
    cases: bool,
    depth: usize,
    in_string: bool,
    /// The next byte stands behind a backslash in a string.
    escaped: bool,
    /// Where quotes are: of all bytes, as long as the text [`is_plain`](Self::is_plain).
    quotes: &'w mut Vec<u64>,
    /// No string so far has a backslash or a control character, and all was told of in `quotes`.
    is_plain: bool,
}

/// Goes on, or ends at a place; at none where it is a case.
type Way = ControlFlow<Option<usize>>;

impl<'w> Walk<'w> {
    /// Before the first bracket. Where `cases` is asked for, it ends where it meets a case: what has a
    /// member `Media` that is an array.
    const fn new(text: &'w Bytes<'w>, cases: bool, quotes: &'w mut Vec<u64>) -> Self {
        Self { text, cases, depth: 0, in_string: false, escaped: false, quotes, is_plain: true }
    }

    /// The end of the bracket that opens at `start`; `None` where it is a case.
    fn from(&mut self, start: usize) -> Scan<Option<usize>> {
        let rest = self.text.bytes.get(start..).ok_or(Stop::More)?;
        let (blocks, rest) = rest.as_chunks::<{ words::BLOCK }>();
        let mut at = start;
        for block in blocks {
            if let Break(end) = self.block(block, at)? {
                return Ok(end);
            }
            at = at.saturating_add(words::BLOCK);
        }
        match self.bytes(rest, at)? {
            Break(end) => Ok(end),
            Continue(()) => Err(Stop::More),
        }
    }

    /// Walks through bytes that begin at `at`.
    fn block(&mut self, block: &[u8; words::BLOCK], at: usize) -> Scan<Way> {
        let marks = Marks::of(block);
        if marks.has_backslash || self.escaped {
            return self.bytes(block, at);
        }
        let strings = marks.in_strings(self.in_string);
        self.is_plain &= marks.controls & strings == 0;
        self.quotes.push(marks.quotes);
        self.in_string = strings >> 63 == 1;
        let mut brackets = marks.brackets & !strings;
        while brackets != 0 {
            let n = usize::try_from(brackets.trailing_zeros()).unwrap_or(0);
            if let Break(end) = self.bracket(at.saturating_add(n))? {
                return Ok(Break(end));
            }
            brackets &= brackets.wrapping_sub(1);
        }
        Ok(Continue(()))
    }

    /// The same byte by byte.
    fn bytes(&mut self, bytes: &[u8], at: usize) -> Scan<Way> {
        self.is_plain = false;
        for (n, c) in bytes.iter().enumerate() {
            match c {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = self.in_string,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'}' | b'[' | b']' if !self.in_string => {
                    if let Break(end) = self.bracket(at.saturating_add(n))? {
                        return Ok(Break(end));
                    }
                }
                _ => {}
            }
        }
        Ok(Continue(()))
    }

    fn bracket(&mut self, at: usize) -> Scan<Way> {
        let c = self.text.peek(at)?;
        if matches!(c, b'{' | b'[') {
            if self.cases && self.depth == 1 && c == b'[' && self.text.is_media(at) {
                return Ok(Break(None));
            }
            self.depth = self.depth.saturating_add(1);
            if self.depth > DEEPEST {
                return Err(bad(at, "brackets nested more deeply", "at most 64 levels"));
            }
            return Ok(Continue(()));
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(if self.depth == 0 { Break(Some(at.saturating_add(1))) } else { Continue(()) })
    }
}
