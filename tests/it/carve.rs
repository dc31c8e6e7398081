//! Carving: pictures the tests make, planted into foreign bytes whole, in fragments, cut and
//! interleaved; and foreign bytes alone, in which nothing may be found.

use std::io::{self, Cursor};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::carve::{Carved, Space, Summary, carve};
use assay::item::{Extent, Place};
use assay::signature::FileType;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};

mod damage;
mod documents;

const BLOCK: usize = 4096;

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

/// A picture with smooth parts, edges and noise, another one for each seed.
fn picture(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut random = Random(seed | 1);
    let (a, b) = (random.next() % 23 + 3, random.next() % 17 + 5);
    RgbImage::from_fn(width, height, |x, y| {
        let noise = random.next() % 24;
        let (x, y) = (u64::from(x), u64::from(y));
        let edge = if (x / (a * 3) + y / (b * 2)).is_multiple_of(2) { 60 } else { 0 };
        [x * 255 / 700 + noise, y * 200 / 500 + edge, (x * a + y * b) / 16 % 200 + noise]
            .map(|value| value.min(255) as u8)
            .into()
    })
}

fn jpeg(seed: u64, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality)
        .encode_image(&picture(seed, 640, 427))
        .unwrap();
    out
}

fn encoded(seed: u64, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture(seed, 200, 150)).write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A golden file of our own making; see `tests/data/carve/make.py`.
fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/carve/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Parts one after the other, each but the last filled up to whole blocks with foreign bytes.
fn disk(parts: &[&[u8]]) -> Vec<u8> {
    let mut random = Random(99);
    let mut disk = random.bytes(8 * BLOCK);
    for part in parts {
        disk.extend_from_slice(part);
        let fill = disk.len().next_multiple_of(BLOCK) - disk.len();
        disk.extend(random.bytes(fill));
    }
    disk.extend(random.bytes(8 * BLOCK));
    disk
}

struct Found {
    carved: Vec<Carved>,
    summary: Summary,
    disk: Vec<u8>,
}

impl Found {
    fn bytes(&self, carved: &Carved) -> Vec<u8> {
        let mut bytes = Vec::new();
        for extent in &carved.extents {
            let Place::Disk(at) = extent.place else { panic!("{extent:?}") };
            bytes.extend_from_slice(&self.disk[at as usize..][..extent.len as usize]);
        }
        assert_eq!(bytes.len() as u64, carved.len);
        bytes
    }

    /// Kind, length and whether it was validated of each, in order.
    fn list(&self) -> Vec<(FileType, u64, bool)> {
        self.carved.iter().map(|c| (c.kind, c.len, c.validated)).collect()
    }

    /// Asserts that what was found is this, byte by byte, and validated.
    fn is_whole(&self, wanted: &[&[u8]]) {
        assert_eq!(self.carved.len(), wanted.len(), "{:?}", self.list());
        for (carved, wanted) in self.carved.iter().zip(wanted) {
            assert!(carved.validated, "{carved:?}");
            assert!(self.bytes(carved) == *wanted, "{carved:?}, {} wanted", wanted.len());
        }
    }
}

fn carved(disk: Vec<u8>, runs: Vec<(u64, u64)>, block: u64) -> Found {
    let volume: Arc<[u8]> = disk.clone().into();
    let volume: Arc<dyn ReadAt> = Arc::new(volume);
    let mut carved = Vec::new();
    let summary = carve(&volume, &Space { runs, block }, &AtomicBool::new(false), &mut |found| {
        carved.push(found);
        ControlFlow::Continue(())
    });
    Found { carved, summary, disk }
}

fn all(disk: Vec<u8>) -> Found {
    let len = disk.len() as u64;
    carved(disk, vec![(0, len)], BLOCK as u64)
}

#[test]
fn every_kind_is_found_whole_at_any_byte() {
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let file = encoded(5, format);
        all(disk(&[&file])).is_whole(&[&file]);
        let shifted = [&[0xAB; 333][..], &file].concat();
        all(disk(&[&shifted])).is_whole(&[&file]);
        // The last byte of the space is the last byte of the file.
        let mut cut = disk(&[]);
        cut.extend_from_slice(&file);
        all(cut).is_whole(&[&file]);
    }
}

#[test]
fn every_way_of_coding_a_jpeg_is_followed() {
    for name in
        ["progressive.jpg", "restarts.jpg", "gray.jpg", "cmyk.jpg", "sampled.jpg", "optimised.jpg"]
    {
        let file = golden(name);
        all(disk(&[&file, &[1, 2, 3]])).is_whole(&[&file]);
    }
}

#[test]
fn allocated_clusters_between_fragments_are_no_obstacle() {
    let file = jpeg(3, 90);
    let split = 5 * BLOCK;
    let disk = disk(&[&file[..split], &vec![7; 3 * BLOCK], &file[split..]]);
    let first = (13 * BLOCK) as u64;
    let len = disk.len() as u64;
    let runs = vec![(0, first), (first + 3 * BLOCK as u64, len - first - 3 * BLOCK as u64)];
    let found = carved(disk, runs, BLOCK as u64);
    found.is_whole(&[&file]);
    assert_eq!(found.carved[0].fragments, 2);
    assert_eq!(found.carved[0].extents[0], Extent::disk(8 * BLOCK as u64, split as u64));
}

#[test]
fn a_picture_inside_another_is_not_listed() {
    let (mut file, thumbnail) = (jpeg(3, 80), encoded(9, ImageFormat::Jpeg));
    let comment = [&b"Exif\0\0"[..], &thumbnail].concat();
    let len = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
    file.splice(2..2, [&[0xff, 0xe1][..], &len, &comment].concat());
    all(disk(&[&file])).is_whole(&[&file]);
    let cut = &file[..thumbnail.len() + 8 * BLOCK];
    let found = all(disk(&[cut]));
    assert_eq!(found.carved.len(), 1, "{:?}", found.list());
}

#[test]
fn two_fragments_around_foreign_blocks_are_joined() {
    let png = golden("chunks.png");
    let fine = golden("progressive.jpg");
    for file in [jpeg(11, 85), jpeg(12, 60), fine, png] {
        let blocks = file.len() / BLOCK;
        for (split, gap) in [(1, 1), (blocks / 2, 7), (blocks - 1, 40)] {
            let foreign = Random(split as u64 + 5).bytes(gap * BLOCK);
            let (head, tail) = file.split_at(split.max(1) * BLOCK);
            let found = all(disk(&[head, &foreign, tail]));
            found.is_whole(&[&file]);
            assert_eq!(found.carved[0].fragments, 2);
        }
    }
}

#[test]
fn two_fragments_around_another_picture_give_both() {
    for (a, b) in [(jpeg(21, 85), jpeg(22, 85)), (jpeg(23, 85), encoded(24, ImageFormat::Png))] {
        let (head, tail) = a.split_at(4 * BLOCK);
        all(disk(&[head, &b, tail])).is_whole(&[&a, &b]);
    }
    let (a, b) = (encoded(25, ImageFormat::Bmp), jpeg(26, 75));
    let (head, tail) = a.split_at(4 * BLOCK);
    all(disk(&[head, &b, tail])).is_whole(&[&a, &b]);
    let (a, b) = (encoded(27, ImageFormat::Tiff), jpeg(28, 75));
    let (head, tail) = a.split_at(4 * BLOCK);
    all(disk(&[&b[..], head, tail])).is_whole(&[&b, &a]);
}

#[test]
fn interleaved_fragments_of_two_pictures_are_sorted_out() {
    let (a, b) = (jpeg(31, 85), jpeg(32, 70));
    let ((a1, a2), (b1, b2)) = (a.split_at(5 * BLOCK), b.split_at(3 * BLOCK));
    all(disk(&[a1, b1, a2, b2])).is_whole(&[&a, &b]);
}

#[test]
fn a_truncated_picture_is_exactly_its_surviving_prefix() {
    let other = jpeg(42, 85);
    let foreign: [Vec<u8>; 5] = [
        Random(3).bytes(6 * BLOCK),
        vec![0; 6 * BLOCK],
        vec![0xff; 6 * BLOCK],
        b"All work and no play makes Jack a dull boy.\n".repeat(500),
        other.clone(),
    ];
    for file in
        [jpeg(41, 85), golden("progressive.jpg"), golden("restarts.jpg"), golden("chunks.png")]
    {
        for (number, foreign) in foreign.iter().enumerate() {
            let left = &file[..file.len() / 2 / BLOCK * BLOCK];
            let found = all(disk(&[left, foreign]));
            let first = &found.carved[0];
            assert!(!first.validated, "{:?}", found.list());
            assert_eq!(first.len, left.len() as u64, "foreign {number}, {:?}", found.list());
            assert!(found.bytes(first) == left);
            let others = usize::from(number == 4);
            assert_eq!(found.carved.len(), 1 + others, "{:?}", found.list());
        }
        // The space ends.
        let mut disk = disk(&[]);
        disk.extend_from_slice(&file[..file.len() / 2]);
        let found = all(disk);
        assert!(found.bytes(&found.carved[0]) == file[..file.len() / 2], "{:?}", found.list());
    }
}

#[test]
fn a_header_alone_is_nothing() {
    let file = jpeg(51, 85);
    let scan = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let mut random = Random(8);
    let fakes: [Vec<u8>; 5] = [
        [&file[..scan], &random.bytes(3 * BLOCK)].concat(),
        [&b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"[..], &[b' '; 2000]].concat(),
        [&b"GIF89a"[..], &random.bytes(2 * BLOCK)].concat(),
        [&encoded(52, ImageFormat::Png)[..33], &random.bytes(2 * BLOCK)].concat(),
        [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &random.bytes(2 * BLOCK)].concat(),
    ];
    for fake in fakes {
        let found = all(disk(&[&fake]));
        assert_eq!(found.list(), []);
    }
}

#[test]
fn chance_gives_no_find() {
    /// Random bytes made where they are read.
    struct Noise(u64);
    impl ReadAt for Noise {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            let n = usize::try_from((self.0 - at).min(buf.len() as u64)).unwrap();
            let mut done = 0;
            while done < n {
                let place = at + done as u64;
                let word = Random((place / 8 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).next();
                let word = &word.to_le_bytes()[(place % 8) as usize..];
                let len = word.len().min(n - done);
                buf[done..done + len].copy_from_slice(&word[..len]);
                done += len;
            }
            Ok(n)
        }
    }
    let volume: Arc<dyn ReadAt> = Arc::new(Noise(256 << 20));
    let space = Space { runs: vec![(0, 256 << 20)], block: 4096 };
    let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |found| {
        panic!("{found:?}");
    });
    assert_eq!(summary.bytes_searched, 256 << 20);
    assert!(summary.candidates > 0);
}

#[test]
fn the_shortest_spaces_are_searched_to_their_end() {
    let gif = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";
    for len in 0..200 {
        assert_eq!(carved(vec![0x41; 200], vec![(0, len)], 512).list(), [], "{len} bytes");
    }
    for behind in 0..80 {
        let bytes = [&gif[..], &vec![0x41; behind]].concat();
        let len = u64::try_from(bytes.len()).unwrap();
        let found = carved(bytes, vec![(0, len)], 512).list();
        assert_eq!(found, [(FileType::Gif, gif.len() as u64, true)], "{behind} bytes behind");
    }
}
