//! A resumed report tells of every changed byte, as any other does.

use std::collections::BTreeMap;
use std::io::{self, Read};

use assay::report::verify::{Source, VerifyOptions, verify_source};
use assay::scan::ScanPlan;

use crate::child::{evidence, planned, run, run_until};

/// A report in memory.
struct Report(BTreeMap<String, Vec<u8>>);

impl Source for Report {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(self.0.get(name).map(|bytes| Box::new(&**bytes) as Box<dyn Read>))
    }
}

#[test]
fn every_changed_byte_of_a_resumed_report_is_found() {
    let tree = evidence(9);
    let plan = planned(&tree, "out");
    let again = ScanPlan { resume: true, ..plan.clone() };
    run_until(&plan, 3).unwrap();
    run_until(&again, 6).unwrap();
    let seal = run(&again).unwrap().built.seal;
    let files = std::fs::read_dir(tree.beside("out")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    });
    let mut report = Report(files.collect());
    let options = VerifyOptions { seal: Some(seal), ..VerifyOptions::default() };
    let found = |report: &Report| !verify_source(report, &options).unwrap().is_good();
    assert!(!found(&report), "the report as it is");
    let names: Vec<String> = report.0.keys().cloned().collect();
    let mut tried = 0;
    for name in names {
        for at in (0..report.0[&name].len()).step_by(3) {
            report.0.get_mut(&name).unwrap()[at] ^= 1;
            assert!(found(&report), "{name}, byte {at}");
            report.0.get_mut(&name).unwrap()[at] ^= 1;
            tried += 1;
        }
    }
    assert!(tried > 2_000, "{tried}");
}
