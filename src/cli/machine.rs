//! The program and the machine it runs on, for the run record. Looked at once.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::digest::lanes::{self, Kernels, LANES, Md5Kernel, ShaKernel};
use crate::digest::{Algorithm, Digest, Hasher, Selection, md5_agrees};
use crate::matching::kernels::Kernel;
use crate::report::{Host, Tool};
use crate::sys;

/// What the record says of the program.
pub(super) fn tool(kernels: Kernels) -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("ASSAY_COMMIT").to_owned(),
        binary_sha256: file_sha256(Path::new("/proc/self/exe")).unwrap_or_else(unknown),
        build: env!("ASSAY_BUILD").to_owned(),
        lock_sha256: Digest::sha256(&[include_bytes!("../../Cargo.lock")]).to_string(),
        kernels: BTreeMap::from([
            ("md5".to_owned(), kernels.md5.to_string()),
            ("sha".to_owned(), kernels.sha.to_string()),
            ("near".to_owned(), format!("{:?}", Kernel::best()).to_lowercase()),
        ]),
        sandbox: String::new(), // known once a worker has started
        decoders: BTreeMap::new(),
        known_answers: known_answers(kernels),
    }
}

/// What computes the digests of many streams: the fastest that this machine can run, or what the
/// variables `ASSAY_MD5_KERNEL` and `ASSAY_SHA_KERNEL` say. They are for tests, which compare.
pub(super) fn kernels() -> anyhow::Result<Kernels> {
    let mut kernels = Kernels::best();
    if let Some(word) = said("ASSAY_MD5_KERNEL") {
        kernels.md5 =
            Md5Kernel::from_word(&word).filter(|kernel| kernel.runs_here()).with_context(|| {
                format!("ASSAY_MD5_KERNEL: {word:?} is no kernel, or none that runs here")
            })?;
    }
    if let Some(word) = said("ASSAY_SHA_KERNEL") {
        kernels.sha =
            ShaKernel::from_word(&word).filter(|kernel| kernel.runs_here()).with_context(|| {
                format!("ASSAY_SHA_KERNEL: {word:?} is no kernel, or none that runs here")
            })?;
    }
    Ok(kernels)
}

fn said(variable: &str) -> Option<String> {
    let value = std::env::var_os(variable)?.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// Objects that each of so many threads may have open. Each takes a descriptor; 256 are
/// left for all else, and eight for what else a thread does.
pub(super) fn streams(threads: NonZeroUsize) -> usize {
    sys::raise_descriptor_limit();
    let left = sys::descriptor_limit().saturating_sub(256);
    let each = left.checked_div(threads.get()).unwrap_or(0);
    each.saturating_sub(8).clamp(1, 2 * LANES)
}

/// What the record says of the machine.
pub(super) fn host() -> Host {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let user = said_by("id", &["-un"]); // by number: the environment can say anything
    let uid = rustix::process::geteuid().as_raw();
    Host {
        name: text(uname.nodename()),
        os: format!("{} {}", text(uname.sysname()), text(uname.release())),
        user: format!("{} (uid {uid})", user.unwrap_or_else(unknown)),
        clock: clock(),
        utc_offset: said_by("date", &["+%:z"]).unwrap_or_else(unknown),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn clock() -> String {
    match said_by("timedatectl", &["show", "-p", "NTPSynchronized", "--value"]).as_deref() {
        Some("yes") => "kept by a time service".to_owned(),
        Some("no") => "not kept by a time service".to_owned(),
        _ => unknown(),
    }
}

/// What a program of the system prints; `None` where it is not there or fails.
fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn file_sha256(path: &Path) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the program's own file, not evidence")]
    let mut file = std::fs::File::open(path).ok()?;
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => {
                return hasher.finish().get(Algorithm::Sha256).map(|digest| digest.to_string());
            }
            Ok(n) => hasher.update(buffer.get(..n)?),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The control computation: each digest of `abc` against its published value, and MD5, which is our
/// own code, against a package.
fn known_answers(kernels: Kernels) -> BTreeMap<String, bool> {
    const ABC: [(Algorithm, &str); 4] = [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Algorithm::Blake3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ];
    let mut hasher = Hasher::new(Selection::ALL);
    hasher.update(b"abc");
    let digests = hasher.finish();
    let check = |(algorithm, published): (Algorithm, &str)| {
        let good = digests.get(algorithm).is_some_and(|digest| digest.to_string() == published);
        (format!("{algorithm} of abc"), good)
    };
    let agree = ("md5 of every length as another program has it".to_owned(), md5_agrees());
    let side_by_side = "digests of many streams as other programs have them".to_owned();
    let lanes = (side_by_side, lanes::agree(kernels));
    ABC.into_iter().map(check).chain([agree, lanes]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_computation_gives_the_published_values() {
        let answers = known_answers(Kernels::best());
        assert!(answers.values().all(|good| *good), "{answers:?}");
    }
}
