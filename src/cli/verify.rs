//! `assay verify`: checks a report and says what differs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::exit::Exit;
use super::opts::VerifyOpts;
use super::plan::{list_algorithm, lists_in, shown};
use super::terminal::Terminal;
use crate::hashset::compiled::Access;
use crate::hashset::{self, ListOptions, ReferenceSet, Scheme, SetKind};
use crate::item::escape::cell;
use crate::matching::Index;
use crate::report::RunManifest;
use crate::report::schema::RUN_JSON;
use crate::report::sign::PublicKey;
use crate::report::verify::{self, SignatureResult, Verification, VerifyOptions};

/// Verifies and gives the exit code.
pub(super) fn verify(opts: &VerifyOpts, terminal: &Terminal) -> Exit {
    match checked(opts) {
        Ok(verification) => tell(&verification, opts, terminal),
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            Exit::Usage
        }
    }
}

fn checked(opts: &VerifyOpts) -> anyhow::Result<Verification> {
    let public_key = opts.key.as_deref().map(PublicKey::from_text_or_file).transpose()?;
    let index = if opts.sets.is_empty() { None } else { Some(sets(opts)?) };
    let options = VerifyOptions { seal: opts.seal.clone(), public_key, sets: index.as_ref() };
    Ok(verify::verify(&opts.report, &options)?)
}

/// Reads the lists as the run did: each is used as what `run.json` says a list of its digest was.
fn sets(opts: &VerifyOpts) -> anyhow::Result<Index> {
    let run = run_json(&opts.report)?;
    let setting = |name: &str| run.settings.get(name).filter(|value| !value.is_empty());
    let algorithm = setting("algorithm").map(|word| list_algorithm(word)).transpose()?;
    let scheme = setting("scheme").map(|name| Scheme::read(name).map(Arc::new)).transpose()?;
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let load = |path: &PathBuf, kind| -> Result<ReferenceSet, hashset::SetError> {
        let (path, scheme) = (path.clone(), scheme.clone());
        let list = ListOptions { path, kind, algorithm, scheme, accept_polarity: true };
        hashset::open(&list, Access::Mapped, &pool)
    };
    let mut loaded: Vec<ReferenceSet> = Vec::new();
    for path in &opts.sets {
        for path in lists_in(path)? {
            let kind = hashset::compiled_kind(&path)?;
            let set = load(&path, kind.unwrap_or(SetKind::Alert))?;
            let sha256 = set.info.sha256.clone();
            if loaded.iter().any(|have| have.info.sha256 == sha256) {
                continue; // the same list under another name
            }
            // A list that the run used several times gave its findings several times.
            let used: Vec<_> = run.sets.iter().filter(|used| used.info.sha256 == sha256).collect();
            if used.is_empty() {
                loaded.push(set);
            }
            for used in used {
                loaded.push(load(&path, kind.unwrap_or(used.info.kind))?);
            }
        }
    }
    Index::build(loaded, &pool).map_err(|name| anyhow::anyhow!("set {name} has too many entries"))
}

fn run_json(report: &Path) -> anyhow::Result<RunManifest> {
    let path = report.join(RUN_JSON);
    #[expect(clippy::disallowed_methods, reason = "a report is our own output, not evidence")]
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", shown(&path)))?;
    serde_json::from_slice(&text)
        .map_err(|error| anyhow::anyhow!("{}", cell(error.to_string().as_bytes())))
        .with_context(|| format!("{} is not usable; verify without --sets", shown(&path)))
}

/// Says what was checked and what differs.
fn tell(verification: &Verification, opts: &VerifyOpts, terminal: &Terminal) -> Exit {
    let Verification { differences, difference_count, checked, seal, .. } = verification;
    for difference in differences {
        terminal.error(&difference.to_string());
    }
    let untold = difference_count.saturating_sub(differences.len() as u64);
    if untold > 0 {
        terminal.error(&format!("{untold} more differences"));
    }
    terminal.say(&format!(
        "checked rows: files {}, matches {}, exceptions {}, volumes {}, custody {}",
        checked.files, checked.matches, checked.exceptions, checked.volumes, checked.custody
    ));
    terminal.say(&match (&opts.seal, verification.is_good()) {
        (Some(_), true) => format!("seal {seal}: as noted"),
        (Some(_), false) => format!("seal {seal}"),
        (None, _) => format!("seal {seal}: compare it with your notes, or give it with --seal"),
    });
    terminal.say(&signature(&verification.signature));
    if let Some(compared) = &verification.sets {
        terminal.say(&format!(
            "recomputed from the lists: {} findings by digest, {} distances; of other lists: {}",
            compared.findings, compared.near, compared.of_other_sets
        ));
        for name in &compared.sets_not_given {
            terminal.say(&format!("list of the run that was not given: {}", cell(name.as_bytes())));
        }
    }
    for name in &verification.not_covered {
        terminal.say(&format!("not covered by the report: {}", cell(name.as_bytes())));
    }
    let exit = if verification.is_good() { Exit::Complete } else { Exit::Difference };
    terminal.say(if verification.is_good() {
        "nothing differs"
    } else {
        "the report differs from what was written; do not rely on it"
    });
    let told = terminal.event(&json!({
        "event": "verified",
        "good": verification.is_good(),
        "code": exit.code(),
        "seal": seal,
        "differences": differences.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }));
    if told.is_err() { Exit::Failed } else { exit }
}

fn signature(result: &SignatureResult) -> String {
    match result {
        SignatureResult::NotSigned => "not signed".to_owned(),
        SignatureResult::NotChecked => "signed; not checked, give the key with --key".to_owned(),
        SignatureResult::Good { key_id, .. } => format!("signature good, key {key_id}"),
        SignatureResult::Bad => "signature not good".to_owned(),
    }
}
