//! ext2, ext3 and ext4: any bytes as a volume; the classes of its bytes sum, paths differ.

#![no_main]

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::evidence::filesystem::{FileSystem, ext::Ext};
use assay::item::ObjectPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let volume: Arc<[u8]> = Arc::from(bytes);
    let Ok(volume) = Ext::open(Arc::new(volume)) else { return };
    let mut paths = HashSet::new();
    let root = ObjectPath::evidence(1).given_inside("p0");
    let listing = volume.list(&root, &AtomicBool::new(false), &mut |node| {
        assert!(paths.insert(node.path.text()), "two objects of one path");
        ControlFlow::Continue(())
    });
    assert_eq!(listing.bytes.total(), u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    // What `--features planted` adds, in every target: a claim that does not hold.
    #[cfg(feature = "planted")]
    assert!(listing.directories == 0, "planted: a folder was listed");
});
