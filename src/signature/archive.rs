//! Archives and compressed streams whose mark alone is too weak; the kinds of `ar`.
//!
//! Sources: RFC 1952 (gzip); the bzip2 and LZMA file format notes of their authors; compress(1);
//! POSIX.1-1988 for tar without its later mark; cpio(5); ARJ technical note; LHA header notes.

use super::FileType;
use crate::bytes::Block;

/// The first of these formats whose fields make sense.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    match head.bytes() {
        // Deflate, and none of the reserved flags.
        [0x1f, 0x8b, 8, flags, rest @ ..] if flags & 0xe0 == 0 && rest.len() >= 6 => {
            Some(FileType::Gzip)
        }
        [b'B', b'Z', b'h', b'1'..=b'9', block @ ..] if is_bzip2_block(block) => {
            Some(FileType::Bzip2)
        }
        [0x1f, 0x9d, flags, codes @ ..] if is_compress(*flags, codes) => Some(FileType::Compress),
        [0x60, 0xea, ..] if is_arj(head).unwrap_or(false) => Some(FileType::Arj),
        [_, _, b'-', b'l', b'h' | b'z', method, b'-', ..] if is_lzh(*method, head) => {
            Some(FileType::Lzh)
        }
        [b'0', b'7', b'0', b'7', b'0', kind, fields @ ..] if is_cpio_text(*kind, fields) => {
            Some(FileType::Cpio)
        }
        [0xc7, 0x71, ..] if is_cpio_binary(head, u16::from_le_bytes).unwrap_or(false) => {
            Some(FileType::Cpio)
        }
        [0x71, 0xc7, ..] if is_cpio_binary(head, u16::from_be_bytes).unwrap_or(false) => {
            Some(FileType::Cpio)
        }
        [0..=224, 0, 0, ..] if is_lzma(head).unwrap_or(false) => Some(FileType::Lzma),
        bytes if is_tar_header(bytes) => Some(FileType::Tar),
        _ => None,
    }
}

/// A Debian package where the first member is the one that such a package opens with.
pub(super) fn ar_kind(head: Block<'_>) -> FileType {
    match head.array::<13>(8) {
        Ok(name) if &name == b"debian-binary" => FileType::Deb,
        _ => FileType::Ar,
    }
}

/// The mark of a block, or of the end of an empty stream.
fn is_bzip2_block(block: &[u8]) -> bool {
    block.starts_with(b"\x31\x41\x59\x26\x53\x59") || block.starts_with(b"\x17\x72\x45\x38\x50\x90")
}

/// The first codes, nine bits each, cannot be higher than the table has grown by then.
fn is_compress(flags: u8, codes: &[u8]) -> bool {
    const CODES: usize = 16;
    let bits = flags & 0x1f;
    if flags & 0x60 != 0 || !(9..=16).contains(&bits) {
        return false;
    }
    let mut highest = 255_u32;
    for index in 0..CODES {
        let Some(bit) = index.checked_mul(9) else { return false };
        let Some([low, high]) = codes.get(bit >> 3..).and_then(|rest| rest.first_chunk::<2>())
        else {
            break;
        };
        let code = u32::from(u16::from_le_bytes([*low, *high])) >> (bit & 7) & 0x1ff;
        if code > highest {
            return false;
        }
        highest = if index == 0 { 256 } else { highest.saturating_add(1) };
    }
    codes.len() >= 2
}

/// The basic header carries its own CRC-32.
fn is_arj(head: Block<'_>) -> Option<bool> {
    let len = head.u16_le(2).ok()?;
    let header = head.slice(4, usize::from(len)).ok()?;
    let stored = head.u32_le(usize::from(len).checked_add(4)?).ok()?;
    Some((30..=2600).contains(&len) && crc32fast::hash(header.bytes()) == stored)
}

/// A known method and header level.
fn is_lzh(method: u8, head: Block<'_>) -> bool {
    matches!(method, b'0'..=b'7' | b'd' | b's' | b'x') && head.u8(20).is_ok_and(|level| level <= 3)
}

/// The ASCII forms: numbers follow the mark.
fn is_cpio_text(kind: u8, fields: &[u8]) -> bool {
    match kind {
        b'1' | b'2' => {
            fields.first_chunk::<104>().is_some_and(|f| f.iter().all(u8::is_ascii_hexdigit))
        }
        b'7' => {
            fields.first_chunk::<70>().is_some_and(|f| f.iter().all(|b| matches!(b, b'0'..=b'7')))
        }
        _ => false,
    }
}

/// The binary form: a file type, and a name of exactly its stated length.
fn is_cpio_binary(head: Block<'_>, number: fn([u8; 2]) -> u16) -> Option<bool> {
    let mode = number(head.array(6).ok()?);
    let name_size = usize::from(number(head.array(20).ok()?));
    let name = head.slice(26, name_size.min(1024)).ok()?;
    let (last, text) = name.bytes().split_last()?;
    let typed = matches!(mode >> 12, 0 | 1 | 2 | 4 | 6 | 8 | 9 | 10 | 12);
    Some(typed && *last == 0 && !text.is_empty() && text.iter().all(|b| *b >= 32))
}

/// Properties, a dictionary of a usual size, and a length that is unknown or below 1 TiB.
fn is_lzma(head: Block<'_>) -> Option<bool> {
    let (dictionary, size) = (head.u32_le(1).ok()?, head.u64_le(5).ok()?);
    let usual = |n: u32| n.is_power_of_two() || (n.is_multiple_of(3) && (n / 3).is_power_of_two());
    let sized = size == u64::MAX || (1..1 << 40).contains(&size);
    // The range coder's first byte is always 0, the next ones all but never.
    let coded = head.u8(13).ok()? == 0 && head.u32_be(14).ok()? != 0;
    Some(head.u8(0).ok()? == 0x5d && dictionary >= 4096 && usual(dictionary) && sized && coded)
}

/// A tar header without the POSIX mark: its checksum holds.
fn is_tar_header(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<512>() else { return false };
    let (Some(field), Some(name)) = (header.get(148..156), header.first()) else { return false };
    let Some(stored) = octal(field) else { return false };
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    let own: u32 = field.iter().map(|b| u32::from(*b)).sum();
    // The checksum counts itself as eight spaces.
    *name != 0 && sum.checked_sub(own).and_then(|sum| sum.checked_add(256)) == Some(stored)
}

/// An octal number between spaces and NULs, of at least three digits.
fn octal(field: &[u8]) -> Option<u32> {
    let text = field.trim_ascii_start();
    let digits = text.iter().position(|b| !matches!(b, b'0'..=b'7')).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.len() < 3 || !rest.iter().all(|b| matches!(b, 0 | b' ')) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}
