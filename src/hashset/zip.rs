//! A zip around one list: finds it by the directory at the archive's end.
//!
//! A zip of several lists is refused with their names: which of them is meant is the examiner's
//! to say. Every length and place is checked against the file. Source: PKWARE APPNOTE 6.3.10,
//! sections 4.3.7, 4.3.12 to 4.3.16 and 4.5.3.

use super::encoding::wide;
use super::{Place, SetError};
use crate::bytes::{Block, ByteOffset};
use crate::item::escape;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Largest directory that is read, in bytes.
const LARGEST_DIRECTORY: u64 = 16 << 20;

/// How many members an error names.
const NAMED: usize = 10;

/// Longest end record: its fixed part and a comment.
const LONGEST_END: u64 = 22 + 0xffff;

/// The list in a zip.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name, as one inert line.
    pub(super) name: String,
    /// Place of its data in the file.
    pub(super) data: u64,
    /// Length of the data.
    pub(super) packed: u64,
    /// Length of the list.
    pub(super) size: u64,
    /// CRC-32 of the list.
    pub(super) checksum: u32,
    /// Deflated, not stored.
    pub(super) deflated: bool,
}

struct Zip<'a> {
    path: &'a Path,
    file: &'a mut File,
    len: u64,
}

/// Finds the only list in a zip.
///
/// # Errors
/// A zip that is damaged, encrypted, packed in another way, or has not exactly one file in it.
pub(super) fn only_member(path: &Path, file: &mut File) -> Result<Member, SetError> {
    let failed = |source| SetError::Read { file: path.to_owned(), source };
    let len = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut zip = Zip { path, file, len };
    let (at, size) = zip.directory()?;
    if size > LARGEST_DIRECTORY || at.checked_add(size).is_none_or(|end| end > len) {
        return Err(zip.bad(at, "a directory that is not in the file"));
    }
    let directory = zip.read(at, size)?;
    let mut members = zip.members(at, &directory)?;
    match (members.pop(), members.len()) {
        (Some(member), 0) => zip.located(member),
        (None, _) => Err(zip.bad(at, "a zip without a file in it")),
        (Some(last), more) => {
            let mut names: Vec<_> =
                members.into_iter().take(NAMED).map(|member| member.name).collect();
            if more < NAMED {
                names.push(last.name);
            } else {
                names.push("and others".into());
            }
            let found = format!("{} files ({})", more.saturating_add(1), names.join(", "));
            let place = zip.place(at);
            Err(SetError::bad(place, found, "one list in a zip: unpack it and name each list"))
        }
    }
}

impl Zip<'_> {
    fn place(&self, at: u64) -> Place {
        Place { file: self.path.to_owned(), line: 1, offset: ByteOffset(at), record: None }
    }

    fn bad(&self, at: u64, found: &str) -> SetError {
        SetError::bad(self.place(at), found, "a zip with one list in it, stored or deflated")
    }

    fn read(&mut self, at: u64, len: u64) -> Result<Vec<u8>, SetError> {
        let failed = |source| SetError::Read { file: self.path.to_owned(), source };
        self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut part = Read::by_ref(self.file).take(len);
        part.read_to_end(&mut bytes).map_err(failed)?;
        if wide(bytes.len()) < len {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }

    /// Place and length of the directory.
    fn directory(&mut self) -> Result<(u64, u64), SetError> {
        let tail_at = self.len.saturating_sub(LONGEST_END);
        let tail = self.read(tail_at, self.len.saturating_sub(tail_at))?;
        let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06") else {
            return Err(self.bad(self.len, "a zip that is cut off"));
        };
        let end_at = tail_at.saturating_add(wide(end));
        let block = Block::new(tail.get(end..).unwrap_or_default(), end_at);
        let cut = |_| self.bad(end_at, "an end record that is cut off");
        let size = block.u32_le(12).map_err(cut)?;
        let at = block.u32_le(16).map_err(cut)?;
        let comment = usize::from(block.u16_le(20).map_err(cut)?);
        if comment.checked_add(22) != Some(block.len()) {
            return Err(self.bad(end_at, "something behind its end, or a comment that is cut off"));
        }
        if size != u32::MAX && at != u32::MAX {
            return Ok((at.into(), size.into()));
        }
        let Some(locator_at) = end_at.checked_sub(20) else {
            return Err(self.bad(end_at, "no 64-bit end record"));
        };
        let locator = self.read(locator_at, 20)?;
        let record_at = Block::new(&locator, locator_at).u64_le(8);
        let record_at = record_at.unwrap_or(u64::MAX);
        let whole = record_at.checked_add(56).is_some_and(|end| end <= locator_at);
        if !locator.starts_with(b"PK\x06\x07") || !whole {
            return Err(self.bad(locator_at, "no 64-bit end record"));
        }
        let record = self.read(record_at, 56)?;
        let block = Block::new(&record, record_at);
        match (record.starts_with(b"PK\x06\x06"), block.u64_le(48), block.u64_le(40)) {
            (true, Ok(at), Ok(size)) => Ok((at, size)),
            _ => Err(self.bad(record_at, "no 64-bit end record")),
        }
    }

    /// The files of the directory: neither folders nor what macOS adds.
    fn members(&self, start: u64, directory: &[u8]) -> Result<Vec<Member>, SetError> {
        let mut members = Vec::new();
        let (mut rest, mut at) = (directory, start);
        while rest.starts_with(b"PK\x01\x02") {
            let block = Block::new(rest, at);
            let cut = |_| self.bad(at, "a directory that is cut off");
            let lengths = [28, 30, 32].map(|field| block.u16_le(field));
            let [name, extra, comment] = lengths;
            let (name, extra) = (name.map_err(cut)?.into(), usize::from(extra.map_err(cut)?));
            let comment = usize::from(comment.map_err(cut)?);
            let name_bytes = block.slice(46, name).map_err(cut)?;
            let extra_at = name.saturating_add(46);
            let extra_bytes = block.slice(extra_at, extra).map_err(cut)?;
            let end = extra_at.saturating_add(extra).saturating_add(comment);
            let name = name_bytes.bytes();
            if !name.ends_with(b"/") && !name.starts_with(b"__MACOSX/") {
                members.push(self.member(at, &block, name, extra_bytes.bytes())?);
            }
            rest = rest.get(end..).ok_or_else(|| self.bad(at, "a directory that is cut off"))?;
            at = at.saturating_add(wide(end));
        }
        if !rest.is_empty() && !rest.starts_with(b"PK\x05\x05") {
            return Err(self.bad(at, "a directory that is damaged"));
        }
        Ok(members)
    }

    fn member(
        &self,
        at: u64,
        block: &Block<'_>,
        name: &[u8],
        extra: &[u8],
    ) -> Result<Member, SetError> {
        let cut = |_| self.bad(at, "a directory that is cut off");
        let flags = block.u16_le(8).map_err(cut)?;
        if flags & 1 != 0 {
            let place = self.place(at);
            return Err(SetError::bad(place, "an encrypted file", "a list that is not encrypted"));
        }
        let deflated = match block.u16_le(10).map_err(cut)? {
            0 => false,
            8 => true,
            _ => return Err(self.bad(at, "a file that is packed in another way")),
        };
        let checksum = block.u32_le(16).map_err(cut)?;
        let fields = [24, 20, 42].map(|field| block.u32_le(field));
        // The 64-bit values stand in this order, each only where its field cannot hold it.
        let mut long = long_fields(extra);
        let mut values = [0; 3];
        for (value, field) in values.iter_mut().zip(fields) {
            *value = match field.map_err(cut)? {
                u32::MAX => {
                    long.next().ok_or_else(|| self.bad(at, "a length that is not there"))?
                }
                short => short.into(),
            };
        }
        let [size, packed, data] = values;
        let name = escape::cell(name);
        Ok(Member { name, data, packed, size, checksum, deflated })
    }

    /// Turns the place of the local header into that of the data.
    fn located(&mut self, member: Member) -> Result<Member, SetError> {
        let at = member.data;
        if at.checked_add(30).is_none_or(|end| end > self.len) {
            return Err(self.bad(at, "a file that is not in the zip"));
        }
        let header = self.read(at, 30)?;
        let block = Block::new(&header, at);
        let cut = |_| self.bad(at, "a header that is cut off");
        let name: u64 = block.u16_le(26).map_err(cut)?.into();
        let extra: u64 = block.u16_le(28).map_err(cut)?.into();
        let data = at.saturating_add(30).saturating_add(name).saturating_add(extra);
        let end = data.checked_add(member.packed);
        if !header.starts_with(b"PK\x03\x04") || end.is_none_or(|end| end > self.len) {
            return Err(self.bad(at, "a file that is not in the zip"));
        }
        Ok(Member { data, ..member })
    }
}

/// The values of the extra field for 64-bit lengths.
fn long_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut values: &[[u8; 8]] = &[];
    while let Some(([id @ .., a, b], rest)) = extra.split_first_chunk::<4>() {
        let len = usize::from(u16::from_le_bytes([*a, *b]));
        let Some((field, rest)) = rest.split_at_checked(len) else { break };
        if *id == [1, 0] {
            values = field.as_chunks::<8>().0;
            break;
        }
        extra = rest;
    }
    values.iter().map(|value| u64::from_le_bytes(*value))
}
