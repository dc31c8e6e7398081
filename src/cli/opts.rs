//! The command line as it is typed. What is left open is filled in when it becomes a plan.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::hashset::opts::HashsetOpts;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    about = "Forensic seized-media scanner: finds known files and writes a report that can be checked",
    after_help = "Exit codes: 0 complete, 1 failed, 2 usage, 3 complete with something unread or \
                  a picture over a limit, 4 a check found a difference, 130 interrupted. With \
                  --exit-code-hits: 10 and 13 replace 0 and 3 where there are exact alert hits.",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct Opts {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) output: OutputOpts,
}

/// How the program speaks.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputOpts {
    /// Write events as JSON, one a line, to standard output
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
    /// Print errors only
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Colours on the terminal
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub(super) color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless the environment has NO_COLOR
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// When the digest of an image is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VerifyWhen {
    /// Before its objects are read
    Before,
    /// While they are read
    Alongside,
    /// Not at all
    Off,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan evidence and write a report
    Scan(Box<ScanOpts>),
    /// List the volumes of an image, or its objects
    List(ListOpts),
    /// Read one object again and compare it with its row in a report; prints no content
    Object(ObjectOpts),
    /// Check a report
    Verify(VerifyOpts),
    /// Compile lists into one file, look up in it, check it, write it out
    #[command(arg_required_else_help = true)]
    Hashset(HashsetOpts),
}

/// Arguments of `assay scan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay scan /mnt/exhibit --alert lists/known.csv --out reports/EX1
  assay scan /mnt/a /mnt/b --exhibit EX1 --exhibit EX2 --case 114/26 --examiner 'A. Person' \\
      --alert lists/known.csv --ignore lists/system.md5 --out reports/114-26
  assay scan --case-file case.toml --out reports/114-26 --sign lab.key")]
pub(super) struct ScanOpts {
    /// Folders and disk images to scan, in the order the report shall have
    #[arg(value_name = "EVIDENCE")]
    pub(super) evidence: Vec<PathBuf>,
    /// Folder for the report; must be empty or not exist, and not lie inside evidence
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Take up the unfinished run in DIR, with the same arguments
    #[arg(long)]
    pub(super) resume: bool,
    /// List of material to look for, or a folder of lists
    #[arg(long, value_name = "SET")]
    pub(super) alert: Vec<PathBuf>,
    /// List of material that needs no look, or a folder of lists
    #[arg(long, value_name = "SET")]
    pub(super) ignore: Vec<PathBuf>,
    /// List of material worth knowing of, or a folder of lists
    #[arg(long, value_name = "SET")]
    pub(super) info: Vec<PathBuf>,
    /// Meaning of the lists' category codes, for lists whose sidecar names none
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scheme: Option<String>,
    /// Digest of lists that do not say which they hold, for lists whose sidecar names none
    #[arg(long, value_name = "ALG")]
    pub(super) algorithm: Option<String>,
    /// Use a list as --ignore or --info though its scheme calls some of its codes alert
    #[arg(long)]
    pub(super) accept_polarity: bool,
    /// Read compiled sets into memory instead of mapping them
    #[arg(long)]
    pub(super) in_memory: bool,
    #[command(flatten)]
    pub(super) case: CaseOpts,
    /// Digests to compute [default: md5,sha1,sha256,blake3]
    #[arg(long, value_name = "LIST")]
    pub(super) digests: Option<String>,
    /// Largest PDQ distance reported as a near match, 0 to 64 [default: 31]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=64))]
    pub(super) near_bits: Option<u8>,
    /// Compare by digest only
    #[arg(long, conflicts_with = "near_bits")]
    pub(super) no_near: bool,
    /// Number of threads that read and hash [default: one a core; for folders 8 where there are fewer]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Scan though access times in the evidence will change; TEXT says on whose authority
    #[arg(long, value_name = "TEXT")]
    pub(super) accept_alteration: Option<String>,
    /// Read the targets of symbolic links, which changes the links' access times
    #[arg(long)]
    pub(super) read_links: bool,
    /// Digest that the image is known to have, once for each EVIDENCE in order; `-` for a folder or
    /// where none is known
    #[arg(long, value_name = "ALG:HEX", allow_hyphen_values = true)]
    pub(super) image_hash: Vec<String>,
    /// When digests of images are computed [default: alongside, where there is one to compare with]
    #[arg(long, value_name = "WHEN")]
    pub(super) verify_image: Option<VerifyWhen>,
    /// Sectors that the image's maker could not read: a ddrescue map or a list of `FIRST COUNT`,
    /// once for each EVIDENCE in order; `-` where there is none
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(super) bad_map: Vec<PathBuf>,
    /// Parent of an image that keeps only the changes since it; a parent beside its image needs no
    /// naming
    #[arg(long, value_name = "FILE")]
    pub(super) parent: Vec<PathBuf>,
    /// Code page of short file names on FAT [default: cp437]
    #[arg(long, value_name = "CP")]
    pub(super) name_codepage: Option<String>,
    /// Refuse to start where a part of the decoders' sandbox is missing
    #[arg(long)]
    pub(super) require_sandbox: bool,
    /// Sign the report's manifest with this minisign secret key; the password of an encrypted key
    /// is taken from the environment variable ASSAY_SIGN_PASSWORD
    #[arg(long, value_name = "KEY")]
    pub(super) sign: Option<PathBuf>,
    /// Exit with 10 instead of 0, and 13 instead of 3, where there are exact alert hits
    #[arg(long)]
    pub(super) exit_code_hits: bool,
}

/// What the report says of the case.
#[derive(Debug, Args)]
pub(super) struct CaseOpts {
    /// File with these options and the evidence, as TOML
    #[arg(long, value_name = "FILE")]
    pub(super) case_file: Option<PathBuf>,
    /// Case number
    #[arg(long = "case", value_name = "N")]
    pub(super) number: Option<String>,
    /// Laboratory reference
    #[arg(long, value_name = "N")]
    pub(super) lab_ref: Option<String>,
    /// Exhibit reference, once for each EVIDENCE in order
    #[arg(long, value_name = "REF")]
    pub(super) exhibit: Vec<String>,
    /// Who examines
    #[arg(long, value_name = "NAME")]
    pub(super) examiner: Option<String>,
    /// For which organisation
    #[arg(long, value_name = "NAME")]
    pub(super) organisation: Option<String>,
    /// On which authority
    #[arg(long, value_name = "TEXT")]
    pub(super) authority: Option<String>,
}

/// Arguments of `assay list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay list exhibit.E01
  assay list exhibit.E01 -r | grep deleted")]
pub(super) struct ListOpts {
    /// Disk image, first segment of one, or folder
    #[arg(value_name = "IMAGE")]
    pub(super) image: PathBuf,
    /// List objects: status, kind, reference, size and path, with tabs between
    #[arg(long, short)]
    pub(super) recursive: bool,
    #[command(flatten)]
    pub(super) reading: ReadingOpts,
}

/// Arguments of `assay object`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay object exhibit.E01 E1!/p2/DCIM/IMG_0001.JPG
  assay object exhibit.E01 E1!/p2/DCIM/IMG_0001.JPG --row reports/EX1")]
pub(super) struct ObjectOpts {
    /// The image or folder that the path begins in
    #[arg(value_name = "EVIDENCE")]
    pub(super) evidence: PathBuf,
    /// The object's path, as in files.csv
    #[arg(value_name = "OBJECT_PATH")]
    pub(super) object_path: String,
    /// Compare with the object's row in this report
    #[arg(long, value_name = "REPORT")]
    pub(super) row: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reading: ReadingOpts,
}

/// How evidence is read, for commands that look at one item.
#[derive(Debug, Args)]
pub(super) struct ReadingOpts {
    /// Sectors that the image's maker could not read: a ddrescue map or a list of `FIRST COUNT`
    #[arg(long, value_name = "FILE")]
    pub(super) bad_map: Option<PathBuf>,
    /// Parent of an image that keeps only the changes since it; a parent beside its image needs no
    /// naming
    #[arg(long, value_name = "FILE")]
    pub(super) parent: Vec<PathBuf>,
    /// Code page of short file names on FAT [default: cp437]
    #[arg(long, value_name = "CP")]
    pub(super) name_codepage: Option<String>,
    /// Read though access times of the evidence will change; TEXT says on whose authority
    #[arg(long, value_name = "TEXT")]
    pub(super) accept_alteration: Option<String>,
}

/// Arguments of `assay verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay verify reports/EX1 --seal 5c1e... --key lab.pub
  assay verify reports/EX1 --sets lists/known.csv lists/system.md5")]
pub(super) struct VerifyOpts {
    /// Folder of the report
    #[arg(value_name = "REPORT")]
    pub(super) report: PathBuf,
    /// The seal that was noted when the report was made
    #[arg(long, value_name = "HEX")]
    pub(super) seal: Option<String>,
    /// Public key, or file with it, that the report shall be signed with
    #[arg(long, value_name = "PUB")]
    pub(super) key: Option<String>,
    /// Lists to recompute every finding with
    #[arg(long, value_name = "SET", num_args = 1..)]
    pub(super) sets: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_argument_definitions_are_consistent() {
        Opts::command().debug_assert();
    }
}
