//! QCOW2, versions 2 and 3: the disk of a QEMU machine.
//!
//! The active state is read: two levels of tables, clusters as they are, zeros, compressed ones
//! (deflate, Zstandard), clusters in 32 parts. Internal snapshots are counted and named, and not
//! examined, which is told. The path of a backing file stands in the image and is never followed:
//! its parent comes from what the operator named, alone, since QCOW2 has no identifier to check it
//! by. Reference counts say nothing of the content and are not read.
//!
//! The format has no check sums: what is seen is what contradicts itself, lies past the end of the
//! file or does not inflate to a cluster exactly.
//!
//! Source: QEMU, docs/interop/qcow2.txt.

mod clusters;
mod header;
mod snapshot;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::mapped::Mapped;
use super::opener::{Opened, Opener};
use super::raw::ImageFile;
use super::{ContainerError, Format, Parts, beneath, parent, parts, raw, shown, told};
use crate::bytes::ReadAt as _;
use crate::evidence::container::sniff::Sniffed;
use crate::item::escape;
use crate::problem::{Code, Problem, Stage};

use clusters::Clusters;
use header::Header;
use snapshot::Snapshots;

/// Opens an image by its file.
pub(super) fn open(opener: &Opener<'_>, first: Opened) -> Result<Parts, ContainerError> {
    let file = first.file;
    let header = Header::read(&file)?;
    let snapshots = snapshot::read(&file, &header);
    let mut image = Parts {
        details: details(&header, &snapshots),
        problems: problems(&file, &header, &snapshots),
        ..Parts::plain(Format::Qcow2, Arc::<ImageFile>::clone(&file), vec![Arc::clone(&file)])
    };
    let parent = match &header.backing {
        Some(stated) => {
            let found = backing(opener, file.path(), stated, header.backing_format.as_deref())?;
            Some(beneath(found, &mut image))
        }
        None => None,
    };
    image.stored = Arc::new(Mapped::new(Clusters::new(file, header), parent));
    Ok(image)
}

/// Opens the parent among the files that the operator named: the one of the stated name where
/// there is one, else the first that is not in the chain yet.
fn backing(
    opener: &Opener<'_>,
    image: &Path,
    stated: &str,
    format: Option<&str>,
) -> Result<Parts, ContainerError> {
    let is_named = |candidate: &Opened| {
        let name = candidate.file.path().file_name().unwrap_or_default();
        Some(name.as_encoded_bytes()) == stated.rsplit(['/', '\\']).next().map(str::as_bytes)
    };
    let fits = |candidate: &Opened| match format {
        Some("qcow2") => told(candidate).map(|found| found == Sniffed::Qcow2),
        Some("vmdk") => told(candidate).map(|found| found == Sniffed::Vmdk),
        _ => Ok(true),
    };
    let by_name = parent::find(opener, image, None, &mut |candidate| {
        Ok(is_named(candidate) && !opener.is_in_chain(candidate) && fits(candidate)?)
    });
    let found = match by_name {
        Err(ContainerError::MissingParent { .. }) => {
            parent::find(opener, image, None, &mut |candidate| fits(candidate))
        }
        found => found,
    };
    match found {
        Ok(found) if format == Some("raw") => Ok(raw(found)),
        Ok(found) => parts(opener, found),
        Err(ContainerError::MissingParent { path, .. }) => {
            let name = escape::cell(stated.as_bytes());
            let kind = format.map(|format| escape::cell(format.as_bytes()));
            let kind = kind.map_or_else(String::new, |kind| format!(", {kind:?}"));
            let wanted =
                format!("{name:?}{kind} (only --parent counts: QCOW2 keeps no identifier)");
            Err(ContainerError::MissingParent { path, wanted })
        }
        Err(error) => Err(error),
    }
}

fn details(header: &Header, snapshots: &Snapshots) -> BTreeMap<String, String> {
    let mut details = BTreeMap::new();
    let mut put = |name: &str, value: String| details.insert(name.to_owned(), value);
    put("version", header.version.to_string());
    put("cluster_size", header.cluster_size().to_string());
    put("compression", if header.zstd { "zstd" } else { "deflate" }.to_owned());
    put("snapshots", header.snapshots.to_string());
    if !snapshots.names.is_empty() {
        put("snapshot_names", snapshots.names.join(", "));
    }
    if header.extended {
        put("extended_l2", "yes".to_owned());
    }
    if let Some(name) = &header.backing {
        put("backing_file", name.clone());
    }
    if let Some(format) = &header.backing_format {
        put("backing_format", format.clone());
    }
    details
}

fn problems(file: &ImageFile, header: &Header, snapshots: &Snapshots) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut tell = |code: Code, why: &str| {
        let detail = format!("{}: {why}", shown(file.path()));
        problems.push(Problem::new(code, Stage::Container, detail));
    };
    if header.dirty {
        let why = "it was not closed by the program that wrote it; read by its tables as they are";
        tell(Code::ImageDamaged, why);
    }
    if header.corrupt {
        tell(Code::ImageDamaged, "a program marked it as corrupt; read by its tables as they are");
    }
    let table = header.l1_entries.saturating_mul(8).saturating_add(header.l1_offset);
    if table > file.len() {
        let why = format!("its L1 table ends at byte {table}, the file at {}", file.len());
        tell(Code::ImageDamaged, &why);
    }
    let bits = header.cluster_bits.saturating_add(header.l2_bits());
    let needed = header.size.div_ceil(1_u64.checked_shl(bits).unwrap_or(u64::MAX));
    if header.l1_entries < needed {
        let why = format!("its L1 table has {} entries, {needed} are needed", header.l1_entries);
        tell(Code::ImageDamaged, &why);
    }
    if header.snapshots > 0 {
        tell(Code::ContentNotRead, &told_of(header, snapshots));
    }
    if let Some(why) = &snapshots.broken {
        tell(Code::ImageDamaged, &format!("{why} cannot be read"));
    }
    problems
}

fn told_of(header: &Header, snapshots: &Snapshots) -> String {
    let names: Vec<String> =
        snapshots.names.iter().map(|name| escape::cell(name.as_bytes())).collect();
    let memory = match snapshots.with_memory {
        0 => String::new(),
        some => format!("; {some} of them with the memory of the machine"),
    };
    format!(
        "it holds other states of the disk, which were not examined: {} internal snapshots ({}){memory}",
        header.snapshots,
        names.join(", ")
    )
}
