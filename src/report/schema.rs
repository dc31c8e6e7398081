//! The tables of a report: their files and columns.
//!
//! A column is a promise to whoever reads a report: columns are added at the end with a new
//! [`VERSION`], never reworded or moved. docs/report-format.md says what each one means.

/// Version of the whole report format.
pub const VERSION: u32 = 1;

/// One CSV file of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name in the report folder.
    pub file: &'static str,
    /// Its columns, in order; the last is the chain.
    pub columns: &'static [&'static str],
}

impl Table {
    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column == name)
    }
}

/// One row a volume, gap or unpartitioned medium.
pub const VOLUMES: Table = Table {
    file: "volumes.csv",
    columns: &[
        "evidence_id",
        "volume",
        "start_offset",
        "length_bytes",
        "sector_size",
        "scheme",
        "type_id",
        "fs_type",
        "label",
        "serial",
        "cluster_size",
        "encryption",
        "bytes_metadata",
        "bytes_allocated",
        "bytes_slack",
        "bytes_unallocated",
        "bytes_unread",
        "bytes_unexamined",
        "fs_object_count",
        "objects_found",
        "action",
        "reason",
        "row_chain",
    ],
};

/// One row an object.
pub const FILES: Table = Table {
    file: "files.csv",
    columns: &[
        "record_no",
        "parent_record_no",
        "evidence_id",
        "object_path",
        "file_name",
        "extension",
        "object_kind",
        "alloc_status",
        "container_alloc_status",
        "recovery_basis",
        "name_attribution",
        "detected_type",
        "type_mismatch",
        "size_bytes",
        "volume",
        "fs_type",
        "fs_ref",
        "disk_offset",
        "extent_count",
        "link_count",
        "link_target",
        "owner_id",
        "attributes",
        "created_time",
        "modified_time",
        "accessed_time",
        "changed_time",
        "fn_created_time",
        "fn_modified_time",
        "time_source",
        "md5",
        "sha1",
        "sha256",
        "blake3",
        "pdq",
        "pdq_nn512",
        "pdq_quality",
        "phash",
        "dhash",
        "ahash",
        "width",
        "height",
        "media_status",
        "media_detail",
        "status",
        "reason",
        "bytes_hashed",
        "low_information",
        "disposition",
        "match_count",
        "first_copy",
        "row_chain",
    ],
};

/// One row a finding, each standing alone.
pub const MATCHES: Table = Table {
    file: "matches.csv",
    columns: &[
        "match_no",
        "record_no",
        "case_number",
        "lab_ref",
        "exhibit_ref",
        "examiner",
        "evidence_id",
        "source_identity",
        "source_verdict",
        "object_path",
        "file_name",
        "object_kind",
        "alloc_status",
        "container_alloc_status",
        "recovery_basis",
        "name_attribution",
        "detected_type",
        "size_bytes",
        "volume",
        "fs_ref",
        "disk_offset",
        "created_time",
        "modified_time",
        "accessed_time",
        "changed_time",
        "time_source",
        "md5",
        "sha1",
        "sha256",
        "blake3",
        "status",
        "match_kind",
        "match_algorithm",
        "object_value",
        "digests_agreeing",
        "digests_disagreeing",
        "weak",
        "low_information",
        "distance",
        "threshold",
        "transform",
        "quality_object",
        "quality_entry",
        "fp_observed",
        "fp_pairs",
        "fp_upper95",
        "fp_population",
        "frame_time_ms",
        "set_name",
        "set_publisher",
        "set_version",
        "set_sha256",
        "set_kind",
        "entry_id",
        "category_scheme",
        "category_code",
        "category_label",
        "series",
        "victim_identified",
        "conflict",
        "row_chain",
    ],
};

/// One row a problem.
pub const EXCEPTIONS: Table = Table {
    file: "exceptions.csv",
    columns: &[
        "exception_no",
        "record_no",
        "object_path",
        "stage",
        "code",
        "offset",
        "length",
        "detail",
        "consequence",
        "row_chain",
    ],
};

/// One row an event of the run.
pub const CUSTODY: Table = Table {
    file: "custody.csv",
    columns: &[
        "seq",
        "time_utc",
        "utc_offset",
        "event",
        "actor",
        "os_user",
        "host",
        "evidence_id",
        "detail",
        "hash_before",
        "hash_after",
        "chain",
    ],
};

/// Settings, sources, sets and the balance of the run, as JSON.
pub const RUN_JSON: &str = "run.json";
/// One page for a person.
pub const SUMMARY: &str = "summary.txt";
/// Digests of every file of the report, in the form `sha256sum -c` takes.
pub const MANIFEST: &str = "manifest.sha256";
/// The manifest's signature, where there is one.
pub const SIGNATURE: &str = "manifest.sha256.minisig";
/// Working state of a run that is not complete.
pub const JOURNAL: &str = "journal";
