//! What evidence consists of: objects, their paths, their order and what is known of them.
//!
//! The terms and the text forms are those of the report format (docs/report-format.md). Names come
//! from evidence and are hostile: they are bytes here and become text only through [`escape`].

#![forbid(unsafe_code)]

pub mod escape;
mod extent;
mod meta;
mod path;
mod stream;
mod time;

pub use extent::{Extent, Place};
pub use meta::{
    AllocStatus, ItemMeta, LinkIdentity, NameAttribution, ObjectKind, RecoveryBasis, Status,
    TimeSource, Times,
};
pub use path::{ObjectPath, OrderKey};
pub use stream::{Contents, Examined, Found, Item, Stream, Whole};
pub use time::Timestamp;
