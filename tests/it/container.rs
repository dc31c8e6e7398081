//! Containers of disk images: raw, split raw, EWF and virtual disks, whole and damaged.

#[path = "container/ewf.rs"]
mod ewf;
#[path = "container/ewf_damage.rs"]
mod ewf_damage;
#[path = "container/qcow2.rs"]
mod qcow2;
#[path = "container/raw.rs"]
mod raw;
#[path = "container/vhd.rs"]
mod vhd;
#[path = "container/vhd_damage.rs"]
mod vhd_damage;
#[path = "container/virtual_disk.rs"]
mod virtual_disk;
#[path = "container/vmdk.rs"]
mod vmdk;

use std::path::{Path, PathBuf};

use assay::bytes::{ReadAt, Unreadable};
use assay::evidence::container::{Container, ContainerError, OpenOptions};
use assay::problem::Code;

fn open(path: &Path) -> Result<Container, ContainerError> {
    Container::open(path, &OpenOptions::default())
}

/// Every byte that can be read, in reads of `step` bytes, and the ranges that cannot.
fn decode(media: &dyn ReadAt, step: usize) -> (Vec<u8>, Vec<(u64, u64, Code)>) {
    let (mut bytes, mut holes) = (Vec::new(), Vec::new());
    let mut buf = vec![0; step];
    while (bytes.len() as u64) < media.len() {
        let at = bytes.len() as u64;
        match media.read_at(at, &mut buf) {
            Ok(0) => panic!("ends at {at} of {}", media.len()),
            Ok(n) => bytes.extend(&buf[..n]),
            Err(error) => {
                let hole = Unreadable::of(&error).unwrap_or_else(|| panic!("{error}")).clone();
                assert!(hole.range.contains(&at), "{at} is not in {hole:?}");
                holes.push((hole.range.start, hole.range.end, hole.code));
                bytes.resize(hole.range.end as usize, 0);
            }
        }
    }
    (bytes, holes)
}

/// A file of public test data, where it is at hand.
fn public(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ASSAY_CORPORA") else {
        crate::support::skip("ASSAY_CORPORA is unset");
        return None;
    };
    Some(Path::new(&folder).join("dfvfs").join(name))
}
