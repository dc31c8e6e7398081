//! The bytes of a list as a stream: hashed as they lie on the disk, unpacked where a list is packed.
//!
//! gzip and zip around one list are undone here, so that no format knows of them. Places count in
//! the list inside, which is named after its package: `known.json.gz!/known.json`. What unpacks to
//! more than [`BOMB_RATIO`] times its size is refused: no real list is as uniform.
//! Sources: RFC 1952, RFC 1951; the zip directory is read by [`super::zip`].

use super::encoding::wide;
use super::zip::{self, Member};
use super::{Place, SetError};
use crate::bytes::ByteOffset;
use crate::digest::{Algorithm, Hasher, Selection};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// How many bytes a stream gives at a time: a block stays near while it is looked through twice.
pub(super) const BLOCK: usize = 1 << 20;

/// Most bytes that one packed byte may stand for, once more than [`BOMB_ALLOWANCE`] have come.
const BOMB_RATIO: u64 = 200;

/// So much may come of any package.
const BOMB_ALLOWANCE: u64 = 64 << 20;

/// Room before a block for what an earlier one left over: most rows and records, and no fresh page
/// for each block.
const ROOM: usize = 64 << 10;

/// How many bytes are read at once: they are still near when they are hashed.
const READ: usize = 256 << 10;

/// Bytes of a list, behind room for those that stand before them.
#[derive(Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    start: usize,
}

impl Block {
    /// Bytes without room before them.
    pub(super) const fn of(buffer: Vec<u8>) -> Self {
        Self { buffer, start: 0 }
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Lets go the first `n` bytes.
    pub(super) fn skip(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.buffer.len());
    }

    /// Puts bytes before its own; false, and nothing done, where there is no room.
    pub(super) fn put_before(&mut self, before: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(before.len()) else { return false };
        let Some(room) = self.buffer.get_mut(start..self.start) else { return false };
        room.copy_from_slice(before);
        self.start = start;
        true
    }

    /// Puts bytes behind its own.
    pub(super) fn put_behind(&mut self, behind: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.start));
        self.buffer.extend_from_slice(behind);
    }

    /// Its buffer, of the size that a block has, for the next one.
    fn emptied(self) -> Vec<u8> {
        let size = ROOM.saturating_add(BLOCK);
        let mut buffer = self.buffer;
        // Of a row that is longer than most the buffer is too.
        if buffer.is_empty() || buffer.capacity() > size {
            return vec![0; size];
        }
        buffer.resize(size, 0);
        buffer
    }
}

/// A file whose bytes are hashed as they are read.
pub(super) struct Hashed {
    file: File,
    hasher: Hasher,
    read: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(READ);
        let n = self.file.read(buffer.get_mut(..len).unwrap_or_default())?;
        self.hasher.update(buffer.get(..n).unwrap_or_default());
        self.read = self.read.saturating_add(wide(n));
        Ok(n)
    }
}

enum Layers {
    Plain(Hashed),
    Gzip(Box<MultiGzDecoder<BufReader<Hashed>>>),
    Stored(io::Take<BufReader<Hashed>>),
    Deflate(Box<DeflateDecoder<io::Take<BufReader<Hashed>>>>),
}

impl Layers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(gzip) => gzip.read(buffer),
            Self::Stored(member) => member.read(buffer),
            Self::Deflate(member) => member.read(buffer),
        }
    }

    /// Bytes of the file that were read.
    fn packed(&self) -> u64 {
        match self {
            Self::Plain(file) => file.read,
            Self::Gzip(gzip) => gzip.get_ref().get_ref().read,
            Self::Stored(member) => member.get_ref().get_ref().read,
            Self::Deflate(member) => member.get_ref().get_ref().get_ref().read,
        }
    }

    fn into_file(self) -> Hashed {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(gzip) => gzip.into_inner().into_inner(),
            Self::Stored(member) => member.into_inner().into_inner(),
            Self::Deflate(member) => member.into_inner().into_inner().into_inner(),
        }
    }
}

/// An opened list.
pub(super) struct Source {
    file: PathBuf,
    name: PathBuf,
    layers: Layers,
    packed: Option<&'static str>,
    /// What a zip says of its member.
    member: Option<Member>,
    checksum: crc32fast::Hasher,
    head: Option<Block>,
    /// Bytes and line ends given so far, for the place of damage.
    given: u64,
    lines: u64,
}

impl Source {
    /// Opens a list and looks at its first bytes; `hasher` gets those of its file.
    ///
    /// # Errors
    /// The system's error; no regular file; a zip that is damaged or has not one list in it.
    pub(super) fn open(path: &Path, hasher: Hasher) -> Result<Self, SetError> {
        let failed = |source| SetError::Read { file: path.to_owned(), source };
        let file = open(path)?;
        let mut magic = [0; 4];
        let n = read_at_start(path, &mut magic).map_err(failed)?;
        let mut hashed = Hashed { file, hasher, read: 0 };
        let (mut name, mut packed, mut member) = (path.to_owned(), None, None);
        let layers = match magic.get(..n).unwrap_or_default() {
            [0x1f, 0x8b, ..] => {
                name = inside(path, &gzip_name(path));
                packed = Some("gzip");
                Layers::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(hashed))))
            }
            b"PK\x03\x04" => {
                let found = zip::only_member(path, &mut open(path)?)?;
                name = inside(path, &found.name);
                packed = Some("zip");
                let skip = &mut Read::by_ref(&mut hashed).take(found.data);
                io::copy(skip, &mut io::sink()).map_err(failed)?;
                let data = BufReader::new(hashed).take(found.packed);
                let deflated = found.deflated;
                member = Some(found);
                if deflated {
                    Layers::Deflate(Box::new(DeflateDecoder::new(data)))
                } else {
                    Layers::Stored(data)
                }
            }
            _ => Layers::Plain(hashed),
        };
        let mut source = Self {
            file: path.to_owned(),
            name,
            layers,
            packed,
            member,
            checksum: crc32fast::Hasher::new(),
            head: None,
            given: 0,
            lines: 0,
        };
        source.head = source.block(Block::default())?;
        Ok(source)
    }

    /// The name of the list: the file's, and behind it that of the list inside a package.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// The word for what it is packed in.
    pub(super) const fn packed(&self) -> Option<&'static str> {
        self.packed
    }

    /// Its first bytes, at most [`BLOCK`].
    pub(super) fn head(&self) -> &[u8] {
        self.head.as_ref().map(Block::bytes).unwrap_or_default()
    }

    /// The next bytes, in the buffer of a block that is no longer needed; `None` at the end.
    ///
    /// # Errors
    /// The system's error; a package that is damaged, cut off or a bomb.
    pub(super) fn next(&mut self, used: Block) -> Result<Option<Block>, SetError> {
        match self.head.take() {
            Some(head) => Ok(Some(head)),
            None => self.block(used),
        }
    }

    fn block(&mut self, used: Block) -> Result<Option<Block>, SetError> {
        let mut buffer = used.emptied();
        let mut end = ROOM;
        while let Some(rest) = buffer.get_mut(end..).filter(|rest| !rest.is_empty()) {
            match self.layers.read(rest) {
                Ok(0) => break,
                Ok(n) => end = end.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error, buffer.get(ROOM..end))),
            }
        }
        buffer.truncate(end);
        let block = Block { buffer, start: ROOM };
        self.given = self.given.saturating_add(wide(block.bytes().len()));
        if self.packed.is_some() {
            self.check(block.bytes())?;
        }
        Ok(Some(block).filter(|block| !block.bytes().is_empty()))
    }

    /// Holds what was unpacked against what the package says of it.
    fn check(&mut self, block: &[u8]) -> Result<(), SetError> {
        let allowed = self.layers.packed().saturating_mul(BOMB_RATIO).max(BOMB_ALLOWANCE);
        if self.given > allowed {
            let expected = format!("at most {BOMB_RATIO} bytes for each packed byte");
            return Err(SetError::bad(self.place(), "a list that is next to nothing", expected));
        }
        self.lines = self.lines.saturating_add(wide(memchr::memchr_iter(b'\n', block).count()));
        let Some(member) = &self.member else { return Ok(()) };
        self.checksum.update(block);
        let ended = block.len() < BLOCK;
        let found = if self.given > member.size || ended && self.given != member.size {
            "another length than the zip states"
        } else if ended && self.checksum.clone().finalize() != member.checksum {
            "another check sum than the zip states"
        } else {
            return Ok(());
        };
        Err(SetError::bad(self.place(), found, "the list as it was packed"))
    }

    /// The place behind what was given.
    pub(super) fn place(&self) -> Place {
        let offset = ByteOffset(self.given);
        Place { file: self.name.clone(), line: self.lines.saturating_add(1), offset, record: None }
    }

    fn failed(&mut self, error: io::Error, part: Option<&[u8]>) -> SetError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let damaged = matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof);
        if self.packed.is_none() || !damaged {
            return SetError::Read { file: self.file.clone(), source: error };
        }
        let part = part.unwrap_or_default();
        self.given = self.given.saturating_add(wide(part.len()));
        self.lines = self.lines.saturating_add(wide(memchr::memchr_iter(b'\n', part).count()));
        let found = if error.kind() == UnexpectedEof {
            "a package that is cut off"
        } else {
            "packed data that is damaged, or followed by something else"
        };
        SetError::bad(self.place(), found, "a whole package")
    }

    /// Reads what is left of the file, for its digest.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn finish(self) -> Result<Hasher, SetError> {
        let mut file = self.layers.into_file();
        let rest = io::copy(&mut file, &mut io::sink());
        rest.map_err(|source| SetError::Read { file: self.file, source })?;
        Ok(file.hasher)
    }

    /// The whole list, of at most `limit` bytes, and the SHA-256 of its file.
    ///
    /// # Errors
    /// As [`Source::next`]; a larger list.
    pub(super) fn into_memory(mut self, limit: u64) -> Result<(Vec<u8>, String), SetError> {
        let mut bytes = Vec::new();
        let too_large = |size: u64, limit: &dyn std::fmt::Display, file: &Path| {
            SetError::TooLarge { file: file.to_owned(), size, limit: limit.to_string() }
        };
        let mut used = Block::default();
        while let Some(block) = self.next(used)? {
            if self.given > limit {
                return Err(too_large(self.given, &limit, &self.name));
            }
            if bytes.try_reserve(block.bytes().len()).is_err() {
                return Err(too_large(self.given, &"memory", &self.name));
            }
            bytes.extend_from_slice(block.bytes());
            used = block;
        }
        let hasher = self.finish()?;
        Ok((bytes, sha256(hasher)))
    }
}

/// Starts the SHA-256 of a list.
pub(super) fn hasher() -> Hasher {
    Hasher::new(Selection::only(Algorithm::Sha256))
}

/// The digest of what was read.
pub(super) fn sha256(hasher: Hasher) -> String {
    let digest = hasher.finish().get(Algorithm::Sha256);
    digest.map(|digest| digest.to_string()).unwrap_or_default()
}

/// The SHA-256 of a file, which must not change meanwhile.
///
/// # Errors
/// The system's error; no regular file; a file that was changed.
#[cfg(feature = "nsrl")]
pub(super) fn digest_of(path: &Path) -> Result<String, SetError> {
    let failed = |source| SetError::Read { file: path.to_owned(), source };
    let mut hashed = Hashed { file: open(path)?, hasher: hasher(), read: 0 };
    let before = hashed.file.metadata().map_err(failed)?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        match hashed.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let after = hashed.file.metadata().map_err(failed)?;
    if before.len() != after.len() || before.modified().ok() != after.modified().ok() {
        return Err(failed(io::Error::other("it was changed while it was read")));
    }
    Ok(sha256(hashed.hasher))
}

/// Opens a regular file.
#[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
fn open(path: &Path) -> Result<File, SetError> {
    let failed = |source| SetError::Read { file: path.to_owned(), source };
    // Looked at before it is opened: opening a pipe would wait for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SetError::NotAFile { file: path.to_owned() });
    }
    File::open(path).map_err(failed)
}

#[expect(clippy::disallowed_methods, reason = "the examiner's own file, not evidence")]
fn read_at_start(path: &Path, buffer: &mut [u8]) -> io::Result<usize> {
    let mut file = File::open(path)?.take(wide(buffer.len()));
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled = filled.saturating_add(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The name of a list inside its package.
fn inside(package: &Path, name: &str) -> PathBuf {
    let mut inner = package.as_os_str().to_owned();
    inner.push("!/");
    inner.push(name);
    inner.into()
}

/// What a gzip file holds is called like it, without the ending.
fn gzip_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
