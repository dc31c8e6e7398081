//! Containers inside files: what is in them, as streams of children.
//!
//! The bytes are hostile, and so is every name, size and count in them. Nothing is opened, written
//! or looked up by a name that a container states: a name is bytes to be recorded. Memory is
//! bounded for any content; how much comes out of it is for the receiver to bound, who ends the
//! work by answering [`ControlFlow::Break`]. Executed in a worker process, which also bounds time.
//!
//! One format a file: `gzip`. The facts stand there.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)
)]

mod gzip;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::bytes::ReadAt;
use crate::item::{ObjectKind, Timestamp};

/// Longest name of a child that is passed on, in bytes; a longer one is cut, and the child partial.
pub const LONGEST_NAME: usize = 4_096;

crate::problem::words! {
    /// What kind of container a content is to be opened as.
    Format {
        /// RFC 1952: one compressed content.
        Gzip = "gzip",
    }
}

/// What a container states of a child before its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The name as the container has it, separators and all, at most [`LONGEST_NAME`] bytes; empty
    /// where it states none.
    pub name: Vec<u8>,
    /// How many bytes its content has, where the container states it in front of the content.
    pub stated_size: Option<u64>,
    /// What it is to the object around it.
    pub kind: ObjectKind,
    /// When it was last changed, where the container states that.
    pub modified: Option<Timestamp>,
}

/// How a child or a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// To its last byte, and every check that the format has was right.
    Whole,
    /// Something is missing or wrong: what and where, in printable ASCII, the same for the same
    /// bytes.
    Partial(String),
}

impl End {
    /// Whether nothing is missing or wrong.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }
}

/// Who is given the children of a container: for each one its beginning, its bytes in order in
/// pieces of any length above 0, its end. No child begins before the one before it ended.
///
/// After [`ControlFlow::Break`] nothing more is given.
pub trait Children {
    /// A child begins.
    fn begin(&mut self, child: &Child) -> ControlFlow<()>;

    /// More of its content.
    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()>;

    /// It has ended.
    fn end(&mut self, end: &End) -> ControlFlow<()>;
}

/// Gives the children of a container to `children`, in the container's order.
///
/// The answer is that of the container: whole only if every byte of it is accounted for and every
/// child is whole. Where the receiver broke off the answer is partial and says no more.
///
/// ```
/// use assay::bytes::Slice;
/// use assay::unpack::{Child, Children, End, Format, expand};
/// use std::ops::ControlFlow;
///
/// #[derive(Default)]
/// struct Length(usize);
/// impl Children for Length {
///     fn begin(&mut self, _: &Child) -> ControlFlow<()> {
///         ControlFlow::Continue(())
///     }
///     fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
///         self.0 += bytes.len();
///         ControlFlow::Continue(())
///     }
///     fn end(&mut self, _: &End) -> ControlFlow<()> {
///         ControlFlow::Continue(())
///     }
/// }
///
/// let file = Slice(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0");
/// let mut length = Length::default();
/// assert_eq!(expand(Format::Gzip, &file, &mut length), End::Whole);
/// assert_eq!(length.0, 0);
/// ```
pub fn expand(format: Format, source: &dyn ReadAt, children: &mut dyn Children) -> End {
    match format {
        Format::Gzip => gzip::expand(source, children),
    }
}
