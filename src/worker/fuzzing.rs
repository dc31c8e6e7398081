//! Both sides of the protocol without processes: for the fuzz targets under tests/fuzz, and for the
//! test that one side understands the other.
//!
//! [`main_side`] is the main process with a worker that says any bytes; [`worker_side`] is a worker
//! with a main process that says any bytes. What they check themselves is said there; a check that
//! fails panics.

#![allow(clippy::panic, clippy::expect_used, reason = "checks of a test harness")]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::Duration;

use super::dialogue::{self, Heard, Line, Stop};
use super::expand::{Content, Expand, Receive};
use super::picture::PictureAnswer;
use super::protocol::{self, ExpandLimits, Piece, Profile, Reply};
use super::serve::{Channel, Decoders, Worker};
use super::share;
use crate::bytes::Slice;
use crate::item::{ObjectKind, Timestamp};
use crate::media::{Limits, MediaStatus};
use crate::unpack::{self, Format};

/// Limits small enough that a fuzzer reaches them.
pub const LIMITS: ExpandLimits = ExpandLimits { children: 5, bytes: 3_000, requests: 7 };

/// Length of the content that [`main_side`] serves.
const CONTENT: usize = 1_000;

/// The main process hears `said`; its first byte chooses the question. Gives what came out: `None`
/// where the conversation broke a rule.
pub fn main_side(said: &[u8], children: &mut dyn Receive) -> Option<()> {
    let (question, said) = said.split_first()?;
    let mut line = Said { rest: said };
    let content = [7; CONTENT];
    let bytes = content.as_slice();
    let at = (Profile::Ordinary, u64::from(*question >> 2));
    match question & 3 {
        0 => dialogue::hear(&mut line).ok().map(|_| ()),
        1 => {
            let answer = dialogue::picture(&mut line, at, bytes, &Limits::default()).ok()?;
            assert!(answer.detail.len() <= 200 && answer.detail.is_ascii());
            Some(())
        }
        way => {
            let content = if way == 2 { Content::Bytes(bytes) } else { Content::At(&Slice(bytes)) };
            let expand = Expand { format: Format::Gzip, content, limits: LIMITS };
            let mut heard = Heard::default();
            let answer = dialogue::expand(&mut line, at, &expand, children, &mut heard).ok()?;
            assert!(answer.children <= LIMITS.children && answer.bytes <= LIMITS.bytes);
            assert!(answer.detail.len() <= 200 && answer.detail.is_ascii());
            Some(())
        }
    }
}

/// A worker that says what is left, and hears nothing.
struct Said<'a> {
    rest: &'a [u8],
}

impl Line for Said<'_> {
    fn send(&mut self, _: &[u8], _: Option<OwnedFd>) -> Result<(), Stop> {
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Stop> {
        let (now, rest) = self.rest.split_at_checked(buffer.len()).ok_or(Stop::Gone)?;
        buffer.copy_from_slice(now);
        self.rest = rest;
        Ok(())
    }

    fn not_waited(&mut self, _: Duration) {}
}

/// Most bytes that [`worker_side`] lets a worker say.
const MOST_SAID: usize = 1 << 20;

/// A worker hears `said` until it ends or refuses; gives what it said. Pictures are not decoded,
/// containers are opened. The first byte says whether a memory file comes with the first frame.
pub fn worker_side(said: &[u8]) -> Vec<u8> {
    let Some((file, said)) = said.split_first() else { return Vec::new() };
    let file = (*file == 0xff).then(|| share::sealed(said).ok()).flatten();
    let heard = Conversation { rest: said.to_vec(), at: 0, file, said: Vec::new() };
    let channel = Memory(Mutex::new(heard));
    let decoders = Decoders { read_picture: no_picture, expand: unpack::expand };
    let mut worker = Worker::new(Profile::Ordinary, decoders);
    while let Ok(true) = worker.next(&channel) {}
    channel.0.into_inner().map(|heard| heard.said).unwrap_or_default()
}

fn no_picture(bytes: &[u8], _: &Limits) -> PictureAnswer {
    PictureAnswer {
        status: MediaStatus::Unsupported,
        detail: format!("{} bytes", bytes.len()),
        width: 0,
        height: 0,
        hashes: None,
    }
}

struct Memory(Mutex<Conversation>);

#[derive(Default)]
struct Conversation {
    rest: Vec<u8>,
    at: usize,
    file: Option<OwnedFd>,
    said: Vec<u8>,
}

impl Conversation {
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.rest.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(n);
        n
    }
}

impl Memory {
    fn with<T>(&self, of: impl FnOnce(&mut Conversation) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Channel for Memory {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        Ok(self.with(|heard| (heard.take(buffer), heard.file.take())))
    }

    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        let wanted = buffer.len();
        match self.with(|heard| heard.take(buffer)) {
            n if n == wanted => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.with(|heard| {
            heard.said.extend_from_slice(bytes);
            if heard.said.len() <= MOST_SAID { Ok(()) } else { Err(io::Error::other("enough")) }
        })
    }
}

/// Reads what [`worker_side`] gave as the main process would; panics where a frame is not of the
/// protocol, unless it was cut off by the limit of what may be said.
pub fn understand(said: &[u8]) {
    let mut line = Said { rest: said };
    while !line.rest.is_empty() {
        match dialogue::hear(&mut line) {
            Ok(Reply::Gave { len, .. }) => {
                let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
                let whole = line.fill(&mut bytes).is_ok();
                assert!(whole || said.len() > MOST_SAID, "bytes are missing");
            }
            Ok(_) => {}
            Err(Stop::Gone) if said.len() > MOST_SAID => return,
            Err(stop) => panic!("the worker said what the main process refuses: {stop:?}"),
        }
    }
}

/// First inputs for the targets: good conversations, `(name, bytes)`.
pub fn seeds(of_worker: bool) -> Vec<(String, Vec<u8>)> {
    let gzip = b"\x1f\x8b\x08\x08\0\0\0\0\0\xffa\0\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0".as_slice();
    let at = (Profile::Ordinary, NUMBER);
    let mut asked = Vec::new();
    for (name, content) in [("held", Content::Bytes(gzip)), ("asked", Content::At(&Slice(gzip)))] {
        let mut question = Sent(vec![0]);
        let expand = Expand { format: Format::Gzip, content, limits: LIMITS };
        let _gone =
            dialogue::expand(&mut question, at, &expand, &mut Nobody, &mut Heard::default());
        if name == "asked" {
            let piece = Piece { number: NUMBER, len: u32::try_from(gzip.len()).ok() };
            question.0.extend(protocol::frame(&piece).expect("it is short"));
            question.0.extend(gzip);
        }
        asked.push((name.to_owned(), question.0));
    }
    let mut picture = Sent(vec![0]);
    let _gone = dialogue::picture(&mut picture, at, b"none", &Limits::default());
    asked.push(("picture".to_owned(), picture.0));
    if of_worker {
        return asked;
    }
    let first = |way: u64| u8::try_from(NUMBER << 2 | way).unwrap_or(0);
    let mut said: Vec<_> = asked
        .into_iter()
        .map(|(name, question)| {
            let way = match name.as_str() {
                "held" => 2,
                "asked" => 3,
                _ => 1,
            };
            (name, [vec![first(way)], worker_side(&question)].concat())
        })
        .collect();
    said.push(("several".to_owned(), [vec![first(3)], several()].concat()));
    said
}

/// The question's number in the first inputs.
const NUMBER: u64 = 3;

/// A container of three children, as a worker tells it.
fn several() -> Vec<u8> {
    let memory = Memory(Mutex::default());
    let children = |children: &mut dyn unpack::Children| {
        for (name, size) in [("a.jpg", Some(3)), ("folder/b name.png", None), ("", Some(0))] {
            let modified = size.map(|seconds| Timestamp {
                seconds: i64::try_from(seconds).unwrap_or(0),
                nanos: 500,
                digits: 9,
                utc: true,
            });
            let (name, kind) = (name.as_bytes().to_vec(), ObjectKind::Attachment);
            let _ = children.begin(&unpack::Child { name, stated_size: size, kind, modified });
            let _ = children.bytes(b"some bytes");
            let _ = children.end(&unpack::End::Partial("cut".into()));
        }
        unpack::End::Partial("cut".into())
    };
    let close = super::tell::expand(&memory, NUMBER, &LIMITS, children).expect("it is heard");
    let ask = Reply::Ask { number: NUMBER, offset: 10, len: 20 };
    let _ = super::serve::say(&memory, &ask);
    let _ = super::serve::say(&memory, &Reply::Expanded { number: NUMBER, close });
    memory.with(|heard| std::mem::take(&mut heard.said))
}

/// Keeps what is sent.
struct Sent(Vec<u8>);

impl Line for Sent {
    fn send(&mut self, bytes: &[u8], _: Option<OwnedFd>) -> Result<(), Stop> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn fill(&mut self, _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Gone)
    }

    fn not_waited(&mut self, _: Duration) {}
}

/// Takes everything and keeps nothing.
struct Nobody;

impl unpack::Children for Nobody {
    fn begin(&mut self, _: &unpack::Child) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }

    fn bytes(&mut self, _: &[u8]) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }

    fn end(&mut self, _: &unpack::End) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
}

impl Receive for Nobody {
    fn restart(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_understands_the_other() {
        for (name, question) in seeds(true) {
            let said = worker_side(&question);
            assert!(!said.is_empty(), "{name}");
            understand(&said);
        }
        for (name, said) in seeds(false) {
            assert_eq!(main_side(&said, &mut Nobody), Some(()), "{name}");
            for cut in 1..said.len() {
                assert_eq!(main_side(&said[..cut], &mut Nobody), None, "{name} cut at {cut}");
            }
        }
    }
}
