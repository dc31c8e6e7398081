//! From a name in a folder to the bytes of an object, in three steps.
//!
//! Listing gives an [`Item`] and touches nothing else; a worker examines it, which gives its
//! metadata and perhaps a [`Stream`]; the stream gives each byte once. Listing thus never waits for
//! reading, and all of an object's own system calls happen on the thread that hashes it.

use std::io;
use std::sync::Arc;

use super::{Extent, ItemMeta, ObjectPath, OrderKey, Status};
use crate::bytes::ReadAt;
use crate::problem::Problem;

/// An object as it was listed.
pub struct Item {
    /// Where it is.
    pub path: ObjectPath,
    /// Where its row stands.
    pub key: OrderKey,
    /// The way to the rest.
    pub found: Box<dyn Found>,
}

/// An object that was listed and not yet examined.
pub trait Found: Send {
    /// Looks at the object and opens its content, where it has any.
    fn examine(self: Box<Self>) -> Examined;

    /// True where a look at it, without opening it, shows exactly what `meta` said of it before,
    /// its access time excepted. An object that cannot tell is examined anew.
    fn unchanged(&self, meta: &ItemMeta) -> bool {
        let _ = meta;
        false
    }

    /// Where it lies among others of its medium, where that is known: its first byte, or a number that
    /// goes with it. Objects that lie side by side are best read one after the other.
    fn place(&self) -> Option<u64> {
        None
    }

    /// Where its bytes are, counted in its volume; empty where that is not known.
    fn extents(&self) -> &[Extent] {
        &[]
    }
}

/// What examining an object gave.
pub struct Examined {
    /// What is known of it.
    pub meta: ItemMeta,
    /// Its content, or why there is none.
    pub contents: Contents,
    /// What is wrong with it although its content can be read.
    pub problems: Vec<Problem>,
}

/// The content of an object, or why there is none.
pub enum Contents {
    /// To be read from start to end.
    Stream(Box<dyn Stream>),
    /// Not to be read, for the reason the problem's code names.
    Nothing {
        /// What the row says.
        status: Status,
        /// Why.
        problem: Problem,
    },
}

/// The bytes of an object, from first to last, each given once.
pub trait Stream: Send + Sync {
    /// Says that the bytes are about to be asked for, so that they may be fetched meanwhile. Does
    /// not wait for them.
    fn announce(&self) {}

    /// Fills `buf` with the next bytes. Fewer than asked only at the end; 0 at the end.
    ///
    /// # Errors
    /// A problem that names the offset and the number of bytes that could not be read. The next
    /// call goes on after them where the source allows it; otherwise the stream is at its end.
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, Problem>;

    /// Fills `buf` from byte `at` of the object as far as it goes, before the first byte was taken;
    /// returns the number of bytes filled. Streams that cannot fill none.
    ///
    /// # Errors
    /// Where the bytes cannot be read.
    fn peek(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let _ = (at, buf);
        Ok(0)
    }

    /// The way to the object's bytes at any place, before the first byte was taken; `None` where
    /// there is none.
    fn whole(&self) -> Option<Arc<dyn Whole>> {
        None
    }

    /// Says after the last byte whether the object was still while it was read.
    ///
    /// # Errors
    /// [`crate::problem::Code::ChangedDuringRead`] where it was not.
    fn finish(self: Box<Self>) -> Result<(), Problem>;
}

/// The way to the bytes of an object at any place. It holds nothing open.
pub trait Whole: Send + Sync {
    /// Opens the object.
    ///
    /// # Errors
    /// Where it cannot be opened any more.
    fn open(&self) -> Result<Arc<dyn ReadAt>, Problem>;

    /// Text that is another one once the object was written; empty where it cannot be.
    fn state(&self) -> String {
        String::new()
    }

    /// That text as it was when the object's stream was opened.
    fn state_before(&self) -> String {
        String::new()
    }
}
