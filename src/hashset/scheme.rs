//! Category schemes: what the codes of a publisher mean here.
//!
//! A scheme is a TOML file, so that an agency states its own meaning and a report can name the
//! file by its SHA-256. Codes differ by country and by version; none is built in.

use super::encoding::Text;
use super::error::shown;
use super::keys::Document;
use super::load::read_file;
use super::{Category, SetError, SetKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest scheme or sidecar that is read, in bytes.
pub(super) const LARGEST_TOML: u64 = 1 << 20;

/// Kinds of entry, as an error names them.
const KINDS: &str = "alert, ignore, info";

/// What each code of a publisher means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// Its name, as it stands in the report.
    pub name: String,
    /// Where its meanings come from; `unstated` where the file does not say.
    pub source: String,
    /// The day they were right; `unstated` where the file does not say.
    pub as_of: String,
    /// SHA-256 of the file as read.
    pub sha256: String,
    codes: BTreeMap<String, Arc<Category>>,
}

impl Scheme {
    /// Reads a scheme: a path (with a `/` or ending in `.toml`), else a name, looked for as
    /// `NAME.toml` in `hashsets/schemes` of the working folder.
    ///
    /// # Errors
    /// A file that is missing, unreadable, or no scheme, with the place.
    pub fn read(scheme: &str) -> Result<Self, SetError> {
        Self::read_beside(scheme, None)
    }

    /// As [`Scheme::read`], for a scheme that the sidecar of a list names: a path counts from the
    /// list's folder, and a name is looked for there first, then in `schemes` and `../schemes`.
    pub(super) fn read_beside(scheme: &str, folder: Option<&Path>) -> Result<Self, SetError> {
        if is_path(scheme) {
            return Self::read_file(&folder.unwrap_or(Path::new("")).join(scheme));
        }
        let file = format!("{scheme}.toml");
        let near = ["", "schemes", "../schemes"];
        let beside = folder.into_iter().flat_map(|folder| near.map(|sub| folder.join(sub)));
        let common = std::iter::once(PathBuf::from("hashsets/schemes"));
        let places: Vec<_> = beside.chain(common).map(|place| place.join(&file)).collect();
        let found = places.iter().find(|place| place.is_file());
        let not_found = || SetError::SchemeNotFound {
            name: crate::item::escape::cell(scheme.as_bytes()),
            looked: places.iter().map(|place| shown(place)).collect::<Vec<_>>().join(", "),
        };
        Self::read_file(found.ok_or_else(not_found)?)
    }

    fn read_file(path: &Path) -> Result<Self, SetError> {
        let (raw, sha256) = read_file(path, LARGEST_TOML)?;
        let text = Text::decode(path, raw)?;
        let document = Document::parse(&text)?;
        let root = document.root();
        root.only(&["name", "source", "as_of", "codes"])?;
        let missing = |what: &str| root.bad("a scheme without it", what);
        let name = root.text("name")?.ok_or_else(|| missing("name = \"text\""))?;
        let mut codes = BTreeMap::new();
        for (code, table) in root.tables("codes")? {
            table.only(&["kind", "label"])?;
            let without = |what: &str| table.bad("a code without it", what);
            let kind = table.word("kind", SetKind::from_word, KINDS)?;
            let kind = kind.ok_or_else(|| without("kind = \"alert\", \"ignore\" or \"info\""))?;
            let label = table.text("label")?.ok_or_else(|| without("label = \"text\""))?;
            let (scheme, code) = (name.clone(), code.trim().to_owned());
            let category = Category { scheme, code: code.clone(), label, kind };
            if codes.insert(code, Arc::new(category)).is_some() {
                return Err(table.bad("a code that is there already", "each code once"));
            }
        }
        if codes.is_empty() {
            return Err(missing("at least one [codes.CODE] with kind and label"));
        }
        let stated = |key| Ok::<_, SetError>(root.text(key)?.unwrap_or_else(|| "unstated".into()));
        Ok(Self { source: stated("source")?, as_of: stated("as_of")?, name, sha256, codes })
    }

    /// What a code means, where the scheme says so. Upper and lower case differ.
    pub fn category(&self, code: &str) -> Option<&Arc<Category>> {
        self.codes.get(code)
    }

    /// Every code it maps, in the order of their text.
    pub fn categories(&self) -> impl Iterator<Item = &Arc<Category>> {
        self.codes.values()
    }
}

/// Whether a scheme is named by its file.
fn is_path(scheme: &str) -> bool {
    scheme.contains('/') || Path::new(scheme).extension().is_some_and(|end| end == "toml")
}
