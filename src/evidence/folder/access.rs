//! Whether reading a folder leaves its access times alone, decided before anything is opened.
//!
//! `O_NOATIME` is granted to the owner and to `CAP_FOWNER`; a read-only or noatime mount keeps no
//! access times at all. On a network file system the server keeps them, which no flag of this
//! machine prevents; a FUSE server may keep them unless its mount is read-only.
//!
//! Source: open(2), mount(2), statfs(2), linux/magic.h.

use crate::problem::words;
use crate::sys::{self, Atime, FileSystem, Stat};

words! {
    /// Why reading changes no access time, or who answers for it.
    Access {
        /// `O_NOATIME` is allowed to this process.
        Noatime = "noatime",
        /// The mount is read-only.
        ReadOnlyMount = "read_only_mount",
        /// The mount keeps no access times.
        NoatimeMount = "noatime_mount",
        /// Somebody consented to the change.
        Accepted = "alteration_accepted",
    }
}

/// How the folder is to be read.
pub(in crate::evidence) struct Verdict {
    pub(in crate::evidence) access: Access,
    pub(in crate::evidence) atime: Atime,
    /// True where reading a link's target changes nothing.
    pub(super) links_are_safe: bool,
}

/// File systems that the kernel makes up: no stored files, and reading some of them acts.
const REFUSED: [(u32, &str); 21] = [
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x1cd1, "devpts"),
    (0xcafe_4a11, "bpf"),
    (0x7363_6673, "securityfs"),
    (0x6265_6570, "configfs"),
    (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"),
    (0x6573_5543, "fusectl"),
    (0x1980_0202, "mqueue"),
    (0x9584_58f6, "hugetlbfs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6759_6969, "rpc_pipefs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x0187, "autofs"),
    (0x6e73_6673, "nsfs"),
    (0x4341_5d53, "smackfs"),
];

/// File systems whose times a server keeps: NFS, SMB (three numbers), 9P, AFS, Ceph, Coda, and the
/// shared folders of VirtualBox and VMware.
const NETWORK: [u32; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x7375_7245,
    0x786f_4256,
    0xbacb_acbc,
];

/// FUSE, virtiofs included.
const FUSE: u32 = 0x6573_5546;

/// Decides how a folder of this kind is read; the error says what stands against it.
pub(in crate::evidence) fn decide(
    root: &Stat,
    system: FileSystem,
    accepted: bool,
) -> Result<Verdict, &'static str> {
    let network = NETWORK.contains(&system.magic);
    let server = network || (system.magic == FUSE && !system.read_only);
    let still = !server && (system.read_only || system.noatime);
    let access = if server {
        Err("a server keeps its access times")
    } else if system.read_only {
        Ok(Access::ReadOnlyMount)
    } else if system.noatime {
        Ok(Access::NoatimeMount)
    } else if sys::may_keep_atime(root.user) {
        Ok(Access::Noatime)
    } else {
        Err("the mount is writable and this user is not the owner")
    };
    let access = if accepted { access.unwrap_or(Access::Accepted) } else { access? };
    let atime = if still || accepted { Atime::PlainIfRefused } else { Atime::Keep };
    Ok(Verdict { access, atime, links_are_safe: still })
}

/// True for a file system that holds no stored files.
pub(super) fn is_refused(fs_type: &str, magic: u32) -> bool {
    REFUSED.iter().any(|(number, name)| *number == magic || *name == fs_type)
}

/// The name of the file system that holds an object: the kernel's, else `0x` and its number.
pub(super) fn fs_type(stat: &Stat, magic: u32) -> String {
    mounted_as(stat).unwrap_or_else(|| format!("{magic:#x}"))
}

/// The name of the file system mounted where `stat` was taken.
pub(super) fn mounted_as(stat: &Stat) -> Option<String> {
    mount_of(stat).map(|mount| mount.fs_type)
}

/// The mount through which `stat` was taken.
pub(in crate::evidence) fn mount_of(stat: &Stat) -> Option<sys::Mount> {
    let id = stat.mount?;
    sys::mounts().ok()?.into_iter().find(|mount| mount.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Kernel;

    fn verdict(magic: u32, read_only: bool, noatime: bool, mine: bool) -> Option<Access> {
        let mut root = Kernel::default().stat_path(std::path::Path::new("/")).unwrap();
        if mine {
            root.user = rustix::process::geteuid().as_raw();
        } else {
            // nobody's file, and only the accepted or still ways are open where root runs this
            root.user = u32::MAX;
        }
        decide(&root, FileSystem { magic, read_only, noatime }, false).ok().map(|v| v.access)
    }

    #[test]
    fn a_server_that_keeps_times_needs_consent() {
        assert_eq!(verdict(0x6969, true, true, true), None);
        assert_eq!(verdict(FUSE, false, true, true), None);
        assert_eq!(verdict(FUSE, true, false, true), Some(Access::ReadOnlyMount));
    }

    #[test]
    fn a_still_mount_or_the_owner_needs_none() {
        assert_eq!(verdict(0xef53, true, false, false), Some(Access::ReadOnlyMount));
        assert_eq!(verdict(0xef53, false, true, false), Some(Access::NoatimeMount));
        assert_eq!(verdict(0xef53, false, false, true), Some(Access::Noatime));
    }
}
