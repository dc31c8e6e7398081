//! The category codes of one list, met row by row.

use super::{Category, Place, Scheme, SetError, SetKind};
use crate::item::escape;
use std::collections::HashMap;
use std::sync::Arc;

/// How many codes an error names.
const NAMED: usize = 20;

/// Codes of more characters are told by their length: a column of digests may be called `category`.
const LONGEST_CODE: usize = 24;

/// Gives each code its category by the scheme.
pub(super) struct Categories {
    kind: SetKind,
    scheme: Option<Arc<Scheme>>,
    accept_polarity: bool,
    seen: HashMap<Box<str>, Arc<Category>>,
    unexplained: Vec<String>,
    first: Option<Place>,
}

impl Categories {
    /// For a list that is used as `kind`.
    pub(super) fn new(kind: SetKind, scheme: Option<Arc<Scheme>>, accept_polarity: bool) -> Self {
        let (seen, unexplained) = (HashMap::new(), Vec::new());
        Self { kind, scheme, accept_polarity, seen, unexplained, first: None }
    }

    /// The category of a code.
    ///
    /// # Errors
    /// A code that is alert in the scheme, in a list that is used as something else.
    pub(super) fn of(
        &mut self,
        code: &str,
        place: impl Fn() -> Place,
    ) -> Result<Arc<Category>, SetError> {
        if let Some(category) = self.seen.get(code) {
            return Ok(Arc::clone(category));
        }
        if self.scheme.is_none() {
            self.first.get_or_insert_with(&place);
            if self.unexplained.len() <= NAMED {
                self.unexplained.push(named(code));
            }
        }
        let category = self.explain(code);
        let alert = category.kind == SetKind::Alert && self.kind != SetKind::Alert;
        if alert && !self.accept_polarity {
            return Err(SetError::Polarity {
                place: place(),
                code: named(code),
                scheme: category.scheme.clone(),
                kind: self.kind,
            });
        }
        self.seen.insert(code.into(), Arc::clone(&category));
        Ok(category)
    }

    fn explain(&self, code: &str) -> Arc<Category> {
        let scheme = self.scheme.as_ref();
        scheme.and_then(|scheme| scheme.category(code).map(Arc::clone)).unwrap_or_else(|| {
            Arc::new(Category {
                scheme: scheme.map(|scheme| scheme.name.clone()).unwrap_or_default(),
                code: code.to_owned(),
                label: String::new(),
                kind: SetKind::Info,
            })
        })
    }

    /// False where a code was met and there is no scheme, which is the more useful error.
    pub(super) const fn has_no_open_code(&self) -> bool {
        self.first.is_none()
    }

    /// The scheme, where the list has codes.
    ///
    /// # Errors
    /// Codes without a scheme, with the first twenty of them.
    pub(super) fn finish(mut self) -> Result<Option<Arc<Scheme>>, SetError> {
        let Some(place) = self.first else {
            return Ok(self.scheme.filter(|_| !self.seen.is_empty()));
        };
        let more = if self.unexplained.len() > NAMED { " and others" } else { "" };
        self.unexplained.truncate(NAMED);
        let codes = self.unexplained.join(", ") + more;
        Err(SetError::SchemeMissing { place, codes })
    }
}

/// A code in an error: itself where it is short enough to be one.
fn named(code: &str) -> String {
    match code.chars().count() {
        0..=LONGEST_CODE => escape::cell(code.as_bytes()),
        n => format!("one of {n} characters"),
    }
}
