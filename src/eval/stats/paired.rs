//! Whether two runs over the same cases differ: p-values, and what is left of them when there are several.

use super::bootstrap::Clustered;
use super::random::Random;
use super::{RESAMPLES, SEED, real};

/// Up to so many clusters every way of flipping is tried: 2^13 is less than is drawn otherwise.
const EXACT_CLUSTERS_MAX: usize = 13;
/// Sums that differ by less are the same.
const TIE: f64 = 1e-12;

/// McNemar's exact test, two-sided: of the cases that changed, are as many better as worse? (McNemar 1947; the binomial
/// form as in Fagerland, Lydersen and Laake 2013.) `min(1, 2·P(X ≤ min(b, c)))` with X of `Binomial(b + c, ½)`.
pub fn mcnemar(worsened: usize, improved: usize) -> f64 {
    let (changed, fewer) = (worsened + improved, worsened.min(improved));
    let mut log_term = -real(changed) * std::f64::consts::LN_2; // of 0 among so many
    let mut sum = log_term.exp();
    for hits in 1..=fewer {
        log_term += (real(changed - hits + 1) / real(hits)).ln();
        sum += log_term.exp();
    }
    (2.0 * sum).min(1.0)
}

/// The sign-flip permutation test, two-sided: could the mean of these paired differences come from chance alone?
/// A cluster's differences keep or change their signs together (Good, "Permutation Tests"; for clusters Winkler et al.
/// 2015). All flips for few clusters, else 10,000 drawn ones with the p-value (1 + extreme) / (1 + drawn) of Phipson and
/// Smyth 2010.
pub fn sign_flip(differences: &Clustered) -> f64 {
    let sums: Vec<f64> = differences.sums().collect();
    let observed = sums.iter().sum::<f64>().abs() - TIE;
    let flipped = |signs: &mut dyn FnMut(usize) -> bool| {
        let total: f64 = sums.iter().enumerate().map(|(at, sum)| if signs(at) { -sum } else { *sum }).sum();
        total.abs() >= observed
    };
    if sums.len() <= EXACT_CLUSTERS_MAX {
        let ways = 1usize << sums.len();
        let extreme = (0..ways).filter(|way| flipped(&mut |at| way >> at & 1 == 1)).count();
        return real(extreme) / real(ways);
    }
    let mut random = Random::new(SEED);
    let extreme = (0..RESAMPLES).filter(|_| flipped(&mut |_| random.coin())).count();
    real(1 + extreme) / real(1 + RESAMPLES)
}

/// Holm's step-down adjustment (Holm 1979): p-values that may each be held against the same level, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    let at = |place: usize| p.get(place).copied().unwrap_or(1.0);
    order.sort_by(|a, b| at(*a).total_cmp(&at(*b)));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(at(place) * real(p.len() - rank)).min(1.0);
        if let Some(slot) = adjusted.get_mut(place) {
            *slot = largest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::stats::near;

    // statsmodels.stats.contingency_tables.mcnemar([[50, b], [c, 50]], exact=True).pvalue
    #[test]
    fn mcnemars_p_is_statsmodels() {
        for (worsened, improved, expected) in [
            (2, 10, 0.038_574_218_75),
            (0, 6, 0.031_25),
            (5, 5, 1.0),
            (30, 52, 0.019_826_915_845_841_6),
            (120, 80, 0.005_685_155_996_750_306),
            (0, 0, 1.0),
        ] {
            assert!(near(mcnemar(worsened, improved), expected), "{worsened} {improved}");
        }
        assert!(mcnemar(0, 100_000).abs() < 1e-12, "no overflow");
    }

    fn of(values: &[f64]) -> Clustered {
        let names: Vec<String> = (0..values.len()).map(|n| format!("{n:03}")).collect();
        Clustered::of(names.iter().map(String::as_str).zip(values.iter().copied()))
    }

    // scipy.stats.permutation_test((x,), numpy.mean, permutation_type="samples", n_resamples=inf).pvalue
    #[test]
    fn the_sign_flip_tests_p_is_scipys() {
        let few = [0.2, -0.1, 0.4, 0.0, 0.3, 0.25, -0.05, 0.1];
        assert!(near(sign_flip(&of(&few)), 0.093_75));
        let more = [0.2, -0.1, 0.4, 0.0, 0.3, 0.25, -0.05, 0.1, 0.15, -0.2, 0.3, 0.05, -0.1, 0.2, 0.1, 0.0];
        assert!((sign_flip(&of(&more)) - 0.039_916_992).abs() < 0.006, "{}", sign_flip(&of(&more)));
        assert!(near(sign_flip(&of(&[0.0; 5])), 1.0), "nothing changed");
        assert!(near(sign_flip(&of(&[])), 1.0));
    }

    // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
    #[test]
    fn holms_adjustment_is_statsmodels() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (found, expected) in adjusted.into_iter().zip([0.04, 0.09, 0.09, 0.025, 0.5]) {
            assert!(near(found, expected), "{found}");
        }
        assert!(holm(&[]).is_empty());
    }
}
