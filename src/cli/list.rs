//! `assay list`: the volumes of an image, and their objects.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use super::exit::Exit;
use super::opts::ListOpts;
use super::plan::access;
use super::terminal::Terminal;
use crate::evidence::{Action, VolumeRow};
use crate::item::{ItemMeta, ObjectPath, escape};
use crate::scan;

/// Lists and gives the exit code.
pub(super) fn list(opts: &ListOpts, terminal: &Terminal) -> Exit {
    match listed(opts, terminal) {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            Exit::Usage
        }
    }
}

fn listed(opts: &ListOpts, terminal: &Terminal) -> anyhow::Result<Exit> {
    let access = access(&opts.reading)?;
    let source = scan::open(&opts.image, opts.reading.bad_map.as_deref(), &access)?;
    let mut failed = None;
    let cancel = AtomicBool::new(false);
    let walked = if opts.recursive {
        // Objects of an image inside come after those of the layer that it lies in.
        scan::walk_inside(&*source, 1, &access, &cancel, &mut |path, meta| match terminal
            .line(&object(path, meta))
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })
    } else {
        source.walk(1, &cancel, &mut |_| ControlFlow::Continue(()))
    };
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !opts.recursive {
        terminal.line(HEAD)?;
        for row in &walked.volumes {
            terminal.line(&volume(row))?;
        }
    }
    for located in &walked.problems {
        let detail = escape::cell(located.problem.detail.as_bytes());
        terminal.error(&format!("{}: {}: {detail}", located.path, located.problem.code));
    }
    let inside = walked.inside.iter().flat_map(|medium| &medium.volumes);
    let whole = !walked.volumes.iter().chain(inside).any(VolumeRow::is_incomplete);
    Ok(if whole { Exit::Complete } else { Exit::Incomplete })
}

const HEAD: &str = "volume         start        length  scheme   type                                  \
                    file system      objects  label";

fn volume(row: &VolumeRow) -> String {
    let VolumeRow { volume, start, length, scheme, type_id, fs_type, objects_found, .. } = row;
    let system = match row.action {
        Action::Gap => "",
        _ if fs_type.is_empty() => "not recognised",
        _ => fs_type,
    };
    let label = escape::cell(&row.label);
    format!(
        "{volume:<6} {start:>13} {length:>13}  {scheme:<8} {type_id:<37} {system:<15} \
         {objects_found:>8}  {label}"
    )
}

/// Status, kind, reference, size and path, with tabs between.
fn object(path: &ObjectPath, meta: &ItemMeta) -> String {
    let size = meta.size.map(|size| size.to_string()).unwrap_or_default();
    format!("{}\t{}\t{}\t{size}\t{}", meta.alloc, meta.kind, meta.fs_ref, path.text())
}
