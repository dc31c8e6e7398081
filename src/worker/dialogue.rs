//! One question to a worker and everything it says to it, as the main process hears it.
//!
//! The worker may be hostile: every frame is bounded and checked by `protocol`, its number has to
//! be the question's, children have to begin and end in turn, and what is counted is counted here
//! as well. Whatever breaks a rule ends the conversation. Nothing here knows processes or sockets,
//! so that the same code is fuzzed without any.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::expand::{Answer, Content, Expand, Outcome};
use super::picture::PictureAnswer;
use super::protocol::{
    self, Broken, Close, Content as Way, ExpandLimits, Job, LONGEST_FRAME, LONGEST_INLINE,
    LONGEST_PIECE, Piece, Profile, Reply, Request,
};
use super::share;
use crate::media::Limits;
use crate::unpack::{Children, End};

/// Why a conversation ended before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The other side is gone.
    Gone,
    /// It said something that is not of the protocol.
    Garbled,
    /// A time limit was reached.
    Late,
    /// Whoever asked wants no answer any more.
    Cancelled,
}

impl From<Broken> for Stop {
    fn from(_: Broken) -> Self {
        Self::Garbled
    }
}

/// The way to a worker and back.
pub(super) trait Line {
    /// Sends bytes and, with the first of them, a file.
    fn send(&mut self, bytes: &[u8], file: Option<OwnedFd>) -> Result<(), Stop>;

    /// Receives as many bytes as the buffer holds.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Stop>;

    /// This time was not the worker's: it does not count for its limit of wall time.
    fn not_waited(&mut self, time: Duration);
}

/// Waits for the frame that says a worker is ready.
pub(super) fn hear(line: &mut dyn Line) -> Result<Reply, Stop> {
    let mut prefix = [0; 4];
    line.fill(&mut prefix)?;
    let len = protocol::announced(prefix)?;
    let mut frame = [0; LONGEST_FRAME];
    let frame = frame.get_mut(..len).ok_or(Stop::Garbled)?;
    line.fill(frame)?;
    Ok(protocol::reply(frame)?)
}

/// Has one picture decoded.
pub(super) fn picture(
    line: &mut dyn Line,
    (profile, number): (Profile, u64),
    bytes: &[u8],
    limits: &Limits,
) -> Result<PictureAnswer, Stop> {
    ask(line, (profile, number), Job::decode_picture(limits), &Content::Bytes(bytes))?;
    match hear(line)? {
        Reply::Picture { number: of, answer } if of == number => Ok(*answer),
        _ => Err(Stop::Garbled),
    }
}

/// Has one container opened; its children go to `children` as they come.
///
/// Where the conversation ends early while a child is open, that child is not ended: this is for
/// whoever knows why it ended.
pub(super) fn expand(
    line: &mut dyn Line,
    (profile, number): (Profile, u64),
    expand: &Expand<'_>,
    children: &mut dyn Children,
    heard: &mut Heard,
) -> Result<Answer, Stop> {
    let job = Job::Expand { format: expand.format, limits: expand.limits };
    let asked = ask(line, (profile, number), job, &expand.content)?;
    let mut buffer = vec![0; usize::try_from(LONGEST_PIECE).unwrap_or(0)];
    loop {
        let reply = hear(line)?;
        let begun = Instant::now();
        let flow = match reply {
            Reply::Ask { number: of, offset, len } if of == number && asked => {
                heard.ask(&expand.limits)?;
                let answer = serve(&expand.content, number, (offset, len), &mut buffer)?;
                line.not_waited(begun.elapsed());
                line.send(&answer, None)?;
                continue;
            }
            Reply::Began { number: of, child } if of == number => {
                heard.begin(&expand.limits)?;
                children.begin(&child)
            }
            Reply::Gave { number: of, len } if of == number => {
                heard.bytes(&expand.limits, len)?;
                let bytes = usize::try_from(len).ok().and_then(|len| buffer.get_mut(..len));
                let bytes = bytes.ok_or(Stop::Garbled)?;
                line.fill(bytes)?;
                children.bytes(bytes)
            }
            Reply::Ended { number: of, end } if of == number => {
                heard.end()?;
                children.end(&end)
            }
            Reply::Expanded { number: of, close } if of == number && !heard.open => {
                return Ok(heard.answer(close));
            }
            _ => return Err(Stop::Garbled),
        };
        line.not_waited(begun.elapsed());
        if flow.is_break() {
            return Ok(heard.outcome(Outcome::Stopped, "the receiver broke off"));
        }
    }
}

/// What was heard so far of one container.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// A child has begun and not ended.
    pub(super) open: bool,
    children: u32,
    bytes: u64,
    asked: u32,
}

impl Heard {
    fn begin(&mut self, limits: &ExpandLimits) -> Result<(), Stop> {
        self.children = self.children.saturating_add(1);
        if self.open || self.children > limits.children {
            return Err(Stop::Garbled);
        }
        self.open = true;
        Ok(())
    }

    fn bytes(&mut self, limits: &ExpandLimits, len: u32) -> Result<(), Stop> {
        self.bytes = self.bytes.saturating_add(u64::from(len));
        if self.open && self.bytes <= limits.bytes { Ok(()) } else { Err(Stop::Garbled) }
    }

    fn end(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.open) { Ok(()) } else { Err(Stop::Garbled) }
    }

    fn ask(&mut self, limits: &ExpandLimits) -> Result<(), Stop> {
        self.asked = self.asked.saturating_add(1);
        if self.asked <= limits.requests { Ok(()) } else { Err(Stop::Garbled) }
    }

    fn answer(&self, close: Close) -> Answer {
        match close {
            Close::End(End::Whole) => self.outcome(Outcome::Whole, ""),
            Close::End(End::Partial(what)) => self.outcome(Outcome::Partial, &what),
            Close::Limit(which) => self.outcome(Outcome::Limit, &which),
            Close::Panic => self.outcome(Outcome::Crashed, "the decoder panicked"),
            Close::NoRoom => self.outcome(Outcome::Memory, "the decoder ran out of memory"),
        }
    }

    /// An answer with what was counted.
    pub(super) fn outcome(&self, outcome: Outcome, detail: &str) -> Answer {
        Answer { outcome, detail: detail.into(), children: self.children, bytes: self.bytes }
    }
}

/// Sends a question and its content. `true` where the content is asked for piece by piece.
fn ask(
    line: &mut dyn Line,
    (profile, number): (Profile, u64),
    job: Job,
    content: &Content<'_>,
) -> Result<bool, Stop> {
    let (way, file, rest) = match *content {
        Content::Bytes(bytes) if bytes.len() <= LONGEST_INLINE => {
            (Way::Inline(u32::try_from(bytes.len()).map_err(|_| Stop::Garbled)?), None, bytes)
        }
        Content::Bytes(bytes) => {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let file = share::sealed_patiently(bytes).map_err(|_| Stop::Gone)?;
            (Way::Shared(len), Some(file), [].as_slice())
        }
        Content::At(source) => (Way::Asked(source.len()), None, [].as_slice()),
    };
    let request = Request { number, profile, job, content: way };
    let mut frame = protocol::frame(&request)?;
    frame.extend_from_slice(rest);
    line.send(&frame, file)?;
    Ok(matches!(way, Way::Asked(_)))
}

/// The answer to a request for content: a frame and the bytes it announces.
fn serve(
    content: &Content<'_>,
    number: u64,
    (offset, len): (u64, u32),
    buffer: &mut [u8],
) -> Result<Vec<u8>, Stop> {
    let Content::At(source) = content else { return Err(Stop::Garbled) };
    let inside = offset.checked_add(u64::from(len)).is_some_and(|end| end <= source.len());
    let wanted = usize::try_from(len).ok().and_then(|len| buffer.get_mut(..len));
    let wanted = wanted.filter(|_| inside).ok_or(Stop::Garbled)?;
    let read = loop {
        match source.read_at(offset, wanted) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // More than the buffer holds was not read, whatever is said.
            other => break other.ok().filter(|read| *read <= wanted.len()),
        }
    };
    let len = read.and_then(|read| u32::try_from(read).ok());
    let mut frame = protocol::frame(&Piece { number, len })?;
    frame.extend_from_slice(read.and_then(|read| wanted.get(..read)).unwrap_or_default());
    Ok(frame)
}
