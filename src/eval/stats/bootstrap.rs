//! Intervals by drawing whole clusters again (Efron and Tibshirani, "An Introduction to the Bootstrap", ch. 13;
//! Field and Welsh, "Bootstrapping clustered data", 2007).
//!
//! The percentile interval, not BCa: most figures here are shares near 0 or 1 of few clusters, where BCa's acceleration
//! is undefined or wild, and a percentile never leaves the range of the figure. Its price is a little too narrow with few
//! clusters; where all values are the same it would have no width at all, so there the exact binomial bound of so many
//! clusters takes its place.

use std::collections::BTreeMap;

use super::random::Random;
use super::{Interval, LEVEL, RESAMPLES, SEED, quantile, real};

/// Fewer defined draws than this share, and there is no interval.
const DEFINED_SHARE_MIN: f64 = 0.5;

/// Values of cases, by cluster.
#[derive(Debug, Clone, Default)]
pub struct Clustered {
    /// Sum and count of each cluster, in the order of their names.
    clusters: Vec<(f64, usize)>,
    cases: usize,
    /// The value of all cases, where all have the same.
    constant: Option<f64>,
}

impl Clustered {
    /// Takes (cluster, value), in any order.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut named: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (cluster, value) in values {
            named.entry(cluster).or_default().push(value);
        }
        // A sum depends on its order by its last bits, so each cluster has one.
        let mut clusters = Vec::new();
        for values in named.values_mut() {
            values.sort_by(f64::total_cmp);
            clusters.push((values.iter().sum(), values.len()));
        }
        let first = named.values().flatten().copied().next();
        let constant = first.filter(|first| named.values().flatten().all(|value| value.total_cmp(first).is_eq()));
        Self { cases: clusters.iter().map(|(_, count)| count).sum(), clusters, constant }
    }

    pub fn cases(&self) -> usize {
        self.cases
    }

    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// The sums of the clusters.
    pub(super) fn sums(&self) -> impl Iterator<Item = f64> {
        self.clusters.iter().map(|(sum, _)| *sum)
    }

    /// The mean over cases. None of no cases.
    pub fn mean(&self) -> Option<f64> {
        (self.cases > 0).then(|| self.sums().sum::<f64>() / real(self.cases))
    }

    /// The 95% interval of the mean of a share, in 0..=1.
    pub fn share_interval(&self) -> Option<Interval> {
        let bound = all_alike(self.clusters.len());
        match self.constant {
            Some(value) => {
                Some(Interval { low: (value - bound).max(0.0).min(value), high: (value + bound).min(1.0).max(value) })
            }
            None => self.interval(),
        }
    }

    /// The 95% interval of the mean, by drawing clusters. Without width where all values are the same.
    pub fn interval(&self) -> Option<Interval> {
        self.interval_at(LEVEL)
    }

    /// The same at another level.
    pub fn interval_at(&self, level: f64) -> Option<Interval> {
        if let Some(value) = self.constant {
            return Some(Interval { low: value, high: value });
        }
        bootstrap(self.clusters.len(), level, |weights| {
            let mut drawn = (0.0, 0.0);
            for (weight, (sum, count)) in weights.iter().zip(&self.clusters) {
                drawn.0 += f64::from(*weight) * sum;
                drawn.1 += f64::from(*weight) * real(*count);
            }
            (drawn.1 > 0.0).then(|| drawn.0 / drawn.1)
        })
    }
}

/// What a share can still be when `n` clusters all say 0, or all say 1: Clopper and Pearson's bound, 1 − (α/2)^(1/n).
fn all_alike(n: usize) -> f64 {
    if n == 0 { 1.0 } else { 1.0 - ((1.0 - LEVEL) / 2.0).powf(1.0 / real(n)) }
}

/// The percentile interval of any statistic of so many clusters. It is given how often each cluster was drawn; `None`
/// leaves a draw out.
pub fn bootstrap(clusters: usize, level: f64, statistic: impl Fn(&[u32]) -> Option<f64>) -> Option<Interval> {
    let mut random = Random::new(SEED);
    let mut weights = vec![0u32; clusters];
    let mut found = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        weights.fill(0);
        for _ in 0..clusters {
            if let Some(weight) = weights.get_mut(random.below(clusters)) {
                *weight += 1;
            }
        }
        found.extend(statistic(&weights).filter(|value| value.is_finite()));
    }
    if real(found.len()) < DEFINED_SHARE_MIN * real(RESAMPLES) {
        return None;
    }
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Some(Interval { low: quantile(&found, tail)?, high: quantile(&found, 1.0 - tail)? })
}

/// Wilson's interval of a share of independent trials (Wilson 1927; Brown, Cai and DasGupta 2001).
pub fn wilson(hits: usize, trials: usize) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let (n, z) = (real(trials), super::normal::quantile(f64::midpoint(1.0, LEVEL)));
    let share = real(hits) / n;
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Interval { low: (centre - half).clamp(0.0, share), high: (centre + half).clamp(share, 1.0) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::eval::stats::near;

    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    // Reference: the same draws in Python (SplitMix64 with SEED), and numpy.percentile(draws, [2.5, 97.5]).
    #[test]
    fn an_interval_is_the_percentiles_of_the_means_of_drawn_clusters() {
        let (sums, counts) = ([1.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 0.0], [1, 1, 1, 2, 1, 2, 1, 1]);
        let mut cases = Vec::new();
        for ((name, sum), count) in NAMES.into_iter().zip(sums).zip(counts) {
            cases.push((name, if count == 2 && sum > 1.0 { 1.0 } else { sum }));
            if count == 2 {
                cases.push((name, f64::from(u8::from(sum > 1.0))));
            }
        }
        let clustered = Clustered::of(cases);
        assert_eq!((clustered.cases(), clustered.clusters()), (10, 8));
        assert!(near(clustered.mean().unwrap(), 0.6));
        let interval = clustered.interval().unwrap();
        assert!(near(interval.low, 0.3) && near(interval.high, 0.9), "{interval:?}");
        let gains = [0.2, -0.1, 0.4, 0.0, 0.3, 0.25, -0.05, 0.1];
        let interval = Clustered::of(NAMES.into_iter().zip(gains)).interval().unwrap();
        assert!(near(interval.low, 0.025) && near(interval.high, 0.256_25), "{interval:?}");
    }

    #[test]
    fn the_order_in_which_cases_come_makes_no_difference() {
        let values: Vec<(&str, f64)> = NAMES.into_iter().cycle().zip((0..40).map(|n| f64::from(n) * 0.013)).collect();
        let backwards: Vec<(&str, f64)> = values.iter().rev().copied().collect();
        assert_eq!(Clustered::of(values).interval(), Clustered::of(backwards).interval());
    }

    #[test]
    fn cases_that_are_all_alike_still_leave_a_doubt() {
        let right = Clustered::of(NAMES.map(|name| (name, 1.0)));
        // scipy.stats.beta.ppf(0.025, 8, 1)
        let interval = right.share_interval().unwrap();
        assert!((interval.low - 0.630_583_3).abs() < 1e-6 && interval.high >= 1.0, "{interval:?}");
        assert_eq!(right.interval(), Some(Interval { low: 1.0, high: 1.0 }));
        assert_eq!(Clustered::of([]).interval(), None);
    }

    // statsmodels.stats.proportion.proportion_confint(k, n, method="wilson")
    #[test]
    fn wilsons_interval_is_statsmodels() {
        for (hits, trials, low, high) in [
            (0, 10, 0.0, 0.277_532_799_862_889_3),
            (8, 10, 0.490_162_471_536_641_83, 0.943_317_848_545_624_7),
            (97, 100, 0.915_480_635_709_472_4, 0.989_745_475_975_971_1),
        ] {
            let found = wilson(hits, trials).unwrap();
            assert!(
                (found.low - low).abs() < 1e-8 && (found.high - high).abs() < 1e-8,
                "{hits} of {trials}: {found:?}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn an_interval_lies_within_the_values_and_is_the_same_each_time(
            values in proptest::collection::vec((0usize..8, 0.0f64..1.0), 1..30),
        ) {
            let named = || values.iter().map(|(at, value)| (NAMES[*at], *value));
            let (low, high) = values.iter().fold((1.0f64, 0.0f64), |(l, h), (_, v)| (l.min(*v), h.max(*v)));
            let interval = Clustered::of(named()).interval().unwrap();
            prop_assert!(low - 1e-12 <= interval.low && interval.low <= interval.high);
            prop_assert!(interval.high <= high + 1e-12);
            prop_assert_eq!(Some(interval), Clustered::of(named()).interval());
        }
    }
}
