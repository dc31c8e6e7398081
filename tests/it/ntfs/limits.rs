//! Numbers and references that no real volume has: each costs a bounded time and is told.

use std::time::{Duration, Instant};

use super::hostile::{Editor, check, find, number, put, record};
use super::{volume, walk};
use assay::problem::Code;

/// More than any of these takes on a busy machine, less than a walk without end.
const SOON: Duration = Duration::from_secs(60);

/// Where the runs of an attribute are, in its record.
fn runs(volume: &Editor, record: usize, attribute: usize) -> usize {
    attribute + number(&volume.bytes[volume.at(record)..], attribute + 32, 2)
}

#[test]
fn a_table_whose_own_runs_are_empty_or_lead_into_itself_is_refused_or_told() {
    let lists: [&[u8]; 7] = [
        &[0],                                                          // no run at all
        &[0x11, 0, 4, 0],                                              // of no cluster
        &[0x11, 0xFF, 4, 0],                                           // of -1 clusters
        &[0x18, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 0],                      // of -2^63
        &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 4, 0], // of 2^63 - 1
        &[0x11, 4, 4, 0x11, 4, 0, 0x11, 4, 0, 0],                      // the same clusters again
        &[0x01, 64, 0],                                                // nowhere
    ];
    for list in lists {
        let mut editor = Editor::of("ntfs-tiny");
        let data = editor.attribute_of(0, 0x80);
        let at = runs(&editor, 0, data);
        for record in [editor.mft, mirror(&editor)] {
            editor.edit_at(record, 1024, |bytes| bytes[at..at + list.len()].copy_from_slice(list));
        }
        let begun = Instant::now();
        let volume = volume(editor.bytes);
        match walk(&volume) {
            Err(problem) => assert_eq!(problem.code, Code::FilesystemDamaged, "{list:?}"),
            Ok((nodes, listing)) => {
                check(&volume, &nodes, &listing);
                assert!(!listing.problems.is_empty(), "{list:?}");
            }
        }
        assert!(begun.elapsed() < SOON, "{list:?}");
    }
}

fn mirror(editor: &Editor) -> usize {
    number(&editor.bytes, 56, 8) * number(&editor.bytes, 11, 2) * usize::from(editor.bytes[13])
}

#[test]
fn sizes_that_no_index_and_no_list_has_are_told() {
    let good = Editor::of("ntfs-tiny");
    let (_, nodes, _) = good.walk();
    let folder = record(find(&nodes, "a/b:stream number 00"));
    let index = Editor::of("ntfs-index");
    let (_, nodes, _) = index.walk();
    let child = record(find(&nodes, "many/file number 00 of this folder.txt"));
    let name = index.attribute_of(child, 0x30);
    let many = number(&index.bytes[index.at(child)..], name + 24, 6);
    // A list of a million entries has 32 MB.
    for (good, record, kind) in [(&good, folder, 0x20), (&index, many, 0xA0)] {
        for size in [32 << 20, 1 << 63, u64::MAX, (1 << 63) - 1] {
            let mut editor = Editor { bytes: good.bytes.clone(), ..*good };
            let at = editor.attribute_of(record, kind);
            editor.edit(record, |bytes| {
                put(bytes, at + 40, size, 8);
                put(bytes, at + 48, size, 8);
                put(bytes, at + 56, size, 8);
            });
            let begun = Instant::now();
            let (_, nodes, listing) = editor.walk();
            let told = nodes.iter().any(|node| !node.problems.is_empty());
            assert!(told || !listing.problems.is_empty(), "{kind:x} {size:x}");
            assert!(begun.elapsed() < SOON, "{kind:x} {size:x}");
        }
    }
}

#[test]
fn records_that_continue_each_other_belong_to_nobody_and_are_told() {
    let mut editor = Editor::of("ntfs-tiny");
    let (_, nodes, _) = editor.walk();
    let one = record(find(&nodes, "a/clusters.bin"));
    let two = record(find(&nodes, "packed/text.txt"));
    for (record, other) in [(one, two), (two, one)] {
        let sequence = number(&editor.bytes, editor.at(other) + 16, 2);
        let base = u64::try_from(other | sequence << 48).unwrap();
        editor.edit(record, |bytes| put(bytes, 32, base, 8));
    }
    let begun = Instant::now();
    let (_, after, listing) = editor.walk();
    assert!(after.len() < nodes.len());
    let code = |code: Code| listing.problems.iter().any(|problem| problem.code == code);
    assert!(code(Code::SpaceWithoutOwner), "{:?}", listing.problems);
    assert!(begun.elapsed() < SOON);
}

#[test]
fn a_record_that_continues_itself_is_no_object_and_is_told() {
    let mut editor = Editor::of("ntfs-tiny");
    let (_, nodes, _) = editor.walk();
    let one = record(find(&nodes, "a/clusters.bin"));
    let sequence = number(&editor.bytes, editor.at(one) + 16, 2);
    editor.edit(one, |bytes| put(bytes, 32, u64::try_from(one | sequence << 48).unwrap(), 8));
    let (_, after, listing) = editor.walk();
    assert!(after.len() < nodes.len());
    assert!(!listing.problems.is_empty());
}
