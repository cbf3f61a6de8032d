//! A mean that a scorer says of many cases, corrected by what people say of a few: prediction-powered inference
//! (Angelopoulos et al., Science 2023), with the weight of PPI++ (Angelopoulos, Duchi and Zrnic 2023), so that a scorer
//! that knows nothing costs nothing.

use super::normal;
use super::{Interval, LEVEL, mean, real, variance};

/// An estimate of the true mean, and its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrected {
    pub value: f64,
    pub interval: Interval,
    /// How much the scorer counted, in 0..=1.
    pub weight: f64,
}

/// `θ = ȳ + λ(f̄_N − f̄_n)`, its variance `Var(y − λf)/n + λ²·Var(f_N)/N`, and `λ = Cov(y, f) / ((1 + n/N)·Var(f))` within
/// 0..=1. `labelled` are pairs of what people and what the scorer say of one case, `scored` what the scorer says of the
/// cases that have no label. None of fewer than two of each.
pub fn mean_of(labelled: &[(f64, f64)], scored: &[f64]) -> Option<Corrected> {
    let (people, scorer): (Vec<f64>, Vec<f64>) = labelled.iter().copied().unzip();
    let (n, more) = (real(people.len()), real(scored.len()));
    let (centre, predicted, unlabelled) = (mean(&people)?, mean(&scorer)?, mean(scored)?);
    let together: f64 = labelled.iter().map(|(y, f)| (y - centre) * (f - predicted)).sum();
    let covariance = together / (n - 1.0);
    let all: Vec<f64> = scorer.iter().chain(scored).copied().collect();
    let spread = (1.0 + n / more) * variance(&all)?;
    let weight = if spread > 0.0 { (covariance / spread).clamp(0.0, 1.0) } else { 0.0 };
    let rest: Vec<f64> = labelled.iter().map(|(y, f)| y - weight * f).collect();
    let error = (variance(&rest)? / n + weight * weight * variance(scored)? / more).sqrt();
    let value = centre + weight * (unlabelled - predicted);
    let half = normal::quantile(f64::midpoint(1.0, LEVEL)) * error;
    Some(Corrected { value, interval: Interval { low: value - half, high: value + half }, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy: lam = cov(y, f)[0, 1] / ((1 + n/N) * var(concatenate([f, F]), ddof=1)); th = y.mean() + lam * (F.mean() - f.mean())
    #[test]
    fn the_corrected_mean_is_numpys() {
        let people = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let scorer = [0.9, 0.2, 0.8, 0.6, 0.4, 0.7, 0.9, 0.1, 0.5, 0.95];
        let scored = [0.8, 0.7, 0.9, 0.3, 0.2, 0.6, 0.85, 0.75, 0.4, 0.95, 0.5, 0.65];
        let labelled: Vec<(f64, f64)> = people.into_iter().zip(scorer).collect();
        let found = mean_of(&labelled, &scored).unwrap();
        assert!((found.weight - 0.976_464_148_877_941_6).abs() < 1e-9, "{found:?}");
        assert!((found.value - 0.727_666_484_218_208_3).abs() < 1e-9, "{found:?}");
        assert!((found.interval.low - 0.509_918_409_577_98).abs() < 1e-7, "{found:?}");
        assert!((found.interval.high - 0.945_414_558_858_436_7).abs() < 1e-7, "{found:?}");
    }

    #[test]
    fn a_scorer_that_knows_nothing_counts_nothing() {
        let labelled: Vec<(f64, f64)> = (0..20).map(|n| (f64::from(n % 2), 0.5)).collect();
        let found = mean_of(&labelled, &[0.5; 30]).unwrap();
        assert!(found.weight.abs() < 1e-12 && (found.value - 0.5).abs() < 1e-12);
        assert_eq!(mean_of(&[], &[0.5; 30]), None);
        assert_eq!(mean_of(&[(1.0, 0.5)], &[0.5; 30]), None);
    }
}
