//! One container: what is asked, who takes the children, what the answer says.

use crate::bytes::ReadAt;
use crate::unpack::{Children, Format};

pub use super::protocol::ExpandLimits;

/// A container to be opened.
pub struct Expand<'a> {
    /// What it is opened as.
    pub format: Format,
    /// Its bytes.
    pub content: Content<'a>,
    /// How much may come out.
    pub limits: ExpandLimits,
}

/// Where the bytes of a container are.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// In memory. Short ones are sent, longer ones shared.
    Bytes(&'a [u8]),
    /// Read for the worker, piece by piece as it asks, by the thread that waits for its answer.
    At(&'a dyn ReadAt),
}

/// Who takes the children of a container.
pub trait Receive: Children {
    /// Everything that was given so far is void: the worker was lost, and another one begins anew.
    fn restart(&mut self);
}

crate::problem::words! {
    /// How the work on a container ended.
    Outcome {
        /// Everything in it was given, and every check was right.
        Whole = "whole",
        /// Something is missing or wrong; the detail says what.
        Partial = "partial",
        /// One of the [`ExpandLimits`] was reached; what came before it was given.
        Limit = "limit",
        /// The receiver broke off.
        Stopped = "stopped",
        /// The decoder stopped by panic, abort, stack overflow or signal, or said what cannot be.
        Crashed = "crashed",
        /// The time limit was reached.
        Timeout = "timeout",
        /// Memory ran out.
        Memory = "memory",
    }
}

/// What became of a container. Where it is not whole, children may have been given all the same:
/// each has its own end, and one that the loss of a worker cut off was ended as partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How the work ended.
    pub outcome: Outcome,
    /// What is missing or wrong, in printable ASCII, the same for the same bytes; empty where
    /// nothing is.
    pub detail: String,
    /// Children that began.
    pub children: u32,
    /// Bytes of all children together.
    pub bytes: u64,
}
