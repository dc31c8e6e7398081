//! What each column may hold, looked at cell by cell.
//!
//! Words come from the lists that the writer uses; the few that no list has yet stand here.

use crate::digest::{Algorithm, LowInformation};
use crate::hashset::SetKind;
use crate::item::{AllocStatus, NameAttribution, ObjectKind, RecoveryBasis, Status, TimeSource};
use crate::matching::{Disposition, MatchKind};
use crate::problem::{Code, Stage};
use crate::report::schema::{self, Table};

/// What a cell of one column may be.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    kind: Kind,
    may_be_empty: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    /// Lower-case hex of whole bytes.
    Hex,
    /// Lower-case hex of this many digits.
    HexOf(usize),
    /// A word of a closed list.
    Word(fn(&str) -> bool),
    /// Words of a closed list, joined by `;`.
    Words(fn(&str) -> bool),
}

impl Rule {
    const fn required(kind: Kind) -> Self {
        Self { kind, may_be_empty: false }
    }

    const fn optional(kind: Kind) -> Self {
        Self { kind, may_be_empty: true }
    }

    /// Whether a cell may hold this.
    pub(super) fn allows(&self, cell: &str) -> bool {
        if cell.is_empty() {
            return self.may_be_empty;
        }
        match self.kind {
            Kind::Text => true,
            Kind::Number => is_number(cell),
            Kind::Hex => cell.len().is_multiple_of(2) && is_hex(cell),
            Kind::HexOf(digits) => cell.len() == digits && is_hex(cell),
            Kind::Word(knows) => knows(cell),
            Kind::Words(knows) => cell.split(';').all(knows),
        }
    }

    /// What it wants, for a message.
    pub(super) const fn wants(&self) -> &'static str {
        match self.kind {
            Kind::Text => "text",
            Kind::Number => "a number",
            Kind::Hex | Kind::HexOf(_) => "lower-case hex of its length",
            Kind::Word(_) | Kind::Words(_) => "a word of this column",
        }
    }
}

/// The rule of each column of a table, in order.
pub(super) fn rules(table: &Table) -> Vec<Rule> {
    table.columns.iter().map(|column| rule(table.file, column)).collect()
}

/// Whether the first column counts the rows.
pub(super) fn is_numbered(table: &Table) -> bool {
    table.file != schema::VOLUMES.file
}

/// True for lower-case hex digits alone.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// A number has one text: no sign, no leading zero.
fn is_number(cell: &str) -> bool {
    cell.bytes().all(|c| c.is_ascii_digit())
        && (cell == "0" || !cell.starts_with('0'))
        && (cell.len() < 20 || cell.parse::<u64>().is_ok())
}

/// A closed list as a rule.
macro_rules! word {
    ($list:ident) => {
        Kind::Word(|word| $list::from_word(word).is_some())
    };
}

const VERDICTS: Kind =
    Kind::Word(|w| matches!(w, "match" | "mismatch" | "not_verified" | "none_supplied"));
const MEDIA_STATUS: Kind = Kind::Word(|w| {
    matches!(
        w,
        "ok" | "partial"
            | "damaged"
            | "unsupported"
            | "crashed"
            | "timeout"
            | "memory"
            | "too_large"
    )
});
const TRANSFORMS: Kind = Kind::Word(|w| {
    let turned = matches!(w, "identity" | "rotate90" | "rotate180" | "rotate270");
    turned || matches!(w, "flip_x" | "flip_y" | "transpose" | "transverse")
});
const CONFLICTS: Kind = Kind::Words(|w| matches!(w, "none" | "kind" | "category" | "digest"));
const FLAG: Kind = Kind::Word(|w| matches!(w, "yes" | "no"));
const SHA256: Kind = Kind::HexOf(2 * Algorithm::Sha256.width());

fn rule(file: &str, column: &str) -> Rule {
    let of_volume = file == schema::VOLUMES.file;
    match column {
        "row_chain" | "chain" | "set_sha256" => Rule::required(SHA256),
        "md5" => Rule::optional(Kind::HexOf(2 * Algorithm::Md5.width())),
        "sha1" => Rule::optional(Kind::HexOf(2 * Algorithm::Sha1.width())),
        "sha256" | "pdq" => Rule::optional(SHA256),
        "blake3" => Rule::optional(Kind::HexOf(2 * Algorithm::Blake3.width())),
        "phash" | "dhash" | "ahash" | "pdq_nn512" | "hash_before" | "hash_after" => {
            Rule::optional(Kind::Hex)
        }
        "object_value" => Rule::required(Kind::Hex),
        "record_no" if file == schema::EXCEPTIONS.file => Rule::optional(Kind::Number),
        "record_no" | "match_no" | "exception_no" | "seq" => Rule::required(Kind::Number),
        "match_count" => Rule::optional(Kind::Number),
        "parent_record_no" | "first_copy" | "size_bytes" | "bytes_hashed" | "disk_offset"
        | "extent_count" | "link_count" | "pdq_quality" | "width" | "height" | "offset"
        | "length" | "distance" | "threshold" | "quality_object" | "quality_entry"
        | "frame_time_ms" | "start_offset" | "length_bytes" | "sector_size" | "cluster_size"
        | "bytes_metadata" | "bytes_allocated" | "bytes_slack" | "bytes_unallocated"
        | "bytes_unread" | "bytes_unexamined" | "fs_object_count" | "objects_found" => {
            Rule::optional(Kind::Number)
        }
        "object_kind" => Rule::required(word!(ObjectKind)),
        "alloc_status" => Rule::required(word!(AllocStatus)),
        "container_alloc_status" => Rule::optional(word!(AllocStatus)),
        "recovery_basis" => Rule::optional(word!(RecoveryBasis)),
        "name_attribution" => Rule::optional(word!(NameAttribution)),
        "time_source" => Rule::optional(word!(TimeSource)),
        "status" => Rule::required(word!(Status)),
        "low_information" => Rule::optional(word!(LowInformation)),
        "disposition" => Rule::required(word!(Disposition)),
        "type_mismatch" | "weak" | "victim_identified" => Rule::optional(FLAG),
        "reason" if !of_volume => Rule::optional(word!(Code)),
        "media_status" => Rule::optional(MEDIA_STATUS),
        "match_kind" => Rule::required(word!(MatchKind)),
        "set_kind" => Rule::required(word!(SetKind)),
        "source_verdict" => Rule::optional(VERDICTS),
        "transform" => Rule::optional(TRANSFORMS),
        "conflict" => Rule::optional(CONFLICTS),
        "stage" => Rule::required(word!(Stage)),
        "code" => Rule::required(word!(Code)),
        "evidence_id" if matches!(file, "files.csv" | "matches.csv") => Rule::required(Kind::Text),
        "object_path" if file != schema::EXCEPTIONS.file => Rule::required(Kind::Text),
        "match_algorithm" | "event" | "time_utc" => Rule::required(Kind::Text),
        _ => Rule::optional(Kind::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        let rule = Rule::required(Kind::Number);
        for good in ["0", "7", "18446744073709551615"] {
            assert!(rule.allows(good), "{good}");
        }
        for bad in ["", "00", "07", "-1", "+1", "1.0", "18446744073709551616", "1e3"] {
            assert!(!rule.allows(bad), "{bad}");
        }
    }

    #[test]
    fn a_digest_has_its_length_and_lower_case() {
        let md5 = rule(schema::FILES.file, "md5");
        assert!(md5.allows("") && md5.allows(&"0a".repeat(16)));
        assert!(!md5.allows(&"0A".repeat(16)) && !md5.allows(&"0a".repeat(20)));
    }
}
