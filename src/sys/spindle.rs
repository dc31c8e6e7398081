//! Whether a file system lies on a disk that turns, where the order of reading decides its speed.
//!
//! The kernel's word is taken only of a disk that it drives itself. Of a virtual machine's disk it
//! says by default that it turns; a device made of others turns where one of them does; file systems
//! without a device, as those of servers, in memory or over others, do not. Nothing but speed hangs
//! on the answer.
//!
//! Source: sysfs(5); kernel documentation `Documentation/ABI/stable/sysfs-block`.

use std::path::Path;

use super::Kernel;
use super::image::{children, said};

/// Devices stacked on one another that are looked through.
const STACKED: u32 = 16;

impl Kernel {
    /// True where the device of this number is known to be a disk that turns, or a part of one.
    pub fn turns(&self, device: u64) -> bool {
        if let Some(turns) = self.seam.as_ref().and_then(|seam| seam.turns) {
            return turns;
        }
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        turns(Path::new(&format!("/sys/dev/block/{major}:{minor}")), STACKED)
    }
}

/// - `at`: what the kernel says of a device; a partition's disk is the folder above it.
fn turns(at: &Path, stacked: u32) -> bool {
    let Ok(real) = at.canonicalize() else { return false };
    let Some(deeper) = stacked.checked_sub(1) else { return false };
    let disk = if real.join("partition").exists() { real.join("..") } else { real.clone() };
    let below = children(&disk.join("slaves"));
    if !below.is_empty() {
        return below.iter().any(|device| turns(device, deeper));
    }
    let made_up = real.iter().any(|step| {
        let step = step.as_encoded_bytes();
        step == b"virtual" || step.starts_with(b"virtio") || step.starts_with(b"vbd-")
    });
    !made_up && said(&disk.join("queue/rotational")).is_some_and(|said| said == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with a disk that turns, one that does not, a virtual one, and what is made of them.
    #[expect(clippy::disallowed_methods, reason = "a test makes and removes its own files")]
    fn machine(look: impl FnOnce(&dyn Fn(&str) -> bool)) {
        let root = std::env::temp_dir().join(format!("assay-spindle-{}", std::process::id()));
        let disks = [("pci0/sda", "1"), ("pci0/nvme0", "0"), ("pci0/virtio1/vda", "1")];
        let made = [("virtual/loop0", "1"), ("virtual/dm-0", "1"), ("virtual/dm-1", "0")];
        for (name, said) in disks.into_iter().chain(made) {
            std::fs::create_dir_all(root.join(name).join("queue")).unwrap();
            std::fs::write(root.join(name).join("queue/rotational"), format!("{said}\n")).unwrap();
        }
        std::fs::create_dir_all(root.join("pci0/sda/sda1")).unwrap();
        std::fs::write(root.join("pci0/sda/sda1/partition"), "1\n").unwrap();
        std::fs::create_dir_all(root.join("dev")).unwrap();
        let links = [
            ("pci0/sda/sda1", "dev/8:1"),
            ("virtual/dm-0", "dev/252:0"),
            ("pci0/virtio1/vda", "virtual/dm-0/slaves/vda"),
            ("pci0/sda/sda1", "virtual/dm-1/slaves/sda1"),
        ];
        for (to, from) in links {
            std::fs::create_dir_all(root.join(from).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(root.join(to), root.join(from)).unwrap();
        }
        look(&|name| turns(&root.join(name), STACKED));
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn only_a_disk_that_turns_and_what_is_made_of_it_turns() {
        machine(|turns| {
            let said = ["pci0/sda", "dev/8:1", "virtual/dm-1"].map(turns);
            assert_eq!(said, [true; 3]);
            let said = ["pci0/nvme0", "pci0/virtio1/vda", "virtual/loop0", "dev/252:0", "dev/0:5"];
            assert_eq!(said.map(turns), [false; 5]);
        });
    }
}
