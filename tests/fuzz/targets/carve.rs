//! Carving: any bytes as free space, in two runs, with blocks of 64 bytes so that fragments fit.
//!
//! What is found lies in the runs, in the order of its first byte, and its lengths sum.

#![no_main]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::carve::{Space, carve};
use assay::item::Place;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, volume)) = bytes.split_first() else { return };
    let len = volume.len() as u64;
    let volume: Arc<[u8]> = volume.into();
    let volume: Arc<dyn ReadAt> = Arc::new(volume);
    let hole = len * u64::from(*choice) / 256 / 64 * 64;
    let runs = if choice & 1 == 1 { vec![(0, hole), (hole + 64, len)] } else { vec![(0, len)] };
    let space = Space { runs, block: 64 };
    let mut last = None;
    let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |found| {
        // What `--features planted` adds, in every target: a claim that does not hold.
        #[cfg(feature = "planted")]
        assert!(!found.validated, "planted: something whole was found");
        let mut sum = 0;
        for extent in &found.extents {
            let Place::Disk(at) = extent.place else { panic!("{extent:?}") };
            assert!(at + extent.len <= len);
            assert!(choice & 1 == 0 || at + extent.len <= hole || at >= hole + 64);
            sum += extent.len;
        }
        assert_eq!(sum, found.len);
        let Some(Place::Disk(first)) = found.extents.first().map(|extent| &extent.place) else {
            panic!("a find without bytes");
        };
        assert!(last.is_none_or(|last| last < *first));
        last = Some(*first);
        ControlFlow::Continue(())
    });
    assert!(summary.bytes_searched <= len);
});
