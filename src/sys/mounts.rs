//! The table of mounts, to tell where in which file system a path leads.
//!
//! Source: proc(5), `/proc/PID/mountinfo`; blanks in names are octal escapes there.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One mount that this process sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number, as statx(2) gives it.
    pub id: u64,
    /// Device of the file system, `MAJOR:MINOR`.
    pub device: Vec<u8>,
    /// The folder of the file system that is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub at: PathBuf,
    /// The options of this mount, such as `ro,noatime`.
    pub options: String,
    /// The file system's name, such as `ext4`.
    pub fs_type: String,
    /// The device or share that is mounted, as it was named.
    pub source: PathBuf,
}

/// Every mount that this process sees, in the order they cover each other.
///
/// # Errors
/// Where the kernel's table cannot be read, as without `/proc`.
#[expect(clippy::disallowed_methods, reason = "a table of the kernel, not evidence")]
pub fn mounts() -> io::Result<Vec<Mount>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(mount).collect())
}

/// `ID PARENT MAJOR:MINOR ROOT AT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS`
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = fields.nth(1)?.to_vec();
    let path = |field| Some(PathBuf::from(std::ffi::OsString::from_vec(unescape(field))));
    let (root, at) = (fields.next().and_then(path)?, fields.next().and_then(path)?);
    let text = |field| String::from_utf8_lossy(field).into_owned();
    let options = fields.next().map(text)?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let (fs_type, source) = (fields.next().map(text)?, fields.next().and_then(path)?);
    Some(Mount { id, device, root, at, options, fs_type, source })
}

/// The image file behind a loop device, or behind the one that this is a partition of.
///
/// `device` is `MAJOR:MINOR`; `None` for any other device.
#[expect(clippy::disallowed_methods, reason = "a table of the kernel, not evidence")]
pub fn loop_image(device: &[u8]) -> Option<PathBuf> {
    let device = std::str::from_utf8(device).ok()?;
    let said = ["loop/backing_file", "../loop/backing_file"]
        .iter()
        .find_map(|file| std::fs::read(format!("/sys/dev/block/{device}/{file}")).ok())?;
    let path = said.strip_suffix(b"\n").unwrap_or(&said).to_vec();
    Some(PathBuf::from(std::ffi::OsString::from_vec(path)))
}

/// Turns `\040` and its like back into bytes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                Some(((a & 3) << 6 | (b & 7) << 3 | (c & 7), after))
            }
            _ => None,
        };
        let (byte, after) = octal.unwrap_or((*first, after));
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_backslashes_in_names_come_back() {
        let line = br"36 35 98:0 /a\134b /mnt/x\040y\011z\012 rw,noatime master:1 - ext4 /dev/r rw";
        let mount = mount(line).unwrap();
        assert_eq!((mount.id, &mount.device[..]), (36, &b"98:0"[..]));
        assert_eq!(mount.root, PathBuf::from(r"/a\b"));
        assert_eq!(mount.at, PathBuf::from("/mnt/x y\tz\n"));
        assert_eq!((mount.options.as_str(), mount.fs_type.as_str()), ("rw,noatime", "ext4"));
        assert_eq!(mount.source, PathBuf::from("/dev/r"));
    }

    #[test]
    fn the_kernel_table_has_the_root() {
        assert!(mounts().unwrap().iter().any(|mount| mount.at == std::path::Path::new("/")));
    }
}
