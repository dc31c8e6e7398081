//! What a worker gives up before its first byte of content, and what it reached of that.
//!
//! In this order: nothing inherited stays open but the three standard streams, the worker dies with
//! the thread that started it, leaves no core dump, is bounded by resource limits, reaches no path
//! and no port (Landlock), and may call only what computing and answering needs (seccomp). Every
//! step is tried whatever became of the others; [`Level`] says what is in force, and whoever
//! started the worker decides whether that is enough. No thread may exist before: limits and
//! filters are inherited by threads started later, not by those that run.
//!
//! Of the calls that are not allowed, those that only an attack makes end the process; all others
//! answer EPERM, so that a library that looks for a file or a thread finds none and goes on.
//!
//! Facts: landlock(7), seccomp(2), prctl(2), setrlimit(2), and traces of the decoders, of the
//! allocator, of a panic and of an abort.

#![allow(unsafe_code, reason = "close_range(2) has no safe wrapper: see close_inherited")]

use std::collections::BTreeMap;
use std::fmt;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

/// What is in force in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Landlock's version where every right of that version is taken away.
    pub landlock: Option<u8>,
    /// System calls are filtered.
    pub seccomp: bool,
    /// Limits of memory, files, descriptors and core dumps are set, and no privilege can be gained.
    pub limits: bool,
    /// The worker ends when the program that started it does.
    pub tied: bool,
}

impl Level {
    /// Whether nothing is missing.
    pub const fn is_full(&self) -> bool {
        self.landlock.is_some() && self.seccomp && self.limits && self.tied
    }
}

impl fmt::Display for Level {
    /// `landlock abi 7, seccomp, rlimits, parent-death`, then what is missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock = self.landlock.map(|abi| format!("landlock abi {abi}"));
        let parts = [
            (landlock.as_deref().unwrap_or("landlock"), self.landlock.is_some()),
            ("seccomp", self.seccomp),
            ("rlimits", self.limits),
            ("parent-death", self.tied),
        ];
        let words = |reached: bool| {
            let parts = parts.iter().filter(|(_, is)| *is == reached).map(|(word, _)| *word);
            parts.collect::<Vec<_>>().join(", ")
        };
        match (words(true).as_str(), words(false).as_str()) {
            (reached, "") => f.write_str(reached),
            ("", missing) => write!(f, "none; missing: {missing}"),
            (reached, missing) => write!(f, "{reached}; missing: {missing}"),
        }
    }
}

/// Descriptors a worker may hold: the standard streams and one content; more are for a library
/// that duplicates one.
const DESCRIPTORS: u64 = 16;

/// Stack of a worker, whatever the shell that started the program allowed: the same recursion ends
/// the same way everywhere.
const STACK: u64 = 8 << 20;

/// Gives up everything that is not needed. `parent` is the process that started this one.
///
/// `None` where that process is gone already: there is nobody to work for.
pub(super) fn enter(memory: u64, parent: Pid) -> Option<Level> {
    let closed = close_inherited();
    let tied = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // The parent may have ended between the start and the line above; then no signal comes.
    if rustix::process::getppid() != Some(parent) {
        return None;
    }
    let limits = limit(memory) && closed;
    let landlock = restrict_paths();
    let seccomp = filter_calls(rustix::process::getpid()).is_some();
    Some(Level { landlock, seccomp, limits, tied })
}

/// Closes what the shell or another program left open in the one that started this.
fn close_inherited() -> bool {
    // SAFETY: this process has one thread and has opened nothing: descriptors above the standard
    // streams are inherited ones, no object of this program owns any of them.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) == 0 }
}

fn limit(memory: u64) -> bool {
    let limits = [
        (Resource::As, memory),
        (Resource::Stack, STACK),
        (Resource::Fsize, 0),
        (Resource::Nofile, DESCRIPTORS),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ];
    let set = |(resource, most): (Resource, u64)| {
        // A limit that is already lower stays: a worker raises none.
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |now| now.min(most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).is_ok()
    };
    // A core dump holds content; where the system pipes dumps to a program, the limit does not
    // stop it, this does.
    let no_dump = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    let no_gain = rustix::thread::set_no_new_privs(true).is_ok();
    let all = limits.map(set).iter().all(|set| *set);
    all && no_dump && no_gain
}

/// Takes away every path, port and signal to others that this system's Landlock knows.
fn restrict_paths() -> Option<u8> {
    const NEWEST: ABI = ABI::V7;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .ok()?;
    let status = ruleset.restrict_self().ok()?;
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else { return None };
    let reached = status.ruleset != RulesetStatus::NotEnforced;
    #[expect(clippy::as_conversions, reason = "the version is the number of the variant")]
    let abi = effective_abi as i32;
    u8::try_from(abi).ok().filter(|_| reached)
}

/// Installs both filters; `None` where this system has no filters or refuses them.
fn filter_calls(own: Pid) -> Option<()> {
    let arch = std::env::consts::ARCH.try_into().ok()?;
    let everything_else = SeccompAction::Errno(u32::try_from(libc::EPERM).ok()?);
    let allowed =
        SeccompFilter::new(allowed(own)?, everything_else, SeccompAction::Allow, arch).ok()?;
    let deadly: BTreeMap<_, _> = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let deadly =
        SeccompFilter::new(deadly, SeccompAction::Allow, SeccompAction::KillProcess, arch).ok()?;
    // Where two filters disagree the stricter answer counts. The narrow one goes last: once it
    // stands, no further filter can be installed.
    for filter in [deadly, allowed] {
        let program: seccompiler::BpfProgram = filter.try_into().ok()?;
        seccompiler::apply_filter(&program).ok()?;
    }
    Some(())
}

/// Calls that end the process: no decoder, allocator or panic makes one.
const DEADLY: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_memfd_create,
];

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[i64] = &[
    // The socket and the content.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    // Memory. mmap and mprotect are below: never executable.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Locks, clocks, randomness for hash maps.
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    // A panic, an abort, an end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn allowed(own: Pid) -> Option<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let rule = |argument, operator, value| {
        let condition =
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).ok()?;
        Some(vec![SeccompRule::new(vec![condition]).ok()?])
    };
    let executable = u64::try_from(libc::PROT_EXEC).ok()?;
    let not_executable = || rule(2, SeccompCmpOp::MaskedEq(executable), 0);
    calls.insert(libc::SYS_mmap, not_executable()?);
    calls.insert(libc::SYS_mprotect, not_executable()?);
    // An abort raises a signal, in this process only.
    let own = u64::try_from(own.as_raw_nonzero().get()).ok()?;
    calls.insert(libc::SYS_tgkill, rule(0, SeccompCmpOp::Eq, own)?);
    calls.insert(
        libc::SYS_fcntl,
        rule(1, SeccompCmpOp::Eq, u64::try_from(libc::F_GET_SEALS).ok()?)?,
    );
    Some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_says_what_is_reached_and_what_is_missing() {
        let full = Level { landlock: Some(7), seccomp: true, limits: true, tied: true };
        assert!(full.is_full());
        assert_eq!(full.to_string(), "landlock abi 7, seccomp, rlimits, parent-death");
        let container = Level { landlock: None, ..full };
        assert!(!container.is_full());
        assert_eq!(container.to_string(), "seccomp, rlimits, parent-death; missing: landlock");
        let nothing = Level { landlock: None, seccomp: false, limits: false, tied: false };
        assert_eq!(nothing.to_string(), "none; missing: landlock, seccomp, rlimits, parent-death");
    }

    #[test]
    fn no_call_is_both_allowed_and_deadly() {
        let allowed = allowed(rustix::process::getpid()).unwrap();
        assert!(DEADLY.iter().all(|call| !allowed.contains_key(call)));
    }
}
