//! Types and lengths told by content: against good files of every structural format, damaged ones,
//! chance, and the public test data.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "skips and the oracle's lines")]

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use assay::bytes::ReadAt;
use assay::signature::{FileType, HEAD_BYTES, Length, detect, structural_length, type_mismatch};
use image::{DynamicImage, ImageFormat, RgbImage};

/// A source in memory that fails the test when it is read past its end.
struct Memory(Vec<u8>);

impl ReadAt for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        assert!(at + buf.len() as u64 <= self.0.len() as u64, "read past the end at {at}");
        assert!(buf.len() <= 64 * 1024, "read of {} bytes at once", buf.len());
        self.0.as_slice().read_at(at, buf)
    }
}

fn length_at(kind: FileType, bytes: Vec<u8>, start: u64) -> Option<Length> {
    structural_length(kind, &Memory(bytes), start)
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

fn picture() -> DynamicImage {
    let mut random = Random(7);
    DynamicImage::ImageRgb8(RgbImage::from_fn(37, 29, |x, y| {
        image::Rgb([(x * 6) as u8, (y * 8) as u8, (random.next() & 31) as u8])
    }))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture().write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn segment(code: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, code], len.as_slice(), content].concat()
}

/// Entropy-coded bytes: stuffed, with restart markers, never ending in 0xFF.
fn scan_data(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::new();
    for i in 0..len {
        let byte = random.next() as u8;
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
        if i % 97 == 96 {
            out.extend([0xff, 0xd0 + (i / 97 % 8) as u8]);
        }
    }
    out
}

/// The parts of a JPEG behind its start marker; `metadata` goes before the tables.
fn jpeg_with(metadata: &[u8], scans: u8) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    out.extend(segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"));
    out.extend(metadata);
    out.extend(segment(0xdb, &[&[0][..], &[16; 64]].concat()));
    out.extend(segment(0xc2, &[8, 0, 64, 0, 64, 1, 1, 0x11, 0]));
    let mut table = vec![0];
    table.extend([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    table.extend(0..12);
    out.extend(segment(0xc4, &table));
    for scan in 0..scans {
        out.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
        out.extend(scan_data(u64::from(scan) + 3, 700));
        out.extend(segment(0xfe, b"between scans"));
    }
    out.extend([0xff, 0xd9]);
    out
}

fn jpeg() -> Vec<u8> {
    let thumbnail = jpeg_with(&[], 1);
    let exif = [b"Exif\0\0".as_slice(), &thumbnail].concat();
    jpeg_with(&segment(0xe1, &exif), 3)
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [len.as_slice(), name, content].concat()
}

fn mp4() -> Vec<u8> {
    let large = [&[0, 0, 0, 1], &b"mdat"[..], &316_u64.to_be_bytes(), &[0xab; 300]].concat();
    [
        boxed(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41"),
        boxed(b"free", b""),
        large,
        boxed(b"moov", &boxed(b"mvhd", &[0; 100])),
    ]
    .concat()
}

/// A TIFF in the given order and width with one strip, an EXIF and a sub-directory.
fn tiff(big_endian: bool, big: bool) -> Vec<u8> {
    let number = |value: u64, size: usize| {
        let bytes = if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        if big_endian { bytes[8 - size..].to_vec() } else { bytes[..size].to_vec() }
    };
    let wide = if big { 8 } else { 4 };
    let directory = |entries: &[(u16, u16, u64)], next: u64| {
        let mut out = number(entries.len() as u64, if big { 8 } else { 2 });
        for (tag, field_type, value) in entries {
            out.extend(number((*tag).into(), 2));
            out.extend(number((*field_type).into(), 2));
            out.extend(number(1, wide));
            let mut value = number(*value, if *field_type == 3 { 2 } else { 4 });
            value.resize(wide, 0);
            out.extend(value);
        }
        out.extend(number(next, wide));
        out
    };
    let mut out = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    out.extend(number(if big { 43 } else { 42 }, 2));
    if big {
        out.extend(number(8, 2));
        out.extend(number(0, 2));
    }
    out.extend(number(if big { 16 } else { 8 }, wide));
    out.extend(directory(&[(254, 4, 1), (271, 4, 0), (330, 4, 400), (34_665, 4, 600)], 800));
    out.resize(400, 0);
    out.extend(directory(&[(273, 4, 1000), (279, 4, 234)], 0));
    out.resize(600, 0);
    out.extend(directory(&[(37_500, 3, 1)], 0));
    out.resize(800, 0);
    out.extend(directory(&[(513, 4, 900), (514, 4, 50)], 0));
    out.resize(1234, 0x77);
    out
}

/// A good file of each structural format.
fn good_files() -> Vec<(FileType, Vec<u8>)> {
    let mov =
        [boxed(b"wide", b""), boxed(b"mdat", &[1; 77]), boxed(b"moov", &boxed(b"mvhd", &[0; 100]))];
    let heic = [
        boxed(b"ftyp", b"mif1\0\0\0\0mif1heic"),
        boxed(b"meta", &[0; 60]),
        boxed(b"mdat", &[9; 90]),
    ];
    vec![
        (FileType::Jpeg, jpeg()),
        (FileType::Png, encoded(ImageFormat::Png)),
        (FileType::Gif, encoded(ImageFormat::Gif)),
        (FileType::Webp, encoded(ImageFormat::WebP)),
        (FileType::Bmp, encoded(ImageFormat::Bmp)),
        (FileType::Tiff, encoded(ImageFormat::Tiff)),
        (FileType::Tiff, tiff(false, false)),
        (FileType::Tiff, tiff(true, false)),
        (FileType::Tiff, tiff(false, true)),
        (FileType::Tiff, tiff(true, true)),
        (FileType::Mp4, mp4()),
        (FileType::Mov, mov.concat()),
        (FileType::Heic, heic.concat()),
    ]
}

#[test]
fn a_good_file_is_told_with_its_length_wherever_it_stands() {
    for (kind, file) in good_files() {
        let whole = Some(Length { bytes: file.len() as u64, complete: true });
        assert_eq!(detect(&file), Some(kind));
        assert_eq!(length_at(kind, file.clone(), 0), whole, "{kind}");
        let mut random = Random(11);
        let mut garbage = vec![0; 70_000];
        random.fill(&mut garbage);
        for tail in [&garbage[..], &[0; 5000], &[0xff; 300], b"PK\x03\x04", &file.clone()] {
            let appended = [file.as_slice(), tail].concat();
            assert_eq!(length_at(kind, appended.clone(), 0), whole, "{kind}");
            let moved = [&garbage[..66_001], &appended].concat();
            assert_eq!(length_at(kind, moved, 66_001), whole, "{kind}");
        }
    }
}

#[test]
fn a_prefix_is_never_complete_and_never_longer_than_itself() {
    for (kind, file) in good_files() {
        for cut in 0..file.len() {
            let prefix = file[..cut].to_vec();
            let _ = detect(&prefix);
            if let Some(length) = length_at(kind, prefix, 0) {
                assert!(length.bytes <= cut as u64, "{kind} cut at {cut}");
                // The last box of a film is its index, and what came before cannot tell.
                assert!(!length.complete, "{kind} cut at {cut} of {}", file.len());
            }
        }
    }
}

#[test]
fn a_damaged_file_never_panics_hangs_or_reaches_past_the_end() {
    let mut random = Random(99);
    for (kind, file) in good_files() {
        for _ in 0..10_000 {
            let mut damaged = file.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len());
                match random.below(4) {
                    0 => damaged[at] = random.next() as u8,
                    1 => damaged[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    2 => damaged.truncate(at.max(1)),
                    _ => damaged[at] ^= 1 << random.below(8),
                }
            }
            let size = damaged.len() as u64;
            let start = [0, 0, 0, random.next() % size][random.below(4)];
            let _ = detect(&damaged);
            let length = length_at(kind, damaged, start);
            assert!(length.is_none_or(|length| length.bytes <= size - start), "{kind}");
        }
    }
}

#[test]
fn directories_that_point_at_each_other_end() {
    let mut file = tiff(false, false);
    // The sub-directory's next one is the first.
    file[400 + 2 + 24..][..4].copy_from_slice(&8_u32.to_le_bytes());
    let length = length_at(FileType::Tiff, file, 0).unwrap();
    assert!(!length.complete);
}

#[test]
fn a_jpeg_in_empty_clusters_is_given_up_early() {
    /// A JPEG up to its scan, then zeros for a terabyte.
    struct Wiped(Vec<u8>, std::sync::atomic::AtomicU64);
    impl ReadAt for Wiped {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(buf.len() as u64, std::sync::atomic::Ordering::Relaxed);
            buf.fill(0);
            if at < self.0.len() as u64 {
                self.0.as_slice().read_at(at, buf)
            } else {
                Ok(buf.len())
            }
        }
    }
    let mut file = jpeg();
    file.truncate(file.len() - 200);
    let source = Wiped(file, 0.into());
    let length = structural_length(FileType::Jpeg, &source, 0).unwrap();
    assert!(!length.complete && length.bytes < 1 << 20);
    assert!(source.1.into_inner() < 16 << 20);
}

#[test]
fn two_bytes_alone_are_no_jpeg() {
    let mut random = Random(5);
    let mut head = vec![0; HEAD_BYTES];
    for _ in 0..2000 {
        random.fill(&mut head);
        head[..2].copy_from_slice(&[0xff, 0xd8]);
        assert_eq!(detect(&head), None);
    }
    assert_eq!(detect(&[0xff, 0xd8]), None);
    assert_eq!(detect(&[0xff, 0xd8, 0xff]), None);
    assert_eq!(detect(&[0xff, 0xd8, 0xff, 0xd9]), None);
}

#[test]
fn junk_between_segments_does_not_hide_a_jpeg() {
    let file = jpeg();
    for (at, junk) in [(2, &b"\x00\x41\xff\x00\x42"[..]), (20, b"junk"), (20, b"\xff\xff\xff")] {
        let mut damaged = file.clone();
        damaged.splice(at..at, junk.iter().copied());
        assert_eq!(detect(&damaged), Some(FileType::Jpeg));
        let whole = Length { bytes: damaged.len() as u64, complete: true };
        assert_eq!(length_at(FileType::Jpeg, damaged, 0), Some(whole));
    }
}

/// Leading bytes shorter than four, and what a chance match behind them would be taken for.
const WEAK: &[&[u8]] = &[
    b"BM",
    b"\xff\xd8",
    b"\xff\xd8\xff",
    b"MZ",
    b"\x1f\x8b",
    b"\x1f\x8b\x08",
    b"\x1f\x9d",
    b"BZh9",
    b"\x60\xea",
    b"\xc7\x71",
    b"\x71\xc7",
    b"\xff\xfb",
    b"\xff\xf1",
    b"ID3",
    b"\x0a\x05\x01\x08",
    b"\0\0\x01\0",
    b"\0\x01\0\0",
    b"\x47",
    b"\x5d\0\0",
    b"P5 ",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
];

#[test]
fn random_bytes_are_rarely_a_type() {
    let mut random = Random(1);
    let mut head = vec![0; 1024];
    let count = std::env::var("ASSAY_RANDOM_HEADS").ok().and_then(|n| n.parse().ok());
    let count: u32 = count.unwrap_or(200_000);
    let mut hits = Vec::new();
    for _ in 0..count {
        random.fill(&mut head);
        hits.extend(detect(&head));
    }
    println!("{} of {count} random heads are a type: {hits:?}", hits.len());
    // Sixty marks of four bytes alone make one in 70 million likely.
    assert!(hits.len() <= 1, "{hits:?} of {count}");
}

#[test]
fn random_bytes_behind_a_weak_mark_are_rarely_a_type() {
    let mut random = Random(2);
    let mut head = vec![0; 2048];
    for mark in WEAK {
        let mut hits = 0;
        for _ in 0..4000 {
            random.fill(&mut head);
            head[..mark.len()].copy_from_slice(mark);
            hits += u32::from(detect(&head).is_some());
        }
        // Three bytes of gzip with free flags, and ID3 with free sizes, are as far as those go.
        let most = match *mark {
            b"\x1f\x8b\x08" => 4000 / 6,
            b"\0\0\x01\xba" | b"\0\0\x01\xb3" => 1200,
            _ => 8,
        };
        assert!(hits <= most, "{mark:02x?}: {hits} of 4000");
    }
}

#[test]
fn random_text_is_text() {
    let words = [
        "BM", "MZ", "ID3", "P5", "From ", "%PDF-1.4", "RIFF", "ftyp", "PK", "Z-lh5-", "
",
    ];
    let mut random = Random(3);
    for _ in 0..20_000 {
        let mut text = String::new();
        while text.len() < 300 {
            if random.below(3) == 0 {
                text.push_str(words[random.below(words.len())]);
            } else {
                text.push((b' ' + random.below(95) as u8) as char);
            }
        }
        let found = detect(text.as_bytes());
        let plain =
            [Some(FileType::Text), Some(FileType::Pnm), Some(FileType::Pdf)].contains(&found);
        assert!(plain, "{found:?}: {text}");
    }
}

#[test]
fn kinds_of_one_container_are_told_apart() {
    let entry = |name: &str, data: &[u8]| {
        let mut out = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(data);
        out
    };
    let types = entry("[Content_Types].xml", b"<Types/>");
    let cases = [
        ([types.clone(), entry("word/document.xml", b"")].concat(), FileType::Docx),
        ([types.clone(), entry("xl/workbook.xml", b"")].concat(), FileType::Xlsx),
        (entry("word/notes.txt", b""), FileType::Zip),
        (entry("mimetype", b"application/vnd.oasis.opendocument.text"), FileType::Odt),
        (entry("mimetype", b"application/epub+zip"), FileType::Epub),
        (entry("META-INF/MANIFEST.MF", b""), FileType::Jar),
        (entry("AndroidManifest.xml", b""), FileType::Apk),
    ];
    for (head, kind) in cases {
        assert_eq!(detect(&head), Some(kind));
    }
}

#[test]
fn kinds_of_text_are_told_apart() {
    let mail = "Received: by x\r\nFrom: a@b\r\nTo: c@d\r\nSubject: e\r\n\r\nbody";
    let separated = format!("From a@b Thu Jan  1 00:00:00 1970\n{mail}");
    let cases = [
        (
            "<?xml version='1.0'?>\n<!-- a --><!DOCTYPE svg [ <!ENTITY a 'b'> ]>\n<svg>",
            FileType::Svg,
        ),
        ("<?xml version='1.0'?><rss>", FileType::Xml),
        ("\u{feff}  <!DOCTYPE html><p>", FileType::Html),
        ("<svgx>", FileType::Text),
        ("{\\rtf1\\ansi", FileType::Rtf),
        ("d8:announce3:a:b4:infod6:lengthi1eee", FileType::Torrent),
        (mail, FileType::Eml),
        (&separated, FileType::Mbox),
        ("From here to there", FileType::Text),
        ("The header is %PDF-1.4 at the start.", FileType::Text),
        ("%PDF-1.7\n", FileType::Pdf),
        ("gr\u{fc}n", FileType::Text),
    ];
    for (text, kind) in cases {
        assert_eq!(detect(text.as_bytes()), Some(kind), "{text}");
    }
    assert_eq!(detect(b""), None);
    assert_eq!(detect(b"a\0b"), None);
}

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        crate::support::skip("ASSAY_CORPORA is not set");
    }
    folder
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    out.sort();
    out
}

/// Pictures that carry more bytes than their structure has: how many, and which.
const TRAILERS: &[(&str, u64)] = &[
    // A phone maker's block "SEFH ... SEFT" behind the end marker.
    ("exif-rotn-1.jpg", 67),
    ("exif-rotn-3.jpg", 67),
    ("exif-rotn-6.jpg", 67),
    ("exif-rotn-8.jpg", 67),
    // Two zeros behind the EXIF directory, which stands last and refers to nothing behind it.
    ("hopper.Lab.tif", 2),
];

#[test]
fn the_structure_of_an_intact_picture_is_as_long_as_its_file() {
    let Some(corpora) = corpora() else { return };
    let mut checked = 0;
    let mut wrong = Vec::new();
    for path in
        [files_below(&corpora.join("pdq")), files_below(&corpora.join("hostile-images"))].concat()
    {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let folder_is_hostile = path.starts_with(corpora.join("hostile-images"));
        if folder_is_hostile && !name.starts_with("hopper") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let Some(kind) = detect(&bytes[..bytes.len().min(HEAD_BYTES)]) else { continue };
        let trailer = TRAILERS.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n);
        let whole = Length { bytes: bytes.len() as u64 - trailer, complete: true };
        let Some(length) = length_at(kind, bytes, 0) else { continue };
        checked += 1;
        if length != whole {
            wrong.push(format!("{name} {kind} {length:?} of {}", whole.bytes));
        }
    }
    assert!(checked >= 60, "{checked}");
    assert!(wrong.is_empty(), "{checked} checked\n{}", wrong.join("\n"));
}

#[test]
fn the_public_files_are_what_they_are_named() {
    let Some(corpora) = corpora() else { return };
    let mut seen = 0;
    for path in files_below(&corpora.join("pdq")) {
        let bytes = fs::read(&path).unwrap();
        let extension = path.extension().unwrap_or_default().as_encoded_bytes();
        if let Some(kind) = detect(&bytes[..bytes.len().min(HEAD_BYTES)]) {
            seen += 1;
            assert!(!type_mismatch(kind, extension), "{} is {kind}", path.display());
        }
    }
    assert!(seen >= 40, "{seen}");
}

/// DFTT image 8, "JPEG search": NTFS with clusters of 512 bytes. First cluster, bytes before the
/// picture, the picture's size, and the file's MD5, as its `index.html` and file table give them.
const DFTT_PICTURES: &[(usize, usize, u64, &str)] = &[
    (530, 0, 274_260, "75b8d00568815a36c3809b46fc84ba6d"),
    (10_056, 0, 26_081, "de5d83153339931371719f4e5c924eba"),
    (1_705, 0, 175_630, "afd55222024a4e22f7f5a3a665320763"),
    (1_066, 0, 326_859, "0c452c5800fcfa7c66027ae89c4f068a"),
    (12_041, 1_572, 271_181, "f407ab92da959c7ab03292cfe596a99d"),
];
/// A text, random bytes behind a bare FF D8, and random bytes with FF D8 here and there.
const DFTT_FAKES: &[(usize, Option<FileType>)] =
    &[(9_216, Some(FileType::Text)), (9_635, None), (2_049, None)];

#[test]
fn the_fakes_of_the_jpeg_search_image_are_told_from_its_pictures() {
    let Some(corpora) = corpora() else { return };
    let zip = corpora.join("dftt/8-jpeg-search.zip");
    let unzip = std::process::Command::new("unzip")
        .arg("-p")
        .args([zip.as_os_str(), "8-jpeg-search/8-jpeg-search.dd".as_ref()])
        .output();
    let Ok(image) = unzip.map(|out| Memory(out.stdout)) else {
        crate::support::skip("unzip is not installed");
        return;
    };
    assert_eq!(image.0.len(), 10_289_152);
    for (cluster, kind) in DFTT_FAKES {
        let at = cluster * 512;
        assert_eq!(detect(&image.0[at..at + HEAD_BYTES]), *kind, "cluster {cluster}");
    }
    for (cluster, skip, size, md5) in DFTT_PICTURES {
        let at = cluster * 512 + skip;
        assert_eq!(detect(&image.0[at..at + HEAD_BYTES]), Some(FileType::Jpeg));
        let length = structural_length(FileType::Jpeg, &image, at as u64);
        assert_eq!(length, Some(Length { bytes: *size, complete: true }), "cluster {cluster}");
        let digest = format!("{:x}", md5::compute(&image.0[cluster * 512..at + *size as usize]));
        assert_eq!(digest, *md5, "cluster {cluster}");
    }
    // The stream file13.dll:here is 124,038 bytes long in pieces, the first of ten clusters: the
    // structure breaks where foreign data begin.
    let broken = structural_length(FileType::Jpeg, &image, 6_688 * 512).unwrap();
    assert!(!broken.complete && (5_120..5_632).contains(&broken.bytes), "{broken:?}");
}

/// For `tests/oracles/file-types.py`: prints type, mismatch and path of each file named in the
/// list that `ASSAY_TYPES_OF` points to, and the time a call took.
#[test]
fn prints_types_for_the_oracle() {
    let Some(list) = std::env::var_os("ASSAY_TYPES_OF") else { return };
    let paths = fs::read_to_string(list).unwrap();
    let (mut followed, mut followed_bytes) = (std::time::Duration::ZERO, 0_u128);
    let (mut spent, mut count) = (std::time::Duration::ZERO, 0_u32);
    for path in paths.lines() {
        let Ok(mut bytes) = fs::read(path) else { continue };
        let size = bytes.len();
        let whole = Memory(bytes.clone());
        bytes.truncate(HEAD_BYTES);
        let begin = std::time::Instant::now();
        let kind = std::hint::black_box(detect(&bytes));
        spent += begin.elapsed();
        count += 1;
        let begin = std::time::Instant::now();
        if let Some(length) = kind.and_then(|kind| structural_length(kind, &whole, 0)) {
            followed += begin.elapsed();
            followed_bytes += u128::from(length.bytes);
        }
        let extension = Path::new(path).extension().unwrap_or_default().as_encoded_bytes();
        let mismatch = kind.is_some_and(|kind| type_mismatch(kind, extension));
        let word = kind.map_or("none", FileType::as_str);
        println!("TYPE\t{word}\t{mismatch}\t{size}\t{path}");
    }
    println!("LENGTH\t{followed_bytes} bytes followed in {followed:?}");
    println!("TIME\t{} files\t{} ns each", count, spent.as_nanos() / u128::from(count.max(1)));
}
