//! What the tests of virtual disks share: the media of make-images-virtual.py, the images it made,
//! and what qemu-img says.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay::evidence::container::{Container, ContainerError, OpenOptions};
use assay::problem::Code;

use super::{decode, ewf, open};

/// What was not given of a medium: where, how much and why.
type Holes = Vec<(u64, u64, Code)>;

/// The medium of the small images.
pub(super) fn small() -> Vec<u8> {
    ewf::medium()
}

/// The medium of the others: no multiple of a cluster or grain, with holes.
pub(super) fn medium() -> Vec<u8> {
    let text = ewf::text().repeat(3);
    let parts = [&small()[..], &[0; 262_144], &text[..150_000], &[0; 131_208]];
    [parts.concat(), ewf::splitmix(5000, 7)].concat()
}

/// The medium after these bytes were written over it, as long as `len`.
pub(super) fn written(medium: &[u8], len: usize, changes: &[(usize, u8, usize)]) -> Vec<u8> {
    let mut medium = medium.to_vec();
    medium.resize(len, 0);
    for (at, byte, count) in changes {
        medium[*at..*at + *count].fill(*byte);
    }
    medium
}

/// Puts golden images into a folder under their names; gives the first.
pub(super) fn unpacked(folder: &Path, names: &[&str]) -> PathBuf {
    for name in names {
        fs::write(folder.join(name), bytes(name)).unwrap();
    }
    folder.join(names[0])
}

/// The bytes of a golden image.
pub(super) fn bytes(name: &str) -> Vec<u8> {
    let packed = fs::read(ewf::golden(&format!("{name}.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Opens an image with these files named as parents.
pub(super) fn open_with(path: &Path, parents: &[&Path]) -> Result<Container, ContainerError> {
    let parents = parents.iter().map(|path| path.to_path_buf()).collect();
    Container::open(path, &OpenOptions { parents, ..OpenOptions::default() })
}

/// True where reads of several sizes all give the medium and nothing is wrong with the image.
pub(super) fn holds(path: &Path, medium: &[u8]) {
    let container = open(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(container.problems(), [], "{}", path.display());
    reads(&container, medium);
}

/// Reads everything in several ways and compares.
pub(super) fn reads(container: &Container, medium: &[u8]) {
    for step in [512, 777, 65_536, 1 << 20] {
        let (bytes, holes) = decode(container, step);
        assert_eq!((bytes.len(), holes), (medium.len(), vec![]), "{container:?}");
        let first = bytes.iter().zip(medium).position(|(a, b)| a != b);
        assert_eq!(first, None, "step {step}: {container:?}");
    }
}

/// Runs qemu-img; `None`, and a word, where it is not installed.
pub(super) fn qemu(program: &str, arguments: &[&str]) -> Option<()> {
    let done = crate::support::tool(program, arguments)?;
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(())
}

/// What qemu-img makes of an image.
pub(super) fn converted(image: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let arguments = ["convert", "-O", "raw", image.to_str().unwrap(), raw.to_str().unwrap()];
    qemu("qemu-img", &arguments)?;
    Some(fs::read(raw).unwrap())
}

/// What an image that was changed still gives; `None` where it is refused or too long to read.
pub(super) fn seen(path: &Path, parents: &[&Path]) -> Option<(Vec<u8>, Holes, usize)> {
    let container = open_with(path, parents).ok()?;
    if container.facts().media_size > 1 << 22 {
        return None;
    }
    let (bytes, holes) = decode(&container, 20_000);
    Some((bytes, holes, container.problems().len()))
}

/// Every byte that an image cut short gives is the medium's, and what is missing is an error.
pub(super) fn every_prefix(name: &str, step: usize, medium: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let whole = bytes(name);
    let path = folder.path().join(name);
    let (mut refused, mut holed) = (0, 0);
    for end in (0..600.min(whole.len())).chain((600..whole.len()).step_by(step)) {
        fs::write(&path, &whole[..end]).unwrap();
        if end < 4 {
            continue; // no mark: a raw file
        }
        let Some((bytes, holes, _)) = seen(&path, &[]) else {
            refused += 1;
            continue;
        };
        holed += usize::from(!holes.is_empty());
        let mut expected = medium.to_vec();
        for (start, end, _) in &holes {
            expected[*start as usize..*end as usize].fill(0);
        }
        assert!(bytes == expected, "{name}: wrong bytes, cut at {end} of {}", whole.len());
    }
    println!("{name}: {refused} prefixes refused, {holed} with holes");
    assert!(refused > 20);
}

/// Changes bytes of structures at random: nothing may panic, hang or leave a byte without a word.
pub(super) fn mutations(
    name: &str,
    rounds: usize,
    structures: &[(usize, usize)],
) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let good = bytes(name);
    let path = folder.path().join(name);
    let places: Vec<usize> = structures.iter().flat_map(|(from, to)| *from..*to).collect();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut opened, mut holed) = (0, 0);
    for _ in 0..rounds {
        let mut bytes = good.clone();
        for _ in 0..=random(4) {
            let at = places[random(places.len())].min(bytes.len() - 1);
            let bits = random(256) as u8;
            bytes[at] = [bits, 0, 0xff, bytes[at].wrapping_add(1), bytes[at] ^ 1][random(5)];
        }
        fs::write(&path, &bytes).unwrap();
        if let Some((_, holes, _)) = seen(&path, &[]) {
            opened += 1;
            holed += usize::from(!holes.is_empty());
        }
    }
    println!("{name}: {rounds} mutations, {opened} opened, {holed} with holes");
    (opened, holed)
}
