//! What figures can be said to show: intervals, comparisons, agreement. Numbers in, numbers out.
//!
//! Pure and the same on every machine: chance comes from [`random`] with a fixed seed, and values are taken in the order
//! of their clusters' names, whatever order they came in. What is undefined is `None`, never NaN. Reference values in the
//! tests come from scipy 1.17, statsmodels 0.15 and scikit-learn 1.9; each names the call that made it.

pub mod random;
pub mod bootstrap;
pub mod paired;
pub mod power;
pub mod agreement;
pub mod normal;
pub mod predicted;

/// Draws of every bootstrap and permutation test.
pub const RESAMPLES: usize = 10_000;
/// Where chance begins, each time anew, so that two figures of the same cases are drawn alike.
pub const SEED: u64 = 20_260_101;
/// Of every interval.
pub const LEVEL: f64 = 0.95;

/// A count among real numbers.
#[expect(clippy::cast_precision_loss, reason = "counts of cases, far below 2^53")]
pub fn real(count: usize) -> f64 {
    count as f64
}

/// The arithmetic mean. None of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / real(values.len()))
}

/// The sample variance, with n − 1. None of fewer than two.
pub fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    (values.len() > 1).then(|| squares / real(values.len() - 1))
}

/// A quantile of ascending values by linear interpolation (Hyndman and Fan's type 7, numpy's default).
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let place = share.clamp(0.0, 1.0) * real(ascending.len().checked_sub(1)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the list")]
    let below = place.floor() as usize;
    let (low, high) = (ascending.get(below)?, ascending.get(below + 1).or(ascending.last())?);
    Some(low + (high - low) * (place - real(below)))
}

/// An interval around an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

#[cfg(test)]
pub(crate) fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [0, 25, 50, 95, 100])
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.95, 7.4), (1.0, 8.0)] {
            assert!(near(quantile(&values, share).unwrap(), expected), "{share}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn mean_and_variance_of_too_little_are_none() {
        assert_eq!((mean(&[]), variance(&[1.0])), (None, None));
        assert!(near(variance(&[1.0, 2.0, 4.0]).unwrap(), 7.0 / 3.0));
    }
}
