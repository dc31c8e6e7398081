//! Content in memory that two processes see: written once, sealed, passed on, mapped read-only.
//!
//! A sealed memory file can neither grow, shrink nor be written again, so the mapping of the one
//! who receives it is a plain slice of bytes: nobody can change it under him, and no access to it
//! faults.

#![allow(unsafe_code, reason = "mmap gives a slice only through a raw pointer; see Mapping")]

use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Every way to change the file after it was written.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// A memory file with these bytes, sealed.
///
/// # Errors
/// The system's, where memory or descriptors are short.
pub(super) fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(rustix::fs::memfd_create(c"object", flags)?);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// [`sealed`], waiting while the system is short of memory or descriptors.
pub(super) fn sealed_patiently(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut attempts = 0_u32;
    loop {
        match sealed(bytes) {
            Err(_) if attempts < 100 => {
                attempts = attempts.saturating_add(1);
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// Sends bytes and, with the first of them, a descriptor. Returns how many bytes were taken.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], file: Option<&OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = file.map(AsFd::as_fd);
    if files.is_some() {
        control.push(SendAncillaryMessage::ScmRights(files.as_slice()));
    }
    let sent =
        rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(sent)
}

/// Receives bytes and the descriptor that came with them; 0 bytes at the end of the stream.
pub(super) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = rustix::net::recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut file = None;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = part {
            file = files.into_iter().next().or(file);
        }
    }
    Ok((message.bytes, file))
}

/// The bytes of a memory file, mapped read-only.
pub(super) struct Mapping {
    at: *mut std::ffi::c_void,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of a file that is sealed and at least as long.
    ///
    /// # Errors
    /// The system's, where the address space is short; [`Errno::INVAL`] where the file is not
    /// sealed, not as long, or `len` is 0.
    pub(super) fn of(file: &OwnedFd, len: usize) -> Result<Self, Errno> {
        let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        let enough = u64::try_from(len).is_ok_and(|len| len > 0 && len <= size);
        if !enough || !rustix::fs::fcntl_get_seals(file)?.contains(SEALS) {
            return Err(Errno::INVAL);
        }
        // SAFETY: a new mapping at an address the kernel picks replaces none; the arguments are
        // a file that is open here and a length that was just compared with its size.
        let at = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )?
        };
        Ok(Self { at, len })
    }

    /// The content.
    pub(super) const fn bytes(&self) -> &[u8] {
        // SAFETY: `at` is the start of a readable mapping of `len` bytes that lives until `self`
        // is dropped. The file is sealed (checked in `of`): it cannot be written or cut by anyone,
        // so the bytes are initialised, do not change, and reading them does not fault.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_pass_a_socket_with_their_file_and_cannot_be_changed() {
        let content: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert_eq!(send(&ours, b"head", Some(&sealed(&content).unwrap())).unwrap(), 4);
        let mut head = [0; 4];
        let (n, file) = receive(&theirs, &mut head).unwrap();
        assert_eq!((n, &head), (4, b"head"));
        let file = file.expect("a file came");
        assert_eq!(Mapping::of(&file, content.len()).unwrap().bytes(), content);
        let mut writer = std::fs::File::from(file.try_clone().unwrap());
        assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn a_file_that_could_change_or_is_too_short_is_not_mapped() {
        let open = rustix::fs::memfd_create(c"open", MemfdFlags::ALLOW_SEALING).unwrap();
        std::fs::File::from(open.try_clone().unwrap()).write_all(b"abc").unwrap();
        assert_eq!(Mapping::of(&open, 3).map(|_| ()), Err(Errno::INVAL));
        let short = sealed(b"abc").unwrap();
        assert_eq!(Mapping::of(&short, 4).map(|_| ()), Err(Errno::INVAL));
        assert_eq!(Mapping::of(&short, 0).map(|_| ()), Err(Errno::INVAL));
    }
}
