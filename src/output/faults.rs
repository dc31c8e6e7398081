//! Failures on order, so that tests see what a full disk or a lost machine does.
//!
//! The default has none. A fault is a value handed to [`super::OutputDir`], so tests need neither
//! privilege nor a global, and run beside each other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of call that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Making a file or folder.
    Create,
    /// Writing bytes.
    Write,
    /// Making what was written durable.
    Sync,
    /// Giving a file its final name.
    Rename,
}

/// What a failing call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Fails once with this error number of the operating system.
    Once(i32),
    /// Fails with it from then on.
    From(i32),
    /// Ends the process at once, as a kill or a power cut does.
    Abort,
}

/// One failure on order. A failing write has written the first half of its bytes.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The calls that count.
    pub operation: Operation,
    /// Counts only calls on this name inside the output folder; every name where `None`.
    pub name: Option<String>,
    /// Which of the calls that count fails first, from 1.
    pub nth: u64,
    /// What it does.
    pub effect: Effect,
}

/// The failures on order; none by default.
///
/// ```
/// use assay::output::{Effect, Fault, Faults, Operation};
/// let full = Fault { operation: Operation::Write, name: None, nth: 3, effect: Effect::From(28) };
/// let faults = Faults::new(vec![full]);
/// # let _ = faults;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<[(Fault, AtomicU64)]>);

impl Faults {
    /// Orders failures; each counts its own calls.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(|fault| (fault, AtomicU64::new(0))).collect())
    }

    /// Counts a call; the error or the end of the process where it is to fail. `before` runs
    /// first then: it leaves the half-done work that such a failure leaves.
    pub(super) fn hit(
        &self,
        operation: Operation,
        name: &str,
        before: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut failing = None;
        for (fault, calls) in self.0.iter() {
            if fault.operation != operation || fault.name.as_deref().is_some_and(|n| n != name) {
                continue;
            }
            let call = calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let now = match fault.effect {
                Effect::From(_) => call >= fault.nth,
                Effect::Once(_) | Effect::Abort => call == fault.nth,
            };
            failing = failing.or(now.then_some(fault.effect));
        }
        match failing {
            None => Ok(()),
            Some(effect) => {
                before()?;
                match effect {
                    Effect::Once(errno) | Effect::From(errno) => {
                        Err(io::Error::from_raw_os_error(errno))
                    }
                    Effect::Abort => std::process::abort(),
                }
            }
        }
    }
}
