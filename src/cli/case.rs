//! The case file: the long options as TOML, for runs that are prepared at a desk.
//!
//! An option on the command line wins over the same option in the file. Paths in the file are taken
//! as they stand, from the folder the program is started in. An unknown key is an error: a
//! misspelt option that is silently ignored would change what is examined.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::opts::VerifyWhen;

/// A case file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CaseFile {
    pub(super) case: Option<String>,
    pub(super) lab_ref: Option<String>,
    pub(super) examiner: Option<String>,
    pub(super) organisation: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) out: Option<PathBuf>,
    #[serde(default)]
    pub(super) alert: Vec<PathBuf>,
    #[serde(default)]
    pub(super) ignore: Vec<PathBuf>,
    #[serde(default)]
    pub(super) info: Vec<PathBuf>,
    pub(super) scheme: Option<String>,
    pub(super) algorithm: Option<String>,
    #[serde(default)]
    pub(super) accept_polarity: bool,
    #[serde(default)]
    pub(super) in_memory: bool,
    pub(super) digests: Option<String>,
    pub(super) near_bits: Option<u8>,
    #[serde(default)]
    pub(super) no_near: bool,
    pub(super) threads: Option<NonZeroUsize>,
    pub(super) accept_alteration: Option<String>,
    #[serde(default)]
    pub(super) read_links: bool,
    #[serde(default)]
    pub(super) require_sandbox: bool,
    pub(super) sign: Option<PathBuf>,
    pub(super) verify_image: Option<VerifyWhen>,
    pub(super) name_codepage: Option<String>,
    #[serde(default)]
    pub(super) parent: Vec<PathBuf>,
    #[serde(default)]
    pub(super) exit_code_hits: bool,
    #[serde(default)]
    pub(super) evidence: Vec<CaseEvidence>,
}

/// One `[[evidence]]` of a case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseEvidence {
    pub(super) path: PathBuf,
    pub(super) exhibit: Option<String>,
    pub(super) write_blocker: Option<String>,
    pub(super) device_clock_offset: Option<String>,
    pub(super) image_hash: Option<String>,
    pub(super) bad_map: Option<PathBuf>,
}

/// Reads a case file.
pub(super) fn read(path: &Path) -> anyhow::Result<CaseFile> {
    #[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
    let text = std::fs::read_to_string(path).map_err(|error| {
        anyhow::anyhow!("cannot read the case file {}: {error}", path.display())
    })?;
    toml::from_str(&text)
        .map_err(|error| anyhow::anyhow!("the case file {} is not usable: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for text in ["exhibitt = 'x'", "[[evidence]]\npath = 'a'\nserial = 'b'"] {
            let error = toml::from_str::<CaseFile>(text).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
    }

    #[test]
    fn keys_are_the_long_option_names() {
        let case: CaseFile = toml::from_str(
            "lab-ref = 'L1'\nexit-code-hits = true\n[[evidence]]\npath = '/e'\nexhibit = 'X'",
        )
        .unwrap();
        assert_eq!(case.lab_ref.as_deref(), Some("L1"));
        assert_eq!(case.evidence[0].exhibit.as_deref(), Some("X"));
    }
}
