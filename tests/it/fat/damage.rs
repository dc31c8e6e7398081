//! Damaged and hostile volumes: said with a place, bounded, and what is left is read.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::*;
use assay::bytes::Unreadable;
use assay::evidence::filesystem::fat::recognise;
use assay::item::{AllocStatus, ObjectKind, Status};
use assay::problem::Code;

/// A volume of which bytes are changed, cut off or unreadable.
#[derive(Clone)]
struct Changed {
    base: Arc<Vec<u8>>,
    len: usize,
    bytes: Vec<(usize, u8)>,
    unreadable: Vec<Range<u64>>,
}

impl Changed {
    fn new(base: &Arc<Vec<u8>>) -> Self {
        let len = base.len();
        Self { base: base.clone(), len, bytes: Vec::new(), unreadable: Vec::new() }
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes.iter().enumerate().map(|(n, byte)| (at + n, *byte)));
        self
    }

    fn list(&self) -> (Vec<Node>, Listing) {
        let volume: Arc<dyn ReadAt> = Arc::new(self.clone());
        list(&volume)
    }
}

impl ReadAt for Changed {
    fn len(&self) -> u64 {
        self.len as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = at + buf.len() as u64;
        if let Some(range) = self.unreadable.iter().find(|bad| bad.start < end && at < bad.end) {
            let (range, detail) = (range.clone(), "bad sector".to_owned());
            return Err(Unreadable { range, code: Code::IoError, detail }.into_error());
        }
        let n = self.base[..self.len].read_at(at, buf)?;
        let from = at as usize;
        for (place, byte) in &self.bytes {
            if let Some(to) = place.checked_sub(from).filter(|within| *within < n) {
                buf[to] = *byte;
            }
        }
        Ok(n)
    }
}

fn base(name: &str) -> Arc<Vec<u8>> {
    Arc::new(image(name))
}

fn find(image: &[u8], short: &[u8]) -> usize {
    image.chunks(32).position(|entry| entry.starts_with(short)).unwrap() * 32
}

fn folders_that_could_not_be_read(nodes: &[Node]) -> Vec<String> {
    let special = nodes.iter().filter(|node| node.meta.kind == ObjectKind::Special);
    special
        .map(|node| match &node.content {
            NodeContent::Nothing { status: Status::Unread, problem } => {
                assert_eq!(problem.code, Code::SubtreeIncomplete);
                path(node)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn damage_of_tables_and_folders_is_said() {
    let (_, nodes, listing) = list_image("damaged");
    assert_eq!(folders_that_could_not_be_read(&nodes), ["/LOOPDIR/CHILD", "/TORN", "/OK"]);
    let problem = |code| listing.problems.iter().find(|problem| problem.code == code).unwrap();
    let differs = problem(Code::FilesystemDamaged);
    assert!(differs.detail.starts_with("1 entries differ"), "{}", differs.detail);
    let lost = problem(Code::SpaceWithoutOwner);
    let unowned = truth("damaged").unowned;
    assert_eq!((lost.length, listing.bytes.unexamined), (Some(unowned * 1024), unowned * 1024));
    assert_eq!(listing.problems.len(), 2);
    assert_eq!(listing.bytes.unread, 1024, "one cluster is marked as bad");
}

#[test]
fn equal_names_are_told_apart() {
    let base = base("damaged");
    let volume = Changed::new(&base).put(find(&base, b"CROSS2 "), b"CROSS1 ");
    let (nodes, _) = volume.list();
    let texts: Vec<_> = nodes.iter().map(|node| node.path.text()).collect();
    assert!(texts.contains(&"E1!/p1/CROSS1".to_owned()));
    assert!(texts.contains(&"E1!/p1/CROSS1|2".to_owned()));
}

#[test]
fn the_copy_of_the_boot_record_serves() {
    let base = base("fat32");
    let volume = Changed::new(&base).put(0, &[0; 512]);
    assert!(recognise(&[&[0; 512], &base[512..8192]].concat()));
    assert!(!recognise(&[0; 8192]));
    let (nodes, listing) = volume.list();
    assert_eq!(nodes.len(), list_image("fat32").1.len());
    assert_eq!(listing.problems.len(), 1);
    assert!(listing.problems[0].detail.contains("its copy at byte 3072"));
}

#[test]
fn the_second_table_serves_where_the_first_cannot_be_read() {
    let base = base("fat16");
    let reserved = u64::from(u16::from_le_bytes([base[14], base[15]])) * 512;
    let mut volume = Changed::new(&base);
    volume.unreadable.push(reserved..reserved + 1024);
    let (nodes, listing) = volume.list();
    let (_, whole, before) = list_image("fat16");
    let contents = |nodes: &[Node]| -> Vec<_> {
        nodes.iter().map(|node| format!("{:?}", node.content)).collect()
    };
    assert_eq!(contents(&nodes), contents(&whole));
    assert_eq!(listing.bytes.unread, 1024);
    assert_eq!(listing.bytes.total(), before.bytes.total());
    assert_eq!(listing.problems.len(), 1);
}

#[test]
fn a_folder_with_a_bad_sector_is_a_row_and_the_rest_of_it_is_read() {
    let base = base("fat16");
    let entry = find(&base, b"100CANON");
    let cluster = u64::from(u16::from_le_bytes([base[entry + 26], base[entry + 27]]));
    let word = |at: usize| u64::from(u16::from_le_bytes([base[at], base[at + 1]]));
    let data = 512 * (word(14) + 2 * word(22)) + 32 * word(17);
    let at = data + (cluster - 2) * 2048;
    let mut volume = Changed::new(&base);
    volume.unreadable.push(at + 512..at + 1024);
    let (nodes, listing) = volume.list();
    assert_eq!(folders_that_could_not_be_read(&nodes), ["/DCIM/100CANON"]);
    let pictures = nodes.iter().filter(|node| path(node).starts_with("/DCIM/100CANON/"));
    let pictures = pictures.count();
    assert!((50..60).contains(&pictures), "{pictures}");
    assert_eq!(listing.bytes.unread, 512);
    assert_eq!(listing.bytes.total(), volume.len());
}

#[test]
fn entries_behind_the_end_mark_are_deleted_ones() {
    let base = base("damaged");
    let volume = Changed::new(&base).put(find(&base, b"GOOD   "), &[0]);
    let (nodes, _) = volume.list();
    assert!(nodes.iter().all(|node| node.meta.alloc == AllocStatus::Deleted));
    assert!(nodes.iter().any(|node| path(node) == "/LONGER"));
}

/// Opens and lists, if it can be opened, within bounds; returns the number of objects.
fn survives(volume: Changed) -> usize {
    let len = volume.len();
    let volume: Arc<dyn ReadAt> = Arc::new(volume);
    let Ok(fat) = Fat::open(volume, CodePage::new(437).unwrap()) else { return 0 };
    let began = Instant::now();
    let (mut paths, mut count) = (BTreeSet::new(), 0);
    let listing = fat.list(&root(), &AtomicBool::new(false), &mut |node| {
        count += 1;
        assert!(paths.insert(node.path.text()), "{}", node.path.text());
        if let NodeContent::Extents(extents) = &node.content {
            let sum: u64 = extents.iter().map(|extent| extent.len).sum();
            assert_eq!(Some(sum), node.meta.size);
            for extent in extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at + extent.len <= len);
                }
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), len, "{:?}", listing.bytes);
    assert!(count as u64 <= len / 32, "no entry is an object twice");
    assert!(began.elapsed() < Duration::from_secs(30));
    count
}

#[test]
fn every_prefix_is_survived() {
    for name in ["fat12", "overwritten"] {
        let base = base(name);
        let mut objects = 0;
        for len in (0..2048).chain((2048..base.len()).step_by(4096)).chain([base.len()]) {
            objects += survives(Changed { len, ..Changed::new(&base) });
        }
        assert!(objects > 1_000, "{name} {objects}");
    }
}

#[test]
fn ten_thousand_mutations_are_survived() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut objects = 0;
    for (name, metadata, rounds) in
        [("damaged", 60_000, 5_000), ("overwritten", 60_000, 2_500), ("fat12", 17_000, 2_500)]
    {
        let base = base(name);
        for _ in 0..rounds {
            let mut volume = Changed::new(&base);
            for _ in 0..=random(12) {
                // a third in the boot record, a third in the tables, a third anywhere
                let at = match random(3) {
                    0 => random(64),
                    1 => 512 + random(2_000),
                    _ => random(metadata),
                };
                let byte = match random(4) {
                    0 => 0,
                    1 => 0xFF,
                    2 => base[at] ^ 1 << random(8),
                    _ => random(256) as u8,
                };
                volume.bytes.push((at, byte));
            }
            objects += survives(volume);
        }
    }
    assert!(objects > 50_000, "{objects}");
}

#[test]
fn a_volume_that_states_billions_of_clusters_costs_its_own_size() {
    let base = base("fat32");
    let mut volume = Changed::new(&base).put(32, &u32::MAX.to_le_bytes());
    volume.len = 8 << 20;
    let (_, listing) = volume.list();
    assert_eq!(listing.bytes.total(), 8 << 20);
    assert!(listing.problems.iter().any(|problem| problem.code == Code::FilesystemDamaged));
}
