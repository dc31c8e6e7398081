//! Programs, fonts, registry hives and mail stores whose mark needs a second look.
//!
//! Sources: Microsoft, "PE Format"; System V ABI, chapter 4 (ELF); Apple `mach-o/fat.h`; Java
//! Virtual Machine Specification, 4.1; OpenType 1.9, "Organization of an OpenType Font"; \[MS-PST\]
//! 2.2.2.6; M. Suhanov, "Windows registry file format specification".

use super::FileType;
use crate::bytes::Block;

/// The first of these formats whose fields make sense.
pub(super) fn detect(head: Block<'_>) -> Option<FileType> {
    match head.bytes() {
        [b'M', b'Z', ..] if has_new_header(head).unwrap_or(false) => Some(FileType::Pe),
        [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..] => Some(FileType::Elf),
        [0xca, 0xfe, 0xba, 0xbe, ..] => class_or_fat(head),
        [0, 1, 0, 0, ..] | [b'O', b'T', b'T', b'O', ..] | [b't', b'r', b'u', b'e', ..]
            if has_font_table(head).unwrap_or(false) =>
        {
            Some(FileType::Font)
        }
        [b'!', b'B', b'D', b'N', _, _, _, _, b'S', b'M', ..] => Some(FileType::Pst),
        // Major version 1, minor version below 7.
        [b'r', b'e', b'g', b'f', ..]
            if head.u32_le(20) == Ok(1) && head.u32_le(24).is_ok_and(|minor| minor < 7) =>
        {
            Some(FileType::Registry)
        }
        _ => None,
    }
}

/// The header that the DOS header points to: PE, or its 16-bit and mixed forerunners.
fn has_new_header(head: Block<'_>) -> Option<bool> {
    let at = usize::try_from(head.u32_le(0x3c).ok()?).ok()?;
    let pe = head.array(at) == Ok(*b"PE\0\0");
    // The older two letters need more: the relocations of such a file lie behind byte 64.
    let older = matches!(&head.array::<2>(at).ok()?, b"NE" | b"LE" | b"LX");
    Some(pe || (older && at >= 64 && head.u16_le(0x18).ok()? == 0x40))
}

/// One mark, two formats: a small number of programs, or a class file's version.
fn class_or_fat(head: Block<'_>) -> Option<FileType> {
    match (head.u32_be(4).ok()?, head.u16_be(4).ok()?, head.u16_be(6).ok()?) {
        (1..=30, ..) => Some(FileType::MachO),
        (_, 0..=3 | 0xffff, 45..=90) => Some(FileType::JavaClass),
        _ => None,
    }
}

/// The first table's tag and a sensible number of tables.
fn has_font_table(head: Block<'_>) -> Option<bool> {
    let (tables, first, offset) =
        (head.u16_be(4).ok()?, head.array::<4>(12).ok()?, head.u32_be(20).ok()?);
    let tagged = first.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b' '));
    Some((1..=128).contains(&tables) && tagged && (12..0x0800_0000).contains(&offset))
}
