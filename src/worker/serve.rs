//! The worker's side: confine, then answer one request after another until the socket closes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use super::picture::{PictureAnswer, read_picture};
use super::protocol::{self, Content, Job, LONGEST_INLINE, Profile, Reply, Request};
use super::sandbox;
use super::share::{self, Mapping};
use super::tell;
use crate::bytes::{ReadAt, Slice};
use crate::media::{Limits, MediaStatus};
use crate::unpack::{self, Children, End, Format};

/// The first argument of a program that is called to be a worker.
pub const ARGUMENT: &str = "--worker-protocol";

/// Everything was answered.
const DONE: u8 = 0;
/// The arguments or what came over the socket are not of the protocol.
const REFUSED: u8 = 2;

/// What does the work: the product's, or what a test puts in its place.
#[derive(Debug, Clone, Copy)]
pub struct Decoders {
    /// Makes an answer of a picture's bytes, like [`read_picture`].
    pub read_picture: fn(&[u8], &Limits) -> PictureAnswer,
    /// Gives the children of a container, like [`unpack::expand`].
    pub expand: fn(Format, &dyn ReadAt, &mut dyn Children) -> End,
}

impl Default for Decoders {
    fn default() -> Self {
        Self { read_picture, expand: unpack::expand }
    }
}

/// Works until the other side closes the socket, which is this process's standard input.
///
/// Called first thing in `main`, before any thread: the limits would not hold for a thread that
/// runs already. `arguments` are those after [`ARGUMENT`]; the returned code is the process's.
///
/// ```no_run
/// use assay::worker;
/// let mut arguments = std::env::args_os().skip(1);
/// if arguments.next().is_some_and(|first| first == worker::ARGUMENT) {
///     std::process::exit(i32::from(worker::serve(arguments)));
/// }
/// ```
pub fn serve(arguments: impl Iterator<Item = OsString>) -> u8 {
    serve_with(arguments, Decoders::default())
}

/// [`serve`] with something else in the decoder's place: how tests make a worker fail.
pub fn serve_with(arguments: impl Iterator<Item = OsString>, decoders: Decoders) -> u8 {
    let Some(Arguments { profile, memory, parent }) = Arguments::of(arguments) else {
        return REFUSED;
    };
    // The default hook prints, looks for the source of the panic and so opens files.
    std::panic::set_hook(Box::new(|_| {}));
    let Some(level) = sandbox::enter(memory, parent) else { return REFUSED };
    let mut worker = Worker::new(profile, decoders);
    if say(&Socket, &Reply::Ready(level)).is_err() {
        return DONE;
    }
    loop {
        match worker.next(&Socket) {
            Ok(true) => {}
            Ok(false) => return DONE,
            Err(_) => return REFUSED,
        }
    }
}

struct Arguments {
    profile: Profile,
    memory: u64,
    parent: Pid,
}

impl Arguments {
    fn of(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut next = || arguments.next()?.into_string().ok();
        let profile = Profile::from_word(&next()?)?;
        let memory = next()?.parse().ok()?;
        let parent = Pid::from_raw(next()?.parse().ok()?)?;
        next().is_none().then_some(Self { profile, memory, parent })
    }
}

/// The way to the main process: the socket, or what stands for it when the loop is fuzzed.
pub(super) trait Channel: Sync {
    /// Receives some bytes, and the file that came with them; 0 bytes at the end of the stream.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)>;

    /// Receives as many bytes as the buffer holds.
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()>;

    /// Sends all the bytes.
    fn send(&self, bytes: &[u8]) -> io::Result<()>;
}

/// Standard input, straight: `std`'s is a buffer, and its standard output another descriptor.
struct Socket;

impl Channel for Socket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        retry(|| share::receive(io::stdin(), &mut *buffer))
    }

    fn fill(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let n = retry(|| rustix::io::read(io::stdin(), &mut *buffer))?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(n..).unwrap_or_default();
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = retry(|| rustix::io::write(io::stdin().as_fd(), rest))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Sends one reply.
pub(super) fn say(channel: &dyn Channel, reply: &Reply) -> io::Result<()> {
    channel.send(&protocol::frame(reply).map_err(invalid)?)
}

/// One worker's loop.
pub(super) struct Worker {
    profile: Profile,
    /// Content that came through the socket; kept, so that small objects allocate nothing.
    inline: Vec<u8>,
    decoders: Decoders,
}

impl Worker {
    pub(super) fn new(profile: Profile, decoders: Decoders) -> Self {
        Self { profile, inline: Vec::with_capacity(LONGEST_INLINE), decoders }
    }

    /// Answers one request; `false` where no more comes.
    pub(super) fn next(&mut self, channel: &dyn Channel) -> io::Result<bool> {
        let mut prefix = [0; 4];
        let (n, file) = channel.receive(&mut prefix)?;
        if n == 0 {
            return Ok(false);
        }
        channel.fill(prefix.get_mut(n..).unwrap_or_default())?;
        let mut frame = vec![0; protocol::announced(prefix).map_err(invalid)?];
        channel.fill(&mut frame)?;
        let request = protocol::request(&frame).map_err(invalid)?;
        if request.profile != self.profile {
            return Err(invalid("a job of another profile"));
        }
        match (request.content, file) {
            (Content::Inline(len), None) => {
                let mut content = std::mem::take(&mut self.inline);
                content.resize(usize::try_from(len).map_err(invalid)?, 0);
                channel.fill(&mut content)?;
                self.answer(channel, &request, &content)?;
                self.inline = content;
            }
            (Content::Shared(len), Some(file)) => {
                match Mapping::of(&file, usize::try_from(len).map_err(invalid)?) {
                    Ok(content) => self.answer(channel, &request, content.bytes())?,
                    Err(Errno::NOMEM) => say(channel, &no_room(&request))?,
                    Err(error) => return Err(error.into()),
                }
            }
            (Content::Asked(len), None) => {
                let Job::Expand { format, limits } = request.job else {
                    return Err(invalid("only a container's content is asked for"));
                };
                let content = tell::Asked::new(channel, request.number, len, limits.requests);
                let close = tell::expand(channel, request.number, &limits, |children| {
                    (self.decoders.expand)(format, &content, children)
                })?;
                say(channel, &content.close(request.number, close)?)?;
            }
            _ => return Err(invalid("content came another way than announced")),
        }
        Ok(true)
    }

    /// Does the work on a content that is at hand.
    fn answer(&self, channel: &dyn Channel, request: &Request, content: &[u8]) -> io::Result<()> {
        let number = request.number;
        let reply = match request.job {
            Job::DecodePicture { max_pixels, max_side, max_memory } => {
                let limits = Limits { max_pixels, max_side, max_memory };
                let answer = (self.decoders.read_picture)(content, &limits);
                Reply::Picture { number, answer: answer.into() }
            }
            Job::Expand { format, limits } => {
                let close = tell::expand(channel, number, &limits, |children| {
                    (self.decoders.expand)(format, &Slice(content), children)
                })?;
                Reply::Expanded { number, close }
            }
        };
        say(channel, &reply)
    }
}

fn no_room(request: &Request) -> Reply {
    let number = request.number;
    match request.job {
        Job::Expand { .. } => Reply::Expanded { number, close: protocol::Close::NoRoom },
        Job::DecodePicture { .. } => {
            let answer = PictureAnswer {
                status: MediaStatus::Memory,
                detail: "the content does not fit the memory of a worker".into(),
                width: 0,
                height: 0,
                hashes: None,
            };
            Reply::Picture { number, answer: answer.into() }
        }
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

pub(super) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
