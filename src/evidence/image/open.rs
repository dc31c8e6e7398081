//! What a volume holds, and the reader for it.

use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::evidence::filesystem::exfat::Exfat;
use crate::evidence::filesystem::ext::Ext;
use crate::evidence::filesystem::fat::Fat;
use crate::evidence::filesystem::iso9660::Iso9660;
use crate::evidence::filesystem::ntfs::Ntfs;
use crate::evidence::filesystem::{FileSystem, Options};
use crate::evidence::partition::Part;
use crate::evidence::recognise::{Recognised, recognise};
use crate::problem::{Code, Problem, Stage};

/// What a volume holds.
pub(super) enum Opened {
    /// A file system that is read, and what lies beside it.
    System(Box<dyn FileSystem>, Option<Problem>),
    /// Something else, or one that cannot be read.
    Nothing {
        /// What was recognised; empty where nothing was.
        fs_type: String,
        /// How it is encrypted; empty where it is not.
        encryption: String,
        /// True where its bytes have no structure before they are decrypted.
        opaque: bool,
        /// Why nothing in it is examined.
        problem: Problem,
    },
}

impl Opened {
    fn system<T: FileSystem + 'static>(opened: Result<T, Problem>, fs_type: &str) -> Self {
        match opened {
            Ok(system) => Self::System(Box::new(system), None),
            Err(problem) => {
                let (fs_type, encryption) = (fs_type.to_owned(), String::new());
                Self::Nothing { fs_type, encryption, opaque: false, problem }
            }
        }
    }
}

/// Tells what a volume holds and parses it.
pub(super) fn open(volume: &Arc<dyn ReadAt>, part: &Part, options: &Options) -> Opened {
    let volume = Arc::clone(volume);
    let found = recognise(&volume, &part.type_id);
    let name = found.name();
    match found {
        Recognised::Fat => {
            Opened::system(Fat::open(volume, options.codepage.unwrap_or_default()), name)
        }
        Recognised::Exfat => Opened::system(Exfat::open(volume), name),
        Recognised::Ext => Opened::system(Ext::open(volume), name),
        Recognised::Iso9660 { .. } => match Opened::system(Iso9660::open(volume), name) {
            Opened::System(system, _) => Opened::System(system, found.problem()),
            nothing => nothing,
        },
        Recognised::Ntfs => Opened::system(Ntfs::open(volume), name),
        Recognised::Encrypted(_) | Recognised::PossiblyEncrypted => Opened::Nothing {
            fs_type: String::new(),
            encryption: name.to_owned(),
            opaque: matches!(found, Recognised::Encrypted(_)),
            problem: found.problem().unwrap_or_else(|| not_read(name)),
        },
        Recognised::Unsupported(_) | Recognised::Nothing => Opened::Nothing {
            fs_type: name.to_owned(),
            encryption: String::new(),
            opaque: false,
            problem: found.problem().unwrap_or_else(|| not_read(name)),
        },
    }
}

fn not_read(name: &str) -> Problem {
    let detail = format!("{name} is recognised and not read");
    Problem::new(Code::UnsupportedVolume, Stage::Filesystem, detail)
}
