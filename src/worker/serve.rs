//! The worker's side: confine, then answer one request after another until the socket closes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use super::picture::{PictureAnswer, read_picture};
use super::protocol::{self, Content, Job, LONGEST_INLINE, Profile, Reply};
use super::sandbox;
use super::share::{self, Mapping};
use crate::media::{Limits, MediaStatus};

/// The first argument of a program that is called to be a worker.
pub const ARGUMENT: &str = "--worker-protocol";

/// Everything was answered.
const DONE: u8 = 0;
/// The arguments or what came over the socket are not of the protocol.
const REFUSED: u8 = 2;

/// What makes an answer of a picture's bytes: [`read_picture`], or what a test puts in its place.
pub type ReadPicture = fn(&[u8], &Limits) -> PictureAnswer;

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
    serve_with(arguments, read_picture)
}

/// [`serve`] with something else in the decoder's place: how tests make a worker fail.
pub fn serve_with(arguments: impl Iterator<Item = OsString>, read_picture: ReadPicture) -> u8 {
    let Some(Arguments { profile, memory, parent }) = Arguments::of(arguments) else {
        return REFUSED;
    };
    // The default hook prints, looks for the source of the panic and so opens files.
    std::panic::set_hook(Box::new(|_| {}));
    let Some(level) = sandbox::enter(memory, parent) else { return REFUSED };
    let mut worker = Worker { profile, inline: Vec::with_capacity(LONGEST_INLINE), read_picture };
    if worker.say(&Reply::Ready(level)).is_err() {
        return DONE;
    }
    loop {
        match worker.next() {
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

struct Worker {
    profile: Profile,
    /// Content that came through the socket; kept, so that small objects allocate nothing.
    inline: Vec<u8>,
    read_picture: ReadPicture,
}

impl Worker {
    /// Answers one request; `false` where no more comes.
    fn next(&mut self) -> io::Result<bool> {
        let stdin = io::stdin();
        let mut prefix = [0; 4];
        let Some(file) = first(&stdin, &mut prefix)? else { return Ok(false) };
        let mut frame = vec![0; protocol::announced(prefix).map_err(invalid)?];
        fill(&stdin, &mut frame)?;
        let request = protocol::request(&frame).map_err(invalid)?;
        if request.profile != self.profile {
            return Err(invalid("a job of another profile"));
        }
        let Job::DecodePicture { max_pixels, max_side, max_memory } = request.job;
        let limits = Limits { max_pixels, max_side, max_memory };
        let answer = match (request.content, file) {
            (Content::Inline(len), None) => {
                self.inline.resize(usize::try_from(len).map_err(invalid)?, 0);
                fill(&stdin, &mut self.inline)?;
                (self.read_picture)(&self.inline, &limits)
            }
            (Content::Shared(len), Some(file)) => {
                match Mapping::of(&file, usize::try_from(len).map_err(invalid)?) {
                    Ok(content) => (self.read_picture)(content.bytes(), &limits),
                    Err(Errno::NOMEM) => no_room(),
                    Err(error) => return Err(error.into()),
                }
            }
            _ => return Err(invalid("content came another way than announced")),
        };
        self.say(&Reply::Picture { number: request.number, answer: answer.into() })?;
        Ok(true)
    }

    /// Straight to the socket: `std`'s standard output is a buffer around another descriptor.
    fn say(&self, reply: &Reply) -> io::Result<()> {
        let frame = protocol::frame(reply).map_err(invalid)?;
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            let sent = retry(|| rustix::io::write(io::stdin().as_fd(), rest))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

fn no_room() -> PictureAnswer {
    PictureAnswer {
        status: MediaStatus::Memory,
        detail: "the content does not fit the memory of a worker".into(),
        width: 0,
        height: 0,
        hashes: None,
    }
}

/// The length of the next frame and the file that came with it; `None` at the end of the stream.
fn first(socket: impl AsFd, prefix: &mut [u8; 4]) -> io::Result<Option<Option<OwnedFd>>> {
    let (n, file) = retry(|| share::receive(&socket, prefix.as_mut_slice()))?;
    if n == 0 {
        return Ok(None);
    }
    fill(socket, prefix.get_mut(n..).unwrap_or_default())?;
    Ok(Some(file))
}

fn fill(socket: impl AsFd, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let n = retry(|| rustix::io::read(&socket, &mut *buffer))?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(n..).unwrap_or_default();
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
