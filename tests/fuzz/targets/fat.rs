//! A FAT volume of any bytes: no panic, every object within the volume and once, every byte in one
//! class.
//!
//! An input is the head of a volume, where its tables and folders are; the rest reads as zeros.

#![no_main]

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::fat::{CodePage, Fat};
use assay::evidence::filesystem::{FileSystem, NodeContent};
use assay::item::{ObjectPath, Place};
use libfuzzer_sys::fuzz_target;

/// Bytes of every volume.
const LEN: u64 = 4 << 20;

struct Head(Vec<u8>);

impl ReadAt for Head {
    fn len(&self) -> u64 {
        LEN
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(usize::try_from(LEN.saturating_sub(at)).unwrap());
        buf[..n].fill(0);
        self.0[..].read_at(at, &mut buf[..n])?;
        Ok(n)
    }
}

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let page = CodePage::new(437).unwrap();
    let Ok(fat) = Fat::open(Arc::new(Head(bytes.to_vec())), page) else { return };
    let (mut paths, root) = (BTreeSet::new(), ObjectPath::evidence(1).given_inside("p1"));
    let listing = fat.list(&root, &AtomicBool::new(false), &mut |node| {
        assert!(paths.insert(node.path.text()), "two objects of one path");
        if let NodeContent::Extents(extents) = &node.content {
            let sum = extents.iter().map(|extent| extent.len).sum();
            assert_eq!(node.meta.size, Some(sum));
            // What a chain that breaks early makes.
            #[cfg(feature = "planted")]
            assert!(extents.len() < 2, "planted: a content in two runs");
            for extent in extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at + extent.len <= LEN);
                }
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), LEN, "{:?}", listing.bytes);
});

/// Writes the heads of the images of our own where run.sh looks for first inputs.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    for name in ["fat12", "fat16", "fat16-4k", "overwritten", "damaged"] {
        let path = format!("{}/../data/images/{name}.img.gz", env!("CARGO_MANIFEST_DIR"));
        let unpacked = std::process::Command::new("gzip").args(["-dc", &path]).output();
        if let Ok(output) = unpacked {
            let head = output.stdout.get(..65_536).unwrap_or_default();
            let _ = std::fs::write(std::path::Path::new(&folder).join(name), head);
        }
    }
}
