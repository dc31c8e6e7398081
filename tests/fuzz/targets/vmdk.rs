//! A VMDK in one file of any bytes, sparse or stream, or a descriptor that lists itself: opened and
//! read in two ways that must agree.

#![no_main]

use assay::bytes::{ReadAt as _, Unreadable};
use assay::evidence::container::{Container, OpenOptions};
use libfuzzer_sys::fuzz_target;

/// Bytes of a medium that are read at most; the length of one is whatever the image says.
const MOST: u64 = 1 << 20;

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
    if !bytes.starts_with(b"KDMV") && !bytes.starts_with(b"# Disk DescriptorFile") {
        return;
    }
    // A folder of its own: what the descriptor names is looked for there.
    let folder = std::env::temp_dir().join(format!("assay-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    let path = folder.join("tiny.vmdk");
    std::fs::write(&path, bytes).expect("the folder for temporary files is writable");
    let Ok(container) = Container::open(&path, &OpenOptions::default()) else { return };
    // What `--features planted` adds: a claim that fails once an adapter of another kind is stated.
    #[cfg(feature = "planted")]
    if let Some(adapter) = container.facts().details.get("adapter") {
        assert!(adapter == "ide", "planted: the adapter {adapter:?}");
    }
    let whole = read(&container, 1 << 16);
    assert!(whole == read(&container, 777), "two ways of reading disagree");
    if let Some(far) = container.len().checked_sub(3000) {
        let _ = container.read_at(far, &mut [0; 4000]);
    }
});
