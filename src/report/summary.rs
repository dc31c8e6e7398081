//! `summary.txt`: one page for a person.
//!
//! ASCII, at most 80 columns, no text of evidence that could pass for the program's own. It states
//! what was found, what was not looked at, and how anyone can check the report. The fixed
//! sentences stand in every summary.

use crate::evidence::filesystem::ByteClasses;
use crate::item::{Status, escape};
use crate::matching::{Disposition, MatchKind};
use crate::problem::Code;
use crate::report::tally::{Count, Group, Tally};
use crate::report::{RunManifest, RunState, SourceVerdict, schema};
use std::collections::BTreeMap;

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns of the first part of a line that has two.
const LABEL: usize = 44;
/// Lines of a list before the rest is only counted.
const LIST: usize = 24;

/// What a match is and is not.
const MEANING: [&str; 3] = [
    "A match is a lead, not an identification: a person must compare the object with the \
     entry's source before anything is concluded from it.",
    "\"No match\" does not show that no known material is present: only what was read whole \
     was compared, and only with the entries of the sets above.",
    "Kinds and categories are those of the sets; this program states no legal assessment.",
];

/// What nobody has vouched for.
const NOT_VALIDATED: &str = "Not validated for casework by this program's makers: validate it in \
     your laboratory before relying on it.";

/// What this version does not look into.
const NOT_SUPPORTED: [&str; 4] = [
    "in slack and unallocated space: what has no structure that is known (docs/carving.md)",
    "file systems and containers that volumes.csv lists as not_examined",
    "contents of archives, documents, mail and other containers",
    "single pictures of videos",
];

/// The text of the page.
pub(super) fn render(run: &RunManifest, tally: &Tally) -> String {
    let mut page = Page::default();
    head(&mut page, run);
    hits(&mut page, run, tally);
    looked_for(&mut page, run, tally);
    balance(&mut page, run, tally);
    not_examined(&mut page, run, tally);
    page.title("What this means");
    MEANING.iter().for_each(|sentence| page.item(sentence));
    page.item(&format!("{NOT_VALIDATED} Decoders ran confined by: {}.", confined_by(run)));
    how_to_verify(&mut page, run);
    page.0
}

/// What the workers reached.
fn confined_by(run: &RunManifest) -> String {
    match run.tool.sandbox.as_str() {
        "" => "nothing that was recorded".to_owned(),
        level => ascii(level),
    }
}

fn head(page: &mut Page, run: &RunManifest) {
    for source in run.sources.iter().filter(|one| one.verdict == SourceVerdict::Mismatch) {
        let id = &source.evidence_id;
        page.line(0, &format!("IMAGE DIGEST MISMATCH: {id} is not the image that was acquired."));
    }
    page.line(0, &format!("{} {}: summary of a report", run.tool.name, run.tool.version));
    if run.state == RunState::Failed {
        page.line(0, &format!("FAILED: {}", run.failure));
    }
    page.title("Case");
    let case = &run.case;
    for (label, value) in [
        ("case number", &case.case_number),
        ("laboratory reference", &case.lab_ref),
        ("examiner", &case.examiner),
        ("organisation", &case.organisation),
        ("authority", &case.authority),
        ("commit of the program", &run.tool.commit),
        ("SHA-256 of the program", &run.tool.binary_sha256),
        ("machine", &run.host.name),
        ("account", &run.host.user),
        ("started (UTC)", &run.started),
        ("ended (UTC)", &run.ended),
    ] {
        page.fact(label, value);
    }
    for source in &run.sources {
        let id = &source.evidence_id;
        page.fact(&format!("{id} exhibit"), &source.exhibit_ref);
        page.fact(&format!("{id} path"), &source.path);
        if source.format != "folder" {
            page.fact(&format!("{id} image digest"), source.verdict.as_str());
        }
        for (name, value) in &source.facts {
            page.fact(&format!("{id} {name}"), value);
        }
        page.fact(&format!("{id} write blocker, as noted"), &source.write_blocker);
        page.fact(&format!("{id} alteration accepted"), &source.alteration_accepted);
    }
    for (control, _) in run.tool.known_answers.iter().filter(|(_, passed)| !**passed) {
        page.fact("known-answer control FAILED", control);
    }
}

fn hits(page: &mut Page, run: &RunManifest, tally: &Tally) {
    page.title("Result");
    if run.sets.is_empty() {
        page.line(0, "NO LIST WAS GIVEN: nothing was looked for.");
    }
    for (disposition, label) in [
        (Disposition::Alert, "equal to an alert entry (exact)"),
        (Disposition::Near, "near an alert entry, equal to none"),
        (Disposition::Info, "equal to or near an info entry only"),
        (Disposition::Ignore, "equal to an ignore entry only"),
    ] {
        let of = |counts: &BTreeMap<_, u64>| counts.get(&disposition).copied().unwrap_or(0);
        page.pair(0, label, &of(&tally.dispositions).to_string());
        if of(&tally.low) > 0 {
            page.pair(0, "  of these of low information", &of(&tally.low).to_string());
        }
    }
    page.pair(0, "compared, in no set", &tally.compared_in_no_set.to_string());
    let compared: u64 = tally.statuses.get(&Status::Hashed).copied().unwrap_or(0);
    let met: u64 = tally.statuses.values().sum();
    page.pair(0, "not compared: see Not examined", &met.saturating_sub(compared).to_string());
    page.pair(0, "digest conflicts, not counted as equal", &tally.conflicts.to_string());
    page.pair(0, "objects whose entry contradicts itself", &tally.contradicted.to_string());
    page.pair(0, "equal by MD5 alone, of any kind of set", &tally.weak.to_string());
    page.line(0, "");
    page.row("", ["objects", "contents", "low inf."].map(str::to_owned));
    let mut listed = 0;
    for (group, count) in tally.groups() {
        let Some(label) = label(group, run) else { continue };
        listed += 1;
        if listed <= LIST {
            let Count { instances, unique, low, .. } = count;
            page.row(&label, [instances, unique, low].map(|n| n.to_string()));
        }
    }
    if listed > LIST {
        page.line(0, &format!("and {} more groups: see matches.csv", listed - LIST));
    }
    page.line(0, "objects: rows of files.csv, without those of low information (empty, tiny,");
    page.line(0, "uniform or flat content). contents: different strongest digests among them.");
}

/// Every list, and how pictures were compared: what the result is a result of.
fn looked_for(page: &mut Page, run: &RunManifest, tally: &Tally) {
    page.title("Looked for");
    for set in &run.sets {
        let info = &set.info;
        page.line(0, &format!("{} set {}", info.kind, ascii(&info.name)));
        let (publisher, version) = (ascii(&info.publisher), ascii(&info.version));
        let entries = set.counts.accepted;
        page.line(2, &format!("publisher {publisher}, version {version}, entries {entries}"));
        page.line(2, &format!("SHA-256 {}", info.sha256));
        if set.incomparable > 0 {
            page.line(2, &format!("entries that this run could not compare: {}", set.incomparable));
        }
        if set.counts.unmapped_codes > 0 {
            let unmapped = set.counts.unmapped_codes;
            page.line(2, &format!("ENTRIES WITH A CODE THE SCHEME DOES NOT MAP: {unmapped}"));
            page.line(2, "they count as info, also in an alert set");
        }
    }
    match run.thresholds.get("pdq") {
        Some(bits) => page.pair(0, "near: largest PDQ distance", &bits.to_string()),
        None => page.line(0, "pictures were not compared (--no-near)"),
    }
    page.pair(0, "pictures hashed and fit to be compared", &tally.pictures_compared.to_string());
    page.pair(0, "pictures too flat to be compared", &tally.pictures_flat.to_string());
}

/// A group in words; `None` for those that are stated elsewhere.
fn label(group: &Group, run: &RunManifest) -> Option<String> {
    Some(match group {
        Group::Alert => "alert, all sets".to_owned(),
        Group::Near => return None,
        Group::Set(set, kind) => {
            let set = usize::try_from(*set).ok().and_then(|at| run.sets.get(at));
            let name = set.map_or("unknown", |set| &set.info.name);
            let polarity = set.map_or("", |set| set.info.kind.as_str());
            let what = match kind {
                MatchKind::Exact => "exact",
                MatchKind::Near => "near",
                MatchKind::DigestConflict => "digest conflict",
            };
            format!("{polarity} set {}: {what}", ascii(name))
        }
        Group::Category(scheme, code, label) => {
            format!("category {} {}: {}", ascii(scheme), ascii(code), ascii(label))
        }
        Group::Alloc(alloc) => format!("alert, {alloc}"),
        Group::Kind(kind) => format!("alert, {kind}"),
        Group::Other => "further groups together".to_owned(),
    })
}

fn balance(page: &mut Page, run: &RunManifest, tally: &Tally) {
    page.title("Balance");
    let Some(balance) = run.balance else { return };
    page.pair(0, "objects met", &balance.seen.to_string());
    for status in Status::ALL {
        let count = tally.statuses.get(status).copied().unwrap_or(0);
        page.pair(0, &format!("  {status}"), &count.to_string());
    }
    page.pair(0, "the sum holds", if balance.holds { "yes" } else { "NO: FAILED" });
    page.pair(0, "  of these carved", &tally.carved.to_string());
    page.pair(0, "  of these pictures inside files", &tally.embedded.to_string());
    page.pair(0, "folders listed", &balance.directories.to_string());
    if tally.unlisted > 0 {
        page.pair(0, "folders NOT listed, each one object here", &tally.unlisted.to_string());
        page.line(0, "What lies below those folders is in no count of this page.");
    }
    page.pair(0, "bytes hashed", &tally.bytes_hashed.to_string());
    if tally.volumes.is_empty() {
        return;
    }
    for (action, count) in &tally.volumes {
        page.pair(0, &format!("volumes: {action}"), &count.to_string());
    }
    let ByteClasses { metadata, allocated, slack, unallocated, unread, unexamined } = tally.bytes;
    for (class, bytes) in [
        ("structures of file systems", metadata),
        ("content of existing objects", allocated),
        ("slack, searched", slack),
        ("unallocated, searched", unallocated),
        ("not readable", unread),
        ("not examined", unexamined),
    ] {
        page.pair(0, &format!("bytes, {class}"), &bytes.to_string());
    }
    page.pair(0, "bytes of the media", &tally.media_bytes.to_string());
    if tally.images_inside > 0 {
        let count = tally.images_inside.to_string();
        page.pair(0, "images inside evidence, read too", &count);
    }
    if tally.shared > 0 {
        page.pair(
            0,
            "bytes that two volumes claim, counted in the first",
            &tally.shared.to_string(),
        );
    }
    let whole = if tally.media_incomplete == 0 { "yes" } else { "NO: FAILED" };
    page.pair(0, "volumes and gaps cover the media", whole);
    let held = if tally.volumes_unbalanced == 0 { "yes" } else { "NO: FAILED" };
    page.pair(0, "the bytes of every volume sum to its length", held);
    page.pair(0, "problems of volumes and media", &tally.located.to_string());
}

fn not_examined(page: &mut Page, run: &RunManifest, tally: &Tally) {
    page.title("Not examined");
    for ((status, reason), count) in &tally.reasons {
        let reason = reason.map_or("no reason stated", Code::as_str);
        page.pair(0, &format!("{status}: {reason}"), &count.to_string());
    }
    for (status, count) in tally.media.iter().filter(|(status, _)| *status != "ok") {
        page.pair(0, &format!("pictures, {}", ascii(status)), &count.to_string());
    }
    for set in run.sets.iter().filter(|set| set.counts.rejected > 0) {
        let label = format!("rows refused, set {}", ascii(&set.info.name));
        page.pair(0, &label, &set.counts.rejected.to_string());
    }
    let typed = || tally.types.iter().filter(|(name, _)| !name.is_empty());
    for (name, count) in typed().take(LIST) {
        let label = format!("compared by digest alone: {}", ascii(name));
        page.pair(0, &label, &count.to_string());
    }
    if typed().count() > LIST {
        page.line(0, &format!("and {} more types: see files.csv", typed().count() - LIST));
    }
    let untyped = tally.types.get("").copied().unwrap_or(0);
    page.pair(0, "compared by digest alone: type not told", &untyped.to_string());
    for (limit, value) in &run.limits {
        page.pair(0, &format!("limit in force: {}", ascii(limit)), &value.to_string());
    }
    page.line(0, "This version does not look into:");
    NOT_SUPPORTED.iter().for_each(|what| page.item(what));
}

fn how_to_verify(page: &mut Page, run: &RunManifest) {
    page.title("How to verify");
    page.line(0, "In the report's folder, with ordinary tools:");
    page.line(2, &format!("sha256sum -c {}", schema::MANIFEST));
    page.line(0, "With this program, and the seal noted at the end of the run:");
    page.line(2, &format!("{} verify REPORT_FOLDER --seal SEAL", run.tool.name));
    page.line(
        0,
        "The seal is the last value of custody.csv. Without a noted seal or a signature only an \
         accidental or partial change of the report shows.",
    );
}

/// Text of any origin as inert ASCII.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape::cell(text.as_bytes()).chars() {
        if c.is_ascii() { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    out
}

/// Lines of at most [`WIDTH`] columns.
#[derive(Default)]
struct Page(String);

impl Page {
    fn title(&mut self, title: &str) {
        self.line(0, "");
        self.line(0, title);
        self.line(0, &"-".repeat(title.len()));
    }

    /// A paragraph, broken between words, or inside one that is too long.
    fn line(&mut self, indent: usize, text: &str) {
        self.hanging(indent, indent, text);
    }

    fn item(&mut self, text: &str) {
        self.hanging(0, 2, &format!("- {text}"));
    }

    /// A stated fact; nothing where it is not stated.
    fn fact(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.hanging(0, 25, &format!("{label:<24} {}", ascii(value)));
        }
    }

    /// A label and a short value.
    fn pair(&mut self, indent: usize, label: &str, value: &str) {
        self.row_of(indent, label, &format!("{value:>11}"));
    }

    /// A label and three numbers.
    fn row(&mut self, label: &str, cells: [String; 3]) {
        let [a, b, c] = cells;
        self.row_of(0, label, &format!("{a:>11} {b:>11} {c:>11}"));
    }

    /// A label too long for its column has a line of its own.
    fn row_of(&mut self, indent: usize, label: &str, values: &str) {
        let mut label = label;
        if label.len() > LABEL {
            self.hanging(indent, indent + 2, label);
            label = "";
        }
        let line = format!("{:indent$}{label:<LABEL$}{values}", "");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn hanging(&mut self, first: usize, next: usize, text: &str) {
        let (mut rest, mut indent) = (text, first);
        loop {
            let room = WIDTH - indent;
            let cut = match rest.get(..=room) {
                None => rest.len(),
                Some(head) => head.rfind(' ').filter(|at| *at > room / 2).unwrap_or(room),
            };
            let (line, after) = rest.split_at(cut);
            self.0.push_str(format!("{:indent$}{line}", "").trim_end());
            self.0.push('\n');
            rest = after.strip_prefix(' ').unwrap_or(after);
            indent = next;
            if rest.is_empty() {
                return;
            }
        }
    }
}
