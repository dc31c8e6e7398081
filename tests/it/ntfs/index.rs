//! Indexes of folders: names left in them, contradictions with the table, damage, circles.

use super::hostile::{Editor, Random, check, find, number, put, record};
use super::{holds_what_was_written, plain, volume, walk};
use assay::evidence::filesystem::{Node, NodeContent};
use assay::item::{AllocStatus, NameAttribution};
use assay::problem::{Code, Problem};

/// Bytes of an index block.
const BLOCK: usize = 4096;

/// Where the index blocks of a volume are.
fn blocks(volume: &Editor) -> Vec<usize> {
    let places = (0..volume.bytes.len() - BLOCK).step_by(512);
    places.filter(|at| volume.bytes[*at..].starts_with(b"INDX")).collect()
}

/// The entries of a block that are in force: where, and their length. The last has no name.
fn entries(volume: &Editor, block: usize) -> Vec<(usize, usize)> {
    let mut at = block + 24 + number(&volume.bytes, block + 24, 4);
    let mut found = Vec::new();
    loop {
        let len = number(&volume.bytes, at + 8, 2);
        found.push((at, len));
        if volume.bytes[at + 12] & 2 != 0 {
            return found;
        }
        at += len;
    }
}

/// A block of the folder and its first entry, both of the volume `ntfs-index`.
fn first_entry(volume: &Editor) -> (usize, usize) {
    let of_folder = |at: &&usize| {
        let folder = number(&volume.bytes, entries(volume, **at)[0].0 + 16, 6);
        folder >= 24 && entries(volume, **at).len() > 4
    };
    let blocks = blocks(volume);
    let block = *blocks.iter().find(of_folder).unwrap();
    (block, entries(volume, block)[0].0 - block)
}

fn details(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.detail.as_str()).collect()
}

fn live(nodes: &[Node]) -> Vec<String> {
    let live = nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Allocated);
    live.map(plain).collect()
}

#[test]
fn names_left_in_an_index_are_rows_without_content() {
    let (nodes, _) = holds_what_was_written("ntfs-index");
    let left: Vec<_> = nodes.iter().filter(|n| n.meta.alloc == AllocStatus::Deleted).collect();
    let known = left.iter().filter(|node| node.meta.fs_ref.starts_with("mft:")).count();
    let unknown = left.iter().filter(|node| node.meta.fs_ref.starts_with("index:")).count();
    assert!(known > 0 && unknown > 0, "{known} {unknown}");
    for node in left {
        assert!(node.path.text().starts_with("E1!/p0/many/"));
        assert!(node.meta.times.name_created.is_some() && node.meta.times.created.is_none());
    }
}

#[test]
fn a_freed_record_without_a_name_has_the_one_that_its_index_left() {
    let mut volume = Editor::of("ntfs-index");
    let (_, nodes, _) = volume.walk();
    let left = nodes.iter().find(|node| {
        node.meta.alloc == AllocStatus::Deleted && node.meta.fs_ref.starts_with("mft:")
    });
    let (left, name) = (record(left.unwrap()), plain(left.unwrap()));
    // Its record as it was when it was freed, but for the name.
    let at = volume.attribute_of(left, 0x30);
    volume.edit(left, |bytes| {
        put(bytes, 22, 0, 2);
        put(bytes, at, 0x100, 4);
    });
    let (_, nodes, _) = volume.walk();
    let node = nodes.iter().find(|node| node.meta.fs_ref == format!("mft:{left}-2")).unwrap();
    assert_eq!(node.path.text(), format!("E1!/p0/{name}|mft:{left}-2"));
    assert_eq!(node.meta.attribution, Some(NameAttribution::Uncertain));
    assert!(matches!(node.content, NodeContent::Extents(_)));
}

#[test]
fn entries_that_the_table_does_not_confirm_are_told_once_a_folder() {
    for (at, value, len, why) in [
        (6, 9, 2, "its record is in another use"),
        (0, 1 << 40, 6, "there is no such record, or it cannot be read"),
        (0, 24, 6, "its record has not this name in this folder"),
        (0, 64, 6, "its record has not this name in this folder"),
        (16, 5, 6, "it names another folder as its own"),
    ] {
        let mut volume = Editor::of("ntfs-index");
        let (_, before, _) = volume.walk();
        let (block, entry) = first_entry(&volume);
        volume.edit_at(block, BLOCK, |bytes| put(bytes, entry + at, value, len));
        let (_, nodes, listing) = volume.walk();
        assert_eq!(live(&nodes), live(&before), "the table is believed");
        assert!(listing.problems.len() <= 2, "{:?}", listing.problems);
        let told = details(&listing.problems);
        let entry =
            told.iter().any(|told| told.contains("has 1 entries that") && told.contains(why));
        assert!(entry, "{why}: {told:?}");
        let codes = listing.problems.iter().map(|problem| problem.code);
        assert!(codes.into_iter().all(|code| code == Code::FilesystemDamaged), "{told:?}");
    }
}

#[test]
fn objects_that_their_folders_index_does_not_list_are_told_once_a_folder() {
    let mut volume = Editor::of("ntfs-index");
    let (block, _) = first_entry(&volume);
    let entries = entries(&volume, block);
    let (last, len) = *entries.last().unwrap();
    // All but the end of the block is taken out of the index.
    let first = entries[0].0 - block;
    let end = volume.bytes[last..last + len].to_vec();
    volume.edit_at(block, BLOCK, |bytes| {
        bytes[first..first + len].copy_from_slice(&end);
        put(bytes, 28, u64::try_from(first - 24 + len).unwrap(), 4);
    });
    let (_, nodes, listing) = volume.walk();
    assert_eq!(listing.problems.len(), 1, "{:?}", listing.problems);
    let missing = entries.len() - 1;
    let told = format!("does not list {missing} objects");
    assert!(listing.problems[0].detail.contains(&told), "{:?}", listing.problems);
    assert!(live(&nodes).len() >= 60, "all are listed by the table");
}

#[test]
fn a_damaged_block_is_told_with_its_place_and_stops_nothing() {
    let good = Editor::of("ntfs-index");
    let (_, before, _) = good.walk();
    let (block, entry) = first_entry(&good);
    let torn = |volume: &mut Editor| volume.bytes[block + 510] ^= 1;
    let strange = |volume: &mut Editor| volume.bytes[block] = b'X';
    let length = |volume: &mut Editor| {
        volume.edit_at(block, BLOCK, |bytes| put(bytes, entry + 8, 0, 2));
    };
    let header = |volume: &mut Editor| {
        volume.edit_at(block, BLOCK, |bytes| put(bytes, 28, u64::from(u32::MAX), 4));
    };
    let damages: [&dyn Fn(&mut Editor); 4] = [&torn, &strange, &length, &header];
    for damage in damages {
        let mut volume = Editor { bytes: good.bytes.clone(), ..good };
        damage(&mut volume);
        let (_, nodes, listing) = volume.walk();
        assert_eq!(live(&nodes), live(&before));
        assert_eq!(listing.problems.len(), 1, "{:?}", listing.problems);
        assert_eq!(listing.problems[0].offset, Some(u64::try_from(block).unwrap()));
    }
}

#[test]
fn links_of_blocks_that_circle_are_told_and_not_followed() {
    let good = Editor::of("ntfs-index");
    let (nodes, before) = (good.walk().1, good.walk().2);
    assert_eq!(before.problems, []);
    let folder = record(find(&nodes, "many/file number 00 of this folder.txt"));
    let name = good.attribute_of(folder, 0x30);
    let folder = number(&good.bytes[good.at(folder)..], name + 24, 6);
    let root = good.attribute_of(folder, 0x90);
    let at = good.at(folder);
    let value = root + number(&good.bytes, at + root + 20, 2);
    let first = value + 16 + number(&good.bytes, at + value + 16, 4);
    // Every entry of the root leads to the first block; then to one that is nowhere.
    for target in [0, 1 << 40, u64::MAX] {
        let mut volume = Editor { bytes: good.bytes.clone(), ..good };
        volume.edit(folder, |bytes| {
            let mut entry = first;
            loop {
                let len = number(bytes, entry + 8, 2);
                put(bytes, entry + len - 8, target, 8);
                if bytes[entry + 12] & 2 != 0 {
                    break;
                }
                entry += len;
            }
        });
        let (_, after, listing) = volume.walk();
        assert_eq!(live(&after), live(&nodes));
        let told = details(&listing.problems);
        assert!(told[0].contains("circles") || told[0].contains("leads to"), "{told:?}");
    }
    // A block that leads to itself.
    let (block, entry) = first_entry(&good);
    let mut volume = Editor { bytes: good.bytes.clone(), ..good };
    volume.edit_at(block, BLOCK, |bytes| {
        let own = number(bytes, 16, 8);
        bytes[entry + 12] |= 1;
        let len = number(bytes, entry + 8, 2);
        let key = number(bytes, entry + 10, 2);
        // The name keeps its place where padding leaves room for the link behind it.
        assert!(len >= 16 + key);
        put(bytes, entry + 10, u64::try_from(key.min(len - 24)).unwrap(), 2);
        put(bytes, entry + len - 8, u64::try_from(own).unwrap(), 8);
    });
    let (_, after, listing) = volume.walk();
    assert_eq!(live(&after), live(&nodes));
    assert!(!listing.problems.is_empty());
}

#[test]
fn ten_thousand_changes_of_indexes_change_no_existing_object() {
    let mut random = Random(0x5EED_0017);
    let good = Editor::of("ntfs-index");
    let (_, before, _) = good.walk();
    let before = live(&before);
    let blocks = blocks(&good);
    let values = [0, 1, 7, 0x80, 0xFF, 0xFFFF, u64::from(u32::MAX), 1 << 63, u64::MAX];
    for _ in 0..10_000 {
        let mut changed = Editor { bytes: good.bytes.clone(), ..good };
        for _ in 0..=random.below(4) {
            let block = blocks[random.below(blocks.len())];
            let len = 1 << random.below(4);
            let at = match random.below(3) {
                0 => 8 + random.below(32),
                1 => 64 + 8 * random.below(60) + random.below(16),
                _ => 64 + random.below(BLOCK - 80),
            };
            let value = match random.below(3) {
                0 => values[random.below(values.len())],
                1 => u64::try_from(random.below(300)).unwrap(),
                _ => random.next(),
            };
            // The check's own table stays, or nothing behind it would be looked at.
            if !(0x28 - len..0x3A).contains(&at) {
                changed.edit_at(block, BLOCK, |bytes| put(bytes, at, value, len));
            }
        }
        let volume = volume(std::mem::take(&mut changed.bytes));
        let (nodes, listing) = walk(&volume).unwrap();
        check(&volume, &nodes, &listing);
        assert_eq!(live(&nodes), before);
        let deleted = nodes.iter().filter(|node| node.meta.alloc != AllocStatus::Allocated);
        assert!(
            deleted.into_iter().all(|node| matches!(node.content, NodeContent::Nothing { .. })),
            "a name that is left never has a content"
        );
    }
}
