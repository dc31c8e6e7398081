//! FAT12, FAT16 and FAT32: live and deleted objects, long and short names.
//!
//! Nothing in the volume is trusted: numbers are checked against the layout, the layout against the
//! volume, and every walk is bounded by the number of clusters. The table is read in pages, no
//! folder is held whole.
//!
//! What is decided where the format does not:
//! - A cluster that two existing objects claim is the content of neither: both rows say
//!   `cross_linked` and state no digest. The table alone cannot tell whose bytes they are.
//! - A deleted object gets the free clusters from its first on, those in use left out. That is an
//!   assumption, for one cluster as for many, and its basis says so; a cluster that two deleted
//!   objects may have had is given to neither.
//! - Free clusters that hold entries and nothing else, and that no folder leads to, are parts of
//!   deleted folders: what they name is given below `$Orphans`.
//! - What stands behind the end mark of a folder, or in a deleted folder, is deleted.
//! - Times are the local time of an unknown zone and stay so.
//!
//! Sources: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, 2000; for deleted
//! objects B. Carrier, "File System Forensic Analysis", 2005, chapters 9 and 10.

mod boot;
mod claims;
mod codepage;
mod directory;
mod entry;
mod ground;
mod name;
mod read;
mod table;
mod time;
mod walk;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::boot::recognise;
use self::boot::{Layout, Root};
pub use self::codepage::CodePage;
use self::directory::{Read, Window};
use self::entry::{ENTRY, Slot};
use self::ground::Ground;
use self::walk::{Emit, Walk};
use crate::bytes::ReadAt;
use crate::evidence::filesystem::{FileSystem, FilesystemFacts, Listing};
use crate::item::ObjectPath;
use crate::problem::{Code, Problem, Stage};

/// A FAT volume whose boot record was read.
pub struct Fat {
    volume: Arc<dyn ReadAt>,
    layout: Layout,
    facts: FilesystemFacts,
    page: CodePage,
}

/// Entries of the root folder among which the label is looked for.
const LABEL_ENTRIES: u64 = 65_536;

impl Fat {
    /// Reads the boot record of a volume, or its copy.
    ///
    /// - `page`: the code page of its short names; code page 437 where nothing is known.
    ///
    /// # Errors
    /// Why there is none to be read.
    pub fn open(volume: Arc<dyn ReadAt>, page: CodePage) -> Result<Self, Problem> {
        let layout = Layout::read(&*volume)?;
        let mut facts = FilesystemFacts {
            fs_type: layout.kind.name().to_owned(),
            label: name::label(&layout.label, page),
            serial: layout.serial.map(serial_text).unwrap_or_default(),
            cluster_size: layout.cluster,
            object_count: None,
        };
        if let Some(raw) = root_label(&layout, &*volume) {
            facts.label = name::label(&raw, page);
        }
        Ok(Self { volume, layout, facts, page })
    }
}

impl FileSystem for Fat {
    fn facts(&self) -> &FilesystemFacts {
        &self.facts
    }

    fn list(
        &self,
        root: &ObjectPath,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(crate::evidence::filesystem::Node) -> ControlFlow<()>,
    ) -> Listing {
        let mut listing = Listing { problems: self.layout.problems.clone(), ..Listing::default() };
        let mut ground = Ground::new(&self.layout, &*self.volume);
        let unread = compare(&mut ground, &mut listing, cancel);
        let pass = |ground: &mut _, listing: &mut _, emit: Option<Emit<'_>>| {
            Walk { ground, page: self.page, cancel, listing, emit }.run(root)
        };
        let went = match pass(&mut ground, &mut listing, None) {
            ControlFlow::Continue(()) => pass(&mut ground, &mut listing, Some(emit)),
            stopped => stopped,
        };
        listing.stopped = went.is_break() || cancel.load(Ordering::Relaxed);
        if !listing.stopped {
            self.count(&mut ground, unread, &mut listing, cancel);
        }
        listing.bytes = ground.bytes;
        listing.unowned = ground.unowned;
        listing
    }
}

impl Fat {
    /// Counts what lies before, between and behind what objects own.
    fn count(
        &self,
        ground: &mut Ground<'_>,
        unread: u64,
        listing: &mut Listing,
        cancel: &AtomicBool,
    ) {
        let len = self.volume.len();
        let (lost, first) = ground.count_unowned(&mut || !cancel.load(Ordering::Relaxed));
        if let Some(first) = first {
            let bytes = lost.saturating_mul(self.layout.cluster);
            let why = format!(
                "{lost} clusters are in use and belong to no object; the first is at byte {first}"
            );
            let problem = Problem::new(Code::SpaceWithoutOwner, Stage::Filesystem, why);
            listing.problems.push(problem.at(first, bytes));
        }
        let bytes = &mut ground.bytes;
        let head = self.layout.data_at.min(len).saturating_sub(unread);
        let folders = ground.unread_folders;
        bytes.metadata = bytes.metadata.saturating_add(head).saturating_sub(folders);
        bytes.unread = bytes.unread.saturating_add(unread).saturating_add(folders);
        let behind = len.saturating_sub(self.layout.end());
        bytes.slack = bytes.slack.saturating_add(behind);
        ground.unowned.slack.push(self.layout.end(), behind);
        listing.stopped = cancel.load(Ordering::Relaxed);
    }
}

/// Compares the copies of the table; returns the bytes of them that cannot be read.
fn compare(ground: &mut Ground<'_>, listing: &mut Listing, cancel: &AtomicBool) -> u64 {
    let found = ground.table.compare(&mut || match cancel.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if let Some(first) = found.first {
        let why = format!(
            "{} entries differ between the copies of the table; the first copy is used",
            found.entries
        );
        let problem = Problem::new(Code::FilesystemDamaged, Stage::Filesystem, why);
        listing.problems.push(problem.at(first, 4));
    }
    if found.unread > 0 {
        let why = format!("{} bytes of the table's copies cannot be read", found.unread);
        listing.problems.push(Problem::new(Code::FilesystemDamaged, Stage::Filesystem, why));
    }
    found.unread
}

/// The label that the root folder has, as its eleven bytes.
fn root_label(layout: &Layout, volume: &dyn ReadAt) -> Option<[u8; 11]> {
    let mut ground = Ground::new(layout, volume);
    let folder = ground.root();
    let mut window = Window::default();
    let wide = matches!(layout.root, Root::Chain(_));
    for index in 0..LABEL_ENTRIES {
        match window.slot(&folder, index.saturating_mul(ENTRY), wide, volume) {
            Read::Slot(_, Slot::Short(short)) if short.is_label() && !short.is_deleted() => {
                return Some(short.name);
            }
            Read::Slot(_, Slot::End) | Read::Past => return None,
            _ => {}
        }
    }
    None
}

/// A serial number as systems print it.
fn serial_text(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)
}
