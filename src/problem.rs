//! Stable codes of what went wrong, for every layer.
//!
//! A code is a word of the report format: it is added, never reworded (docs/report-format.md
//! lists each). The consequence printed beside a code is fixed here too, so that the same event
//! reads the same in every report.

/// One thing that went wrong, at one place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// What happened.
    pub code: Code,
    /// Which step met it.
    pub stage: Stage,
    /// Byte position inside the object, where one applies.
    pub offset: Option<u64>,
    /// Number of bytes concerned, where one applies.
    pub length: Option<u64>,
    /// For a person: what was expected and what was found. Deterministic text: no time, no host.
    pub detail: String,
}

impl Problem {
    /// A problem of the whole object.
    pub fn new(code: Code, stage: Stage, detail: impl Into<String>) -> Self {
        Self { code, stage, offset: None, length: None, detail: detail.into() }
    }

    /// The same problem, at a byte range.
    #[must_use]
    pub fn at(mut self, offset: u64, length: u64) -> Self {
        (self.offset, self.length) = (Some(offset), Some(length));
        self
    }
}

/// A closed list of words: an enum, its text form and its way back.
macro_rules! words {
    // Inside a module that is closed to the outside, `pub(super)` before the name.
    ($(#[$meta:meta])* $name:ident { $($body:tt)+ }) => {
        $crate::problem::words! { $(#[$meta])* pub $name { $($body)+ } }
    };
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        $vis enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every word of the list, in the order of the report format.
            #[allow(dead_code, reason = "every list has the same three items")]
            $vis const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it stands in the report.
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The word read back from a report.
            #[allow(dead_code, reason = "every list has the same three items")]
            $vis fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The step of the work that met a problem.
    Stage {
        /// Reading the container of a disk image.
        Container = "container",
        /// Reading a partition table.
        Partition = "partition",
        /// Reading the structures of a file system.
        Filesystem = "filesystem",
        /// Searching space that no object owns.
        Carve = "carve",
        /// Listing folders.
        Enumerate = "enumerate",
        /// Opening an object.
        Open = "open",
        /// Reading an object's bytes.
        Read = "read",
        /// Decoding a picture.
        Decode = "decode",
        /// Comparing with the sets.
        Match = "match",
    }
}

words! {
    /// What happened to an object. The first group doubles as `reason` in files.csv.
    Code {
        /// The operating system refused access.
        PermissionDenied = "permission_denied",
        /// It could not be opened without changing its access time.
        NoatimeRefused = "noatime_refused",
        /// It was listed and then gone.
        Vanished = "vanished",
        /// It grew, shrank or was written while it was read.
        ChangedDuringRead = "changed_during_read",
        /// The name now leads to another object than the one listed.
        Replaced = "replaced",
        /// The device or file system gave an error for some bytes.
        IoError = "io_error",
        /// A folder's list of names could not be read to its end.
        SubtreeIncomplete = "subtree_incomplete",
        /// A folder that another file system is mounted on.
        MountPoint = "mount_point",
        /// A file system that holds no stored files (proc, sysfs and the like).
        RefusedFilesystem = "refused_filesystem",
        /// The bytes were already missing when the image was made.
        AcquisitionError = "acquisition_error",
        /// A list supplied with the image says that its maker could not read the bytes.
        BadSectors = "bad_sectors",
        /// The image's own check sums or structure say that its bytes are not what was acquired.
        ImageDamaged = "image_damaged",
        /// An image inside the evidence, or a part of it, could not be opened.
        ImageNotOpened = "image_not_opened",
        /// A digest of the image is not the one that was stored or supplied.
        ImageDigestMismatch = "image_digest_mismatch",
        /// A partition table contradicts itself or its copy, or leads in circles.
        PartitionTableDamaged = "partition_table_damaged",
        /// Two partitions claim the same bytes.
        PartitionsOverlap = "partitions_overlap",
        /// A file system, container or volume manager that is recognised and not read.
        UnsupportedVolume = "unsupported_volume",
        /// The volume is encrypted, or looks so.
        Encrypted = "encrypted",
        /// Nothing that is known was found in the volume.
        NotRecognised = "not_recognised",
        /// A structure of the file system is damaged.
        FilesystemDamaged = "filesystem_damaged",
        /// A check sum of a structure of the file system does not hold.
        ChecksumMismatch = "checksum_mismatch",
        /// The chain of an object's clusters breaks, circles, or is not as long as its size.
        ChainBroken = "chain_broken",
        /// Two existing objects claim the same cluster.
        CrossLinked = "cross_linked",
        /// Clusters of a deleted object belong to another one, or may.
        Overwritten = "overwritten",
        /// The file system counts space as used that no object owns.
        SpaceWithoutOwner = "space_without_owner",
        /// What was found is not what the file system itself counts.
        CountMismatch = "count_mismatch",
        /// The object's content is stored in a way that is not read.
        ContentNotRead = "content_not_read",
        /// More than the limits allow.
        LimitReached = "limit_reached",
        /// A symbolic link: recorded, never followed.
        Symlink = "symlink",
        /// A named pipe: never opened.
        Fifo = "fifo",
        /// A socket: never opened.
        Socket = "socket",
        /// A character device: never opened.
        CharDevice = "char_device",
        /// A block device inside a folder: never opened.
        BlockDevice = "block_device",
        /// A digest agrees with an entry and another digest or the size does not.
        DigestConflict = "digest_conflict",
        /// A picture's decoder found damage and gave part of the picture.
        PictureDamaged = "picture_damaged",
        /// A picture's decoder stopped by itself in a way that shows a defect of the decoder.
        DecoderCrashed = "decoder_crashed",
        /// A picture is larger than the limits allow.
        PictureTooLarge = "picture_too_large",
        /// A picture needed more time than the limits allow.
        PictureTimeout = "picture_timeout",
        /// A picture needed more memory than the limits allow.
        PictureMemory = "picture_memory",
        /// The process ended several times while the object was in progress, at last alone.
        CrashedBefore = "crashed_before",
        /// The program itself failed on the object.
        InternalError = "internal_error",
    }
}

impl Code {
    /// What the event means for the examination: one fixed sentence.
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::PermissionDenied | Self::NoatimeRefused => "contents not examined",
            Self::Vanished => "contents not examined; the evidence was not still",
            Self::Replaced => "contents not examined; it is not what its folder listed",
            Self::ChangedDuringRead => "no digest stated; the evidence was not still",
            Self::IoError => "bytes missing; no digest stated",
            Self::SubtreeIncomplete => "objects below this folder may be missing from the report",
            Self::MountPoint | Self::RefusedFilesystem => "nothing below was examined",
            Self::AcquisitionError | Self::BadSectors => {
                "bytes missing since the image was made; no digest stated"
            }
            Self::ImageDamaged => {
                "the image is not as it was made; no digest stated of what it hits"
            }
            Self::ImageNotOpened => "read as a file; what the image holds was not examined",
            Self::ImageDigestMismatch => "the image is not the one that was acquired",
            Self::PartitionTableDamaged | Self::PartitionsOverlap => {
                "volumes may be missing or reported twice"
            }
            Self::UnsupportedVolume | Self::NotRecognised => "nothing in it was examined",
            Self::Encrypted => "nothing in it was examined; a key is needed",
            Self::FilesystemDamaged => "objects may be missing from the report",
            Self::ChecksumMismatch => "read all the same; a person must judge",
            Self::ChainBroken | Self::CrossLinked => "no digest stated; the content is not certain",
            Self::Overwritten => "no digest stated; the content is not the deleted object's alone",
            Self::SpaceWithoutOwner => "the space was not examined",
            Self::CountMismatch => "objects may be missing from the report",
            Self::ContentNotRead => "contents not examined",
            Self::LimitReached => "what lies beyond the limit was not examined",
            Self::Symlink => "recorded, not followed",
            Self::Fifo | Self::Socket | Self::CharDevice | Self::BlockDevice => "never opened",
            Self::DigestConflict => "the entry contradicts the object; a person must compare",
            Self::PictureDamaged => "perceptual hashes of the part that decoded, if any",
            Self::DecoderCrashed
            | Self::PictureTooLarge
            | Self::PictureTimeout
            | Self::PictureMemory => "no perceptual hashes; exact digests and matches unaffected",
            Self::CrashedBefore => "contents not examined; not tried again in this run",
            Self::InternalError => "contents not examined; a defect of the program",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_word() {
        for code in Code::ALL {
            assert_eq!(Code::from_word(code.as_str()), Some(*code));
            assert!(!code.consequence().is_empty());
        }
    }
}
