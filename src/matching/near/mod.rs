//! Near look-up: entries whose perceptual hash differs from the object's in few bits.
//!
//! The look-up is complete: every entry is compared or shown to be too far, nothing is
//! approximated. A near finding is a lead that a person has to look at;
//! [`crate::matching::strength`] says how often unrelated pictures came as near. Only alert and info entries are compared, and only pictures with
//! structure: a picture, or an entry that says so of itself, of a PDQ quality under 50 is near to
//! anything flat.
//!
//! Sources: radius 31 and least quality 50 from facebook/ThreatExchange, `pdq/README.md`;
//! docs/matching.md has what we measured.

mod bands;
mod facts;
mod group;
mod neighbours;
mod object;

pub use facts::{NearAlgorithm, NearFacts};
pub use neighbours::PdqNeighbours;
pub use object::ObjectHashes;

use super::kernels::Kernel;
use super::{Finding, MatchKind, strength};
use crate::hashset::{PerceptualEntry, ReferenceSet, SetKind};
use crate::perceptual::{Hash64, PdqHash, PdqQuality};
use bands::{Bands, Workspace};
use group::{Grouped, Place};
use object::Form;
use rayon::prelude::*;
use std::collections::HashMap;

/// How the entries near a picture are looked for. Both ways find the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Search {
    /// Whichever is faster for the number of entries and the radius.
    #[default]
    Fastest,
    /// Every entry is compared.
    Everything,
    /// Entries are looked up by pieces of their hash.
    Index,
}

/// Largest distances that are findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearOptions {
    /// Of PDQ, in both conventions.
    pub near_bits: u32,
    /// Of pHash; none leaves it out.
    pub phash_bits: Option<u32>,
    /// Of dHash; none leaves it out.
    pub dhash_bits: Option<u32>,
    /// Of aHash; none leaves it out.
    pub ahash_bits: Option<u32>,
    /// The instructions to use.
    pub kernel: Kernel,
    /// How entries are looked for.
    pub search: Search,
}

impl Default for NearOptions {
    /// 31 bits of PDQ; for the others what [`strength::largest_without_false_pair`] says.
    fn default() -> Self {
        let bits = strength::largest_without_false_pair;
        Self {
            near_bits: 31,
            phash_bits: bits(NearAlgorithm::Phash),
            dhash_bits: bits(NearAlgorithm::Dhash),
            ahash_bits: bits(NearAlgorithm::Ahash),
            kernel: Kernel::best(),
            search: Search::Fastest,
        }
    }
}

/// What became of the entries of one set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NearCounts {
    /// Entries that every picture is compared with.
    pub compared: u64,
    /// Entries left out because their own quality is under 50.
    pub flat: u64,
    /// Entries whose perceptual hashes are all of kinds that this run does not compare.
    pub incomparable: u64,
}

/// The 64-bit hashes of one algorithm.
struct Table64 {
    algorithm: NearAlgorithm,
    bits: u32,
    values: Vec<Hash64>,
    places: Grouped,
    bands: Option<Bands>,
}

impl Table64 {
    /// Gives the place and distance of every value within the threshold to `found`.
    fn within(&self, with: Hash64, found: &mut dyn FnMut(usize, u32)) {
        if let Some(bands) = &self.bands
            && bands.within(&self.values, with, &mut Workspace::default(), found)
        {
            return;
        }
        for (at, have) in self.values.iter().enumerate() {
            let distance = with.distance(*have);
            if distance <= self.bits {
                found(at, distance);
            }
        }
    }
}

/// Every alert and info entry that has a perceptual hash.
pub struct NearIndex<'s> {
    sets: &'s [ReferenceSet],
    options: NearOptions,
    counts: Vec<NearCounts>,
    pdq: PdqNeighbours,
    of_pdq: Grouped,
    tables: Vec<Table64>,
}

/// How near an entry is: smaller is told first. The number of the form decides between equal
/// distances.
type Nearness = (u32, usize);

/// Pictures whose query forms are compared with the entries together.
const BATCH: usize = 16;

impl<'s> NearIndex<'s> {
    /// Sorts the entries of all sets by hash, on the rayon pool it is called in.
    ///
    /// # Errors
    /// The name of the set that has more entries than 32 bits count, or with which all sets
    /// together have.
    pub fn build(sets: &'s [ReferenceSet], options: NearOptions) -> Result<Self, String> {
        let enabled = [
            (NearAlgorithm::Phash, options.phash_bits),
            (NearAlgorithm::Dhash, options.dhash_bits),
            (NearAlgorithm::Ahash, options.ahash_bits),
        ];
        let enabled: Vec<_> =
            enabled.into_iter().filter_map(|(a, bits)| Some((a, bits?))).collect();
        let mut counts = Vec::with_capacity(sets.len());
        let mut pdq = Vec::new();
        let mut values: Vec<Vec<(Hash64, Place)>> = vec![Vec::new(); enabled.len()];
        for (set, list) in (0_u32..).zip(sets) {
            let mut count = NearCounts::default();
            u32::try_from(list.len()).map_err(|_| list.info.name.clone())?;
            for (entry, kind, hashes) in list.perceptual_entries() {
                let Some(hashes) = compared(kind, &hashes) else { continue };
                if hashes.pdq_quality.is_some_and(|quality| PdqQuality(quality).is_flat()) {
                    count.flat += 1;
                    continue;
                }
                let place = Place { set, entry };
                let full = hashes.pdq.map(PdqHash::from_bytes);
                let mut any = full.is_some();
                pdq.extend(full.map(|hash| (hash, place)));
                for ((algorithm, _), values) in enabled.iter().zip(&mut values) {
                    let value = algorithm.of_entry(hashes);
                    any |= value.is_some();
                    values.extend(value.map(|value| (value, place)));
                }
                *(if any { &mut count.compared } else { &mut count.incomparable }) += 1;
            }
            let most = values.iter().map(Vec::len).fold(pdq.len(), usize::max);
            u32::try_from(most).map_err(|_| list.info.name.clone())?;
            counts.push(count);
        }
        let (pdq, of_pdq) = Grouped::new(pdq);
        let pdq = PdqNeighbours::new(pdq, &options);
        let tables = enabled.into_iter().zip(values).map(|((algorithm, bits), values)| {
            let (values, places) = Grouped::new(values);
            let bands = Bands::of(&values, bits, &options);
            Table64 { algorithm, bits, values, places, bands }
        });
        let tables = tables.collect();
        Ok(Self { sets, options, counts, pdq, of_pdq, tables })
    }

    /// What became of the entries of each set, in the order of the sets.
    pub fn counts(&self) -> &[NearCounts] {
        &self.counts
    }

    /// The distances in force.
    pub const fn options(&self) -> NearOptions {
        self.options
    }

    /// True where there is nothing to compare with, so that no picture needs hashing for it.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.compared == 0)
    }

    /// Every entry that is near the object: one finding an entry, in the order of set, then place
    /// in it. Of the two PDQ conventions and eight forms the nearest is told, ties in the order
    /// of [`NearAlgorithm::ALL`] and [`crate::perceptual::Transform::ALL`]. pHash, then dHash,
    /// then aHash is told only of an entry that is not near by PDQ: distances of different
    /// algorithms do not compare.
    pub fn look_up(&self, object: &ObjectHashes) -> Vec<Finding> {
        self.look_up_few(std::slice::from_ref(object)).pop().unwrap_or_default()
    }

    /// [`Self::look_up`] of many objects, in their order; the comparing runs on `pool`.
    pub fn look_up_batch(
        &self,
        objects: &[ObjectHashes],
        pool: &rayon::ThreadPool,
    ) -> Vec<Vec<Finding>> {
        let few = |few| self.look_up_few(few);
        pool.install(|| objects.par_chunks(BATCH).flat_map_iter(few).collect())
    }

    fn look_up_few(&self, objects: &[ObjectHashes]) -> Vec<Vec<Finding>> {
        let forms: Vec<_> = objects.iter().map(ObjectHashes::forms).collect();
        let mut nearest = vec![HashMap::new(); objects.len()];
        self.nearest_pdq(&forms, &mut nearest);
        let all = objects.iter().zip(forms).zip(nearest);
        all.map(|((object, forms), nearest)| {
            let mut findings: HashMap<Place, Finding> = HashMap::new();
            for (value, (distance, form)) in nearest {
                for place in self.of_pdq.places(value) {
                    let finding = self.finding(object, &forms[form], distance, *place);
                    findings.extend(finding.map(|finding| (*place, finding)));
                }
            }
            self.add_64(object, &mut findings);
            let mut findings: Vec<_> = findings.into_values().collect();
            findings.sort_unstable_by_key(|finding| (finding.set, finding.entry));
            findings
        })
        .collect()
    }

    /// For each object the distinct PDQ values within the radius, with the nearest form.
    fn nearest_pdq(&self, forms: &[Vec<Form>], nearest: &mut [HashMap<usize, Nearness>]) {
        let mut queries = Vec::new();
        let mut owners = Vec::new();
        for (object, forms) in forms.iter().enumerate() {
            for (number, form) in forms.iter().enumerate() {
                queries.push(form.hash);
                owners.push((object, number));
            }
        }
        self.pdq.within(&queries, &mut |close| {
            let (object, form) = owners[close.query];
            let this = (close.distance, form);
            let best = nearest[object].entry(close.entry).or_insert(this);
            *best = this.min(*best);
        });
    }

    fn add_64(&self, object: &ObjectHashes, findings: &mut HashMap<Place, Finding>) {
        if object.quality.is_flat() {
            return;
        }
        for table in &self.tables {
            let Some(value) = object.hash64(table.algorithm) else { continue };
            let form = Form::stored(table.algorithm, value);
            table.within(value, &mut |at, distance| {
                for place in table.places.places(at) {
                    if let std::collections::hash_map::Entry::Vacant(free) = findings.entry(*place)
                        && let Some(finding) = self.finding(object, &form, distance, *place)
                    {
                        free.insert(finding);
                    }
                }
            });
        }
    }

    fn finding(
        &self,
        object: &ObjectHashes,
        form: &Form,
        distance: u32,
        place: Place,
    ) -> Option<Finding> {
        let set = self.sets.get(usize::try_from(place.set).ok()?)?;
        let entry = set.entry(place.entry)?;
        let threshold = match form.algorithm {
            NearAlgorithm::Pdq | NearAlgorithm::PdqNn512 => self.options.near_bits,
            other => self.tables.iter().find(|table| table.algorithm == other)?.bits,
        };
        Some(Finding {
            set: place.set,
            entry: place.entry,
            entry_id: entry.id.to_string(),
            kind: MatchKind::Near,
            set_kind: entry.kind,
            algorithm: form.algorithm.as_str().to_owned(),
            object_value: form.text(),
            agreeing: Vec::new(),
            disagreeing: Vec::new(),
            size_differs: false,
            weak: false,
            category: entry.category.clone(),
            series: entry.series.as_deref().map(str::to_owned),
            victim_identified: entry.victim_identified,
            near: Some(NearFacts {
                algorithm: form.algorithm,
                distance,
                threshold,
                transform: form.transform,
                quality_object: object.quality.0,
                quality_entry: entry.perceptual.as_ref().and_then(|hashes| hashes.pdq_quality),
            }),
        })
    }
}

/// The hashes of an entry that near look-up is about.
fn compared(kind: SetKind, hashes: &PerceptualEntry) -> Option<&PerceptualEntry> {
    (kind != SetKind::Ignore && !hashes.is_empty()).then_some(hashes)
}

/// Exact and near findings of one object in one list, in the order of set, place in it, kind.
///
/// An entry that is an exact finding is no near one. An entry whose digests are in conflict stays
/// a near finding as well: the conflict alone would not tell that the pictures are alike.
pub fn combine(exact: Vec<Finding>, near: Vec<Finding>) -> Vec<Finding> {
    let place = |finding: &Finding| (finding.set, finding.entry);
    let equal = exact.iter().filter(|finding| finding.kind == MatchKind::Exact);
    let mut equal: Vec<_> = equal.map(place).collect();
    equal.sort_unstable();
    let near = near.into_iter().filter(|finding| equal.binary_search(&place(finding)).is_err());
    let mut all: Vec<_> = exact.into_iter().chain(near).collect();
    all.sort_by_key(|finding| (finding.set, finding.entry, finding.kind));
    all
}
