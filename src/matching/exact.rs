//! Exact look-up: sorted digests, one array an algorithm; compiled sets are asked themselves.

use super::{Finding, MatchKind, NearOptions};
use crate::digest::{Algorithm, Digest, Digests, Selection};
use crate::hashset::{ReferenceSet, SetEntry, SetKind};
use crate::perceptual::PdqQuality;
use rayon::prelude::*;

/// Where an entry stands: set, then place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    set: u32,
    entry: u32,
}

/// Every entry of every set, found by any digest it carries.
#[derive(Default)]
pub struct Index {
    sets: Vec<ReferenceSet>,
    tables: [Vec<(Digest, Place)>; Algorithm::ALL.len()],
}

impl Index {
    /// Sorts the entries of all sets; the sorting runs on `pool`.
    ///
    /// # Errors
    /// The name of the set that has more entries than 32 bits count.
    pub fn build(sets: Vec<ReferenceSet>, pool: &rayon::ThreadPool) -> Result<Self, String> {
        let mut tables: [Vec<(Digest, Place)>; Algorithm::ALL.len()] = Default::default();
        for (set, list) in (0_u32..).zip(&sets) {
            for (at, entry) in list.entries.iter().enumerate() {
                let at = u32::try_from(at).map_err(|_| list.info.name.clone())?;
                for (table, algorithm) in tables.iter_mut().zip(Algorithm::ALL) {
                    let digest = entry.digests.get(*algorithm);
                    table.extend(digest.map(|digest| (digest, Place { set, entry: at })));
                }
            }
        }
        pool.install(|| tables.par_iter_mut().for_each(|table| table.par_sort_unstable()));
        Ok(Self { sets, tables })
    }

    /// The sets, in the order they were given.
    pub fn sets(&self) -> &[ReferenceSet] {
        &self.sets
    }

    /// How many entries of a set a run cannot compare.
    ///
    /// - `selection`: the digests it computes.
    /// - `near`: how it compares pictures; `None` where it does not. A hash without a threshold
    ///   and an entry that calls its own picture flat are never compared.
    pub fn incomparable(
        &self,
        set: usize,
        selection: Selection,
        near: Option<&NearOptions>,
    ) -> u64 {
        let by_picture = |entry: &SetEntry| {
            let hashes = entry.perceptual.as_ref().filter(|_| entry.kind != SetKind::Ignore);
            hashes.zip(near).is_some_and(|(h, near)| {
                !h.pdq_quality.is_some_and(|quality| PdqQuality(quality).is_flat())
                    && (h.pdq.is_some()
                        || h.phash.and(near.phash_bits).is_some()
                        || h.dhash.and(near.dhash_bits).is_some()
                        || h.ahash.and(near.ahash_bits).is_some())
            })
        };
        let lost = |entry: &&SetEntry| {
            !(entry.digests.selection().iter().any(|algorithm| selection.has(algorithm))
                || by_picture(entry))
        };
        let Some(set) = self.sets.get(set) else { return 0 };
        if let Some(compiled) = &set.compiled {
            let hashes = near.map_or([false; 4], |near| {
                let bits = [near.phash_bits, near.dhash_bits, near.ahash_bits];
                let [phash, dhash, ahash] = bits.map(|bits| bits.is_some());
                [true, phash, dhash, ahash]
            });
            return compiled.incomparable(selection, hashes);
        }
        u64::try_from(set.entries.iter().filter(lost).count()).unwrap_or(u64::MAX)
    }

    /// Every entry that has a digest of this content, in the order of set, then place in it.
    ///
    /// - `digests`: those computed of the content.
    /// - `size`: its length in bytes.
    pub fn look_up(&self, digests: &Digests, size: u64) -> Vec<Finding> {
        let mut places: Vec<Place> = Vec::new();
        for (table, algorithm) in self.tables.iter().zip(Algorithm::ALL) {
            let Some(digest) = digests.get(*algorithm) else { continue };
            let from = table.partition_point(|(have, _)| *have < digest);
            let equal = table.iter().skip(from).take_while(|(have, _)| *have == digest);
            places.extend(equal.map(|(_, place)| *place));
            for (set, list) in (0_u32..).zip(&self.sets) {
                let Some(compiled) = &list.compiled else { continue };
                let records = compiled.find(*algorithm, &digest);
                places.extend(records.map(|entry| Place { set, entry }));
            }
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.compare(place, digests, size)).collect()
    }

    fn compare(&self, place: Place, digests: &Digests, size: u64) -> Option<Finding> {
        let set = self.sets.get(usize::try_from(place.set).ok()?)?;
        let entry = set.entry(place.entry)?;
        let both = |algorithm: &Algorithm| {
            Some((digests.get(*algorithm)?, entry.digests.get(*algorithm)?))
        };
        let (mut agreeing, mut disagreeing) = (Vec::new(), Vec::new());
        for algorithm in Algorithm::ALL {
            match both(algorithm) {
                Some((ours, theirs)) if ours == theirs => agreeing.push(*algorithm),
                Some(_) => disagreeing.push(*algorithm),
                None => {}
            }
        }
        let size_differs = entry.size.is_some_and(|stated| stated != size);
        // Nobody can make another content with a given SHA-256 or BLAKE3, so where one of them
        // agrees the rest of the entry is what is wrong. MD5 and SHA-1 can be forged.
        let strong = [Algorithm::Sha256, Algorithm::Blake3];
        let sure = strong.iter().any(|algorithm| agreeing.contains(algorithm))
            && !strong.iter().any(|algorithm| disagreeing.contains(algorithm));
        let agrees = sure || disagreeing.is_empty() && !size_differs;
        let strongest = [Algorithm::Sha256, Algorithm::Blake3, Algorithm::Sha1, Algorithm::Md5]
            .into_iter()
            .find(|algorithm| agreeing.contains(algorithm))?;
        Some(Finding {
            set: place.set,
            entry: place.entry,
            entry_id: entry.id.to_string(),
            kind: if agrees { MatchKind::Exact } else { MatchKind::DigestConflict },
            set_kind: entry.kind,
            algorithm: strongest.as_str().to_owned(),
            object_value: digests.get(strongest)?.to_string(),
            weak: agreeing == [Algorithm::Md5],
            agreeing,
            disagreeing,
            size_differs,
            category: entry.category.clone(),
            series: entry.series.as_deref().map(str::to_owned),
            victim_identified: entry.victim_identified,
            near: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;
    use crate::hashset::{PerceptualEntry, SetCounts, SetInfo};
    use crate::matching::Disposition;

    fn digests(content: &[u8], of: &[Algorithm]) -> Digests {
        let selection = of.iter().fold(Selection::NONE, |all, one| all.with(*one));
        let mut hasher = Hasher::new(selection);
        hasher.update(content);
        hasher.finish()
    }

    fn set(kind: SetKind, entries: Vec<Digests>) -> ReferenceSet {
        let text = String::new;
        let entry = |(n, digests)| SetEntry {
            id: format!("line:{n}").into(),
            kind,
            digests,
            perceptual: None,
            size: None,
            category: None,
            series: None,
            victim_identified: None,
        };
        ReferenceSet {
            info: SetInfo {
                name: kind.to_string(),
                publisher: text(),
                version: text(),
                received_from: text(),
                received_at: text(),
                kind,
                scheme: None,
                scheme_sha256: None,
                path: text(),
                format: text(),
                sha256: text(),
            },
            entries: (1..).zip(entries).map(entry).collect(),
            counts: SetCounts::default(),
            compiled: None,
        }
    }

    fn index(sets: Vec<ReferenceSet>) -> Index {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        Index::build(sets, &pool).unwrap()
    }

    const MD5: &[Algorithm] = &[Algorithm::Md5];

    #[test]
    fn alert_wins_over_ignore_and_both_are_told() {
        let content = digests(b"x", Algorithm::ALL);
        let both = index(vec![
            set(SetKind::Ignore, vec![content]),
            set(SetKind::Alert, vec![digests(b"y", MD5), digests(b"x", MD5)]),
        ]);
        let findings = both.look_up(&content, 1);
        assert_eq!(Disposition::of(&findings), Disposition::Alert);
        let told: Vec<_> = findings.iter().map(|f| (f.set, &*f.entry_id, f.weak)).collect();
        assert_eq!(told, [(0, "line:1", false), (1, "line:2", true)]);
        assert_eq!(findings[0].algorithm, "sha256");
        assert_eq!(findings[0].agreeing.len(), 4);
    }

    #[test]
    fn md5_alone_against_another_digest_is_a_conflict() {
        let mut forged = digests(b"x", MD5);
        let other = digests(b"y", &[Algorithm::Sha1]);
        assert!(forged.set(Algorithm::Sha1, other.get(Algorithm::Sha1).unwrap()));
        let alert = index(vec![set(SetKind::Alert, vec![forged])]);
        let findings = alert.look_up(&digests(b"x", Algorithm::ALL), 1);
        assert_eq!(findings[0].kind, MatchKind::DigestConflict);
        assert_eq!(findings[0].disagreeing, [Algorithm::Sha1]);
        assert_eq!(Disposition::of(&findings), Disposition::None);
        let findings = alert.look_up(&digests(b"x", MD5), 1);
        assert_eq!((findings[0].kind, findings[0].weak), (MatchKind::Exact, true));
    }

    #[test]
    fn a_stated_size_that_differs_is_a_conflict() {
        let content = digests(b"x", MD5);
        let mut sized = set(SetKind::Alert, vec![content]);
        sized.entries[0].size = Some(2);
        let alert = index(vec![sized]);
        assert_eq!(alert.look_up(&content, 1)[0].kind, MatchKind::DigestConflict);
        assert_eq!(alert.look_up(&content, 2)[0].kind, MatchKind::Exact);
    }

    #[test]
    fn a_strong_digest_that_agrees_is_exact_and_the_rest_is_told() {
        let content = digests(b"x", Algorithm::ALL);
        let mut entry = digests(b"x", &[Algorithm::Sha256]);
        let other = digests(b"y", MD5);
        assert!(entry.set(Algorithm::Md5, other.get(Algorithm::Md5).unwrap()));
        let mut alert = set(SetKind::Alert, vec![entry]);
        alert.entries[0].size = Some(9);
        let findings = index(vec![alert]).look_up(&content, 1);
        assert_eq!((findings[0].kind, findings[0].weak), (MatchKind::Exact, false));
        assert_eq!(findings[0].disagreeing, [Algorithm::Md5]);
        assert!(findings[0].size_differs && findings[0].is_contradicted());
    }

    #[test]
    fn entries_without_a_computed_digest_are_counted() {
        let sets =
            vec![set(SetKind::Alert, vec![digests(b"x", MD5), digests(b"y", Algorithm::ALL)])];
        let alert = index(sets);
        assert_eq!(alert.incomparable(0, Selection::only(Algorithm::Sha1), None), 1);
        assert_eq!(alert.incomparable(0, Selection::ALL, None), 0);
        let mut picture = set(SetKind::Alert, vec![Digests::default()]);
        let lost = |picture: &ReferenceSet| {
            let near = NearOptions::default();
            index(vec![picture.clone()]).incomparable(0, Selection::ALL, Some(&near))
        };
        let mut hashes = PerceptualEntry { ahash: Some(1), ..PerceptualEntry::NONE };
        picture.entries[0].perceptual = Some(Box::new(hashes.clone()));
        assert_eq!(lost(&picture), 1, "aHash has no threshold");
        hashes.pdq = Some([1; 32]);
        picture.entries[0].perceptual = Some(Box::new(hashes.clone()));
        assert_eq!(lost(&picture), 0);
        hashes.pdq_quality = Some(49);
        picture.entries[0].perceptual = Some(Box::new(hashes));
        assert_eq!(lost(&picture), 1, "flat");
    }
}
