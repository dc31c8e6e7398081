//! The closed list of types, and what belongs to each.
//!
//! A word of the list stands in `detected_type` of the report: it is added, never reworded.

use crate::problem::words;

words! {
    /// The broad use of a type.
    Family {
        /// Still pictures.
        Picture = "picture",
        /// Moving pictures.
        Video = "video",
        /// Sound.
        Audio = "audio",
        /// Files that hold other files, or one compressed.
        Archive = "archive",
        /// Text for people, in any form.
        Document = "document",
        /// Containers of disks or volumes.
        DiskImage = "disk_image",
        /// Code for a machine.
        Program = "program",
        /// What fits nowhere else.
        Other = "other",
    }
}

words! {
    /// What an object's content is.
    FileType {
        /// JPEG picture.
        Jpeg = "jpeg",
        /// PNG picture.
        Png = "png",
        /// GIF picture.
        Gif = "gif",
        /// WebP picture.
        Webp = "webp",
        /// Windows bitmap.
        Bmp = "bmp",
        /// TIFF picture.
        Tiff = "tiff",
        /// Windows icon or cursor.
        Ico = "ico",
        /// Apple icon.
        Icns = "icns",
        /// HEIF picture.
        Heic = "heic",
        /// AVIF picture.
        Avif = "avif",
        /// JPEG XL picture.
        Jxl = "jxl",
        /// JPEG 2000 picture or code stream.
        Jp2 = "jp2",
        /// Photoshop document.
        Psd = "psd",
        /// Canon raw picture.
        Cr2 = "cr2",
        /// Canon raw picture, newer form.
        Cr3 = "cr3",
        /// Nikon raw picture.
        Nef = "nef",
        /// Adobe digital negative.
        Dng = "dng",
        /// Sony raw picture.
        Arw = "arw",
        /// Olympus raw picture.
        Orf = "orf",
        /// Panasonic raw picture.
        Rw2 = "rw2",
        /// Fujifilm raw picture.
        Raf = "raf",
        /// SVG drawing.
        Svg = "svg",
        /// Portable bitmap, greymap or pixmap.
        Pnm = "pnm",
        /// PCX picture.
        Pcx = "pcx",
        /// QOI picture.
        Qoi = "qoi",
        /// DirectDraw surface.
        Dds = "dds",
        /// DjVu document.
        Djvu = "djvu",
        /// MPEG-4 film.
        Mp4 = "mp4",
        /// QuickTime film.
        Mov = "mov",
        /// 3GPP film.
        ThreeGp = "3gp",
        /// Matroska film.
        Mkv = "mkv",
        /// WebM film.
        Webm = "webm",
        /// AVI film.
        Avi = "avi",
        /// Flash video.
        Flv = "flv",
        /// Windows Media film or sound.
        Asf = "asf",
        /// MPEG program or video stream.
        MpegPs = "mpeg_ps",
        /// MPEG transport stream.
        MpegTs = "mpeg_ts",
        /// RealMedia film or sound.
        RealMedia = "rm",
        /// Ogg film.
        Ogv = "ogv",
        /// MPEG sound, layers 1 to 3.
        Mp3 = "mp3",
        /// MPEG-4 sound.
        M4a = "m4a",
        /// AAC sound in ADTS frames.
        Aac = "aac",
        /// WAVE sound.
        Wav = "wav",
        /// AIFF sound.
        Aiff = "aiff",
        /// FLAC sound.
        Flac = "flac",
        /// Ogg sound.
        Ogg = "ogg",
        /// AMR speech.
        Amr = "amr",
        /// MIDI music.
        Midi = "midi",
        /// ZIP archive of no kind told apart.
        Zip = "zip",
        /// gzip stream.
        Gzip = "gzip",
        /// bzip2 stream.
        Bzip2 = "bzip2",
        /// xz stream.
        Xz = "xz",
        /// LZMA stream.
        Lzma = "lzma",
        /// Zstandard stream.
        Zstd = "zstd",
        /// LZ4 frame.
        Lz4 = "lz4",
        /// Unix compress stream.
        Compress = "compress",
        /// 7-Zip archive.
        SevenZ = "7z",
        /// RAR archive.
        Rar = "rar",
        /// tar archive.
        Tar = "tar",
        /// cpio archive.
        Cpio = "cpio",
        /// Windows cabinet.
        Cab = "cab",
        /// ARJ archive.
        Arj = "arj",
        /// LHA archive.
        Lzh = "lzh",
        /// Unix ar archive or library.
        Ar = "ar",
        /// Debian package.
        Deb = "deb",
        /// RPM package.
        Rpm = "rpm",
        /// Office Open XML text.
        Docx = "docx",
        /// Office Open XML table.
        Xlsx = "xlsx",
        /// Office Open XML slides.
        Pptx = "pptx",
        /// OpenDocument text.
        Odt = "odt",
        /// OpenDocument table.
        Ods = "ods",
        /// OpenDocument slides.
        Odp = "odp",
        /// EPUB book.
        Epub = "epub",
        /// OLE compound file: older Office, MSI, MSG and others.
        Ole = "ole",
        /// PDF document.
        Pdf = "pdf",
        /// PostScript program or drawing.
        PostScript = "postscript",
        /// RTF document.
        Rtf = "rtf",
        /// HTML page.
        Html = "html",
        /// XML document of no kind told apart.
        Xml = "xml",
        /// Plain text, UTF-8 or UTF-16 with a mark.
        Text = "text",
        /// Mail message.
        Eml = "eml",
        /// Mailbox of mail messages.
        Mbox = "mbox",
        /// Outlook data file.
        Pst = "pst",
        /// EnCase image.
        Ewf = "ewf",
        /// EnCase image, version 2.
        Ewf2 = "ewf2",
        /// Virtual PC disk with its footer copy at the start.
        Vhd = "vhd",
        /// Hyper-V disk.
        Vhdx = "vhdx",
        /// VMware disk or its descriptor.
        Vmdk = "vmdk",
        /// QEMU disk.
        Qcow2 = "qcow2",
        /// VirtualBox disk.
        Vdi = "vdi",
        /// Advanced Forensic Format image.
        Aff = "aff",
        /// AFF4 image.
        Aff4 = "aff4",
        /// Windows image.
        Wim = "wim",
        /// Encrypted Apple disk image; a plain one is marked at its end only.
        EncryptedDmg = "dmg",
        /// ISO 9660 or UDF disc.
        Iso9660 = "iso9660",
        /// LUKS volume.
        Luks = "luks",
        /// BitLocker volume.
        BitLocker = "bitlocker",
        /// ELF program.
        Elf = "elf",
        /// Windows program.
        Pe = "pe",
        /// Apple program.
        MachO = "mach_o",
        /// Java class.
        JavaClass = "java_class",
        /// Java archive.
        Jar = "jar",
        /// Android package.
        Apk = "apk",
        /// Android byte code.
        Dex = "dex",
        /// WebAssembly module.
        Wasm = "wasm",
        /// SQLite database.
        Sqlite = "sqlite",
        /// Windows folder thumbnails (an OLE file).
        ThumbsDb = "thumbs_db",
        /// Windows thumbnail cache.
        Thumbcache = "thumbcache",
        /// Apple property list.
        Plist = "plist",
        /// Windows shortcut.
        Lnk = "lnk",
        /// Windows registry hive.
        Registry = "registry",
        /// BitTorrent description.
        Torrent = "torrent",
        /// TrueType or OpenType font.
        Font = "font",
        /// Web font.
        Woff = "woff",
    }
}

/// What belongs to one type.
struct Facts {
    family: Family,
    extensions: &'static [&'static str],
}

impl FileType {
    /// The broad use of this type.
    pub const fn family(self) -> Family {
        self.facts().family
    }

    /// The extensions that go with this type: lower case, without the dot. One extension may go
    /// with several types (`db`), and a type may have none.
    pub const fn extensions(self) -> &'static [&'static str] {
        self.facts().extensions
    }

    const fn facts(self) -> Facts {
        const fn facts(family: Family, extensions: &'static [&'static str]) -> Facts {
            Facts { family, extensions }
        }
        use Family::{Archive, Audio, DiskImage, Document, Other, Picture, Program, Video};
        match self {
            Self::Jpeg => facts(Picture, &["jpg", "jpeg", "jpe", "jfif", "jif", "thm", "mpo"]),
            Self::Png => facts(Picture, &["png", "apng"]),
            Self::Gif => facts(Picture, &["gif"]),
            Self::Webp => facts(Picture, &["webp"]),
            Self::Bmp => facts(Picture, &["bmp", "dib"]),
            Self::Tiff => facts(Picture, &["tif", "tiff"]),
            Self::Ico => facts(Picture, &["ico", "cur"]),
            Self::Icns => facts(Picture, &["icns"]),
            Self::Heic => facts(Picture, &["heic", "heif", "hif"]),
            Self::Avif => facts(Picture, &["avif"]),
            Self::Jxl => facts(Picture, &["jxl"]),
            Self::Jp2 => facts(Picture, &["jp2", "j2k", "j2c", "jpc", "jpf", "jpx"]),
            Self::Psd => facts(Picture, &["psd", "psb"]),
            Self::Cr2 => facts(Picture, &["cr2"]),
            Self::Cr3 => facts(Picture, &["cr3"]),
            Self::Nef => facts(Picture, &["nef", "nrw"]),
            Self::Dng => facts(Picture, &["dng"]),
            Self::Arw => facts(Picture, &["arw", "sr2"]),
            Self::Orf => facts(Picture, &["orf"]),
            Self::Rw2 => facts(Picture, &["rw2"]),
            Self::Raf => facts(Picture, &["raf"]),
            Self::Svg => facts(Picture, &["svg"]),
            Self::Pnm => facts(Picture, &["pnm", "pbm", "pgm", "ppm"]),
            Self::Pcx => facts(Picture, &["pcx"]),
            Self::Qoi => facts(Picture, &["qoi"]),
            Self::Dds => facts(Picture, &["dds"]),
            Self::Djvu => facts(Picture, &["djvu", "djv"]),
            Self::Mp4 => facts(Video, &["mp4", "m4v", "f4v"]),
            Self::Mov => facts(Video, &["mov", "qt"]),
            Self::ThreeGp => facts(Video, &["3gp", "3g2", "3gpp"]),
            Self::Mkv => facts(Video, &["mkv", "mka", "mk3d"]),
            Self::Webm => facts(Video, &["webm"]),
            Self::Avi => facts(Video, &["avi"]),
            Self::Flv => facts(Video, &["flv"]),
            Self::Asf => facts(Video, &["wmv", "asf", "wma"]),
            Self::MpegPs => facts(Video, &["mpg", "mpeg", "vob", "m2v", "mpe"]),
            Self::MpegTs => facts(Video, &["ts", "m2ts", "mts"]),
            Self::RealMedia => facts(Video, &["rm", "rmvb", "ra"]),
            Self::Ogv => facts(Video, &["ogv"]),
            Self::Mp3 => facts(Audio, &["mp3", "mp2"]),
            Self::M4a => facts(Audio, &["m4a", "m4b", "m4r"]),
            Self::Aac => facts(Audio, &["aac"]),
            Self::Wav => facts(Audio, &["wav"]),
            Self::Aiff => facts(Audio, &["aif", "aiff", "aifc"]),
            Self::Flac => facts(Audio, &["flac"]),
            Self::Ogg => facts(Audio, &["ogg", "oga", "opus", "spx"]),
            Self::Amr => facts(Audio, &["amr", "awb"]),
            Self::Midi => facts(Audio, &["mid", "midi"]),
            Self::Zip => facts(Archive, &["zip", "zipx"]),
            Self::Gzip => facts(Archive, &["gz", "tgz", "svgz"]),
            Self::Bzip2 => facts(Archive, &["bz2", "tbz", "tbz2"]),
            Self::Xz => facts(Archive, &["xz", "txz"]),
            Self::Lzma => facts(Archive, &["lzma"]),
            Self::Zstd => facts(Archive, &["zst", "tzst"]),
            Self::Lz4 => facts(Archive, &["lz4"]),
            Self::Compress => facts(Archive, &["z", "taz"]),
            Self::SevenZ => facts(Archive, &["7z"]),
            Self::Rar => facts(Archive, &["rar", "cbr"]),
            Self::Tar => facts(Archive, &["tar"]),
            Self::Cpio => facts(Archive, &["cpio"]),
            Self::Cab => facts(Archive, &["cab"]),
            Self::Arj => facts(Archive, &["arj"]),
            Self::Lzh => facts(Archive, &["lzh", "lha"]),
            Self::Ar => facts(Archive, &["a", "ar"]),
            Self::Deb => facts(Archive, &["deb", "udeb"]),
            Self::Rpm => facts(Archive, &["rpm"]),
            Self::Docx => facts(Document, &["docx", "docm", "dotx", "dotm"]),
            Self::Xlsx => facts(Document, &["xlsx", "xlsm", "xltx", "xltm", "xlsb"]),
            Self::Pptx => facts(Document, &["pptx", "pptm", "potx", "ppsx", "ppsm"]),
            Self::Odt => facts(Document, &["odt", "ott"]),
            Self::Ods => facts(Document, &["ods", "ots"]),
            Self::Odp => facts(Document, &["odp", "otp"]),
            Self::Epub => facts(Document, &["epub"]),
            Self::Ole => facts(
                Document,
                &[
                    "doc", "xls", "ppt", "msg", "msi", "pub", "vsd", "dot", "xlt", "pps", "mpp",
                    "mic",
                ],
            ),
            Self::Pdf => facts(Document, &["pdf", "ai"]),
            Self::PostScript => facts(Document, &["ps", "eps", "ai"]),
            Self::Rtf => facts(Document, &["rtf", "doc"]),
            Self::Html => facts(Document, &["html", "htm", "xhtml"]),
            Self::Xml => facts(Document, &["xml"]),
            Self::Text => facts(
                Document,
                // The last ones are TypeScript, message catalogues, graphs and keys as well as what
                // other types claim by them.
                &["txt", "log", "csv", "md", "ts", "msg", "dot", "pub"],
            ),
            Self::Eml => facts(Document, &["eml"]),
            Self::Mbox => facts(Document, &["mbox"]),
            Self::Pst => facts(Document, &["pst", "ost"]),
            Self::Ewf => facts(DiskImage, &["e01", "s01", "l01"]),
            Self::Ewf2 => facts(DiskImage, &["ex01", "lx01"]),
            Self::Vhd => facts(DiskImage, &["vhd"]),
            Self::Vhdx => facts(DiskImage, &["vhdx", "avhdx"]),
            Self::Vmdk => facts(DiskImage, &["vmdk"]),
            Self::Qcow2 => facts(DiskImage, &["qcow2", "qcow"]),
            Self::Vdi => facts(DiskImage, &["vdi"]),
            Self::Aff => facts(DiskImage, &["aff"]),
            Self::Aff4 => facts(DiskImage, &["aff4"]),
            Self::Wim => facts(DiskImage, &["wim", "esd", "swm"]),
            Self::EncryptedDmg => facts(DiskImage, &["dmg"]),
            Self::Iso9660 => facts(DiskImage, &["iso"]),
            Self::Luks => facts(DiskImage, &["luks"]),
            Self::BitLocker => facts(DiskImage, &[]),
            Self::Elf => facts(Program, &["elf", "so"]),
            Self::Pe => facts(Program, &["exe", "dll", "sys", "scr", "ocx", "cpl"]),
            Self::MachO => facts(Program, &["dylib"]),
            Self::JavaClass => facts(Program, &["class"]),
            Self::Jar => facts(Program, &["jar", "war"]),
            Self::Apk => facts(Program, &["apk"]),
            Self::Dex => facts(Program, &["dex"]),
            Self::Wasm => facts(Program, &["wasm"]),
            Self::Sqlite => facts(Other, &["sqlite", "sqlite3", "db", "db3"]),
            Self::ThumbsDb => facts(Other, &["db"]),
            Self::Thumbcache => facts(Other, &["db"]),
            Self::Plist => facts(Other, &["plist"]),
            Self::Lnk => facts(Other, &["lnk"]),
            Self::Registry => facts(Other, &["hve"]),
            Self::Torrent => facts(Other, &["torrent"]),
            Self::Font => facts(Other, &["ttf", "otf", "ttc"]),
            Self::Woff => facts(Other, &["woff", "woff2"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_unique_and_read_back() {
        let words: BTreeSet<_> = FileType::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), FileType::ALL.len());
        for kind in FileType::ALL {
            assert_eq!(FileType::from_word(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn extensions_are_lower_case_and_listed_once_a_type() {
        for kind in FileType::ALL {
            let unique: BTreeSet<_> = kind.extensions().iter().collect();
            assert_eq!(unique.len(), kind.extensions().len(), "{kind}");
            for extension in kind.extensions() {
                assert!(
                    extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                    "{kind} {extension}"
                );
            }
        }
    }
}
