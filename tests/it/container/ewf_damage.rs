//! EWF images that were changed: no wrong byte is ever given, whatever was changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assay::digest::Digests;
use assay::evidence::container::{Ranges, Verdict};
use assay::problem::Code;

use super::ewf::{golden, medium, verdict};
use super::{decode, open};

/// What an examiner gets of an image that could be opened.
#[derive(PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    holes: Vec<(u64, u64, Code)>,
    header: BTreeMap<String, String>,
    stored: Digests,
    verdict: Verdict,
    errors: Ranges,
    problems: usize,
}

fn see(path: &Path) -> Option<Seen> {
    let container = open(path).ok()?;
    if container.facts().media_size > 1 << 24 {
        return None; // only after sums were made to hold: too long to read, and no image of ours
    }
    let (bytes, holes) = decode(&container, 20_000);
    Some(Seen {
        bytes,
        holes,
        header: container.facts().header.clone(),
        stored: container.facts().stored,
        verdict: verdict(&container),
        errors: container.facts().acquisition_errors.clone(),
        problems: container.problems().len(),
    })
}

/// The sections of a sound file: name, start, end.
fn sections(bytes: &[u8]) -> Vec<(String, usize, usize)> {
    let (mut at, mut found) = (13, Vec::new());
    loop {
        let name = &bytes[at..at + 16];
        let name = String::from_utf8(name.iter().copied().take_while(|b| *b != 0).collect());
        let next = u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap()) as usize;
        let end = if next > at { next.min(bytes.len()) } else { bytes.len() };
        found.push((name.unwrap(), at, end));
        if next <= at || next >= bytes.len() {
            return found;
        }
        at = next;
    }
}

/// True where every byte that was given is the medium's.
fn gives_no_wrong_byte(seen: &Seen, medium: &[u8]) -> bool {
    let mut expected = medium.to_vec();
    for (start, end, _) in &seen.holes {
        expected[*start as usize..*end as usize].fill(0);
    }
    seen.bytes == expected
}

#[test]
fn a_flipped_byte_is_detected_or_changes_nothing() {
    let (medium, folder) = (medium(), tempfile::tempdir().unwrap());
    // fast has compressed and stored chunks; smart has neither a second table nor its sums.
    for (name, refused_at_most, silent_at_most) in [("fast.E01", 0, 40), ("smart.s01", 200, 40)] {
        let good_bytes = fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, &good_bytes).unwrap();
        let good = see(&path).unwrap();
        let layout = sections(&good_bytes);
        let (mut refused, mut holed, mut told, mut silent) = (0, 0, 0, BTreeMap::new());
        for at in 0..good_bytes.len() {
            let mut bytes = good_bytes.clone();
            bytes[at] ^= if at % 2 == 0 { 1 << (at / 2 % 8) } else { 0xff };
            fs::write(&path, &bytes).unwrap();
            let section = layout.iter().find(|(_, start, end)| (*start..*end).contains(&at));
            let section = section.map_or("", |(name, ..)| name.as_str());
            let Some(seen) = see(&path) else {
                refused += 1;
                continue;
            };
            assert!(gives_no_wrong_byte(&seen, &medium), "{name}: wrong bytes, flip at {at}");
            let lost: u64 = seen.holes.iter().map(|(start, end, _)| end - start).sum();
            let chunks = u64::from(section == "table") + 1; // an offset ends the chunk before it
            let most = if name == "fast.E01" || at > 600 { 8_192 * chunks } else { u64::MAX };
            assert!(lost <= most, "{name}: {lost} bytes lost, flip at {at} in {section}");
            if lost > 0 {
                holed += 1;
                assert_eq!(seen.verdict, Verdict::NotVerified);
            } else if seen.problems > 0 {
                told += 1;
            } else {
                assert!(seen == good, "{name}: a silent change, flip at {at} in {section}");
                *silent.entry(section.to_owned()).or_insert(0) += 1;
            }
        }
        println!(
            "{name}: {} flips: {holed} holes, {told} told, {refused} refused, no effect {silent:?}",
            good_bytes.len()
        );
        assert!(refused <= refused_at_most, "{name}: {refused} refused");
        assert!(silent.values().sum::<usize>() <= silent_at_most, "{name}: {silent:?}");
    }
}

#[test]
fn every_prefix_is_an_error_or_a_problem() {
    let (medium, folder) = (medium(), tempfile::tempdir().unwrap());
    for name in ["fast.E01", "smart.s01"] {
        let bytes = fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        for end in 89..bytes.len() {
            fs::write(&path, &bytes[..end]).unwrap();
            if let Some(seen) = see(&path) {
                assert!(seen.problems > 0, "{name}: cut at {end} and nothing said");
                assert!(gives_no_wrong_byte(&seen, &medium), "{name}: wrong bytes, cut at {end}");
            }
        }
    }
}

/// Adler-32 as RFC 1950 states it, as EWF stores it.
pub(super) fn adler(bytes: &[u8]) -> [u8; 4] {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16 | a).to_le_bytes()
}

/// Makes the sums of descriptors and structures hold again, as far as they are where they were.
fn reseal(bytes: &mut [u8], layout: &[(String, usize, usize)]) {
    let mut seal = |from: usize, len: usize| {
        if let Some(covered) = bytes.get(from..from + len) {
            let sum = adler(covered);
            if let Some(place) = bytes.get_mut(from + len..from + len + 4) {
                place.copy_from_slice(&sum);
            }
        }
    };
    for (name, start, end) in layout {
        let data = start + 76;
        match name.as_str() {
            "volume" | "data" => seal(data, end.saturating_sub(data + 4)),
            "table" | "table2" => {
                seal(data, 20);
                seal(data + 24, end.saturating_sub(data + 28));
            }
            "hash" => seal(data, 32),
            "digest" => seal(data, 76),
            _ => {}
        }
        seal(*start, 72);
    }
}

/// Structures are changed and their sums made to hold: nothing may panic, hang or eat memory, and
/// a chunk's own sum still stands between a wrong place and wrong bytes.
#[test]
fn mutations_under_valid_sums_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut opened, mut complete) = (0, 0);
    for name in ["fast.E01", "best.E01", "smart.s01", "linen.E01"] {
        let good = fs::read(golden(name)).unwrap();
        let layout = sections(&good);
        let path = folder.path().join(name);
        let metadata: Vec<usize> = layout
            .iter()
            .flat_map(|(name, start, end)| {
                let most = if name == "sectors" { 76 } else { 300 };
                *start..(*end).min(start + most)
            })
            .collect();
        for _ in 0..2_500 {
            let mut bytes = good.clone();
            for _ in 0..=random(6) {
                let at = metadata[random(metadata.len())];
                let bits = random(256) as u8;
                bytes[at] = [bits, 0, 0xff, bytes[at].wrapping_add(1)][random(4)];
            }
            reseal(&mut bytes, &layout);
            fs::write(&path, &bytes).unwrap();
            if let Some(seen) = see(&path) {
                opened += 1;
                complete += usize::from(seen.holes.is_empty());
            }
        }
    }
    println!("10,000 mutations: {opened} opened, {complete} without a hole");
    assert!(opened > 1_000 && complete > 100);
}
