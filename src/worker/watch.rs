//! How long one object may take, and the look at the worker that takes long.
//!
//! The limit is in processor time of the worker, as the kernel counts it: a busy machine makes no
//! object late. Most objects are done before the first look and cost no call at all. A worker that
//! waits instead of computing is stopped by a much longer limit of wall time.

use std::time::{Duration, Instant};

use rustix::process::Pid;

/// The limit of one object: a part for every object and a part by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    /// Processor time for any object.
    pub base: Duration,
    /// Processor time more for each 1,000,000 bytes of content.
    pub per_megabyte: Duration,
    /// Wall time allowed, in processor time allowed: 10 is ten times as long.
    pub hang_factor: u32,
}

impl Default for TimeLimit {
    /// 10 s and 2 s a megabyte; ten times that until a worker counts as hanging.
    fn default() -> Self {
        let (base, per_megabyte) = (Duration::from_secs(10), Duration::from_secs(2));
        Self { base, per_megabyte, hang_factor: 10 }
    }
}

impl TimeLimit {
    /// Processor time allowed for content of `len` bytes; never less for more bytes.
    pub fn processor(&self, len: usize) -> Duration {
        let megabytes = u32::try_from(len.div_ceil(1_000_000)).unwrap_or(u32::MAX);
        self.base.saturating_add(self.per_megabyte.saturating_mul(megabytes))
    }
}

/// The time limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late;

/// The watch over one object in one worker.
pub(super) struct Watch {
    worker: Pid,
    begun: Instant,
    /// Processor time the worker had used by the first look, less what it may have used of it on
    /// this object.
    base: Option<Duration>,
    processor: Duration,
    wall: Duration,
    /// Time in which nobody waited for the worker.
    not_waited: Duration,
}

impl Watch {
    pub(super) fn begin(worker: Pid, limit: &TimeLimit, len: usize) -> Self {
        let processor = limit.processor(len);
        let wall = processor.saturating_mul(limit.hang_factor);
        Self {
            worker,
            begun: Instant::now(),
            base: None,
            processor,
            wall,
            not_waited: Duration::ZERO,
        }
    }

    /// This time went by without anybody waiting for the worker, which may have waited itself.
    pub(super) fn not_waited(&mut self, time: Duration) {
        self.not_waited = self.not_waited.saturating_add(time);
    }

    /// Looks whether the worker may go on. The first look sets what later ones are compared with.
    pub(super) fn look(&mut self) -> Result<(), Late> {
        let elapsed = self.begun.elapsed();
        let wall = elapsed.saturating_sub(self.not_waited);
        if wall >= self.wall {
            return Err(Late);
        }
        let Some(used) = processor_time(self.worker) else {
            return if wall >= self.processor { Err(Late) } else { Ok(()) };
        };
        // One thread cannot have used more than went by.
        let base = *self.base.get_or_insert_with(|| used.saturating_sub(elapsed));
        if used.saturating_sub(base) >= self.processor { Err(Late) } else { Ok(()) }
    }
}

/// Processor time of a process so far, to a hundredth of a second; `None` where the system does
/// not tell.
fn processor_time(process: Pid) -> Option<Duration> {
    let stat = kernel_file(process, "stat")?;
    // The name, in brackets, may hold anything; fields 14 and 15 are counted from its end.
    let mut fields = stat.get(stat.rfind(')')?..)?.split_ascii_whitespace().skip(12);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()?.checked_add(ticks()?)?;
    let milliseconds =
        ticks.checked_mul(1_000)?.checked_div(rustix::param::clock_ticks_per_second())?;
    Some(Duration::from_millis(milliseconds))
}

/// Bytes of memory a process holds now; `None` where the system does not tell.
pub(super) fn memory(process: Pid) -> Option<u64> {
    let statm = kernel_file(process, "statm")?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

fn kernel_file(process: Pid, name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the kernel's figures of a worker, no evidence")]
    std::fs::read_to_string(format!("/proc/{}/{name}", process.as_raw_nonzero())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_the_content() {
        let limit = TimeLimit::default();
        let seconds = |len| limit.processor(len).as_secs();
        assert_eq!([0, 1, 1_000_000, 1_000_001, 50_000_000].map(seconds), [10, 12, 12, 14, 110]);
        assert!(limit.processor(usize::MAX) > Duration::from_secs(1 << 32));
    }

    #[test]
    fn only_time_that_was_computed_counts() {
        let limit = TimeLimit {
            base: Duration::from_millis(200),
            per_megabyte: Duration::ZERO,
            hang_factor: 1_000,
        };
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut watch = Watch::begin(pid, &limit, 0);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(watch.look(), Ok(()), "it sleeps");
        child.kill().unwrap();
        child.wait().unwrap();
        let mut child =
            std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let mut watch = Watch::begin(Pid::from_child(&child), &limit, 0);
        let begun = Instant::now();
        while watch.look().is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it computes and is never late");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(memory(rustix::process::getpid()).unwrap() > 100_000);
    }
}
