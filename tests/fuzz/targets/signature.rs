//! The type of a content and its structural length, from any bytes.

#![no_main]

use assay::bytes::Slice;
use assay::signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(kind) = signature::detect(bytes) else { return };
    if let Some(length) = signature::structural_length(kind, &Slice(bytes), 0) {
        let _ = format!("{length:?}");
    }
    // What `--features planted` adds, in every target: a claim that does not hold.
    #[cfg(feature = "planted")]
    assert!(kind != assay::signature::FileType::Gif, "planted: a GIF was told");
});
