//! To which class each byte of the volume belongs, beside what the folders own.
//!
//! Owners are known from the folders, what is in use from the bitmap, bad clusters from the FAT: each
//! class has a source of its own, and where two sources contradict each other a problem says so.

use crate::problem::{Code, Problem, Stage};

use super::clusters::{ClusterSet, Run};
use super::special;
use super::walk::Walk;

impl Walk<'_> {
    /// Counts what the folders do not, once all owners are known; from then on it is known what
    /// is in use.
    pub(super) fn balance(&mut self) {
        let shape = &self.fs.shape;
        let special = &self.fs.special;
        let fat = &mut self.owners.fat;
        let (bitmap, problems) = special::bitmap(self.volume, shape, fat, special.bitmap);
        let table = special::check_table(self.volume, shape, fat, special.table);
        self.listing.problems.extend(problems.into_iter().chain(table));
        let free_and_bad = self.count_bad(&bitmap);

        let (mut free, mut nobody, mut wrong) = (0_u64, 0_u64, 0_u64);
        for (run, has_owner) in self.owners.owned.split(shape.present) {
            let in_use = bitmap.count(run);
            let rest = u64::from(run.len).saturating_sub(in_use);
            if has_owner {
                wrong = wrong.saturating_add(rest);
            } else {
                nobody = nobody.saturating_add(in_use);
                free = free.saturating_add(rest);
                let len = u64::from(run.len).saturating_mul(shape.cluster);
                self.listing.unowned.free.push(shape.place(run.first), len);
            }
        }
        let bytes = &mut self.listing.bytes;
        bytes.unallocated = free.saturating_mul(shape.cluster);
        bytes.unexamined = nobody.saturating_mul(shape.cluster);
        let clusters = u64::from(shape.present.len).saturating_mul(shape.cluster);
        let gaps = shape.heap.saturating_sub(shape.boot).saturating_sub(shape.fats);
        let tail = self.volume.len().saturating_sub(shape.heap).saturating_sub(clusters);
        bytes.slack = bytes.slack.saturating_add(gaps).saturating_add(tail);
        let behind = shape.heap.saturating_add(clusters);
        self.listing.unowned.slack.push(behind, tail);

        self.note(Code::SpaceWithoutOwner, nobody, "are in use by the bitmap and have no owner");
        // Bad clusters were put among the owned; that they are free is no contradiction.
        let wrong = wrong.saturating_sub(free_and_bad);
        self.note(Code::FilesystemDamaged, wrong, "have an owner and are free by the bitmap");
        self.owners.used = bitmap;
        for (run, has_owner) in self.owners.owned.split(shape.present) {
            if has_owner {
                self.owners.used.insert(run);
            }
        }
    }

    /// Counts bad clusters and structures, and what of these cannot be read. Returns how many bad
    /// clusters the bitmap says are free.
    fn count_bad(&mut self, bitmap: &ClusterSet) -> u64 {
        let shape = &self.fs.shape;
        let owned = &mut self.owners.owned;
        let (mut bad, mut free) = (0_u64, 0_u64);
        let (fat, problems) = self.owners.fat.bad_clusters(|cluster| {
            if shape.present.contains(cluster) && !owned.contains(cluster) {
                owned.insert(Run { first: cluster, len: 1 });
                bad = bad.saturating_add(1);
                free = free.saturating_add(u64::from(!bitmap.contains(cluster)));
            }
        });
        self.listing.problems.extend(problems);
        self.note(Code::BadSectors, bad, "are marked as bad");
        let lost = u64::try_from(self.reader.lost.len()).unwrap_or_default();
        let lost = lost.saturating_mul(shape.sector).saturating_add(fat);
        let bytes = &mut self.listing.bytes;
        let structures = bytes.metadata.saturating_add(shape.boot).saturating_add(shape.fats);
        let lost = lost.min(structures);
        bytes.metadata = structures.saturating_sub(lost);
        bytes.unread = lost.saturating_add(bad.saturating_mul(shape.cluster));
        free
    }

    /// A problem of so many clusters, if there are any.
    fn note(&mut self, code: Code, clusters: u64, what: &str) {
        if clusters > 0 {
            let detail = format!("{clusters} clusters {what}");
            let length = Some(clusters.saturating_mul(self.fs.shape.cluster));
            let problem = Problem::new(code, Stage::Filesystem, detail);
            self.listing.problems.push(Problem { length, ..problem });
        }
    }
}
