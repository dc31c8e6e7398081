//! Whether a file inside evidence is a disk image, by its content.
//!
//! A container is known by its mark. Bytes without a container are taken for a medium only where a
//! partition table leads to something that is recognised, or where the boot record or superblock of a
//! file system has fields that fit each other and the length of the file: millions of ordinary files
//! are looked at. Of a file whose name is that of an image less is asked, since one that was cut
//! short, or holds what is only recognised, is one all the same.
//!
//! Sources: Microsoft, "FAT32 File System Specification" 1.03; "exFAT file system specification"; B.
//! Carrier, "File System Forensic Analysis", chapter 13; Linux, Documentation/filesystems/ext4;
//! ECMA-119, section 8.4.

use crate::bytes::{Block, ReadAt, Truncated};
use crate::evidence::container::{self, Told};
use crate::evidence::partition::{self, Role, Scheme};
use crate::evidence::recognise::{self, Recognised};

/// Bytes of the start that decide for nearly all files that they are no images.
pub const HEAD: usize = 4096;
/// Bytes of the end that are looked at.
pub const TAIL: usize = 512;
/// The first byte and the bytes of what an ISO 9660 volume is told by.
const ISO: (u64, usize) = (32_768, 176);

/// What a file is that is more than a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// An image in a container that is read.
    Container,
    /// The text that lists the files of a VMDK.
    Descriptor,
    /// A medium byte for byte.
    Raw,
    /// An image that is not read: what it is, what to do.
    Refused(&'static str, &'static str),
}

/// Tells what a file is; `None` for what is no image, and for what cannot be read.
///
/// - `extension`: of its name, in lower case.
pub fn inside(file: &dyn ReadAt, extension: &[u8]) -> Option<Inside> {
    let mut head = [0; HEAD];
    let n = file.fill_at(0, &mut head).ok()?;
    let head = head.get(..n)?;
    let mut tail = [0; TAIL];
    let last = file.len().saturating_sub(u64::try_from(TAIL).unwrap_or(0));
    let n = file.fill_at(last, &mut tail).ok()?;
    let named = is_named(extension);
    match container::told_inside(head, tail.get(..n)?, extension) {
        Told::Container => Some(Inside::Container),
        Told::Descriptor => Some(Inside::Descriptor),
        Told::Refused(format, advice) => Some(Inside::Refused(format, advice)),
        Told::Nothing => is_medium(file, head, named).then_some(Inside::Raw),
    }
}

/// A first look, at the bytes of the start and the end: false for what [`inside`] says nothing of.
pub fn may_be_inside(head: &[u8], tail: &[u8], extension: &[u8]) -> bool {
    let at = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let boot = at(510, &[0x55, 0xAA])
        || at(3, b"NTFS ")
        || at(3, b"EXFAT")
        || (at(0, &[0xEB]) || at(0, &[0xE9])) && (at(54, b"FAT") || at(82, b"FAT"));
    let clear = || head.get(..512).is_some_and(|sector| sector.iter().all(|byte| *byte == 0));
    boot || at(512, b"EFI PART")
        || at(1080, b"\x53\xef")
        || is_named(extension)
        || container::told_inside(head, tail, extension) != Told::Nothing
        || clear()
}

/// True for the extensions that raw images have.
fn is_named(extension: &[u8]) -> bool {
    const NAMES: [&[u8]; 9] =
        [b"img", b"dd", b"raw", b"iso", b"ima", b"001", b"000", b"bin", b"vmdk"];
    NAMES.contains(&extension)
}

fn is_medium(file: &dyn ReadAt, head: &[u8], named: bool) -> bool {
    is_volume(file, head, named).unwrap_or(false) || is_iso(file, head, named) || {
        let marked = |at: usize, mark: &[u8]| {
            at.checked_add(mark.len()).and_then(|end| head.get(at..end)) == Some(mark)
        };
        let table = marked(510, &[0x55, 0xAA]) || marked(512, b"EFI PART");
        (table || head.len() == HEAD && starts_gpt_of_4096(file)) && is_divided(file, named)
    }
}

fn starts_gpt_of_4096(file: &dyn ReadAt) -> bool {
    let mut mark = [0; 8];
    file.fill_at(4096, &mut mark).is_ok() && &mark == b"EFI PART"
}

/// True where the file begins as a file system does; an error where it is too short for one.
fn is_volume(file: &dyn ReadAt, head: &[u8], named: bool) -> Result<bool, Truncated> {
    let block = Block::new(head, 0);
    let len = file.len();
    Ok(match recognise::boot_sector(file) {
        Some(Recognised::Fat) => {
            let sector = u64::from(block.u16_le(11)?);
            let small = u64::from(block.u16_le(19)?);
            let sectors = if small > 0 { small } else { u64::from(block.u32_le(32)?) };
            let fat = u64::from(block.u16_le(14)?).saturating_mul(sector);
            let mut first = [0; 3];
            let read = file.fill_at(fat, &mut first).is_ok_and(|n| n == 3);
            // The table begins with the byte of the medium, then ones.
            let begins = read && first.first() == Some(&block.u8(21)?) && first.ends_with(&[0xFF]);
            begins && (named || sectors.saturating_mul(sector) <= len)
        }
        Some(Recognised::Exfat) => {
            let sector = 1_u64.checked_shl(block.u8(108)?.into()).unwrap_or(u64::MAX);
            let clear = block.slice(11, 53)?.bytes().iter().all(|byte| *byte == 0);
            clear && (named || block.u64_le(72)?.saturating_mul(sector) <= len)
        }
        Some(Recognised::Ntfs) => {
            let sector = u64::from(block.u16_le(11)?);
            let cluster = sector.saturating_mul(u64::from(block.u8(13)?));
            let mut record = [0; 4];
            let at = block.u64_le(48)?.saturating_mul(cluster);
            let _nothing_is_no_mark = file.fill_at(at, &mut record);
            &record == b"FILE" && (named || block.u64_le(40)?.saturating_mul(sector) <= len)
        }
        Some(_) => named,
        None if block.u16_le(1080)? == 0xEF53 => {
            let log = block.u32_le(1048)?;
            let (blocks, inodes) = (u64::from(block.u32_le(1028)?), block.u32_le(1024)?);
            let size = 1024_u64.checked_shl(log).filter(|_| log <= 6).unwrap_or(u64::MAX);
            let first = u32::from(log == 0);
            let fields = block.u32_le(1044)? == first || block.u32_le(1044)? == 0;
            let groups = block.u32_le(1056)? > 0 && block.u32_le(1064)? > 0;
            let sane = fields && groups && inodes > 0 && blocks > 0 && block.u32_le(1100)? <= 1;
            sane && (named || blocks.saturating_mul(size) <= len)
        }
        None => named && recognise::by_signature(file).is_some(),
    })
}

/// True for an ISO 9660 volume: its numbers stand there in both orders of bytes.
fn is_iso(file: &dyn ReadAt, head: &[u8], named: bool) -> bool {
    // What stands before it is empty, or a boot record of a hybrid.
    let before = head.get(..512).unwrap_or_default();
    if !named && !before.ends_with(&[0x55, 0xAA]) && before.iter().any(|byte| *byte != 0) {
        return false;
    }
    let (at, size) = ISO;
    let mut descriptor = vec![0; size];
    if file.fill_at(at, &mut descriptor).ok() != Some(size) {
        return false;
    }
    let block = Block::new(&descriptor, at);
    let read = || -> Result<bool, Truncated> {
        let blocks = block.u32_le(80)?;
        let bytes = u64::from(blocks).saturating_mul(u64::from(block.u16_le(128)?));
        Ok(block.array::<7>(0)? == *b"\x01CD001\x01"
            && blocks == block.u32_be(84)?
            && block.u16_le(128)? == block.u16_be(130)?
            && blocks > 0
            && (named || bytes <= file.len()))
    };
    read().unwrap_or(false)
}

/// True where a partition table leads to something that is recognised.
fn is_divided(file: &dyn ReadAt, named: bool) -> bool {
    let layout = partition::read(file, 512);
    if layout.scheme == Scheme::None {
        return false;
    }
    let mut volumes = layout.parts.iter().filter(|part| part.role == Role::Volume);
    volumes.any(|part| {
        let within = part.start > 0 && part.len > 0;
        within && (named || recognise::by_signature(&Part { file, part }).is_some())
    })
}

/// A partition of a file.
struct Part<'a> {
    file: &'a dyn ReadAt,
    part: &'a partition::Part,
}

impl ReadAt for Part<'_> {
    fn len(&self) -> u64 {
        self.part.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.part.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let place = self.part.start.checked_add(at);
        match (place, buf.get_mut(..left.min(buf.len()))) {
            (Some(place), Some(buf)) if !buf.is_empty() => self.file.read_at(place, buf),
            _ => Ok(0),
        }
    }
}
