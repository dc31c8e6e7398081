//! One worker as the main process sees it: start, one object at a time, how it ended.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::dialogue::{self, Line, Stop};
use super::protocol::{Profile, Reply};
use super::sandbox::Level;
use super::serve::ARGUMENT;
use super::share;
use super::watch::{self, Late, TimeLimit, Watch};

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
    /// Somebody else killed it: an operator, or the kernel when the machine is short of memory.
    Killed,
    /// It made a system call that the sandbox ends a process for.
    Forbidden,
    /// It said something that is not of the protocol.
    Garbled,
    /// No answer is wanted any more.
    Cancelled,
    /// There was none: the system starts no process.
    NotStarted,
}

impl Loss {
    /// What stands in the report, the same for every time the same object ends a worker so.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Memory => "the decoder ran out of memory",
            Self::Timeout => "the decoder reached the time limit",
            Self::Ended | Self::NotStarted => "the decoder ended its process",
            Self::Killed => "the decoder was killed from outside four times",
            Self::Forbidden => "the decoder made a forbidden system call",
            Self::Garbled => "the decoder gave no possible answer",
            Self::Cancelled => "the run was interrupted",
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
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let level = Level { landlock: None, seccomp: false, limits: false, tied: false };
        Ok(Self { child, socket: ours, profile, level, objects: 0 })
    }

    /// Waits until the worker is confined and says how far.
    pub(super) fn ready(&mut self, cancel: &AtomicBool) -> io::Result<()> {
        let begun = Instant::now();
        let look = Look::Start(begun);
        let mut wire = Wire { socket: &self.socket, look, cancel, seen: begun };
        match dialogue::hear(&mut wire) {
            Ok(Reply::Ready(level)) => self.level = level,
            Ok(_) | Err(Stop::Garbled) => return Err(io::ErrorKind::InvalidData.into()),
            Err(Stop::Late) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Stop::Cancelled) => return Err(io::ErrorKind::Interrupted.into()),
            Err(Stop::Gone) => {
                let ended = self.end_of_child().map(|status| format!(" ({status})"));
                let ended = ended.unwrap_or_default();
                return Err(io::Error::other(format!("it ended at once{ended}")));
            }
        }
        Ok(())
    }

    /// Holds one conversation about a content of `len` bytes; the closure is given the way to the
    /// worker and the worker's profile. After an error the worker is to be dropped.
    pub(super) fn about<T>(
        &mut self,
        len: usize,
        time: &TimeLimit,
        cancel: &AtomicBool,
        converse: impl FnOnce(&mut dyn Line, Profile) -> Result<T, Stop>,
    ) -> Result<T, Loss> {
        self.objects = self.objects.saturating_add(1);
        let look = Look::Object(Watch::begin(self.pid(), time, len));
        let mut wire = Wire { socket: &self.socket, look, cancel, seen: Instant::now() };
        converse(&mut wire, self.profile).map_err(|stop| match stop {
            Stop::Garbled => Loss::Garbled,
            Stop::Late => Loss::Timeout,
            Stop::Cancelled => Loss::Cancelled,
            Stop::Gone => self.loss(),
        })
    }

    /// Bytes of memory the worker holds between two objects.
    pub(super) fn memory(&self) -> u64 {
        watch::memory(self.pid()).unwrap_or(0)
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What the end of the worker means, once its socket closed.
    fn loss(&mut self) -> Loss {
        let Some(ended) = self.end_of_child() else { return Loss::Ended };
        match ended.signal() {
            Some(libc::SIGKILL) => Loss::Killed,
            Some(libc::SIGSYS) => Loss::Forbidden,
            Some(libc::SIGABRT) if self.last_words().starts_with(OUT_OF_MEMORY) => Loss::Memory,
            _ => Loss::Ended,
        }
    }

    /// How it ended by itself, or by somebody else; `None` where it had to be ended here.
    fn end_of_child(&mut self) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < LAST_BREATH {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
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

/// The socket to a worker, with the looks whether it is late.
struct Wire<'a> {
    socket: &'a UnixStream,
    look: Look,
    cancel: &'a AtomicBool,
    /// When it was looked last.
    seen: Instant,
}

/// What a look is taken at.
enum Look {
    /// A worker that starts, since when.
    Start(Instant),
    /// A worker that has an object.
    Object(Watch),
}

impl Wire<'_> {
    /// Looks, where the last look is a while ago: a worker that never stops talking is late too.
    fn now_and_then(&mut self) -> Result<(), Stop> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        if self.seen.elapsed() >= LOOK {
            self.seen = Instant::now();
            let late = match &mut self.look {
                Look::Start(begun) if begun.elapsed() > START => Err(Late),
                Look::Start(_) => Ok(()),
                Look::Object(watch) => watch.look(),
            };
            late.map_err(|Late| Stop::Late)?;
        }
        Ok(())
    }

    fn wait_or_gone(&mut self, error: &io::Error) -> Result<(), Stop> {
        match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                self.now_and_then()
            }
            _ => Err(Stop::Gone),
        }
    }
}

impl Line for Wire<'_> {
    fn send(&mut self, bytes: &[u8], mut file: Option<OwnedFd>) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match share::send(self.socket, rest, file.as_ref()) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    file = None;
                }
                Err(error) => self.wait_or_gone(&error)?,
            }
        }
        Ok(())
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Stop> {
        self.now_and_then()?;
        while !buffer.is_empty() {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Stop::Gone),
                Ok(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
                Err(error) => self.wait_or_gone(&error)?,
            }
        }
        Ok(())
    }

    fn not_waited(&mut self, time: Duration) {
        if let Look::Object(watch) = &mut self.look {
            watch.not_waited(time);
        }
    }
}
