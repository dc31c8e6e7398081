//! The type of a content and its structural length, from any bytes.

#![no_main]

use assay::bytes::ReadAt;
use assay::signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(kind) = signature::detect(bytes) else { return };
    let source = Bytes(bytes.to_vec());
    if let Some(length) = signature::structural_length(kind, &source, 0) {
        let _ = format!("{length:?}");
    }
    // What `--features planted` adds, in every target: a claim that does not hold.
    #[cfg(feature = "planted")]
    assert!(kind != assay::signature::FileType::Gif, "planted: a GIF was told");
});

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        ReadAt::len(self.0.as_slice())
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.as_slice().read_at(at, buf)
    }
}
