//! `assay object`: one object again, beside its row in a report.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::chain;
use super::exit::Exit;
use super::opts::ObjectOpts;
use super::plan::access;
use super::terminal::Terminal;
use crate::digest::Selection;
use crate::item::{Extent, Place, Status};
use crate::report;
use crate::scan::{self, Access, Changed, Replayed};

/// Reads the object and gives the exit code.
pub(super) fn object(opts: &ObjectOpts, terminal: &Terminal) -> Exit {
    match looked_at(opts, terminal) {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            Exit::Usage
        }
    }
}

fn looked_at(opts: &ObjectOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let number = number(&opts.object_path)?;
    // Only what was carved is looked for by carving again.
    let carve = ["/$Unallocated/", "/$Slack/"].iter().any(|name| opts.object_path.contains(name));
    let access = Access { carve, ..access(&opts.reading)? };
    let source = scan::open(&opts.evidence, opts.reading.bad_map.as_deref(), &access)?;
    let replayed = scan::replay(&*source, number, &access, &opts.object_path, Selection::ALL)
        .map_err(|error| anyhow::anyhow!("{}", chain(&error)))?;
    let Some(replayed) = replayed else {
        terminal.error(&format!("the evidence has no object {}", opts.object_path));
        return Ok(Exit::Failed);
    };
    tell(&replayed, terminal)?;
    let whole = matches!(replayed.record.status, Status::Hashed | Status::Special);
    let exit = if whole { Exit::Complete } else { Exit::Incomplete };
    match &opts.row {
        None => Ok(exit),
        Some(report) => Ok(compare(report, &replayed, terminal)?.unwrap_or(exit)),
    }
}

/// The number of the evidence item in a path: `E1!/...` is 1.
fn number(path: &str) -> anyhow::Result<u32> {
    let number = path.strip_prefix('E').and_then(|rest| rest.split_once("!/"));
    let number = number.and_then(|(number, _)| number.parse().ok());
    number.with_context(|| {
        format!("{path:?} is no object path; copy it from files.csv, it begins like E1!/")
    })
}

/// Prints every fact of the object that files.csv has a column for, then its extents.
fn tell(replayed: &Replayed, terminal: &Terminal) -> anyhow::Result<()> {
    let Replayed { record, extents, volume } = replayed;
    for (column, cell) in report::cells_of(record)? {
        if !cell.is_empty() && !scan::NOT_OF_THE_OBJECT.contains(&column) {
            terminal.line(&format!("{column:<22} {cell}"))?;
        }
    }
    for problem in &record.problems {
        let place = match (problem.offset, problem.length) {
            (Some(at), Some(len)) => format!(" at byte {at}, {len} bytes"),
            _ => String::new(),
        };
        let detail = crate::item::escape::cell(problem.detail.as_bytes());
        terminal.line(&format!("{:<22} {}{place}: {detail}", "problem", problem.code))?;
    }
    let start = volume.as_ref().map_or(0, |volume| volume.start);
    let mut at = 0_u64;
    for extent in extents {
        terminal.line(&format!("{:<22} {}", "extent", shown(extent, at, start)))?;
        at = at.saturating_add(extent.len);
    }
    Ok(())
}

/// An extent as bytes of the object and bytes of the decoded image.
fn shown(extent: &Extent, at: u64, start: u64) -> String {
    let len = extent.len;
    let place = match &extent.place {
        Place::Disk(place) => format!("image {}", start.saturating_add(*place)),
        Place::Hole => "zeros, not stored".to_owned(),
        Place::Resident(_) => "in the file system's own record".to_owned(),
        Place::Lznt1 { runs, .. } => {
            let from = |(at, len): &(u64, u64)| format!("{} ({len})", start.saturating_add(*at));
            let from: Vec<_> = runs.iter().map(from).collect();
            format!("compressed by LZNT1, image {}", from.join(" "))
        }
        Place::Missing(code, detail) => format!("missing: {code}: {detail}"),
    };
    format!("object {at}, {len} bytes: {place}")
}

/// Says what is not as the report says; the code where something decides it.
fn compare(
    report: &Path,
    replayed: &Replayed,
    terminal: &Terminal,
) -> anyhow::Result<Option<Exit>> {
    let Some(changed) = scan::compare(report, &replayed.record)? else {
        bail!("the report has no row of {}", replayed.record.path);
    };
    for Changed { column, reported, found } in &changed {
        terminal.error(&format!("{column}: the report says {reported:?}, found {found:?}"));
    }
    if changed.is_empty() {
        terminal.say("as the report says");
        return Ok(None);
    }
    Ok(Some(Exit::Difference))
}
