//! matches.csv: one row a finding, each standing alone when it is cut from the file.

use super::{Cells, TableWriter};
use crate::digest::Algorithm;
use crate::matching::{Finding, MatchKind, NearFacts};
use crate::problem::words;
use crate::report::{Record, ReportError, RunManifest};

words! {
    /// How the findings of one object disagree.
    Conflict {
        /// They do not.
        None = "none",
        /// Entries of different kinds agree with this object.
        Kind = "kind",
        /// Entries of one kind give it different codes of one scheme.
        Category = "category",
        /// The entry of this row agrees by one digest and not by another, or not in size.
        Digest = "digest",
    }
}

/// Writes the rows of one record, in the order of set, then entry identifier.
pub(in crate::report) fn matches(
    table: &mut TableWriter<'_>,
    record_no: u64,
    record: &Record,
    run: &RunManifest,
) -> Result<(), ReportError> {
    let mut findings: Vec<&Finding> = record.findings.iter().collect();
    findings.sort_by(|a, b| {
        (a.set, &a.entry_id, a.entry, a.kind).cmp(&(b.set, &b.entry_id, b.entry, b.kind))
    });
    for finding in &findings {
        let number = table.next_number();
        let cells = &mut table.cells;
        cells.number(number);
        cells.number(record_no);
        facts(cells, record, run);
        object(cells, record);
        agreement(cells, record, finding);
        entry(cells, finding, run);
        cells.word(conflict(finding, &findings).as_str());
        table.end_row()?;
    }
    Ok(())
}

/// How a finding disagrees with the others of its object.
fn conflict(of: &Finding, all: &[&Finding]) -> Conflict {
    if of.is_contradicted() {
        return Conflict::Digest;
    }
    let mut agreeing = all.iter().filter(|other| other.kind != MatchKind::DigestConflict);
    if agreeing.clone().any(|other| other.set_kind != of.set_kind) {
        return Conflict::Kind;
    }
    let differs = |other: &&&Finding| match (&of.category, &other.category) {
        (Some(ours), Some(theirs)) => ours.scheme == theirs.scheme && ours.code != theirs.code,
        _ => false,
    };
    if agreeing.any(|other| differs(&other)) { Conflict::Category } else { Conflict::None }
}

/// case_number to source_verdict.
fn facts(cells: &mut Cells, record: &Record, run: &RunManifest) {
    let number = usize::try_from(record.evidence).ok().and_then(|number| number.checked_sub(1));
    let source = number.and_then(|at| run.sources.get(at));
    cells.text(&run.case.case_number);
    cells.text(&run.case.lab_ref);
    cells.text(source.map_or("", |source| &source.exhibit_ref));
    cells.text(&run.case.examiner);
    cells.evidence(record.evidence);
    cells.text(source.map_or("", |source| &source.identity));
    cells.some_word(source.map(|source| source.verdict.as_str()));
}

/// object_path to status.
fn object(cells: &mut Cells, record: &Record) {
    let meta = &record.meta;
    cells.safe(&record.path);
    cells.bytes(&record.file_name);
    cells.word(meta.kind.as_str());
    cells.word(meta.alloc.as_str());
    cells.some_word(meta.container_alloc.map(|alloc| alloc.as_str()));
    cells.some_word(meta.basis.map(|basis| basis.as_str()));
    cells.some_word(meta.attribution.map(|attribution| attribution.as_str()));
    cells.text(record.detected_type.as_deref().unwrap_or_default());
    cells.some(meta.size);
    cells.text(&meta.volume);
    cells.text(&meta.fs_ref);
    cells.some(meta.disk_offset);
    let times = &meta.times;
    for time in [times.created, times.modified, times.accessed, times.changed] {
        cells.time(time);
    }
    cells.some_word(meta.time_source.map(|source| source.as_str()));
    for algorithm in Algorithm::ALL {
        cells.digest(record.digests.get(*algorithm));
    }
    cells.word(record.status.as_str());
}

/// match_kind to frame_time_ms.
fn agreement(cells: &mut Cells, record: &Record, finding: &Finding) {
    cells.word(finding.kind.as_str());
    cells.text(&finding.algorithm);
    cells.text(&finding.object_value);
    cells.safe(&joined(&finding.agreeing));
    let mut disagreeing = joined(&finding.disagreeing);
    if finding.size_differs {
        disagreeing.push_str(if disagreeing.is_empty() { "size" } else { ";size" });
    }
    cells.safe(&disagreeing);
    cells.some_flag(Some(finding.weak));
    cells.some_word(record.low_information.map(|low| low.as_str()));
    nearness(cells, finding.near.as_ref());
    cells.empty(); // frame_time_ms
}

/// distance to fp_population.
fn nearness(cells: &mut Cells, near: Option<&NearFacts>) {
    let Some(near) = near else { return cells.blank(9) };
    cells.some(Some(near.distance));
    cells.some(Some(near.threshold));
    cells.word(near.transform.as_str());
    cells.some(Some(near.quality_object));
    cells.some(near.quality_entry);
    let strength = near.strength();
    cells.some(strength.map(|strength| strength.observed));
    cells.some(strength.map(|strength| strength.pairs));
    cells.text(&strength.map(|strength| strength.upper95.to_string()).unwrap_or_default());
    cells.text(strength.map_or("", |strength| strength.population));
}

/// set_name to victim_identified.
fn entry(cells: &mut Cells, finding: &Finding, run: &RunManifest) {
    let at = usize::try_from(finding.set).ok();
    match at.and_then(|at| run.sets.get(at)).map(|set| &set.info) {
        Some(set) => {
            for text in [&set.name, &set.publisher, &set.version, &set.sha256] {
                cells.text(text);
            }
        }
        None => cells.blank(4),
    }
    cells.word(finding.set_kind.as_str());
    cells.text(&finding.entry_id);
    match finding.category.as_deref() {
        Some(category) => {
            for text in [&category.scheme, &category.code, &category.label] {
                cells.text(text);
            }
        }
        None => cells.blank(3),
    }
    cells.text(finding.series.as_deref().unwrap_or_default());
    cells.some_flag(finding.victim_identified);
}

/// The words of some algorithms, joined by semicolons.
fn joined(algorithms: &[Algorithm]) -> String {
    let words: Vec<_> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    words.join(";")
}
