//! What is known of an object beside its content.

use super::Timestamp;
use crate::problem::words;

words! {
    /// What an object is.
    ObjectKind {
        /// A regular file.
        File = "file",
        /// A named stream beside a file's content.
        Ads = "ads",
        /// A member of an archive.
        ArchiveMember = "archive_member",
        /// A picture or file inside a document.
        DocumentImage = "document_image",
        /// An attachment of a message.
        Attachment = "attachment",
        /// A picture that a system keeps as a small copy.
        Thumbnail = "thumbnail",
        /// A picture that another picture carries of itself.
        Preview = "preview",
        /// A picture that begins after other bytes of a file.
        EmbeddedPicture = "embedded_picture",
        /// A still picture of a video.
        VideoFrame = "video_frame",
        /// Found by its structure in space that no file owns.
        Carved = "carved",
        /// A symbolic link.
        Symlink = "symlink",
        /// A pipe, socket, device, mount point, or a folder that could not be listed.
        Special = "special",
    }
}

words! {
    /// Whether the file system says the object exists.
    AllocStatus {
        /// The file system lists it as existing.
        Allocated = "allocated",
        /// The file system lists it as deleted.
        Deleted = "deleted",
        /// The file system has it without a folder.
        Orphan = "orphan",
        /// It lies after the end of a file, in its last cluster.
        Slack = "slack",
        /// It was found by its structure alone.
        Carved = "carved",
        /// It lies inside another object.
        Embedded = "embedded",
    }
}

words! {
    /// How the bytes of an object were found.
    RecoveryBasis {
        /// By the file system, of an existing object.
        Live = "live",
        /// By what the file system still says of a deleted object.
        MetadataExtents = "metadata_extents",
        /// By taking the free clusters that follow its first.
        ContiguousAssumed = "contiguous_assumed",
        /// As before, and some of them belong to another object now.
        PartlyOverwritten = "partly_overwritten",
        /// By structure, from its first to its last byte.
        CarvedValidated = "carved_validated",
        /// By structure, with no end found.
        CarvedTruncated = "carved_truncated",
    }
}

words! {
    /// Whether name and times belong to the content.
    NameAttribution {
        /// They do.
        Certain = "certain",
        /// They may not.
        Uncertain = "uncertain",
        /// There is no name.
        None = "none",
    }
}

words! {
    /// Who wrote the times, which says what they mean.
    TimeSource {
        /// NTFS: universal time, 100 ns.
        Ntfs = "ntfs",
        /// ext: universal time.
        Ext = "ext",
        /// exFAT with a stated offset to universal time.
        ExfatOffset = "exfat-offset",
        /// exFAT without one: local time, zone unknown.
        ExfatLocal = "exfat-local",
        /// FAT: local time, zone unknown.
        FatLocal = "fat-local",
        /// ISO 9660 with its stated offset.
        Iso = "iso",
        /// ZIP: local time, zone unknown.
        ZipLocal = "zip-local",
        /// The operating system, of a mounted file system.
        OsMount = "os-mount",
    }
}

words! {
    /// What became of an object. Every object has exactly one.
    Status {
        /// Read whole; the digests are of its content.
        Hashed = "hashed",
        /// Read in part; no digest is stated.
        Partial = "partial",
        /// Not read.
        Unread = "unread",
        /// Left out by a rule that `reason` names.
        Skipped = "skipped",
        /// Has no content to read.
        Special = "special",
    }
}

/// The times of an object; `None` where its source keeps none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Times {
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its content was last written.
    pub modified: Option<Timestamp>,
    /// When it was last read.
    pub accessed: Option<Timestamp>,
    /// When its metadata was last written.
    pub changed: Option<Timestamp>,
    /// When its name was made (NTFS).
    pub name_created: Option<Timestamp>,
    /// When its name entry was last written (NTFS).
    pub name_modified: Option<Timestamp>,
}

/// The content that several names share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct LinkIdentity {
    /// Device or volume number.
    pub device: u64,
    /// File number on it.
    pub inode: u64,
}

/// What is known of an object beside its content. Empty = does not apply or is not known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ItemMeta {
    /// What it is.
    pub kind: ObjectKind,
    /// Whether the file system says it exists.
    pub alloc: AllocStatus,
    /// For an object inside another one: that object's status.
    pub container_alloc: Option<AllocStatus>,
    /// How its bytes were found.
    pub basis: Option<RecoveryBasis>,
    /// Whether name and times belong to the content.
    pub attribution: Option<NameAttribution>,
    /// Its size in bytes, as its source states it.
    pub size: Option<u64>,
    /// The volume's segment of the path, in an image.
    pub volume: String,
    /// The file system, as named in the report.
    pub fs_type: String,
    /// The file system's own reference, such as `ino:12-1`.
    pub fs_ref: String,
    /// Byte in the decoded image of its first extent.
    pub disk_offset: Option<u64>,
    /// How many extents it has.
    pub extent_count: Option<u64>,
    /// How many names it has.
    pub link_count: Option<u64>,
    /// The target of a symbolic link, as bytes.
    pub link_target: Option<Vec<u8>>,
    /// User and group, or security identifier.
    pub owner_id: String,
    /// Mode or attribute words.
    pub attributes: String,
    /// Its times.
    pub times: Times,
    /// Who wrote the times.
    pub time_source: Option<TimeSource>,
    /// Set where the content has more names than this one.
    pub link: Option<LinkIdentity>,
}

impl ItemMeta {
    /// An existing object of which nothing more is known yet.
    pub fn new(kind: ObjectKind) -> Self {
        Self {
            kind,
            alloc: AllocStatus::Allocated,
            container_alloc: None,
            basis: None,
            attribution: None,
            size: None,
            volume: String::new(),
            fs_type: String::new(),
            fs_ref: String::new(),
            disk_offset: None,
            extent_count: None,
            link_count: None,
            link_target: None,
            owner_id: String::new(),
            attributes: String::new(),
            times: Times::default(),
            time_source: None,
            link: None,
        }
    }
}
