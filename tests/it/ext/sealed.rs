//! Random changes of structures whose check sums hold all the same, and of such whose do not.

use std::io;

use super::patch::{Patched, Structure};
use super::*;

/// An image of which pieces are changed.
struct Changed {
    base: Arc<Vec<u8>>,
    pieces: Vec<(usize, Vec<u8>)>,
}

impl ReadAt for Changed {
    fn len(&self) -> u64 {
        self.base.len().try_into().unwrap()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).unwrap().min(self.base.len());
        let end = self.base.len().min(from + buf.len());
        buf[..end - from].copy_from_slice(&self.base[from..end]);
        for (place, bytes) in &self.pieces {
            let (a, b) = ((*place).max(from), (place + bytes.len()).min(end));
            if a < b {
                buf[a - from..b - from].copy_from_slice(&bytes[a - place..b - place]);
            }
        }
        Ok(end - from)
    }
}

fn index(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end.try_into().unwrap())).unwrap()
}

/// Changes one structure at random: a byte, a bit, a number at its limits, bytes of another one.
fn change(image: &mut Patched, structures: &[Structure], random: &mut Random) -> Structure {
    // Every kind as often, however many inodes there are.
    let start = structures[index(random, structures.len())];
    let kind = random.below(3);
    let fits = |one: &&Structure| match kind {
        0 => true,
        1 => !matches!(one, Structure::Inode(_)),
        _ => matches!(one, Structure::Folder(..) | Structure::Node(..)),
    };
    let some: Vec<&Structure> = structures.iter().filter(fits).collect();
    let structure = if some.is_empty() { start } else { *some[index(random, some.len())] };
    let range = image.range(structure);
    let at = range.start + index(random, range.len());
    let at4 = range.start + index(random, range.len() / 4) * 4;
    match random.below(5) {
        0 => image.bytes[at] = random.below(256).to_le_bytes()[0],
        1 => image.bytes[at] ^= 1 << random.below(8),
        2 => image.put32(at4, [u32::MAX, 0, 1 << 31, 0x7FFF_FFFF][index(random, 4)]),
        3 => {
            let number = u32::try_from(random.below(4000)).unwrap();
            image.put32(at4, number);
        }
        _ => {
            let from = image.range(structures[index(random, structures.len())]);
            let len = from.len().min(range.len()).min(1 + index(random, 128));
            image.bytes.copy_within(from.start..from.start + len, range.start);
        }
    }
    structure
}

fn rounds(least: usize) -> usize {
    std::env::var("ASSAY_MUTATIONS").map_or(least, |n| n.parse().unwrap())
}

#[test]
fn random_changes_whose_check_sums_hold_are_survived() {
    for name in IMAGES {
        let whole = Patched::of(name);
        let base = Arc::new(whole.bytes.clone());
        let structures = whole.structures();
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        let mut image = whole.clone();
        let mut told = 0;
        for round in 0..rounds(60) {
            let mut touched: Vec<Structure> = Vec::new();
            for _ in 0..=random.below(6) {
                touched.push(change(&mut image, &structures, &mut random));
            }
            // What the sums of others depend on comes last in the list of all.
            let late = |one: &&Structure| {
                touched.contains(one)
                    || matches!(one, Structure::Descriptor(_) | Structure::Superblock)
            };
            let sealed: Vec<Structure> = structures.iter().filter(late).copied().collect();
            image.seal(&sealed);
            let pieces = differing(&base, &image.bytes);
            for (at, bytes) in &pieces {
                let end = at + bytes.len();
                image.bytes[*at..end].copy_from_slice(&base[*at..end]);
            }
            let volume: Arc<dyn ReadAt> = Arc::new(Changed { base: Arc::clone(&base), pieces });
            told += usize::from(
                survives_volume(&volume)
                    .unwrap_or_else(|why| panic!("{name}, round {round}: {why}")),
            );
        }
        println!("{name}: {} structures, {told} told something", structures.len());
    }
}

/// Pieces of 64 bytes in which two images differ.
fn differing(a: &[u8], b: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let blocks = a.chunks(4096).zip(b.chunks(4096)).zip((0..).step_by(4096));
    let blocks = blocks.filter(|((a, b), _)| a != b);
    blocks.map(|((_, b), at)| (at, b.to_vec())).collect()
}

/// What each row says, beside what is wrong with it.
fn rows(nodes: &[Node]) -> Vec<String> {
    let say = |node: &Node| format!("{} {:?} {:?}", node.path.text(), node.meta, node.content);
    nodes.iter().map(say).collect()
}

#[test]
fn damage_of_a_structure_with_a_check_sum_is_told_or_changes_no_row() {
    for name in IMAGES.into_iter().filter(|name| name.starts_with("ext4")) {
        let whole = Patched::of(name);
        let base = Arc::new(whole.bytes.clone());
        let structures = whole.structures();
        let (_, nodes, _) = list(&volume(whole.bytes.clone()), 10_000).unwrap();
        let before = rows(&nodes);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut image = whole.clone();
        for round in 0..rounds(60) {
            let structure = change(&mut image, &structures, &mut random);
            let start = image.range(structure).start;
            // An inode without a mode was never used, whatever else it says.
            let unused = matches!(structure, Structure::Inode(_)) && image.u16(start) == 0;
            let pieces = differing(&base, &image.bytes);
            for (at, bytes) in &pieces {
                let end = at + bytes.len();
                image.bytes[*at..end].copy_from_slice(&base[*at..end]);
            }
            let place =
                format!("{name}, round {round}: {structure:?} {:?}", image.range(structure));
            let volume: Arc<dyn ReadAt> = Arc::new(Changed { base: Arc::clone(&base), pieces });
            let Ok((_, nodes, listing)) = list(&volume, 10_000) else { continue };
            let unread = |node: &Node| {
                matches!(&node.content, NodeContent::Nothing { status: Status::Unread, .. })
            };
            let told = !listing.problems.is_empty()
                || nodes.iter().any(|node| !node.problems.is_empty() || unread(node));
            assert!(told || unused || rows(&nodes) == before, "{place}");
        }
    }
}
