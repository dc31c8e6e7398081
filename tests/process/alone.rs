//! An object that ends the process costs itself and nothing else.

use crate::child::{evidence, planned, run, spawn};
use crate::runs::cells;

#[test]
fn an_object_that_ends_the_process_three_times_becomes_a_row() {
    let tree = evidence(150);
    let deadly = "f77";
    run(&planned(&tree, "good")).unwrap();
    for (start, resume) in [(1, false), (2, true), (3, true)] {
        let status = spawn(&tree, "out", resume, None, deadly);
        assert_eq!(status.code(), None, "start {start} is ended by the object");
    }
    assert_eq!(spawn(&tree, "out", true, None, deadly).code(), Some(3));
    let columns = ["object_path", "sha256", "status", "reason", "disposition"];
    let good = cells(&tree.beside("good"), "files.csv", columns);
    let rows = cells(&tree.beside("out"), "files.csv", columns);
    assert_eq!(rows.len(), good.len());
    let differ: Vec<_> = rows.iter().filter(|row| !good.contains(row)).collect();
    let crashed = ["E1!/d0/f77", "", "unread", "crashed_before", "none"].map(str::to_owned);
    // f77 has a second name, which is read on its own
    assert_eq!(differ, [&crashed]);
    let problems = cells(&tree.beside("out"), "exceptions.csv", ["code", "detail"]);
    let told = problems.iter().find(|[code, _]| code == "crashed_before").unwrap();
    assert_eq!(told[1], "the process ended 3 times while it was in progress");
}

#[test]
fn an_object_that_ended_the_process_by_chance_is_read_at_the_next_start() {
    let tree = evidence(150);
    run(&planned(&tree, "good")).unwrap();
    for resume in [false, true] {
        assert_eq!(spawn(&tree, "out", resume, None, "f78").code(), None);
    }
    assert_eq!(spawn(&tree, "out", true, None, "").code(), Some(0));
    assert_eq!(crate::runs::tables(&tree.beside("out")), crate::runs::tables(&tree.beside("good")));
}
