//! gzip: one content, compressed, in one or several members.
//!
//! The content is what `gzip -d` writes: the contents of all members one after the other, so that
//! its digests are those of the file a person would get. Its name and time are those of the first
//! member's header. Each member's CRC-32 and length are checked; a member that fails them is passed
//! on all the same, and the child is partial. Zeros after the last member are padding, as for
//! `gzip`; anything else there makes the container partial, because nobody has looked at it.
//!
//! Source: RFC 1952 (members, header, CRC-16 of the header), RFC 1951 (deflate, done by `flate2`).

use std::io;
use std::ops::ControlFlow;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Child, Children, End, LONGEST_NAME};
use crate::bytes::ReadAt;
use crate::item::{ObjectKind, Timestamp};

/// Bytes read and bytes given on at a time.
const PIECE: usize = 64 << 10;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
/// The first flag says that the content is text, which nothing depends on.
const KNOWN_FLAGS: u8 = 1 | HEADER_CRC | EXTRA | NAME | COMMENT;

/// Why a content could not be followed further, or what was wrong with it.
enum Trouble {
    /// The receiver wants no more.
    Break,
    /// Text for [`End::Partial`].
    Says(String),
}

pub(super) fn expand(source: &dyn ReadAt, children: &mut dyn Children) -> End {
    let mut input = Input::new(source);
    let broken = || End::Partial("the receiver broke off".into());
    let header = match Header::read(&mut input) {
        Ok(header) => header,
        Err(Trouble::Break) => return broken(),
        Err(Trouble::Says(what)) => return End::Partial(what),
    };
    let name_cut = header.name_cut.then(|| format!("a name of more than {LONGEST_NAME} bytes"));
    if children.begin(&header.child()).is_break() {
        return broken();
    }
    let mut wrong = name_cut;
    let after = match members(&mut input, children, &mut wrong) {
        Ok(after) => after,
        Err(Trouble::Break) => return broken(),
        Err(Trouble::Says(what)) => {
            wrong.get_or_insert(what);
            None
        }
    };
    let end = wrong.map_or(End::Whole, End::Partial);
    if children.end(&end).is_break() {
        return broken();
    }
    match (end, after) {
        (End::Whole, Some(after)) => End::Partial(after),
        (end, _) => end,
    }
}

/// Gives the contents of the members that follow the first header, and returns what stands after
/// the last one, where that is no padding. `wrong` keeps the first check that failed.
fn members(
    input: &mut Input<'_>,
    children: &mut dyn Children,
    wrong: &mut Option<String>,
) -> Result<Option<String>, Trouble> {
    loop {
        if let Some(what) = member(input, children)? {
            wrong.get_or_insert(what);
        }
        let at = input.at();
        match input.peek()? {
            [] => return Ok(None),
            [first, ..] if *first == MAGIC[0] => {
                // Headers of later members say nothing that the content needs.
                if let Some(after) = input.not_magic()? {
                    return Ok(Some(after));
                }
                Header::read(input)?;
            }
            _ => return Ok(input.rest_is_not_zero()?.then(|| input.after(at))),
        }
    }
}

/// Gives the content of one member and checks it; the text says which check failed.
fn member(input: &mut Input<'_>, children: &mut dyn Children) -> Result<Option<String>, Trouble> {
    let start = input.at();
    let mut inflate = Decompress::new(false);
    let mut output = vec![0; PIECE];
    let mut checksum = crc32fast::Hasher::new();
    loop {
        let piece = input.peek()?;
        let ended = piece.is_empty();
        let (used, made) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(piece, &mut output, FlushDecompress::None);
        let used = length(inflate.total_in(), used);
        input.consume(used);
        let given = output.get(..length(inflate.total_out(), made)).unwrap_or_default();
        if !given.is_empty() {
            checksum.update(given);
            flow(children.bytes(given))?;
        }
        match status {
            Ok(Status::StreamEnd) => break,
            Ok(Status::Ok | Status::BufError) if used > 0 || !given.is_empty() => {}
            Ok(_) if ended => {
                return Err(Trouble::Says(format!("the content ends early at {}", input.at())));
            }
            // Neither taken nor given anything, with room and bytes at hand: it never would.
            Ok(_) | Err(_) => {
                return Err(Trouble::Says(format!("damaged compressed data at {}", input.at())));
            }
        }
    }
    let (crc, size) = (input.u32_le()?, input.u32_le()?);
    let modulus = u64::from(u32::MAX).saturating_add(1);
    let made = inflate.total_out().checked_rem(modulus);
    Ok(if crc != checksum.finalize() {
        Some(format!("checksum mismatch in the member whose data start at {start}"))
    } else if Some(u64::from(size)) != made {
        Some(format!("length mismatch in the member whose data start at {start}"))
    } else {
        None
    })
}

fn length(after: u64, before: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

fn flow(flow: ControlFlow<()>) -> Result<(), Trouble> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Trouble::Break),
    }
}

/// What is kept of a member's header.
struct Header {
    name: Vec<u8>,
    name_cut: bool,
    /// Seconds since 1970; 0 says that no time is stated.
    modified: u32,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Self, Trouble> {
        let start = input.at();
        let says = |what: &str| Trouble::Says(format!("{what} at {start}"));
        input.header = crc32fast::Hasher::new();
        if [input.byte()?, input.byte()?] != MAGIC {
            return Err(says("no gzip member"));
        }
        if input.byte()? != DEFLATE {
            return Err(says("an unknown compression method in the gzip header"));
        }
        let flags = input.byte()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(says("unknown flags in the gzip header"));
        }
        let modified = input.u32_le()?;
        let _level_and_system = (input.byte()?, input.byte()?);
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes([input.byte()?, input.byte()?]) {
                input.byte()?;
            }
        }
        let mut name = Vec::new();
        let mut name_cut = false;
        if flags & NAME != 0 {
            name_cut = input.text(&mut name)?;
        }
        if flags & COMMENT != 0 {
            input.text(&mut Vec::new())?;
        }
        let [low, high, ..] = input.header.clone().finalize().to_le_bytes();
        if flags & HEADER_CRC != 0 && [input.byte()?, input.byte()?] != [low, high] {
            return Err(says("checksum mismatch in the gzip header"));
        }
        Ok(Self { name, name_cut, modified })
    }

    fn child(self) -> Child {
        let seconds = i64::from(self.modified);
        let modified = Timestamp { seconds, nanos: 0, digits: 0, utc: true };
        Child {
            name: self.name,
            stated_size: None, // it stands after the content, and is checked there
            kind: ObjectKind::ArchiveMember,
            modified: Some(modified).filter(|_| seconds != 0),
        }
    }
}

/// Some bytes at a place: those before the first that cannot be read are given, as nowhere else
/// is their content to be had.
fn some_at(source: &dyn ReadAt, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read_at(at, buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The container, read in order and in pieces.
struct Input<'a> {
    source: &'a dyn ReadAt,
    /// Where the next piece is read.
    next: u64,
    piece: Vec<u8>,
    /// What of the piece was taken.
    taken: usize,
    /// Checksum of what was read byte by byte: a header.
    header: crc32fast::Hasher,
}

impl<'a> Input<'a> {
    fn new(source: &'a dyn ReadAt) -> Self {
        let header = crc32fast::Hasher::new();
        Self { source, next: 0, piece: Vec::new(), taken: 0, header }
    }

    /// Position of the next byte.
    fn at(&self) -> u64 {
        let left = u64::try_from(self.piece.len().saturating_sub(self.taken)).unwrap_or(0);
        self.next.saturating_sub(left)
    }

    /// Bytes from here on: at least one, unless the source ended.
    fn peek(&mut self) -> Result<&[u8], Trouble> {
        if self.taken >= self.piece.len() {
            self.piece.resize(PIECE, 0);
            let at = self.next;
            let read = some_at(self.source, at, &mut self.piece);
            self.piece.truncate(*read.as_ref().unwrap_or(&0));
            self.taken = 0;
            // The system's text would make two machines differ.
            let n = read.map_err(|_| Trouble::Says(format!("unreadable from {at} on")))?;
            self.next = at.saturating_add(u64::try_from(n).unwrap_or(0));
        }
        Ok(self.piece.get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.taken = self.taken.saturating_add(n);
    }

    fn byte(&mut self) -> Result<u8, Trouble> {
        let at = self.at();
        let Some(byte) = self.peek()?.first().copied() else {
            return Err(Trouble::Says(format!("the content ends early at {at}")));
        };
        self.consume(1);
        self.header.update(&[byte]);
        Ok(byte)
    }

    fn u32_le(&mut self) -> Result<u32, Trouble> {
        Ok(u32::from_le_bytes([self.byte()?, self.byte()?, self.byte()?, self.byte()?]))
    }

    /// A text up to its zero; `true` where it was too long to be kept whole.
    fn text(&mut self, into: &mut Vec<u8>) -> Result<bool, Trouble> {
        let mut cut = false;
        loop {
            match self.byte()? {
                0 => return Ok(cut),
                byte if into.len() < LONGEST_NAME => into.push(byte),
                _ => cut = true,
            }
        }
    }

    /// What follows here, where it begins like a member and is none.
    fn not_magic(&mut self) -> Result<Option<String>, Trouble> {
        let at = self.at();
        let mut two = [0; 2];
        match self.source.fill_at(at, &mut two) {
            Ok(2) if two == MAGIC => Ok(None),
            Ok(_) => Ok(Some(self.after(at))),
            Err(_) => Err(Trouble::Says(format!("unreadable from {at} on"))),
        }
    }

    fn after(&self, at: u64) -> String {
        let len = self.source.len().saturating_sub(at);
        format!("{len} bytes after the last member, at {at}")
    }

    /// Whether anything but zeros follows; takes what it looks at.
    fn rest_is_not_zero(&mut self) -> Result<bool, Trouble> {
        loop {
            let piece = self.peek()?;
            if piece.is_empty() {
                return Ok(false);
            }
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(true);
            }
            let n = piece.len();
            self.consume(n);
        }
    }
}
