//! An EWF image of any bytes, its check sums made to hold first: else nearly every change would end
//! at the first sum. Opened, read in two ways, and digested; both ways must agree.

#![no_main]

use std::sync::atomic::{AtomicBool, AtomicU64};

use assay::bytes::{ReadAt as _, Unreadable};
use assay::digest::Selection;
use assay::evidence::container::{Container, OpenOptions, compute};
use libfuzzer_sys::fuzz_target;

/// Bytes of a medium that are read at most; the length of one is whatever the image says.
const MOST: u64 = 1 << 20;

fn adler(bytes: &[u8]) -> [u8; 4] {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16 | a).to_le_bytes()
}

/// Writes the sum of `len` bytes behind them, where they are.
fn seal(bytes: &mut [u8], from: usize, len: usize) {
    let Some(end) = from.checked_add(len) else { return };
    let Some(sum) = bytes.get(from..end).map(adler) else { return };
    if let Some(place) = end.checked_add(4).and_then(|last| bytes.get_mut(end..last)) {
        place.copy_from_slice(&sum);
    }
}

/// Follows the chain as it is and makes the sums of what it leads to hold.
fn reseal(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize| {
        let field = at.checked_add(8).and_then(|end| bytes.get(at..end))?;
        usize::try_from(u64::from_le_bytes(field.try_into().ok()?)).ok()
    };
    let mut at = 13;
    for _ in 0..64 {
        let Some(name) = bytes.get(at..at + 16).map(<[u8]>::to_vec) else { return };
        let (Some(next), Some(size)) = (number(bytes, at + 16), number(bytes, at + 24)) else {
            return;
        };
        let data = at + 76;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        match name {
            b"volume" | b"disk" | b"data" if size < 1128 => seal(bytes, data, 90),
            b"volume" | b"disk" | b"data" => seal(bytes, data, 1048),
            b"table" | b"table2" => {
                seal(bytes, data, 20);
                let count = bytes.get(data..data + 4).map_or(0, |field| {
                    u32::from_le_bytes(field.try_into().unwrap_or_default()) as usize
                });
                if count < bytes.len() && size >= 76 + 28 + 4 * count && size < 76 + 64 + 4 * count {
                    seal(bytes, data + 24, 4 * count);
                }
            }
            b"hash" => seal(bytes, data, 32),
            b"digest" => seal(bytes, data, 76),
            b"error2" => seal(bytes, data, 516),
            _ => {}
        }
        seal(bytes, at, 72);
        if next <= at || next > bytes.len() {
            return;
        }
        at = next;
    }
}

/// What reading in steps gives, holes as what their errors say.
fn read(container: &Container, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = vec![0; step];
    let end = container.len().min(MOST);
    while (all.len() as u64) < end {
        let at = all.len() as u64;
        match container.read_at(at, &mut buf) {
            Ok(n) => {
                assert!(n > 0, "nothing came at {at} of {}", container.len());
                all.extend_from_slice(&buf[..n]);
            }
            Err(error) => {
                let hole = Unreadable::of(&error).expect("an error of the image names its bytes");
                assert!(hole.range.contains(&at), "a hole elsewhere than asked");
                all.resize(usize::try_from(hole.range.end.min(end)).unwrap(), 0xee);
            }
        }
    }
    all.truncate(usize::try_from(end).unwrap());
    all
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    reseal(&mut bytes);
    let path = std::env::temp_dir().join(format!("assay-fuzz-{}.E01", std::process::id()));
    std::fs::write(&path, &bytes).expect("the folder for temporary files is writable");
    let Ok(container) = Container::open(&path, &OpenOptions::default()) else { return };
    // What `--features planted` adds: a claim that fails once a sealed volume section was changed.
    #[cfg(feature = "planted")]
    if let Some(sectors) = container.facts().details.get("sectors_per_chunk") {
        assert!(sectors == "16", "planted: chunks of {sectors} sectors");
    }
    let whole = read(&container, 1 << 16);
    assert!(whole == read(&container, 777), "two ways of reading disagree");
    if container.len() <= MOST {
        compute(
            &*container.stored(),
            Selection::ALL,
            &AtomicBool::new(false),
            &AtomicU64::new(0),
        );
    }
});
