//! One listed object: what is known of it, and its content or why there is none.
//!
//! Only regular files are opened. Whatever else stands under a name is asked for its metadata and
//! left alone; where it is not what the folder said it was, nothing is guessed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Ground;
use super::place::Claim;
use super::stream::FileStream;
use super::whole::FileWhole;
use crate::item::{
    AllocStatus, Contents, Examined, Found, ItemMeta, LinkIdentity, NameAttribution, ObjectKind,
    ObjectPath, RecoveryBasis, Status, TimeSource, Times,
};
use crate::problem::{Code, Problem, Stage};
use crate::sys::{self, Atime, Errno, FileKind, Stat};

/// An object of a folder, listed and not examined.
pub(super) struct FolderObject {
    pub(super) ground: Arc<Ground>,
    /// The folder it is in; none for the root itself.
    pub(super) folder: Option<Claim>,
    pub(super) path: ObjectPath,
    pub(super) listed: Listed,
    /// Its file number, where objects are best read in the order of these.
    pub(super) number: Option<u64>,
}

/// What listing found out.
pub(super) enum Listed {
    /// A regular file, to be opened.
    File,
    /// Something that has no content to read.
    Without(FileKind),
    /// Something whose fate is decided; it is not opened.
    Decided(Status, Problem),
}

impl Found for FolderObject {
    fn examine(self: Box<Self>) -> Examined {
        match &self.listed {
            Listed::File => self.file(),
            Listed::Without(kind) => self.without_content(*kind),
            Listed::Decided(status, problem) => self.decided(*status, problem.clone()),
        }
    }

    fn unchanged(&self, meta: &ItemMeta) -> bool {
        let (kind, object) = match &self.listed {
            Listed::File => (FileKind::File, ObjectKind::File),
            Listed::Without(FileKind::Symlink) => (FileKind::Symlink, ObjectKind::Symlink),
            Listed::Without(kind) => (*kind, ObjectKind::Special),
            Listed::Decided(..) => return false,
        };
        let Some(stat) = self.ask(kind).filter(|stat| !self.ground.is_elsewhere(stat)) else {
            return false;
        };
        self.is_still(meta, object, &stat)
    }

    /// File systems number files near each other near each other: no byte of the disk, and as
    /// good an order as one that costs no look at the file.
    fn place(&self) -> Option<u64> {
        self.number
    }
}

impl FolderObject {
    fn file(&self) -> Examined {
        // A damaged folder can call a device a file. What it is is asked before it is opened,
        // because opening a device may do something.
        if let Some(stat) = self.special_after_all() {
            if self.ground.is_elsewhere(&stat) {
                return self.mounted_over();
            }
            return unread(self.meta(ObjectKind::File), replaced());
        }
        let Some(claim) = &self.folder else { return self.nothing_of(ObjectKind::File) };
        let name = self.path.name().unwrap_or_default();
        let ground = &*self.ground;
        let open = || {
            claim.place().with(ground, |dir| {
                ground.open(|| ground.kernel.open_file(dir, name, ground.atime))
            })
        };
        let opened = ground.patiently(open);
        let mut meta = self.meta(ObjectKind::File);
        let file = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(Errno::XDEV)) => return self.mounted_over(),
            Ok(Err(error)) => {
                if let Some(stat) = self.ask(FileKind::File).filter(|_| stays_itself(error)) {
                    self.describe(&mut meta, &stat);
                }
                let mut problem = trouble(error, Stage::Open, "opening");
                if error == Errno::PERM && ground.atime == Atime::PlainIfRefused {
                    problem.code = Code::PermissionDenied; // both ways were tried
                }
                return unread(meta, problem);
            }
            Err(problem) => return unread(meta, problem),
        };
        let stat = match ground.kernel.stat_file(&file) {
            Ok(stat) => stat,
            Err(error) => return unread(meta, trouble(error, Stage::Open, "asking for its size")),
        };
        if ground.is_elsewhere(&stat) && stat.mount.is_some() {
            return self.mounted_over();
        }
        if stat.kind != FileKind::File {
            return unread(meta, replaced());
        }
        self.describe(&mut meta, &stat);
        let whole = FileWhole::new(&self.ground, claim.place(), &self.path, stat);
        let stream = FileStream::new(Arc::clone(&self.ground), file, stat, whole);
        Examined { meta, contents: Contents::Stream(Box::new(stream)), problems: Vec::new() }
    }

    fn without_content(&self, kind: FileKind) -> Examined {
        let is_link = kind == FileKind::Symlink;
        let object = if is_link { ObjectKind::Symlink } else { ObjectKind::Special };
        let Some(claim) = &self.folder else { return self.nothing_of(object) };
        let name = self.path.name().unwrap_or_default();
        let ground = &*self.ground;
        let mut meta = self.meta(object);
        let ask = |dir: &sys::Dir| {
            let stat = ground.kernel.stat_at(dir, name)?;
            let wanted = is_link && stat.kind == kind && ground.read_links;
            let target = wanted.then(|| ground.kernel.link_target(dir, name)).transpose()?;
            Ok((stat, target))
        };
        let asked = ground.patiently(|| claim.place().with(ground, ask));
        let (stat, target) = match asked {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => {
                return unread(meta, trouble(error, Stage::Open, "asking for its metadata"));
            }
            Err(problem) => return unread(meta, problem),
        };
        if stat.kind != kind {
            return unread(meta, replaced());
        }
        self.describe(&mut meta, &stat);
        let detail = match (is_link, &target) {
            (true, None) => "target not read: that would change the link's access time",
            _ => "",
        };
        if target.is_some() {
            ground.counts.links.fetch_add(1, Ordering::Relaxed);
        }
        meta.link_target = target;
        let problem = Problem::new(special(kind), Stage::Enumerate, detail);
        without(meta, Status::Special, problem)
    }

    /// Metadata is of the object that was listed, so a mount's own is not asked for.
    fn decided(&self, status: Status, problem: Problem) -> Examined {
        let mut meta = self.meta(ObjectKind::Special);
        let asked = match &self.folder {
            _ if status == Status::Skipped || problem.code == Code::Replaced => None,
            Some(_) => self.ask(FileKind::Dir),
            None => Some(self.ground.stat),
        };
        if let Some(stat) = asked {
            self.describe(&mut meta, &stat);
        }
        without(meta, status, problem)
    }

    /// What the name stands for now, without opening it, where that is still of `kind`.
    /// What an object listed as a file is, where that has no content to read.
    fn special_after_all(&self) -> Option<Stat> {
        use FileKind::{Dir, File, Unknown};
        self.stat().filter(|stat| !matches!(stat.kind, File | Dir | Unknown))
    }

    fn ask(&self, kind: FileKind) -> Option<Stat> {
        self.stat().filter(|stat| stat.kind == kind)
    }

    /// What the system says of it without opening it.
    fn stat(&self) -> Option<Stat> {
        let (ground, name) = (&*self.ground, self.path.name()?);
        let claim = self.folder.as_ref()?;
        let asked = claim.place().with(ground, |dir| ground.kernel.stat_at(dir, name));
        asked.ok()?.ok()
    }

    fn mounted_over(&self) -> Examined {
        let problem = Problem::new(Code::MountPoint, Stage::Open, "another file is mounted here");
        without(self.meta(ObjectKind::Special), Status::Skipped, problem)
    }

    /// The root is a folder: it is never listed as something else.
    fn nothing_of(&self, kind: ObjectKind) -> Examined {
        unread(self.meta(kind), replaced())
    }

    fn meta(&self, kind: ObjectKind) -> ItemMeta {
        let mut meta = ItemMeta::new(kind);
        meta.basis = Some(RecoveryBasis::Live);
        meta.attribution = Some(NameAttribution::Certain);
        meta.fs_type.clone_from(&self.ground.fs_type);
        meta
    }

    /// True where [`Self::meta`] and [`Self::describe`] would give `meta` again. The access time may
    /// differ, because reading may change it where that was accepted, and so may what a link
    /// leads to, because nothing is known of that without reading it.
    fn is_still(&self, meta: &ItemMeta, kind: ObjectKind, stat: &Stat) -> bool {
        // Every field is named, so that none is forgotten.
        let ItemMeta {
            alloc: AllocStatus::Allocated,
            container_alloc: None,
            basis: Some(RecoveryBasis::Live),
            attribution: Some(NameAttribution::Certain),
            disk_offset: None,
            extent_count: None,
            link_target: _,
            time_source: Some(TimeSource::OsMount),
            kind: kind_before,
            size,
            volume,
            fs_type,
            fs_ref,
            link_count,
            owner_id,
            attributes,
            times: before,
            link,
        } = meta
        else {
            return false;
        };
        kind == *kind_before
            && *size == Some(stat.size)
            && volume.is_empty()
            && *fs_type == self.ground.fs_type
            && *link_count == Some(stat.links.into())
            && *before == Times { accessed: before.accessed, ..times(stat) }
            && *link == link_of(stat)
            && reads(fs_ref, format_args!("ino:{}", stat.inode))
            && reads(owner_id, format_args!("{}:{}", stat.user, stat.group))
            && reads(attributes, format_args!("{:04o}", stat.mode))
    }

    fn describe(&self, meta: &mut ItemMeta, stat: &Stat) {
        meta.size = Some(stat.size);
        meta.fs_ref = format!("ino:{}", stat.inode);
        meta.link_count = Some(stat.links.into());
        meta.owner_id = format!("{}:{}", stat.user, stat.group);
        meta.attributes = format!("{:04o}", stat.mode);
        meta.times = times(stat);
        meta.time_source = Some(TimeSource::OsMount);
        meta.link = link_of(stat);
    }
}

fn without(meta: ItemMeta, status: Status, problem: Problem) -> Examined {
    Examined { meta, contents: Contents::Nothing { status, problem }, problems: Vec::new() }
}

fn times(stat: &Stat) -> Times {
    Times {
        created: stat.created,
        modified: Some(stat.modified),
        accessed: Some(stat.accessed),
        changed: Some(stat.changed),
        ..Times::default()
    }
}

fn link_of(stat: &Stat) -> Option<LinkIdentity> {
    let shared = stat.kind == FileKind::File && stat.links > 1;
    shared.then_some(LinkIdentity { device: stat.device, inode: stat.inode })
}

/// True where a text is what formatting gives, without making another text.
fn reads(text: &str, formatted: std::fmt::Arguments<'_>) -> bool {
    struct Rest<'a>(&'a str);
    impl std::fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    std::fmt::write(&mut rest, formatted).is_ok() && rest.0.is_empty()
}

fn unread(meta: ItemMeta, problem: Problem) -> Examined {
    without(meta, Status::Unread, problem)
}

fn replaced() -> Problem {
    Problem::new(Code::Replaced, Stage::Open, "it is of another kind than it was listed as")
}

fn special(kind: FileKind) -> Code {
    match kind {
        FileKind::Symlink => Code::Symlink,
        FileKind::Fifo => Code::Fifo,
        FileKind::Socket => Code::Socket,
        FileKind::CharDevice => Code::CharDevice,
        FileKind::BlockDevice => Code::BlockDevice,
        FileKind::File | FileKind::Dir | FileKind::Unknown => Code::Replaced,
    }
}

/// True for errors after which the name still leads to what was listed.
fn stays_itself(error: Errno) -> bool {
    !matches!(error, Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::XDEV)
}

/// What a system error means for an object.
pub(super) fn trouble(error: Errno, stage: Stage, doing: &str) -> Problem {
    let code = match error {
        Errno::NOENT => Code::Vanished,
        Errno::ACCESS => Code::PermissionDenied,
        Errno::PERM => Code::NoatimeRefused,
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Code::Replaced,
        Errno::XDEV => Code::MountPoint,
        _ => Code::IoError,
    };
    Problem::new(code, stage, format!("{doing}: {}", sys::symbol(error)))
}
