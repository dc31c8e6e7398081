//! The only creator and changer of files: one locked output folder a run, or one file.
//!
//! A file gets its final name only when it is whole and durable: temporary name in the same
//! folder, write, flush, fsync, rename, fsync of the folder. The lock is the kernel's, so it ends
//! with the process; the text in the lock file only tells a person who holds it. Every error names
//! its path. Sources: rename(2), fsync(2), open(2) on O_TMPFILE, flock(2).

#![forbid(unsafe_code)]

mod faults;
mod file;

pub use faults::{Effect, Fault, Faults, Operation};
pub use file::{AppendFile, FixedFile, SpillFile, WholeFile};

use file::Checked;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The lock file's name.
pub const LOCK: &str = ".lock";

/// Why an output file or folder is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// A call to the operating system failed.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder already holds something.
    #[error("output folder {path:?} is not empty: name a new one")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a run that was not finished.
    #[error("output folder {path:?} holds an unfinished run: resume it or name a new folder")]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no run that could go on.
    #[error("output folder {path:?} holds no unfinished run")]
    NothingToResume {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works in the folder.
    #[error("output folder {path:?} is in use by {holder}: wait for it or name another folder")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Process and host, as the holder wrote them.
        holder: String,
    },
}

/// The folder a run writes to, locked as long as this value lives.
///
/// ```no_run
/// use assay::output::{Faults, OutputDir};
/// let out = OutputDir::create("report".as_ref(), Faults::default())?;
/// out.write_whole("note.txt", |file| file.write_all(b"whole or not at all\n"))?;
/// # Ok::<(), assay::output::OutputError>(())
/// ```
#[derive(Debug)]
pub struct OutputDir {
    path: PathBuf,
    lock: File,
    lock_name: String,
    /// Where unnamed files are made.
    spills: PathBuf,
    faults: Faults,
}

impl OutputDir {
    /// Makes and locks the folder for a new run; its parents are made where they are missing.
    ///
    /// # Errors
    /// [`OutputError::Locked`], [`OutputError::Unfinished`] or [`OutputError::NotEmpty`] where it
    /// holds anything, with nothing in it changed; [`OutputError::Io`].
    pub fn create(path: &Path, faults: Faults) -> Result<Self, OutputError> {
        make_folder(path, &faults)?;
        let names = names(path)?;
        if names.iter().any(|name| name == LOCK) {
            drop(lock(path, LOCK)?);
        }
        refuse_content(path, &names)?;
        let out = Self::locked(path, faults)?;
        refuse_content(path, &self::names(path)?)?;
        out.tell_holder()?;
        out.sync_folder(path)?;
        Ok(out)
    }

    /// Locks the folder of an earlier run, however far it came.
    ///
    /// # Errors
    /// [`OutputError::Locked`], [`OutputError::NothingToResume`], [`OutputError::Io`].
    pub fn resume(path: &Path, faults: Faults) -> Result<Self, OutputError> {
        let own =
            |name: &std::ffi::OsString| [JOURNAL, LOCK, MANIFEST].iter().any(|own| name == own);
        if !path.exists() || !names(path)?.iter().any(own) {
            return Err(OutputError::NothingToResume { path: path.to_owned() });
        }
        let out = Self::locked(path, faults)?;
        out.tell_holder()?;
        Ok(out)
    }

    fn locked(path: &Path, faults: Faults) -> Result<Self, OutputError> {
        let lock = lock(path, LOCK)?;
        let (lock_name, spills) = (LOCK.to_owned(), path.join(JOURNAL));
        Ok(Self { lock, lock_name, spills, path: path.to_owned(), faults })
    }

    /// The folder in which one file is made that is no report's; what else is there stays as it is.
    /// The lock is the file's own: two processes never make it at once.
    ///
    /// # Errors
    /// [`OutputError::Locked`], [`OutputError::Io`].
    pub fn of_file(path: &Path, faults: Faults) -> Result<Self, OutputError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lock_name = format!(".{name}{LOCK}");
        let lock = lock(folder, &lock_name)?;
        let (path, spills) = (folder.to_owned(), folder.to_owned());
        let out = Self { lock, lock_name, spills, path, faults };
        out.tell_holder()?;
        Ok(out)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file that gets its name when it is committed.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn begin(&self, name: &str) -> Result<WholeFile<'_>, OutputError> {
        let temporary = format!(".{name}.tmp");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let file = self.open_with(&temporary, &options, true)?;
        Ok(WholeFile::new(self, name, temporary, file))
    }

    /// Writes a file whole: it has its name only once every byte is durable.
    ///
    /// # Errors
    /// [`OutputError::Io`]; the name then leads to what it led to before.
    pub fn write_whole<R>(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<R>,
    ) -> Result<R, OutputError> {
        let mut file = self.begin(name)?;
        let result = fill(&mut file).map_err(|source| file.error("write", source))?;
        file.commit()?;
        Ok(result)
    }

    /// Opens a growing file at its end; makes it where it is missing, and its name durable.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn append(&self, name: &str) -> Result<AppendFile, OutputError> {
        let path = self.path.join(name);
        let file = self.open_with(name, OpenOptions::new().append(true).create(true), true)?;
        self.sync_folder(path.parent().unwrap_or(&self.path))?;
        Ok(AppendFile::new(file, path))
    }

    /// Opens a growing file after cutting what follows its first `length` bytes.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    #[expect(clippy::disallowed_methods, reason = "own files are cut here only")]
    pub fn append_after(&self, name: &str, length: u64) -> Result<AppendFile, OutputError> {
        let file = self.open_with(name, OpenOptions::new().append(true), false)?;
        file.file.set_len(length).map_err(|source| self.error("cut", name, source))?;
        Ok(AppendFile::new(file, self.path.join(name)))
    }

    /// Makes a file of zeros of a fixed length, to be changed in place.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn fixed(&self, name: &str, length: usize) -> Result<FixedFile, OutputError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = self.open_with(name, &options, true)?;
        let filled = file.write_all(&vec![0; length]).and_then(|()| file.sync());
        filled.map_err(|source| self.error("write", name, source))?;
        Ok(FixedFile { file: file.file })
    }

    /// Reads one of the run's own small files whole; `None` where it is not there.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, OutputError> {
        let mut bytes = Vec::new();
        match self.open(name) {
            Err(OutputError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            file => {
                file?.read_to_end(&mut bytes).map_err(|source| self.error("read", name, source))?
            }
        };
        Ok(Some(bytes))
    }

    /// True where the folder holds nothing but some of these names and the lock file.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn holds_only(&self, own: &[&str]) -> Result<bool, OutputError> {
        let known = |name: &std::ffi::OsString| name == LOCK || own.iter().any(|own| name == own);
        Ok(names(&self.path)?.iter().all(known))
    }

    /// True where the folder holds this name.
    pub fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Opens one of the run's own files to read it.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn open(&self, name: &str) -> Result<File, OutputError> {
        open_own(&self.path.join(name))
    }

    /// Makes an unnamed file in the folder of working state.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    #[expect(clippy::disallowed_methods, reason = "own files are made here only")]
    pub fn spill(&self) -> Result<SpillFile, OutputError> {
        let folder = self.spills.clone();
        let (name, faults) = (format!("{JOURNAL}/"), self.faults.clone());
        let made = faults
            .hit(Operation::Create, &name, || Ok(()))
            .and_then(|()| tempfile::tempfile_in(&folder));
        let file = made.map_err(|source| OutputError::Io {
            action: "make a temporary file in",
            path: folder.clone(),
            source,
        })?;
        Ok(SpillFile { file: Checked { file, name, faults }, folder })
    }

    /// Makes a folder inside, where it is missing.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn make_folder(&self, name: &str) -> Result<(), OutputError> {
        make_folder(&self.path.join(name), &self.faults)?;
        self.sync_folder(&self.path)
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    #[expect(clippy::disallowed_methods, reason = "own files are removed here only")]
    pub fn remove(&self, name: &str) -> Result<(), OutputError> {
        self.gone("remove", name, std::fs::remove_file(self.path.join(name)))
    }

    /// Removes an empty folder inside; one that is not there is no error.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    #[expect(clippy::disallowed_methods, reason = "own folders are removed here only")]
    pub fn remove_folder(&self, name: &str) -> Result<(), OutputError> {
        self.gone("remove", name, std::fs::remove_dir(self.path.join(name)))?;
        self.sync_folder(&self.path)
    }

    /// Gives a file another name and makes that durable.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    #[expect(clippy::disallowed_methods, reason = "own files are renamed here only")]
    pub fn rename(&self, from: &str, to: &str) -> Result<(), OutputError> {
        let renamed = self
            .faults
            .hit(Operation::Rename, to, || Ok(()))
            .and_then(|()| std::fs::rename(self.path.join(from), self.path.join(to)));
        renamed.map_err(|source| self.error("give its name to", to, source))?;
        let path = self.path.join(to);
        self.sync_folder(path.parent().unwrap_or(&self.path))
    }

    /// Ends the work: the lock file goes, the folder keeps the report alone.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn release(self) -> Result<(), OutputError> {
        self.remove(&self.lock_name)?;
        self.sync_folder(&self.path)
    }

    /// Leaves in the lock file who holds it.
    #[expect(clippy::disallowed_methods, reason = "own files are cut here only")]
    fn tell_holder(&self) -> Result<(), OutputError> {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().escape_default().to_string();
        let text = format!("process {} on {host}\n", std::process::id());
        let told = self.lock.set_len(0).and_then(|()| (&self.lock).write_all(text.as_bytes()));
        told.map_err(|source| self.error("write", &self.lock_name, source))
    }

    #[expect(clippy::disallowed_methods, reason = "own files are made here only")]
    fn open_with(
        &self,
        name: &str,
        options: &OpenOptions,
        counts: bool,
    ) -> Result<Checked, OutputError> {
        let faults = self.faults.clone();
        // Faults name a file by its final name, whatever name it has while it is written.
        let known = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
        let known = known.unwrap_or(name).to_owned();
        let ready = if counts { faults.hit(Operation::Create, &known, || Ok(())) } else { Ok(()) };
        let opened = ready.and_then(|()| options.open(self.path.join(name)));
        let file = opened.map_err(|source| self.error("open", name, source))?;
        Ok(Checked { file, name: known, faults })
    }

    #[expect(clippy::disallowed_methods, reason = "a folder is made durable through its handle")]
    fn sync_folder(&self, folder: &Path) -> Result<(), OutputError> {
        let synced = self
            .faults
            .hit(Operation::Sync, "", || Ok(()))
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all());
        let path = folder.to_owned();
        synced.map_err(|source| OutputError::Io { action: "make durable", path, source })
    }

    fn gone(
        &self,
        action: &'static str,
        name: &str,
        done: io::Result<()>,
    ) -> Result<(), OutputError> {
        match done {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.error(action, name, source))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, action: &'static str, name: &str, source: io::Error) -> OutputError {
        OutputError::Io { action, path: self.path.join(name), source }
    }
}

/// The folder of working state inside an output folder; an unfinished run has one.
pub const JOURNAL: &str = "journal";
/// What a complete report has.
const MANIFEST: &str = "manifest.sha256";

/// Opens one of the program's own files, such as a finished report's, to read it.
///
/// # Errors
/// [`OutputError::Io`].
#[expect(clippy::disallowed_methods, reason = "own files are opened here only")]
pub fn open_own(path: &Path) -> Result<File, OutputError> {
    File::open(path).map_err(|source| OutputError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })
}

#[expect(clippy::disallowed_methods, reason = "own folders are made here only")]
fn make_folder(path: &Path, faults: &Faults) -> Result<(), OutputError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let made = faults
        .hit(Operation::Create, &name, || Ok(()))
        .and_then(|()| std::fs::create_dir_all(path));
    made.map_err(|source| OutputError::Io { action: "make folder", path: path.to_owned(), source })
}

/// The names in the folder.
#[expect(clippy::disallowed_methods, reason = "the output folder is no evidence")]
fn names(path: &Path) -> Result<Vec<std::ffi::OsString>, OutputError> {
    let names = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|source| OutputError::Io { action: "list", path: path.to_owned(), source })
}

/// Refuses a folder that holds more than a lock file.
fn refuse_content(path: &Path, names: &[std::ffi::OsString]) -> Result<(), OutputError> {
    let path = path.to_owned();
    if names.iter().any(|name| name == JOURNAL) {
        return Err(OutputError::Unfinished { path });
    }
    match names.iter().all(|name| name == LOCK) {
        true => Ok(()),
        false => Err(OutputError::NotEmpty { path }),
    }
}

/// Takes the lock, or says who has it.
#[expect(clippy::disallowed_methods, reason = "own files are made here only")]
fn lock(folder: &Path, name: &str) -> Result<File, OutputError> {
    let path = folder.join(name);
    let failed = |source| OutputError::Io { action: "lock", path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(failed(source)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = (&mut file).take(512).read_to_string(&mut holder);
            let holder = match read {
                Ok(1..) => holder.trim_end().escape_default().to_string(),
                _ => "another process".to_owned(),
            };
            Err(OutputError::Locked { path: folder.to_owned(), holder })
        }
    }
}
