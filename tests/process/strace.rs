//! Errors given by the kernel's own hand, as far as strace can: the seams of the other tests are
//! where real errors come through.

use std::process::{Command, Output};

use crate::child::{assay, code, errors, evidence};
use crate::runs::{cells, tables};
use crate::support::{skip, tool};
use crate::tree::Tree;

/// Runs the program over the tree while `rule` makes its calls on one path fail.
fn injected(tree: &Tree, out: &str, path: &str, call: &str, rule: &str) -> Option<Output> {
    let inner = assay(tree, out, &["--threads", "1"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(tree.beside(path));
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{rule}")]);
    command.arg(inner.get_program()).args(inner.get_args()).output().ok()
}

#[test]
fn errors_of_the_kernel_are_met_like_those_of_the_seams() {
    let Some(_) = tool("strace", &["-V"]) else { return };
    let tree = evidence(12);
    assert_eq!(code(&assay(&tree, "good", &[]).output().unwrap()), 0);
    let good = tables(&tree.beside("good"));
    let first = injected(&tree, "probe", "ev/d1/f1", "pread64", "error=EIO:when=60000").unwrap();
    if code(&first) != 0 {
        return skip("strace may not follow processes here");
    }
    for nth in 1..=2 {
        let out = format!("once{nth}");
        let rule = format!("error=EIO:when={nth}");
        let output = injected(&tree, &out, "ev/d1/f1", "pread64", &rule).unwrap();
        assert_eq!(code(&output), 0, "a second try reads it");
        assert_eq!(tables(&tree.beside(&out)), good);
    }
    for error in ["EIO", "ESTALE", "EBADMSG"] {
        let (out, rule) = (format!("ever-{error}"), format!("error={error}"));
        let output = injected(&tree, &out, "ev/d1/f1", "pread64", &rule).unwrap();
        let rows = cells(&tree.beside(&out), "files.csv", ["object_path", "status", "sha256"]);
        let bad: Vec<_> =
            rows.iter().filter(|row| row[1] == "partial" || row[1] == "unread").collect();
        assert_eq!(code(&output), 3, "{error}");
        assert!(bad.len() == 1 && bad[0][0] == "E1!/d1/f1" && bad[0][2].is_empty(), "{bad:?}");
    }
    let output =
        injected(&tree, "sync", "sync/journal/records", "fsync", "error=EIO:when=2").unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(errors(&output).contains("Input/output error"), "{}", errors(&output));
    assert_eq!(code(&assay(&tree, "sync", &["--resume"]).output().unwrap()), 0);
    assert_eq!(tables(&tree.beside("sync")), good);
}
