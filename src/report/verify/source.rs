//! Where a report is read from: its folder, or anything else that gives bytes by name.
//!
//! A report is our own output and may still have been given to us by somebody else: a name that is
//! no regular file is an error, never followed and never waited for.

use super::VerifyError;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The files of a report, by name. Reads only.
pub trait Source {
    /// The name of everything in the report folder, in any order.
    ///
    /// # Errors
    /// The operating system's, where the folder cannot be listed.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file from its first byte; `None` where there is none of that name.
    ///
    /// # Errors
    /// The operating system's, and one where the name is no regular file.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>>;
}

/// A report folder on a disk.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Source for Folder {
    #[expect(clippy::disallowed_methods, reason = "a report is our own output, not evidence")]
    fn names(&self) -> io::Result<Vec<String>> {
        let entry = |entry: io::Result<std::fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        std::fs::read_dir(&self.0)?.map(entry).collect()
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        match open_own(&self.0.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Opens a regular file that is not evidence: part of a report, or a key.
///
/// # Errors
/// The operating system's, and one where the path is no regular file: a pipe would wait for ever
/// and a link would lead out of the folder.
#[expect(clippy::disallowed_methods, reason = "a report is our own output, not evidence")]
pub(in crate::report) fn open_own(path: &Path) -> io::Result<std::fs::File> {
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    std::fs::File::open(path)
}

/// The most bytes of a file that is held whole: run.json, the manifest, a signature, a key.
pub(in crate::report) const WHOLE_LIMIT: u64 = 64 << 20;

/// Reads a small file whole; `None` where there is none.
pub(super) fn whole(source: &dyn Source, name: &str) -> Result<Option<Vec<u8>>, VerifyError> {
    let read_error = |error| VerifyError::Read { file: name.to_owned(), source: error };
    let Some(file) = source.open(name).map_err(read_error)? else { return Ok(None) };
    read_whole(file).map(Some).map_err(read_error)
}

/// Reads all bytes, up to [`WHOLE_LIMIT`].
pub(in crate::report) fn read_whole(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(WHOLE_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= WHOLE_LIMIT) {
        Ok(bytes)
    } else {
        Err(io::Error::other(format!("it has more than {WHOLE_LIMIT} bytes")))
    }
}
