//! TOML files of the examiner: sidecars and schemes. Every key is known or refused, every value is
//! text, and an error names its place.

use super::SetError;
use super::encoding::Text;
use crate::item::escape;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A parsed file.
pub(super) struct Document<'a> {
    text: &'a Text,
    root: DeTable<'a>,
}

/// One table of it, and the place of its first byte.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    text: &'a Text,
    table: &'a DeTable<'a>,
    at: usize,
}

impl<'a> Document<'a> {
    /// Reads the whole text.
    ///
    /// # Errors
    /// What is no UTF-8 or no TOML, with its place.
    pub(super) fn parse(text: &'a Text) -> Result<Self, SetError> {
        let utf8 = std::str::from_utf8(text.bytes()).map_err(|error| {
            let place = text.place(error.valid_up_to(), None);
            SetError::bad(place, "a byte that is no UTF-8", "UTF-8 text")
        })?;
        let root = DeTable::parse(utf8).map_err(|error| {
            let place = text.place(error.span().map_or(0, |span| span.start), None);
            SetError::bad(place, "text that is no TOML", "lines such as name = \"text\"")
        })?;
        Ok(Self { text, root: root.into_inner() })
    }

    /// The outermost table.
    pub(super) const fn root(&self) -> Table<'_> {
        Table { text: self.text, table: &self.root, at: 0 }
    }
}

impl<'a> Table<'a> {
    /// An error at the table's own place.
    pub(super) fn bad(&self, found: &str, expected: &str) -> SetError {
        SetError::bad(self.text.place(self.at, None), found, expected)
    }

    /// Refuses every key but these.
    ///
    /// # Errors
    /// The first other key.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), SetError> {
        let other = self.table.keys().find(|key| !known.contains(&key.get_ref().as_ref()));
        other.map_or(Ok(()), |key| {
            let name = escape::cell(key.get_ref().as_bytes());
            let short: String = name.chars().take(40).collect();
            let place = self.text.place(key.span().start, None);
            Err(SetError::bad(
                place,
                format!("the key {short}"),
                format!("one of {}", known.join(", ")),
            ))
        })
    }

    /// The text of a key, where it is there and not empty. A date may stand without quotes.
    ///
    /// # Errors
    /// Any other value.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, SetError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => {
                Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
            }
            DeValue::Datetime(time) => Ok(Some(time.to_string())),
            other => {
                let found = format!("{} for {key}", other.type_str());
                Err(SetError::bad(
                    self.text.place(value.span().start, None),
                    found,
                    "text in quotes",
                ))
            }
        }
    }

    /// The word of a key, read by `from_word`.
    ///
    /// # Errors
    /// Text that is none of the words.
    pub(super) fn word<T>(
        &self,
        key: &str,
        from_word: impl Fn(&str) -> Option<T>,
        words: &str,
    ) -> Result<Option<T>, SetError> {
        let Some(word) = self.text(key)? else { return Ok(None) };
        from_word(&word).map(Some).ok_or_else(|| {
            let at = self.value(key).map_or(self.at, |value| value.span().start);
            let found = format!("another word for {key}");
            SetError::bad(self.text.place(at, None), found, format!("one of {words}"))
        })
    }

    /// The tables below a key, each with its name, in the order of their names.
    ///
    /// # Errors
    /// A value that is no table.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<(&'a str, Table<'a>)>, SetError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let under = |name: &'a str, value: &'a Spanned<DeValue<'a>>| {
            let at = value.span().start;
            let found =
                format!("{} for {}", value.get_ref().type_str(), escape::cell(name.as_bytes()));
            let table = value
                .get_ref()
                .as_table()
                .ok_or_else(|| SetError::bad(self.text.place(at, None), found, "a table"))?;
            Ok((name, Table { text: self.text, table, at }))
        };
        let (_, tables) = under("codes", value)?;
        tables.table.iter().map(|(name, value)| under(name.get_ref().as_ref(), value)).collect()
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }
}
