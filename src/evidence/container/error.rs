//! Why a path is not taken as a disk image: what it is, and what to do.

use std::path::Path;

use super::shown;
use crate::bytes::ByteOffset;

/// Why a path is not taken as a disk image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The system does not let it be opened.
    #[error("cannot open {path}: {symbol}; check the path and the rights")]
    Open {
        /// The path, escaped.
        path: String,
        /// The kind of error.
        symbol: String,
    },
    /// What describes the image could not be read.
    #[error("cannot read {path}: {detail}; check the drive it is on, or copy the image again")]
    Read {
        /// The path, escaped.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// It is a folder, a pipe or something else without positions.
    #[error("{path} is no regular file and no block device; name an image or a device")]
    NotAnImage {
        /// The path, escaped.
        path: String,
    },
    /// Reading would change access times, and nobody consented.
    #[error(
        "reading {path} would alter it: {why}; mount its file system read-only, run as its owner \
         or root, or state consent with --accept-alteration TEXT"
    )]
    WouldAlter {
        /// The path, escaped.
        path: String,
        /// What stands against it.
        why: &'static str,
    },
    /// A device that changes while it is read.
    #[error(
        "{path} or a part of it is mounted writable at {at}; unmount it, mount it read-only, or \
         state consent with --accept-alteration TEXT"
    )]
    MountedWritable {
        /// The device, escaped.
        path: String,
        /// Where, escaped.
        at: String,
    },
    /// The kernel's table of mounts cannot be read.
    #[error("cannot read the table of mounts in /proc/self/mountinfo")]
    Mounts(#[source] std::io::Error),
    /// Recognised, and not read by this version.
    #[error("{path} is {format}, which is not read by this version; {advice}")]
    Unsupported {
        /// The path, escaped.
        path: String,
        /// What it is.
        format: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The format is read; something that this image makes use of is not.
    #[error("{path} uses {what}, which is not read by this version; {advice}")]
    Feature {
        /// The path, escaped.
        path: String,
        /// What it makes use of, by name or number.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A part of a segmented image is not there.
    #[error("segment {missing} is missing; put every segment into one folder")]
    MissingSegment {
        /// The path that was looked for, escaped.
        missing: String,
    },
    /// An image keeps only what changed since another one, which is not at hand.
    #[error(
        "{path} keeps only what changed since its parent {wanted}, which was not found; put it \
         beside the image, or name it with --parent FILE"
    )]
    MissingParent {
        /// The path, escaped.
        path: String,
        /// The parent by the name and identifier that the image states, escaped.
        wanted: String,
    },
    /// A chain of parents that leads back into itself.
    #[error(
        "{path} has {parent} as its parent, which is an image of the same chain; find the right parent"
    )]
    ParentLoop {
        /// The path, escaped.
        path: String,
        /// The path of what was found as its parent, escaped.
        parent: String,
    },
    /// A later part of a segmented image was named.
    #[error("{path} is not the first segment; name {first}")]
    NotTheFirst {
        /// The path, escaped.
        path: String,
        /// The path to name instead, escaped, or a description of it.
        first: String,
    },
    /// The sizes of a split raw image do not fit together.
    #[error(
        "segment {path} has {size} bytes where the first has {first}; a segment is damaged, from \
         another image, or missing"
    )]
    SegmentSize {
        /// The path, escaped.
        path: String,
        /// Its size.
        size: u64,
        /// The size of the first.
        first: u64,
    },
    /// A segment that is not the one its name says.
    #[error("segment {path} is not the one its name says: {detail}; restore the names as acquired")]
    WrongSegment {
        /// The path, escaped.
        path: String,
        /// What was expected and found.
        detail: String,
    },
    /// What the image says of itself makes no sense, and nothing can be read without it.
    #[error("{path} is damaged at {at}: {detail}; acquire or copy it again")]
    Damaged {
        /// The path, escaped.
        path: String,
        /// Where in it.
        at: ByteOffset,
        /// What was expected and found.
        detail: String,
    },
    /// Beyond what is read.
    #[error("{path}: its {what} is beyond the limit of {most}")]
    TooLarge {
        /// The path, escaped.
        path: String,
        /// What of it.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// A list of bad sectors that cannot be read.
    #[error("line {line} of {path}: {detail}; give a ddrescue map or lines of `sector count`")]
    BadMap {
        /// The path, escaped.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
}

impl ContainerError {
    pub(super) fn read(path: &Path, error: &std::io::Error) -> Self {
        let detail = match error.raw_os_error() {
            Some(number) => crate::sys::symbol(crate::sys::Errno::from_raw_os_error(number)),
            None => error.to_string(),
        };
        Self::Read { path: shown(path), detail }
    }

    pub(super) fn damaged(path: &Path, at: u64, detail: impl Into<String>) -> Self {
        Self::Damaged { path: shown(path), at: ByteOffset(at), detail: detail.into() }
    }
}
