//! Image files and block devices: opening the path that the operator named, and what the kernel
//! knows of a device.
//!
//! Everything the kernel says of a device is read from `/sys/dev/block`, by number and not by name,
//! so that no path of the operator's decides what is read there.
//!
//! Source: Linux manual pages open(2), lseek(2), sysfs(5); kernel documentation
//! `Documentation/ABI/stable/sysfs-block`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, SeekFrom};

use super::{Atime, Call, Errno, File, Kernel, OpenedAs, open_plainly};

/// Devices stacked on one another that are looked at before a machine is called too strange.
const STACKED: usize = 256;

/// What the kernel says of a block device. Empty = it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `MAJOR:MINOR`.
    pub number: String,
    /// Bytes of a logical sector.
    pub sector_size: Option<u64>,
    /// True where the kernel refuses to write to it.
    pub read_only: Option<bool>,
    /// The drive's model, for a partition that of its disk.
    pub model: String,
    /// The drive's serial number, for a partition that of its disk.
    pub serial: String,
}

impl Device {
    /// True where the machine lists it, as long as it is plugged in.
    pub fn is_listed(&self) -> bool {
        Path::new("/sys/dev/block").join(&self.number).exists()
    }
}

impl Kernel {
    /// Opens the image file or block device that the operator named; a link there is followed.
    ///
    /// # Errors
    /// As open(2); `EPERM` where `O_NOATIME` is refused and `atime` is [`Atime::Keep`].
    pub fn open_image(&self, path: &Path, atime: Atime) -> Result<(File, OpenedAs), Errno> {
        let open = |flags: OFlags| open_plainly(CWD, path, flags - OFlags::NOFOLLOW);
        self.open(atime, OFlags::empty(), open).map(|(fd, how)| (File(fd), how))
    }

    /// Number of bytes of an open file or block device: where its end lies.
    ///
    /// # Errors
    /// As lseek(2).
    pub fn end_of(&self, file: &File) -> Result<u64, Errno> {
        self.before(Call::Stat)?;
        rustix::fs::seek(&file.0, SeekFrom::End(0))
    }

    /// What the kernel says of the block device at `path`, links followed, nothing opened.
    ///
    /// # Errors
    /// As stat(2).
    pub fn device(&self, path: &Path) -> Result<Device, Errno> {
        self.before(Call::Stat)?;
        let number = rustix::fs::stat(path)?.st_rdev;
        let number = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
        let at = PathBuf::from("/sys/dev/block").join(&number);
        // A partition has neither queue nor drive of its own: its disk is the folder above it.
        let disk = at.join("..");
        let first = |names: &[&str]| {
            [&at, &disk].iter().find_map(|at| names.iter().find_map(|name| said(&at.join(name))))
        };
        Ok(Device {
            sector_size: first(&["queue/logical_block_size"]).and_then(|text| text.parse().ok()),
            read_only: said(&at.join("ro")).map(|text| text != "0"),
            model: first(&["device/model", "device/name"]).unwrap_or_default(),
            serial: first(&["device/serial", "serial", "device/wwid"]).unwrap_or_default(),
            number,
        })
    }
}

/// The device of this number, its partitions, and every device that is made of them: LVM, RAID,
/// encryption. What of them is mounted is part of the device.
pub fn devices_on(number: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::from([number.to_owned()]);
    let mut open = vec![number.to_owned()];
    while let Some(number) = open.pop().filter(|_| known.len() <= STACKED) {
        let at = PathBuf::from("/sys/dev/block").join(&number);
        let partitions = children(&at).into_iter().filter(|child| child.join("partition").exists());
        for child in partitions.chain(children(&at.join("holders"))) {
            if let Some(number) = said(&child.join("dev")).filter(|dev| known.insert(dev.clone())) {
                open.push(number);
            }
        }
    }
    known
}

#[expect(clippy::disallowed_methods, reason = "a table of the kernel, not evidence")]
pub(super) fn children(at: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// One line of the kernel's, without blanks around it; `None` where there is none.
#[expect(clippy::disallowed_methods, reason = "a table of the kernel, not evidence")]
pub(super) fn said(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_an_image_is_followed_and_its_end_found() {
        let kernel = Kernel::default();
        let path = Path::new("/proc/self/exe"); // a link to this very test
        let (file, _) = kernel.open_image(path, Atime::PlainIfRefused).unwrap();
        let stat = kernel.stat_file(&file).unwrap();
        assert!(stat.size > 0);
        assert_eq!(kernel.end_of(&file).unwrap(), stat.size);
    }

    #[test]
    fn an_unknown_device_stands_alone() {
        assert_eq!(devices_on("4095:1").len(), 1);
    }
}
