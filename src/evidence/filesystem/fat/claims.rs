//! Which clusters objects claim: two bits a cluster, one more for folders that were listed.
//!
//! Clusters that the table says are in use are claimed by existing objects alone, free ones by
//! deleted objects alone, so that one count serves both.

/// What is known of a cluster's owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    None,
    Once,
    More,
    /// Claimed more than once, and its bytes are counted.
    Counted,
}

/// The claims on all clusters of a volume.
pub(super) struct Claims {
    low: Vec<u64>,
    high: Vec<u64>,
    listed: Vec<u64>,
}

impl Claims {
    /// No claim on any of `clusters` clusters.
    pub(super) fn new(clusters: u32) -> Self {
        let words = usize::try_from(clusters.saturating_add(2).div_ceil(64)).unwrap_or(0);
        let none = vec![0; words];
        Self { low: none.clone(), high: none.clone(), listed: none }
    }

    /// What is known of this cluster.
    pub(super) fn get(&self, cluster: u32) -> Claim {
        match (bit(&self.high, cluster), bit(&self.low, cluster)) {
            (false, false) => Claim::None,
            (false, true) => Claim::Once,
            (true, false) => Claim::More,
            (true, true) => Claim::Counted,
        }
    }

    /// Adds a claim; returns what there was before.
    pub(super) fn add(&mut self, cluster: u32) -> Claim {
        let before = self.get(cluster);
        match before {
            Claim::None => set(&mut self.low, cluster, true),
            Claim::Once => {
                set(&mut self.low, cluster, false);
                set(&mut self.high, cluster, true);
            }
            Claim::More | Claim::Counted => {}
        }
        before
    }

    /// Notes that a cluster's bytes are counted; false where they were counted before.
    pub(super) fn count(&mut self, cluster: u32) -> bool {
        match self.get(cluster) {
            Claim::Once => true,
            Claim::More => {
                set(&mut self.low, cluster, true);
                true
            }
            Claim::None | Claim::Counted => false,
        }
    }

    /// Notes that a cluster was listed as part of a folder; false where it was before.
    pub(super) fn list(&mut self, cluster: u32) -> bool {
        let new = !bit(&self.listed, cluster);
        set(&mut self.listed, cluster, true);
        new
    }

    /// True where a cluster was listed as part of a folder.
    pub(super) fn is_listed(&self, cluster: u32) -> bool {
        bit(&self.listed, cluster)
    }

    /// Forgets which folders were listed, for a second pass.
    pub(super) fn forget_listed(&mut self) {
        self.listed.fill(0);
    }
}

fn place(cluster: u32) -> (usize, u64) {
    (usize::try_from(cluster / 64).unwrap_or(usize::MAX), 1_u64.rotate_left(cluster % 64))
}

fn bit(words: &[u64], cluster: u32) -> bool {
    let (word, mask) = place(cluster);
    words.get(word).is_some_and(|word| word & mask != 0)
}

fn set(words: &mut [u64], cluster: u32, value: bool) {
    let (word, mask) = place(cluster);
    if let Some(word) = words.get_mut(word) {
        *word = if value { *word | mask } else { *word & !mask };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_rise_and_are_counted_once() {
        let mut claims = Claims::new(100);
        assert_eq!(claims.add(70), Claim::None);
        assert!(claims.count(70) && claims.count(70));
        assert_eq!(claims.add(70), Claim::Once);
        assert_eq!(claims.add(70), Claim::More);
        assert!(claims.count(70) && !claims.count(70));
        assert_eq!((claims.get(70), claims.get(69)), (Claim::Counted, Claim::None));
        assert_eq!(claims.add(u32::MAX), Claim::None);
    }
}
