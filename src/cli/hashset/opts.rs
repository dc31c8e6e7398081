//! `assay hashset` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `assay hashset`.
#[derive(Debug, Args)]
pub(in crate::cli) struct HashsetOpts {
    #[command(subcommand)]
    pub(super) command: HashsetCommand,
}

/// What to do with sets.
#[derive(Debug, Subcommand)]
pub(super) enum HashsetCommand {
    /// Compile lists into one file that is opened in no time and looked up in where it lies
    Build(BuildOpts),
    /// Look digests up; one answer a line: digest, kind, set, entries
    Lookup(LookupOpts),
    /// Say where a compiled set comes from and what it holds
    Info(OneSet),
    /// Check every byte of a compiled set, and what its parts say of each other
    Verify(CheckOpts),
    /// Look for contradictions inside and between compiled sets
    Audit(AuditOpts),
    /// Write the entries of a compiled set as a list
    Export(ExportOpts),
}

/// What a match with a set means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The examination looks for it
    Alert,
    /// It needs no look
    Ignore,
    /// It is worth knowing of
    Info,
}

/// Arguments of `assay hashset build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay hashset build lists/known.csv --kind alert --name 'Regional list' --out known.ahs
  assay hashset build nsrl/ --kind ignore --name NSRL --version 2026.03 --out nsrl.ahs --memory 512")]
pub(super) struct BuildOpts {
    /// Lists, or folders of lists
    #[arg(value_name = "LIST", required = true)]
    pub(super) lists: Vec<PathBuf>,
    /// What a match means
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Kind,
    /// Name of the set, as reports shall have it
    #[arg(long)]
    pub(super) name: String,
    /// The file to make; there must be none of this name
    #[arg(long, value_name = "FILE.ahs")]
    pub(super) out: PathBuf,
    /// Meaning of the lists' category codes, for lists whose sidecar names none
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scheme: Option<String>,
    /// Digest of lists that do not say which they hold, for lists whose sidecar names none
    #[arg(long, value_name = "ALG")]
    pub(super) algorithm: Option<String>,
    /// Publisher of the set [default: what the sidecars agree on]
    #[arg(long)]
    pub(super) publisher: Option<String>,
    /// Version of the set [default: what the sidecars agree on]
    #[arg(long = "version", value_name = "VERSION")]
    pub(super) set_version: Option<String>,
    /// Leave half of the table free instead of a quarter: larger, and somewhat faster
    #[arg(long)]
    pub(super) fast: bool,
    /// Build an ignore or info set though the scheme calls some of its codes alert
    #[arg(long)]
    pub(super) accept_polarity: bool,
    /// Leave out up to so many rows that are no entries; each is named in FILE.ahs.rejects.csv
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) allow_rejects: usize,
    /// Memory for sorting, beside that of the list being read
    #[arg(long, value_name = "MIB", default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) memory: u16,
    /// Secret minisign key; the signature is written beside the file. A password is taken from
    /// ASSAY_SIGN_PASSWORD
    #[arg(long, value_name = "KEY")]
    pub(super) sign: Option<PathBuf>,
}

/// Arguments of `assay hashset lookup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay hashset lookup known.ahs d41d8cd98f00b204e9800998ecf8427e
  md5sum * | cut -c1-32 | assay hashset lookup known.ahs")]
pub(super) struct LookupOpts {
    /// The compiled set
    #[arg(value_name = "SET")]
    pub(super) set: PathBuf,
    /// Digests; without any they are read from standard input, one a line
    #[arg(value_name = "HASH")]
    pub(super) hashes: Vec<String>,
    /// Read the set into memory instead of mapping it
    #[arg(long)]
    pub(super) in_memory: bool,
}

/// Arguments of commands about one set.
#[derive(Debug, Args)]
pub(super) struct OneSet {
    /// The compiled set
    #[arg(value_name = "SET")]
    pub(super) set: PathBuf,
}

/// Arguments of `assay hashset verify`.
#[derive(Debug, Args)]
pub(super) struct CheckOpts {
    /// The compiled set
    #[arg(value_name = "SET")]
    pub(super) set: PathBuf,
    /// Public key, or file with it, that the set shall be signed with
    #[arg(long, value_name = "PUB")]
    pub(super) key: Option<String>,
}

/// Arguments of `assay hashset audit`.
#[derive(Debug, Args)]
pub(super) struct AuditOpts {
    /// Compiled sets
    #[arg(value_name = "SET", required = true)]
    pub(super) sets: Vec<PathBuf>,
}

/// Arguments of `assay hashset export`.
#[derive(Debug, Args)]
pub(super) struct ExportOpts {
    /// The compiled set
    #[arg(value_name = "SET")]
    pub(super) set: PathBuf,
    /// vics, csv, hashdeep, md5sum, sha1sum, sha256sum or b3sum
    #[arg(long, value_name = "FORM", default_value = "csv")]
    pub(super) format: String,
    /// The file to make; there must be none of this name
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
}
