//! A resumed report tells of every changed byte and line, as any other does.

use std::collections::BTreeMap;
use std::io::{self, Read};

use assay::report::verify::{Source, VerifyOptions, verify_source};
use assay::scan::ScanPlan;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::changes::{Change, changes, judge};
use crate::child::{evidence, planned, run, run_until};

const MANIFEST: &str = "manifest.sha256";

/// A report in memory.
#[derive(Clone)]
struct Report(BTreeMap<String, Vec<u8>>);

impl Source for Report {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(self.0.get(name).map(|bytes| Box::new(&**bytes) as Box<dyn Read>))
    }
}

impl Report {
    fn with(&self, change: &Change, manifest_anew: bool) -> Self {
        let mut report = self.clone();
        report.0.insert(change.name.clone(), change.bytes.clone());
        if manifest_anew {
            let text = String::from_utf8(report.0[MANIFEST].clone()).unwrap();
            let line = |line: &str| {
                let name = &line[66..];
                let sum = Sha256::digest(&report.0[name]);
                let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{sum}  {name}\n")
            };
            let text: String = text.lines().map(line).collect();
            report.0.insert(MANIFEST.to_owned(), text.into_bytes());
        }
        report
    }
}

#[test]
fn every_change_of_a_resumed_report_is_found_and_the_changed_row_is_named() {
    let tree = evidence(8);
    let plan = planned(&tree, "out");
    let again = ScanPlan { resume: true, ..plan.clone() };
    run_until(&plan, 1).unwrap();
    run_until(&again, 2).unwrap();
    let seal = run(&again).unwrap().built.seal;
    let files = std::fs::read_dir(tree.beside("out")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    });
    let intact = Report(files.collect());
    assert!(intact.0["custody.csv"].windows(11).any(|words| words == b"run_resumed"));
    let plainly = VerifyOptions::default();
    assert!(verify_source(&intact, &plainly).unwrap().is_good(), "the report as it is");
    let sealed = VerifyOptions { seal: Some(seal), ..VerifyOptions::default() };
    assert!(verify_source(&intact, &sealed).unwrap().is_good(), "the report as it is");
    let all: Vec<_> = intact.0.iter().flat_map(|(name, bytes)| changes(name, bytes)).collect();
    let tries = |change: &Change| {
        let anew = [false, true].into_iter().filter(|anew| !anew || change.name != MANIFEST);
        let wrong = anew.filter_map(|anew| judge(&intact.with(change, anew), &plainly, change));
        wrong.collect::<Vec<_>>()
    };
    let wrong: Vec<_> = all.par_iter().flat_map_iter(tries).collect();
    println!("{} changes, each plainly and with the manifest made anew", all.len());
    assert!(all.len() > 40_000, "the report has become too small to be a test: {}", all.len());
    assert!(wrong.is_empty(), "{} wrong, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(9)]);
}
