//! A container in the worker: its children are told to the main process as they come, and content
//! that is not at hand is asked for.
//!
//! The main process is trusted, the container is not: how much comes out of it is counted here, so
//! that an honest worker ends at a limit and says so. Nothing is kept of what was told.

use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;

use super::protocol::{self, Close, ExpandLimits, LONGEST_DETAIL, LONGEST_PIECE, Reply};
use super::serve::{Channel, invalid, say};
use crate::bytes::ReadAt;
use crate::unpack::{Child, Children, End};

/// Has `work` give the children of one container, tells them, and says how it ended.
///
/// # Errors
/// The channel's: then there is nobody left to work for.
pub(super) fn expand(
    channel: &dyn Channel,
    number: u64,
    limits: &ExpandLimits,
    work: impl FnOnce(&mut dyn Children) -> End,
) -> io::Result<Close> {
    let mut teller = Teller {
        channel,
        number,
        children: limits.children,
        bytes: limits.bytes,
        open: false,
        limit: None,
        failed: None,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| work(&mut teller)));
    if let Some(error) = teller.failed.take() {
        return Err(error);
    }
    let close = match (ended, teller.limit) {
        (Err(_), _) => Close::Panic,
        (Ok(_), Some(limit)) => Close::Limit(limit.into()),
        (Ok(end), None) => Close::End(bounded(&end)),
    };
    if teller.open {
        let cut = match &close {
            Close::Panic => "the decoder panicked",
            Close::Limit(limit) => limit.as_str(),
            Close::End(_) | Close::NoRoom => "the container ended inside it",
        };
        say(channel, &Reply::Ended { number, end: End::Partial(cut.into()) })?;
    }
    Ok(close)
}

/// An end whose text is one inert line that is not too long.
fn bounded(end: &End) -> End {
    match end {
        End::Whole => End::Whole,
        End::Partial(text) if text.is_empty() => End::Partial("incomplete".into()),
        End::Partial(text) => {
            let inert = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
            End::Partial(text.chars().map(inert).take(LONGEST_DETAIL).collect())
        }
    }
}

/// Tells children to the main process.
struct Teller<'a> {
    channel: &'a dyn Channel,
    number: u64,
    /// Children that may still begin.
    children: u32,
    /// Bytes that may still be given.
    bytes: u64,
    open: bool,
    limit: Option<&'static str>,
    failed: Option<io::Error>,
}

impl Teller<'_> {
    fn tell(&mut self, said: io::Result<()>) -> ControlFlow<()> {
        match said {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn at_limit(&mut self, limit: &'static str) -> ControlFlow<()> {
        self.limit = Some(limit);
        ControlFlow::Break(())
    }

    /// Nothing more is told after a break, whatever the decoder does.
    fn broke(&self) -> bool {
        self.limit.is_some() || self.failed.is_some()
    }
}

impl Children for Teller<'_> {
    fn begin(&mut self, child: &Child) -> ControlFlow<()> {
        if self.broke() {
            return ControlFlow::Break(());
        }
        let Some(left) = self.children.checked_sub(1) else {
            return self.at_limit("the limit of children was reached");
        };
        self.children = left;
        self.open = true;
        let child = Box::new(child.clone());
        let said = say(self.channel, &Reply::Began { number: self.number, child });
        self.tell(said)
    }

    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let longest = usize::try_from(LONGEST_PIECE).unwrap_or(usize::MAX);
        for piece in bytes.chunks(longest) {
            if self.broke() {
                return ControlFlow::Break(());
            }
            let len = u32::try_from(piece.len()).unwrap_or(LONGEST_PIECE);
            let Some(left) = self.bytes.checked_sub(u64::from(len)) else {
                return self.at_limit("the limit of bytes was reached");
            };
            self.bytes = left;
            let reply = Reply::Gave { number: self.number, len };
            let said = protocol::frame(&reply).map_err(invalid).and_then(|mut frame| {
                frame.extend_from_slice(piece);
                self.channel.send(&frame)
            });
            self.tell(said)?;
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self, end: &End) -> ControlFlow<()> {
        if self.broke() {
            return ControlFlow::Break(());
        }
        self.open = false;
        let said = say(self.channel, &Reply::Ended { number: self.number, end: bounded(end) });
        self.tell(said)
    }
}

/// The content of a container that the main process reads for the worker.
pub(super) struct Asked<'a> {
    channel: &'a dyn Channel,
    number: u64,
    len: u64,
    /// Held from a request to its answer.
    state: Mutex<State>,
}

struct State {
    /// Requests that may still be made.
    requests: u32,
    limit: bool,
    failed: Option<io::Error>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(channel: &'a dyn Channel, number: u64, len: u64, requests: u32) -> Self {
        let state = Mutex::new(State { requests, limit: false, failed: None });
        Self { channel, number, len, state }
    }

    /// The last reply about this container, once nothing more is asked for.
    pub(super) fn close(self, number: u64, close: Close) -> io::Result<Reply> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (state.failed, close) {
            (Some(error), _) => Err(error),
            (None, Close::End(_)) if state.limit => {
                let close = Close::Limit("the limit of requests was reached".into());
                Ok(Reply::Expanded { number, close })
            }
            (None, close) => Ok(Reply::Expanded { number, close }),
        }
    }

    /// Asks for bytes that lie inside the content; `None` where they cannot be read.
    fn ask(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let len = u32::try_from(buffer.len()).map_err(invalid)?;
        say(self.channel, &Reply::Ask { number: self.number, offset, len })?;
        let mut prefix = [0; 4];
        self.channel.fill(&mut prefix)?;
        let mut frame = vec![0; protocol::announced(prefix).map_err(invalid)?];
        self.channel.fill(&mut frame)?;
        let piece = protocol::piece(&frame).map_err(invalid)?;
        if piece.number != self.number || piece.len.is_some_and(|given| given > len) {
            return Err(invalid("a piece that was not asked for"));
        }
        let Some(given) = piece.len else { return Ok(None) };
        let given = usize::try_from(given).map_err(invalid)?;
        self.channel.fill(buffer.get_mut(..given).unwrap_or_default())?;
        Ok(Some(given))
    }
}

impl ReadAt for Asked<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let longest = usize::try_from(LONGEST_PIECE).unwrap_or(usize::MAX);
        let wanted = buf.len().min(left).min(longest);
        let Some(wanted) = buf.get_mut(..wanted).filter(|wanted| !wanted.is_empty()) else {
            return Ok(0);
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let unreadable = || io::Error::other("the main process could not read it");
        if state.failed.is_some() {
            return Err(unreadable());
        }
        let Some(requests) = state.requests.checked_sub(1) else {
            state.limit = true;
            return Err(unreadable());
        };
        state.requests = requests;
        match self.ask(at, wanted) {
            Ok(given) => given.ok_or_else(unreadable),
            Err(error) => {
                state.failed = Some(error);
                Err(unreadable())
            }
        }
    }
}
