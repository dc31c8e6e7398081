//! The bytes of a compiled file: mapped where that is safe, else read into memory.
//!
//! A mapped page that cannot be read ends the process (SIGBUS), and so does a file that another
//! process cuts. So only a file on a local disk is mapped: not on a network share, a stick with FAT
//! or exFAT, a disc, or anything behind FUSE, by the type that statfs(2) gives. Compiled files are
//! never changed in place: `assay hashset build` gives a new file the name by rename(2), and the
//! mapping keeps the old one.
//!
//! Magic numbers of file systems: statfs(2).

#![allow(
    unsafe_code,
    reason = "mmap gives a slice only through a raw pointer; see Mapping, prefetch"
)]

use std::fs::File;
use std::io::{self, Read as _};

use rustix::mm::{MapFlags, ProtFlags};

/// How the bytes are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Mapped where the file system is local, else read.
    #[default]
    Mapped,
    /// Read into memory.
    InMemory,
}

/// File systems of local disks: ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, overlay, bcachefs.
const LOCAL: [i64; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0x794c_7630,
    0xca45_1a4e,
];

/// A file's bytes.
pub(super) enum Bytes {
    Mapped(Mapping),
    Held(Vec<u8>),
}

impl Bytes {
    /// The bytes of a file of `len` bytes.
    ///
    /// # Errors
    /// The system's; also where memory does not hold it.
    pub(super) fn of(file: &mut File, len: usize, access: Access) -> io::Result<Self> {
        if access == Access::Mapped && len > 0 && is_local(file) {
            return Ok(Self::Mapped(Mapping::of(file, len)?));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        wish_huge_pages(&mut bytes);
        bytes.resize(len, 0);
        file.read_exact(&mut bytes)?;
        Ok(Self::Held(bytes))
    }

    /// All of them.
    pub(super) const fn all(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => mapping.bytes(),
            Self::Held(bytes) => bytes.as_slice(),
        }
    }

    /// True where they are mapped.
    pub(super) const fn is_mapped(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }
}

/// Asks memory for what lies at a place of a file's bytes and does not wait for it. A page that is
/// not in memory stays where it is.
pub(super) fn prefetch(bytes: &[u8], at: u64) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get(at)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads nothing that the program sees and fails at no address; this
        // one is of a byte of the slice. Every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// Asks for pages of 2 MiB under a buffer that nothing was written to yet: half of what a look-up in
/// a large table waits for is the address of its page.
fn wish_huge_pages(bytes: &mut Vec<u8>) {
    let start = bytes.as_mut_ptr();
    let before = start.align_offset(HUGE);
    let pages = bytes.capacity().saturating_sub(before).checked_div(HUGE).unwrap_or(0);
    let (start, len) = (start.wrapping_add(before).cast(), pages.saturating_mul(HUGE));
    let advice = rustix::mm::Advice::LinuxHugepage;
    // SAFETY: these whole pages lie within the buffer, which is borrowed mutably (there are none
    // where `len` is 0); the advice changes how memory is given, not what is in it.
    let advised = unsafe { rustix::mm::madvise(start, len, advice) };
    let _no_more_than_a_wish = advised;
}

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// True where the file lies on a disk of this machine.
fn is_local(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|fs| LOCAL.contains(&fs.f_type))
}

/// A file's bytes, mapped read-only.
pub(super) struct Mapping {
    at: *mut std::ffi::c_void,
    len: usize,
}

// SAFETY: the mapping is only read, through shared references, and belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the `len` bytes that the file has.
    fn of(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address the kernel picks replaces none; the file is open
        // here and was just seen to be `len` bytes long, which are more than 0.
        let at = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, file, 0)?
        };
        Ok(Self { at, len })
    }

    const fn bytes(&self) -> &[u8] {
        // SAFETY: `at` is the start of a readable mapping of `len` bytes that lives until `self`
        // is dropped. The file is the operator's own and is changed by nobody while a run uses it:
        // this program replaces such files and never writes into them. Whoever does so regardless
        // changes bytes that were verified, or ends the process; no bytes are trusted for more
        // than their values, so every value is handled.
        unsafe { std::slice::from_raw_parts(self.at.cast::<u8>(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `at` and `len` are a mapping that `of` made, unmapped nowhere else; no slice of
        // it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.at, self.len) };
    }
}
