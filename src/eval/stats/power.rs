//! How small a difference so many cases can show: what is said before a run, and what refuses a gate.

use super::normal;
use super::real;

/// With this probability a difference of the size given is found.
pub const POWER: f64 = 0.8;
const STEPS: usize = 60;

/// Cases that count as independent, of so many in so many clusters: n / (1 + (m − 1)·ρ) with m cases a cluster (Kish's
/// design effect). `correlation` is ρ, how alike cases of one cluster are.
pub fn effective(cases: usize, clusters: usize, correlation: f64) -> f64 {
    if clusters == 0 {
        return 0.0;
    }
    let per_cluster = real(cases) / real(clusters);
    real(cases) / (1.0 + (per_cluster - 1.0).max(0.0) * correlation.clamp(0.0, 1.0))
}

/// The smallest difference of two shares over the same `n` cases that McNemar's test shows at `alpha`, two-sided, with
/// [`POWER`]: `n = (z_α·√ψ + z_β·√(ψ − δ²))² / δ²` solved for δ (Connor 1987). `changing` is ψ, the share of cases
/// that come out otherwise in the two runs; it is at least δ. None where no difference can be shown.
pub fn detectable_share(n: f64, changing: f64, alpha: f64) -> Option<f64> {
    let (z_alpha, z_beta) = (normal::quantile(1.0 - alpha / 2.0), normal::quantile(POWER));
    let needed = |delta: f64| {
        let psi = changing.max(delta);
        let root = z_alpha * psi.sqrt() + z_beta * (psi - delta * delta).max(0.0).sqrt();
        root * root / (delta * delta)
    };
    if n <= 0.0 || needed(1.0) > n {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if needed(middle) > n { low = middle } else { high = middle }
    }
    Some(high)
}

/// The same of two means: `(z_α + z_β)·σ/√n`, with σ the standard deviation of the paired differences.
pub fn detectable_mean(n: f64, deviation: f64, alpha: f64) -> Option<f64> {
    let z = normal::quantile(1.0 - alpha / 2.0) + normal::quantile(POWER);
    (n > 0.0).then(|| z * deviation / n.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.optimize.brentq(lambda d: need(d, psi) - n, 1e-6, 1), need as in Connor's formula
    #[test]
    fn what_mcnemar_can_show_is_connors() {
        for (n, changing, expected) in [
            (100.0, 0.1, 0.087_553_488_934_614_13),
            (300.0, 0.1, 0.050_948_969_797_950_44),
            (1000.0, 0.2, 0.039_573_706_615_455_714),
            (50.0, 0.02, 0.149_717_150_011_983_7),
        ] {
            let found = detectable_share(n, changing, 0.05).unwrap();
            assert!((found - expected).abs() < 1e-7, "{n}: {found}");
        }
        assert_eq!(detectable_share(3.0, 0.1, 0.05), None, "three cases show nothing");
        assert_eq!(detectable_share(0.0, 0.1, 0.05), None);
    }

    // (norm.ppf(.975) + norm.ppf(.8)) * .3 / 300**.5
    #[test]
    fn what_a_mean_can_show_is_the_textbooks() {
        assert!((detectable_mean(300.0, 0.3, 0.05).unwrap() - 0.048_524_879_395_055_95).abs() < 1e-8);
        assert_eq!(detectable_mean(0.0, 0.3, 0.05), None);
    }

    #[test]
    fn cases_of_one_cluster_count_for_less() {
        assert!((effective(100, 100, 0.1) - 100.0).abs() < 1e-9);
        assert!((effective(100, 10, 0.1) - 100.0 / 1.9).abs() < 1e-9);
        assert!((effective(100, 1, 1.0) - 1.0).abs() < 1e-9);
        assert!(effective(0, 0, 0.1).abs() < 1e-9);
    }
}
