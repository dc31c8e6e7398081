//! Every call on the output fails in turn: loudly, with nothing half-written under a final name,
//! and the run goes on to the same bytes.

use assay::output::{Effect, Fault, Faults, Operation};
use assay::scan::Outcome;

use crate::child::{evidence, planned, run, take_up};
use crate::runs::{TABLES, tables};

const NO_SPACE: i32 = 28;
const IO: i32 = 5;

#[test]
fn a_call_that_fails_is_told_and_the_run_goes_on_to_the_same_bytes() {
    let tree = evidence(200);
    run(&planned(&tree, "good")).unwrap();
    let good = tables(&tree.beside("good"));
    let mut failed = 0;
    let kinds = [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename];
    for operation in kinds {
        for effect in [Effect::Once(IO), Effect::From(NO_SPACE)] {
            for nth in 1.. {
                let out = format!("{operation:?}{effect:?}{nth}").replace(['(', ')'], "-");
                let folder = tree.beside(&out);
                let fault = Fault { operation, name: None, nth, effect };
                let mut plan = planned(&tree, &out);
                plan.output_faults = Faults::new(vec![fault]);
                match run(&plan) {
                    Ok(summary) => {
                        assert_eq!(summary.outcome, Outcome::Complete);
                        break;
                    }
                    Err(error) => {
                        failed += 1;
                        assert!(error.to_string().contains(&out), "{out}: {error}");
                    }
                }
                for (name, good) in TABLES.iter().zip(&good) {
                    if let Ok(bytes) = std::fs::read(folder.join(name)) {
                        assert_eq!(&bytes, good, "{out} {name}");
                    }
                }
                take_up(&planned(&tree, &out)).unwrap_or_else(|error| panic!("{out}: {error}"));
                assert_eq!(tables(&folder), good, "{out}");
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
    }
    assert!(failed > 80, "{failed}");
}
