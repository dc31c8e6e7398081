//! What the summary counts, gathered while the rows are written, in bounded memory.

use crate::evidence::filesystem::ByteClasses;
use crate::evidence::{Action, Medium, VolumeRow, Walked};
use crate::item::{AllocStatus, ObjectKind, Status};
use crate::matching::{Disposition, Finding, MatchKind};
use crate::perceptual::PdqQuality;
use crate::problem::Code;
use crate::report::ready::Brief;
use crate::report::{Balance, Record, Seen};
use std::collections::BTreeMap;

/// Groups are made of words of the sets, so their number has a bound of its own; what comes after
/// it is counted together.
const MAX_GROUPS: usize = 4096;
/// Bound on the words of detected types.
const MAX_WORDS: usize = 1024;

/// What hits are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Every exact alert.
    Alert,
    /// Near an alert entry, equal to none.
    Near,
    /// Findings of one kind with one set.
    Set(u32, MatchKind),
    /// Exact findings with one category: scheme, code, label.
    Category(String, String, String),
    /// Exact alerts by allocation.
    Alloc(AllocStatus),
    /// Exact alerts by kind of object.
    Kind(ObjectKind),
    /// Past the bound of groups.
    Other,
}

/// The objects of a group. Those of low information are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Objects.
    pub(super) instances: u64,
    /// Different strongest digests among them.
    pub(super) unique: u64,
    /// Objects whose content says next to nothing.
    pub(super) low: u64,
    last: u64,
}

/// All counts of a report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) statuses: BTreeMap<Status, u64>,
    pub(super) reasons: BTreeMap<(Status, Option<Code>), u64>,
    pub(super) problems: BTreeMap<Code, u64>,
    pub(super) dispositions: BTreeMap<Disposition, u64>,
    pub(super) media: BTreeMap<String, u64>,
    pub(super) types: BTreeMap<String, u64>,
    pub(super) bytes_hashed: u64,
    /// Objects with a finding that is a digest conflict and so no match.
    pub(super) conflicts: u64,
    /// Objects with a finding whose entry contradicts itself.
    pub(super) contradicted: u64,
    /// Objects that were compared and equal or near nothing.
    pub(super) compared_in_no_set: u64,
    /// Objects found by their structure in space that no file owns.
    pub(super) carved: u64,
    /// Pictures found after other bytes of a file.
    pub(super) embedded: u64,
    /// Folders of which some or all names could not be listed.
    pub(super) unlisted: u64,
    /// Alert, info and ignore objects of low information.
    pub(super) low: BTreeMap<Disposition, u64>,
    /// Pictures that were compared with the lists' pictures.
    pub(super) pictures_compared: u64,
    /// Pictures too flat to be compared.
    pub(super) pictures_flat: u64,
    pub(super) weak: u64,
    /// Volumes by what was done with them.
    pub(super) volumes: BTreeMap<Action, u64>,
    /// Volumes of which nothing, or not everything, was examined.
    pub(super) volumes_incomplete: u64,
    /// Volumes whose bytes do not sum to their length.
    pub(super) volumes_unbalanced: u64,
    /// Bytes of all media.
    pub(super) media_bytes: u64,
    /// Bytes that two volumes claim; the first in the table counts them.
    pub(super) shared: u64,
    /// Media of which bytes are in no volume and no gap.
    pub(super) media_incomplete: u64,
    /// Bytes of all volumes by class.
    pub(super) bytes: ByteClasses,
    /// Images inside evidence whose media were read.
    pub(super) images_inside: u64,
    /// Problems of volumes and media.
    pub(super) located: u64,
    numbers: BTreeMap<Group, u32>,
    counts: Vec<Count>,
}

impl Tally {
    /// Counts an object.
    pub(super) fn add(&mut self, brief: &Brief<'_>) {
        *self.statuses.entry(brief.status).or_default() += 1;
        if brief.status != Status::Hashed {
            *self.reasons.entry((brief.status, brief.reason)).or_default() += 1;
        }
        *self.dispositions.entry(brief.disposition).or_default() += 1;
        if brief.low_information.is_some() {
            *self.low.entry(brief.disposition).or_default() += 1;
        }
        let compared = brief.status == Status::Hashed && brief.disposition == Disposition::None;
        self.compared_in_no_set += u64::from(compared);
        self.carved += u64::from(brief.kind == ObjectKind::Carved);
        self.embedded += u64::from(brief.kind == ObjectKind::EmbeddedPicture);
        let folder = brief.kind == ObjectKind::Special
            && matches!(brief.status, Status::Unread | Status::Skipped);
        self.unlisted += u64::from(folder);
        let quality = brief.pdq_quality;
        self.pictures_compared += u64::from(quality.is_some_and(|q| !PdqQuality(q).is_flat()));
        self.pictures_flat += u64::from(quality.is_some_and(|q| PdqQuality(q).is_flat()));
        self.bytes_hashed = self.bytes_hashed.saturating_add(brief.bytes_hashed);
        match brief.media_status {
            Some(status) => word(&mut self.media, status),
            None if brief.status == Status::Hashed => {
                word(&mut self.types, brief.detected_type.unwrap_or_default());
            }
            None => {}
        }
    }

    /// Counts findings and problems of an object. Returns the numbers of the groups in which its
    /// digest is to be counted, each four bytes.
    pub(super) fn add_more(&mut self, record: &Record) -> Vec<u8> {
        for problem in &record.problems {
            *self.problems.entry(problem.code).or_default() += 1;
        }
        let mut groups = groups(record);
        groups.sort_unstable();
        groups.dedup();
        let mut numbers = Vec::new();
        for group in groups {
            let number = self.number(group);
            let Some(count) = usize::try_from(number).ok().and_then(|at| self.counts.get_mut(at))
            else {
                continue;
            };
            if record.low_information.is_some() {
                count.low += 1;
            } else {
                count.instances += 1;
                numbers.extend_from_slice(&number.to_le_bytes());
            }
        }
        let has = |kind| record.findings.iter().any(|finding| finding.kind == kind);
        self.conflicts += u64::from(has(MatchKind::DigestConflict));
        self.contradicted += u64::from(record.findings.iter().any(Finding::is_contradicted));
        let mut exact = record.findings.iter().filter(|f| f.kind == MatchKind::Exact).peekable();
        self.weak += u64::from(exact.peek().is_some() && exact.all(|finding| finding.weak));
        numbers
    }

    /// Counts what a walk gave of a medium: its volumes and gaps are to cover it.
    pub(super) fn add_medium(&mut self, walked: &Walked) {
        let sum = walked.volumes.iter().fold(0_u64, |sum, row| sum.saturating_add(row.owned()));
        let shared = walked.volumes.iter().fold(0_u64, |sum, row| sum.saturating_add(row.shared));
        self.media_bytes = self.media_bytes.saturating_add(walked.media);
        self.shared = self.shared.saturating_add(shared);
        self.media_incomplete += u64::from(!walked.stopped && sum != walked.media);
        walked.volumes.iter().for_each(|row| self.add_volume(row));
    }

    /// Counts the medium of an image inside evidence. Its bytes are those of an object and in no sum;
    /// its volumes and gaps are to cover it all the same.
    pub(super) fn add_inside(&mut self, medium: &Medium) {
        let sum = medium.volumes.iter().fold(0_u64, |sum, row| sum.saturating_add(row.owned()));
        self.images_inside += 1;
        self.media_incomplete += u64::from(medium.whole && sum != medium.len);
        for row in &medium.volumes {
            *self.volumes.entry(row.action).or_default() += 1;
            self.volumes_incomplete += u64::from(row.is_incomplete());
            self.volumes_unbalanced += u64::from(!row.is_balanced());
        }
    }

    /// Counts a volume or gap.
    fn add_volume(&mut self, row: &VolumeRow) {
        *self.volumes.entry(row.action).or_default() += 1;
        self.volumes_incomplete += u64::from(row.is_incomplete());
        self.volumes_unbalanced += u64::from(!row.is_balanced());
        let (sum, bytes) = (&mut self.bytes, &row.bytes);
        for (sum, class) in [
            (&mut sum.metadata, bytes.metadata),
            (&mut sum.allocated, bytes.allocated),
            (&mut sum.slack, bytes.slack),
            (&mut sum.unallocated, bytes.unallocated),
            (&mut sum.unread, bytes.unread),
            (&mut sum.unexamined, bytes.unexamined),
        ] {
            *sum = sum.saturating_add(class);
        }
    }

    /// Counts a digest once in each group, however often it comes; `digest` numbers it from 1.
    pub(super) fn add_unique(&mut self, digest: u64, numbers: &[u8]) {
        for number in numbers.as_chunks::<4>().0 {
            let at = usize::try_from(u32::from_le_bytes(*number)).ok();
            if let Some(count) = at.and_then(|at| self.counts.get_mut(at))
                && count.last != digest
            {
                count.last = digest;
                count.unique += 1;
            }
        }
    }

    /// The groups and their counts, in the order of the summary.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&Group, Count)> {
        self.numbers.iter().map(|(group, number)| {
            let at = usize::try_from(*number).ok();
            (group, at.and_then(|at| self.counts.get(at)).copied().unwrap_or_default())
        })
    }

    /// Pictures that a limit of time, memory or size kept from being looked at.
    pub(super) fn pictures_not_read(&self) -> u64 {
        let limits = ["timeout", "memory", "too_large"];
        limits.iter().filter_map(|status| self.media.get(*status)).sum()
    }

    /// The sums, with what the walker counted.
    pub(super) fn balance(&self, seen: Seen) -> Balance {
        let of = |status| self.statuses.get(&status).copied().unwrap_or(0);
        Balance {
            seen: seen.objects,
            hashed: of(Status::Hashed),
            partial: of(Status::Partial),
            unread: of(Status::Unread),
            skipped: of(Status::Skipped),
            special: of(Status::Special),
            directories: seen.directories,
            holds: self.statuses.values().sum::<u64>() == seen.objects,
        }
    }

    fn number(&mut self, group: Group) -> u32 {
        let full = self.numbers.len() >= MAX_GROUPS && !self.numbers.contains_key(&group);
        let counts = &mut self.counts;
        *self.numbers.entry(if full { Group::Other } else { group }).or_insert_with(|| {
            counts.push(Count::default());
            u32::try_from(counts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// The groups an object belongs to.
fn groups(record: &Record) -> Vec<Group> {
    let mut groups = Vec::new();
    match record.disposition {
        Disposition::Alert => groups.extend([
            Group::Alert,
            Group::Alloc(record.meta.alloc),
            Group::Kind(record.meta.kind),
        ]),
        Disposition::Near => groups.push(Group::Near),
        Disposition::Info | Disposition::Ignore | Disposition::None => {}
    }
    for finding in &record.findings {
        groups.push(Group::Set(finding.set, finding.kind));
        if let (MatchKind::Exact, Some(category)) = (finding.kind, &finding.category) {
            let (scheme, code) = (category.scheme.clone(), category.code.clone());
            groups.push(Group::Category(scheme, code, category.label.clone()));
        }
    }
    groups
}

/// Counts a word, or "other" where there are too many.
fn word(words: &mut BTreeMap<String, u64>, word: &str) {
    if let Some(count) = words.get_mut(word) {
        *count += 1;
    } else {
        let word = if words.len() < MAX_WORDS { word } else { "other" };
        *words.entry(word.to_owned()).or_default() += 1;
    }
}
