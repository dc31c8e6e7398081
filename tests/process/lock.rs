//! Two runs never write to one folder.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::child::{assay, code, errors, evidence};

#[test]
fn a_hundred_second_starts_are_refused_with_the_holder() {
    let tree = evidence(20);
    let big = std::fs::File::create(tree.path().join("big")).unwrap();
    big.set_len(256 << 30).unwrap(); // sparse: the first run is busy for minutes
    let mut first = assay(&tree, "out", &[]).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !tree.beside("out").join("journal/begun").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "the first run does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let holder = format!("process {} on ", first.id());
    for n in 0..100 {
        let arguments: &[&str] = if n % 2 == 0 { &[] } else { &["--resume"] };
        let output = assay(&tree, "out", arguments).output().unwrap();
        assert_eq!(code(&output), 2, "{n}: {output:?}");
        assert!(errors(&output).contains(&holder), "{n}: {}", errors(&output));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::remove_file(tree.path().join("big")).unwrap();
    // the lock was the kernel's: it ended with its holder
    assert_eq!(code(&assay(&tree, "out", &["--resume"]).output().unwrap()), 0);
}
