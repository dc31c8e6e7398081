//! `manifest.sha256`: the digest of every file of the report, in the form `sha256sum -c` takes.

use crate::digest::Digest;
use crate::output::{OutputDir, OutputError};
use crate::report::schema;

/// The files of a report and their SHA-256, in the order they are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest(Vec<(String, Digest)>);

impl Manifest {
    /// Adds a file.
    pub fn add(&mut self, name: &str, sha256: Digest) {
        self.0.push((name.to_owned(), sha256));
    }

    /// The files and their SHA-256.
    pub fn files(&self) -> &[(String, Digest)] {
        &self.0
    }

    /// The text of the manifest: digest, two spaces, name; a line a file.
    pub fn text(&self) -> String {
        self.0.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
    }

    /// The text of the sealing event: `name=digest`, joined by semicolons.
    pub fn seal_detail(&self) -> String {
        let files: Vec<_> =
            self.0.iter().map(|(name, digest)| format!("{name}={digest}")).collect();
        files.join(";")
    }

    /// Writes the manifest, whole.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write(&self, out: &OutputDir) -> Result<(), OutputError> {
        out.write_whole(schema::MANIFEST, |file| file.write_all(self.text().as_bytes()))
    }
}
