//! Damaged and made-up volumes: no panic, no walk without end, and every byte in one class.

use std::sync::Arc;

use super::{image, plain, read, sha256, volume, walk};
use assay::bytes::{ReadAt, Section};
use assay::evidence::filesystem::{Listing, Node, NodeContent};
use assay::item::{AllocStatus, Place, Status};
use assay::problem::Code;

const STRIDE: usize = 512;

/// Numbers that follow from a seed alone.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// A volume whose records are changed with their check put right again.
pub(super) struct Editor {
    pub(super) bytes: Vec<u8>,
    pub(super) mft: usize,
    pub(super) record: usize,
}

pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

impl Editor {
    pub(super) fn of(name: &str) -> Self {
        let bytes = image(name);
        let cluster = number(&bytes, 11, 2) * usize::from(bytes[13]);
        let record = match bytes[64] {
            size @ 0x80.. => 1 << size.wrapping_neg(),
            clusters => usize::from(clusters) * cluster,
        };
        let mft = number(&bytes, 48, 8) * cluster;
        Self { bytes, mft, record }
    }

    pub(super) fn at(&self, record: usize) -> usize {
        self.mft + record * self.record
    }

    pub(super) fn edit(&mut self, record: usize, change: impl FnOnce(&mut [u8])) {
        let at = self.at(record);
        assert_eq!(&self.bytes[at..at + 4], b"FILE", "{record}");
        self.edit_at(at, self.record, change);
    }

    /// Changes a record or a block, its check put right again.
    pub(super) fn edit_at(&mut self, at: usize, len: usize, change: impl FnOnce(&mut [u8])) {
        let bytes = &mut self.bytes[at..at + len];
        let table = number(bytes, 4, 2);
        for sector in 1..=bytes.len() / STRIDE {
            bytes.copy_within(table + 2 * sector..table + 2 * sector + 2, sector * STRIDE - 2);
        }
        change(bytes);
        for sector in 1..=bytes.len() / STRIDE {
            bytes.copy_within(sector * STRIDE - 2..sector * STRIDE, table + 2 * sector);
            bytes.copy_within(table..table + 2, sector * STRIDE - 2);
        }
    }

    /// The record and place of the attribute `kind` of the object at `path`.
    pub(super) fn attribute(&self, path: &str, kind: usize) -> (usize, usize) {
        let (nodes, _) = walk(&volume(self.bytes.clone())).unwrap();
        let node = nodes.iter().find(|node| plain(node) == path).unwrap();
        let record = record(node);
        (record, self.attribute_of(record, kind))
    }

    pub(super) fn attribute_of(&self, record: usize, kind: usize) -> usize {
        let bytes = &self.bytes[self.at(record)..][..self.record];
        let mut at = number(bytes, 20, 2);
        while number(bytes, at, 4) != kind {
            assert_ne!(number(bytes, at, 4), 0xFFFF_FFFF, "no attribute {kind:x}");
            at += number(bytes, at + 4, 4);
        }
        at
    }

    pub(super) fn walk(&self) -> (Arc<dyn ReadAt>, Vec<Node>, Listing) {
        let volume = volume(self.bytes.clone());
        let (nodes, listing) = walk(&volume).unwrap();
        check(&volume, &nodes, &listing);
        (volume, nodes, listing)
    }
}

pub(super) fn record(node: &Node) -> usize {
    let text = node.meta.fs_ref.strip_prefix("mft:").unwrap();
    text.split_once('-').unwrap().0.parse().unwrap()
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: u64, len: usize) {
    bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
}

/// What holds of every volume, however damaged.
pub(super) fn check(volume: &Arc<dyn ReadAt>, nodes: &[Node], listing: &Listing) {
    assert_eq!(listing.bytes.total(), volume.len(), "{:?}", listing.bytes);
    // A row needs a name or a stream, of at least 24 bytes in a record.
    assert!(u64::try_from(nodes.len()).unwrap() <= volume.len() / 24);
    assert!(listing.problems.len() <= 1_010);
    let mut paths = std::collections::BTreeSet::new();
    for node in nodes {
        assert!(paths.insert(node.path.text()), "{} twice", node.path.text());
        if let NodeContent::Extents(extents) = &node.content {
            let sum: u128 = extents.iter().map(|extent| u128::from(extent.len)).sum();
            assert_eq!(Some(sum), node.meta.size.map(u128::from), "{}", node.path.text());
            assert!(extents.iter().all(|extent| extent.len > 0));
            for extent in extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at + extent.len <= volume.len());
                }
            }
        }
    }
}

pub(super) fn find<'a>(nodes: &'a [Node], path: &str) -> &'a Node {
    nodes.iter().find(|node| plain(node) == path).unwrap_or_else(|| panic!("{path}"))
}

fn code(node: &Node) -> Option<(Status, Code)> {
    match &node.content {
        NodeContent::Nothing { status, problem } => Some((*status, problem.code)),
        NodeContent::Extents(_) => None,
    }
}

#[test]
fn every_prefix_of_a_volume_is_read_as_far_as_it_goes() {
    let whole = volume(image("ntfs-tiny"));
    let sectors = whole.len() / 512;
    let mut listed = 0;
    for n in 0..=sectors {
        let part: Arc<dyn ReadAt> = Arc::new(Section::new(Arc::clone(&whole), 0, n * 512));
        let Ok((nodes, listing)) = walk(&part) else { continue };
        check(&part, &nodes, &listing);
        listed += 1;
    }
    assert!(listed > sectors / 2);
}

#[test]
fn ten_thousand_changes_of_records_lead_nowhere_else() {
    let mut random = Random(0x5EED_0007);
    let good = Editor::of("ntfs-tiny");
    let used: Vec<usize> =
        (0..80).filter(|n| good.bytes[good.at(*n)..].starts_with(b"FILE")).collect();
    let values =
        [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, u64::from(u32::MAX), 1 << 63, u64::MAX];
    for round in 0..10_000 {
        let mut volume_of = Editor { bytes: good.bytes.clone(), ..good };
        for _ in 0..=random.below(4) {
            let record = used[random.below(used.len())];
            let (at, len) = (random.below(good.record - 8), 1 << random.below(4));
            let value = match random.below(3) {
                0 => values[random.below(values.len())],
                1 => u64::try_from(random.below(300)).unwrap(),
                _ => random.next(),
            };
            let used = number(&good.bytes, good.at(record) + 24, 4);
            let at = if random.below(8) > 0 { 16 + at % (used - 16) } else { at };
            let at = at.min(good.record - len);
            // The check's own table stays, or nothing behind it would be looked at.
            if at + len <= 4 || at > 8 {
                volume_of.edit(record, |bytes| {
                    if !(0x30 - len..0x38).contains(&at) {
                        put(bytes, at, value, len);
                    }
                });
            }
        }
        if random.below(10) == 0 {
            let at = 11 + random.below(70);
            volume_of.bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        let volume = volume(std::mem::take(&mut volume_of.bytes));
        let Ok((nodes, listing)) = walk(&volume) else { continue };
        check(&volume, &nodes, &listing);
        if round % 16 == 0 {
            for node in nodes.iter().filter(|node| node.meta.size.is_some_and(|n| n < 1 << 20)) {
                let missing = read(&volume, node).map(|(bytes, problems)| {
                    let missing: u64 = problems.iter().filter_map(|p| p.length).sum();
                    u64::try_from(bytes.len()).unwrap() + missing
                });
                assert!(missing.is_none_or(|sum| Some(sum) == node.meta.size));
            }
        }
    }
}

#[test]
fn a_damaged_boot_sector_is_read_from_its_copy() {
    let mut volume = Editor::of("ntfs-tiny");
    let before = volume.walk().1.len();
    volume.bytes[..512].fill(0);
    let (_, nodes, listing) = volume.walk();
    assert_eq!(nodes.len(), before);
    assert_eq!(listing.problems[0].code, Code::FilesystemDamaged);
    let end = volume.bytes.len() - 512;
    volume.bytes[end..].fill(0);
    let error = walk(&super::volume(volume.bytes)).unwrap_err();
    assert_eq!(error.code, Code::NotRecognised);
}

#[test]
fn damaged_first_records_are_read_from_their_copy() {
    for record in 0..4 {
        let mut volume = Editor::of("ntfs-tiny");
        let before = volume.walk().1.len();
        let at = volume.at(record);
        volume.bytes[at + 510] ^= 1;
        let (_, nodes, listing) = volume.walk();
        assert_eq!(nodes.len(), before, "{record}");
        assert_eq!(listing.problems.len(), 1, "{record}: {:?}", listing.problems);
    }
}

#[test]
fn a_torn_record_is_named_and_its_content_not_read() {
    let mut volume = Editor::of("ntfs-tiny");
    let (record, _) = volume.attribute("a/clusters.bin", 0x80);
    let at = volume.at(record);
    volume.bytes[at + 1022] ^= 1;
    let (_, nodes, listing) = volume.walk();
    let node = find(&nodes, "a/clusters.bin");
    assert_eq!(code(node), Some((Status::Unread, Code::FilesystemDamaged)));
    assert_eq!(listing.problems[0].offset, Some(u64::try_from(at).unwrap()));
}

#[test]
fn parents_that_are_themselves_or_circle_are_orphans() {
    let mut volume = Editor::of("ntfs-tiny");
    let (_, nodes, _) = volume.walk();
    let inside = record(find(&nodes, "a/b/c/deep.txt"));
    let folder = |name: usize, bytes: &[u8]| number(bytes, name + 24, 6);
    let name = volume.attribute_of(inside, 0x30);
    let c = folder(name, &volume.bytes[volume.at(inside)..]);
    let name_of_c = volume.attribute_of(c, 0x30);
    let b = folder(name_of_c, &volume.bytes[volume.at(c)..]);
    for parent in [c, b] {
        // c in itself; then b in c, which is in b.
        let child = if parent == c { c } else { b };
        let name = volume.attribute_of(child, 0x30);
        let sequence = number(&volume.bytes, volume.at(c) + 16, 2);
        volume.edit(child, |bytes| {
            put(bytes, name + 24, u64::try_from(c | sequence << 48).unwrap(), 8);
        });
        let (_, nodes, _) = volume.walk();
        let node = nodes.iter().find(|node| record(node) == inside).unwrap();
        assert!(node.path.text().starts_with("E1!/p0/$Orphans/"), "{}", node.path.text());
        assert_eq!(node.meta.alloc, AllocStatus::Orphan);
        volume.edit(c, |bytes| {
            let sequence = number(bytes, 16, 2);
            put(bytes, name_of_c + 24, u64::try_from(b | sequence << 48).unwrap(), 8);
        });
    }
}

#[test]
fn a_parent_in_another_use_is_not_believed() {
    let mut volume = Editor::of("ntfs-tiny");
    let (record_no, name) = volume.attribute("a/b/c/deep.txt", 0x30);
    volume.edit(record_no, |bytes| bytes[name + 24 + 6] ^= 0x40);
    let (_, nodes, _) = volume.walk();
    let orphan = nodes.iter().find(|node| node.meta.alloc == AllocStatus::Orphan).unwrap();
    let mark = &orphan.meta.fs_ref;
    assert_eq!(orphan.path.text(), format!("E1!/p0/$Orphans/deep.txt|{mark}"));
}

#[test]
fn an_attribute_list_that_circles_or_names_strangers_adds_nothing() {
    let good = Editor::of("ntfs-tiny");
    let (_, nodes, _) = good.walk();
    let folder = record(find(&nodes, "a/b:stream number 00"));
    let list = good.attribute_of(folder, 0x20);
    let at = good.at(folder);
    assert_eq!(good.bytes[at + list + 8], 1, "the list is in clusters");
    let runs = at + list + number(&good.bytes, at + list + 32, 2);
    let (length, offset) = (usize::from(good.bytes[runs] & 15), usize::from(good.bytes[runs] >> 4));
    let cluster = number(&good.bytes, runs + 1 + length, offset) * 512;
    let size = number(&good.bytes, at + list + 48, 8);
    for target in [folder, 0, 5, 1_000_000] {
        let mut volume = Editor { bytes: good.bytes.clone(), ..good };
        let mut entry = cluster;
        while entry < cluster + size {
            put(&mut volume.bytes, entry + 16, u64::try_from(target).unwrap(), 8);
            entry += number(&volume.bytes, entry + 4, 2);
        }
        let (_, listed, listing) = volume.walk();
        assert!(listed.len() < nodes.len(), "{target}");
        // Its own record alone: nothing is missing by the list, but clusters have lost their owner.
        let told = listed.iter().any(|node| !node.problems.is_empty());
        assert!(told || target == folder || !listing.problems.is_empty(), "{target}");
    }
    let mut volume = Editor { bytes: good.bytes.clone(), ..good };
    put(&mut volume.bytes, cluster + 4, 0, 2);
    let (_, listed, _) = volume.walk();
    assert_eq!(listed.len(), nodes.len(), "what claims to continue it is taken without its list");
}

#[test]
fn sizes_that_no_volume_has_are_refused_or_missing() {
    for size in [1 << 63, u64::MAX, (1 << 63) - 1, 1 << 50] {
        let mut volume = Editor::of("ntfs-tiny");
        let (record, data) = volume.attribute("a/clusters.bin", 0x80);
        volume.edit(record, |bytes| {
            put(bytes, data + 48, size, 8);
            put(bytes, data + 56, size, 8);
        });
        let (_, nodes, _) = volume.walk();
        let node = find(&nodes, "a/clusters.bin");
        match &node.content {
            NodeContent::Nothing { problem, .. } => {
                assert!(size >= 1 << 63);
                assert_eq!(problem.code, Code::FilesystemDamaged);
            }
            NodeContent::Extents(extents) => {
                assert!(matches!(extents.last().unwrap().place, Place::Missing(..)));
            }
        }
    }
}

#[test]
fn clusters_of_two_existing_objects_are_nobodys() {
    let mut volume = Editor::of("ntfs-tiny");
    let (one, data) = volume.attribute("a/clusters.bin", 0x80);
    let (two, packed) = volume.attribute("wof.exe", 0x80);
    let from = volume.at(one) + data + number(&volume.bytes, volume.at(one) + data + 32, 2);
    let runs: Vec<u8> = volume.bytes[from..from + 8].to_vec();
    volume.edit(two, |bytes| {
        let to = packed + number(bytes, packed + 32, 2);
        bytes[to..to + 8].copy_from_slice(&runs);
    });
    let (volume, nodes, _) = volume.walk();
    let (_, problems) = read(&volume, find(&nodes, "a/clusters.bin")).unwrap();
    assert_eq!(problems[0].code, Code::CrossLinked);
}

#[test]
fn a_compressed_unit_that_is_damaged_is_missing_and_the_others_are_whole() {
    let good = Editor::of("ntfs-tiny");
    let (whole, nodes, _) = good.walk();
    let (bytes, _) = read(&whole, find(&nodes, "packed/text.txt")).unwrap();
    let NodeContent::Extents(extents) = &find(&nodes, "packed/text.txt").content else { panic!() };
    let Place::Lznt1 { runs, unit_len } = &extents[1].place else { panic!("{:?}", extents[1]) };
    let mut volume = Editor { bytes: good.bytes.clone(), ..good };
    let at = usize::try_from(runs[0].0).unwrap();
    volume.bytes[at + 1] = 0x0F; // the first chunk says it is stored, and has another length
    let (volume, nodes, _) = volume.walk();
    let (got, problems) = read(&volume, find(&nodes, "packed/text.txt")).unwrap();
    let unit = usize::try_from(*unit_len).unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].offset, problems[0].length), (Some(8192), Some(8192)));
    assert_eq!(sha256(&got), sha256(&[&bytes[..unit], &bytes[2 * unit..]].concat()));
}

#[test]
fn encrypted_content_and_shadow_copies_are_named() {
    // No tool here writes either: the flag is set, and the name is written over another.
    let mut volume = Editor::of("ntfs-tiny");
    let (record, data) = volume.attribute("a/clusters.bin", 0x80);
    volume.edit(record, |bytes| bytes[data + 13] |= 0x40);
    let (_, nodes, listing) = volume.walk();
    assert_eq!(code(find(&nodes, "a/clusters.bin")), Some((Status::Unread, Code::Encrypted)));
    assert_eq!(listing.problems, []);
    let (record, name) = volume.attribute("wof.exe", 0x30);
    volume.edit(record, |bytes| {
        let text: Vec<u8> =
            "{3808876B-c176-4e48-b7ae-04046e6cc752}".bytes().flat_map(|b| [b, 0]).collect();
        let used = number(bytes, 24, 4);
        let end = name + number(bytes, name + 4, 4);
        let shift = 80;
        bytes.copy_within(end..used, end + shift);
        put(bytes, 24, u64::try_from(used + shift).unwrap(), 4);
        put(bytes, name + 4, u64::try_from(end + shift - name).unwrap(), 4);
        put(bytes, name + 16, u64::try_from(66 + text.len()).unwrap(), 4);
        bytes[name + 24 + 64] = 38;
        bytes[name + 24 + 66..][..text.len()].copy_from_slice(&text);
    });
    let (_, _, listing) = volume.walk();
    // The index of the folder still has the old name and contradicts the new one.
    let codes: Vec<_> = listing.problems.iter().map(|problem| problem.code).collect();
    let shadow = codes.iter().filter(|code| **code == Code::UnsupportedVolume);
    let index = codes.iter().filter(|code| **code == Code::FilesystemDamaged);
    assert_eq!((shadow.count(), index.count(), codes.len()), (1, 2, 3), "{:?}", listing.problems);
}

#[test]
fn space_in_use_without_an_owner_is_told() {
    let mut volume = Editor::of("ntfs-tiny");
    let (record, _) = volume.attribute("a/clusters.bin", 0x80);
    let at = volume.at(record);
    let before = volume.walk().2.bytes;
    volume.bytes[at..at + 4].fill(0);
    let (_, _, listing) = volume.walk();
    assert!(listing.problems.iter().any(|p| p.code == Code::SpaceWithoutOwner));
    let lost = before.allocated + before.slack - listing.bytes.allocated - listing.bytes.slack;
    assert_eq!(listing.bytes.unexamined, lost);
}

#[test]
fn a_bitmap_that_calls_an_owned_cluster_free_is_told() {
    let mut volume = Editor::of("ntfs-tiny");
    let data = volume.attribute_of(6, 0x80);
    let at = volume.at(6) + data;
    let runs = at + number(&volume.bytes, at + 32, 2);
    let (length, offset) =
        (usize::from(volume.bytes[runs] & 15), usize::from(volume.bytes[runs] >> 4));
    let bitmap = number(&volume.bytes, runs + 1 + length, offset) * 512;
    assert_eq!(volume.bytes[bitmap], 0xFF);
    volume.bytes[bitmap] = 0xFE;
    let (_, _, listing) = volume.walk();
    assert_eq!(listing.problems.len(), 1);
    assert_eq!(listing.problems[0].code, Code::FilesystemDamaged);
    assert!(listing.problems[0].detail.starts_with("512 bytes of existing objects"));
}

/// Moves all but the first run of the table's list into record `to`, as a table in very many
/// pieces has it.
fn split_the_table(volume: &mut Editor, to: usize) {
    let at = volume.at(0);
    let data = volume.attribute_of(0, 0x80);
    let bitmap = volume.attribute_of(0, 0xB0);
    let record: Vec<u8> = volume.bytes[at..at + volume.record].to_vec();
    let runs = data + number(&record, data + 32, 2);
    let (length, offset) = (usize::from(record[runs] & 15), usize::from(record[runs] >> 4));
    let clusters = number(&record, runs + 1, length);
    let first = number(&record, runs + 1 + length, offset);
    let rest_at = runs + 1 + length + offset;
    let end = data + number(&record, data + 4, 4);
    // The first run of a list counts from 0, so the second list's counts from its start anew.
    let (next_length, next_offset) =
        (usize::from(record[rest_at] & 15), usize::from(record[rest_at] >> 4));
    let mut rest = record[rest_at..end].to_vec();
    let place = 1 + next_length..1 + next_length + next_offset;
    let mut wide = [if rest[place.end - 1] & 0x80 == 0 { 0 } else { 0xFF }; 8];
    wide[..next_offset].copy_from_slice(&rest[place.clone()]);
    let target = (i64::from_le_bytes(wide) + i64::try_from(first).unwrap()).to_le_bytes();
    rest[0] = u8::try_from(next_length | 4 << 4).unwrap();
    rest.splice(place, target[..4].to_vec());

    let mut piece = record[data..data + 64].to_vec();
    put(&mut piece, 16, u64::try_from(clusters).unwrap(), 8);
    piece.extend(&rest);
    piece.resize(piece.len().next_multiple_of(8), 0);
    let len = u64::try_from(piece.len()).unwrap();
    put(&mut piece, 4, len, 4);
    put(&mut piece, 32, 64, 2);
    volume.edit(to, |bytes| {
        put(bytes, 22, 1, 2);
        put(bytes, 32, 1 << 48, 8);
        let first = number(bytes, 20, 2);
        bytes[first..first + piece.len()].copy_from_slice(&piece);
        put(bytes, first + piece.len(), 0xFFFF_FFFF, 4);
        put(bytes, 24, u64::try_from(first + piece.len() + 8).unwrap(), 4);
    });
    let sequence = number(&volume.bytes, volume.at(to) + 16, 2);

    let mut entries = Vec::new();
    for (kind, vcn, target) in [
        (0x10, 0, 1 << 48),
        (0x30, 0, 1 << 48),
        (0x80, 0, 1 << 48),
        (0x80, clusters, to | sequence << 48),
        (0xB0, 0, 1 << 48),
    ] {
        let mut entry = [0; 32];
        put(&mut entry, 0, kind, 4);
        put(&mut entry, 4, 32, 2);
        entry[7] = 26;
        put(&mut entry, 8, u64::try_from(vcn).unwrap(), 8);
        put(&mut entry, 16, u64::try_from(target).unwrap(), 8);
        entries.extend(entry);
    }
    let mut list = vec![0; 24];
    put(&mut list, 0, 0x20, 4);
    put(&mut list, 4, u64::try_from(24 + entries.len()).unwrap(), 4);
    put(&mut list, 16, u64::try_from(entries.len()).unwrap(), 4);
    put(&mut list, 20, 24, 2);
    list.extend(entries);
    let mut head = record[data..rest_at].to_vec();
    head.push(0);
    head.resize(head.len().next_multiple_of(8), 0);
    let len = u64::try_from(head.len()).unwrap();
    put(&mut head, 4, len, 4);
    put(&mut head, 24, u64::try_from(clusters - 1).unwrap(), 8);
    let tail = record[bitmap..bitmap + number(&record, bitmap + 4, 4)].to_vec();
    volume.edit(0, |bytes| {
        let before = number(bytes, 20, 2)..data;
        let kept = bytes[before.clone()].to_vec();
        let all = [kept, list, head, tail, vec![0xFF; 4], vec![0; 4]].concat();
        bytes[before.start..before.start + all.len()].copy_from_slice(&all);
        put(bytes, 24, u64::try_from(before.start + all.len()).unwrap(), 4);
    });
}

#[test]
fn a_table_whose_own_list_is_in_another_record_is_read_whole() {
    let mut volume = Editor::of("ntfs-fragmented");
    let (_, before, _) = volume.walk();
    // A freed record in the table's first run.
    let free = (24..64).find(|n| number(&volume.bytes, volume.at(*n) + 22, 2) & 1 == 0).unwrap();
    split_the_table(&mut volume, free);
    let (_, after, listing) = volume.walk();
    let live = |nodes: &[Node]| -> Vec<String> {
        let live = nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Allocated);
        live.map(plain).collect()
    };
    assert_eq!(live(&after), live(&before));
    assert_eq!(listing.problems, []);
}

#[test]
fn two_objects_of_one_name_are_told_apart() {
    let mut volume = Editor::of("ntfs");
    let (record, _) = volume.attribute("edge-512.bin", 0x80);
    volume.edit(record, |bytes| {
        let digit: Vec<u8> = "-512".bytes().flat_map(|byte| [byte, 0]).collect();
        let at = bytes.windows(8).position(|window| window == digit).unwrap();
        bytes[at + 6] = b'1';
    });
    let (volume, nodes, _) = volume.walk();
    let sizes = ["E1!/p0/edge-511.bin", "E1!/p0/edge-511.bin|2"].map(|path| {
        let node = nodes.iter().find(|node| node.path.text() == path).unwrap();
        read(&volume, node).unwrap().0.len()
    });
    assert_eq!(sizes, [511, 512]);
}

#[test]
fn objects_that_have_but_the_same_alias_are_told_apart() {
    // What chance found: an alias was a name in the second pass and none in the first.
    let mut volume = Editor::of("ntfs");
    for (name, last) in [("edge-511.bin", b'1'), ("edge-513.bin", b'1')] {
        let (record, at) = volume.attribute(name, 0x30);
        volume.edit(record, |bytes| {
            bytes[at + 24 + 65] = 2;
            bytes[at + 24 + 66 + 14] = last;
        });
    }
    let (_, nodes, _) = volume.walk();
    let twins = nodes.iter().filter(|node| plain(node).starts_with("edge-511.bin"));
    assert_eq!(twins.count(), 2);
}
