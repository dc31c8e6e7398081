//! What a run says of itself in `run.json`, and what must be equal for a run to be taken up again.

use std::path::Path;

use super::content::BUFFER_BYTES;
use super::picture::LARGEST_PICTURE;
use super::{ScanPlan, SourcePlan, VerifyImage, nested};
use crate::digest::Digest;
use crate::evidence::EvidenceSource;
use crate::evidence::image::{HOLES_OF_ALL, HOLES_OF_ONE};
use crate::hashset::SetInfo;
use crate::item::escape;
use crate::matching::{Index, NearAlgorithm, NearOptions};
use crate::media::Limits;
use crate::report::{CompiledRecord, RunManifest, SetRecord, Source, SourceVerdict};

/// The record of a run that is about to begin.
pub(super) fn manifest(
    plan: &ScanPlan,
    index: &Index,
    evidence: &[Box<dyn EvidenceSource>],
) -> RunManifest {
    let mut run = RunManifest::new(plan.tool.clone(), plan.case.clone(), plan.host.clone());
    run.arguments.clone_from(&plan.arguments);
    let algorithm = plan.lists.iter().find_map(|list| list.algorithm);
    let settings = [
        ("algorithm", algorithm.map(|algorithm| algorithm.to_string()).unwrap_or_default()),
        ("scheme", plan.scheme.clone().unwrap_or_default()),
        ("digests", plan.digests.to_string()),
        ("threads", plan.threads.to_string()),
        ("read_links", plan.read_links.to_string()),
        ("name_codepage", codepage(plan)),
        ("verify_image", plan.verify_image.map_or("", VerifyImage::as_str).to_owned()),
    ];
    run.settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
    let pictures = Limits::default();
    let number = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    run.limits = [
        ("read_bytes", number(BUFFER_BYTES)),
        ("picture_file_bytes", LARGEST_PICTURE),
        ("picture_pixels", pictures.max_pixels),
        ("picture_side", u64::from(pictures.max_side)),
        ("picture_memory_bytes", pictures.max_memory),
        ("image_zeros_of_one_object", HOLES_OF_ONE),
        ("image_zeros_of_one_volume", HOLES_OF_ALL),
        ("images_inside_images", number(nested::MOST_LAYERS)),
        ("images_inside_one_evidence_item", nested::MOST_MEDIA),
        ("images_inside_files_remembered", number(nested::MOST_KEPT)),
        ("images_inside_bytes_not_stored", nested::MOST_UNSTORED),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    run.thresholds = plan.near.iter().flat_map(thresholds).collect();
    let sources = (1_u32..).zip(&plan.sources).zip(evidence);
    run.sources = sources.map(|((n, source), one)| self::source(plan, n, source, &**one)).collect();
    let sets = index.sets().iter().enumerate();
    run.sets = sets
        .map(|(n, set)| SetRecord {
            info: set.info.clone(),
            counts: set.counts,
            incomparable: index.incomparable(n, plan.digests, plan.near.as_ref()),
            compiled: set.compiled.as_deref().map(|compiled| CompiledRecord {
                root: compiled.root(),
                file_len: compiled.file_len(),
                importer: compiled.importer().to_owned(),
                sources: compiled.sources().to_vec(),
            }),
        })
        .collect();
    run
}

/// The code page of short names, where one was stated.
fn codepage(plan: &ScanPlan) -> String {
    plan.filesystem.codepage.map(|page| format!("cp{}", page.number())).unwrap_or_default()
}

/// The largest distance reported as near, by algorithm.
fn thresholds(near: &NearOptions) -> Vec<(String, u32)> {
    let all = [
        (NearAlgorithm::Pdq, Some(near.near_bits)),
        (NearAlgorithm::PdqNn512, Some(near.near_bits)),
        (NearAlgorithm::Phash, near.phash_bits),
        (NearAlgorithm::Dhash, near.dhash_bits),
        (NearAlgorithm::Ahash, near.ahash_bits),
    ];
    all.into_iter().filter_map(|(name, bits)| Some((name.as_str().to_owned(), bits?))).collect()
}

fn source(
    plan: &ScanPlan,
    number: u32,
    source: &SourcePlan,
    evidence: &dyn EvidenceSource,
) -> Source {
    let access = ("access".to_owned(), evidence.access());
    Source {
        evidence_id: format!("E{number}"),
        exhibit_ref: source.exhibit.clone().unwrap_or_default(),
        path: shown(&source.path),
        format: evidence.format(),
        identity: evidence.identity(),
        facts: evidence.facts().into_iter().chain([access]).collect(),
        write_blocker: source.write_blocker.clone().unwrap_or_default(),
        device_clock_offset: source.device_clock_offset.clone().unwrap_or_default(),
        image_digests: std::collections::BTreeMap::new(),
        verdict: SourceVerdict::NoneSupplied,
        alteration_accepted: plan.accept_alteration.clone().unwrap_or_default(),
    }
}

/// Everything that decides what the tables hold, as one text: two runs may be joined where it is
/// equal.
pub(super) fn identity(
    plan: &ScanPlan,
    run: &RunManifest,
    evidence: &[Box<dyn EvidenceSource>],
) -> String {
    let mut lines = vec![
        format!("schema {}", run.schema),
        format!("tool {} {}", run.tool.version, run.tool.commit),
        format!("digests {}", plan.digests),
        format!("near {:?}", run.thresholds),
        format!("read_links {}", plan.read_links),
        format!("name_codepage {}", codepage(plan)),
    ];
    for (source, evidence) in run.sources.iter().zip(evidence) {
        let Source { evidence_id, path, identity, exhibit_ref, .. } = source;
        let place = evidence.place();
        lines.push(format!("source {evidence_id} {path} {identity} {place} {exhibit_ref}"));
        if let Some(image) = evidence.image() {
            let bad = format!("{:?}", image.facts().bad_sectors.as_slice());
            lines.push(format!("bad_sectors {evidence_id} {}", Digest::sha256(&[bad.as_bytes()])));
        }
    }
    for set in &run.sets {
        let root = set.compiled.as_ref().map(|compiled| format!(" {}", compiled.root));
        let root = root.unwrap_or_default();
        let SetInfo { kind, name, sha256, .. } = &set.info;
        lines.push(format!("set {kind} {name} {sha256}{root}"));
    }
    lines.push(format!("case {}", Digest::sha256(&[format!("{:?}", plan.case).as_bytes()])));
    lines.join("\n")
}

/// A path as one inert line.
pub(super) fn shown(path: &Path) -> String {
    escape::cell(path.as_os_str().as_encoded_bytes())
}
