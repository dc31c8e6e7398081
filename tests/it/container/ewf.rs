//! EWF images that other tools wrote, whole: every byte, header field and digest.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use assay::bytes::ReadAt as _;
use assay::digest::{Algorithm, Digests, Selection};
use assay::evidence::container::{
    Computed, Container, ContainerError, Format, ImageDigest, OpenOptions, Verdict, compare,
    compute,
};
use assay::problem::Code;
use assay::sys::{Call, Kernel, Seam};

use super::{decode, open, public};

/// The golden images of `medium`.
pub(super) const IMAGES: [&str; 6] =
    ["fast.E01", "none.E01", "best.E01", "ftk.E01", "linen.E01", "smart.s01"];

/// Bytes of a chunk of them.
const CHUNK: usize = 16 * 512;

pub(super) fn splitmix(count: usize, mut state: u64) -> Vec<u8> {
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| word()).take(count).collect()
}

pub(super) fn text() -> Vec<u8> {
    (0..2000).flat_map(|n| format!("line {n} of a text that compresses\n").into_bytes()).collect()
}

/// What make-images-ewf.sh acquired.
pub(super) fn medium() -> Vec<u8> {
    let parts = [
        splitmix(9000, 1),
        text()[..21_000].to_vec(),
        vec![0; 18_000],
        splitmix(2176, 2),
        b"end".repeat(341),
        b".".to_vec(),
    ];
    parts.concat()
}

fn long_medium() -> Vec<u8> {
    let mut medium = text().repeat(20);
    medium.truncate(2_700 * 512);
    medium
}

pub(super) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name)
}

/// Puts the segmented golden image into a folder; gives the first segment.
fn segments(folder: &Path) -> PathBuf {
    for name in ["segments.E01", "segments.E02"] {
        let packed = fs::read(golden(&format!("{name}.gz"))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder.join("segments.E01")
}

pub(super) fn digest(container: &Container) -> Computed {
    let selection = Selection::only(Algorithm::Md5).with(Algorithm::Sha1);
    let media = container.stored();
    compute(&*media, selection, &AtomicBool::new(false), &AtomicU64::new(0))
}

pub(super) fn verdict(container: &Container) -> Verdict {
    compare(&digest(container), &stated(&container.facts().stored)).0
}

fn stated(digests: &Digests) -> Vec<ImageDigest> {
    let stated = |algorithm: &Algorithm| {
        let digest = digests.get(*algorithm)?;
        Some(ImageDigest { algorithm: *algorithm, digest })
    };
    Algorithm::ALL.iter().filter_map(stated).collect()
}

#[test]
fn every_golden_image_gives_the_medium_its_header_and_its_digest() {
    let medium = medium();
    for name in IMAGES {
        let container = open(&golden(name)).unwrap();
        assert_eq!(container.problems(), [], "{name}");
        for step in [512, 8_192, 10_000, 1 << 20] {
            assert!(decode(&container, step) == (medium.clone(), vec![]), "{name} {step}");
        }
        let facts = container.facts();
        assert_eq!((facts.format, facts.sector_size, facts.media_size), (Format::Ewf, 512, 51_200));
        for (field, value) in [
            ("case_number", "case 7"),
            ("evidence_number", "item 3"),
            ("examiner", "J. Doe"),
            ("description", "a description"),
            ("notes", "some notes"),
        ] {
            assert_eq!(facts.header.get(field).map(String::as_str), Some(value), "{name} {field}");
        }
        assert_eq!(verdict(&container), Verdict::Match, "{name}");
        let sha1 = facts.stored.get(Algorithm::Sha1).is_some();
        assert_eq!(sha1, ["best.E01", "linen.E01"].contains(&name), "{name}");
    }
}

#[test]
fn reads_of_every_size_and_place_agree() {
    let medium = medium();
    for name in ["fast.E01", "none.E01"] {
        let container = open(&golden(name)).unwrap();
        for at in (0..medium.len() + 700).step_by(511) {
            for len in [1, 100, 8_192, 20_000] {
                let mut buf = vec![0; len];
                let n = container.read_at(at as u64, &mut buf).unwrap();
                let rest = medium.get(at..).unwrap_or_default();
                assert!(buf[..n] == rest[..rest.len().min(len)], "{name} {at} {len}");
            }
        }
    }
}

#[test]
fn many_threads_read_one_image() {
    let (container, medium) = (open(&golden("fast.E01")).unwrap(), medium());
    std::thread::scope(|scope| {
        for step in [100, 777, 8_192, 20_000] {
            let (container, medium) = (&container, &medium);
            scope.spawn(move || assert!(decode(container, step) == (medium.clone(), vec![])));
        }
    });
}

#[test]
fn chunks_that_many_readers_are_in_are_read_and_inflated_once() {
    let folder = tempfile::tempdir().unwrap();
    let (seam, medium) = (Arc::new(Seam::default()), long_medium());
    let kernel = Kernel::through(Arc::clone(&seam));
    let options = OpenOptions { kernel, ..OpenOptions::default() };
    let container = Container::open(&segments(folder.path()), &options).unwrap();
    let places = || (0..medium.len() / CHUNK).map(|n| n * CHUNK + n % 100);
    let round = || {
        let before = seam.count(Call::Read);
        for at in places() {
            let mut buf = [0; 64];
            assert_eq!(container.read_at(at as u64, &mut buf).unwrap(), 64);
            assert!(buf == medium[at..at + 64]);
        }
        seam.count(Call::Read) - before
    };
    let first = round();
    assert!(first >= places().count() as u64 && places().count() > 150, "{first}");
    assert_eq!(round(), 0);
}

#[test]
fn segments_read_as_one_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = segments(folder.path());
    let container = open(&first).unwrap();
    assert_eq!(container.problems(), []);
    assert_eq!(container.facts().segments.len(), 2);
    assert!(decode(&container, 1 << 20) == (long_medium(), vec![]));
    assert_eq!(verdict(&container), Verdict::Match);
    let second = first.with_extension("E02");
    let error = open(&second).unwrap_err();
    assert!(
        matches!(&error, ContainerError::NotTheFirst { first, .. } if first.ends_with("segments.E01")),
        "{error}"
    );
    fs::rename(&second, folder.path().join("away")).unwrap();
    let error = open(&first).unwrap_err();
    assert!(
        matches!(&error, ContainerError::MissingSegment { missing } if missing.ends_with("segments.E02")),
        "{error}"
    );
}

#[test]
fn a_segment_under_the_name_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = segments(folder.path());
    let second = first.with_extension("E02");
    fs::copy(&first, &second).unwrap();
    assert!(matches!(open(&first), Err(ContainerError::WrongSegment { .. })));
    let other = fs::read(golden("none.E01")).unwrap(); // of another set
    let mut other = other.clone();
    other[9] = 2;
    fs::write(&second, &other).unwrap();
    assert!(matches!(open(&first), Err(ContainerError::WrongSegment { .. })));
}

#[test]
fn a_segment_cut_short_costs_the_chunks_behind_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let first = segments(folder.path());
    let second = first.with_extension("E02");
    let bytes = fs::read(&second).unwrap();
    fs::write(&second, &bytes[..bytes.len() / 2]).unwrap();
    let container = open(&first).unwrap();
    assert!(!container.problems().is_empty());
    let (bytes, holes) = decode(&container, 1 << 16);
    let cut = holes.first().unwrap().0 as usize;
    assert!(cut > 1_000_000 && bytes[..cut] == long_medium()[..cut], "{holes:?}");
    assert!(matches!(digest(&container), Computed::Incomplete(p) if p.offset == Some(cut as u64)));
}

/// Writes both segments again after `change`; gives what can be read.
fn changed_segments(
    change: impl Fn(&str, &mut Vec<u8>),
) -> (Vec<u8>, Vec<(u64, u64, Code)>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let first = segments(folder.path());
    for name in ["segments.E01", "segments.E02"] {
        let path = folder.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(name, &mut bytes);
        fs::write(&path, bytes).unwrap();
    }
    let container = open(&first).unwrap();
    let (bytes, holes) = decode(&container, 1 << 16);
    (bytes, holes, container.problems().len())
}

/// Where the first section of this name begins.
fn section(bytes: &[u8], name: &str) -> usize {
    let mut at = 13;
    loop {
        let found = &bytes[at..at + 16];
        if found.starts_with(name.as_bytes()) && found[name.len()] == 0 {
            return at;
        }
        at = u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap()) as usize;
    }
}

#[test]
fn a_table_lost_in_both_copies_costs_its_own_chunks_alone() {
    let medium = long_medium();
    let (bytes, holes, problems) = changed_segments(|name, bytes| {
        if name == "segments.E01" {
            for table in ["table", "table2"] {
                let at = section(bytes, table);
                bytes[at + 76] ^= 1; // the number of chunks
            }
        }
    });
    let &[(0, lost, Code::ImageDamaged)] = &holes[..] else { panic!("{holes:?}") };
    assert!(lost < 1_100_000 && problems >= 2);
    assert!(bytes[lost as usize..] == medium[lost as usize..], "numbered from the end");
}

#[test]
fn a_damaged_table_is_replaced_by_its_copy() {
    let (bytes, holes, problems) = changed_segments(|_, bytes| {
        let at = section(bytes, "table");
        bytes[at + 76 + 24 + 9] ^= 4;
    });
    assert!(problems >= 2 && holes.is_empty() && bytes == long_medium());
}

#[test]
fn a_place_about_which_the_copies_disagree_is_not_believed() {
    // One entry of table2 leads to another chunk, and every sum holds.
    let (bytes, holes, problems) = changed_segments(|name, bytes| {
        if name == "segments.E02" {
            let at = section(bytes, "table2") + 76;
            let count = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            bytes.copy_within(at + 24 + 8..at + 24 + 12, at + 24 + 12);
            let sum = super::ewf_damage::adler(&bytes[at + 24..at + 24 + 4 * count]);
            bytes[at + 24 + 4 * count..at + 28 + 4 * count].copy_from_slice(&sum);
        }
    });
    assert_eq!(problems, 1);
    assert!((1..=3).contains(&holes.len()), "{holes:?}");
    let lost: u64 = holes.iter().map(|(start, end, _)| end - start).sum();
    assert!(lost <= 3 * 8_192 && bytes.len() == long_medium().len());
}

#[test]
fn sectors_that_the_acquisition_could_not_read_are_no_content_and_part_of_the_digest() {
    let adler = super::ewf_damage::adler;
    let mut bytes = fs::read(golden("fast.E01")).unwrap();
    let done = section(&bytes, "done");
    let mut last = bytes.split_off(done);
    let mut data = 1_u32.to_le_bytes().to_vec();
    data.resize(516, 0);
    data.extend(adler(&data));
    let pair = [20_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    data.extend([&pair[..], &adler(&pair)].concat());
    let mut head = b"error2\0\0\0\0\0\0\0\0\0\0".to_vec();
    let size = 76 + data.len();
    head.extend([(done + size) as u64, size as u64].map(u64::to_le_bytes).concat());
    head.resize(72, 0);
    head.extend(adler(&head));
    last[16..24].copy_from_slice(&((done + size) as u64).to_le_bytes());
    let sum = adler(&last[..72]);
    last[72..76].copy_from_slice(&sum);
    bytes.extend([head, data, last].concat());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("errors.E01");
    fs::write(&path, bytes).unwrap();
    let container = open(&path).unwrap();
    assert_eq!(container.problems(), []);
    assert_eq!(decode(&container, 4_096).1, [(10_240, 11_776, Code::AcquisitionError)]);
    assert!(decode(&*container.stored(), 4_096).0 == medium());
    assert_eq!(verdict(&container), Verdict::Match);
}

#[test]
fn an_image_that_was_renamed_or_lost_its_extension_is_known_by_content() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["disk.dd", "disk", "disk.001"] {
        let path = folder.path().join(name);
        fs::copy(golden("fast.E01"), &path).unwrap();
        assert!(decode(&open(&path).unwrap(), 4_096).0 == medium(), "{name}");
    }
}

#[test]
fn the_same_public_disk_raw_split_and_ewf_is_the_same_bytes() {
    let Some(split) = public("ext2.splitraw.000") else { return };
    let raw = decode(&open(&split).unwrap(), 1 << 20);
    assert_eq!((raw.0.len(), raw.1.len()), (4_194_304, 0));
    for name in ["ext2.E01", "ext2.split.E01"] {
        let path = public(name).unwrap();
        let container = open(&path).unwrap();
        assert_eq!(container.problems(), [], "{name}");
        let (bytes, holes) = decode(&container, 100_000);
        assert_eq!(holes, []);
        assert_eq!(verdict(&container), Verdict::Match, "{name}");
        let export = ["-q", "-u", "-f", "raw", "-t", "-", path.to_str().unwrap()];
        let Some(exported) = crate::support::tool("ewfexport", &export) else { return };
        // ewfexport ends what it gives with a word about itself.
        let exported = exported.stdout.strip_suffix(b"ewfexport: SUCCESS\n").unwrap();
        assert!(bytes == exported, "{name}: not what ewfexport gives");
        assert!(bytes == raw.0, "{name}: not the raw image");
    }
}

#[test]
fn a_public_image_without_its_second_segment_is_refused() {
    let Some(path) = public("ext2.split.E01") else { return };
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("ext2.split.E01");
    fs::copy(path, &alone).unwrap();
    let error = open(&alone).unwrap_err();
    assert!(
        matches!(&error, ContainerError::MissingSegment { missing } if missing.ends_with("ext2.split.E02")),
        "{error}"
    );
    let raw = open(&public("bogus.001").unwrap()).unwrap();
    assert_eq!(raw.facts().format, Format::Raw);
}
