//! What run.json says that the tables can be held against.

use super::found::{Found, shown};
use super::hex64;
use crate::item::Status;
use crate::report::schema::{EXCEPTIONS, FILES, MATCHES, RUN_JSON, VERSION, VOLUMES};
use serde_json::Value;
use std::collections::BTreeMap;

/// The sets and the balance of the run.
#[derive(Default)]
pub(super) struct RunFacts {
    /// Name of each set by its SHA-256; `None` where run.json could not be read.
    pub(super) sets: Option<BTreeMap<String, String>>,
    /// The largest PDQ distance that was a finding; `None` where pictures were not compared.
    pub(super) near_bits: Option<u32>,
    balance: BTreeMap<Status, u64>,
    /// Rows of each table by its file, where run.json states them.
    rows: BTreeMap<&'static str, u64>,
}

/// Tables by their key in the row counts of run.json.
const TABLES: [(&str, &str); 4] = [
    ("/rows/volumes", VOLUMES.file),
    ("/rows/files", FILES.file),
    ("/rows/matches", MATCHES.file),
    ("/rows/exceptions", EXCEPTIONS.file),
];

impl RunFacts {
    /// Reads run.json; what is not there is told to `found`.
    pub(super) fn read(bytes: Option<&[u8]>, found: &mut Found) -> Self {
        let mut facts = Self::default();
        let Some(bytes) = bytes else {
            found.own(RUN_JSON, None, "the file is missing");
            return facts;
        };
        let run: Value = match serde_json::from_slice(bytes) {
            Ok(run) => run,
            Err(error) => {
                found.own(RUN_JSON, None, format!("it is no JSON: {error}"));
                return facts;
            }
        };
        match run.get("schema").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                let detail =
                    format!("its schema is version {version}, this program knows {VERSION}");
                found.own(RUN_JSON, None, detail);
            }
            None => found.own(RUN_JSON, None, "it states no schema version"),
        }
        for status in Status::ALL {
            let count = run.pointer(&format!("/balance/{status}")).and_then(Value::as_u64);
            match count {
                Some(count) => drop(facts.balance.insert(*status, count)),
                None => found.own(RUN_JSON, None, format!("its balance has no count `{status}`")),
            }
        }
        for (pointer, file) in TABLES {
            match run.pointer(pointer).and_then(Value::as_u64) {
                Some(count) => drop(facts.rows.insert(file, count)),
                None => found.own(RUN_JSON, None, format!("it has no row count of {file}")),
            }
        }
        let state = run.get("state").and_then(Value::as_str).unwrap_or_default();
        if !matches!(state, "complete" | "failed") {
            let detail = format!("its state is `{}`: the run did not end", shown(state));
            found.own(RUN_JSON, None, detail);
        }
        let bits = run.pointer("/thresholds/pdq").and_then(Value::as_u64);
        facts.near_bits = bits.and_then(|bits| u32::try_from(bits).ok());
        facts.sets = sets(&run);
        if facts.sets.is_none() {
            found.own(RUN_JSON, None, "its list of sets is missing or has one without a SHA-256");
        }
        facts
    }

    /// How many rows a table has by run.json.
    pub(super) fn rows_of(&self, file: &str) -> Option<u64> {
        self.rows.get(file).copied()
    }

    /// Compares the number of rows of a table with what was counted.
    pub(super) fn compare_rows(&self, file: &str, counted: u64, found: &mut Found) {
        if let Some(stated) = self.rows_of(file).filter(|stated| *stated != counted) {
            let detail = format!("it has {counted} rows, by run.json {stated}");
            found.between(file, None, detail);
        }
    }

    /// Compares the balance with what was counted.
    pub(super) fn compare(&self, counted: &BTreeMap<Status, u64>, found: &mut Found) {
        for (status, stated) in &self.balance {
            let counted = counted.get(status).copied().unwrap_or(0);
            if counted != *stated {
                let detail =
                    format!("it has {counted} rows `{status}`, the balance of run.json {stated}");
                found.between(FILES.file, None, detail);
            }
        }
    }
}

/// Name of each set by its SHA-256; both stand in the set's object or in its `info`.
fn sets(run: &Value) -> Option<BTreeMap<String, String>> {
    let name_of = |set: &Value| {
        let set = set.get("info").unwrap_or(set);
        let text = |key: &str| Some(set.get(key)?.as_str()?.to_owned());
        Some((text("sha256").filter(|sha256| hex64(sha256))?, text("name")?))
    };
    run.get("sets")?.as_array()?.iter().map(name_of).collect()
}
