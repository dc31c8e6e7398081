//! Partitions that claim the same bytes: whatever the shape, each byte is owned once, by the partition
//! that stands first in the table, and the classes of a whole run sum to the medium.

use std::collections::BTreeSet;

use assay::evidence::partition::{Layout, Role};

use super::{Random, covers, golden, layout, mend, put};
use crate::runs::{cells, plan, run};
use crate::tree::Tree;

/// Compares what the parts say that they own with a look at every run of bytes between any two ends.
pub(super) fn owned_once(layout: &Layout, len: u64) {
    let number = |name: &str| name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u32>();
    let mut ends = BTreeSet::from([0, len]);
    for part in &layout.parts {
        ends.extend([part.start, part.start + part.len]);
        let mut reached = 0;
        for (at, bytes) in &part.shared {
            assert!(*bytes > 0 && *at >= reached && at + bytes <= part.len, "{layout:?}");
            reached = at + bytes;
            ends.extend([part.start + at, part.start + at + bytes]);
        }
    }
    let mut at = 0;
    for end in ends {
        if end == at {
            continue;
        }
        let has = |start: u64, bytes: u64| start <= at && end <= start + bytes;
        let there = layout.parts.iter().filter(|part| has(part.start, part.len));
        let first = there
            .clone()
            .min_by_key(|part| (part.role == Role::Gap, number(&part.name).unwrap()))
            .map(|part| &part.name);
        let owns = there
            .filter(|part| !part.shared.iter().any(|(from, bytes)| has(part.start + from, *bytes)));
        let owners: Vec<_> = owns.map(|part| &part.name).collect();
        assert_eq!(owners, Vec::from_iter(first), "bytes {at} to {end} of {layout:?}");
        at = end;
    }
}

/// An entry of a master boot record.
fn entry(kind: u8, first: usize, sectors: usize) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[4] = kind;
    entry[8..12].copy_from_slice(&u32::try_from(first).unwrap().to_le_bytes());
    entry[12..].copy_from_slice(&u32::try_from(sectors).unwrap().to_le_bytes());
    entry
}

#[test]
fn entries_that_overlap_in_any_way_own_each_byte_once() {
    let mut random = Random(7);
    let mut shared = 0;
    for _ in 0..2000 {
        let mut disk = vec![0; 256 * 512];
        put(&mut disk, 510, &[0x55, 0xAA]);
        for slot in 0..4 {
            let (first, sectors) = (random.below(200), random.below(150));
            put(&mut disk, 446 + 16 * slot, &entry(6, first, sectors));
        }
        let found = layout(&disk, 512);
        covers(&found, 256 * 512);
        shared +=
            usize::from(found.parts.iter().filter(|part| !part.shared.is_empty()).count() > 2);
    }
    assert!(shared > 200, "three that lie on others: {shared}");
}

#[test]
fn logical_partitions_that_overlap_each_other_and_primary_ones_own_each_byte_once() {
    let mut random = Random(11);
    for _ in 0..2000 {
        let mut disk = vec![0; 256 * 512];
        put(&mut disk, 510, &[0x55, 0xAA]);
        put(&mut disk, 446, &entry(6, random.below(200), random.below(150)));
        put(&mut disk, 462, &entry(5, 20, 200));
        // Two extended partitions, one of which begins in the other.
        put(&mut disk, 478, &entry(0x0F, 20 + random.below(40), 100));
        for record in 20..60 {
            let at = record * 512;
            put(&mut disk, at + 510, &[0x55, 0xAA]);
            put(&mut disk, at + 446, &entry(0x83, 1 + random.below(90), random.below(80)));
            if random.below(4) > 0 {
                put(&mut disk, at + 462, &entry(5, random.below(40), 40));
            }
            if random.below(4) == 0 {
                put(&mut disk, at + 478, &entry(0x0F, random.below(40), 40));
            }
        }
        covers(&layout(&disk, 512), 256 * 512);
    }
}

#[test]
fn entries_of_a_guid_table_that_overlap_own_each_byte_once() {
    let mut random = Random(13);
    let whole = golden("gpt.raw.gz");
    let sectors = whole.len() / 512;
    let mut overlapping = 0;
    for _ in 0..300 {
        let mut disk = whole.clone();
        for slot in 0..4 {
            let (first, last) = (34 + random.below(sectors - 70), 34 + random.below(sectors - 70));
            let at = 1024 + slot * 128;
            let kind: [u8; 16] = std::array::from_fn(|_| random.byte() | 1);
            put(&mut disk, at, &kind);
            put(&mut disk, at + 32, &u64::try_from(first.min(last)).unwrap().to_le_bytes());
            put(&mut disk, at + 40, &u64::try_from(first.max(last)).unwrap().to_le_bytes());
        }
        mend(&mut disk, 512);
        let found = layout(&disk, 512);
        covers(&found, u64::try_from(disk.len()).unwrap());
        overlapping += usize::from(found.parts.iter().any(|part| !part.shared.is_empty()));
    }
    assert!(overlapping > 200, "{overlapping}");
}

#[test]
fn a_run_over_three_volumes_that_overlap_sums_to_the_medium_and_carves_once() {
    let tree = Tree::new();
    let mut disk = crate::image::disk();
    let slot = |disk: &[u8], n: usize| {
        let word = |at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap());
        let at = 446 + 16 * n;
        (usize::try_from(word(at + 8)).unwrap(), usize::try_from(word(at + 12)).unwrap())
    };
    let ((first, count), (second, more)) = (slot(&disk, 0), slot(&disk, 1));
    // p1 once more, and one that begins in the middle of p1 and ends in the middle of p2.
    put(&mut disk, 446 + 32, &entry(6, first, count));
    let middle = first + count / 2;
    put(&mut disk, 446 + 48, &entry(0x83, middle, second + more / 2 - middle));
    // A picture in the gap behind them.
    let gif = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";
    let gap = disk.len() - 50 * 512;
    put(&mut disk, gap, gif);
    let evidence = tree.beside("disk.dd");
    std::fs::write(&evidence, &disk).unwrap();
    let out = tree.beside("out");
    let summary = run(&plan(&evidence, &out)).unwrap();
    assert_ne!(summary.outcome, assay::scan::Outcome::Failed);
    let classes = [
        "bytes_metadata",
        "bytes_allocated",
        "bytes_slack",
        "bytes_unallocated",
        "bytes_unread",
        "bytes_unexamined",
    ];
    let rows = cells(&out, "volumes.csv", classes);
    assert_eq!(rows.len(), 6);
    let sum: u64 = rows.iter().flatten().map(|cell| cell.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, u64::try_from(disk.len()).unwrap());
    let carved = cells(&out, "files.csv", ["object_kind", "disk_offset"]);
    let mut places: Vec<_> =
        carved.into_iter().filter(|row| row[0] == "carved").map(|row| row[1].clone()).collect();
    assert!(places.contains(&gap.to_string()));
    let all = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), all, "each was carved once");
}
