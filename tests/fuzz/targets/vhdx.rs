//! A VHDX of any bytes. An input is the structures without the space between them: each begins with
//! its length in two bytes and is put where the format has it, its check sum made to hold. Opened
//! with a parent that fits, and read in two ways, which must agree.

#![no_main]

use std::os::unix::fs::FileExt as _;

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, Format, OpenOptions};
use libfuzzer_sys::fuzz_target;

/// Bytes of a medium that are read at most.
const MOST: u64 = 3 << 20;
const MIB: u64 = 1 << 20;
/// The parent of the first input that has one, in the form of an input.
const PARENT: &[u8] = include_bytes!("../seeds/vhdx/base-512");

/// Where the structures are: header, table of regions, metadata (its table, its items), table of
/// blocks, the log's first three entries, a bitmap.
const PLACES: [u64; 9] = [
    64 << 10,
    192 << 10,
    2 * MIB,
    2 * MIB + (64 << 10),
    3 * MIB,
    MIB,
    MIB + 8_192,
    MIB + 16_384,
    4 * MIB,
];

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn sealed(mut block: Vec<u8>, len: usize) -> Vec<u8> {
    block.resize(len, 0);
    block[4..8].fill(0);
    let sum = crc32c(&block);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
    block
}

/// The structures as a file that is mostly a hole.
fn write(path: &std::path::Path, bytes: &[u8]) {
    let file = std::fs::File::create(path).expect("the folder for temporary files is writable");
    let put = |at: u64, bytes: &[u8]| file.write_all_at(bytes, at).expect("there is room");
    file.set_len(8 * MIB).expect("there is room");
    put(0, b"vhdxfile");
    let mut rest = bytes;
    for (number, place) in PLACES.iter().enumerate() {
        let Some(([low, high], after)) = rest.split_first_chunk() else { return };
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (block, after) = after.split_at(len);
        rest = after;
        let block = match number {
            0 => sealed(block.to_vec(), 4_096),
            1 => sealed(block.to_vec(), 65_536),
            5..=7 if block.starts_with(b"loge") => {
                let len = block.get(8..12).map_or([0; 4], |field| field.try_into().unwrap());
                let len = usize::try_from(u32::from_le_bytes(len)).unwrap();
                sealed(block.to_vec(), len.clamp(64, 65_536))
            }
            _ => block.to_vec(),
        };
        put(*place, &block);
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
    let path = std::env::temp_dir().join(format!("assay-fuzz-{}.vhdx", std::process::id()));
    write(&path, bytes);
    let parent =
        std::env::temp_dir().join(format!("assay-fuzz-{}-parent.vhdx", std::process::id()));
    if !parent.exists() {
        write(&parent, PARENT);
    }
    let options = OpenOptions { parents: vec![parent], ..OpenOptions::default() };
    let Ok(container) = Container::open(&path, &options) else { return };
    if container.facts().format != Format::Vhdx {
        return;
    }
    // What `--features planted` adds: a claim that fails once a sealed log entry was changed.
    #[cfg(feature = "planted")]
    if let Some(count) = container.facts().details.get("log_entries_replayed_in_memory") {
        assert!(count == "3", "planted: {count} entries of the log");
    }
    let whole = read(&container, 1 << 16);
    assert!(whole == read(&container, 77_777), "two ways of reading disagree");
});
