//! Counts how many pairs of a population of unrelated pictures are as near as each threshold.
//!
//! Reads the pictures that `make.py` writes from standard input and puts `counts.csv` and
//! `false-pairs.csv` into the folder named by its argument. Every picture is once the object, with
//! its eight forms in both conventions, and once the entry, with its stored value in either
//! convention; a pair of pictures counts once, by the smallest of all these distances.

#![allow(clippy::disallowed_methods, reason = "a program of the tests, on its own files")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of the tests")]

use assay::matching::kernels::{Hashes, Kernel, within};
use assay::perceptual::{self, Hash64, PdqHash, Samples, View};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::BufRead;

/// Largest PDQ distance that is counted.
const MOST_PDQ: u32 = 64;
/// Largest distance of 64-bit hashes that is counted.
const MOST_64: u32 = 10;
/// The threshold of PDQ whose false pairs are listed.
const LISTED_PDQ: u32 = 31;

struct Picture {
    name: String,
    quality: u8,
    /// Eight forms at full size, then eight at 512 x 512.
    forms: Vec<PdqHash>,
    hashes: [Hash64; 3],
}

/// Smallest distance of each pair, in the directions whose object has quality 50 or more.
type Pairs = BTreeMap<(usize, usize), u32>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder for the results")?;
    let mut sha = Sha256::new();
    let mut pictures = Vec::new();
    let mut input = std::io::stdin().lock();
    while let Some(picture) = read(&mut input, &mut sha)? {
        pictures.push(picture);
    }
    let sha = sha.finalize();
    let sha = sha.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    println!("{} pictures, SHA-256 {sha}", pictures.len());
    tell_kinds(&pictures);

    let mut counts = String::from("qualities,algorithm,threshold,observed,pairs\n");
    let mut listed = String::from("algorithm,distance,a,quality_a,b,quality_b\n");
    let mut add = |algorithm: &str, near: &Pairs, most: u32, list: Option<u32>| {
        count(algorithm, near, most, &pictures, &mut counts);
        // Of a 64-bit hash those that set its limit.
        let nearest = near.values().min().copied();
        let to = list.or(nearest);
        let mut rows: Vec<_> =
            near.iter().filter(|(_, distance)| to.is_some_and(|to| **distance <= to)).collect();
        rows.sort_by_key(|(pair, distance)| (**distance, **pair));
        for ((a, b), distance) in rows {
            let (a, b) = (&pictures[*a], &pictures[*b]);
            let _ = writeln!(
                listed,
                "{algorithm},{distance},{},{},{},{}",
                a.name, a.quality, b.name, b.quality
            );
        }
    };
    add("pdq", &pdq_pairs(&pictures), MOST_PDQ, Some(LISTED_PDQ));
    for (at, algorithm) in ["phash", "dhash", "ahash"].into_iter().enumerate() {
        add(algorithm, &pairs_64(&pictures, at), MOST_64, None);
    }
    std::fs::write(format!("{folder}/counts.csv"), counts)?;
    std::fs::write(format!("{folder}/false-pairs.csv"), listed)?;
    Ok(())
}

fn good(picture: &Picture) -> bool {
    picture.quality >= 50
}

fn tell_kinds(pictures: &[Picture]) {
    let mut kinds: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for picture in pictures {
        let kind = kinds.entry(picture.name.split('/').next().unwrap_or_default()).or_default();
        kind.0 += 1;
        kind.1 += u32::from(good(picture));
    }
    for (kind, (all, good)) in kinds {
        println!("{kind}: {all} pictures, {good} of quality 50 and more");
    }
}

fn line(input: &mut impl BufRead, sha: &mut Sha256) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    input.read_line(&mut text)?;
    sha.update(&text);
    Ok(text.trim_end().to_owned())
}

/// The next picture: `P5`, `# name`, width and height, `255`, samples.
fn read(input: &mut impl BufRead, sha: &mut Sha256) -> Result<Option<Picture>, Box<dyn Error>> {
    match &*line(input, sha)? {
        "" => return Ok(None),
        "P5" => {}
        other => return Err(format!("`P5` expected, `{other}` found").into()),
    }
    let name = line(input, sha)?.trim_start_matches("# ").to_owned();
    let size = line(input, sha)?;
    let (width, height) = size.split_once(' ').ok_or("no width and height")?;
    let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
    line(input, sha)?;
    let mut samples = vec![0; width * height];
    input.read_exact(&mut samples)?;
    sha.update(&samples);
    let view = View::new(width, height, Samples::Luma(&samples))?;
    let (full, reduced) = (perceptual::pdq(&view), perceptual::pdq_nn512(&view));
    let hashes = perceptual::hashes(&view);
    Ok(Some(Picture {
        name,
        quality: full.quality().0,
        forms: full.forms().into_iter().chain(reduced.forms()).collect(),
        hashes: [hashes.phash, hashes.dhash, hashes.ahash],
    }))
}

/// Both stored values of every picture against all forms of every other with quality.
fn pdq_pairs(pictures: &[Picture]) -> Pairs {
    let stored: Vec<_> = pictures.iter().flat_map(|p| [p.forms[0], p.forms[8]]).collect();
    let stored = Hashes::new(&stored);
    let mut near = Pairs::new();
    for (object, picture) in pictures.iter().enumerate().filter(|(_, picture)| good(picture)) {
        within(Kernel::best(), &stored, &picture.forms, MOST_PDQ, &mut |close| {
            keep(&mut near, object, close.entry / 2, close.distance);
        });
    }
    near
}

fn pairs_64(pictures: &[Picture], at: usize) -> Pairs {
    let mut near = Pairs::new();
    for (object, picture) in pictures.iter().enumerate().filter(|(_, picture)| good(picture)) {
        for (entry, other) in pictures.iter().enumerate() {
            let distance = picture.hashes[at].distance(other.hashes[at]);
            if distance <= MOST_64 {
                keep(&mut near, object, entry, distance);
            }
        }
    }
    near
}

fn keep(near: &mut Pairs, object: usize, entry: usize, distance: u32) {
    if object != entry {
        let best = near.entry((object.min(entry), object.max(entry))).or_insert(distance);
        *best = distance.min(*best);
    }
}

/// One line a threshold: pairs of which both pictures have quality, then those of which one has.
fn count(algorithm: &str, near: &Pairs, most: u32, pictures: &[Picture], out: &mut String) {
    let all = pictures.len();
    let flat = pictures.iter().filter(|picture| !good(picture)).count();
    let pairs_of = |n: usize| n * n.saturating_sub(1) / 2;
    let both = |(a, b): &(usize, usize)| good(&pictures[*a]) && good(&pictures[*b]);
    for (qualities, pairs) in
        [("both", pairs_of(all - flat)), ("object", pairs_of(all) - pairs_of(flat))]
    {
        for threshold in 0..=most {
            let within = near.iter().filter(|(_, distance)| **distance <= threshold);
            let observed = within.filter(|(pair, _)| qualities == "object" || both(pair)).count();
            let _ = writeln!(out, "{qualities},{algorithm},{threshold},{observed},{pairs}");
        }
    }
}
