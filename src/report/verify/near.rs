//! Every near distance computed again from the value in its row and the entry of the list.
//!
//! A row's `object_value` is the value that was compared, so its distance can be counted again; for
//! the picture as stored it must also be the value of files.csv. The other way, each picture as
//! stored is looked up again and every entry that is near must have a row. Turned and mirrored
//! forms cannot be computed from files.csv, so that way round they are not covered.

use super::found::Found;
use super::table::Row;
use crate::hashset::PerceptualEntry;
use crate::item::escape;
use crate::matching::{Index, NearAlgorithm, NearIndex, NearOptions, ObjectHashes};
use crate::perceptual::{Hash64, PdqHash, PdqQuality, Transform};
use crate::report::schema::{FILES, MATCHES};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Columns of matches.csv that a near row is counted again from.
const OF_MATCH: [&str; 6] =
    ["set_sha256", "entry_id", "match_algorithm", "object_value", "distance", "transform"];
/// Columns of files.csv that the picture as stored is looked up by.
const OF_FILE: [&str; 6] = ["pdq", "pdq_nn512", "phash", "dhash", "ahash", "pdq_quality"];

/// Hashes of entries by the list's SHA-256 and their identifier; several may share one.
type Entries<'a> = HashMap<(&'a str, String), Vec<Cow<'a, PerceptualEntry>>>;

/// The near rows of one object after the other.
pub(super) struct NearCheck<'a> {
    index: NearIndex<'a>,
    sets: &'a Index,
    entries: Entries<'a>,
    of_match: [usize; OF_MATCH.len()],
    of_file: [usize; OF_FILE.len()],
    rows: Vec<([String; OF_MATCH.len()], u64)>,
    recomputed: u64,
}

impl<'a> NearCheck<'a> {
    /// - `near_bits`: the threshold of PDQ that the run used.
    pub(super) fn new(sets: &'a Index, near_bits: u32) -> Option<Self> {
        let options = NearOptions { near_bits, ..NearOptions::default() };
        let index = NearIndex::build(sets.sets(), options).ok()?;
        let mut entries = Entries::new();
        for set in sets.sets() {
            for (number, _, hashes) in set.perceptual_entries() {
                let Some(entry) = set.entry(number) else { continue };
                let id = escape::cell(entry.id.as_bytes());
                entries.entry((&set.info.sha256, id)).or_default().push(hashes);
            }
        }
        let column = |table: crate::report::schema::Table, name| table.column(name);
        Some(Self {
            index,
            sets,
            entries,
            of_match: OF_MATCH.map(|name| column(MATCHES, name).unwrap_or(usize::MAX)),
            of_file: OF_FILE.map(|name| column(FILES, name).unwrap_or(usize::MAX)),
            rows: Vec::new(),
            recomputed: 0,
        })
    }

    /// Takes a near row that belongs to the next object.
    pub(super) fn row(&mut self, row: &Row) {
        let cells = self.of_match.map(|column| row.cell(column).to_owned());
        self.rows.push((cells, row.number));
    }

    /// Counts the distances of an object's rows again, and looks the picture as stored up again.
    ///
    /// - `exact`: whether the object has an exact row for a set and entry; such an entry has no
    ///   near row.
    pub(super) fn object(
        &mut self,
        object: &Row,
        exact: impl Fn(&str, &str) -> bool,
        found: &mut Found,
    ) {
        let rows = std::mem::take(&mut self.rows);
        let stored = self.of_file.map(|column| object.cell(column).to_owned());
        for (cells, number) in &rows {
            self.recomputed += 1;
            if let Err(detail) = self.recount(cells, &stored) {
                found.between(MATCHES.file, Some(*number), detail);
            }
        }
        let told: HashSet<(&str, &str)> =
            rows.iter().map(|(cells, _)| (&*cells[0], &*cells[1])).collect();
        for (set, entry) in self.look_up(&stored) {
            if !told.contains(&(&*set, &*entry)) && !exact(&set, &entry) {
                let detail = format!("{} has no row for near entry {entry}", MATCHES.file);
                found.between(FILES.file, Some(object.number), detail);
            }
        }
    }

    /// How many rows were counted again.
    pub(super) const fn recomputed(&self) -> u64 {
        self.recomputed
    }

    fn recount(&self, cells: &[String; 6], stored: &[String; 6]) -> Result<(), String> {
        let [set, entry_id, algorithm, value, distance, transform] = cells;
        let algorithm = NearAlgorithm::from_word(algorithm)
            .ok_or_else(|| "its match_algorithm is no perceptual hash".to_owned())?;
        let at = NearAlgorithm::ALL.iter().position(|one| *one == algorithm);
        let own = at.and_then(|at| stored.get(at)).map_or("", String::as_str);
        if transform == Transform::Identity.as_str() && own != value {
            return Err(format!("its object_value is not the {algorithm} of {}", FILES.file));
        }
        let entries = self.entries.get(&(set, entry_id.clone())).map_or(&[][..], Vec::as_slice);
        let stated = distance.parse().ok();
        if entries.iter().filter_map(|h| recount(algorithm, value, h)).any(|d| Some(d) == stated) {
            return Ok(());
        }
        Err("its distance is not that of its object_value and the entry".to_owned())
    }

    /// The entries near the picture as stored: the list's SHA-256 and the identifier.
    fn look_up(&self, stored: &[String; 6]) -> Vec<(String, String)> {
        let [pdq, nn512, phash, dhash, ahash, quality] = stored;
        let hashes = || {
            let hash64 = |text: &str| text.parse::<Hash64>().ok();
            Some(ObjectHashes {
                pdq: [pdq.parse::<PdqHash>().ok()?; 8],
                pdq_nn512: [nn512.parse::<PdqHash>().ok()?; 8],
                quality: PdqQuality(quality.parse().ok()?),
                phash: hash64(phash),
                dhash: hash64(dhash),
                ahash: hash64(ahash),
            })
        };
        let findings = hashes().map(|hashes| self.index.look_up(&hashes)).unwrap_or_default();
        let named = findings.iter().filter_map(|finding| {
            let set = self.sets.sets().get(usize::try_from(finding.set).ok()?)?;
            Some((set.info.sha256.clone(), escape::cell(finding.entry_id.as_bytes())))
        });
        named.collect()
    }
}

/// The distance of a value to an entry's hash of the same algorithm.
fn recount(algorithm: NearAlgorithm, value: &str, entry: &PerceptualEntry) -> Option<u32> {
    let hash64 =
        |theirs: Option<u64>| Some(value.parse::<Hash64>().ok()?.distance(Hash64(theirs?)));
    match algorithm {
        NearAlgorithm::Pdq | NearAlgorithm::PdqNn512 => {
            Some(value.parse::<PdqHash>().ok()?.distance(PdqHash::from_bytes(entry.pdq?)))
        }
        NearAlgorithm::Phash => hash64(entry.phash),
        NearAlgorithm::Dhash => hash64(entry.dhash),
        NearAlgorithm::Ahash => hash64(entry.ahash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashset::{ListOptions, SetKind, load};

    /// One alert entry whose PDQ has `ones` bits set.
    fn index(ones: &str) -> Index {
        let folder = tempfile_folder();
        let path = folder.join("list.csv");
        let list = format!("entry_id,pdq,pdq_quality\nA,{ones:0>64},100\n");
        write(&path, &list);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let kind = SetKind::Alert;
        let options =
            ListOptions { path, kind, algorithm: None, scheme: None, accept_polarity: false };
        let sets = vec![load(&options, &pool).unwrap()];
        remove(&folder);
        Index::build(sets, &pool).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a list for a test")]
    fn tempfile_folder() -> std::path::PathBuf {
        tempfile::tempdir().unwrap().keep()
    }

    #[expect(clippy::disallowed_methods, reason = "a list for a test")]
    fn write(path: &std::path::Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a list for a test")]
    fn remove(folder: &std::path::Path) {
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_distance_that_is_not_the_lists_is_told() {
        let sets = index("ff");
        let check = NearCheck::new(&sets, 31).unwrap();
        let set = sets.sets()[0].info.sha256.clone();
        let value = format!("{:0>64}", "f");
        let stored = [&*value, "", "", "", "", "100"].map(str::to_owned);
        let row = |value: &str, distance: &str, transform: &str| {
            [&*set, "A", "pdq", value, distance, transform].map(str::to_owned)
        };
        assert_eq!(check.recount(&row(&value, "4", "identity"), &stored), Ok(()));
        assert!(check.recount(&row(&value, "5", "identity"), &stored).is_err());
        let other = format!("{:0>64}", "1");
        assert!(check.recount(&row(&other, "7", "identity"), &stored).is_err(), "not the object's");
        assert_eq!(check.recount(&row(&other, "7", "rotate90"), &stored), Ok(()));
        assert!(check.recount(&row("", "0", "rotate90"), &stored).is_err());
    }

    #[test]
    fn an_entry_near_the_picture_as_stored_is_found_again() {
        let sets = index("ff");
        let check = NearCheck::new(&sets, 31).unwrap();
        let stored = |digits: &str, quality: &str| {
            let pdq = format!("{digits:0>64}");
            [&*pdq, &*pdq, "", "", "", quality].map(str::to_owned)
        };
        assert_eq!(check.look_up(&stored("f", "50")).len(), 1);
        assert!(check.look_up(&stored("f", "49")).is_empty(), "flat");
        assert!(check.look_up(&stored("ffffffffff", "50")).is_empty(), "32 bits away");
    }
}
