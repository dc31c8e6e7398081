//! Lists that the ordinary tools of the machine make of files with odd names.

use super::load_with;
use assay::digest::{Algorithm, Hasher, Selection};
use assay::hashset::{ListAlgorithm, ListOptions};

/// Names that the tools escape, quote or leave as they are.
const ODD_NAMES: &[&[u8]] = &[
    b"plain",
    b" ",
    b"*star",
    b"back\\slash",
    b"new\nline",
    b"a\rb",
    b"tab\there",
    b"(a) = b) = c",
    b"comma, and \"quote\"",
    b"not \xff utf8",
    b"# no comment",
];

/// Runs a tool of the machine over files with odd names; `None`, and told, where it is missing.
fn oracle(tool: &str, arguments: &[&str]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(tool);
    command.args(arguments).arg("--").current_dir(folder.path());
    let mut contents = Vec::new();
    for (n, name) in (0..).zip(ODD_NAMES) {
        // These write a line end in a name as it is: such a list is ambiguous, and refused.
        if name.contains(&b'\n') && matches!(tool, "openssl" | "hashdeep") {
            continue;
        }
        let content = vec![b'a'; 100 + n];
        let name = std::ffi::OsStr::from_bytes(name);
        std::fs::write(folder.path().join(name), &content).unwrap();
        command.arg(name);
        contents.push(content);
    }
    let Ok(output) = command.output() else {
        crate::support::skip(&format!("{tool} is not installed"));
        return None;
    };
    Some((output.stdout, contents))
}

#[test]
fn lists_made_by_the_tools_themselves_are_read_whole() {
    use Algorithm::{Blake3, Md5, Sha1, Sha256};
    for (tool, arguments, algorithms) in [
        ("md5sum", &[][..], &[Md5][..]),
        ("md5sum", &["--binary"], &[Md5]),
        ("md5sum", &["--tag"], &[Md5]),
        ("sha1sum", &[], &[Sha1]),
        ("sha1sum", &["--tag"], &[Sha1]),
        ("sha256sum", &[], &[Sha256]),
        ("sha256sum", &["--tag"], &[Sha256]),
        ("b3sum", &[], &[Blake3]),
        ("openssl", &["dgst", "-sha256"], &[Sha256]),
        ("hashdeep", &["-l", "-j0"], &[Md5, Sha256]),
        ("hashdeep", &["-l", "-j0", "-c", "md5,sha1,sha256,tiger"], &[Md5, Sha1, Sha256]),
    ] {
        let Some((list, contents)) = oracle(tool, arguments) else { continue };
        let state = |options: &mut ListOptions| {
            let stated = ListAlgorithm::from_word(algorithms[0].as_str());
            options.algorithm = stated.filter(|_| algorithms.len() == 1);
        };
        let set = load_with(&list, state).unwrap_or_else(|error| panic!("{tool}: {error}"));
        let selection = algorithms.iter().fold(Selection::NONE, |all, one| all.with(*one));
        for (entry, content) in set.entries.iter().zip(&contents) {
            let mut hasher = Hasher::new(selection);
            hasher.update(content);
            assert_eq!(entry.digests, hasher.finish(), "{tool} {arguments:?}");
        }
        assert_eq!(set.entries.len(), contents.len(), "{tool} {arguments:?}");
    }
}
