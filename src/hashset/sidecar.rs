//! The sidecar of a list: a TOML file beside it that says whose list it is.
//!
//! Of the list `known.csv` it is `known.csv.toml` or `known.toml`; both at once are an error,
//! because one of them would be ignored in silence.

use super::encoding::Text;
use super::keys::Document;
use super::load::read_file;
use super::scheme::LARGEST_TOML;
use super::{ListAlgorithm, SetError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a sidecar states; everything may be missing.
#[derive(Debug, Default)]
pub(super) struct Sidecar {
    pub(super) name: Option<String>,
    pub(super) publisher: Option<String>,
    pub(super) version: Option<String>,
    pub(super) received_from: Option<String>,
    pub(super) received_at: Option<String>,
    pub(super) scheme: Option<String>,
    pub(super) algorithm: Option<ListAlgorithm>,
}

impl Sidecar {
    /// The sidecar of a list; one that states nothing where there is none.
    ///
    /// # Errors
    /// Two sidecars; one that cannot be read; a key or value that no sidecar has.
    pub(super) fn of(list: &Path) -> Result<Self, SetError> {
        let mut appended = OsString::from(list.as_os_str());
        appended.push(".toml");
        let appended = PathBuf::from(appended);
        let replaced = list.with_extension("toml");
        let replaced = Some(replaced).filter(|path| *path != appended && path != list);
        // A dangling link or a folder of that name is met when it is read, not passed over.
        let there = |path: &PathBuf| path.symlink_metadata().is_ok();
        match (there(&appended), replaced.filter(there)) {
            (true, Some(second)) => Err(SetError::TwoSidecars { first: appended, second }),
            (true, None) => Self::read(&appended),
            (false, Some(replaced)) => Self::read(&replaced),
            (false, None) => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, SetError> {
        let (raw, _) = read_file(path, LARGEST_TOML)?;
        let text = Text::decode(path, raw)?;
        let document = Document::parse(&text)?;
        let root = document.root();
        root.only(&[
            "name",
            "publisher",
            "version",
            "received_from",
            "received_at",
            "scheme",
            "algorithm",
        ])?;
        let words: Vec<_> = ListAlgorithm::ALL.iter().map(|word| word.as_str()).collect();
        Ok(Self {
            name: root.text("name")?,
            publisher: root.text("publisher")?,
            version: root.text("version")?,
            received_from: root.text("received_from")?,
            received_at: root.text("received_at")?,
            scheme: root.text("scheme")?,
            algorithm: root.word("algorithm", ListAlgorithm::from_word, &words.join(", "))?,
        })
    }
}
