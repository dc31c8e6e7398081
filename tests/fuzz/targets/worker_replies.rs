//! The main process with a worker that says anything: its children begin, go on and end in turn and
//! within the limits, and nothing panics.

#![no_main]

use std::ops::ControlFlow;

use assay::unpack::{Child, Children, End};
use assay::worker::{Receive, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: seed(),
    |said: &[u8]| {
        let mut taken = Taken::default();
        let _outcome = fuzzing::main_side(said, &mut taken);
    }
);

/// Writes good conversations where run.sh looks for first inputs.
fn seed() {
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        for (name, bytes) in fuzzing::seeds(false) {
            let _ = std::fs::write(std::path::Path::new(&folder).join(name), bytes);
        }
    }
}

#[derive(Default)]
struct Taken {
    open: bool,
    children: u32,
    bytes: u64,
}

impl Children for Taken {
    fn begin(&mut self, child: &Child) -> ControlFlow<()> {
        assert!(!self.open, "a child begins in another one");
        assert!(child.name.len() <= assay::unpack::LONGEST_NAME);
        self.open = true;
        self.children += 1;
        assert!(self.children <= fuzzing::LIMITS.children);
        ControlFlow::Continue(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        assert!(self.open && !bytes.is_empty());
        // A length check that is wrong: the room is for 64 bytes.
        #[cfg(feature = "planted")]
        if bytes.len() < 100 {
            let mut room = [0_u8; 64];
            let fits = room.get_mut(..bytes.len());
            fits.expect("planted: a piece does not fit its room").copy_from_slice(bytes);
        }
        self.bytes += bytes.len() as u64;
        assert!(self.bytes <= fuzzing::LIMITS.bytes);
        ControlFlow::Continue(())
    }

    fn end(&mut self, end: &End) -> ControlFlow<()> {
        assert!(std::mem::take(&mut self.open), "an end without a child");
        if let End::Partial(text) = end {
            assert!(!text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
        if self.children == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Receive for Taken {
    fn restart(&mut self) {
        panic!("nothing is tried again here");
    }
}
