//! Names by inode: one compact table for a volume, from which rows come in order of inode.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::directory::Entry;
use crate::item::ObjectPath;

/// Most names and bytes of names that are kept.
const MOST_NAMES: usize = 1 << 25;
const MOST_BYTES: usize = 1 << 30;

/// A name of an inode in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) inode: u32,
    pub(super) parent: u32,
    start: u32,
    len: u8,
    /// 1 for the first of equal names of one directory, 2 for the second and so on.
    pub(super) ordinal: u16,
}

/// All names of a volume.
#[derive(Default)]
pub(super) struct Names {
    list: Vec<Name>,
    bytes: Vec<u8>,
    /// More were met than are kept.
    pub(super) cut: bool,
}

impl Names {
    /// Adds an entry of a directory.
    pub(super) fn push(&mut self, parent: u32, entry: Entry<'_>) {
        let start = u32::try_from(self.bytes.len());
        let len = u8::try_from(entry.name.len());
        let (Ok(start), Ok(len)) = (start, len) else { return };
        if self.list.len() >= MOST_NAMES || self.bytes.len() >= MOST_BYTES {
            self.cut = true;
            return;
        }
        self.bytes.extend_from_slice(entry.name);
        let inode = entry.inode;
        self.list.push(Name { inode, parent, start, len, ordinal: 1 });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The inode that name number `index` stands for.
    pub(super) fn inode_at(&self, index: usize) -> Option<u32> {
        self.list.get(index).map(|name| name.inode)
    }

    /// A name's bytes.
    pub(super) fn bytes(&self, name: &Name) -> &[u8] {
        bytes(&self.bytes, name)
    }

    /// Orders them by inode, parent and bytes, and tells equal ones of one directory apart.
    pub(super) fn sort(&mut self) {
        let Self { list, bytes: all, .. } = self;
        list.sort_unstable_by(|a, b| {
            let key = |name: &Name| (name.inode, name.parent);
            key(a).cmp(&key(b)).then_with(|| bytes(all, a).cmp(bytes(all, b)))
        });
        let hash = |name: &Name| {
            let mut hasher = DefaultHasher::new();
            (name.parent, bytes(all, name)).hash(&mut hasher);
            hasher.finish()
        };
        let mut hashes: Vec<u64> = list.iter().map(hash).collect();
        hashes.sort_unstable();
        let again = hashes.windows(2).filter_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        });
        let again: std::collections::HashSet<u64> = again.collect();
        let mut met: HashMap<(u32, Vec<u8>), u16> = HashMap::new();
        for name in list.iter_mut().filter(|name| !again.is_empty() && again.contains(&hash(name)))
        {
            let count = met.entry((name.parent, bytes(all, name).to_vec())).or_default();
            *count = count.saturating_add(1);
            name.ordinal = *count;
        }
    }

    /// The names of an inode, once sorted.
    pub(super) fn of(&self, inode: u32) -> &[Name] {
        let from = self.list.partition_point(|name| name.inode < inode);
        let rest = self.list.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|name| name.inode == inode)).unwrap_or_default()
    }

    /// All, in order.
    pub(super) fn all(&self) -> &[Name] {
        &self.list
    }

    /// The path of a name in the directory at `folder`.
    pub(super) fn path(&self, folder: &ObjectPath, name: &Name) -> ObjectPath {
        let path = folder.below(self.bytes(name));
        if name.ordinal > 1 { path.marked(&name.ordinal.to_string()) } else { path }
    }
}

fn bytes<'a>(all: &'a [u8], name: &Name) -> &'a [u8] {
    let start = usize::try_from(name.start).unwrap_or(usize::MAX);
    all.get(start..).and_then(|rest| rest.get(..name.len.into())).unwrap_or_default()
}
