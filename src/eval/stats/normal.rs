//! The normal distribution's quantiles, by Acklam's rational approximation (relative error below 1.2e-9).

const A: [f64; 6] = [
    -3.969_683_028_665_376e1,
    2.209_460_984_245_205e2,
    -2.759_285_104_469_687e2,
    1.383_577_518_672_69e2,
    -3.066_479_806_614_716e1,
    2.506_628_277_459_239,
];
const B: [f64; 5] = [
    -5.447_609_879_822_406e1,
    1.615_858_368_580_409e2,
    -1.556_989_798_598_866e2,
    6.680_131_188_771_972e1,
    -1.328_068_155_288_572e1,
];
const C: [f64; 6] = [
    -7.784_894_002_430_293e-3,
    -3.223_964_580_411_365e-1,
    -2.400_758_277_161_838,
    -2.549_732_539_343_734,
    4.374_664_141_464_968,
    2.938_163_982_698_783,
];
const D: [f64; 4] = [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
/// Below this share, and above its complement, the tails' formula holds.
const TAIL: f64 = 0.024_25;

/// Below which value this share of a standard normal lies. A share outside of 0..1 is taken as its end.
pub fn quantile(share: f64) -> f64 {
    let share = share.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
    if share < TAIL {
        return tail((-2.0 * share.ln()).sqrt());
    }
    if share > 1.0 - TAIL {
        return -tail((-2.0 * (1.0 - share).ln()).sqrt());
    }
    let centred = share - 0.5;
    let square = centred * centred;
    polynomial(&A, square) * centred / (polynomial(&B, square) * square + 1.0)
}

fn tail(q: f64) -> f64 {
    polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
}

/// Horner's scheme, the highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.norm.ppf(share)
    #[test]
    fn quantiles_are_scipys() {
        for (share, expected) in [
            (0.001, -3.090_232_306_167_813),
            (0.025, -1.959_963_984_540_054_5),
            (0.2, -0.841_621_233_572_914_2),
            (0.5, 0.0),
            (0.95, 1.644_853_626_951_472_2),
            (0.975, 1.959_963_984_540_054),
            (0.9999, 3.719_016_485_455_709),
        ] {
            assert!((quantile(share) - expected).abs() < 1e-8, "{share}: {}", quantile(share));
        }
        assert!(quantile(0.0).is_finite() && quantile(1.0).is_finite());
    }
}
