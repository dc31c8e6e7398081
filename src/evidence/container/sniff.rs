//! What a file is by its content: an image that is read here, or one that is named and refused.
//!
//! Only what is refused or read in another way than raw is looked for; everything else is raw.
//! A format that keeps its mark at the end is believed only where more of that structure fits.
//!
//! Sources: libewf documentation of EWF and EWF2; AFF4 Standard 1.0; Microsoft VHD 1.0 and VHDX
//! 1.0; VMware Virtual Disk Format 5.0; QEMU docs/interop/qcow2; the marks of AD1, AD encryption,
//! DMG and VDI as file(1) knows them.

use crate::bytes::Block;

/// Bytes of the start and of the end that are looked at.
pub(super) const WINDOW: usize = 64 * 1024;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// EWF version 1: E01 or S01. Whether its signature is whole is seen when it is read.
    Ewf,
    /// VHD. Whether its check sums hold is seen when it is read.
    Vhd,
    /// VHDX.
    Vhdx,
    /// QEMU copy-on-write. Which version is seen when it is read.
    Qcow2,
    /// A VMware virtual disk: a sparse file or the descriptor.
    Vmdk,
    /// Recognised and refused: what it is, what to do.
    Refused(&'static str, &'static str),
    /// Anything else.
    Raw,
}

const EXPORT: &str = "export it as E01 or raw with the program that made it";
const QEMU: &str = "convert it with `qemu-img convert -O raw`";
const LOGICAL: &str =
    "it holds files and no disk: extract them with their names and scan the folder";
const DECRYPT: &str = "decrypt it to E01 or raw with its password or key";
const APPLE: &str = "convert it with `hdiutil convert -format UDTO` or `qemu-img convert -O raw`";

/// Marks at the very start.
const STARTS: [(&[u8], Sniffed); 17] = [
    (b"EVF\x09\x0d\x0a\xff\x00", Sniffed::Ewf),
    (b"LVF\x09\x0d\x0a\xff\x00", Sniffed::Refused("a logical evidence file (L01)", LOGICAL)),
    (b"EVF2\x0d\x0a\x81\x00", Sniffed::Refused("an EnCase 7 evidence file (Ex01)", EXPORT)),
    (b"LEF2\x0d\x0a\x81\x00", Sniffed::Refused("a logical evidence file (Lx01)", LOGICAL)),
    (b"ADSEGMENTEDFILE\0", Sniffed::Refused("an AccessData logical image (AD1)", LOGICAL)),
    (b"ADCRYPT\0", Sniffed::Refused("an image under AD encryption (E01, S01 or AD1)", DECRYPT)),
    (b"AFF10\r\n\0", Sniffed::Refused("an AFF version 3 image", EXPORT)),
    (b"encrcdsa", Sniffed::Refused("an encrypted Apple disk image (DMG)", DECRYPT)),
    (b"cdsaencr", Sniffed::Refused("an encrypted Apple disk image (DMG)", DECRYPT)),
    (b"sprs", Sniffed::Refused("an Apple sparse disk image", APPLE)),
    (b"conectix", Sniffed::Vhd),
    (b"vhdxfile", Sniffed::Vhdx),
    (b"KDMV", Sniffed::Vmdk),
    (b"COWD", Sniffed::Refused("a VMDK of ESX", QEMU)),
    (b"# Disk DescriptorFile", Sniffed::Vmdk),
    (b"QFI\xfb", Sniffed::Qcow2),
    (b"<<< ", Sniffed::Refused("a VirtualBox disk image (VDI)", QEMU)),
];

/// Tells a file by its first and last bytes, each at most [`WINDOW`] of them.
pub(super) fn sniff(head: &[u8], tail: &[u8]) -> Sniffed {
    if let Some((mark, found)) = STARTS.iter().find(|(mark, _)| head.starts_with(mark)) {
        let vdi = *mark == b"<<< ".as_slice();
        if !vdi || Block::new(head, 0).u32_le(64) == Ok(0xbeda_107f) {
            return *found;
        }
    }
    if super::ewf::starts_with_section(head) {
        return Sniffed::Ewf;
    }
    if head.starts_with(b"PK\x03\x04") {
        return zip(head, tail);
    }
    let last = tail.len().saturating_sub(512);
    let last = tail.get(last..).unwrap_or_default();
    if super::vhd::ends_in_footer(tail) {
        return Sniffed::Vhd;
    }
    let koly = Block::new(last, 0);
    if last.starts_with(b"koly") && (koly.u32_be(4), koly.u32_be(8)) == (Ok(4), Ok(512)) {
        return Sniffed::Refused("an Apple disk image (DMG)", APPLE);
    }
    if last.ends_with(b"cdsaencr") {
        return Sniffed::Refused("an encrypted Apple disk image (DMG)", DECRYPT);
    }
    Sniffed::Raw
}

/// What a file inside evidence is, by its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A container that is read.
    Container,
    /// The text that lists the files of a VMDK.
    Descriptor,
    /// Recognised and refused: what it is, what to do.
    Refused(&'static str, &'static str),
    /// No container.
    Nothing,
}

/// Tells a file inside evidence by its first and last bytes. What is named as an image is one until
/// it is read; of any other file a short mark says too little.
///
/// - `extension`: of its name, in lower case.
pub fn told_inside(head: &[u8], tail: &[u8], extension: &[u8]) -> Told {
    let is = |extensions: &[&[u8]]| extensions.contains(&extension);
    match sniff(head, tail) {
        Sniffed::Ewf if head.starts_with(b"EVF\x09\x0d\x0a\xff\x00") => Told::Container,
        Sniffed::Ewf => match is(&[b"e01", b"s01"]) {
            true => Told::Container,
            false => Told::Nothing,
        },
        Sniffed::Vmdk if head.starts_with(b"#") => Told::Descriptor,
        Sniffed::Vhd | Sniffed::Vhdx | Sniffed::Qcow2 | Sniffed::Vmdk => Told::Container,
        Sniffed::Refused(_, _)
            if head.starts_with(b"sprs") && !is(&[b"sparseimage", b"sparsebundle"])
                || head.starts_with(b"COWD") && !is(&[b"vmdk"]) =>
        {
            Told::Nothing
        }
        Sniffed::Refused(format, advice) => Told::Refused(format, advice),
        Sniffed::Raw => Told::Nothing,
    }
}

/// AFF4 and UFDR are zip archives with members of known names.
fn zip(head: &[u8], tail: &[u8]) -> Sniffed {
    let has = |text: &[u8]| {
        let finds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        finds(head) || finds(tail)
    };
    if has(b"aff4://") || (has(b"container.description") && has(b"information.turtle")) {
        return Sniffed::Refused("an AFF4 image", EXPORT);
    }
    if has(b"report.xml") && (has(b".ufd") || has(b"files/") || has(b"DbData/")) {
        return Sniffed::Refused("a Cellebrite report (UFDR)", LOGICAL);
    }
    Sniffed::Raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_alone_at_the_end_is_not_believed() {
        let mut tail = vec![0; 512];
        tail[..8].copy_from_slice(b"conectix");
        assert_eq!(sniff(b"", &tail), Sniffed::Raw);
        let sum = !tail.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        tail[64..68].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(sniff(b"", &tail), Sniffed::Vhd);
    }

    #[test]
    fn an_ordinary_archive_is_no_image_format() {
        assert_eq!(sniff(b"PK\x03\x04....report.txt", b""), Sniffed::Raw);
        assert!(matches!(sniff(b"PK\x03\x04 aff4://x", b""), Sniffed::Refused("an AFF4 image", _)));
    }
}
