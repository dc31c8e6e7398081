//! The output folder: who may work in it, and what a failure leaves.

use assay::output::{Effect, Fault, Faults, Operation, OutputDir, OutputError};

fn create(path: &std::path::Path) -> Result<OutputDir, OutputError> {
    OutputDir::create(path, Faults::default())
}

#[test]
fn a_second_run_is_refused_with_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let first = create(&path).unwrap();
    let error = create(&path).unwrap_err();
    let holder = format!("process {} on ", std::process::id());
    assert!(
        matches!(&error, OutputError::Locked { holder: told, .. } if told.starts_with(&holder))
    );
    assert!(error.to_string().contains("a/b"), "{error}");
    drop(first);
    create(&path).unwrap().release().unwrap();
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn a_folder_that_holds_anything_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    assert!(matches!(create(dir.path()), Err(OutputError::NotEmpty { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(matches!(
        OutputDir::resume(dir.path(), Faults::default()),
        Err(OutputError::NothingToResume { .. })
    ));
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    assert!(matches!(create(dir.path()), Err(OutputError::Unfinished { .. })));
    OutputDir::resume(dir.path(), Faults::default()).unwrap();
}

#[test]
fn a_failed_rewrite_leaves_the_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for operation in [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename] {
        let name = Some("f".to_owned());
        let fault = Fault { operation, name, nth: 2, effect: Effect::Once(28) };
        let path = dir.path().join(format!("{operation:?}"));
        let out = OutputDir::create(&path, Faults::new(vec![fault])).unwrap();
        out.write_whole("f", |file| file.write_all(b"old")).unwrap();
        let error = out.write_whole("f", |file| file.write_all(b"new, and longer")).unwrap_err();
        let OutputError::Io { source, path: named, .. } = error else { panic!("{error}") };
        assert_eq!(source.raw_os_error(), Some(28));
        assert!(named == path.join("f") || named == path.join(".f.tmp"), "{named:?}");
        assert_eq!(std::fs::read(path.join("f")).unwrap(), b"old");
        out.write_whole("f", |file| file.write_all(b"new, and longer")).unwrap();
        assert_eq!(std::fs::read(path.join("f")).unwrap(), b"new, and longer");
        out.release().unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    }
}
