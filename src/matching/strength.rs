//! How often unrelated pictures are as near as a threshold allows.
//!
//! Counted, not modelled: the rows of `strength.csv` are written by the programs in
//! `tests/population/`, which compare every pair of a named population of unrelated pictures.
//! docs/matching.md says what the population is and what the figures do not say.

use super::NearAlgorithm;

/// Columns: population, qualities, algorithm, threshold, `fp_observed`, `fp_pairs`, `fp_upper95`.
const TABLE: &str = include_str!("strength.csv");

/// A count on a population of unrelated pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// Pairs that are within the threshold.
    pub observed: u64,
    /// Pairs compared.
    pub pairs: u64,
    /// Upper end of the one-sided 95 % interval of the share, as the table has it. Source:
    /// Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    pub upper95: &'static str,
    /// The population.
    pub population: &'static str,
}

/// The count for a threshold; none where it was not measured.
///
/// - `entry_quality_known`: the entry states a quality, so that both pictures have 50 or more.
pub fn of(algorithm: NearAlgorithm, threshold: u32, entry_quality_known: bool) -> Option<Strength> {
    let qualities = if entry_quality_known { "both" } else { "object" };
    // Counted over both conventions at once, because that is what a look-up compares.
    let algorithm = match algorithm {
        NearAlgorithm::PdqNn512 => NearAlgorithm::Pdq,
        other => other,
    };
    let mut rows = rows().filter(|row| row.qualities == qualities);
    rows.find(|row| row.algorithm == algorithm && row.threshold == threshold)
        .map(|row| row.strength)
}

/// Largest threshold of a 64-bit hash that is ever used.
const MOST_BITS_OF_64: u32 = 10;

/// The largest distance, at most 10 bits, up to which no pair of unrelated pictures was near,
/// whatever the quality of the entry's picture; none where even equal hashes were met.
pub fn largest_without_false_pair(algorithm: NearAlgorithm) -> Option<u32> {
    let clean = |bits: &u32| of(algorithm, *bits, false).is_some_and(|count| count.observed == 0);
    (0..=MOST_BITS_OF_64).take_while(clean).last()
}

struct Row {
    qualities: &'static str,
    algorithm: NearAlgorithm,
    threshold: u32,
    strength: Strength,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().skip(1).filter_map(row)
}

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split(',');
    let population = cells.next()?;
    Some(Row {
        qualities: cells.next()?,
        algorithm: NearAlgorithm::from_word(cells.next()?)?,
        threshold: cells.next()?.parse().ok()?,
        strength: Strength {
            population,
            observed: cells.next()?.parse().ok()?,
            pairs: cells.next()?.parse().ok()?,
            upper95: cells.next()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(rows().count(), TABLE.lines().count() - 1);
    }
}
