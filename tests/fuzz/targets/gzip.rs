//! gzip of any bytes: children in turn, an end that says what is wrong, no panic.

#![no_main]

use std::ops::ControlFlow;

use assay::bytes::Slice;
use assay::unpack::{Child, Children, End, Format, expand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let mut taken = Taken::default();
    let end = expand(Format::Gzip, &Slice(bytes), &mut taken);
    assert!(!taken.open || taken.bytes > MOST, "a child was left open");
    assert!(taken.whole || !end.is_whole(), "whole, with a child that is not");
    // A name that only a header with the right flag has.
    #[cfg(feature = "planted")]
    assert!(taken.name < 3 || !end.is_whole(), "planted: a name of three bytes");
});

/// Writes a member with a name and one with every other field where run.sh looks for first inputs.
fn seed() {
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        let folder = std::path::Path::new(&folder);
        let member = b"\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0";
        let name = [b"\x1f\x8b\x08\x08\0\0\0\0\0\xffa\0".as_slice(), member].concat();
        let fields = b"\x1f\x8b\x08\x16\x01\0\0\0\0\xff\x02\0ExC\0\x2a\x2a".as_slice();
        let _ = std::fs::write(folder.join("fields"), [fields, member].concat());
        let _ = std::fs::write(folder.join("two-members"), [name.as_slice(), &name].concat());
        let _ = std::fs::write(folder.join("name"), name);
    }
}

const MOST: usize = 1 << 20;

#[derive(Default)]
struct Taken {
    open: bool,
    whole: bool,
    bytes: usize,
    name: usize,
}

impl Children for Taken {
    fn begin(&mut self, child: &Child) -> ControlFlow<()> {
        assert!(!std::mem::replace(&mut self.open, true));
        self.name = child.name.len();
        ControlFlow::Continue(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        assert!(self.open && !bytes.is_empty());
        self.bytes += bytes.len();
        if self.bytes > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self, end: &End) -> ControlFlow<()> {
        assert!(std::mem::take(&mut self.open));
        self.whole = end.is_whole();
        ControlFlow::Continue(())
    }
}
