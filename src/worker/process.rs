//! One worker as the main process sees it: start, one object at a time, how it ended.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::picture::PictureAnswer;
use super::protocol::{self, Content, Job, LONGEST_FRAME, LONGEST_INLINE, Profile, Reply, Request};
use super::sandbox::Level;
use super::serve::ARGUMENT;
use super::share;
use super::watch::{self, Late, TimeLimit, Watch};
use crate::media::{Limits, MediaStatus};

/// A wait for a worker is interrupted this often to look whether it is late.
const LOOK: Duration = Duration::from_millis(100);

/// A worker that is not ready by then, wall time, counts as one that did not start.
const START: Duration = Duration::from_secs(60);

/// A worker whose socket closed is given this long to be gone by itself, so that its own end is
/// seen and not ours.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// Beginning of what Rust's runtime says when an allocation fails, before it aborts.
const OUT_OF_MEMORY: &str = "memory allocation of ";

/// Which program is started as a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The program that runs, even if its file was replaced meanwhile.
    Own,
    /// Another file that calls [`serve`](super::serve) when its first argument is
    /// [`ARGUMENT`](super::ARGUMENT).
    File(PathBuf),
}

/// Why a worker gave no answer. Of itself it is gone afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Memory ran out.
    Memory,
    /// The time limit was reached.
    Timeout,
    /// It ended in another way.
    Ended,
    /// It made a system call that the sandbox ends a process for.
    Forbidden,
    /// It said something that is not of the protocol.
    Garbled,
}

impl Loss {
    /// What stands in the report, the same for every time the same object ends a worker so.
    pub(super) const fn status(self) -> (MediaStatus, &'static str) {
        match self {
            Self::Memory => (MediaStatus::Memory, "the decoder ran out of memory"),
            Self::Timeout => (MediaStatus::Timeout, "the decoder reached the time limit"),
            Self::Ended => (MediaStatus::Crashed, "the decoder ended its process"),
            Self::Forbidden => (MediaStatus::Crashed, "the decoder made a forbidden system call"),
            Self::Garbled => (MediaStatus::Crashed, "the decoder gave no possible answer"),
        }
    }
}

/// A worker that has said it is ready.
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    profile: Profile,
    pub(super) level: Level,
    /// Objects it was given.
    pub(super) objects: u32,
}

impl Process {
    /// Starts a worker. It dies with the thread that calls this.
    pub(super) fn spawn(program: &Program, profile: Profile, memory: u64) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LOOK))?;
        ours.set_write_timeout(Some(LOOK))?;
        let own = rustix::process::getpid().as_raw_nonzero().to_string();
        let arguments = [ARGUMENT, profile.as_str(), &memory.to_string(), &own].map(OsString::from);
        let file = match program {
            Program::Own => PathBuf::from("/proc/self/exe"),
            Program::File(path) => path.clone(),
        };
        let child = Command::new(file)
            .arg0("assay-worker")
            .args(arguments)
            .env_clear()
            .current_dir("/")
            // A signal from the terminal is for the program, which then ends its workers in order.
            .process_group(0)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let level = Level { landlock: None, seccomp: false, limits: false, tied: false };
        Ok(Self { child, socket: ours, profile, level, objects: 0 })
    }

    /// Waits until the worker is confined and says how far.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let mut late = || if begun.elapsed() > START { Err(Late) } else { Ok(()) };
        match self.reply(&mut late) {
            Ok(Reply::Ready(level)) => self.level = level,
            Ok(_) | Err(Stop::Garbled) => return Err(io::ErrorKind::InvalidData.into()),
            Err(Stop::Late) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Stop::Gone) => {
                let message = format!("it ended at once ({})", self.end_of_child());
                return Err(io::Error::other(message));
            }
        }
        Ok(())
    }

    /// Has one picture decoded. After an error the worker is to be dropped.
    pub(super) fn picture(
        &mut self,
        number: u64,
        bytes: &[u8],
        limits: &Limits,
        time: &TimeLimit,
    ) -> Result<PictureAnswer, Loss> {
        self.objects = self.objects.saturating_add(1);
        let mut watch = Watch::begin(self.pid(), time, bytes.len());
        let mut look = || watch.look();
        let outcome = self
            .ask(number, Job::decode_picture(limits), bytes, &mut look)
            .and_then(|()| self.reply(&mut look));
        match outcome {
            Ok(Reply::Picture { number: of, answer }) if of == number => Ok(*answer),
            Ok(_) | Err(Stop::Garbled) => Err(Loss::Garbled),
            Err(Stop::Late) => Err(Loss::Timeout),
            Err(Stop::Gone) => Err(self.loss()),
        }
    }

    /// Bytes of memory the worker holds between two objects.
    pub(super) fn memory(&self) -> u64 {
        watch::memory(self.pid()).unwrap_or(0)
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn ask(
        &mut self,
        number: u64,
        job: Job,
        bytes: &[u8],
        look: &mut dyn FnMut() -> Result<(), Late>,
    ) -> Result<(), Stop> {
        let inline = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= LONGEST_INLINE);
        let (content, file, rest) = match inline {
            Some(len) => (Content::Inline(len), None, bytes),
            None => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let file = sealed(bytes).map_err(|_| Stop::Gone)?;
                (Content::Shared(len), Some(file), [].as_slice())
            }
        };
        let request = Request { number, profile: self.profile, job, content };
        let mut frame = protocol::frame(&request).map_err(|_| Stop::Garbled)?;
        frame.extend_from_slice(rest);
        let (mut rest, mut file) = (frame.as_slice(), file);
        while !rest.is_empty() {
            match share::send(&self.socket, rest, file.as_ref()) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    file = None;
                }
                Err(error) => wait_or_gone(&error, look)?,
            }
        }
        Ok(())
    }

    fn reply(&mut self, look: &mut dyn FnMut() -> Result<(), Late>) -> Result<Reply, Stop> {
        let mut prefix = [0; 4];
        self.fill(&mut prefix, look)?;
        let len = protocol::announced(prefix).map_err(|_| Stop::Garbled)?;
        let mut frame = [0; LONGEST_FRAME];
        let frame = frame.get_mut(..len).ok_or(Stop::Garbled)?;
        self.fill(frame, look)?;
        protocol::reply(frame).map_err(|_| Stop::Garbled)
    }

    fn fill(
        &mut self,
        mut buffer: &mut [u8],
        look: &mut dyn FnMut() -> Result<(), Late>,
    ) -> Result<(), Stop> {
        while !buffer.is_empty() {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Stop::Gone),
                Ok(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
                Err(error) => wait_or_gone(&error, look)?,
            }
        }
        Ok(())
    }

    /// What the end of the worker means, once its socket closed.
    fn loss(&mut self) -> Loss {
        let ended = self.end_of_child();
        match ended.signal() {
            Some(libc::SIGSYS) => Loss::Forbidden,
            Some(libc::SIGABRT) if self.last_words().starts_with(OUT_OF_MEMORY) => Loss::Memory,
            _ => Loss::Ended,
        }
    }

    fn end_of_child(&mut self) -> ExitStatus {
        let begun = Instant::now();
        while begun.elapsed() < LAST_BREATH {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        self.child.wait().unwrap_or_default()
    }

    /// The beginning of what the runtime wrote before it aborted. Only read once the worker is
    /// gone: then the pipe has an end.
    fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        if let Some(pipe) = self.child.stderr.take() {
            let _ = pipe.take(4_096).read_to_end(&mut words);
        }
        // A panic that was contained earlier wrote nothing: the hook is silent.
        String::from_utf8_lossy(&words).trim_start().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why a conversation ended.
enum Stop {
    Gone,
    Garbled,
    Late,
}

fn wait_or_gone(error: &io::Error, look: &mut dyn FnMut() -> Result<(), Late>) -> Result<(), Stop> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => look().map_err(|Late| Stop::Late),
        _ => Err(Stop::Gone),
    }
}

/// A memory file of the content; waits while the system is short of memory or descriptors.
fn sealed(bytes: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    let mut attempts = 0_u32;
    loop {
        match share::sealed(bytes) {
            Err(_) if attempts < 100 => {
                attempts = attempts.saturating_add(1);
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
