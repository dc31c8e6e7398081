//! A worker with a main process that says anything: it answers or refuses, never panics, and what it
//! says is of the protocol.

#![no_main]

use assay::worker::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: seed(),
    |said: &[u8]| {
        let answer = fuzzing::worker_side(said);
        fuzzing::understand(&answer);
        // A bound that an answer of several frames passes.
        #[cfg(feature = "planted")]
        assert!(answer.len() <= 2_000, "planted: an answer is longer than 2,000 bytes");
    }
);

/// Writes good conversations where run.sh looks for first inputs.
fn seed() {
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        for (name, bytes) in fuzzing::seeds(true) {
            let _ = std::fs::write(std::path::Path::new(&folder).join(name), bytes);
        }
    }
}
