//! The workers of a run: one supervisor thread starts them, any thread uses one at a time.
//!
//! A worker is killed by the kernel when the thread that started it ends, so that none outlives
//! the program however it ends; therefore one thread that lives as long as the pool starts all.
//! Of an object that ends its worker no more is lost than one more try: the second is made alone
//! in a worker that has seen nothing else, and what becomes of that is the answer. So a worker
//! that was ended by something other than its object changes no answer; where that something is
//! a kill from outside there are more tries, because it shows.
//!
//! Whoever asks may give up by a flag of his own: the worker that has his object is ended then.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::dialogue::{self, Heard};
use super::expand::{Answer, Content, Expand, Outcome, Receive};
use super::picture::PictureAnswer;
use super::process::{Loss, Process, Program};
use super::protocol::Profile;
use super::sandbox::Level;
use super::watch::TimeLimit;
use crate::bytes::Slice;
use crate::media::{Limits, MediaStatus};
use crate::unpack::End;

/// Longest content an ordinary worker is given; what is longer goes to the large one. With the
/// default limits this, the decoder's memory and the program itself fit the address space.
const LONGEST_CONTENT: usize = 32 << 20;

/// Longest content the large worker is given.
const LONGEST_LARGE_CONTENT: usize = 384 << 20;

/// How often an object may end its worker by itself: the second time is its answer.
const OWN_TRIES: u32 = 2;

/// How often a worker may be killed from outside while it has the object. An operator's kill is no
/// fault of the object; the kernel's, when memory is short, may be, and has to come to an end.
const KILLED_TRIES: u32 = 4;

/// How often the start of a worker is tried while the system is short of processes or memory.
const STARTS: u32 = 50;
const BETWEEN_STARTS: Duration = Duration::from_millis(100);

/// After this many objects the memory of a worker is looked at.
const MEMORY_LOOK: u32 = 64;

/// How a pool works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most ordinary workers at a time, at least 1.
    pub workers: usize,
    /// How large a picture an ordinary worker decodes.
    pub limits: Limits,
    /// Address space of an ordinary worker, in bytes.
    pub memory: u64,
    /// How large a picture the one large worker decodes.
    pub large_limits: Limits,
    /// Address space of the large worker, in bytes; 0: there is none.
    pub large_memory: u64,
    /// How long an object may take.
    pub time: TimeLimit,
    /// Objects after which a worker is replaced, so that nothing it gathers lasts.
    pub recycle_after: u32,
    /// Whether a system that lacks a part of the sandbox is refused.
    pub require_sandbox: bool,
    /// What is started.
    pub program: Program,
}

impl Options {
    /// The options of an ordinary run: 512 MiB a worker, 2 GiB for one picture at a time that
    /// needs more, 2,000 objects a worker.
    pub fn new(workers: usize) -> Self {
        let limits = Limits::default();
        Self {
            workers,
            limits,
            memory: 512 << 20,
            large_limits: Limits { max_memory: 1_536 << 20, ..limits },
            large_memory: 2 << 30,
            time: TimeLimit::default(),
            recycle_after: 2_000,
            require_sandbox: false,
            program: Program::Own,
        }
    }
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The supervisor's thread could not be started.
    #[error("cannot start the thread that supervises the workers")]
    Thread(#[source] io::Error),
    /// No worker could be started, or it did not come up.
    #[error("cannot start a worker process")]
    Start(#[source] io::Error),
    /// The system lacks a part of the sandbox, and the run was asked to require it.
    #[error(
        "the sandbox is incomplete ({level}); run without requiring it, or on a system that has it"
    )]
    Sandbox {
        /// What a worker reached.
        level: Level,
    },
}

/// What happened to the workers of a pool so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Worker processes started.
    pub started: u64,
    /// Workers lost while they had an object, whatever ended them.
    pub lost: u64,
    /// Workers replaced by count or memory.
    pub recycled: u64,
    /// Objects given to the large worker.
    pub large: u64,
    /// Objects for which no worker could be started: the run is not complete where this is not 0.
    pub not_started: u64,
}

/// The workers of a run. Shared by reference among the threads that have work.
pub struct Pool {
    options: Options,
    /// Dropped first when the pool ends, which ends the supervisor.
    starts: Option<Sender<Start>>,
    supervisor: Option<JoinHandle<()>>,
    level: Level,
    ordinary: Mutex<Ordinary>,
    /// Woken when an ordinary worker is given back.
    given_back: Condvar,
    /// Held by the one who uses the large worker.
    large: Mutex<()>,
    next: AtomicU64,
    tally: Tally,
}

/// The ordinary workers.
struct Ordinary {
    /// Those that wait for work.
    idle: Vec<Process>,
    /// How many threads may still take one.
    places: usize,
}

#[derive(Default)]
struct Tally {
    started: AtomicU64,
    lost: AtomicU64,
    recycled: AtomicU64,
    large: AtomicU64,
    not_started: AtomicU64,
}

/// A wish for a worker and where it is to go.
struct Start {
    profile: Profile,
    reply: Sender<io::Result<Process>>,
}

impl Pool {
    /// Starts the supervisor and a first worker, which shows what the sandbox of this system is.
    ///
    /// # Errors
    /// [`WorkerError`] where no worker comes up, or where the sandbox lacks something and
    /// [`Options::require_sandbox`] is set.
    pub fn start(options: Options) -> Result<Self, WorkerError> {
        let (starts, wishes) = unbounded();
        let supervised = options.clone();
        let supervisor = std::thread::Builder::new()
            .name("supervisor".into())
            .spawn(move || supervise(&supervised, &wishes))
            .map_err(WorkerError::Thread)?;
        let none = Level { landlock: None, seccomp: false, limits: false, tied: false };
        let places = options.workers.max(1);
        let mut pool = Self {
            options,
            starts: Some(starts),
            supervisor: Some(supervisor),
            level: none,
            ordinary: Mutex::new(Ordinary { idle: Vec::new(), places }),
            given_back: Condvar::new(),
            large: Mutex::new(()),
            next: AtomicU64::new(1),
            tally: Tally::default(),
        };
        let first = pool
            .start_one(Profile::Ordinary, &AtomicBool::new(false))
            .map_err(WorkerError::Start)?;
        pool.level = first.level;
        if pool.options.require_sandbox && !first.level.is_full() {
            return Err(WorkerError::Sandbox { level: first.level });
        }
        pool.ordinary().idle.push(first);
        Ok(pool)
    }

    /// Decodes and hashes one picture, in whatever worker is free; waits until one is.
    ///
    /// The answer is the one that [`read_picture`](super::read_picture) gives for the same bytes,
    /// where it gives one at all; else it says `crashed`, `timeout` or `memory`.
    pub fn read_picture(&self, bytes: &[u8]) -> PictureAnswer {
        let answer = self.read_picture_unless(bytes, &AtomicBool::new(false));
        answer.unwrap_or_else(|| lost_picture(Loss::Ended))
    }

    /// [`Pool::read_picture`], given up within a fraction of a second once `cancel` is set: `None`
    /// then, and nothing is said about the picture.
    pub fn read_picture_unless(&self, bytes: &[u8], cancel: &AtomicBool) -> Option<PictureAnswer> {
        let options = &self.options;
        let outcome = self.have_done(bytes.len(), cancel, &mut |worker, number| {
            worker.about(bytes.len(), &options.time, cancel, |line, profile| {
                let limits = match profile {
                    Profile::Ordinary => &options.limits,
                    Profile::Large => &options.large_limits,
                };
                match dialogue::picture(line, (profile, number), bytes, limits) {
                    Ok(answer) => {
                        let memory = answer.status == MediaStatus::Memory;
                        Ok(if memory { Done::Short(answer) } else { Done::Whole(answer) })
                    }
                    Err(stop) => Err(stop),
                }
            })
        });
        match outcome {
            Ok(answer) => Some(answer),
            Err(Loss::Cancelled) => None,
            Err(loss) => Some(lost_picture(loss)),
        }
    }

    /// Opens one container in whatever worker is free, and gives its children to `children` as
    /// they come, on this thread; waits until a worker is free.
    ///
    /// A worker that is lost costs the container what it costs a picture: [`Receive::restart`] and
    /// one more try alone, then `crashed`, `timeout` or `memory`. A child that the last loss cut
    /// off is ended as partial. `None` once `cancel` is set: nothing is said about the container.
    pub fn expand(
        &self,
        expand: &Expand<'_>,
        children: &mut dyn Receive,
        cancel: &AtomicBool,
    ) -> Option<Answer> {
        let Expand { format, content, limits } = *expand;
        let slice;
        let (content, len, held) = match content {
            // What a worker's memory does not hold is asked for piece by piece.
            Content::Bytes(bytes) if bytes.len() > LONGEST_CONTENT => {
                slice = Slice(bytes);
                (Content::At(&slice), bytes.len(), 0)
            }
            Content::Bytes(bytes) => (content, bytes.len(), bytes.len()),
            Content::At(source) => {
                (content, usize::try_from(source.len()).unwrap_or(usize::MAX), 0)
            }
        };
        let expand = &Expand { format, content, limits };
        let time = &self.options.time;
        let mut heard = None;
        let outcome = self.have_done(held, cancel, &mut |worker, number| {
            if heard.is_some() {
                children.restart();
            }
            let heard = heard.insert(Heard::default());
            worker.about(len, time, cancel, |line, profile| {
                let answer = dialogue::expand(line, (profile, number), expand, children, heard)?;
                Ok(match answer.outcome {
                    Outcome::Stopped => Done::Midway(answer),
                    Outcome::Memory => Done::Short(answer),
                    _ => Done::Whole(answer),
                })
            })
        });
        let loss = match outcome {
            Ok(answer) => return Some(answer),
            Err(Loss::Cancelled) => return None,
            Err(loss) => loss,
        };
        let heard = heard.unwrap_or_default();
        if heard.open {
            let _no_more_is_given = children.end(&End::Partial(loss.detail().into()));
        }
        Some(heard.outcome(container_outcome(loss), loss.detail()))
    }

    /// What confines the workers, for the run record and the summary: what is in force, then what
    /// this system lacks.
    pub fn sandbox(&self) -> String {
        self.level.to_string()
    }

    /// What happened to the workers so far.
    pub fn counts(&self) -> Counts {
        let Tally { started, lost, recycled, large, not_started } = &self.tally;
        let [started, lost, recycled, large, not_started] =
            [started, lost, recycled, large, not_started].map(|n| n.load(Ordering::Relaxed));
        Counts { started, lost, recycled, large, not_started }
    }

    /// Numbers of the worker processes that wait for work; for tests that end one.
    #[doc(hidden)]
    pub fn idle(&self) -> Vec<i32> {
        self.ordinary().idle.iter().map(|worker| worker.pid().as_raw_nonzero().get()).collect()
    }

    /// Ends all workers and waits for them. Dropping the pool does the same.
    pub fn stop(self) {}

    fn ordinary(&self) -> MutexGuard<'_, Ordinary> {
        self.ordinary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a worker do it, and if that is lost another one; in the end the large one, where
    /// memory ran out. `held`: how many bytes of content the worker's memory has to hold.
    fn have_done<T>(
        &self,
        held: usize,
        cancel: &AtomicBool,
        work: &mut Work<'_, T>,
    ) -> Result<T, Loss> {
        let mut tries = Tries { own: OWN_TRIES, killed: KILLED_TRIES };
        let ordinary = match held {
            ..=LONGEST_CONTENT => self.in_ordinary(cancel, &mut tries, work),
            _ => Err(Loss::Memory),
        };
        let short = matches!(ordinary, Ok(Done::Short(_)) | Err(Loss::Memory));
        let done = if short && self.options.large_memory > 0 {
            self.in_large(held, cancel, &mut tries, work)
        } else {
            ordinary
        };
        done.map(|done| match done {
            Done::Whole(answer) | Done::Short(answer) | Done::Midway(answer) => answer,
        })
    }

    /// Has an ordinary worker do it; if that is lost, another one that has seen nothing else.
    fn in_ordinary<T>(
        &self,
        cancel: &AtomicBool,
        tries: &mut Tries,
        work: &mut Work<'_, T>,
    ) -> Result<Done<T>, Loss> {
        let Some(_place) = self.place(cancel) else { return Err(Loss::Cancelled) };
        let idle = self.ordinary().idle.pop();
        let mut outcome = self.attempt(Profile::Ordinary, idle, cancel, work);
        while tries.another(&outcome) {
            outcome = self.attempt(Profile::Ordinary, None, cancel, work);
        }
        outcome
    }

    /// Has a large worker do it that exists for this object only, while no other one exists.
    fn in_large<T>(
        &self,
        held: usize,
        cancel: &AtomicBool,
        tries: &mut Tries,
        work: &mut Work<'_, T>,
    ) -> Result<Done<T>, Loss> {
        let _only = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if cancel.load(Ordering::Relaxed) {
            return Err(Loss::Cancelled);
        }
        if held > LONGEST_LARGE_CONTENT {
            return Err(Loss::Memory);
        }
        self.tally.large.fetch_add(1, Ordering::Relaxed);
        let mut outcome = self.attempt(Profile::Large, None, cancel, work);
        while tries.another(&outcome) {
            outcome = self.attempt(Profile::Large, None, cancel, work);
        }
        outcome
    }

    /// One try, in the worker given or in a new one.
    fn attempt<T>(
        &self,
        profile: Profile,
        worker: Option<Process>,
        cancel: &AtomicBool,
        work: &mut Work<'_, T>,
    ) -> Result<Done<T>, Loss> {
        let worker = worker.map_or_else(|| self.start_one(profile, cancel), Ok);
        let mut worker = match worker {
            Ok(worker) => worker,
            Err(_) if cancel.load(Ordering::Relaxed) => return Err(Loss::Cancelled),
            Err(_) => {
                self.tally.not_started.fetch_add(1, Ordering::Relaxed);
                return Err(Loss::NotStarted);
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let outcome = work(&mut worker, number);
        match &outcome {
            Ok(Done::Whole(_) | Done::Short(_)) if profile == Profile::Ordinary => {
                self.keep(worker);
            }
            Ok(_) | Err(Loss::Cancelled) => {}
            Err(_) => {
                self.tally.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    /// Puts a worker back, unless it has done enough.
    fn keep(&self, worker: Process) {
        let worn = worker.objects >= self.options.recycle_after;
        let looked_at = worker.objects.checked_rem(MEMORY_LOOK) == Some(0);
        let half = self.options.memory.checked_div(2).unwrap_or(0);
        if worn || (looked_at && worker.memory() > half) {
            self.tally.recycled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.ordinary().idle.push(worker);
        }
    }

    /// Waits for the right to use an ordinary worker; `None` once `cancel` is set. Whoever has
    /// that right gives it back soon after, so nobody has to be woken.
    fn place(&self, cancel: &AtomicBool) -> Option<Place<'_>> {
        let mut ordinary = self.ordinary();
        while ordinary.places == 0 {
            ordinary = self.given_back.wait(ordinary).unwrap_or_else(PoisonError::into_inner);
        }
        if cancel.load(Ordering::Relaxed) {
            drop(ordinary);
            self.given_back.notify_one();
            return None;
        }
        ordinary.places = ordinary.places.saturating_sub(1);
        Some(Place(self))
    }

    /// A new worker that is ready, and as confined as the first one where that is required.
    fn start_one(&self, profile: Profile, cancel: &AtomicBool) -> io::Result<Process> {
        let mut tried = 0_u32;
        loop {
            let started = self.spawned(profile).and_then(|mut worker| {
                worker.ready(cancel)?;
                Ok(worker)
            });
            tried = tried.saturating_add(1);
            match started {
                Ok(worker)
                    if self.options.require_sandbox
                        && worker.level != self.level
                        && self.tally.started.load(Ordering::Relaxed) > 0 =>
                {
                    return Err(io::Error::other(format!("the sandbox is now {}", worker.level)));
                }
                Ok(worker) => {
                    self.tally.started.fetch_add(1, Ordering::Relaxed);
                    return Ok(worker);
                }
                Err(error) if tried >= STARTS || is_final(&error) => return Err(error),
                Err(error) if cancel.load(Ordering::Relaxed) => return Err(error),
                Err(_) => std::thread::sleep(BETWEEN_STARTS),
            }
        }
    }

    fn spawned(&self, profile: Profile) -> io::Result<Process> {
        let ended = || io::Error::other("the supervisor ended");
        let (reply, answer) = bounded(1);
        let starts = self.starts.as_ref().ok_or_else(ended)?;
        starts.send(Start { profile, reply }).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }
}

/// What is to be done with a worker, under a number that no other question has.
type Work<'a, T> = dyn FnMut(&mut Process, u64) -> Result<Done<T>, Loss> + 'a;

/// An answer, and what follows from it for the worker.
enum Done<T> {
    /// The worker takes the next object.
    Whole(T),
    /// So does it; a worker with more memory may answer more.
    Short(T),
    /// The worker has more to say, which nobody wants to hear: it is ended.
    Midway(T),
}

/// How often an object may still lose a worker.
struct Tries {
    /// By what it does itself.
    own: u32,
    /// By a signal from outside, which is nobody's fault that is known.
    killed: u32,
}

impl Tries {
    /// Whether another worker of the same kind may answer. Memory that ran out is no matter of
    /// chance: it takes a larger worker, and does not count as a try.
    fn another<T>(&mut self, outcome: &Result<Done<T>, Loss>) -> bool {
        let left = match outcome {
            Ok(_) | Err(Loss::Memory | Loss::Cancelled | Loss::NotStarted) => return false,
            Err(Loss::Killed) => &mut self.killed,
            Err(Loss::Timeout | Loss::Ended | Loss::Forbidden | Loss::Garbled) => &mut self.own,
        };
        *left = left.saturating_sub(1);
        *left > 0
    }
}

/// What is said of a picture whose workers were lost.
fn lost_picture(loss: Loss) -> PictureAnswer {
    let status = match loss {
        Loss::Memory => MediaStatus::Memory,
        Loss::Timeout => MediaStatus::Timeout,
        _ => MediaStatus::Crashed,
    };
    PictureAnswer { status, detail: loss.detail().into(), width: 0, height: 0, hashes: None }
}

/// What is said of a container whose workers were lost.
const fn container_outcome(loss: Loss) -> Outcome {
    match loss {
        Loss::Memory => Outcome::Memory,
        Loss::Timeout => Outcome::Timeout,
        _ => Outcome::Crashed,
    }
}

/// Errors that another try does not help.
fn is_final(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// The right to use one ordinary worker.
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut ordinary = self.0.ordinary();
        ordinary.places = ordinary.places.saturating_add(1);
        drop(ordinary);
        self.0.given_back.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.ordinary().idle.clear();
        self.starts = None;
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

/// Starts workers until nobody can wish for one any more.
fn supervise(options: &Options, wishes: &Receiver<Start>) {
    for Start { profile, reply } in wishes {
        let memory = match profile {
            Profile::Ordinary => options.memory,
            Profile::Large => options.large_memory,
        };
        // Whoever wished and is gone needs no answer; the worker ends when it is dropped.
        let _ = reply.send(Process::spawn(&options.program, profile, memory));
    }
}
