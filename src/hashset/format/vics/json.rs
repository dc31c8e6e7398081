//! One JSON value, read where it lies: what is of no use is passed over, what is of use is borrowed.
//!
//! The text is hostile. Passed over or not, every byte of it is held against the grammar: names,
//! colons, commas, brackets, numbers, words, escapes, control characters. Strings may hold bytes that
//! are no UTF-8, because names of files do. serde_json does the same with two looks at each string
//! and a copy of many, which a list of millions of records is too long for. Tests hold the two
//! against each other. Source: RFC 8259.

use super::scan::DEEPEST;
use super::words;
use std::borrow::Cow;

/// Why a text is not read, and the place of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no JSON.
    Text(usize),
    /// It is JSON, of another kind than was asked for.
    Kind(usize),
}

type Outcome<T> = Result<T, Fault>;

/// Bits of a word that says where quotes are.
const BITS: usize = words::BLOCK;

/// A value without parts, still as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// Missing, null or an empty text.
    #[default]
    Nothing,
    Flag(bool),
    /// Digits of a number that an `i64` holds, as that would be written.
    Number(&'a [u8]),
    /// Without the space around it; not always UTF-8.
    Text(Cow<'a, [u8]>),
    /// What is none of these.
    Other,
}

impl Scalar<'_> {
    pub(super) const fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// Goes through a text.
pub(super) struct Reader<'a> {
    len: usize,
    rest: &'a [u8],
    quotes: &'a [u64],
    depth: usize,
}

impl<'a> Reader<'a> {
    /// At the start of a text. `quotes` has a bit for each byte of it, the lowest of the first one
    /// for the first byte: whether it is a quote; or is empty. It may only be given of a text in
    /// which no string has a backslash or a control character.
    pub(super) const fn with_quotes(text: &'a [u8], quotes: &'a [u64]) -> Self {
        Self { len: text.len(), rest: text, quotes, depth: 0 }
    }

    fn at(&self) -> usize {
        self.len.saturating_sub(self.rest.len())
    }

    fn bad<T>(&self) -> Outcome<T> {
        Err(Fault::Text(self.at()))
    }

    /// Goes `n` bytes on.
    fn pass(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// The next byte that is no white space; 0, which no value begins with, at the end.
    fn peek(&mut self) -> u8 {
        while let Some((c, rest)) = self.rest.split_first() {
            if !matches!(c, b' ' | b'\n' | b'\r' | b'\t') {
                return *c;
            }
            self.rest = rest;
        }
        0
    }

    fn expect(&mut self, c: u8) -> Outcome<()> {
        if self.peek() != c {
            return self.bad();
        }
        self.pass(1);
        Ok(())
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    /// [`Fault::Text`] where something does.
    pub(super) fn end(&mut self) -> Outcome<()> {
        self.peek();
        if self.rest.is_empty() { Ok(()) } else { self.bad() }
    }

    /// Goes through an object; `member` is given each name and reads the value.
    ///
    /// # Errors
    /// What is no object, and what `member` gives.
    pub(super) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Outcome<()>,
    ) -> Outcome<()> {
        self.open(b'{')?;
        if self.peek() == b'}' {
            return self.close();
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            member(self, &name)?;
            if !self.goes_on(b'}')? {
                return self.close();
            }
        }
    }

    /// Goes through an array; `element` reads each value.
    ///
    /// # Errors
    /// What is no array, and what `element` gives.
    pub(super) fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Outcome<()>,
    ) -> Outcome<()> {
        self.open(b'[')?;
        if self.peek() == b']' {
            return self.close();
        }
        loop {
            element(self)?;
            if !self.goes_on(b']')? {
                return self.close();
            }
        }
    }

    /// Goes into a bracket.
    fn open(&mut self, bracket: u8) -> Outcome<()> {
        let c = self.peek();
        if c != bracket {
            let at = self.at();
            // A value that is damaged is told as damaged.
            return Err(match c {
                b'{' | b'[' => Fault::Kind(at),
                _ => self.scalar().map_or_else(|fault| fault, |_| Fault::Kind(at)),
            });
        }
        if self.depth >= DEEPEST {
            return self.bad();
        }
        self.depth = self.depth.saturating_add(1);
        self.pass(1);
        Ok(())
    }

    fn close(&mut self) -> Outcome<()> {
        self.depth = self.depth.saturating_sub(1);
        self.pass(1);
        Ok(())
    }

    /// Whether a comma stands here, which is passed, and not the bracket that closes.
    fn goes_on(&mut self, bracket: u8) -> Outcome<bool> {
        match self.peek() {
            b',' => {
                self.pass(1);
                Ok(true)
            }
            c if c == bracket => Ok(false),
            _ => self.bad(),
        }
    }

    /// Reads a value; what has parts is passed over.
    ///
    /// # Errors
    /// [`Fault::Text`].
    pub(super) fn scalar(&mut self) -> Outcome<Scalar<'a>> {
        match self.peek() {
            b'"' => Ok(match self.string()? {
                Cow::Borrowed(text) => match text.trim_ascii() {
                    b"" => Scalar::Nothing,
                    text => Scalar::Text(Cow::Borrowed(text)),
                },
                Cow::Owned(text) => match text.trim_ascii() {
                    b"" => Scalar::Nothing,
                    text => Scalar::Text(Cow::Owned(text.to_owned())),
                },
            }),
            b'{' => {
                self.members(|value, _| value.skip())?;
                Ok(Scalar::Other)
            }
            b'[' => {
                self.elements(Self::skip)?;
                Ok(Scalar::Other)
            }
            b't' => self.word(b"true").map(|()| Scalar::Flag(true)),
            b'f' => self.word(b"false").map(|()| Scalar::Flag(false)),
            b'n' => self.word(b"null").map(|()| Scalar::Nothing),
            _ => self.whole_number(),
        }
    }

    /// Reads null; false, and nothing read, where something else stands here.
    ///
    /// # Errors
    /// [`Fault::Text`] where it is another word.
    pub(super) fn null(&mut self) -> Outcome<bool> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    /// Passes over a value.
    ///
    /// # Errors
    /// [`Fault::Text`].
    pub(super) fn skip(&mut self) -> Outcome<()> {
        match self.peek() {
            b'"' => self.skip_string(),
            b'{' => self.skip_members(),
            b'[' => self.elements(Self::skip),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn skip_members(&mut self) -> Outcome<()> {
        self.open(b'{')?;
        if self.peek() == b'}' {
            return self.close();
        }
        loop {
            if self.peek() != b'"' {
                return self.bad();
            }
            self.skip_string()?;
            self.expect(b':')?;
            self.skip()?;
            if !self.goes_on(b'}')? {
                return self.close();
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Outcome<()> {
        let same = word.iter().zip(self.rest).take_while(|(want, is)| want == is).count();
        self.pass(same);
        if same == word.len() { Ok(()) } else { self.bad() }
    }

    /// Passes over digits; false where there is none.
    fn digits(&mut self) -> bool {
        let n = self.rest.iter().take_while(|c| c.is_ascii_digit()).count();
        self.pass(n);
        n > 0
    }

    /// Passes over `c` where it is next.
    fn is_next(&mut self, c: impl Fn(u8) -> bool) -> bool {
        let is = self.rest.first().is_some_and(|next| c(*next));
        if is {
            self.pass(1);
        }
        is
    }

    fn number(&mut self) -> Outcome<()> {
        self.is_next(|c| c == b'-');
        // No digit stands behind a zero.
        let whole = match self.is_next(|c| c == b'0') {
            true => !self.rest.first().is_some_and(u8::is_ascii_digit),
            false => self.digits(),
        };
        if !whole || self.is_next(|c| c == b'.') && !self.digits() {
            return self.bad();
        }
        if self.is_next(|c| matches!(c, b'e' | b'E')) {
            self.is_next(|c| matches!(c, b'+' | b'-'));
            if !self.digits() {
                return self.bad();
            }
        }
        Ok(())
    }

    fn whole_number(&mut self) -> Outcome<Scalar<'a>> {
        let (start, from) = (self.at(), self.rest);
        self.number()?;
        let len = from.len().saturating_sub(self.rest.len());
        let text = from.get(..len).unwrap_or_default();
        let plain = text.strip_prefix(b"-").unwrap_or(text).iter().all(u8::is_ascii_digit);
        let short = text.len() < 19;
        let fits = || std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok());
        if plain && text != b"-0" && (short || fits()) {
            return Ok(Scalar::Number(text));
        }
        match serde_json::from_slice::<f64>(text) {
            Ok(_) => Ok(Scalar::Other),
            Err(_) => Err(Fault::Text(start)),
        }
    }

    /// Reads a string.
    #[inline]
    fn string(&mut self) -> Outcome<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        match self.up_to_quote() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.searched(),
        }
    }

    /// Reads the rest of a string of which the end is not known.
    #[inline(never)]
    fn searched(&mut self) -> Outcome<Cow<'a, [u8]>> {
        let text = self.plain();
        if self.is_next(|c| c == b'"') {
            return Ok(Cow::Borrowed(text));
        }
        self.escaped(text).map(Cow::Owned)
    }

    /// What stands before the next quote, where it is known to be all of the string; passes over both.
    #[inline]
    fn up_to_quote(&mut self) -> Option<&'a [u8]> {
        let at = self.at();
        let first = self.quotes.get(at / BITS)? >> (at % BITS);
        let len = match first {
            0 => self.quote_after(at),
            _ => usize::try_from(first.trailing_zeros()).unwrap_or(0),
        };
        let (text, rest) = self.rest.split_at_checked(len)?;
        // Looked at, although it is known: behind a wrong end the rest would be read as another.
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// How far the next quote is, where the word of the byte at `at` has none behind it.
    fn quote_after(&self, at: usize) -> usize {
        let words = self.quotes.get((at / BITS).saturating_add(1)..).unwrap_or_default();
        let mut before = BITS.saturating_sub(at % BITS);
        for word in words {
            if *word != 0 {
                let bit = usize::try_from(word.trailing_zeros()).unwrap_or(0);
                return before.saturating_add(bit);
            }
            before = before.saturating_add(BITS);
        }
        before
    }

    /// What stands before the next byte that is not itself in a string; passes over it.
    fn plain(&mut self) -> &'a [u8] {
        let (text, rest) = self.rest.split_at_checked(words::plain(self.rest)).unwrap_or_default();
        self.rest = rest;
        text
    }

    /// Reads the rest of a string that has escapes, of which `start` was read.
    #[cold]
    fn escaped(&mut self, start: &[u8]) -> Outcome<Vec<u8>> {
        let mut text = start.to_owned();
        loop {
            match self.rest.first() {
                Some(b'"') => {
                    self.pass(1);
                    return Ok(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                _ => return self.bad(),
            }
            text.extend_from_slice(self.plain());
        }
    }

    fn escape(&mut self, to: &mut Vec<u8>) -> Outcome<()> {
        let c = self.rest.get(1).copied().unwrap_or(0);
        to.push(match c {
            b'"' | b'\\' | b'/' => c,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = self.surrogates()?;
                to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => {
                self.pass(1);
                return self.bad();
            }
        });
        self.pass(2);
        Ok(())
    }

    /// The character of one `\u`, or of two that are a pair.
    fn surrogates(&mut self) -> Outcome<char> {
        let at = self.at();
        let first = self.unit()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let second = if is_high { Some(self.unit()?) } else { None };
        let mut decoded = char::decode_utf16([first].into_iter().chain(second));
        match (decoded.next(), decoded.next()) {
            (Some(Ok(c)), None) => Ok(c),
            _ => Err(Fault::Text(at)),
        }
    }

    /// The number of one `\u`, which stands here or not.
    fn unit(&mut self) -> Outcome<u16> {
        let Some((b"\\u", digits)) = self.rest.split_at_checked(2) else { return self.bad() };
        let digits =
            digits.first_chunk::<4>().filter(|four| four.iter().all(u8::is_ascii_hexdigit));
        let text = digits.and_then(|four| std::str::from_utf8(four).ok());
        let Some(unit) = text.and_then(|four| u16::from_str_radix(four, 16).ok()) else {
            return self.bad();
        };
        self.pass(6);
        Ok(unit)
    }

    /// Passes over a string; a surrogate alone does no harm where nobody reads it.
    fn skip_string(&mut self) -> Outcome<()> {
        self.pass(1);
        if self.up_to_quote().is_some() {
            return Ok(());
        }
        loop {
            self.plain();
            match self.rest.first() {
                Some(b'"') => {
                    self.pass(1);
                    return Ok(());
                }
                Some(b'\\') if self.rest.get(1) == Some(&b'u') => {
                    self.unit()?;
                }
                Some(b'\\') => self.escape(&mut Vec::new())?,
                _ => return self.bad(),
            }
        }
    }
}
