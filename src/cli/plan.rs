//! From arguments and case file to a plan; the machine is looked at here, once.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

use super::case::{self, CaseEvidence, CaseFile};
use super::machine;
use super::opts::{CaseOpts, ReadingOpts, ScanOpts, VerifyWhen};
use crate::digest::{Algorithm, Digest, Selection};
use crate::evidence::filesystem;
use crate::evidence::filesystem::fat::CodePage;
use crate::hashset::compiled;
use crate::hashset::{ListAlgorithm, ListOptions, Scheme, SetKind, is_further_part};
use crate::matching::NearOptions;
use crate::output::Faults;
use crate::report::Case;
use crate::scan::{Access, ScanPlan, SourcePlan, VerifyImage};
use crate::sys::Kernel;
use crate::worker;

/// The largest PDQ distance that can be asked for: beyond it unrelated pictures are the rule.
const MAX_NEAR_BITS: u8 = 64;

/// Fills what the user left open; the flag says whether hits shall show in the exit code. Every
/// error here is a usage error: nothing was touched.
pub(super) fn plan(opts: &ScanOpts, arguments: Vec<String>) -> anyhow::Result<(ScanPlan, bool)> {
    let mut file = opts.case.case_file.as_deref().map(case::read).transpose()?.unwrap_or_default();
    let out = opts.out.clone().or_else(|| file.out.take());
    if let Some(bits) = file.near_bits.filter(|bits| *bits > MAX_NEAR_BITS) {
        bail!("the case file's near-bits is {bits}: the largest is {MAX_NEAR_BITS}");
    }
    let kernels = machine::kernels()?;
    let tool = machine::tool(kernels);
    if let Some((control, _)) = tool.known_answers.iter().find(|(_, good)| !**good) {
        bail!("the control computation {control} failed: this machine or program computes wrong");
    }
    let digests = opts.digests.as_ref().or(file.digests.as_ref());
    let hits_in_code = opts.exit_code_hits || file.exit_code_hits;
    let sources = sources(opts, std::mem::take(&mut file.evidence))?;
    let cores = cores();
    let threads = opts.threads.or(file.threads).unwrap_or_else(|| readers(&sources, cores));
    let plan = ScanPlan {
        sources,
        out: out.context("--out is missing: name the folder for the report")?,
        resume: opts.resume,
        lists: lists(opts, &file)?,
        set_access: set_access(opts, &file),
        scheme: opts.scheme.clone().or_else(|| file.scheme.clone()),
        digests: digests.map_or(Ok(Selection::ALL), |list| selection(list))?,
        kernels,
        near: near(opts, &file),
        threads,
        computing: threads.min(cores),
        streams: machine::streams(threads),
        workers: worker::Options {
            require_sandbox: opts.require_sandbox || file.require_sandbox,
            ..worker::Options::new(threads.min(cores).get())
        },
        accept_alteration: stated(
            "--accept-alteration",
            &opts.accept_alteration,
            &file.accept_alteration,
        )?,
        read_links: opts.read_links || file.read_links,
        verify_image: opts.verify_image.or(file.verify_image).map(|when| match when {
            VerifyWhen::Before => VerifyImage::Before,
            VerifyWhen::Alongside => VerifyImage::Alongside,
            VerifyWhen::Off => VerifyImage::Off,
        }),
        filesystem: filesystem_options(
            opts.name_codepage.as_ref().or(file.name_codepage.as_ref()),
        )?,
        parents: opts.parent.iter().chain(&file.parent).cloned().collect(),
        sign: opts.sign.clone().or_else(|| file.sign.take()),
        case: facts(&opts.case, file),
        arguments,
        tool,
        host: machine::host(),
        kernel: Kernel::default(),
        output_faults: Faults::default(),
    };
    Ok((plan, hits_in_code))
}

/// How the bytes of compiled sets are reached.
fn set_access(opts: &ScanOpts, file: &CaseFile) -> compiled::Access {
    if opts.in_memory || file.in_memory {
        compiled::Access::InMemory
    } else {
        compiled::Access::Mapped
    }
}

/// Threads that read where nobody says how many, on a machine of fewer cores: a device that is asked
/// for more at a time gives more. What computes is bound by the cores.
const READERS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

fn readers(sources: &[SourcePlan], cores: NonZeroUsize) -> NonZeroUsize {
    // An image is read from its front to its end, which a system reads ahead by itself.
    let folder = sources.iter().any(|source| source.path.is_dir());
    if folder { cores.max(READERS) } else { cores }
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn near(opts: &ScanOpts, file: &CaseFile) -> Option<NearOptions> {
    let bits = opts.near_bits.or(file.near_bits).map(u32::from);
    let options = NearOptions::default();
    let wanted = opts.near_bits.is_some() || !(opts.no_near || file.no_near);
    wanted.then(|| NearOptions { near_bits: bits.unwrap_or(options.near_bits), ..options })
}

fn selection(list: &str) -> anyhow::Result<Selection> {
    Selection::parse(list)
        .map_err(|word| anyhow::anyhow!("--digests: {word:?} is none of md5, sha1, sha256, blake3"))
}

/// An option whose text must say something where it is given at all.
fn stated(
    name: &str,
    typed: &Option<String>,
    filed: &Option<String>,
) -> anyhow::Result<Option<String>> {
    let text = typed.as_ref().or(filed.as_ref());
    ensure!(text.is_none_or(|text| !text.trim().is_empty()), "{name} needs a text");
    Ok(text.cloned())
}

fn facts(typed: &CaseOpts, file: CaseFile) -> Case {
    let or = |typed: &Option<String>, filed| typed.clone().or(filed).unwrap_or_default();
    Case {
        case_number: or(&typed.number, file.case),
        lab_ref: or(&typed.lab_ref, file.lab_ref),
        examiner: or(&typed.examiner, file.examiner),
        organisation: or(&typed.organisation, file.organisation),
        authority: or(&typed.authority, file.authority),
    }
}

fn sources(opts: &ScanOpts, filed: Vec<CaseEvidence>) -> anyhow::Result<Vec<SourcePlan>> {
    let typed = &opts.evidence;
    if !typed.is_empty() && !filed.is_empty() {
        bail!("the case file and the command line both name evidence: name it in one place");
    }
    ensure!(!typed.is_empty() || !filed.is_empty(), "no evidence is named");
    for (option, given) in [
        ("--exhibit", opts.case.exhibit.len()),
        ("--image-hash", opts.image_hash.len()),
        ("--bad-map", opts.bad_map.len()),
    ] {
        let count = typed.len();
        ensure!(
            given == 0 || given == count,
            "{option} is given {given} times for {count} evidence items: give it once for each, in order"
        );
    }
    let mut sources = Vec::new();
    for (n, path) in typed.iter().enumerate() {
        let hash = opts.image_hash.get(n).filter(|text| *text != "-");
        let map = opts.bad_map.get(n).filter(|path| path.as_os_str() != "-");
        sources.push(SourcePlan {
            path: path.clone(),
            exhibit: opts.case.exhibit.get(n).cloned(),
            write_blocker: None,
            device_clock_offset: None,
            image_hash: hash.map(|text| image_hash(text)).transpose()?,
            bad_map: map.cloned(),
        });
    }
    for evidence in filed {
        sources.push(SourcePlan {
            path: evidence.path,
            exhibit: evidence.exhibit,
            write_blocker: evidence.write_blocker,
            device_clock_offset: evidence.device_clock_offset,
            image_hash: evidence.image_hash.as_deref().map(image_hash).transpose()?,
            bad_map: evidence.bad_map,
        });
    }
    Ok(sources)
}

/// Reads `md5:HEX` and the like.
fn image_hash(text: &str) -> anyhow::Result<(Algorithm, Digest)> {
    let read = || {
        let (algorithm, hex) = text.split_once(':')?;
        let algorithm = Algorithm::from_word(&algorithm.to_ascii_lowercase())?;
        let digest = Digest::from_hex(hex.trim().as_bytes())?;
        (digest.bytes().len() == algorithm.width()).then_some((algorithm, digest))
    };
    read().with_context(|| {
        format!("--image-hash: {text:?} is no digest; write it as md5:HEX, sha1:HEX, sha256:HEX or blake3:HEX")
    })
}

fn lists(opts: &ScanOpts, file: &CaseFile) -> anyhow::Result<Vec<ListOptions>> {
    let scheme = opts.scheme.as_ref().or(file.scheme.as_ref());
    let scheme = scheme.map(|scheme| Scheme::read(scheme).map(Arc::new)).transpose()?;
    let algorithm = opts.algorithm.as_ref().or(file.algorithm.as_ref());
    let algorithm = algorithm.map(|word| list_algorithm(word)).transpose()?;
    let accept_polarity = opts.accept_polarity || file.accept_polarity;
    let list = |kind, path: &PathBuf| ListOptions {
        path: path.clone(),
        kind,
        algorithm,
        scheme: scheme.clone(),
        accept_polarity,
    };
    let mut all = Vec::new();
    for (kind, typed, filed) in [
        (SetKind::Alert, &opts.alert, &file.alert),
        (SetKind::Ignore, &opts.ignore, &file.ignore),
        (SetKind::Info, &opts.info, &file.info),
    ] {
        for path in typed.iter().chain(filed) {
            all.extend(lists_in(path)?.iter().map(|path| list(kind, path)));
        }
    }
    Ok(all)
}

/// The lists that a path names: itself, or every file below it in the order of names. Sidecars and
/// hidden files are none, and a set in parts is one.
pub(super) fn lists_in(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut lists = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name().follow_links(true) {
        let entry = entry.with_context(|| format!("cannot list the folder {}", shown(path)))?;
        let name = entry.file_name().as_encoded_bytes();
        let list =
            entry.file_type().is_file() && !name.starts_with(b".") && !name.ends_with(b".toml");
        // The first part of a set stands for all.
        if list && !is_further_part(entry.path())? {
            lists.push(entry.into_path());
        }
    }
    ensure!(!lists.is_empty(), "the folder {} holds no list", shown(path));
    Ok(lists)
}

/// Reads the word of `--algorithm`.
pub(super) fn list_algorithm(word: &str) -> anyhow::Result<ListAlgorithm> {
    ListAlgorithm::from_word(word)
        .with_context(|| format!("--algorithm: {word:?} is none of md5, sha1, sha256, blake3, pdq"))
}

/// Reads `cp437` or `437`.
fn filesystem_options(codepage: Option<&String>) -> anyhow::Result<filesystem::Options> {
    let read = |word: &String| {
        let digits = word.to_ascii_lowercase();
        let number = digits.strip_prefix("cp").unwrap_or(&digits).parse().ok();
        number.and_then(CodePage::new).with_context(|| {
            format!("--name-codepage: {word:?} is no code page of one byte a character; such as cp437, cp850, cp866")
        })
    };
    Ok(filesystem::Options { codepage: codepage.map(read).transpose()? })
}

/// How one item of evidence is read.
pub(super) fn access(opts: &ReadingOpts) -> anyhow::Result<Access> {
    let text = stated("--accept-alteration", &opts.accept_alteration, &None)?;
    Ok(Access {
        accept_alteration: text.is_some(),
        filesystem: filesystem_options(opts.name_codepage.as_ref())?,
        parents: opts.parent.clone(),
        ..Access::default()
    })
}

/// The path as one inert line.
pub(super) fn shown(path: &Path) -> String {
    crate::item::escape::cell(path.as_os_str().as_encoded_bytes())
}
