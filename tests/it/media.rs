//! Pictures from hostile and damaged files: every file gets one status, no panic gets out.

#![allow(clippy::print_stdout, reason = "the measured distances are the result")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use assay::media::{Limits, MediaStatus, decode};

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        crate::support::skip("ASSAY_CORPORA is not set");
    }
    folder
}

#[expect(clippy::disallowed_methods, reason = "test input")]
fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn own(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/perceptual");
    String::from_utf8(read(folder.join(name))).unwrap()
}

#[test]
fn hostile_pictures_get_the_expected_status() {
    let Some(corpora) = corpora() else { return };
    let differences: BTreeMap<String, String> = own("media-status-differences.csv")
        .lines()
        .skip(1)
        .map(|row| row.split_once(',').unwrap())
        .map(|(file, rest)| (file.to_owned(), rest.split(',').next().unwrap().to_owned()))
        .collect();
    let (mut report, mut wrong) = (String::new(), Vec::new());
    for row in own("expected-media-status.csv").lines().skip(1) {
        let file = row.split(',').next().unwrap();
        let pillow = row.rsplit(',').next().unwrap();
        let expected = differences.get(file).map_or(pillow, String::as_str);
        let bytes = read(corpora.join("hostile-images").join(file));
        let decoded = decode(&bytes, &Limits::default());
        let ours = decoded.status.as_str();
        if ours != pillow {
            writeln!(report, "{file},{ours},pillow {pillow},{}", decoded.detail).unwrap();
        }
        if ours != expected {
            wrong.push(format!("{file}: {ours}, expected {expected}: {}", decoded.detail));
        }
        assert_ne!(decoded.status, MediaStatus::Crashed, "{file}");
        let has_picture = matches!(decoded.status, MediaStatus::Ok | MediaStatus::Partial);
        assert_eq!(decoded.picture.is_some(), has_picture, "{file}");
    }
    println!("{report}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The generator of tests/oracles/mutations.py.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }
}

fn mutated(data: &[u8], seed: u64) -> Vec<u8> {
    let (mut numbers, mut data) = (Numbers(seed), data.to_vec());
    for _ in 0..1 + numbers.next() % 32 {
        let at = numbers.next() % data.len();
        data[at] = (numbers.next() % 256) as u8;
    }
    data
}

#[test]
fn damaged_pictures_give_what_decodes() {
    let Some(corpora) = corpora() else { return };
    println!(
        "file,damage,files,pillow_strict,pillow_tolerant,pillow_not_plain,ours,ours_not_plain"
    );
    for row in own("mutations-pillow.csv").lines().skip(1) {
        let row: Vec<&str> = row.split(',').collect();
        let data = read(corpora.join("hostile-images").join(row[0]));
        let files: Vec<Vec<u8>> = match row[1] {
            "mutated" => (1..=300).map(|seed| mutated(&data, seed)).collect(),
            _ => (1..20).map(|n| data[..data.len() * n / 20].to_vec()).collect(),
        };
        let mut failed: BTreeMap<String, usize> = BTreeMap::new();
        let (mut decoded_files, mut not_plain) = (0, 0);
        for file in &files {
            let decoded = decode(file, &Limits::default());
            if let Some(picture) = &decoded.picture {
                decoded_files += 1;
                let first = picture.samples().first();
                not_plain += usize::from(picture.samples().iter().any(|s| Some(s) != first));
            } else {
                let key = format!("{}: {}", decoded.status, decoded.detail);
                *failed.entry(key).or_default() += 1;
            }
        }
        println!("{},{decoded_files},{not_plain}", row.join(","));
        // Within one file of what Pillow makes a picture of that is not plain.
        let pillow: usize = row[5].parse().unwrap();
        assert!(not_plain + 1 >= pillow, "{}: {not_plain}", row.join(","));
        for (why, count) in failed {
            println!("    {count} x {why}");
        }
    }
}

#[test]
fn truncation_and_single_bytes_never_panic() {
    let Some(corpora) = corpora() else { return };
    for name in ["hopper.gif", "hopper.ico", "hopper.webp", "hopper.png"] {
        let data = read(corpora.join("hostile-images").join(name));
        for cut in (0..data.len()).step_by(data.len() / 97 + 1) {
            let status = decode(&data[..cut], &Limits::default()).status;
            assert_ne!(status, MediaStatus::Crashed, "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_size_over_the_limits_is_refused_before_decoding() {
    let Some(corpora) = corpora() else { return };
    let bytes = read(corpora.join("hostile-images/hopper.jpg"));
    let small = Limits { max_pixels: 128 * 128 - 1, ..Limits::default() };
    let decoded = decode(&bytes, &small);
    assert_eq!(decoded.status, MediaStatus::TooLarge);
    assert_eq!((decoded.width, decoded.height), (128, 128));
    let poor = Limits { max_memory: 1000, ..Limits::default() };
    for name in
        ["hopper.jpg", "hopper.png", "hopper.gif", "hopper.bmp", "hopper.webp", "hopper.tif"]
    {
        let bytes = read(corpora.join("hostile-images").join(name));
        assert_eq!(decode(&bytes, &poor).status, MediaStatus::Memory, "{name}");
    }
}
