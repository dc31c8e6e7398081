//! Whether `first_copy` names the first row with the same content, for every row.
//!
//! Rows are grouped by the first 128 bits of their strongest digest, 24 bytes of memory a row, up
//! to [`MOST`] rows. Past that the rows are not compared, and the counts say so.

use super::found::Found;
use super::table::{Row, Rows};
use crate::report::schema::FILES;

/// How many rows are compared: 96 MB.
const MOST: usize = 4_000_000;

struct Copy {
    content: [u64; 2],
    record: u32,
    first: u32,
}

/// The rows met so far.
pub(super) struct Copies {
    copies: Vec<Copy>,
    full: bool,
    first_copy: usize,
    strongest: [usize; 4],
}

impl Copies {
    /// Starts with the columns of `files`.
    pub(super) fn new(files: &Rows<'_>) -> Self {
        let strongest = ["sha256", "blake3", "sha1", "md5"].map(|name| files.column(name));
        let first_copy = files.column("first_copy");
        Self { copies: Vec::new(), full: false, first_copy, strongest }
    }

    /// Takes the next row.
    pub(super) fn take(&mut self, row: &Row, found: &mut Found) {
        let first = row.count(self.first_copy);
        let digest = self.strongest.iter().map(|at| row.cell(*at)).find(|cell| !cell.is_empty());
        let detail = match (digest, first) {
            (Some(_), Some(first)) if first > row.number => "first_copy is a later row",
            (Some(digest), Some(first)) => return self.keep(row.number, first, digest),
            (Some(_), None) => "first_copy is empty, though there is a digest",
            (None, Some(_)) => "first_copy is stated without a digest",
            (None, None) => return,
        };
        found.own(FILES.file, Some(row.number), detail);
    }

    fn keep(&mut self, record: u64, first: u64, digest: &str) {
        let half =
            |range| digest.get(range).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let content = half(0..16).zip(half(16..32));
        let numbers = u32::try_from(record).ok().zip(u32::try_from(first).ok());
        match (content, numbers) {
            (Some((high, low)), Some((record, first))) if self.copies.len() < MOST => {
                self.copies.push(Copy { content: [high, low], record, first });
            }
            _ => self.full = true,
        }
    }

    /// Compares; gives how many rows were compared.
    pub(super) fn finish(mut self, found: &mut Found) -> u64 {
        self.copies.sort_unstable_by_key(|copy| (copy.content, copy.record));
        for group in self.copies.chunk_by(|a, b| a.content == b.content) {
            let lowest = group.first().map_or(0, |copy| copy.record);
            for copy in group.iter().filter(|copy| copy.first != lowest) {
                let detail = format!(
                    "first_copy is {}, the first row with this content is {lowest}",
                    copy.first
                );
                found.between(FILES.file, Some(copy.record.into()), detail);
            }
        }
        u64::try_from(self.copies.len()).unwrap_or(u64::MAX)
    }
}
